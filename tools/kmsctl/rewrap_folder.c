/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bulk rewrap of a folder in which each regular file is one wrapped DEK. Each is replaced by a new
 * file that takes its name; the state file tells, after a kill, which of those under the primary
 * version were put there by this job: so the counts of all its runs together are exact. It tells
 * nothing else: each file is opened in each run, whatever the state says of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/common/file.h"
#include "tools/kmsctl/rewrap.h"

#define NEW_FILE REWRAP_SUFFIX ".new" /* one at a time: the lock is held */

/* What an earlier run of the same job did, sorted by name; the last one for a name counts. */
struct done {
	char *name; /* owned */
	char tag[REWRAP_TAG_TEXT];
	size_t order;
};

struct folder {
	struct rewrap *job;
	const char *path; /* as given */
	int fd;
	char **names; /* owned, sorted */
	size_t n, room;
	struct done *done; /* owned */
	size_t n_done, done_room;
};

static void folder_close(struct folder *folder)
{
	for (size_t i = 0; i < folder->n; i++)
		free(folder->names[i]);
	for (size_t i = 0; i < folder->n_done; i++)
		free(folder->done[i].name);
	free(folder->names);
	free(folder->done);
	if (folder->fd >= 0)
		close(folder->fd);
}

static clv_rc folder_fail(const struct folder *folder, int errnum, struct clv_err *err)
{
	return clv_fail_errno(err, kms_file_rc(errnum), errnum, "folder %.200s", folder->path);
}

