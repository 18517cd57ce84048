/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attacks by somebody who has the PIN and the token's own library: what the token can stop has to
 * fail, what it cannot stop has to work and to be named by hsm_probe(), so that nobody is told more
 * than is true.
 */
#include <string.h>

#include <openssl/evp.h>

#include "tests/support/token_world.h"

enum { ROOT, RING, VERSION, TOKEN_VERSION, N_VICTIMS };
static const char *const victim_name[N_VICTIMS] = { "the root", "a ring KEK", "a version",
						    "a version in the token" };

static const uint8_t known_key[32] = "the attacker knows these bytes.";

struct attack {
	struct world *w;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE victim[N_VICTIMS];
	struct hsm_pin ring, version;
	struct hsm_keyref token_version;
};

static int set_up(void **state)
{
	static struct attack attack;
	int bad = world_set_up(state);

	if (bad != 0)
		return bad;
	attack = (struct attack){ .w = *state };
	*state = &attack;
	return 0;
}

/* Not in set_up(): it may fail the test. */
static struct attack *begin(void **state)
{
	struct attack *a = *state;
	struct world *w = a->w;

	world_token_key(w, &a->token_version);
	a->session = raw_open(w);
	assert_ok(w, hsm_key_pin(w->hsm, &w->ring, &a->ring, &w->err));
	assert_ok(w, hsm_key_pin(w->hsm, &w->version, &a->version, &w->err));
	a->victim[ROOT] = raw_find(w, a->session, CKO_SECRET_KEY, w->root_id);
	a->victim[RING] = a->ring.handle;
	a->victim[VERSION] = a->version.handle;
	a->victim[TOKEN_VERSION] = raw_find(w, a->session, CKO_SECRET_KEY, a->token_version.id);
	return a;
}

static int tear_down(void **state)
{
	struct attack *a = *state;
	struct world *w = a->w;

	if (a->session != 0)
		w->real->C_CloseSession(a->session);
	hsm_key_unpin(&a->version);
	hsm_key_unpin(&a->ring);
	*state = w;
	return world_tear_down(state);
}

/* A failed Init leaves no operation, but a successful one would: so each goes alone. */
static void must_fail(struct attack *a, int victim, const char *what, CK_RV rv)
{
	(void) a;
	if (rv == CKR_OK)
		fail_msg("%s: the token did it with %s", what, victim_name[victim]);
}

/* ---- reading and copying ---- */

static void no_value_can_be_read(void **state)
{
	struct attack *a = begin(state);
	uint8_t value[64];
	CK_ATTRIBUTE got = { CKA_VALUE, value, sizeof value };

	for (int i = 0; i < N_VICTIMS; i++) {
		got.ulValueLen = sizeof value;
		must_fail(a, i, "reading the value",
			  a->w->real->C_GetAttributeValue(a->session, a->victim[i], &got, 1));
	}
}

static CK_OBJECT_HANDLE import_known(struct attack *a)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE tpl[] = { { CKA_CLASS, &class, sizeof class },
			       { CKA_KEY_TYPE, &type, sizeof type },
			       { CKA_WRAP, &yes, 1 },
			       { CKA_UNWRAP, &yes, 1 },
			       { CKA_VALUE, hsm_input(known_key), sizeof known_key } };
	CK_OBJECT_HANDLE object = 0;

	assert_int_equal(a->w->real->C_CreateObject(a->session, tpl, CLV_ARRAY_LEN(tpl), &object),
			 CKR_OK);
	return object;
}

static CK_RV wrap(struct attack *a, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE kek,
		  CK_OBJECT_HANDLE key, uint8_t out[128], CK_ULONG *len)
{
	CK_MECHANISM mech = { type, NULL, 0 };

	*len = 128;
	return a->w->real->C_WrapKey(a->session, &mech, kek, key, out, len);
}

static void no_key_can_be_wrapped_under_another(void **state)
{
	static const CK_MECHANISM_TYPE mechs[] = { CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_PAD };
	struct attack *a = begin(state);
	const CK_OBJECT_HANDLE keks[] = { import_known(a), a->victim[ROOT], a->victim[RING] };
	uint8_t out[128];
	CK_ULONG len;

	for (int i = 0; i < N_VICTIMS; i++) {
		for (size_t k = 0; k < CLV_ARRAY_LEN(keks) * CLV_ARRAY_LEN(mechs); k++)
			must_fail(a, i, "wrapping it under a known key, the root or a ring KEK",
				  wrap(a, mechs[k % 2], keks[k / 2], a->victim[i], out, &len));
	}
}

