/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of every kind through the library, on a real token: what each algorithm does, with OpenSSL
 * as the other side, and which versions and keys are refused. Inputs are in test_api_inputs.c.
 */
#include <string.h>

#include <openssl/pem.h>

#include "lib/model/algorithm.h"

#include "tests/support/kinds.h"

#define ROW(name, number) CLV_ALG_##name,
static const enum clv_algorithm algorithms[] = { CLV_ALGORITHM_LIST(ROW) };

static const struct clv_input nothing;

/* ---- what works */

static void public_key_of(struct home_world *w, enum clv_algorithm algorithm,
			  struct clv_buf *ret_der)
{
	assert_ok(w, clv_public_key_get(w->ctx, NULL, kind_version(algorithm), CLV_PUBLIC_KEY_DER,
					ret_der, NULL, &w->err));
}

/* The signature is good for these data and for no others. */
static void check_signature(enum clv_algorithm algorithm, struct clv_bytes der,
			    const struct clv_buf *signature, const struct clv_used *used)
{
	struct clv_bytes view = clv_buf_view(signature);

	if (!kind_verifies(algorithm, der, kind_bytes(KIND_TEXT), view))
		fail_msg("OpenSSL does not verify a signature by %s",
			 clv_algorithm_name(algorithm));
	if (kind_verifies(algorithm, der, kind_bytes("Dear customer, your code is 4712."), view))
		fail_msg("a signature by %s is good for anything", clv_algorithm_name(algorithm));
	assert_string_equal(used->version, kind_version(algorithm));
	assert_int_equal(used->algorithm, algorithm);
	assert_int_equal(used->protection, CLV_PROTECTION_SOFTWARE);
	assert_int_equal(used->crc32c, clv_crc32c(0, view.data, view.len));
}

static void sign_data(struct home_world *w, enum clv_algorithm algorithm, struct clv_bytes der)
{
	struct clv_input data = kind_checked(kind_bytes(KIND_TEXT));
	struct clv_buf signature = { 0 };
	struct clv_used used;

	assert_ok(w, clv_asymmetric_sign(w->ctx, NULL, kind_version(algorithm), &data, NULL,
					 &signature, &used, &w->err));
	check_signature(algorithm, der, &signature, &used);
	clv_buf_done(&signature);
}

static void sign_digest(struct home_world *w, enum clv_algorithm algorithm, struct clv_bytes der)
{
	struct clv_digest digest = { .hash = model_algorithm_get(algorithm)->hash };
	struct clv_hashing *hashing = NULL;
	struct clv_buf signature = { 0 };
	uint8_t bytes[CLV_HASH_MAX];
	struct clv_used used;
	size_t len;

	assert_ok(w, clv_hash_new(digest.hash, &hashing, &w->err));
	assert_ok(w, clv_hash_add(hashing, KIND_TEXT, strlen(KIND_TEXT), &w->err));
	assert_ok(w, clv_hash_end(hashing, bytes, &len, &w->err));
	clv_hash_free(hashing);
	digest.bytes = kind_checked((struct clv_bytes){ bytes, len });
	assert_ok(w, clv_asymmetric_sign(w->ctx, NULL, kind_version(algorithm), NULL, &digest,
					 &signature, &used, &w->err));
	check_signature(algorithm, der, &signature, &used);
	clv_buf_done(&signature);
}

static void check_sign(struct home_world *w, enum clv_algorithm algorithm)
{
	struct clv_buf der = { 0 };

	public_key_of(w, algorithm, &der);
	sign_data(w, algorithm, clv_buf_view(&der));
	if (model_algorithm_get(algorithm)->hash != CLV_HASH_NONE)
		sign_digest(w, algorithm, clv_buf_view(&der));
	clv_buf_done(&der);
}

static void check_plaintext(struct clv_secret *plaintext, const struct clv_used *used)
{
	assert_int_equal(clv_secret_len(plaintext), strlen(KIND_TEXT));
	assert_memory_equal(clv_secret_bytes(plaintext), KIND_TEXT, strlen(KIND_TEXT));
	assert_int_equal(used->crc32c, clv_crc32c(0, KIND_TEXT, strlen(KIND_TEXT)));
	clv_secret_free(plaintext);
}

