/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading, initialising and rebuilding a PKCS#11 module. A module found dead is finalised and
 * initialised again: opening new sessions is not enough for network and remoted modules.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hsm/internal.h"

#define MODULE_PATH_MAX sizeof(((struct hsm_module *) NULL)->path)

/* All loaded modules of this process. The lock is held while one is loaded or unloaded. */
static struct {
	pthread_mutex_t lock;
	struct hsm_module *first;
	bool atfork;
} gl = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A child after fork() must not touch a module that its parent initialised. */
static _Atomic bool forked;

static void after_fork_in_child(void)
{
	atomic_store(&forked, true);
}

/* Refuses a file or folder that others than its owner, root and us can replace. */
static clv_rc check_owner(const char *path, bool is_file, struct clv_err *err)
{
	struct stat st;
	bool sticky;

	if (stat(path, &st) != 0)
		return clv_fail_errno(err, errno == ENOENT ? CLV_E_NOT_FOUND : CLV_E_UNAVAILABLE,
				      errno, "PKCS#11 module: %s", path);
	if (is_file && !S_ISREG(st.st_mode))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "PKCS#11 module: %s is not a file",
				path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"PKCS#11 module: %s belongs to user %u, neither root nor you", path,
				(unsigned) st.st_uid);
	sticky = !is_file && (st.st_mode & S_ISVTX) != 0;
	if ((st.st_mode & S_IWOTH) != 0 && !sticky)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"PKCS#11 module: %s can be written by everybody; fix its mode",
				path);
	if ((st.st_mode & S_IWGRP) != 0 && !sticky && st.st_gid != 0 && st.st_gid != getegid())
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"PKCS#11 module: %s can be written by group %u; fix its mode", path,
				(unsigned) st.st_gid);
	return CLV_OK;
}

/* A file and every folder above it: whoever can replace one can replace the module. */
static clv_rc check_chain(const char *path, struct clv_err *err)
{
	char part[MODULE_PATH_MAX];
	char *slash;

	memcpy(part, path, strlen(path) + 1);
	CLV_TRY(check_owner(part, true, err));
	while ((slash = strrchr(part, '/')) != NULL && slash != part) {
		*slash = '\0';
		CLV_TRY(check_owner(part, false, err));
	}
	return CLV_OK;
}

static clv_rc check_length(const char *path, struct clv_err *err)
{
	if (strlen(path) < MODULE_PATH_MAX)
		return CLV_OK;
	return clv_fail(err, CLV_E_INVALID_ARGUMENT, "PKCS#11 module: module-path is too long");
}

/*
 * The path as it is given, and what it is when all links are followed. The latter is what is
 * loaded, so that nobody can turn a link between the look and the loading.
 */
static clv_rc check_path(const char *path, char real[MODULE_PATH_MAX], struct clv_err *err)
{
	char *found;
	clv_rc rc;

	if (path[0] != '/')
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"PKCS#11 module: module-path must be absolute, not '%s'", path);
	CLV_TRY(check_length(path, err));
	CLV_TRY(check_chain(path, err));
	found = realpath(path, NULL);
	if (found == NULL)
		return clv_fail_errno(err, CLV_E_UNAVAILABLE, errno, "PKCS#11 module: %s", path);
	rc = check_length(found, err);
	if (rc == CLV_OK) {
		memcpy(real, found, strlen(found) + 1);
		rc = check_chain(real, err);
	}
	free(found);
	return rc;
}

static clv_rc initialise(struct hsm_module *module, struct clv_err *err)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	CK_RV rv;

	/* SoftHSM knows no other way to be told where its tokens are. Nothing secret in it. */
	if (module->conf[0] != '\0' && setenv("SOFTHSM2_CONF", module->conf, 1) != 0)
		return clv_fail_errno(err, CLV_E_RESOURCE_EXHAUSTED, errno, "SOFTHSM2_CONF");
	atomic_fetch_add(&module->inits,
			 1); /* whatever comes of it: what was open before is gone */
	rv = module->fn->C_Initialize(&args);
	if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
		return hsm_fail(err, "C_Initialize", rv);
	atomic_store(&module->up, true);
	return CLV_OK;
}

/* Its answer tells nothing: a dead module may well refuse. */
static void finalise(struct hsm_module *module)
{
	if (!hsm_libp11_unload(module))
		module->fn->C_Finalize(NULL);
}

