/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kinds of keys as rows: what the token is asked for to make one, what it may be used for, and by
 * which mechanism. Not for using them: see use.c.
 */
#include "hsm/internal.h"

#define SECRET CKO_SECRET_KEY
#define PAIR CKO_PRIVATE_KEY

static const struct hsm_kind helpers[] = {
	{ HSM_ROLE_ROOT, 0, "root KEK", SECRET, CKK_AES, 256, HSM_SCHEME_WRAP, CLV_HASH_NONE },
	{ HSM_ROLE_RING_KEK, 0, "key-ring KEK", SECRET, CKK_AES, 256, HSM_SCHEME_WRAP,
	  CLV_HASH_NONE },
	{ HSM_ROLE_SEAL, 0, "seal key", SECRET, CKK_GENERIC_SECRET, 256, HSM_SCHEME_HMAC,
	  CLV_HASH_SHA256 },
	{ HSM_ROLE_LOG, 0, "log key", PAIR, CKK_EC, 256, HSM_SCHEME_ECDSA, CLV_HASH_NONE },
	{ HSM_ROLE_ANCHOR, 0, "anchor", SECRET, CKK_AES, 256, HSM_SCHEME_NONE, CLV_HASH_NONE },
	{ HSM_ROLE_IMPORT, 0, "import key", PAIR, CKK_RSA, 3072, HSM_SCHEME_IMPORT, CLV_HASH_NONE },
};

/* A row: algorithm, class, type, bits, scheme, hash. */
#define ROW(algorithm, class, type, bits, scheme, hash)                                            \
	{                                                                                          \
		HSM_ROLE_VERSION, CLV_ALG_##algorithm, "key version", class, type, bits,           \
			HSM_SCHEME_##scheme, CLV_HASH_##hash                                       \
	}
static const struct hsm_kind versions[] = {
	ROW(GOOGLE_SYMMETRIC_ENCRYPTION, SECRET, CKK_AES, 256, GCM, NONE),
	ROW(AES_128_GCM, SECRET, CKK_AES, 128, GCM, NONE),
	ROW(AES_256_GCM, SECRET, CKK_AES, 256, GCM, NONE),
	ROW(AES_128_CBC, SECRET, CKK_AES, 128, CBC, NONE),
	ROW(AES_256_CBC, SECRET, CKK_AES, 256, CBC, NONE),
	ROW(AES_128_CTR, SECRET, CKK_AES, 128, CTR, NONE),
	ROW(AES_256_CTR, SECRET, CKK_AES, 256, CTR, NONE),
	ROW(HMAC_SHA1, SECRET, CKK_GENERIC_SECRET, 160, HMAC, SHA1),
	ROW(HMAC_SHA224, SECRET, CKK_GENERIC_SECRET, 224, HMAC, SHA224),
	ROW(HMAC_SHA256, SECRET, CKK_GENERIC_SECRET, 256, HMAC, SHA256),
	ROW(HMAC_SHA384, SECRET, CKK_GENERIC_SECRET, 384, HMAC, SHA384),
	ROW(HMAC_SHA512, SECRET, CKK_GENERIC_SECRET, 512, HMAC, SHA512),
	ROW(EC_SIGN_P256_SHA256, PAIR, CKK_EC, 256, ECDSA, SHA256),
	ROW(EC_SIGN_P384_SHA384, PAIR, CKK_EC, 384, ECDSA, SHA384),
	ROW(EC_SIGN_ED25519, PAIR, CKK_EC_EDWARDS, 255, EDDSA, NONE),
	ROW(RSA_SIGN_PSS_2048_SHA256, PAIR, CKK_RSA, 2048, PSS, SHA256),
	ROW(RSA_SIGN_PSS_3072_SHA256, PAIR, CKK_RSA, 3072, PSS, SHA256),
	ROW(RSA_SIGN_PSS_4096_SHA256, PAIR, CKK_RSA, 4096, PSS, SHA256),
	ROW(RSA_SIGN_PSS_4096_SHA512, PAIR, CKK_RSA, 4096, PSS, SHA512),
	ROW(RSA_SIGN_PKCS1_2048_SHA256, PAIR, CKK_RSA, 2048, PKCS1, SHA256),
	ROW(RSA_SIGN_PKCS1_3072_SHA256, PAIR, CKK_RSA, 3072, PKCS1, SHA256),
	ROW(RSA_SIGN_PKCS1_4096_SHA256, PAIR, CKK_RSA, 4096, PKCS1, SHA256),
	ROW(RSA_SIGN_PKCS1_4096_SHA512, PAIR, CKK_RSA, 4096, PKCS1, SHA512),
	ROW(RSA_SIGN_RAW_PKCS1_2048, PAIR, CKK_RSA, 2048, PKCS1, NONE),
	ROW(RSA_SIGN_RAW_PKCS1_3072, PAIR, CKK_RSA, 3072, PKCS1, NONE),
	ROW(RSA_SIGN_RAW_PKCS1_4096, PAIR, CKK_RSA, 4096, PKCS1, NONE),
	ROW(RSA_DECRYPT_OAEP_2048_SHA256, PAIR, CKK_RSA, 2048, OAEP, SHA256),
	ROW(RSA_DECRYPT_OAEP_3072_SHA256, PAIR, CKK_RSA, 3072, OAEP, SHA256),
	ROW(RSA_DECRYPT_OAEP_4096_SHA256, PAIR, CKK_RSA, 4096, OAEP, SHA256),
	ROW(RSA_DECRYPT_OAEP_4096_SHA512, PAIR, CKK_RSA, 4096, OAEP, SHA512),
	ROW(RSA_DECRYPT_OAEP_2048_SHA1, PAIR, CKK_RSA, 2048, OAEP, SHA1),
	ROW(RSA_DECRYPT_OAEP_3072_SHA1, PAIR, CKK_RSA, 3072, OAEP, SHA1),
	ROW(RSA_DECRYPT_OAEP_4096_SHA1, PAIR, CKK_RSA, 4096, OAEP, SHA1),
};
_Static_assert(CLV_ARRAY_LEN(versions) <= HSM_VERSION_KINDS, "room for what was found of each");

