/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource names, exactly Cloud KMS's:
 *   projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N
 *   projects/P/locations/L/keyRings/R/importJobs/J
 */
#ifndef CLAVIGER_NAME_H
#define CLAVIGER_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include <claviger/err.h>

#define CLV_ID_MAX 64    /* bytes of one id, with the final NUL: 63 characters */
#define CLV_NAME_MAX 352 /* bytes of a whole name, with the final NUL */

/* What a name goes down to. Each kind has all parts of the kinds before it, but for an import job,
 * which has those of a key ring and its own. */
enum clv_name_kind {
	CLV_NAME_PROJECT,
	CLV_NAME_LOCATION,
	CLV_NAME_KEY_RING,
	CLV_NAME_KEY,
	CLV_NAME_VERSION,
	CLV_NAME_IMPORT_JOB,
};

/* A name taken apart; parts that `kind` has not are empty or 0. Plain data, no ownership. */
struct clv_name {
	enum clv_name_kind kind;
	char project[CLV_ID_MAX];
	char location[CLV_ID_MAX];
	char key_ring[CLV_ID_MAX];
	char key[CLV_ID_MAX];
	uint64_t version; /* 1 to INT64_MAX, or 0 */
	char import_job[CLV_ID_MAX];
};

/*
 * Takes a name apart and checks every id in it.
 * Errors: CLV_E_INVALID_ARGUMENT, naming the part that is wrong and what it must look like.
 */
CLV_MUST_USE clv_rc clv_name_parse(const char *text, struct clv_name *ret_name,
				   struct clv_err *err);

/* The same, and refuses a name of another kind. */
CLV_MUST_USE clv_rc clv_name_parse_kind(const char *text, enum clv_name_kind kind,
					struct clv_name *ret_name, struct clv_err *err);

/* Writes the name down to `kind`, one that name->kind has the parts of, and returns `buf`. */
char *clv_name_format(const struct clv_name *name, enum clv_name_kind kind, char buf[CLV_NAME_MAX]);

/*
 * Key ring, key and import job ids are [a-zA-Z0-9_-]{1,63}; location ids [a-z][a-z0-9-]{0,62};
 * project ids [a-z][a-z0-9-]{1,62} not ending in '-'; version ids decimal numbers from 1. `kind`
 * says which it is, and so what the error text calls it. Errors: CLV_E_INVALID_ARGUMENT.
 */
CLV_MUST_USE clv_rc clv_id_check(enum clv_name_kind kind, const char *id, struct clv_err *err);

#endif
