/* SPDX-License-Identifier: Apache-2.0 */
/* A condition is understood or refused with a printable text. What is understood has one answer in
 * its window, and its negation the opposite one. */
#include <string.h>

#include "lib/policy/impl.h"
#include "tests/support/fuzz.h"

const char *const fuzz_seeds = "policy_condition";

static enum policy_truth evaluate(const struct condition *condition, int64_t time,
				  struct policy_window *window)
{
	const struct condition_facts facts = {
		.time = time,
		.name = "projects/demo/locations/global/keyRings/r/cryptoKeys/k",
		.type = time % 2 == 0 ? "cloudkms.googleapis.com/CryptoKey" : NULL,
		.service = "cloudkms.googleapis.com",
	};

	return condition_evaluate(condition, &facts, window);
}

static void check_negation(const char *text, int64_t time, enum policy_truth truth)
{
	char negated[CONDITION_TEXT_MAX + 8];
	struct condition *condition = NULL;
	struct policy_window window = { INT64_MIN, INT64_MAX };
	struct clv_err err;
	enum policy_truth opposite;

	snprintf(negated, sizeof negated, "!(%s)", text);
	if (condition_parse(negated, &condition, &err) != CLV_OK)
		return; /* too long or too deep */
	opposite = evaluate(condition, time, &window);
	if (truth == POLICY_UNKNOWN)
		FUZZ_CHECK(opposite == POLICY_UNKNOWN);
	else
		FUZZ_CHECK(opposite == (truth == POLICY_TRUE ? POLICY_FALSE : POLICY_TRUE));
	condition_free(condition);
}

static void check_condition(const char *text, const struct condition *condition)
{
	static const int64_t times[] = { 0, 1, INT64_C(1798761600000000000), INT64_MAX - 1,
					 INT64_MIN };

	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		struct policy_window window = { INT64_MIN, INT64_MAX }, rest = window;
		enum policy_truth truth = evaluate(condition, times[i], &window);

		FUZZ_CHECK(window.from <= times[i] && times[i] < window.until);
		check_negation(text, times[i], truth);
		/* The same facts but for the time. */
		if (window.from % 2 == times[i] % 2)
			FUZZ_CHECK(evaluate(condition, window.from, &rest) == truth);
		if ((window.until - 1) % 2 == times[i] % 2)
			FUZZ_CHECK(evaluate(condition, window.until - 1, &rest) == truth);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct condition *condition = NULL;
	struct clv_err err;

	FUZZ_CHECK(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (condition_parse(text, &condition, &err) == CLV_OK) {
		check_condition(text, condition);
	} else {
		FUZZ_CHECK(condition == NULL && err.text[0] != '\0');
		for (const char *at = err.text; *at != '\0'; at++)
			FUZZ_CHECK(*at >= 0x20 && *at <= 0x7e);
	}
	condition_free(condition);
	free(text);
	return 0;
}
