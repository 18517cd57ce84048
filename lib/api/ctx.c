/* SPDX-License-Identifier: Apache-2.0 */
/* Making, opening and closing a home; workers; the change lock. No token is touched here. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/api/api.h"

#define DEADLINE_DEFAULT_MS 10000

CLV_DEFINE_AUTO(struct clv_ctx, clv_ctx_free);

clv_rc api_path(const char *home, const char *name, char path[API_PATH_MAX], struct clv_err *err)
{
	int n = snprintf(path, API_PATH_MAX, "%s/%s", home, name);

	if (n < 0 || n >= API_PATH_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "the path of the home is too long");
	return CLV_OK;
}

void api_own_principal(char principal[CLV_PRINCIPAL_MAX])
{
	char room[4096];
	struct passwd entry, *found = NULL;

	if (getpwuid_r(geteuid(), &entry, room, sizeof room, &found) == 0 && found != NULL)
		snprintf(principal, CLV_PRINCIPAL_MAX, "user:%.200s", found->pw_name);
	else
		snprintf(principal, CLV_PRINCIPAL_MAX, "user:uid-%u", (unsigned) geteuid());
}

const char *api_own_project(const struct clv_ctx *ctx, char project[CLV_NAME_MAX])
{
	struct clv_name name = { .kind = CLV_NAME_PROJECT };

	memcpy(name.project, ctx->info.project, sizeof name.project);
	return clv_name_format(&name, CLV_NAME_PROJECT, project);
}

/* ---- making a home ---- */

static clv_rc make_dir(const char *path, struct clv_err *err)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return clv_fail_errno(err, errno == ENOENT ? CLV_E_NOT_FOUND : CLV_E_UNAVAILABLE,
				      errno, "folder %s", path);
	return CLV_OK;
}

/* The folders above the home as well, like mkdir -p; the home itself for its owner only. */
static clv_rc make_parents(const char *home, struct clv_err *err)
{
	char part[API_PATH_MAX];

	if (home == NULL || home[0] == '\0' || strlen(home) >= sizeof part - 64)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the path of the home is empty or too long");
	memcpy(part, home, strlen(home) + 1);
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		CLV_TRY(make_dir(part, err));
		*slash = '/';
	}
	return make_dir(home, err);
}

static clv_rc check_empty(const char *home, struct clv_err *err)
{
	DIR *dir = opendir(home);
	struct dirent *entry;
	struct stat st;
	bool empty = true;

	if (dir == NULL)
		return clv_fail_errno(err,
				      errno == ENOTDIR ? CLV_E_ALREADY_EXISTS : CLV_E_UNAVAILABLE,
				      errno, "home %s", home);
	while ((entry = readdir(dir)) != NULL)
		empty = empty &&
			(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
	closedir(dir);
	if (!empty)
		return clv_fail(err, CLV_E_ALREADY_EXISTS,
				"%s is not empty; a home needs a folder of its own", home);
	if (stat(home, &st) == 0 && st.st_uid != geteuid())
		return clv_fail(err, CLV_E_PERMISSION_DENIED, "folder %s belongs to another user",
				home);
	if (chmod(home, 0700) != 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "home %s", home);
	return CLV_OK;
}

static clv_rc fill_home(const char *home, const struct store_home *info, struct clv_err *err)
{
	CLV_AUTO(audit_close) struct audit *audit = NULL;
	char path[API_PATH_MAX], resource[CLV_NAME_MAX];
	struct clv_name name = { .kind = CLV_NAME_PROJECT };
	uint64_t request;

	memcpy(name.project, info->project, sizeof name.project);
	clv_name_format(&name, CLV_NAME_PROJECT, resource);
	CLV_TRY(clv_random(&request, sizeof request, err));
	CLV_TRY(api_path(home, API_DIR_RUN, path, err));
	CLV_TRY(make_dir(path, err));
	CLV_TRY(api_path(home, API_DIR_AUDIT, path, err));
	CLV_TRY(make_dir(path, err));
	CLV_TRY(audit_open(path, &audit, err));
	CLV_TRY(api_path(home, API_FILE_GATE, path, err));
	CLV_TRY(inflight_create(path, err));
	api_reserve_fill(home);
	/* The catalogue last: a home is one when it is there. */
	CLV_TRY(api_path(home, API_FILE_CATALOGUE, path, err));
	CLV_TRY(store_create(path, clv_grant_system(CLV_SYSTEM_HOME), info, err));
	return audit_append(audit,
			    &(struct audit_entry){ .time = info->create_time,
						   .request = request,
						   .principal = info->owner,
						   .permission = "claviger.homes.create",
						   .resource = resource,
						   .rule = "system" },
			    true, err);
}

clv_rc clv_home_create(const struct clv_home_options *options, struct clv_err *err)
{
	struct store_home info = { .create_time = clv_time_now() };
	const char *project = options->project != NULL ? options->project : "demo";

	CLV_TRY(clv_secret_setup(0, options->allow_unlocked_memory, err));
	CLV_TRY(clv_id_check(CLV_NAME_PROJECT, project, err));
	snprintf(info.project, sizeof info.project, "%s", project);
	api_own_principal(info.owner);
	CLV_TRY(clv_random(info.uuid, sizeof info.uuid, err));
	CLV_TRY(make_parents(options->home, err));
	CLV_TRY(check_empty(options->home, err));
	return fill_home(options->home, &info, err);
}

/* ---- opening and closing ---- */

/* How many forks lie between this process and the first that opened a home. */
static _Atomic unsigned forks;

static void after_fork_in_child(void)
{
	atomic_fetch_add(&forks, 1);
}

static void register_watch(void)
{
	int rc = pthread_atfork(NULL, NULL, after_fork_in_child);

	(void) rc; /* no memory: then use after fork() is not noticed here, only by the token */
}

static unsigned watch_forks(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_watch);
	return atomic_load(&forks);
}

