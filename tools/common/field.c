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

int kms_field_compare(const char *a, const char *b, bool fold_case)
{
	double x, y;
	int64_t i, j;

	if (as_number(a, &x) && as_number(b, &y))
		return (x > y) - (x < y);
	if ((as_time(a, &i) && as_time(b, &j)) || (as_duration(a, &i) && as_duration(b, &j)))
		return (i > j) - (i < j);
	return fold_case ? compare_folded(a, b) : strcmp(a, b);
}

/* ---- sorting */

/* The field at `*at`, behind its "~"; its length, 0 when there is none. */
static size_t field_here(const char **at, bool *ret_falling)
{
	size_t len;

	*ret_falling = **at == '~';
	*at += *ret_falling;
	len = kms_field_span(*at);
	return (*at)[len] == ',' || (*at)[len] == '\0' ? len : 0;
}

clv_rc kms_sort_check(const char *text, struct clv_err *err)
{
	const char *at = text;
	bool falling;
	size_t len;

	while ((len = field_here(&at, &falling)) != 0) {
		at += len;
		if (*at++ == '\0')
			return CLV_OK;
	}
	return clv_fail(
		err, CLV_E_INVALID_ARGUMENT,
		"fields like name or primary.state are wanted, with commas between them and "
		"~ before one for falling order, not `%.40s`",
		text);
}

bool kms_sort_has(const char *text, const char *key)
{
	size_t key_len = strlen(key), len;
	const char *at = text;
	bool falling;

	while ((len = field_here(&at, &falling)) != 0) {
		if (len >= key_len && strncmp(at, key, key_len) == 0 &&
		    (len == key_len || at[key_len] == '.'))
			return true;
		at += len;
		at += *at == ',';
	}
	return false;
}

static bool any_has(const json_t *list, const char *field)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (kms_field_of(json_array_get(list, i), field) != NULL)
			return true;
	}
	return false;
}

bool kms_sort_unseen(const json_t *list, const char *text, char field[KMS_FIELD_MAX])
{
	const char *at = text;
	bool falling;
	size_t len;

	while ((len = field_here(&at, &falling)) != 0) {
		snprintf(field, KMS_FIELD_MAX, "%.*s", (int) len, at);
		if (!any_has(list, field))
			return true;
		at += len;
		at += *at == ',';
	}
	return false;
}

/* An item, and where it was. */
struct place {
	json_t *item; /* borrowed */
	size_t at;
};

static int compare_by(const json_t *a, const json_t *b, const char *field)
{
	char buf_a[32], buf_b[32];
	const char *text_a = kms_field_text(kms_field_of(a, field), buf_a);
	const char *text_b = kms_field_text(kms_field_of(b, field), buf_b);

	if (text_a == NULL || text_b == NULL)
		return (text_a != NULL) - (text_b != NULL);
	return kms_field_compare(text_a, text_b, false);
}

static int compare_places(const void *p, const void *q, void *order)
{
	const struct place *a = p, *b = q;
	const char *at = order;
	char field[KMS_FIELD_MAX];
	bool falling;
	size_t len;

	while ((len = field_here(&at, &falling)) != 0) {
		int way;

		snprintf(field, sizeof field, "%.*s", (int) len, at);
		way = compare_by(a->item, b->item, field);
		if (way != 0)
			return falling ? -way : way;
		at += len;
		at += *at == ',';
	}
	return (a->at > b->at) - (a->at < b->at);
}

json_t *kms_sort(const json_t *list, const char *text)
{
	size_t n = json_array_size(list);
	KMS_AUTO(kms_free) void *memory = calloc(n + 1, sizeof(struct place));
	struct place *places = memory;
	json_t *sorted = places != NULL ? json_array() : NULL;

	if (sorted == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++)
		places[i] = (struct place){ json_array_get(list, i), i };
	qsort_r(places, n, sizeof *places, compare_places, (void *) (uintptr_t) text);
	for (size_t i = 0; i < n && sorted != NULL; i++) {
		if (json_array_append(sorted, places[i].item) != 0) {
			json_decref(sorted);
			sorted = NULL;
		}
	}
	return sorted;
}
