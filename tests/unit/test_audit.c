/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log: what a line looks like, and that it stays a line whatever happens to the file. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "lib/audit/audit.h"
#include "lib/base/room.h"

#define T0 INT64_C(1763925505123456789) /* 2025-11-23T19:18:25.123456789Z */

struct world {
	char dir[64];
	char path[96];
	struct audit *audit;
	struct clv_err err;
};

static const struct audit_entry full = {
	.time = T0,
	.request = 0xab,
	.principal = "user:ada",
	.permission = "cloudkms.cryptoKeyVersions.update",
	.resource = "projects/demo/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
	.version = "projects/demo/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
	.rule = "owner",
	.reason = "drill",
	.actor = "user:eve",
	.place = "europe-west2-b",
	.job_id = "2026-11-25_1",
	.component = "worker",
	.outcome = CLV_E_ABORTED,
	.error = "read it again",
};

static const struct audit_entry bare = { .time = T0, .request = UINT64_MAX };

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	if (w == NULL)
		return -1;
	*state = w;
	snprintf(w->dir, sizeof w->dir, "/tmp/claviger-audit-XXXXXX");
	if (mkdtemp(w->dir) == NULL)
		return -1;
	snprintf(w->path, sizeof w->path, "%s/audit.jsonl", w->dir);
	return audit_open(w->dir, &w->audit, &w->err) == CLV_OK ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void) st;
	(void) type;
	(void) ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	audit_close(w->audit);
	nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(w);
	return 0;
}

#define assert_ok(w, call)                                                                         \
	do {                                                                                       \
		clv_rc ok_rc = (call);                                                             \
		if (ok_rc != CLV_OK)                                                               \
			fail_msg("%s: %s", clv_rc_name(ok_rc), (w)->err.text);                     \
	} while (0)

static void reopen(struct world *w)
{
	w->audit = audit_close(w->audit);
	assert_ok(w, audit_open(w->dir, &w->audit, &w->err));
}

static void append(struct world *w, const struct audit_entry *entry)
{
	assert_ok(w, audit_append(w->audit, entry, false, &w->err));
}

/* What the log holds. `last` gets the last line without its newline, when not NULL. */
struct content {
	unsigned good;  /* lines that are JSON objects */
	unsigned bad;   /* other lines that are not empty */
	bool ends_well; /* with a newline, or empty */
	char last[4096];
};

static struct content read_log(const struct world *w)
{
	struct content content = { .ends_well = true };
	FILE *file = fopen(w->path, "r");
	char line[4096];

	assert_non_null(file);
	while (fgets(line, sizeof line, file) != NULL) {
		size_t len = strcspn(line, "\n");
		json_t *json = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);

		content.ends_well = line[len] == '\n';
		line[len] = '\0';
		content.good += json_is_object(json);
		content.bad += len > 0 && !json_is_object(json);
		snprintf(content.last, sizeof content.last, "%s", line);
		json_decref(json);
	}
	fclose(file);
	return content;
}

