/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bulk rewrap of JSON lines, each with a wrapped DEK in one member. The lines go, in their order,
 * to a new file beside the old one, which takes its name when all are there. The state file tells
 * up to where the new one was put on the disk, with its checksum up to there, and which of its
 * lines are copies because they failed. A run that goes on takes over what has that checksum, no
 * more, and looks at each line of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <claviger/crc32c.h>

#include "tools/common/base64.h"
#include "tools/common/file.h"
#include "tools/kmsctl/json_line.h"
#include "tools/kmsctl/rewrap.h"

#define MEMBER "wrapped_dek"

/* A file read line by line. */
struct source {
	FILE *file;
	struct clv_buf line; /* with its newline, which the last one may lack */
	uint64_t number;     /* of the line, from 1 */
	uint64_t bytes;      /* up to its end */
	uint32_t crc32c;     /* likewise */
};

struct lines {
	struct rewrap *job;
	const char *given;   /* the name as given */
	char path[PATH_MAX]; /* symbolic links followed */
	char new_path[PATH_MAX];
	struct stat st; /* when it was opened */
	struct source old;
	int new_fd;
	uint64_t end_bytes; /* of the old file, as first read */
	uint32_t end_crc32c;
	uint64_t new_number; /* of lines in the new file, so far */
	uint64_t new_bytes;
	uint32_t new_crc32c;
};

static void lines_close(struct lines *lines)
{
	if (lines->old.file != NULL)
		fclose(lines->old.file);
	clv_buf_done(&lines->old.line);
	if (lines->new_fd >= 0)
		close(lines->new_fd);
}

static clv_rc old_fail(const struct lines *lines, int errnum, struct clv_err *err)
{
	return clv_fail_errno(err, kms_file_rc(errnum), errnum, "cannot read %.200s", lines->given);
}

static clv_rc new_fail(const struct lines *lines, int errnum, struct clv_err *err)
{
	return clv_fail_errno(err, kms_file_rc(errnum), errnum, "cannot write %.200s",
			      lines->new_path);
}

/* ---- reading lines */

/* The next line; *ret_there is false at the end. A line that is too long is cut: it is refused. */
static clv_rc next(struct source *source, bool *ret_there, struct clv_err *err)
{
	int c = 0;

	source->line.len = 0;
	CLV_TRY(clv_buf_reserve(&source->line, 1024, err));
	while (c != '\n' && source->line.len <= JSON_LINE_MAX &&
	       (c = getc_unlocked(source->file)) != EOF) {
		if (source->line.len == source->line.cap)
			CLV_TRY(clv_buf_reserve(&source->line, source->line.cap, err));
		source->line.data[source->line.len++] = (uint8_t) c;
	}
	*ret_there = source->line.len > 0;
	source->number += *ret_there;
	source->bytes += source->line.len;
	source->crc32c = clv_crc32c(source->crc32c, source->line.data, source->line.len);
	return CLV_OK;
}

static void rewind_source(struct source *source)
{
	rewind(source->file);
	source->number = source->bytes = 0;
	source->crc32c = 0;
}

/* Every line must be what we can work on, before anything is done: most likely it is all of them
 * or none. */
static clv_rc check_all(struct lines *lines, struct clv_err *err)
{
	struct source *old = &lines->old;
	bool there;

	CLV_TRY(next(old, &there, err));
	while (there) {
		KMS_AUTO_DONE(json_line_done) struct json_line line = { 0 };
		struct clv_err why;
		clv_rc rc = json_line_parse(clv_buf_view(&old->line), MEMBER, &line, &why);

		if (rc != CLV_OK)
			return clv_fail(err, rc, "line %ju of %.200s: %.200s",
					(uintmax_t) old->number, lines->given, why.text);
		CLV_TRY(next(old, &there, err));
	}
	if (ferror(old->file))
		return old_fail(lines, errno, err);
	lines->job->counts.total = old->number;
	lines->end_bytes = old->bytes;
	lines->end_crc32c = old->crc32c;
	rewind_source(old);
	return CLV_OK;
}

/* ---- going on where a killed run was */

static bool same_line(const struct clv_buf *a, const struct clv_buf *b)
{
	return rewrap_same_bytes(clv_buf_view(a), clv_buf_view(b));
}

