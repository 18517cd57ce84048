/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk is full, really: each test moves its home to a small file system of its own, in a mount
 * namespace that ends with its process. Where that may not be had, all of this is skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#undef VERSION /* of the package; home_world.h has another */
#include "lib/api/api.h"
#include "tests/support/verbs.h"

#define RESERVE (4 << 20)
#ifdef CLV_SANITIZED /* opening a home takes that much longer */
#define N_VERSIONS 30
#else
#define N_VERSIONS 300
#endif
#define REASON "a reason of some length, so that the row of the version has to grow, and then some"

/* ---- a small disk */

/*
 * A mount namespace of our own; false: not here. A user namespace would do without privileges, but
 * in it the module belongs to nobody, and is not loaded.
 */
static bool enter_namespace(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool mount_disk(const char *path)
{
	return mount("clv", path, "tmpfs", MS_NOSUID | MS_NODEV, "size=24m,mode=700") == 0;
}

/* Tried in a child, so that this process stays where it is. */
static bool can_mount(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(enter_namespace() && mount_disk("/tmp") ? 0 : 1);
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* Moves the home to the small disk. The paths in it are relative, or written anew. */
static void move_to_disk(struct home_world *w)
{
	char disk[300], command[800];

	snprintf(disk, sizeof disk, "%s/disk", w->dir);
	assert_int_equal(mkdir(disk, 0700), 0);
	assert_true(enter_namespace());
	assert_true(mount_disk(disk));
	snprintf(command, sizeof command, "cp -a '%s' '%s'", w->home, disk);
	assert_int_equal(system(command), 0);
	snprintf(w->home, sizeof w->home, "%.250s/disk/home", w->dir);
}

static const char *filler(const struct home_world *w)
{
	return world_path(w, "../filler");
}

/* Down to the last byte. */
static void fill_disk(const struct home_world *w)
{
	static const char block[4096];
	int fd = open(filler(w), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	for (size_t len = sizeof block; len > 0; len /= 2) {
		while (write(fd, block, len) > 0)
			;
		assert_int_equal(errno, ENOSPC);
	}
	close(fd);
}

static void make_room(const struct home_world *w)
{
	assert_int_equal(unlink(filler(w)), 0);
}

/* ---- what is done */

static clv_rc call(struct home_world *w, const char *verb, const char *resource)
{
	return verb_named(verb)->call(w, NULL, resource);
}

static const char *version_of(const char *key, unsigned number)
{
	static char name[CLV_NAME_MAX];

	snprintf(name, sizeof name, "%s/cryptoKeyVersions/%u", key, number);
	return name;
}

/* Versions 1 to n of the wrapped key; primary is 1. */
static void make_versions(struct home_world *w, unsigned n)
{
	struct clv_version version;

	world_open(w);
	while (n-- > 1)
		assert_ok(w, clv_version_create(w->ctx, NULL, WRAPPED, &version, &w->err));
	world_close(w);
}

static void lower(struct home_world *w, unsigned number)
{
	const char *name = version_of(WRAPPED, number);
	struct clv_switch_report report;

	if (number % 10 == 3)
		assert_ok(w, clv_version_destroy(w->ctx, NULL, name, REASON, &report, &w->err));
	else
		assert_ok(w, clv_version_disable(w->ctx, NULL, name, REASON, &report, &w->err));
	assert_true(report.changed);
	assert_false(report.token_pending);
}

static struct clv_status status_of(struct home_world *w)
{
	struct clv_status status;

	assert_ok(w, clv_status_get(w->ctx, NULL, &status, &w->err));
	clv_status_done(&status);
	return status;
}

/* Room again: every order stands, in the catalogue and in the log, and the reserve is filled. */
static void assert_all_is_well(struct home_world *w, unsigned n)
{
	make_room(w);
	world_open(w);
	assert_int_equal(world_count(w,
				     "SELECT count(*) FROM versions v JOIN crypto_keys k"
				     " ON k.row = v.crypto_key WHERE k.id = 'wrapped'"
				     " AND v.state = CASE v.number % 10 WHEN 3 THEN 4 ELSE 2 END"),
			 n);
	assert_int_equal(world_log_count(w, REASON, "\"outcome\":\"OK\""), n);
	assert_int_equal(status_of(w).reserve_bytes, RESERVE);
	assert_true(status_of(w).reserve_full);
	assert_ok(w, call(w, "version_enable", VERSION(WRAPPED)));
	assert_ok(w, call(w, "encrypt", WRAPPED));
	assert_ok(w, call(w, "encrypt", TOKEN));
}

static void
hundreds_of_processes_switch_off_on_a_full_disk_one_after_the_other(struct home_world *w)
{
	move_to_disk(w);
	make_versions(w, N_VERSIONS);
	fill_disk(w);
	for (unsigned i = 1; i <= N_VERSIONS; i++) {
		world_open(w);
		lower(w, i);
		world_close(w);
		if (i % 10 == 0)
			fill_disk(w); /* whatever it left */
	}
	assert_all_is_well(w, N_VERSIONS);
}

/* The log of the catalogue is kept by its open connections, and would grow on and on. */
static void one_process_switches_hundreds_off_while_others_have_the_home_open(struct home_world *w)
{
	struct clv_ctx_options options = { .home = w->home, .allow_unlocked_memory = true };
	struct clv_ctx *other = NULL;

	move_to_disk(w);
	make_versions(w, N_VERSIONS);
	assert_ok(w, clv_ctx_open(&options, &other, &w->err));
	world_open(w);
	fill_disk(w);
	for (unsigned i = 1; i <= N_VERSIONS; i++) {
		lower(w, i);
		fill_disk(w);
	}
	clv_ctx_free(other);
	world_close(w);
	assert_all_is_well(w, N_VERSIONS);
}

/* Snatches whatever is free, at once. */
static void be_greedy(struct home_world *w, void *arg)
{
	(void) arg;
	for (;;) {
		int fd = open(filler(w), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
		char block[4096] = { 0 };

		if (fd >= 0 && write(fd, block, sizeof block) < 0)
			sched_yield();
		if (fd >= 0)
			close(fd);
	}
}

static void greedy_writer_beside_it_does_not_keep_it_from_switching_off(struct home_world *w)
{
	pid_t greedy;

	move_to_disk(w);
	make_versions(w, 10);
	fill_disk(w);
	greedy = world_fork(w, be_greedy, NULL);
	for (unsigned i = 1; i <= 10; i++) {
		world_open(w);
		lower(w, i);
		world_close(w);
	}
	world_kill(greedy);
	assert_all_is_well(w, 10);
}

/*
 * The greediest of all: whatever is free when a change begins, or an entry is to be written, or the
 * catalogue is opened, is gone before. What is freed has to be used by the very call that needs it.
 */
static struct home_world *snatched; /* whose disk; NULL: nobody's */

static void snatch(void)
{
	if (snatched != NULL)
		fill_disk(snatched);
}

clv_rc __real_store_version_set_state(struct store *store, const struct clv_grant *grant,
				      const struct store_version *version, struct clv_err *err);
clv_rc __wrap_store_version_set_state(struct store *store, const struct clv_grant *grant,
				      const struct store_version *version, struct clv_err *err);

clv_rc __wrap_store_version_set_state(struct store *store, const struct clv_grant *grant,
				      const struct store_version *version, struct clv_err *err)
{
	snatch();
	return __real_store_version_set_state(store, grant, version, err);
}

clv_rc __real_audit_append(struct audit *audit, const struct audit_entry *entry, bool durable,
			   struct clv_err *err);
clv_rc __wrap_audit_append(struct audit *audit, const struct audit_entry *entry, bool durable,
			   struct clv_err *err);

clv_rc __wrap_audit_append(struct audit *audit, const struct audit_entry *entry, bool durable,
			   struct clv_err *err)
{
	snatch();
	return __real_audit_append(audit, entry, durable, err);
}

clv_rc __real_store_open(const char *path, unsigned wait_ms, struct store **ret_store,
			 struct clv_err *err);
clv_rc __wrap_store_open(const char *path, unsigned wait_ms, struct store **ret_store,
			 struct clv_err *err);

clv_rc __wrap_store_open(const char *path, unsigned wait_ms, struct store **ret_store,
			 struct clv_err *err)
{
	snatch();
	return __real_store_open(path, wait_ms, ret_store, err);
}

static void who_takes_all_that_is_free_beforehand_comes_too_early(struct home_world *w)
{
	move_to_disk(w);
	make_versions(w, 10);
	snatched = w;
	for (unsigned i = 1; i <= 10; i++) {
		world_open(w);
		lower(w, i);
		world_close(w);
	}
	snatched = NULL;
	assert_all_is_well(w, 10);
}

/* ---- what waits for room */

static void assert_no_room(struct home_world *w, const char *verb, const char *resource)
{
	assert_refused(w, call(w, verb, resource), CLV_E_RESOURCE_EXHAUSTED, "make room");
}

/* Entries may fit into what the log has already. That ends. */
static void use_up_the_log(struct home_world *w, const char *key)
{
	clv_rc rc;

	for (unsigned i = 0; (rc = call(w, "encrypt", key)) == CLV_OK; i++)
		assert_true(i < 100);
	assert_int_equal(rc, CLV_E_RESOURCE_EXHAUSTED);
}

static void all_else_is_refused_and_nothing_of_it_is_done(struct home_world *w)
{
	static const char rows[] = "SELECT (SELECT count(*) FROM versions) * 10000"
				   " + (SELECT count(*) FROM key_rings) * 100"
				   " + (SELECT count(*) FROM intents) * 10"
				   " + (SELECT count(*) FROM versions WHERE state = 1)";
	static struct raw_object objects[64];
	int64_t before;
	size_t n;

	move_to_disk(w);
	world_open(w);
	verb_prepare(w, WRAPPED);
	assert_ok(w, call(w, "encrypt", TOKEN));
	assert_ok(w, call(w, "version_create", WRAPPED));
	assert_ok(w, call(w, "version_disable", version_of(WRAPPED, 2)));
	fill_disk(w);
	use_up_the_log(w, WRAPPED);
	before = world_count(w, rows);
	n = world_objects(w, objects, 64);
	for (unsigned i = 0; i < 3; i++) {
		assert_no_room(w, "key_ring_create", LOCATION "/keyRings/new");
		assert_no_room(w, "key_create", KEY("new"));
		assert_no_room(w, "version_create", WRAPPED);
		assert_no_room(w, "version_create", TOKEN);
		assert_no_room(w, "key_set_primary", WRAPPED);
		assert_no_room(w, "version_enable", version_of(WRAPPED, 2));
		assert_no_room(w, "encrypt", WRAPPED);
		assert_no_room(w, "encrypt", TOKEN);
		assert_no_room(w, "decrypt", WRAPPED);
		assert_no_room(w, "version_get", VERSION(WRAPPED));
	}
	assert_int_equal(world_count(w, rows), before);
	assert_int_equal(world_objects(w, objects, 64), n);
	make_room(w);
	assert_ok(w, call(w, "key_create", KEY("new")));
	assert_ok(w, call(w, "version_create", TOKEN));
	assert_ok(w, call(w, "version_enable", version_of(WRAPPED, 2)));
	assert_ok(w, call(w, "decrypt", WRAPPED));
	verb_done();
}

/* ---- grants: taking one away ends use, giving one does not */

#define ADA "user:ada@example.com"
#define BOB "user:bob@example.com"

static clv_rc set_members(struct home_world *w, const char *members)
{
	struct clv_buf out = { 0 };
	char text[256];
	clv_rc rc;

	snprintf(text, sizeof text,
		 "{\"bindings\":[{\"role\":\"roles/"
		 "cloudkms.cryptoKeyEncrypter\",\"members\":[%s]}]}",
		 members);
	rc = clv_iam_set(w->ctx, NULL, WRAPPED,
			 (struct clv_bytes){ (const uint8_t *) text, strlen(text) }, &out, &w->err);
	clv_buf_done(&out);
	return rc;
}

static clv_rc encrypt_as_ada(struct home_world *w)
{
	const struct clv_caller ada = { .principal = ADA };

	return verb_named("encrypt")->call(w, &ada, WRAPPED);
}

static void grant_is_taken_away_on_a_full_disk_and_none_given(struct home_world *w)
{
	move_to_disk(w);
	world_open(w);
	assert_ok(w, set_members(w, "\"" ADA "\",\"" BOB "\""));
	assert_ok(w, encrypt_as_ada(w));
	fill_disk(w);
	use_up_the_log(w, WRAPPED);
	assert_refused(w, set_members(w, "\"" ADA "\",\"" BOB "\",\"user:eve@example.com\""),
		       CLV_E_RESOURCE_EXHAUSTED, "make room");
	assert_ok(w, set_members(w, "\"" BOB "\""));
	assert_refused(w, set_members(w, "\"" ADA "\",\"" BOB "\""), CLV_E_RESOURCE_EXHAUSTED,
		       "make room");
	assert_refused(w, encrypt_as_ada(w), CLV_E_PERMISSION_DENIED, "denied");
	make_room(w);
	assert_refused(w, encrypt_as_ada(w), CLV_E_PERMISSION_DENIED, "denied");
	assert_ok(w, set_members(w, "\"" ADA "\""));
	assert_ok(w, encrypt_as_ada(w));
}

/* Who has not opened the token yet cannot note that it presents a PIN, and so does not. */
static void token_is_not_opened_without_room_and_comes_to_no_harm(struct home_world *w)
{
	move_to_disk(w);
	world_open(w);
	fill_disk(w);
	for (unsigned i = 0; i < 3; i++)
		assert_no_room(w, "encrypt", i % 2 == 0 ? WRAPPED : TOKEN);
	assert_int_equal(world_log_count(w, "RESOURCE_EXHAUSTED", "make room"), 3);
	make_room(w);
	sleep(1); /* for as long as a failed opening is remembered, at least */
	assert_ok(w, call(w, "encrypt", WRAPPED));
	assert_ok(w, call(w, "encrypt", TOKEN));
}

/* What the token's flags say follows. */
static void token_version_is_switched_off_and_its_flags_follow(struct home_world *w)
{
	struct clv_switch_report report;

	move_to_disk(w);
	world_open(w);
	world_close(w);
	fill_disk(w);
	world_open(w);
	assert_ok(w, clv_version_disable(w->ctx, NULL, VERSION(TOKEN), NULL, &report, &w->err));
	assert_true(report.changed);
	assert_true(report.token_pending);
	assert_true(report.token_pending_why[0] != '\0');
	assert_int_equal(call(w, "encrypt", TOKEN), CLV_E_FAILED_PRECONDITION);
	make_room(w);
	sleep(1); /* for as long as a failed opening is remembered, at least */
	assert_int_equal(status_of(w).n_locations, 1);
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions WHERE residency = 2"
					" AND token_enabled = 0"),
			 1);
	assert_ok(w, call(w, "version_enable", VERSION(TOKEN)));
	assert_ok(w, call(w, "encrypt", TOKEN));
}

/* ---- the reserve itself */

static void home_without_a_reserve_says_so_and_gets_one_when_there_is_room(struct home_world *w)
{
	struct stat st;

	move_to_disk(w);
	assert_int_equal(unlink(world_path(w, "reserve")), 0);
	fill_disk(w);
	assert_refused(w,
		       clv_ctx_open(&(struct clv_ctx_options){ .home = w->home,
							       .allow_unlocked_memory = true },
				    &w->ctx, &w->err),
		       CLV_E_RESOURCE_EXHAUSTED, "make room");
	make_room(w);
	world_open(w);
	assert_true(status_of(w).reserve_full);
	assert_int_equal(stat(world_path(w, "reserve"), &st), 0);
	assert_int_equal(st.st_size, RESERVE);
	assert_true(st.st_blocks * 512 >= RESERVE);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void reserve_is_filled_as_far_as_there_is_room(struct home_world *w)
{
	struct clv_status status;
	int fd;

	move_to_disk(w);
	assert_int_equal(unlink(world_path(w, "reserve")), 0);
	fill_disk(w);
	fd = open(filler(w), O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - (1 << 20)), 0);
	close(fd);
	world_open(w);
	status = status_of(w);
	assert_false(status.reserve_full);
	assert_true(status.reserve_bytes > (1 << 19) && status.reserve_bytes <= (1 << 20));
	assert_ok(w, call(w, "version_disable", VERSION(WRAPPED)));
	make_room(w);
	world_close(w);
	world_open(w);
	assert_true(status_of(w).reserve_full);
}

/* Copying can make a file of holes of it, which holds nothing. */
static void holes_hold_nothing_and_are_filled(struct home_world *w)
{
	const char *path = world_path(w, "reserve");
	struct stat st;

	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(truncate(path, RESERVE), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	world_open(w);
	assert_int_equal(status_of(w).reserve_bytes, RESERVE);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_blocks * 512 >= RESERVE);
}

/* It is no reason to refuse a home, or to follow a link out of it. */
static void something_else_in_its_place_is_left_alone(struct home_world *w)
{
	const char *path = world_path(w, "reserve");
	struct stat st;

	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("elsewhere", path), 0);
	world_open(w);
	assert_int_equal(status_of(w).reserve_bytes, 0);
	assert_false(status_of(w).reserve_full);
	assert_int_equal(stat(world_path(w, "elsewhere"), &st), -1);
	assert_ok(w, call(w, "version_disable", VERSION(WRAPPED)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(hundreds_of_processes_switch_off_on_a_full_disk_one_after_the_other),
		home_test(one_process_switches_hundreds_off_while_others_have_the_home_open),
		home_test(greedy_writer_beside_it_does_not_keep_it_from_switching_off),
		home_test(who_takes_all_that_is_free_beforehand_comes_too_early),
		home_test(all_else_is_refused_and_nothing_of_it_is_done),
		home_test(grant_is_taken_away_on_a_full_disk_and_none_given),
		home_test(token_is_not_opened_without_room_and_comes_to_no_harm),
		home_test(token_version_is_switched_off_and_its_flags_follow),
		home_test(home_without_a_reserve_says_so_and_gets_one_when_there_is_room),
		home_test(reserve_is_filled_as_far_as_there_is_room),
		home_test(holes_hold_nothing_and_are_filled),
		home_test(something_else_in_its_place_is_left_alone),
	};

	if (!can_mount()) {
		printf("1..0 # SKIP no file system may be mounted here: that needs root\n");
		return 0;
	}
	return cmocka_run_group_tests_name("full disk", tests, home_group_set_up,
					   home_group_tear_down);
}
