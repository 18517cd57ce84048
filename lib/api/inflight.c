/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate file. A seat in its shared memory says what one thread is inside of. Who enters writes
 * there first and looks at the generation then; who switches off moves the generation first and
 * looks at the seats then: whatever the order of the two, one of them sees the other. That a seat's
 * process is alive is said by a lock on the seat's byte, which the kernel gives up for the dead.
 * Who finds no seat holds a shared lock on the version's byte instead.
 *
 * Open-file-description locks, because those of processes would be shared by all threads and
 * dropped at any close. They cannot be waited for with a deadline, so they are polled.
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
#define N_SEATS 1000                       /* a multiple of 4: see take_seat() */

/* Where the lock bytes of each kind begin; far behind the end of the file, which locks allow. */
#define BASE_VERSION (INT64_C(1) << 40)
#define BASE_SWITCH (INT64_C(2) << 40)
#define BASE_INTENT (INT64_C(3) << 40)
#define BASE_SEAT (INT64_C(4) << 40)
#define NUMBER_MASK ((INT64_C(1) << 40) - 1)

struct shared_seat {
	_Atomic int64_t pid; /* for messages; 0: free */
	/* The version that it is inside of, 0: none; above NUMBER_MASK a number that is another
	 * each time, so that one stay is not taken for the next. */
	_Atomic uint64_t stay;
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
	pid_t owner;                /* that took it; a child after fork() must leave it alone */
	struct shared_seat *shared; /* NULL: all were taken */
	uint64_t stays;             /* so far */
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

/* The seat with this number, unless somebody who is alive has it. */
static struct shared_seat *take_seat(struct inflight_seat *seat, size_t number)
{
	struct shared_seat *shared = &seat->inflight->shared->seats[number];

	if (set_byte(seat->fd, F_WRLCK, BASE_SEAT + (int64_t) number) != 0)
		return NULL;
	atomic_store(&shared->stay, 0);
	atomic_store(&shared->pid, (int64_t) getpid());
	return shared;
}

/*
 * First those that nobody seems to have; a process that we do not see may be in another container.
 * Then all: another process may have the number of one that died.
 */
static struct shared_seat *find_seat(struct inflight_seat *seat)
{
	struct shared_seat *taken = NULL;

	for (size_t i = 0; taken == NULL && i < 2 * N_SEATS; i++) {
		/* Every fourth first: those share no cache line. */
		size_t number = i % (N_SEATS / 4) * 4 + i / (N_SEATS / 4) % 4;
		int64_t pid = atomic_load(&seat->inflight->shared->seats[number].pid);

		if (i >= N_SEATS || pid == 0 || (kill((pid_t) pid, 0) != 0 && errno == ESRCH))
			taken = take_seat(seat, number);
	}
	return taken;
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
	seat->owner = getpid();
	seat->shared = find_seat(seat);
	*ret_seat = CLV_TAKE(seat);
	return CLV_OK;
}

struct inflight_seat *inflight_seat_free(struct inflight_seat *seat)
{
	if (seat == NULL)
		return NULL;
	/* A child that ends what it inherited is not the one who sits here: its parent may be
	 * inside. The lock goes with the last descriptor, and so stays the parent's. */
	if (seat->shared != NULL && seat->owner == getpid()) {
		atomic_store(&seat->shared->stay, 0);
		atomic_store(&seat->shared->pid, 0);
	}
	if (seat->fd >= 0)
		close(seat->fd);
	free(seat);
	return NULL;
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

/* Without a seat: a shared lock on the version's byte. */
static clv_rc enter_locked(struct inflight_seat *seat, int64_t row, struct clv_deadline deadline,
			   struct clv_err *err)
{
	int errnum = poll_byte(seat->fd, F_RDLCK, BASE_VERSION + row, deadline);

	if (errnum == 0)
		return CLV_OK;
	if (errnum == EAGAIN)
		return clv_fail(err, CLV_E_DEADLINE_EXCEEDED,
				"the key version is being switched and that did not end in time");
	return clv_fail_errno(err, CLV_E_UNAVAILABLE, errnum, "gate file %s", seat->inflight->path);
}

clv_rc inflight_enter(struct inflight_seat *seat, int64_t row, struct clv_deadline deadline,
		      struct clv_err *err)
{
	uint64_t stay =
		++seat->stays * (NUMBER_MASK + UINT64_C(1)) + ((uint64_t) row & NUMBER_MASK);

