/* SPDX-License-Identifier: Apache-2.0 */
/* DEKs and random bytes on a real token: made, opened, wrapped anew, and all that is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsm/hsm.h"
#include "lib/policy/policy.h"

#include "tests/support/home_world.h"

#define V1(key) key "/cryptoKeyVersions/1"
#define V2(key) key "/cryptoKeyVersions/2"

static const char *const keys[] = { WRAPPED, TOKEN };
static const struct clv_bytes no_aad;
static const struct clv_bytes topic = { (const uint8_t *) "topic=orders", 12 };

/* ---- a permission that is denied, and something to do while inside */

static const char *denied;
static void (*inside)(struct home_world *w);
static struct home_world *inside_world;

struct policy_verdict __real_policy_decide(const struct policy *policy,
					   const struct policy_ask *ask);
struct policy_verdict __wrap_policy_decide(const struct policy *policy,
					   const struct policy_ask *ask);
struct policy_verdict __wrap_policy_decide(const struct policy *policy,
					   const struct policy_ask *ask)
{
	if (denied != NULL && strcmp(ask->permission, denied) == 0)
		return (struct policy_verdict){ .refusal = POLICY_DENIED,
						.rule = "denied-by-test" };
	return __real_policy_decide(policy, ask);
}

clv_rc __real_hsm_encrypt(struct hsm *hsm, const struct clv_grant *grant,
			  const struct hsm_keyref *key, struct clv_bytes aad,
			  struct clv_bytes plaintext, uint8_t ret_iv[HSM_IV_MAX],
			  size_t *ret_iv_len, uint8_t *ret_ciphertext, struct clv_err *err);
clv_rc __wrap_hsm_encrypt(struct hsm *hsm, const struct clv_grant *grant,
			  const struct hsm_keyref *key, struct clv_bytes aad,
			  struct clv_bytes plaintext, uint8_t ret_iv[HSM_IV_MAX],
			  size_t *ret_iv_len, uint8_t *ret_ciphertext, struct clv_err *err);
clv_rc __wrap_hsm_encrypt(struct hsm *hsm, const struct clv_grant *grant,
			  const struct hsm_keyref *key, struct clv_bytes aad,
			  struct clv_bytes plaintext, uint8_t ret_iv[HSM_IV_MAX],
			  size_t *ret_iv_len, uint8_t *ret_ciphertext, struct clv_err *err)
{
	if (inside != NULL)
		inside(inside_world);
	return __real_hsm_encrypt(hsm, grant, key, aad, plaintext, ret_iv, ret_iv_len,
				  ret_ciphertext, err);
}

/* ---- shorthands */

static void generate(struct home_world *w, const char *key, size_t len, struct clv_bytes aad,
		     struct clv_buf *wrapped, struct clv_secret **ret_dek)
{
	const struct clv_dek_options options = { .len = len, .aad = aad };

	assert_ok(w,
		  clv_dek_generate(w->ctx, NULL, key, &options, wrapped, ret_dek, NULL, &w->err));
}

/* Unwraps it, and it must be this DEK; with `dek` NULL it is thrown away. */
static clv_rc unwrap(struct home_world *w, const char *key, struct clv_bytes wrapped,
		     struct clv_bytes aad, const struct clv_secret *dek)
{
	struct clv_secret *const untouched = (struct clv_secret *) w;
	struct clv_secret *back = untouched;
	clv_rc rc = clv_dek_unwrap(w->ctx, NULL, key, wrapped, aad, &back, NULL, &w->err);

	if (rc != CLV_OK) {
		assert_ptr_equal(back, untouched);
		return rc;
	}
	if (dek != NULL)
		assert_true(clv_secret_equal(back, dek));
	clv_secret_free(back);
	return CLV_OK;
}

/* Rewraps; outputs must be untouched unless it worked. */
static clv_rc rewrap(struct home_world *w, const char *key, struct clv_bytes wrapped,
		     struct clv_bytes aad, struct clv_buf *out, struct clv_dek_rewrapped *report)
{
	const size_t before = out->len;
	clv_rc rc;

	*report = (struct clv_dek_rewrapped){ .from = "untouched" };
	rc = clv_dek_rewrap(w->ctx, NULL, key, wrapped, aad, out, report, &w->err);
	if (rc != CLV_OK) {
		assert_int_equal(out->len, before);
		assert_string_equal(report->from, "untouched");
	}
	return rc;
}

/* The key gets a version 2, which is primary. */
static void rotate(struct home_world *w, const char *key)
{
	struct clv_version version;
	struct clv_key after;

	assert_ok(w, clv_version_create(w->ctx, NULL, key, &version, &w->err));
	assert_ok(w, clv_key_set_primary(w->ctx, NULL, key, 2, &after, &w->err));
}

