/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena is set up once for a process, so what depends on how that went runs in a child. Those
 * tests stand first: a child of a process with an arena would have it already.
 */
#include "tests/unit/base_check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include <claviger/secret.h>

#include "config.h"

#define SKIPPED 77

/* In a child: a line on standard error for what does not hold, and a status that says so. */
#define CHILD_CHECK(condition)                                                                     \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "# line %d: %s\n", __LINE__, #condition);                  \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

/* What run() returned in a child, -1: it ended otherwise. */
static int status_of_child(int (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(run());
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void in_child(int (*run)(void))
{
	int status = status_of_child(run);

	if (status == SKIPPED)
		skip();
	assert_int_equal(status, 0);
}

static int use_without_setup(void)
{
	struct clv_secret *secret = NULL;
	struct clv_err err;

	CHILD_CHECK(clv_secret_new(16, &secret, &err) == CLV_E_FAILED_PRECONDITION);
	CHILD_CHECK(strstr(err.text, "clv_secret_setup() was not called") != NULL);
	CHILD_CHECK(secret == NULL);
	return 0;
}

static void new_refuses_before_setup(void **state)
{
	(void) state;
	in_child(use_without_setup);
}

/* False when this process can lock memory whatever is done (no such limit in some containers). */
static bool take_away_locking(void)
{
	const struct rlimit none = { 0, 0 };
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (setrlimit(RLIMIT_MEMLOCK, &none) != 0)
		return false;
	if (geteuid() == 0 && setuid(65534) != 0) /* root may lock beyond the limit */
		return false;
	/* by number, because AddressSanitizer makes mlock() do nothing */
	return page != MAP_FAILED && syscall(SYS_mlock, page, 4096) != 0;
}

static int setup_without_locking(void)
{
	struct clv_secret *secret = NULL;
	struct clv_err err;

	if (!take_away_locking())
		return SKIPPED;
	CHILD_CHECK(clv_secret_setup(0, false, &err) == CLV_E_RESOURCE_EXHAUSTED);
	CHILD_CHECK(strstr(err.text, "could not be locked: raise `ulimit -l'") != NULL);
	CHILD_CHECK(clv_secret_new(16, &secret, &err) == CLV_E_FAILED_PRECONDITION);
	CHILD_CHECK(!CRYPTO_secure_malloc_initialized());
	return 0;
}

static void setup_refuses_memory_that_cannot_be_locked(void **state)
{
	(void) state;
	in_child(setup_without_locking);
}

static int setup_with_unlocked_allowed(void)
{
	struct clv_secret *secret = NULL;
	struct clv_err err;

	if (!take_away_locking())
		return SKIPPED;
	CHILD_CHECK(clv_secret_setup(0, false, &err) == CLV_E_RESOURCE_EXHAUSTED);
	CHILD_CHECK(clv_secret_setup(0, true, &err) == CLV_OK);
	CHILD_CHECK(clv_secret_new(16, &secret, &err) == CLV_OK);
	clv_secret_free(secret);
	/* one caller's leave is not another's */
	CHILD_CHECK(clv_secret_setup(0, false, &err) == CLV_E_RESOURCE_EXHAUSTED);
	CHILD_CHECK(clv_secret_setup(0, true, &err) == CLV_OK);
	return 0;
}

static void setup_takes_unlocked_memory_only_from_who_allows_it(void **state)
{
	(void) state;
	in_child(setup_with_unlocked_allowed);
}

/* ---- a child of a process that has its arena: locks are not inherited */

/* KiB of this process that are locked, -1: nobody says. */
static long locked_kib(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	long kib = -1;

	while (status != NULL && kib < 0 && fgets(line, sizeof line, status) != NULL) {
		if (strncmp(line, "VmLck:", 6) == 0)
			kib = strtol(line + 6, NULL, 10);
	}
	if (status != NULL)
		fclose(status);
	return kib;
}

static int new_locks_again(void)
{
	struct clv_secret *secret = NULL;
	struct clv_err err;

	CHILD_CHECK(locked_kib() == 0);
	CHILD_CHECK(clv_secret_new(16, &secret, &err) == CLV_OK);
	CHILD_CHECK(locked_kib() == (long) (CLV_SECRET_ARENA_DEFAULT / 1024));
	clv_secret_free(secret);
	return 0;
}

static int setup_locks_again(void)
{
	struct clv_err err;

	CHILD_CHECK(clv_secret_setup(0, false, &err) == CLV_OK);
	CHILD_CHECK(locked_kib() == (long) (CLV_SECRET_ARENA_DEFAULT / 1024));
	return 0;
}

static int new_without_locking(void)
{
	struct clv_secret *secret = NULL;
	struct clv_err err;

	if (!take_away_locking())
		return SKIPPED;
	CHILD_CHECK(clv_secret_new(16, &secret, &err) == CLV_E_RESOURCE_EXHAUSTED);
	CHILD_CHECK(strstr(err.text, "could not be locked: raise `ulimit -l'") != NULL);
	CHILD_CHECK(clv_secret_setup(0, false, &err) == CLV_E_RESOURCE_EXHAUSTED);
	CHILD_CHECK(clv_secret_new(16, &secret, &err) == CLV_E_RESOURCE_EXHAUSTED);
	CHILD_CHECK(secret == NULL);
	CHILD_CHECK(clv_secret_setup(0, true, &err) == CLV_OK);
	CHILD_CHECK(clv_secret_new(16, &secret, &err) == CLV_OK);
	clv_secret_free(secret);
	return 0;
}

/* Runs in a process whose arena is locked, and which has one secret. */
static int child_of_a_locked_one(int (*run)(void))
{
	struct clv_secret *secret = NULL;
	struct clv_err err;
	int status;

	if (clv_secret_setup(0, false, &err) != CLV_OK || locked_kib() <= 0)
		return SKIPPED;
	CHILD_CHECK(clv_secret_new(1000, &secret, &err) == CLV_OK);
	status = status_of_child(run);
	clv_secret_free(secret);
	return status;
}

static int fork_and_new(void)
{
	return child_of_a_locked_one(new_locks_again);
}

static int fork_and_set_up(void)
{
	return child_of_a_locked_one(setup_locks_again);
}

static int fork_and_new_without_locking(void)
{
	return child_of_a_locked_one(new_without_locking);
}

static void a_child_locks_the_arena_before_it_has_a_secret(void **state)
{
	(void) state;
	in_child(fork_and_new);
	in_child(fork_and_set_up);
}

static void a_child_that_cannot_lock_refuses_unless_that_is_allowed(void **state)
{
	(void) state;
	in_child(fork_and_new_without_locking);
}

static int setup_on_a_heap_of_the_host(void)
{
	struct clv_secret *one = NULL, *other = NULL;
	struct clv_err err;

	CHILD_CHECK(CRYPTO_secure_malloc_init(CLV_SECRET_MAX, 32) != 0);
	CHILD_CHECK(clv_secret_setup(0, false, &err) == CLV_OK);
	CHILD_CHECK(clv_secret_new(CLV_SECRET_MAX, &one, &err) == CLV_OK);
	CHILD_CHECK(clv_secret_new(1, &other, &err) == CLV_E_RESOURCE_EXHAUSTED);
	CHILD_CHECK(other == NULL);
	clv_secret_free(one);
	CHILD_CHECK(clv_secret_new(1, &other, &err) == CLV_OK);
	clv_secret_free(other);
	return 0;
}

static void setup_uses_a_heap_that_the_host_set_up(void **state)
{
	(void) state;
	in_child(setup_on_a_heap_of_the_host);
}

static void *set_up_at_once(void *arg)
{
	atomic_uint *failures = arg;
	struct clv_err err;

	for (int i = 0; i < 100; i++) {
		struct clv_secret *secret;

		if (clv_secret_setup(1u << 20, true, &err) != CLV_OK ||
		    clv_secret_new(32, &secret, &err) != CLV_OK)
			atomic_fetch_add(failures, 1);
		else
			clv_secret_free(secret);
	}
	return NULL;
}

static int setup_from_threads(void)
{
	atomic_uint failures = 0;
	pthread_t threads[4];

	for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++)
		CHILD_CHECK(pthread_create(&threads[i], NULL, set_up_at_once, &failures) == 0);
	for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	CHILD_CHECK(failures == 0);
	return 0;
}

static void setup_may_be_called_by_several_threads(void **state)
{
	(void) state;
	in_child(setup_from_threads);
}

static void setup_refuses_a_size_that_openssl_would_abort_on(void **state)
{
	static const size_t sizes[] = {
		1, 64, 2048, 4095, 4097, 5000, 3u << 20, 1u << 31, (size_t) 1 << 62, SIZE_MAX
	};
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(sizes); i++)
		check_refused(clv_secret_setup(sizes[i], true, &err), &err, CLV_E_INVALID_ARGUMENT,
			      "it must be a power of two from 4096 to 1073741824");
}

