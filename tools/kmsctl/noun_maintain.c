/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl maintain: what is due. To be called now and then, by a timer or by hand. */
#include <inttypes.h>

#include "tools/common/ask.h"
#include "tools/kmsctl/kmsctl.h"

#define NAMED_AT_MOST 5 /* versions, in a question */

static clv_rc ask_about(const struct clv_maintain_due *due, const struct clv_version *versions,
			size_t n, struct clv_err *err)
{
	const bool one = due->versions == 1;

	kms_ask_line("%" PRIu64
		     " key %s due for destruction. %s key material is going to be erased "
		     "for good:",
		     due->versions, one ? "version is" : "versions are", one ? "Its" : "Their");
	for (size_t i = 0; i < n; i++)
		kms_ask_line("  %s", versions[i].name);
	if (due->versions > n)
		kms_ask_line("  and %" PRIu64 " more", due->versions - n);
	if (!kms_ask_yes())
		return clv_fail(err, CLV_E_ABORTED,
				"nothing was done: the answer was not `yes`; `kmsctl keys versions "
				"restore` keeps what is due");
	return CLV_OK;
}

/*
 * Who sits there has to know what cannot be undone. What comes due while he thinks is left for the
 * next time: *ret_as_of is when it was looked at.
 */
static clv_rc ask_first(struct kms_run *run, int64_t *ret_as_of, struct clv_err *err)
{
	KMS_AUTO(clv_page_free) void *page = NULL;
	struct clv_version *versions = NULL;
	struct clv_maintain_due due;
	size_t n;

	CLV_TRY(clv_maintain_due(run->ctx, run->who, NAMED_AT_MOST, &due, &versions, &n, err));
	page = versions;
	if (due.versions > 0)
		CLV_TRY(ask_about(&due, versions, n, err));
	*ret_as_of = due.as_of;
	return CLV_OK;
}

static clv_rc maintain(struct kms_run *run, struct clv_err *err)
{
	struct clv_maintain_report report;
	int64_t as_of = INT64_MAX;

	if (kms_can_ask(run->out))
		CLV_TRY(ask_first(run, &as_of, err));
	CLV_TRY(clv_maintain_as_of(run->ctx, run->who, as_of, &report, err));
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
