/* SPDX-License-Identifier: Apache-2.0 */
/* Logging in: a PIN is tried once, and a process that dies at it takes no key along. */
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/token_world.h"

#define MARK 3 /* the descriptor that a parent listens at */

/* Another file takes the place of the PIN file. */
static void write_pin(struct world *w, const char *pin)
{
	char path[300], part[310];
	FILE *file;

	snprintf(path, sizeof path, "%s/pins/user.pin", w->dir);
	snprintf(part, sizeof part, "%s.new", path);
	file = fopen(part, "w");
	assert_non_null(file);
	assert_int_equal(fchmod(fileno(file), 0600), 0);
	fputs(pin, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(part, path), 0);
}

static void read_pin_file(struct world *w, char pin[80])
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof path, "%s/pins/user.pin", w->dir);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(pin, 80, file));
	fclose(file);
}

/* ---- what children do ---- */

struct report {
	int rc;
	unsigned logins;
};

static int child_open_once(struct world *w)
{
	struct report report = { .rc = (int) world_try_open(w, &w->hsm) };

	report.logins = w->shim->calls(SHIM_C_Login);
	world_close(w);
	return write(MARK, &report, sizeof report) == sizeof report ? 0 : 1;
}

static int child_open_for_ever(struct world *w)
{
	for (;;) {
		if (write(MARK, "x", 1) != 1 || world_try_open(w, &w->hsm) != CLV_OK)
			return 1;
		world_close(w);
	}
}

static struct report open_in_child(struct world *w)
{
	struct report report = { 0 };
	int fd;
	pid_t pid = world_spawn(w, "open-once", &fd);
	ssize_t n = read(fd, &report, sizeof report);

	close(fd);
	assert_int_equal(world_wait_child(pid), 0);
	assert_int_equal(n, sizeof report);
	return report;
}

/* ---- a refused PIN ---- */

static void a_refused_pin_is_presented_once_by_all_processes(void **state)
{
	struct world *w = *state;

	w->shim->reset();
	write_pin(w, "wrong");
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_UNAVAILABLE, "refused the PIN");
	assert_int_equal(w->shim->calls(SHIM_C_Login), 1);
	for (int i = 0; i < 3; i++) {
		struct report report = open_in_child(w);

		assert_rc((clv_rc) report.rc, CLV_E_UNAVAILABLE);
		assert_int_equal(report.logins, 0);
		assert_refused(w, world_try_open(w, &w->hsm), CLV_E_UNAVAILABLE, "refused the PIN");
	}
	assert_int_equal(w->shim->calls(SHIM_C_Login), 1);
}

static void a_pin_refused_in_another_process_is_not_presented_here(void **state)
{
	struct world *w = *state;

	write_pin(w, "wrong");
	assert_int_equal(open_in_child(w).logins, 1);
	w->shim->reset();
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_UNAVAILABLE, "not tried again until");
	assert_int_equal(w->shim->calls(SHIM_C_Login), 0);
}

static void a_changed_pin_file_is_tried_again(void **state)
{
	struct world *w = *state;
	char right[80];

	read_pin_file(w, right);
	w->shim->reset();
	write_pin(w, "wrong");
	assert_rc(world_try_open(w, &w->hsm), CLV_E_UNAVAILABLE);
	write_pin(w, "wrong again");
	assert_rc(world_try_open(w, &w->hsm), CLV_E_UNAVAILABLE);
	assert_int_equal(w->shim->calls(SHIM_C_Login), 2);
	write_pin(w, right);
	assert_ok(w, world_try_open(w, &w->hsm));
	assert_int_equal(w->shim->calls(SHIM_C_Login), 3);
	world_close(w);
	assert_rc((clv_rc) open_in_child(w).rc, CLV_OK);
}

static void a_pin_that_is_refused_later_on_is_presented_once(void **state)
{
	struct world *w = *state;
	unsigned before;

	write_pin(w, "wrong");
	world_calm(w);
	before = w->shim->calls(SHIM_C_Login);
	w->shim->fault(SHIM_C_GenerateRandom, 1, CKR_DEVICE_REMOVED, SHIM_ONCE);
	for (int i = 0; i < 20; i++) {
		assert_rc(hsm_ping(w->hsm, &w->err), CLV_E_UNAVAILABLE);
		usleep(50000);
	}
	assert_int_equal(w->shim->calls(SHIM_C_Login), before + 1);
	assert_non_null(strstr(w->err.text, "PIN"));
}

/* ---- a PIN of which nobody knows whether it was taken ---- */

static void open_in_doubt(struct world *w)
{
	w->shim->fault(SHIM_C_Login, 1, CKR_GENERAL_ERROR, SHIM_ALWAYS);
	assert_rc(world_try_open(w, &w->hsm), CLV_E_UNAVAILABLE);
	w->shim->heal();
}

/* Its SoftHSM locks no PIN; a process that is killed again and again must not lock it either. */
static void doubts_do_not_lock_the_token_of_a_home(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 12; i++)
		open_in_doubt(w);
	assert_ok(w, world_try_open(w, &w->hsm));
	world_close(w);
	write_pin(w, "wrong");
	open_in_doubt(w);
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_UNAVAILABLE, "refused the PIN");
	w->shim->reset();
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_UNAVAILABLE, "not tried again until");
	assert_int_equal(w->shim->calls(SHIM_C_Login), 0);
}

