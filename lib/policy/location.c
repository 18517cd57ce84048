/* SPDX-License-Identifier: Apache-2.0 */
/* Locations: what is inside what. Not for deciding. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/quote.h"
#include "lib/policy/places.h"

#include "lib/base/banned.h"

#define GROUP_PREFIX "in:"
#define GROUP_SUFFIX "-locations"
#define SAME_PREFIX "is:"

static clv_rc no_memory(struct clv_err *err)
{
	return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for locations");
}

static clv_rc add_location(struct locations *locations, const char *id, uint32_t *ret_number,
			   struct clv_err *err)
{
	uint32_t number;

	CLV_TRY(clv_id_check(CLV_NAME_LOCATION, id, err));
	CLV_TRY(policy_names_add(&locations->names, id, strlen(id), &number, err));
	if (number >= locations->room) {
		const uint32_t room = locations->room > 0 ? 2 * locations->room : 64;
		struct location *more = reallocarray(locations->location, room, sizeof *more);

		if (more == NULL)
			return no_memory(err);
		memset(more + locations->room, 0, (room - locations->room) * sizeof *more);
		locations->location = more;
		locations->room = room;
	}
	*ret_number = number;
	return CLV_OK;
}

static clv_rc read_location(const json_t *value, struct locations *locations, struct clv_err *err)
{
	static const char *const known[] = { "id", "in", NULL };
	const char *id, *parent;
	const json_t *in, *item;
	struct location *location;
	uint32_t number, above;
	size_t i;

	CLV_TRY(policy_json_known(value, known, "a location", err));
	CLV_TRY(policy_json_string(value, "id", true, "a location", &id, err));
	CLV_TRY(policy_json_array(value, "in", false, id, &in, err));
	CLV_TRY(add_location(locations, id, &number, err));
	if (json_array_size(in) > LOCATION_PARENTS_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"location %s is in more than %d others", id, LOCATION_PARENTS_MAX);
	locations->location[number].defined = true;
	locations->location[number].n_parents = 0; /* a later document has the last word */
	json_array_foreach(in, i, item)
	{
		parent = json_string_value(item);
		if (parent == NULL)
			return clv_fail(err, CLV_E_INVALID_ARGUMENT,
					"location %s: what it is in must be the id of a location",
					id);
		CLV_TRY(add_location(locations, parent, &above, err));
		location = &locations->location[number];
		location->parent[location->n_parents++] = above;
	}
	return CLV_OK;
}

static clv_rc add_group(struct locations *locations, const char *name, struct location_group **ret,
			struct clv_err *err)
{
	uint32_t number;

	CLV_TRY(policy_names_add(&locations->groups, name, strlen(name), &number, err));
	if (number >= locations->room_groups) {
		const uint32_t room = locations->room_groups > 0 ? 2 * locations->room_groups : 16;
		struct location_group *more = reallocarray(locations->group, room, sizeof *more);

		if (more == NULL)
			return no_memory(err);
		memset(more + locations->room_groups, 0,
		       (room - locations->room_groups) * sizeof *more);
		locations->group = more;
		locations->room_groups = room;
	}
	*ret = &locations->group[number];
	return CLV_OK;
}

static clv_rc read_group(const json_t *value, struct locations *locations, struct clv_err *err)
{
	static const char *const known[] = { "name", "locations", NULL };
	struct location_group *group = NULL;
	const json_t *list, *item;
	const char *name;
	size_t i;

	CLV_TRY(policy_json_known(value, known, "a group of locations", err));
	CLV_TRY(policy_json_string(value, "name", true, "a group of locations", &name, err));
	CLV_TRY(policy_json_array(value, "locations", true, name, &list, err));
	if (strncmp(name, GROUP_PREFIX, strlen(GROUP_PREFIX)) != 0 || name[3] == '\0')
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the name of a group of locations begins with in:, not so %.60s",
				name);
	CLV_TRY(add_group(locations, name, &group, err));
	free(group->member);
	*group = (struct location_group){ .member = calloc(json_array_size(list) + 1,
							   sizeof *group->member) };
	if (group->member == NULL)
		return no_memory(err);
	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item))
			return clv_fail(err, CLV_E_INVALID_ARGUMENT,
					"%.60s: a location must be an id", name);
		CLV_TRY(add_location(locations, json_string_value(item), &group->member[group->n],
				     err));
		group->n++;
	}
	return CLV_OK;
}

static clv_rc read_document(const struct policy_document *document, struct locations *locations,
			    struct clv_err *err)
{
	static const char *const known[] = { "locations", "groups", "etag", NULL };
	json_t *json;
	const json_t *list = NULL, *groups = NULL;
	clv_rc rc;

	CLV_TRY(policy_json_read(document, &json, err));
	rc = policy_json_known(json, known, "the document of locations", err);
	if (rc == CLV_OK)
		rc = policy_json_array(json, "locations", false, "locations", &list, err);
	if (rc == CLV_OK)
		rc = policy_json_array(json, "groups", false, "locations", &groups, err);
	for (size_t i = 0; rc == CLV_OK && i < json_array_size(list); i++)
		rc = read_location(json_array_get(list, i), locations, err);
	for (size_t i = 0; rc == CLV_OK && i < json_array_size(groups); i++)
		rc = read_group(json_array_get(groups, i), locations, err);
	json_decref(json);
	return rc;
}

