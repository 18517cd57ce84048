/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending to the audit log. Not for reading it, and not for deciding what goes in.
 *
 * Several processes append to one file. O_APPEND keeps their lines apart as long as each write()
 * takes the whole line; when one does not (the disk filled up in the middle), its writer cuts the
 * torn piece off again. So that nobody's line is cut off with it, each append holds a shared lock
 * on the file and each repair an exclusive one. They are open-file-description locks: threads of a
 * process share the description, so `lock` orders them. No lock is held over fdatasync().
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <claviger/buf.h>
#include <claviger/time.h>

#include "lib/audit/audit.h"
#include "lib/base/bytes.h"
#include "lib/base/deadline.h"
#include "lib/base/room.h"
#include "lib/base/banned.h"

#define LOG_NAME "audit.jsonl"
#define LOCK_WAIT_MS 1000 /* a repair takes microseconds; but its process may be stopped */
#define LOCK_PAUSE_US_MAX 1000
#define ROOM (8 << 10) /* bytes; twice the longest entry */

struct audit {
	int fd;
	char *path;           /* owned */
	pthread_mutex_t lock; /* guards `torn`, and the file's position from write() to lseek() */
	bool torn;            /* the log may end in the middle of a line */
};

/* ---- the line */

/* Length of the UTF-8 character beyond ASCII at `s`, 0 when there is none (RFC 3629: no surrogates,
 * no excess).
 */
static size_t utf8_len(const unsigned char *s)
{
	static const struct {
		unsigned char first, last; /* of the first byte */
		unsigned char low, high;   /* of the second */
		unsigned char len;
	} table[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		if (s[0] < table[i].first || s[0] > table[i].last)
			continue;
		if (s[1] < table[i].low || s[1] > table[i].high)
			return 0;
		for (size_t at = 2; at < table[i].len; at++) {
			if (s[at] < 0x80 || s[at] > 0xbf) /* the final NUL stops it too */
				return 0;
		}
		return table[i].len;
	}
	return 0;
}

/* Writes what stands for a byte that cannot be in a JSON string as it is; RFC 8785's forms. */
static const char *escape(unsigned char byte, char buf[8])
{
	static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (size_t i = 0; i + 1 < sizeof letters; i += 2) {
		if ((unsigned char) letters[i] == byte) {
			snprintf(buf, 8, "\\%c", letters[i + 1]);
			return buf;
		}
	}
	if (byte >= 0x80)
		return "\xef\xbf\xbd"; /* U+FFFD: an entry is never lost to a bad byte */
	snprintf(buf, 8, "\\u%04x", byte);
	return buf;
}

static clv_rc add_text(struct clv_buf *line, const char *text, struct clv_err *err)
{
	return clv_buf_add(line, text, strlen(text), err);
}

/* Length of what can stand in a JSON string as it is, 0 for a byte that cannot. */
static size_t plain_len(const unsigned char *s)
{
	if (*s < 0x20 || *s == '"' || *s == '\\')
		return 0;
	return *s < 0x80 ? 1 : utf8_len(s);
}

