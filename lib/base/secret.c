/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets on OpenSSL's secure heap. Not for anything that may be printed, and not for long
 * lists: each secret takes a power of two of the arena.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include <claviger/secret.h>

#include "lib/base/banned.h"

/* Bytes. OpenSSL ends the process on a size that it cannot make sense of or keep books of. */
#define ARENA_MIN 4096u
#define ARENA_MAX (1u << 30)
#define CHUNK_MIN 64u /* bytes: a PIN or a DEK takes one chunk */

/* The length is no secret, so it stays outside: 64 KiB of bytes take 64 KiB of the arena. */
struct clv_secret {
	uint8_t *bytes;
	size_t len; /* bytes in use */
	size_t cap; /* bytes allocated, what is wiped at the end */
};

static struct {
	pthread_mutex_t lock;
	atomic_bool ready;   /* read without the lock */
	atomic_bool stale;   /* nothing is locked any more: this is a child */
	bool unlocked;       /* ready, but the system would not lock the memory */
	bool allow_unlocked; /* said by who set up last */
	bool watching;       /* a fork is noticed */
	uint8_t *base;       /* of the arena, NULL: the host program's */
	size_t size;         /* bytes */
	void *wedge;         /* a chunk that is never given back; see arena_init() */
} gl = { .lock = PTHREAD_MUTEX_INITIALIZER };

static clv_rc refuse_unlocked(struct clv_err *err)
{
	return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED,
			"the memory for secrets could not be locked: raise `ulimit -l', or allow "
			"unlocked memory");
}

/* ---- a fork: locks on memory are not inherited ---- */

static void before_fork(void)
{
	pthread_mutex_lock(&gl.lock);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&gl.lock);
}

static void after_fork_in_child(void)
{
	gl.stale = true;
	pthread_mutex_unlock(&gl.lock);
}

/* OpenSSL does not say where its arena begins, but what is in it. */
static uint8_t *arena_base(uint8_t *inside)
{
	uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);
	uint8_t *base = inside - (uintptr_t) inside % page;

	while (CRYPTO_secure_allocated(base - page))
		base -= page;
	return base;
}

/* Pages that were never touched need not be there to be locked; where the system call is unknown
 * (kernels before 4.4, valgrind; the C library then says EINVAL), all of them are brought in. */
static bool lock_arena(void)
{
	if (mlock2(gl.base, gl.size, MLOCK_ONFAULT) == 0)
		return true;
	return (errno == ENOSYS || errno == EINVAL) && mlock(gl.base, gl.size) == 0;
}

/* With gl.lock held. In a child: locks the arena, with what the parent had in it. */
static void lock_again(void)
{
	if (gl.stale && gl.base != NULL)
		gl.unlocked = !lock_arena();
}

/* With gl.lock held. What nobody allowed is tried again: the limit may be raised. */
static void note_lock(void)
{
	gl.stale = gl.unlocked && !gl.allow_unlocked;
}

static clv_rc check_after_fork(struct clv_err *err)
{
	clv_rc rc;

	pthread_mutex_lock(&gl.lock);
	lock_again();
	note_lock();
	rc = gl.stale ? refuse_unlocked(err) : CLV_OK;
	pthread_mutex_unlock(&gl.lock);
	return rc;
}

/* ---- the arena ---- */

/* With gl.lock held. CRYPTO_secure_malloc_init() says 2 for "works, but is not protected". */
static clv_rc arena_init(size_t arena, bool allow_unlocked, struct clv_err *err)
{
	int got;

	if (CRYPTO_secure_malloc_initialized())
		return CLV_OK; /* the host program's: it chose the size and knows whether it is
				  locked, also in its children */
	if (!gl.watching &&
	    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) != 0)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory to watch for fork()");
	gl.watching = true;
	got = CRYPTO_secure_malloc_init(arena, CHUNK_MIN);
	if (got == 0)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no arena of %zu bytes for secrets",
				arena);
	if (got == 2 && !allow_unlocked && CRYPTO_secure_malloc_done())
		return refuse_unlocked(err); /* nothing left behind: may be tried again */
	gl.unlocked = got == 2;
	/* Whenever no secret lives, the arena would be a single block; the next secret would split
	 * it sixteen times over and put it together again at its end, at ten times the cost. This
	 * one keeps the small pieces beside it small. */
	gl.wedge = OPENSSL_secure_zalloc(CHUNK_MIN);
	if (gl.wedge == NULL) {
		CRYPTO_secure_malloc_done();
		return clv_fail(err, CLV_E_INTERNAL, "OpenSSL gives nothing of its own arena");
	}
	gl.base = arena_base(gl.wedge);
	gl.size = arena;
	return CLV_OK;
}

clv_rc clv_secret_setup(size_t arena, bool allow_unlocked, struct clv_err *err)
{
	clv_rc rc = CLV_OK;

	if (arena == 0)
		arena = CLV_SECRET_ARENA_DEFAULT;
	if (arena < ARENA_MIN || arena > ARENA_MAX || (arena & (arena - 1)) != 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"an arena of %zu bytes for secrets: it must be a power of two from "
				"%u to %u",
				arena, ARENA_MIN, ARENA_MAX);

	pthread_mutex_lock(&gl.lock);
	if (!gl.ready) {
		rc = arena_init(arena, allow_unlocked, err);
		gl.ready = rc == CLV_OK;
	}
	lock_again();
	if (rc == CLV_OK && gl.unlocked && !allow_unlocked)
		rc = refuse_unlocked(err);
	if (rc == CLV_OK)
		gl.allow_unlocked = allow_unlocked;
	note_lock();
	pthread_mutex_unlock(&gl.lock);
	return rc;
}

clv_rc clv_secret_new(size_t len, struct clv_secret **ret_secret, struct clv_err *err)
{
	const size_t cap = len == 0 ? 1 : len;
	struct clv_secret *secret;

	if (len > CLV_SECRET_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"a secret of %zu bytes is too long: at most %d", len,
				CLV_SECRET_MAX);
	if (!gl.ready)
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"no memory for secrets: clv_secret_setup() was not called");
	if (gl.stale)
		CLV_TRY(check_after_fork(err));
	secret = malloc(sizeof *secret);
	if (secret == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a secret");
	secret->bytes = OPENSSL_secure_zalloc(cap);
	if (secret->bytes == NULL) {
		free(secret);
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED,
				"the locked memory for secrets is full: no room for %zu bytes",
				cap);
	}
	assert(CRYPTO_secure_allocated(secret->bytes)); /* else it came from ordinary memory */
	secret->len = len;
	secret->cap = cap;
	*ret_secret = secret;
	return CLV_OK;
}

struct clv_secret *clv_secret_free(struct clv_secret *secret)
{
	if (secret == NULL)
		return NULL;
	OPENSSL_secure_clear_free(secret->bytes, secret->cap);
	free(secret);
	return NULL;
}

const uint8_t *clv_secret_bytes(const struct clv_secret *secret)
{
	return secret->bytes;
}

uint8_t *clv_secret_mutable_bytes(struct clv_secret *secret)
{
	return secret->bytes;
}

size_t clv_secret_len(const struct clv_secret *secret)
{
	return secret->len;
}

void clv_secret_shrink(struct clv_secret *secret, size_t len)
{
	assert(len <= secret->len);
	OPENSSL_cleanse(secret->bytes + len, secret->len - len);
	secret->len = len;
}

bool clv_secret_equal(const struct clv_secret *a, const struct clv_secret *b)
{
	return a->len == b->len && CRYPTO_memcmp(a->bytes, b->bytes, a->len) == 0;
}
