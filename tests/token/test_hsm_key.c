/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as they are in the token: their attributes, their blobs, what is left behind. */
#include <string.h>

#include "tests/support/token_world.h"

/* What each kind of key must be, read with the real module. */
struct expected {
	CK_ATTRIBUTE_TYPE type;
	int root, wrapped, token; /* a root; a version unwrapped; a version in the token */
};

static const struct expected expected[] = {
	{ CKA_TOKEN, 1, 0, 1 },
	{ CKA_PRIVATE, 1, 1, 1 },
	{ CKA_SENSITIVE, 1, 1, 1 },
	{ CKA_EXTRACTABLE, 0, 0, 0 },
	{ CKA_ENCRYPT, 0, 1, 1 },
	{ CKA_DECRYPT, 0, 1, 1 },
	{ CKA_WRAP, 1, 0, 0 },
	{ CKA_UNWRAP, 1, 0, 0 },
	{ CKA_SIGN, 0, 0, 0 },
	{ CKA_VERIFY, 0, 0, 0 },
	{ CKA_DERIVE, 0, 0, 0 },
	{ CKA_COPYABLE, 0, 0, 0 },
	{ CKA_MODIFIABLE, 0, 0, 1 },
	{ CKA_LOCAL, 1, 0, 1 },
	{ CKA_ALWAYS_SENSITIVE, 1, 0, 1 },
	{ CKA_NEVER_EXTRACTABLE, 1, 0, 1 },
};

static void check_attributes(struct world *w, CK_OBJECT_HANDLE object, int which)
{
	CK_SESSION_HANDLE session = raw_open(w);

	for (size_t i = 0; i < CLV_ARRAY_LEN(expected); i++) {
		const int want[] = { expected[i].root, expected[i].wrapped, expected[i].token };

		if (raw_bool(w, session, object, expected[i].type) != want[which])
			fail_msg("attribute 0x%lx is not %d", expected[i].type, want[which]);
	}
	raw_close(w, session);
}

static void a_root_has_the_attributes_asked(void **state)
{
	struct world *w = *state;
	CK_SESSION_HANDLE session = raw_open(w);

	check_attributes(w, raw_find(w, session, CKO_SECRET_KEY, w->root_id), 0);
	raw_close(w, session);
}

static void an_unwrapped_version_has_the_attributes_asked(void **state)
{
	struct world *w = *state;
	struct hsm_pin pin = { 0 };

	assert_ok(w, hsm_key_pin(w->hsm, &w->version, &pin, &w->err));
	check_attributes(w, pin.handle, 1);
	hsm_key_unpin(&pin);
}

static void a_version_in_the_token_has_the_attributes_asked(void **state)
{
	struct world *w = *state;
	CK_SESSION_HANDLE session = raw_open(w);
	struct hsm_keyref key;

	world_token_key(w, &key);
	check_attributes(w, raw_find(w, session, CKO_SECRET_KEY, key.id), 2);
	raw_close(w, session);
}

static void a_generated_key_is_not_the_one_before(void **state)
{
	struct world *w = *state;
	struct hsm_blob blob;
	struct hsm_keyref other;

	world_generate(w, HSM_ROLE_VERSION, &w->ring, &blob, &other);
	assert_int_equal(blob.len, 40);
	assert_int_equal(w->version_blob.len, 40);
	assert_memory_not_equal(blob.bytes, w->version_blob.bytes, blob.len);
}

static void a_generated_key_leaves_nothing_on_the_token(void **state)
{
	struct world *w = *state;
	struct hsm_blob blob;
	struct hsm_keyref key;
	unsigned before, made;

	world_generate(w, HSM_ROLE_VERSION, &w->ring, &blob, &key);
	before = raw_count_objects(w);
	made = w->shim->session_objects();
	world_generate(w, HSM_ROLE_VERSION, &w->ring, &blob, &key);
	world_generate(w, HSM_ROLE_RING_KEK, &w->root, &blob, &key);
	assert_int_equal(raw_count_objects(w), before);
	assert_int_equal(w->shim->session_objects(), made);
}

/* ---- weakened keys ---- */