static void check_decrypt(struct home_world *w, enum clv_algorithm algorithm)
{
	struct clv_secret *plaintext = NULL;
	struct clv_buf der = { 0 }, ciphertext = { 0 };
	struct clv_input in;
	struct clv_used used;

	public_key_of(w, algorithm, &der);
	kind_encrypt(algorithm, clv_buf_view(&der), KIND_TEXT, &ciphertext);
	in = kind_checked(clv_buf_view(&ciphertext));
	assert_ok(w, clv_asymmetric_decrypt(w->ctx, NULL, kind_version(algorithm), &in, &plaintext,
					    &used, &w->err));
	check_plaintext(plaintext, &used);
	clv_buf_done(&ciphertext);
	clv_buf_done(&der);
}

static void check_mac(struct home_world *w, enum clv_algorithm algorithm)
{
	struct clv_input data = kind_checked(kind_bytes(KIND_TEXT));
	struct clv_input other = kind_checked(kind_bytes("other data"));
	struct clv_buf mac = { 0 };
	struct clv_input mac_in;
	struct clv_used used;
	bool valid = false;

	assert_ok(w,
		  clv_mac_sign(w->ctx, NULL, kind_version(algorithm), &data, &mac, &used, &w->err));
	assert_int_equal(mac.len, model_hash_len(model_algorithm_get(algorithm)->hash));
	assert_int_equal(used.crc32c, clv_crc32c(0, mac.data, mac.len));
	mac_in = kind_checked(clv_buf_view(&mac));
	assert_ok(w, clv_mac_verify(w->ctx, NULL, kind_version(algorithm), &data, &mac_in, &valid,
				    &used, &w->err));
	assert_true(valid);
	assert_ok(w, clv_mac_verify(w->ctx, NULL, kind_version(algorithm), &other, &mac_in, &valid,
				    &used, &w->err));
	assert_false(valid);
	clv_buf_done(&mac);
}

static bool is_gcm(enum clv_algorithm algorithm)
{
	return algorithm == CLV_ALG_AES_128_GCM || algorithm == CLV_ALG_AES_256_GCM;
}

static void raw_there_and_back(struct home_world *w, enum clv_algorithm algorithm,
			       struct clv_raw in)
{
	struct clv_secret *back = NULL;
	struct clv_bytes text = in.text.bytes;
	struct clv_buf out = { 0 };
	struct clv_raw_iv iv;
	struct clv_used used;

	assert_ok(w, clv_raw_encrypt(w->ctx, NULL, kind_version(algorithm), &in, &out, &iv, &used,
				     &w->err));
	assert_int_equal(out.len, text.len + (is_gcm(algorithm) ? 16u : 0u));
	assert_int_equal(iv.len, is_gcm(algorithm) ? 12 : 16);
	assert_int_equal(iv.crc32c, clv_crc32c(0, iv.bytes, iv.len));
	assert_int_equal(used.crc32c, clv_crc32c(0, out.data, out.len));
	if (in.iv.bytes.len > 0)
		assert_memory_equal(iv.bytes, in.iv.bytes.data, in.iv.bytes.len);
	in.text = kind_checked(clv_buf_view(&out));
	in.iv = kind_checked((struct clv_bytes){ iv.bytes, iv.len });
	assert_ok(w, clv_raw_decrypt(w->ctx, NULL, kind_version(algorithm), &in, &back, &used,
				     &w->err));
	assert_int_equal(clv_secret_len(back), text.len);
	if (text.len > 0)
		assert_memory_equal(clv_secret_bytes(back), text.data, text.len);
	assert_int_equal(used.crc32c, clv_crc32c(0, text.data, text.len));
	clv_secret_free(back);
	clv_buf_done(&out);
}

