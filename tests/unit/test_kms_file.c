/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: limits when reading, all or nothing when writing. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/common/auto.h"
#include "tools/common/file.h"

#define LIMIT 100 /* bytes */

/* A folder of its own for each test, which is also the working directory. */
struct world {
	char folder[256];
	struct clv_buf buf;
	struct clv_secret *secret;
	struct clv_err err;
};

/* ---- the calls of the system that are looked at, in the place of the library's */

static unsigned files_synced, folders_synced;
static bool no_renameat2; /* as on a file system that does not have it */

int fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		(*(S_ISDIR(st.st_mode) ? &folders_synced : &files_synced))++;
	return (int) syscall(SYS_fsync, fd);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
	if (no_renameat2) {
		errno = EINVAL;
		return -1;
	}
	return (int) syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	const char *tmp = getenv("TMPDIR");

	*state = w;
	files_synced = folders_synced = 0;
	no_renameat2 = false;
	if (w == NULL || clv_secret_setup(0, true, &w->err) != CLV_OK)
		return 1;
	snprintf(w->folder, sizeof w->folder, "%s/test_kms_file.XXXXXX",
		 tmp != NULL ? tmp : "/tmp");
	return mkdtemp(w->folder) == NULL || chdir(w->folder) != 0;
}

static unsigned each_file(const char *folder, int (*act)(const char *))
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		n++;
		if (act != NULL)
			act(entry->d_name);
	}
	closedir(dir);
	return n;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	each_file(".", remove);
	clv_buf_done(&w->buf);
	clv_secret_free(w->secret);
	if (chdir("/") == 0)
		rmdir(w->folder);
	free(w);
	return 0;
}

static void make_file(const char *path, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	while (len-- > 0)
		fputc('x', f);
	assert_int_equal(fclose(f), 0);
}

static void a_file_of_just_the_limit_is_read(void **state)
{
	static const size_t sizes[] = { 0, 1, LIMIT - 1, LIMIT };
	struct world *w = *state;

	for (size_t i = 0; i < KMS_ARRAY_LEN(sizes); i++) {
		make_file("in", sizes[i]);
		clv_buf_done(&w->buf);
		w->secret = clv_secret_free(w->secret);
		assert_int_equal(kms_read_file("in", "aad", LIMIT, &w->buf, &w->err), CLV_OK);
		assert_int_equal(w->buf.len, sizes[i]);
		assert_int_equal(
			kms_read_secret_file("in", "plaintext", LIMIT, &w->secret, &w->err),
			CLV_OK);
		assert_int_equal(clv_secret_len(w->secret), sizes[i]);
	}
}

static void one_byte_more_is_refused_with_limit_and_size(void **state)
{
	struct world *w = *state;

	make_file("in", LIMIT + 1);
	assert_int_equal(kms_read_file("in", "aad", LIMIT, &w->buf, &w->err),
			 CLV_E_INVALID_ARGUMENT);
	assert_string_equal(w->err.text, "the aad has 101 bytes; the limit is 100");
	assert_int_equal(kms_read_secret_file("in", "plaintext", LIMIT, &w->secret, &w->err),
			 CLV_E_INVALID_ARGUMENT);
	assert_null(w->secret);
}

/* Runs kms_read_secret_file() on a pipe that holds `len` bytes. */
static clv_rc read_pipe(struct world *w, size_t len)
{
	char bytes[LIMIT * 2] = { 0 };
	char path[32];
	int ends[2];
	clv_rc rc;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], bytes, len), (ssize_t) len);
	close(ends[1]);
	snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
	rc = kms_read_secret_file(path, "plaintext", LIMIT, &w->secret, &w->err);
	close(ends[0]);
	return rc;
}

static void a_pipe_is_read_up_to_the_limit_and_no_further(void **state)
{
	struct world *w = *state;

	assert_int_equal(read_pipe(w, LIMIT), CLV_OK);
	assert_int_equal(clv_secret_len(w->secret), LIMIT);
	assert_int_equal(read_pipe(w, LIMIT + 1), CLV_E_INVALID_ARGUMENT);
	assert_non_null(strstr(w->err.text, "more than 100 bytes"));
}