#ifndef CLV_SANITIZED /* sanitizers need more address space than that for themselves */
static int setup_with_little_address_space(void)
{
	const struct rlimit little = { 512u << 20, 512u << 20 };
	struct clv_err err;

	CHILD_CHECK(setrlimit(RLIMIT_AS, &little) == 0);
	CHILD_CHECK(clv_secret_setup(1u << 30, true, &err) == CLV_E_RESOURCE_EXHAUSTED);
	CHILD_CHECK(strstr(err.text, "no arena of 1073741824 bytes") != NULL);
	CHILD_CHECK(clv_secret_setup(0, true, &err) == CLV_OK); /* less may still be had */
	return 0;
}

static void setup_refuses_more_than_there_is(void **state)
{
	(void) state;
	in_child(setup_with_little_address_space);
}
#endif

/* ---- from here on the process has its arena */

static int set_up(void **state)
{
	struct clv_err err;

	(void) state;
	return clv_secret_setup(0, true, &err) != CLV_OK;
}

static bool all_are(const uint8_t *bytes, size_t len, uint8_t value)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

/* A secret of `len` bytes, all `value`. */
static struct clv_secret *filled(size_t len, uint8_t value)
{
	struct clv_secret *secret = NULL;
	struct clv_err err;

	check_ok(clv_secret_new(len, &secret, &err));
	memset(clv_secret_mutable_bytes(secret), value, len);
	return secret;
}

