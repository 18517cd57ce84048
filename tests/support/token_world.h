/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world with a real token: a folder of its own with a fresh SoftHSM token, opened through the
 * shim (or directly), and a root, a key-ring KEK and a version in it. Its end checks that nothing
 * was left: no session handed out, no operation, no session object, no session.
 */
#ifndef TESTS_SUPPORT_TOKEN_WORLD_H
#define TESTS_SUPPORT_TOKEN_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hsm/internal.h"

#include "tests/support/shim.h"

struct world_options {
	bool direct; /* not through the shim */
	bool closed; /* the token is made, but not opened */
	bool bare;   /* no keys are made */
	unsigned max_sessions, max_keys, wait_ms;
};

struct world {
	struct world_options options;
	char dir[256];   /* base_dir and, below it, the SoftHSM folder */
	char state[300]; /* state_dir */
	char uri[CLV_URI_MAX];
	const struct shim_ops *shim; /* also in a direct world, where it sees nothing */
	CK_FUNCTION_LIST *real;      /* SoftHSM itself, without the shim */
	struct hsm *hsm;
	uint8_t root_id[HSM_ID_LEN];
	struct hsm_blob ring_blob, version_blob;
	struct hsm_keyref root, ring, version;
	struct clv_err err;
};

/* cmocka fixtures. The initial state, when there is one, is a const struct world_options. */
int world_set_up(void **state);
int world_tear_down(void **state);
#define token_test(f) cmocka_unit_test_setup_teardown(f, world_set_up, world_tear_down)
#define token_test_with(f, options)                                                                \
	cmocka_unit_test_prestate_setup_teardown(f, world_set_up, world_tear_down,                 \
						 (void *) (uintptr_t) (options))

/*
 * Children: this program again, by exec, because a module must not live through fork(). A child
 * gets `mode` and the world's folder; what it writes to descriptor 3 arrives at *ret_fd.
 */
pid_t world_spawn(const struct world *w, const char *mode, int *ret_fd);
/* Waits for its end, at most 30 s. Returns the status of waitpid(). */
int world_wait_child(pid_t pid);
/* For main(): in a child runs the function of its mode and does not return. */
struct child_mode {
	const char *name;
	int (*run)(struct world *w); /* its result is the exit status */
};
void world_maybe_child(int argc, char **argv, const struct child_mode *modes, size_t n_modes);
/* How many kills: CLAVIGER_SOAK_KILLS, or 60. */
unsigned world_kills(void);
/* Sleeps a random time up to this. */
void world_nap(unsigned most_us);

const struct clv_grant *grant(void);

/* Opening the world's token, and closing it. world_open() ends the test on failure. */
clv_rc world_try_open(struct world *w, struct hsm **ret_hsm);
void world_open(struct world *w);
void world_close(struct world *w);

/* The connection counts as old, so that the next failure does not count as a relapse: the breaker
 * lets somebody try again at once. */
void world_calm(struct world *w);

/* Runs hsm_ping() until it works, for at most two seconds: the longest a breaker may stay open. */
void world_wait_healthy(struct world *w);

/* Random ids and keys. */
void world_new_id(uint8_t id[HSM_ID_LEN]);
void world_generate(struct world *w, enum hsm_role role, const struct hsm_keyref *parent,
		    struct hsm_blob *blob, struct hsm_keyref *ret_key);
void world_token_key(struct world *w, struct hsm_keyref *ret_key);

/* A ciphertext and what belongs to it. */
struct sealed {
	uint8_t iv[HSM_IV_MAX];
	size_t iv_len;
	uint8_t bytes[256 + HSM_TAG_LEN];
	size_t len;
};
/* Encrypts `text` with `key`; ends the test on failure. */
void world_seal(struct world *w, const struct hsm_keyref *key, const char *text,
		struct sealed *ret_sealed);
/* Does it decrypt to `text`? A wrong plaintext ends the process at once. */
clv_rc world_unseal(struct world *w, const struct hsm_keyref *key, const struct sealed *sealed,
		    const char *text, struct clv_err *err);

struct clv_bytes bytes_of(const char *text);

/* The real module, in a session of its own. All end the test on failure. */
CK_SESSION_HANDLE raw_open(struct world *w);
void raw_close(struct world *w, CK_SESSION_HANDLE session);
unsigned raw_count_objects(struct world *w); /* with the session objects of this process */
unsigned raw_count_token_objects(struct world *w);
CK_OBJECT_HANDLE raw_find(struct world *w, CK_SESSION_HANDLE session, CK_OBJECT_CLASS class,
			  const uint8_t *id);
/* 0 or 1; 2 when the object does not have it. */
int raw_bool(struct world *w, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
	     CK_ATTRIBUTE_TYPE type);

/* The row of a probe with this name; ends the test when there is none. */
const struct clv_probe_row *probe_row(const struct clv_probe *probe, const char *name);

/* Ends the test with the error's text unless the call gives CLV_OK. */
#define assert_ok(w, call)                                                                         \
	do {                                                                                       \
		clv_rc ok_rc = (call);                                                             \
		if (ok_rc != CLV_OK)                                                               \
			fail_msg("%s: %s: %s", #call, clv_rc_name(ok_rc), (w)->err.text);          \
	} while (0)

/* The call must give exactly this outcome, with this in its text. */
#define assert_refused(w, call, rc, part)                                                          \
	do {                                                                                       \
		clv_rc refused_rc = (call);                                                        \
		if (refused_rc != (rc) || strstr((w)->err.text, part) == NULL)                     \
			fail_msg("%s: %s: %s", #call, clv_rc_name(refused_rc),                     \
				 refused_rc == CLV_OK ? "" : (w)->err.text);                       \
	} while (0)

#define assert_rc(got, want) assert_string_equal(clv_rc_name(got), clv_rc_name(want))

/* Runs the group after what every program here needs. */
int token_main(const char *name, const struct CMUnitTest *tests, size_t n_tests);
#define TOKEN_MAIN(name, tests) token_main(name, tests, sizeof(tests) / sizeof((tests)[0]))

#endif