static void check_raw(struct home_world *w, enum clv_algorithm algorithm)
{
	static uint8_t text[CLV_PLAINTEXT_MAX];
	static const size_t lens[] = { 0, 16, 32, 4096, sizeof text };

	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t) (i * 7 + i / 251);
	for (size_t i = is_gcm(algorithm) ? 0 : 1; i < CLV_ARRAY_LEN(lens); i++) {
		struct clv_raw in = { .text = kind_checked((struct clv_bytes){ text, lens[i] }) };

		raw_there_and_back(w, algorithm, in);
		if (is_gcm(algorithm))
			in.aad = kind_checked(kind_bytes("topic=orders"));
		else
			in.iv = kind_checked(kind_bytes("0123456789abcdef"));
		raw_there_and_back(w, algorithm, in);
	}
}

static void check_encrypt(struct home_world *w, enum clv_algorithm algorithm)
{
	struct clv_input text = kind_checked(kind_bytes(KIND_TEXT));
	struct clv_input aad = kind_checked(kind_bytes("aad"));
	struct clv_secret *plaintext = NULL;
	struct clv_buf out = { 0 };
	struct clv_input in;
	struct clv_used used;

	assert_ok(w, clv_encrypt_checked(w->ctx, NULL, kind_key(algorithm), &text, &aad, &out,
					 &used, &w->err));
	assert_string_equal(used.version, kind_version(algorithm));
	assert_int_equal(used.crc32c, clv_crc32c(0, out.data, out.len));
	in = kind_checked(clv_buf_view(&out));
	assert_ok(w, clv_decrypt_checked(w->ctx, NULL, kind_key(algorithm), &in, &aad, &plaintext,
					 &used, &w->err));
	check_plaintext(plaintext, &used);
	clv_buf_done(&out);
}

static void check_use(struct home_world *w, enum clv_algorithm algorithm)
{
	switch (model_algorithm_get(algorithm)->purpose) {
	case CLV_PURPOSE_ENCRYPT_DECRYPT:
		check_encrypt(w, algorithm);
		break;
	case CLV_PURPOSE_ASYMMETRIC_SIGN:
		check_sign(w, algorithm);
		break;
	case CLV_PURPOSE_ASYMMETRIC_DECRYPT:
		check_decrypt(w, algorithm);
		break;
	case CLV_PURPOSE_RAW_ENCRYPT_DECRYPT:
		check_raw(w, algorithm);
		break;
	case CLV_PURPOSE_MAC:
		check_mac(w, algorithm);
		break;
	}
}

static void make_and_check(struct home_world *w, enum clv_algorithm algorithm)
{
	const struct model_algorithm *row = model_algorithm_get(algorithm);
	bool encrypts = row->purpose == CLV_PURPOSE_ENCRYPT_DECRYPT;
	struct clv_version version;
	struct clv_key key;

	assert_ok(w, kind_make(w, algorithm, 0));
	assert_ok(w, clv_key_get(w->ctx, NULL, kind_key(algorithm), &key, &w->err));
	assert_int_equal(key.purpose, row->purpose);
	assert_int_equal(key.algorithm, algorithm);
	assert_int_equal(key.primary, encrypts ? 1 : 0);
	assert_ok(w, clv_version_get(w->ctx, NULL, kind_version(algorithm), &version, &w->err));
	assert_int_equal(version.algorithm, algorithm);
	assert_int_equal(version.state, CLV_STATE_ENABLED);
	check_use(w, algorithm);
}

/* Those whose keys a token has soon, and RSA keys of one length at a time. */
static void make_and_check_all(struct home_world *w, unsigned rsa_bits)
{
	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(algorithms); i++) {
		const struct model_algorithm *row = model_algorithm_get(algorithms[i]);
		unsigned bits = row->key_type == MODEL_KEY_RSA ? row->bits : 0;

		if (bits == rsa_bits)
			make_and_check(w, algorithms[i]);
	}
}

static void every_algorithm_but_rsa_does_what_it_is_for(struct home_world *w)
{
	make_and_check_all(w, 0);
}

static void rsa_2048_does_what_it_is_for(struct home_world *w)
{
	make_and_check_all(w, 2048);
}

static void rsa_3072_does_what_it_is_for(struct home_world *w)
{
	make_and_check_all(w, 3072);
}

/* Such keys take long to make: one for each thing that only they do. tests/cli has all. */
static void rsa_4096_does_what_it_is_for(struct home_world *w)
{
	world_open(w);
	make_and_check(w, CLV_ALG_RSA_SIGN_PSS_4096_SHA512);
	make_and_check(w, CLV_ALG_RSA_SIGN_PKCS1_4096_SHA512);
	make_and_check(w, CLV_ALG_RSA_DECRYPT_OAEP_4096_SHA512);
}

