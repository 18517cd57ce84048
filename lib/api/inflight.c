/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate file. Open-file-description locks, because those of processes would be shared by all
 * threads and dropped at any close. They cannot be waited for with a deadline, so they are polled.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/api/inflight.h"

#define MAGIC UINT64_C(0x3165746167766c63) /* "clvgate1" */
#define N_SEATS 1000

/* Where the lock bytes of each kind begin; far behind the end of the file, which locks allow. */
#define BASE_VERSION (INT64_C(1) << 40)
#define BASE_SWITCH (INT64_C(2) << 40)
#define BASE_INTENT (INT64_C(3) << 40)
#define NUMBER_MASK ((INT64_C(1) << 40) - 1)

struct shared_seat {
	_Atomic int64_t pid; /* 0: free */
	_Atomic int64_t row; /* version it is inside of; 0: none */
};

/* The mapped part of the file; native byte order, for one machine. */
struct shared {
	uint64_t magic;
	_Atomic uint64_t generation;
	_Atomic uint64_t pending; /* a change is under way, or was when its process died */
	uint64_t reserved[5];     /* a cache line, so that seats do not slow the generation */
	struct shared_seat seats[N_SEATS];
};

struct inflight {
	struct shared *shared;
	char path[512];
};

struct inflight_seat {
	struct inflight *inflight;
	int fd;
	struct shared_seat *shared; /* NULL: all were taken; only messages know less */
	unsigned others;            /* locks of other kinds that it holds besides */
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static clv_rc fail_file(const char *path, int errnum, struct clv_err *err)
{
	if (errnum == ENOSPC || errnum == EDQUOT)
		return clv_fail_errno(err, CLV_E_RESOURCE_EXHAUSTED, errnum,
				      "gate file %s: make room on its file system", path);
	return clv_fail_errno(err, CLV_E_UNAVAILABLE, errnum, "gate file %s", path);
}

clv_rc inflight_create(const char *path, struct clv_err *err)
{
	CLV_AUTO_DONE(close_fd)
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	const uint64_t magic = MAGIC;

	int errnum;

	if (fd < 0)
		return fail_file(path, errno, err);
	errnum = posix_fallocate(fd, 0, sizeof(struct shared)); /* no holes: see fill_holes() */
	if (errnum != 0)
		return fail_file(path, errnum, err);
	/* The magic last: what has it is whole. */
	if (fsync(fd) != 0 || pwrite(fd, &magic, sizeof magic, 0) != sizeof magic || fsync(fd) != 0)
		return fail_file(path, errno, err);
	return CLV_OK;
}

/*
 * A page of the file that is a hole gets its block when it is first written to, and a process that
 * does so on a full disk is killed by SIGBUS. Copies of a home can have holes.
 */
static clv_rc fill_holes(int fd, const struct stat *st, const char *path, struct clv_err *err)
{
	if ((off_t) st->st_blocks * 512 >= (off_t) sizeof(struct shared) ||
	    fallocate(fd, 0, 0, sizeof(struct shared)) == 0)
		return CLV_OK;
	if (errno == ENOSPC || errno == EDQUOT)
		return fail_file(path, errno, err);
	return CLV_OK; /* this file system cannot tell, or not do, it */
}

static clv_rc map(int fd, struct inflight *inflight, struct clv_err *err)
{
	struct stat st;
	void *at;

	if (fstat(fd, &st) != 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "gate file %s",
				      inflight->path);
	if (st.st_size < (off_t) sizeof(struct shared))
		return clv_fail(err, CLV_E_DATA_LOSS, "%s is not a gate file", inflight->path);
	CLV_TRY(fill_holes(fd, &st, inflight->path, err));
	at = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "gate file %s",
				      inflight->path);
	inflight->shared = at;
	if (inflight->shared->magic != MAGIC)
		return clv_fail(err, CLV_E_DATA_LOSS, "%s is not a gate file", inflight->path);
	return CLV_OK;
}

