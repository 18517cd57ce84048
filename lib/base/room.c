/* SPDX-License-Identifier: Apache-2.0 */
/* What is on offer to a thread is known to it alone: its own writes are what it is for. */
#include <assert.h>
#include <stddef.h>

#include "lib/base/room.h"

#include "lib/base/banned.h"

static _Thread_local struct clv_room *offered;

void clv_room_offer(struct clv_room *room)
{
	room->outer = offered;
	offered = room;
}

void clv_room_take_back(struct clv_room *room)
{
	assert(offered == room);
	offered = room->outer;
}

bool clv_room_make(void)
{
	return offered != NULL && offered->make(offered);
}
