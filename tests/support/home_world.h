/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A home on a real SoftHSM token, for the tests of lib/api. PKCS#11 and fork() do not go together
 * and SoftHSM knows one token folder for each process. So the body of each test runs in a process
 * of its own, on a copy of a home that a process before it made: it may fork as long as it has not
 * opened a token itself.
 *
 * cmocka's assertions work in these processes and their children: they print and abort, and the
 * test fails because its process died.
 */
#ifndef TESTS_SUPPORT_HOME_WORLD_H
#define TESTS_SUPPORT_HOME_WORLD_H

/* cmocka.h wants these in front of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <sys/types.h>

#include <claviger/claviger.h>

#include "lib/base/auto.h"

#define PROJECT "projects/demo"
#define LOCATION PROJECT "/locations/europe-west2"
#define RING LOCATION "/keyRings/r"
#define KEY(id) RING "/cryptoKeys/" id
#define VERSION(key) key "/cryptoKeyVersions/1"
#define JOB(id) RING "/importJobs/" id
/* What every copy has: a location, the ring "r", a key of each residency, the import job "j". */
#define WRAPPED KEY("wrapped")
#define TOKEN KEY("token")

struct home_world {
	char dir[256];        /* a private folder */
	char home[300];       /* the home in it */
	struct clv_ctx *ctx;  /* of world_open() */
	unsigned deadline_ms; /* for world_open(); 0: the library's */
	struct clv_err err;
	void (*body)(struct home_world *w);
};

/* One row for the table of tests: `fn` is void fn(struct home_world *w). */
typedef void (*home_body)(struct home_world *w);
#define home_test(fn)                                                                              \
	{                                                                                          \
		.name = #fn, .test_func = home_run, .setup_func = home_set_up,                     \
		.teardown_func = home_tear_down, .initial_state = &(home_body)                     \
		{                                                                                  \
			fn                                                                         \
		}                                                                                  \
	}
int home_set_up(void **state);
int home_tear_down(void **state);
void home_run(void **state);

/* Group fixtures: the home that is copied. Without a token: an empty folder for each test. */
int home_group_set_up(void **state);
int home_group_set_up_empty(void **state);
int home_group_tear_down(void **state);

/* Opens and closes w->ctx. */
void world_open(struct home_world *w);
void world_close(struct home_world *w);

/* A file of the home. The text is good until the next call but three. */
const char *world_path(const struct home_world *w, const char *name);

/* Runs `fn` in a child, which ends with 0 when it returns. */
pid_t world_fork(struct home_world *w, void (*fn)(struct home_world *w, void *arg), void *arg);
void world_wait(pid_t child); /* it must end with 0 */
void world_kill(pid_t child); /* SIGKILL, and waits */
void world_in_child(struct home_world *w, void (*fn)(struct home_world *w, void *arg), void *arg);

/* The number that an SQL statement gives, on a connection of its own. world_sql() runs one and has
 * the catalogue sealed anew, as if it had been so all along; world_tamper() does not. */
int64_t world_count(const struct home_world *w, const char *sql);
void world_sql(const struct home_world *w, const char *sql);
void world_tamper(const struct home_world *w, const char *sql);

/* The audit log as one string (owned), and how many lines of it hold all of these words. */
char *world_log(const struct home_world *w);
size_t log_lines(const char *log, const char *const words[], size_t n_words);
#define world_log_count(w, ...)                                                                    \
	world_log_count_n(w, (const char *const[]){ __VA_ARGS__ },                                 \
			  CLV_ARRAY_LEN(((const char *const[]){ __VA_ARGS__ })))
size_t world_log_count_n(const struct home_world *w, const char *const words[], size_t n_words);

/* A token object as raw PKCS#11 shows it. */
struct raw_object {
	char class[12], id[160], label[300]; /* class: secret public private data other */
	bool encrypt, decrypt;
};
/* All objects of the home's tokens, read by another process. Ends the test when there are more. */
size_t world_objects(const struct home_world *w, struct raw_object *objects, size_t max);

/* Moves the tokens away, so that whoever opens them finds none; and back. */
void world_tokens_away(const struct home_world *w);
void world_tokens_back(const struct home_world *w);

/* Encrypts and decrypts `text` in w->ctx. The caller ends `ret` with clv_buf_done(). */
clv_rc world_encrypt(struct home_world *w, const char *name, const char *text, struct clv_buf *ret);
clv_rc world_decrypt(struct home_world *w, const char *name, const struct clv_buf *ciphertext,
		     const char *text);
clv_rc world_new_key(struct home_world *w, const char *name, enum clv_residency residency);

/* A whole number from the environment. */
unsigned world_env(const char *name, unsigned otherwise);

/* Ends the test with the error's text unless the call gives CLV_OK. */
#define assert_ok(w, call)                                                                         \
	do {                                                                                       \
		clv_rc ok_rc = (call);                                                             \
		if (ok_rc != CLV_OK)                                                               \
			fail_msg("%s: %s", clv_rc_name(ok_rc), (w)->err.text);                     \
	} while (0)

/* The call must give exactly this outcome, with this in its text. */
#define assert_refused(w, call, rc, part)                                                          \
	do {                                                                                       \
		clv_rc refused_rc = (call);                                                        \
		if (refused_rc != (rc))                                                            \
			fail_msg("%s instead of %s: %s", clv_rc_name(refused_rc), clv_rc_name(rc), \
				 (w)->err.text);                                                   \
		if (strstr((w)->err.text, part) == NULL)                                           \
			fail_msg("\"%s\" is not in: %s", part, (w)->err.text);                     \
	} while (0)

#endif