static clv_rc find_home(const char *home, struct clv_ctx *ctx, struct clv_err *err)
{
	char path[API_PATH_MAX];
	char *real;

	if (home == NULL || home[0] == '\0')
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "the path of the home is empty");
	real = realpath(home, NULL); /* absolute: SoftHSM opens its files by name later on */
	if (real == NULL)
		return clv_fail_errno(err,
				      errno == ENOENT   ? CLV_E_NOT_FOUND
				      : errno == EACCES ? CLV_E_PERMISSION_DENIED
							: CLV_E_UNAVAILABLE,
				      errno, "home %.200s (make one with kmsctl init)", home);
	if (strlen(real) >= sizeof ctx->home - 64) {
		free(real);
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "the path of the home is too long");
	}
	memcpy(ctx->home, real, strlen(real) + 1);
	free(real);
	CLV_TRY(api_path(ctx->home, API_FILE_CATALOGUE, path, err));
	if (access(path, F_OK) != 0 && (errno == EACCES || errno == EPERM))
		return clv_fail_errno(err, CLV_E_PERMISSION_DENIED, errno,
				      "home %.200s belongs to another user", ctx->home);
	if (access(path, F_OK) != 0)
		return clv_fail(err, CLV_E_NOT_FOUND,
				"%.200s is not a Claviger home; make one with kmsctl init",
				ctx->home);
	return CLV_OK;
}

/* A folder that others can write to is no place for PIN files. */
static clv_rc check_owner(const char *home, struct clv_err *err)
{
	struct stat st;

	if (stat(home, &st) != 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "home %.200s", home);
	if (st.st_uid != geteuid())
		return clv_fail(err, CLV_E_PERMISSION_DENIED,
				"home %.200s belongs to another user (%u)", home,
				(unsigned) st.st_uid);
	if ((st.st_mode & 077) != 0)
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"home %.200s is open to others; set its mode to 0700", home);
	return CLV_OK;
}

/*
 * Opening a catalogue that nobody has open takes some space in passing. Which is there on a full
 * disk as well: what follows may be switching something off.
 */
static clv_rc first_worker(struct clv_ctx *ctx, struct api_worker **ret_worker, struct clv_err *err)
{
	CLV_AUTO_DONE(api_loan_end) struct api_loan loan = { 0 };
	clv_rc rc = api_worker_acquire(ctx, ret_worker, err);

	while (rc == CLV_E_RESOURCE_EXHAUSTED && api_loan_draw(ctx, &loan))
		rc = api_worker_acquire(ctx, ret_worker, err);
	return rc;
}