/* Is the value of the line under the primary version, and nothing else in it new? */
static clv_rc is_rewrapped(const struct lines *lines, const struct clv_buf *line, bool *ret_is,
			   struct clv_err *err)
{
	KMS_AUTO_DONE(json_line_done) struct json_line was = { 0 }, is = { 0 };
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf value = { 0 };

	CLV_TRY(json_line_parse(clv_buf_view(&lines->old.line), MEMBER, &was, err));
	CLV_TRY(json_line_parse(clv_buf_view(line), MEMBER, &is, err));
	CLV_TRY(kms_base64_decode(
		(struct clv_bytes){ (const uint8_t *) is.value, strlen(is.value) }, &value, err));
	*ret_is = rewrap_same_bytes(was.before, is.before) &&
		  rewrap_same_bytes(was.after, is.after) &&
		  rewrap_says_primary(lines->job, clv_buf_view(&value));
	return CLV_OK;
}

/* Is the line of the new file what this job makes of the old one? */
static clv_rc check_fits(const struct lines *lines, const struct source *new, bool did_fail,
			 struct clv_err *err)
{
	bool fits = did_fail && same_line(&lines->old.line, &new->line);
	clv_rc rc = did_fail ? CLV_OK : is_rewrapped(lines, &new->line, &fits, err);

	if (rc == CLV_OK && fits)
		return CLV_OK;
	if (rc != CLV_OK && rc != CLV_E_INVALID_ARGUMENT)
		return rc;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"line %ju of %.200s does not fit that of %.150s: move the first file away, "
			"and the run begins anew",
			(uintmax_t) new->number, lines->new_path, lines->given);
}

/* Counts a line that an earlier run copied or rewrapped. */
static void recount(struct lines *lines, const struct source *new,
		    const struct rewrap_entry *failed)
{
	const struct clv_err why = { .text = "it failed in the run before" };
	enum rewrap_outcome outcome = REWRAP_NEW;
	char name[32];

	if (failed->number == new->number)
		outcome = REWRAP_BAD;
	else if (same_line(&lines->old.line, &new->line))
		outcome = REWRAP_SAME;
	snprintf(name, sizeof name, "line %ju", (uintmax_t) new->number);
	rewrap_count(lines->job, outcome, name, failed->rc, &why);
}

/* The next line that failed; its number is 0 when there is none. */
static clv_rc next_failed(struct rewrap_state *state, struct rewrap_entry *ret_entry,
			  struct clv_err *err)
{
	bool there;

	do
		CLV_TRY(rewrap_state_next(state, ret_entry, &there, err));
	while (there && ret_entry->mark != REWRAP_FAILED);
	if (!there)
		ret_entry->number = 0;
	return CLV_OK;
}

/* What of the new file is taken over. */
struct synced {
	struct rewrap_entry entry; /* says it; of number 0 when nothing is */
	off_t first, behind;       /* in the state: the first entry, and the one behind this one */
};

static clv_rc read_up_to(struct source *new, uint64_t number, struct clv_err *err)
{
	bool there = true;

	while (there && new->number < number)
		CLV_TRY(next(new, &there, err));
	return CLV_OK;
}

/* The last entry up to which the new file is, byte for byte, what was put on the disk. */
static clv_rc find_synced(struct rewrap_state *state, struct source *new, struct synced *ret_synced,
			  struct clv_err *err)
{
	struct rewrap_entry entry = { 0 };
	bool there, same = true;

	CLV_TRY(rewrap_state_next(state, &entry, &there, err));
	*ret_synced = (struct synced){ .first = entry.at, .behind = entry.at };
	while (there && same) {
		const struct rewrap_entry seen = entry;

		if (seen.mark == REWRAP_SYNCED) {
			CLV_TRY(read_up_to(new, seen.number, err));
			same = new->number == seen.number &&new->bytes ==
			       seen.bytes &&new->crc32c == seen.crc32c;
		}
		CLV_TRY(rewrap_state_next(state, &entry, &there, err));
		if (same && seen.mark == REWRAP_SYNCED) {
			ret_synced->entry = seen;
			ret_synced->behind = entry.at;
		}
	}
	return CLV_OK;
}

/* Takes over the lines of the new file up to that entry, and leaves the old one at the first line
 * to do. What was noted as failed behind it is done again. */
