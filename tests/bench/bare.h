/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare PKCS#11 loop that ours is compared with. bare.c knows no header, type or function of
 * ours: what it does is what a program would do that has nothing but the module.
 *
 * Failures say why on stderr.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stdbool.h>

#define BARE_THREADS_MAX 8

/* A token logged in to, with a session for each thread and one session key for all of them. */
struct bare;

/*
 * Copes with a module that this process has initialised and logged in to already, and leaves it so.
 * NULL: did not work. The caller ends it with bare_done().
 */
struct bare *bare_prepare(const char *module, const char *label, const char *pin_file,
			  unsigned threads);
struct bare *bare_done(struct bare *bare); /* NULL is fine; returns NULL */

/* One operation of one thread. `bare` is a struct bare. False: it failed. */
bool bare_encrypt(void *bare, unsigned thread); /* C_EncryptInit + C_Encrypt */
bool bare_decrypt(void *bare, unsigned thread); /* C_DecryptInit + C_Decrypt */
bool bare_unwrap(void *bare, unsigned thread);  /* C_UnwrapKey + C_DestroyObject */
bool bare_create(void *bare, unsigned thread);  /* C_GenerateKey + C_WrapKey + C_DestroyObject */

/* Makes token objects (AES keys of nobody) until there are `total` of this struct bare's. */
bool bare_fill(struct bare *bare, unsigned total);

/*
 * The clock of both sides: repeats `step` in T threads for N ms. Returns steps a second, all
 * threads together, or with `of_cpu` a second of processor time; negative when one failed.
 */
double bare_spin(unsigned threads, unsigned ms, bool of_cpu,
		 bool (*step)(void *arg, unsigned thread), void *arg);

#endif
