/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-flight guard (design section 3): who is inside which version at this moment, across all
 * threads and processes of a home. A use writes the version's row into its thread's seat, which is
 * shared memory, and then looks whether the generation has moved; a disable moves the generation
 * and then waits for the seats that are inside. The seats of dead processes count as empty: while
 * it lives, each holds a lock on a byte of the file that the kernel gives up for it.
 *
 * The first pages of the file are shared memory: the generation, which grows whenever rows may have
 * changed, a mark that a change is under way, and the seats.
 */
#ifndef API_INFLIGHT_H
#define API_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include <claviger/err.h>

#include "lib/base/auto.h"
#include "lib/base/deadline.h"

/* A gate file, mapped. Threads may share it. */
struct inflight;

/* Makes the file. Errors: CLV_E_UNAVAILABLE. */
CLV_MUST_USE clv_rc inflight_create(const char *path, struct clv_err *err);

/* Errors: CLV_E_DATA_LOSS not a gate file. Owned: end with inflight_close(). */
CLV_MUST_USE clv_rc inflight_open(const char *path, struct inflight **ret_inflight,
				  struct clv_err *err);
struct inflight *inflight_close(struct inflight *inflight);
CLV_DEFINE_AUTO(struct inflight, inflight_close);

/* Grows whenever rows that are remembered may have changed, in any process. */
uint64_t inflight_generation(const struct inflight *inflight);

/* Is what was read at `generation` still good? Not while a change is under way. */
bool inflight_unchanged(const struct inflight *inflight, uint64_t generation);

/* Around a commit, under the home's change lock. After a crash in between uses go on reading anew
 * each time, until the next change. */
void inflight_change_begin(struct inflight *inflight);
void inflight_change_end(struct inflight *inflight);

/* One thread's way in: a seat, or where all are taken a lock, and an open file description of its
 * own. Owned: end with inflight_seat_free(). */
struct inflight_seat;
CLV_MUST_USE clv_rc inflight_seat_new(struct inflight *inflight, struct inflight_seat **ret_seat,
				      struct clv_err *err);
struct inflight_seat *inflight_seat_free(struct inflight_seat *seat);
CLV_DEFINE_AUTO(struct inflight_seat, inflight_seat_free);

/* Goes inside version `row`; one version at a time for each seat. The caller then looks whether the
 * generation is what it was, and reads anew what it knows of the version if it is not.
 * Errors: CLV_E_DEADLINE_EXCEEDED without a seat: somebody is switching it and does not come to an
 * end. */
CLV_MUST_USE clv_rc inflight_enter(struct inflight_seat *seat, int64_t row,
				   struct clv_deadline deadline, struct clv_err *err);
void inflight_leave(struct inflight_seat *seat, int64_t row);

struct inflight_wait {
	int64_t waited_ns;
	unsigned holders; /* processes that were inside when the wait began, as far as is known */
};

/*
 * Waits until nobody is inside version `row` any more. New uses must have been turned away before,
 * by a change. Errors: CLV_E_DEADLINE_EXCEEDED, naming a process that is still inside.
 */
CLV_MUST_USE clv_rc inflight_drain(struct inflight_seat *seat, int64_t row,
				   struct clv_deadline deadline, struct inflight_wait *ret_wait,
				   struct clv_err *err);

/* Locks of other kinds in the same file, each with a number space of its own. */
enum inflight_lock {
	INFLIGHT_SWITCH, /* by version row: its flags in the token are being set */
	INFLIGHT_INTENT, /* by intent number: the process that noted it is alive */
};
/* Exclusive, until inflight_unlock() or the end of the seat. With `deadline` NULL it does not wait.
 * Errors: CLV_E_DEADLINE_EXCEEDED. */
CLV_MUST_USE clv_rc inflight_lock(struct inflight_seat *seat, enum inflight_lock kind,
				  int64_t number, const struct clv_deadline *deadline,
				  struct clv_err *err);
void inflight_unlock(struct inflight_seat *seat, enum inflight_lock kind, int64_t number);

#endif