static void no_key_can_be_copied_to_be_used_otherwise(void **state)
{
	static const CK_ATTRIBUTE_TYPE changes[] = { CKA_EXTRACTABLE, CKA_TOKEN,  CKA_WRAP,
						     CKA_DECRYPT,     CKA_UNWRAP, CKA_MODIFIABLE,
						     CKA_COPYABLE };
	struct attack *a = begin(state);
	CK_OBJECT_HANDLE copy;

	for (int i = 0; i < N_VICTIMS; i++) {
		for (size_t j = 0; j < CLV_ARRAY_LEN(changes); j++) {
			CK_BBOOL yes = CK_TRUE;
			CK_ATTRIBUTE tpl = { changes[j], &yes, 1 };

			must_fail(
				a, i, "copying it",
				a->w->real->C_CopyObject(a->session, a->victim[i], &tpl, 1, &copy));
		}
		must_fail(a, i, "copying it as it is",
			  a->w->real->C_CopyObject(a->session, a->victim[i], NULL, 0, &copy));
	}
}

/* ---- changing ---- */

static CK_RV set(struct attack *a, int victim, CK_ATTRIBUTE_TYPE type, CK_BBOOL value)
{
	CK_ATTRIBUTE tpl = { type, &value, 1 };

	return a->w->real->C_SetAttributeValue(a->session, a->victim[victim], &tpl, 1);
}

static void no_key_can_be_given_another_use(void **state)
{
	static const CK_ATTRIBUTE_TYPE uses[] = { CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP,  CKA_UNWRAP,
						  CKA_SIGN,    CKA_VERIFY,  CKA_DERIVE };
	struct attack *a = begin(state);

	for (int i = 0; i < TOKEN_VERSION;
	     i++) { /* a version in the token has flags to be switched */
		for (size_t j = 0; j < CLV_ARRAY_LEN(uses); j++)
			must_fail(a, i, "giving it another use", set(a, i, uses[j], CK_TRUE));
	}
}

static void no_protection_can_be_taken_off(void **state)
{
	struct attack *a = begin(state);

	for (int i = 0; i < N_VICTIMS; i++) {
		must_fail(a, i, "making it extractable", set(a, i, CKA_EXTRACTABLE, CK_TRUE));
		must_fail(a, i, "making it not sensitive", set(a, i, CKA_SENSITIVE, CK_FALSE));
		must_fail(a, i, "making it public", set(a, i, CKA_PRIVATE, CK_FALSE));
		must_fail(a, i, "making it copyable", set(a, i, CKA_COPYABLE, CK_TRUE));
		if (i != TOKEN_VERSION)
			must_fail(a, i, "making it modifiable", set(a, i, CKA_MODIFIABLE, CK_TRUE));
	}
}

/* ---- using a key for what it is not for ---- */

static void no_wrapping_key_decrypts_a_blob(void **state)
{
	uint8_t iv[16] = { 0 };
	CK_GCM_PARAMS gcm = { iv, 12, 96, iv, 1, 128 };
	CK_AES_CTR_PARAMS ctr = { .ulCounterBits = 128 };
	const CK_MECHANISM mechs[] = { { CKM_AES_CBC, iv, sizeof iv },
				       { CKM_AES_CBC_PAD, iv, sizeof iv },
				       { CKM_AES_ECB, NULL, 0 },
				       { CKM_AES_CTR, &ctr, sizeof ctr },
				       { CKM_AES_GCM, &gcm, sizeof gcm } };
	struct attack *a = begin(state);

	for (int i = ROOT; i <= RING; i++) {
		for (size_t j = 0; j < CLV_ARRAY_LEN(mechs); j++) {
			CK_MECHANISM mech = mechs[j];

			must_fail(a, i, "decrypting with it",
				  a->w->real->C_DecryptInit(a->session, &mech, a->victim[i]));
			must_fail(a, i, "encrypting with it",
				  a->w->real->C_EncryptInit(a->session, &mech, a->victim[i]));
		}
	}
}

