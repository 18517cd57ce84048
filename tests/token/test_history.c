/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is disable linearizable? Processes with threads use two keys, another one switches them off (by
 * disable or by the order to destroy) and on at random; who did what from when to when goes into
 * shared memory and is held against the rule afterwards. The seed is printed; CLAVIGER_SEED and
 * CLAVIGER_SOAK_OPS set it and the number of operations.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <claviger/time.h>

#include "lib/api/inflight.h"
#include "lib/base/deadline.h"
#include "tests/support/home_world.h"

#define N_PROCESSES 3
#define N_THREADS 2
#define N_USERS (N_PROCESSES * N_THREADS)
#define N_KEYS 2
#define N_OPS 20000
#define N_OPS_BROKEN 12000
#define PAUSE_US 1000 /* at most, after a use; switching takes some 30 of them */
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

/* ---- a library that is broken on purpose */

static bool broken; /* what was read of a version is trusted for good */

bool __real_inflight_unchanged(const struct inflight *inflight, uint64_t generation);
bool __wrap_inflight_unchanged(const struct inflight *inflight, uint64_t generation);

bool __wrap_inflight_unchanged(const struct inflight *inflight, uint64_t generation)
{
	return broken || __real_inflight_unchanged(inflight, generation);
}

/* ---- the players */

struct history {
	_Atomic unsigned left; /* players that are not ready yet */
	unsigned seed;
	size_t ops_each, n_changes[N_KEYS], n_destroys;
	_Atomic size_t n_ops[N_USERS];
	bool scheduled[N_KEYS];
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
	if (op.rc != CLV_OK && op.rc != CLV_E_FAILED_PRECONDITION && !broken)
		fprintf(stderr, "%s: %s\n", clv_rc_name((clv_rc) op.rc), w->err.text);
	return op;
}

static void wait_for_all(struct history *history)
{
	atomic_fetch_sub(&history->left, 1);
	while (atomic_load(&history->left) != 0)
		usleep(1000);
}

static void play_thread(struct home_world *w, const struct player *player)
{
	struct history *history = player->history;
	struct op *ops = history->ops + player->number * history->ops_each;
	unsigned seed = history->seed + player->number;
	struct clv_buf ciphertexts[N_KEYS] = { { 0 } };

	for (size_t k = 0; k < N_KEYS; k++)
		assert_ok(w, world_encrypt(w, keys[k], "text", &ciphertexts[k]));
	wait_for_all(history);
	for (size_t i = 0; i < history->ops_each; i++) {
		uint8_t key = rand_r(&seed) / 64 % 4 == 0;

		ops[i] = use_once(w, key, rand_r(&seed) / 64 % 2 == 0, &ciphertexts[key]);
		atomic_fetch_add(&history->n_ops[player->number], 1);
		usleep((unsigned) rand_r(&seed) / 64 % PAUSE_US);
	}
	for (size_t k = 0; k < N_KEYS; k++)
		clv_buf_done(&ciphertexts[k]);
}

struct thread {
	pthread_t id;
	struct home_world world; /* the context is shared, the error is its own */
	struct player player;
};

static void *run_thread(void *arg)
{
	struct thread *thread = arg;

	play_thread(&thread->world, &thread->player);
	return NULL;
}

static void play_user(struct home_world *w, void *arg)
{
	const struct player *first = arg;
	struct thread threads[N_THREADS];

	world_open(w);
	for (unsigned i = 0; i < N_THREADS; i++) {
		threads[i] = (struct thread){ .world = *w,
					      .player = { first->history, first->number + i } };
		assert_int_equal(pthread_create(&threads[i].id, NULL, run_thread, &threads[i]), 0);
	}
	for (unsigned i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_join(threads[i].id, NULL), 0);
}

/* Off by one verb or the other. What is to be destroyed is not on again when it is restored. */
static clv_rc switch_off(struct home_world *w, const char *version, bool destroy)
{
	struct clv_switch_report report;

	return destroy ? clv_version_destroy(w->ctx, NULL, version, NULL, &report, &w->err)
		       : clv_version_disable(w->ctx, NULL, version, NULL, &report, &w->err);
}

static void change_once(struct home_world *w, struct history *history, size_t key, bool destroy)
{
	size_t n = history->n_changes[key];
	struct change change = { .enabled = n % 2 == 1 };
	struct clv_switch_report report;

	assert_true(n < MAX_SWITCHES);
	if (change.enabled && history->scheduled[key])
		assert_ok(w,
			  clv_version_restore(w->ctx, NULL, versions[key], NULL, &report, &w->err));
	change.start = clv_mono_ns();
	if (change.enabled)
		assert_ok(w,
			  clv_version_enable(w->ctx, NULL, versions[key], NULL, &report, &w->err));
	else
		assert_ok(w, switch_off(w, versions[key], destroy));
	change.end = clv_mono_ns();
	history->changes[key][n] = change;
	history->n_changes[key] = n + 1;
	history->scheduled[key] = !change.enabled && destroy;
	history->n_destroys += history->scheduled[key];
}