static clv_rc take_over(struct lines *lines, struct source *new, const struct synced *synced,
			struct clv_err *err)
{
	struct rewrap_state *state = &lines->job->state;
	struct rewrap_entry failed = { 0 };
	bool there = true;

	CLV_TRY(rewrap_state_seek(state, synced->first, err));
	CLV_TRY(next_failed(state, &failed, err));
	while (new->number < synced->entry.number) {
		CLV_TRY(next(new, &there, err));
		CLV_TRY(next(&lines->old, &there, err));
		CLV_TRY(check_fits(lines, new, failed.number == new->number, err));
		recount(lines, new, &failed);
		if (failed.number == new->number)
			CLV_TRY(next_failed(state, &failed, err));
	}
	lines->new_number = synced->entry.number;
	lines->new_bytes = synced->entry.bytes;
	lines->new_crc32c = synced->entry.crc32c;
	return rewrap_state_cut(state, synced->behind, err);
}

static clv_rc go_on(struct lines *lines, struct clv_err *err)
{
	struct source new = { .file = rewrap_reader(lines->new_fd) };
	struct synced synced;
	clv_rc rc;

	if (new.file == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the new file");
	rc = find_synced(&lines->job->state, &new, &synced, err);
	rewind_source(&new);
	if (rc == CLV_OK)
		rc = take_over(lines, &new, &synced, err);
	fclose(new.file);
	clv_buf_done(&new.line);
	CLV_TRY(rc);
	if (ftruncate(lines->new_fd, (off_t) lines->new_bytes) != 0)
		return new_fail(lines, errno, err);
	return CLV_OK;
}

/* The run before was killed when the new file had its name already: only its counts are missing. */
static clv_rc was_finished(struct lines *lines, bool *ret_finished, struct clv_err *err)
{
	struct rewrap *job = lines->job;
	struct rewrap_entry entry = { 0 }, first = { 0 };
	bool there = true;

	while (there && !*ret_finished) {
		CLV_TRY(rewrap_state_next(&job->state, &entry, &there, err));
		if (there && entry.mark == REWRAP_FAILED && first.number == 0)
			first = entry;
		*ret_finished = there && entry.mark == REWRAP_END &&
				entry.bytes == lines->end_bytes &&
				entry.crc32c == lines->end_crc32c;
	}
	if (!*ret_finished)
		return CLV_OK;
	job->counts.rewrapped = entry.rewrapped;
	job->counts.already = entry.already;
	job->counts.failed = entry.failed;
	job->first_rc = first.rc;
	snprintf(job->first, sizeof job->first, "line %ju", (uintmax_t) first.number);
	return CLV_OK;
}

static clv_rc begin_anew(struct lines *lines, const struct rewrap_head *head, struct clv_err *err)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC;

	/* Whatever is there is not written to: somebody else may have put it there. */
	if (unlink(lines->new_path) != 0 && errno != ENOENT)
		return new_fail(lines, errno, err);
	lines->new_fd = open(lines->new_path, flags, 0600);
	if (lines->new_fd < 0)
		return new_fail(lines, errno, err);
	return rewrap_state_begin(&lines->job->state, head, err);
}

/* Is there a new file to go on with, which nobody else has written to? */
static bool reopen_new(struct lines *lines)
{
	const int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = open(lines->new_path, flags);

	if (fd >= 0 && !rewrap_is_own(fd)) {
		close(fd);
		fd = -1;
	}
	lines->new_fd = fd;
	return fd >= 0;
}

static clv_rc begin_or_go_on(struct lines *lines, bool *ret_finished, struct clv_err *err)
{
	struct rewrap *job = lines->job;
	struct rewrap_head head, ours = { .bytes = lines->end_bytes, .crc32c = lines->end_crc32c };
	const char *why = "The key was rotated since";
	bool there;

	memcpy(ours.key, job->run->full, sizeof ours.key);
	memcpy(ours.version, job->version, sizeof ours.version);
	CLV_TRY(rewrap_state_head(&job->state, &head, &there, err));
	if (!there)
		return begin_anew(lines, &ours, err);
	CLV_TRY(rewrap_check_key(job, &head, err));
	if (strcmp(head.version, ours.version) == 0) {
		bool same = head.bytes == ours.bytes && head.crc32c == ours.crc32c;

		if (same && reopen_new(lines))
			return go_on(lines, err);
		if (!same)
			CLV_TRY(was_finished(lines, ret_finished, err));
		if (*ret_finished)
			return CLV_OK;
		why = same ? "The new file is gone, or others could write to it"
			   : "The file changed since";
	}
	kms_out_note(job->run->out, "%s: the run begins anew.", why);
	return begin_anew(lines, &ours, err);
}

