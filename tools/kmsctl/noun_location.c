/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl locations: where keys may live, and which token serves each place. */
#include "tools/common/file.h"
#include "tools/kmsctl/kmsctl.h"

static clv_rc location_page(struct kms_run *run, const char *after, size_t limit, void **ret_items,
			    size_t *ret_n, struct clv_err *err)
{
	struct clv_location *items = NULL;

	CLV_TRY(clv_location_list(run->ctx, run->who, run->full, after, limit, &items, ret_n, err));
	*ret_items = items;
	return CLV_OK;
}

static const struct kms_pager location_pager = {
	sizeof(struct clv_location),
	location_page,
	kms_record_location,
};

static const struct kms_column location_columns[] = {
	{ "LOCATION_ID", "locationId", false },
	{ "TOKENS", "tokenCount", false },
	{ "CREATE_TIME", "createTime", false },
	{ 0 },
};

static clv_rc location_list(struct kms_run *run, struct clv_err *err)
{
	return kms_list(run, &location_pager, location_columns, err);
}

static clv_rc location_create(struct kms_run *run, struct clv_err *err)
{
	const char *uri = kms_text(run->args, "token");
	const char *module = kms_text(run->args, "softhsm-module");
	struct clv_location location;

	if ((uri != NULL) == kms_given(run->args, "softhsm"))
		return kms_usage(run->args, err, "give either --token URI or --softhsm");
	if (uri != NULL && module != NULL)
		return kms_usage(run->args, err, "--softhsm-module needs --softhsm");
	if (uri != NULL)
		CLV_TRY(clv_location_create(run->ctx, run->who, run->full, uri, &location, err));
	else
		CLV_TRY(clv_location_create_softhsm(run->ctx, run->who, run->full, module,
						    &location, err));
	kms_out_note(run->out, "Created location [%s].", location.id);
	if (location.n_tokens < 2)
		kms_out_warn(run->out,
			     "location %s has one token and no spare: when that is lost, "
			     "so are its keys",
			     location.id);
	if (uri == NULL)
		kms_out_warn(run->out, "SoftHSM is not a validated module: for tests and "
				       "demonstrations only");
	return kms_out_made(run->out, kms_record_location(&location), err);
}

static clv_rc location_describe(struct kms_run *run, struct clv_err *err)
{
	KMS_AUTO(clv_page_free) void *page = NULL;
	struct clv_token *tokens = NULL;
	struct clv_location location;
	json_t *rec, *list;
	size_t n;

	CLV_TRY(clv_location_get(run->ctx, run->who, run->full, &location, err));
	CLV_TRY(clv_token_list(run->ctx, run->who, run->full, &tokens, &n, err));
	page = tokens;
	list = json_array();
	for (size_t i = 0; i < n; i++)
		kms_append(&list, kms_record_token(&tokens[i]));
	rec = kms_record_location(&location);
	kms_put(&rec, "tokens", list);
	return kms_out_record(run->out, rec, err);
}

static clv_rc location_random(struct kms_run *run, struct clv_err *err)
{
	const struct kms_args *args = run->args;
	const struct kms_sink sink = { .path = kms_text(args, "output-file"),
				       .what = "random data",
				       .mode = 0600,
				       .sync = true,
				       .not_to_terminal = !kms_given(args, "force"),
				       .not_to_others = !kms_given(args, "force") };
	KMS_AUTO(clv_secret_free) struct clv_secret *bytes = NULL;

	CLV_TRY(kms_sink_check(&sink, err));
	CLV_TRY(clv_random_bytes(run->ctx, run->who, run->full,
				 (size_t) kms_number(args, "length", 0), &bytes, err));
	return kms_sink_write(
		&sink, (struct clv_bytes){ clv_secret_bytes(bytes), clv_secret_len(bytes) }, err);
}

static const struct kms_opt list_opts[] = {
	OPT_LIST,
	OPT_END,
};

static const struct kms_opt create_opts[] = {
	{ "token", 0, "URI", KMS_TEXT, 0,
	  "PKCS#11 URI of an initialised token; its PIN comes from pin-source=" },
	{ "softhsm", 0, NULL, KMS_TEXT, 0, "make a SoftHSM token for it (not validated)" },
	OPT_SOFTHSM_MODULE,
	OPT_END,
};

static const struct kms_opt random_opts[] = {
	{ "length", 0, "N", KMS_COUNT, KMS_OPT_REQUIRED, "bytes, 8 to 1024" },
	{ "output-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED,
	  "where to put them; - is standard output" },
	{ "force", 0, NULL, KMS_TEXT, 0, "show them even on a terminal" },
	OPT_END,
};

static const struct kms_verb location_verbs[] = {
	{ "list", location_list, list_opts, NULL, CLV_NAME_PROJECT, KMS_READS,
	  "list the locations of the home" },
	{ "create", location_create, create_opts, "LOCATION", CLV_NAME_LOCATION, KMS_CHANGES,
	  "make a location served by a token" },
	{ "describe", location_describe, NULL, "LOCATION", CLV_NAME_LOCATION, KMS_READS,
	  "print a location and its tokens" },
	{ "generate-random-bytes", location_random, random_opts, "LOCATION", CLV_NAME_LOCATION,
	  KMS_READS, "draw random bytes from the token of a location" },
	{ 0 },
};

static const char *const location_aliases[] = { "location", NULL };

const struct kms_noun kms_noun_location = { "locations", location_aliases,
					    "places that keys live in", location_verbs };
