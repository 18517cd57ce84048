/* SPDX-License-Identifier: Apache-2.0 */
/* Import methods as rows, and when a job ends. Not for wrapping: lib/envelope/import.c does. */
#include "lib/base/auto.h"
#include "lib/model/import.h"

#include "lib/base/banned.h"

static const struct model_import_method table[] = {
	{ CLV_IMPORT_RSA_OAEP_3072_SHA1_AES_256, 3072, CLV_HASH_SHA1, true },
	{ CLV_IMPORT_RSA_OAEP_4096_SHA1_AES_256, 4096, CLV_HASH_SHA1, true },
	{ CLV_IMPORT_RSA_OAEP_3072_SHA256_AES_256, 3072, CLV_HASH_SHA256, true },
	{ CLV_IMPORT_RSA_OAEP_4096_SHA256_AES_256, 4096, CLV_HASH_SHA256, true },
	{ CLV_IMPORT_RSA_OAEP_3072_SHA256, 3072, CLV_HASH_SHA256, false },
	{ CLV_IMPORT_RSA_OAEP_4096_SHA256, 4096, CLV_HASH_SHA256, false },
};

const struct model_import_method *model_import_method_get(enum clv_import_method method)
{
	for (size_t i = 0; i < CLV_ARRAY_LEN(table); i++) {
		if (table[i].method == method)
			return &table[i];
	}
	return NULL;
}

enum clv_import_state model_import_state(enum clv_import_state stored, int64_t expire_time,
					 int64_t now)
{
	return stored == CLV_IMPORT_ACTIVE && now >= expire_time ? CLV_IMPORT_EXPIRED : stored;
}

static const char *name_at(const char *const *names, size_t n, unsigned number)
{
	return number < n && names[number] != NULL ? names[number] : "UNKNOWN";
}

const char *clv_import_method_name(enum clv_import_method method)
{
#define NAME_ROW(name, number) [number] = #name,
	static const char *const names[] = { CLV_IMPORT_METHOD_LIST(NAME_ROW) };
#undef NAME_ROW

	return name_at(names, CLV_ARRAY_LEN(names), method);
}

const char *clv_import_state_name(enum clv_import_state state)
{
	static const char *const names[] = {
		[CLV_IMPORT_PENDING_GENERATION] = "PENDING_GENERATION",
		[CLV_IMPORT_ACTIVE] = "ACTIVE",
		[CLV_IMPORT_EXPIRED] = "EXPIRED",
	};

	return name_at(names, CLV_ARRAY_LEN(names), state);
}