/* One of each kind, as objects of the token, through a whole life. */
static void token_resident_keys_of_every_kind_are_switched_too(struct home_world *w)
{
	static const enum clv_algorithm some[] = {
		CLV_ALG_EC_SIGN_P256_SHA256,
		CLV_ALG_RSA_SIGN_PSS_2048_SHA256,
		CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA256,
		CLV_ALG_HMAC_SHA256,
		CLV_ALG_AES_128_CTR,
		CLV_ALG_EC_SIGN_ED25519,
	};
	struct clv_switch_report report;

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(some); i++) {
		assert_ok(w, kind_make(w, some[i], CLV_RESIDENCY_TOKEN));
		check_use(w, some[i]);
		assert_ok(w, clv_version_disable(w->ctx, NULL, kind_version(some[i]), NULL, &report,
						 &w->err));
		assert_false(report.token_pending);
		assert_ok(w, clv_version_enable(w->ctx, NULL, kind_version(some[i]), NULL, &report,
						&w->err));
		assert_false(report.token_pending);
		check_use(w, some[i]);
	}
}

static void next_versions_are_of_the_keys_algorithm(struct home_world *w)
{
	struct clv_version version;
	struct clv_buf first = { 0 }, second = { 0 };
	struct clv_key key;

	world_open(w);
	assert_ok(w, kind_make(w, CLV_ALG_EC_SIGN_P384_SHA384, 0));
	assert_ok(w, clv_version_create(w->ctx, NULL, kind_key(CLV_ALG_EC_SIGN_P384_SHA384),
					&version, &w->err));
	assert_int_equal(version.number, 2);
	assert_int_equal(version.algorithm, CLV_ALG_EC_SIGN_P384_SHA384);
	public_key_of(w, CLV_ALG_EC_SIGN_P384_SHA384, &first);
	assert_ok(w, clv_public_key_get(w->ctx, NULL, version.name, CLV_PUBLIC_KEY_DER, &second,
					NULL, &w->err));
	assert_int_equal(first.len, second.len);
	assert_memory_not_equal(first.data, second.data, first.len);
	assert_ok(w,
		  clv_key_get(w->ctx, NULL, kind_key(CLV_ALG_EC_SIGN_P384_SHA384), &key, &w->err));
	assert_int_equal(key.primary, 0);
	clv_buf_done(&first);
	clv_buf_done(&second);
}

/* ---- where they live */

static void keys_that_softhsm_cannot_wrap_go_into_it(struct home_world *w)
{
	struct clv_key key;

	world_open(w);
	assert_ok(w, kind_make(w, CLV_ALG_EC_SIGN_ED25519, 0));
	assert_ok(w, clv_key_get(w->ctx, NULL, kind_key(CLV_ALG_EC_SIGN_ED25519), &key, &w->err));
	assert_int_equal(key.residency, CLV_RESIDENCY_TOKEN);
	assert_ok(w, kind_make(w, CLV_ALG_EC_SIGN_P256_SHA256, 0));
	assert_ok(w,
		  clv_key_get(w->ctx, NULL, kind_key(CLV_ALG_EC_SIGN_P256_SHA256), &key, &w->err));
	assert_int_equal(key.residency, CLV_RESIDENCY_WRAPPED);
}

static void wrapping_them_all_the_same_is_refused_with_the_reason(struct home_world *w)
{
	struct clv_key key;

	world_open(w);
	assert_refused(w, kind_make(w, CLV_ALG_EC_SIGN_ED25519, CLV_RESIDENCY_WRAPPED),
		       CLV_E_UNIMPLEMENTED, "TOKEN");
	assert_int_equal(
		clv_key_get(w->ctx, NULL, kind_key(CLV_ALG_EC_SIGN_ED25519), &key, &w->err),
		CLV_E_NOT_FOUND);
}