/* ---- one line */

/* From here a later run can go on. */
static clv_rc sync_lines(struct lines *lines, struct clv_err *err)
{
	const struct rewrap_entry synced = { .mark = REWRAP_SYNCED,
					     .number = lines->new_number,
					     .bytes = lines->new_bytes,
					     .crc32c = lines->new_crc32c };

	if (fdatasync(lines->new_fd) != 0)
		return new_fail(lines, errno, err);
	CLV_TRY(rewrap_state_add(&lines->job->state, &synced, err));
	return rewrap_state_sync(&lines->job->state, err);
}

/* The run stops before this line. Where it cannot note that, the next one has more to do again. */
static clv_rc stop_here(struct lines *lines, clv_rc rc)
{
	struct clv_err unused;

	(void) sync_lines(lines, &unused);
	return rc;
}

/* Appends a line; one that failed is noted. Should either fail, a later run does it again. */
static clv_rc add_line(struct lines *lines, struct clv_bytes line,
		       const struct rewrap_entry *failed, struct clv_err *err)
{
	int errnum = rewrap_write_all(lines->new_fd, line);

	if (errnum != 0)
		return new_fail(lines, errnum, err);
	if (failed != NULL)
		CLV_TRY(rewrap_state_add(&lines->job->state, failed, err));
	lines->new_number++;
	lines->new_bytes += line.len;
	lines->new_crc32c = clv_crc32c(lines->new_crc32c, line.data, line.len);
	return CLV_OK;
}

static clv_rc rewrap_value(struct lines *lines, const struct json_line *line, struct clv_buf *out,
			   enum rewrap_outcome *ret_outcome, clv_rc *ret_rc, struct clv_err *err)
{
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf old = { 0 }, new = { 0 }, text = { 0 };
	const struct clv_bytes value = { (const uint8_t *) line->value, strlen(line->value) };

	*ret_outcome = REWRAP_BAD;
	*ret_rc = kms_base64_decode(value, &old, err);
	if (*ret_rc == CLV_E_INVALID_ARGUMENT)
		return CLV_OK;
	CLV_TRY(*ret_rc);
	CLV_TRY(rewrap_item(lines->job, clv_buf_view(&old), &new, ret_outcome, ret_rc, err));
	if (*ret_outcome != REWRAP_NEW)
		return CLV_OK;
	CLV_TRY(kms_base64_encode(clv_buf_view(&new), &text, err));
	return json_line_replace(line, clv_buf_view(&text), out, err);
}

static clv_rc one(struct lines *lines, struct clv_err *err)
{
	KMS_AUTO_DONE(json_line_done) struct json_line line = { 0 };
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf out = { 0 };
	const struct source *old = &lines->old;
	struct rewrap_entry failed = { .mark = REWRAP_FAILED, .number = old->number };
	struct rewrap *job = lines->job;
	enum rewrap_outcome outcome;
	char name[32];
	clv_rc rc;

	CLV_TRY(json_line_parse(clv_buf_view(&old->line), MEMBER, &line, err));
	rc = rewrap_value(lines, &line, &out, &outcome, &failed.rc, err);
	if (rc != CLV_OK)
		return stop_here(lines, rc);
	CLV_TRY(add_line(lines, clv_buf_view(outcome == REWRAP_NEW ? &out : &old->line),
			 outcome == REWRAP_BAD ? &failed : NULL, err));
	snprintf(name, sizeof name, "line %ju", (uintmax_t) old->number);
	rewrap_count(job, outcome, name, failed.rc, err);
	return rewrap_sync_is_due(job) ? sync_lines(lines, err) : CLV_OK;
}

/* ---- the end */