static void disable(struct home_world *w, const char *version)
{
	struct clv_switch_report report;

	assert_ok(w, clv_version_disable(w->ctx, NULL, version, NULL, &report, &w->err));
}

/* ---- random bytes */

static void random_bytes_come_in_the_length_asked_for(struct home_world *w)
{
	static const size_t lengths[] = { CLV_RANDOM_MIN, 9, 32, 1000, CLV_RANDOM_MAX };

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(lengths); i++) {
		struct clv_secret *a = NULL, *b = NULL;

		assert_ok(w, clv_random_bytes(w->ctx, NULL, LOCATION, lengths[i], &a, &w->err));
		assert_ok(w, clv_random_bytes(w->ctx, NULL, LOCATION, lengths[i], &b, &w->err));
		assert_int_equal(clv_secret_len(a), lengths[i]);
		assert_int_equal(clv_secret_len(b), lengths[i]);
		assert_false(clv_secret_equal(a, b));
		clv_secret_free(a);
		clv_secret_free(b);
	}
}

static void random_bytes_of_another_length_or_place_are_refused(struct home_world *w)
{
	static const size_t lengths[] = { 0, 1, CLV_RANDOM_MIN - 1, CLV_RANDOM_MAX + 1, SIZE_MAX };
	struct clv_secret *bytes = NULL;

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(lengths); i++)
		assert_refused(
			w, clv_random_bytes(w->ctx, NULL, LOCATION, lengths[i], &bytes, &w->err),
			CLV_E_INVALID_ARGUMENT, "it must have 8 to 1024");
	assert_refused(
		w, clv_random_bytes(w->ctx, NULL, PROJECT "/locations/none", 32, &bytes, &w->err),
		CLV_E_NOT_FOUND, "none");
	assert_null(bytes);
}

/* ---- making and opening */

static void dek_has_the_length_asked_for_and_opens_to_itself(struct home_world *w)
{
	static const size_t lengths[] = { 0, CLV_DEK_MIN, 17, 24, 32, CLV_DEK_MAX };

	world_open(w);
	for (size_t i = 0; i < 2 * CLV_ARRAY_LEN(lengths); i++) {
		size_t len = lengths[i / 2];
		struct clv_secret *dek = NULL;
		struct clv_buf wrapped = { 0 };

		generate(w, keys[i % 2], len, topic, &wrapped, &dek);
		assert_int_equal(clv_secret_len(dek), len != 0 ? len : CLV_DEK_DEFAULT);
		assert_null(memmem(wrapped.data, wrapped.len, clv_secret_bytes(dek), CLV_DEK_MIN));
		assert_ok(w, unwrap(w, keys[i % 2], clv_buf_view(&wrapped), topic, dek));
		clv_buf_done(&wrapped);
		clv_secret_free(dek);
	}
}

static void wrapped_dek_is_what_encrypt_makes(struct home_world *w)
{
	struct clv_buf wrapped = { 0 }, encrypted = { 0 };
	struct clv_secret *dek = NULL, *back = NULL;
	struct clv_bytes bytes;
	char version[CLV_NAME_MAX];

	world_open(w);
	assert_ok(w,
		  clv_dek_generate(w->ctx, NULL, WRAPPED, NULL, &wrapped, &dek, version, &w->err));
	assert_string_equal(version, V1(WRAPPED));
	assert_ok(w, clv_decrypt(w->ctx, NULL, WRAPPED, clv_buf_view(&wrapped), no_aad, &back, NULL,
				 &w->err));
	assert_true(clv_secret_equal(dek, back));
	bytes = (struct clv_bytes){ clv_secret_bytes(dek), clv_secret_len(dek) };
	assert_ok(w, clv_encrypt(w->ctx, NULL, WRAPPED, bytes, no_aad, &encrypted, NULL, &w->err));
	assert_int_equal(encrypted.len, wrapped.len);
	assert_ok(w, unwrap(w, WRAPPED, clv_buf_view(&encrypted), no_aad, dek));
	clv_secret_free(dek);
	clv_secret_free(back);
	clv_buf_done(&wrapped);
	clv_buf_done(&encrypted);
}

static void no_two_deks_are_the_same(struct home_world *w)
{
	struct clv_secret *deks[50];

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(deks); i++) {
		struct clv_buf wrapped = { 0 };

		generate(w, WRAPPED, 16, no_aad, &wrapped, &deks[i]);
		for (size_t j = 0; j < i; j++)
			assert_false(clv_secret_equal(deks[i], deks[j]));
		clv_buf_done(&wrapped);
	}
	for (size_t i = 0; i < CLV_ARRAY_LEN(deks); i++)
		clv_secret_free(deks[i]);
}

