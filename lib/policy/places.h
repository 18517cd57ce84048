/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about places share: locations, components, constraints. Not for other rooms. */
#ifndef POLICY_PLACES_H
#define POLICY_PLACES_H

#include "lib/policy/constraint.h"
#include "lib/policy/impl.h"

/* policies/locations/, of all dates. */
extern const struct policy_file policy_location_files[];
extern const size_t policy_n_location_files;

/* ---- locations (location.c) */

#define LOCATION_PARENTS_MAX 4
#define LOCATION_DEPTH_MAX 6
#define LOCATION_GLOBAL "global"

struct location {
	uint32_t parent[LOCATION_PARENTS_MAX]; /* numbers */
	uint32_t n_parents;
	bool defined; /* not only named as a parent */
};

struct location_group {
	uint32_t *member; /* owned: numbers of locations */
	size_t n;
};

/* A tree, or nearly: what is in two places is in both. */
struct locations {
	struct policy_names names;  /* of locations; numbers are indices of `location` */
	struct policy_names groups; /* "in:eu-locations"; numbers are indices of `group` */
	struct location *location;
	struct location_group *group;
	uint32_t room, room_groups;
};

/* What is built in and the documents of kind POLICY_LOCATIONS. */
CLV_MUST_USE clv_rc locations_compile(const struct policy_document *documents, size_t n,
				      struct locations *ret_locations, struct clv_err *err);
void locations_done(struct locations *locations);

/* Is `place` the same as `other`, or inside it? A place that no document names is inside itself
 * alone; a zone ("europe-west2-b") is in its region. */
bool location_inside(const struct locations *locations, const char *place, const char *other);

/* Does a value of a constraint ("europe-west2", "in:eu-locations", "is:global") hold `place`? */
bool location_value_holds(const struct locations *locations, const char *value, const char *place);

/* Can a value hold any place that is known? */
bool location_value_known(const struct locations *locations, const char *value);

/* ---- components (component.c) */

struct component {
	char *principal, *component, *project, *service, *place, *endpoint_region, *key;
	char **storage_region;
	size_t n_storage_regions;
};

struct components {
	struct policy_names principals; /* numbers are indices of `component` */
	struct component *component;    /* owned */
	size_t n;
};

CLV_MUST_USE clv_rc components_compile(const struct policy_document *documents, size_t n,
				       struct components *ret_components, struct clv_err *err);
void components_done(struct components *components);
/* NULL: nobody has registered it. */
const struct component *component_of(const struct components *components, const char *principal);

/* ---- constraints (constraint.c) */

enum constraint_kind {
	CONSTRAINT_RESOURCE_LOCATIONS,
	CONSTRAINT_PROTECTION_LEVELS,
	CONSTRAINT_DESTROY_DURATION,
	CONSTRAINT_DISABLE_BEFORE_DESTROY,
	CONSTRAINT_NON_CMEK_SERVICES,
	CONSTRAINT_KEY_PROJECTS,
	CONSTRAINT_CALLER_LOCATIONS,
	CONSTRAINT_STORAGE_REGIONS,
	CONSTRAINT_ENDPOINT_REGION,
	CONSTRAINT_DUTIES,
	CONSTRAINT_COUNT
};

/* One constraint of a project or a key; a kind that is not set has `set` false. */
struct constraint {
	bool set, enforced, allow_all, deny_all;
	char **allowed, **denied; /* owned */
	size_t n_allowed, n_denied;
};

/* All constraints of a project or a key. */
struct constraints {
	struct constraint of[CONSTRAINT_COUNT];
};

struct places {
	struct locations locations;
	struct components components;
	struct policy_names parents; /* "projects/P", or a key; numbers are indices of `set` */
	struct constraints *set;     /* owned */
	uint32_t room;
};

/* What was looked at for an ask, for explanations: each constraint that is set and has a say. */
typedef void places_look_fn(void *arg, const char *parent, const char *constraint, bool refuses);
void places_walk(const struct places *places, const struct policy_ask *ask,
		 const struct policy_facts *facts, const struct places_duties *duties,
		 places_look_fn *look, void *arg);

/* The same, with the policy's own bindings for separation of duties. */
void policy_walk_places(const struct policy *policy, const struct policy_ask *ask,
			const struct policy_facts *facts, places_look_fn *look, void *arg);

/* Where the caller is: as it says, or as the registry has it. NULL: not known. */
const char *places_of_caller(const struct places *places, const struct policy_ask *ask);

/* Adds findings about constraints to a JSON array. */
void places_lint(const struct places *places, json_t *findings);

#endif