/* Whoever wrote to the file while we read it would lose what they wrote. */
static clv_rc check_unchanged(const struct lines *lines, struct clv_err *err)
{
	const struct stat *then = &lines->st;
	struct stat now;

	if (lstat(lines->path, &now) != 0)
		return old_fail(lines, errno, err);
	if (now.st_ino == then->st_ino && now.st_dev == then->st_dev &&
	    now.st_size == then->st_size && now.st_mtim.tv_sec == then->st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == then->st_mtim.tv_nsec)
		return CLV_OK;
	return clv_fail(err, CLV_E_ABORTED,
			"%.200s was changed meanwhile and is left as it is; the same command "
			"begins anew",
			lines->given);
}

/* 0, or the errno. Owner and mode are the old file's. */
static int dress_new(const struct lines *lines)
{
	struct stat st;

	if (fstat(lines->new_fd, &st) != 0)
		return errno;
	if ((lines->st.st_uid != st.st_uid || lines->st.st_gid != st.st_gid) &&
	    fchown(lines->new_fd, lines->st.st_uid, lines->st.st_gid) != 0)
		return errno;
	if (fchmod(lines->new_fd, lines->st.st_mode & 07777) != 0)
		return errno;
	return fsync(lines->new_fd) == 0 ? 0 : errno;
}

static clv_rc replace(struct lines *lines, struct clv_err *err)
{
	const struct rewrap_counts *counts = &lines->job->counts;
	const struct rewrap_entry end = { .mark = REWRAP_END,
					  .rewrapped = counts->rewrapped,
					  .already = counts->already,
					  .failed = counts->failed,
					  .bytes = lines->new_bytes,
					  .crc32c = lines->new_crc32c };
	int errnum = dress_new(lines);

	if (errnum != 0)
		return new_fail(lines, errnum, err);
	CLV_TRY(check_unchanged(lines, err));
	CLV_TRY(rewrap_state_add(&lines->job->state, &end, err));
	CLV_TRY(rewrap_state_sync(&lines->job->state, err));
	if (rename(lines->new_path, lines->path) != 0)
		return new_fail(lines, errno, err);
	errnum = kms_sync_folder(lines->path);
	return errnum == 0 ? CLV_OK : new_fail(lines, errnum, err);
}

/* Where nothing was wrapped anew the two files are the same, and the old one stays. */
static clv_rc finish(struct lines *lines, bool finished, struct clv_err *err)
{
	if (!finished && lines->job->counts.rewrapped > 0)
		CLV_TRY(replace(lines, err));
	else if (unlink(lines->new_path) != 0 && errno != ENOENT)
		return new_fail(lines, errno, err);
	return rewrap_state_remove(&lines->job->state, err);
}

/* ---- all of it */

static clv_rc lock(struct lines *lines, const char *file, struct clv_err *err)
{
	char state[PATH_MAX];

	lines->given = file;
	if (realpath(file, lines->path) == NULL)
		return old_fail(lines, errno, err);
	if (snprintf(state, sizeof state, "%s" REWRAP_SUFFIX, lines->path) >= PATH_MAX ||
	    snprintf(lines->new_path, sizeof lines->new_path, "%s.new", state) >= PATH_MAX)
		return old_fail(lines, ENAMETOOLONG, err);
	return rewrap_state_open(state, &lines->job->state, err);
}

static clv_rc open_old(struct lines *lines, struct clv_err *err)
{
	lines->old.file = fopen(lines->path, "re");
	if (lines->old.file == NULL || fstat(fileno(lines->old.file), &lines->st) != 0)
		return old_fail(lines, errno, err);
	if (!S_ISREG(lines->st.st_mode))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%.200s is no regular file",
				lines->given);
	return CLV_OK;
}

clv_rc rewrap_lines(struct rewrap *job, const char *file, struct clv_err *err)
{
	KMS_AUTO_DONE(lines_close) struct lines lines = { .job = job, .new_fd = -1 };
	bool there = true, finished = false;

	CLV_TRY(lock(&lines, file, err));
	CLV_TRY(open_old(&lines, err));
	CLV_TRY(check_all(&lines, err));
	CLV_TRY(rewrap_begin(job, err));
	CLV_TRY(begin_or_go_on(&lines, &finished, err));
	while (!finished && there) {
		CLV_TRY(next(&lines.old, &there, err));
		if (there)
			CLV_TRY(one(&lines, err));
	}
	return finish(&lines, finished, err);
}
