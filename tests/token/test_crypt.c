/* SPDX-License-Identifier: Apache-2.0 */
/* Encrypting and decrypting on a real token: what comes back, and all that is refused. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <claviger/time.h>

#include "tests/support/home_world.h"

#define BITS 200 /* random bit flips of each ciphertext */
#define MARKER "Dear customer"

static const char *const keys[] = { WRAPPED, TOKEN };
static const struct clv_bytes no_aad;

static struct clv_bytes bytes_of(const char *text)
{
	return (struct clv_bytes){ (const uint8_t *) text, strlen(text) };
}

static clv_rc encrypt(struct home_world *w, const char *name, struct clv_bytes plaintext,
		      struct clv_bytes aad, struct clv_buf *ret)
{
	return clv_encrypt(w->ctx, NULL, name, plaintext, aad, ret, NULL, &w->err);
}

/* Decrypts and throws away; outputs must be untouched unless it worked. */
static clv_rc decrypt(struct home_world *w, const char *name, struct clv_bytes ciphertext,
		      struct clv_bytes aad)
{
	struct clv_secret *const untouched = (struct clv_secret *) w;
	struct clv_secret *plaintext = untouched;
	char version[CLV_NAME_MAX] = "untouched";
	clv_rc rc = clv_decrypt(w->ctx, NULL, name, ciphertext, aad, &plaintext, version, &w->err);

	if (rc == CLV_OK) {
		clv_secret_free(plaintext);
		return rc;
	}
	assert_ptr_equal(plaintext, untouched);
	assert_string_equal(version, "untouched");
	return rc;
}

/* ---- what works */

static void round_trip(struct home_world *w, const char *name, struct clv_bytes plaintext)
{
	struct clv_secret *back = NULL;
	struct clv_buf ciphertext = { 0 };
	char used[CLV_NAME_MAX], opened[CLV_NAME_MAX];

	assert_ok(w,
		  clv_encrypt(w->ctx, NULL, name, plaintext, no_aad, &ciphertext, used, &w->err));
	assert_ok(w, clv_decrypt(w->ctx, NULL, name, clv_buf_view(&ciphertext), no_aad, &back,
				 opened, &w->err));
	assert_int_equal(clv_secret_len(back), plaintext.len);
	if (plaintext.len > 0)
		assert_memory_equal(clv_secret_bytes(back), plaintext.data, plaintext.len);
	assert_string_equal(used, opened);
	assert_true(strncmp(used, name, strlen(name)) == 0);
	assert_string_equal(used + strlen(name), "/cryptoKeyVersions/1");
	assert_true(ciphertext.len > plaintext.len && ciphertext.len <= CLV_CIPHERTEXT_MAX);
	clv_secret_free(back);
	clv_buf_done(&ciphertext);
}

static void plaintexts_of_every_length_come_back(struct home_world *w)
{
	static const size_t lengths[] = {
		0, 1, 15, 16, 17, 32, 4096, CLV_PLAINTEXT_MAX - 1, CLV_PLAINTEXT_MAX
	};
	uint8_t *bytes = malloc(CLV_PLAINTEXT_MAX);

	assert_non_null(bytes);
	for (size_t i = 0; i < CLV_PLAINTEXT_MAX; i++)
		bytes[i] = (uint8_t) (i * 7 + i / 251);
	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		for (size_t i = 0; i < CLV_ARRAY_LEN(lengths); i++)
			round_trip(w, keys[k], (struct clv_bytes){ bytes, lengths[i] });
		round_trip(w, keys[k], (struct clv_bytes){ NULL, 0 });
	}
	free(bytes);
}

static void version_name_encrypts_too(struct home_world *w)
{
	struct clv_buf ciphertext = { 0 };
	char used[CLV_NAME_MAX];

	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		char name[CLV_NAME_MAX];

		snprintf(name, sizeof name, "%s/cryptoKeyVersions/1", keys[k]);
		assert_ok(w, clv_encrypt(w->ctx, NULL, name, bytes_of(MARKER), no_aad, &ciphertext,
					 used, &w->err));
		assert_string_equal(used, name);
		assert_ok(w, world_decrypt(w, keys[k], &ciphertext, MARKER));
		clv_buf_done(&ciphertext);
	}
}

