/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl maintain: what is due. To be called now and then, by a timer or by hand. */
#include <inttypes.h>

#include "tools/kmsctl/kmsctl.h"

static clv_rc maintain(struct kms_run *run, struct clv_err *err)
{
	struct clv_maintain_report report;

	CLV_TRY(clv_maintain(run->ctx, run->who, &report, err));
	if (report.left > 0)
		return clv_fail(err, CLV_E_UNAVAILABLE,
				"%" PRIu64 " destroyed, %" PRIu64 " rotated, %" PRIu64
				" left for the next time: %s",
				report.destroyed, report.rotated, report.left, report.why);
	kms_out_note(run->out, "Destroyed %" PRIu64 " %s, rotated %" PRIu64 " %s.",
		     report.destroyed, report.destroyed == 1 ? "version" : "versions",
		     report.rotated, report.rotated == 1 ? "key" : "keys");
	if (report.import_jobs_expired > 0)
		kms_out_note(run->out, "Erased the private %s of %" PRIu64 " expired import %s.",
			     report.import_jobs_expired == 1 ? "key" : "keys",
			     report.import_jobs_expired,
			     report.import_jobs_expired == 1 ? "job" : "jobs");
	return kms_out_made(run->out, kms_record_maintain(&report), err);
}

static const struct kms_verb maintain_verbs[] = {
	{ NULL, maintain, NULL, NULL, KMS_NO_NAME, KMS_CHANGES,
	  "do what is due: end versions and import jobs, rotate keys" },
	{ 0 },
};

const struct kms_noun kms_noun_maintain = { "maintain", NULL, "what is due", maintain_verbs };
