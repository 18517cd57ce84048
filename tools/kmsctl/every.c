/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trying again and again, to watch a key being switched off and on. The signals that end it stay
 * blocked and are what the pause waits for, so that a try is never cut in the middle.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "tools/kmsctl/kmsctl.h"

struct tally {
	uint64_t n, n_ok;
	clv_rc last; /* meaningful when n > 0 */
};

static sigset_t end_signals(void)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	return ends;
}

void kms_every_prepare(void)
{
	sigset_t ends = end_signals();

	sigprocmask(SIG_BLOCK, &ends, NULL);
}

static int64_t mono_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * CLV_NS_PER_S + now.tv_nsec;
}

/* Waits until `at_ns`; true: one of `ends` came first, or had come already. */
static bool told_to_end(const sigset_t *ends, int64_t at_ns)
{
	for (;;) {
		int64_t left = at_ns - mono_ns();
		struct timespec wait = { 0 };

		if (left > 0) {
			wait.tv_sec = (time_t) (left / CLV_NS_PER_S);
			wait.tv_nsec = (long) (left % CLV_NS_PER_S);
		}
		if (sigtimedwait(ends, NULL, &wait) > 0)
			return true;
		if (errno != EINTR)
			return false;
	}
}

bool kms_told_to_end(void)
{
	sigset_t ends = end_signals();

	return told_to_end(&ends, 0);
}

/* One line for each change of outcome: what is worth seeing is when, not how often. */
static clv_rc note(struct tally *tally, clv_rc rc, const struct clv_err *why, struct clv_err *err)
{
	bool changed = tally->n == 0 || rc != tally->last;
	char at[CLV_TIME_TEXT_MAX];
	char line[CLV_ERR_TEXT_MAX + 96];

	tally->n++;
	tally->n_ok += rc == CLV_OK;
	tally->last = rc;
	if (!changed)
		return CLV_OK;
	clv_time_format(clv_time_now(), at);
	if (rc == CLV_OK)
		snprintf(line, sizeof line, "%s OK", at);
	else
		snprintf(line, sizeof line, "%s %s: %s", at, clv_rc_name(rc), why->text);
	return kms_out_line(line, err);
}

static clv_rc summary(const struct tally *tally, struct clv_err *err)
{
	char line[96];

	snprintf(line, sizeof line, "%" PRIu64 " tries, %" PRIu64 " OK, %" PRIu64 " refused",
		 tally->n, tally->n_ok, tally->n - tally->n_ok);
	return kms_out_line(line, err);
}

/* A time that has been missed is skipped: a slow token is not asked twice at once. */
static int64_t next_after(int64_t at, int64_t every_ns)
{
	int64_t now = mono_ns();

	at += every_ns;
	if (at < now)
		at += (now - at) / every_ns * every_ns;
	return at;
}

clv_rc kms_every(int64_t every_ns, uint64_t count,
		 clv_rc (*try_once)(void *what, struct clv_err *err), void *what,
		 struct clv_err *err)
{
	struct tally tally = { 0 };
	struct clv_err why = { 0 };
	int64_t at = mono_ns();
	sigset_t ends = end_signals();

	for (;;) {
		CLV_TRY(note(&tally, try_once(what, &why), &why, err));
		if (tally.n == count)
			break;
		at = next_after(at, every_ns);
		if (told_to_end(&ends, at))
			break;
	}
	CLV_TRY(summary(&tally, err));
	*err = why;
	return tally.last;
}
