/* SPDX-License-Identifier: Apache-2.0 */
/* Key rings. A ring has a KEK of its own, which wraps its versions and is wrapped by the root. */
#include <stdlib.h>
#include <string.h>

#include "lib/api/api.h"

static void to_public(const struct store_ring *row, struct clv_key_ring *ret_ring)
{
	struct clv_name name = { .kind = CLV_NAME_KEY_RING };

	memcpy(name.project, row->project, sizeof name.project);
	memcpy(name.location, row->location, sizeof name.location);
	memcpy(name.key_ring, row->id, sizeof name.key_ring);
	clv_name_format(&name, CLV_NAME_KEY_RING, ret_ring->name);
	ret_ring->create_time = row->create_time;
}

/* The location's token, and the id of its root. */
static clv_rc root_of(struct api_worker *worker, const char *location, struct hsm **ret_hsm,
		      struct hsm_keyref *ret_root, struct clv_err *err)
{
	struct store_location row;
	struct store_token token;
	size_t n;

	CLV_TRY(store_location_get(worker->store, location, &row, err));
	CLV_TRY(store_token_list(worker->store, location, 1, &token, &n, err));
	if (n == 0)
		return clv_fail(err, CLV_E_DATA_LOSS, "location %s has no token in the catalogue",
				location);
	CLV_TRY(api_token_get(worker, location, ret_hsm, err));
	*ret_root = (struct hsm_keyref){ .role = HSM_ROLE_ROOT };
	memcpy(ret_root->id, token.root_id, HSM_ID_LEN);
	return CLV_OK;
}

static clv_rc fill_ring(struct api_worker *worker, const struct clv_grant *grant,
			const struct clv_name *name, struct store_ring *row, struct clv_err *err)
{
	struct hsm_keyref root;
	struct hsm_blob blob;
	struct hsm *hsm;

	CLV_TRY(root_of(worker, name->location, &hsm, &root, err));
	CLV_TRY(hsm_key_generate(hsm, grant, HSM_ROLE_RING_KEK, &root, &blob, err));
	*row = (struct store_ring){ .create_time = clv_time_now(), .kek_blob_len = blob.len };
	memcpy(row->project, name->project, sizeof row->project);
	memcpy(row->location, name->location, sizeof row->location);
	memcpy(row->id, name->key_ring, sizeof row->id);
	memcpy(row->root_id, root.id, sizeof row->root_id);
	memcpy(row->kek_blob, blob.bytes, blob.len);
	CLV_TRY(clv_random(row->kek_id, sizeof row->kek_id, err));
	return CLV_OK;
}

static clv_rc create_granted(struct clv_ctx *ctx, const struct clv_grant *grant,
			     const struct clv_name *name, struct clv_key_ring *ret_ring,
			     struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct store_ring row;
	char text[CLV_NAME_MAX];
	clv_rc rc;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	rc = store_ring_get(worker->store, name, &row, err);
	if (rc == CLV_OK) /* before a key is made for nothing; the commit below decides */
		return clv_fail(err, CLV_E_ALREADY_EXISTS, "KeyRing %s already exists.",
				clv_name_format(name, CLV_NAME_KEY_RING, text));
	if (rc != CLV_E_NOT_FOUND)
		return rc;
	CLV_TRY(fill_ring(worker, grant, name, &row, err));
	CLV_TRY(api_change_begin(ctx, &change, err));
	CLV_TRY(gate_check_again(worker, grant, err));
	CLV_TRY(store_ring_add(worker->store, grant, &row, err));
	to_public(&row, ret_ring);
	return CLV_OK;
}

clv_rc clv_key_ring_create(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			   struct clv_key_ring *ret_ring, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = "cloudkms.keyRings.create",
					  .resource = name,
					  .change = true };
	struct clv_key_ring ring;
	struct clv_name parsed;

	CLV_TRY(clv_name_parse_kind(name, CLV_NAME_KEY_RING, &parsed, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, create_granted(ctx, grant, &parsed, &ring, err), NULL,
			    err));
	*ret_ring = ring;
	return CLV_OK;
}

static clv_rc get_granted(struct clv_ctx *ctx, const struct clv_name *name,
			  struct clv_key_ring *ret_ring, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct store_ring row;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(store_ring_get(worker->store, name, &row, err));
	to_public(&row, ret_ring);
	return CLV_OK;
}

clv_rc clv_key_ring_get(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			struct clv_key_ring *ret_ring, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = "cloudkms.keyRings.get", .resource = name };
	struct clv_key_ring ring;
	struct clv_name parsed;

	CLV_TRY(clv_name_parse_kind(name, CLV_NAME_KEY_RING, &parsed, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, get_granted(ctx, &parsed, &ring, err), NULL, err));
	*ret_ring = ring;
	return CLV_OK;
}

static clv_rc list_granted(struct clv_ctx *ctx, const struct clv_name *location, const char *after,
			   size_t limit, struct clv_key_ring **ret_rings, size_t *ret_n,
			   struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO(clv_page_free) void *rows = NULL;
	CLV_AUTO(clv_page_free) void *rings = NULL;
	size_t n;

	CLV_TRY(api_page_new(limit, sizeof(struct store_ring), &rows, err));
	CLV_TRY(api_page_new(limit, sizeof(struct clv_key_ring), &rings, err));
	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(store_ring_list(worker->store, location, after, limit, rows, &n, err));
	for (size_t i = 0; i < n; i++)
		to_public((const struct store_ring *) rows + i, (struct clv_key_ring *) rings + i);
	*ret_n = n;
	*ret_rings = n > 0 ? CLV_TAKE(rings) : NULL;
	return CLV_OK;
}

clv_rc clv_key_ring_list(struct clv_ctx *ctx, const struct clv_caller *who,
			 const char *location_name, const char *after, size_t limit,
			 struct clv_key_ring **ret_rings, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO(clv_page_free) void *page = NULL;
	struct gate_question question = { .permission = "cloudkms.keyRings.list",
					  .resource = location_name };
	struct clv_key_ring *rings = NULL;
	struct clv_name parsed;
	size_t n = 0;
	clv_rc rc;

	CLV_TRY(clv_name_parse_kind(location_name, CLV_NAME_LOCATION, &parsed, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	rc = list_granted(ctx, &parsed, after, limit, &rings, &n, err);
	page = rings;
	CLV_TRY(gate_answer(ctx, grant, rc, NULL, err));
	*ret_rings = CLV_TAKE(page);
	*ret_n = n;
	return CLV_OK;
}
