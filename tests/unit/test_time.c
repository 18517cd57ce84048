/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base_check.h"

#include <stdlib.h>
#include <time.h>

#include <claviger/time.h>

#define S(seconds) (INT64_C(seconds) * CLV_NS_PER_S)
#define FIRST "1677-09-21T00:12:43.145224192Z" /* INT64_MIN */
#define LAST "2262-04-11T23:47:16.854775807Z"  /* INT64_MAX */

/* Seconds by Python's datetime. Text as clv_time_format() writes it. */
static const struct {
	int64_t ns;
	const char *text;
} points[] = {
	{ 0, "1970-01-01T00:00:00Z" },
	{ 1, "1970-01-01T00:00:00.000000001Z" },
	{ -1, "1969-12-31T23:59:59.999999999Z" },
	{ -CLV_NS_PER_S, "1969-12-31T23:59:59Z" },
	{ S(1795461505), "2026-11-23T19:18:25Z" },
	{ S(1795461505) + 123000000, "2026-11-23T19:18:25.123Z" },
	{ S(1795461505) + 123456000, "2026-11-23T19:18:25.123456Z" },
	{ S(1795461505) + 123456789, "2026-11-23T19:18:25.123456789Z" },
	{ S(1795461505) + 100000000, "2026-11-23T19:18:25.100Z" },
	{ S(1795461505) + 1000, "2026-11-23T19:18:25.000001Z" },
	{ S(951782400), "2000-02-29T00:00:00Z" },
	{ S(1709251199), "2024-02-29T23:59:59Z" },
	{ S(4107542400), "2100-03-01T00:00:00Z" },
	{ S(482196050) + 520000000, "1985-04-12T23:20:50.520Z" },
	{ S(-9214560000), "1678-01-01T00:00:00Z" },
	{ S(9223286400), "2262-04-11T00:00:00Z" },
	{ INT64_MIN, FIRST },
	{ INT64_MAX, LAST },
};

static void time_format_writes_protobuf_form(void **state)
{
	char buf[CLV_TIME_TEXT_MAX];

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(points); i++)
		assert_string_equal(clv_time_format(points[i].ns, buf), points[i].text);
}

static void time_parse_reads_what_format_writes(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(points); i++) {
		int64_t ns;
		struct clv_err err;

		check_ok(clv_time_parse(points[i].text, &ns, &err));
		assert_int_equal(ns, points[i].ns);
	}
}

static void time_survives_a_round_trip_anywhere_in_the_range(void **state)
{
	uint64_t x = 1;
	char buf[CLV_TIME_TEXT_MAX];

	(void) state;
	for (int i = 0; i < 20000; i++) {
		int64_t ns;
		struct clv_err err;

		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		check_ok(clv_time_parse(clv_time_format((int64_t) x, buf), &ns, &err));
		assert_int_equal(ns, (int64_t) x);
	}
}

/* Every day of the range, against the C library's calendar. */
static void time_format_agrees_with_libc_on_every_day(void **state)
{
	(void) state;
	for (int64_t day = -106751; day <= 106751; day++) {
		const time_t s = (time_t) (day * 86400 + 43200);
		char ours[CLV_TIME_TEXT_MAX], libc[CLV_TIME_TEXT_MAX];
		struct tm tm;

		assert_non_null(gmtime_r(&s, &tm));
		strftime(libc, sizeof libc, "%Y-%m-%dT%H:%M:%SZ", &tm);
		if (strcmp(clv_time_format((int64_t) s * CLV_NS_PER_S, ours), libc) != 0)
			fail_msg("%s, by libc %s", ours, libc);
	}
}

static void time_does_not_look_at_the_time_zone(void **state)
{
	char buf[CLV_TIME_TEXT_MAX];

	(void) state;
	setenv("TZ", "EST5EDT", 1);
	tzset();
	assert_string_equal(clv_time_format(0, buf), "1970-01-01T00:00:00Z");
	unsetenv("TZ");
	tzset();
}

