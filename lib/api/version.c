/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions: looking, and switching off and on. A disable commits, makes everybody read anew, waits
 * for those inside, and only then answers. It needs no token; what the token's own flags say
 * follows, at the latest when the token is next opened.
 */
#include <stdio.h>
#include <string.h>

#include "lib/api/api.h"
#include "lib/model/state.h"

/* ---- looking ---- */

static clv_rc get_granted(struct clv_ctx *ctx, const struct clv_name *name,
			  struct clv_version *ret_version, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct store_version row;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(store_version_get(worker->store, name, &row, err));
	*ret_version = row.pub;
	return CLV_OK;
}

clv_rc clv_version_get(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
		       struct clv_version *ret_version, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = "cloudkms.cryptoKeyVersions.get",
					  .resource = name };
	struct clv_version version;
	struct clv_name parsed;

	CLV_TRY(clv_name_parse_kind(name, CLV_NAME_VERSION, &parsed, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	CLV_TRY(gate_answer(ctx, grant, get_granted(ctx, &parsed, &version, err), NULL, err));
	*ret_version = version;
	return CLV_OK;
}

static clv_rc list_granted(struct clv_ctx *ctx, const struct clv_name *key, uint64_t after,
			   size_t limit, void **ret_versions, size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	CLV_AUTO(clv_page_free) void *rows = NULL;
	CLV_AUTO(clv_page_free) void *versions = NULL;
	size_t n;

	CLV_TRY(api_page_new(limit, sizeof(struct store_version), &rows, err));
	CLV_TRY(api_page_new(limit, sizeof(struct clv_version), &versions, err));
	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	CLV_TRY(store_version_list(worker->store, key, after, limit, rows, &n, err));
	for (size_t i = 0; i < n; i++)
		((struct clv_version *) versions)[i] = ((const struct store_version *) rows)[i].pub;
	*ret_n = n;
	*ret_versions = n > 0 ? CLV_TAKE(versions) : NULL;
	return CLV_OK;
}

clv_rc clv_version_list(struct clv_ctx *ctx, const struct clv_caller *who, const char *key_name,
			uint64_t after, size_t limit, struct clv_version **ret_versions,
			size_t *ret_n, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	CLV_AUTO(clv_page_free) void *versions = NULL;
	struct gate_question question = { .permission = "cloudkms.cryptoKeyVersions.list",
					  .resource = key_name };
	struct clv_name parsed;
	size_t n = 0;
	clv_rc rc;

	CLV_TRY(clv_name_parse_kind(key_name, CLV_NAME_KEY, &parsed, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	rc = list_granted(ctx, &parsed, after, limit, &versions, &n, err);
	CLV_TRY(gate_answer(ctx, grant, rc, NULL, err));
	*ret_versions = CLV_TAKE(versions);
	*ret_n = n;
	return CLV_OK;
}

/* ---- the flags in the token, for TOKEN residency ---- */

/*
 * Makes the flags in the token what the row's state asks for. The switch lock keeps two processes
 * from setting them crosswise; the row is read under it, so that the last state wins.
 */
static clv_rc follow_state(struct api_worker *worker, const struct clv_grant *grant,
			   struct hsm *hsm, const struct clv_name *name, int64_t row,
			   struct clv_err *err)
{
	struct clv_deadline deadline = clv_deadline_in(worker->ctx->deadline_ms);
	struct store_version version;
	clv_rc rc;

	CLV_TRY(inflight_lock(worker->seat, INFLIGHT_SWITCH, row, &deadline, err));
	rc = store_version_get(worker->store, name, &version, err);
	if (rc == CLV_OK && version.token_enabled != (version.pub.state == CLV_STATE_ENABLED)) {
		bool enabled = version.pub.state == CLV_STATE_ENABLED;

		rc = hsm_key_set_enabled(hsm, grant, version.pub.algorithm, version.pub.uid,
					 enabled, err);
		if (rc == CLV_OK)
			rc = store_version_set_token_enabled(worker->store, grant, row, enabled,
							     err);
	}
	inflight_unlock(worker->seat, INFLIGHT_SWITCH, row);
	return rc;
}

clv_rc api_flags_recover(struct api_worker *worker, const char *location, struct hsm *hsm,
			 struct clv_err *err)
{
	const struct clv_grant *grant = clv_grant_system(CLV_SYSTEM_RECOVERY);
	struct store_version rows[16];
	struct clv_name name;
	size_t n;

	do {
		CLV_TRY(store_version_list_pending(worker->store, location, CLV_ARRAY_LEN(rows),
						   rows, &n, err));
		for (size_t i = 0; i < n; i++) {
			CLV_TRY(clv_name_parse(rows[i].pub.name, &name, err));
			CLV_TRY(follow_state(worker, grant, hsm, &name, rows[i].row, err));
		}
	} while (n == CLV_ARRAY_LEN(rows));
	return CLV_OK;
}

/* ---- switching ---- */

struct switching {
	struct clv_ctx *ctx;
	const struct clv_grant *grant;
	const struct clv_name *name;
	const char *reason;
	enum model_verb verb;
};

/* May a version in this state be destroyed, and after how long? The key says, or the policy if that
 * asks for more. */
static clv_rc check_destroy(const struct switching *sw, struct api_worker *worker,
			    const struct clv_version *version, int64_t *ret_delay,
			    struct clv_err *err)
{
	const struct policy_facts facts = { .protection = version->protection,
					    .state = version->state };
	struct store_key key;
	int64_t least;

	CLV_TRY(gate_check(worker, sw->grant, &facts, err));
	CLV_TRY(store_key_get(worker->store, sw->name, &key, err));
	least = gate_destroy_delay_min(sw->grant, sw->name->project);
	*ret_delay = key.pub.destroy_delay > least ? key.pub.destroy_delay : least;
	return CLV_OK;
}

/* Commits the new state; *ret_changed says whether there was something to commit. */
static clv_rc commit(const struct switching *sw, struct api_worker *worker,
		     struct store_version *ret_row, bool *ret_changed, struct clv_err *err)
{
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct model_transition transition;
	int64_t delay = 0;

	if (sw->verb == MODEL_VERB_DISABLE || sw->verb == MODEL_VERB_DESTROY)
		CLV_TRY(api_change_begin(sw->ctx, &change, err));
	else
		CLV_TRY(api_change_begin_sealed(worker, sw->name->location, &change, err));
	CLV_TRY(gate_check_again(worker, sw->grant, err));
	CLV_TRY(store_version_get(worker->store, sw->name, ret_row, err));
	transition = model_state_transition(ret_row->pub.state, sw->verb);
	if (transition.effect == MODEL_REFUSED)
		return model_state_refuse_verb(ret_row->pub.name, ret_row->pub.state, sw->verb,
					       err);
	*ret_changed = transition.effect == MODEL_CHANGES;
	if (!*ret_changed)
		return CLV_OK;
	if (transition.next == CLV_STATE_DESTROY_SCHEDULED)
		CLV_TRY(check_destroy(sw, worker, &ret_row->pub, &delay, err));
	ret_row->pub.state = transition.next;
	ret_row->pub.state_time = clv_time_now();
	ret_row->pub.destroy_time = 0;
	if (transition.next == CLV_STATE_DESTROY_SCHEDULED)
		ret_row->pub.destroy_time = ret_row->pub.state_time + delay;
	snprintf(ret_row->pub.state_principal, sizeof ret_row->pub.state_principal, "%s",
		 gate_principal(sw->grant));
	snprintf(ret_row->pub.state_reason, sizeof ret_row->pub.state_reason, "%s",
		 sw->reason != NULL ? sw->reason : "");
	return store_version_set_state(worker->store, sw->grant, ret_row, err);
}

/*
 * The same on a full disk, with what is kept for that. What is in the catalogue's log goes to its
 * place first: then the log's own space can serve again.
 */
static clv_rc commit_lowering(const struct switching *sw, struct api_worker *worker,
			      struct store_version *ret_row, bool *ret_changed, struct clv_err *err)
{
	CLV_AUTO_DONE(api_loan_end) struct api_loan loan = { 0 };
	clv_rc rc = commit(sw, worker, ret_row, ret_changed, err);

	while (rc == CLV_E_RESOURCE_EXHAUSTED && api_loan_draw(sw->ctx, &loan)) {
		store_tidy(worker->store);
		rc = commit(sw, worker, ret_row, ret_changed, err);
	}
	return rc;
}

/* Everybody is out. Wipe what this process has, and let the token's flags follow if it is there. */
static void after_disable(const struct switching *sw, struct api_worker *worker,
			  const struct store_version *row, struct clv_switch_report *report)
{
	struct hsm *hsm = api_token_peek(sw->ctx, sw->name->location);
	struct clv_err err;
	clv_rc rc;

	if (hsm != NULL)
		hsm_key_evict(hsm, row->pub.uid);
	if (row->pub.residency != CLV_RESIDENCY_TOKEN)
		return;
	rc = api_token_get(worker, sw->name->location, &hsm, &err);
	if (rc == CLV_OK)
		rc = follow_state(worker, sw->grant, hsm, sw->name, row->row, &err);
	if (rc != CLV_OK) {
		report->token_pending = true;
		snprintf(report->token_pending_why, sizeof report->token_pending_why, "%.150s",
			 err.text);
	}
}

/* For a disable and for a destroy order: both end all use. */
static clv_rc disable_granted(const struct switching *sw, struct clv_switch_report *report,
			      struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct clv_deadline deadline = clv_deadline_in(sw->ctx->deadline_ms);
	struct store_version row;
	struct inflight_wait wait;
	struct clv_err inside;
	clv_rc rc;

	CLV_TRY(api_worker_acquire(sw->ctx, &worker, err));
	rc = commit_lowering(sw, worker, &row, &report->changed, err);
	if (rc == CLV_E_DEADLINE_EXCEEDED) /* that would mean "disabled, but somebody is inside" */
		rc = CLV_E_UNAVAILABLE;
	CLV_TRY(rc);
	report->version = row.pub;
	/* Also when it was disabled before: an earlier call may have given up waiting. */
	rc = inflight_drain(worker->seat, row.row, deadline, &wait, &inside);
	if (rc == CLV_E_DEADLINE_EXCEEDED)
		return clv_fail(
			err, rc, "%s is disabled for new uses, but %s; %s, or end that process",
			row.pub.name, inside.text,
			sw->verb == MODEL_VERB_DISABLE
				? "run the same command again to wait on"
				: "it is DESTROY_SCHEDULED all the same: restore and disable it "
				  "to wait on");
	if (rc != CLV_OK) {
		*err = inside;
		return rc;
	}
	report->waited_ns = wait.waited_ns;
	report->holders = wait.holders;
	after_disable(sw, worker, &row, report);
	api_seal_follow(worker, sw->name->location);
	return CLV_OK;
}

/*
 * A TOKEN-resident version's flags go on before the state does, under the switch lock: an enabled
 * version that the token refuses would be no use to anybody.
 */
static clv_rc enable_resident(const struct switching *sw, struct api_worker *worker,
			      struct store_version *row, bool *ret_changed, struct clv_err *err)
{
	struct clv_deadline deadline = clv_deadline_in(sw->ctx->deadline_ms);
	struct clv_err ignored;
	struct hsm *hsm;
	clv_rc rc, off_rc;

	if (row->pub.state == CLV_STATE_ENABLED && row->token_enabled)
		return commit(sw, worker, row, ret_changed,
			      err); /* nothing to set, so nothing to break */
	CLV_TRY(api_token_get(worker, sw->name->location, &hsm, err));
	CLV_TRY(inflight_lock(worker->seat, INFLIGHT_SWITCH, row->row, &deadline, err));
	rc = store_version_set_token_enabled(worker->store, sw->grant, row->row, true, err);
	if (rc == CLV_OK)
		rc = hsm_key_set_enabled(hsm, sw->grant, row->pub.algorithm, row->pub.uid, true,
					 err);
	if (rc == CLV_OK)
		rc = commit(sw, worker, row, ret_changed, err);
	inflight_unlock(worker->seat, INFLIGHT_SWITCH, row->row);
	if (rc !=
	    CLV_OK) { /* off again; if that fails the row says so, and the next opening does it */
		off_rc = follow_state(worker, sw->grant, hsm, sw->name, row->row, &ignored);
		(void) off_rc;
	}
	return rc;
}

/* A restored version is disabled: nobody is inside, and the token's flags are off already. */
static clv_rc restore_granted(const struct switching *sw, struct clv_switch_report *report,
			      struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct store_version row;

	CLV_TRY(api_worker_acquire(sw->ctx, &worker, err));
	CLV_TRY(commit(sw, worker, &row, &report->changed, err));
	report->version = row.pub;
	return CLV_OK;
}

static clv_rc enable_granted(const struct switching *sw, struct clv_switch_report *report,
			     struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct store_version row;

	CLV_TRY(api_worker_acquire(sw->ctx, &worker, err));
	CLV_TRY(store_version_get(worker->store, sw->name, &row, err));
	/* Before the token is touched: what is scheduled or destroyed stays off in it. */
	if (model_state_transition(row.pub.state, sw->verb).effect == MODEL_REFUSED)
		return model_state_refuse_verb(row.pub.name, row.pub.state, sw->verb, err);
	if (row.pub.residency == CLV_RESIDENCY_TOKEN)
		CLV_TRY(enable_resident(sw, worker, &row, &report->changed, err));
	else
		CLV_TRY(commit(sw, worker, &row, &report->changed, err));
	report->version = row.pub;
	return CLV_OK;
}

static const struct {
	const char *permission;
	bool lowering;
	clv_rc (*run)(const struct switching *sw, struct clv_switch_report *report,
		      struct clv_err *err);
} verbs[MODEL_VERB_COUNT] = {
	[MODEL_VERB_ENABLE] = { "cloudkms.cryptoKeyVersions.update", false, enable_granted },
	[MODEL_VERB_DISABLE] = { "cloudkms.cryptoKeyVersions.update", true, disable_granted },
	[MODEL_VERB_DESTROY] = { "cloudkms.cryptoKeyVersions.destroy", true, disable_granted },
	[MODEL_VERB_RESTORE] = { "cloudkms.cryptoKeyVersions.restore", false, restore_granted },
};

static clv_rc switch_version(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			     const char *reason, enum model_verb verb,
			     struct clv_switch_report *ret_report, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = verbs[verb].permission,
					  .resource = name,
					  .reason = reason,
					  .change = true,
					  .lowering = verbs[verb].lowering };
	struct clv_switch_report report = { 0 };
	struct switching sw = { .ctx = ctx, .reason = reason, .verb = verb };
	struct clv_name parsed;
	clv_rc rc;

	CLV_TRY(clv_name_parse_kind(name, CLV_NAME_VERSION, &parsed, err));
	if (reason != NULL && strlen(reason) >= CLV_REASON_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the reason is too long: at most %d bytes", CLV_REASON_MAX - 1);
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	sw.grant = grant;
	sw.name = &parsed;
	rc = verbs[verb].run(&sw, &report, err);
	CLV_TRY(gate_answer(ctx, grant, rc, name, err));
	*ret_report = report;
	return CLV_OK;
}

clv_rc clv_version_disable(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			   const char *reason, struct clv_switch_report *ret_report,
			   struct clv_err *err)
{
	return switch_version(ctx, who, name, reason, MODEL_VERB_DISABLE, ret_report, err);
}

clv_rc clv_version_enable(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			  const char *reason, struct clv_switch_report *ret_report,
			  struct clv_err *err)
{
	return switch_version(ctx, who, name, reason, MODEL_VERB_ENABLE, ret_report, err);
}

clv_rc clv_version_destroy(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			   const char *reason, struct clv_switch_report *ret_report,
			   struct clv_err *err)
{
	return switch_version(ctx, who, name, reason, MODEL_VERB_DESTROY, ret_report, err);
}

clv_rc clv_version_restore(struct clv_ctx *ctx, const struct clv_caller *who, const char *name,
			   const char *reason, struct clv_switch_report *ret_report,
			   struct clv_err *err)
{
	return switch_version(ctx, who, name, reason, MODEL_VERB_RESTORE, ret_report, err);
}

/* ---- the next version ---- */

static clv_rc make_and_add(struct api_worker *worker, const struct clv_grant *grant,
			   const struct clv_name *key_name, struct api_intent *intent,
			   uint64_t *ret_number, struct clv_err *err)
{
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct policy_facts facts = { 0 };
	struct store_version version;
	struct store_key key;

	CLV_TRY(store_key_get(worker->store, key_name, &key, err));
	facts.protection = key.pub.protection;
	CLV_TRY(gate_check(worker, grant, &facts, err));
	if (key.pub.import_only)
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"%s is import-only: its versions are imported, not generated",
				key.pub.name);
	CLV_TRY(api_version_make(worker, grant, key_name, &key.pub, &version, intent, err));
	CLV_TRY(api_change_begin(worker->ctx, &change, err));
	CLV_TRY(gate_check_again(worker, grant, err));
	return store_version_add(worker->store, grant, key_name, &version,
				 intent->noted ? intent->row.id : NULL, ret_number, err);
}

static clv_rc create_granted(struct clv_ctx *ctx, const struct clv_grant *grant,
			     const struct clv_name *key_name, struct clv_version *ret_version,
			     struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;
	struct clv_name name = *key_name;
	struct api_intent intent = { 0 };
	struct store_version row;
	clv_rc rc;

	CLV_TRY(api_worker_acquire(ctx, &worker, err));
	rc = make_and_add(worker, grant, key_name, &intent, &name.version, err);
	api_version_settle(worker, &intent, key_name, rc);
	CLV_TRY(rc);
	name.kind = CLV_NAME_VERSION;
	CLV_TRY(store_version_get(worker->store, &name, &row, err));
	*ret_version = row.pub;
	return CLV_OK;
}

clv_rc clv_version_create(struct clv_ctx *ctx, const struct clv_caller *who, const char *key_name,
			  struct clv_version *ret_version, struct clv_err *err)
{
	CLV_AUTO(gate_close) struct clv_grant *grant = NULL;
	struct gate_question question = { .permission = "cloudkms.cryptoKeyVersions.create",
					  .resource = key_name,
					  .change = true };
	struct clv_version version = { 0 };
	struct clv_name parsed;
	clv_rc rc;

	CLV_TRY(clv_name_parse_kind(key_name, CLV_NAME_KEY, &parsed, err));
	CLV_TRY(gate_ask(ctx, who, &question, &grant, err));
	rc = create_granted(ctx, grant, &parsed, &version, err);
	CLV_TRY(gate_answer(ctx, grant, rc, rc == CLV_OK ? version.name : NULL, err));
	*ret_version = version;
	return CLV_OK;
}
