/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLAVIGER_CRC32C_H
#define CLAVIGER_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C (Castagnoli; RFC 3720 appendix B.4), the checksum of Cloud KMS's *Crc32c fields.
 * `crc` is 0 at the start, or the value of the bytes before these. Uses the processor's
 * instruction where there is one. Finds accidents, not attackers.
 */
uint32_t clv_crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