const struct hsm_kind *hsm_kind_get(enum hsm_role role, enum clv_algorithm algorithm)
{
	const struct hsm_kind *rows = role == HSM_ROLE_VERSION ? versions : helpers;
	size_t n = role == HSM_ROLE_VERSION ? CLV_ARRAY_LEN(versions) : CLV_ARRAY_LEN(helpers);

	if (role == HSM_ROLE_VERSION && algorithm == 0)
		algorithm = CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].role == role &&
		    (role != HSM_ROLE_VERSION || rows[i].algorithm == algorithm))
			return &rows[i];
	}
	return NULL;
}

clv_rc hsm_kind_of(const struct hsm_keyref *key, const struct hsm_kind **ret_kind,
		   struct clv_err *err)
{
	const struct hsm_kind *kind = hsm_kind_get(key->role, key->algorithm);

	if (kind == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"algorithm number %d is not one that is offered here",
				(int) key->algorithm);
	*ret_kind = kind;
	return CLV_OK;
}

/*
 * Schemes: what they need of the key, and by which mechanism. Zero: it follows from the hash, or
 * from what the token can.
 */
static const struct scheme_row {
	CK_ATTRIBUTE_TYPE usage[2];
	CK_MECHANISM_TYPE mech;
} schemes[] = {
	[HSM_SCHEME_NONE] = { { 0, 0 }, 0 },
	[HSM_SCHEME_WRAP] = { { CKA_WRAP, CKA_UNWRAP }, 0 },
	[HSM_SCHEME_IMPORT] = { { CKA_UNWRAP, 0 }, CKM_RSA_PKCS_OAEP },
	[HSM_SCHEME_IMPORT_DIRECT] = { { CKA_UNWRAP, 0 }, CKM_RSA_PKCS_OAEP },
	[HSM_SCHEME_TRANSPORT] = { { CKA_UNWRAP, 0 }, 0 },
	[HSM_SCHEME_GCM] = { { CKA_ENCRYPT, CKA_DECRYPT }, CKM_AES_GCM },
	[HSM_SCHEME_CBC] = { { CKA_ENCRYPT, CKA_DECRYPT }, CKM_AES_CBC },
	[HSM_SCHEME_CTR] = { { CKA_ENCRYPT, CKA_DECRYPT }, CKM_AES_CTR },
	[HSM_SCHEME_HMAC] = { { CKA_SIGN, CKA_VERIFY }, 0 },
	[HSM_SCHEME_ECDSA] = { { CKA_SIGN, 0 }, CKM_ECDSA },
	[HSM_SCHEME_EDDSA] = { { CKA_SIGN, 0 }, CKM_EDDSA },
	[HSM_SCHEME_PKCS1] = { { CKA_SIGN, 0 }, CKM_RSA_PKCS },
	[HSM_SCHEME_PSS] = { { CKA_SIGN, 0 }, CKM_RSA_PKCS_PSS },
	[HSM_SCHEME_OAEP] = { { CKA_DECRYPT, 0 }, 0 },
};

bool hsm_kind_uses(const struct hsm_kind *kind, CK_ATTRIBUTE_TYPE usage)
{
	const struct scheme_row *row = &schemes[kind->scheme];

	return row->usage[0] == usage || row->usage[1] == usage;
}

