/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/api/api.h"
#include "tests/support/home_world.h"

#define CHILD_SECONDS 110 /* below the time-out of tests/run; CLAVIGER_TEST_SECONDS for soak */

static char template_dir[256]; /* of this program; the home in it is copied */
static bool template_made;

/*
 * What sanitizers say of the token module must be told from what they say of us: they need to see
 * whole stacks, and the module's name in them after the library has unloaded it.
 */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0";
}

static void keep_module_names(void)
{
	void *module = dlopen(CLV_SOFTHSM_MODULE, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (module != NULL)
		dlclose(module);
}

/* ---- folders */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void) st, (void) flag, (void) ftw;
	return remove(path);
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_dir(char dir[256])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, 256, "%.200s/clv-home-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL)
		fail_msg("no folder %s", dir);
}

const char *world_path(const struct home_world *w, const char *name)
{
	static char paths[4][600];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", w->home, name);
	return path;
}

/* ---- processes */

static void be_a_child(void)
{
	keep_module_names();
	alarm(world_env("CLAVIGER_TEST_SECONDS", CHILD_SECONDS));
	setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failed assertion ends the process */
}

pid_t world_fork(struct home_world *w, void (*fn)(struct home_world *w, void *arg), void *arg)
{
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child < 0)
		fail_msg("no process");
	if (child == 0) {
		be_a_child();
		fn(w, arg);
		world_close(w);
		exit(0);
	}
	return child;
}

