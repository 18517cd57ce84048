/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bulk rewrapping: what the two kinds of input (rewrap_folder.c, rewrap_lines.c) share. One run
 * goes through all items and wraps each under the version that was the key's primary when the run
 * began. It may be killed at any moment; the next one goes on, by the state file.
 */
#ifndef TOOLS_KMSCTL_REWRAP_H
#define TOOLS_KMSCTL_REWRAP_H

#include <limits.h>
#include <stdio.h>

#include "tools/common/progress.h"
#include "tools/kmsctl/kmsctl.h"

/* ---- the state file (rewrap_state.c) */

#define REWRAP_SUFFIX ".kmsctl-rewrap"
#define REWRAP_TAG_LEN 16 /* bytes: a wrapped DEK ends with a tag, no two of which are the same */
#define REWRAP_TAG_TEXT (2 * REWRAP_TAG_LEN + 1) /* in hexadecimal digits, NUL-terminated */

/* What a state file is of. All of it must fit for a run to go on with it. */
struct rewrap_head {
	char key[CLV_NAME_MAX];
	char version[CLV_NAME_MAX]; /* the primary that everything is wrapped under */
	uint64_t bytes;             /* of a file of JSON lines, before; 0 of a folder */
	uint32_t crc32c;            /* likewise */
};

/* A line behind the head. */
enum rewrap_mark {
	REWRAP_DONE,   /* folder: this name is about to get a file that ends with this tag */
	REWRAP_FAILED, /* lines: line `number` failed with `rc` and is copied as it is */
	REWRAP_SYNCED, /* lines: the new file is on the disk up to the end of line `number` */
	REWRAP_END,    /* lines: all are done, the new file is about to get its name */
};
struct rewrap_entry {
	enum rewrap_mark mark;
	char name[NAME_MAX + 1];
	char tag[REWRAP_TAG_TEXT];
	uint64_t number; /* of the line */
	clv_rc rc;
	uint64_t rewrapped, already, failed; /* REWRAP_END */
	uint64_t bytes;                      /* REWRAP_SYNCED, REWRAP_END: of the new file */
	uint32_t crc32c;                     /* likewise */
	off_t at;                            /* where the line begins in the state file */
};

/* An open state file. Holding it keeps other runs away. Plain data, ended by its done function. */
struct rewrap_state {
	int fd; /* -1: none */
	FILE *in;
	char *line; /* owned: what getline() uses */
	size_t line_size;
	char path[PATH_MAX];
};

/*
 * Opens or makes it, and locks it. One that is there must be ours alone (rewrap_is_own()): who can
 * write to the folder could say in it what was done.
 * Errors: CLV_E_ABORTED another run has it; CLV_E_INVALID_ARGUMENT it cannot be made, or is not
 * ours.
 */
CLV_MUST_USE clv_rc rewrap_state_open(const char *path, struct rewrap_state *ret_state,
				      struct clv_err *err);
void rewrap_state_done(struct rewrap_state *state);

/* Reads its head. *ret_there is false when the file is empty: no run was interrupted.
 * Errors: CLV_E_INVALID_ARGUMENT it is no such file. */
CLV_MUST_USE clv_rc rewrap_state_head(struct rewrap_state *state, struct rewrap_head *ret_head,
				      bool *ret_there, struct clv_err *err);

/* Reads the next entry behind the head. *ret_there is false at the end, which is at ret_entry->at;
 * a last line that is not whole does not count, for what it announces had not been done yet. */
CLV_MUST_USE clv_rc rewrap_state_next(struct rewrap_state *state, struct rewrap_entry *ret_entry,
				      bool *ret_there, struct clv_err *err);

/* Empties it and writes a head. */
CLV_MUST_USE clv_rc rewrap_state_begin(struct rewrap_state *state, const struct rewrap_head *head,
				       struct clv_err *err);

/* Cuts it off at `at`, where an entry began; what was read of it before stays good. */
CLV_MUST_USE clv_rc rewrap_state_cut(struct rewrap_state *state, off_t at, struct clv_err *err);
CLV_MUST_USE clv_rc rewrap_state_add(struct rewrap_state *state, const struct rewrap_entry *entry,
				     struct clv_err *err);

/* What was written of it is on the disk. */
CLV_MUST_USE clv_rc rewrap_state_sync(struct rewrap_state *state, struct clv_err *err);

/* The entry that begins at `at` is the next one to be read. */
CLV_MUST_USE clv_rc rewrap_state_seek(struct rewrap_state *state, off_t at, struct clv_err *err);

