/* SPDX-License-Identifier: Apache-2.0 */
/* Import jobs. When one has expired is for lib/model to say, not for this file. */
#include "lib/store/impl.h"
#include "lib/base/banned.h"

static void read_job_name(struct store_run *run, char ret_name[CLV_NAME_MAX])
{
	struct clv_name name = { .kind = CLV_NAME_IMPORT_JOB };

	store_read_text(run, name.project, sizeof name.project);
	store_read_text(run, name.location, sizeof name.location);
	store_read_text(run, name.key_ring, sizeof name.key_ring);
	store_read_text(run, name.import_job, sizeof name.import_job);
	clv_name_format(&name, CLV_NAME_IMPORT_JOB, ret_name);
}

static clv_rc read_job(struct store_run *run, struct store_import_job *ret_job, struct clv_err *err)
{
	struct store_import_job job = { 0 };

	job.row = store_read_int(run);
	job.row_version = store_read_int(run);
	read_job_name(run, job.name);
	job.method = (enum clv_import_method) store_read_enum(run, CLV_IMPORT_RSA_OAEP_4096_SHA256);
	job.protection = (enum clv_protection) store_read_enum(run, CLV_PROTECTION_HSM);
	job.state = (enum clv_import_state) store_read_enum(run, CLV_IMPORT_EXPIRED);
	job.create_time = store_read_int(run);
	job.expire_time = store_read_int(run);
	job.expire_event_time = store_read_int_or(run, 0);
	store_read_blob(run, job.uid, sizeof job.uid);
	job.public_key_len = store_read_blob_upto(run, job.public_key, sizeof job.public_key);
	job.blob_len = store_read_blob_upto(run, job.blob, sizeof job.blob);
	if ((job.state == CLV_IMPORT_ACTIVE) != (job.blob_len > 0) || job.public_key_len == 0)
		run->damaged = true;
	CLV_TRY(store_row_check(run, err));
	CLV_TRY(store_seal_check(run->store, STORE_KIND_JOB, job.row, err));
	*ret_job = job;
	return CLV_OK;
}

/* The rows of a run that is bound already. */
static clv_rc read_jobs(struct store_run *run, struct store_import_job *rows, size_t *ret_n,
			struct clv_err *err)
{
	size_t n = 0;
	bool found;

	for (;;) {
		CLV_TRY(store_step(run, &found, err));
		if (!found)
			break;
		CLV_TRY(read_job(run, &rows[n++], err));
	}
	*ret_n = n;
	return CLV_OK;
}

static void bind_ring(struct store_run *run, const struct clv_name *name)
{
	store_bind_text(run, ":location", name->location);
	store_bind_text(run, ":project", name->project);
	store_bind_text(run, ":ring", name->key_ring);
}

static clv_rc get_job(struct store *store, const struct clv_name *name, bool *ret_found,
		      struct store_import_job *ret_job, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_IMPORT_JOB_GET);

	bind_ring(&run, name);
	store_bind_text(&run, ":job", name->import_job);
	CLV_TRY(store_step(&run, ret_found, err));
	return *ret_found ? read_job(&run, ret_job, err) : CLV_OK;
}

clv_rc store_import_job_get(struct store *store, const struct clv_name *name,
			    struct store_import_job *ret_job, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	bool found;

	CLV_TRY(store_look_begin(&look, store, err));
	CLV_TRY(get_job(store, name, &found, ret_job, err));
	return found ? CLV_OK : store_absent(store, name, CLV_NAME_IMPORT_JOB, err);
}

static clv_rc list_jobs(struct store *store, const struct clv_name *ring, const char *after,
			size_t limit, struct store_import_job *rows, size_t *ret_n,
			struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_IMPORT_JOB_LIST);

	bind_ring(&run, ring);
	store_bind_text(&run, ":after", after != NULL ? after : "");
	store_bind_limit(&run, limit);
	return read_jobs(&run, rows, ret_n, err);
}

clv_rc store_import_job_list(struct store *store, const struct clv_name *ring, const char *after,
			     size_t limit, struct store_import_job *rows, size_t *ret_n,
			     struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	struct store_place place;
	size_t n;

	CLV_TRY(store_look_begin(&look, store, err));
	CLV_TRY(list_jobs(store, ring, after, limit, rows, &n, err));
	if (n == 0)
		CLV_TRY(store_require(store, ring, CLV_NAME_KEY_RING, &place, err));
	*ret_n = n;
	return CLV_OK;
}

static clv_rc insert_job(struct store *store, int64_t ring_row, const char *id,
			 const struct store_import_job *job, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_IMPORT_JOB_INSERT);

	store_bind_int(&run, ":ring", ring_row);
	store_bind_text(&run, ":id", id);
	store_bind_int(&run, ":method", job->method);
	store_bind_int(&run, ":protection", job->protection);
	store_bind_int(&run, ":create_time", job->create_time);
	store_bind_int(&run, ":expire_time", job->expire_time);
	store_bind_blob(&run, ":uid", job->uid, sizeof job->uid);
	store_bind_blob(&run, ":public_key", job->public_key, job->public_key_len);
	store_bind_blob(&run, ":blob", job->blob, job->blob_len);
	return store_step_done(&run, err);
}

clv_rc store_import_job_add(struct store *store, const struct clv_grant *grant,
			    const struct clv_name *name, const struct store_import_job *job,
			    struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };
	struct store_import_job there;
	struct store_place place;
	bool found;

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(store_require(store, name, CLV_NAME_KEY_RING, &place, err));
	CLV_TRY(get_job(store, name, &found, &there, err));
	if (found)
		return clv_fail(err, CLV_E_ALREADY_EXISTS, "ImportJob %s already exists.",
				there.name);
	CLV_TRY(insert_job(store, place.rows[CLV_NAME_KEY_RING], name->import_job, job, err));
	return store_change_commit(&change, err);
}

/* ---- the end of a job ---- */

clv_rc store_import_job_list_due(struct store *store, int64_t now, int64_t after_time,
				 int64_t after_row, size_t limit, struct store_import_job *rows,
				 size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_IMPORT_JOB_LIST_DUE);

	CLV_TRY(store_look_begin(&look, store, err));
	store_bind_int(&run, ":now", now);
	store_bind_int(&run, ":after_time", after_time);
	store_bind_int(&run, ":after_row", after_row);
	store_bind_limit(&run, limit);
	return read_jobs(&run, rows, ret_n, err);
}

static clv_rc erase_job(struct store *store, const struct store_import_job *job,
			struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_IMPORT_JOB_ERASE);

	store_bind_int(&run, ":expire_event_time", job->expire_event_time);
	store_bind_int(&run, ":row", job->row);
	store_bind_int(&run, ":row_version", job->row_version);
	CLV_TRY(store_step_done(&run, err));
	if (sqlite3_changes(store->db) == 0)
		return clv_fail(err, CLV_E_ABORTED,
				"ImportJob %s was changed meanwhile: read it again.", job->name);
	return CLV_OK;
}

clv_rc store_import_job_erase(struct store *store, const struct clv_grant *grant,
			      const struct store_import_job *job, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(store_seal_keep(store, STORE_KIND_JOB, job->row, err));
	CLV_TRY(erase_job(store, job, err));
	CLV_TRY(store_change_commit(&change, err));
	store_truncate_log(store);
	return CLV_OK;
}