static void a_weakened_unwrap_is_destroyed_and_refused(void **state)
{
	static const CK_ATTRIBUTE_TYPE weak[] = { CKA_EXTRACTABLE, CKA_SENSITIVE, CKA_WRAP,
						  CKA_DECRYPT, CKA_MODIFIABLE };
	struct world *w = *state;
	struct sealed sealed;
	unsigned objects;

	world_seal(w, &w->version, "text", &sealed);
	hsm_key_evict(w->hsm, w->version.id);
	objects = w->shim->session_objects();
	for (size_t i = 0; i < CLV_ARRAY_LEN(weak); i++) {
		w->shim->weaken(SHIM_C_UnwrapKey, weak[i]);
		assert_refused(w, world_unseal(w, &w->version, &sealed, "text", &w->err),
			       CLV_E_UNIMPLEMENTED, "weaker than asked");
		assert_int_equal(w->shim->session_objects(), objects);
	}
	w->shim->weaken(SHIM_C_UnwrapKey, 0);
	assert_ok(w, world_unseal(w, &w->version, &sealed, "text", &w->err));
}

static void a_weakened_key_is_not_handed_out_as_a_blob(void **state)
{
	struct world *w = *state;
	struct hsm_blob blob = { .len = 7 };
	unsigned objects = w->shim->session_objects();

	w->shim->weaken(SHIM_C_UnwrapKey, CKA_EXTRACTABLE);
	assert_refused(
		w, hsm_key_generate(w->hsm, grant(), HSM_ROLE_VERSION, &w->ring, &blob, &w->err),
		CLV_E_UNIMPLEMENTED, "EXTRACTABLE");
	assert_int_equal(blob.len, 7);
	assert_int_equal(w->shim->session_objects(), objects);
}

static void a_weakened_token_key_is_destroyed_and_refused(void **state)
{
	struct world *w = *state;
	unsigned before = raw_count_objects(w);
	uint8_t id[HSM_ID_LEN];

	world_new_id(id);
	w->shim->weaken(SHIM_C_GenerateKey, CKA_EXTRACTABLE);
	assert_refused(w, hsm_key_create(w->hsm, grant(), HSM_ROLE_VERSION, id, "weak", &w->err),
		       CLV_E_UNIMPLEMENTED, "EXTRACTABLE");
	assert_int_equal(raw_count_objects(w), before);
}

static void a_token_key_that_became_weaker_is_not_used(void **state)
{
	struct world *w = *state;
	CK_SESSION_HANDLE session = raw_open(w);
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE wrap = { CKA_WRAP, &yes, sizeof yes };
	struct hsm_keyref key;
	struct sealed sealed;

	world_token_key(w, &key);
	world_seal(w, &key, "text", &sealed);
	assert_int_equal(w->real->C_SetAttributeValue(
				 session, raw_find(w, session, CKO_SECRET_KEY, key.id), &wrap, 1),
			 CKR_OK);
	raw_close(w, session);
	hsm_key_evict(w->hsm, key.id);
	assert_refused(w, world_unseal(w, &key, &sealed, "text", &w->err), CLV_E_DATA_LOSS, "WRAP");
}

/* ---- damaged blobs ---- */

static clv_rc use_blob(struct world *w, const struct hsm_keyref *parent, const uint8_t *blob,
		       size_t len)
{
	struct hsm_keyref key = {
		.role = HSM_ROLE_VERSION, .parent = parent, .blob = blob, .blob_len = len
	};
	uint8_t iv[HSM_IV_MAX], out[64];
	size_t iv_len;

	world_new_id(key.id);
	return hsm_encrypt(w->hsm, grant(), &key, bytes_of("a"), bytes_of("text"), iv, &iv_len, out,
			   &w->err);
}

static void a_flipped_bit_anywhere_in_a_blob_is_data_loss(void **state)
{
	struct world *w = *state;
	uint8_t blob[HSM_BLOB_MAX];

	for (size_t i = 0; i < w->version_blob.len; i++) {
		memcpy(blob, w->version_blob.bytes, w->version_blob.len);
		blob[i] ^= (uint8_t) (1u << i % 8);
		assert_refused(w, use_blob(w, &w->ring, blob, w->version_blob.len), CLV_E_DATA_LOSS,
			       "does not unwrap");
	}
	assert_int_equal(use_blob(w, &w->ring, w->version_blob.bytes, w->version_blob.len), CLV_OK);
}

