/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anchors: two objects of a location whose labels carry an epoch and a head, so that an old
 * catalogue is found to be old. No token has a counter, and data objects are read-only or refused;
 * a label can be written. The older of the two is written, so that one that is cut short leaves
 * the other. Not for what a head is.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hsm/internal.h"

#include "lib/base/bytes.h"

#define LABEL_MAX 224
#define EPOCH " epoch "

/* An anchor as it was found. */
struct found {
	bool there, valid;
	CK_OBJECT_HANDLE object;
	struct hsm_anchor anchor;
};

struct anchor_args {
	const char *location;
	const uint8_t (*ids)[HSM_ID_LEN];
	struct hsm_anchor anchor;
};

/* "... epoch 0", or "... epoch N HEAD". */
static bool parse(const char *label, struct hsm_anchor *ret_anchor)
{
	const char *at = strstr(label, EPOCH), *next;
	struct hsm_anchor anchor = { 0 };
	char *end;

	for (; at != NULL && (next = strstr(at + 1, EPOCH)) != NULL; at = next)
		;
	if (at == NULL || at[sizeof EPOCH - 1] < '0' || at[sizeof EPOCH - 1] > '9')
		return false;
	anchor.epoch = strtoull(at + sizeof EPOCH - 1, &end, 10);
	if (anchor.epoch > 0 && (*end != ' ' || !clv_unhex(end + 1, anchor.head, HSM_HEAD_LEN)))
		return false;
	*ret_anchor = anchor;
	return anchor.epoch > 0 || *end == '\0';
}

static clv_rc read_label(struct hsm_session *session, CK_OBJECT_HANDLE object,
			 struct found *ret_found, struct clv_err *err)
{
	char label[LABEL_MAX] = "";
	CK_ATTRIBUTE got = { CKA_LABEL, label, sizeof label - 1 };
	CK_RV rv = hsm_C_GetAttributeValue(session->hsm->module, session->handle, object, &got, 1);

	*ret_found = (struct found){ .there = true, .object = object };
	if (rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_BUFFER_TOO_SMALL)
		return CLV_OK; /* half made, or written by others */
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_GetAttributeValue", rv);
	ret_found->valid = parse(label, &ret_found->anchor);
	return CLV_OK;
}

/* A kill can have left a half-written one beside one that was made anew since. */
static clv_rc read_one(struct hsm_session *session, const uint8_t *id, struct found *ret_found,
		       struct clv_err *err)
{
	CK_OBJECT_HANDLE objects[4];
	struct found found;
	CK_ULONG n;

	*ret_found = (struct found){ 0 };
	CLV_TRY(hsm_find_all(session, CKO_SECRET_KEY, id, objects, CLV_ARRAY_LEN(objects), &n,
			     err));
	for (CK_ULONG i = 0; i < n; i++) {
		CLV_TRY(read_label(session, objects[i], &found, err));
		if (!ret_found->valid ||
		    (found.valid && found.anchor.epoch > ret_found->anchor.epoch))
			*ret_found = found;
	}
	return CLV_OK;
}

/* Both, and which is the newer; CLV_E_DATA_LOSS when there is none. */
static clv_rc read_both(struct hsm_session *session, const struct anchor_args *args,
			struct found found[2], unsigned *ret_newer, struct clv_err *err)
{
	CLV_TRY(read_one(session, args->ids[0], &found[0], err));
	CLV_TRY(read_one(session, args->ids[1], &found[1], err));
	if (!found[0].valid && !found[1].valid)
		return clv_fail(err, CLV_E_DATA_LOSS,
				"both anchors of the location are gone from the token '%.32s', or "
				"say nothing that can be read",
				session->hsm->uri.label);
	*ret_newer = !found[0].valid ||
		     (found[1].valid && found[1].anchor.epoch > found[0].anchor.epoch);
	return CLV_OK;
}

