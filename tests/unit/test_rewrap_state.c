/* SPDX-License-Identifier: Apache-2.0 */
/* The state file of a bulk rewrap: what is written is read, torn lines and strange files are not.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/kmsctl/rewrap.h"

#define KEY_NAME "projects/p/locations/l/keyRings/r/cryptoKeys/k"
#define TAG "00112233445566778899AABBCCDDEEFF"

struct world {
	char dir[256], path[300];
	struct rewrap_state state;
	struct rewrap_head head;
	struct clv_err err;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	const char *tmp = getenv("TMPDIR");

	*state = w;
	if (w == NULL)
		return 1;
	w->state.fd = -1;
	snprintf(w->dir, sizeof w->dir, "%s/test_rewrap_state.XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(w->dir) == NULL)
		return 1;
	snprintf(w->path, sizeof w->path, "%s/f" REWRAP_SUFFIX, w->dir);
	snprintf(w->head.key, sizeof w->head.key, KEY_NAME);
	snprintf(w->head.version, sizeof w->head.version, KEY_NAME "/cryptoKeyVersions/2");
	w->head.bytes = 123;
	w->head.crc32c = 0xdeadbeef;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	rewrap_state_done(&w->state);
	unlink(w->path);
	rmdir(w->dir);
	free(w);
	return 0;
}

static void assert_ok(struct world *w, clv_rc rc)
{
	if (rc != CLV_OK)
		fail_msg("%s: %s", clv_rc_name(rc), w->err.text);
}

static void open_state(struct world *w)
{
	rewrap_state_done(&w->state);
	assert_ok(w, rewrap_state_open(w->path, &w->state, &w->err));
}

/* Opens it anew and reads the head, which must be there. */
static void open_and_read_head(struct world *w)
{
	struct rewrap_head head;
	bool there = false;

	open_state(w);
	assert_ok(w, rewrap_state_head(&w->state, &head, &there, &w->err));
	assert_true(there);
	assert_string_equal(head.key, w->head.key);
	assert_string_equal(head.version, w->head.version);
	assert_int_equal(head.bytes, w->head.bytes);
	assert_int_equal(head.crc32c, w->head.crc32c);
}

static void begin(struct world *w)
{
	open_state(w);
	assert_ok(w, rewrap_state_begin(&w->state, &w->head, &w->err));
}

static void add_done(struct world *w, const char *name)
{
	struct rewrap_entry entry = { .mark = REWRAP_DONE, .tag = TAG };

	snprintf(entry.name, sizeof entry.name, "%s", name);
	assert_ok(w, rewrap_state_add(&w->state, &entry, &w->err));
}

static bool next(struct world *w, struct rewrap_entry *entry)
{
	bool there;

	assert_ok(w, rewrap_state_next(&w->state, entry, &there, &w->err));
	return there;
}

static void append(struct world *w, const char *text, size_t len)
{
	int fd = open(w->path, O_WRONLY | O_APPEND | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t) len);
	close(fd);
}

/* ---- */

static void what_is_written_is_read(void **state)
{
	const struct rewrap_entry failed = { .mark = REWRAP_FAILED,
					     .number = 17,
					     .rc = CLV_E_FAILED_PRECONDITION };
	const struct rewrap_entry synced = {
		.mark = REWRAP_SYNCED, .number = 18, .bytes = UINT64_MAX - 1, .crc32c = 0xabcdef
	};
	const struct rewrap_entry end = { .mark = REWRAP_END,
					  .rewrapped = 5,
					  .already = 6,
					  .failed = 7,
					  .bytes = UINT64_MAX,
					  .crc32c = 0xf };
	struct world *w = *state;
	struct rewrap_entry got;

	begin(w);
	add_done(w, "orders");
	assert_ok(w, rewrap_state_add(&w->state, &failed, &w->err));
	assert_ok(w, rewrap_state_add(&w->state, &synced, &w->err));
	assert_ok(w, rewrap_state_add(&w->state, &end, &w->err));
	open_and_read_head(w);
	assert_true(next(w, &got));
	assert_int_equal(got.mark, REWRAP_DONE);
	assert_string_equal(got.name, "orders");
	assert_string_equal(got.tag, TAG);
	assert_true(next(w, &got));
	assert_int_equal(got.mark, REWRAP_FAILED);
	assert_int_equal(got.number, 17);
	assert_int_equal(got.rc, CLV_E_FAILED_PRECONDITION);
	assert_true(next(w, &got));
	assert_int_equal(got.mark, REWRAP_SYNCED);
	assert_int_equal(got.number, 18);
	assert_true(got.bytes == UINT64_MAX - 1);
	assert_int_equal(got.crc32c, 0xabcdef);
	assert_true(next(w, &got));
	assert_int_equal(got.mark, REWRAP_END);
	assert_int_equal(got.rewrapped, 5);
	assert_int_equal(got.already, 6);
	assert_int_equal(got.failed, 7);
	assert_true(got.bytes == UINT64_MAX);
	assert_int_equal(got.crc32c, 0xf);
	assert_false(next(w, &got));
}