static void a_blob_of_any_other_length_is_data_loss(void **state)
{
	struct world *w = *state;
	uint8_t blob[HSM_BLOB_MAX] = { 0 };

	memcpy(blob, w->version_blob.bytes, w->version_blob.len);
	for (size_t len = 0; len <= 64; len++) {
		if (len != w->version_blob.len)
			assert_refused(w, use_blob(w, &w->ring, blob, len), CLV_E_DATA_LOSS, "");
	}
}

static void a_blob_of_another_parent_is_data_loss(void **state)
{
	struct world *w = *state;
	struct hsm_blob blob;
	struct hsm_keyref other;

	world_generate(w, HSM_ROLE_RING_KEK, &w->root, &blob, &other);
	assert_refused(w, use_blob(w, &other, w->version_blob.bytes, w->version_blob.len),
		       CLV_E_DATA_LOSS, "does not unwrap");
}

/* The root's unwrap template forbids it before the bytes are looked at. */
static void a_root_unwraps_no_version(void **state)
{
	struct world *w = *state;

	assert_refused(w, use_blob(w, &w->root, w->version_blob.bytes, w->version_blob.len),
		       CLV_E_UNIMPLEMENTED, "attributes");
}

static void a_blob_of_another_token_is_data_loss(void **state)
{
	struct world *w = *state;
	struct world other = *w;
	struct clv_err err;

	assert_ok(w, hsm_softhsm_create(grant(), CLV_TEST_SHIM, w->dir, w->state, "other", "other",
					other.uri, &w->err));
	other.hsm = NULL;
	world_open(&other);
	world_token_key(&other, &other.version);
	if (use_blob(&other, &w->ring, w->version_blob.bytes, w->version_blob.len) !=
	    CLV_E_DATA_LOSS)
		fail_msg("%s", other.err.text);
	assert_rc(use_blob(w, &w->ring, w->version_blob.bytes, w->version_blob.len), CLV_OK);
	assert_rc(hsm_key_destroy(other.hsm, grant(), HSM_ROLE_VERSION, other.version.id, &err),
		  CLV_OK);
	world_close(&other);
}

/* ---- keys in the token ---- */

static void a_token_key_lives_until_it_is_destroyed(void **state)
{
	struct world *w = *state;
	unsigned before = raw_count_token_objects(w);
	struct hsm_keyref key;
	struct sealed sealed;

	world_token_key(w, &key);
	assert_int_equal(raw_count_token_objects(w), before + 1);
	world_seal(w, &key, "text", &sealed);
	world_close(w);
	world_open(w);
	assert_ok(w, world_unseal(w, &key, &sealed, "text", &w->err));
	assert_ok(w, hsm_key_destroy(w->hsm, grant(), HSM_ROLE_VERSION, key.id, &w->err));
	assert_int_equal(raw_count_token_objects(w), before);
	assert_refused(w, world_unseal(w, &key, &sealed, "text", &w->err), CLV_E_DATA_LOSS, "gone");
	assert_ok(w, hsm_key_destroy(w->hsm, grant(), HSM_ROLE_VERSION, key.id, &w->err));
}

static void a_disabled_token_key_refuses_use(void **state)
{
	struct world *w = *state;
	struct hsm_keyref key;
	struct sealed sealed, more;

	world_token_key(w, &key);
	world_seal(w, &key, "text", &sealed);
	for (int i = 0; i < 2; i++) { /* twice: it is no error to be where one wants to go */
		assert_ok(w, hsm_key_set_enabled(w->hsm, grant(), 0, key.id, false, &w->err));
		assert_refused(w, world_unseal(w, &key, &sealed, "text", &w->err),
			       CLV_E_FAILED_PRECONDITION, "may not be used");
		assert_rc(hsm_encrypt(w->hsm, grant(), &key, bytes_of("a"), bytes_of("t"), more.iv,
				      &more.iv_len, more.bytes, &w->err),
			  CLV_E_FAILED_PRECONDITION);
	}
	assert_ok(w, hsm_key_set_enabled(w->hsm, grant(), 0, key.id, true, &w->err));
	assert_ok(w, world_unseal(w, &key, &sealed, "text", &w->err));
}

