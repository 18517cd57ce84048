/* SPDX-License-Identifier: Apache-2.0 */
/* Making, opening, moving and sharing a home. */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/verbs.h"

static clv_rc create(struct home_world *w, const char *home, const char *project)
{
	struct clv_home_options options = { .home = home,
					    .project = project,
					    .allow_unlocked_memory = true };

	return clv_home_create(&options, &w->err);
}

static clv_rc open_home(struct home_world *w, const char *home)
{
	struct clv_ctx_options options = { .home = home, .allow_unlocked_memory = true };
	struct clv_ctx *ctx = NULL;
	clv_rc rc = clv_ctx_open(&options, &ctx, &w->err);

	if (rc != CLV_OK)
		assert_null(ctx);
	clv_ctx_free(ctx);
	return rc;
}

static const char *in_dir(const struct home_world *w, const char *name)
{
	static char path[400];

	snprintf(path, sizeof path, "%s/%s", w->dir, name);
	return path;
}

static void touch(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* ---- making */

static void home_is_made_in_a_missing_or_empty_folder(struct home_world *w)
{
	assert_ok(w, create(w, in_dir(w, "a/b/c"), NULL)); /* with the folders above it */
	assert_ok(w, open_home(w, in_dir(w, "a/b/c")));
	assert_int_equal(mkdir(in_dir(w, "empty"), 0755), 0);
	assert_ok(w, create(w, in_dir(w, "empty"), "proj-1"));
	assert_ok(w, open_home(w, in_dir(w, "empty")));
}

static void home_knows_its_project(struct home_world *w)
{
	struct clv_ctx_options options = { .home = in_dir(w, "new"),
					   .allow_unlocked_memory = true };

	world_open(w);
	assert_string_equal(clv_ctx_project(w->ctx), "demo");
	world_close(w);
	assert_ok(w, create(w, options.home, "proj-1"));
	assert_ok(w, clv_ctx_open(&options, &w->ctx, &w->err));
	assert_string_equal(clv_ctx_project(w->ctx), "proj-1");
}

static void what_is_in_the_way_of_a_home_is_refused_and_stays(struct home_world *w)
{
	struct stat st;

	assert_int_equal(mkdir(in_dir(w, "full"), 0755), 0);
	touch(in_dir(w, "full/mine"), "");
	assert_refused(w, create(w, in_dir(w, "full"), NULL), CLV_E_ALREADY_EXISTS, "is not empty");
	assert_int_equal(stat(in_dir(w, "full"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	touch(in_dir(w, "file"), "");
	assert_int_equal(create(w, in_dir(w, "file"), NULL), CLV_E_ALREADY_EXISTS);
	assert_refused(w, create(w, w->home, NULL), CLV_E_ALREADY_EXISTS, "is not empty");
	assert_ok(w, open_home(w, w->home));
}

static void bad_project_ids_are_refused_before_anything_is_made(struct home_world *w)
{
	static const char too_long[] = "a234567890123456789012345678901234567890123456789"
				       "012345678901234";
	static const char *const ids[] = {
		"", "A", "1a", "a", "a-", "a_b", "a b", "a/b", too_long
	};

	for (size_t i = 0; i < CLV_ARRAY_LEN(ids); i++) {
		assert_int_equal(create(w, in_dir(w, "new"), ids[i]), CLV_E_INVALID_ARGUMENT);
		assert_int_equal(access(in_dir(w, "new"), F_OK), -1);
	}
}

static void paths_that_cannot_be_are_refused(struct home_world *w)
{
	char path[1000];

	memset(path, 'p', sizeof path);
	path[sizeof path - 1] = '\0';
	assert_int_equal(create(w, "", NULL), CLV_E_INVALID_ARGUMENT);
	assert_int_equal(create(w, NULL, NULL), CLV_E_INVALID_ARGUMENT);
	assert_int_equal(create(w, path, NULL), CLV_E_INVALID_ARGUMENT);
	assert_int_equal(open_home(w, ""), CLV_E_INVALID_ARGUMENT);
	assert_int_equal(open_home(w, NULL), CLV_E_INVALID_ARGUMENT);
	assert_int_equal(create(w, "/proc/claviger", NULL), CLV_E_NOT_FOUND);
}

/* ---- modes */

static size_t n_seen;

static int check_mode(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	mode_t wanted = flag == FTW_D ? 0700 : 0600;

	(void) ftw;
	n_seen++;
	if ((st->st_mode & 0777) != wanted)
		fail_msg("%s has the mode %o", path, st->st_mode & 0777);
	return 0;
}

static void use_it(struct home_world *w, const char *home)
{
	struct clv_ctx_options options = { .home = home, .allow_unlocked_memory = true };

	assert_ok(w, clv_ctx_open(&options, &w->ctx, &w->err));
	assert_ok(w, verb_named("location_create_softhsm")->call(w, NULL, LOCATION));
	assert_ok(w, verb_named("key_ring_create")->call(w, NULL, RING));
	assert_ok(w, world_new_key(w, WRAPPED, CLV_RESIDENCY_WRAPPED));
	assert_ok(w, world_new_key(w, TOKEN, CLV_RESIDENCY_TOKEN));
	assert_ok(w, verb_named("encrypt")->call(w, NULL, WRAPPED));
	assert_ok(w, verb_named("version_disable")->call(w, NULL, VERSION(TOKEN)));
	assert_ok(w, verb_named("version_enable")->call(w, NULL, VERSION(TOKEN)));
}

static void all_of_a_home_is_for_its_owner_only(struct home_world *w)
{
	umask(0); /* whatever the caller's is */
	assert_ok(w, create(w, in_dir(w, "new"), NULL));
	use_it(w, in_dir(w, "new"));
	nftw(in_dir(w, "new"), check_mode, 16, FTW_PHYS);
	world_close(w);
	nftw(in_dir(w, "new"), check_mode, 16, FTW_PHYS);
	assert_true(n_seen > 40);
}

static void callers_umask_is_left_alone(struct home_world *w)
{
	umask(022);
	assert_ok(w, create(w, in_dir(w, "new"), NULL));
	use_it(w, in_dir(w, "new"));
	world_close(w);
	assert_int_equal(umask(0), 022);
}

/* ---- opening */

static void opening_nothing_is_not_found(struct home_world *w)
{
	assert_refused(w, open_home(w, in_dir(w, "none")), CLV_E_NOT_FOUND, "init");
	assert_int_equal(mkdir(in_dir(w, "empty"), 0700), 0);
	assert_refused(w, open_home(w, in_dir(w, "empty")), CLV_E_NOT_FOUND,
		       "is not a Claviger home");
	touch(in_dir(w, "file"), "");
	assert_int_equal(open_home(w, in_dir(w, "file")), CLV_E_NOT_FOUND);
	assert_int_equal(unlink(world_path(w, "catalogue.db")), 0);
	assert_int_equal(open_home(w, w->home), CLV_E_NOT_FOUND);
}

static void newer_schema_is_refused_and_left_alone(struct home_world *w)
{
	world_sql(w, "PRAGMA user_version = 99");
	assert_refused(w, open_home(w, w->home), CLV_E_FAILED_PRECONDITION, "99");
	assert_int_equal(world_count(w, "PRAGMA user_version"), 99);
}

static void damaged_files_are_data_loss(struct home_world *w)
{
	static const char *const files[] = { "catalogue.db", "gate" };

	for (size_t i = 0; i < CLV_ARRAY_LEN(files); i++) {
		assert_int_equal(rename(world_path(w, files[i]), in_dir(w, "good")), 0);
		touch(world_path(w, files[i]), "this is something else altogether, and not short");
		assert_refused(w, open_home(w, w->home), CLV_E_DATA_LOSS, files[i]);
		assert_int_equal(rename(in_dir(w, "good"), world_path(w, files[i])), 0);
	}
	assert_ok(w, open_home(w, w->home));
}

static void opening_asks_no_token(struct home_world *w)
{
	struct clv_switch_report report;
	struct clv_key key;

	world_tokens_away(w);
	world_open(w);
	assert_ok(w, clv_key_get(w->ctx, NULL, WRAPPED, &key, &w->err));
	assert_ok(w, clv_version_disable(w->ctx, NULL, VERSION(WRAPPED), NULL, &report, &w->err));
}

static void ending_no_context_is_fine(struct home_world *w)
{
	(void) w;
	assert_null(clv_ctx_free(NULL));
}

/* ---- moving */

static void encrypt_to_file(struct home_world *w, void *arg)
{
	static const char *const keys[] = { WRAPPED, TOKEN };

	(void) arg;
	world_open(w);
	for (size_t k = 0; k < 2; k++) {
		struct clv_buf out = { 0 };
		FILE *file;

		assert_ok(w, world_encrypt(w, keys[k], "text", &out));
		file = fopen(in_dir(w, k == 0 ? "0" : "1"), "we");
		assert_non_null(file);
		assert_int_equal(fwrite(out.data, 1, out.len, file), out.len);
		fclose(file);
		clv_buf_done(&out);
	}
}

static void decrypt_from_file(struct home_world *w)
{
	static const char *const keys[] = { WRAPPED, TOKEN };

	for (size_t k = 0; k < 2; k++) {
		FILE *file = fopen(in_dir(w, k == 0 ? "0" : "1"), "re");
		uint8_t bytes[256];
		struct clv_buf in = { .data = bytes };

		assert_non_null(file);
		in.len = fread(bytes, 1, sizeof bytes, file);
		fclose(file);
		assert_ok(w, world_decrypt(w, keys[k], &in, "text"));
	}
}

static void moved_home_still_decrypts(struct home_world *w)
{
	world_in_child(w, encrypt_to_file, NULL);
	assert_int_equal(rename(w->home, in_dir(w, "moved")), 0);
	snprintf(w->home, sizeof w->home, "%s/moved", w->dir);
	world_open(w);
	decrypt_from_file(w);
	assert_ok(w, world_new_key(w, KEY("new"), CLV_RESIDENCY_TOKEN)); /* and goes on */
}

static void home_is_found_by_a_relative_path_wherever_we_go_then(struct home_world *w)
{
	world_in_child(w, encrypt_to_file, NULL);
	assert_int_equal(chdir(w->dir), 0);
	{
		struct clv_ctx_options options = { .home = "home", .allow_unlocked_memory = true };

		assert_ok(w, clv_ctx_open(&options, &w->ctx, &w->err));
	}
	assert_int_equal(chdir("/"), 0);
	decrypt_from_file(w);
}

/* ---- several processes */

static void work(struct home_world *w, void *arg)
{
	char key[CLV_NAME_MAX];

	snprintf(key, sizeof key, KEY("key-%d"), *(int *) arg);
	world_open(w);
	assert_ok(w, world_new_key(w, key,
				   *(int *) arg % 2 == 0 ? CLV_RESIDENCY_WRAPPED
							 : CLV_RESIDENCY_TOKEN));
	for (unsigned i = 0; i < 20; i++) {
		struct clv_buf out = { 0 };

		assert_ok(w, world_encrypt(w, i % 2 == 0 ? key : TOKEN, "text", &out));
		assert_ok(w, world_decrypt(w, i % 2 == 0 ? key : TOKEN, &out, "text"));
		clv_buf_done(&out);
	}
}

static void processes_share_a_home(struct home_world *w)
{
	int numbers[4];
	pid_t children[4];

	for (int i = 0; i < 4; i++) {
		numbers[i] = i;
		children[i] = world_fork(w, work, &numbers[i]);
	}
	for (int i = 0; i < 4; i++)
		world_wait(children[i]);
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions"), 6);
	assert_int_equal(world_count(w, "SELECT count(*) FROM intents"), 0);
}

/* ---- threads */

static unsigned open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void *look_once(void *arg)
{
	const struct home_world *w = arg;
	struct clv_key key;
	struct clv_err err;

	return clv_key_get(w->ctx, NULL, WRAPPED, &key, &err) == CLV_OK ? arg : NULL;
}

/* A connection and a seat for each call that is under way, not for each thread that ever came. */
static void threads_one_after_the_other_share_a_worker(struct home_world *w)
{
	unsigned before = open_files(), with_one;

	world_open(w);
	assert_non_null(look_once(w));
	with_one = open_files();
	for (unsigned i = 0; i < 40; i++) {
		pthread_t thread;
		void *done;

		assert_int_equal(pthread_create(&thread, NULL, look_once, w), 0);
		assert_int_equal(pthread_join(thread, &done), 0);
		assert_non_null(done);
	}
	assert_int_equal(open_files(), with_one);
	w->ctx = clv_ctx_free(w->ctx);
	assert_int_equal(open_files(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(home_is_made_in_a_missing_or_empty_folder),
		home_test(home_knows_its_project),
		home_test(what_is_in_the_way_of_a_home_is_refused_and_stays),
		home_test(bad_project_ids_are_refused_before_anything_is_made),
		home_test(paths_that_cannot_be_are_refused),
		home_test(all_of_a_home_is_for_its_owner_only),
		home_test(callers_umask_is_left_alone),
		home_test(opening_nothing_is_not_found),
		home_test(newer_schema_is_refused_and_left_alone),
		home_test(damaged_files_are_data_loss),
		home_test(opening_asks_no_token),
		home_test(ending_no_context_is_fine),
		home_test(moved_home_still_decrypts),
		home_test(home_is_found_by_a_relative_path_wherever_we_go_then),
		home_test(processes_share_a_home),
		home_test(threads_one_after_the_other_share_a_worker),
	};
	return cmocka_run_group_tests_name("home", tests, home_group_set_up, home_group_tear_down);
}
