/* SPDX-License-Identifier: Apache-2.0 */
/* Importing versions: keys that others made, unwrapped in the token by an import job's key. */
#include <stdio.h>
#include <string.h>

#include "lib/api/api.h"
#include "lib/model/algorithm.h"
#include "lib/model/import.h"
#include "lib/model/state.h"

/* One import, from the names to the row. */
struct importing {
	const struct clv_import *import;
	const struct clv_grant *grant;
	struct clv_name key_name, job_name;
	struct api_worker *worker;
	struct store_key key;
	struct store_import_job job;
	enum clv_algorithm algorithm;
};

static clv_rc check_arguments(const char *key_name, struct importing *i, struct clv_err *err)
{
	const struct clv_import *import = i->import;

	CLV_TRY(clv_name_parse_kind(key_name, CLV_NAME_KEY, &i->key_name, err));
	CLV_TRY(clv_name_parse_kind(import->job, CLV_NAME_IMPORT_JOB, &i->job_name, err));
	if (strcmp(i->key_name.project, i->job_name.project) != 0 ||
	    strcmp(i->key_name.location, i->job_name.location) != 0 ||
	    strcmp(i->key_name.key_ring, i->job_name.key_ring) != 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s is no import job of the key's own key ring", import->job);
	if (import->wrapped.len == 0 || import->wrapped.len > CLV_IMPORT_WRAPPED_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"a wrapped key has 1 to %d bytes, not %zu", CLV_IMPORT_WRAPPED_MAX,
				import->wrapped.len);
	if (import->version > INT64_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "a version number is at most %jd",
				(intmax_t) INT64_MAX);
	return CLV_OK;
}

/* Versions of such a key may not be wanted any more. */
static clv_rc check_policy(const struct importing *i, struct clv_err *err)
{
	const struct policy_facts facts = { .protection = i->key.pub.protection };

	return gate_check(i->worker, i->grant, &facts, err);
}

/* Job and key as they are, and whether they go together. */
static clv_rc find(struct importing *i, struct clv_err *err)
{
	enum clv_import_state state;

	CLV_TRY(store_key_get(i->worker->store, &i->key_name, &i->key, err));
	CLV_TRY(check_policy(i, err));
	CLV_TRY(store_import_job_get(i->worker->store, &i->job_name, &i->job, err));
	CLV_TRY(model_algorithm_for(i->key.pub.purpose, i->import->algorithm, &i->algorithm, err));
	if (i->job.protection != i->key.pub.protection)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"ImportJob %s is of protection level %s, and the key of %s: they "
				"must be the same",
				i->job_name.import_job, clv_protection_name(i->job.protection),
				clv_protection_name(i->key.pub.protection));
	if (i->key.pub.residency != CLV_RESIDENCY_WRAPPED)
		return clv_fail(err, CLV_E_UNIMPLEMENTED,
				"keys of residency %s cannot be imported: what the token unwraps "
				"is kept wrapped in the catalogue; use a key of residency WRAPPED",
				clv_residency_name(i->key.pub.residency));
	state = model_import_state(i->job.state, i->job.expire_time, clv_time_now());
	if (state != CLV_IMPORT_ACTIVE)
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"ImportJob %s is not active, current state is: %s.", i->job.name,
				clv_import_state_name(state));
	return CLV_OK;
}

/* In the token: from the job's wrapping to the ring's. */
static clv_rc rewrap(struct importing *i, struct store_version *version, struct clv_err *err)
{
	struct hsm_keyref job = { .role = HSM_ROLE_IMPORT,
				  .blob = i->job.blob,
				  .blob_len = i->job.blob_len };
	struct api_parents parents;
	struct hsm_public public;
	struct store_ring ring;
	struct hsm_blob blob;
	struct hsm *hsm;

	CLV_TRY(store_ring_get(i->worker->store, &i->key_name, &ring, err));
	CLV_TRY(api_token_get(i->worker, i->key_name.location, &hsm, err));
	api_parents_of(&ring, &parents);
	job.parent = &parents.kek;
	memcpy(job.id, i->job.uid, sizeof job.id);
	CLV_TRY(hsm_version_import(hsm, i->grant, (int) i->job.method, &job, i->algorithm,
				   &parents.kek, i->import->wrapped, &blob, &public,
				   version->check_value, err));
	memcpy(version->blob, blob.bytes, blob.len);
	version->blob_len = blob.len;
	memcpy(version->public_key, public.der, public.len);
	version->public_key_len = public.len;
	return CLV_OK;
}

