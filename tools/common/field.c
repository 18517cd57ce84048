/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of records. Not for what an expression makes of them (filter.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <claviger/time.h>

#include "tools/common/auto.h"
#include "tools/common/field.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_@"
#define REST LETTERS "0123456789-"

/* ---- finding */

size_t kms_field_span(const char *text)
{
	size_t used = 0;

	for (;;) {
		size_t len = strspn(text + used, REST);

		if (len == 0 || (used == 0 && strchr(LETTERS, text[0]) == NULL))
			return 0;
		used += len;
		if (text[used] != '.')
			return used;
		used++;
	}
}

const json_t *kms_field_of(const json_t *item, const char *name)
{
	char key[KMS_FIELD_MAX];

	while (item != NULL && *name != '\0') {
		size_t len = strcspn(name, ".");

		if (len >= sizeof key)
			return NULL;
		snprintf(key, sizeof key, "%.*s", (int) len, name);
		item = json_object_get(item, key);
		name += len;
		name += *name == '.';
	}
	return item;
}

const char *kms_field_text(const json_t *value, char buf[32])
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_boolean(value))
		return json_is_true(value) ? "True" : "False"; /* as gcloud prints them */
	if (json_is_integer(value)) {
		snprintf(buf, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return buf;
	}
	return NULL;
}

/* ---- comparing */

static bool as_number(const char *text, double *ret)
{
	const char *digits = text + (text[0] == '-');
	size_t whole = strspn(digits, "0123456789");
	size_t len = whole;

	if (digits[len] == '.')
		len += 1 + strspn(digits + len + 1, "0123456789");
	if (whole == 0 || digits[len] != '\0')
		return false;
	*ret = strtod(text, NULL);
	return true;
}

/* Most texts are neither times nor durations, and what parses them says at length why not. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A date alone is its first moment. */
static bool as_time(const char *text, int64_t *ret)
{
	char whole[CLV_TIME_TEXT_MAX];
	struct clv_err err;

	if (!is_digit(text[0]) || strcspn(text, "-") != 4)
		return false;
	if (strspn(text, "0123456789-") == 10 && text[10] == '\0') {
		snprintf(whole, sizeof whole, "%sT00:00:00Z", text);
		text = whole;
	}
	return clv_time_parse(text, ret, &err) == CLV_OK;
}

static bool as_duration(const char *text, int64_t *ret)
{
	struct clv_err err;

	return is_digit(text[0]) && clv_duration_parse(text, ret, &err) == CLV_OK;
}

static int fold(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static int compare_folded(const char *a, const char *b)
{
	while (*a != '\0' && fold((unsigned char) *a) == fold((unsigned char) *b)) {
		a++;
		b++;
	}
	return fold((unsigned char) *a) - fold((unsigned char) *b);
}

void kms_operand_read(const char *text, struct kms_operand *ret_operand)
{
	struct kms_operand operand = { .text = text };

	if (text != NULL) {
		operand.is_number = as_number(text, &operand.number);
		operand.is_time = as_time(text, &operand.ns);
		operand.is_duration = !operand.is_time && as_duration(text, &operand.ns);
	}
	*ret_operand = operand;
}

int kms_operand_compare(const struct kms_operand *a, const struct kms_operand *b, bool fold_case)
{
	if (a->is_number && b->is_number)
		return (a->number > b->number) - (a->number < b->number);
	if ((a->is_time && b->is_time) || (a->is_duration && b->is_duration))
		return (a->ns > b->ns) - (a->ns < b->ns);
	return fold_case ? compare_folded(a->text, b->text) : strcmp(a->text, b->text);
}

int kms_field_compare(const char *a, const char *b, bool fold_case)
{
	struct kms_operand x, y;

	kms_operand_read(a, &x);
	kms_operand_read(b, &y);
	return kms_operand_compare(&x, &y, fold_case);
}

/* ---- sorting */

size_t kms_sort_span(const char *text, bool *ret_falling)
{
	size_t len;

	*ret_falling = *text == '~';
	text += *ret_falling;
	len = kms_field_span(text);
	return text[len] == ',' || text[len] == '\0' ? len : 0;
}

clv_rc kms_sort_check(const char *text, struct clv_err *err)
{
	const char *at = text;
	bool falling;
	size_t len;

	while ((len = kms_sort_span(at, &falling)) != 0) {
		at += len + falling;
		if (*at++ == '\0')
			return CLV_OK;
	}
	return clv_fail(
		err, CLV_E_INVALID_ARGUMENT,
		"fields like name or primary.state are wanted, with commas between them and "
		"~ before one for falling order, not `%.40s`",
		text);
}
