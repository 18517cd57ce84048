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

#define NS_PER_MIN (60 * CLV_NS_PER_S)
#define NS_PER_HOUR (60 * NS_PER_MIN)
#define NS_PER_DAY (24 * NS_PER_HOUR)
#define S_PER_DAY 86400
#define FRACTION_DIGITS 9 /* a nanosecond is the ninth */

int64_t clv_time_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * CLV_NS_PER_S + now.tv_nsec;
}

/* Appends ".5" as 3, 6 or 9 digits, nothing for 0: protobuf's rule. */
static void put_fraction(char *buf, size_t size, uint32_t ns)
{
	if (ns == 0)
		buf[0] = '\0';
	else if (ns % 1000000 == 0)
		snprintf(buf, size, ".%03" PRIu32, ns / 1000000);
	else if (ns % 1000 == 0)
		snprintf(buf, size, ".%06" PRIu32, ns / 1000);
	else
		snprintf(buf, size, ".%09" PRIu32, ns);
}

char *clv_time_format(int64_t ns, char buf[CLV_TIME_TEXT_MAX])
{
	int64_t fraction = ns % CLV_NS_PER_S;
	time_t s = (time_t) (ns / CLV_NS_PER_S);
	char digits[FRACTION_DIGITS + 2];
	char second[CLV_TIME_TEXT_MAX - sizeof digits];
	struct tm tm;

	if (fraction < 0) { /* before 1970: the second that it is in began earlier */
		fraction += CLV_NS_PER_S;
		s--;
	}
	gmtime_r(&s, &tm);
	strftime(second, sizeof second, "%Y-%m-%dT%H:%M:%S", &tm);
	put_fraction(digits, sizeof digits, (uint32_t) fraction);
	snprintf(buf, CLV_TIME_TEXT_MAX, "%s%sZ", second, digits);
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
static bool take_second(const char **at, struct tm *ret_tm)
{
	struct tm tm = { 0 };

	if (!take_digits(at, 4, &tm.tm_year) || !take_char(at, '-') ||
	    !take_digits(at, 2, &tm.tm_mon) || !take_char(at, '-') ||
	    !take_digits(at, 2, &tm.tm_mday))
		return false;
	if (!take_char(at, 'T') && !take_char(at, 't'))
		return false;
	if (!take_digits(at, 2, &tm.tm_hour) || !take_char(at, ':') ||
	    !take_digits(at, 2, &tm.tm_min) || !take_char(at, ':') ||
	    !take_digits(at, 2, &tm.tm_sec))
		return false;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_hour > 23 ||
	    tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret_tm = tm;
	return true;
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

/* Seconds since 1970 of a local time that is `offset` ahead of UTC; false: no such day or second.
 */
static bool to_seconds(struct tm tm, int offset, int64_t *ret_s)
{
	const int day = tm.tm_mday;
	const bool leap = tm.tm_sec == 60;
	int64_t s;

	if (leap)
		tm.tm_sec = 59;
	s = (int64_t) timegm(&tm) - offset;
	if (tm.tm_mday != day) /* timegm() makes 2 March out of 30 February */
		return false;
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
	struct tm tm;
	int offset;
	int64_t s, fraction, ns;

	if (text == NULL || !take_second(&at, &tm) || !take_fraction(&at, &fraction) ||
	    !take_offset(&at, &offset) || *at != '\0' || !to_seconds(tm, offset, &s))
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
	char digits[FRACTION_DIGITS + 2];

	put_fraction(digits, sizeof digits, (uint32_t) (size % second));
	snprintf(buf, CLV_DURATION_TEXT_MAX, "%s%" PRIu64 "%ss", ns < 0 ? "-" : "", size / second,
		 digits);
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