/* What is true of a version from the moment that it was imported. */
static void put_import(const struct importing *i, struct clv_version *pub)
{
	pub->import_time = clv_time_now();
	pub->state_time = pub->import_time;
	memcpy(pub->import_job, i->job_name.import_job, sizeof pub->import_job);
	snprintf(pub->state_principal, sizeof pub->state_principal, "%s", gate_principal(i->grant));
	pub->state_reason[0] = '\0';
}

/* ---- a new version ---- */

static clv_rc import_new(struct importing *i, uint64_t *ret_number, struct clv_err *err)
{
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct store_version version = { .pub = { .state = CLV_STATE_ENABLED,
						  .algorithm = i->algorithm,
						  .protection = i->key.pub.protection,
						  .residency = CLV_RESIDENCY_WRAPPED } };

	CLV_TRY(rewrap(i, &version, err));
	CLV_TRY(clv_random(version.pub.uid, sizeof version.pub.uid, err));
	put_import(i, &version.pub);
	version.pub.create_time = version.pub.import_time;
	CLV_TRY(api_change_begin(i->worker->ctx, &change, err));
	CLV_TRY(gate_check_again(i->worker, i->grant, err));
	return store_version_add(i->worker->store, i->grant, &i->key_name, &version, NULL,
				 ret_number, err);
}

/* ---- a version that was imported before ---- */

static clv_rc check_again(const struct importing *i, const struct clv_version *was,
			  struct clv_err *err)
{
	if (was->import_time == 0)
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"%s was generated: only versions that were imported can be "
				"imported again.",
				was->name);
	if (model_state_transition(was->state, MODEL_VERB_REIMPORT).effect != MODEL_CHANGES)
		return model_state_refuse_verb(was->name, was->state, MODEL_VERB_REIMPORT, err);
	if (was->algorithm != i->algorithm)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s is of algorithm %s: it cannot be imported again as %s",
				was->name, clv_algorithm_name(was->algorithm),
				clv_algorithm_name(i->algorithm));
	return CLV_OK;
}

/* The row that is written names the row version that all of this was decided on. */
static clv_rc import_again(struct importing *i, const struct clv_name *name, struct clv_err *err)
{
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct store_version was, again;

	CLV_TRY(store_version_get(i->worker->store, name, &was, err));
	CLV_TRY(check_again(i, &was.pub, err));
	again = was;
	CLV_TRY(rewrap(i, &again, err));
	if (!clv_same(again.check_value, was.check_value, sizeof was.check_value))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s had another key: it can only be imported again with the same",
				was.pub.name);
	again.pub.state = model_state_transition(was.pub.state, MODEL_VERB_REIMPORT).next;
	put_import(i, &again.pub);
	CLV_TRY(api_change_begin(i->worker->ctx, &change, err));
	CLV_TRY(gate_check_again(i->worker, i->grant, err));
	return store_version_reimport(i->worker->store, i->grant, &again, err);
}

static clv_rc import_granted(struct importing *i, struct clv_ctx *ctx,
			     struct clv_version *ret_version, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct clv_name name = i->key_name;
	struct store_version row;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	i->worker = worker;
	CLV_TRY(find(i, err));
	name.kind = CLV_NAME_VERSION;
	name.version = i->import->version;
	if (name.version != 0)
		CLV_TRY(import_again(i, &name, err));
	else
		CLV_TRY(import_new(i, &name.version, err));
	CLV_TRY(store_version_get(worker->store, &name, &row, err));
	*ret_version = row.pub;
	return CLV_OK;
}

clv_rc clv_version_import(struct clv_ctx *ctx, const struct clv_caller *who, const char *key_name,
			  const struct clv_import *import, struct clv_version *ret_version,
			  struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *on_key = NULL;
	CLV_AUTO(gate_close) struct clv_grant *on_job = NULL;
	struct gate_question key_question = { .permission = "cloudkms.cryptoKeyVersions.create",
					      .resource = key_name,
					      .change = true };
	struct gate_question job_question = { .permission = "cloudkms.importJobs.useToImport",
					      .resource = import->job,
					      .change = true };
	struct importing i = { .import = import };
	struct clv_version version;
	const char *done;
	clv_rc rc;

	CLV_TRY(check_arguments(key_name, &i, err));
	CLV_TRY(gate_ask(ctx, who, &key_question, &on_key, err));
	rc = gate_ask(ctx, who, &job_question, &on_job, err);
	if (rc == CLV_OK) {
		i.grant = on_key;
		rc = import_granted(&i, ctx, &version, err);
		done = rc == CLV_OK ? version.name : NULL;
		rc = gate_answer(ctx, on_job, rc, done, err);
	}
	done = rc == CLV_OK ? version.name : NULL;
	CLV_TRY(gate_answer(ctx, on_key, rc, done, err));
	*ret_version = version;
	return CLV_OK;
}
