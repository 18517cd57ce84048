/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is noted before it is made: killed at each step it is undone by the next who opens the
 * token; what belongs to the living, or came to a good end, is left alone. The linker sends the
 * library's calls through here (-Wl,--wrap), so that each step can be met.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hsm/hsm.h"
#include "lib/store/store.h"
#include "tests/support/home_world.h"

#define NEW KEY("new")

enum point { NOWHERE, BEFORE_NOTE, AFTER_NOTE, AFTER_MAKING, AFTER_COMMIT, N_POINTS };

static enum point kill_at, park_at;
static int told[2], wait_for[2]; /* parking: says that it is there, and waits */
static bool finish_other;        /* the next list of intents lets the parked one finish first */

static void reach(enum point point)
{
	char byte = 0;

	if (kill_at == point && point != NOWHERE)
		raise(SIGKILL);
	if (park_at == point && point != NOWHERE) {
		assert_int_equal(write(told[1], "x", 1), 1);
		assert_int_equal(read(wait_for[0], &byte, 1), 1);
	}
}

/* ---- the steps */

#define WRAP(name, params, args, before, after)                                                    \
	clv_rc __real_##name params;                                                               \
	clv_rc __wrap_##name params;                                                               \
	clv_rc __wrap_##name params                                                                \
	{                                                                                          \
		clv_rc rc;                                                                         \
                                                                                                   \
		reach(before);                                                                     \
		rc = __real_##name args;                                                           \
		reach(after);                                                                      \
		return rc;                                                                         \
	}

WRAP(store_intent_add,
     (struct store * store, const struct clv_grant *grant, const struct store_intent *intent,
      struct clv_err *err),
     (store, grant, intent, err), BEFORE_NOTE, AFTER_NOTE)
WRAP(hsm_version_create,
     (struct hsm * hsm, const struct clv_grant *grant, enum clv_algorithm algorithm,
      const uint8_t id[HSM_ID_LEN], const char *label, struct hsm_public *ret_public,
      struct clv_err *err),
     (hsm, grant, algorithm, id, label, ret_public, err), NOWHERE, AFTER_MAKING)
WRAP(hsm_location_create,
     (struct hsm * hsm, const struct clv_grant *grant, const char *location,
      const struct hsm_location_ids *ids, struct clv_err *err),
     (hsm, grant, location, ids, err), NOWHERE, AFTER_MAKING)
WRAP(store_key_add,
     (struct store * store, const struct clv_grant *grant, const struct clv_name *name,
      const struct store_key *key, const struct store_version *first, const char *intent,
      struct clv_err *err),
     (store, grant, name, key, first, intent, err), NOWHERE, AFTER_COMMIT)
WRAP(store_location_add,
     (struct store * store, const struct clv_grant *grant, const struct store_location *location,
      const struct store_token *token, const char *intent, struct clv_err *err),
     (store, grant, location, token, intent, err), NOWHERE, AFTER_COMMIT)

clv_rc __real_store_intent_list(struct store *store, const char *location, size_t limit,
				struct store_intent *rows, size_t *ret_n, struct clv_err *err);
clv_rc __wrap_store_intent_list(struct store *store, const char *location, size_t limit,
				struct store_intent *rows, size_t *ret_n, struct clv_err *err);
clv_rc __wrap_store_intent_list(struct store *store, const char *location, size_t limit,
				struct store_intent *rows, size_t *ret_n, struct clv_err *err)
{
	clv_rc rc = __real_store_intent_list(store, location, limit, rows, ret_n, err);
	char byte;

	if (finish_other) {
		finish_other = false;
		assert_int_equal(*ret_n, 1);
		assert_int_equal(write(wait_for[1], "x", 1), 1);
		assert_int_equal(read(told[0], &byte, 1), 1); /* it is through */
	}
	return rc;
}

/* ---- those who make something */

static void make_key(struct home_world *w, void *arg)
{
	(void) arg;
	world_open(w);
	assert_ok(w, world_new_key(w, NEW, CLV_RESIDENCY_TOKEN));
	assert_int_equal(write(told[1], "d", 1), 1);
}

static void make_location(struct home_world *w, void *arg)
{
	struct clv_location location;

	(void) arg;
	world_open(w);
	assert_ok(w, clv_location_create_softhsm(w->ctx, NULL, PROJECT "/locations/global", NULL,
						 &location, &w->err));
}

