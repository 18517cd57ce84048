/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, made with their first version. */
#include <string.h>

#include "lib/api/api.h"
#include "lib/model/algorithm.h"
#include "lib/model/state.h"

static clv_rc check_options(const struct clv_key_options *options, struct clv_key *key,
			    struct clv_err *err)
{
	enum clv_protection protection =
		options->protection != 0 ? options->protection : CLV_PROTECTION_SOFTWARE;
	int64_t delay =
		options->destroy_delay != 0 ? options->destroy_delay : CLV_DESTROY_DELAY_DEFAULT;
	enum clv_algorithm algorithm;

	CLV_TRY(model_algorithm_for(options->purpose, options->algorithm, &algorithm, err));
	if (protection != CLV_PROTECTION_SOFTWARE && protection != CLV_PROTECTION_HSM)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"protection level must be SOFTWARE or HSM");
	if (options->residency != 0 && options->residency != CLV_RESIDENCY_WRAPPED &&
	    options->residency != CLV_RESIDENCY_TOKEN)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "residency must be WRAPPED or TOKEN");
	if (delay < CLV_DESTROY_DELAY_MIN || delay > CLV_DESTROY_DELAY_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the destroy scheduled duration must be 24 hours to 120 days");
	*key = (struct clv_key){ .destroy_delay = delay,
				 .purpose = options->purpose,
				 .algorithm = algorithm,
				 .protection = protection,
				 .residency = options->residency, /* 0: api_residency_choose() */
				 .create_time = clv_time_now(),
				 .primary = options->purpose == CLV_PURPOSE_ENCRYPT_DECRYPT,
				 .primary_state = CLV_STATE_ENABLED };
	return CLV_OK;
}

/* Makes the key material and stores the rows; on failure nothing stays, or the intent does. */
static clv_rc make_and_add(struct api_worker *worker, const struct clv_grant *grant,
			   const struct clv_name *name, const struct store_key *key,
			   struct api_intent *intent, struct clv_err *err)
{
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct store_version version;

	CLV_TRY(api_version_make(worker, grant, name, &key->pub, &version, intent, err));
	version.pub.create_time = key->pub.create_time; /* they are made as one */
	CLV_TRY(api_change_begin(worker->ctx, &change, err));
	return store_key_add(worker->store, grant, name, key, &version,
			     intent->noted ? intent->row.id : NULL, err);
}

static clv_rc create_granted(struct clv_ctx *ctx, const struct clv_grant *grant,
			     const struct clv_name *name, const struct clv_key *pub,
			     struct clv_key *ret_key, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct api_intent intent = { 0 };
	struct store_key key;
	char text[CLV_NAME_MAX];
	clv_rc rc;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	rc = store_key_get(worker->store, name, &key, err);
	if (rc == CLV_OK) /* before a key is made for nothing; the commit decides */
		return clv_fail(err, CLV_E_ALREADY_EXISTS, "CryptoKey %s already exists.",
				clv_name_format(name, CLV_NAME_KEY, text));
	if (rc != CLV_E_NOT_FOUND)
		return rc;
	key = (struct store_key){ .pub = *pub };
	CLV_TRY(api_residency_choose(worker, name, &key.pub, err));
	rc = make_and_add(worker, grant, name, &key, &intent, err);
	api_version_settle(worker, &intent, name, rc);
	CLV_TRY(rc);
	CLV_TRY(store_key_get(worker->store, name, &key, err));
	*ret_key = key.pub;
	return CLV_OK;
}

clv_rc clv_key_create(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
		      const struct clv_key_options *options, struct clv_key *ret_key,
		      struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = "cloudkms.cryptoKeys.create",
					  .resource = name,
					  .change = true };
	struct clv_key pub, key;
	struct clv_name parsed;

	CLV_TRY(clv_name_parse_kind(name, CLV_NAME_KEY, &parsed, err));
	CLV_TRY(check_options(options, &pub, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, create_granted(ctx, grant, &parsed, &pub, &key, err), NULL,
			    err));
	*ret_key = key;
	return CLV_OK;
}