static void ciphertext_is_appended_to_the_callers_buffer(struct home_world *w)
{
	struct clv_buf buf = { 0 };

	world_open(w);
	assert_ok(w, clv_buf_add(&buf, "head", 4, &w->err));
	assert_ok(w, encrypt(w, WRAPPED, bytes_of(MARKER), no_aad, &buf));
	assert_memory_equal(buf.data, "head", 4);
	assert_ok(w, decrypt(w, WRAPPED, (struct clv_bytes){ buf.data + 4, buf.len - 4 }, no_aad));
	clv_buf_done(&buf);
}

static void two_ciphertexts_of_one_plaintext_differ(struct home_world *w)
{
	struct clv_buf a = { 0 }, b = { 0 };

	world_open(w);
	assert_ok(w, world_encrypt(w, WRAPPED, MARKER, &a));
	assert_ok(w, world_encrypt(w, WRAPPED, MARKER, &b));
	assert_int_equal(a.len, b.len);
	assert_memory_not_equal(a.data, b.data, a.len);
	assert_null(memmem(a.data, a.len, MARKER, strlen(MARKER)));
	clv_buf_done(&a);
	clv_buf_done(&b);
}

/* Forked before the token is opened, as the library asks; waits for the ciphertexts. */
static void decrypt_what_comes(struct home_world *w, void *arg)
{
	const int *from = arg;
	uint8_t bytes[256];

	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		struct clv_buf ciphertext = { 0 };
		size_t len;

		assert_int_equal(read(*from, &len, sizeof len), sizeof len);
		assert_int_equal(read(*from, bytes, len), (ssize_t) len);
		assert_ok(w, clv_buf_add(&ciphertext, bytes, len, &w->err));
		assert_ok(w, world_decrypt(w, keys[k], &ciphertext, MARKER));
		clv_buf_done(&ciphertext);
	}
}

static void what_one_process_encrypts_another_decrypts(struct home_world *w)
{
	int ends[2];
	pid_t other;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	other = world_fork(w, decrypt_what_comes, &ends[0]);
	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		struct clv_buf out = { 0 };

		assert_ok(w, world_encrypt(w, keys[k], MARKER, &out));
		assert_int_equal(write(ends[1], &out.len, sizeof out.len), sizeof out.len);
		assert_int_equal(write(ends[1], out.data, out.len), (ssize_t) out.len);
		clv_buf_done(&out);
	}
	world_wait(other);
	close(ends[0]);
	close(ends[1]);
}

/* ---- limits */

static void what_is_too_long_is_an_invalid_argument(struct home_world *w)
{
	uint8_t *bytes = calloc(1, CLV_CIPHERTEXT_MAX + 1);
	struct clv_bytes long_text = { bytes, CLV_PLAINTEXT_MAX + 1 };
	struct clv_bytes long_aad = { bytes, CLV_AAD_MAX + 1 };
	struct clv_buf out = { 0 };

	world_open(w);
	assert_refused(w, encrypt(w, WRAPPED, long_text, no_aad, &out), CLV_E_INVALID_ARGUMENT,
		       "plaintext is too long: 65537 bytes, at most 65536");
	assert_refused(w, encrypt(w, WRAPPED, bytes_of(MARKER), long_aad, &out),
		       CLV_E_INVALID_ARGUMENT, "authenticated data is too long: 65537 bytes");
	assert_refused(
		w, decrypt(w, WRAPPED, (struct clv_bytes){ bytes, CLV_CIPHERTEXT_MAX + 1 }, no_aad),
		CLV_E_INVALID_ARGUMENT, "ciphertext is too long: 65793 bytes");
	assert_refused(w, decrypt(w, WRAPPED, bytes_of(MARKER), long_aad), CLV_E_INVALID_ARGUMENT,
		       "authenticated data is too long: 65537 bytes");
	assert_int_equal(out.len, 0);
	free(bytes);
}

/* ---- what it is bound to */

static void aad_must_be_the_same(struct home_world *w)
{
	static const char *const aads[] = { "", "a", "b", "aa", "topic=orders", "topic=order" };
	const size_t n = CLV_ARRAY_LEN(aads);
	struct clv_buf out = { 0 };

	world_open(w);
	for (size_t i = 0; i < 2 * n * n; i++) {
		const char *key = keys[i % 2];
		const char *mine = aads[i / 2 % n], *theirs = aads[i / 2 / n];

		assert_ok(w, encrypt(w, key, bytes_of(MARKER), bytes_of(mine), &out));
		if (mine == theirs)
			assert_ok(w, decrypt(w, key, clv_buf_view(&out), bytes_of(theirs)));
		else
			assert_refused(w, decrypt(w, key, clv_buf_view(&out), bytes_of(theirs)),
				       CLV_E_INVALID_ARGUMENT,
				       "Decryption failed: the ciphertext is invalid.");
		clv_buf_done(&out);
	}
}

