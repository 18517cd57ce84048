/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token is taken away: its module is not there, its folder is not, or it is pulled while a
 * process has it open. Versions of either residency are switched off and scheduled all the same,
 * and what the token has to follow, it follows when it is back.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "tests/support/home_world.h"
#include "tests/support/shim.h"

#define TEXT "Dear customer"

static const char *const keys[] = { WRAPPED, TOKEN };

static const struct shim_ops *shim;

/* ---- ways to be away */

static void use_module(const struct home_world *w, const char *path)
{
	char sql[1200];

	snprintf(sql, sizeof sql,
		 "UPDATE tokens SET uri = 'pkcs11:serial=' || serial || '?module-path=%s"
		 "&pin-source=pins/europe-west2.pin&x-softhsm2-conf=softhsm/softhsm2.conf'",
		 path);
	world_sql(w, sql);
}

/* The token's address stays: it is sealed. */
static void no_module(const struct home_world *w)
{
	assert_int_equal(unlink(world_path(w, "module.so")), 0);
}

static void module_again(const struct home_world *w)
{
	assert_int_equal(symlink(CLV_TEST_SHIM, world_path(w, "module.so")), 0);
}

static void pull_token(const struct home_world *w)
{
	(void) w;
	shim->gone(CKR_TOKEN_NOT_PRESENT, false);
}

static void pull_device(const struct home_world *w)
{
	(void) w;
	shim->gone(CKR_DEVICE_REMOVED, true);
}

static void put_back(const struct home_world *w)
{
	(void) w;
	shim->back();
}

static const struct way {
	const char *name;
	bool open_before; /* the process has the token open when it goes */
	void (*away)(const struct home_world *w);
	void (*back)(const struct home_world *w);
} ways[] = {
	{ "the module is missing", false, no_module, module_again },
	{ "the token's folder is missing", false, world_tokens_away, world_tokens_back },
	{ "the token is not present", true, pull_token, put_back },
	{ "the device was removed", true, pull_device, put_back },
};

/* ---- what is done meanwhile */

static clv_rc use(struct home_world *w, const char *key)
{
	struct clv_buf out = { 0 };
	clv_rc rc = world_encrypt(w, key, TEXT, &out);

	clv_buf_done(&out);
	return rc;
}

static const char *version_of(const char *key)
{
	static char name[CLV_NAME_MAX];

	snprintf(name, sizeof name, "%s/cryptoKeyVersions/1", key);
	return name;
}

typedef clv_rc switch_fn(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			 const char *reason, struct clv_switch_report *ret_report,
			 struct clv_err *err);

static void switch_off(struct home_world *w, const char *key, switch_fn *off, enum clv_state state)
{
	struct clv_switch_report report;
	bool resident = strcmp(key, TOKEN) == 0;

	assert_ok(w, off(w->ctx, NULL, version_of(key), "the token is away", &report, &w->err));
	assert_true(report.changed);
	assert_int_equal(report.version.state, state);
	assert_int_equal(report.token_pending, resident);
	assert_int_equal(report.token_pending_why[0] != '\0', resident);
	assert_refused(w, use(w, key), CLV_E_FAILED_PRECONDITION, "is not enabled");
}

/* Flags of the TOKEN version, as the token itself has them. */
static bool token_flags(const struct home_world *w)
{
	struct raw_object objects[32];
	size_t n = world_objects(w, objects, CLV_ARRAY_LEN(objects));

	for (size_t i = 0; i < n; i++) {
		if (strcmp(objects[i].label, TOKEN) == 0)
			return objects[i].encrypt;
	}
	fail_msg("the token has no such object");
	return false;
}

static uint64_t pending(struct home_world *w)
{
	struct clv_status status;
	uint64_t n;

	assert_ok(w, clv_status_get(w->ctx, NULL, &status, &w->err));
	n = status.locations[0].n_token_pending;
	clv_status_done(&status);
	return n;
}

/* Whoever next opens the token makes its flags follow. */
static void assert_flags_follow(struct home_world *w)
{
	assert_int_equal(pending(w), 0);
	assert_false(token_flags(w));
}

/* As somebody later would: the breaker and the memory of a failed opening are this process's. */
static void open_anew(struct home_world *w)
{
	world_close(w);
	world_open(w);
}

static void take_away(struct home_world *w, const struct way *way)
{
	print_message("# %s\n", way->name);
	world_open(w);
	if (way->open_before) {
		for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++)
			assert_ok(w, use(w, keys[k]));
	}
	way->away(w);
}

static void walk(struct home_world *w, const struct way *way, switch_fn *off, enum clv_state state)
{
	struct clv_switch_report report;

	take_away(w, way);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++)
		switch_off(w, keys[k], off, state);
	assert_int_equal(pending(w), 1);
	way->back(w);
	open_anew(w);
	assert_flags_follow(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		const char *name = version_of(keys[k]);

		assert_int_equal(use(w, keys[k]), CLV_E_FAILED_PRECONDITION);
		if (state == CLV_STATE_DESTROY_SCHEDULED)
			assert_ok(w,
				  clv_version_restore(w->ctx, NULL, name, NULL, &report, &w->err));
		assert_ok(w, clv_version_enable(w->ctx, NULL, name, NULL, &report, &w->err));
		assert_ok(w, use(w, keys[k]));
	}
}

struct errand {
	const struct way *way;
	switch_fn *off;
	enum clv_state state;
};

/* A process for each: a module is loaded once. */
static void run_errand(struct home_world *w, void *arg)
{
	const struct errand *errand = arg;
	shim_ops_fn *ops = NULL;
	void *dl = dlopen(CLV_TEST_SHIM, RTLD_NOW | RTLD_LOCAL);

	assert_non_null(dl);
	*(void **) &ops = dlsym(dl, "shim_ops");
	assert_non_null(ops);
	shim = ops();
	walk(w, errand->way, errand->off, errand->state);
}

static void disable_needs_no_token_however_it_is_away(struct home_world *w)
{
	module_again(w);
	use_module(w, world_path(w, "module.so"));
	for (size_t i = 0; i < CLV_ARRAY_LEN(ways); i++)
		world_in_child(
			w, run_errand,
			&(struct errand){ &ways[i], clv_version_disable, CLV_STATE_DISABLED });
}

static void order_to_destroy_needs_no_token_however_it_is_away(struct home_world *w)
{
	module_again(w);
	use_module(w, world_path(w, "module.so"));
	for (size_t i = 0; i < CLV_ARRAY_LEN(ways); i++)
		world_in_child(w, run_errand,
			       &(struct errand){ &ways[i], clv_version_destroy,
						 CLV_STATE_DESTROY_SCHEDULED });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(disable_needs_no_token_however_it_is_away),
		home_test(order_to_destroy_needs_no_token_however_it_is_away),
	};
	return cmocka_run_group_tests_name("token away", tests, home_group_set_up,
					   home_group_tear_down);
}
