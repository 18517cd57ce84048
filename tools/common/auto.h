/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope-bound ownership for the tools, which see no private header of the library.
 * GCC and Clang only, by choice.
 */
#ifndef TOOLS_COMMON_AUTO_H
#define TOOLS_COMMON_AUTO_H

#include <stdlib.h>

#include <claviger/claviger.h>
#include <jansson.h>

/* Declares the cleanup for pointer type `T *` whose end is `T *end(T *)`. */
#define KMS_DEFINE_AUTO(T, end)                                                                    \
	static inline void end##_at_scope_end(T **p)                                               \
	{                                                                                          \
		*p = end(*p);                                                                      \
	}                                                                                          \
	_Static_assert(1, "swallow the semicolon")

#define KMS_AUTO(end) __attribute__((cleanup(end##_at_scope_end)))

/* For things held by value, whose end is `void end(T *)`. */
#define KMS_AUTO_DONE(end) __attribute__((cleanup(end)))

/* Moves ownership out of an automatic variable: the variable becomes NULL. */
#define KMS_TAKE(ptr)                                                                              \
	__extension__({                                                                            \
		__typeof__(ptr) kms_taken = (ptr);                                                 \
		(ptr) = NULL;                                                                      \
		kms_taken;                                                                         \
	})

#define KMS_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline json_t *kms_json_free(json_t *json)
{
	json_decref(json);
	return NULL;
}

static inline void *kms_free(void *p)
{
	free(p);
	return NULL;
}

KMS_DEFINE_AUTO(struct clv_secret, clv_secret_free);
KMS_DEFINE_AUTO(struct clv_ctx, clv_ctx_free);
KMS_DEFINE_AUTO(json_t, kms_json_free);
KMS_DEFINE_AUTO(void, kms_free);
KMS_DEFINE_AUTO(void, clv_page_free);

#endif
