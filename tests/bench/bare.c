/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM of a 32-byte DEK with 32 bytes of AAD, straight on the module. IVs come from the
 * token's C_GenerateRandom, drawn in advance for 85 operations at a time. The key is protected as
 * ours are: private, sensitive, not extractable.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <p11-kit/pkcs11.h>

#include "tests/bench/bare.h"

#define IV_LEN 12
#define TAG_LEN 16
#define DEK_LEN 32
#define IVS_AT_ONCE 85

/* What one thread works with; apart from the others' by more than a cache line. */
struct lane {
	CK_SESSION_HANDLE session;
	CK_BYTE ivs[IV_LEN * IVS_AT_ONCE];
	size_t iv_left; /* bytes of it not used yet */
	CK_BYTE iv[IV_LEN], aad[32], dek[DEK_LEN], sealed[DEK_LEN + TAG_LEN],
		opened[DEK_LEN + TAG_LEN];
	CK_BYTE known_iv[IV_LEN], known[DEK_LEN + TAG_LEN]; /* for decrypting */
	CK_BYTE blob[64];                                   /* for unwrapping */
	CK_ULONG blob_len;
	char apart[128];
};

struct bare {
	void *dl;
	CK_FUNCTION_LIST *fn;
	CK_SLOT_ID slot;
	CK_OBJECT_HANDLE key, kek;
	unsigned threads, filled;
	bool finalise; /* it was us who initialised the module */
	struct lane lane[BARE_THREADS_MAX];
};

static bool ok(const char *what, CK_RV rv)
{
	if (rv != CKR_OK)
		fprintf(stderr, "bare: %s: 0x%lx\n", what, rv);
	return rv == CKR_OK;
}

/* ---- the clock */

struct spin {
	bool (*step)(void *arg, unsigned thread);
	void *arg;
	pthread_barrier_t ready;
	_Atomic bool stop, failed;
};

struct spinner {
	struct spin *spin;
	unsigned thread;
	unsigned long steps;
	pthread_t id;
};

static void *spin_thread(void *arg)
{
	struct spinner *me = arg;
	struct spin *spin = me->spin;
	unsigned long steps = 0;

	pthread_barrier_wait(&spin->ready);
	while (!atomic_load_explicit(&spin->stop, memory_order_relaxed)) {
		if (!spin->step(spin->arg, me->thread)) {
			atomic_store(&spin->failed, true);
			break;
		}
		steps++;
	}
	me->steps = steps;
	return NULL;
}

static double seconds(bool of_cpu)
{
	struct timespec now;

	clock_gettime(of_cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

double bare_spin(unsigned threads, unsigned ms, bool of_cpu,
		 bool (*step)(void *arg, unsigned thread), void *arg)
{
	struct spin spin = { .step = step, .arg = arg };
	struct spinner spinner[BARE_THREADS_MAX] = { 0 };
	struct timespec nap = { .tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000 };
	unsigned long steps = 0;
	double begun, took;

	pthread_barrier_init(&spin.ready, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++) {
		spinner[i] = (struct spinner){ .spin = &spin, .thread = i };
		if (pthread_create(&spinner[i].id, NULL, spin_thread, &spinner[i]) != 0)
			abort(); /* the others wait at the barrier for ever */
	}
	pthread_barrier_wait(&spin.ready);
	begun = seconds(of_cpu);
	nanosleep(&nap, NULL);
	atomic_store(&spin.stop, true);
	took = seconds(of_cpu) - begun;
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(spinner[i].id, NULL);
		steps += spinner[i].steps;
	}
	pthread_barrier_destroy(&spin.ready);
	return atomic_load(&spin.failed) ? -1.0 : (double) steps / took;
}

/* ---- the token */

static bool load(struct bare *bare, const char *module)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	CK_RV (*get_list)(CK_FUNCTION_LIST * *list);
	CK_RV rv;

	bare->dl = dlopen(module, RTLD_NOW | RTLD_LOCAL);
	if (bare->dl == NULL) {
		fprintf(stderr, "bare: %s\n", dlerror());
		return false;
	}
	*(void **) &get_list = dlsym(bare->dl, "C_GetFunctionList");
	if (get_list == NULL || !ok("C_GetFunctionList", get_list(&bare->fn)))
		return false;
	rv = bare->fn->C_Initialize(&args);
	bare->finalise = rv == CKR_OK;
	return rv == CKR_CRYPTOKI_ALREADY_INITIALIZED || ok("C_Initialize", rv);
}

