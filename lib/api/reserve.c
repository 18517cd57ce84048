/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reserve: a file of the home that holds space and nothing else, so that a version can be
 * switched off on a full disk. Who lowers something and finds no room draws on it, does what it has
 * to do, and fills it up again with what is left. Nobody else draws on it.
 *
 * What is freed belongs to whoever writes next. So a piece is freed by the very write that found no
 * room, just before it is done again (lib/base/room.h), and what it wrote to keeps its part: a
 * greedy writer has to be quicker each time, while we only have to be once.
 *
 * One at a time: what one has freed, another must neither use nor take back before it was used.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/api/api.h"
#include "lib/base/deadline.h"

/*
 * What switching one version off takes for good: an audit line (some 500 bytes, at most 4 KiB), and
 * what its row grows by (less than 1 KiB, and what splitting pages costs). In passing, SQLite wants
 * 32 KiB of shared memory and about 50 KiB for its log. So this is enough for more than a thousand
 * in a row, and for some twenty when a greedy writer snatches all that is free in between.
 */
#define PIECE                                                                                      \
	(16 << 10)      /* bytes drawn by a write; more than it wants, for a greedy writer's part */
#define STEP (64 << 10) /* bytes drawn for what cannot ask */
#define GRAIN (4 << 10) /* the least that is worth filling */

static int open_reserve(const char *home)
{
	char path[API_PATH_MAX];
	struct clv_err ignored;

	if (api_path(home, API_FILE_RESERVE, path, &ignored) != CLV_OK)
		return -1;
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

static bool try_lock(int fd)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &range) == 0;
}

/* What it really holds: a copy may have become a file of holes. */
static off_t held(const struct stat *st)
{
	off_t allocated = (off_t) st->st_blocks * 512;

	if (!S_ISREG(st->st_mode))
		return 0;
	return allocated < st->st_size ? allocated : st->st_size;
}

/* A process that may not write such large files would be sent a signal for trying. */
static bool may_be_this_large(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
	       (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= API_RESERVE_BYTES);
}

/* As much as there is room for, in smaller and smaller pieces. With the lock. */
static void fill(int fd)
{
	off_t piece = STEP;
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !may_be_this_large())
		return;
	if (held(&st) < st.st_size) { /* holes: from the beginning */
		if (ftruncate(fd, 0) != 0)
			return;
		st.st_size = 0;
	}
	while (st.st_size < API_RESERVE_BYTES && piece >= GRAIN) {
		off_t left = API_RESERVE_BYTES - st.st_size;
		off_t len = left < piece ? left : piece;

		if (posix_fallocate(fd, st.st_size, len) == 0)
			st.st_size += len;
		else
			piece /= 2;
	}
}

uint64_t api_reserve_held(const char *home)
{
	char path[API_PATH_MAX];
	struct clv_err ignored;
	struct stat st;

	if (api_path(home, API_FILE_RESERVE, path, &ignored) != CLV_OK || lstat(path, &st) != 0)
		return 0;
	return (uint64_t) held(&st);
}

void api_reserve_fill(const char *home)
{
	int fd;

	if (api_reserve_held(home) >= API_RESERVE_BYTES)
		return;
	fd = open_reserve(home);
	if (fd < 0)
		return;
	if (try_lock(fd)) /* otherwise somebody draws on it now, and fills it when it is done */
		fill(fd);
	close(fd);
}

static bool lock_reserve(const struct clv_ctx *ctx, struct api_loan *loan)
{
	struct clv_deadline deadline = clv_deadline_in(ctx->deadline_ms);
	unsigned pause_us = 0;
	bool locked;

	loan->fd = open_reserve(ctx->home);
	if (loan->fd < 0)
		return false;
	while (!(locked = try_lock(loan->fd)) && clv_backoff(deadline, &pause_us, 2000))
		;
	loan->held = locked;
	if (!locked)
		close(loan->fd);
	return locked;
}

static bool draw(const struct api_loan *loan, off_t len)
{
	struct stat st;

	if (fstat(loan->fd, &st) != 0 || held(&st) == 0)
		return false;
	return ftruncate(loan->fd, st.st_size > len ? st.st_size - len : 0) == 0;
}

static bool make_room(struct clv_room *room)
{
	return draw((struct api_loan *) room, PIECE);
}

bool api_loan_draw(const struct clv_ctx *ctx, struct api_loan *loan)
{
	struct stat st;

	if (!may_be_this_large()) /* it could not be filled again, and is not what is missing */
		return false;
	if (loan->held)
		return draw(loan, STEP);
	if (!lock_reserve(ctx, loan))
		return false;
	_Static_assert(offsetof(struct api_loan, room) == 0, "make_room() knows whose it is");
	loan->room.make = make_room;
	clv_room_offer(&loan->room);
	return fstat(loan->fd, &st) == 0 && held(&st) > 0;
}

void api_loan_end(struct api_loan *loan)
{
	if (!loan->held)
		return;
	clv_room_take_back(&loan->room);
	fill(loan->fd);
	close(loan->fd); /* and the lock with it */
	loan->held = false;
}