static void no_encryption_key_uses_another_mechanism(void **state)
{
	uint8_t iv[16] = { 0 };
	CK_AES_CTR_PARAMS ctr = { .ulCounterBits = 128 };
	const CK_MECHANISM mechs[] = { { CKM_AES_CBC, iv, sizeof iv },
				       { CKM_AES_ECB, NULL, 0 },
				       { CKM_AES_CTR, &ctr, sizeof ctr } };
	struct attack *a = begin(state);

	for (int i = VERSION; i <= TOKEN_VERSION; i++) {
		for (size_t j = 0; j < CLV_ARRAY_LEN(mechs); j++) {
			CK_MECHANISM mech = mechs[j];

			must_fail(a, i, "decrypting without a tag",
				  a->w->real->C_DecryptInit(a->session, &mech, a->victim[i]));
			must_fail(a, i, "encrypting without a tag",
				  a->w->real->C_EncryptInit(a->session, &mech, a->victim[i]));
		}
	}
}

static void no_key_signs_or_derives(void **state)
{
	uint8_t data[32] = { 0 };
	CK_KEY_DERIVATION_STRING_DATA string = { data, sizeof data };
	CK_MECHANISM sign[] = { { CKM_AES_CMAC, NULL, 0 }, { CKM_SHA256_HMAC, NULL, 0 } };
	CK_MECHANISM derive = { CKM_AES_ECB_ENCRYPT_DATA, &string, sizeof string };
	struct attack *a = begin(state);
	CK_OBJECT_HANDLE derived;

	for (int i = 0; i < N_VICTIMS; i++) {
		for (size_t j = 0; j < CLV_ARRAY_LEN(sign); j++)
			must_fail(a, i, "signing with it",
				  a->w->real->C_SignInit(a->session, &sign[j], a->victim[i]));
		must_fail(a, i, "deriving from it",
			  a->w->real->C_DeriveKey(a->session, &derive, a->victim[i], NULL, 0,
						  &derived));
	}
}

/* ---- unwrapping with a template of one's own ---- */

static CK_RV unwrap(struct attack *a, CK_OBJECT_HANDLE kek, const struct hsm_blob *blob,
		    const CK_ATTRIBUTE *more, CK_ULONG n_more, CK_OBJECT_HANDLE *object)
{
	CK_MECHANISM mech = { CKM_AES_KEY_WRAP_PAD, NULL, 0 };
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	CK_ATTRIBUTE tpl[16] = { { CKA_CLASS, &class, sizeof class },
				 { CKA_KEY_TYPE, &type, sizeof type } };

	memcpy(tpl + 2, more, n_more * sizeof *more);
	return a->w->real->C_UnwrapKey(a->session, &mech, kek, hsm_input(blob->bytes), blob->len,
				       tpl, 2 + n_more, object);
}

/* What the template of a ring KEK insists on, complete but for `but`, which has the other value;
 * and one more use. */
static CK_RV unwrap_version(struct attack *a, CK_ATTRIBUTE_TYPE but, CK_ATTRIBUTE_TYPE use)
{
	static const CK_ATTRIBUTE_TYPE asked[] = { CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_DERIVE,
						   CKA_COPYABLE, CKA_MODIFIABLE };
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ATTRIBUTE more[CLV_ARRAY_LEN(asked) + 1];
	CK_OBJECT_HANDLE key = 0;
	CK_ULONG n = 0;
	CK_RV rv;

	if (use != 0) /* before MODIFIABLE: SoftHSM applies a template in order */
		more[n++] = (CK_ATTRIBUTE){ use, &yes, 1 };
	for (size_t i = 0; i < CLV_ARRAY_LEN(asked); i++) {
		bool value = (asked[i] == CKA_SENSITIVE) != (asked[i] == but);

		more[n++] = (CK_ATTRIBUTE){ asked[i], value ? &yes : &no, 1 };
	}
	rv = unwrap(a, a->victim[RING], &a->w->version_blob, more, n, &key);
	if (rv == CKR_OK)
		assert_int_equal(a->w->real->C_DestroyObject(a->session, key), CKR_OK);
	return rv;
}

