/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The EVP_PKEY view of an EC or RSA key on the token, by libp11. Only for what happens rarely: it
 * looks through all public keys of the token. Everything else speaks PKCS#11 itself.
 *
 * libp11 is loaded after our own C_Initialize and unloaded as the last act before the module goes,
 * because unloading it finalises the module for the whole process. It waits for ever when a session
 * cannot be opened, so it is asked only while we hold a working session.
 */
#include <string.h>

#include <libp11.h>
#include <openssl/evp.h>

#include "hsm/internal.h"

static PKCS11_CTX *context_of(struct hsm_module *module)
{
	PKCS11_CTX *ctx = module->libp11;

	if (ctx != NULL)
		return ctx;
	ctx = PKCS11_CTX_new();
	if (ctx != NULL && PKCS11_CTX_load(ctx, module->path) != 0) {
		PKCS11_CTX_free(ctx);
		ctx = NULL;
	}
	module->libp11 = ctx;
	return ctx;
}

static EVP_PKEY *key_of(PKCS11_SLOT *slot, const uint8_t id[HSM_ID_LEN])
{
	PKCS11_KEY *keys;
	unsigned n;

	if (slot == NULL || PKCS11_enumerate_public_keys(slot->token, &keys, &n) != 0)
		return NULL;
	for (unsigned i = 0; i < n; i++) {
		if (keys[i].id_len == HSM_ID_LEN && CRYPTO_memcmp(keys[i].id, id, HSM_ID_LEN) == 0)
			return PKCS11_get_public_key(&keys[i]);
	}
	return NULL;
}

static PKCS11_SLOT *slot_of(struct hsm *hsm, PKCS11_SLOT *slots, unsigned n)
{
	char serial[17];

	hsm_trim(serial, sizeof serial, hsm->info.serialNumber, sizeof hsm->info.serialNumber);
	for (unsigned i = 0; i < n; i++) {
		if (slots[i].token != NULL && slots[i].token->serialnr != NULL &&
		    strcmp(slots[i].token->serialnr, serial) == 0)
			return &slots[i];
	}
	return NULL;
}

static clv_rc pem_locked(struct hsm *hsm, const uint8_t id[HSM_ID_LEN], char ret_pem[CLV_PEM_MAX],
			 struct clv_err *err)
{
	PKCS11_CTX *ctx = context_of(hsm->module);
	PKCS11_SLOT *slots;
	unsigned n;
	EVP_PKEY *key;
	clv_rc rc;

	if (ctx == NULL || PKCS11_enumerate_slots(ctx, &slots, &n) != 0)
		return clv_fail(err, CLV_E_UNAVAILABLE, "libp11 cannot use the token");
	key = key_of(slot_of(hsm, slots, n), id);
	rc = key != NULL
		     ? hsm_public_pem(key, ret_pem, err)
		     : clv_fail(err, CLV_E_NOT_FOUND, "the token has no public key with this id");
	EVP_PKEY_free(key);
	PKCS11_release_all_slots(ctx, slots, n);
	return rc;
}

clv_rc hsm_libp11_public_pem(struct hsm *hsm, const uint8_t id[HSM_ID_LEN],
			     char ret_pem[CLV_PEM_MAX], struct clv_err *err)
{
	static pthread_mutex_t one_at_a_time =
		PTHREAD_MUTEX_INITIALIZER; /* libp11 has no lock of its own */
	clv_rc rc;

	pthread_mutex_lock(&one_at_a_time);
	rc = pem_locked(hsm, id, ret_pem, err);
	pthread_mutex_unlock(&one_at_a_time);
	return rc;
}

bool hsm_libp11_unload(struct hsm_module *module)
{
	if (module->libp11 == NULL)
		return false;
	PKCS11_CTX_unload(module->libp11);
	PKCS11_CTX_free(module->libp11);
	module->libp11 = NULL;
	return true;
}
