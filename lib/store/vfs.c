/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite's own way to files, but for this: what finds no room on a full disk asks for some
 * (lib/base/room.h) and is done again at once. When SQLite has given up first, and is asked once
 * more, a greedy writer has long taken what was freed. A file keeps what it got of it.
 *
 * Each file has the usual methods with some replaced; theirs is the first part of its memory, ours
 * what comes behind.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "lib/base/room.h"
#include "lib/store/impl.h"

#include "lib/base/banned.h"

#define NAME "claviger"

struct tail {
	const sqlite3_io_methods *usual;
	sqlite3_io_methods ours;
};

static sqlite3_vfs *usual_vfs; /* set once, with the next */
static sqlite3_vfs our_vfs;

static struct tail *tail_of(sqlite3_file *file)
{
	return (void *) ((char *) file + usual_vfs->szOsFile);
}

/* SQLite knows ENOSPC of a write, but a quota or a limit is plain I/O to it. */
static bool finds_no_room(int code)
{
	switch (code) {
	case SQLITE_OK:
		return false;
	case SQLITE_FULL:
		return true;
	default:
		return (code & 0xff) == SQLITE_IOERR &&
		       (errno == ENOSPC || errno == EDQUOT || errno == EFBIG);
	}
}

static int write_bytes(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
	const struct tail *tail = tail_of(file);
	int code;

	do
		code = tail->usual->xWrite(file, bytes, len, at);
	while (finds_no_room(code) && clv_room_make());
	return code;
}

/* What grew already stays while the file is open: the next try is for the rest only. */
static int map_shared(sqlite3_file *file, int region, int size, int extend, void volatile **ret_at)
{
	const struct tail *tail = tail_of(file);
	int code;

	do
		code = tail->usual->xShmMap(file, region, size, extend, ret_at);
	while ((finds_no_room(code) || code == SQLITE_IOERR_SHMSIZE) && clv_room_make());
	return code;
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		     int *ret_flags)
{
	int code = usual_vfs->xOpen(vfs, name, file, flags, ret_flags);
	struct tail *tail = tail_of(file);

	if (code != SQLITE_OK)
		return code;
	tail->usual = file->pMethods;
	tail->ours = *tail->usual;
	tail->ours.xWrite = write_bytes;
	if (tail->ours.iVersion >= 2 && tail->ours.xShmMap != NULL)
		tail->ours.xShmMap = map_shared;
	file->pMethods = &tail->ours;
	return SQLITE_OK;
}

/* Beside the usual one, which stays the default for whoever else uses SQLite in this process. */
static void make(void)
{
	usual_vfs = sqlite3_vfs_find("unix");
	if (usual_vfs == NULL)
		return;
	our_vfs = *usual_vfs;
	our_vfs.pNext = NULL;
	our_vfs.zName = NAME;
	our_vfs.szOsFile = usual_vfs->szOsFile + (int) sizeof(struct tail);
	our_vfs.xOpen = open_file;
	if (sqlite3_vfs_register(&our_vfs, 0) != SQLITE_OK)
		usual_vfs = NULL;
}

/* A host may unload us and keep SQLite. */
__attribute__((destructor)) static void unmake(void)
{
	if (usual_vfs != NULL)
		sqlite3_vfs_unregister(&our_vfs);
}

const char *store_vfs(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make);
	return usual_vfs != NULL ? NAME : NULL;
}