static void dek_can_be_made_without_being_shown(struct home_world *w)
{
	struct clv_buf wrapped = { 0 };

	world_open(w);
	generate(w, WRAPPED, 0, no_aad, &wrapped, NULL);
	assert_ok(w, unwrap(w, WRAPPED, clv_buf_view(&wrapped), no_aad, NULL));
	clv_buf_done(&wrapped);
}

static void dek_of_another_length_is_refused(struct home_world *w)
{
	static const size_t lengths[] = { 1, CLV_DEK_MIN - 1, CLV_DEK_MAX + 1, SIZE_MAX };
	struct clv_secret *dek = NULL;
	struct clv_buf out = { 0 };

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(lengths); i++) {
		const struct clv_dek_options options = { .len = lengths[i] };

		assert_refused(w,
			       clv_dek_generate(w->ctx, NULL, WRAPPED, &options, &out, &dek, NULL,
						&w->err),
			       CLV_E_INVALID_ARGUMENT, "it must have 16 to 64");
	}
	assert_null(dek);
	assert_int_equal(out.len, 0);
	clv_buf_done(&out);
}

static void dek_opens_with_its_aad_and_key_only(struct home_world *w)
{
	struct clv_secret *dek = NULL;
	struct clv_buf wrapped = { 0 };

	world_open(w);
	generate(w, WRAPPED, 0, topic, &wrapped, &dek);
	assert_refused(w, unwrap(w, WRAPPED, clv_buf_view(&wrapped), no_aad, NULL),
		       CLV_E_INVALID_ARGUMENT, "the ciphertext is invalid");
	assert_refused(w, unwrap(w, TOKEN, clv_buf_view(&wrapped), topic, NULL),
		       CLV_E_INVALID_ARGUMENT, "refers to the correct CryptoKey");
	wrapped.data[wrapped.len - 1] ^= 1;
	assert_refused(w, unwrap(w, WRAPPED, clv_buf_view(&wrapped), topic, NULL),
		       CLV_E_INVALID_ARGUMENT, "the ciphertext is invalid");
	wrapped.data[wrapped.len - 1] ^= 1;
	assert_ok(w, unwrap(w, WRAPPED, clv_buf_view(&wrapped), topic, dek));
	clv_secret_free(dek);
	clv_buf_done(&wrapped);
}

/* ---- wrapping anew */

static void rewrapped_dek_is_the_same_under_the_new_version(struct home_world *w)
{
	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(keys); i++) {
		struct clv_buf old = { 0 }, new = { 0 };
		struct clv_dek_rewrapped report;
		struct clv_secret *dek = NULL;

		generate(w, keys[i], 0, topic, &old, &dek);
		rotate(w, keys[i]);
		assert_ok(w, rewrap(w, keys[i], clv_buf_view(&old), topic, &new, &report));
		assert_false(report.unchanged);
		assert_string_equal(strrchr(report.from, '/'), "/1");
		assert_string_equal(strrchr(report.to, '/'), "/2");
		assert_ok(w, unwrap(w, keys[i], clv_buf_view(&old), topic, dek));
		disable(w, report.from);
		assert_ok(w, unwrap(w, keys[i], clv_buf_view(&new), topic, dek));
		assert_refused(w, unwrap(w, keys[i], clv_buf_view(&new), no_aad, NULL),
			       CLV_E_INVALID_ARGUMENT, "the ciphertext is invalid");
		clv_secret_free(dek);
		clv_buf_done(&old);
		clv_buf_done(&new);
	}
}

static void what_is_under_the_primary_version_stays_as_it_is(struct home_world *w)
{
	struct clv_dek_rewrapped report;
	struct clv_buf old = { 0 }, new = { 0 };

	world_open(w);
	generate(w, WRAPPED, 0, topic, &old, NULL);
	assert_ok(w, clv_buf_add(&new, "head", 4, &w->err));
	assert_ok(w, rewrap(w, WRAPPED, clv_buf_view(&old), topic, &new, &report));
	assert_true(report.unchanged);
	assert_string_equal(report.from, V1(WRAPPED));
	assert_string_equal(report.to, V1(WRAPPED));
	assert_int_equal(new.len, 4 + old.len);
	assert_memory_equal(new.data, "head", 4);
	assert_memory_equal(new.data + 4, old.data, old.len);
	clv_buf_done(&old);
	clv_buf_done(&new);
}