static void algorithms_must_fit_the_purpose(struct home_world *w)
{
	static const struct {
		enum clv_purpose purpose;
		enum clv_algorithm algorithm;
		const char *part;
	} cases[] = {
		{ CLV_PURPOSE_ASYMMETRIC_SIGN, 0, "ASYMMETRIC_SIGN needs an algorithm" },
		{ CLV_PURPOSE_MAC, 0, "MAC needs an algorithm" },
		{ CLV_PURPOSE_MAC, CLV_ALG_AES_256_GCM, "is for purpose RAW_ENCRYPT_DECRYPT" },
		{ CLV_PURPOSE_ENCRYPT_DECRYPT, CLV_ALG_HMAC_SHA256, "is for purpose MAC" },
		{ CLV_PURPOSE_ENCRYPT_DECRYPT, (enum clv_algorithm) 31, "number 31" },
		{ (enum clv_purpose) 10, CLV_ALG_HMAC_SHA256, "the purpose must be one of" },
		{ (enum clv_purpose) 0, 0, "the purpose must be one of" },
	};

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++) {
		struct clv_key_options options = { .purpose = cases[i].purpose,
						   .algorithm = cases[i].algorithm };
		struct clv_key key;

		assert_refused(w, clv_key_create(w->ctx, NULL, KEY("k"), &options, &key, &w->err),
			       CLV_E_INVALID_ARGUMENT, cases[i].part);
	}
}

/* ---- refusals */

static void make_one_for_each_verb(struct home_world *w)
{
	static const enum clv_algorithm some[] = {
		CLV_ALG_GOOGLE_SYMMETRIC_ENCRYPTION,
		CLV_ALG_EC_SIGN_P256_SHA256,
		CLV_ALG_RSA_DECRYPT_OAEP_2048_SHA1,
		CLV_ALG_HMAC_SHA256,
		CLV_ALG_AES_256_GCM,
	};

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(some); i++)
		assert_ok(w, kind_make(w, some[i], 0));
}

static bool may(const struct kind_verb *verb, enum clv_purpose purpose)
{
	if (strcmp(verb->operation, "getPublicKey") == 0)
		return purpose == CLV_PURPOSE_ASYMMETRIC_SIGN ||
		       purpose == CLV_PURPOSE_ASYMMETRIC_DECRYPT;
	return purpose == model_algorithm_get(verb->algorithm)->purpose;
}

static void try_on(struct home_world *w, const struct kind_verb *verb, enum clv_algorithm algorithm)
{
	enum clv_purpose purpose = model_algorithm_get(algorithm)->purpose;
	clv_rc rc = verb->call(w, NULL, kind_name_for(verb, algorithm));
	char part[200];

	if (may(verb, purpose)) {
		assert_ok(w, rc);
		return;
	}
	snprintf(part, sizeof part, "%s is of purpose %s; %s is for keys of purpose ",
		 strrchr(kind_key(algorithm), '/') + 1, clv_purpose_name(purpose), verb->operation);
	assert_refused(w, rc, CLV_E_FAILED_PRECONDITION, part);
}

static void keys_do_what_their_purpose_says_and_nothing_else(struct home_world *w)
{
	make_one_for_each_verb(w);
	for (size_t i = 0; i < n_kind_verbs; i++) {
		kind_prepare(w, &kind_verbs[i]);
		for (size_t j = 0; j < n_kind_verbs; j++)
			try_on(w, &kind_verbs[i], kind_verbs[j].algorithm);
	}
	kind_done();
}

/* Whoever can write CLV1 headers could ask for a raw key by its uid. */
static void decrypt_opens_nothing_with_a_raw_key(struct home_world *w)
{
	uint8_t bytes[64] = { 0xC1 };
	struct clv_input ciphertext = { .bytes = { bytes, sizeof bytes } };
	struct clv_secret *plaintext = NULL;
	struct clv_version version;

	world_open(w);
	assert_ok(w, kind_make(w, CLV_ALG_AES_256_GCM, 0));
	assert_ok(w, clv_version_get(w->ctx, NULL, kind_version(CLV_ALG_AES_256_GCM), &version,
				     &w->err));
	memcpy(bytes + 1, version.uid, CLV_UID_LEN);
	bytes[1 + CLV_UID_LEN] = 12;
	assert_refused(w,
		       clv_decrypt_checked(w->ctx, NULL, kind_key(CLV_ALG_AES_256_GCM), &ciphertext,
					   &nothing, &plaintext, NULL, &w->err),
		       CLV_E_FAILED_PRECONDITION, "decrypt is for keys of purpose ENCRYPT_DECRYPT");
	assert_refused(w,
		       clv_decrypt_checked(w->ctx, NULL, WRAPPED, &ciphertext, &nothing, &plaintext,
					   NULL, &w->err),
		       CLV_E_INVALID_ARGUMENT,
		       "verify that 'name' refers to the correct CryptoKey");
	assert_null(plaintext);
}