static clv_rc open_parts(struct clv_ctx *ctx, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	char path[API_PATH_MAX];

	CLV_TRY(api_path(ctx->home, API_DIR_RUN, ctx->run_dir, err));
	CLV_TRY(api_path(ctx->home, API_FILE_GATE, path, err));
	CLV_TRY(inflight_open(path, &ctx->inflight, err));
	CLV_TRY(api_path(ctx->home, API_DIR_AUDIT, path, err));
	CLV_TRY(audit_open(path, &ctx->audit, err));
	CLV_TRY(api_views_new(&ctx->views, err));
	CLV_TRY(api_counts_new(&ctx->counts, err));
	CLV_TRY(api_seal_new(ctx, err));
	CLV_TRY(first_worker(ctx, &worker, err));
	CLV_TRY(store_home_get(worker->store, &ctx->info, err));
	CLV_TRY(api_policy_new(ctx, worker->store, &ctx->policy, err));
	api_reserve_fill(ctx->home);
	ctx->opened = true;
	return CLV_OK;
}

clv_rc clv_ctx_open(const struct clv_ctx_options *options, struct clv_ctx **ret_ctx,
		    struct clv_err *err)
{
	CLV_AUTO(clv_ctx_free) struct clv_ctx *ctx = NULL;
	uint64_t requests;

	CLV_TRY(clv_secret_setup(0, options->allow_unlocked_memory, err));
	ctx = calloc(1, sizeof *ctx);
	if (ctx == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a home");
	pthread_mutex_init(&ctx->workers_lock, NULL);
	pthread_mutex_init(&ctx->tokens_lock, NULL);
	clv_cond_init(&ctx->token_opened);
	ctx->deadline_ms = options->deadline_ms != 0 ? options->deadline_ms : DEADLINE_DEFAULT_MS;
	ctx->max_sessions = options->max_sessions;
	api_own_principal(ctx->principal);
	CLV_TRY(clv_random(&requests, sizeof requests, err));
	atomic_store(&ctx->requests, requests);
	CLV_TRY(find_home(options->home, ctx, err));
	CLV_TRY(check_owner(ctx->home, err));
	atomic_store(&ctx->forks, watch_forks());
	CLV_TRY(open_parts(ctx, err));
	*ret_ctx = CLV_TAKE(ctx);
	return CLV_OK;
}

static void worker_free(struct api_worker *worker)
{
	for (size_t i = 0; i < CLV_ARRAY_LEN(worker->views); i++)
		api_view_unref(worker->views[i]);
	store_close(worker->store);
	inflight_seat_free(worker->seat);
	free(worker);
}

static struct api_worker *take_at_hand(struct clv_ctx *ctx, unsigned place)
{
	return atomic_exchange(&ctx->at_hand[place].worker, NULL);
}

static struct api_worker *take_listed(struct clv_ctx *ctx)
{
	struct api_worker *worker;

	pthread_mutex_lock(&ctx->workers_lock);
	worker = ctx->idle_workers;
	if (worker != NULL)
		ctx->idle_workers = worker->next;
	pthread_mutex_unlock(&ctx->workers_lock);
	return worker;
}

/* The thread's own, which remembers what it used; then any. NULL: all are out. */
static struct api_worker *take_idle(struct clv_ctx *ctx)
{
	struct api_worker *worker = take_at_hand(ctx, clv_thread_place());

