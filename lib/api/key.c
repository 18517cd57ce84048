/* SPDX-License-Identifier: Apache-2.0 */
/* Keys: made, mostly with their first version; what can be changed of them; their primary. */
#include <string.h>

#include "lib/api/api.h"
#include "lib/model/algorithm.h"
#include "lib/model/labels.h"
#include "lib/model/rotation.h"
#include "lib/model/state.h"

static clv_rc check_options(const struct clv_key_options *options, struct clv_key *key,
			    struct clv_err *err)
{
	CLV_TRY(model_algorithm_for(options->purpose, options->algorithm, &key->algorithm, err));
	if (key->protection != CLV_PROTECTION_SOFTWARE && key->protection != CLV_PROTECTION_HSM)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"protection level must be SOFTWARE or HSM");
	if (key->residency != 0 && key->residency != CLV_RESIDENCY_WRAPPED &&
	    key->residency != CLV_RESIDENCY_TOKEN)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "residency must be WRAPPED or TOKEN");
	CLV_TRY(model_destroy_delay_check(key->destroy_delay, err));
	if (options->import_only && !options->skip_initial_version)
		return clv_fail(
			err, CLV_E_INVALID_ARGUMENT,
			"an import-only key begins without a version: skip the initial one");
	CLV_TRY(model_rotation_check(key, true, key->create_time, err));
	return model_labels_parse(options->labels, key->labels, err);
}

/* A new key as it is asked for, with what is not said filled in. */
static clv_rc read_options(const struct clv_key_options *options, struct clv_key *ret_key,
			   struct clv_err *err)
{
	struct clv_key key = { .destroy_delay = options->destroy_delay,
			       .purpose = options->purpose,
			       .protection = options->protection,
			       .residency = options->residency, /* 0: api_residency_choose() */
			       .rotation_period = options->rotation_period,
			       .next_rotation_time = options->next_rotation_time,
			       .import_only = options->import_only,
			       .create_time = clv_time_now() };

	if (key.protection == 0)
		key.protection = CLV_PROTECTION_SOFTWARE;
	if (key.destroy_delay == 0)
		key.destroy_delay = CLV_DESTROY_DELAY_DEFAULT;
	CLV_TRY(check_options(options, &key, err));
	if (model_purpose_has_primary(key.purpose) && !options->skip_initial_version)
		key.primary = 1;
	*ret_key = key;
	return CLV_OK;
}

static clv_rc add_without_version(struct api_worker *worker, const struct clv_grant *grant,
				  const struct clv_name *name, const struct store_key *key,
				  struct clv_err *err)
{
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };

	CLV_TRY(api_change_begin_sealed(worker, name->location, &change, err));
	CLV_TRY(gate_check_again(worker, grant, err));
	return store_key_add(worker->store, grant, name, key, NULL, NULL, err);
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
	CLV_TRY(gate_check_again(worker, grant, err));
	return store_key_add(worker->store, grant, name, key, &version,
			     intent->noted ? intent->row.id : NULL, err);
}

/* A new key, and whether it begins with a version. */
struct new_key {
	struct clv_key pub;
	bool with_version;
};

/* A key for imports alone that no import could bring would use its name up for nothing. */
static clv_rc check_importable(struct api_worker *worker, const struct clv_name *name,
			       struct clv_key *key, struct clv_err *err)
{
	struct store_ring ring;
	struct hsm *hsm;

	if (!key->import_only)
		return CLV_OK;
	if (key->residency == CLV_RESIDENCY_TOKEN)
		return clv_fail(err, CLV_E_UNIMPLEMENTED,
				"keys of residency TOKEN cannot be imported: what the token "
				"unwraps is kept wrapped in the catalogue; use residency WRAPPED");
	CLV_TRY(store_ring_get(worker->store, name, &ring, err));
	CLV_TRY(api_token_get(worker, name->location, &hsm, err));
	key->residency = CLV_RESIDENCY_WRAPPED;
	return hsm_algorithm_check(hsm, key->algorithm, CLV_RESIDENCY_WRAPPED, err);
}

