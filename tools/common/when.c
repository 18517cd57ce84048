/* SPDX-License-Identifier: Apache-2.0 */
/* What gcloud takes besides is rewritten into the form that the library reads, and read there. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <claviger/time.h>

#include "tools/common/auto.h"
#include "tools/common/when.h"

#define TEXT_MAX 64 /* bytes, with the final NUL; longer ones are no time */

#define DIGITS "0123456789"
#define DAY_LEN 10 /* of 2031-01-02 */

static clv_rc refuse(const char *text, struct clv_err *err)
{
	return clv_fail(err, CLV_E_INVALID_ARGUMENT, "`%.40s` is not a time", text);
}

/* "P1DT12H" is "1d12h". An M before the T would be months. */
static clv_rc read_iso(const char *text, int64_t *ret_ns, struct clv_err *err)
{
	char ours[TEXT_MAX];
	bool in_day = false;
	size_t used = 0;

	if (strlen(text) >= sizeof ours)
		return refuse(text, err);
	for (const char *at = text + 1; *at != '\0'; at++) {
		char letter = (char) tolower((unsigned char) *at);

		if (letter == 't' && !in_day) {
			in_day = true;
			continue;
		}
		if (strchr(in_day ? DIGITS ".hms" : DIGITS ".wd", letter) == NULL)
			return refuse(text, err);
		ours[used++] = letter;
	}
	ours[used] = '\0';
	return clv_duration_parse(ours, ret_ns, err);
}

clv_rc kms_duration_parse(const char *text, int64_t *ret_ns, struct clv_err *err)
{
	char seconds[TEXT_MAX];
	size_t len = strlen(text);

	if (text[0] == 'P' || text[0] == 'p')
		return read_iso(text, ret_ns, err);
	if (len == 0 || len + 2 > sizeof seconds || strspn(text, DIGITS) != len)
		return clv_duration_parse(text, ret_ns, err);
	snprintf(seconds, sizeof seconds, "%ss", text);
	return clv_duration_parse(seconds, ret_ns, err);
}

clv_rc kms_time_parse(const char *text, int64_t now, int64_t *ret_ns, struct clv_err *err)
{
	char full[TEXT_MAX];
	int64_t after;

	if (text[0] == '+') {
		CLV_TRY(kms_duration_parse(text + 1, &after, err));
		return __builtin_add_overflow(now, after, ret_ns) ? refuse(text, err) : CLV_OK;
	}
	if (strlen(text) != DAY_LEN)
		return clv_time_parse(text, ret_ns, err);
	snprintf(full, sizeof full, "%sT00:00:00Z", text);
	return clv_time_parse(full, ret_ns, err);
}
