/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sealed catalogue on a real token: what others change in it is refused, and so is an old copy
 * of all of it, while a crash at any step of a change is not taken for one.
 */
#include "config.h"
#undef VERSION /* home_world.h has another */

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <claviger/catalogue.h>

#include "hsm/hsm.h"
#include "tests/support/home_world.h"
#include "tests/support/shim.h"

/* Changes; CLAVIGER_SEAL_HISTORY for soak. */
#ifdef CLV_SANITIZED /* an opening for each, which takes that much longer */
#define HISTORY 10
#else
#define HISTORY 40
#endif

/* ---- dying on the way */

enum step { ALIVE, BEFORE_COMMIT, BEFORE_ANCHOR, IN_ANCHOR, AFTER_ANCHOR };
static enum step dies_at;
static bool anchor_fails;

static void die_at(enum step step)
{
	if (dies_at == step)
		raise(SIGKILL);
}

#define MAC_PARAMS                                                                                 \
	struct hsm *hsm, const struct clv_grant *grant, const uint8_t id[HSM_ID_LEN],              \
		struct clv_bytes data, uint8_t ret_mac[HSM_HEAD_LEN], struct clv_err *err
clv_rc __real_hsm_seal_mac(MAC_PARAMS);
clv_rc __wrap_hsm_seal_mac(MAC_PARAMS);
clv_rc __wrap_hsm_seal_mac(MAC_PARAMS)
{
	die_at(BEFORE_COMMIT);
	return __real_hsm_seal_mac(hsm, grant, id, data, ret_mac, err);
}

#define ANCHOR_PARAMS                                                                              \
	struct hsm *hsm, const struct clv_grant *grant, const char *location,                      \
		const uint8_t ids[2][HSM_ID_LEN], const struct hsm_anchor *anchor,                 \
		struct clv_err *err
clv_rc __real_hsm_anchor_write(ANCHOR_PARAMS);
clv_rc __wrap_hsm_anchor_write(ANCHOR_PARAMS);
clv_rc __wrap_hsm_anchor_write(ANCHOR_PARAMS)
{
	clv_rc rc;

	die_at(BEFORE_ANCHOR);
	if (anchor_fails)
		return clv_fail(err, CLV_E_UNAVAILABLE, "the token went away");
	rc = __real_hsm_anchor_write(hsm, grant, location, ids, anchor, err);
	die_at(AFTER_ANCHOR);
	return rc;
}

static void die_in_anchor(void *arg)
{
	(void) arg;
	die_at(IN_ANCHOR);
}

/* The shim stands in front of the module of the home's token. */
static void use_shim(struct home_world *w)
{
	char sql[1200];

	snprintf(sql, sizeof sql,
		 "UPDATE tokens SET uri = 'pkcs11:serial=' || serial || '?module-path=%s"
		 "&pin-source=pins/europe-west2.pin&x-softhsm2-conf=softhsm/softhsm2.conf'",
		 CLV_TEST_SHIM);
	world_sql(w, sql);
}

static void hook_shim(void)
{
	void *dl = dlopen(CLV_TEST_SHIM, RTLD_NOW | RTLD_LOCAL);
	shim_ops_fn *ops = NULL;

	assert_non_null(dl);
	*(void **) &ops = dlsym(dl, "shim_ops");
	assert_non_null(ops);
	ops()->hook(SHIM_C_SetAttributeValue, die_in_anchor, NULL);
}

/* ---- copies of the catalogue */

static void copy_file(const char *from, const char *to)
{
	FILE *in = fopen(from, "re"), *out = fopen(to, "we");
	char bytes[65536];
	size_t n;

	assert_true(in != NULL && out != NULL);
	while ((n = fread(bytes, 1, sizeof bytes, in)) > 0)
		assert_int_equal(fwrite(bytes, 1, n, out), n);
	fclose(in);
	assert_int_equal(fclose(out), 0);
}

static const char *copy_path(const struct home_world *w, unsigned number)
{
	static char path[600];

	snprintf(path, sizeof path, "%s/copy-%u.db", w->dir, number);
	return path;
}

static void keep_copy(const struct home_world *w, unsigned number)
{
	char sql[700];

	snprintf(sql, sizeof sql, "VACUUM INTO '%s'", copy_path(w, number));
	world_tamper(w, sql);
}

static void put_copy(const struct home_world *w, unsigned number)
{
	unlink(world_path(w, "catalogue.db-wal"));
	unlink(world_path(w, "catalogue.db-shm"));
	copy_file(copy_path(w, number), world_path(w, "catalogue.db"));
}

/* ---- what is done with a home, each in a process of its own */

