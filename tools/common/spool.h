/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that is held back until all of it is there: in memory while it is little, then in a file
 * without a name. Lists go through it, so that a million items take no memory and a list that
 * breaks off half way is not printed. Never for plaintexts.
 */
#ifndef TOOLS_COMMON_SPOOL_H
#define TOOLS_COMMON_SPOOL_H

#include <stdio.h>

#include <claviger/err.h>

#define KMS_SPOOL_MEMORY 1048576 /* bytes that are kept in memory */

/* Start with zeros, end with kms_spool_done(). */
struct kms_spool {
	char *text; /* owned; NULL before the first byte */
	size_t len;
	FILE *file; /* owned; NULL while all is in memory */
};

/* Errors: CLV_E_RESOURCE_EXHAUSTED no memory, or no room for the file;
 *         CLV_E_UNAVAILABLE        it cannot be made or read. */
CLV_MUST_USE clv_rc kms_spool_add(struct kms_spool *spool, const char *text, size_t len,
				  struct clv_err *err);

/* Copies all of it to `to`, whose own failures are seen when it is flushed. */
CLV_MUST_USE clv_rc kms_spool_copy(struct kms_spool *spool, FILE *to, struct clv_err *err);

/* The error of a file that keeps a list; for others who have one. Never CLV_OK. */
CLV_MUST_USE clv_rc kms_spool_failed(int errnum, struct clv_err *err);

void kms_spool_done(struct kms_spool *spool);

#endif
