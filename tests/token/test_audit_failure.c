/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log cannot grow. A limit on the size of files stands for the full disk, since it stops
 * root as well; the log is made larger than all other files of the home, so that it stops only the
 * log.
 */
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/verbs.h"

#define LOG_SIZE (4 << 20) /* bytes; the catalogue and its log stay far below */
#define DONE "the operation was done, but its audit entry cannot be written"
#define MADE "the change was made, but its audit entry cannot be written"

static struct rlimit unlimited;

/* One long line that is JSON. */
static void make_log_large(const struct home_world *w)
{
	FILE *log = fopen(world_path(w, "audit/audit.jsonl"), "ae");

	assert_non_null(log);
	fprintf(log, "{\"fill\":\"%0*d\"}\n", LOG_SIZE, 0);
	assert_int_equal(fclose(log), 0);
}

/* From now on the log takes `room` bytes more. */
static void limit_log(const struct home_world *w, size_t room)
{
	struct rlimit limit;
	struct stat st;

	assert_int_equal(stat(world_path(w, "audit/audit.jsonl"), &st), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
	limit = unlimited;
	limit.rlim_cur = (rlim_t) st.st_size + room;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void lift_limit(void)
{
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
}

/* Opens the home and the token, and makes the log as large as it may be. */
static void fill(struct home_world *w, size_t room)
{
	make_log_large(w);
	world_open(w);
	verb_prepare(w, WRAPPED);
	assert_ok(w, verb_named("encrypt")->call(w, NULL, TOKEN));
	limit_log(w, room);
}

static clv_rc call(struct home_world *w, const char *verb, const char *resource)
{
	return verb_named(verb)->call(w, NULL, resource);
}

/* Every line of the log is JSON again. */
static void assert_log_readable(const struct home_world *w)
{
	char *log = world_log(w), *next;

	assert_int_equal(log[strlen(log) - 1], '\n');
	for (char *line = log; *line != '\0'; line = next + 1) {
		json_t *entry;

		next = strchr(line, '\n');
		*next = '\0';
		entry = json_loads(line, 0, NULL);
		if (entry == NULL)
			fail_msg("not JSON: %.200s", line);
		json_decref(entry);
	}
	free(log);
}

static const size_t rooms[] = { 0, 1, 25 }; /* none, or that of a torn line */

static void use_hands_out_nothing_and_works_again_without_reopening(struct home_world *w)
{
	static const char *const resources[] = { WRAPPED, TOKEN };

	fill(w, 0);
	lift_limit();
	for (size_t i = 0; i < CLV_ARRAY_LEN(rooms); i++) {
		limit_log(w, rooms[i]);
		for (size_t k = 0; k < CLV_ARRAY_LEN(resources); k++)
			assert_refused(w, call(w, "encrypt", resources[k]),
				       CLV_E_RESOURCE_EXHAUSTED, DONE);
		assert_refused(w, call(w, "decrypt", WRAPPED), CLV_E_RESOURCE_EXHAUSTED, DONE);
		lift_limit();
		assert_ok(w, call(w, "encrypt", WRAPPED));
		assert_ok(w, call(w, "decrypt", WRAPPED));
		assert_log_readable(w);
	}
	verb_done();
}

static void looking_fails_without_an_entry_too(struct home_world *w)
{
	static const char *const looks[] = { "key_ring_get",   "key_ring_list", "key_get",
					     "key_list",       "version_get",   "version_list",
					     "location_get",   "location_list", "token_list",
					     "token_list_all", "token_status",  "status_get" };

	fill(w, 0);
	for (size_t i = 0; i < CLV_ARRAY_LEN(looks); i++) {
		const struct verb *verb = verb_named(looks[i]);

		assert_refused(w, verb->call(w, NULL, verb->existing), CLV_E_RESOURCE_EXHAUSTED,
			       DONE);
	}
	lift_limit();
	verb_done();
}

/* A change that went through could not be taken back: so none begins that may end without entry. */
static void change_without_room_for_its_entry_is_not_made(struct home_world *w)
{
	static const struct {
		const char *verb, *resource;
		const char *made; /* SQL that gives 1 when it was */
	} changes[] = {
		{ "key_ring_create", LOCATION "/keyRings/new",
		  "SELECT count(*) FROM key_rings WHERE id = 'new'" },
		{ "key_create", KEY("new"), "SELECT count(*) FROM crypto_keys WHERE id = 'new'" },
		{ "version_create", TOKEN, "SELECT count(*) FROM versions WHERE number = 2" },
		{ "version_enable", VERSION(WRAPPED),
		  "SELECT count(*) = 0 FROM versions WHERE state = 2" },
		{ "location_create_softhsm", PROJECT "/locations/global",
		  "SELECT count(*) FROM locations WHERE id = 'global'" },
	};

	fill(w, 0);
	lift_limit();
	assert_ok(w, call(w, "version_disable", VERSION(WRAPPED)));
	limit_log(w, 100);
	for (size_t i = 0; i < CLV_ARRAY_LEN(changes); i++) {
		assert_int_equal(world_count(w, changes[i].made), 0);
		assert_refused(w, call(w, changes[i].verb, changes[i].resource),
			       CLV_E_RESOURCE_EXHAUSTED, "make room");
		assert_int_equal(world_count(w, changes[i].made), 0);
	}
	assert_int_equal(world_count(w, "SELECT count(*) FROM intents"), 0);
	lift_limit();
	for (size_t i = 0; i < CLV_ARRAY_LEN(changes); i++) {
		assert_ok(w, call(w, changes[i].verb, changes[i].resource));
		assert_int_equal(world_count(w, changes[i].made), 1);
	}
	assert_log_readable(w);
	verb_done();
}

/* The switch works when all else is down: whoever asks is refused, though nobody could note why. */
static void disable_without_an_entry_disables_all_the_same(struct home_world *w)
{
	static const char *const keys[] = { WRAPPED, TOKEN };

	fill(w, 0);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		char version[CLV_NAME_MAX];

		snprintf(version, sizeof version, "%s/cryptoKeyVersions/1", keys[k]);
		assert_refused(w, call(w, "version_disable", version), CLV_E_RESOURCE_EXHAUSTED,
			       MADE);
		assert_int_equal(call(w, "encrypt", keys[k]), CLV_E_FAILED_PRECONDITION);
	}
	lift_limit();
	assert_int_equal(call(w, "encrypt", WRAPPED), CLV_E_FAILED_PRECONDITION);
	verb_done();
}

static void failure_keeps_its_own_code(struct home_world *w)
{
	const struct clv_caller eve = { .principal = "user:eve" };

	fill(w, 0);
	assert_refused(w, call(w, "key_get", KEY("none")), CLV_E_NOT_FOUND, "none");
	assert_refused(w, call(w, "version_disable", VERSION(KEY("none"))), CLV_E_NOT_FOUND,
		       "none");
	assert_refused(w, verb_named("encrypt")->call(w, &eve, WRAPPED), CLV_E_PERMISSION_DENIED,
		       "denied");
	lift_limit();
	verb_done();
}

/* Something other than no space: the log has become a folder's name, say. */
static void log_that_cannot_be_opened_is_unavailable(struct home_world *w)
{
	struct clv_ctx_options options = { .home = w->home, .allow_unlocked_memory = true };

	assert_int_equal(unlink(world_path(w, "audit/audit.jsonl")), 0);
	assert_int_equal(mkdir(world_path(w, "audit/audit.jsonl"), 0700), 0);
	assert_refused(w, clv_ctx_open(&options, &w->ctx, &w->err), CLV_E_UNAVAILABLE, "audit log");
	assert_null(w->ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(use_hands_out_nothing_and_works_again_without_reopening),
		home_test(looking_fails_without_an_entry_too),
		home_test(change_without_room_for_its_entry_is_not_made),
		home_test(disable_without_an_entry_disables_all_the_same),
		home_test(failure_keeps_its_own_code),
		home_test(log_that_cannot_be_opened_is_unavailable),
	};
	return cmocka_run_group_tests_name("audit failure", tests, home_group_set_up,
					   home_group_tear_down);
}
