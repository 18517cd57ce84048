/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the same for every bulk rewrap: one item, whose fault a failure is, the counts. Where
 * the items come from and go to is in rewrap_folder.c and rewrap_lines.c.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "tools/kmsctl/rewrap.h"

#define WARNINGS_MAX 100 /* failures told of one by one */
#define SYNC_EVERY 64    /* items, or a second: what a loss of power costs at most */

/* ---- the key */

/* Wraps a DEK that nobody will use: does the key do that, under which version, and how does that
 * begin? */
static clv_rc ask_key(struct rewrap *job, char version[CLV_NAME_MAX], uint8_t head[REWRAP_HEAD_LEN],
		      struct clv_err *err)
{
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf wrapped = { 0 };

	CLV_TRY(clv_dek_generate(job->run->ctx, job->run->who, job->run->full, NULL, &wrapped, NULL,
				 version, err));
	memcpy(head, wrapped.data, REWRAP_HEAD_LEN);
	return CLV_OK;
}

static int64_t seconds(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

clv_rc rewrap_begin(struct rewrap *job, struct clv_err *err)
{
	kms_progress_init(&job->progress, job->run->out);
	job->synced_at = seconds();
	return ask_key(job, job->version, job->head, err);
}

clv_rc rewrap_check_key(const struct rewrap *job, const struct rewrap_head *head,
			struct clv_err *err)
{
	if (strcmp(head->key, job->run->full) == 0)
		return CLV_OK;
	return clv_fail(
		err, CLV_E_FAILED_PRECONDITION,
		"a run with the key %s was interrupted: finish that one, or move %.100s away",
		head->key, job->state.path);
}

/* ---- one item */

/*
 * The item's own fault, or one that all others would have too? A version that is not enabled is
 * the item's unless it is the primary, and so is a version that was lost. The key itself is then
 * asked again, once for each text: the library looks at the primary first, so that the same text
 * means the same old version.
 */
static clv_rc judge(struct rewrap *job, clv_rc rc, struct clv_err *err)
{
	char version[CLV_NAME_MAX];
	uint8_t head[REWRAP_HEAD_LEN];
	struct clv_err why;

	if (rc == CLV_E_INVALID_ARGUMENT)
		return CLV_OK;
	if (rc != CLV_E_FAILED_PRECONDITION && rc != CLV_E_DATA_LOSS)
		return rc;
	if (strcmp(job->settled, err->text) == 0)
		return CLV_OK;
	if (ask_key(job, version, head, &why) != CLV_OK)
		return rc;
	memcpy(job->settled, err->text, sizeof job->settled);
	return CLV_OK;
}

static clv_rc check_version(const struct rewrap *job, const struct clv_dek_rewrapped *report,
			    struct clv_err *err)
{
	if (strcmp(report->to, job->version) == 0)
		return CLV_OK;
	return clv_fail(err, CLV_E_ABORTED,
			"the primary version became %s meanwhile; the same command begins anew",
			report->to);
}

clv_rc rewrap_item(struct rewrap *job, struct clv_bytes wrapped, struct clv_buf *out,
		   enum rewrap_outcome *ret_outcome, clv_rc *ret_rc, struct clv_err *err)
{
	struct clv_dek_rewrapped report;
	char tally[REWRAP_TALLY_MAX];
	clv_rc rc;

	if (kms_told_to_end())
		return clv_fail(err, CLV_E_ABORTED,
				"interrupted: %s; the same command goes on from there",
				rewrap_tally(&job->counts, tally));
	rc = clv_dek_rewrap(job->run->ctx, job->run->who, job->run->full, wrapped, job->aad, out,
			    &report, err);
	if (rc != CLV_OK) {
		CLV_TRY(judge(job, rc, err));
		*ret_outcome = REWRAP_BAD;
		*ret_rc = rc;
		return CLV_OK;
	}
	CLV_TRY(check_version(job, &report, err));
	*ret_outcome = report.unchanged ? REWRAP_SAME : REWRAP_NEW;
	*ret_rc = CLV_OK;
	return CLV_OK;
}

bool rewrap_same_bytes(struct clv_bytes a, struct clv_bytes b)
{
	size_t i = 0;

	while (i < a.len && i < b.len && a.data[i] == b.data[i])
		i++;
	return i == a.len && i == b.len;
}

bool rewrap_says_primary(const struct rewrap *job, struct clv_bytes wrapped)
{
	const struct clv_bytes ours = { job->head, sizeof job->head };

	if (wrapped.len > ours.len)
		wrapped.len = ours.len;
	return rewrap_same_bytes(wrapped, ours);
}

/* ---- counting */

static uint64_t n_done(const struct rewrap_counts *counts)
{
	return counts->rewrapped + counts->already + counts->failed;
}

bool rewrap_sync_is_due(struct rewrap *job)
{
	uint64_t n = n_done(&job->counts);
	int64_t now = seconds();

	if (n - job->n_synced < SYNC_EVERY && now == job->synced_at)
		return false;
	job->n_synced = n;
	job->synced_at = now;
	return true;
}

const char *rewrap_tally(const struct rewrap_counts *counts, char to[REWRAP_TALLY_MAX])
{
	snprintf(to, REWRAP_TALLY_MAX,
		 "%" PRIu64 " of %" PRIu64 " done (%" PRIu64 " rewrapped, %" PRIu64
		 " under the primary version already, %" PRIu64 " failed)",
		 n_done(counts), counts->total, counts->rewrapped, counts->already, counts->failed);
	return to;
}

static void tell_failure(struct rewrap *job, const char *name, clv_rc rc, const struct clv_err *why)
{
	if (job->first[0] == '\0') {
		job->first_rc = rc;
		snprintf(job->first, sizeof job->first, "%.200s: %.250s", name, why->text);
	}
	kms_progress_clear(&job->progress);
	if (job->counts.failed < WARNINGS_MAX)
		kms_out_warn(job->run->out, "%s: %s", name, why->text);
	else if (job->counts.failed == WARNINGS_MAX)
		kms_out_warn(job->run->out, "more of them fail; they are counted only");
}

void rewrap_count(struct rewrap *job, enum rewrap_outcome outcome, const char *name, clv_rc rc,
		  const struct clv_err *why)
{
	char tally[REWRAP_TALLY_MAX];

	if (outcome == REWRAP_BAD)
		tell_failure(job, name, rc, why);
	job->counts.rewrapped += outcome == REWRAP_NEW;
	job->counts.already += outcome == REWRAP_SAME;
	job->counts.failed += outcome == REWRAP_BAD;
	kms_progress_show(&job->progress, n_done(&job->counts), job->counts.total,
			  rewrap_tally(&job->counts, tally));
}

static json_t *record_of(const struct rewrap *job)
{
	const struct rewrap_counts *counts = &job->counts;
	json_t *rec = json_object();

	kms_put_text(&rec, "name", job->version);
	kms_put_number(&rec, "total", counts->total);
	kms_put_number(&rec, "rewrapped", counts->rewrapped);
	kms_put_number(&rec, "alreadyPrimary", counts->already);
	kms_put_number(&rec, "failed", counts->failed);
	kms_put_number(&rec, "remaining", counts->total - n_done(counts));
	return rec;
}

clv_rc rewrap_report(struct rewrap *job, clv_rc rc, struct clv_err *err)
{
	struct clv_err unused;

	kms_progress_clear(&job->progress);
	if (job->version[0] == '\0') /* it did not come to a first item */
		return rc;
	if (rc == CLV_OK && job->counts.failed > 0)
		rc = clv_fail(err, job->first_rc,
			      "%" PRIu64 " of %" PRIu64 " failed; the first: %s",
			      job->counts.failed, job->counts.total, job->first);
	if (rc == CLV_OK)
		return kms_out_record(job->run->out, record_of(job), err);
	job->run->out->with_failure =
		kms_out_record(job->run->out, record_of(job), &unused) == CLV_OK;
	return rc;
}