void world_wait(pid_t child)
{
	int status = 0;

	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		fail_msg("the process died of signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		fail_msg("the process ended with status %d", WEXITSTATUS(status));
}

void world_kill(pid_t child)
{
	int status = 0;

	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
}

void world_in_child(struct home_world *w, void (*fn)(struct home_world *w, void *arg), void *arg)
{
	world_wait(world_fork(w, fn, arg));
}

static void run_body(struct home_world *w, void *arg)
{
	(void) arg;
	w->body(w);
}

void home_run(void **state)
{
	world_in_child(*state, run_body, NULL);
}

/* ---- making the home that is copied */

static void make_template(struct home_world *w, void *arg)
{
	struct clv_home_options options = { .home = w->home, .allow_unlocked_memory = true };
	const struct clv_import_job_options job_options = {
		.method = CLV_IMPORT_RSA_OAEP_3072_SHA1_AES_256,
		.protection = CLV_PROTECTION_SOFTWARE,
	};
	struct clv_location location;
	struct clv_import_job job;
	struct clv_key_ring ring;

	(void) arg;
	assert_ok(w, clv_home_create(&options, &w->err));
	world_open(w);
	assert_ok(w, clv_location_create_softhsm(w->ctx, NULL, LOCATION, NULL, &location, &w->err));
	assert_ok(w, clv_key_ring_create(w->ctx, NULL, RING, &ring, &w->err));
	assert_ok(w, world_new_key(w, WRAPPED, CLV_RESIDENCY_WRAPPED));
	assert_ok(w, world_new_key(w, TOKEN, CLV_RESIDENCY_TOKEN));
	assert_ok(w, clv_import_job_create(w->ctx, NULL, JOB("j"), &job_options, &job, &w->err));
}

int home_group_set_up_empty(void **state)
{
	(void) state;
	template_made = false;
	return 0;
}

int home_group_set_up(void **state)
{
	struct home_world w = { 0 };

	(void) state;
	make_dir(template_dir);
	snprintf(w.home, sizeof w.home, "%s/home", template_dir);
	world_in_child(&w, make_template, NULL);
	template_made = true;
	return 0;
}

int home_group_tear_down(void **state)
{
	(void) state;
	if (template_made)
		remove_tree(template_dir);
	return 0;
}

int home_set_up(void **state)
{
	home_body body = *(home_body *) *state;
	struct home_world *w = calloc(1, sizeof *w);
	char command[800];

	if (w == NULL)
		return 1;
	w->body = body;
	make_dir(w->dir);
	snprintf(w->home, sizeof w->home, "%s/home", w->dir);
	*state = w;
	if (!template_made)
		return 0;
	snprintf(command, sizeof command, "cp -a '%s/home' '%s'", template_dir, w->home);
	return system(command);
}

int home_tear_down(void **state)
{
	struct home_world *w = *state;

	remove_tree(w->dir);
	free(w);
	return 0;
}

/* ---- the context */

void world_open(struct home_world *w)
{
	struct clv_ctx_options options = { .home = w->home,
					   .deadline_ms = w->deadline_ms,
					   .allow_unlocked_memory = true };

	assert_ok(w, clv_ctx_open(&options, &w->ctx, &w->err));
}

void world_close(struct home_world *w)
{
	w->ctx = clv_ctx_free(w->ctx);
}

clv_rc world_encrypt(struct home_world *w, const char *name, const char *text, struct clv_buf *ret)
{
	struct clv_bytes plaintext = { (const uint8_t *) text, strlen(text) };

	return clv_encrypt(w->ctx, NULL, name, plaintext, (struct clv_bytes){ 0 }, ret, NULL,
			   &w->err);
}

clv_rc world_decrypt(struct home_world *w, const char *name, const struct clv_buf *ciphertext,
		     const char *text)
{
	struct clv_secret *plaintext = NULL;
	clv_rc rc = clv_decrypt(w->ctx, NULL, name, clv_buf_view(ciphertext),
				(struct clv_bytes){ 0 }, &plaintext, NULL, &w->err);

	if (rc != CLV_OK) {
		assert_null(plaintext);
		return rc;
	}
	assert_int_equal(clv_secret_len(plaintext), strlen(text));
	assert_memory_equal(clv_secret_bytes(plaintext), text, strlen(text));
	clv_secret_free(plaintext);
	return CLV_OK;
}

clv_rc world_new_key(struct home_world *w, const char *name, enum clv_residency residency)
{
	struct clv_key_options options = { .purpose = CLV_PURPOSE_ENCRYPT_DECRYPT,
					   .residency = residency };
	struct clv_key key;

	return clv_key_create(w->ctx, NULL, name, &options, &key, &w->err);
}

/* ---- looking at a home from outside */

static int first_column(void *arg, int n, char **values, char **names)
{
	(void) names;
	if (n > 0 && values[0] != NULL)
		*(int64_t *) arg = strtoll(values[0], NULL, 10);
	return 0;
}

int64_t world_count(const struct home_world *w, const char *sql)
{
	sqlite3 *db = NULL;
	int64_t number = -1;

	assert_int_equal(sqlite3_open(world_path(w, "catalogue.db"), &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	if (sqlite3_exec(db, sql, first_column, &number, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
	return number;
}

void world_tamper(const struct home_world *w, const char *sql)
{
	(void) world_count(w, sql);
}

/* A location whose token could be opened before the change: that may take its address away. */
struct resealing {
	struct store_location location;
	struct store_token token;
	struct hsm *hsm;
	bool opened; /* for this */
};

static size_t begin_resealing(struct api_worker *worker, struct resealing *all, size_t max)
{
	struct store_location locations[4];
	struct clv_err ignored;
	size_t n = 0, n_found = 0, n_tokens = 0;

	store_seal_unchecked(worker->store, true);
	if (store_location_list(worker->store, "", max, locations, &n, &ignored) != CLV_OK)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		struct resealing *one = &all[n_found];
		struct hsm_options options;

		*one = (struct resealing){ .location = locations[i] };
		if (store_token_list(worker->store, locations[i].id, 1, &one->token, &n_tokens,
				     &ignored) != CLV_OK ||
		    n_tokens == 0)
			continue;
		one->hsm = api_token_peek(worker->ctx, locations[i].id);
		api_hsm_options(worker->ctx, one->token.pub.uri, &options);
		one->opened = one->hsm == NULL && hsm_open(&options, &one->hsm, &ignored) == CLV_OK;
		n_found += one->hsm != NULL;
	}
	return n_found;
}

static void reseal(struct api_worker *worker, const struct resealing *one)
{
	const struct clv_grant *grant = clv_grant_system(CLV_SYSTEM_SEAL);
	struct clv_restoration found;
	struct clv_err err;

	if (api_seal_restore(worker, &one->location, &one->token, one->hsm, grant, NULL, &found,
			     &err) != CLV_OK)
		fail_msg("%s", err.text);
	if (found.newest > 0 &&
	    (store_seal_tree(worker->store, grant, one->location.row, &err) != CLV_OK ||
	     api_seal_settle(worker->ctx, &err) != CLV_OK))
		print_message("# not sealed again: %s\n", err.text);
	if (one->opened) {
		api_seal_close(worker->ctx, &one->location, &one->token);
		hsm_close(one->hsm);
	}
}

static void change_and_reseal(struct home_world *w, void *arg)
{
	struct api_worker *worker = NULL;
	struct resealing all[4];
	struct clv_err ignored;
	size_t n = 0;

	if (w->ctx != NULL && api_worker_acquire(w->ctx, &worker, &ignored) == CLV_OK)
		n = begin_resealing(worker, all, CLV_ARRAY_LEN(all));
	world_tamper(w, arg);
	for (size_t i = 0; i < n; i++)
		reseal(worker, &all[i]);
	if (worker != NULL)
		store_seal_unchecked(worker->store, false);
	api_worker_release(worker);
}

static void open_and_reseal(struct home_world *w, void *arg)
{
	const struct clv_ctx_options options = { .home = w->home, .allow_unlocked_memory = true };
	struct clv_err ignored;

	if (clv_ctx_open(&options, &w->ctx, &ignored) != CLV_OK)
		w->ctx = NULL;
	change_and_reseal(w, arg);
}

void world_sql(const struct home_world *w, const char *sql)
{
	struct home_world copy = *w;
	char *text = strdup(sql);

	assert_non_null(text);
	if (w->ctx != NULL)
		change_and_reseal(&copy, text);
	else
		world_in_child(&copy, open_and_reseal, text);
	free(text);
}

char *world_log(const struct home_world *w)
{
	FILE *file = fopen(world_path(w, "audit/audit.jsonl"), "re");
	char *text = NULL;
	size_t len = 0;

	assert_non_null(file);
	if (getdelim(&text, &len, '\0', file) < 0) {
		free(text);
		text = strdup("");
	}
	fclose(file);
	return text;
}

size_t log_lines(const char *log, const char *const words[], size_t n_words)
{
	size_t found = 0;

	for (const char *end; (end = strchr(log, '\n')) != NULL; log = end + 1) {
		bool all = true;

		for (size_t i = 0; i < n_words; i++)
			all = all &&
			      memmem(log, (size_t) (end - log), words[i], strlen(words[i])) != NULL;
		found += all;
	}
	return found;
}

size_t world_log_count_n(const struct home_world *w, const char *const words[], size_t n_words)
{
	char *log = world_log(w);
	size_t n = log_lines(log, words, n_words);

	free(log);
	return n;
}

size_t world_objects(const struct home_world *w, struct raw_object *objects, size_t max)
{
	const char *build = getenv("top_builddir");
	char command[900], encrypt, decrypt;
	size_t n = 0;
	FILE *out;

	snprintf(command, sizeof command, "'%s/tests/support/raw_objects' '%s'",
		 build != NULL ? build : ".", w->home);
	fflush(NULL);
	out = popen(command, "re");
	assert_non_null(out);
	for (struct raw_object o = { 0 }; fscanf(out, "%11s %c%c %159s %299[^\n]", o.class,
						 &encrypt, &decrypt, o.id, o.label) == 5;) {
		assert_true(n < max);
		o.encrypt = encrypt == 'E';
		o.decrypt = decrypt == 'D';
		objects[n++] = o;
	}
	assert_int_equal(pclose(out), 0);
	return n;
}

void world_tokens_away(const struct home_world *w)
{
	assert_int_equal(rename(world_path(w, "softhsm/tokens"), world_path(w, "tokens.away")), 0);
}

void world_tokens_back(const struct home_world *w)
{
	(void) rmdir(world_path(w, "softhsm/tokens"));
	assert_int_equal(rename(world_path(w, "tokens.away"), world_path(w, "softhsm/tokens")), 0);
}

unsigned world_env(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text != NULL && text[0] != '\0' ? (unsigned) strtoul(text, NULL, 10) : otherwise;
}