/* Switches until all users have done their share. */
static void play_switcher(struct home_world *w, void *arg)
{
	struct history *history = arg;
	unsigned seed = history->seed + N_USERS;
	bool done = false;

	world_open(w);
	wait_for_all(history);
	while (!done) {
		size_t key = rand_r(&seed) / 64 % 4 == 0;

		change_once(w, history, key, rand_r(&seed) / 64 % 3 == 0);
		if (rand_r(&seed) / 64 % 4 != 0) /* sometimes at once */
			usleep((unsigned) rand_r(&seed) / 64 % 1000);
		done = true;
		for (size_t i = 0; i < N_USERS; i++)
			done = done && atomic_load(&history->n_ops[i]) == history->ops_each;
	}
}

/* ---- playing */

static struct history *history_new(size_t n_ops)
{
	size_t each = (n_ops + N_USERS - 1) / N_USERS,
	       len = sizeof(struct history) + N_USERS * each * sizeof(struct op);
	struct history *history = mmap(NULL, len, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_true(history != MAP_FAILED);
	history->ops_each = each;
	history->left = N_USERS + 1;
	history->seed = world_env("CLAVIGER_SEED", (unsigned) clv_time_now());
	return history;
}

static bool fits_history(const struct op *op, const struct history *history)
{
	return op_fits(op, history->changes[op->key], history->n_changes[op->key]);
}

/* How many operations do not fit; the first few are told. */
static size_t count_wrong(const struct history *history)
{
	size_t wrong = 0;

	for (size_t i = 0; i < N_USERS * history->ops_each; i++) {
		const struct op *op = &history->ops[i];

		if (!fits_history(op, history) && wrong++ < 5)
			print_message("# user %zu, operation %zu: %s from %lld to %lld\n",
				      i / history->ops_each, i % history->ops_each,
				      clv_rc_name((clv_rc) op->rc), (long long) op->start,
				      (long long) op->end);
	}
	return wrong;
}

/*
 * How many operations of this history would not fit if they had gone the other way: had the
 * checker nothing to say then, it would prove nothing. *ret_refused: how many were refused.
 */
static size_t count_told_apart(const struct history *history, size_t *ret_refused)
{
	size_t told_apart = 0, refused = 0;

	for (size_t i = 0; i < N_USERS * history->ops_each; i++) {
		struct op op = history->ops[i];
		bool was_refused = op.rc != CLV_OK;

		op.rc = was_refused ? CLV_OK : CLV_E_FAILED_PRECONDITION;
		told_apart += was_refused && !fits_history(&op, history);
		refused += was_refused;
	}
	*ret_refused = refused;
	return told_apart;
}

static void assert_history(const struct history *history)
{
	size_t n = N_USERS * history->ops_each, wrong = count_wrong(history), refused;
	size_t told_apart = count_told_apart(history, &refused);

	print_message(
		"# %zu operations, %zu refused, %zu of them by no doubt, %zu and %zu switches,"
		" %zu of them orders to destroy, %zu wrong\n",
		n, refused, told_apart, history->n_changes[0], history->n_changes[1],
		history->n_destroys, wrong);
	assert_int_equal(wrong, 0);
	assert_true(refused < n && told_apart > n / 100 && history->n_destroys > 0);
}

static struct history *play(struct home_world *w, size_t n_ops)
{
	struct history *history = history_new(n_ops);
	struct player players[N_PROCESSES];
	pid_t pids[N_PROCESSES + 1];

	print_message("# seed %u\n", history->seed);
	for (unsigned i = 0; i < N_PROCESSES; i++) {
		players[i] = (struct player){ history, i * N_THREADS };
		pids[i] = world_fork(w, play_user, &players[i]);
	}
	pids[N_PROCESSES] = world_fork(w, play_switcher, history);
	for (size_t i = 0; i <= N_PROCESSES; i++)
		world_wait(pids[i]);
	return history;
}

static void uses_fit_the_states_that_were_acknowledged(struct home_world *w)
{
	assert_history(play(w, world_env("CLAVIGER_SOAK_OPS", N_OPS)));
}

/* The same with a library that does what must not be done. */
static void use_after_an_acknowledged_disable_is_found(struct home_world *w)
{
	broken = true;
	assert_true(count_wrong(play(w, N_OPS_BROKEN)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(checker_tells_good_histories_from_bad_ones),
		home_test(use_after_an_acknowledged_disable_is_found),
		home_test(uses_fit_the_states_that_were_acknowledged),
	};
	return cmocka_run_group_tests_name("history", tests, home_group_set_up,
					   home_group_tear_down);
}
