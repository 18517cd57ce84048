/* SPDX-License-Identifier: Apache-2.0 */
/* Connections: opening and closing one, and making a catalogue in the first place. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/store/impl.h"
#include "lib/base/banned.h"

int store_schema(void)
{
	return (int) store_n_steps;
}

struct store *store_close(struct store *store)
{
	int code;

	if (store == NULL)
		return NULL;
	store_finalize_all(store);
	store_seal_done(store);
	code = sqlite3_close(store->db);
	assert(code == SQLITE_OK); /* otherwise this room left a statement behind */
	(void) code;
	free(store->path);
	free(store);
	return NULL;
}

clv_rc store_exec(struct store *store, const char *sql, struct clv_err *err)
{
	int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? CLV_OK
				 : store_fail(store->path, store->db, code, "sqlite3_exec", err);
}

clv_rc store_pragma_get(struct store *store, const char *sql, int64_t *ret_value,
			struct clv_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int64_t value = 0;
	int code = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	else
		code = code == SQLITE_DONE ? SQLITE_CORRUPT : code;
	sqlite3_finalize(stmt);
	if (code != SQLITE_ROW)
		return store_fail_reading(store, code, sql, err);
	*ret_value = value;
	return CLV_OK;
}

/* What SQLite should refuse itself, should the file be another's work. */
static int configure(sqlite3 *db)
{
	static const struct {
		int option;
		int value;
	} table[] = {
		{ SQLITE_DBCONFIG_ENABLE_FKEY, 1 },     { SQLITE_DBCONFIG_ENABLE_TRIGGER, 1 },
		{ SQLITE_DBCONFIG_DEFENSIVE, 1 },       { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
		{ SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0 }, { SQLITE_DBCONFIG_DQS_DML, 0 },
		{ SQLITE_DBCONFIG_DQS_DDL, 0 },
	};
	int code = SQLITE_OK;

	for (size_t i = 0; i < CLV_ARRAY_LEN(table) && code == SQLITE_OK; i++)
		code = sqlite3_db_config(db, table[i].option, table[i].value, NULL);
	return code;
}

/* A connection that has looked at nothing yet. No mutexes: it belongs to one thread at a time. */
clv_rc store_connect(const char *path, unsigned wait_ms, struct store **ret_store,
		     struct clv_err *err)
{
	CLV_AUTO(store_close) struct store *store = calloc(1, sizeof *store);
	int code;

	if (store == NULL || (store->path = strdup(path)) == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory to open %s", path);
	code = sqlite3_open_v2(path, &store->db,
			       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
			       store_vfs());
	if (code == SQLITE_OK)
		code = configure(store->db);
	if (code == SQLITE_OK)
		code = sqlite3_busy_timeout(store->db, wait_ms < INT_MAX ? (int) wait_ms : INT_MAX);
	if (code != SQLITE_OK)
		return store_fail(path, store->db, code, "sqlite3_open_v2", err);
	*ret_store = CLV_TAKE(store);
	return CLV_OK;
}

/* What is not kept in the file. SQLite reads the schema for these: not before it is known as ours.
 */
static clv_rc set_pragmas(struct store *store, struct clv_err *err)
{
	int code =
		sqlite3_exec(store->db,
			     "PRAGMA synchronous = FULL;" /* what a change returned OK for stays */
			     "PRAGMA secure_delete = ON;" /* replaced blobs do not linger */
			     "PRAGMA cell_size_check = ON;"
			     "PRAGMA temp_store = MEMORY;",
			     NULL, NULL, NULL);

	return code == SQLITE_OK ? CLV_OK : store_fail_reading(store, code, "sqlite3_exec", err);
}

/* A new file nobody else can read; SQLite gives -wal and -shm the same mode. */
clv_rc store_make_file(char *template_path, struct clv_err *err)
{
	int fd = mkostemp(template_path, O_CLOEXEC); /* 0600 */

	if (fd < 0)
		return clv_fail_errno(err,
				      errno == ENOSPC || errno == EDQUOT ? CLV_E_RESOURCE_EXHAUSTED
									 : CLV_E_UNAVAILABLE,
				      errno, "cannot make %s", template_path);
	close(fd); /* before SQLite opens it: closing drops the process's locks on a file */
	return CLV_OK;
}

/* The name a new file got is itself on disk only when its folder is. */
clv_rc store_sync_folder(const char *path, struct clv_err *err)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	clv_rc rc = CLV_OK;
	int fd;

	snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int) (slash - path) + 1 : 1,
		 slash != NULL ? path : ".");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		rc = clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "cannot sync %s", folder);
	if (fd >= 0)
		close(fd);
	return rc;
}

static clv_rc insert_home(struct store *store, const struct store_home *home, struct clv_err *err)
{
	static const char sql[] = "INSERT INTO home (row, uuid, project, owner, create_time)"
				  " VALUES (1, :uuid, :project, :owner, :create_time)";
	CLV_AUTO_DONE(store_run_end) struct store_run run = { .store = store };
	int code = sqlite3_prepare_v2(store->db, sql, -1, &run.stmt, NULL);

	if (code != SQLITE_OK)
		return store_fail(store->path, store->db, code, "sqlite3_prepare_v2", err);
	store_bind_blob(&run, ":uuid", home->uuid, sizeof home->uuid);
	store_bind_text(&run, ":project", home->project);
	store_bind_text(&run, ":owner", home->owner);
	store_bind_int(&run, ":create_time", home->create_time);
	return store_step_done(&run, err);
}

