/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a module: what is not one, whose it may be, and what a child may do with it. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "tests/support/token_world.h"

static void set_module(struct world *w, const char *path)
{
	snprintf(w->uri, sizeof w->uri,
		 "pkcs11:token=claviger%%20test?module-path=%s&pin-source=pins/user.pin"
		 "&x-softhsm2-conf=softhsm/softhsm2.conf",
		 path);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fchmod(fileno(file), mode), 0);
	assert_int_equal(fclose(file), 0);
}

static void copy_module(const char *to, mode_t mode)
{
	FILE *in = fopen(CLV_TEST_TOKEN_MODULE, "r"), *out = fopen(to, "w");
	char bytes[65536];
	size_t n;

	assert_non_null(in);
	assert_non_null(out);
	while ((n = fread(bytes, 1, sizeof bytes, in)) > 0)
		assert_int_equal(fwrite(bytes, 1, n, out), n);
	assert_int_equal(fchmod(fileno(out), mode), 0);
	fclose(in);
	assert_int_equal(fclose(out), 0);
}

static void what_is_no_module_is_refused(void **state)
{
	struct world *w = *state;
	char path[300];

	set_module(w, "libsofthsm2.so");
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_INVALID_ARGUMENT, "absolute");
	set_module(w, "/nowhere/libnothing.so");
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_NOT_FOUND, "libnothing");
	set_module(w, w->dir);
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_INVALID_ARGUMENT, "not a file");
	snprintf(path, sizeof path, "%s/text.so", w->dir);
	write_file(path, "this is no library", 0755);
	set_module(w, path);
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_INVALID_ARGUMENT, "cannot be loaded");
}

static void a_library_without_a_function_list_is_refused(void **state)
{
	struct world *w = *state;
	Dl_info crypto;

	assert_int_not_equal(dladdr((void *) (uintptr_t) OPENSSL_cleanse, &crypto), 0);
	set_module(w, crypto.dli_fname);
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_INVALID_ARGUMENT, "C_GetFunctionList");
}

static void a_module_that_everybody_can_write_is_refused(void **state)
{
	struct world *w = *state;
	char path[300];

	snprintf(path, sizeof path, "%s/module.so", w->dir);
	copy_module(path, 0777);
	set_module(w, path);
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_INVALID_ARGUMENT,
		       "written by everybody");
	assert_int_equal(chmod(path, 0755), 0);
	world_open(w);
}

static void a_module_in_a_folder_that_everybody_can_write_is_refused(void **state)
{
	struct world *w = *state;
	char dir[300], path[320];

	snprintf(dir, sizeof dir, "%s/open", w->dir);
	snprintf(path, sizeof path, "%s/module.so", dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	copy_module(path, 0755);
	set_module(w, path);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_INVALID_ARGUMENT,
		       "written by everybody");
	assert_int_equal(chmod(dir, 01777), 0); /* sticky: nobody else can replace it */
	world_open(w);
}

static void a_link_into_such_a_folder_is_refused_as_well(void **state)
{
	struct world *w = *state;
	char dir[300], path[320], link_path[300];

	snprintf(dir, sizeof dir, "%s/open", w->dir);
	snprintf(path, sizeof path, "%s/module.so", dir);
	snprintf(link_path, sizeof link_path, "%s/link.so", w->dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	copy_module(path, 0755);
	assert_int_equal(symlink(path, link_path), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	set_module(w, link_path);
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_INVALID_ARGUMENT,
		       "written by everybody");
}

static void somebody_elses_module_is_refused(void **state)
{
	struct world *w = *state;
	char path[300];

	snprintf(path, sizeof path, "%s/module.so", w->dir);
	copy_module(path, 0755);
	if (chown(path, 12345, (gid_t) -1) != 0) {
		assert_int_equal(errno, EPERM);
		return; /* only root can give a file away: there is nothing to try */
	}
	set_module(w, path);
	assert_refused(w, world_try_open(w, &w->hsm), CLV_E_INVALID_ARGUMENT,
		       "neither root nor you");
}

static void one_process_uses_one_token_folder(void **state)
{
	struct world *w = *state;
	struct hsm_options options = { .uri = w->uri };
	struct hsm *other = NULL;

	snprintf(w->uri, sizeof w->uri,
		 "pkcs11:token=claviger%%20test?module-path=%s&pin-source=pins/user.pin"
		 "&x-softhsm2-conf=elsewhere/softhsm2.conf",
		 CLV_TEST_SHIM);
	assert_int_equal(chdir(w->dir), 0);
	assert_refused(w, hsm_open(&options, &other, &w->err), CLV_E_FAILED_PRECONDITION,
		       "one process");
	assert_null(other);
	/* and a home's token folder is the home's own */
	assert_refused(w, world_try_open(w, &other), CLV_E_INVALID_ARGUMENT, "a home made itself");
	assert_null(other);
	assert_ok(w, hsm_ping(w->hsm, &w->err));
}

static void a_token_can_be_opened_twice(void **state)
{
	struct world *w = *state;
	struct hsm *again = NULL;

	assert_ok(w, world_try_open(w, &again));
	assert_ok(w, hsm_ping(again, &w->err));
	hsm_close(again);
	assert_ok(w, hsm_ping(w->hsm, &w->err));
}

/* ---- after fork() ---- */

static int try_all_in_child(struct world *w, struct sealed *sealed)
{
	struct hsm_blob blob;
	struct hsm *other = NULL;

	if (world_unseal(w, &w->version, sealed, "text", &w->err) != CLV_E_FAILED_PRECONDITION)
		return 1;
	if (hsm_ping(w->hsm, &w->err) != CLV_E_FAILED_PRECONDITION)
		return 2;
	if (hsm_key_generate(w->hsm, grant(), HSM_ROLE_VERSION, &w->ring, &blob, &w->err) !=
	    CLV_E_FAILED_PRECONDITION)
		return 3;
	if (world_try_open(w, &other) != CLV_E_FAILED_PRECONDITION || other != NULL)
		return 4;
	hsm_key_evict(w->hsm, w->version.id);
	return 0;
}

static void a_child_is_refused_and_the_parent_works_on(void **state)
{
	struct world *w = *state;
	struct sealed sealed;
	unsigned before;
	int status;
	pid_t pid;

	world_seal(w, &w->version, "text", &sealed);
	before = w->shim->calls(SHIM_ANY);
	pid = fork();
	if (pid == 0) {
		int bad = try_all_in_child(w, &sealed);

		_exit(bad != 0 ? bad : w->shim->calls(SHIM_ANY) == before ? 0 : 5);
	}
	status = world_wait_child(pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_ok(w, world_unseal(w, &w->version, &sealed, "text", &w->err));
}

int main(void)
{
	static const struct world_options closed = { .closed = true };
	const struct CMUnitTest tests[] = {
		token_test_with(what_is_no_module_is_refused, &closed),
		token_test_with(a_library_without_a_function_list_is_refused, &closed),
		token_test_with(a_module_that_everybody_can_write_is_refused, &closed),
		token_test_with(a_module_in_a_folder_that_everybody_can_write_is_refused, &closed),
		token_test_with(a_link_into_such_a_folder_is_refused_as_well, &closed),
		token_test_with(somebody_elses_module_is_refused, &closed),
		token_test(one_process_uses_one_token_folder),
		token_test(a_token_can_be_opened_twice),
		token_test(a_child_is_refused_and_the_parent_works_on),
	};

	return TOKEN_MAIN("hsm: modules", tests);
}