static void setup_may_be_called_again(void **state)
{
	struct clv_err err;

	(void) state;
	check_ok(clv_secret_setup(0, true, &err));
	check_ok(clv_secret_setup(8192, true, &err));
}

static void new_gives_zero_bytes_from_the_secure_heap(void **state)
{
	static const size_t sizes[] = { 1, 16, 32, 63, 64, 65, 4096, CLV_SECRET_MAX };

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(sizes); i++) {
		struct clv_secret *secret = NULL;
		struct clv_err err;

		check_ok(clv_secret_new(sizes[i], &secret, &err));
		assert_int_equal(clv_secret_len(secret), sizes[i]);
		assert_true(all_are(clv_secret_bytes(secret), sizes[i], 0));
		assert_true(CRYPTO_secure_allocated(clv_secret_bytes(secret)));
		assert_null(clv_secret_free(secret));
	}
}

static void new_takes_an_empty_secret(void **state)
{
	struct clv_secret *secret = NULL;
	struct clv_err err;

	(void) state;
	check_ok(clv_secret_new(0, &secret, &err));
	assert_int_equal(clv_secret_len(secret), 0);
	assert_non_null(clv_secret_bytes(secret));
	assert_null(clv_secret_free(secret));
}

static void new_refuses_more_than_the_limit(void **state)
{
	static const size_t sizes[] = { CLV_SECRET_MAX + 1, SIZE_MAX };
	struct clv_secret *secret = NULL;
	struct clv_err err;

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(sizes); i++) {
		check_refused(clv_secret_new(sizes[i], &secret, &err), &err, CLV_E_INVALID_ARGUMENT,
			      "is too long: at most 131072");
		assert_null(secret);
	}
}

static void new_refuses_when_the_arena_is_full_and_recovers(void **state)
{
	struct clv_secret *secrets[CLV_SECRET_ARENA_DEFAULT / CLV_SECRET_MAX + 1] = { NULL };
	struct clv_err err;
	clv_rc rc = CLV_OK;
	size_t n = 0;

	(void) state;
	while (rc == CLV_OK && n < CLV_ARRAY_LEN(secrets)) {
		rc = clv_secret_new(CLV_SECRET_MAX, &secrets[n], &err);
		n += rc == CLV_OK ? 1 : 0;
	}
	check_refused(rc, &err, CLV_E_RESOURCE_EXHAUSTED,
		      "the locked memory for secrets is full: no room for 131072 bytes");
	assert_null(secrets[n]);
	assert_int_equal(n, CLV_SECRET_ARENA_DEFAULT / CLV_SECRET_MAX - 1); /* one is broken into */
	while (n > 0)
		secrets[n - 1] = clv_secret_free(secrets[n - 1]), n--;
	clv_secret_free(filled(CLV_SECRET_MAX, 1));
}

static void free_takes_null(void **state)
{
	(void) state;
	assert_null(clv_secret_free(NULL));
}

