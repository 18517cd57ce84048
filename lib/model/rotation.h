/* SPDX-License-Identifier: Apache-2.0 */
/* How long things of a key last: rules for its schedule, and what comes after a rotation. Pure: the
 * time is handed in. */
#ifndef MODEL_ROTATION_H
#define MODEL_ROTATION_H

#include <stdbool.h>

#include <claviger/key.h>

/* Errors: CLV_E_INVALID_ARGUMENT outside of 24 hours to 120 days. */
CLV_MUST_USE clv_rc model_destroy_delay_check(int64_t delay, struct clv_err *err);

/*
 * May `key`, of which purpose and import_only count, have its rotation_period and
 * next_rotation_time? `new_time`: the time is being set now, and must lie in the future; one that
 * was set long ago may have passed. Errors: CLV_E_INVALID_ARGUMENT, with the rule that is broken.
 */
CLV_MUST_USE clv_rc model_rotation_check(const struct clv_key *key, bool new_time, int64_t now,
					 struct clv_err *err);

/*
 * The rotation time after `due`, of a key that is rotated at `now`: a whole number of periods
 * later, the first that lies in the future. 0 when there is none: no period, or beyond what a time
 * can say.
 */
int64_t model_rotation_next(int64_t due, int64_t period, int64_t now);

#endif
