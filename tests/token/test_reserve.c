/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who draws on the reserve, how much, and that it is full again afterwards. No disk is full here:
 * the catalogue and the audit log say so. tests/token/test_full_disk.c has one that is.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/api/api.h"
#include "tests/support/verbs.h"

#define STEP (64 << 10)
#define N_STEPS (API_RESERVE_BYTES / STEP)

/* ---- who says that there is no room, and what the reserve held when he was asked */

static struct {
	const char *home;
	unsigned fail_catalogue, fail_log; /* so many times */
	unsigned n_seen;
	uint64_t seen[4 * N_STEPS];
} full;

static clv_rc ask(unsigned *fail, struct clv_err *err)
{
	if (full.home == NULL)
		return CLV_OK;
	assert_true(full.n_seen < CLV_ARRAY_LEN(full.seen));
	full.seen[full.n_seen++] = api_reserve_held(full.home);
	if (*fail == 0)
		return CLV_OK;
	--*fail;
	return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "there is no room");
}

clv_rc __real_store_version_set_state(struct store *store, const struct clv_grant *grant,
				      const struct store_version *version, struct clv_err *err);
clv_rc __wrap_store_version_set_state(struct store *store, const struct clv_grant *grant,
				      const struct store_version *version, struct clv_err *err);

clv_rc __wrap_store_version_set_state(struct store *store, const struct clv_grant *grant,
				      const struct store_version *version, struct clv_err *err)
{
	CLV_TRY(ask(&full.fail_catalogue, err));
	return __real_store_version_set_state(store, grant, version, err);
}

clv_rc __real_audit_append(struct audit *audit, const struct audit_entry *entry, bool durable,
			   struct clv_err *err);
clv_rc __wrap_audit_append(struct audit *audit, const struct audit_entry *entry, bool durable,
			   struct clv_err *err);

clv_rc __wrap_audit_append(struct audit *audit, const struct audit_entry *entry, bool durable,
			   struct clv_err *err)
{
	CLV_TRY(ask(&full.fail_log, err));
	return __real_audit_append(audit, entry, durable, err);
}

/* ---- calls */

static clv_rc call_when_full(struct home_world *w, const char *verb, const char *resource,
			     unsigned fail_catalogue, unsigned fail_log)
{
	clv_rc rc;

	memset(&full, 0, sizeof full);
	full.home = w->home;
	full.fail_catalogue = fail_catalogue;
	full.fail_log = fail_log;
	rc = verb_named(verb)->call(w, NULL, resource);
	full.home = NULL;
	assert_int_equal(api_reserve_held(w->home), API_RESERVE_BYTES);
	return rc;
}

static void assert_seen(unsigned at, unsigned steps_drawn)
{
	assert_true(at < full.n_seen);
	assert_int_equal(full.seen[at], API_RESERVE_BYTES - steps_drawn * STEP);
}

/* First it is on offer only; what cannot ask gets steps after that. */
static unsigned steps_at(unsigned attempt)
{
	return attempt > 0 ? attempt - 1 : 0;
}

static void lowering_draws_step_by_step_and_gives_back(struct home_world *w)
{
	static const char *const verbs_of[] = { "version_disable", "version_destroy" };

	world_open(w);
	for (unsigned i = 0; i < CLV_ARRAY_LEN(verbs_of); i++) {
		assert_ok(w, call_when_full(w, verbs_of[i], VERSION(WRAPPED), 3, 2));
		assert_int_equal(full.n_seen, 4 + 3);
		for (unsigned k = 0; k < 4; k++)
			assert_seen(k, steps_at(k));
		for (unsigned k = 0; k < 3; k++) /* the log begins with a full one */
			assert_seen(4 + k, steps_at(k));
	}
	assert_int_equal(world_log_count(w, "a reason", "\"outcome\":\"OK\""), 2);
}

static void what_is_not_lowering_draws_nothing(struct home_world *w)
{
	world_open(w);
	assert_ok(w, verb_named("version_disable")->call(w, NULL, VERSION(WRAPPED)));
	assert_refused(w, call_when_full(w, "version_enable", VERSION(WRAPPED), 1, 0),
		       CLV_E_RESOURCE_EXHAUSTED, "no room");
	assert_int_equal(full.n_seen, 2); /* the state, and the entry that says so */
	assert_seen(0, 0);
	assert_seen(1, 0);
	assert_refused(w, call_when_full(w, "encrypt", TOKEN, 0, 1), CLV_E_RESOURCE_EXHAUSTED,
		       "no room");
	assert_int_equal(full.n_seen, 1);
	assert_seen(0, 0);
	assert_refused(w, call_when_full(w, "key_get", TOKEN, 0, 1), CLV_E_RESOURCE_EXHAUSTED,
		       "no room");
	assert_int_equal(full.n_seen, 1);
}

