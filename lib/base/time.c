/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time and durations as text. Not for deadlines: those are in deadline.c. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <claviger/time.h>

#include "lib/base/auto.h"
#include "lib/base/quote.h"

#include "lib/base/banned.h"

/*
 * The calendar is worked out here and not by gmtime_r() and timegm(): those take a lock that all
 * threads share, and count leap seconds when the environment's TZ says so.
 */
#define DAYS_TO_1970 719468 /* from 1 March of the year 0 */
#define DAYS_IN_400_YEARS 146097
#define NS_PER_MIN (60 * CLV_NS_PER_S)
#define NS_PER_HOUR (60 * NS_PER_MIN)
#define NS_PER_DAY (24 * NS_PER_HOUR)
#define S_PER_DAY 86400

int64_t clv_time_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * CLV_NS_PER_S + now.tv_nsec;
}

/* By hand and not by snprintf(): each audit entry has a time. */
static char *put_digits(char *at, int value, int n)
{
	for (int i = n - 1; i >= 0; i--, value /= 10)
		at[i] = (char) ('0' + value % 10);
	return at + n;
}

/* Ends a text with ".500" and `last`: 3, 6 or 9 digits, none for 0; protobuf's rule. */
static void put_end(char *at, int ns, char last)
{
	if (ns != 0)
		*at++ = '.';
	if (ns == 0)
		; /* nothing finer than a second */
	else if (ns % 1000000 == 0)
		at = put_digits(at, ns / 1000000, 3);
	else if (ns % 1000 == 0)
		at = put_digits(at, ns / 1000, 6);
	else
		at = put_digits(at, ns, 9);
	*at++ = last;
	*at = '\0';
}

/* A date and time of day, of the Gregorian calendar. */
struct civil {
	int year;
	int month; /* 1 to 12 */
	int day;   /* from 1 */
	int hour, minute, second;
};

/* Years begin on 1 March here, so that the leap day is the last of its year; year >= 0. */
static int64_t days_of(const struct civil *civil)
{
	const int year = civil->month > 2 ? civil->year : civil->year - 1;
	const int month = civil->month > 2 ? civil->month - 3 : civil->month + 9;

	return 365 * (int64_t) year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 +
	       civil->day - 1 - DAYS_TO_1970;
}

/* The same back, for days whose year is >= 0. */
static struct civil civil_of(int64_t days)
{
	const int64_t since = days + DAYS_TO_1970;
	const int day = (int) (since % DAYS_IN_400_YEARS);
	const int year = (day - day / 1460 + day / 36524 - day / (DAYS_IN_400_YEARS - 1)) / 365;
	const int day_of_year = day - (365 * year + year / 4 - year / 100);
	const int month = (5 * day_of_year + 2) / 153; /* from March */
	const int in_next = month >= 10 ? 1 : 0;       /* January and February */

