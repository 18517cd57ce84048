/* SPDX-License-Identifier: Apache-2.0 */
/* Schema steps: forward only, in one transaction, after a copy was put beside the file. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/store/impl.h"
#include "lib/base/banned.h"

/* Inside a transaction of the caller's. Both pragmas are part of the file and roll back with it. */
clv_rc store_apply_steps(struct store *store, int from, const struct store_step *steps,
			 size_t n_steps, struct clv_err *err)
{
	char pragmas[96];

	for (size_t i = (size_t) from; i < n_steps; i++)
		CLV_TRY(store_exec(store, steps[i].sql, err));
	snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %zu",
		 STORE_APPLICATION_ID, n_steps);
	return store_exec(store, pragmas, err);
}

void store_unlink(const char *path)
{
	static const char *const tails[] = { "", "-wal", "-shm", "-journal" };
	char name[PATH_MAX + 16];

	for (size_t i = 0; i < CLV_ARRAY_LEN(tails); i++) {
		snprintf(name, sizeof name, "%s%s", path, tails[i]);
		unlink(name); /* what is not there needs no taking away */
	}
}

static clv_rc copy_pages(struct store *from, struct store *to, struct clv_err *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to->db, "main", from->db, "main");
	int code;

	if (backup == NULL)
		return store_fail(to->path, to->db, sqlite3_extended_errcode(to->db),
				  "sqlite3_backup_init", err);
	code = sqlite3_backup_step(backup, -1);
	sqlite3_backup_finish(backup); /* repeats the step's failure */
	if (code != SQLITE_DONE)
		return store_fail(to->path, NULL, code, "sqlite3_backup_step", err);
	return CLV_OK;
}

/* Connections of their own: SQLite does not copy by one that is inside a transaction. */
static clv_rc copy_file(const char *path, const char *copy, struct clv_err *err)
{
	CLV_AUTO(store_close) struct store *from = NULL;
	CLV_AUTO(store_close) struct store *to = NULL;

	CLV_TRY(store_connect(path, 0, &from, err));
	CLV_TRY(store_connect(copy, 0, &to, err));
	return copy_pages(from, to, err);
}

/* "PATH.schema-N", whole or not at all. One left by an upgrade that failed is replaced. */
static clv_rc keep_copy(const char *path, int schema, struct clv_err *err)
{
	char temporary[PATH_MAX];
	char name[PATH_MAX];
	clv_rc rc;

	snprintf(name, sizeof name, "%s.schema-%d", path, schema);
	if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", name) >= (int) sizeof temporary)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the path of the catalogue is too long");
	CLV_TRY(store_make_file(temporary, err));
	rc = copy_file(path, temporary, err);
	if (rc == CLV_OK && rename(temporary, name) != 0)
		rc = clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "cannot name the copy %s", name);
	store_unlink(temporary);
	return rc == CLV_OK ? store_sync_folder(name, err) : rc;
}

static DIR *dir_close(DIR *dir)
{
	if (dir != NULL)
		closedir(dir);
	return NULL;
}
CLV_DEFINE_AUTO(DIR, dir_close);

/* Also what an upgrade that was killed has left of one. */
static clv_rc remove_copies(const char *path, DIR *dir, bool *ret_any, struct clv_err *err)
{
	const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
	char prefix[NAME_MAX + 16];
	struct dirent *entry;

	snprintf(prefix, sizeof prefix, "%.*s.schema-", NAME_MAX, base);
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) != 0 && errno != ENOENT)
			return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno,
					      "cannot remove %s, an old copy of the catalogue",
					      entry->d_name);
		*ret_any = true;
	}
	return CLV_OK;
}

clv_rc store_copies_remove(struct store *store, const struct clv_grant *grant, struct clv_err *err)
{
	CLV_AUTO(dir_close) DIR *dir = NULL;
	const char *slash = strrchr(store->path, '/');
	char folder[PATH_MAX];
	bool any = false;

	clv_grant_assert(grant);
	snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int) (slash - store->path) + 1 : 1,
		 slash != NULL ? store->path : ".");
	dir = opendir(folder);
	if (dir == NULL)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "folder %s", folder);
	CLV_TRY(remove_copies(store->path, dir, &any, err));
	return any ? store_sync_folder(store->path, err) : CLV_OK;
}

/* With the write lock: another process may have done it while we waited. */
static clv_rc upgrade_locked(struct store *store, const struct store_step *steps, size_t n_steps,
			     struct clv_err *err)
{
	int64_t schema;

	CLV_TRY(store_pragma_get(store, "PRAGMA user_version", &schema, err));
	if (schema >= (int64_t) n_steps)
		return CLV_OK;
	CLV_TRY(keep_copy(store->path, (int) schema, err));
	return store_apply_steps(store, (int) schema, steps, n_steps, err);
}

clv_rc store_upgrade(struct store *store, const struct store_step *steps, size_t n_steps,
		     struct clv_err *err)
{
	clv_rc rc;

	CLV_TRY(store_exec(store, "BEGIN IMMEDIATE", err));
	rc = upgrade_locked(store, steps, n_steps, err);
	if (rc == CLV_OK)
		rc = store_exec(store, "COMMIT", err);
	if (rc != CLV_OK && !sqlite3_get_autocommit(store->db))
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL); /* rc tells what failed */
	return rc;
}