/* Then there is an end: what could not be done says so, and is not done. */
static void reserve_that_does_not_suffice_is_told(struct home_world *w)
{
	world_open(w);
	assert_refused(w, call_when_full(w, "version_disable", VERSION(WRAPPED), 2 * N_STEPS, 0),
		       CLV_E_RESOURCE_EXHAUSTED, "no room");
	assert_int_equal(full.n_seen, N_STEPS + 2 + 1);
	assert_seen(N_STEPS + 1, N_STEPS);
	assert_seen(N_STEPS + 2, 0);
	assert_ok(w, verb_named("encrypt")->call(w, NULL, WRAPPED));
	assert_refused(w, call_when_full(w, "version_disable", VERSION(WRAPPED), 0, 2 * N_STEPS),
		       CLV_E_RESOURCE_EXHAUSTED, "the change was made, but its audit entry");
	assert_int_equal(verb_named("encrypt")->call(w, NULL, WRAPPED), CLV_E_FAILED_PRECONDITION);
}

/* A little at a time, to the thread that draws and as long as it does. */
static void what_is_on_offer_is_drawn_by_who_asks_for_it(struct home_world *w)
{
	struct api_loan loan = { 0 };
	uint64_t before;

	world_open(w);
	assert_false(clv_room_make());
	assert_true(api_loan_draw(w->ctx, &loan));
	for (before = API_RESERVE_BYTES; before > 0; before = api_reserve_held(w->home)) {
		assert_true(clv_room_make());
		assert_in_range(before - api_reserve_held(w->home), 4 << 10, 64 << 10);
	}
	assert_false(clv_room_make());
	assert_false(api_loan_draw(w->ctx, &loan));
	api_loan_end(&loan);
	assert_int_equal(api_reserve_held(w->home), API_RESERVE_BYTES);
	assert_false(clv_room_make());
	assert_int_equal(api_reserve_held(w->home), API_RESERVE_BYTES);
}

/* One who draws is not disturbed: the other waits for him, and gives up in time. */
static void one_draws_at_a_time(struct home_world *w)
{
	struct clv_ctx_options options = { .home = w->home,
					   .deadline_ms = 200,
					   .allow_unlocked_memory = true };
	struct api_loan mine = { 0 }, other = { 0 };
	struct clv_ctx *ctx = NULL;

	world_open(w);
	assert_ok(w, clv_ctx_open(&options, &ctx, &w->err));
	assert_true(api_loan_draw(w->ctx, &mine));
	assert_true(api_loan_draw(w->ctx, &mine));
	assert_false(api_loan_draw(ctx, &other));
	api_reserve_fill(w->home);
	assert_int_equal(api_reserve_held(w->home), API_RESERVE_BYTES - STEP);
	api_loan_end(&mine);
	assert_int_equal(api_reserve_held(w->home), API_RESERVE_BYTES);
	assert_true(api_loan_draw(ctx, &other));
	api_loan_end(&other);
	clv_ctx_free(ctx);
}

static void draw_and_wait(struct home_world *w, void *arg)
{
	struct api_loan loan = { 0 };

	world_open(w);
	for (unsigned i = 0; i < 5; i++)
		assert_true(api_loan_draw(w->ctx, &loan));
	assert_int_equal(write(*(int *) arg, "d", 1), 1);
	pause();
}

static void what_a_killed_process_has_drawn_is_filled_by_the_next(struct home_world *w)
{
	char drawn;
	int ends[2];
	pid_t child;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	child = world_fork(w, draw_and_wait, &ends[1]);
	assert_int_equal(read(ends[0], &drawn, 1), 1);
	world_kill(child);
	assert_int_equal(api_reserve_held(w->home), API_RESERVE_BYTES - 4 * STEP);
	world_open(w);
	assert_int_equal(api_reserve_held(w->home), API_RESERVE_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(lowering_draws_step_by_step_and_gives_back),
		home_test(what_is_not_lowering_draws_nothing),
		home_test(reserve_that_does_not_suffice_is_told),
		home_test(what_is_on_offer_is_drawn_by_who_asks_for_it),
		home_test(one_draws_at_a_time),
		home_test(what_a_killed_process_has_drawn_is_filled_by_the_next),
	};
	return cmocka_run_group_tests_name("reserve", tests, home_group_set_up,
					   home_group_tear_down);
}