static void a_disabled_token_key_stays_so_when_the_token_is_opened_again(void **state)
{
	struct world *w = *state;
	struct hsm_keyref key;
	struct sealed sealed;

	world_token_key(w, &key);
	world_seal(w, &key, "text", &sealed);
	assert_ok(w, hsm_key_set_enabled(w->hsm, grant(), 0, key.id, false, &w->err));
	world_close(w);
	world_open(w);
	assert_refused(w, world_unseal(w, &key, &sealed, "text", &w->err),
		       CLV_E_FAILED_PRECONDITION, "may not be used");
}

static void enabling_a_key_that_is_not_there_is_data_loss(void **state)
{
	struct world *w = *state;
	uint8_t id[HSM_ID_LEN];

	world_new_id(id);
	assert_refused(w, hsm_key_set_enabled(w->hsm, grant(), 0, id, true, &w->err),
		       CLV_E_DATA_LOSS, "gone");
}

static void two_objects_with_one_id_are_data_loss(void **state)
{
	struct world *w = *state;
	struct hsm_keyref key;
	struct sealed sealed;

	world_token_key(w, &key);
	world_seal(w, &key, "text", &sealed);
	assert_ok(w, hsm_key_create(w->hsm, grant(), HSM_ROLE_VERSION, key.id, "double", &w->err));
	hsm_key_evict(w->hsm, key.id);
	assert_refused(w, world_unseal(w, &key, &sealed, "text", &w->err), CLV_E_DATA_LOSS,
		       "two objects");
	assert_refused(w, hsm_key_set_enabled(w->hsm, grant(), 0, key.id, false, &w->err),
		       CLV_E_DATA_LOSS, "two objects");
}

static void destroying_ends_every_object_with_the_id(void **state)
{
	struct world *w = *state;
	unsigned before = raw_count_token_objects(w);
	uint8_t id[HSM_ID_LEN];

	world_new_id(id);
	for (int i = 0; i < 9; i++)
		assert_ok(w,
			  hsm_key_create(w->hsm, grant(), HSM_ROLE_VERSION, id, "many", &w->err));
	assert_int_equal(raw_count_token_objects(w), before + 9);
	assert_ok(w, hsm_key_destroy(w->hsm, grant(), HSM_ROLE_VERSION, id, &w->err));
	assert_int_equal(raw_count_token_objects(w), before);
}

static void a_root_that_is_gone_is_data_loss(void **state)
{
	struct world *w = *state;
	struct hsm_keyref stranger = { .role = HSM_ROLE_ROOT };
	struct hsm_blob blob;

	world_new_id(stranger.id);
	assert_refused(
		w, hsm_key_generate(w->hsm, grant(), HSM_ROLE_RING_KEK, &stranger, &blob, &w->err),
		CLV_E_DATA_LOSS, "gone from the token");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		token_test(a_root_has_the_attributes_asked),
		token_test(an_unwrapped_version_has_the_attributes_asked),
		token_test(a_version_in_the_token_has_the_attributes_asked),
		token_test(a_generated_key_is_not_the_one_before),
		token_test(a_generated_key_leaves_nothing_on_the_token),
		token_test(a_weakened_unwrap_is_destroyed_and_refused),
		token_test(a_weakened_key_is_not_handed_out_as_a_blob),
		token_test(a_weakened_token_key_is_destroyed_and_refused),
		token_test(a_token_key_that_became_weaker_is_not_used),
		token_test(a_flipped_bit_anywhere_in_a_blob_is_data_loss),
		token_test(a_blob_of_any_other_length_is_data_loss),
		token_test(a_blob_of_another_parent_is_data_loss),
		token_test(a_root_unwraps_no_version),
		token_test(a_blob_of_another_token_is_data_loss),
		token_test(a_token_key_lives_until_it_is_destroyed),
		token_test(a_disabled_token_key_refuses_use),
		token_test(a_disabled_token_key_stays_so_when_the_token_is_opened_again),
		token_test(enabling_a_key_that_is_not_there_is_data_loss),
		token_test(two_objects_with_one_id_are_data_loss),
		token_test(destroying_ends_every_object_with_the_id),
		token_test(a_root_that_is_gone_is_data_loss),
	};

	return TOKEN_MAIN("hsm: keys", tests);
}