static void aad_of_64_kib_is_bound(struct home_world *w)
{
	uint8_t *aad = calloc(1, CLV_AAD_MAX);
	struct clv_buf out = { 0 };

	world_open(w);
	assert_ok(w, encrypt(w, WRAPPED, no_aad, (struct clv_bytes){ aad, CLV_AAD_MAX }, &out));
	assert_ok(w,
		  decrypt(w, WRAPPED, clv_buf_view(&out), (struct clv_bytes){ aad, CLV_AAD_MAX }));
	aad[CLV_AAD_MAX - 1] = 1;
	assert_refused(
		w, decrypt(w, WRAPPED, clv_buf_view(&out), (struct clv_bytes){ aad, CLV_AAD_MAX }),
		CLV_E_INVALID_ARGUMENT, "the ciphertext is invalid");
	clv_buf_done(&out);
	free(aad);
}

#define ELSEWHERE PROJECT "/locations/global"

static void make_other_places(struct home_world *w)
{
	struct clv_location location;
	struct clv_key_ring ring;

	assert_ok(w,
		  clv_location_create_softhsm(w->ctx, NULL, ELSEWHERE, NULL, &location, &w->err));
	assert_ok(w, clv_key_ring_create(w->ctx, NULL, ELSEWHERE "/keyRings/r", &ring, &w->err));
	assert_ok(w, clv_key_ring_create(w->ctx, NULL, LOCATION "/keyRings/s", &ring, &w->err));
	assert_ok(w, world_new_key(w, KEY("other"), CLV_RESIDENCY_WRAPPED));
	assert_ok(w, world_new_key(w, LOCATION "/keyRings/s/cryptoKeys/wrapped",
				   CLV_RESIDENCY_WRAPPED));
	assert_ok(w, world_new_key(w, ELSEWHERE "/keyRings/r/cryptoKeys/wrapped",
				   CLV_RESIDENCY_WRAPPED));
	assert_ok(w,
		  world_new_key(w, ELSEWHERE "/keyRings/r/cryptoKeys/token", CLV_RESIDENCY_TOKEN));
}

static const char *const all_keys[] = { WRAPPED,
					TOKEN,
					KEY("other"),
					LOCATION "/keyRings/s/cryptoKeys/wrapped",
					ELSEWHERE "/keyRings/r/cryptoKeys/wrapped",
					ELSEWHERE "/keyRings/r/cryptoKeys/token" };

static void ciphertext_opens_under_no_other_key_ring_or_location(struct home_world *w)
{
	world_open(w);
	make_other_places(w);
	for (size_t from = 0; from < CLV_ARRAY_LEN(all_keys); from++) {
		struct clv_buf out = { 0 };

		assert_ok(w, world_encrypt(w, all_keys[from], MARKER, &out));
		for (size_t to = 0; to < CLV_ARRAY_LEN(all_keys); to++) {
			if (to == from)
				continue;
			assert_refused(
				w, decrypt(w, all_keys[to], clv_buf_view(&out), no_aad),
				CLV_E_INVALID_ARGUMENT,
				"Decryption failed: verify that 'name' refers to the correct "
				"CryptoKey.");
		}
		assert_ok(w, world_decrypt(w, all_keys[from], &out, MARKER));
		clv_buf_done(&out);
	}
}

/* What is remembered of one key must not serve another; there are more keys than a worker
 * remembers.
 */
