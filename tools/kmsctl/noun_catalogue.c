/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl catalogue: is the catalogue what was sealed, and taking a restored one for good. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/kmsctl/kmsctl.h"

static clv_rc catalogue_verify(struct kms_run *run, struct clv_err *err)
{
	struct clv_catalogue_report report;

	CLV_TRY(clv_catalogue_verify(run->ctx, NULL, &report, err));
	kms_out_note(run->out,
		     "Verified %" PRIu64 " rows of %" PRIu64 " %s: they are what was sealed.",
		     report.n_rows, report.n_locations,
		     report.n_locations == 1 ? "location" : "locations");
	return kms_out_made(run->out, kms_record_catalogue(&report), err);
}

/* On a terminal somebody can still think better of it. */
static clv_rc confirm(struct kms_run *run, const struct clv_restoration *restoration,
		      struct clv_err *err)
{
	char line[CLV_ID_MAX + 2] = "";

	if (kms_given(run->args, "quiet") || !isatty(STDIN_FILENO))
		return CLV_OK;
	fprintf(stderr,
		"The catalogue of location %s is at epoch %" PRIu64 " of its seal; its token has "
		"seen %" PRIu64 ".\nWhatever was changed in between is lost, and every enabled "
		"version becomes DISABLED.\nType the location's name to accept that: ",
		run->name.location, restoration->epoch, restoration->newest);
	if (fgets(line, sizeof line, stdin) != NULL)
		line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, run->name.location) != 0)
		return clv_fail(err, CLV_E_ABORTED, "nothing was changed");
	return CLV_OK;
}

static clv_rc catalogue_restore(struct kms_run *run, struct clv_err *err)
{
	const char *reason = kms_text(run->args, "reason");
	struct clv_restoration restoration;

	CLV_TRY(clv_catalogue_restore(run->ctx, NULL, run->full, reason, false, &restoration, err));
	if (!kms_given(run->args, "accept"))
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"nothing was changed: location %s is at epoch %" PRIu64
				" of its seal and its token has seen %" PRIu64
				"; --accept takes it as it is, with every enabled version disabled",
				run->name.location, restoration.epoch, restoration.newest);
	CLV_TRY(confirm(run, &restoration, err));
	CLV_TRY(clv_catalogue_restore(run->ctx, NULL, run->full, reason, true, &restoration, err));
	kms_out_note(run->out,
		     "Accepted the catalogue of location [%s] at epoch %" PRIu64
		     " in the place of %" PRIu64 "; disabled %" PRIu64 " %s.",
		     run->name.location, restoration.epoch, restoration.newest,
		     restoration.n_disabled, restoration.n_disabled == 1 ? "version" : "versions");
	return kms_out_made(run->out, kms_record_restoration(&restoration), err);
}

static const struct kms_opt restore_opts[] = {
	{ "accept", 0, NULL, KMS_TEXT, 0, "do it; without, only say what would be rolled back" },
	{ "reason", 0, "TEXT", KMS_TEXT, 0, "why; kept with the versions and in the audit log" },
	OPT_END,
};

static const struct kms_verb catalogue_verbs[] = {
	{ "verify", catalogue_verify, NULL, NULL, CLV_NAME_PROJECT, KMS_READS,
	  "look whether every row is what was sealed" },
	{ "restore", catalogue_restore, restore_opts, "LOCATION", CLV_NAME_LOCATION, KMS_CHANGES,
	  "take a catalogue that was put back from a copy for good" },
	{ 0 },
};

const struct kms_noun kms_noun_catalogue = { "catalogue", NULL, "the seal of the catalogue",
					     catalogue_verbs };