/* Each alone makes the difference: with all of it as asked, the token unwraps. */
static void a_version_unwraps_in_no_readable_form(void **state)
{
	static const CK_ATTRIBUTE_TYPE asked[] = { CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_DERIVE,
						   CKA_COPYABLE, CKA_MODIFIABLE };
	struct attack *a = begin(state);

	assert_int_equal(unwrap_version(a, 0, CKA_DECRYPT), CKR_OK);
	for (size_t i = 0; i < CLV_ARRAY_LEN(asked); i++)
		must_fail(a, RING, "unwrapping a version with less protection",
			  unwrap_version(a, asked[i], CKA_DECRYPT));
}

static void a_version_does_not_unwrap_under_the_root(void **state)
{
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	const CK_ATTRIBUTE more[] = { { CKA_SENSITIVE, &yes, 1 }, { CKA_EXTRACTABLE, &no, 1 },
				      { CKA_ENCRYPT, &no, 1 },    { CKA_DECRYPT, &no, 1 },
				      { CKA_SIGN, &no, 1 },       { CKA_VERIFY, &no, 1 },
				      { CKA_DERIVE, &no, 1 },     { CKA_COPYABLE, &no, 1 },
				      { CKA_MODIFIABLE, &no, 1 } };
	struct attack *a = begin(state);
	CK_OBJECT_HANDLE key = 0;

	must_fail(a, ROOT, "unwrapping a version under the root",
		  unwrap(a, a->victim[ROOT], &a->w->version_blob, more, CLV_ARRAY_LEN(more), &key));
}

static void a_ring_kek_unwraps_as_no_data_key(void **state)
{
	static const CK_ATTRIBUTE_TYPE off[] = { CKA_ENCRYPT,   CKA_DECRYPT, CKA_SIGN,
						 CKA_VERIFY,    CKA_DERIVE,  CKA_COPYABLE,
						 CKA_MODIFIABLE };
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ATTRIBUTE more[8] = { { CKA_SENSITIVE, &yes, 1 } };
	struct attack *a = begin(state);
	CK_OBJECT_HANDLE key = 0;
	CK_RV rv;

	for (size_t but = 0; but <= CLV_ARRAY_LEN(off); but++) { /* last: as asked */
		for (size_t i = 0; i < CLV_ARRAY_LEN(off); i++)
			more[1 + i] = (CK_ATTRIBUTE){ off[i], i == but ? &yes : &no, 1 };
		rv = unwrap(a, a->victim[ROOT], &a->w->ring_blob, more, 8, &key);
		if (but < CLV_ARRAY_LEN(off))
			must_fail(a, ROOT, "unwrapping a ring KEK with another use", rv);
		else
			assert_int_equal(rv, CKR_OK);
	}
}

/* ---- what cannot be stopped ---- */

/* RFC 5649 by another implementation. */
static void unwrap_outside(const uint8_t kek[32], const uint8_t *blob, size_t len, uint8_t key[32])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t out[64];
	int n = 0, more = 0;

	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	assert_int_equal(EVP_DecryptInit_ex(ctx, EVP_aes_256_wrap_pad(), NULL, kek, NULL), 1);
	assert_int_equal(EVP_DecryptUpdate(ctx, out, &n, blob, (int) len), 1);
	assert_int_equal(EVP_DecryptFinal_ex(ctx, out + n, &more), 1);
	assert_int_equal(n + more, 32);
	memcpy(key, out, 32);
	EVP_CIPHER_CTX_free(ctx);
}

static void decrypt_outside(const uint8_t key[32], struct sealed *sealed, const char *text)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	size_t len = sealed->len - HSM_TAG_LEN;
	uint8_t out[256];
	int n = 0;

	assert_int_equal(EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, sealed->iv), 1);
	assert_int_equal(EVP_DecryptUpdate(ctx, NULL, &n, (const uint8_t *) "aad", 3), 1);
	assert_int_equal(EVP_DecryptUpdate(ctx, out, &n, sealed->bytes, (int) len), 1);
	assert_int_equal(
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, HSM_TAG_LEN, sealed->bytes + len),
		1);
	assert_int_equal(EVP_DecryptFinal_ex(ctx, out + n, &n), 1);
	assert_memory_equal(out, text, len);
	EVP_CIPHER_CTX_free(ctx);
}