static clv_rc use(struct home_world *w, const char *key)
{
	struct clv_buf out = { 0 };
	clv_rc rc = world_encrypt(w, key, "text", &out);

	clv_buf_done(&out);
	return rc;
}

static void switch_version(struct home_world *w, bool on)
{
	struct clv_switch_report report;

	assert_ok(w, (on ? clv_version_enable : clv_version_disable)(w->ctx, NULL, VERSION(WRAPPED),
								     "test", &report, &w->err));
}

static void disable(struct home_world *w, void *arg)
{
	(void) arg;
	world_open(w);
	switch_version(w, false);
}

static void disable_one_of_two(struct home_world *w, void *arg)
{
	disable(w, arg);
	assert_ok(w, world_new_key(w, KEY("other"), CLV_RESIDENCY_WRAPPED));
}

static void verify(struct home_world *w, void *arg)
{
	struct clv_catalogue_report report;

	(void) arg;
	world_open(w);
	assert_ok(w, clv_catalogue_verify(w->ctx, NULL, &report, &w->err));
	assert_int_equal(report.n_locations, 1);
	assert_true(report.n_rows >= 8);
}

static void find_it_old(struct home_world *w, void *arg)
{
	struct clv_catalogue_report report;
	clv_rc rc;

	(void) arg;
	world_open(w);
	rc = use(w,
		 WRAPPED); /* a version that is disabled in the copy is refused without a token */
	assert_true(rc == CLV_E_DATA_LOSS || rc == CLV_E_FAILED_PRECONDITION);
	assert_refused(w, clv_catalogue_verify(w->ctx, NULL, &report, &w->err), CLV_E_DATA_LOSS,
		       "is not the newest: location europe-west2");
	assert_int_not_equal(use(w, TOKEN), CLV_OK);
}

/* ---- tampering */

struct attempt {
	const char *sql, *named;
	bool needs_token; /* to be found */
};

static void look(struct home_world *w, void *arg)
{
	const struct attempt *attempt = arg;
	struct clv_catalogue_report report;

	world_open(w);
	if (attempt->needs_token) /* it is DISABLED in what is there, which is told without one */
		assert_int_equal(use(w, WRAPPED), CLV_E_FAILED_PRECONDITION);
	else
		assert_refused(w, use(w, WRAPPED), CLV_E_DATA_LOSS, attempt->named);
	assert_refused(w, clv_catalogue_verify(w->ctx, NULL, &report, &w->err), CLV_E_DATA_LOSS,
		       attempt->named);
	if (attempt->needs_token)
		assert_refused(w, use(w, KEY("other")), CLV_E_DATA_LOSS, attempt->named);
}

static void what_others_change_is_refused_and_named(struct home_world *w)
{
	static const struct attempt attempts[] = {
		{ "UPDATE versions SET state = 1 WHERE state = 2",
		  "cryptoKeys/wrapped/cryptoKeyVersions/1 is not what was sealed", false },
		{ "UPDATE versions SET blob = (SELECT blob FROM versions v JOIN crypto_keys k ON"
		  " k.row = v.crypto_key WHERE k.id = 'other') WHERE state = 2",
		  "cryptoKeys/wrapped/cryptoKeyVersions/1 is not what was sealed", false },
		{ "UPDATE versions SET (state, row_version, state_time, state_principal,"
		  " state_reason) = (SELECT state, row_version, state_time, state_principal,"
		  " state_reason FROM old) WHERE row = (SELECT row FROM old)",
		  "cryptoKeys/wrapped/cryptoKeyVersions/1 is not what was sealed", false },
		{ "PRAGMA foreign_keys = OFF; DROP TRIGGER versions_stay;"
		  " DELETE FROM versions WHERE state = 2",
		  "of versions is gone", false },
		{ "UPDATE key_rings SET kek_blob = zeroblob(40)", "keyRings/r", false },
		{ "UPDATE heads SET epoch = epoch + 1", "not made by its token", true },
		{ "DELETE FROM heads; DELETE FROM leaves; DELETE FROM nodes", "not the newest",
		  true },
		{ "UPDATE nodes SET children = zeroblob(512)", "is not part of what was sealed",
		  false },
	};

	world_sql(w, "CREATE TABLE old AS SELECT v.* FROM versions v JOIN crypto_keys k ON"
		     " k.row = v.crypto_key WHERE k.id = 'wrapped'");
	world_in_child(w, disable_one_of_two, NULL);
	keep_copy(w, 0);
	for (size_t i = 0; i < CLV_ARRAY_LEN(attempts); i++) {
		print_message("# %s\n", attempts[i].sql);
		put_copy(w, 0);
		world_tamper(w, attempts[i].sql);
		world_in_child(w, look, (void *) (uintptr_t) &attempts[i]);
	}
	put_copy(w, 0);
	world_in_child(w, verify, NULL);
}