static void keys_used_in_turns_stay_apart(struct home_world *w)
{
	world_open(w);
	make_other_places(w);
	for (unsigned turn = 0; turn < 3 * CLV_ARRAY_LEN(all_keys); turn++) {
		const char *name = all_keys[turn % CLV_ARRAY_LEN(all_keys)];
		struct clv_secret *back = NULL;
		struct clv_buf out = { 0 };
		char used[CLV_NAME_MAX], opened[CLV_NAME_MAX], version[CLV_NAME_MAX + 32];

		snprintf(version, sizeof version, "%s/cryptoKeyVersions/1", name);
		assert_ok(w, clv_encrypt(w->ctx, NULL, name, bytes_of(MARKER), no_aad, &out, used,
					 &w->err));
		assert_string_equal(used, version);
		assert_ok(w, clv_decrypt(w->ctx, NULL, name, clv_buf_view(&out), no_aad, &back,
					 opened, &w->err));
		assert_string_equal(opened, version);
		clv_secret_free(back);
		clv_buf_done(&out);
	}
}

/* The uid names the version; a ciphertext with another version's uid goes to that key. */
static void uid_of_another_version_does_not_open_it(struct home_world *w)
{
	struct clv_buf a = { 0 }, b = { 0 };

	world_open(w);
	assert_ok(w, world_encrypt(w, WRAPPED, MARKER, &a));
	assert_ok(w, world_encrypt(w, TOKEN, MARKER, &b));
	memcpy(a.data + 1, b.data + 1, CLV_UID_LEN);
	assert_refused(w, decrypt(w, TOKEN, clv_buf_view(&a), no_aad), CLV_E_INVALID_ARGUMENT,
		       "Decryption failed: the ciphertext is invalid.");
	clv_buf_done(&a);
	clv_buf_done(&b);
}

static void uid_of_no_version_is_an_invalid_ciphertext(struct home_world *w)
{
	struct clv_buf out = { 0 };

	world_open(w);
	assert_ok(w, world_encrypt(w, WRAPPED, MARKER, &out));
	memset(out.data + 1, 0, CLV_UID_LEN);
	assert_refused(w, decrypt(w, WRAPPED, clv_buf_view(&out), no_aad), CLV_E_INVALID_ARGUMENT,
		       "Decryption failed: the ciphertext is invalid.");
	assert_refused(w, decrypt(w, KEY("missing"), clv_buf_view(&out), no_aad), CLV_E_NOT_FOUND,
		       KEY("missing"));
	clv_buf_done(&out);
}

/* ---- damage */

static void assert_damaged(struct home_world *w, const char *key, struct clv_bytes ciphertext,
			   const char *how, unsigned at)
{
	clv_rc rc = decrypt(w, key, ciphertext, no_aad);

	if (rc != CLV_E_INVALID_ARGUMENT ||
	    strcmp(w->err.text, "Decryption failed: the ciphertext is invalid.") != 0)
		fail_msg("%s at %u: %s %s", how, at, clv_rc_name(rc), w->err.text);
}

static void every_truncation_is_refused(struct home_world *w)
{
	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		struct clv_buf out = { 0 };

		assert_ok(w, world_encrypt(w, keys[k], MARKER, &out));
		for (size_t len = 0; len < out.len; len++)
			assert_damaged(w, keys[k], (struct clv_bytes){ out.data, len }, "cut",
				       (unsigned) len);
		assert_ok(w, clv_buf_add(&out, "", 1, &w->err));
		assert_damaged(w, keys[k], clv_buf_view(&out), "longer", 0);
		clv_buf_done(&out);
	}
	assert_damaged(w, WRAPPED, (struct clv_bytes){ NULL, 0 }, "nothing", 0);
}

static void every_flipped_bit_is_refused(struct home_world *w)
{
	unsigned seed = world_env("CLAVIGER_SEED", (unsigned) clv_time_now());

	print_message("# seed %u\n", seed);
	world_open(w);
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		struct clv_buf out = { 0 };

		assert_ok(w, world_encrypt(w, keys[k], MARKER, &out));
		for (unsigned i = 0; i < BITS; i++) {
			unsigned bit = (unsigned) rand_r(&seed) % (unsigned) (8 * out.len);

			out.data[bit / 8] ^= (uint8_t) (1u << bit % 8);
			assert_damaged(w, keys[k], clv_buf_view(&out), "bit", bit);
			out.data[bit / 8] ^= (uint8_t) (1u << bit % 8);
		}
		assert_ok(w, world_decrypt(w, keys[k], &out, MARKER));
		clv_buf_done(&out);
	}
}

/* ---- names, and outputs of what failed */

