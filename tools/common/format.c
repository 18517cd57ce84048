/* SPDX-License-Identifier: Apache-2.0 */
/* Reading --format, and printing values for scripts. */
#include <string.h>

#include "tools/common/auto.h"
#include "tools/common/field.h"
#include "tools/common/format.h"
#include "tools/common/out.h"

#define BASENAME ".basename()"

/* ---- reading */

/* The field at `*at`, blanks around it too. false: there is none, or it is none. */
static bool read_field(const char **at, struct kms_format_field *ret_field)
{
	bool last_part = false;
	size_t len;

	*at += strspn(*at, " ");
	len = kms_field_span(*at);
	if (len == 0 || len >= KMS_FIELD_MAX)
		return false;
	/* The name of a transform looks like one more part of the field. */
	if (strncmp(*at + len, "()", 2) == 0) {
		const size_t tail = strlen(BASENAME);

		len += 2;
		if (len <= tail || strncmp(*at + len - tail, BASENAME, tail) != 0)
			return false;
		last_part = true;
		len -= tail;
	}
	snprintf(ret_field->name, sizeof ret_field->name, "%.*s", (int) len, *at);
	ret_field->last_part = last_part;
	*at += len + (last_part ? strlen(BASENAME) : 0);
	*at += strspn(*at, " ");
	return true;
}

static clv_rc check_fields(const char *text, const char *fields, struct clv_err *err)
{
	struct kms_format_field field;
	const char *at = fields;
	size_t n = 0;

	while (read_field(&at, &field) && ++n <= KMS_FORMAT_FIELDS_MAX) {
		if (at[0] == ')' && at[1] == '\0')
			return CLV_OK;
		if (*at++ != ',')
			break;
	}
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"fields like name, primary.state or name.basename() are wanted, with "
			"commas between them and at most %d, not `%.60s`",
			KMS_FORMAT_FIELDS_MAX, text);
}

clv_rc kms_format_parse(const char *text, struct kms_format *ret_format, struct clv_err *err)
{
	static const struct {
		const char *begins;
		enum kms_form form;
		bool fields;
	} forms[] = {
		{ "text", KMS_FORM_TEXT, false },
		{ "json", KMS_FORM_JSON, false },
		{ "value(", KMS_FORM_VALUE, true },
		{ "table(", KMS_FORM_TABLE, true },
	};

	for (size_t i = 0; i < KMS_ARRAY_LEN(forms); i++) {
		size_t len = strlen(forms[i].begins);

		if (strncmp(text, forms[i].begins, len) != 0)
			continue;
		if (forms[i].fields)
			CLV_TRY(check_fields(text, text + len, err));
		else if (text[len] != '\0')
			break;
		*ret_format =
			(struct kms_format){ forms[i].form, forms[i].fields ? text + len : NULL };
		return CLV_OK;
	}
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"text, json, value(FIELD,...) or table(FIELD,...) is wanted, not `%.40s`",
			text);
}

size_t kms_format_fields(const struct kms_format *format,
			 struct kms_format_field fields[KMS_FORMAT_FIELDS_MAX])
{
	const char *at = format->fields;
	size_t n = 0;

	while (n < KMS_FORMAT_FIELDS_MAX && read_field(&at, &fields[n])) {
		n++;
		if (*at++ == ')')
			break;
	}
	return n;
}

/* ---- printing */

static void print_text(FILE *to, const char *text, bool lines)
{
	char shown[5];

	while (*text != '\0') {
		if (lines && *text == '\n') {
			fputc(*text++, to);
			continue;
		}
		kms_show_char(&text, shown);
		fputs(shown, to);
	}
}

/* As gcloud writes them: lists and records with semicolons, a=b. */
static void print_value(FILE *to, const json_t *value, bool last_part, bool lines)
{
	char buf[32];
	const char *text = kms_field_text(value, buf);
	const char *slash = text != NULL ? strrchr(text, '/') : NULL;
	const char *key;
	const char *between = "";
	json_t *part;

	if (text != NULL)
		print_text(to, last_part && slash != NULL ? slash + 1 : text, lines);
	for (size_t i = 0; i < json_array_size(value); i++) {
		fputs(i > 0 ? ";" : "", to);
		print_value(to, json_array_get(value, i), last_part, false);
	}
	/* jansson's iterator wants a record that it could change; nothing is changed here. */
	json_object_foreach((json_t *) (uintptr_t) value, key, part)
	{
		fputs(between, to);
		print_text(to, key, false);
		fputc('=', to);
		print_value(to, part, last_part, false);
		between = ";";
	}
}

static void print_item(FILE *to, const json_t *item, const struct kms_format_field *fields,
		       size_t n, bool alone)
{
	for (size_t i = 0; i < n; i++) {
		fputs(i > 0 ? "\t" : "", to);
		print_value(to, kms_field_of(item, fields[i].name), fields[i].last_part,
			    alone && n == 1);
	}
	fputc('\n', to);
}

void kms_print_values(FILE *to, const json_t *doc, const struct kms_format *format, bool alone)
{
	struct kms_format_field fields[KMS_FORMAT_FIELDS_MAX];
	size_t n = kms_format_fields(format, fields);

	if (!json_is_array(doc)) {
		print_item(to, doc, fields, n, alone);
		return;
	}
	for (size_t i = 0; i < json_array_size(doc); i++)
		print_item(to, json_array_get(doc, i), fields, n, false);
}
