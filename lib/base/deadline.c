/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic deadlines. Not for leases, which also count the time that a machine sleeps. */
#include <errno.h>

#include <claviger/time.h>

#include "lib/base/deadline.h"

int64_t clv_mono_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * CLV_NS_PER_S + now.tv_nsec;
}

struct clv_deadline clv_deadline_in(unsigned ms)
{
	return (struct clv_deadline){ .at_ns = clv_mono_ns() + (int64_t) ms * CLV_NS_PER_MS };
}

bool clv_deadline_past(struct clv_deadline deadline)
{
	return clv_mono_ns() >= deadline.at_ns;
}

unsigned clv_deadline_left_ms(struct clv_deadline deadline)
{
	int64_t left = deadline.at_ns - clv_mono_ns();

	return left <= 0 ? 0 : (unsigned) ((left + CLV_NS_PER_MS - 1) / CLV_NS_PER_MS);
}

struct timespec clv_deadline_timespec(struct clv_deadline deadline)
{
	return (struct timespec){ .tv_sec = deadline.at_ns / CLV_NS_PER_S,
				  .tv_nsec = deadline.at_ns % CLV_NS_PER_S };
}

void clv_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

bool clv_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, struct clv_deadline deadline)
{
	struct timespec at = clv_deadline_timespec(deadline);

	return pthread_cond_timedwait(cond, lock, &at) != ETIMEDOUT;
}

bool clv_backoff(struct clv_deadline deadline, unsigned *pause_us, unsigned max_us)
{
	struct timespec nap;
	int64_t left = deadline.at_ns - clv_mono_ns();
	int64_t ns;

	if (left <= 0)
		return false;
	*pause_us = *pause_us == 0 ? 50 : *pause_us * 2;
	if (*pause_us > max_us)
		*pause_us = max_us;
	ns = (int64_t) *pause_us * 1000;
	if (ns > left)
		ns = left;
	nap = (struct timespec){ .tv_sec = ns / CLV_NS_PER_S, .tv_nsec = ns % CLV_NS_PER_S };
	nanosleep(&nap, NULL);
	return true;
}
