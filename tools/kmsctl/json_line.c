/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jansson says whether a line is good and what the member means, but not where it stands, and
 * writing the object anew would change numbers, blanks and escapes of the other members. So the
 * place is looked for here, in a text that is known to be a JSON object.
 */
#include <string.h>

#include "tools/kmsctl/json_line.h"

static const uint8_t *skip_blanks(const uint8_t *at)
{
	return at + strspn((const char *) at, " \t\r\n");
}

/* Behind the string that begins here with its quote. */
static const uint8_t *skip_string(const uint8_t *at)
{
	for (at++; *at != '"'; at++)
		at += *at == '\\';
	return at + 1;
}

/* Behind the value that begins here. */
static const uint8_t *skip_value(const uint8_t *at)
{
	unsigned depth = 0;

	do {
		if (*at == '"') {
			at = skip_string(at);
			continue;
		}
		depth += *at == '{' || *at == '[';
		depth -= *at == '}' || *at == ']';
		at++;
	} while (depth > 0 || strchr(",} \t\r\n", *at) == NULL);
	return at;
}

/* The value of the member whose name is written so, or NULL. `at` is a whole, NUL-ended object. */
static const uint8_t *find_value(const uint8_t *at, const char *name)
{
	size_t len = strlen(name);

	at = skip_blanks(skip_blanks(at) + 1);
	while (*at == '"') {
		const uint8_t *key = at + 1;
		const uint8_t *value;

		at = skip_string(at);
		value = skip_blanks(skip_blanks(at) + 1);
		if ((size_t) (at - key) == len + 1 && strncmp((const char *) key, name, len) == 0)
			return value;
		at = skip_blanks(skip_value(value));
		at = skip_blanks(at + (*at == ','));
	}
	return NULL;
}

static clv_rc refuse(struct clv_err *err, const char *what, const char *name)
{
	return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s \"%s\"", what, name);
}

/* The kind of error and where it is, and not jansson's text: that quotes the line, in which other
 * members may be nobody's to see. */
static clv_rc refuse_text(const json_error_t *why, struct clv_err *err)
{
	static const char *const kinds[] = {
		[json_error_stack_overflow] = "nested too deeply",
		[json_error_invalid_utf8] = "no UTF-8",
		[json_error_premature_end_of_input] = "it ends too early",
		[json_error_end_of_input_expected] = "more behind the object",
		[json_error_null_byte_in_key] = "NUL in a name",
		[json_error_duplicate_key] = "duplicate name",
		[json_error_numeric_overflow] = "number out of range",
	};
	unsigned code = json_error_code(why);
	const char *kind = code < KMS_ARRAY_LEN(kinds) ? kinds[code] : NULL;

	return clv_fail(err, CLV_E_INVALID_ARGUMENT, "not JSON: %s, at byte %d",
			kind != NULL ? kind : "syntax error", why->position);
}

static clv_rc load(struct clv_bytes line, const char *name, json_t **ret_object,
		   struct clv_err *err)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL;
	KMS_AUTO(kms_json_free) json_t *object = NULL;
	json_error_t why;

	if (line.len > JSON_LINE_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "longer than %u bytes", JSON_LINE_MAX);
	object = json_loadb((const char *) line.data, line.len, flags, &why);
	if (object == NULL && json_error_code(&why) == json_error_out_of_memory)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for it");
	if (object == NULL)
		return refuse_text(&why, err);
	if (!json_is_object(object))
		return refuse(err, "not a JSON object with a member", name);
	if (json_object_get(object, name) == NULL)
		return refuse(err, "no member", name);
	if (!json_is_string(json_object_get(object, name)))
		return refuse(err, "not a string: the member", name);
	*ret_object = KMS_TAKE(object);
	return CLV_OK;
}

clv_rc json_line_parse(struct clv_bytes line, const char *name, struct json_line *ret_line,
		       struct clv_err *err)
{
	KMS_AUTO_DONE(json_line_done) struct json_line parsed = { 0 };
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf text = { 0 };
	const json_t *member;
	const uint8_t *value;

	*ret_line = (struct json_line){ 0 };
	CLV_TRY(load(line, name, &parsed.object, err));
	member = json_object_get(parsed.object, name);
	CLV_TRY(clv_buf_add(&text, line.data, line.len, err));
	CLV_TRY(clv_buf_add(&text, "", 1, err));
	value = find_value(text.data, name);
	if (value == NULL)
		return refuse(err, "written with escapes: the name", name);
	parsed.value = json_string_value(member);
	if (strlen(parsed.value) != json_string_length(member))
		return refuse(err, "not base64: the member", name);
	parsed.before = (struct clv_bytes){ line.data, (size_t) (value - text.data) };
	parsed.after.data = line.data + (skip_string(value) - text.data);
	parsed.after.len = line.len - (size_t) (parsed.after.data - line.data);
	*ret_line = parsed;
	parsed.object = NULL;
	return CLV_OK;
}

void json_line_done(struct json_line *line)
{
	json_decref(line->object);
	*line = (struct json_line){ 0 };
}

clv_rc json_line_replace(const struct json_line *line, struct clv_bytes value, struct clv_buf *out,
			 struct clv_err *err)
{
	CLV_TRY(clv_buf_reserve(out, line->before.len + value.len + line->after.len + 2, err));
	CLV_TRY(clv_buf_add(out, line->before.data, line->before.len, err));
	CLV_TRY(clv_buf_add(out, "\"", 1, err));
	CLV_TRY(clv_buf_add(out, value.data, value.len, err));
	CLV_TRY(clv_buf_add(out, "\"", 1, err));
	return clv_buf_add(out, line->after.data, line->after.len, err);
}
