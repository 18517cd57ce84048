/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is disable linearizable? Some processes use two keys, one switches them at random; who did what
 * from when to when goes into shared memory and is held against the rule afterwards. The seed is
 * printed; CLAVIGER_SEED and CLAVIGER_SOAK_OPS set it and the number of operations.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <claviger/time.h>

#include "lib/base/deadline.h"
#include "tests/support/home_world.h"

#define N_USERS 4
#define N_KEYS 2
#define N_OPS 40000
#define MAX_SWITCHES 1000000

static const char *const keys[N_KEYS] = { WRAPPED, TOKEN };
static const char *const versions[N_KEYS] = { VERSION(WRAPPED), VERSION(TOKEN) };

/* Times are CLOCK_MONOTONIC ns. */
struct op {
	int64_t start, end;
	uint8_t key, rc;
};
struct change {
	int64_t start, end;
	bool enabled; /* the state it made */
};

/* ---- the rule */

/*
 * The last change that ended before `start`, of `n` in order of time. Before the first one all is
 * enabled, as if it had been enabled long ago: -1.
 */
static long last_before(const struct change *changes, size_t n, int64_t start)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (changes[middle].end < start)
			low = middle + 1;
		else
			high = middle;
	}
	return (long) low - 1;
}

/*
 * An operation that overlaps a change may go either way. All others must fit the state: nothing
 * succeeds that began after a disable was acknowledged and ended before the next enable began, and
 * nothing is refused the other way round. No other outcome is allowed at all.
 */
static bool op_fits(const struct op *op, const struct change *changes, size_t n)
{
	long last = last_before(changes, n, op->start);
	bool enabled = last < 0 || changes[last].enabled;
	bool overlaps = (size_t) (last + 1) < n && changes[last + 1].start <= op->end;

	if (op->rc != CLV_OK && op->rc != CLV_E_FAILED_PRECONDITION)
		return false;
	return overlaps || (op->rc == CLV_OK) == enabled;
}

static const struct {
	const char *what;
	struct op op;
	bool fits;
} made_up[] = {
	/* disabled from 100..110, enabled from 200..210, disabled from 300..310 */
	{ "used before all", { 10, 20, 0, CLV_OK }, true },
	{ "refused before all", { 10, 20, 0, CLV_E_FAILED_PRECONDITION }, false },
	{ "used across the disable", { 90, 105, 0, CLV_OK }, true },
	{ "refused across the disable", { 105, 150, 0, CLV_E_FAILED_PRECONDITION }, true },
	{ "used after the disable", { 111, 120, 0, CLV_OK }, false },
	{ "used after the disable, just so", { 190, 199, 0, CLV_OK }, false },
	{ "refused after the disable", { 111, 120, 0, CLV_E_FAILED_PRECONDITION }, true },
	{ "used from disabled into the enable", { 150, 200, 0, CLV_OK }, true },
	{ "refused from disabled into the enable",
	  { 150, 220, 0, CLV_E_FAILED_PRECONDITION },
	  true },
	{ "used after the enable", { 211, 299, 0, CLV_OK }, true },
	{ "refused after the enable", { 211, 299, 0, CLV_E_FAILED_PRECONDITION }, false },
	{ "unavailable after the enable", { 211, 299, 0, CLV_E_UNAVAILABLE }, false },
	{ "unavailable across the disable", { 90, 105, 0, CLV_E_UNAVAILABLE }, false },
	{ "used long after the last disable", { 900, 901, 0, CLV_OK }, false },
	{ "across everything", { 1, 901, 0, CLV_E_FAILED_PRECONDITION }, true },
};

static void checker_tells_good_histories_from_bad_ones(struct home_world *w)
{
	static const struct change changes[] = { { 100, 110, false },
						 { 200, 210, true },
						 { 300, 310, false } };

	(void) w;
	for (size_t i = 0; i < CLV_ARRAY_LEN(made_up); i++) {
		if (op_fits(&made_up[i].op, changes, CLV_ARRAY_LEN(changes)) != made_up[i].fits)
			fail_msg("%s", made_up[i].what);
	}
}

/* ---- the players */

struct history {
	_Atomic unsigned users_left;
	unsigned seed;
	size_t ops_each, n_ops[N_USERS], n_changes[N_KEYS];
	struct change changes[N_KEYS][MAX_SWITCHES];
	struct op ops[]; /* ops_each for each user */
};

struct player {
	struct history *history;
	unsigned number;
};

static struct op use_once(struct home_world *w, uint8_t key, bool encrypt,
			  const struct clv_buf *ciphertext)
{
	struct op op = { .key = key, .start = clv_mono_ns() };
	struct clv_buf out = { 0 };

	op.rc = (uint8_t) (encrypt ? world_encrypt(w, keys[key], "text", &out)
				   : world_decrypt(w, keys[key], ciphertext, "text"));
	op.end = clv_mono_ns();
	clv_buf_done(&out);
	if (op.rc != CLV_OK && op.rc != CLV_E_FAILED_PRECONDITION)
		fprintf(stderr, "%s: %s\n", clv_rc_name((clv_rc) op.rc), w->err.text);
	return op;
}

