/* SPDX-License-Identifier: Apache-2.0 */
/* The plain form of clv_crc32c(), in reach of the test that compares the two. */
#ifndef BASE_CRC32C_IMPL_H
#define BASE_CRC32C_IMPL_H

#include <stddef.h>
#include <stdint.h>

/* As clv_crc32c(), without the processor's instruction. */
uint32_t clv_crc32c_table(uint32_t crc, const void *bytes, size_t len);

#endif