clv_rc inflight_open(const char *path, struct inflight **ret_inflight, struct clv_err *err)
{
	CLV_AUTO(inflight_close) struct inflight *inflight = calloc(1, sizeof *inflight);
	CLV_AUTO_DONE(close_fd) int fd = -1;

	if (inflight == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the gate file");
	snprintf(inflight->path, sizeof inflight->path, "%s", path);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "gate file %s", path);
	CLV_TRY(map(fd, inflight, err));
	*ret_inflight = CLV_TAKE(inflight);
	return CLV_OK;
}

struct inflight *inflight_close(struct inflight *inflight)
{
	if (inflight == NULL)
		return NULL;
	if (inflight->shared != NULL)
		munmap(inflight->shared, sizeof(struct shared));
	free(inflight);
	return NULL;
}

uint64_t inflight_generation(const struct inflight *inflight)
{
	return atomic_load(&inflight->shared->generation);
}

bool inflight_unchanged(const struct inflight *inflight, uint64_t generation)
{
	return atomic_load(&inflight->shared->pending) == 0 &&
	       atomic_load(&inflight->shared->generation) == generation;
}

void inflight_change_begin(struct inflight *inflight)
{
	atomic_store(&inflight->shared->pending, 1);
}

void inflight_change_end(struct inflight *inflight)
{
	atomic_fetch_add(&inflight->shared->generation, 1);
	atomic_store(&inflight->shared->pending, 0);
}

/* A free seat, or one whose process is no more. */
static struct shared_seat *take_seat(struct shared *shared)
{
	for (size_t i = 0; i < N_SEATS; i++) {
		struct shared_seat *seat = &shared->seats[i];
		int64_t pid = atomic_load(&seat->pid);

		if (pid != 0 && (kill((pid_t) pid, 0) == 0 || errno != ESRCH))
			continue;
		if (atomic_compare_exchange_strong(&seat->pid, &pid, (int64_t) getpid())) {
			atomic_store(&seat->row, 0);
			return seat;
		}
	}
	return NULL;
}

clv_rc inflight_seat_new(struct inflight *inflight, struct inflight_seat **ret_seat,
			 struct clv_err *err)
{
	CLV_AUTO(inflight_seat_free) struct inflight_seat *seat = calloc(1, sizeof *seat);

	if (seat == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a seat at the gate");
	seat->inflight = inflight;
	seat->fd = open(inflight->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (seat->fd < 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "gate file %s",
				      inflight->path);
	seat->shared = take_seat(inflight->shared);
	*ret_seat = CLV_TAKE(seat);
	return CLV_OK;
}

struct inflight_seat *inflight_seat_free(struct inflight_seat *seat)
{
	if (seat == NULL)
		return NULL;
	if (seat->shared != NULL) {
		atomic_store(&seat->shared->row, 0);
		atomic_store(&seat->shared->pid, 0);
	}
	if (seat->fd >= 0)
		close(seat->fd);
	free(seat);
	return NULL;
}

/* 0, or the errno of a try to set the lock of some bytes; `len` 0: up to the end. */
static int set_range(int fd, short type, int64_t at, int64_t len)
{
	struct flock range = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = len };
	int rc;

	do {
		rc = fcntl(fd, F_OFD_SETLK, &range);
	} while (rc != 0 && errno == EINTR);
	return rc == 0 ? 0 : errno;
}

static int set_byte(int fd, short type, int64_t at)
{
	return set_range(fd, type, at, 1);
}

/* Tries until it works. EAGAIN when the deadline passed, else 0 or an errno. */
static int poll_byte(int fd, short type, int64_t at, struct clv_deadline deadline)
{
	unsigned pause_us = 0;
	int errnum;

	while ((errnum = set_byte(fd, type, at)) == EAGAIN || errnum == EACCES) {
		if (!clv_backoff(deadline, &pause_us, 2000))
			return EAGAIN;
	}
	return errnum;
}

clv_rc inflight_enter(struct inflight_seat *seat, int64_t row, struct clv_deadline deadline,
		      struct clv_err *err)
{
	int errnum;