static enum clv_probe_result probed(struct world *w, const char *name)
{
	static struct clv_probe probe;

	assert_ok(w, hsm_probe(w->hsm, false, &probe, &w->err));
	return probe_row(&probe, name)->result;
}

/* What is below a ring KEK has many uses, and WRAP is no attribute of the private keys among it: so
 * its template forbids none of these. */
static void the_holder_of_pin_and_blobs_gives_a_version_another_use(void **state)
{
	static const CK_ATTRIBUTE_TYPE uses[] = { CKA_WRAP, CKA_UNWRAP, CKA_ENCRYPT, CKA_DECRYPT,
						  CKA_SIGN };
	struct attack *a = begin(state);

	for (size_t i = 0; i < CLV_ARRAY_LEN(uses); i++)
		assert_int_equal(unwrap_version(a, 0, uses[i]), CKR_OK);
}

/* A ring KEK may be unwrapped as extractable, because the rotation of a root needs that. */
static void the_holder_of_pin_and_blobs_reads_a_key_and_the_probe_says_so(void **state)
{
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	static const CK_ATTRIBUTE_TYPE off[] = { CKA_ENCRYPT,   CKA_DECRYPT, CKA_SIGN,
						 CKA_VERIFY,    CKA_DERIVE,  CKA_COPYABLE,
						 CKA_MODIFIABLE };
	struct attack *a = begin(state);
	CK_ATTRIBUTE more[9] = { { CKA_EXTRACTABLE, &yes, 1 }, { CKA_SENSITIVE, &yes, 1 } };
	uint8_t wrapped[128], ring[32], version[32];
	CK_OBJECT_HANDLE key = 0;
	struct sealed sealed;
	CK_ULONG len;

	for (size_t i = 0; i < CLV_ARRAY_LEN(off); i++)
		more[2 + i] = (CK_ATTRIBUTE){ off[i], &no, 1 };
	world_seal(a->w, &a->w->version, "a secret of the company", &sealed);
	assert_int_equal(unwrap(a, a->victim[ROOT], &a->w->ring_blob, more, 9, &key), CKR_OK);
	assert_int_equal(wrap(a, CKM_AES_KEY_WRAP_PAD, import_known(a), key, wrapped, &len),
			 CKR_OK);
	unwrap_outside(known_key, wrapped, len, ring);
	unwrap_outside(ring, a->w->version_blob.bytes, a->w->version_blob.len, version);
	decrypt_outside(version, &sealed, "a secret of the company");
	assert_int_equal(probed(a->w, "PIN holder cannot read keys"), CLV_PROBE_NO);
}

static void the_probe_names_each_protection_that_holds(void **state)
{
	static const char *const names[] = { "reading a key's value",
					     "wrapping a key under a known key",
					     "copying a key with EXTRACTABLE",
					     "making a key EXTRACTABLE",
					     "giving a key a new use (WRAP)",
					     "decrypting a blob with its wrapping key",
					     "unwrapping a version with a readable template" };
	struct attack *a = begin(state);

	for (size_t i = 0; i < CLV_ARRAY_LEN(names); i++) {
		if (probed(a->w, names[i]) != CLV_PROBE_YES)
			fail_msg("the probe does not say that the token protects against: %s",
				 names[i]);
	}
}

#define attack_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		attack_test(no_value_can_be_read),
		attack_test(no_key_can_be_wrapped_under_another),
		attack_test(no_key_can_be_copied_to_be_used_otherwise),
		attack_test(no_key_can_be_given_another_use),
		attack_test(no_protection_can_be_taken_off),
		attack_test(no_wrapping_key_decrypts_a_blob),
		attack_test(no_encryption_key_uses_another_mechanism),
		attack_test(no_key_signs_or_derives),
		attack_test(a_version_unwraps_in_no_readable_form),
		attack_test(a_version_does_not_unwrap_under_the_root),
		attack_test(a_ring_kek_unwraps_as_no_data_key),
		attack_test(the_holder_of_pin_and_blobs_gives_a_version_another_use),
		attack_test(the_holder_of_pin_and_blobs_reads_a_key_and_the_probe_says_so),
		attack_test(the_probe_names_each_protection_that_holds),
	};

	return TOKEN_MAIN("attacks with the PIN", tests);
}