/* Everything in one transaction; closing then puts it from the log into the file itself. */
static clv_rc fill(const char *path, const struct store_home *home, struct clv_err *err)
{
	CLV_AUTO(store_close) struct store *store = NULL;

	CLV_TRY(store_connect(path, 0, &store, err));
	CLV_TRY(set_pragmas(store, err));
	CLV_TRY(store_exec(store, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE", err));
	CLV_TRY(store_apply_steps(store, 0, store_steps, store_n_steps, err));
	CLV_TRY(insert_home(store, home, err));
	return store_exec(store, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)", err);
}

/*
 * Made under another name, so that a catalogue is there whole or not at all, and linked rather
 * than renamed, so that one that is there already stays.
 */
clv_rc store_create(const char *path, const struct clv_grant *grant, const struct store_home *home,
		    struct clv_err *err)
{
	char temporary[PATH_MAX];
	clv_rc rc;

	clv_grant_assert(grant);
	if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int) sizeof temporary)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the path of the catalogue is too long");
	CLV_TRY(store_make_file(temporary, err));
	rc = fill(temporary, home, err);
	if (rc == CLV_OK && link(temporary, path) != 0)
		rc = clv_fail_errno(err, errno == EEXIST ? CLV_E_ALREADY_EXISTS : CLV_E_UNAVAILABLE,
				    errno, "cannot make the catalogue %s", path);
	store_unlink(temporary);
	if (rc == CLV_OK)
		rc = store_sync_folder(path, err);
	return rc;
}

/* SQLite would make what is missing, or wait at a FIFO. */
static clv_rc look_at_file(const char *path, struct clv_err *err)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return clv_fail_errno(err, errno == ENOENT ? CLV_E_NOT_FOUND : CLV_E_UNAVAILABLE,
				      errno, "catalogue %s", path);
	if (!S_ISREG(st.st_mode))
		return clv_fail(err, CLV_E_DATA_LOSS, "catalogue %s: is not a file", path);
	return CLV_OK;
}

/* Is it ours, and not newer than we are? Only reads: what is not ours stays as it is. */
static clv_rc look_inside(struct store *store, int newest, int *ret_schema, struct clv_err *err)
{
	int64_t application;
	int64_t schema;

	CLV_TRY(store_pragma_get(store, "PRAGMA application_id", &application, err));
	CLV_TRY(store_pragma_get(store, "PRAGMA user_version", &schema, err));
	if (application != STORE_APPLICATION_ID || schema < 1)
		return clv_fail(err, CLV_E_DATA_LOSS,
				"catalogue %s: is damaged or is no catalogue of Claviger's",
				store->path);
	if (schema > newest)
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"catalogue %s: was made by a newer Claviger (schema %d, this one "
				"knows %d): update this one",
				store->path, (int) schema, newest);
	if (sqlite3_db_readonly(store->db, "main") == 1)
		return store_fail(store->path, NULL, SQLITE_READONLY, "sqlite3_open_v2", err);
	*ret_schema = (int) schema;
	return CLV_OK;
}

static clv_rc read_home(struct store *store, struct store_home *ret_home, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_HOME_GET);
	struct store_home home = { 0 };
	bool found;

	CLV_TRY(store_step(&run, &found, err));
	if (!found)
		return store_fail(store->path, NULL, SQLITE_CORRUPT, "reading the home row", err);
	store_read_blob(&run, home.uuid, sizeof home.uuid);
	store_read_text(&run, home.project, sizeof home.project);
	store_read_text(&run, home.owner, sizeof home.owner);
	home.create_time = store_read_int(&run);
	CLV_TRY(store_row_check(&run, err));
	*ret_home = home;
	return CLV_OK;
}

clv_rc store_open_steps(const char *path, unsigned wait_ms, const struct store_step *steps,
			size_t n_steps, struct store **ret_store, struct clv_err *err)
{
	CLV_AUTO(store_close) struct store *store = NULL;
	int schema = 0;

	CLV_TRY(look_at_file(path, err));
	CLV_TRY(store_connect(path, wait_ms, &store, err));
	CLV_TRY(look_inside(store, (int) n_steps, &schema, err));
	CLV_TRY(set_pragmas(store, err));
	CLV_TRY(store_exec(store, "PRAGMA journal_mode = WAL", err));
	if (schema < (int) n_steps)
		CLV_TRY(store_upgrade(store, steps, n_steps, err));
	CLV_TRY(store_prepare_all(store, err));
	store_seal_init(store);
	CLV_TRY(read_home(store, &store->home, err));
	*ret_store = CLV_TAKE(store);
	return CLV_OK;
}

clv_rc store_open(const char *path, unsigned wait_ms, struct store **ret_store, struct clv_err *err)
{
	return store_open_steps(path, wait_ms, store_steps, store_n_steps, ret_store, err);
}

clv_rc store_home_get(struct store *store, struct store_home *ret_home, struct clv_err *err)
{
	return read_home(store, ret_home, err);
}

clv_rc store_home_check(struct store *store, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	struct store_home home;

	CLV_TRY(store_look_begin(&look, store, err));
	CLV_TRY(store_seal_check(store, STORE_KIND_HOME, 1, err));
	CLV_TRY(read_home(store, &home, err));
	if (strcmp(home.owner, store->home.owner) == 0 &&
	    clv_same(home.uuid, store->home.uuid, sizeof home.uuid))
		return CLV_OK;
	return clv_fail(err, CLV_E_DATA_LOSS,
			"catalogue %.200s: it has another owner than when it was opened: somebody "
			"changed it by other means; see kmsctl-catalogue(1)",
			store->path);
}
