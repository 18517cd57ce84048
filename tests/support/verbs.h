/* SPDX-License-Identifier: Apache-2.0 */
/* Every public verb that a policy decides, as a row with one shape of call. */
#ifndef TESTS_SUPPORT_VERBS_H
#define TESTS_SUPPORT_VERBS_H

#include "tests/support/home_world.h"

#define VERB_MARKER "a plaintext that must not be found anywhere"

struct verb {
	const char *name;
	const char *permission;
	/* Calls it on `resource`; what it hands out is thrown away. */
	clv_rc (*call)(struct home_world *w, const struct clv_caller *who, const char *resource);
	const char *existing; /* a resource of a fresh home that is there */
	const char *missing;  /* one that is not; NULL: the verb has no resource to choose */
};

extern const struct verb verbs[];
extern const size_t n_verbs;
const struct verb *verb_named(const char *name);

/* What the verbs "decrypt", "dek_unwrap" and "dek_rewrap" open and "version_import" imports: made
 * with verb_prepare(), ended with verb_done(). */
void verb_prepare(struct home_world *w, const char *key);
void verb_done(void);

#endif
