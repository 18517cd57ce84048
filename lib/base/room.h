/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Space for what one thread writes to a full disk. While room is on offer, whoever finds none for
 * what he writes asks for some and writes the same again at once: a moment later, somebody else may
 * have taken it. Not for deciding who may have any: that is for whom it belongs to.
 */
#ifndef BASE_ROOM_H
#define BASE_ROOM_H

#include <stdbool.h>

struct clv_room {
	bool (*make)(struct clv_room *room); /* false: there is no more */
	struct clv_room *outer;
};

/* From now on to the calling thread, until it is taken back: in the opposite order. */
void clv_room_offer(struct clv_room *room);
void clv_room_take_back(struct clv_room *room);

/* Frees a little on the file system. False: nothing is on offer, or it is used up. */
bool clv_room_make(void);

#endif
