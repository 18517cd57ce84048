/* SPDX-License-Identifier: Apache-2.0 */
/* A catalogue in a folder of its own, and rows to put into it. For the tests of lib/store. */
#ifndef TESTS_UNIT_STORE_WORLD_H
#define TESTS_UNIT_STORE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/store/impl.h"

#define T0 INT64_C(1763925505123456789) /* when everything in these tests happens */

struct world {
	char dir[64];
	char path[96];
	struct store *store; /* waits 200 ms for another writer */
	struct clv_err err;
	bool token_away;    /* nothing can be sealed */
	bool tampered;      /* by world_sql() */
	uint64_t highest;   /* epoch that the anchors would have */
	uint8_t newest[32]; /* and the MAC of the head of that epoch */
	struct store_sealer sealer;
};

/* The row of the world's location: its tree, which is the first one. */
#define WORLD_TREE 1

/* Takes the seal off, for tests that write rows by SQL. */
void world_unseal(struct world *w);

/* Are all trees of the world what comes out when they are made anew? Ends the test if not. */
void world_check_seal(struct world *w);

/* cmocka fixtures: `*state` is a struct world with the location "dc-milan" and the ring "r". */
int world_set_up(void **state);
int world_tear_down(void **state);

/* Another connection to the world's file; ends the test when there is none to be had. */
struct store *world_connect(struct world *w);

/* Closes the world's own connection and opens it again. */
void world_close(struct world *w);
void world_reopen(struct world *w);

const struct clv_grant *grant(void);
struct clv_name name_of(const char *text);

/* Rows whose every member depends on `seed`, so that a mix-up shows. */
struct store_location some_location(const char *id);
struct store_token some_token(const char *location, unsigned seed);
struct store_ring some_ring(const char *location, const char *id, unsigned seed);
struct store_key some_key(enum clv_residency residency);
struct store_version some_version(enum clv_residency residency, unsigned seed);
struct store_intent some_intent(const char *location, const char *id);

/* One value from the file, by SQL, on a connection of its own. */
int64_t world_count(struct world *w, const char *sql);
void world_sql(struct world *w, const char *sql);

/* How often the bytes stand in the catalogue's file and its log, as they are on the disk. */
unsigned world_times(const struct world *w, const uint8_t *bytes, size_t len);

/* The key projects/demo/locations/dc-milan/keyRings/r/cryptoKeys/ID with version 1. */
void add_key(struct world *w, const char *id, enum clv_residency residency, unsigned seed);
#define KEY_NAME(id) "projects/demo/locations/dc-milan/keyRings/r/cryptoKeys/" id

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
		assert_string_equal(clv_rc_name(call), clv_rc_name(rc));                           \
		if (strstr((w)->err.text, part) == NULL)                                           \
			fail_msg("\"%s\" is not in: %s", part, (w)->err.text);                     \
	} while (0)

#endif