/* Room for one more in a list of `n`, which doubles. */
static clv_rc grow(void *list, size_t n, size_t *room, size_t item, struct clv_err *err)
{
	void **items = list;
	size_t wanted = *room != 0 ? *room * 2 : 64;
	void *more;

	if (n < *room)
		return CLV_OK;
	more = realloc(*items, wanted * item);
	if (more == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for %zu names", wanted);
	*items = more;
	*room = wanted;
	return CLV_OK;
}

/* ---- which items there are */

static clv_rc add_name(struct folder *folder, const char *name, struct clv_err *err)
{
	struct stat st;

	if (fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? CLV_OK : folder_fail(folder, errno, err);
	if (!S_ISREG(st.st_mode)) {
		folder->job->counts.skipped++;
		return CLV_OK;
	}
	CLV_TRY(grow(&folder->names, folder->n, &folder->room, sizeof *folder->names, err));
	folder->names[folder->n] = strdup(name);
	if (folder->names[folder->n] == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a name");
	folder->n++;
	return CLV_OK;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static clv_rc list_names(struct folder *folder, struct clv_err *err)
{
	int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	clv_rc rc = CLV_OK;

	if (dir == NULL) {
		rc = folder_fail(folder, errno, err);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	for (errno = 0; rc == CLV_OK && (entry = readdir(dir)) != NULL; errno = 0) {
		if (entry->d_name[0] != '.')
			rc = add_name(folder, entry->d_name, err);
	}
	if (rc == CLV_OK && errno != 0)
		rc = folder_fail(folder, errno, err);
	closedir(dir);
	if (folder->n > 0)
		qsort(folder->names, folder->n, sizeof *folder->names, by_name);
	folder->job->counts.total = folder->n;
	return rc;
}

/* ---- what was done before */

static int by_name_and_order(const void *a, const void *b)
{
	const struct done *x = a, *y = b;
	int names = strcmp(x->name, y->name);

	return names != 0 ? names : (x->order > y->order) - (x->order < y->order);
}

static clv_rc add_done(struct folder *folder, const struct rewrap_entry *entry, struct clv_err *err)
{
	struct done *done;

	CLV_TRY(grow(&folder->done, folder->n_done, &folder->done_room, sizeof *done, err));
	done = &folder->done[folder->n_done];
	done->name = strdup(entry->name);
	if (done->name == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a name");
	memcpy(done->tag, entry->tag, sizeof done->tag);
	done->order = folder->n_done++;
	return CLV_OK;
}

static clv_rc read_done(struct folder *folder, struct clv_err *err)
{
	struct rewrap_state *state = &folder->job->state;
	struct rewrap_entry entry;
	bool there;

	CLV_TRY(rewrap_state_next(state, &entry, &there, err));
	while (there) {
		if (entry.mark == REWRAP_DONE)
			CLV_TRY(add_done(folder, &entry, err));
		CLV_TRY(rewrap_state_next(state, &entry, &there, err));
	}
	if (folder->n_done > 0)
		qsort(folder->done, folder->n_done, sizeof *folder->done, by_name_and_order);
	return rewrap_state_cut(state, entry.at, err);
}

/* Is this what an earlier run put there? Its tag says so; no two ciphertexts have the same. */
static bool was_done(const struct folder *folder, const char *name, struct clv_bytes wrapped)
{
	size_t low = 0, high = folder->n_done;
	char tag[REWRAP_TAG_TEXT];

	while (low < high) { /* to behind the last one of this name */
		size_t middle = low + (high - low) / 2;

		if (strcmp(folder->done[middle].name, name) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && strcmp(folder->done[low - 1].name, name) == 0 &&
	       strcmp(folder->done[low - 1].tag, rewrap_tag_text(wrapped, tag)) == 0;
}

static clv_rc begin_or_go_on(struct folder *folder, struct clv_err *err)
{
	struct rewrap *job = folder->job;
	struct rewrap_head head, ours = { 0 };
	bool there;

	memcpy(ours.key, job->run->full, sizeof ours.key);
	memcpy(ours.version, job->version, sizeof ours.version);
	CLV_TRY(rewrap_state_head(&job->state, &head, &there, err));
	if (there)
		CLV_TRY(rewrap_check_key(job, &head, err));
	if (there && strcmp(head.version, ours.version) == 0)
		return read_done(folder, err);
	if (there)
		kms_out_note(job->run->out, "The key was rotated since: the run begins anew.");
	return rewrap_state_begin(&job->state, &ours, err);
}

/* ---- one item */

/* An item being worked on. */
struct item {
	const char *name;
	int fd;
	struct stat st;
	struct clv_buf old, new;
};

static void item_done(struct item *item)
{
	if (item->fd >= 0)
		close(item->fd);
	clv_buf_done(&item->old);
	clv_buf_done(&item->new);
}

/* What a file says of itself, for a failure of its own. */
static clv_rc item_fail(int errnum, struct clv_err *err)
{
	return clv_fail_errno(err, kms_file_rc(errnum), errnum, "it cannot be read");
}

static clv_rc read_item(const struct folder *folder, struct item *item, struct clv_err *err)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	ssize_t n;

	item->fd = openat(folder->fd, item->name, flags);
	if (item->fd < 0 || fstat(item->fd, &item->st) != 0)
		return item_fail(errno, err);
	if (!S_ISREG(item->st.st_mode) || item->st.st_size > CLV_CIPHERTEXT_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "it is too long for a wrapped DEK");
	CLV_TRY(clv_buf_reserve(&item->old, (size_t) item->st.st_size + 1, err));
	while ((n = read(item->fd, item->old.data + item->old.len,
			 (size_t) item->st.st_size + 1 - item->old.len)) > 0)
		item->old.len += (size_t) n;
	if (n < 0)
		return item_fail(errno, err);
	if (item->old.len > (size_t) item->st.st_size)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "it grew while it was read");
	return CLV_OK;
}

/* 0, or the errno. Owner and mode are the old file's. */
static int fill_new(const struct item *item, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return errno;
	if ((item->st.st_uid != st.st_uid || item->st.st_gid != st.st_gid) &&
	    fchown(fd, item->st.st_uid, item->st.st_gid) != 0)
		return errno;
	if (fchmod(fd, item->st.st_mode & 07777) != 0)
		return errno;
	return rewrap_write_all(fd, clv_buf_view(&item->new));
}

static int write_new(const struct folder *folder, const struct item *item)
{
	int fd = openat(folder->fd, NEW_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);
	int errnum;

	if (fd < 0)
		return errno;
	errnum = fill_new(item, fd);
	if (errnum == 0 && fsync(fd) != 0)
		errnum = errno;
	if (close(fd) != 0 && errnum == 0)
		errnum = errno;
	return errnum;
}

/* The new file is on the disk before it takes the name: there is always a whole one. */
static clv_rc replace(const struct folder *folder, const struct item *item, struct clv_err *err)
{
	struct rewrap_entry entry = { .mark = REWRAP_DONE };
	char shown[REWRAP_NAME_TEXT];
	int errnum = write_new(folder, item);

	if (errnum == 0) {
		snprintf(entry.name, sizeof entry.name, "%s", item->name);
		rewrap_tag_text(clv_buf_view(&item->new), entry.tag);
		CLV_TRY(rewrap_state_add(&folder->job->state, &entry, err));
		if (renameat(folder->fd, NEW_FILE, folder->fd, item->name) != 0)
			errnum = errno;
	}
	if (errnum == 0 && fsync(folder->fd) != 0)
		errnum = errno;
	if (errnum == 0)
		return CLV_OK;
	unlinkat(folder->fd, NEW_FILE, 0);
	return clv_fail_errno(err, kms_file_rc(errnum), errnum, "cannot replace %.120s in %.120s",
			      rewrap_name_text(item->name, shown), folder->path);
}

static clv_rc one(struct folder *folder, const char *name, struct clv_err *err)
{
	KMS_AUTO_DONE(item_done) struct item item = { .name = name, .fd = -1 };
	struct rewrap *job = folder->job;
	enum rewrap_outcome outcome = REWRAP_BAD;
	char shown[REWRAP_NAME_TEXT];
	clv_rc rc = read_item(folder, &item, err);

	if (rc == CLV_OK)
		CLV_TRY(rewrap_item(job, clv_buf_view(&item.old), &item.new, &outcome, &rc, err));
	if (outcome == REWRAP_NEW)
		CLV_TRY(replace(folder, &item, err));
	else if (outcome == REWRAP_SAME && was_done(folder, name, clv_buf_view(&item.old)))
		outcome = REWRAP_NEW;
	rewrap_count(job, outcome, rewrap_name_text(name, shown), rc, err);
	return rewrap_sync_is_due(job) ? rewrap_state_sync(&job->state, err) : CLV_OK;
}

/* ---- all of it */

static clv_rc open_folder(struct folder *folder, struct clv_err *err)
{
	char state[PATH_MAX];

	folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder->fd < 0)
		return folder_fail(folder, errno, err);
	if (snprintf(state, sizeof state, "%s/" REWRAP_SUFFIX, folder->path) >= PATH_MAX)
		return folder_fail(folder, ENAMETOOLONG, err);
	CLV_TRY(rewrap_state_open(state, &folder->job->state, err));
	/* Whatever is there is what a killed run was writing. */
	if (unlinkat(folder->fd, NEW_FILE, 0) != 0 && errno != ENOENT)
		return folder_fail(folder, errno, err);
	return CLV_OK;
}

clv_rc rewrap_folder(struct rewrap *job, const char *path, struct clv_err *err)
{
	KMS_AUTO_DONE(folder_close)
	struct folder folder = { .job = job, .path = path, .fd = -1 };

	CLV_TRY(open_folder(&folder, err));
	CLV_TRY(list_names(&folder, err));
	CLV_TRY(rewrap_begin(job, err));
	CLV_TRY(begin_or_go_on(&folder, err));
	for (size_t i = 0; i < folder.n; i++)
		CLV_TRY(one(&folder, folder.names[i], err));
	if (job->counts.skipped > 0)
		kms_out_warn(job->run->out, "%ju in %s are no regular files and were left alone",
			     (uintmax_t) job->counts.skipped, path);
	return rewrap_state_remove(&job->state, err);
}