static clv_rc read_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_unlock) int lock = -1;
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	struct anchor_args *args = work->arg;
	struct found found[2];
	unsigned newer;

	CLV_TRY(hsm_lock_search(hsm, &lock, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	CLV_TRY(read_both(session, args, found, &newer, err));
	args->anchor = found[newer].anchor;
	return CLV_OK;
}

clv_rc hsm_anchor_read(struct hsm *hsm, const uint8_t ids[2][HSM_ID_LEN],
		       struct hsm_anchor *ret_anchor, struct clv_err *err)
{
	struct anchor_args args = { .ids = ids };
	struct hsm_work work = { .run = read_run, .arg = &args };

	CLV_TRY(hsm_work_do(hsm, &work, err));
	*ret_anchor = args.anchor;
	return CLV_OK;
}

/* ---- writing ---- */

static void format_label(const struct anchor_args *args, unsigned which, char label[LABEL_MAX])
{
	char head[2 * HSM_HEAD_LEN + 1];

	clv_hex(args->anchor.head, HSM_HEAD_LEN, head);
	snprintf(label, LABEL_MAX, "claviger %.63s anchor %c" EPOCH "%" PRIu64 " %s",
		 args->location, "ab"[which], args -> anchor.epoch, head);
}

static clv_rc write_one(struct hsm_session *session, const struct anchor_args *args, unsigned which,
			const struct found *there, struct clv_err *err)
{
	struct hsm_template tpl = { 0 };
	char label[LABEL_MAX];
	const time_t since = time(NULL) - 1;
	struct found back;
	CK_RV rv;

	format_label(args, which, label);
	if (!there->there) /* what a kill has left of it was taken away */
		return hsm_create_locked(session, hsm_kind_get(HSM_ROLE_ANCHOR, 0),
					 args->ids[which], label, NULL, err);
	hsm_template_bytes(&tpl, CKA_LABEL, label, strlen(label));
	/* No copies of the token's files are made as for other writes: a kill can cost this one
	 * object, the other anchor stands, and this one is made anew. */
	rv = hsm_C_SetAttributeValue(session->hsm->module, session->handle, there->object, tpl.a,
				     tpl.n);
	if (rv != CKR_OK)
		return hsm_session_fail(session, err, "C_SetAttributeValue", rv);
	CLV_TRY(hsm_softhsm_sync(session->hsm, since, err));
	CLV_TRY(read_label(session, there->object, &back, err));
	if (!back.valid || back.anchor.epoch != args->anchor.epoch ||
	    !clv_same(back.anchor.head, args->anchor.head, HSM_HEAD_LEN))
		return clv_fail(err, CLV_E_UNAVAILABLE,
				"the token took an anchor but did not keep it");
	return CLV_OK;
}

static clv_rc write_run(struct hsm *hsm, struct hsm_work *work, struct clv_err *err)
{
	CLV_AUTO_DONE(hsm_signals_restore) struct hsm_signal_guard guard;
	CLV_AUTO_DONE(hsm_unlock) int lock = -1;
	CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;
	struct anchor_args *args = work->arg;
	struct found found[2];
	unsigned newer;

	hsm_signals_block(&guard);
	CLV_TRY(hsm_lock_objects(hsm, &lock, err));
	CLV_TRY(hsm_session_acquire(hsm, &session, err));
	CLV_TRY(read_both(session, args, found, &newer, err));
	if (args->anchor.epoch > found[newer].anchor.epoch)
		return write_one(session, args, !newer, &found[!newer], err);
	if (args->anchor.epoch == found[newer].anchor.epoch &&
	    clv_same(args->anchor.head, found[newer].anchor.head, HSM_HEAD_LEN))
		return CLV_OK; /* written before an answer that got lost */
	return clv_fail(err, CLV_E_ABORTED, "the token knows of epoch %" PRIu64 " already",
			found[newer].anchor.epoch);
}

clv_rc hsm_anchor_write(struct hsm *hsm, const struct clv_grant *grant, const char *location,
			const uint8_t ids[2][HSM_ID_LEN], const struct hsm_anchor *anchor,
			struct clv_err *err)
{
	struct anchor_args args = { location, ids, *anchor };
	struct hsm_work work = { .run = write_run, .arg = &args };

	clv_grant_assert(grant);
	return hsm_work_do(hsm, &work, err);
}
