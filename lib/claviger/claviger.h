/* SPDX-License-Identifier: Apache-2.0 */
/* Everything of libclaviger. See claviger(7). */
#ifndef CLAVIGER_CLAVIGER_H
#define CLAVIGER_CLAVIGER_H

#include <claviger/asymmetric.h>
#include <claviger/buf.h>
#include <claviger/catalogue.h>
#include <claviger/crc32c.h>
#include <claviger/crypt.h>
#include <claviger/ctx.h>
#include <claviger/dek.h>
#include <claviger/err.h>
#include <claviger/hash.h>
#include <claviger/iam.h>
#include <claviger/import.h>
#include <claviger/key.h>
#include <claviger/mac.h>
#include <claviger/name.h>
#include <claviger/policy.h>
#include <claviger/raw.h>
#include <claviger/secret.h>
#include <claviger/status.h>
#include <claviger/time.h>
#include <claviger/token.h>
#include <claviger/use.h>

/* The version of the library in use, e.g. "1.2.3". Static. */
const char *clv_version_text(void);

#endif
