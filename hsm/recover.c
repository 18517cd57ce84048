/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public point of an EC private key that was imported without it: tokens need not work it out,
 * but their signatures give it away (SEC 1, section 4.1.6). One signature leaves a few candidates,
 * of which a second one confirms the right one.
 */
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>

#include "hsm/internal.h"

#define POINT_MAX 97 /* bytes: an uncompressed point of P-384 */

/* A digest and the token's signature of it. */
struct signed_digest {
	uint8_t digest[48];
	size_t digest_len;
	uint8_t der[HSM_SIGNATURE_MAX];
	size_t der_len;
};

/* What the arithmetic works on. */
struct recovery {
	bool begun;
	EC_GROUP *group;
	BN_CTX *ctx;
	ECDSA_SIG *sig;
	BIGNUM *x, *e, *u, *v;
	EC_POINT *r, *q;
};

static void recovery_done(struct recovery *rec)
{
	if (!rec->begun)
		return;
	EC_POINT_free(rec->r);
	EC_POINT_free(rec->q);
	BN_free(rec->x);
	BN_free(rec->e);
	BN_free(rec->u);
	BN_free(rec->v);
	ECDSA_SIG_free(rec->sig);
	BN_CTX_free(rec->ctx);
	EC_GROUP_free(rec->group);
	ERR_pop_to_mark();
}

static bool recovery_init(struct recovery *rec, int nid, const struct signed_digest *signature)
{
	const unsigned char *at = signature->der;

	rec->begun = true;
	ERR_set_mark();
	rec->group = EC_GROUP_new_by_curve_name(nid);
	rec->ctx = BN_CTX_new();
	rec->sig = d2i_ECDSA_SIG(NULL, &at, (long) signature->der_len);
	rec->x = BN_new();
	rec->e = BN_bin2bn(signature->digest, (int) signature->digest_len, NULL);
	rec->u = BN_new();
	rec->v = BN_new();
	if (rec->group == NULL)
		return false;
	rec->r = EC_POINT_new(rec->group);
	rec->q = EC_POINT_new(rec->group);
	if (rec->ctx == NULL || rec->sig == NULL || rec->x == NULL || rec->e == NULL ||
	    rec->u == NULL || rec->v == NULL || rec->r == NULL || rec->q == NULL)
		return false;
	BN_set_negative(rec->e, 1); /* it is only ever subtracted */
	return true;
}

/* Q = (s R - e G) / r, where R has the x coordinate r or r + n, and one of two y. */
static bool candidate(struct recovery *rec, unsigned which, uint8_t point[POINT_MAX],
		      size_t *ret_len)
{
	const BIGNUM *n = EC_GROUP_get0_order(rec->group);
	const BIGNUM *r = ECDSA_SIG_get0_r(rec->sig), *s = ECDSA_SIG_get0_s(rec->sig);
	BIGNUM *inverse;
	bool good;

	if (BN_copy(rec->x, r) == NULL || (which >= 2 && BN_add(rec->x, rec->x, n) != 1) ||
	    EC_POINT_set_compressed_coordinates(rec->group, rec->r, rec->x, (int) which % 2,
						rec->ctx) != 1)
		return false;
	inverse = BN_mod_inverse(NULL, r, n, rec->ctx);
	good = inverse != NULL && BN_mod_mul(rec->v, s, inverse, n, rec->ctx) == 1 &&
	       BN_mod_mul(rec->u, rec->e, inverse, n, rec->ctx) == 1 &&
	       EC_POINT_mul(rec->group, rec->q, rec->u, rec->r, rec->v, rec->ctx) == 1;
	BN_free(inverse);
	*ret_len = good ? EC_POINT_point2oct(rec->group, rec->q, POINT_CONVERSION_UNCOMPRESSED,
					     point, POINT_MAX, rec->ctx)
			: 0;
	return *ret_len > 0;
}

static clv_rc sign_one(struct hsm_session *session, const struct hsm_kind *kind,
		       CK_OBJECT_HANDLE private, uint8_t first, struct signed_digest *ret_signature,
		       struct clv_err *err)
{
	const char *op;
	CK_RV rv;

	*ret_signature = (struct signed_digest){ .digest_len = kind->bits / 8 };
	for (size_t i = 0; i < ret_signature->digest_len; i++)
		ret_signature->digest[i] = (uint8_t) (first + i);
	rv = hsm_sign_with(session, kind, private,
			   (struct clv_bytes){ ret_signature->digest, ret_signature->digest_len },
			   ret_signature->der, &ret_signature->der_len, &op);
	return rv == CKR_OK ? CLV_OK : hsm_session_fail(session, err, op, rv);
}

clv_rc hsm_public_recover(struct hsm_session *session, const struct hsm_kind *kind,
			  CK_OBJECT_HANDLE private, EVP_PKEY **ret_key, struct clv_err *err)
{
	CLV_AUTO_DONE(recovery_done) struct recovery rec = { 0 };
	const struct hsm_curve *curve = hsm_curve_get(kind, 0);
	struct signed_digest one, two;
	uint8_t point[POINT_MAX];
	size_t len;
	bool ready = false;

	CLV_TRY(sign_one(session, kind, private, 1, &one, err));
	CLV_TRY(sign_one(session, kind, private, 101, &two, err));
	ready = recovery_init(&rec, curve->nid, &one);
	for (unsigned which = 0; ready && which < 4; which++) {
		CLV_AUTO_DONE(hsm_pkey_done) EVP_PKEY *key = NULL;

		if (!candidate(&rec, which, point, &len))
			continue;
		key = hsm_public_ec(curve, (struct clv_bytes){ point, len });
		if (key != NULL &&
		    hsm_public_verifies(kind, key, (struct clv_bytes){ two.digest, two.digest_len },
					(struct clv_bytes){ two.der, two.der_len })) {
			*ret_key = CLV_TAKE(key);
			return CLV_OK;
		}
	}
	return clv_fail(err, CLV_E_INTERNAL, "no public point fits the signatures of an EC key");
}
