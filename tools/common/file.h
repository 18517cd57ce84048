/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files, small ones, read within a limit and written so that nobody sees half of one. */
#ifndef TOOLS_COMMON_FILE_H
#define TOOLS_COMMON_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include <claviger/buf.h>
#include <claviger/hash.h>
#include <claviger/secret.h>

/*
 * Reads a file ("-": standard input) of at most `max` bytes into *ret_buf, which must be empty
 * and stays the caller's to end. `what` names the file in errors ("ciphertext").
 * Errors: CLV_E_INVALID_ARGUMENT it cannot be read or is too large, with limit and size;
 *         CLV_E_RESOURCE_EXHAUSTED; CLV_E_UNAVAILABLE.
 */
CLV_MUST_USE clv_rc kms_read_file(const char *path, const char *what, size_t max,
				  struct clv_buf *ret_buf, struct clv_err *err);

/* The same for plaintext: it touches no memory but the secret's, which the caller then owns.
 * `max` <= CLV_SECRET_MAX. */
CLV_MUST_USE clv_rc kms_read_secret_file(const char *path, const char *what, size_t max,
					 struct clv_secret **ret_secret, struct clv_err *err);

/* Adds all that a file ("-": standard input) of any size has to a digest. Errors: as
 * kms_read_file(). */
CLV_MUST_USE clv_rc kms_hash_file(const char *path, const char *what, struct clv_hashing *hashing,
				  struct clv_err *err);

/* Where to write. Plain data, borrowed. */
struct kms_sink {
	const char *path;     /* "-": standard output */
	const char *what;     /* names it in errors */
	mode_t mode;          /* of a file */
	bool sync;            /* the only copy there may be: on the disk before the answer */
	bool no_replace;      /* what a file holds would be lost: refuse one that is there */
	bool not_to_terminal; /* refuse a terminal */
	bool not_to_others;   /* refuse a standard output that is a file which others can read */
};

/*
 * Finds out early what would fail later: a folder, a missing one, a terminal that is refused, a
 * symbolic link that leads to no file. A link to a file is followed.
 * Errors: CLV_E_INVALID_ARGUMENT; CLV_E_ALREADY_EXISTS with `no_replace`, for a file of any size.
 */
CLV_MUST_USE clv_rc kms_sink_check(const struct kms_sink *sink, struct clv_err *err);

/*
 * Of one command: would one result go where the other goes? Devices may have both, and a sink
 * without a path goes nowhere. Call it before anything is done. Errors: CLV_E_INVALID_ARGUMENT.
 */
CLV_MUST_USE clv_rc kms_sinks_check_apart(const struct kms_sink *a, const struct kms_sink *b,
					  struct clv_err *err);

/*
 * Writes all the bytes. A file appears whole under its name or not at all, and leaves nothing
 * beside it; what is there already (a pipe, a device) is written to as it is. With `no_replace`,
 * of several that write to one new name at the same time one succeeds.
 * Errors: as kms_sink_check(); CLV_E_RESOURCE_EXHAUSTED the disk is full; CLV_E_UNAVAILABLE.
 */
CLV_MUST_USE clv_rc kms_sink_write(const struct kms_sink *sink, struct clv_bytes bytes,
				   struct clv_err *err);

/* Puts on the disk which files are in the folder that the file `path` is in. 0, or the errno. */
int kms_sync_folder(const char *path);

/* Makes the folders above `path`, readable by their owner only. Errors: as kms_sink_write(). */
CLV_MUST_USE clv_rc kms_make_parents(const char *path, struct clv_err *err);

/* What a failed system call on a file means to the caller. */
clv_rc kms_file_rc(int errnum);

#endif
