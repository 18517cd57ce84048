/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fuzz target provides. fuzz_main.c replays its seeds in `make check`; with
 * --enable-fuzzing libFuzzer provides main() and the same program fuzzes, given a folder.
 */
#ifndef TESTS_SUPPORT_FUZZ_H
#define TESTS_SUPPORT_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Name of the folder in tests/fuzz/seeds. */
extern const char *const fuzz_seeds;

/* Tries one input. Anything wrong ends the process. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(): this must also hold in a build with NDEBUG. */
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
