/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl status: the home at a glance. */
#include "tools/kmsctl/kmsctl.h"

static const struct kms_column status_columns[] = {
	{ "LOCATION", "locationId", false },
	{ "TOKEN", "tokenStatus", false },
	{ "LABEL", "tokenLabel", false },
	{ "TOKENS", "tokenCount", false },
	{ "KEY_RINGS", "keyRings", false },
	{ "KEYS", "keys", false },
	{ "ENABLED", "versionsEnabled", false },
	{ "DISABLED", "versionsDisabled", false },
	{ "SCHEDULED", "versionsScheduled", false },
	{ "DESTROYED", "versionsDestroyed", false },
	{ "PENDING", "tokenPending", false },
	{ "UNSEALED", "sealPending", false },
	{ "MESSAGE", "tokenMessage", false },
	{ 0 },
};

static clv_rc status(struct kms_run *run, struct clv_err *err)
{
	struct clv_status now;
	json_t *rec;

	CLV_TRY(clv_status_get(run->ctx, run->who, &now, err));
	rec = kms_record_status(&now);
	clv_status_done(&now);
	return kms_out_record_with(run->out, rec, "locations", status_columns, err);
}

static const struct kms_verb status_verbs[] = {
	{ NULL, status, NULL, NULL, KMS_NO_NAME, KMS_READS,
	  "print the state of the home, its locations and tokens" },
	{ 0 },
};

const struct kms_noun kms_noun_status = { "status", NULL, "the home at a glance", status_verbs };
