/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loaded PKCS#11 module. One for each file and process, shared by all tokens behind it, because
 * C_Initialize and C_Finalize act on the whole process. The only caller of these two.
 */
#ifndef HSM_MODULE_H
#define HSM_MODULE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <p11-kit/pkcs11.h>

#include <claviger/err.h>

#include "lib/base/auto.h"
#include "lib/base/deadline.h"

/* Where p11-kit's header of this age has no name. */
#define HSM_CKM_AES_KEY_WRAP_KWP 0x210BUL

struct hsm_module {
	CK_FUNCTION_LIST *fn;
	void (*trace)(const char *name, CK_RV rv); /* debugging and tests; NULL: none */
	char path[256];
	char conf[256]; /* SoftHSM's configuration file, or empty */
	/* private to module.c */
	void *dl;
	void *libp11; /* libp11_view.c: its context, made when first needed */
	unsigned refs;
	_Atomic bool up;            /* initialised, and not being rebuilt */
	_Atomic unsigned in_flight; /* calls between enter and leave */
	_Atomic uint64_t inits;     /* how often C_Initialize was called */
	pthread_mutex_t rebuild;    /* one rebuild at a time; never held by those in flight */
	struct hsm_module *next;
};

/*
 * Loads and initialises the module, or takes another share of it when it is loaded. `conf`, when
 * not empty, is given to SoftHSM as its configuration file; one process can use one such file.
 * Shared: end with hsm_module_release().
 */
CLV_MUST_USE clv_rc hsm_module_load(const char *path, const char *conf,
				    struct hsm_module **ret_module, struct clv_err *err);

/* Gives a share back; the last one finalises and unloads. NULL is fine. Returns NULL. */
struct hsm_module *hsm_module_release(struct hsm_module *module);
CLV_DEFINE_AUTO(struct hsm_module, hsm_module_release);

/*
 * Every stretch of token calls stands between these two, so that a rebuild can wait for it.
 * Errors: CLV_E_UNAVAILABLE a rebuild is under way; CLV_E_FAILED_PRECONDITION after fork().
 */
CLV_MUST_USE clv_rc hsm_module_enter(struct hsm_module *module, struct clv_err *err);
void hsm_module_leave(struct hsm_module *module);

/*
 * Finalises and initialises again, once nobody is in flight. `seen` is the value of inits that the
 * caller found broken: when another thread has rebuilt since, there is nothing to do.
 */
CLV_MUST_USE clv_rc hsm_module_rebuild(struct hsm_module *module, uint64_t seen,
				       struct clv_deadline deadline, struct clv_err *err);

#endif