static const struct {
	const char *text, *utc;
} readings[] = {
	/* the examples of RFC 3339 section 5.8 */
	{ "1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.520Z" },
	{ "1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57Z" },
	{ "1990-12-31T23:59:60Z", "1990-12-31T23:59:59Z" },
	{ "1990-12-31T15:59:60-08:00", "1990-12-31T23:59:59Z" },
	{ "1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.870Z" },
	/* leap seconds */
	{ "2016-12-31T23:59:60.999Z", "2016-12-31T23:59:59.999Z" },
	{ "2017-01-01T05:29:60+05:30", "2016-12-31T23:59:59Z" },
	/* offsets, over the ends of days, months and years */
	{ "2026-11-23T19:18:25+00:00", "2026-11-23T19:18:25Z" },
	{ "2026-11-23T19:18:25-00:00", "2026-11-23T19:18:25Z" },
	{ "2024-03-01T00:30:00+01:00", "2024-02-29T23:30:00Z" },
	{ "2023-03-01T00:30:00+01:00", "2023-02-28T23:30:00Z" },
	{ "2025-12-31T23:30:00-01:00", "2026-01-01T00:30:00Z" },
	{ "2026-01-02T00:00:00+23:59", "2026-01-01T00:01:00Z" },
	{ "2026-01-01T00:00:00-23:59", "2026-01-01T23:59:00Z" },
	/* small letters */
	{ "2026-11-23t19:18:25z", "2026-11-23T19:18:25Z" },
	/* fractions of any length, as long as nothing is lost */
	{ "2026-11-23T19:18:25.0Z", "2026-11-23T19:18:25Z" },
	{ "2026-11-23T19:18:25.1Z", "2026-11-23T19:18:25.100Z" },
	{ "2026-11-23T19:18:25.12345678Z", "2026-11-23T19:18:25.123456780Z" },
	{ "2026-11-23T19:18:25.123456789000000000000000Z", "2026-11-23T19:18:25.123456789Z" },
	{ "1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z" },
	/* the ends of the range by an offset */
	{ "2262-04-12T00:47:16.854775807+01:00", LAST },
	{ "1677-09-20T23:12:43.145224192-01:00", FIRST },
};

static void time_parse_reads_all_forms_of_rfc_3339(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(readings); i++) {
		char buf[CLV_TIME_TEXT_MAX];
		int64_t ns;
		struct clv_err err;

		check_ok(clv_time_parse(readings[i].text, &ns, &err));
		assert_string_equal(clv_time_format(ns, buf), readings[i].utc);
	}
}

static const char *const not_times[] = {
	"",
	"Z",
	"now",
	"1795461505",
	"2026",
	"2026-11-23",
	"2026-11-23T",
	"19:18:25Z",
	/* too little, too much */
	"2026-11-23T19:18Z",
	"2026-11-23T19:18:25",
	"2026-11-23T19:18:25.123",
	"2026-11-23T19:18:25Zx",
	"2026-11-23T19:18:25Z ",
	" 2026-11-23T19:18:25Z",
	"2026-11-23T19:18:25ZZ",
	"2026-11-23T19:18:25+01:00Z",
	/* other separators and widths */
	"2026-11-23 19:18:25Z",
	"2026/11/23T19:18:25Z",
	"2026-11-23T19.18.25Z",
	"20261123T191825Z",
	"26-11-23T19:18:25Z",
	"12026-11-23T19:18:25Z",
	"+2026-11-23T19:18:25Z",
	"-026-11-23T19:18:25Z",
	"2026-1-23T19:18:25Z",
	"2026-11-3T19:18:25Z",
	"2026-11-23T9:18:25Z",
	"2026-11-23T19: 8:25Z",
	/* no such day */
	"2026-00-23T19:18:25Z",
	"2026-13-23T19:18:25Z",
	"2026-11-00T19:18:25Z",
	"2026-11-31T19:18:25Z",
	"2026-01-32T19:18:25Z",
	"2026-02-29T00:00:00Z",
	"2024-02-30T00:00:00Z",
	"1900-02-29T00:00:00Z",
	"2100-02-29T00:00:00Z",
	"2000-02-30T00:00:00Z",
	/* no such second */
	"2026-11-23T24:00:00Z",
	"2026-11-23T19:60:00Z",
	"2026-11-23T19:18:61Z",
	"2026-11-23T19:18:60Z",
	"2026-11-23T23:59:60+01:00",
	"2026-11-23T23:58:60Z",
	/* fractions */
	"2026-11-23T19:18:25.Z",
	"2026-11-23T19:18:25,5Z",
	"2026-11-23T19:18:25.1234567891Z",
	"2026-11-23T19:18:25.-1Z",
	/* offsets */
	"2026-11-23T19:18:25+24:00",
	"2026-11-23T19:18:25+01:60",
	"2026-11-23T19:18:25+0100",
	"2026-11-23T19:18:25+01",
	"2026-11-23T19:18:25+1:00",
	"2026-11-23T19:18:25+",
	"2026-11-23T19:18:25 +01:00",
	"2026-11-23T19:18:25UTC",
};