static bool find_slot(struct bare *bare, const char *label)
{
	CK_SLOT_ID slots[64];
	CK_ULONG n = sizeof slots / sizeof slots[0];
	CK_TOKEN_INFO info;
	size_t len = strlen(label);

	if (!ok("C_GetSlotList", bare->fn->C_GetSlotList(CK_TRUE, slots, &n)))
		return false;
	for (CK_ULONG i = 0; i < n; i++) {
		if (bare->fn->C_GetTokenInfo(slots[i], &info) != CKR_OK ||
		    memcmp(info.label, label, len) != 0 ||
		    (len < sizeof info.label && info.label[len] != ' '))
			continue;
		bare->slot = slots[i];
		return true;
	}
	fprintf(stderr, "bare: no token '%s'\n", label);
	return false;
}

static bool login(struct bare *bare, const char *pin_file)
{
	FILE *file = fopen(pin_file, "r");
	CK_BYTE pin[256];
	CK_ULONG len = file != NULL ? fread(pin, 1, sizeof pin, file) : 0;
	CK_RV rv;

	if (file != NULL)
		fclose(file);
	if (len == 0) {
		fprintf(stderr, "bare: no PIN in %s\n", pin_file);
		return false;
	}
	rv = bare->fn->C_Login(bare->lane[0].session, CKU_USER, pin, len);
	return rv == CKR_USER_ALREADY_LOGGED_IN || ok("C_Login", rv);
}

static bool make_key(struct bare *bare, struct lane *lane, bool token, bool extractable,
		     CK_OBJECT_HANDLE *ret_key)
{
	CK_MECHANISM mech = { CKM_AES_KEY_GEN, NULL, 0 };
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_BBOOL on_token = token ? CK_TRUE : CK_FALSE,
		 may_leave = extractable ? CK_TRUE : CK_FALSE;
	CK_ULONG len = 32;
	CK_ATTRIBUTE tpl[] = {
		{ CKA_TOKEN, &on_token, sizeof on_token },
		{ CKA_PRIVATE, &yes, sizeof yes },
		{ CKA_SENSITIVE, &yes, sizeof yes },
		{ CKA_EXTRACTABLE, &may_leave, sizeof may_leave },
		{ CKA_ENCRYPT, &yes, sizeof yes },
		{ CKA_DECRYPT, &yes, sizeof yes },
		{ CKA_WRAP, &yes, sizeof yes },
		{ CKA_UNWRAP, &yes, sizeof yes },
		{ CKA_SIGN, &no, sizeof no },
		{ CKA_VALUE_LEN, &len, sizeof len },
	};

	return ok("C_GenerateKey", bare->fn->C_GenerateKey(lane->session, &mech, tpl,
							   sizeof tpl / sizeof tpl[0], ret_key));
}

/* A key that is wrapped and gone; the blob is left in the lane. */
static bool make_blob(struct bare *bare, struct lane *lane)
{
	CK_MECHANISM mech = { CKM_AES_KEY_WRAP, NULL, 0 };
	CK_OBJECT_HANDLE key;

	lane->blob_len = sizeof lane->blob;
	return make_key(bare, lane, false, true, &key) &&
	       ok("C_WrapKey", bare->fn->C_WrapKey(lane->session, &mech, bare->kek, key, lane->blob,
						   &lane->blob_len)) &&
	       ok("C_DestroyObject", bare->fn->C_DestroyObject(lane->session, key));
}

static bool open_lanes(struct bare *bare, unsigned threads)
{
	for (unsigned i = 0; i < threads; i++) {
		struct lane *lane = &bare->lane[i];

		if (!ok("C_OpenSession",
			bare->fn->C_OpenSession(bare->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
						NULL, NULL, &lane->session)))
			return false;
		memset(lane->aad, 'a', sizeof lane->aad);
		memset(lane->dek, 'd', sizeof lane->dek);
		bare->threads++;
	}
	return true;
}

/* Something for each lane to decrypt and to unwrap. */
static bool seal_lanes(struct bare *bare)
{
	for (unsigned i = 0; i < bare->threads; i++) {
		if (!bare_encrypt(bare, i) || !make_blob(bare, &bare->lane[i]))
			return false;
		memcpy(bare->lane[i].known_iv, bare->lane[i].iv, sizeof bare->lane[i].iv);
		memcpy(bare->lane[i].known, bare->lane[i].sealed, sizeof bare->lane[i].sealed);
	}
	return true;
}