static void any_file_name_comes_back(void **state)
{
	struct world *w = *state;
	struct rewrap_entry got;
	char name[NAME_MAX + 1];
	char all[256] = { 0 };

	for (int i = 1; i < 256; i++)
		all[i - 1] = (char) (i == '/' ? '_' : i);
	memset(name, 0xff, NAME_MAX);
	name[NAME_MAX] = '\0';
	begin(w);
	add_done(w, all);
	add_done(w, name);
	add_done(w, "with blank\nand line");
	add_done(w, "100%");
	open_and_read_head(w);
	assert_true(next(w, &got));
	assert_string_equal(got.name, all);
	assert_true(next(w, &got));
	assert_string_equal(got.name, name);
	assert_true(next(w, &got));
	assert_string_equal(got.name, "with blank\nand line");
	assert_true(next(w, &got));
	assert_string_equal(got.name, "100%");
	assert_false(next(w, &got));
}

static void a_last_line_that_is_not_whole_does_not_count(void **state)
{
	static const char line[] = "done " TAG " last\n";
	struct world *w = *state;
	struct rewrap_entry got;

	for (size_t len = 1; len < sizeof line - 1; len++) {
		begin(w);
		add_done(w, "first");
		append(w, line, len);
		open_and_read_head(w);
		assert_true(next(w, &got));
		assert_string_equal(got.name, "first");
		assert_false(next(w, &got));
		assert_ok(w, rewrap_state_cut(&w->state, got.at, &w->err));
		add_done(w, "second");
		open_and_read_head(w);
		assert_true(next(w, &got));
		assert_true(next(w, &got));
		assert_string_equal(got.name, "second");
		assert_false(next(w, &got));
	}
}

static void an_entry_tells_where_it_can_be_cut_off(void **state)
{
	struct world *w = *state;
	struct rewrap_entry first, got;

	begin(w);
	add_done(w, "first");
	add_done(w, "second");
	open_and_read_head(w);
	assert_true(next(w, &first));
	assert_true(next(w, &got));
	assert_ok(w, rewrap_state_cut(&w->state, got.at, &w->err));
	open_and_read_head(w);
	assert_true(next(w, &got));
	assert_string_equal(got.name, "first");
	assert_int_equal(got.at, first.at);
	assert_false(next(w, &got));
}

static void entries_can_be_read_again(void **state)
{
	struct world *w = *state;
	struct rewrap_entry first, got;

	begin(w);
	add_done(w, "first");
	add_done(w, "second");
	open_and_read_head(w);
	assert_true(next(w, &first));
	assert_true(next(w, &got));
	assert_false(next(w, &got));
	assert_ok(w, rewrap_state_seek(&w->state, first.at, &w->err));
	assert_true(next(w, &got));
	assert_string_equal(got.name, "first");
}

static void assert_refused(struct world *w)
{
	assert_int_equal(rewrap_state_open(w->path, &w->state, &w->err), CLV_E_INVALID_ARGUMENT);
	assert_non_null(strstr(w->err.text, w->path));
	assert_non_null(strstr(w->err.text, "move it away"));
	assert_int_equal(w->state.fd, -1);
	assert_int_equal(access(w->path, F_OK), 0);
}

static void a_file_that_others_could_write_is_refused(void **state)
{
	static const mode_t modes[] = { 0620, 0602, 0666 };
	struct world *w = *state;
	char other[310];

	begin(w);
	rewrap_state_done(&w->state);
	for (size_t i = 0; i < KMS_ARRAY_LEN(modes); i++) {
		assert_int_equal(chmod(w->path, modes[i]), 0);
		assert_refused(w);
	}
	assert_int_equal(chmod(w->path, 0644), 0);
	open_and_read_head(w);
	rewrap_state_done(&w->state);
	snprintf(other, sizeof other, "%s.2", w->path);
	assert_int_equal(link(w->path, other), 0);
	assert_refused(w);
	assert_int_equal(unlink(other), 0);
	open_and_read_head(w);
	rewrap_state_done(&w->state);
	if (geteuid() == 0) {
		assert_int_equal(chown(w->path, 65534, 65534), 0);
		assert_refused(w);
	}
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(mkfifo(w->path, 0600), 0);
	assert_refused(w);
}

