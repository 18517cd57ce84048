/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl keys: keys, each a row of versions. What is done to versions is in noun_version.c. */
#include <string.h>

#include "tools/kmsctl/kmsctl.h"

static bool says(const struct kms_args *args, const char *opt, const char *word)
{
	const char *text = kms_text(args, opt);

	return text != NULL && strcmp(text, word) == 0;
}

static clv_rc key_create(struct kms_run *run, struct clv_err *err)
{
	const struct clv_key_options options = {
		.purpose = CLV_PURPOSE_ENCRYPT_DECRYPT,
		.protection = says(run->args, "protection-level", "hsm") ? CLV_PROTECTION_HSM
									 : CLV_PROTECTION_SOFTWARE,
		.residency = says(run->args, "residency", "token") ? CLV_RESIDENCY_TOKEN
								   : CLV_RESIDENCY_WRAPPED,
		.destroy_delay = kms_number(run->args, "destroy-scheduled-duration", 0),
	};
	struct clv_key key;

	CLV_TRY(clv_key_create(run->ctx, NULL, run->full, &options, &key, err));
	kms_out_note(run->out, "Created key [%s].", run->name.key);
	return kms_out_made(run->out, kms_record_key(&key), err);
}

static clv_rc key_page(struct kms_run *run, const char *after, size_t limit, void **ret_items,
		       size_t *ret_n, struct clv_err *err)
{
	struct clv_key *items = NULL;

	CLV_TRY(clv_key_list(run->ctx, NULL, run->full, after, limit, &items, ret_n, err));
	*ret_items = items;
	return CLV_OK;
}

static const struct kms_pager key_pager = { sizeof(struct clv_key), key_page, kms_record_key };

static const struct kms_column key_columns[] = {
	{ "NAME", "name", false },
	{ "PURPOSE", "purpose", false },
	{ "ALGORITHM", "versionTemplate.algorithm", false },
	{ "PROTECTION_LEVEL", "versionTemplate.protectionLevel", false },
	{ "RESIDENCY", "residency", false },
	{ "PRIMARY_ID", "primary.name", true },
	{ "PRIMARY_STATE", "primary.state", false },
	{ 0 },
};

static clv_rc key_list(struct kms_run *run, struct clv_err *err)
{
	return kms_list(run, &key_pager, key_columns, err);
}

static clv_rc key_describe(struct kms_run *run, struct clv_err *err)
{
	struct clv_key key;

	CLV_TRY(clv_key_get(run->ctx, NULL, run->full, &key, err));
	return kms_out_record(run->out, kms_record_key(&key), err);
}

/* ---- the primary version */

static clv_rc set_primary(struct kms_run *run, uint64_t number, struct clv_err *err)
{
	char name[CLV_NAME_MAX];
	struct clv_key key;

	clv_name_format(&run->name, CLV_NAME_KEY, name);
	CLV_TRY(clv_key_set_primary(run->ctx, NULL, name, number, &key, err));
	kms_out_note(run->out, "Version [%ju] is the primary of key [%s].", (uintmax_t) number,
		     run->name.key);
	return kms_out_made(run->out, kms_record_key(&key), err);
}

static clv_rc key_set_primary(struct kms_run *run, struct clv_err *err)
{
	return set_primary(run, run->name.version, err);
}

static clv_rc key_update(struct kms_run *run, struct clv_err *err)
{
	return set_primary(run, (uint64_t) kms_number(run->args, "primary-version", 0), err);
}

static const struct kms_opt place_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_END,
};

static const struct kms_opt create_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	{ "purpose", 0, "encryption", KMS_CHOICE, 0, "what for; encryption when not given" },
	{ "protection-level", 0, "software|hsm", KMS_CHOICE, 0,
	  "what to call it; the key is in the token in any case" },
	{ "residency", 0, "wrapped|token", KMS_CHOICE, 0,
	  "wrapped in the catalogue (default), or a token object" },
	{ "destroy-scheduled-duration", 0, "DURATION", KMS_DURATION, 0,
	  "from the order to destroy a version to its end; 30d" },
	OPT_END,
};

static const struct kms_opt set_primary_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	{ "version", 0, "N", KMS_TEXT, KMS_OPT_REQUIRED, "an enabled version" },
	OPT_END,
};

static const struct kms_opt update_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	{ "primary-version", 0, "N", KMS_COUNT, KMS_OPT_REQUIRED, "an enabled version" },
	OPT_END,
};

static const struct kms_opt list_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_LIST,
	OPT_END,
};

static const struct kms_verb key_verbs[] = {
	{ "create", key_create, create_opts, "KEY", CLV_NAME_KEY, KMS_CHANGES,
	  "make a key with version 1, enabled and primary" },
	{ "list", key_list, list_opts, NULL, CLV_NAME_KEY_RING, KMS_READS,
	  "list the keys of a key ring" },
	{ "describe", key_describe, place_opts, "KEY", CLV_NAME_KEY, KMS_READS,
	  "print a key and its primary version" },
	{ "update", key_update, update_opts, "KEY", CLV_NAME_KEY, KMS_CHANGES,
	  "the same as set-primary-version" },
	{ "set-primary-version", key_set_primary, set_primary_opts, "KEY", CLV_NAME_KEY,
	  KMS_CHANGES, "encrypt with another version from now on" },
	{ 0 },
};

static const char *const key_aliases[] = { "key", NULL };

const struct kms_noun kms_noun_key = { "keys", key_aliases, "keys of a key ring", key_verbs };
