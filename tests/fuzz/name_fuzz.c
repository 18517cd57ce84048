/* SPDX-License-Identifier: Apache-2.0 */
/* A name that parses is written back as it was; a refusal says something printable. */
#include <string.h>

#include <claviger/name.h>

#include "tests/support/fuzz.h"

const char *const fuzz_seeds = "name";

static void check_text(const struct clv_err *err)
{
	FUZZ_CHECK(err->text[0] != '\0');
	for (const char *at = err->text; *at != '\0'; at++)
		FUZZ_CHECK(*at >= 0x20 && *at <= 0x7e);
}

static void check_ids(const struct clv_name *name)
{
	struct clv_err err;

	FUZZ_CHECK(clv_id_check(CLV_NAME_PROJECT, name->project, &err) == CLV_OK);
	if (name->kind >= CLV_NAME_LOCATION)
		FUZZ_CHECK(clv_id_check(CLV_NAME_LOCATION, name->location, &err) == CLV_OK);
	if (name->kind >= CLV_NAME_KEY_RING)
		FUZZ_CHECK(clv_id_check(CLV_NAME_KEY_RING, name->key_ring, &err) == CLV_OK);
	if (name->kind == CLV_NAME_KEY || name->kind == CLV_NAME_VERSION)
		FUZZ_CHECK(clv_id_check(CLV_NAME_KEY, name->key, &err) == CLV_OK);
	else
		FUZZ_CHECK(name->key[0] == '\0');
	if (name->kind == CLV_NAME_IMPORT_JOB)
		FUZZ_CHECK(clv_id_check(CLV_NAME_IMPORT_JOB, name->import_job, &err) == CLV_OK);
	else
		FUZZ_CHECK(name->import_job[0] == '\0');
	FUZZ_CHECK((name->version >= 1) == (name->kind == CLV_NAME_VERSION));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	char buf[CLV_NAME_MAX];
	struct clv_name name;
	struct clv_err err;

	FUZZ_CHECK(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';

	if (clv_name_parse(text, &name, &err) == CLV_OK) {
		check_ids(&name);
		FUZZ_CHECK(strcmp(clv_name_format(&name, name.kind, buf), text) == 0);
	} else {
		check_text(&err);
	}
	for (unsigned kind = CLV_NAME_PROJECT; kind <= CLV_NAME_IMPORT_JOB; kind++) {
		if (clv_id_check(kind, text, &err) != CLV_OK)
			check_text(&err);
	}
	free(text);
	return 0;
}