static void play_user(struct home_world *w, void *arg)
{
	const struct player *player = arg;
	struct history *history = player->history;
	struct op *ops = history->ops + player->number * history->ops_each;
	unsigned seed = history->seed + player->number;
	struct clv_buf ciphertexts[N_KEYS] = { { 0 } };

	world_open(w);
	for (size_t k = 0; k < N_KEYS; k++)
		assert_ok(w, world_encrypt(w, keys[k], "text", &ciphertexts[k]));
	atomic_fetch_sub(&history->users_left, 1); /* ready */
	while (atomic_load(&history->users_left) != 0)
		usleep(1000);
	for (size_t i = 0; i < history->ops_each; i++) {
		uint8_t key = rand_r(&seed) / 64 % 4 == 0;

		ops[i] = use_once(w, key, rand_r(&seed) / 64 % 2 == 0, &ciphertexts[key]);
		history->n_ops[player->number]++;
		if (ops[i].rc != CLV_OK)
			usleep(200); /* refusals are quick: they would be all that happens */
	}
	for (size_t k = 0; k < N_KEYS; k++)
		clv_buf_done(&ciphertexts[k]);
}

static void change_once(struct home_world *w, struct history *history, size_t key)
{
	size_t n = history->n_changes[key];
	struct change change = { .enabled = n % 2 == 1 };
	struct clv_switch_report report;

	assert_true(n < MAX_SWITCHES);
	change.start = clv_mono_ns();
	if (change.enabled)
		assert_ok(w,
			  clv_version_enable(w->ctx, NULL, versions[key], NULL, &report, &w->err));
	else
		assert_ok(w,
			  clv_version_disable(w->ctx, NULL, versions[key], NULL, &report, &w->err));
	change.end = clv_mono_ns();
	history->changes[key][n] = change;
	history->n_changes[key] = n + 1;
}

/* Switches until all users have done their share. */
static void play_switcher(struct home_world *w, void *arg)
{
	struct history *history = arg;
	unsigned seed = history->seed + N_USERS;
	bool done = false;

	world_open(w);
	while (!done) {
		size_t key = rand_r(&seed) / 64 % 4 == 0;

		change_once(w, history, key);
		if (rand_r(&seed) / 64 % 4 != 0) /* sometimes at once */
			usleep((unsigned) rand_r(&seed) / 64 % 1000);
		done = true;
		for (size_t i = 0; i < N_USERS; i++)
			done = done && history->n_ops[i] == history->ops_each;
	}
}

/* ---- playing */

static struct history *history_new(size_t n_ops)
{
	size_t each = n_ops / N_USERS,
	       len = sizeof(struct history) + N_USERS * each * sizeof(struct op);
	struct history *history = mmap(NULL, len, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_true(history != MAP_FAILED);
	history->ops_each = each;
	history->users_left = N_USERS;
	history->seed = world_env("CLAVIGER_SEED", (unsigned) clv_time_now());
	return history;
}

static void assert_history(const struct history *history)
{
	size_t n = 0, refused = 0, wrong = 0;

	for (size_t i = 0; i < N_USERS * history->ops_each; i++) {
		const struct op *op = &history->ops[i];

		n += op->end != 0;
		refused += op->rc != CLV_OK;
		if (!op_fits(op, history->changes[op->key], history->n_changes[op->key])) {
			if (wrong++ < 5)
				print_message("# user %zu, operation %zu: %s from %lld to %lld\n",
					      i / history->ops_each, i % history->ops_each,
					      clv_rc_name((clv_rc) op->rc), (long long) op->start,
					      (long long) op->end);
		}
	}
	print_message("# %zu operations, %zu refused, %zu and %zu switches, %zu wrong\n", n,
		      refused, history->n_changes[0], history->n_changes[1], wrong);
	assert_int_equal(wrong, 0);
	assert_true(refused > 0 && refused < n); /* otherwise it proves nothing */
}

static void uses_fit_the_states_that_were_acknowledged(struct home_world *w)
{
	struct history *history = history_new(world_env("CLAVIGER_SOAK_OPS", N_OPS));
	struct player players[N_USERS];
	pid_t pids[N_USERS + 1];

	print_message("# seed %u\n", history->seed);
	for (unsigned i = 0; i < N_USERS; i++) {
		players[i] = (struct player){ history, i };
		pids[i] = world_fork(w, play_user, &players[i]);
	}
	while (atomic_load(&history->users_left) != 0)
		usleep(1000);
	pids[N_USERS] = world_fork(w, play_switcher, history);
	for (size_t i = 0; i <= N_USERS; i++)
		world_wait(pids[i]);
	assert_history(history);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(checker_tells_good_histories_from_bad_ones),
		home_test(uses_fit_the_states_that_were_acknowledged),
	};
	return cmocka_run_group_tests_name("history", tests, home_group_set_up,
					   home_group_tear_down);
}
