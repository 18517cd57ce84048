/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl keys versions: the versions of a key, and the switch that each of them has. */
#include <inttypes.h>
#include <stdlib.h>

#include "tools/kmsctl/kmsctl.h"

static clv_rc version_page(struct kms_run *run, const char *after, size_t limit, void **ret_items,
			   size_t *ret_n, struct clv_err *err)
{
	struct clv_version *items = NULL;
	uint64_t behind = after != NULL ? strtoull(after, NULL, 10) : 0;

	CLV_TRY(clv_version_list(run->ctx, NULL, run->full, behind, limit, &items, ret_n, err));
	*ret_items = items;
	return CLV_OK;
}

static const struct kms_pager version_pager = {
	sizeof(struct clv_version),
	version_page,
	kms_record_version,
};

static const struct kms_column version_columns[] = {
	{ "NAME", "name", false },
	{ "STATE", "state", false },
	{ "SINCE", "stateTime", false },
	{ 0 },
};

static clv_rc version_list(struct kms_run *run, struct clv_err *err)
{
	return kms_list(run, &version_pager, version_columns, err);
}

static clv_rc version_describe(struct kms_run *run, struct clv_err *err)
{
	struct clv_version version;

	CLV_TRY(clv_version_get(run->ctx, NULL, run->full, &version, err));
	return kms_out_record(run->out, kms_record_version(&version), err);
}

/* ---- the switch */

static clv_rc switched(struct kms_run *run, const struct clv_switch_report *report,
		       const char *done, struct clv_err *err)
{
	char waited[CLV_DURATION_TEXT_MAX];

	if (report->changed)
		kms_out_note(run->out, "%s version [%" PRIu64 "] of key [%s]: waited %s for %u %s.",
			     done, report->version.number, run->name.key,
			     clv_duration_format(report->waited_ns, waited), report->holders,
			     report->holders == 1 ? "process" : "processes");
	else
		kms_out_note(run->out, "Version [%" PRIu64 "] of key [%s] was %s already.",
			     report->version.number, run->name.key,
			     clv_state_name(report->version.state));
	if (report->token_pending)
		kms_out_warn(run->out, "the flags in the token follow later: %s",
			     report->token_pending_why);
	return kms_out_record(run->out, kms_record_switch(report), err);
}

static clv_rc version_disable(struct kms_run *run, struct clv_err *err)
{
	struct clv_switch_report report;

	CLV_TRY(clv_version_disable(run->ctx, NULL, run->full, kms_text(run->args, "reason"),
				    &report, err));
	return switched(run, &report, "Disabled", err);
}

static clv_rc version_enable(struct kms_run *run, struct clv_err *err)
{
	struct clv_switch_report report;

	CLV_TRY(clv_version_enable(run->ctx, NULL, run->full, kms_text(run->args, "reason"),
				   &report, err));
	return switched(run, &report, "Enabled", err);
}

static const struct kms_opt list_opts[] = {
	OPT_LOCATION, OPT_KEYRING, OPT_KEY, OPT_LIMIT, OPT_END,
};

static const struct kms_opt place_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	OPT_END,
};

static const struct kms_opt switch_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	{ "reason", 0, "TEXT", KMS_TEXT, 0, "why; kept with the version and in the audit log" },
	OPT_END,
};

static const struct kms_verb version_verbs[] = {
	{ "list", version_list, list_opts, NULL, CLV_NAME_KEY, KMS_READS,
	  "list the versions of a key" },
	{ "describe", version_describe, place_opts, "VERSION", CLV_NAME_VERSION, KMS_READS,
	  "print a version" },
	{ "enable", version_enable, switch_opts, "VERSION", CLV_NAME_VERSION, KMS_CHANGES,
	  "let a version be used again" },
	{ "disable", version_disable, switch_opts, "VERSION", CLV_NAME_VERSION, KMS_CHANGES,
	  "stop every use of a version; returns when none is left" },
	{ 0 },
};

static const char *const version_aliases[] = { "key versions", "versions", "version", NULL };

const struct kms_noun kms_noun_version = { "keys versions", version_aliases,
					   "versions of a key, and their switch", version_verbs };
