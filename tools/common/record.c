/* SPDX-License-Identifier: Apache-2.0 */
/* Records: making them out of fields, and printing them as `field: value` lines. */
#include <string.h>

#include <claviger/time.h>

#include "tools/common/auto.h"
#include "tools/common/out.h"

/* ---- making */

void kms_put(json_t **rec, const char *key, json_t *value)
{
	if (*rec == NULL) {
		json_decref(value);
		return;
	}
	if (json_object_set_new(*rec, key, value) != 0) {
		json_decref(*rec);
		*rec = NULL;
	}
}

/* A token's label may be in any encoding: what is not UTF-8 keeps its ASCII and shows '?'. */
static json_t *text_of(const char *text)
{
	json_t *value = json_string(text);
	char *copy;

	if (value != NULL || (copy = strdup(text)) == NULL)
		return value;
	for (char *at = copy; *at != '\0'; at++) {
		if ((unsigned char) *at >= 0x80)
			*at = '?';
	}
	value = json_string(copy);
	free(copy);
	return value;
}

void kms_put_text(json_t **rec, const char *key, const char *text)
{
	kms_put(rec, key, text_of(text));
}

void kms_put_time(json_t **rec, const char *key, int64_t ns)
{
	char text[CLV_TIME_TEXT_MAX];

	kms_put(rec, key, json_string(clv_time_format(ns, text)));
}

void kms_put_number(json_t **rec, const char *key, uint64_t number)
{
	kms_put(rec, key, json_integer((json_int_t) number));
}

void kms_append(json_t **array, json_t *value)
{
	if (*array == NULL) {
		json_decref(value);
		return;
	}
	if (json_array_append_new(*array, value) != 0) {
		json_decref(*array);
		*array = NULL;
	}
}

/* ---- printing */

/* Bytes of the UTF-8 character that starts here, 1 for what is none. */
static size_t char_len(const unsigned char *at)
{
	size_t len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc2 ? 2 : 1;

	for (size_t i = 1; i < len; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 1;
	}
	return len;
}

/* C0, DEL, C1 (U+0080 to U+009F, in UTF-8 c2 80 to c2 9f) and loose bytes. */
static bool is_control(const unsigned char *at, size_t len)
{
	if (len == 1)
		return at[0] < 0x20 || at[0] >= 0x7f;
	return len == 2 && at[0] == 0xc2 && at[1] < 0xa0;
}

void kms_show_char(const char **at, char to[5])
{
	const unsigned char *from = (const unsigned char *) *at;
	size_t len = char_len(from);

	if (is_control(from, len)) {
		memcpy(to, "?", 2);
	} else {
		memcpy(to, from, len);
		to[len] = '\0';
	}
	*at += len;
}

size_t kms_show_span(const char *text)
{
	size_t len = 0;

	while (text[len] >= ' ' && text[len] < 0x7f)
		len++;
	return len;
}

void kms_show(FILE *to, const char *text)
{
	char shown[5];

	while (*text != '\0') {
		size_t len = kms_show_span(text);

		fwrite(text, 1, len, to);
		text += len;
		if (*text == '\0')
			return;
		kms_show_char(&text, shown);
		fputs(shown, to);
	}
}

static void indent_by(FILE *to, unsigned indent)
{
	fprintf(to, "%*s", (int) indent, "");
}

/* Text of several lines (a PEM) as YAML's literal block. */
static void print_lines(FILE *to, const char *text, unsigned indent)
{
	char shown[5];

	fputs("|\n", to);
	while (*text != '\0') {
		indent_by(to, indent + 2);
		while (*text != '\0' && *text != '\n') {
			kms_show_char(&text, shown);
			fputs(shown, to);
		}
		fputc('\n', to);
		text += *text == '\n';
	}
}

static void print_scalar(FILE *to, const json_t *value, unsigned indent)
{
	const char *text = json_string_value(value);

	if (text != NULL && strchr(text, '\n') != NULL) {
		print_lines(to, text, indent);
		return;
	}
	if (text != NULL)
		kms_show(to, text);
	else if (json_is_integer(value))
		fprintf(to, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		fputs(json_is_true(value) ? "true" : json_is_false(value) ? "false" : "null", to);
	fputc('\n', to);
}

/* `first` is the indentation of the first line: 0 behind a list's dash. */
static void print_fields(FILE *to, const json_t *record, const char *skip, unsigned first,
			 unsigned indent);

static void print_items(FILE *to, const json_t *list, unsigned indent)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);

		indent_by(to, indent);
		fputs("- ", to);
		if (json_is_object(item))
			print_fields(to, item, NULL, 0, indent + 2);
		else
			print_scalar(to, item, indent);
	}
}

static void print_value(FILE *to, const json_t *value, unsigned indent)
{
	if (json_is_object(value)) {
		fputc('\n', to);
		print_fields(to, value, NULL, indent + 2, indent + 2);
	} else if (json_is_array(value)) {
		fputs(json_array_size(value) == 0 ? " []\n" : "\n", to);
		print_items(to, value, indent);
	} else {
		fputc(' ', to);
		print_scalar(to, value, indent);
	}
}

static void print_fields(FILE *to, const json_t *record, const char *skip, unsigned first,
			 unsigned indent)
{
	const char *key;
	json_t *value;

	/* jansson's iterator wants a record that it could change; nothing is changed here. */
	json_object_foreach((json_t *) (uintptr_t) record, key, value)
	{
		if (skip != NULL && strcmp(key, skip) == 0)
			continue;
		indent_by(to, first);
		first = indent;
		kms_show(to, key);
		fputc(':', to);
		print_value(to, value, indent);
	}
}

void kms_print_record(FILE *to, const json_t *record, const char *skip)
{
	print_fields(to, record, skip, 0, 0);
}