static void names_that_name_no_key_are_refused(struct home_world *w)
{
	static const struct {
		const char *name;
		clv_rc encrypt, decrypt;
	} cases[] = {
		{ KEY("missing"), CLV_E_NOT_FOUND, CLV_E_NOT_FOUND },
		{ VERSION(WRAPPED), CLV_OK, CLV_E_INVALID_ARGUMENT },
		{ WRAPPED "/cryptoKeyVersions/2", CLV_E_NOT_FOUND, CLV_E_INVALID_ARGUMENT },
		{ LOCATION "/keyRings/none/cryptoKeys/wrapped", CLV_E_NOT_FOUND, CLV_E_NOT_FOUND },
		{ PROJECT "/locations/none/keyRings/r/cryptoKeys/wrapped", CLV_E_NOT_FOUND,
		  CLV_E_NOT_FOUND },
		{ "projects/other/locations/europe-west2/keyRings/r/cryptoKeys/wrapped",
		  CLV_E_NOT_FOUND, CLV_E_NOT_FOUND },
		{ RING, CLV_E_INVALID_ARGUMENT, CLV_E_INVALID_ARGUMENT },
		{ LOCATION, CLV_E_INVALID_ARGUMENT, CLV_E_INVALID_ARGUMENT },
		{ "wrapped", CLV_E_INVALID_ARGUMENT, CLV_E_INVALID_ARGUMENT },
		{ "", CLV_E_INVALID_ARGUMENT, CLV_E_INVALID_ARGUMENT },
	};
	struct clv_buf good = { 0 };

	world_open(w);
	assert_ok(w, world_encrypt(w, TOKEN, MARKER, &good));
	for (size_t i = 0; i < CLV_ARRAY_LEN(cases); i++) {
		struct clv_buf out = { 0 };
		clv_rc rc = world_encrypt(w, cases[i].name, MARKER, &out);

		if (rc != cases[i].encrypt || (rc != CLV_OK && out.len != 0))
			fail_msg("encrypt %s: %s", cases[i].name, clv_rc_name(rc));
		rc = world_decrypt(w, cases[i].name, &good, MARKER);
		if (rc != (cases[i].decrypt == CLV_OK ? CLV_E_INVALID_ARGUMENT : cases[i].decrypt))
			fail_msg("decrypt %s: %s", cases[i].name, clv_rc_name(rc));
		clv_buf_done(&out);
	}
	clv_buf_done(&good);
}

static void failed_encryption_leaves_its_outputs_alone(struct home_world *w)
{
	char version[CLV_NAME_MAX] = "untouched";
	struct clv_switch_report report;
	struct clv_buf out = { 0 };

	world_open(w);
	assert_ok(w, clv_buf_add(&out, "head", 4, &w->err));
	for (size_t k = 0; k < CLV_ARRAY_LEN(keys); k++) {
		char name[CLV_NAME_MAX];

		snprintf(name, sizeof name, "%s/cryptoKeyVersions/1", keys[k]);
		assert_ok(w, clv_version_disable(w->ctx, NULL, name, NULL, &report, &w->err));
		assert_int_equal(clv_encrypt(w->ctx, NULL, keys[k], bytes_of(MARKER), no_aad, &out,
					     version, &w->err),
				 CLV_E_FAILED_PRECONDITION);
		assert_int_equal(out.len, 4);
		assert_memory_equal(out.data, "head", 4);
		assert_string_equal(version, "untouched");
	}
	clv_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(plaintexts_of_every_length_come_back),
		home_test(version_name_encrypts_too),
		home_test(ciphertext_is_appended_to_the_callers_buffer),
		home_test(two_ciphertexts_of_one_plaintext_differ),
		home_test(what_one_process_encrypts_another_decrypts),
		home_test(what_is_too_long_is_an_invalid_argument),
		home_test(aad_must_be_the_same),
		home_test(aad_of_64_kib_is_bound),
		home_test(ciphertext_opens_under_no_other_key_ring_or_location),
		home_test(keys_used_in_turns_stay_apart),
		home_test(uid_of_another_version_does_not_open_it),
		home_test(uid_of_no_version_is_an_invalid_ciphertext),
		home_test(every_truncation_is_refused),
		home_test(every_flipped_bit_is_refused),
		home_test(names_that_name_no_key_are_refused),
		home_test(failed_encryption_leaves_its_outputs_alone),
	};
	return cmocka_run_group_tests_name("crypt", tests, home_group_set_up, home_group_tear_down);
}