static void what_cannot_be_read_is_the_callers_mistake(void **state)
{
	struct world *w = *state;

	assert_int_equal(kms_read_file("none", "aad", LIMIT, &w->buf, &w->err),
			 CLV_E_INVALID_ARGUMENT);
	assert_non_null(strstr(w->err.text, "none: No such file"));
	assert_int_equal(kms_read_file(".", "aad", LIMIT, &w->buf, &w->err),
			 CLV_E_INVALID_ARGUMENT);
}

/* Files larger than what is read at a time, too. */
static void digest_of_a_file_is_that_of_its_bytes(void **state)
{
	static const size_t sizes[] = { 0, 1, 16383, 16384, 16385, 3 * 16384, 100000 };
	struct world *w = *state;

	for (size_t i = 0; i < KMS_ARRAY_LEN(sizes); i++) {
		struct clv_hashing *of_file = NULL, *of_bytes = NULL;
		uint8_t file_digest[CLV_HASH_MAX], digest[CLV_HASH_MAX];
		size_t len;

		make_file("f", sizes[i]);
		assert_int_equal(clv_hash_new(CLV_HASH_SHA256, &of_file, &w->err), CLV_OK);
		assert_int_equal(clv_hash_new(CLV_HASH_SHA256, &of_bytes, &w->err), CLV_OK);
		assert_int_equal(kms_hash_file("f", "input", of_file, &w->err), CLV_OK);
		for (size_t n = 0; n < sizes[i]; n++)
			assert_int_equal(clv_hash_add(of_bytes, "x", 1, &w->err), CLV_OK);
		assert_int_equal(clv_hash_end(of_file, file_digest, &len, &w->err), CLV_OK);
		assert_int_equal(clv_hash_end(of_bytes, digest, &len, &w->err), CLV_OK);
		assert_memory_equal(file_digest, digest, len);
		clv_hash_free(of_file);
		clv_hash_free(of_bytes);
	}
	assert_int_equal(kms_hash_file("none", "input", NULL, &w->err), CLV_E_INVALID_ARGUMENT);
	assert_non_null(strstr(w->err.text, "cannot read the input from none"));
	assert_int_equal(kms_hash_file(".", "input", NULL, &w->err), CLV_E_INVALID_ARGUMENT);
}

static const struct clv_bytes hello = { (const uint8_t *) "hello", 5 };

static void a_file_is_replaced_whole_with_its_own_mode(void **state)
{
	struct world *w = *state;
	const struct kms_sink sink = { .path = "out", .what = "plaintext", .mode = 0600 };
	struct stat st;

	make_file("out", 500);
	chmod("out", 0644);
	assert_int_equal(kms_sink_write(&sink, hello, &w->err), CLV_OK);
	assert_int_equal(stat("out", &st), 0);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(each_file(".", NULL), 1);
}

static void a_file_that_must_not_be_replaced_is_not(void **state)
{
	static const char *const names[] = { "out", "empty", "link", "dangling" };
	struct world *w = *state;
	struct kms_sink sink = { .what = "DEK", .mode = 0600, .sync = true, .no_replace = true };
	struct stat st;

	make_file("out", 500);
	make_file("empty", 0);
	assert_int_equal(symlink("out", "link"), 0);
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	for (int lacking = 0; lacking < 2; lacking++) {
		no_renameat2 = lacking != 0;
		for (size_t i = 0; i < KMS_ARRAY_LEN(names); i++) {
			sink.path = names[i];
			assert_int_equal(kms_sink_check(&sink, &w->err), CLV_E_ALREADY_EXISTS);
			assert_non_null(strstr(w->err.text, names[i]));
			assert_int_equal(kms_sink_write(&sink, hello, &w->err),
					 CLV_E_ALREADY_EXISTS);
		}
		sink.path = lacking ? "new" : "new too";
		assert_int_equal(kms_sink_check(&sink, &w->err), CLV_OK);
		assert_int_equal(kms_sink_write(&sink, hello, &w->err), CLV_OK);
		assert_int_equal(stat(sink.path, &st), 0);
		assert_int_equal(st.st_size, 5);
		assert_int_equal(st.st_nlink, 1);
	}
	assert_int_equal(stat("out", &st), 0);
	assert_int_equal(st.st_size, 500);
	assert_int_equal(access("nowhere", F_OK), -1);
	assert_int_equal(each_file(".", NULL), 6);
	sink.path = "/dev/null";
	assert_int_equal(kms_sink_check(&sink, &w->err), CLV_OK);
	assert_int_equal(kms_sink_write(&sink, hello, &w->err), CLV_OK);
}

