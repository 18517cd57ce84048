/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that this project does without, and why. Include it last, behind all other headers: it
 * redefines names that the C library's headers declare.
 *
 * Where one of them is right after all, write CLV_BANNED_OK(name)(arguments) and say why beside
 * it; lint counts these and fails when the count grows unseen.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#define CLV_BANNED(func) sorry_##func##_is_banned_see_lib_base_banned_h

/* The parentheses keep the macro below from expanding. */
#define CLV_BANNED_OK(func) (func)

/* Takes a time that tells where the bytes differ. Secrets: clv_secret_equal(), CRYPTO_memcmp(). */
#undef memcmp
#define memcmp(a, b, n) CLV_BANNED(memcmp)

/* Write without knowing how much room there is. Use snprintf(), memcpy(), clv_buf_add(). */
#undef strcpy
#define strcpy(to, from) CLV_BANNED(strcpy)
#undef strcat
#define strcat(to, from) CLV_BANNED(strcat)
#undef sprintf
#define sprintf(...) CLV_BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) CLV_BANNED(vsprintf)
#undef gets
#define gets(to) CLV_BANNED(gets)

/* Can be foretold. Use RAND_bytes() or the token. */
#undef rand
#define rand() CLV_BANNED(rand)
#undef random
#define random() CLV_BANNED(random)

/* Fork once the PKCS#11 module is loaded, and go through a shell. */
#undef system
#define system(command) CLV_BANNED(system)
#undef popen
#define popen(command, mode) CLV_BANNED(popen)

/* A library takes its settings from its caller, not from the environment. */
#undef getenv
#define getenv(name) CLV_BANNED(getenv)

/* Answer in memory shared by all threads. Use gmtime_r(), clv_time_format(), strtok_r(),
 * strerror_r(). */
#undef gmtime
#define gmtime(when) CLV_BANNED(gmtime)
#undef localtime
#define localtime(when) CLV_BANNED(localtime)
#undef strtok
#define strtok(text, delimiters) CLV_BANNED(strtok)
#undef strerror
#define strerror(errnum) CLV_BANNED(strerror)

#endif