/* The job is done: the file goes. */
CLV_MUST_USE clv_rc rewrap_state_remove(struct rewrap_state *state, struct clv_err *err);

/* A file name as ASCII, for the state file and for messages: other bytes and '%' as "%C3".
 * Returns `to`. */
#define REWRAP_NAME_TEXT (3 * NAME_MAX + 1)
char *rewrap_name_text(const char *name, char to[REWRAP_NAME_TEXT]);

/* The tag of a wrapped DEK; empty when it is shorter than one. Returns `to`. */
char *rewrap_tag_text(struct clv_bytes wrapped, char to[REWRAP_TAG_TEXT]);

/* ---- the run (rewrap.c) */

struct rewrap_counts {
	uint64_t total, rewrapped, already, failed;
	uint64_t skipped; /* in the folder, but no regular files */
};

#define REWRAP_HEAD_LEN (1 + CLV_UID_LEN) /* bytes of a CLV1 that say its version (claviger(7)) */

struct rewrap {
	struct kms_run *run;
	const char *input; /* as given */
	struct clv_bytes aad;
	char version[CLV_NAME_MAX];    /* wrapped under this one */
	uint8_t head[REWRAP_HEAD_LEN]; /* and begins with these bytes */
	struct rewrap_counts counts;
	struct rewrap_state state;
	uint64_t n_synced; /* so many had been done when what is written was last synced, */
	int64_t synced_at; /* at this second */
	struct kms_progress progress;
	clv_rc first_rc; /* of the first item that failed */
	char first[CLV_ERR_TEXT_MAX];
	char settled[CLV_ERR_TEXT_MAX]; /* a failure that was found not to be the key's */
};

/* Finds out the key's primary version, and that it can be used, by wrapping a DEK that is thrown
 * away: that needs no other permission than the work itself. */
CLV_MUST_USE clv_rc rewrap_begin(struct rewrap *job, struct clv_err *err);

/* What came of one item. */
enum rewrap_outcome { REWRAP_NEW, REWRAP_SAME, REWRAP_BAD };

/*
 * Rewraps one item into `out`. REWRAP_BAD is the item's own failure, with its text in *err and its
 * code in *ret_rc. It counts nothing.
 * Errors: what stops the run: the key is refused, the token is away, CLV_E_ABORTED a signal.
 */
CLV_MUST_USE clv_rc rewrap_item(struct rewrap *job, struct clv_bytes wrapped, struct clv_buf *out,
				enum rewrap_outcome *ret_outcome, clv_rc *ret_rc,
				struct clv_err *err);

/* Does it say that it is under the version that everything is wrapped under? Whether it is good
 * only the key can tell. */
bool rewrap_says_primary(const struct rewrap *job, struct clv_bytes wrapped);

/* Was enough done since it last said yes, or has a new second begun? Then what is written is to be
 * synced. */
bool rewrap_sync_is_due(struct rewrap *job);

/* Counts an item; one that failed is told of as `name`, with the text in `why`. */
void rewrap_count(struct rewrap *job, enum rewrap_outcome outcome, const char *name, clv_rc rc,
		  const struct clv_err *why);

/* "12 of 50 done (10 rewrapped, 2 under the primary version already, 0 failed)" */
#define REWRAP_TALLY_MAX 160
const char *rewrap_tally(const struct rewrap_counts *counts, char to[REWRAP_TALLY_MAX]);

/* Is the state of this key? Errors: CLV_E_FAILED_PRECONDITION a run with another key was
 * interrupted. */
CLV_MUST_USE clv_rc rewrap_check_key(const struct rewrap *job, const struct rewrap_head *head,
				     struct clv_err *err);

/* Hands the counts to run->out, also when `rc`, which it returns, is a failure. */
CLV_MUST_USE clv_rc rewrap_report(struct rewrap *job, clv_rc rc, struct clv_err *err);

CLV_MUST_USE clv_rc rewrap_folder(struct rewrap *job, const char *folder, struct clv_err *err);
CLV_MUST_USE clv_rc rewrap_lines(struct rewrap *job, const char *file, struct clv_err *err);

/* Is it a regular file of ours under one name, which nobody else can write to? */
bool rewrap_is_own(int fd);

/* Reads from where `fd` is, which stays open. NULL: no memory. */
FILE *rewrap_reader(int fd);

/* Nothing secret: the time it takes tells where they differ. */
bool rewrap_same_bytes(struct clv_bytes a, struct clv_bytes b);

/* Writes all of it. 0, or the errno. */
int rewrap_write_all(int fd, struct clv_bytes bytes);

#endif