static void strange_files_are_refused(void **state)
{
	static const char *const texts[] = {
		"x",
		"\n",
		"kmsctl-rewrap 1",
		"kmsctl-rewrap 2\nkey k\nversion v\ninput 0 0\n",
		"kmsctl-rewrap 1\nkey k\n",
		"kmsctl-rewrap 1\nversion v\nkey k\ninput 0 0\n",
		"kmsctl-rewrap 1\nkey k\nversion v\ninput 0\n",
		"kmsctl-rewrap 1\nkey k\nversion v\ninput 0 0",
	};
	struct world *w = *state;

	for (size_t i = 0; i < KMS_ARRAY_LEN(texts); i++) {
		struct rewrap_head head;
		bool there;

		unlink(w->path);
		append(w, texts[i], strlen(texts[i]));
		open_state(w);
		if (rewrap_state_head(&w->state, &head, &there, &w->err) != CLV_E_INVALID_ARGUMENT)
			fail_msg("\"%s\" was taken", texts[i]);
		assert_non_null(strstr(w->err.text, "move it away"));
	}
}

static void strange_entries_are_refused(void **state)
{
	static const char *const texts[] = {
		"\n",
		"done\n",
		"done " TAG "\n",
		"done " TAG " \n",
		"done " TAG "00 name\n",
		"done 00 name\n",
		"done " TAG " bad%4\n",
		"done " TAG " bad%zz\n",
		"failed\n",
		"failed x INTERNAL\n",
		"synced 1 2\n",
		"synced x 2 3\n",
		"end 1 2 3\n",
		"more\n",
	};
	struct world *w = *state;

	for (size_t i = 0; i < KMS_ARRAY_LEN(texts); i++) {
		struct rewrap_entry got;
		bool there;

		begin(w);
		append(w, texts[i], strlen(texts[i]));
		open_and_read_head(w);
		if (rewrap_state_next(&w->state, &got, &there, &w->err) != CLV_E_INVALID_ARGUMENT)
			fail_msg("\"%s\" was taken", texts[i]);
	}
}

static void a_second_run_is_kept_away(void **state)
{
	struct rewrap_state second = { .fd = -1 };
	struct world *w = *state;

	begin(w);
	assert_int_equal(rewrap_state_open(w->path, &second, &w->err), CLV_E_ABORTED);
	assert_non_null(strstr(w->err.text, "another run is at work"));
	assert_int_equal(second.fd, -1);
	rewrap_state_done(&w->state);
	assert_ok(w, rewrap_state_open(w->path, &second, &w->err));
	rewrap_state_done(&second);
}

static void a_run_that_began_nothing_leaves_no_file(void **state)
{
	struct world *w = *state;

	open_state(w);
	assert_int_equal(access(w->path, F_OK), 0);
	rewrap_state_done(&w->state);
	assert_int_not_equal(access(w->path, F_OK), 0);
	begin(w);
	rewrap_state_done(&w->state);
	assert_int_equal(access(w->path, F_OK), 0);
	open_state(w);
	assert_ok(w, rewrap_state_remove(&w->state, &w->err));
	assert_int_not_equal(access(w->path, F_OK), 0);
}

static void others_cannot_read_it_and_links_are_not_followed(void **state)
{
	struct world *w = *state;
	struct stat st;

	umask(0);
	begin(w);
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	rewrap_state_done(&w->state);
	unlink(w->path);
	assert_int_equal(symlink("elsewhere", w->path), 0);
	assert_int_equal(rewrap_state_open(w->path, &w->state, &w->err), CLV_E_INVALID_ARGUMENT);
}

#define state_test(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		state_test(what_is_written_is_read),
		state_test(any_file_name_comes_back),
		state_test(a_last_line_that_is_not_whole_does_not_count),
		state_test(an_entry_tells_where_it_can_be_cut_off),
		state_test(entries_can_be_read_again),
		state_test(a_file_that_others_could_write_is_refused),
		state_test(strange_files_are_refused),
		state_test(strange_entries_are_refused),
		state_test(a_second_run_is_kept_away),
		state_test(a_run_that_began_nothing_leaves_no_file),
		state_test(others_cannot_read_it_and_links_are_not_followed),
	};

	return cmocka_run_group_tests_name("rewrap_state", tests, NULL, NULL);
}
