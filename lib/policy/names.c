/* SPDX-License-Identifier: Apache-2.0 */
/* Texts and their numbers. Not for texts that come and go: a number stays. */
#include <stdlib.h>
#include <string.h>

#include "lib/policy/impl.h"

#include "lib/base/banned.h"

/* FNV-1a, and a last mixing so that the low bits are good. */
uint32_t policy_hash(const char *text, size_t len)
{
	uint32_t hash = UINT32_C(2166136261);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t) text[i]) * UINT32_C(16777619);
	hash ^= hash >> 16;
	hash *= UINT32_C(0x85ebca6b);
	return hash ^ (hash >> 13);
}

static bool is_text(const char *known, const char *text, size_t len)
{
	return strncmp(known, text, len) == 0 && known[len] == '\0';
}

static void put(struct policy_slot *slots, uint32_t n_slots, struct policy_slot slot)
{
	uint32_t at = slot.hash & (n_slots - 1);

	while (slots[at].number != 0)
		at = (at + 1) & (n_slots - 1);
	slots[at] = slot;
}

/* Room for one more, at most half of the slots taken. */
static bool grow(struct policy_names *names)
{
	uint32_t room = names->room == 0 ? 16 : names->room * 2;
	char **texts;
	struct policy_slot *slots;

	if (names->n < names->room)
		return true;
	if (room > UINT32_MAX / 4)
		return false;
	texts = realloc(names->texts, room * sizeof *texts);
	if (texts == NULL)
		return false;
	names->texts = texts;
	slots = calloc((size_t) room * 2, sizeof *slots);
	if (slots == NULL)
		return false;
	for (uint32_t i = 0; i < names->n_slots; i++) {
		if (names->slots[i].number != 0)
			put(slots, room * 2, names->slots[i]);
	}
	free(names->slots);
	names->slots = slots;
	names->n_slots = room * 2;
	names->room = room;
	return true;
}

static uint32_t find(const struct policy_names *names, const char *text, size_t len, uint32_t hash)
{
	if (names->n == 0)
		return POLICY_NO_NAME;
	for (uint32_t at = hash;; at++) {
		const struct policy_slot *slot = &names->slots[at & (names->n_slots - 1)];

		if (slot->number == 0)
			return POLICY_NO_NAME;
		if (slot->hash == hash && is_text(names->texts[slot->number - 1], text, len))
			return slot->number - 1;
	}
}

uint32_t policy_names_find(const struct policy_names *names, const char *text, size_t len)
{
	return find(names, text, len, policy_hash(text, len));
}

clv_rc policy_names_add(struct policy_names *names, const char *text, size_t len,
			uint32_t *ret_number, struct clv_err *err)
{
	const uint32_t hash = policy_hash(text, len);
	uint32_t number = find(names, text, len, hash);
	char *copy;

	if (number != POLICY_NO_NAME) {
		*ret_number = number;
		return CLV_OK;
	}
	copy = grow(names) ? strndup(text, len) : NULL;
	if (copy == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a policy");
	number = names->n++;
	names->texts[number] = copy;
	put(names->slots, names->n_slots, (struct policy_slot){ hash, number + 1 });
	*ret_number = number;
	return CLV_OK;
}

void policy_names_done(struct policy_names *names)
{
	for (uint32_t i = 0; i < names->n; i++)
		free(names->texts[i]);
	free(names->texts);
	free(names->slots);
	*names = (struct policy_names){ 0 };
}
