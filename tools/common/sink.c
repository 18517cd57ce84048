/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing whole files: into a new file in the same folder, which takes the name once it is
 * complete. No stdio: it would keep a copy of a plaintext in memory that nobody wipes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/common/auto.h"
#include "tools/common/file.h"

/* A sink with its path looked at. */
struct target {
	const struct kms_sink *sink;
	char path[PATH_MAX]; /* where the name leads, symbolic links followed */
	bool there;          /* a file, or a link that leads to none */
	bool dangling;       /* a link that leads to none */
	bool in_place;       /* a pipe or a device: written to as it is */
	bool device;         /* may be a terminal */
};

static bool is_stdout(const struct kms_sink *sink)
{
	return strcmp(sink->path, "-") == 0;
}

static clv_rc sink_fail(const struct kms_sink *sink, int errnum, struct clv_err *err)
{
	if (sink->no_replace && errnum == EEXIST)
		return clv_fail(err, CLV_E_ALREADY_EXISTS,
				"%.200s is there: what is in it would be lost; name another file",
				sink->path);
	return clv_fail_errno(err, kms_file_rc(errnum), errnum, "cannot write the %s to %.200s",
			      sink->what, is_stdout(sink) ? "standard output" : sink->path);
}

static clv_rc refuse_there(const struct target *target, struct clv_err *err)
{
	if (!target->sink->no_replace || !target->there)
		return CLV_OK;
	return sink_fail(target->sink, EEXIST, err);
}

/* A rename would replace the link, and where it leads may be no place to make a file at. */
static clv_rc refuse_dangling(const struct target *target, struct clv_err *err)
{
	if (!target->dangling)
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"cannot write the %s to %.200s: it is a symbolic link that leads to no "
			"file; remove it, or name the file",
			target->sink->what, target->sink->path);
}

static clv_rc refuse_terminal(const struct kms_sink *sink, int fd, struct clv_err *err)
{
	if (!sink->not_to_terminal || !isatty(fd))
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"the %s would be shown on a terminal; use --force if that is meant",
			sink->what);
}

/* A file that a shell has made for us gets what the umask says, not the mode of the sink. */
static clv_rc refuse_stdout(const struct kms_sink *sink, struct clv_err *err)
{
	struct stat st;

	if (sink->not_to_others && fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & 077) != 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the %s would go to a file that others can read; name the file "
				"instead of -, or use --force if that is meant",
				sink->what);
	return refuse_terminal(sink, STDOUT_FILENO, err);
}

/* ---- looking at the target */

static clv_rc look(const struct kms_sink *sink, struct target *target, struct clv_err *err)
{
	struct stat st;

	*target = (struct target){ .sink = sink };
	target->there = lstat(sink->path, &st) == 0;
	if (!target->there && errno != ENOENT)
		return sink_fail(sink, errno, err);
	/* A rename would replace the link; what is meant is the file that it leads to. */
	if (stat(sink->path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return sink_fail(sink, EISDIR, err);
		target->in_place = !S_ISREG(st.st_mode);
		target->there = !target->in_place;
		target->device = S_ISCHR(st.st_mode);
		if (!target->in_place && realpath(sink->path, target->path) == NULL)
			return sink_fail(sink, errno, err);
	} else {
		target->dangling = target->there;
	}
	if (target->path[0] == '\0' &&
	    snprintf(target->path, sizeof target->path, "%s", sink->path) >= PATH_MAX - 16)
		return sink_fail(sink, ENAMETOOLONG, err);
	return CLV_OK;
}

/* The folder part of a path, with its last slash; empty for the working directory. */
static int folder_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? (int) (slash - path) + 1 : 0;
}

static clv_rc check_folder(const struct target *target, struct clv_err *err)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof folder, "%.*s.", folder_len(target->path), target->path);
	if (access(folder, W_OK | X_OK) != 0)
		return sink_fail(target->sink, errno, err);
	return CLV_OK;
}

/* A pipe is left alone: whoever reads it would take an early open and close for its end. */
static clv_rc check_in_place(const struct target *target, struct clv_err *err)
{
	clv_rc rc;
	int fd;

	if (!target->device)
		return CLV_OK;
	fd = open(target->path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return sink_fail(target->sink, errno, err);
	rc = refuse_terminal(target->sink, fd, err);
	close(fd);
	return rc;
}

clv_rc kms_sink_check(const struct kms_sink *sink, struct clv_err *err)
{
	struct target target;

	if (is_stdout(sink))
		return refuse_stdout(sink, err);
	CLV_TRY(look(sink, &target, err));
	CLV_TRY(refuse_there(&target, err));
	CLV_TRY(refuse_dangling(&target, err));
	return target.in_place ? check_in_place(&target, err) : check_folder(&target, err);
}

/* ---- two sinks of one command */

/* 0 when there is such a file; it may be the one behind standard output. */
static int stat_of(const struct kms_sink *sink, struct stat *ret_st)
{
	return is_stdout(sink) ? fstat(STDOUT_FILENO, ret_st) : stat(sink->path, ret_st);
}

static bool same_inode(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Of two paths that lead to no file yet. */
static bool same_new_name(const char *a, const char *b)
{
	char folder[PATH_MAX];
	struct stat in_a, in_b;

	if (strcmp(a + folder_len(a), b + folder_len(b)) != 0)
		return false;
	snprintf(folder, sizeof folder, "%.*s.", folder_len(a), a);
	if (stat(folder, &in_a) != 0)
		return false;
	snprintf(folder, sizeof folder, "%.*s.", folder_len(b), b);
	return stat(folder, &in_b) == 0 && same_inode(&in_a, &in_b);
}

clv_rc kms_sinks_check_apart(const struct kms_sink *a, const struct kms_sink *b,
			     struct clv_err *err)
{
	struct stat st_a, st_b;
	bool there_a, there_b;
	bool same = false;

	if (a->path == NULL || b->path == NULL)
		return CLV_OK;
	there_a = stat_of(a, &st_a) == 0;
	there_b = stat_of(b, &st_b) == 0;
	if (there_a && there_b)
		same = same_inode(&st_a, &st_b) && !S_ISCHR(st_a.st_mode);
	else if (!there_a && !there_b)
		same = same_new_name(a->path, b->path);
	if (!same)
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"the %s and the %s would both go to %.200s: name two files", a->what,
			b->what, is_stdout(b) ? "standard output" : b->path);
}

/* ---- writing */

/* 0, or the errno. */
static int write_all(int fd, struct clv_bytes bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.data, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		bytes.data += n;
		bytes.len -= (size_t) n;
	}
	return 0;
}