struct bare *bare_prepare(const char *module, const char *label, const char *pin_file,
			  unsigned threads)
{
	struct bare *bare = calloc(1, sizeof *bare);

	if (bare == NULL || threads > BARE_THREADS_MAX)
		abort();
	if (!load(bare, module) || !find_slot(bare, label) || !open_lanes(bare, threads) ||
	    !login(bare, pin_file) || !make_key(bare, bare->lane, false, false, &bare->key) ||
	    !make_key(bare, bare->lane, false, false, &bare->kek) || !seal_lanes(bare))
		return bare_done(bare);
	return bare;
}

struct bare *bare_done(struct bare *bare)
{
	if (bare == NULL)
		return NULL;
	while (bare->threads > 0)
		bare->fn->C_CloseSession(bare->lane[--bare->threads].session);
	if (bare->finalise)
		bare->fn->C_Finalize(NULL);
	if (bare->dl != NULL)
		dlclose(bare->dl);
	free(bare);
	return NULL;
}

bool bare_fill(struct bare *bare, unsigned total)
{
	CK_OBJECT_HANDLE key;

	for (; bare->filled < total; bare->filled++) {
		if (bare->filled > 0 && bare->filled % 500 == 0)
			fprintf(stderr, "bare: %u of %u objects\n", bare->filled, total);
		if (!make_key(bare, bare->lane, true, false, &key))
			return false;
	}
	return true;
}

/* ---- the loops */

static CK_GCM_PARAMS params_of(struct lane *lane, CK_BYTE *iv)
{
	return (CK_GCM_PARAMS){
		.pIv = iv,
		.ulIvLen = IV_LEN,
		.ulIvBits = IV_LEN * 8,
		.pAAD = lane->aad,
		.ulAADLen = sizeof lane->aad,
		.ulTagBits = TAG_LEN * 8,
	};
}

bool bare_encrypt(void *arg, unsigned thread)
{
	struct bare *bare = arg;
	struct lane *lane = &bare->lane[thread];
	CK_GCM_PARAMS params = params_of(lane, lane->iv);
	CK_MECHANISM mech = { CKM_AES_GCM, &params, sizeof params };
	CK_ULONG len = sizeof lane->sealed;

	if (lane->iv_left == 0) {
		if (!ok("C_GenerateRandom",
			bare->fn->C_GenerateRandom(lane->session, lane->ivs, sizeof lane->ivs)))
			return false;
		lane->iv_left = sizeof lane->ivs;
	}
	lane->iv_left -= IV_LEN;
	memcpy(lane->iv, lane->ivs + lane->iv_left, IV_LEN);
	return ok("C_EncryptInit", bare->fn->C_EncryptInit(lane->session, &mech, bare->key)) &&
	       ok("C_Encrypt", bare->fn->C_Encrypt(lane->session, lane->dek, sizeof lane->dek,
						   lane->sealed, &len));
}

bool bare_decrypt(void *arg, unsigned thread)
{
	struct bare *bare = arg;
	struct lane *lane = &bare->lane[thread];
	CK_GCM_PARAMS params = params_of(lane, lane->known_iv);
	CK_MECHANISM mech = { CKM_AES_GCM, &params, sizeof params };
	CK_ULONG len = sizeof lane->opened;

	return ok("C_DecryptInit", bare->fn->C_DecryptInit(lane->session, &mech, bare->key)) &&
	       ok("C_Decrypt", bare->fn->C_Decrypt(lane->session, lane->known, sizeof lane->known,
						   lane->opened, &len));
}

bool bare_create(void *arg, unsigned thread)
{
	struct bare *bare = arg;

	return make_blob(bare, &bare->lane[thread]);
}

bool bare_unwrap(void *arg, unsigned thread)
{
	struct bare *bare = arg;
	struct lane *lane = &bare->lane[thread];
	CK_MECHANISM mech = { CKM_AES_KEY_WRAP, NULL, 0 };
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ATTRIBUTE tpl[] = {
		{ CKA_CLASS, &class, sizeof class }, { CKA_KEY_TYPE, &type, sizeof type },
		{ CKA_TOKEN, &no, sizeof no },       { CKA_PRIVATE, &yes, sizeof yes },
		{ CKA_SENSITIVE, &yes, sizeof yes }, { CKA_EXTRACTABLE, &no, sizeof no },
		{ CKA_ENCRYPT, &yes, sizeof yes },   { CKA_DECRYPT, &yes, sizeof yes },
	};
	CK_OBJECT_HANDLE key;

	return ok("C_UnwrapKey",
		  bare->fn->C_UnwrapKey(lane->session, &mech, bare->kek, lane->blob, lane->blob_len,
					tpl, sizeof tpl / sizeof tpl[0], &key)) &&
	       ok("C_DestroyObject", bare->fn->C_DestroyObject(lane->session, key));
}