/* The arena stays mapped; the heap keeps two pointers in what is free, at its beginning. */
static void free_wipes_the_whole_secret(void **state)
{
	static const size_t sizes[] = { 64, 1000, 4096, CLV_SECRET_MAX };
	const size_t links = 2 * sizeof(void *);

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(sizes); i++) {
		struct clv_secret *secret = filled(sizes[i], 0xa5);
		const uint8_t *bytes = clv_secret_bytes(secret);

		assert_true(all_are(bytes, sizes[i], 0xa5));
		clv_secret_free(secret);
		assert_true(all_are(bytes + links, sizes[i] - links, 0));
	}
}

static void free_wipes_what_was_written_before_a_shrink_too(void **state)
{
	struct clv_secret *secret = filled(1024, 0xa5);
	const uint8_t *bytes = clv_secret_bytes(secret);

	(void) state;
	clv_secret_shrink(secret, 512);
	memset(clv_secret_mutable_bytes(secret) + 512, 0x5a, 512); /* a careless caller */
	clv_secret_free(secret);
	assert_true(all_are(bytes + 32, 1024 - 32, 0));
}

static void shrink_keeps_the_head_and_wipes_the_tail(void **state)
{
	struct clv_secret *secret = filled(100, 0xa5);
	const uint8_t *bytes = clv_secret_bytes(secret);

	(void) state;
	clv_secret_shrink(secret, 10);
	assert_int_equal(clv_secret_len(secret), 10);
	assert_ptr_equal(clv_secret_bytes(secret), bytes);
	assert_true(all_are(bytes, 10, 0xa5));
	assert_true(all_are(bytes + 10, 90, 0));
	clv_secret_shrink(secret, 10);
	assert_true(all_are(bytes, 10, 0xa5));
	clv_secret_shrink(secret, 0);
	assert_int_equal(clv_secret_len(secret), 0);
	assert_true(all_are(bytes, 100, 0));
	clv_secret_free(secret);
}

static void equal_compares_every_byte(void **state)
{
	struct clv_secret *a = filled(32, 7);
	struct clv_secret *b = filled(32, 7);

	(void) state;
	assert_true(clv_secret_equal(a, b));
	assert_true(clv_secret_equal(a, a));
	for (size_t i = 0; i < 32; i++) {
		clv_secret_mutable_bytes(b)[i] ^= 0x80;
		assert_false(clv_secret_equal(a, b));
		clv_secret_mutable_bytes(b)[i] ^= 0x80;
	}
	clv_secret_free(a);
	clv_secret_free(b);
}

static void equal_tells_lengths_apart(void **state)
{
	struct clv_secret *a = filled(32, 0);
	struct clv_secret *b = filled(31, 0);
	struct clv_secret *empty = filled(0, 0);
	struct clv_secret *also_empty = filled(0, 0);

	(void) state;
	assert_false(clv_secret_equal(a, b));
	assert_false(clv_secret_equal(b, a));
	assert_false(clv_secret_equal(a, empty));
	assert_true(clv_secret_equal(empty, also_empty));
	clv_secret_free(a);
	clv_secret_free(b);
	clv_secret_free(empty);
	clv_secret_free(also_empty);
}

#define ARENA_TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_refuses_before_setup),
		cmocka_unit_test(setup_refuses_memory_that_cannot_be_locked),
		cmocka_unit_test(setup_takes_unlocked_memory_only_from_who_allows_it),
		cmocka_unit_test(a_child_locks_the_arena_before_it_has_a_secret),
		cmocka_unit_test(a_child_that_cannot_lock_refuses_unless_that_is_allowed),
		cmocka_unit_test(setup_uses_a_heap_that_the_host_set_up),
		cmocka_unit_test(setup_may_be_called_by_several_threads),
		cmocka_unit_test(setup_refuses_a_size_that_openssl_would_abort_on),
#ifndef CLV_SANITIZED
		cmocka_unit_test(setup_refuses_more_than_there_is),
#endif
		ARENA_TEST(setup_may_be_called_again),
		ARENA_TEST(new_gives_zero_bytes_from_the_secure_heap),
		ARENA_TEST(new_takes_an_empty_secret),
		ARENA_TEST(new_refuses_more_than_the_limit),
		ARENA_TEST(new_refuses_when_the_arena_is_full_and_recovers),
		ARENA_TEST(free_takes_null),
		ARENA_TEST(free_wipes_the_whole_secret),
		ARENA_TEST(free_wipes_what_was_written_before_a_shrink_too),
		ARENA_TEST(shrink_keeps_the_head_and_wipes_the_tail),
		ARENA_TEST(equal_compares_every_byte),
		ARENA_TEST(equal_tells_lengths_apart),
	};
	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