static clv_rc create_granted(struct clv_ctx *ctx, const struct clv_grant *grant,
			     const struct clv_name *name, const struct new_key *new,
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
	key = (struct store_key){ .pub = new->pub };
	CLV_TRY(check_importable(worker, name, &key.pub, err));
	CLV_TRY(api_residency_choose(worker, name, &key.pub, err));
	if (new->with_version) {
		rc = make_and_add(worker, grant, name, &key, &intent, err);
		api_version_settle(worker, &intent, name, rc);
	} else {
		rc = add_without_version(worker, grant, name, &key, err);
	}
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
	struct new_key new = { .with_version = !options->skip_initial_version };
	struct clv_name parsed;
	struct clv_key key;

	CLV_TRY(clv_name_parse_kind(name, CLV_NAME_KEY, &parsed, err));
	CLV_TRY(read_options(options, &new.pub, err));
	question.protection = new.pub.protection;
	question.destroy_delay = new.pub.destroy_delay;
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, create_granted(ctx, grant, &parsed, &new, &key, err), NULL,
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
	CLV_TRY(api_change_begin_sealed(worker, name->location, &change, err));
	CLV_TRY(gate_check_again(worker, grant, err));
	CLV_TRY(store_key_get(worker->store, name, &key, err));
	if (!model_purpose_has_primary(key.pub.purpose))
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"%s has purpose %s: only keys of purpose ENCRYPT_DECRYPT have a "
				"primary version",
				key.pub.name, clv_purpose_name(key.pub.purpose));
	CLV_TRY(store_version_get(worker->store, name, &version, err));
	if (version.pub.state != CLV_STATE_ENABLED)
		return model_state_refuse(version.pub.name, version.pub.state, err);
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

/* ---- changing a key */

static clv_rc change_labels(const struct clv_key_changes *changes, struct clv_key *key,
			    struct clv_err *err)
{
	if (changes->fields & CLV_KEY_LABELS)
		CLV_TRY(model_labels_parse(changes->labels, key->labels, err));
	/* Also before the others come: together they may be too many, though what results is not.
	 */
	if (changes->update_labels != NULL && changes->remove_labels != NULL)
		CLV_TRY(model_labels_remove(key->labels, changes->remove_labels, key->labels, err));
	if (changes->update_labels != NULL)
		CLV_TRY(model_labels_update(key->labels, changes->update_labels, key->labels, err));
	if (changes->remove_labels != NULL)
		CLV_TRY(model_labels_remove(key->labels, changes->remove_labels, key->labels, err));
	return CLV_OK;
}

static clv_rc change_schedule(const struct clv_key_changes *changes, struct clv_key *key,
			      struct clv_err *err)
{
	const bool new_time = changes->fields & CLV_KEY_NEXT_ROTATION_TIME;
	const bool new_period = changes->fields & CLV_KEY_ROTATION_PERIOD;

	if (new_period)
		key->rotation_period = changes->rotation_period;
	if (new_time)
		key->next_rotation_time = changes->next_rotation_time;
	if (!new_period && !new_time)
		return CLV_OK;
	return model_rotation_check(key, new_time && key->next_rotation_time != 0, clv_time_now(),
				    err);
}

static clv_rc apply_changes(const struct clv_key_changes *changes, struct clv_key *key,
			    struct clv_err *err)
{
	CLV_TRY(change_labels(changes, key, err));
	CLV_TRY(change_schedule(changes, key, err));
	if (!(changes->fields & CLV_KEY_ALGORITHM))
		return CLV_OK;
	if (changes->algorithm == 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"a key always has an algorithm: it cannot be cleared");
	return model_algorithm_for(key->purpose, changes->algorithm, &key->algorithm, err);
}

static clv_rc update_granted(struct clv_ctx *ctx, const struct clv_grant *grant,
			     const struct clv_name *name, const struct clv_key_changes *changes,
			     struct clv_key *ret_key, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct store_key key;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(api_change_begin_sealed(worker, name->location, &change, err));
	CLV_TRY(gate_check_again(worker, grant, err));
	CLV_TRY(store_key_get(worker->store, name, &key, err));
	CLV_TRY(apply_changes(changes, &key.pub, err));
	CLV_TRY(store_key_update(worker->store, grant, &key, err));
	*ret_key = key.pub;
	return CLV_OK;
}

static clv_rc check_changes(const struct clv_key_changes *changes, struct clv_err *err)
{
	const unsigned known = CLV_KEY_LABELS | CLV_KEY_ROTATION_PERIOD |
			       CLV_KEY_NEXT_ROTATION_TIME | CLV_KEY_ALGORITHM;

	if ((changes->fields & ~known) != 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"only labels, rotation period, next rotation time and algorithm of "
				"a key can be changed");
	if (changes->fields == 0 && changes->update_labels == NULL &&
	    changes->remove_labels == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"nothing is to be changed: name at least one field");
	return CLV_OK;
}

clv_rc clv_key_update(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
		      const struct clv_key_changes *changes, struct clv_key *ret_key,
		      struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = "cloudkms.cryptoKeys.update",
					  .resource = name,
					  .change = true };
	struct clv_name parsed;
	struct clv_key key;

	CLV_TRY(clv_name_parse_kind(name, CLV_NAME_KEY, &parsed, err));
	CLV_TRY(check_changes(changes, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, update_granted(ctx, grant, &parsed, changes, &key, err),
			    NULL, err));
	*ret_key = key;
	return CLV_OK;
}
