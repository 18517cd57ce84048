/* SPDX-License-Identifier: Apache-2.0 */
/* Scope-bound ownership. GCC and Clang only, by choice. */
#ifndef BASE_AUTO_H
#define BASE_AUTO_H

#include <claviger/secret.h>

/* Declares the cleanup for pointer type `T *` whose end is `T *end(T *)`. */
#define CLV_DEFINE_AUTO(T, end)                                                                    \
	static inline void end##_at_scope_end(T **p)                                               \
	{                                                                                          \
		*p = end(*p);                                                                      \
	}                                                                                          \
	_Static_assert(1, "swallow the semicolon")

CLV_DEFINE_AUTO(struct clv_secret, clv_secret_free);

#define CLV_AUTO(end) __attribute__((cleanup(end##_at_scope_end)))

/* For things held by value, whose end is `void end(T *)`. */
#define CLV_AUTO_DONE(end) __attribute__((cleanup(end)))

/* Moves ownership out of an automatic variable: the variable becomes NULL. */
#define CLV_TAKE(ptr)                                                                              \
	__extension__({                                                                            \
		__typeof__(ptr) clv_taken = (ptr);                                                 \
		(ptr) = NULL;                                                                      \
		clv_taken;                                                                         \
	})

#define CLV_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
