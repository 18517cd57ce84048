/* SPDX-License-Identifier: Apache-2.0 */
/* --format: the forms that a result can have. */
#ifndef TOOLS_COMMON_FORMAT_H
#define TOOLS_COMMON_FORMAT_H

#include <stdbool.h>
#include <stdio.h>

#include <claviger/err.h>
#include <jansson.h>

#include "tools/common/field.h"

enum kms_form {
	KMS_FORM_TEXT,  /* for people: tables, and `field: value` lines */
	KMS_FORM_JSON,  /* one document */
	KMS_FORM_VALUE, /* value(FIELD[,FIELD...]): a line for each item, tabs between fields */
	KMS_FORM_TABLE, /* table(FIELD[,FIELD...]): a table with these columns */
};

struct kms_format {
	enum kms_form form;
	const char *fields; /* of VALUE and TABLE: borrowed, from the first on; ends with ')' */
};

/*
 * Reads "text", "json", "value(FIELD,...)" or "table(FIELD,...)". A field is a dotted name, which
 * .basename() may follow: only what is behind its last slash. `text` is borrowed by *ret_format.
 * Errors: CLV_E_INVALID_ARGUMENT.
 */
CLV_MUST_USE clv_rc kms_format_parse(const char *text, struct kms_format *ret_format,
				     struct clv_err *err);

#define KMS_FORMAT_FIELDS_MAX 16

/* A field of a format: its name, and whether only what is behind the last slash of it is wanted. */
struct kms_format_field {
	char name[KMS_FIELD_MAX];
	bool last_part;
};

/* The fields of a format that has some; returns how many. */
size_t kms_format_fields(const struct kms_format *format,
			 struct kms_format_field fields[KMS_FORMAT_FIELDS_MAX]);

/*
 * Prints the fields of one item, or of each item of a list. What a terminal would obey is shown as
 * '?'; ends of lines too, except in the one field of an item that is `alone`, which may be a PEM.
 */
void kms_print_values(FILE *to, const json_t *doc, const struct kms_format *format, bool alone);

#endif