static void what_is_no_ciphertext_at_all_tells_no_more_than_the_key(struct home_world *w)
{
	struct clv_input rubbish = kind_input("rubbish");
	struct clv_secret *plaintext = NULL;
	struct clv_bytes none = { NULL, 0 };

	world_open(w);
	assert_ok(w, kind_make(w, CLV_ALG_HMAC_SHA256, 0));
	assert_refused(w,
		       clv_decrypt(w->ctx, NULL, kind_key(CLV_ALG_HMAC_SHA256), rubbish.bytes, none,
				   &plaintext, NULL, &w->err),
		       CLV_E_FAILED_PRECONDITION, "is of purpose MAC");
	assert_refused(w,
		       clv_decrypt(w->ctx, NULL, KEY("missing"), rubbish.bytes, none, &plaintext,
				   NULL, &w->err),
		       CLV_E_NOT_FOUND, KEY("missing"));
	assert_refused(
		w,
		clv_decrypt(w->ctx, NULL, WRAPPED, rubbish.bytes, none, &plaintext, NULL, &w->err),
		CLV_E_INVALID_ARGUMENT, "Decryption failed: the ciphertext is invalid.");
	assert_null(plaintext);
}

static void missing_keys_and_versions_are_not_found(struct home_world *w)
{
	make_one_for_each_verb(w);
	for (size_t i = 0; i < n_kind_verbs; i++) {
		const struct kind_verb *verb = &kind_verbs[i];

		kind_prepare(w, verb);
		assert_refused(w,
			       verb->call(w, NULL,
					  verb->by_key ? KEY("missing") : VERSION(KEY("missing"))),
			       CLV_E_NOT_FOUND, KEY("missing"));
		if (!verb->by_key)
			assert_refused(w, verb->call(w, NULL, kind_key(verb->algorithm)),
				       CLV_E_INVALID_ARGUMENT, "names a key, not a key version");
	}
	kind_done();
}

static void disabled_versions_are_refused_by_every_verb(struct home_world *w)
{
	make_one_for_each_verb(w);
	for (size_t i = 0; i < n_kind_verbs; i++) {
		const struct kind_verb *verb = &kind_verbs[i];
		const char *version = kind_version(verb->algorithm);
		struct clv_switch_report report;
		char part[CLV_NAME_MAX + 80];

		kind_prepare(w, verb);
		snprintf(part, sizeof part, "%s is not enabled, current state is: DISABLED.",
			 version);
		assert_ok(w, clv_version_disable(w->ctx, NULL, version, NULL, &report, &w->err));
		assert_refused(w, verb->call(w, NULL, kind_name_for(verb, verb->algorithm)),
			       CLV_E_FAILED_PRECONDITION, part);
		assert_ok(w, clv_version_enable(w->ctx, NULL, kind_version(verb->algorithm), NULL,
						&report, &w->err));
		assert_ok(w, verb->call(w, NULL, kind_name_for(verb, verb->algorithm)));
	}
	kind_done();
}

static void nobody_but_the_owner_may_use_them(struct home_world *w)
{
	const struct clv_caller eve = { .principal = "user:eve" };

	make_one_for_each_verb(w);
	for (size_t i = 0; i < n_kind_verbs; i++) {
		const struct kind_verb *verb = &kind_verbs[i];

		kind_prepare(w, verb);
		assert_refused(w, verb->call(w, &eve, kind_name_for(verb, verb->algorithm)),
			       CLV_E_PERMISSION_DENIED, "Permission 'cloudkms.cryptoKeyVersions.");
		/* Whether it is there, and of which purpose, she does not learn. */
		assert_refused(w,
			       verb->call(w, &eve,
					  verb->by_key ? KEY("missing") : VERSION(KEY("missing"))),
			       CLV_E_PERMISSION_DENIED, "(or it may not exist)");
	}
	kind_done();
}