CK_MECHANISM_TYPE hsm_kind_mechanism(const struct hsm *hsm, const struct hsm_kind *kind)
{
	switch (kind->scheme) {
	case HSM_SCHEME_WRAP:
	case HSM_SCHEME_TRANSPORT:
		return hsm->caps.wrap_mech;
	case HSM_SCHEME_HMAC:
		return hsm_hash_row(kind->hash)->hmac;
	case HSM_SCHEME_OAEP:
		return atomic_load(&hsm->oaep_is_raw[kind->hash]) ? CKM_RSA_X_509
								  : CKM_RSA_PKCS_OAEP;
	default:
		return schemes[kind->scheme].mech;
	}
}

CK_MECHANISM_TYPE hsm_kind_generator(const struct hsm_kind *kind)
{
	switch (kind->type) {
	case CKK_AES:
		return CKM_AES_KEY_GEN;
	case CKK_EC:
		return CKM_EC_KEY_PAIR_GEN;
	case CKK_EC_EDWARDS:
		return CKM_EC_EDWARDS_KEY_PAIR_GEN;
	case CKK_RSA:
		return CKM_RSA_PKCS_KEY_PAIR_GEN;
	default:
		return CKM_GENERIC_SECRET_KEY_GEN;
	}
}

/* RSA keys of all lengths stand for each other: the shortest of them is quickly made. */
static bool tried_alike(const struct hsm_kind *a, const struct hsm_kind *b)
{
	return a->type == b->type && a->scheme == b->scheme && a->hash == b->hash &&
	       (a->type == CKK_RSA || a->bits == b->bits);
}

struct hsm_kind hsm_kind_trial(const struct hsm_kind *kind, size_t *ret_index)
{
	struct hsm_kind trial = *kind;
	size_t i = 0;

	if (trial.type == CKK_RSA)
		trial.bits = 2048;
	while (i + 1 < CLV_ARRAY_LEN(versions) && !tried_alike(&versions[i], kind))
		i++;
	*ret_index = i;
	return trial;
}

/* ---- hashes and curves ---- */

/* DER: DigestInfo up to the digest (RFC 8017 section 9.2, note 1). */
static const uint8_t info_sha256[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
				       0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
static const uint8_t info_sha512[] = { 0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
				       0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40 };

static const struct hsm_hash_row hashes[] = {
	[CLV_HASH_NONE] = { NULL, 0, 0, 0, 0, NULL, 0 },
	[CLV_HASH_SHA1] = { "SHA1", 20, CKM_SHA_1, CKG_MGF1_SHA1, CKM_SHA_1_HMAC, NULL, 0 },
	[CLV_HASH_SHA224] = { "SHA224", 28, CKM_SHA224, CKG_MGF1_SHA224, CKM_SHA224_HMAC, NULL, 0 },
	[CLV_HASH_SHA256] = { "SHA256", 32, CKM_SHA256, CKG_MGF1_SHA256, CKM_SHA256_HMAC,
			      info_sha256, sizeof info_sha256 },
	[CLV_HASH_SHA384] = { "SHA384", 48, CKM_SHA384, CKG_MGF1_SHA384, CKM_SHA384_HMAC, NULL, 0 },
	[CLV_HASH_SHA512] = { "SHA512", 64, CKM_SHA512, CKG_MGF1_SHA512, CKM_SHA512_HMAC,
			      info_sha512, sizeof info_sha512 },
};

const struct hsm_hash_row *hsm_hash_row(enum clv_hash hash)
{
	return &hashes[hash];
}

/* DER of the curves' OIDs, and the name that drafts of PKCS#11 3.0 used for Ed25519. */
static const uint8_t oid_p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const uint8_t oid_p384[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };
static const uint8_t oid_ed25519[] = { 0x06, 0x03, 0x2b, 0x65, 0x70 };
static const uint8_t name_ed25519[] = "\x13\x0c"
				      "edwards25519";

static const struct hsm_curve curves[] = {
	{ CKK_EC, 256, oid_p256, sizeof oid_p256, NID_X9_62_prime256v1, "P-256" },
	{ CKK_EC, 384, oid_p384, sizeof oid_p384, NID_secp384r1, "P-384" },
	{ CKK_EC_EDWARDS, 255, oid_ed25519, sizeof oid_ed25519, NID_ED25519, "Ed25519" },
	{ CKK_EC_EDWARDS, 255, name_ed25519, sizeof name_ed25519 - 1, NID_ED25519, "Ed25519" },
};

const struct hsm_curve *hsm_curve_get(const struct hsm_kind *kind, size_t spelling)
{
	for (size_t i = 0; i < CLV_ARRAY_LEN(curves); i++) {
		if (curves[i].type == kind->type && curves[i].bits == kind->bits && spelling-- == 0)
			return &curves[i];
	}
	return NULL;
}
