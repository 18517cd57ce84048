/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions of every algorithm: can this token hold them, and making them. What was found by trying
 * is remembered; what was only a hiccup is not.
 */
#include <stdio.h>
#include <string.h>

#include "hsm/internal.h"

bool hsm_is_definite(clv_rc rc, const struct clv_err *err)
{
	if (err->domain == CLV_DOM_PKCS11) /* a write-protected token is not one that cannot */
		return hsm_rv_class(err->native) == HSM_CLASS_POLICY &&
		       rc != CLV_E_FAILED_PRECONDITION;
	return rc == CLV_E_UNIMPLEMENTED || rc == CLV_E_DATA_LOSS;
}

/* ---- what was found ---- */

static size_t column(enum clv_residency residency)
{
	return residency == CLV_RESIDENCY_TOKEN ? 1 : 0;
}

static struct hsm_verdict verdict_get(struct hsm *hsm, const struct hsm_kind *kind,
				      enum clv_residency residency)
{
	struct hsm_verdict verdict;
	size_t row;

	(void) hsm_kind_trial(kind, &row);
	pthread_mutex_lock(&hsm->verdict_lock);
	verdict = hsm->verdicts[row][column(residency)];
	pthread_mutex_unlock(&hsm->verdict_lock);
	return verdict;
}

static void verdict_set(struct hsm *hsm, const struct hsm_kind *kind, enum clv_residency residency,
			clv_rc rc, const struct clv_err *err)
{
	struct hsm_verdict *verdict;
	size_t row;

	(void) hsm_kind_trial(kind, &row);
	pthread_mutex_lock(&hsm->verdict_lock);
	verdict = &hsm->verdicts[row][column(residency)];
	verdict->what = rc == CLV_OK ? HSM_CAN : HSM_CANNOT;
	if (rc != CLV_OK)
		snprintf(verdict->why, sizeof verdict->why, "%.90s", err->text);
	pthread_mutex_unlock(&hsm->verdict_lock);
}

void hsm_verdicts_clear(struct hsm *hsm)
{
	pthread_mutex_lock(&hsm->verdict_lock);
	memset(hsm->verdicts, 0, sizeof hsm->verdicts);
	memset(hsm->import_verdicts, 0, sizeof hsm->import_verdicts);
	pthread_mutex_unlock(&hsm->verdict_lock);
	for (size_t i = 0; i < CLV_ARRAY_LEN(hsm->oaep_is_raw); i++)
		atomic_store(&hsm->oaep_is_raw[i], false);
}

/* ---- trying ---- */

struct trial {
	const struct hsm_kind *kind;
	enum clv_residency residency;
	bool again; /* for another mechanism */
};

/* A key of the kind for the token alone: used, not wrapped. */
static clv_rc try_token(struct hsm_session *session, const struct hsm_kind *kind,
			struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	CLV_AUTO_DONE(hsm_pkey_done) EVP_PKEY *key = NULL;
	CK_OBJECT_HANDLE object, public;

	if (!hsm_kind_is_pair(kind)) {
		CLV_TRY(hsm_generate(session, kind, HSM_BORN_SESSION, NULL, NULL, &object, err));
		hsm_scrap_add(&scrap, object);
		return hsm_same_secret(session, kind, object, object, err);
	}
	CLV_TRY(hsm_generate_pair(session, kind, HSM_BORN_SESSION, NULL, NULL, &public, &object,
				  err));
	hsm_scrap_add(&scrap, object);
	hsm_scrap_add(&scrap, public);
	CLV_TRY(hsm_public_read(session, kind, public, &key, err));
	return hsm_same_pair(session, kind, object, key, err);
}

static clv_rc try_wrapped(struct hsm_session *session, const struct hsm_kind *kind,
			  struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_scrap_destroy) struct hsm_scrap scrap = { .session = session };
	CK_OBJECT_HANDLE kek;
	struct hsm_blob blob;

	CLV_TRY(hsm_generate(session, hsm_kind_get(HSM_ROLE_RING_KEK, 0), HSM_BORN_SESSION, NULL,
			     NULL, &kek, err));
	hsm_scrap_add(&scrap, kek);
	return hsm_generate_wrapped(session, kind, kek, &blob, NULL, err);
}