static void time_parse_refuses_what_is_not_rfc_3339(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(not_times); i++) {
		int64_t ns = 77;
		struct clv_err err = { .text = "" };
		clv_rc rc = clv_time_parse(not_times[i], &ns, &err);

		if (rc == CLV_OK)
			fail_msg("\"%s\" was taken for a time", not_times[i]);
		check_refused(rc, &err, CLV_E_INVALID_ARGUMENT, not_times[i]);
		check_refused(rc, &err, CLV_E_INVALID_ARGUMENT, "is not a time: it must look like");
		assert_int_equal(ns, 77);
	}
}

static const char *const out_of_range[] = {
	"0000-01-01T00:00:00Z",
	"0001-01-01T00:00:00Z",
	"1677-09-21T00:12:43Z",
	"1677-09-21T00:12:43.145224191Z", /* one before the first */
	"2262-04-11T23:47:16.854775808Z", /* one behind the last */
	"2262-04-11T23:47:17Z",
	"9999-12-31T23:59:59Z",
	"9999-12-31T23:59:59.999999999-23:59",
	"0000-01-01T00:00:00+23:59",
};

static void time_parse_refuses_what_does_not_fit_and_says_what_does(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(out_of_range); i++) {
		int64_t ns = 77;
		struct clv_err err = { .text = "" };
		clv_rc rc = clv_time_parse(out_of_range[i], &ns, &err);

		check_refused(rc, &err, CLV_E_INVALID_ARGUMENT, out_of_range[i]);
		check_refused(rc, &err, CLV_E_INVALID_ARGUMENT, "is out of range: from 1677-");
		assert_int_equal(ns, 77);
	}
}

static void time_parse_refuses_no_text_and_cuts_long_text(void **state)
{
	int64_t ns = 77;
	struct clv_err err;
	char text[4000];

	(void) state;
	memset(text, '1', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	check_refused(clv_time_parse(text, &ns, &err), &err, CLV_E_INVALID_ARGUMENT,
		      "1\"... is not a time");
	check_refused(clv_time_parse(NULL, &ns, &err), &err, CLV_E_INVALID_ARGUMENT,
		      "(null) is not a time");
	assert_int_equal(ns, 77);
}

static void time_now_is_what_the_wall_clock_says(void **state)
{
	const int64_t before = (int64_t) time(NULL) * CLV_NS_PER_S;

	(void) state;
	/* time() may lag the precise clock by a tick */
	assert_true(clv_time_now() >= before);
	assert_true(clv_time_now() <= ((int64_t) time(NULL) + 2) * CLV_NS_PER_S);
}

static const struct {
	int64_t ns;
	const char *text;
} durations[] = {
	{ 0, "0s" },
	{ S(172800), "172800s" },
	{ S(1) + 500000000, "1.500s" },
	{ 1, "0.000000001s" },
	{ 1000, "0.000001s" },
	{ CLV_NS_PER_MS, "0.001s" },
	{ -1, "-0.000000001s" },
	{ -CLV_NS_PER_S - 500000000, "-1.500s" },
	{ INT64_MAX, "9223372036.854775807s" },
	{ INT64_MIN, "-9223372036.854775808s" },
};

static void duration_format_writes_protobuf_form(void **state)
{
	char buf[CLV_DURATION_TEXT_MAX];

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(durations); i++)
		assert_string_equal(clv_duration_format(durations[i].ns, buf), durations[i].text);
}

static void duration_parse_reads_what_format_writes(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(durations); i++) {
		int64_t ns;
		struct clv_err err;

		if (durations[i].ns < 0)
			continue;
		check_ok(clv_duration_parse(durations[i].text, &ns, &err));
		assert_int_equal(ns, durations[i].ns);
	}
}

