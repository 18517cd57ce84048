/* SPDX-License-Identifier: Apache-2.0 */
/* When to try again, and when to give up on a token. What is tried lives in the other files. */
#include "hsm/internal.h"

clv_rc hsm_work_once(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	uint64_t epoch;
	clv_rc rc;

	CLV_TRY(hsm_enter(hsm, err));
	epoch = atomic_load(&hsm->epoch);
	work->judged = false;
	rc = work->run(hsm, work, err);
	hsm_leave(hsm);
	if (rc != CLV_OK && err->domain == CLV_DOM_PKCS11) {
		enum hsm_class class = hsm_rv_class(err->native);

		if (class == HSM_CLASS_TOKEN || (class == HSM_CLASS_AMBIGUOUS && !work->judged))
			hsm_breaker_trip(hsm, epoch, err);
	}
	return rc;
}

/*
 * A version, its ring KEK and their keepers can be found dead one after the other; when the only
 * session is, then the session, the root's handle and the login.
 */
#define TRIES 4

/* Is there hope that the same work succeeds now? */
static bool worth_another_try(const struct clv_err *err)
{
	if (err->domain != CLV_DOM_PKCS11)
		return false;
	switch (hsm_rv_class(err->native)) {
	case HSM_CLASS_SESSION:
	case HSM_CLASS_HANDLE:
	case HSM_CLASS_TOKEN:
	case HSM_CLASS_AMBIGUOUS:
		return true;
	default:
		return false;
	}
}

clv_rc hsm_work_do(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	clv_rc rc = hsm_work_once(hsm, work, err);

	uint64_t epoch = atomic_load(&hsm->epoch);

	for (int i = 1; i < TRIES && rc != CLV_OK && worth_another_try(err); i++)
		rc = hsm_work_once(hsm, work, err);
	/* One dead session after the other: the token or its module has lost them all. */
	if (rc != CLV_OK && err->domain == CLV_DOM_PKCS11 &&
	    hsm_rv_class(err->native) == HSM_CLASS_SESSION)
		hsm_breaker_trip(hsm, epoch, err);
	return rc;
}
