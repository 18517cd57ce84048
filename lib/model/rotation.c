/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of schedules. Not for doing what is due: lib/api/rotate.c does that. */
#include "lib/base/auto.h"
#include "lib/model/rotation.h"

#include "lib/base/banned.h"

clv_rc model_destroy_delay_check(int64_t delay, struct clv_err *err)
{
	if (delay >= CLV_DESTROY_DELAY_MIN && delay <= CLV_DESTROY_DELAY_MAX)
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"the destroy scheduled duration must be 24 hours to 120 days");
}

static clv_rc check_kind(const struct clv_key *key, struct clv_err *err)
{
	if (key->purpose != CLV_PURPOSE_ENCRYPT_DECRYPT)
		return clv_fail(
			err, CLV_E_INVALID_ARGUMENT,
			"only keys of purpose ENCRYPT_DECRYPT can have a rotation period or "
			"a next rotation time, not one of purpose %s",
			clv_purpose_name(key->purpose));
	if (key->import_only)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"an import-only key can have neither a rotation period nor a next "
				"rotation time: its versions are not generated");
	return CLV_OK;
}

clv_rc model_rotation_check(const struct clv_key *key, bool new_time, int64_t now,
			    struct clv_err *err)
{
	const int64_t period = key->rotation_period, next = key->next_rotation_time;
	char text[CLV_TIME_TEXT_MAX];

	if (period == 0 && next == 0)
		return CLV_OK;
	CLV_TRY(check_kind(key, err));
	if (period != 0 && (period < CLV_ROTATION_PERIOD_MIN || period > CLV_ROTATION_PERIOD_MAX))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the rotation period must be 24 hours to 876,000 hours");
	if (period != 0 && next == 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"a rotation period needs a next rotation time");
	if (new_time && next <= now)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the next rotation time must be in the future, and %s is not",
				clv_time_format(next, text));
	return CLV_OK;
}

int64_t model_rotation_next(int64_t due, int64_t period, int64_t now)
{
	int64_t next;

	if (period <= 0)
		return 0;
	/* Neither is negative, so that the difference fits; the sum may not. */
	if (due < now)
		due += (now - due) / period * period;
	return __builtin_add_overflow(due, period, &next) ? 0 : next;
}