static void set_size_limit(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* ---- the line */

static void line_has_every_member_in_order(void **state)
{
	static const char want[] =
		"{\"actor\":\"user:eve\",\"component\":\"worker\",\"error\":\"read it again\","
		"\"job_id\":\"2026-11-25_1\",\"outcome\":\"ABORTED\","
		"\"permission\":\"cloudkms.cryptoKeyVersions.update\",\"pid\":%ld,"
		"\"place\":\"europe-west2-b\",\"principal\":\"user:ada\",\"reason\":\"drill\","
		"\"request\":\"00000000000000ab\","
		"\"resource\":"
		"\"projects/demo/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1\","
		"\"rule\":\"owner\",\"time\":\"2025-11-23T19:18:25.123456789Z\",\"version\":"
		"\"projects/demo/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1\"}";
	struct world *w = *state;
	char text[1024];

	append(w, &full);
	snprintf(text, sizeof text, want, (long) getpid());
	assert_string_equal(read_log(w).last, text);
}

static void member_without_a_value_is_left_out(void **state)
{
	struct world *w = *state;
	char text[256];

	append(w, &bare);
	snprintf(text, sizeof text,
		 "{\"outcome\":\"OK\",\"pid\":%ld,\"request\":\"ffffffffffffffff\","
		 "\"time\":\"2025-11-23T19:18:25.123456789Z\"}",
		 (long) getpid());
	assert_string_equal(read_log(w).last, text);
}

/* Strings as they come in and as a reader of the log gets them. */
static const struct {
	const char *in;
	const char *out;
} strings[] = {
	{ "", "" },
	{ "quote \" backslash \\ slash /", "quote \" backslash \\ slash /" },
	{ "\b\f\n\r\t", "\b\f\n\r\t" },
	{ "\x01\x1f\x7f", "\x01\x1f\x7f" },
	{ "Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x94\x91",
	  "Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x94\x91" },
	{ "\xff", "\xef\xbf\xbd" },
	{ "a\x80z", "a\xef\xbf\xbdz" },
	{ "\xc3", "\xef\xbf\xbd" },                                 /* ends too early */
	{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },                 /* the same */
	{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },                 /* longer than need be */
	{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* a surrogate */
	{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* > U+10FFFF */
	{ "\xc3(", "\xef\xbf\xbd(" },
};

static void any_string_comes_back_and_bad_bytes_are_replaced(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < CLV_ARRAY_LEN(strings); i++) {
		struct audit_entry entry = bare;
		struct content content;
		json_t *json;

		entry.reason = strings[i].in;
		append(w, &entry);
		content = read_log(w);
		assert_int_equal(content.good, i + 1);
		assert_int_equal(content.bad, 0);
		json = json_loads(content.last, 0, NULL);
		assert_string_equal(json_string_value(json_object_get(json, "reason")),
				    strings[i].out);
		json_decref(json);
	}
}

/* Jansson agrees on the form; it writes \u001F where RFC 8785 has \u001f, so those stay out. */
static void line_is_as_jansson_writes_it(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < CLV_ARRAY_LEN(strings); i++) {
		struct audit_entry entry = full;
		struct content content;
		json_t *json;
		char *text;

		if (strchr(strings[i].in, 0x1f) != NULL)
			continue;
		entry.reason = strings[i].in;
		append(w, &entry);
		content = read_log(w);
		json = json_loads(content.last, 0, NULL);
		text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
		assert_string_equal(content.last, text);
		free(text);
		json_decref(json);
	}
}

static void long_strings_make_a_long_line(void **state)
{
	struct world *w = *state;
	struct audit_entry entry = full;
	char reason[1024];

	memset(reason, '\n', sizeof reason - 1);
	reason[sizeof reason - 1] = '\0';
	entry.reason = reason;
	append(w, &entry);
	assert_int_equal(read_log(w).good, 1);
}

/* ---- the file */

static void only_the_owner_can_read_the_log(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void log_is_not_inherited_by_other_programs(void **state)
{
	struct world *w = *state;
	char name[64];
	char target[128];
	int found = -1;

	for (int fd = 3; fd < 64 && found < 0; fd++) {
		ssize_t len;

		snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
		len = readlink(name, target, sizeof target - 1);
		if (len > 0 && strncmp(target, w->path, (size_t) len) == 0)
			found = fd;
	}
	assert_true(found >= 0);
	assert_true((fcntl(found, F_GETFD) & FD_CLOEXEC) != 0);
}

static void entries_follow_those_that_are_there(void **state)
{
	struct world *w = *state;
	struct content content;

	append(w, &full);
	reopen(w);
	assert_ok(w, audit_append(w->audit, &bare, true, &w->err));
	content = read_log(w);
	assert_int_equal(content.good, 2);
	assert_int_equal(content.bad, 0);
}

static void size_is_that_of_the_file(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(audit_size(w->audit), 0);
	append(w, &full);
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(audit_size(w->audit), st.st_size);
}

static void what_is_no_log_is_unavailable(void **state)
{
	struct world *w = *state;
	struct audit *audit = NULL;
	char elsewhere[128];

	snprintf(elsewhere, sizeof elsewhere, "%s/missing", w->dir);
	assert_int_equal(audit_open(elsewhere, &audit, &w->err), CLV_E_UNAVAILABLE);
	assert_non_null(strstr(w->err.text, elsewhere));
	assert_int_equal(w->err.native, ENOENT);

	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(symlink("/dev/null", w->path), 0);
	assert_int_equal(audit_open(w->dir, &audit, &w->err), CLV_E_UNAVAILABLE);
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(mkfifo(w->path, 0600), 0);
	assert_int_equal(audit_open(w->dir, &audit, &w->err), CLV_E_UNAVAILABLE);
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(mkdir(w->path, 0700), 0);
	assert_int_equal(audit_open(w->dir, &audit, &w->err), CLV_E_UNAVAILABLE);
	assert_null(audit);
}

/* ---- no space, and what it tears */

static void line_that_does_not_fit_is_taken_away_again(void **state)
{
	struct world *w = *state;
	uint64_t before;

	append(w, &full);
	before = audit_size(w->audit);
	for (rlim_t room = 0; room < 60; room += 10) {
		set_size_limit(before + room);
		assert_int_equal(audit_append(w->audit, &full, true, &w->err),
				 CLV_E_RESOURCE_EXHAUSTED);
		set_size_limit(RLIM_INFINITY);
		assert_non_null(strstr(w->err.text, w->path));
		assert_non_null(strstr(w->err.text, "make room"));
		assert_int_equal(w->err.domain, CLV_DOM_ERRNO);
		assert_int_equal(audit_size(w->audit), before);
	}
	append(w, &full);
	assert_int_equal(read_log(w).good, 2);
	assert_int_equal(read_log(w).bad, 0);
}

static bool lift_limit(struct clv_room *room)
{
	struct rlimit limit;

	(void) room;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	set_size_limit(limit.rlim_cur + 100);
	return true;
}

/* A little more each time: the line is there once, whole, and no piece of it before. */
static void line_that_asks_for_room_is_written_with_what_it_gets(void **state)
{
	struct clv_room room = { .make = lift_limit };
	struct world *w = *state;

	append(w, &full);
	set_size_limit(audit_size(w->audit));
	clv_room_offer(&room);
	append(w, &full);
	clv_room_take_back(&room);
	set_size_limit(RLIM_INFINITY);
	assert_int_equal(read_log(w).good, 2);
	assert_int_equal(read_log(w).bad, 0);
}

/* An open file description of the test's own, with a lock on the whole log. */
static int hold_lock(const struct world *w, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
	int fd = open(w->path, O_RDWR | O_APPEND | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	return fd;
}

static void torn_piece_that_cannot_be_cut_spoils_no_other_line(void **state)
{
	struct world *w = *state;
	struct content content;
	uint64_t before;
	int fd;

	append(w, &full);
	before = audit_size(w->audit);
	fd = hold_lock(w, F_RDLCK);
	set_size_limit(before + 30);
	assert_int_equal(audit_append(w->audit, &full, false, &w->err), CLV_E_RESOURCE_EXHAUSTED);
	set_size_limit(RLIM_INFINITY);
	close(fd);
	assert_int_equal(audit_size(w->audit), before + 30);

	set_size_limit(before + 60); /* a second piece, which can be cut, leaves the first */
	assert_int_equal(audit_append(w->audit, &full, false, &w->err), CLV_E_RESOURCE_EXHAUSTED);
	set_size_limit(RLIM_INFINITY);
	assert_int_equal(audit_size(w->audit), before + 30);
	append(w, &full);
	append(w, &full);
	content = read_log(w);
	assert_int_equal(content.good, 3);
	assert_int_equal(content.bad, 1);
	assert_true(content.ends_well);
}

static void line_torn_by_a_crash_spoils_no_other_line(void **state)
{
	struct world *w = *state;
	struct content content;

	append(w, &full);
	assert_int_equal(truncate(w->path, (off_t) audit_size(w->audit) - 9), 0);
	reopen(w);
	append(w, &full);
	append(w, &full);
	content = read_log(w);
	assert_int_equal(content.good, 2);
	assert_int_equal(content.bad, 1);
	assert_true(content.ends_well);
}

static void wait_for_a_repair_that_never_ends_has_an_end(void **state)
{
	struct world *w = *state;
	int fd = hold_lock(w, F_WRLCK);
	time_t started = time(NULL);

	assert_int_equal(audit_append(w->audit, &full, false, &w->err), CLV_E_UNAVAILABLE);
	assert_true(time(NULL) - started <= 5);
	assert_non_null(strstr(w->err.text, w->path));
	close(fd);
	append(w, &full);
	assert_int_equal(read_log(w).good, 1);
}

/* In a child with a disk of its own: 0 when it behaves, 77 when there is no such disk to be had. */
static int fill_small_disk(struct world *w)
{
	struct audit *audit = NULL;
	clv_rc rc = CLV_OK;
	struct content content;
	unsigned n = 0;

	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", w->dir, "tmpfs", 0, "size=16k") != 0)
		return 77;
	if (audit_open(w->dir, &audit, &w->err) != CLV_OK)
		return 1;
	for (; rc == CLV_OK && n < 1000; n++)
		rc = audit_append(audit, &full, true, &w->err);
	content = read_log(w);
	if (rc != CLV_E_RESOURCE_EXHAUSTED || w->err.native != ENOSPC)
		return 2;
	if (content.good != n - 1 || content.bad != 0 || !content.ends_well)
		return 3;
	audit_close(audit);
	return 0;
}

static void full_disk_tears_no_line(void **state)
{
	struct world *w = *state;
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(fill_small_disk(w));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("# this user cannot mount a small disk\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- several at once */

static void *append_many(void *arg)
{
	struct audit *audit = arg;
	struct clv_err err;

	for (unsigned i = 0; i < 200; i++) {
		if (audit_append(audit, &full, false, &err) != CLV_OK)
			return audit;
	}
	return NULL;
}

/* 0 when all of this process's threads appended all of their entries. */
static int append_in_threads(const struct world *w)
{
	struct audit *audit = NULL;
	struct clv_err err;
	pthread_t threads[3];
	int failed = 0;

	if (audit_open(w->dir, &audit, &err) != CLV_OK)
		return 1;
	for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++)
		failed += pthread_create(&threads[i], NULL, append_many, audit) != 0;
	for (size_t i = 0; i < CLV_ARRAY_LEN(threads) && failed == 0; i++) {
		void *result = NULL;

		failed += pthread_join(threads[i], &result) != 0 || result != NULL;
	}
	audit_close(audit);
	return failed;
}

static void lines_of_threads_and_processes_do_not_mix(void **state)
{
	struct world *w = *state;
	struct content content;
	pid_t children[4];

	for (size_t i = 0; i < CLV_ARRAY_LEN(children); i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(append_in_threads(w));
	}
	for (size_t i = 0; i < CLV_ARRAY_LEN(children); i++) {
		int status = -1;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	content = read_log(w);
	assert_int_equal(content.good, 4 * 3 * 200);
	assert_int_equal(content.bad, 0);
}

static void killed_writer_spoils_no_other_line(void **state)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	struct world *w = *state;
	struct content content;

	for (unsigned round = 0; round < 20; round++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			for (;;)
				append_many(w->audit);
		}
		nanosleep(&pause, NULL);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		reopen(w);
		append(w, &bare);
	}
	content = read_log(w);
	assert_true(content.good >= 20);
	assert_true(content.bad <= 20);
	assert_true(content.ends_well);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(line_has_every_member_in_order),
		TEST(member_without_a_value_is_left_out),
		TEST(any_string_comes_back_and_bad_bytes_are_replaced),
		TEST(line_is_as_jansson_writes_it),
		TEST(long_strings_make_a_long_line),
		TEST(only_the_owner_can_read_the_log),
		TEST(log_is_not_inherited_by_other_programs),
		TEST(entries_follow_those_that_are_there),
		TEST(size_is_that_of_the_file),
		TEST(what_is_no_log_is_unavailable),
		TEST(line_that_does_not_fit_is_taken_away_again),
		TEST(line_that_asks_for_room_is_written_with_what_it_gets),
		TEST(torn_piece_that_cannot_be_cut_spoils_no_other_line),
		TEST(line_torn_by_a_crash_spoils_no_other_line),
		TEST(wait_for_a_repair_that_never_ends_has_an_end),
		TEST(full_disk_tears_no_line),
		TEST(lines_of_threads_and_processes_do_not_mix),
		TEST(killed_writer_spoils_no_other_line),
	};

	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