static void damage_is_seen_under_the_primary_version_too(struct home_world *w)
{
	struct clv_dek_rewrapped report;
	struct clv_buf old = { 0 }, out = { 0 };

	world_open(w);
	generate(w, WRAPPED, 0, topic, &old, NULL);
	for (int rotated = 0; rotated < 2; rotated++) {
		assert_refused(w, rewrap(w, WRAPPED, clv_buf_view(&old), no_aad, &out, &report),
			       CLV_E_INVALID_ARGUMENT, "the ciphertext is invalid");
		assert_refused(w, rewrap(w, TOKEN, clv_buf_view(&old), topic, &out, &report),
			       CLV_E_INVALID_ARGUMENT, "refers to the correct CryptoKey");
		for (size_t i = 0; i < old.len; i++) {
			old.data[i] ^= 0x10;
			assert_refused(w,
				       rewrap(w, WRAPPED, clv_buf_view(&old), topic, &out, &report),
				       CLV_E_INVALID_ARGUMENT, "the ciphertext is invalid");
			old.data[i] ^= 0x10;
		}
		rotate(w, rotated == 0 ? WRAPPED : TOKEN);
	}
	clv_buf_done(&old);
	clv_buf_done(&out);
}

static void rewrap_needs_both_versions_enabled(struct home_world *w)
{
	struct clv_switch_report report;
	struct clv_dek_rewrapped done;
	struct clv_buf old = { 0 }, out = { 0 };

	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(keys); i++) {
		char v1[CLV_NAME_MAX], v2[CLV_NAME_MAX];

		snprintf(v1, sizeof v1, "%s/cryptoKeyVersions/1", keys[i]);
		snprintf(v2, sizeof v2, "%s/cryptoKeyVersions/2", keys[i]);
		generate(w, keys[i], 0, no_aad, &old, NULL);
		rotate(w, keys[i]);
		disable(w, v1);
		assert_refused(w, rewrap(w, keys[i], clv_buf_view(&old), no_aad, &out, &done),
			       CLV_E_FAILED_PRECONDITION,
			       "/1 is not enabled, current state is: DISABLED.");
		assert_ok(w, clv_version_enable(w->ctx, NULL, v1, NULL, &report, &w->err));
		disable(w, v2);
		assert_refused(w, rewrap(w, keys[i], clv_buf_view(&old), no_aad, &out, &done),
			       CLV_E_FAILED_PRECONDITION,
			       "/2 is not enabled, current state is: DISABLED.");
		clv_buf_done(&old);
	}
	clv_buf_done(&out);
}

static void names_that_name_no_key_are_refused(struct home_world *w)
{
	struct clv_dek_rewrapped report;
	struct clv_buf old = { 0 }, out = { 0 };

	world_open(w);
	generate(w, WRAPPED, 0, no_aad, &old, NULL);
	assert_refused(w, rewrap(w, KEY("none"), clv_buf_view(&old), no_aad, &out, &report),
		       CLV_E_NOT_FOUND, "none");
	assert_refused(w, rewrap(w, V1(WRAPPED), clv_buf_view(&old), no_aad, &out, &report),
		       CLV_E_INVALID_ARGUMENT, "not the name of a CryptoKey");
	assert_refused(w, rewrap(w, WRAPPED, (struct clv_bytes){ 0 }, no_aad, &out, &report),
		       CLV_E_INVALID_ARGUMENT, "the ciphertext is invalid");
	clv_buf_done(&old);
	clv_buf_done(&out);
}

/* While the new wrapping is made, the old version cannot be switched off behind it. */
static void switch_both_off(struct home_world *w)
{
	static const char *const versions[] = { V1(WRAPPED), V2(WRAPPED) };

	inside = NULL;
	for (size_t i = 0; i < CLV_ARRAY_LEN(versions); i++) {
		struct clv_switch_report report;
		struct clv_err err;

		assert_int_equal(
			clv_version_disable(w->ctx, NULL, versions[i], NULL, &report, &err),
			CLV_E_DEADLINE_EXCEEDED);
	}
}

static void disabling_either_version_waits_for_a_rewrap(struct home_world *w)
{
	struct clv_dek_rewrapped report;
	struct clv_buf old = { 0 }, out = { 0 };

	w->deadline_ms = 200;
	world_open(w);
	generate(w, WRAPPED, 0, no_aad, &old, NULL);
	rotate(w, WRAPPED);
	inside = switch_both_off;
	inside_world = w;
	assert_ok(w, rewrap(w, WRAPPED, clv_buf_view(&old), no_aad, &out, &report));
	assert_null(inside); /* it was called */
	disable(w, V1(WRAPPED));
	disable(w, V2(WRAPPED));
	clv_buf_done(&old);
	clv_buf_done(&out);
}

