/* SPDX-License-Identifier: Apache-2.0 */
/* Documents as text, and their etags. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/quote.h"
#include "lib/policy/text.h"
#include "lib/base/banned.h"

#define ETAG_EMPTY "ACAB"
#define ETAG_BYTES 8
#define ETAG_LEN 12 /* characters: eight bytes in base64, padded */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static json_t *json_free(json_t *json)
{
	json_decref(json);
	return NULL;
}
CLV_DEFINE_AUTO(json_t, json_free);

static char *text_free(char *text)
{
	free(text);
	return NULL;
}
CLV_DEFINE_AUTO(char, text_free);

/* ---- etags */

/* The last group of eight bytes has two: its third and fourth characters follow from 16 bits. */
void policy_etag_format(int64_t row_version, char etag[POLICY_ETAG_MAX])
{
	const uint64_t number = (uint64_t) row_version;

	if (row_version <= 0) {
		memcpy(etag, ETAG_EMPTY, sizeof ETAG_EMPTY);
		return;
	}
	for (unsigned i = 0; i < 10; i++)
		etag[i] = alphabet[(number >> (58 - 6 * i)) & 63];
	etag[10] = alphabet[(number << 2) & 63];
	etag[11] = '=';
	etag[ETAG_LEN] = '\0';
}

/* Both alphabets of base64. */
static int digit_of(char c)
{
	const char *at;

	if (c == '-' || c == '_')
		c = c == '-' ? '+' : '/';
	at = c != '\0' ? strchr(alphabet, c) : NULL;
	return at != NULL ? (int) (at - alphabet) : -1;
}

int64_t policy_etag_parse(const char *etag)
{
	uint64_t number = 0;
	int digit;

	if (etag == NULL || etag[0] == '\0')
		return POLICY_ETAG_NONE;
	if (strcmp(etag, ETAG_EMPTY) == 0)
		return 0;
	if (strlen(etag) != ETAG_LEN || etag[ETAG_LEN - 1] != '=')
		return POLICY_ETAG_WRONG;
	for (unsigned i = 0; i < 10; i++) {
		digit = digit_of(etag[i]);
		if (digit < 0)
			return POLICY_ETAG_WRONG;
		number = number << 6 | (uint64_t) digit;
	}
	digit = digit_of(etag[10]);
	if (digit < 0 || (digit & 3) != 0 || number >> 59 != 0)
		return POLICY_ETAG_WRONG;
	number = number << 4 | (uint64_t) digit >> 2;
	return number != 0 ? (int64_t) number : POLICY_ETAG_WRONG;
}

/* ---- in and out */

static clv_rc load(struct clv_bytes written, json_t **ret_json, struct clv_err *err)
{
	char quoted[CLV_QUOTE_MAX];
	json_error_t error;
	json_t *json;

	if (written.len > POLICY_TEXT_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the document is too long: %zu bytes, at most %d", written.len,
				POLICY_TEXT_MAX);
	json = json_loadb((const char *) written.data, written.len, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the document is no JSON: line %d, column %d: %s", error.line,
				error.column, clv_quote(error.text, quoted));
	if (!json_is_object(json)) {
		json_decref(json);
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the document is no JSON object: it must begin with {");
	}
	*ret_json = json;
	return CLV_OK;
}

static clv_rc dump(const json_t *json, char **ret_text, struct clv_err *err)
{
	char *text = json_dumps(json, JSON_COMPACT);

	if (text == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a document");
	*ret_text = text;
	return CLV_OK;
}

clv_rc policy_text_read(struct clv_bytes written, char **ret_text, int64_t *ret_etag,
			struct clv_err *err)
{
	CLV_AUTO(json_free) json_t *json = NULL;
	const json_t *etag;
	int64_t row_version;

	CLV_TRY(load(written, &json, err));
	etag = json_object_get(json, "etag");
	if (etag != NULL && !json_is_string(etag))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "\"etag\" must be a string");
	row_version = policy_etag_parse(json_string_value(etag));
	json_object_del(json, "etag");
	CLV_TRY(dump(json, ret_text, err));
	*ret_etag = row_version;
	return CLV_OK;
}

clv_rc policy_text_write(const char *text, int64_t row_version, struct clv_buf *out,
			 struct clv_err *err)
{
	CLV_AUTO(json_free) json_t *json = NULL;
	CLV_AUTO(text_free) char *with_etag = NULL;
	const char *stored = text != NULL ? text : "{}";
	char etag[POLICY_ETAG_MAX];

	CLV_TRY(load((struct clv_bytes){ (const uint8_t *) stored, strlen(stored) }, &json, err));
	policy_etag_format(row_version, etag);
	if (json_object_set_new(json, "etag", json_string(etag)) != 0)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a document");
	CLV_TRY(dump(json, &with_etag, err));
	return clv_buf_add(out, with_etag, strlen(with_etag), err);
}

/* ---- what a change of bindings does */

/* Every member with its role and condition, as keys of an object. NULL: not to be read. */
static json_t *grants_of(const char *text)
{
	CLV_AUTO(json_free) json_t *json = json_loads(text != NULL ? text : "{}", 0, NULL);
	CLV_AUTO(json_free) json_t *grants = json_object();
	json_t *binding, *member;
	size_t i, j;

	json_array_foreach(json_object_get(json, "bindings"), i, binding)
	{
		json_array_foreach(json_object_get(binding, "members"), j, member)
		{
			json_t *grant = json_pack("[O?,O?,O]", json_object_get(binding, "role"),
						  json_object_get(binding, "condition"), member);
			char *key = grant != NULL ? json_dumps(grant, JSON_COMPACT | JSON_SORT_KEYS)
						  : NULL;
			bool put =
				key != NULL && json_object_set_new(grants, key, json_true()) == 0;

			free(key);
			json_decref(grant);
			if (!put)
				return NULL;
		}
	}
	return json_is_object(json) ? CLV_TAKE(grants) : NULL;
}

bool policy_text_only_removes(const char *before, const char *now)
{
	CLV_AUTO(json_free) json_t *old = grants_of(before);
	CLV_AUTO(json_free) json_t *new = grants_of(now);
	const char *key;
	json_t *value;

	if (old == NULL || new == NULL)
		return false;
	json_object_foreach(new, key, value)
	{
		if (json_object_get(old, key) == NULL)
			return false;
	}
	return true;
}
