/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constraints: where keys may be and who may use them from where, whatever the bindings say. What
 * the documents of kinds POLICY_LOCATIONS, POLICY_CONSTRAINT and POLICY_COMPONENTS come to,
 * compiled. Pure, and never changes; threads share it.
 */
#ifndef POLICY_CONSTRAINT_H
#define POLICY_CONSTRAINT_H

#include "lib/policy/policy.h"

struct places;

/*
 * Compiles what is of these kinds among `documents`, and skips the rest, on top of the locations
 * that are built in. On CLV_OK *ret_places is owned by the caller, who ends it with places_free().
 * Errors: CLV_E_INVALID_ARGUMENT, naming document and place in it.
 */
CLV_MUST_USE clv_rc places_compile(const struct policy_document *documents, size_t n,
				   struct places **ret_places, struct clv_err *err);
struct places *places_free(struct places *places); /* NULL is fine; returns NULL */
CLV_DEFINE_AUTO(struct places, places_free);

/*
 * What separation of duties needs to know of the bindings: does ask->principal hold on the key of
 * ask->name one of the permissions that places_administers() names? The home's owner does. Asked
 * only when the answer counts. NULL instead of it: nobody does.
 */
struct places_duties {
	bool (*administers)(const void *arg, const struct policy_ask *ask);
	const void *arg; /* borrowed */
};

/*
 * To be asked once a binding allows: POLICY_ALLOWED, with the rule "" and for all time, or a
 * refusal with its rule "constraint:NAME", which is static. Cannot fail.
 */
struct policy_verdict places_decide(const struct places *places, const struct policy_ask *ask,
				    const struct places_duties *duties);

/* The same for what policy_decide_facts() is told. */
struct policy_verdict places_decide_facts(const struct places *places, const struct policy_ask *ask,
					  const struct policy_facts *facts);

/* As policy_why(). */
void places_why(const struct places *places, const struct policy_ask *ask,
		const struct policy_verdict *verdict, char ret_why[POLICY_WHY_MAX]);

/* As policy_destroy_delay_min(). */
int64_t places_destroy_delay_min(const struct places *places, const char *project);

/*
 * What is refused only when a document of these kinds is set; documents of other kinds pass.
 * `places` is what holds now. Errors: CLV_E_INVALID_ARGUMENT; CLV_E_FAILED_PRECONDITION a
 * constraint, by name.
 */
CLV_MUST_USE clv_rc places_check_document(const struct places *places,
					  const struct policy_document *document,
					  struct clv_err *err);

/* Must no principal both administer and use the keys that `resource` (a project, a key ring, a
 * key) is or has in it? True as well when that holds for one of its keys only. */
bool places_separates_duties(const struct places *places, const char *resource);

/* The two sides of separation of duties: is it a permission to administer a key, to use one? */
bool places_administers(const char *permission);
bool places_uses_key(const char *permission);

#endif