/* ---- what is written down */

#define TO_DECRYPT "\"permission\":\"cloudkms.cryptoKeyVersions.useToDecrypt\""
#define TO_ENCRYPT "\"permission\":\"cloudkms.cryptoKeyVersions.useToEncrypt\""

static void rewrap_leaves_an_entry_for_each_question(struct home_world *w)
{
	struct clv_dek_rewrapped report;
	struct clv_buf old = { 0 }, out = { 0 };

	world_open(w);
	generate(w, WRAPPED, 0, no_aad, &old, NULL);
	assert_int_equal(world_log_count(w, TO_ENCRYPT, "\"version\":\"" V1(WRAPPED)), 1);
	assert_ok(w, rewrap(w, WRAPPED, clv_buf_view(&old), no_aad, &out, &report));
	assert_int_equal(world_log_count(w, TO_DECRYPT, "\"version\":\"" V1(WRAPPED)), 1);
	assert_int_equal(world_log_count(w, TO_ENCRYPT, "\"version\":\"" V1(WRAPPED)), 1);
	assert_int_equal(world_log_count(w, TO_ENCRYPT, "\"outcome\":\"OK\""), 2);
	rotate(w, WRAPPED);
	assert_ok(w, rewrap(w, WRAPPED, clv_buf_view(&old), no_aad, &out, &report));
	assert_int_equal(world_log_count(w, TO_DECRYPT, "\"version\":\"" V1(WRAPPED)), 2);
	assert_int_equal(world_log_count(w, TO_ENCRYPT, "\"version\":\"" V2(WRAPPED)), 1);
	old.data[old.len - 1] ^= 1;
	assert_int_equal(rewrap(w, WRAPPED, clv_buf_view(&old), no_aad, &out, &report),
			 CLV_E_INVALID_ARGUMENT);
	assert_int_equal(world_log_count(w, TO_DECRYPT, "\"outcome\":\"INVALID_ARGUMENT\""), 1);
	assert_int_equal(world_log_count(w, TO_ENCRYPT, "\"outcome\":\"INVALID_ARGUMENT\""), 1);
	clv_buf_done(&old);
	clv_buf_done(&out);
}

static void rewrap_needs_both_permissions(struct home_world *w)
{
	static const char *const permissions[] = { "cloudkms.cryptoKeyVersions.useToDecrypt",
						   "cloudkms.cryptoKeyVersions.useToEncrypt" };
	struct clv_dek_rewrapped report;
	struct clv_buf old = { 0 }, out = { 0 };

	world_open(w);
	generate(w, WRAPPED, 0, no_aad, &old, NULL);
	rotate(w, WRAPPED);
	for (size_t i = 0; i < CLV_ARRAY_LEN(permissions); i++) {
		size_t before = world_log_count_n(w, NULL, 0);

		denied = permissions[i];
		assert_refused(w, rewrap(w, WRAPPED, clv_buf_view(&old), no_aad, &out, &report),
			       CLV_E_PERMISSION_DENIED, permissions[i]);
		/* The first question denied, the second is not asked. */
		assert_int_equal(world_log_count_n(w, NULL, 0), before + 1 + i);
		denied = NULL;
	}
	assert_int_equal(world_log_count(w, TO_DECRYPT, "\"outcome\":\"PERMISSION_DENIED\""), 2);
	assert_int_equal(world_log_count(w, TO_ENCRYPT, "\"outcome\":\"PERMISSION_DENIED\""), 1);
	clv_buf_done(&old);
	clv_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(random_bytes_come_in_the_length_asked_for),
		home_test(random_bytes_of_another_length_or_place_are_refused),
		home_test(dek_has_the_length_asked_for_and_opens_to_itself),
		home_test(wrapped_dek_is_what_encrypt_makes),
		home_test(no_two_deks_are_the_same),
		home_test(dek_can_be_made_without_being_shown),
		home_test(dek_of_another_length_is_refused),
		home_test(dek_opens_with_its_aad_and_key_only),
		home_test(rewrapped_dek_is_the_same_under_the_new_version),
		home_test(what_is_under_the_primary_version_stays_as_it_is),
		home_test(damage_is_seen_under_the_primary_version_too),
		home_test(rewrap_needs_both_versions_enabled),
		home_test(names_that_name_no_key_are_refused),
		home_test(disabling_either_version_waits_for_a_rewrap),
		home_test(rewrap_leaves_an_entry_for_each_question),
		home_test(rewrap_needs_both_permissions),
	};

	return cmocka_run_group_tests_name("dek", tests, home_group_set_up, home_group_tear_down);
}
