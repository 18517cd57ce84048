/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#11 URIs and the PIN files they name: what is taken, and everything that is not. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/token_world.h"

#define GOOD "?module-path=/lib/m.so&pin-source=pin"

static const struct {
	const char *uri, *words;
} refused[] = {
	{ "", "not a PKCS#11 URI" },
	{ "garbage", "not a PKCS#11 URI" },
	{ "http://example.org/", "not a PKCS#11 URI" },
	{ "pkcs11:token", "not a PKCS#11 URI" },
	{ "pkcs11:token=%zz" GOOD, "not a PKCS#11 URI" },
	{ "pkcs11:token=t?pin-value=1234&module-path=/lib/m.so&pin-source=pin", "pin-value" },
	{ "pkcs11:token=t?pin-value=&module-path=/lib/m.so&pin-source=pin", "pin-value" },
	{ "pkcs11:token=t?pin-source=pin", "module-path" },
	{ "pkcs11:token=t?module-path=/lib/m.so", "pin-source" },
	{ "pkcs11:token=t?module-path=/lib/m.so&pin-source=%7Ccat%20pin", "commands are not run" },
	{ "pkcs11:token=t?module-path=/lib/m.so&pin-source=file:%7Ccat", "commands are not run" },
	{ "pkcs11:" GOOD, "name the token" },
	{ "pkcs11:token=" GOOD, "name the token" },
	{ "pkcs11:object=key;type=private" GOOD, "name the token" },
	{ "pkcs11:manufacturer=SoftHSM%20project" GOOD, "name the token" },
};

static void bad_uris_are_refused_and_the_part_is_named(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(refused); i++) {
		struct hsm_uri uri = { .label = "untouched" };
		struct clv_err err;
		clv_rc rc = hsm_uri_parse(refused[i].uri, "/home-of-it", &uri, &err);

		if (rc != CLV_E_INVALID_ARGUMENT || strstr(err.text, refused[i].words) == NULL)
			fail_msg("%s: %s: %s", refused[i].uri, clv_rc_name(rc), err.text);
		assert_string_equal(uri.label, "untouched");
		assert_null(strstr(err.text, "1234"));
	}
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	char uri[2048] = "pkcs11:token=t?pin-source=pin&module-path=/", *end = uri + strlen(uri);
	struct hsm_uri parsed;
	struct clv_err err;

	(void) state;
	memset(end, 'a', 400);
	assert_rc(hsm_uri_parse(uri, NULL, &parsed, &err), CLV_E_INVALID_ARGUMENT);
	snprintf(uri, sizeof uri, "pkcs11:token=t?module-path=/m&pin-source=/");
	end = uri + strlen(uri);
	memset(end, 'a', 800);
	assert_rc(hsm_uri_parse(uri, NULL, &parsed, &err), CLV_E_INVALID_ARGUMENT);
}

static const struct {
	const char *uri, *base, *label, *serial, *pin_source;
} taken[] = {
	{ "pkcs11:token=t" GOOD, "/b", "t", "", "/b/pin" },
	{ "pkcs11:serial=0123" GOOD, NULL, "", "0123", "pin" },
	{ "pkcs11:token=a%20b;serial=9" GOOD, "/b", "a b", "9", "/b/pin" },
	{ "pkcs11:token=t?module-path=/lib/m.so&pin-source=/etc/pin", "/b", "t", "", "/etc/pin" },
	{ "pkcs11:token=t?module-path=/lib/m.so&pin-source=file:/etc/pin", "/b", "t", "",
	  "/etc/pin" },
	{ "pkcs11:token=t?module-path=/lib/m.so&pin-source=file:///etc/pin", "/b", "t", "",
	  "/etc/pin" },
	{ "pkcs11:token=t?module-path=/lib/m.so&pin-source=file:pin", "/b", "t", "", "/b/pin" },
};

static void good_uris_are_taken_apart(void **state)
{
	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(taken); i++) {
		struct hsm_uri uri;
		struct clv_err err;

		if (hsm_uri_parse(taken[i].uri, taken[i].base, &uri, &err) != CLV_OK)
			fail_msg("%s: %s", taken[i].uri, err.text);
		assert_string_equal(uri.label, taken[i].label);
		assert_string_equal(uri.serial, taken[i].serial);
		assert_string_equal(uri.pin_source, taken[i].pin_source);
		assert_string_equal(uri.module_path, "/lib/m.so");
	}
}

/* ---- PIN files ---- */

static void pin_path(const struct world *w, char path[300])
{
	snprintf(path, 300, "%s/a-pin", w->dir);
}

static clv_rc read_pin(struct world *w, const char *text, size_t len, mode_t mode,
		       struct clv_secret **pin)
{
	struct hsm_pin_mark mark;
	char path[300];
	int fd;

	pin_path(w, path);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return hsm_pin_read(path, pin, &mark, &w->err);
}

