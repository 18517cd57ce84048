/* SPDX-License-Identifier: Apache-2.0 */
/* Killed while a key's flags are written in the token, or a key made: no key is lost, none stays.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/token_world.h"

#define MARK 3 /* the descriptor that a parent listens at */

/* The id of the key to switch is in a file of the world's folder. */
static void id_path(const struct world *w, char path[300])
{
	snprintf(path, 300, "%s/key-id", w->dir);
}

static void write_id(const struct world *w, const struct hsm_keyref *key)
{
	char path[300];
	FILE *file;

	id_path(w, path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(key->id, 1, HSM_ID_LEN, file), HSM_ID_LEN);
	assert_int_equal(fclose(file), 0);
}

static bool read_id(const struct world *w, uint8_t id[HSM_ID_LEN])
{
	char path[300];
	FILE *file;
	size_t n;

	id_path(w, path);
	file = fopen(path, "r");
	if (file == NULL)
		return false;
	n = fread(id, 1, HSM_ID_LEN, file);
	fclose(file);
	return n == HSM_ID_LEN;
}

static int child_switch_for_ever(struct world *w)
{
	uint8_t id[HSM_ID_LEN];

	if (!read_id(w, id) || world_try_open(w, &w->hsm) != CLV_OK || write(MARK, "x", 1) != 1)
		return 1;
	for (bool on = false;; on = !on) {
		if (hsm_key_set_enabled(w->hsm, grant(), 0, id, on, &w->err) != CLV_OK)
			return 2;
	}
}

/* Makes a pair with the id and ends it, again and again. */
static int child_make_pairs_for_ever(struct world *w)
{
	struct hsm_public public;
	uint8_t id[HSM_ID_LEN];

	if (!read_id(w, id) || world_try_open(w, &w->hsm) != CLV_OK || write(MARK, "x", 1) != 1)
		return 1;
	for (;;) {
		if (hsm_version_create(w->hsm, grant(), CLV_ALG_EC_SIGN_P256_SHA256, id, "killed",
				       &public, &w->err) != CLV_OK ||
		    hsm_key_destroy(w->hsm, grant(), HSM_ROLE_VERSION, id, &w->err) != CLV_OK)
			return 2;
	}
}

static void kill_a_child(struct world *w, const char *mode)
{
	char byte;
	int fd, status;
	pid_t pid = world_spawn(w, mode, &fd);

	assert_int_equal(read(fd, &byte, 1), 1);
	world_nap(30000);
	kill(pid, SIGKILL);
	status = world_wait_child(pid);
	close(fd);
	assert_true(WIFSIGNALED(status));
}

static void a_kill_while_flags_are_written_loses_no_key(void **state)
{
	struct world *w = *state;
	unsigned kills = world_kills();
	struct hsm_keyref key, other;
	struct sealed sealed, sealed_other;

	world_token_key(w, &key);
	world_token_key(w, &other);
	world_seal(w, &key, "switched", &sealed);
	world_seal(w, &other, "not switched", &sealed_other);
	write_id(w, &key);
	world_close(w);
	for (unsigned i = 0; i < kills; i++) {
		kill_a_child(w, "switch-for-ever");
		world_open(w);
		assert_ok(w, hsm_key_set_enabled(w->hsm, grant(), 0, key.id, true, &w->err));
		assert_ok(w, world_unseal(w, &key, &sealed, "switched", &w->err));
		assert_ok(w, world_unseal(w, &other, &sealed_other, "not switched", &w->err));
		world_close(w);
	}
}

/* Who only decrypts takes no exclusive lock, and must find the key all the same. */
static void a_reader_after_a_kill_finds_the_key(void **state)
{
	struct world *w = *state;
	unsigned kills = world_kills();
	struct hsm_keyref key;
	struct sealed sealed;

	world_token_key(w, &key);
	world_seal(w, &key, "switched", &sealed);
	write_id(w, &key);
	world_close(w);
	for (unsigned i = 0; i < kills; i++) {
		clv_rc rc;

		kill_a_child(w, "switch-for-ever");
		world_open(w);
		rc = world_unseal(w, &key, &sealed, "switched", &w->err);
		if (rc != CLV_OK && rc != CLV_E_FAILED_PRECONDITION) /* disabled */
			fail_msg("%s", w->err.text);
		world_close(w);
	}
}

/* The copies are put back whole, and nothing else is changed. */
static void a_key_made_before_the_kill_is_not_undone_by_old_copies(void **state)
{
	struct world *w = *state;
	struct hsm_keyref key, later;
	struct sealed sealed;

	world_token_key(w, &key);
	assert_ok(w, hsm_key_set_enabled(w->hsm, grant(), 0, key.id, false, &w->err));
	world_token_key(w, &later);
	world_seal(w, &later, "later", &sealed);
	assert_ok(w, hsm_key_set_enabled(w->hsm, grant(), 0, key.id, true, &w->err));
	assert_ok(w, hsm_key_destroy(w->hsm, grant(), HSM_ROLE_VERSION, key.id, &w->err));
	world_close(w);
	world_open(w);
	assert_ok(w, world_unseal(w, &later, &sealed, "later", &w->err));
	assert_refused(w, world_unseal(w, &key, &sealed, "later", &w->err), CLV_E_DATA_LOSS,
		       "gone");
}

/* What the catalogue noted before, it can take away: both halves, whole or not. */
static void a_kill_while_a_pair_is_made_leaves_what_can_be_destroyed(void **state)
{
	struct world *w = *state;
	unsigned kills = world_kills(), before;
	struct hsm_keyref other, pair = { .role = HSM_ROLE_VERSION };
	struct hsm_public public;
	struct sealed sealed;

	world_new_id(pair.id);
	world_token_key(w, &other);
	world_seal(w, &other, "other", &sealed);
	before = raw_count_token_objects(w);
	write_id(w, &pair);
	world_close(w);
	for (unsigned i = 0; i < kills; i++) {
		kill_a_child(w, "make-pairs-for-ever");
		world_open(w);
		assert_ok(w, hsm_key_destroy(w->hsm, grant(), HSM_ROLE_VERSION, pair.id, &w->err));
		assert_int_equal(raw_count_token_objects(w), before);
		assert_ok(w, world_unseal(w, &other, &sealed, "other", &w->err));
		world_close(w);
	}
	world_open(w);
	assert_ok(w, hsm_version_create(w->hsm, grant(), CLV_ALG_EC_SIGN_P256_SHA256, pair.id,
					"at last", &public, &w->err));
}

int main(int argc, char **argv)
{
	static const struct child_mode modes[] = { { "switch-for-ever", child_switch_for_ever },
						   { "make-pairs-for-ever",
						     child_make_pairs_for_ever } };
	const struct CMUnitTest tests[] = {
		token_test(a_kill_while_flags_are_written_loses_no_key),
		token_test(a_reader_after_a_kill_finds_the_key),
		token_test(a_key_made_before_the_kill_is_not_undone_by_old_copies),
		token_test(a_kill_while_a_pair_is_made_leaves_what_can_be_destroyed),
	};

	world_maybe_child(argc, argv, modes, CLV_ARRAY_LEN(modes));
	return TOKEN_MAIN("hsm: killed while writing", tests);
}