	if (seat->shared != NULL)
		atomic_store(&seat->shared->row, row);
	errnum = poll_byte(seat->fd, F_RDLCK, BASE_VERSION + row, deadline);
	if (errnum == 0)
		return CLV_OK;
	if (seat->shared != NULL)
		atomic_store(&seat->shared->row, 0);
	if (errnum == EAGAIN)
		return clv_fail(err, CLV_E_DEADLINE_EXCEEDED,
				"the key version is being switched and that did not end in time");
	return clv_fail_errno(err, CLV_E_UNAVAILABLE, errnum, "gate file %s", seat->inflight->path);
}

void inflight_leave(struct inflight_seat *seat, int64_t row)
{
	/* Cannot fail on a byte we hold. To give up all is cheaper for the kernel than one byte,
	 * which might split what is left. */
	if (seat->others == 0)
		(void) set_range(seat->fd, F_UNLCK, 0, 0);
	else
		(void) set_byte(seat->fd, F_UNLCK, BASE_VERSION + row);
	if (seat->shared != NULL)
		atomic_store(&seat->shared->row, 0);
}

/* How many processes have a seat inside this version; *ret_pid: one of them. */
static unsigned count_inside(const struct inflight *inflight, int64_t row, int64_t *ret_pid)
{
	int64_t seen[64];
	unsigned n = 0;

	*ret_pid = 0;
	for (size_t i = 0; i < N_SEATS; i++) {
		const struct shared_seat *seat = &inflight->shared->seats[i];
		int64_t pid = atomic_load(&seat->pid);
		bool known = false;

		if (pid == 0 || atomic_load(&seat->row) != row)
			continue;
		for (unsigned j = 0; j < n; j++)
			known = known || seen[j] == pid;
		if (known || n == 64 || (kill((pid_t) pid, 0) != 0 && errno == ESRCH))
			continue;
		seen[n++] = pid;
		*ret_pid = pid;
	}
	return n;
}

clv_rc inflight_drain(struct inflight_seat *seat, int64_t row, struct clv_deadline deadline,
		      struct inflight_wait *ret_wait, struct clv_err *err)
{
	int64_t begun = clv_mono_ns(), pid;
	struct inflight_wait wait = { .holders = count_inside(seat->inflight, row, &pid) };
	int errnum = poll_byte(seat->fd, F_WRLCK, BASE_VERSION + row, deadline);

	if (errnum == EAGAIN) {
		(void) count_inside(seat->inflight, row, &pid);
		if (pid != 0)
			return clv_fail(err, CLV_E_DEADLINE_EXCEEDED,
					"process %lld is still inside", (long long) pid);
		return clv_fail(err, CLV_E_DEADLINE_EXCEEDED, "another process is still inside");
	}
	if (errnum != 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errnum, "gate file %s",
				      seat->inflight->path);
	(void) set_byte(seat->fd, F_UNLCK, BASE_VERSION + row);
	wait.waited_ns = clv_mono_ns() - begun;
	*ret_wait = wait;
	return CLV_OK;
}

static int64_t lock_byte(enum inflight_lock kind, int64_t number)
{
	return (kind == INFLIGHT_SWITCH ? BASE_SWITCH : BASE_INTENT) + (number & NUMBER_MASK);
}

clv_rc inflight_lock(struct inflight_seat *seat, enum inflight_lock kind, int64_t number,
		     const struct clv_deadline *deadline, struct clv_err *err)
{
	struct clv_deadline past = { 0 };
	int errnum = poll_byte(seat->fd, F_WRLCK, lock_byte(kind, number),
			       deadline != NULL ? *deadline : past);

	if (errnum == EAGAIN)
		return clv_fail(err, CLV_E_DEADLINE_EXCEEDED, "another process is at it");
	if (errnum != 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errnum, "gate file %s",
				      seat->inflight->path);
	seat->others++;
	return CLV_OK;
}

void inflight_unlock(struct inflight_seat *seat, enum inflight_lock kind, int64_t number)
{
	assert(seat->others > 0);
	seat->others--;
	(void) set_byte(seat->fd, F_UNLCK, lock_byte(kind, number));
}
