/* SPDX-License-Identifier: Apache-2.0 */
/* Durations and points in time as people type them: the forms of the library, and gcloud's. */
#ifndef TOOLS_COMMON_WHEN_H
#define TOOLS_COMMON_WHEN_H

#include <stdint.h>

#include <claviger/err.h>

/*
 * Reads what clv_duration_parse() reads, a bare number of seconds ("2592000"), and ISO 8601
 * without years and months, which have no fixed length ("P30D", "p1dt12h").
 * Errors: CLV_E_INVALID_ARGUMENT.
 */
CLV_MUST_USE clv_rc kms_duration_parse(const char *text, int64_t *ret_ns, struct clv_err *err);

/*
 * Reads what clv_time_parse() reads, a day ("2031-01-02", its beginning in UTC), and how long
 * after `now` ("+P1D", "+36h"). Errors: CLV_E_INVALID_ARGUMENT.
 */
CLV_MUST_USE clv_rc kms_time_parse(const char *text, int64_t now, int64_t *ret_ns,
				   struct clv_err *err);

#endif
