/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl keyrings: groups of keys in one location. They are never deleted. */
#include "tools/kmsctl/iam.h"

static clv_rc keyring_create(struct kms_run *run, struct clv_err *err)
{
	struct clv_key_ring ring;

	CLV_TRY(clv_key_ring_create(run->ctx, run->who, run->full, &ring, err));
	kms_out_note(run->out, "Created key ring [%s].", run->name.key_ring);
	return kms_out_made(run->out, kms_record_key_ring(&ring), err);
}

static clv_rc keyring_page(struct kms_run *run, const char *after, size_t limit, void **ret_items,
			   size_t *ret_n, struct clv_err *err)
{
	struct clv_key_ring *items = NULL;

	CLV_TRY(clv_key_ring_list(run->ctx, run->who, run->full, after, limit, &items, ret_n, err));
	*ret_items = items;
	return CLV_OK;
}

static const struct kms_pager keyring_pager = {
	sizeof(struct clv_key_ring),
	keyring_page,
	kms_record_key_ring,
};

static const struct kms_column keyring_columns[] = {
	{ "NAME", "name", false },
	{ 0 },
};

static clv_rc keyring_list(struct kms_run *run, struct clv_err *err)
{
	return kms_list(run, &keyring_pager, keyring_columns, err);
}

static clv_rc keyring_describe(struct kms_run *run, struct clv_err *err)
{
	struct clv_key_ring ring;

	CLV_TRY(clv_key_ring_get(run->ctx, run->who, run->full, &ring, err));
	return kms_out_record(run->out, kms_record_key_ring(&ring), err);
}

static const struct kms_opt place_opts[] = {
	OPT_LOCATION,
	OPT_END,
};

static const struct kms_opt list_opts[] = {
	OPT_LOCATION,
	OPT_LIST,
	OPT_END,
};

static const struct kms_opt add_binding_opts[] = {
	OPT_LOCATION,
	OPT_BINDING,
	OPT_END,
};

static const struct kms_opt remove_binding_opts[] = {
	OPT_LOCATION,
	OPT_BINDING,
	OPT_EVERY_CONDITION,
	OPT_END,
};

static const struct kms_verb keyring_verbs[] = {
	{ "create", keyring_create, place_opts, "KEYRING", CLV_NAME_KEY_RING, KMS_CHANGES,
	  "make an empty key ring" },
	{ "list", keyring_list, list_opts, NULL, CLV_NAME_LOCATION, KMS_READS,
	  "list the key rings of a location" },
	{ "describe", keyring_describe, place_opts, "KEYRING", CLV_NAME_KEY_RING, KMS_READS,
	  "print a key ring" },
	KMS_IAM_VERBS("KEYRING", CLV_NAME_KEY_RING, place_opts, add_binding_opts,
		      remove_binding_opts),
	{ 0 },
};

static const char *const keyring_aliases[] = { "keyring", NULL };

const struct kms_noun kms_noun_keyring = { "keyrings", keyring_aliases,
					   "groups of keys in one location", keyring_verbs };
