/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state file of a bulk rewrap: lines of words, each written with one call: "done" and "end"
 * before the thing that they announce is done, "failed" and "synced" when it is. So after a kill a
 * line says at most what had not been done yet, and whether it was shows in the input itself. It is
 * synced now and then: after a loss of power it may lack lines, and items are then found under the
 * primary version already. Nobody else may have written to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/common/file.h"
#include "tools/kmsctl/rewrap.h"

#define FIRST_LINE "kmsctl-rewrap 1"
#define LINE_MAX_TEXT (REWRAP_NAME_TEXT + 128)

static clv_rc state_fail(const struct rewrap_state *state, int errnum, struct clv_err *err)
{
	return clv_fail_errno(err, kms_file_rc(errnum), errnum, "state file %.200s", state->path);
}

/* ---- opening and locking */

static bool is_still_there(const struct rewrap_state *state)
{
	struct stat ours, theirs;

	return fstat(state->fd, &ours) == 0 && lstat(state->path, &theirs) == 0 &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

static clv_rc refuse_state(const struct rewrap_state *state, struct clv_err *err)
{
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"state file %.200s: it is not a file of this user's own that nobody else "
			"can write to; move it away, and the run begins anew",
			state->path);
}

/* One that is there is never made by us, so that nobody's link leads us to make a file. */
static int make_or_open(const char *path)
{
	const int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	int fd;

	do {
		fd = open(path, flags | O_CREAT | O_EXCL, 0600);
		if (fd >= 0 || errno != EEXIST)
			return fd;
		fd = open(path, flags);
	} while (fd < 0 && errno == ENOENT); /* it went between the two calls */
	return fd;
}

