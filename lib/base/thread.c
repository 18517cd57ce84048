/* SPDX-License-Identifier: Apache-2.0 */
/* Places are given in turns, to each thread when it first asks. */
#include <stdatomic.h>

#include "lib/base/thread.h"

#include "lib/base/banned.h"

static _Atomic unsigned n_given;
static _Thread_local unsigned place_and_one; /* 0: none yet */

unsigned clv_thread_place(void)
{
	if (place_and_one == 0)
		place_and_one = atomic_fetch_add(&n_given, 1) % CLV_THREAD_PLACES + 1;
	return place_and_one - 1;
}
