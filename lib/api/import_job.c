/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Import jobs. A job's RSA key is wrapped by its ring's KEK, as versions are: it takes no object of
 * the token. It ends by the clock; maintain then erases its private half.
 */
#include <string.h>

#include "lib/api/api.h"
#include "lib/base/pem.h"
#include "lib/model/import.h"

#define DUE_AT_ONCE 32

static clv_rc put_pem(const struct store_import_job *row, struct clv_import_job *job,
		      struct clv_err *err)
{
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf pem = { 0 };

	CLV_TRY(clv_pem_public((struct clv_bytes){ row->public_key, row->public_key_len }, &pem,
			       err));
	if (pem.len >= sizeof job->public_key_pem)
		return clv_fail(err, CLV_E_DATA_LOSS,
				"the public key of ImportJob %s is damaged: it has %zu bytes",
				row->name, row->public_key_len);
	memcpy(job->public_key_pem, pem.data, pem.len);
	job->public_key_pem[pem.len] = '\0';
	return CLV_OK;
}

static clv_rc to_public(const struct store_import_job *row, struct clv_import_job *ret_job,
			struct clv_err *err)
{
	struct clv_import_job job = { .method = row->method,
				      .protection = row->protection,
				      .create_time = row->create_time,
				      .generate_time = row->create_time, /* made as one */
				      .expire_time = row->expire_time,
				      .expire_event_time = row->expire_event_time };

	memcpy(job.name, row->name, sizeof job.name);
	job.state = model_import_state(row->state, row->expire_time, clv_time_now());
	if (job.state == CLV_IMPORT_ACTIVE)
		CLV_TRY(put_pem(row, &job, err));
	*ret_job = job;
	return CLV_OK;
}

/* ---- making one ---- */

static clv_rc check_options(const struct clv_import_job_options *options, struct clv_err *err)
{
	if (model_import_method_get(options->method) == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"import method number %d is not one that is known here",
				(int) options->method);
	if (options->protection != CLV_PROTECTION_SOFTWARE &&
	    options->protection != CLV_PROTECTION_HSM)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"protection level must be SOFTWARE or HSM");
	return CLV_OK;
}

/* The RSA key, and all of the row but its name. */
static clv_rc make_job(struct api_worker *worker, const struct clv_grant *grant,
		       const struct clv_name *name, const struct clv_import_job_options *options,
		       struct store_import_job *ret_row, struct clv_err *err)
{
	struct store_import_job row = { .method = options->method,
					.protection = options->protection };
	struct api_parents parents;
	struct hsm_public public;
	struct store_ring ring;
	struct hsm_blob blob;
	struct hsm *hsm;

	CLV_TRY(store_ring_get(worker->store, name, &ring, err));
	CLV_TRY(api_token_get(worker, name->location, &hsm, err));
	CLV_TRY(hsm_import_check(hsm, (int) options->method, err));
	api_parents_of(&ring, &parents);
	CLV_TRY(hsm_import_key_generate(hsm, grant, (int) options->method, &parents.kek, &blob,
					&public, err));
	CLV_TRY(clv_random(row.uid, sizeof row.uid, err));
	memcpy(row.blob, blob.bytes, blob.len);
	row.blob_len = blob.len;
	memcpy(row.public_key, public.der, public.len);
	row.public_key_len = public.len;
	row.create_time = clv_time_now(); /* large RSA keys take their time */
	row.expire_time = row.create_time + CLV_IMPORT_JOB_LIFE;
	*ret_row = row;
	return CLV_OK;
}

static clv_rc create_granted(struct clv_ctx *ctx, const struct clv_grant *grant,
			     const struct clv_name *name,
			     const struct clv_import_job_options *options,
			     struct clv_import_job *ret_job, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct store_import_job row;
	clv_rc rc;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	rc = store_import_job_get(worker->store, name, &row, err);
	if (rc == CLV_OK) /* before a key is made for nothing; the commit below decides */
		return clv_fail(err, CLV_E_ALREADY_EXISTS, "ImportJob %s already exists.",
				row.name);
	if (rc != CLV_E_NOT_FOUND)
		return rc;
	CLV_TRY(make_job(worker, grant, name, options, &row, err));
	CLV_TRY(api_change_begin(ctx, &change, err));
	CLV_TRY(gate_check_again(worker, grant, err));
	CLV_TRY(store_import_job_add(worker->store, grant, name, &row, err));
	api_change_end(&change);
	CLV_TRY(store_import_job_get(worker->store, name, &row, err));
	return to_public(&row, ret_job, err);
}

clv_rc clv_import_job_create(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			     const struct clv_import_job_options *options,
			     struct clv_import_job *ret_job, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = "cloudkms.importJobs.create",
					  .resource = name,
					  .change = true };
	struct clv_import_job job;
	struct clv_name parsed;

	CLV_TRY(clv_name_parse_kind(name, CLV_NAME_IMPORT_JOB, &parsed, err));
	CLV_TRY(check_options(options, err));
	question.protection = options->protection;
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, create_granted(ctx, grant, &parsed, options, &job, err),
			    NULL, err));
	*ret_job = job;
	return CLV_OK;
}

/* ---- looking ---- */