static void every_use_leaves_one_entry_that_names_the_version(struct home_world *w)
{
	static const char *const permissions[] = {
		"useToEncrypt", "useToDecrypt", "useToSign",    "useToDecrypt", "viewPublicKey",
		"useToSign",    "useToVerify",  "useToEncrypt", "useToDecrypt",
	};

	assert_int_equal(CLV_ARRAY_LEN(permissions), n_kind_verbs);
	make_one_for_each_verb(w);
	for (size_t i = 0; i < n_kind_verbs; i++) {
		const struct kind_verb *verb = &kind_verbs[i];
		const char *version = kind_version(verb->algorithm);
		size_t before;

		kind_prepare(w, verb);
		before = world_log_count(w, permissions[i], version, "\"OK\"");
		assert_ok(w, verb->call(w, NULL, kind_name_for(verb, verb->algorithm)));
		assert_int_equal(world_log_count(w, permissions[i], version, "\"OK\""), before + 1);
	}
	kind_done();
}

/* ---- the public half */

static void public_halves_need_no_token(struct home_world *w)
{
	struct clv_buf pem = { 0 }, der = { 0 };
	struct clv_used used;
	EVP_PKEY *key;
	BIO *bio;

	world_open(w);
	assert_ok(w, kind_make(w, CLV_ALG_EC_SIGN_P256_SHA256, 0));
	world_close(w);
	world_tokens_away(w);
	world_open(w);
	assert_ok(w, clv_public_key_get(w->ctx, NULL, kind_version(CLV_ALG_EC_SIGN_P256_SHA256),
					CLV_PUBLIC_KEY_PEM, &pem, &used, &w->err));
	assert_int_equal(used.crc32c, clv_crc32c(0, pem.data, pem.len));
	assert_int_equal(used.algorithm, CLV_ALG_EC_SIGN_P256_SHA256);
	public_key_of(w, CLV_ALG_EC_SIGN_P256_SHA256, &der);
	bio = BIO_new_mem_buf(pem.data, (int) pem.len);
	key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	assert_non_null(key);
	assert_int_equal(i2d_PUBKEY(key, NULL), der.len);
	EVP_PKEY_free(key);
	BIO_free(bio);
	clv_buf_done(&pem);
	clv_buf_done(&der);
	assert_int_equal(clv_public_key_get(w->ctx, NULL, kind_version(CLV_ALG_EC_SIGN_P256_SHA256),
					    (enum clv_public_key_format) 3, &pem, &used, &w->err),
			 CLV_E_INVALID_ARGUMENT);
	assert_int_equal(pem.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(every_algorithm_but_rsa_does_what_it_is_for),
		home_test(rsa_2048_does_what_it_is_for),
		home_test(rsa_3072_does_what_it_is_for),
		home_test(rsa_4096_does_what_it_is_for),
		home_test(token_resident_keys_of_every_kind_are_switched_too),
		home_test(next_versions_are_of_the_keys_algorithm),
		home_test(keys_that_softhsm_cannot_wrap_go_into_it),
		home_test(wrapping_them_all_the_same_is_refused_with_the_reason),
		home_test(algorithms_must_fit_the_purpose),
		home_test(keys_do_what_their_purpose_says_and_nothing_else),
		home_test(decrypt_opens_nothing_with_a_raw_key),
		home_test(what_is_no_ciphertext_at_all_tells_no_more_than_the_key),
		home_test(missing_keys_and_versions_are_not_found),
		home_test(disabled_versions_are_refused_by_every_verb),
		home_test(nobody_but_the_owner_may_use_them),
		home_test(every_use_leaves_one_entry_that_names_the_version),
		home_test(public_halves_need_no_token),
	};
	return cmocka_run_group_tests_name("kinds", tests, home_group_set_up, home_group_tear_down);
}
