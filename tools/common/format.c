/* SPDX-License-Identifier: Apache-2.0 */
/* Reading --format, and printing values for scripts. */
#include <string.h>

#include "tools/common/auto.h"
#include "tools/common/field.h"
#include "tools/common/format.h"
#include "tools/common/out.h"

#define BASENAME ".basename()"

/* ---- reading */

/* One field of a projection. */
struct projected {
	const char *name; /* not ended by a NUL */
	size_t len;
	bool last_part; /* only what follows the last '/' */
};

/* Takes the field at *at, and the comma behind it. false: there is none, or it is none. */
static bool next_projected(const char **at, struct projected *ret_field)
{
	size_t len;

	*at += strspn(*at, " ");
	len = kms_field_span(*at);
	if (len == 0)
		return false;
	/* The name of a transform looks like one more part of the field. */
	*ret_field = (struct projected){ .name = *at, .len = len };
	*at += len;
	if (strncmp(*at, "()", 2) == 0) {
		const char *dot = *at + 2 - strlen(BASENAME);

		if (len < strlen(BASENAME) - 1 || strncmp(dot, BASENAME, strlen(BASENAME)) != 0)
			return false;
		ret_field->last_part = true;
		ret_field->len -= strlen(BASENAME) - 2;
		*at += 2;
	}
	*at += strspn(*at, " ");
	if (**at == ',') {
		++*at;
		return **at != ')';
	}
	return **at == ')';
}

static clv_rc check_fields(const char *text, const char *fields, struct clv_err *err)
{
	struct projected field;
	const char *at = fields;

	do {
		if (!next_projected(&at, &field))
			return clv_fail(err, CLV_E_INVALID_ARGUMENT,
					"in value(FIELD,...) fields like name, primary.state or "
					"name.basename() are wanted, not `%.60s`",
					text);
	} while (*at != ')');
	if (at[1] != '\0')
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "`%.60s` goes on behind the )", text);
	return CLV_OK;
}

clv_rc kms_format_parse(const char *text, struct kms_format *ret_format, struct clv_err *err)
{
	struct kms_format format = { KMS_FORM_TEXT, NULL };

	if (strcmp(text, "json") == 0) {
		format.form = KMS_FORM_JSON;
	} else if (strncmp(text, "value(", 6) == 0) {
		format = (struct kms_format){ KMS_FORM_VALUE, text + 6 };
		CLV_TRY(check_fields(text, format.fields, err));
	} else if (strcmp(text, "text") != 0) {
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"text, json or value(FIELD,...) is wanted, not `%.40s`", text);
	}
	*ret_format = format;
	return CLV_OK;
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

static void print_item(FILE *to, const json_t *item, const char *fields, bool alone)
{
	const char *at = fields;
	struct projected field;
	char name[128];

	while (next_projected(&at, &field)) {
		bool only = alone && *at == ')' && strchr(fields, ',') == NULL;

		snprintf(name, sizeof name, "%.*s", (int) field.len, field.name);
		print_value(to, kms_field_of(item, name), field.last_part, only);
		fputc(*at == ')' ? '\n' : '\t', to);
		if (*at == ')')
			break;
	}
}

void kms_print_values(FILE *to, const json_t *doc, const struct kms_format *format)
{
	if (!json_is_array(doc)) {
		print_item(to, doc, format->fields, true);
		return;
	}
	for (size_t i = 0; i < json_array_size(doc); i++)
		print_item(to, json_array_get(doc, i), format->fields, false);
}