static clv_rc get_granted(struct clv_ctx *ctx, const struct clv_name *name,
			  struct clv_import_job *ret_job, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct store_import_job row;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(store_import_job_get(worker->store, name, &row, err));
	return to_public(&row, ret_job, err);
}

clv_rc clv_import_job_get(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			  struct clv_import_job *ret_job, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = "cloudkms.importJobs.get",
					  .resource = name };
	struct clv_import_job job;
	struct clv_name parsed;

	CLV_TRY(clv_name_parse_kind(name, CLV_NAME_IMPORT_JOB, &parsed, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, get_granted(ctx, &parsed, &job, err), NULL, err));
	*ret_job = job;
	return CLV_OK;
}

static clv_rc list_granted(struct clv_ctx *ctx, const struct clv_name *ring, const char *after,
			   size_t limit, void **ret_jobs, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO(clv_page_free) void *rows = NULL;
	CLV_AUTO(clv_page_free) void *jobs = NULL;
	size_t n;

	CLV_TRY(api_page_new(limit, sizeof(struct store_import_job), &rows, err));
	CLV_TRY(api_page_new(limit, sizeof(struct clv_import_job), &jobs, err));
	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(store_import_job_list(worker->store, ring, after, limit, rows, &n, err));
	for (size_t i = 0; i < n; i++)
		CLV_TRY(to_public((const struct store_import_job *) rows + i,
				  (struct clv_import_job *) jobs + i, err));
	*ret_n = n;
	*ret_jobs = n > 0 ? CLV_TAKE(jobs) : NULL;
	return CLV_OK;
}

clv_rc clv_import_job_list(struct clv_ctx *ctx, const struct clv_caller *who, const char *ring_name,
			   const char *after, size_t limit, struct clv_import_job **ret_jobs,
			   size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO(clv_page_free) void *jobs = NULL;
	struct gate_question question = { .permission = "cloudkms.importJobs.list",
					  .resource = ring_name };
	struct clv_name parsed;
	size_t n = 0;
	clv_rc rc;

	CLV_TRY(clv_name_parse_kind(ring_name, CLV_NAME_KEY_RING, &parsed, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	rc = list_granted(ctx, &parsed, after, limit, &jobs, &n, err);
	CLV_TRY(gate_answer(ctx, grant, rc, NULL, err));
	*ret_jobs = CLV_TAKE(jobs);
	*ret_n = n;
	return CLV_OK;
}

/* ---- the end of jobs ---- */

/* The row as it is now, under the change lock: another may have erased it since it was listed. */
static clv_rc erase_job(struct api_upkeep *up, const struct clv_name *name,
			const struct store_import_job *listed, bool *ret_done, struct clv_err *err)
{
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct store_import_job row;

	*ret_done = false;
	CLV_TRY(api_change_begin(up->worker->ctx, &change, err));
	CLV_TRY(store_import_job_get(up->worker->store, name, &row, err));
	if (row.row_version != listed->row_version || row.state != CLV_IMPORT_ACTIVE)
		return CLV_OK;
	row.expire_event_time = clv_time_now();
	CLV_TRY(store_import_job_erase(up->worker->store, up->grant, &row, err));
	*ret_done = true;
	return CLV_OK;
}

/* What this process has of the job in the token goes as well. */
static clv_rc end_job(struct api_upkeep *up, const struct store_import_job *row, bool *ret_done,
		      struct clv_err *err)
{
	struct clv_name name;
	struct hsm *hsm;

	*ret_done = false;
	CLV_TRY(clv_name_parse_kind(row->name, CLV_NAME_IMPORT_JOB, &name, err));
	CLV_TRY(erase_job(up, &name, row, ret_done, err));
	hsm = api_token_peek(up->worker->ctx, name.location);
	if (hsm != NULL)
		hsm_key_evict(hsm, row->uid);
	return CLV_OK;
}

static void expire_one(struct api_upkeep *up, const struct store_import_job *row)
{
	struct clv_err err;
	bool done;
	clv_rc rc = end_job(up, row, &done, &err);

	if (done)
		rc = api_upkeep_note(up, row->name, "the import job has expired", NULL, rc, &err);
	if (rc != CLV_OK)
		api_upkeep_left(up, 1, &err);
	else
		up->report.import_jobs_expired += done;
}

clv_rc api_import_jobs_expire(struct api_upkeep *up, struct clv_err *err)
{
	CLV_AUTO(clv_page_free) void *page = NULL;
	const struct store_import_job *rows;
	int64_t after_time = INT64_MIN, after_row = 0;
	size_t n;

	CLV_TRY(api_page_new(DUE_AT_ONCE, sizeof *rows, &page, err));
	rows = page;
	do {
		CLV_TRY(store_import_job_list_due(up->worker->store, up->now, after_time, after_row,
						  DUE_AT_ONCE, page, &n, err));
		if (!api_upkeep_remove_copies(up, n))
			break;
		for (size_t i = 0; i < n; i++)
			expire_one(up, &rows[i]);
		if (n > 0) {
			after_time = rows[n - 1].expire_time;
			after_row = rows[n - 1].row;
		}
	} while (n == DUE_AT_ONCE);
	return CLV_OK;
}