	return (struct civil){
		.year = (int) (since / DAYS_IN_400_YEARS) * 400 + year + in_next,
		.month = month + 3 - 12 * in_next,
		.day = day_of_year - (153 * month + 2) / 5 + 1,
	};
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Splits `ns` into whole units of `size` and the rest, which is never negative. */
static int64_t split(int64_t ns, int64_t size, int64_t *ret_rest)
{
	const int64_t rest = ns % size;

	*ret_rest = rest < 0 ? rest + size : rest;
	return ns / size - (rest < 0 ? 1 : 0);
}

char *clv_time_format(int64_t ns, char buf[CLV_TIME_TEXT_MAX])
{
	int64_t rest;
	const struct civil date = civil_of(split(ns, NS_PER_DAY, &rest));
	const int second = (int) (rest / CLV_NS_PER_S);
	char *at = put_digits(buf, date.year, 4); /* an int64_t ends in 2262 */

	*at++ = '-';
	at = put_digits(at, date.month, 2);
	*at++ = '-';
	at = put_digits(at, date.day, 2);
	*at++ = 'T';
	at = put_digits(at, second / 3600, 2);
	*at++ = ':';
	at = put_digits(at, second / 60 % 60, 2);
	*at++ = ':';
	at = put_digits(at, second % 60, 2);
	put_end(at, (int) (rest % CLV_NS_PER_S), 'Z');
	return buf;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Takes exactly `n` digits. */
static bool take_digits(const char **at, int n, int *ret_value)
{
	int value = 0;

	for (; n > 0; n--, (*at)++) {
		if (!is_digit(**at))
			return false;
		value = value * 10 + (**at - '0');
	}
	*ret_value = value;
	return true;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* "2026-11-23T19:18:25"; RFC 3339 section 5.6 allows a small t and z. */
static bool take_civil(const char **at, struct civil *ret_civil)
{
	struct civil civil;

	if (!take_digits(at, 4, &civil.year) || !take_char(at, '-') ||
	    !take_digits(at, 2, &civil.month) || !take_char(at, '-') ||
	    !take_digits(at, 2, &civil.day))
		return false;
	if (!take_char(at, 'T') && !take_char(at, 't'))
		return false;
	if (!take_digits(at, 2, &civil.hour) || !take_char(at, ':') ||
	    !take_digits(at, 2, &civil.minute) || !take_char(at, ':') ||
	    !take_digits(at, 2, &civil.second))
		return false;
	if (civil.month < 1 || civil.month > 12)
		return false;
	if (civil.day < 1 || civil.day > days_in_month(civil.year, civil.month))
		return false;
	*ret_civil = civil;
	return civil.hour <= 23 && civil.minute <= 59 && civil.second <= 60;
}

/* ".123": any number of digits, as long as nothing finer than a nanosecond is lost. */
static bool take_fraction(const char **at, int64_t *ret_ns)
{
	int64_t scale = CLV_NS_PER_S;
	int64_t ns = 0;

	if (take_char(at, '.')) {
		if (!is_digit(**at))
			return false;
		for (; is_digit(**at); (*at)++) {
			scale /= 10;
			if (scale == 0 && **at != '0')
				return false;
			ns += scale * (**at - '0');
		}
	}
	*ret_ns = ns;
	return true;
}

/* "Z", "+05:30"; the result is what to take off for UTC. */
static bool take_offset(const char **at, int *ret_seconds)
{
	const bool east = **at == '+';
	int hours, minutes;

	if (take_char(at, 'Z') || take_char(at, 'z')) {
		*ret_seconds = 0;
		return true;
	}
	if (!take_char(at, '+') && !take_char(at, '-'))
		return false;
	if (!take_digits(at, 2, &hours) || !take_char(at, ':') || !take_digits(at, 2, &minutes))
		return false;
	if (hours > 23 || minutes > 59)
		return false;
	*ret_seconds = (east ? 1 : -1) * (hours * 60 + minutes) * 60;
	return true;
}

/* Seconds since 1970 of a local time that is `offset` ahead of UTC; false: no such second. */
static bool to_seconds(const struct civil *civil, int offset, int64_t *ret_s)
{
	const bool leap = civil->second == 60;
	const int second = leap ? 59 : civil->second;
	const int64_t s = days_of(civil) * S_PER_DAY + (civil->hour * 60 + civil->minute) * 60 +
			  second - offset;

	if (leap && (s + 1) % S_PER_DAY != 0) /* they end a day of UTC */
		return false;
	*ret_s = s;
	return true;
}

/* The last second before the range begins can still be in it with a fraction: -x.5 is -(x+1) + .5
 */
static bool to_ns(int64_t s, int64_t fraction, int64_t *ret_ns)
{
	int64_t ns;

	if (s < 0 && fraction > 0) {
		s++;
		fraction -= CLV_NS_PER_S;
	}
	if (__builtin_mul_overflow(s, CLV_NS_PER_S, &ns) ||
	    __builtin_add_overflow(ns, fraction, &ns))
		return false;
	*ret_ns = ns;
	return true;
}

clv_rc clv_time_parse(const char *text, int64_t *ret_ns, struct clv_err *err)
{
	const char *at = text;
	char quoted[CLV_QUOTE_MAX];
	struct civil civil;
	int offset;
	int64_t s, fraction, ns;

	if (text == NULL || !take_civil(&at, &civil) || !take_fraction(&at, &fraction) ||
	    !take_offset(&at, &offset) || *at != '\0' || !to_seconds(&civil, offset, &s))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s is not a time: it must look like 2026-11-23T19:18:25.123456Z",
				clv_quote(text, quoted));
	if (!to_ns(s, fraction, &ns))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the time %s is out of range: from 1677-09-21T00:12:44Z to "
				"2262-04-11T23:47:16Z",
				clv_quote(text, quoted));
	*ret_ns = ns;
	return CLV_OK;
}

char *clv_duration_format(int64_t ns, char buf[CLV_DURATION_TEXT_MAX])
{
	const uint64_t size =
		ns < 0 ? -(uint64_t) ns : (uint64_t) ns; /* INT64_MIN has no negative */
	const uint64_t second = (uint64_t) CLV_NS_PER_S;
	const int n = snprintf(buf, CLV_DURATION_TEXT_MAX, "%s%" PRIu64, ns < 0 ? "-" : "",
			       size / second);

	put_end(buf + n, (int) (size % second), 's');
	return buf;
}

/* From long to short: the order in which they may follow each other. */
static const struct unit {
	const char *name;
	int64_t ns;
} units[] = {
	{ "w", 7 * NS_PER_DAY }, { "d", NS_PER_DAY },     { "h", NS_PER_HOUR }, { "m", NS_PER_MIN },
	{ "s", CLV_NS_PER_S },   { "ms", CLV_NS_PER_MS }, { "us", 1000 },       { "ns", 1 },
};

/* Finds the unit whose name is what stands at `at` up to the next digit or the end. */
static const struct unit *take_unit(const char **at)
{
	const size_t len = strcspn(*at, "0123456789");

	for (size_t i = 0; i < CLV_ARRAY_LEN(units); i++) {
		if (strlen(units[i].name) == len && strncmp(units[i].name, *at, len) == 0) {
			*at += len;
			return &units[i];
		}
	}
	return NULL;
}

/* Adds the digits behind a decimal point, in units of `scale` nanoseconds; false: not whole ns. */
static bool add_fraction(const char *digits, size_t n, int64_t scale, int64_t *total)
{
	for (size_t i = 0; i < n; i++) {
		scale = scale % 10 == 0 ? scale / 10 : 0;
		if (scale == 0 && digits[i] != '0')
			return false;
		if (__builtin_add_overflow(*total, scale * (digits[i] - '0'), total))
			return false;
	}
	return true;
}

/* "1.5s": adds one number with its unit to *total. False: malformed or too long. */
static bool take_term(const char **at, const struct unit **ret_unit, int64_t *total)
{
	const char *fraction = "";
	size_t n_fraction = 0;
	int64_t whole = 0;

	if (!is_digit(**at))
		return false;
	for (; is_digit(**at); (*at)++) {
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, **at - '0', &whole))
			return false;
	}
	if (take_char(at, '.')) {
		fraction = *at;
		n_fraction = strspn(*at, "0123456789");
		if (n_fraction == 0)
			return false;
		*at += n_fraction;
	}
	*ret_unit = take_unit(at);
	if (*ret_unit == NULL || __builtin_mul_overflow(whole, (*ret_unit)->ns, &whole) ||
	    __builtin_add_overflow(*total, whole, total))
		return false;
	return add_fraction(fraction, n_fraction, (*ret_unit)->ns, total);
}

static bool duration_read(const char *text, int64_t *ret_ns)
{
	const struct unit *previous = NULL;
	int64_t total = 0;

	do {
		const struct unit *unit;

		if (!take_term(&text, &unit, &total))
			return false;
		if (previous != NULL && unit <= previous)
			return false;
		previous = unit;
	} while (*text != '\0');
	*ret_ns = total;
	return true;
}

clv_rc clv_duration_parse(const char *text, int64_t *ret_ns, struct clv_err *err)
{
	char quoted[CLV_QUOTE_MAX];

	if (text == NULL || !duration_read(text, ret_ns))
		return clv_fail(
			err, CLV_E_INVALID_ARGUMENT,
			"%s is not a duration: it must look like 200ms, 1.5s, 24h or 1d12h, "
			"below 292 years",
			clv_quote(text, quoted));
	return CLV_OK;
}