static clv_rc write_in_place(const struct target *target, struct clv_bytes bytes,
			     struct clv_err *err)
{
	int fd = open(target->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	int errnum;
	clv_rc rc;

	if (fd < 0)
		return sink_fail(target->sink, errno, err);
	rc = refuse_terminal(target->sink, fd, err);
	errnum = rc == CLV_OK ? write_all(fd, bytes) : 0;
	if (close(fd) != 0 && errnum == 0)
		errnum = errno;
	return errnum != 0 ? sink_fail(target->sink, errnum, err) : rc;
}

/* Not every file system can rename so that a file which is there stays; all that can make links
 * refuse a second one of the same name. 0, or the errno. */
static int give_new_name(const char *temporary, const char *path)
{
	if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return errno;
	if (link(temporary, path) != 0)
		return errno;
	unlink(temporary); /* what stays if this fails is a second name of a whole file */
	return 0;
}

static int give_name(const struct target *target, const char *temporary)
{
	int errnum = 0;

	if (target->sink->no_replace)
		errnum = give_new_name(temporary, target->path);
	else if (rename(temporary, target->path) != 0)
		errnum = errno;
	if (errnum == 0 && target->sink->sync)
		errnum = kms_sync_folder(target->path);
	return errnum;
}

/* Fills the new file and gives it its name. 0, or the errno. */
static int fill_and_name(const struct target *target, int fd, const char *temporary,
			 struct clv_bytes bytes)
{
	int errnum = write_all(fd, bytes);

	if (errnum == 0 && fchmod(fd, target->sink->mode) != 0)
		errnum = errno;
	if (errnum == 0 && target->sink->sync && fsync(fd) != 0)
		errnum = errno;
	if (close(fd) != 0 && errnum == 0)
		errnum = errno;
	return errnum == 0 ? give_name(target, temporary) : errnum;
}

static int replace(const struct target *target, struct clv_bytes bytes)
{
	char temporary[PATH_MAX + 16];
	int errnum, fd;

	snprintf(temporary, sizeof temporary, "%.*s.kmsctl.XXXXXX", folder_len(target->path),
		 target->path);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return errno;
	errnum = fill_and_name(target, fd, temporary, bytes);
	if (errnum != 0)
		unlink(temporary);
	return errnum;
}

/* Signals that end the program wait until the new file has its name or is gone. */
static clv_rc replace_unbroken(const struct target *target, struct clv_bytes bytes,
			       struct clv_err *err)
{
	sigset_t blocked, before;
	int errnum;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGHUP);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	errnum = replace(target, bytes);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return errnum != 0 ? sink_fail(target->sink, errnum, err) : CLV_OK;
}

clv_rc kms_sink_write(const struct kms_sink *sink, struct clv_bytes bytes, struct clv_err *err)
{
	struct target target;
	int errnum;

	if (is_stdout(sink)) {
		CLV_TRY(refuse_stdout(sink, err));
		errnum = write_all(STDOUT_FILENO, bytes);
		return errnum != 0 ? sink_fail(sink, errnum, err) : CLV_OK;
	}
	CLV_TRY(look(sink, &target, err));
	CLV_TRY(refuse_there(&target, err));
	CLV_TRY(refuse_dangling(&target, err));
	return target.in_place ? write_in_place(&target, bytes, err)
			       : replace_unbroken(&target, bytes, err);
}

/* A folder that we may write to and not read cannot be opened for this, and not every file system
 * has it for folders: there it has to do without. */
int kms_sync_folder(const char *path)
{
	char folder[PATH_MAX];
	int errnum = 0, fd;

	snprintf(folder, sizeof folder, "%.*s.", folder_len(path), path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES ? 0 : errno;
	if (fsync(fd) != 0 && errno != EINVAL)
		errnum = errno;
	close(fd);
	return errnum;
}

clv_rc kms_make_parents(const char *path, struct clv_err *err)
{
	char folder[PATH_MAX];

	for (const char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
		snprintf(folder, sizeof folder, "%.*s", (int) (at - path), path);
		if (mkdir(folder, 0700) != 0 && errno != EEXIST)
			return clv_fail_errno(err, kms_file_rc(errno), errno,
					      "cannot make folder %.200s", folder);
	}
	return CLV_OK;
}