static const struct {
	const char *text;
	int64_t ns;
} duration_readings[] = {
	{ "1ns", 1 },
	{ "1us", 1000 },
	{ "200ms", 200 * CLV_NS_PER_MS },
	{ "1s", S(1) },
	{ "1m", S(60) },
	{ "24h", S(86400) },
	{ "1d", S(86400) },
	{ "2w", S(1209600) },
	{ "1.5s", S(1) + 500000000 },
	{ "0.5h", S(1800) },
	{ "1.000000001s", S(1) + 1 },
	{ "1.0ns", 1 },
	{ "0.000000000000s", 0 },
	{ "0s", 0 },
	{ "007s", S(7) },
	{ "1d12h", S(129600) },
	{ "1w1d1h1m1s1ms1us1ns", S(694861) + 1001001 },
	{ "1h0.5m", S(3630) },
	{ "9223372036854775807ns", INT64_MAX },
	{ "15250w", S(9223200000) },
	{ "9223372036s854775807ns", INT64_MAX },
};

static void duration_parse_reads_numbers_with_units(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(duration_readings); i++) {
		int64_t ns;
		struct clv_err err;

		check_ok(clv_duration_parse(duration_readings[i].text, &ns, &err));
		assert_int_equal(ns, duration_readings[i].ns);
	}
}

static const char *const not_durations[] = {
	"",
	"0",
	"30",
	"1.5",
	"s",
	"ms",
	".5s",
	"1.s",
	"1..5s",
	"1.5.5s",
	"-1s",
	"+1s",
	" 1s",
	"1s ",
	"1 s",
	"1S",
	"1sec",
	"1y",
	"1mo",
	"1h30",
	"1e3s",
	"0x1s",
	"1,5s",
	"P1D",
	"forever",
	"1s\n",
	/* not in falling order */
	"12h1d",
	"1s1s",
	"1ms1s",
	"1m1w",
	/* finer than a nanosecond */
	"0.5ns",
	"1.0000000001s",
	"0.0001us",
	/* more than 292 years */
	"9223372036854775808ns",
	"9223372036855ms",
	"9223372036.854775808s",
	"15251w",
	"99999999999999999999s",
	"18446744073709551616ns",
	"9223372036s854775808ns",
	"15250w999999h",
};

static void duration_parse_refuses_all_else(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(not_durations); i++) {
		int64_t ns = 77;
		struct clv_err err = { .text = "" };
		clv_rc rc = clv_duration_parse(not_durations[i], &ns, &err);

		if (rc == CLV_OK)
			fail_msg("\"%s\" was taken for a duration", not_durations[i]);
		check_refused(rc, &err, CLV_E_INVALID_ARGUMENT, "is not a duration");
		assert_int_equal(ns, 77);
	}
}

static void duration_parse_names_the_text_that_it_refuses(void **state)
{
	int64_t ns;
	struct clv_err err;

	(void) state;
	check_refused(clv_duration_parse("30", &ns, &err), &err, CLV_E_INVALID_ARGUMENT,
		      "\"30\" is not a duration: it must look like 200ms, 1.5s, 24h or 1d12h");
	check_refused(clv_duration_parse(NULL, &ns, &err), &err, CLV_E_INVALID_ARGUMENT,
		      "(null) is not a duration");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_format_writes_protobuf_form),
		cmocka_unit_test(time_parse_reads_what_format_writes),
		cmocka_unit_test(time_survives_a_round_trip_anywhere_in_the_range),
		cmocka_unit_test(time_format_agrees_with_libc_on_every_day),
		cmocka_unit_test(time_does_not_look_at_the_time_zone),
		cmocka_unit_test(time_parse_reads_all_forms_of_rfc_3339),
		cmocka_unit_test(time_parse_refuses_what_is_not_rfc_3339),
		cmocka_unit_test(time_parse_refuses_what_does_not_fit_and_says_what_does),
		cmocka_unit_test(time_parse_refuses_no_text_and_cuts_long_text),
		cmocka_unit_test(time_now_is_what_the_wall_clock_says),
		cmocka_unit_test(duration_format_writes_protobuf_form),
		cmocka_unit_test(duration_parse_reads_what_format_writes),
		cmocka_unit_test(duration_parse_reads_numbers_with_units),
		cmocka_unit_test(duration_parse_refuses_all_else),
		cmocka_unit_test(duration_parse_names_the_text_that_it_refuses),
	};
	return cmocka_run_group_tests_name("time", tests, NULL, NULL);
}
