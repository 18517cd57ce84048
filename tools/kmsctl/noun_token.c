/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl token: what a token is, what it can do, and how those of the home are. */
#include "tools/kmsctl/kmsctl.h"

static const struct kms_column probe_columns[] = {
	{ "TOPIC", "topic", false },
	{ "NAME", "name", false },
	{ "RESULT", "result", false },
	{ "NOTE", "note", false },
	{ 0 },
};

/* A probe is too large for the stack. */
static clv_rc new_probe(struct clv_probe **ret_probe, struct clv_err *err)
{
	struct clv_probe *probe = calloc(1, sizeof *probe);

	if (probe == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a probe");
	*ret_probe = probe;
	return CLV_OK;
}

static clv_rc print_probe(struct kms_run *run, const struct clv_probe *probe, struct clv_err *err)
{
	return kms_out_record_with(run->out, kms_record_probe(probe), "capabilities", probe_columns,
				   err);
}

static clv_rc token_probe(struct kms_run *run, struct clv_err *err)
{
	struct clv_probe *probe = NULL;
	KMS_AUTO(kms_free) void *memory = NULL;

	CLV_TRY(new_probe(&probe, err));
	memory = probe;
	CLV_TRY(clv_token_probe(run->args->arg[0], kms_given(run->args, "allow-unlocked-memory"),
				probe, err));
	return print_probe(run, probe, err);
}

static clv_rc token_status(struct kms_run *run, struct clv_err *err)
{
	struct clv_probe *probe = NULL;
	KMS_AUTO(kms_free) void *memory = NULL;

	CLV_TRY(new_probe(&probe, err));
	memory = probe;
	CLV_TRY(clv_token_status(run->ctx, run->who, run->full, probe, err));
	return print_probe(run, probe, err);
}

static const struct kms_column token_columns[] = {
	{ "LOCATION", "location", false },
	{ "LABEL", "label", false },
	{ "SERIAL", "serial", false },
	{ "MANUFACTURER", "manufacturer", false },
	{ "MODEL", "model", false },
	{ "ATTACH_TIME", "attachTime", false },
	{ 0 },
};

static clv_rc token_list(struct kms_run *run, struct clv_err *err)
{
	const char *location = run->name.kind == CLV_NAME_LOCATION ? run->full : NULL;
	KMS_AUTO(clv_page_free) void *page = NULL;
	struct clv_token *tokens = NULL;
	json_t *list;
	size_t n;

	CLV_TRY(clv_token_list(run->ctx, run->who, location, &tokens, &n, err));
	page = tokens;
	list = json_array();
	for (size_t i = 0; i < n; i++)
		kms_append(&list, kms_record_token(&tokens[i]));
	return kms_out_list(run->out, list, token_columns, err);
}

static const struct kms_opt list_opts[] = {
	{ "location", 0, "LOCATION", KMS_TEXT, 0, "only those of this location" },
	OPT_END,
};

static const struct kms_verb token_verbs[] = {
	{ "probe", token_probe, NULL, "URI", KMS_NO_NAME, KMS_ALONE,
	  "try what a token can do; nothing stays on it, no home is needed" },
	{ "list", token_list, list_opts, NULL, CLV_NAME_PROJECT, KMS_READS,
	  "list the tokens of the home as the catalogue has them" },
	{ "status", token_status, NULL, "LOCATION", CLV_NAME_LOCATION, KMS_READS,
	  "look at a location's objects in its token" },
	{ 0 },
};

static const char *const token_aliases[] = { "tokens", NULL };

const struct kms_noun kms_noun_token = { "token", token_aliases, "tokens and what they can do",
					 token_verbs };