/* The same token, as one that somebody else looks after. */
static void two_doubts_stop_at_any_other_token(void **state)
{
	struct world *w = *state;
	char *vendor = strstr(w->uri, "&x-softhsm2-conf=");
	char conf[300];

	assert_non_null(vendor);
	*vendor = '\0';
	snprintf(conf, sizeof conf, "%s/softhsm/softhsm2.conf", w->dir);
	assert_int_equal(setenv("SOFTHSM2_CONF", conf, 1), 0);
	open_in_doubt(w);
	open_in_doubt(w);
	w->shim->reset();
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_UNAVAILABLE, "did not say if it took");
	assert_int_equal(w->shim->calls(SHIM_C_Login), 0);
}

static void check_never_presented(struct world *w, CK_FLAGS flag, const char *words)
{
	w->shim->reset();
	w->shim->token_flags(flag);
	for (int i = 0; i < 3; i++)
		assert_refused(w, world_try_open(w, &w->hsm), CLV_E_UNAVAILABLE, words);
	assert_int_equal(w->shim->calls(SHIM_C_Login), 0);
	w->shim->token_flags(0);
	assert_ok(w, world_try_open(w, &w->hsm));
	world_close(w);
}

static void no_pin_is_presented_before_the_final_try(void **state)
{
	check_never_presented(*state, CKF_USER_PIN_FINAL_TRY, "one more wrong PIN would lock");
}

static void no_pin_is_presented_to_a_locked_token(void **state)
{
	check_never_presented(*state, CKF_USER_PIN_LOCKED, "locked");
}

static void a_flag_seen_while_connecting_again_stops_as_well(void **state)
{
	struct world *w = *state;
	unsigned before = w->shim->calls(SHIM_C_Login);

	world_calm(w);
	w->shim->token_flags(CKF_USER_PIN_FINAL_TRY);
	w->shim->fault(SHIM_C_GenerateRandom, 1, CKR_DEVICE_REMOVED, SHIM_ONCE);
	assert_rc(hsm_ping(w->hsm, &w->err), CLV_E_UNAVAILABLE);
	assert_int_equal(w->shim->calls(SHIM_C_Login), before);
	w->shim->token_flags(0);
	world_wait_healthy(w);
}

/* ---- killed while logging in ---- */

static void check_old_secrets(struct world *w, const struct sealed *wrapped,
			      const struct hsm_keyref *key, const struct sealed *in_token)
{
	world_open(w);
	assert_ok(w, world_unseal(w, &w->version, wrapped, "under the old root", &w->err));
	assert_ok(w, world_unseal(w, key, in_token, "in the token", &w->err));
	world_close(w);
}

static void a_kill_during_login_loses_no_key(void **state)
{
	struct world *w = *state;
	struct hsm_keyref key;
	struct sealed wrapped, in_token;
	unsigned kills = world_kills();

	world_token_key(w, &key);
	world_seal(w, &w->version, "under the old root", &wrapped);
	world_seal(w, &key, "in the token", &in_token);
	world_close(w);
	for (unsigned i = 0; i < kills; i++) {
		char byte;
		int fd, status;
		pid_t pid = world_spawn(w, "open-for-ever", &fd);

		assert_int_equal(read(fd, &byte, 1), 1);
		world_nap(25000);
		kill(pid, SIGKILL);
		status = world_wait_child(pid);
		close(fd);
		assert_true(WIFSIGNALED(status));
		check_old_secrets(w, &wrapped, &key, &in_token);
	}
}

static void cut_token_file(struct world *w, unsigned percent)
{
	char pattern[320];
	struct stat st;
	glob_t found;

	snprintf(pattern, sizeof pattern, "%s/softhsm/tokens/*/token.object", w->dir);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 1);
	assert_int_equal(stat(found.gl_pathv[0], &st), 0);
	assert_true(st.st_size > 100);
	assert_int_equal(truncate(found.gl_pathv[0], st.st_size * percent / 100), 0);
	globfree(&found);
}

static void a_torn_token_file_is_put_back(void **state)
{
	static const unsigned percents[] = { 0, 1, 50, 99 };
	struct world *w = *state;
	struct hsm_keyref key;
	struct sealed wrapped, in_token;

	world_token_key(w, &key);
	world_seal(w, &w->version, "under the old root", &wrapped);
	world_seal(w, &key, "in the token", &in_token);
	world_close(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(percents); i++) {
		cut_token_file(w, percents[i]);
		check_old_secrets(w, &wrapped, &key, &in_token);
	}
}

int main(int argc, char **argv)
{
	static const struct child_mode modes[] = { { "open-once", child_open_once },
						   { "open-for-ever", child_open_for_ever } };
	static const struct world_options closed = { .closed = true };
	const struct CMUnitTest tests[] = {
		token_test_with(a_refused_pin_is_presented_once_by_all_processes, &closed),
		token_test_with(a_pin_refused_in_another_process_is_not_presented_here, &closed),
		token_test_with(a_changed_pin_file_is_tried_again, &closed),
		token_test(a_pin_that_is_refused_later_on_is_presented_once),
		token_test_with(doubts_do_not_lock_the_token_of_a_home, &closed),
		token_test_with(two_doubts_stop_at_any_other_token, &closed),
		token_test_with(no_pin_is_presented_before_the_final_try, &closed),
		token_test_with(no_pin_is_presented_to_a_locked_token, &closed),
		token_test(a_flag_seen_while_connecting_again_stops_as_well),
		token_test(a_kill_during_login_loses_no_key),
		token_test(a_torn_token_file_is_put_back),
	};

	world_maybe_child(argc, argv, modes, CLV_ARRAY_LEN(modes));
	return TOKEN_MAIN("hsm: login", tests);
}