	if (worker == NULL)
		worker = take_listed(ctx);
	for (unsigned place = 0; worker == NULL && place < CLV_THREAD_PLACES; place++)
		worker = take_at_hand(ctx, place);
	return worker;
}

struct clv_ctx *clv_ctx_free(struct clv_ctx *ctx)
{
	if (ctx == NULL)
		return NULL;
	api_tokens_done(ctx);
	for (struct api_worker *worker; (worker = take_idle(ctx)) != NULL;)
		worker_free(worker);
	api_judges_done(ctx);
	if (ctx->opened) /* what closing has set free */
		api_reserve_fill(ctx->home);
	api_views_free(ctx->views);
	api_counts_free(ctx->counts);
	api_seal_free(ctx->seal);
	api_policy_free(ctx->policy);
	audit_close(ctx->audit);
	inflight_close(ctx->inflight);
	pthread_cond_destroy(&ctx->token_opened);
	pthread_mutex_destroy(&ctx->tokens_lock);
	pthread_mutex_destroy(&ctx->workers_lock);
	free(ctx);
	return NULL;
}

const char *clv_ctx_project(const struct clv_ctx *ctx)
{
	return ctx->info.project;
}

const char *clv_ctx_principal(const struct clv_ctx *ctx)
{
	return ctx->principal;
}

clv_rc api_page_new(size_t n, size_t item, void **ret_page, struct clv_err *err)
{
	if (n < 1 || n > CLV_PAGE_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "a page has 1 to %d items, not %zu",
				CLV_PAGE_MAX, n);
	*ret_page = calloc(n, item);
	if (*ret_page == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a page of %zu", n);
	return CLV_OK;
}

void *clv_page_free(void *page)
{
	free(page);
	return NULL;
}

/* ---- workers ---- */

static clv_rc worker_new(struct clv_ctx *ctx, struct api_worker **ret_worker, struct clv_err *err)
{
	struct api_worker *worker = calloc(1, sizeof *worker);
	char path[API_PATH_MAX];
	clv_rc rc;

	if (worker == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a worker");
	worker->ctx = ctx;
	rc = api_path(ctx->home, API_FILE_CATALOGUE, path, err);
	if (rc == CLV_OK)
		rc = store_open(path, ctx->deadline_ms, &worker->store, err);
	if (rc == CLV_OK) {
		store_seal_set(worker->store, api_sealer(ctx));
		rc = inflight_seat_new(ctx->inflight, &worker->seat, err);
	}
	if (rc != CLV_OK) {
		worker_free(worker);
		return rc;
	}
	*ret_worker = worker;
	return CLV_OK;
}

clv_rc api_worker_acquire(struct clv_ctx *ctx, struct api_worker **ret_worker, struct clv_err *err)
{
	struct api_worker *worker;

	if (atomic_load(&ctx->forks) != atomic_load(&forks))
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"the home was opened before fork(); open it in the child");
	worker = take_idle(ctx);
	if (worker == NULL)
		return worker_new(ctx, ret_worker, err);
	*ret_worker = worker;
	return CLV_OK;
}

/* It is at hand for this thread, and what was there before goes to the list. */
struct api_worker *api_worker_release(struct api_worker *worker)
{
	struct clv_ctx *ctx;

	if (worker == NULL)
		return NULL;
	ctx = worker->ctx;
	worker = atomic_exchange(&ctx->at_hand[clv_thread_place()].worker, worker);
	if (worker == NULL)
		return NULL;
	pthread_mutex_lock(&ctx->workers_lock);
	worker->next = ctx->idle_workers;
	ctx->idle_workers = worker;
	pthread_mutex_unlock(&ctx->workers_lock);
	return NULL;
}

/* ---- the change lock ---- */

static clv_rc lock_changes(int fd, const char *path, unsigned wait_ms, struct clv_err *err)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct clv_deadline deadline = clv_deadline_in(wait_ms);
	unsigned pause_us = 0;

	while (fcntl(fd, F_OFD_SETLK, &range) != 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EACCES)
			return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "lock %s", path);
		if (!clv_backoff(deadline, &pause_us, 2000))
			return clv_fail(
				err, CLV_E_UNAVAILABLE,
				"nothing was changed: another change of this home did not end "
				"within %u ms",
				wait_ms);
	}
	return CLV_OK;
}

clv_rc api_change_begin(struct clv_ctx *ctx, struct api_change *ret_change, struct clv_err *err)
{
	char path[API_PATH_MAX];
	clv_rc rc;
	int fd;

	CLV_TRY(api_path(ctx->home, API_FILE_CHANGE_LOCK, path, err));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return clv_fail_errno(err,
				      errno == ENOSPC || errno == EDQUOT ? CLV_E_RESOURCE_EXHAUSTED
									 : CLV_E_UNAVAILABLE,
				      errno, "lock %s", path);
	rc = lock_changes(fd, path, ctx->deadline_ms, err);
	if (rc != CLV_OK) {
		close(fd);
		return rc;
	}
	inflight_change_begin(ctx->inflight);
	*ret_change = (struct api_change){ ctx, fd };
	return CLV_OK;
}

void api_change_end(struct api_change *change)
{
	if (change->ctx == NULL)
		return;
	inflight_change_end(change->ctx->inflight);
	close(change->fd);
	change->ctx = NULL;
}