static void what_is_synced_has_its_name_on_the_disk_too(void **state)
{
	struct world *w = *state;
	struct kms_sink sink = { .path = "out", .what = "DEK", .mode = 0600 };

	assert_int_equal(kms_sink_write(&sink, hello, &w->err), CLV_OK);
	assert_int_equal(files_synced, 0);
	assert_int_equal(folders_synced, 0);
	sink.sync = true;
	assert_int_equal(kms_sink_write(&sink, hello, &w->err), CLV_OK);
	assert_int_equal(files_synced, 1);
	assert_int_equal(folders_synced, 1);
}

static void a_link_is_followed_not_replaced(void **state)
{
	struct world *w = *state;
	const struct kms_sink sink = { .path = "link", .what = "ciphertext", .mode = 0640 };
	struct stat st;

	make_file("out", 1);
	assert_int_equal(symlink("out", "link"), 0);
	assert_int_equal(kms_sink_write(&sink, hello, &w->err), CLV_OK);
	assert_int_equal(lstat("link", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat("out", &st), 0);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void a_link_that_leads_nowhere_is_refused_and_stays(void **state)
{
	struct world *w = *state;
	const struct kms_sink sink = { .path = "dangling", .what = "plaintext", .mode = 0600 };
	struct stat st;

	assert_int_equal(symlink("nowhere", "dangling"), 0);
	assert_int_equal(kms_sink_check(&sink, &w->err), CLV_E_INVALID_ARGUMENT);
	assert_int_equal(kms_sink_write(&sink, hello, &w->err), CLV_E_INVALID_ARGUMENT);
	assert_non_null(strstr(w->err.text, "dangling: it is a symbolic link"));
	assert_int_equal(lstat("dangling", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_not_equal(stat("nowhere", &st), 0);
}

/* One case of two sinks. */
struct pair {
	const char *a, *b;
	clv_rc rc;
};

static void two_results_do_not_go_to_one_file(void **state)
{
	static const struct pair pairs[] = {
		{ "new", "new", CLV_E_INVALID_ARGUMENT },
		{ "new", "./new", CLV_E_INVALID_ARGUMENT },
		{ "new", "folder/../new", CLV_E_INVALID_ARGUMENT },
		{ "new", "folder/new", CLV_OK },
		{ "new", "newer", CLV_OK },
		{ "new", "out", CLV_OK },
		{ "out", "folder/../out", CLV_E_INVALID_ARGUMENT },
		{ "out", "link", CLV_E_INVALID_ARGUMENT },
		{ "out", "other", CLV_OK },
		{ "missing/new", "missing/new", CLV_OK }, /* kms_sink_check() has a word for it */
		{ "/dev/null", "/dev/null", CLV_OK },
		{ "out", NULL, CLV_OK },
	};
	struct world *w = *state;

	make_file("out", 1);
	make_file("other", 1);
	assert_int_equal(symlink("out", "link"), 0);
	assert_int_equal(mkdir("folder", 0700), 0);
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		const struct kms_sink a = { .path = pairs[i].a, .what = "ciphertext" };
		const struct kms_sink b = { .path = pairs[i].b, .what = "other one" };

		assert_int_equal(kms_sinks_check_apart(&a, &b, &w->err), pairs[i].rc);
		assert_int_equal(kms_sinks_check_apart(&b, &a, &w->err), pairs[i].rc);
	}
}

static void a_failed_write_leaves_nothing_and_spoils_nothing(void **state)
{
	struct world *w = *state;
	const struct kms_sink in_folder = { .path = "sub", .what = "plaintext", .mode = 0600 };
	const struct kms_sink missing = { .path = "no/out", .what = "plaintext", .mode = 0600 };
	const struct kms_sink full = { .path = "/dev/full", .what = "plaintext" };

	assert_int_equal(mkdir("sub", 0700), 0);
	assert_int_equal(kms_sink_check(&in_folder, &w->err), CLV_E_INVALID_ARGUMENT);
	assert_int_equal(kms_sink_write(&in_folder, hello, &w->err), CLV_E_INVALID_ARGUMENT);
	assert_int_equal(kms_sink_check(&missing, &w->err), CLV_E_INVALID_ARGUMENT);
	assert_int_equal(kms_sink_write(&missing, hello, &w->err), CLV_E_INVALID_ARGUMENT);
	assert_int_equal(kms_sink_write(&full, hello, &w->err), CLV_E_RESOURCE_EXHAUSTED);
	assert_int_equal(each_file(".", NULL), 1);
}

static void a_pipe_is_written_as_it_is(void **state)
{
	struct world *w = *state;
	const struct kms_sink sink = { .path = "fifo", .what = "plaintext", .mode = 0600 };
	char got[8] = "";
	int fd;

	assert_int_equal(mkfifo("fifo", 0600), 0);
	fd = open("fifo", O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(kms_sink_check(&sink, &w->err), CLV_OK);
	assert_int_equal(kms_sink_write(&sink, hello, &w->err), CLV_OK);
	assert_int_equal(read(fd, got, sizeof got), 5);
	close(fd);
	assert_string_equal(got, "hello");
	assert_int_equal(each_file(".", NULL), 1);
}

static void plaintext_is_not_shown_on_a_terminal(void **state)
{
	struct world *w = *state;
	int fd = posix_openpt(O_RDWR | O_NOCTTY);
	struct kms_sink sink = { .what = "plaintext", .not_to_terminal = true };

	assert_true(fd >= 0);
	assert_int_equal(grantpt(fd), 0);
	assert_int_equal(unlockpt(fd), 0);
	sink.path = ptsname(fd);
	assert_int_equal(kms_sink_check(&sink, &w->err), CLV_E_INVALID_ARGUMENT);
	assert_non_null(strstr(w->err.text, "--force"));
	assert_int_equal(kms_sink_write(&sink, hello, &w->err), CLV_E_INVALID_ARGUMENT);
	sink.not_to_terminal = false;
	assert_int_equal(kms_sink_check(&sink, &w->err), CLV_OK);
	close(fd);
}

static void parents_are_made_for_their_owner_only(void **state)
{
	struct world *w = *state;
	char path[320];
	struct stat st;

	snprintf(path, sizeof path, "%s/one/two/home", w->folder);
	assert_int_equal(kms_make_parents(path, &w->err), CLV_OK);
	assert_int_equal(kms_make_parents(path, &w->err), CLV_OK);
	assert_int_equal(stat("one/two", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_not_equal(stat("one/two/home", &st), 0);
	assert_int_equal(rmdir("one/two"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_of_just_the_limit_is_read),
		TEST(one_byte_more_is_refused_with_limit_and_size),
		TEST(a_pipe_is_read_up_to_the_limit_and_no_further),
		TEST(what_cannot_be_read_is_the_callers_mistake),
		TEST(digest_of_a_file_is_that_of_its_bytes),
		TEST(a_file_is_replaced_whole_with_its_own_mode),
		TEST(a_file_that_must_not_be_replaced_is_not),
		TEST(what_is_synced_has_its_name_on_the_disk_too),
		TEST(a_link_is_followed_not_replaced),
		TEST(a_link_that_leads_nowhere_is_refused_and_stays),
		TEST(two_results_do_not_go_to_one_file),
		TEST(a_failed_write_leaves_nothing_and_spoils_nothing),
		TEST(a_pipe_is_written_as_it_is),
		TEST(plaintext_is_not_shown_on_a_terminal),
		TEST(parents_are_made_for_their_owner_only),
	};
	return cmocka_run_group_tests_name("kms_file", tests, NULL, NULL);
}