static void kill_in(struct home_world *w, enum point point,
		    void (*make)(struct home_world *w, void *arg))
{
	int status = 0;
	pid_t child;

	kill_at = point;
	child = world_fork(w, make, NULL);
	kill_at = NOWHERE;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void use_the_token(struct home_world *w, void *arg)
{
	struct clv_buf out = { 0 };

	(void) arg;
	world_open(w);
	assert_ok(w, world_encrypt(w, WRAPPED, "text", &out));
	clv_buf_done(&out);
}

static void use_the_new_key(struct home_world *w, void *arg)
{
	struct clv_buf out = { 0 };

	(void) arg;
	world_open(w);
	assert_ok(w, world_encrypt(w, NEW, "text", &out));
	assert_ok(w, world_decrypt(w, NEW, &out, "text"));
	clv_buf_done(&out);
}

static size_t count_objects(const struct home_world *w)
{
	struct raw_object objects[64];

	return world_objects(w, objects, CLV_ARRAY_LEN(objects));
}

static int64_t count_intents(const struct home_world *w)
{
	return world_count(w, "SELECT count(*) FROM intents");
}

static void make_pipes(void)
{
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	assert_int_equal(pipe2(wait_for, O_CLOEXEC), 0);
}

/* ---- the dead */

static void killed_key_creation_is_undone_by_the_next_opening(struct home_world *w)
{
	static const struct {
		enum point point;
		int64_t notes; /* left behind */
	} cases[] = { { BEFORE_NOTE, 0 }, { AFTER_NOTE, 1 }, { AFTER_MAKING, 1 } };
	size_t before = count_objects(w);

	make_pipes();
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++) {
		kill_in(w, cases[i].point, make_key);
		assert_int_equal(count_intents(w), cases[i].notes);
		assert_int_equal(count_objects(w), before + (cases[i].point == AFTER_MAKING));
		world_in_child(w, use_the_token, NULL);
		assert_int_equal(count_intents(w), 0);
		assert_int_equal(count_objects(w), before);
		assert_int_equal(world_count(w, "SELECT count(*) FROM crypto_keys"), 2);
	}
	world_in_child(w, make_key, NULL); /* the name is free */
	world_in_child(w, use_the_new_key, NULL);
}

static void key_that_was_committed_stays_though_its_maker_is_killed(struct home_world *w)
{
	size_t before = count_objects(w);

	make_pipes();
	kill_in(w, AFTER_COMMIT, make_key);
	assert_int_equal(count_intents(w), 0);
	world_in_child(w, use_the_new_key, NULL);
	assert_int_equal(count_objects(w), before + 1);
}

static void killed_location_creation_does_not_stand_in_the_way_of_the_next(struct home_world *w)
{
	static const enum point points[] = { BEFORE_NOTE, AFTER_NOTE, AFTER_MAKING };

	for (size_t i = 0; i < CLV_ARRAY_LEN(points); i++) {
		kill_in(w, points[i], make_location);
		assert_int_equal(world_count(w, "SELECT count(*) FROM locations"), 1);
		world_in_child(w, use_the_token, NULL); /* others do not notice */
	}
	world_in_child(w, make_location, NULL);
	assert_int_equal(world_count(w, "SELECT count(*) FROM locations"), 2);
}

static void location_that_was_committed_stays_though_its_maker_is_killed(struct home_world *w)
{
	struct clv_probe probe;

	kill_in(w, AFTER_COMMIT, make_location);
	assert_int_equal(count_intents(w), 0);
	world_open(w);
	assert_ok(w, clv_token_status(w->ctx, NULL, PROJECT "/locations/global", &probe, &w->err));
}

/* ---- the living */

static pid_t park_a_maker(struct home_world *w)
{
	char byte;
	pid_t child;

	make_pipes();
	park_at = AFTER_MAKING;
	child = world_fork(w, make_key, NULL);
	park_at = NOWHERE;
	assert_int_equal(read(told[0], &byte, 1), 1);
	return child;
}

static void intent_of_a_living_process_is_left_alone(struct home_world *w)
{
	size_t before = count_objects(w);
	pid_t maker = park_a_maker(w);

	world_in_child(w, use_the_token, NULL);
	assert_int_equal(count_intents(w), 1);
	assert_int_equal(count_objects(w), before + 1);
	assert_int_equal(write(wait_for[1], "x", 1), 1);
	world_wait(maker);
	assert_int_equal(count_intents(w), 0);
	world_in_child(w, use_the_new_key, NULL);
}

/* Listed while its process lived, and looked at when that had come to a good end. */
static void key_that_is_committed_during_recovery_is_left_alone(struct home_world *w)
{
	size_t before = count_objects(w);
	pid_t maker = park_a_maker(w), opener;

	finish_other = true;
	opener = world_fork(w, use_the_token, NULL);
	finish_other = false;
	world_wait(opener);
	world_wait(maker);
	assert_int_equal(count_objects(w), before + 1);
	world_in_child(w, use_the_new_key, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(killed_key_creation_is_undone_by_the_next_opening),
		home_test(key_that_was_committed_stays_though_its_maker_is_killed),
		home_test(killed_location_creation_does_not_stand_in_the_way_of_the_next),
		home_test(location_that_was_committed_stays_though_its_maker_is_killed),
		home_test(intent_of_a_living_process_is_left_alone),
		home_test(key_that_is_committed_during_recovery_is_left_alone),
	};
	return cmocka_run_group_tests_name("intents", tests, home_group_set_up,
					   home_group_tear_down);
}
