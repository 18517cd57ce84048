/* SPDX-License-Identifier: Apache-2.0 */
/* Key material for a version: wrapped, or as a token object of its own. Not for storing it. */
#include <string.h>

#include "lib/api/api.h"

clv_rc api_residency_choose(struct api_worker *worker, const struct clv_name *name,
			    struct clv_key *key, struct clv_err *err)
{
	struct store_ring ring;
	struct hsm *hsm;
	clv_rc rc;

	if (key->residency != 0)
		return CLV_OK;
	CLV_TRY(store_ring_get(worker->store, name, &ring, err));
	CLV_TRY(api_token_get(worker, name->location, &hsm, err));
	key->residency = CLV_RESIDENCY_WRAPPED;
	rc = hsm_algorithm_check(hsm, key->algorithm, CLV_RESIDENCY_WRAPPED, err);
	if (rc != CLV_E_UNIMPLEMENTED)
		return rc;
	key->residency = CLV_RESIDENCY_TOKEN;
	return hsm_algorithm_check(hsm, key->algorithm, CLV_RESIDENCY_TOKEN, err);
}

/* Everything of a version but its key and number. */
static clv_rc prepare_version(const struct clv_grant *grant, const struct clv_key *key,
			      struct store_version *version, struct clv_err *err)
{
	struct clv_version *pub = &version->pub;
	int64_t now = clv_time_now();

	memset(version, 0, sizeof *version);
	*pub = (struct clv_version){ .state = CLV_STATE_ENABLED,
				     .algorithm = key->algorithm,
				     .protection = key->protection,
				     .residency = key->residency,
				     .create_time = now,
				     .generate_time = now,
				     .state_time = now };
	memcpy(pub->state_principal, gate_principal(grant), strlen(gate_principal(grant)) + 1);
	version->token_enabled = key->residency == CLV_RESIDENCY_TOKEN;
	CLV_TRY(clv_random(pub->uid, sizeof pub->uid, err));
	return CLV_OK;
}

static void put_public(struct store_version *version, const struct hsm_public *public)
{
	memcpy(version->public_key, public->der, public->len);
	version->public_key_len = public->len;
}

void api_parents_of(const struct store_ring *ring, struct api_parents *ret_parents)
{
	ret_parents->root = (struct hsm_keyref){ .role = HSM_ROLE_ROOT };
	memcpy(ret_parents->root.id, ring->root_id, HSM_ID_LEN);
	ret_parents->kek = (struct hsm_keyref){ .role = HSM_ROLE_RING_KEK,
						.parent = &ret_parents->root,
						.blob = ring->kek_blob,
						.blob_len = ring->kek_blob_len };
	memcpy(ret_parents->kek.id, ring->kek_id, HSM_ID_LEN);
}

static clv_rc make_wrapped(struct hsm *hsm, const struct clv_grant *grant,
			   const struct store_ring *ring, struct store_version *version,
			   struct clv_err *err)
{
	struct api_parents parents;
	struct hsm_public public;
	struct hsm_blob blob;

	api_parents_of(ring, &parents);
	CLV_TRY(hsm_version_generate(hsm, grant, version->pub.algorithm, &parents.kek, &blob,
				     &public, err));
	memcpy(version->blob, blob.bytes, blob.len);
	version->blob_len = blob.len;
	put_public(version, &public);
	return CLV_OK;
}

static clv_rc make_resident(struct api_worker *worker, struct hsm *hsm,
			    const struct clv_grant *grant, const struct clv_name *name,
			    struct store_version *version, struct api_intent *intent,
			    struct clv_err *err)
{
	struct hsm_public public;
	struct clv_probe probe;
	char label[CLV_NAME_MAX];

	hsm_describe(hsm, &probe);
	CLV_TRY(api_intent_begin(worker, grant, API_INTENT_VERSION, name->location, probe.serial,
				 version->pub.uid, sizeof version->pub.uid, intent, err));
	clv_name_format(name, CLV_NAME_KEY, label);
	CLV_TRY(hsm_version_create(hsm, grant, version->pub.algorithm, version->pub.uid, label,
				   &public, err));
	put_public(version, &public);
	return CLV_OK;
}

clv_rc api_version_make(struct api_worker *worker, const struct clv_grant *grant,
			const struct clv_name *name, const struct clv_key *key,
			struct store_version *version, struct api_intent *intent,
			struct clv_err *err)
{
	struct store_ring ring;
	struct hsm *hsm;

	CLV_TRY(store_ring_get(worker->store, name, &ring, err));
	CLV_TRY(api_token_get(worker, name->location, &hsm, err));
	CLV_TRY(prepare_version(grant, key, version, err));
	if (key->residency == CLV_RESIDENCY_TOKEN)
		return make_resident(worker, hsm, grant, name, version, intent, err);
	return make_wrapped(hsm, grant, &ring, version, err);
}

/* A TOKEN-resident key that could not be stored goes again at once, if the token lets it. */
static void undo_resident(struct api_worker *worker, const struct api_intent *intent,
			  const struct clv_name *name)
{
	struct hsm *hsm = api_token_peek(worker->ctx, name->location);
	struct clv_probe probe;
	struct clv_err ignored;
	clv_rc rc;

	if (hsm == NULL || intent->row.id[0] == '\0')
		return;
	hsm_describe(hsm, &probe);
	rc = api_intents_recover(worker, name->location, probe.serial, hsm, &ignored);
	(void) rc; /* the intent stays in the catalogue: the next process to open the token sees to
		      it */
}

void api_version_settle(struct api_worker *worker, struct api_intent *intent,
			const struct clv_name *name, clv_rc rc)
{
	api_intent_end(intent);
	if (rc != CLV_OK)
		undo_resident(worker, intent, name);
}
