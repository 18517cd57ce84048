/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PKCS#11 module between us and the real one: it forwards every function, counts, and fails,
 * waits or lies as a test tells it. A test opens the same file with dlopen() and takes the handle
 * below by dlsym(handle, "shim_ops"): the loader hands out one copy, so what is told here holds for
 * the calls of the program under test. All functions may be called from any thread.
 */
#ifndef TESTS_SUPPORT_SHIM_H
#define TESTS_SUPPORT_SHIM_H

#include <stdbool.h>
#include <stdint.h>

#include <p11-kit/pkcs11.h>

#define SHIM_PLAIN(name, session, mech, params, args) SHIM_##name,
#define SHIM_OWN SHIM_PLAIN
enum shim_function {
#include "tests/support/shim/functions.def"
	SHIM_N_FUNCTIONS,
	SHIM_ANY = SHIM_N_FUNCTIONS /* for faults and counts: whichever is called */
};
#undef SHIM_PLAIN
#undef SHIM_OWN

/* How a fault comes. */
enum shim_how {
	SHIM_ONCE = 0,
	SHIM_ALWAYS = 1, /* from then on */
	SHIM_AFTER = 2,  /* the work is done, then the code is reported */
};

/* What an AES-GCM encryption does with the IV. */
enum shim_gcm { SHIM_GCM_REAL, SHIM_GCM_WRITTEN, SHIM_GCM_APPENDED };

struct shim_ops {
	/* The real module's functions: no fault, no count. */
	CK_FUNCTION_LIST *(*real)(void);
	/* Another real module than the one compiled in; before it is first used. */
	void (*set_real)(const char *path);

	/* Ends all faults, modes and counts. What is open stays known. */
	void (*reset)(void);

	/* The nth next call (from 1) of `function` gives `rv`. Up to eight at a time. */
	void (*fault)(enum shim_function function, unsigned nth, CK_RV rv, unsigned how);
	/* Every one-in-nth call gives a code that a sick token could give. 0: no more. */
	void (*chaos)(uint64_t seed, unsigned one_in);
	/* Ends faults and chaos only. */
	void (*heal)(void);
	unsigned (*faults_given)(void);

	/* Called in the thread of each call of `function`, before its work. NULL: no more. */
	void (*hook)(enum shim_function function, void (*hook)(void *arg), void *arg);
	void (*delay)(enum shim_function function, unsigned us);

	/* Everything but C_Initialize, C_Finalize and C_GetSlotList fails with `rv`; then, with
	 * `until_init`, goes on to fail after back() until C_Finalize and C_Initialize. */
	void (*gone)(CK_RV rv, bool until_init);
	void (*back)(void);

	void (*limit_sessions)(unsigned most, bool say_so); /* 0: no limit */
	void (*token_flags)(CK_FLAGS more);                 /* in C_GetTokenInfo */
	void (*gcm)(enum shim_gcm form, unsigned iv_len);
	/* Flips this boolean attribute, as it is read back, of objects that `maker` makes. */
	void (*weaken)(enum shim_function maker, CK_ATTRIBUTE_TYPE type);
	/* C_GenerateRandom says that it is done and writes nothing. */
	void (*mute_random)(bool mute);
	void (*hide)(CK_MECHANISM_TYPE mech); /* CKR_MECHANISM_INVALID; up to eight */

	/* Ends sessions behind the caller's back: all, or those that session objects live in.
	 * Nothing else may be under way. Returns how many. */
	unsigned (*kill_sessions)(bool only_keepers);

	unsigned (*calls)(enum shim_function function);
	unsigned (*sessions)(void);        /* open */
	unsigned (*session_objects)(void); /* made and not destroyed, and their session is open */
	unsigned (*operations)(void);      /* begun and not ended, in open sessions */
	unsigned (*shared)(void);          /* calls on a session that another thread was in */
};

/* The one symbol for tests. */
typedef const struct shim_ops *shim_ops_fn(void);

#endif