	if (seat->shared == NULL)
		return enter_locked(seat, row, deadline, err);
	/* Sequentially consistent, as is the look at the generation that must follow. */
	atomic_store(&seat->shared->stay, stay);
	return CLV_OK;
}

void inflight_leave(struct inflight_seat *seat, int64_t row)
{
	if (seat->shared != NULL) {
		atomic_store_explicit(&seat->shared->stay, 0, memory_order_release);
		return;
	}
	/* Cannot fail on a byte we hold. To give up all is cheaper for the kernel than one byte,
	 * which might split what is left. */
	if (seat->others == 0)
		(void) set_range(seat->fd, F_UNLCK, 0, 0);
	else
		(void) set_byte(seat->fd, F_UNLCK, BASE_VERSION + row);
}

static bool is_inside(uint64_t stay, int64_t row)
{
	return (stay & NUMBER_MASK) == ((uint64_t) row & NUMBER_MASK);
}

/* Does nobody hold this seat any more? */
static bool is_dead(const struct inflight_seat *seat, size_t number)
{
	struct flock range = { .l_type = F_WRLCK,
			       .l_whence = SEEK_SET,
			       .l_start = BASE_SEAT + (int64_t) number,
			       .l_len = 1 };

	return fcntl(seat->fd, F_OFD_GETLK, &range) == 0 && range.l_type == F_UNLCK;
}

/* Waits until a stay of another has come to an end. */
static bool wait_for_seat(const struct inflight_seat *seat, size_t number, int64_t row,
			  struct clv_deadline deadline)
{
	struct shared_seat *other = &seat->inflight->shared->seats[number];
	uint64_t stay = atomic_load(&other->stay);
	unsigned pause_us = 0;

	if (other == seat->shared || !is_inside(stay, row))
		return true;
	/* Whoever comes in from now on sees that the generation has moved. */
	while (atomic_load(&other->stay) == stay && !is_dead(seat, number)) {
		if (!clv_backoff(deadline, &pause_us, 2000))
			return false;
	}
	return true;
}

/* 0; EAGAIN when the deadline passed; or an errno. */
static int wait_for_all(const struct inflight_seat *seat, int64_t row, struct clv_deadline deadline)
{
	int errnum = poll_byte(seat->fd, F_WRLCK, BASE_VERSION + row, deadline);

	if (errnum != 0)
		return errnum;
	(void) set_byte(seat->fd, F_UNLCK, BASE_VERSION + row);
	for (size_t i = 0; i < N_SEATS; i++) {
		if (!wait_for_seat(seat, i, row, deadline))
			return EAGAIN;
	}
	return 0;
}

/* How many processes have a seat inside this version; *ret_pid: one of them. */
static unsigned count_inside(const struct inflight_seat *own, int64_t row, int64_t *ret_pid)
{
	int64_t seen[64];
	unsigned n = 0;

	*ret_pid = 0;
	for (size_t i = 0; i < N_SEATS; i++) {
		const struct shared_seat *seat = &own->inflight->shared->seats[i];
		int64_t pid = atomic_load(&seat->pid);
		bool known = false;

		if (pid == 0 || !is_inside(atomic_load(&seat->stay), row))
			continue;
		for (unsigned j = 0; j < n; j++)
			known = known || seen[j] == pid;
		if (known || n == 64 || is_dead(own, i))
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
	struct inflight_wait wait = { .holders = count_inside(seat, row, &pid) };
	int errnum = wait_for_all(seat, row, deadline);

	if (errnum == EAGAIN) {
		(void) count_inside(seat, row, &pid);
		if (pid != 0)
			return clv_fail(err, CLV_E_DEADLINE_EXCEEDED,
					"process %lld is still inside", (long long) pid);
		return clv_fail(err, CLV_E_DEADLINE_EXCEEDED, "another process is still inside");
	}
	if (errnum != 0)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errnum, "gate file %s",
				      seat->inflight->path);
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