/* The tampering comes while a process has the token and the version in use. */
static void running_process_finds_it_too(struct home_world *w)
{
	struct clv_switch_report report;

	world_open(w);
	assert_ok(w, use(w, WRAPPED));
	world_tamper(w, "UPDATE versions SET state_reason = 'x' WHERE residency = 1");
	/* What was read before is remembered until something changes. */
	assert_ok(w, clv_version_disable(w->ctx, NULL, VERSION(TOKEN), NULL, &report, &w->err));
	assert_refused(w, use(w, WRAPPED), CLV_E_DATA_LOSS, "cryptoKeys/wrapped");
	assert_refused(w,
		       clv_version_disable(w->ctx, NULL, VERSION(WRAPPED), NULL, &report, &w->err),
		       CLV_E_DATA_LOSS, "cryptoKeys/wrapped");
}

/* ---- an old copy of all of it */

static void make_history(struct home_world *w, void *arg)
{
	const unsigned n = *(const unsigned *) arg;

	world_open(w);
	for (unsigned i = 0; i < n; i++) {
		keep_copy(w, i);
		switch_version(w, i % 2 != 0);
	}
	keep_copy(w, n);
}

static void every_older_copy_is_refused(struct home_world *w)
{
	unsigned n = world_env("CLAVIGER_SEAL_HISTORY", HISTORY);

	world_in_child(w, make_history, &n);
	for (unsigned i = 0; i < n; i++) {
		put_copy(w, i);
		world_in_child(w, find_it_old, NULL);
	}
	put_copy(w, n);
	world_in_child(w, verify, NULL);
}

/* ---- crashes */

static const struct crash {
	const char *name;
	enum step step;
	bool committed;
	unsigned recovered; /* entries that the next opening writes */
} crashes[] = {
	{ "before the commit", BEFORE_COMMIT, false, 0 },
	{ "between commit and anchor", BEFORE_ANCHOR, true, 1 },
	{ "while the anchor is written", IN_ANCHOR, true, 1 },
	{ "between anchor and answer", AFTER_ANCHOR, true, 0 },
};

static void die_disabling(struct home_world *w, void *arg)
{
	const struct crash *crash = arg;
	struct clv_switch_report report;

	hook_shim();
	world_open(w);
	assert_ok(w, use(w, WRAPPED)); /* the token is open, and what a crash left is put right */
	dies_at = crash->step;
	assert_ok(w, clv_version_disable(w->ctx, NULL, VERSION(WRAPPED), NULL, &report, &w->err));
}

static unsigned recovered(const struct home_world *w)
{
	char *log = world_log(w);
	const char *const words[] = { "recovered: the anchor follows" };
	unsigned n = (unsigned) log_lines(log, words, 1);

	free(log);
	return n;
}

static void enable(struct home_world *w, void *arg)
{
	(void) arg;
	world_open(w);
	switch_version(w, true);
	assert_ok(w, use(w, WRAPPED));
}

static void crash_at_any_step_is_told_from_a_rollback(struct home_world *w)
{
	use_shim(w);
	for (unsigned i = 0; i < CLV_ARRAY_LEN(crashes); i++) {
		unsigned before = recovered(w);
		int status = 0;
		pid_t child;

		print_message("# %s\n", crashes[i].name);
		keep_copy(w, 2 * i);
		child = world_fork(w, die_disabling, (void *) (uintptr_t) &crashes[i]);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		world_in_child(w, verify, NULL);
		assert_int_equal(recovered(w), before + crashes[i].recovered);
		assert_int_equal(world_count(w, "SELECT count(*) FROM versions WHERE state = 2"),
				 crashes[i].committed);
		if (crashes[i].committed) { /* and the state before it is not taken any more */
			keep_copy(w, 2 * i + 1);
			put_copy(w, 2 * i);
			world_in_child(w, find_it_old, NULL);
			put_copy(w, 2 * i + 1);
		}
		world_in_child(w, enable, NULL);
	}
}

/* The change stands, and whoever made it hears that it is not anchored; the next one anchors it. */
static void anchor_that_fails_is_told_and_follows(struct home_world *w)
{
	struct clv_switch_report report;
	unsigned n;

	world_open(w);
	assert_ok(w, use(w, WRAPPED));
	anchor_fails = true;
	assert_refused(w,
		       clv_version_disable(w->ctx, NULL, VERSION(WRAPPED), NULL, &report, &w->err),
		       CLV_E_UNAVAILABLE, "the change was made");
	assert_int_equal(use(w, WRAPPED), CLV_E_FAILED_PRECONDITION);
	anchor_fails = false;
	switch_version(w, true);
	assert_ok(w, use(w, WRAPPED));
	n = recovered(w);
	world_close(w);
	world_open(w);
	assert_ok(w, use(w, WRAPPED));
	assert_int_equal(recovered(w), n);
}

