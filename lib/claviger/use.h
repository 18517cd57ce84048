/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls that use a version have in common: bytes in, with their checksums, and what is
 * told of the bytes that come out. */
#ifndef CLAVIGER_USE_H
#define CLAVIGER_USE_H

#include <claviger/buf.h>
#include <claviger/crc32c.h>
#include <claviger/key.h>
#include <claviger/secret.h>

/*
 * Bytes that somebody sent, and the checksum that they had when he sent them. Borrowed for the
 * length of a call. A checksum that does not fit is CLV_E_INVALID_ARGUMENT, with Cloud KMS's text
 * "The checksum in field plaintext_crc32c did not match the data in field plaintext.".
 */
struct clv_input {
	struct clv_bytes bytes;
	bool has_crc32c; /* false: not checked */
	uint32_t crc32c;
};

/* What is told of a use beside its result. Plain data. */
struct clv_used {
	char version[CLV_NAME_MAX]; /* full name of the version that did it */
	enum clv_algorithm algorithm;
	enum clv_protection protection;
	uint32_t crc32c; /* of the bytes that came out */
};

#endif