static clv_rc open_and_lock(struct rewrap_state *state, struct clv_err *err)
{
	state->fd = make_or_open(state->path);
	if (state->fd < 0 && errno == ELOOP)
		return refuse_state(state, err);
	if (state->fd < 0)
		return state_fail(state, errno, err);
	if (flock(state->fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK
			       ? clv_fail(err, CLV_E_ABORTED,
					  "another run is at work: it holds %.200s", state->path)
			       : state_fail(state, errno, err);
	return CLV_OK;
}

bool rewrap_is_own(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	       st.st_nlink == 1 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* The file is written through the descriptor, and read line by line. */
FILE *rewrap_reader(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *in = copy >= 0 ? fdopen(copy, "r") : NULL;

	if (in == NULL && copy >= 0)
		close(copy);
	return in;
}

clv_rc rewrap_state_open(const char *path, struct rewrap_state *ret_state, struct clv_err *err)
{
	struct rewrap_state state = { .fd = -1 };
	clv_rc rc;

	if (snprintf(state.path, sizeof state.path, "%s", path) >= (int) sizeof state.path)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "the name %.100s... is too long",
				path);
	/* The run before may remove the file between our open() and our lock. */
	do {
		rewrap_state_done(&state);
		rc = open_and_lock(&state, err);
	} while (rc == CLV_OK && !is_still_there(&state));
	if (rc == CLV_OK && !rewrap_is_own(state.fd))
		rc = refuse_state(&state, err);
	if (rc == CLV_OK && (state.in = rewrap_reader(state.fd)) == NULL)
		rc = clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the state file");
	if (rc != CLV_OK)
		rewrap_state_done(&state);
	else
		*ret_state = state;
	return rc;
}

void rewrap_state_done(struct rewrap_state *state)
{
	struct stat st;

	/* A run that did not come to its first item leaves nothing. Without the lock, `in` is NULL.
	 */
	if (state->in != NULL && fstat(state->fd, &st) == 0 && st.st_size == 0 && st.st_nlink > 0)
		unlink(state->path);
	if (state->in != NULL)
		fclose(state->in);
	if (state->fd >= 0)
		close(state->fd);
	free(state->line);
	state->fd = -1;
	state->in = NULL;
	state->line = NULL;
}

clv_rc rewrap_state_remove(struct rewrap_state *state, struct clv_err *err)
{
	return unlink(state->path) == 0 ? CLV_OK : state_fail(state, errno, err);
}

/* ---- names */

char *rewrap_name_text(const char *name, char to[REWRAP_NAME_TEXT])
{
	char *at = to;

	for (; *name != '\0' && at - to < REWRAP_NAME_TEXT - 3; name++) {
		if (*name > ' ' && *name < 0x7f && *name != '%')
			*at++ = *name;
		else
			at += snprintf(at, 4, "%%%02X", (unsigned char) *name);
	}
	*at = '\0';
	return to;
}

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

static bool read_name(const char *text, char to[NAME_MAX + 1])
{
	size_t len = 0;

	while (*text != '\0' && len < NAME_MAX) {
		if (*text != '%') {
			to[len++] = *text++;
			continue;
		}
		int high = hex_value(text[1]);
		int low = high >= 0 ? hex_value(text[2]) : -1;

		if (low < 0)
			return false;
		to[len++] = (char) (high << 4 | low);
		text += 3;
	}
	to[len] = '\0';
	return len > 0 && *text == '\0';
}

char *rewrap_tag_text(struct clv_bytes wrapped, char to[REWRAP_TAG_TEXT])
{
	to[0] = '\0';
	for (size_t i = 0; wrapped.len >= REWRAP_TAG_LEN && i < REWRAP_TAG_LEN; i++)
		snprintf(to + 2 * i, 3, "%02X", wrapped.data[wrapped.len - REWRAP_TAG_LEN + i]);
	return to;
}

/* ---- reading */

/* The next whole line, without its newline; NULL: there is none. */
static const char *next_line(struct rewrap_state *state)
{
	ssize_t len = getline(&state->line, &state->line_size, state->in);

	if (len <= 0 || state->line[len - 1] != '\n')
		return NULL;
	state->line[len - 1] = '\0';
	return state->line;
}

static bool take_word(const char *line, const char *word, const char **ret_rest)
{
	size_t len = strlen(word);

	if (line == NULL || strncmp(line, word, len) != 0 || line[len] != ' ')
		return false;
	*ret_rest = line + len + 1;
	return true;
}

static bool read_head_name(struct rewrap_state *state, const char *word, char to[CLV_NAME_MAX])
{
	const char *rest;

	if (!take_word(next_line(state), word, &rest) || strlen(rest) >= CLV_NAME_MAX)
		return false;
	memcpy(to, rest, strlen(rest) + 1);
	return true;
}

static bool read_head(struct rewrap_state *state, struct rewrap_head *head)
{
	const char *line = next_line(state), *rest;

	return line != NULL && strcmp(line, FIRST_LINE) == 0 &&
	       read_head_name(state, "key", head->key) &&
	       read_head_name(state, "version", head->version) &&
	       take_word(next_line(state), "input", &rest) &&
	       sscanf(rest, "%" SCNu64 " %" SCNx32, &head->bytes, &head->crc32c) == 2;
}

clv_rc rewrap_state_head(struct rewrap_state *state, struct rewrap_head *ret_head, bool *ret_there,
			 struct clv_err *err)
{
	struct rewrap_head head = { 0 };
	struct stat st;

	if (fstat(state->fd, &st) != 0)
		return state_fail(state, errno, err);
	*ret_there = st.st_size > 0;
	if (!*ret_there)
		return CLV_OK;
	if (!read_head(state, &head))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%.200s is not the state of an interrupted run: move it away",
				state->path);
	*ret_head = head;
	return CLV_OK;
}

static clv_rc rc_named(const char *name)
{
	for (int rc = 0; rc < CLV_RC_COUNT; rc++) {
		if (strcmp(clv_rc_name((clv_rc) rc), name) == 0)
			return (clv_rc) rc;
	}
	return CLV_E_INTERNAL;
}

static bool read_entry(const char *line, struct rewrap_entry *entry)
{
	const char *rest;
	char word[32];

	if (take_word(line, "done", &rest)) {
		entry->mark = REWRAP_DONE;
		if (strspn(rest, "0123456789ABCDEF") != REWRAP_TAG_TEXT - 1)
			return false;
		memcpy(entry->tag, rest, REWRAP_TAG_TEXT - 1);
		return take_word(rest, entry->tag, &rest) && read_name(rest, entry->name);
	}
	if (take_word(line, "failed", &rest)) {
		entry->mark = REWRAP_FAILED;
		if (sscanf(rest, "%" SCNu64 " %31s", &entry->number, word) != 2)
			return false;
		entry->rc = rc_named(word);
		return true;
	}
	if (take_word(line, "synced", &rest)) {
		entry->mark = REWRAP_SYNCED;
		return sscanf(rest, "%" SCNu64 " %" SCNu64 " %" SCNx32, &entry->number,
			      &entry->bytes, &entry->crc32c) == 3;
	}
	entry->mark = REWRAP_END;
	return take_word(line, "end", &rest) &&
	       sscanf(rest, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNx32,
		      &entry->rewrapped, &entry->already, &entry->failed, &entry->bytes,
		      &entry->crc32c) == 5;
}

clv_rc rewrap_state_next(struct rewrap_state *state, struct rewrap_entry *ret_entry,
			 bool *ret_there, struct clv_err *err)
{
	struct rewrap_entry entry = { .at = ftello(state->in) };
	const char *line = next_line(state);

	*ret_there = line != NULL;
	ret_entry->at = entry.at;
	if (line == NULL)
		return CLV_OK;
	if (!read_entry(line, &entry))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%.200s is damaged: move it away, and the run begins anew",
				state->path);
	*ret_entry = entry;
	return CLV_OK;
}