static clv_rc trial_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	struct trial *trial = work->arg;
	clv_rc rc;

	CLV_TRY(hsm_require_hierarchy(hsm, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	hsm_cache_bury(session);
	rc = trial->residency == CLV_RESIDENCY_TOKEN ? try_token(session, trial->kind, err)
						     : try_wrapped(session, trial->kind, err);
	if (rc != CLV_OK && err->domain == CLV_DOM_PKCS11 && !trial->again &&
	    hsm_oaep_refused(trial->kind, err->op, err->native)) {
		trial->again = true; /* use.c has noted what will do: make a key for that */
		return hsm_fail(err, err->op, CKR_KEY_HANDLE_INVALID);
	}
	return rc;
}

/* Tries unless that was done. Errors: only what says nothing about the token. */
static clv_rc find_verdict(struct hsm *hsm, const struct hsm_kind *kind,
			   enum clv_residency residency, struct hsm_verdict *ret_verdict,
			   struct clv_err *err)
{
	size_t row;
	struct hsm_kind trial_kind = hsm_kind_trial(kind, &row);
	struct trial trial = { &trial_kind, residency, false };
	struct hsm_work work = { .run = trial_run, .arg = &trial };
	clv_rc rc;

	*ret_verdict = verdict_get(hsm, kind, residency);
	if (ret_verdict->what != HSM_UNTRIED)
		return CLV_OK;
	rc = hsm_work_do(hsm, &work, err);
	if (rc != CLV_OK && !hsm_is_definite(rc, err))
		return rc;
	verdict_set(hsm, kind, residency, rc, err);
	*ret_verdict = verdict_get(hsm, kind, residency);
	return CLV_OK;
}

/* The refusal of a kind, and whether the other residency would do. */
static clv_rc refuse(struct hsm *hsm, const struct hsm_kind *kind, enum clv_residency residency,
		     const struct hsm_verdict *verdict, struct clv_err *err)
{
	enum clv_residency other =
		residency == CLV_RESIDENCY_TOKEN ? CLV_RESIDENCY_WRAPPED : CLV_RESIDENCY_TOKEN;
	struct hsm_verdict of_other = { .what = HSM_UNTRIED };
	struct clv_err ignored;
	clv_rc rc = find_verdict(hsm, kind, other, &of_other, &ignored);

	if (rc == CLV_OK && of_other.what == HSM_CAN)
		return clv_fail(err, CLV_E_UNIMPLEMENTED,
				"%s needs residency %s on this token: %s fails (%.70s)",
				clv_algorithm_name(kind->algorithm), clv_residency_name(other),
				clv_residency_name(residency), verdict->why);
	return clv_fail(err, CLV_E_UNIMPLEMENTED, "this token cannot hold keys of %s: %.90s",
			clv_algorithm_name(kind->algorithm), verdict->why);
}

static clv_rc kind_of_algorithm(enum clv_algorithm algorithm, const struct hsm_kind **ret_kind,
				struct clv_err *err)
{
	const struct hsm_keyref key = { .role = HSM_ROLE_VERSION, .algorithm = algorithm };

	return hsm_kind_of(&key, ret_kind, err);
}

clv_rc hsm_algorithm_check(struct hsm *hsm, enum clv_algorithm algorithm,
			   enum clv_residency residency, struct clv_err *err)
{
	const struct hsm_kind *kind;
	struct hsm_verdict verdict;

	CLV_TRY(kind_of_algorithm(algorithm, &kind, err));
	CLV_TRY(find_verdict(hsm, kind, residency, &verdict, err));
	return verdict.what == HSM_CAN ? CLV_OK : refuse(hsm, kind, residency, &verdict, err);
}

/* ---- making ---- */

/*
 * The making of a key is a trial of its own, so that most are not tried before. But where the
 * mechanism is only found by trying, a short key finds it faster.
 */
static clv_rc check_before(struct hsm *hsm, const struct hsm_kind *kind,
			   enum clv_residency residency, struct clv_err *err)
{
	struct hsm_verdict verdict = verdict_get(hsm, kind, residency);

	if (kind->scheme != HSM_SCHEME_OAEP && verdict.what == HSM_UNTRIED)
		return CLV_OK;
	return hsm_algorithm_check(hsm, kind->algorithm, residency, err);
}

/* What came of the making says what the token can do, unless it was a hiccup. */
static clv_rc check_after(struct hsm *hsm, const struct hsm_kind *kind,
			  enum clv_residency residency, clv_rc rc, struct clv_err *err)
{
	struct hsm_verdict verdict = { .what = HSM_CANNOT };

	if (rc == CLV_OK || err->domain != CLV_DOM_PKCS11 || !hsm_is_definite(rc, err))
		return rc;
	snprintf(verdict.why, sizeof verdict.why, "%.90s", err->text);
	return refuse(hsm, kind, residency, &verdict, err);
}

clv_rc hsm_version_generate(struct hsm *hsm, const struct clv_grant *grant,
			    enum clv_algorithm algorithm, const struct hsm_keyref *parent,
			    struct hsm_blob *ret_blob, struct hsm_public *ret_public,
			    struct clv_err *err)
{
	const struct hsm_kind *kind;
	clv_rc rc;

	clv_grant_assert(grant);
	CLV_TRY(kind_of_algorithm(algorithm, &kind, err));
	CLV_TRY(check_before(hsm, kind, CLV_RESIDENCY_WRAPPED, err));
	rc = hsm_generate_below(hsm, kind, parent, ret_blob, ret_public, err);
	return check_after(hsm, kind, CLV_RESIDENCY_WRAPPED, rc, err);
}

clv_rc hsm_version_create(struct hsm *hsm, const struct clv_grant *grant,
			  enum clv_algorithm algorithm, const uint8_t id[HSM_ID_LEN],
			  const char *label, struct hsm_public *ret_public, struct clv_err *err)
{
	struct hsm_act args = {
		.id = id, .label = label, .ret_public = ret_public, .act = hsm_act_create
	};
	struct hsm_work work = { .run = hsm_act_run, .arg = &args };
	clv_rc rc;

	clv_grant_assert(grant);
	CLV_TRY(kind_of_algorithm(algorithm, &args.kind, err));
	CLV_TRY(check_before(hsm, args.kind, CLV_RESIDENCY_TOKEN, err));
	rc = hsm_work_once(hsm, &work, err); /* twice could make two */
	return check_after(hsm, args.kind, CLV_RESIDENCY_TOKEN, rc, err);
}