/* ---- without a token */

static void what_is_lowered_without_a_token_is_sealed_when_it_is_back(struct home_world *w)
{
	static const char pending[] = "SELECT count(*) FROM unsealed";
	struct clv_status status;
	struct clv_key key;
	struct clv_key_changes changes = { .fields = CLV_KEY_LABELS, .labels = "a=b" };

	world_tokens_away(w);
	world_open(w);
	switch_version(w, false);
	assert_int_equal(use(w, WRAPPED), CLV_E_FAILED_PRECONDITION);
	assert_int_equal(world_count(w, pending), 1);
	assert_int_equal(clv_key_update(w->ctx, NULL, WRAPPED, &changes, &key, &w->err),
			 CLV_E_UNAVAILABLE);
	assert_ok(w, clv_status_get(w->ctx, NULL, &status, &w->err));
	assert_int_equal(status.locations[0].n_seal_pending, 1);
	clv_status_done(&status);
	world_tokens_back(w);
	sleep(1); /* for as long as a failed opening is remembered, at least */
	assert_ok(w, clv_status_get(w->ctx, NULL, &status, &w->err));
	assert_int_equal(status.locations[0].n_seal_pending, 0);
	assert_true(status.locations[0].seal_epoch > 0);
	clv_status_done(&status);
	assert_int_equal(world_count(w, pending), 0);
	switch_version(w, true);
	assert_ok(w, use(w, WRAPPED));
}

/* ---- homes from before there were seals, and restored ones */

static void home_without_a_seal_is_sealed_when_its_token_is_opened(struct home_world *w)
{
	assert_int_equal(world_count(w, "SELECT count(*) FROM heads"), 1);
	assert_int_equal(world_count(w, "SELECT count(*) FROM leaves WHERE kind = 6"),
			 world_count(w, "SELECT count(*) FROM versions"));
	world_in_child(w, verify, NULL);
}

static void restore(struct home_world *w, void *arg)
{
	struct clv_restoration found;

	(void) arg;
	world_open(w);
	assert_ok(w, clv_catalogue_restore(w->ctx, NULL, LOCATION, NULL, false, &found, &w->err));
	assert_true(found.epoch > 0 && found.epoch < found.newest);
	assert_refused(w, use(w, WRAPPED), CLV_E_DATA_LOSS, "not the newest");
	assert_ok(w, clv_catalogue_restore(w->ctx, NULL, LOCATION, "the disk died", true, &found,
					   &w->err));
	assert_int_equal(found.n_disabled, 2);
}

static void look_at_restored(struct home_world *w, void *arg)
{
	struct clv_restoration found;

	(void) arg;
	world_open(w);
	assert_int_equal(use(w, WRAPPED), CLV_E_FAILED_PRECONDITION);
	assert_int_equal(use(w, TOKEN), CLV_E_FAILED_PRECONDITION);
	world_close(w);
	world_open(w);
	assert_refused(w,
		       clv_catalogue_restore(w->ctx, NULL, LOCATION, NULL, true, &found, &w->err),
		       CLV_E_FAILED_PRECONDITION, "there is nothing to restore");
	switch_version(w, true);
	assert_ok(w, use(w, WRAPPED));
}

static void restored_copy_comes_back_with_everything_disabled(struct home_world *w)
{
	keep_copy(w, 0);
	world_in_child(w, disable, NULL);
	keep_copy(w, 1);
	put_copy(w, 0);
	world_in_child(w, find_it_old, NULL);
	world_in_child(w, restore, NULL);
	world_in_child(w, verify, NULL);
	world_in_child(w, look_at_restored, NULL);
	put_copy(w, 1); /* the newest of the other line is old as well now */
	world_in_child(w, find_it_old, NULL);
	assert_int_equal(
		world_log_count(w, "claviger.catalogue.restore", "the disk died", "\"OK\""), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(what_others_change_is_refused_and_named),
		home_test(running_process_finds_it_too),
		home_test(every_older_copy_is_refused),
		home_test(crash_at_any_step_is_told_from_a_rollback),
		home_test(anchor_that_fails_is_told_and_follows),
		home_test(what_is_lowered_without_a_token_is_sealed_when_it_is_back),
		home_test(home_without_a_seal_is_sealed_when_its_token_is_opened),
		home_test(restored_copy_comes_back_with_everything_disabled),
	};

	return cmocka_run_group_tests_name("seal", tests, home_group_set_up, home_group_tear_down);
}