static clv_rc get_granted(struct clv_ctx *ctx, const struct clv_name *name, struct clv_key *ret_key,
			  struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct store_key row;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(store_key_get(worker->store, name, &row, err));
	*ret_key = row.pub;
	return CLV_OK;
}

clv_rc clv_key_get(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
		   struct clv_key *ret_key, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = "cloudkms.cryptoKeys.get",
					  .resource = name };
	struct clv_name parsed;
	struct clv_key key;

	CLV_TRY(clv_name_parse_kind(name, CLV_NAME_KEY, &parsed, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, get_granted(ctx, &parsed, &key, err), NULL, err));
	*ret_key = key;
	return CLV_OK;
}

static clv_rc list_granted(struct clv_ctx *ctx, const struct clv_name *ring, const char *after,
			   size_t limit, void **ret_keys, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO(clv_page_free) void *rows = NULL;
	CLV_AUTO(clv_page_free) void *keys = NULL;
	size_t n;

	CLV_TRY(api_page_new(limit, sizeof(struct store_key), &rows, err));
	CLV_TRY(api_page_new(limit, sizeof(struct clv_key), &keys, err));
	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(store_key_list(worker->store, ring, after, limit, rows, &n, err));
	for (size_t i = 0; i < n; i++)
		((struct clv_key *) keys)[i] = ((const struct store_key *) rows)[i].pub;
	*ret_n = n;
	*ret_keys = n > 0 ? CLV_TAKE(keys) : NULL;
	return CLV_OK;
}

clv_rc clv_key_list(struct clv_ctx *ctx, const struct clv_caller *who, const char *ring_name,
		    const char *after, size_t limit, struct clv_key **ret_keys, size_t *ret_n,
		    struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO(clv_page_free) void *keys = NULL;
	struct gate_question question = { .permission = "cloudkms.cryptoKeys.list",
					  .resource = ring_name };
	struct clv_name parsed;
	size_t n = 0;
	clv_rc rc;

	CLV_TRY(clv_name_parse_kind(ring_name, CLV_NAME_KEY_RING, &parsed, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	rc = list_granted(ctx, &parsed, after, limit, &keys, &n, err);
	CLV_TRY(gate_answer(ctx, grant, rc, NULL, err));
	*ret_keys = CLV_TAKE(keys);
	*ret_n = n;
	return CLV_OK;
}

/* ---- the primary version ---- */

static clv_rc set_primary_granted(struct clv_ctx *ctx, const struct clv_grant *grant,
				  const struct clv_name *name, struct clv_key *ret_key,
				  struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct store_version version;
	struct store_key key;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(api_change_begin(ctx, &change, err));
	CLV_TRY(store_version_get(worker->store, name, &version, err));
	if (version.pub.state != CLV_STATE_ENABLED)
		return model_state_refuse(version.pub.name, version.pub.state, err);
	CLV_TRY(store_key_get(worker->store, name, &key, err));
	CLV_TRY(store_key_set_primary(worker->store, grant, &key, name->version, err));
	CLV_TRY(store_key_get(worker->store, name, &key, err));
	*ret_key = key.pub;
	return CLV_OK;
}

clv_rc clv_key_set_primary(struct clv_ctx *ctx, const struct clv_caller *who, const char *key_name,
			   uint64_t number, struct clv_key *ret_key, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = "cloudkms.cryptoKeys.update",
					  .resource = key_name,
					  .change = true };
	char version[CLV_NAME_MAX];
	struct clv_name parsed;
	struct clv_key key;

	CLV_TRY(clv_name_parse_kind(key_name, CLV_NAME_KEY, &parsed, err));
	if (number == 0 || number > INT64_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "a version number is at least 1");
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	parsed.kind = CLV_NAME_VERSION;
	parsed.version = number;
	clv_name_format(&parsed, CLV_NAME_VERSION, version);
	CLV_TRY(gate_answer(ctx, grant, set_primary_granted(ctx, grant, &parsed, &key, err),
			    version, err));
	*ret_key = key;
	return CLV_OK;
}