static void check_pin(struct world *w, const char *text, const char *want)
{
	struct clv_secret *pin = NULL;

	assert_ok(w, read_pin(w, text, strlen(text), 0600, &pin));
	assert_int_equal(clv_secret_len(pin), strlen(want));
	assert_memory_equal(clv_secret_bytes(pin), want, strlen(want));
	clv_secret_free(pin);
}

static void one_final_newline_is_not_part_of_the_pin(void **state)
{
	check_pin(*state, "1234", "1234");
	check_pin(*state, "1234\n", "1234");
	check_pin(*state, "1234\n\n", "1234\n");
	check_pin(*state, " 12 34 ", " 12 34 ");
	check_pin(*state, "12\n34", "12\n34");
}

static void a_pin_file_that_others_can_read_is_refused(void **state)
{
	static const mode_t modes[] = { 0644, 0640, 0604, 0620, 0602, 0610, 0601, 0777 };
	struct clv_secret *pin = NULL;

	for (size_t i = 0; i < CLV_ARRAY_LEN(modes); i++)
		assert_refused((struct world *) *state, read_pin(*state, "1234", 4, modes[i], &pin),
			       CLV_E_INVALID_ARGUMENT, "0600");
	assert_null(pin);
}

static void an_empty_pin_is_refused(void **state)
{
	struct clv_secret *pin = NULL;

	assert_refused((struct world *) *state, read_pin(*state, "", 0, 0600, &pin),
		       CLV_E_INVALID_ARGUMENT, "empty");
	assert_refused((struct world *) *state, read_pin(*state, "\n", 1, 0600, &pin),
		       CLV_E_INVALID_ARGUMENT, "empty");
}

static void a_pin_that_is_too_long_is_refused(void **state)
{
	struct clv_secret *pin = NULL;
	char text[400];

	memset(text, '7', sizeof text);
	assert_ok((struct world *) *state, read_pin(*state, text, 256, 0600, &pin));
	assert_int_equal(clv_secret_len(pin), 256);
	pin = clv_secret_free(pin);
	for (size_t len = 258; len < sizeof text; len += 20)
		assert_refused((struct world *) *state, read_pin(*state, text, len, 0600, &pin),
			       CLV_E_INVALID_ARGUMENT, "more than");
}

static void a_folder_or_nothing_is_no_pin_file(void **state)
{
	struct world *w = *state;
	struct clv_secret *pin = NULL;
	struct hsm_pin_mark mark;

	assert_refused(w, hsm_pin_read(w->dir, &pin, &mark, &w->err), CLV_E_INVALID_ARGUMENT,
		       "folder");
	assert_refused(w, hsm_pin_read("/nowhere/pin", &pin, &mark, &w->err), CLV_E_UNAVAILABLE,
		       "PIN file");
}

/* ---- which token ---- */

static void set_uri(struct world *w, const char *token)
{
	snprintf(w->uri, sizeof w->uri,
		 "pkcs11:%s?module-path=%s&pin-source=pins/user.pin&x-softhsm2-conf=softhsm/"
		 "softhsm2.conf",
		 token, CLV_TEST_SHIM);
}

static void a_token_is_found_by_label_or_serial(void **state)
{
	struct world *w = *state;
	char serial[17], by_serial[40];

	set_uri(w, "token=claviger%20test");
	world_open(w);
	hsm_trim(serial, sizeof serial, w->hsm->info.serialNumber, 16);
	world_close(w);
	snprintf(by_serial, sizeof by_serial, "serial=%s", serial);
	set_uri(w, by_serial);
	world_open(w);
	world_close(w);
	set_uri(w, "token=another");
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_NOT_FOUND, "another");
	set_uri(w, "token=claviger%20test;serial=0000");
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_NOT_FOUND, "0000");
	set_uri(w, "token=claviger");
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_NOT_FOUND, "claviger");
}

static void two_tokens_with_one_label_have_to_be_told_apart(void **state)
{
	struct world *w = *state;
	char uri[CLV_URI_MAX];

	assert_ok(w, hsm_softhsm_create(grant(), CLV_TEST_SHIM, w->dir, w->state, "claviger test",
					"twin", uri, &w->err));
	set_uri(w, "token=claviger%20test");
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_INVALID_ARGUMENT, "serial");
	snprintf(w->uri, sizeof w->uri, "%s", uri);
	world_open(w);
}

int main(void)
{
	static const struct world_options closed = { .closed = true };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_uris_are_refused_and_the_part_is_named),
		cmocka_unit_test(a_path_that_is_too_long_is_refused),
		cmocka_unit_test(good_uris_are_taken_apart),
		token_test_with(one_final_newline_is_not_part_of_the_pin, &closed),
		token_test_with(a_pin_file_that_others_can_read_is_refused, &closed),
		token_test_with(an_empty_pin_is_refused, &closed),
		token_test_with(a_pin_that_is_too_long_is_refused, &closed),
		token_test_with(a_folder_or_nothing_is_no_pin_file, &closed),
		token_test_with(a_token_is_found_by_label_or_serial, &closed),
		token_test_with(two_tokens_with_one_label_have_to_be_told_apart, &closed),
	};

	return TOKEN_MAIN("hsm: URIs and PIN files", tests);
}