static clv_rc open_module(struct hsm_module *module, struct clv_err *err)
{
	CK_RV (*get_list)(CK_FUNCTION_LIST * *list);
	CK_RV rv;

	module->dl = dlopen(module->path, RTLD_NOW | RTLD_LOCAL);
	if (module->dl == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"PKCS#11 module: %s cannot be loaded (%s)", module->path,
				dlerror());
	*(void **) &get_list = dlsym(module->dl, "C_GetFunctionList"); /* as POSIX has it */
	if (get_list == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"PKCS#11 module: %s has no C_GetFunctionList", module->path);
	rv = get_list(&module->fn);
	if (rv != CKR_OK)
		return hsm_fail(err, "C_GetFunctionList", rv);
	return initialise(module, err);
}

static void close_module(struct hsm_module *module)
{
	if (atomic_load(&module->up) && !atomic_load(&forked))
		finalise(module);
	if (module->dl != NULL)
		dlclose(module->dl);
	pthread_mutex_destroy(&module->rebuild);
	free(module);
}

static clv_rc load_locked(const char *given, const char *conf, struct hsm_module **ret_module,
			  struct clv_err *err)
{
	struct hsm_module *module;
	char path[MODULE_PATH_MAX];
	clv_rc rc;

	CLV_TRY(check_path(given, path, err));
	for (module = gl.first; module != NULL; module = module->next) {
		if (strcmp(module->path, path) != 0)
			continue;
		if (strcmp(module->conf, conf) != 0)
			return clv_fail(err, CLV_E_FAILED_PRECONDITION,
					"this process uses %s with another token folder (%s); "
					"use one process for each home",
					path, module->conf);
		module->refs++;
		*ret_module = module;
		return CLV_OK;
	}
	if (strlen(conf) >= sizeof module->conf)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the path of the token folder is too long");
	module = calloc(1, sizeof *module);
	if (module == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a PKCS#11 module");
	memcpy(module->path, path, strlen(path) + 1);
	memcpy(module->conf, conf, strlen(conf) + 1);
	pthread_mutex_init(&module->rebuild, NULL);
	module->refs = 1;
	rc = open_module(module, err);
	if (rc != CLV_OK) {
		close_module(module);
		return rc;
	}
	module->next = gl.first;
	gl.first = module;
	*ret_module = module;
	return CLV_OK;
}

clv_rc hsm_module_load(const char *path, const char *conf, struct hsm_module **ret_module,
		       struct clv_err *err)
{
	clv_rc rc;

	if (atomic_load(&forked))
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"a PKCS#11 module was loaded before fork(); exec a new process");
	pthread_mutex_lock(&gl.lock);
	if (!gl.atfork)
		gl.atfork = pthread_atfork(NULL, NULL, after_fork_in_child) == 0;
	rc = load_locked(path, conf, ret_module, err);
	pthread_mutex_unlock(&gl.lock);
	return rc;
}

struct hsm_module *hsm_module_release(struct hsm_module *module)
{
	struct hsm_module **link;

	if (module == NULL)
		return NULL;
	pthread_mutex_lock(&gl.lock);
	if (--module->refs == 0) {
		for (link = &gl.first; *link != module; link = &(*link)->next)
			;
		*link = module->next;
		close_module(module);
	}
	pthread_mutex_unlock(&gl.lock);
	return NULL;
}

clv_rc hsm_module_enter(struct hsm_module *module, struct clv_err *err)
{
	if (atomic_load(&forked))
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"the token was opened before fork(); open it in the child");
	atomic_fetch_add(&module->in_flight, 1);
	if (atomic_load(&module->up))
		return CLV_OK;
	atomic_fetch_sub(&module->in_flight, 1);
	return clv_fail(err, CLV_E_UNAVAILABLE, "the token is being connected again");
}

void hsm_module_leave(struct hsm_module *module)
{
	atomic_fetch_sub(&module->in_flight, 1);
}

static clv_rc rebuild_locked(struct hsm_module *module, struct clv_deadline deadline,
			     struct clv_err *err)
{
	unsigned pause_us = 0;

	atomic_store(&module->up, false);
	while (atomic_load(&module->in_flight) != 0) {
		if (!clv_backoff(deadline, &pause_us, 5000)) {
			atomic_store(&module->up, true);
			return clv_fail(err, CLV_E_UNAVAILABLE,
					"the token does not answer calls that are under way");
		}
	}
	finalise(module);
	return initialise(module, err);
}

clv_rc hsm_module_rebuild(struct hsm_module *module, uint64_t seen, struct clv_deadline deadline,
			  struct clv_err *err)
{
	clv_rc rc = CLV_OK;

	pthread_mutex_lock(&module->rebuild);
	if (atomic_load(&module->inits) == seen || !atomic_load(&module->up))
		rc = rebuild_locked(module, deadline, err);
	pthread_mutex_unlock(&module->rebuild);
	return rc;
}