static clv_rc read_built_in(struct locations *locations, struct clv_err *err)
{
	json_t *index;
	clv_rc rc;
	const char *date;

	CLV_TRY(policy_index_read(&index, err));
	date = policy_index_date(index, "locations", "locations");
	rc = clv_fail(err, CLV_E_INTERNAL, "the built-in index of policies names no locations");
	for (size_t i = 0; date != NULL && i < policy_n_location_files; i++) {
		const struct policy_file *file = &policy_location_files[i];

		if (strcmp(file->date, date) == 0)
			rc = read_document(&(struct policy_document){ POLICY_LOCATIONS, file->name,
								      file->text,
								      strlen(file->text) },
					   locations, err);
	}
	json_decref(index);
	return rc;
}

static bool inside(const struct locations *locations, uint32_t place, uint32_t other,
		   unsigned depth)
{
	const struct location *location = &locations->location[place];

	if (place == other)
		return true;
	for (uint32_t i = 0; i < location->n_parents && depth < LOCATION_DEPTH_MAX; i++) {
		if (inside(locations, location->parent[i], other, depth + 1))
			return true;
	}
	return false;
}

/* What is in itself would be everywhere on the way. */
static clv_rc check_cycles(const struct locations *locations, struct clv_err *err)
{
	for (uint32_t i = 0; i < locations->names.n; i++) {
		const struct location *location = &locations->location[i];

		for (uint32_t j = 0; j < location->n_parents; j++) {
			if (inside(locations, location->parent[j], i, 0))
				return clv_fail(err, CLV_E_INVALID_ARGUMENT,
						"location %s is inside itself",
						locations->names.texts[i]);
		}
	}
	return CLV_OK;
}

static clv_rc compile(const struct policy_document *documents, size_t n,
		      struct locations *locations, struct clv_err *err)
{
	CLV_TRY(read_built_in(locations, err));
	for (size_t i = 0; i < n; i++) {
		if (documents[i].kind == POLICY_LOCATIONS)
			CLV_TRY(read_document(&documents[i], locations, err));
	}
	return check_cycles(locations, err);
}

clv_rc locations_compile(const struct policy_document *documents, size_t n,
			 struct locations *ret_locations, struct clv_err *err)
{
	struct locations locations = { 0 };
	clv_rc rc = compile(documents, n, &locations, err);

	if (rc == CLV_OK)
		*ret_locations = locations;
	else
		locations_done(&locations);
	return rc;
}

void locations_done(struct locations *locations)
{
	for (uint32_t i = 0; i < locations->room_groups; i++)
		free(locations->group[i].member);
	free(locations->group);
	free(locations->location);
	policy_names_done(&locations->names);
	policy_names_done(&locations->groups);
}

/* ---- asking */

static uint32_t number_of(const struct locations *locations, const char *id, size_t len)
{
	return policy_names_find(&locations->names, id, len);
}

/* Of what is known: of a zone that no document names its region. */
static uint32_t known_part(const struct locations *locations, const char *place)
{
	const size_t len = strlen(place);
	uint32_t number = number_of(locations, place, len);

	if (number == POLICY_NO_NAME && len > 2 && place[len - 2] == '-' && place[len - 1] >= 'a' &&
	    place[len - 1] <= 'f')
		number = number_of(locations, place, len - 2);
	return number;
}

bool location_inside(const struct locations *locations, const char *place, const char *other)
{
	uint32_t from, to;

	if (strcmp(place, other) == 0)
		return true;
	from = known_part(locations, place);
	to = number_of(locations, other, strlen(other));
	return from != POLICY_NO_NAME && to != POLICY_NO_NAME && inside(locations, from, to, 0);
}

static const struct location_group *group_of(const struct locations *locations, const char *value)
{
	const uint32_t number = policy_names_find(&locations->groups, value, strlen(value));

	return number != POLICY_NO_NAME ? &locations->group[number] : NULL;
}

/* The location that "in:europe-west2-locations" speaks of. */
static uint32_t named_in(const struct locations *locations, const char *value)
{
	const size_t len = strlen(value), around = strlen(GROUP_PREFIX) + strlen(GROUP_SUFFIX);

	if (len <= around || strncmp(value, GROUP_PREFIX, strlen(GROUP_PREFIX)) != 0 ||
	    strcmp(value + len - strlen(GROUP_SUFFIX), GROUP_SUFFIX) != 0)
		return POLICY_NO_NAME;
	return number_of(locations, value + strlen(GROUP_PREFIX), len - around);
}

bool location_value_holds(const struct locations *locations, const char *value, const char *place)
{
	const struct location_group *group = group_of(locations, value);
	const uint32_t from = known_part(locations, place);
	uint32_t to;

	if (strncmp(value, SAME_PREFIX, strlen(SAME_PREFIX)) == 0)
		return strcmp(value + strlen(SAME_PREFIX), place) == 0;
	if (strncmp(value, GROUP_PREFIX, strlen(GROUP_PREFIX)) != 0)
		return location_inside(locations, place, value);
	if (from == POLICY_NO_NAME)
		return false;
	for (size_t i = 0; group != NULL && i < group->n; i++) {
		if (inside(locations, from, group->member[i], 0))
			return true;
	}
	to = group == NULL ? named_in(locations, value) : POLICY_NO_NAME;
	return to != POLICY_NO_NAME && inside(locations, from, to, 0);
}

bool location_value_known(const struct locations *locations, const char *value)
{
	if (strncmp(value, GROUP_PREFIX, strlen(GROUP_PREFIX)) == 0)
		return group_of(locations, value) != NULL ||
		       named_in(locations, value) != POLICY_NO_NAME;
	if (strncmp(value, SAME_PREFIX, strlen(SAME_PREFIX)) == 0)
		value += strlen(SAME_PREFIX);
	return known_part(locations, value) != POLICY_NO_NAME;
}
