/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight threads on one context call everything at random for CLAVIGER_STRESS_SECONDS. Nothing may
 * hang, and no outcome may come that has no place there. For ThreadSanitizer as well.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <claviger/time.h>

#include "lib/base/deadline.h"
#include "tests/support/verbs.h"

#define N_THREADS 8
#define SECONDS 10
#define HANG_SECONDS 20 /* no call takes so long */
#define N_NEW 10        /* of each kind: each is made by one thread and used by all */

struct caller {
	struct home_world w; /* a copy: its own error */
	pthread_t thread;
	unsigned seed;
	struct clv_deadline end;
	_Atomic uint64_t calls;
};

/* What each verb may say when others switch and make the same things. */
static const struct {
	const char *verb, *resource; /* "%u": a number below N_NEW */
	clv_rc also;                 /* besides CLV_OK */
} plays[] = {
	{ "encrypt", WRAPPED, CLV_E_FAILED_PRECONDITION },
	{ "decrypt", WRAPPED, CLV_E_FAILED_PRECONDITION },
	{ "encrypt", WRAPPED, CLV_E_FAILED_PRECONDITION },
	{ "decrypt", WRAPPED, CLV_E_FAILED_PRECONDITION },
	{ "encrypt", TOKEN, CLV_E_FAILED_PRECONDITION },
	{ "dek_generate", WRAPPED, CLV_E_FAILED_PRECONDITION },
	{ "dek_rewrap", WRAPPED, CLV_E_FAILED_PRECONDITION },
	{ "random_bytes", LOCATION, CLV_OK },
	{ "encrypt", KEY("new%u"), CLV_E_NOT_FOUND },
	{ "version_disable", VERSION(WRAPPED), CLV_OK },
	{ "version_enable", VERSION(WRAPPED), CLV_OK },
	{ "version_disable", VERSION(TOKEN), CLV_OK },
	{ "version_enable", VERSION(TOKEN), CLV_OK },
	{ "key_create", KEY("new%u"), CLV_E_ALREADY_EXISTS },
	{ "key_get", KEY("new%u"), CLV_E_NOT_FOUND },
	{ "key_list", RING, CLV_OK },
	{ "key_ring_create", LOCATION "/keyRings/new%u", CLV_E_ALREADY_EXISTS },
	{ "key_ring_get", LOCATION "/keyRings/new%u", CLV_E_NOT_FOUND },
	{ "key_ring_list", LOCATION, CLV_OK },
	{ "version_get", VERSION(WRAPPED), CLV_OK },
	{ "version_list", TOKEN, CLV_OK },
	{ "location_create", LOCATION, CLV_E_ALREADY_EXISTS },
	{ "location_create_softhsm", PROJECT "/locations/global", CLV_E_ALREADY_EXISTS },
	{ "location_get", PROJECT "/locations/global", CLV_E_NOT_FOUND },
	{ "location_list", PROJECT, CLV_OK },
	{ "token_list", LOCATION, CLV_OK },
	{ "token_list_all", PROJECT, CLV_OK },
	{ "token_status", PROJECT "/locations/global", CLV_E_NOT_FOUND },
	{ "status_get", PROJECT, CLV_OK },
};

static void call_once(struct caller *caller)
{
	size_t i = (unsigned) rand_r(&caller->seed) / 64 % CLV_ARRAY_LEN(plays);
	const char *number = strstr(plays[i].resource, "%u");
	char resource[CLV_NAME_MAX];
	clv_rc rc;

	if (number != NULL)
		snprintf(resource, sizeof resource, "%.*s%u", (int) (number - plays[i].resource),
			 plays[i].resource, (unsigned) rand_r(&caller->seed) / 64 % N_NEW);
	else
		snprintf(resource, sizeof resource, "%s", plays[i].resource);
	rc = verb_named(plays[i].verb)->call(&caller->w, NULL, resource);
	if (rc != CLV_OK && rc != plays[i].also)
		fail_msg("%s %s: %s: %s", plays[i].verb, resource, clv_rc_name(rc),
			 caller->w.err.text);
	atomic_fetch_add(&caller->calls, 1);
}

static void *call_much(void *arg)
{
	struct caller *caller = arg;

	while (!clv_deadline_past(caller->end))
		call_once(caller);
	return NULL;
}

/* Ends the process when a thread makes no progress. */
static void watch(struct caller *callers, struct clv_deadline end)
{
	uint64_t seen[N_THREADS] = { 0 };
	int64_t since[N_THREADS];

	for (size_t i = 0; i < N_THREADS; i++)
		since[i] = clv_mono_ns();
	while (!clv_deadline_past(end)) {
		usleep(200000);
		for (size_t i = 0; i < N_THREADS; i++) {
			uint64_t calls = atomic_load(&callers[i].calls);

			if (calls != seen[i])
				since[i] = clv_mono_ns();
			seen[i] = calls;
			if (clv_mono_ns() - since[i] > HANG_SECONDS * CLV_NS_PER_S)
				fail_msg("thread %zu hangs after %llu calls", i,
					 (unsigned long long) calls);
		}
	}
}

static void threads_on_one_context_call_everything(struct home_world *w)
{
	static struct caller callers[N_THREADS];
	unsigned seconds = world_env("CLAVIGER_STRESS_SECONDS", SECONDS);
	unsigned seed = world_env("CLAVIGER_SEED", (unsigned) clv_time_now());
	struct clv_deadline end = clv_deadline_in(seconds * 1000);
	uint64_t calls = 0;

	print_message("# seed %u\n", seed);
	world_open(w);
	verb_prepare(w, WRAPPED);
	for (unsigned i = 0; i < N_THREADS; i++) {
		callers[i] = (struct caller){ .w = *w, .seed = seed + i, .end = end };
		assert_int_equal(pthread_create(&callers[i].thread, NULL, call_much, &callers[i]),
				 0);
	}
	watch(callers, end);
	alarm(2 * HANG_SECONDS); /* for the last calls */
	for (size_t i = 0; i < N_THREADS; i++) {
		pthread_join(callers[i].thread, NULL);
		calls += callers[i].calls;
	}
	print_message("# %llu calls\n", (unsigned long long) calls);
	assert_int_equal(world_count(w, "SELECT count(*) FROM intents"), 0);
	verb_done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(threads_on_one_context_call_everything),
	};
	return cmocka_run_group_tests_name("stress", tests, home_group_set_up,
					   home_group_tear_down);
}
