/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl init: makes a home, and for a demonstration its SoftHSM locations. */
#include <string.h>

#include "tools/common/file.h"
#include "tools/kmsctl/kmsctl.h"

/* Before anything is made: a home with half of its locations is worse than none. */
static clv_rc check_line(const struct kms_args *args, struct clv_err *err)
{
	bool softhsm = kms_given(args, "softhsm");
	char full[CLV_NAME_MAX];
	const char *text;
	size_t at = 0;

	if (kms_given(args, "location") && !softhsm)
		return kms_usage(args, err,
				 "--location needs --softhsm here; for a token of your "
				 "own: kmsctl location create LOCATION --token URI");
	if (kms_given(args, "softhsm-module") && !softhsm)
		return kms_usage(args, err, "--softhsm-module needs --softhsm");
	while ((text = kms_each(args, "location", &at)) != NULL) {
		const char *other;
		size_t behind = at;

		CLV_TRY(kms_location_of(args, "demo", text, full, err));
		while ((other = kms_each(args, "location", &behind)) != NULL) {
			if (strcmp(text, other) == 0)
				return kms_usage(args, err, "--location %s is given twice", text);
		}
	}
	return CLV_OK;
}

static clv_rc create_home(struct kms_run *run, struct clv_err *err)
{
	const struct clv_home_options options = {
		.home = run->home,
		.project = kms_project_asked(run->args),
		.allow_unlocked_memory = kms_given(run->args, "allow-unlocked-memory"),
	};

	if (run->home_is_default)
		CLV_TRY(kms_make_parents(run->home, err));
	return clv_home_create(&options, err);
}

static clv_rc create_location(struct kms_run *run, struct clv_ctx *ctx, const char *text,
			      json_t **locations, struct clv_err *err)
{
	struct clv_location location;
	char full[CLV_NAME_MAX];

	CLV_TRY(kms_location_of(run->args, clv_ctx_project(ctx), text, full, err));
	CLV_TRY(clv_location_create_softhsm(ctx, NULL, full, kms_text(run->args, "softhsm-module"),
					    &location, err));
	kms_append(locations, kms_record_location(&location));
	kms_out_note(run->out, "Created location [%s] on a SoftHSM token.", location.id);
	if (location.n_tokens < 2)
		kms_out_warn(run->out,
			     "location %s has one token and no spare: when that is lost, "
			     "so are its keys",
			     location.id);
	return CLV_OK;
}

static clv_rc create_locations(struct kms_run *run, struct clv_ctx *ctx, json_t **locations,
			       struct clv_err *err)
{
	const char *text;
	size_t at = 0;

	if (!kms_given(run->args, "location")) {
		kms_out_note(run->out, "It has no location yet; see: kmsctl help location create");
		return CLV_OK;
	}
	while ((text = kms_each(run->args, "location", &at)) != NULL)
		CLV_TRY(create_location(run, ctx, text, locations, err));
	kms_out_warn(run->out,
		     "SoftHSM is not a validated module: for tests and demonstrations only");
	return CLV_OK;
}

static clv_rc init(struct kms_run *run, struct clv_err *err)
{
	const struct clv_ctx_options options = {
		.home = run->home,
		.allow_unlocked_memory = kms_given(run->args, "allow-unlocked-memory"),
	};
	KMS_AUTO(clv_ctx_free) struct clv_ctx *ctx = NULL;
	KMS_AUTO(kms_json_free) json_t *locations = json_array();
	json_t *rec;

	CLV_TRY(check_line(run->args, err));
	CLV_TRY(create_home(run, err));
	CLV_TRY(clv_ctx_open(&options, &ctx, err));
	kms_out_note(run->out, "Created home [%s] of project [%s].", run->home,
		     clv_ctx_project(ctx));
	CLV_TRY(create_locations(run, ctx, &locations, err));
	rec = json_object();
	kms_put_text(&rec, "home", run->home);
	kms_put_text(&rec, "project", clv_ctx_project(ctx));
	kms_put(&rec, "locations", KMS_TAKE(locations));
	return kms_out_made(run->out, rec, err);
}

static const struct kms_opt init_opts[] = {
	{ "softhsm", 0, NULL, KMS_TEXT, 0,
	  "make a SoftHSM token for each location (not validated)" },
	{ "location", 0, "LOCATION", KMS_TEXT, KMS_OPT_REPEAT, "make this location too" },
	OPT_SOFTHSM_MODULE,
	OPT_END,
};

static const struct kms_verb init_verbs[] = {
	{ NULL, init, init_opts, NULL, KMS_NO_NAME, KMS_ALONE, "make a home" },
	{ 0 },
};

const struct kms_noun kms_noun_init = { "init", NULL, "make a home", init_verbs };
