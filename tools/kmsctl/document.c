/* SPDX-License-Identifier: Apache-2.0 */
/* JSON documents between files, the library and standard output. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/common/file.h"
#include "tools/kmsctl/iam.h"

#define TRIES 12 /* of a read-modify-write: some two seconds in all */

static clv_rc load(const struct clv_buf *text, const char *what, json_t **ret_json,
		   struct clv_err *err)
{
	json_error_t error;
	json_t *json =
		json_loadb((const char *) text->data, text->len, JSON_REJECT_DUPLICATES, &error);

	if (json == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the %s is no JSON: line %d, column %d: %.120s", what, error.line,
				error.column, error.text);
	*ret_json = json;
	return CLV_OK;
}

clv_rc kms_read_json(const char *path, const char *what, json_t **ret_json, struct clv_err *err)
{
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };
	json_t *json = NULL;

	CLV_TRY(kms_read_file(path, what, KMS_DOCUMENT_MAX, &text, err));
	CLV_TRY(load(&text, what, &json, err));
	if (!json_is_object(json)) {
		json_decref(json);
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the %s is no JSON object: it must begin with {", what);
	}
	*ret_json = json;
	return CLV_OK;
}

clv_rc kms_load_json(const struct clv_buf *text, json_t **ret_json, struct clv_err *err)
{
	struct clv_err why;

	if (load(text, "answer", ret_json, &why) == CLV_OK)
		return CLV_OK;
	return clv_fail(err, CLV_E_INTERNAL, "%.300s", why.text);
}

clv_rc kms_dump_json(const json_t *json, char **ret_text, struct clv_err *err)
{
	char *text = json_dumps(json, JSON_COMPACT);

	if (text == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a document");
	*ret_text = text;
	return CLV_OK;
}

/* From 2 ms on, each twice as long up to half a second, and of two that meet not both the same. */
bool kms_try_again(unsigned *tries)
{
	struct timespec pause = { .tv_nsec = 500000000 };

	if (++*tries >= TRIES)
		return false;
	if (*tries < 9)
		pause.tv_nsec = (2000000L << *tries) / 2;
	pause.tv_nsec += (long) (getpid() % 97) * 20000;
	nanosleep(&pause, NULL);
	return true;
}