/* Length of the run at `s` that can stand in a JSON string as it is, as far as it is ASCII. */
static size_t ascii_run(const char *s)
{
	const unsigned char *at = (const unsigned char *) s;

	while (*at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
		at++;
	return (size_t) (at - (const unsigned char *) s);
}

/* Plain runs are copied at once; only what needs an escape is looked at singly. */
static clv_rc add_string(struct clv_buf *line, const char *string, size_t plain_to,
			 struct clv_err *err)
{
	const unsigned char *plain = (const unsigned char *) string;
	const unsigned char *at = plain + plain_to;
	char buf[8];

	CLV_TRY(add_text(line, "\"", err));
	while (*at != '\0') {
		size_t len = plain_len(at);

		if (len > 0) {
			at += len;
			continue;
		}
		CLV_TRY(clv_buf_add(line, plain, (size_t) (at - plain), err));
		CLV_TRY(add_text(line, escape(*at, buf), err));
		plain = ++at;
	}
	CLV_TRY(clv_buf_add(line, plain, (size_t) (at - plain), err));
	return add_text(line, "\"", err);
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

/* A NULL string leaves the member out. The first member follows the brace, all others a comma. */
static clv_rc add_member(struct clv_buf *line, const char *name, const char *string,
			 struct clv_err *err)
{
	size_t run, name_len;
	uint8_t *at;

	if (string == NULL)
		return CLV_OK;
	run = ascii_run(string);
	name_len = strlen(name);
	CLV_TRY(clv_buf_reserve(line, name_len + run + sizeof ",\"\":\"\"", err));
	at = line->data + line->len;
	if (at[-1] != '{')
		*at++ = ',';
	*at++ = '"';
	at = put(at, name, name_len);
	at = put(at, "\":", 2);
	if (string[run] != '\0') { /* an escape, or beyond ASCII: rare */
		line->len = (size_t) (at - line->data);
		return add_string(line, string, run, err);
	}
	*at++ = '"';
	at = put(at, string, run);
	*at++ = '"';
	line->len = (size_t) (at - line->data);
	return CLV_OK;
}

static clv_rc add_pid(struct clv_buf *line, struct clv_err *err)
{
	char digits[24], *first = digits + sizeof digits;
	unsigned long pid = (unsigned long) getpid(); /* asked anew: fork() changes it */

	do
		*--first = (char) ('0' + pid % 10);
	while ((pid /= 10) != 0);
	CLV_TRY(add_text(line, ",\"pid\":", err));
	return clv_buf_add(line, first, (size_t) (digits + sizeof digits - first), err);
}

/* Members in the order of their names: what makes the line canonical. */
static clv_rc add_entry(struct clv_buf *line, const struct audit_entry *entry, struct clv_err *err)
{
	char time[CLV_TIME_TEXT_MAX];
	char request[17];
	uint8_t be[8];

	for (unsigned i = 0; i < sizeof be; i++)
		be[i] = (uint8_t) (entry->request >> (56 - 8 * i));
	clv_hex(be, sizeof be, request);
	CLV_TRY(add_text(line, "{", err));
	CLV_TRY(add_member(line, "actor", entry->actor, err));
	CLV_TRY(add_member(line, "component", entry->component, err));
	CLV_TRY(add_member(line, "error", entry->error, err));
	CLV_TRY(add_member(line, "job_id", entry->job_id, err));
	CLV_TRY(add_member(line, "outcome", clv_rc_name(entry->outcome), err));
	CLV_TRY(add_member(line, "permission", entry->permission, err));
	CLV_TRY(add_pid(line, err));
	CLV_TRY(add_member(line, "place", entry->place, err));
	CLV_TRY(add_member(line, "principal", entry->principal, err));
	CLV_TRY(add_member(line, "reason", entry->reason, err));
	CLV_TRY(add_member(line, "request", request, err));
	CLV_TRY(add_member(line, "resource", entry->resource, err));
	CLV_TRY(add_member(line, "rule", entry->rule, err));
	CLV_TRY(add_member(line, "time", clv_time_format(entry->time, time), err));
	CLV_TRY(add_member(line, "version", entry->version, err));
	return add_text(line, "}\n", err);
}

/* ---- the file */

static clv_rc fail_file(const struct audit *audit, int errnum, const char *what,
			struct clv_err *err)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return clv_fail_errno(err, CLV_E_RESOURCE_EXHAUSTED, errnum,
				      "the audit log %s cannot grow: make room on its file "
				      "system, nothing is done without an entry",
				      audit->path);
	default:
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errnum, "cannot %s the audit log %s",
				      what, audit->path);
	}
}

/* One try for a lock on the whole file: F_RDLCK, F_WRLCK or F_UNLCK. */
static bool try_lock(const struct audit *audit, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

	return fcntl(audit->fd, F_OFD_SETLK, &lock) == 0;
}

static bool wait_lock(const struct audit *audit, short type, unsigned wait_ms)
{
	struct clv_deadline deadline;
	unsigned pause_us = 0;
	bool locked = try_lock(audit, type);

	if (locked)
		return true;
	deadline = clv_deadline_in(wait_ms);
	while (!locked && clv_backoff(deadline, &pause_us, LOCK_PAUSE_US_MAX))
		locked = try_lock(audit, type);
	return locked;
}

/*
 * Cuts off the `len` bytes that a short write left, if they still are the log's end. Otherwise
 * they stay, and the next entry starts on a line of its own. With audit->lock held.
 */
static void cut_torn(struct audit *audit, size_t len)
{
	off_t end = lseek(audit->fd, 0, SEEK_CUR); /* O_APPEND leaves it behind what was written */
	bool was_torn = audit->torn;
	struct stat st;

	audit->torn = true;
	if (end < (off_t) len || !wait_lock(audit, F_WRLCK, LOCK_WAIT_MS))
		return;
	if (fstat(audit->fd, &st) == 0 && st.st_size == end &&
	    ftruncate(audit->fd, end - (off_t) len) == 0)
		audit->torn = was_torn; /* by an earlier piece, before this one */
}

/* One write() for the whole line. With audit->lock and at least a shared file lock held. */
static clv_rc write_line(struct audit *audit, const uint8_t *line, size_t len, struct clv_err *err)
{
	ssize_t done;

	do
		done = write(audit->fd, line, len);
	while (done < 0 && errno == EINTR);
	if (done == (ssize_t) len) {
		audit->torn = false;
		return CLV_OK;
	}
	if (done < 0)
		return fail_file(audit, errno, "append to", err);
	cut_torn(audit, (size_t) done);
	return fail_file(audit, ENOSPC, "append to", err); /* why else would it be short */
}