clv_rc rewrap_state_seek(struct rewrap_state *state, off_t at, struct clv_err *err)
{
	return fseeko(state->in, at, SEEK_SET) == 0 ? CLV_OK : state_fail(state, errno, err);
}

/* ---- writing */

int rewrap_write_all(int fd, struct clv_bytes bytes)
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

static clv_rc write_text(struct rewrap_state *state, const char *text, struct clv_err *err)
{
	int errnum = rewrap_write_all(state->fd,
				      (struct clv_bytes){ (const uint8_t *) text, strlen(text) });

	return errnum == 0 ? CLV_OK : state_fail(state, errnum, err);
}

clv_rc rewrap_state_begin(struct rewrap_state *state, const struct rewrap_head *head,
			  struct clv_err *err)
{
	char text[2 * CLV_NAME_MAX + 128];

	CLV_TRY(rewrap_state_cut(state, 0, err));
	snprintf(text, sizeof text,
		 FIRST_LINE "\nkey %s\nversion %s\ninput %" PRIu64 " %08" PRIx32 "\n", head->key,
		 head->version, head->bytes, head->crc32c);
	CLV_TRY(write_text(state, text, err));
	return rewrap_state_sync(state, err);
}

clv_rc rewrap_state_sync(struct rewrap_state *state, struct clv_err *err)
{
	return fdatasync(state->fd) == 0 ? CLV_OK : state_fail(state, errno, err);
}

clv_rc rewrap_state_cut(struct rewrap_state *state, off_t at, struct clv_err *err)
{
	return ftruncate(state->fd, at) == 0 ? CLV_OK : state_fail(state, errno, err);
}

clv_rc rewrap_state_add(struct rewrap_state *state, const struct rewrap_entry *entry,
			struct clv_err *err)
{
	char text[LINE_MAX_TEXT], name[REWRAP_NAME_TEXT];

	switch (entry->mark) {
	case REWRAP_DONE:
		snprintf(text, sizeof text, "done %s %s\n", entry->tag,
			 rewrap_name_text(entry->name, name));
		break;
	case REWRAP_FAILED:
		snprintf(text, sizeof text, "failed %" PRIu64 " %s\n", entry->number,
			 clv_rc_name(entry->rc));
		break;
	case REWRAP_SYNCED:
		snprintf(text, sizeof text, "synced %" PRIu64 " %" PRIu64 " %08" PRIx32 "\n",
			 entry->number, entry->bytes, entry->crc32c);
		break;
	case REWRAP_END:
		snprintf(text, sizeof text,
			 "end %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %08" PRIx32 "\n",
			 entry->rewrapped, entry->already, entry->failed, entry->bytes,
			 entry->crc32c);
		break;
	}
	return write_text(state, text, err);
}
