/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines. Monotonic, so that setting the wall clock neither shortens nor lengthens a wait.
 * Every wait in this project takes one.
 */
#ifndef BASE_DEADLINE_H
#define BASE_DEADLINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* A point on CLOCK_MONOTONIC. */
struct clv_deadline {
	int64_t at_ns;
};

int64_t clv_mono_ns(void);
struct clv_deadline clv_deadline_in(unsigned ms);
bool clv_deadline_past(struct clv_deadline deadline);
unsigned clv_deadline_left_ms(struct clv_deadline deadline); /* 0 when past; rounded up */
struct timespec clv_deadline_timespec(struct clv_deadline deadline);

/* A condition variable that clv_cond_wait() can wait on (CLOCK_MONOTONIC). */
void clv_cond_init(pthread_cond_t *cond);

/* Waits on `cond` with `lock` held. False: the deadline passed. Wakes up spuriously, as usual. */
bool clv_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, struct clv_deadline deadline);

/*
 * Sleeps a little before the next try of something that cannot be waited for (a file lock):
 * *pause_us grows from call to call (start it at 0) up to `max_us`, never past the deadline.
 * False: the deadline has passed.
 */
bool clv_backoff(struct clv_deadline deadline, unsigned *pause_us, unsigned max_us);

#endif