/*
 * `line` starts with a newline, which is left out unless the log may end in a torn line. Room that
 * is on offer is used at once, before somebody else takes it.
 */
static clv_rc append_locked(struct audit *audit, const struct clv_buf *line, struct clv_err *err)
{
	size_t skip;
	clv_rc rc;

	if (!wait_lock(audit, F_RDLCK, LOCK_WAIT_MS))
		return clv_fail(err, CLV_E_UNAVAILABLE,
				"the audit log %s is held by another process", audit->path);
	do {
		skip = audit->torn ? 0 : 1;
		rc = write_line(audit, line->data + skip, line->len - skip, err);
	} while (rc == CLV_E_RESOURCE_EXHAUSTED && clv_room_make());
	try_lock(audit, F_UNLCK);
	return rc;
}

clv_rc audit_append(struct audit *audit, const struct audit_entry *entry, bool durable,
		    struct clv_err *err)
{
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf line = { 0 };
	clv_rc rc;

	CLV_TRY(clv_buf_reserve(&line, 1024, err));
	CLV_TRY(add_text(&line, "\n", err));
	CLV_TRY(add_entry(&line, entry, err));
	pthread_mutex_lock(&audit->lock);
	rc = append_locked(audit, &line, err);
	pthread_mutex_unlock(&audit->lock);
	if (rc == CLV_OK && durable && fdatasync(audit->fd) != 0)
		rc = fail_file(audit, errno, "sync", err);
	return rc;
}

/* Blocks behind the end of the file: they are there before it is written to. */
clv_rc audit_make_room(struct audit *audit, struct clv_err *err)
{
	struct rlimit limit;
	struct stat st;

	if (fstat(audit->fd, &st) != 0 || getrlimit(RLIMIT_FSIZE, &limit) != 0)
		return fail_file(audit, errno, "look at", err);
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < (rlim_t) st.st_size + ROOM)
		return fail_file(audit, EFBIG, "append to", err);
	if ((off_t) st.st_blocks * 512 >= st.st_size + ROOM)
		return CLV_OK;
	if (fallocate(audit->fd, FALLOC_FL_KEEP_SIZE, st.st_size, ROOM) != 0 &&
	    (errno == ENOSPC || errno == EDQUOT))
		return fail_file(audit, errno, "append to", err);
	return CLV_OK; /* where blocks cannot be had beforehand, appending tells */
}

uint64_t audit_size(struct audit *audit)
{
	struct stat st;

	return fstat(audit->fd, &st) == 0 ? (uint64_t) st.st_size : 0;
}

struct audit *audit_close(struct audit *audit)
{
	if (audit == NULL)
		return NULL;
	if (audit->fd >= 0)
		close(audit->fd); /* and its locks with it */
	pthread_mutex_destroy(&audit->lock);
	free(audit->path);
	free(audit);
	return NULL;
}

/*
 * A crash can leave half a line behind. Looked at while nobody is appending; if somebody always
 * is, he has looked.
 */
static bool ends_torn(const struct audit *audit)
{
	struct stat st;
	char last = '\n';

	if (!wait_lock(audit, F_WRLCK, LOCK_WAIT_MS / 5))
		return false;
	if (fstat(audit->fd, &st) == 0 && st.st_size > 0 &&
	    pread(audit->fd, &last, 1, st.st_size - 1) != 1)
		last = '\n';
	try_lock(audit, F_UNLCK);
	return last != '\n';
}

/* O_RDWR only to look at the last byte; O_NONBLOCK so that a FIFO in its place does not hang us. */
static clv_rc open_file(struct audit *audit, const char *dir, struct clv_err *err)
{
	struct stat st;
	int dir_fd;

	audit->fd = open(audit->path,
			 O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (audit->fd < 0 || fstat(audit->fd, &st) != 0)
		return fail_file(audit, errno, "open", err);
	if (!S_ISREG(st.st_mode))
		return fail_file(audit, EINVAL, "open", err);
	if (st.st_size > 0)
		return CLV_OK;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a new name must be on disk too */
	if (dir_fd < 0 || fsync(dir_fd) != 0) {
		int errnum = errno;

		if (dir_fd >= 0)
			close(dir_fd);
		return fail_file(audit, errnum, "sync the folder of", err);
	}
	close(dir_fd);
	return CLV_OK;
}

clv_rc audit_open(const char *dir, struct audit **ret_audit, struct clv_err *err)
{
	CLV_AUTO(audit_close) struct audit *audit = malloc(sizeof *audit);

	if (audit == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the audit log");
	*audit = (struct audit){ .fd = -1 };
	pthread_mutex_init(&audit->lock, NULL);
	if (asprintf(&audit->path, "%s/" LOG_NAME, dir) < 0) {
		audit->path = NULL;
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the audit log");
	}
	CLV_TRY(open_file(audit, dir, err));
	audit->torn = ends_torn(audit);
	*ret_audit = CLV_TAKE(audit);
	return CLV_OK;
}
