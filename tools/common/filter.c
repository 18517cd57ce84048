/* SPDX-License-Identifier: Apache-2.0 */
/* Reading filter expressions and trying records by them. The language is in filter.h. */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/auto.h"
#include "tools/common/field.h"
#include "tools/common/filter.h"

#define NODES_MAX 256 /* of one expression: tests, values and what joins them */
#define DEPTH_MAX 32  /* parentheses and negations inside one another */
#define REGEX_MAX 256 /* bytes of one regular expression */

enum op {
	OP_AND,
	OP_OR,
	OP_NOT,
	OP_EQUAL,
	OP_LESS,
	OP_LESS_EQUAL,
	OP_GREATER,
	OP_GREATER_EQUAL,
	OP_HAS,
	OP_MATCH,
};

/* A node. Tests have a field and one value; `field=(a b)` is an OP_OR of two tests. */
struct node {
	enum op op;
	size_t left, right; /* OP_AND, OP_OR; OP_NOT has left only */
	const char *field;
	const char *value;
	regex_t regex; /* OP_MATCH */
	bool compiled;
	bool seen; /* an item had the field */
};

struct kms_filter {
	struct node nodes[NODES_MAX];
	size_t n;
	size_t root;
	char *words; /* fields and values, each with its NUL */
};

/* ---- reading: where it is, and what went wrong */

struct reader {
	struct kms_filter *filter;
	const char *at;
	char *free; /* in filter->words; each word takes no more than it had in the text, and a NUL
		     */
	unsigned depth;
	struct clv_err *err;
};

static clv_rc wrong(struct reader *in, const char *what)
{
	if (*in->at == '\0')
		return clv_fail(in->err, CLV_E_INVALID_ARGUMENT, "%s at the end", what);
	return clv_fail(in->err, CLV_E_INVALID_ARGUMENT, "%s at `%.40s`", what, in->at);
}

static clv_rc add(struct reader *in, struct node node, size_t *ret_at)
{
	struct kms_filter *filter = in->filter;

	if (filter->n == NODES_MAX)
		return wrong(in, "too many tests");
	filter->nodes[filter->n] = node;
	*ret_at = filter->n++;
	return CLV_OK;
}

static clv_rc join(struct reader *in, enum op op, size_t left, size_t right, size_t *ret_at)
{
	return add(in, (struct node){ .op = op, .left = left, .right = right }, ret_at);
}

static void skip_blanks(struct reader *in)
{
	in->at += strspn(in->at, " \t\n");
}

/* Whether AND, OR or NOT comes next; a field of that name has an operator behind it. */
static bool next_is(struct reader *in, const char *word)
{
	size_t len = strlen(word);

	skip_blanks(in);
	return strncmp(in->at, word, len) == 0 &&
	       (in->at[len] == '\0' || strchr(" \t\n(", in->at[len]) != NULL);
}

static bool take_word(struct reader *in, const char *word)
{
	if (!next_is(in, word))
		return false;
	in->at += strlen(word);
	return true;
}

/* ---- words */

/* Copies a word of `len` bytes into the filter. */
static const char *keep(struct reader *in, const char *from, size_t len)
{
	char *word = in->free;

	memcpy(word, from, len);
	word[len] = '\0';
	in->free += len + 1;
	return word;
}

static clv_rc read_quoted(struct reader *in, const char **ret_word)
{
	const char *from = in->at;
	char quote = *from++;
	char *to = in->free;

	for (; *from != quote; from++) {
		if (*from == '\\' && from[1] != '\0')
			from++;
		if (*from == '\0')
			return wrong(in, "a quote without its end");
		*to++ = *from;
	}
	*to++ = '\0';
	*ret_word = in->free;
	in->free = to;
	in->at = from + 1;
	return CLV_OK;
}

/* `end` are the characters that end a word which has no quotes. */
static clv_rc read_value(struct reader *in, const char *end, const char **ret_word)
{
	size_t len;

	skip_blanks(in);
	if (*in->at == '"' || *in->at == '\'')
		return read_quoted(in, ret_word);
	len = strcspn(in->at, end);
	if (len == 0)
		return wrong(in, "a value is missing");
	if (strchr("=<>!~:", *in->at) != NULL)
		return wrong(in, "not an operator");
	*ret_word = keep(in, in->at, len);
	in->at += len;
	return CLV_OK;
}

/* ---- tests */

static clv_rc compile(struct reader *in, struct node *test)
{
	char why[128];
	int code;

	if (strlen(test->value) > REGEX_MAX)
		return clv_fail(in->err, CLV_E_INVALID_ARGUMENT,
				"the regular expression `%.40s...` is too long", test->value);
	code = regcomp(&test->regex, test->value, REG_EXTENDED | REG_NOSUB);
	if (code == 0) {
		test->compiled = true;
		return CLV_OK;
	}
	regerror(code, NULL, why, sizeof why);
	return clv_fail(in->err, CLV_E_INVALID_ARGUMENT, "the regular expression `%.60s`: %s",
			test->value, why);
}

static bool orders(enum op op)
{
	return op >= OP_LESS && op <= OP_GREATER_EQUAL;
}

/* An ISO 8601 duration: gcloud takes P1D for the time in a day. */
static bool is_from_now(const char *value)
{
	value += *value == '-' || *value == '+';
	return value[0] == 'P' && strspn(value + 1, "T0123456789") > 0;
}

/* What cannot mean what its writer thinks is refused here, rather than never hold. */
static clv_rc check_value(struct reader *in, enum op op, const char *value)
{
	if (op == OP_HAS && strchr(value, '*') != strrchr(value, '*'))
		return clv_fail(in->err, CLV_E_INVALID_ARGUMENT, "more than one * in `%.40s`",
				value);
	if (orders(op) && is_from_now(value))
		return clv_fail(in->err, CLV_E_INVALID_ARGUMENT,
				"`%.40s` is counted from now; give a time, for instance "
				"2026-11-25T12:00:00Z",
				value);
	return CLV_OK;
}

static clv_rc add_test(struct reader *in, enum op op, const char *field, const char *value,
		       size_t *ret_at)
{
	size_t at = 0;

	CLV_TRY(check_value(in, op, value));
	CLV_TRY(add(in, (struct node){ .op = op, .field = field, .value = value }, &at));
	if (op == OP_MATCH)
		CLV_TRY(compile(in, &in->filter->nodes[at]));
	*ret_at = at;
	return CLV_OK;
}

/* (VALUE ...), with blanks, commas or OR between them. */
static clv_rc read_list(struct reader *in, enum op op, const char *field, size_t *ret_at)
{
	size_t all = 0, n = 0;

	in->at++;
	for (;;) {
		const char *value;
		size_t test;

		in->at += strspn(in->at, " \t\n,");
		if (*in->at == ')' && n > 0)
			break;
		if (n > 0 && take_word(in, "OR"))
			continue;
		CLV_TRY(read_value(in, " \t\n,()", &value));
		CLV_TRY(add_test(in, op, field, value, &test));
		if (n++ == 0)
			all = test;
		else
			CLV_TRY(join(in, OP_OR, all, test, &all));
	}
	in->at++;
	*ret_at = all;
	return CLV_OK;
}

static const struct {
	const char *sign;
	enum op op;
	bool negated;
	bool list;
} signs[] = {
	{ "!=", OP_EQUAL, true, true },        { "!~", OP_MATCH, true, true },
	{ "<=", OP_LESS_EQUAL, false, false }, { ">=", OP_GREATER_EQUAL, false, false },
	{ "=", OP_EQUAL, false, true },        { "<", OP_LESS, false, false },
	{ ">", OP_GREATER, false, false },     { ":", OP_HAS, false, true },
	{ "~", OP_MATCH, false, true },
};

static clv_rc read_values(struct reader *in, size_t sign, const char *field, size_t *ret_at)
{
	const char *value;

	skip_blanks(in);
	if (*in->at == '(' && signs[sign].list)
		return read_list(in, signs[sign].op, field, ret_at);
	CLV_TRY(read_value(in, " \t\n()", &value));
	return add_test(in, signs[sign].op, field, value, ret_at);
}

static clv_rc read_test(struct reader *in, size_t *ret_at)
{
	size_t len = kms_field_span(in->at);
	const char *field;
	size_t sign = 0;

	if (len == 0 || next_is(in, "AND") || next_is(in, "OR"))
		return wrong(in, "the name of a field is missing");
	field = keep(in, in->at, len);
	in->at += len;
	skip_blanks(in);
	while (sign < KMS_ARRAY_LEN(signs) &&
	       strncmp(in->at, signs[sign].sign, strlen(signs[sign].sign)) != 0)
		sign++;
	if (sign == KMS_ARRAY_LEN(signs))
		return wrong(in, "one of = != < <= > >= : ~ !~ is missing");
	in->at += strlen(signs[sign].sign);
	CLV_TRY(read_values(in, sign, field, ret_at));
	return signs[sign].negated ? join(in, OP_NOT, *ret_at, 0, ret_at) : CLV_OK;
}

/* ---- what joins tests */

static clv_rc read_whole(struct reader *in, size_t *ret_at);
static clv_rc read_term(struct reader *in, size_t *ret_at);

static clv_rc read_negated(struct reader *in, size_t *ret_at)
{
	CLV_TRY(read_term(in, ret_at));
	return join(in, OP_NOT, *ret_at, 0, ret_at);
}

static clv_rc read_parenthesis(struct reader *in, size_t *ret_at)
{
	CLV_TRY(read_whole(in, ret_at));
	if (*in->at != ')')
		return wrong(in, "a ) is missing");
	in->at++;
	return CLV_OK;
}

static clv_rc read_term(struct reader *in, size_t *ret_at)
{
	clv_rc rc;

	if (++in->depth > DEPTH_MAX)
		return wrong(in, "too many parentheses");
	if (take_word(in, "NOT")) {
		rc = read_negated(in, ret_at);
	} else if (*in->at == '-') {
		in->at++;
		rc = read_negated(in, ret_at);
	} else if (*in->at == '(') {
		in->at++;
		rc = read_parenthesis(in, ret_at);
	} else {
		rc = read_test(in, ret_at);
	}
	in->depth--;
	return rc;
}

/* Terms with AND, or terms with OR, between them. */
static clv_rc read_joined(struct reader *in, size_t *ret_at)
{
	bool ands = false, ors = false;
	size_t all = 0, term;

	CLV_TRY(read_term(in, &all));
	while (next_is(in, "AND") || next_is(in, "OR")) {
		if (ands ? next_is(in, "OR") : ors && next_is(in, "AND"))
			return wrong(in, "AND beside OR needs parentheses");
		ands = take_word(in, "AND");
		ors = !ands && take_word(in, "OR");
		CLV_TRY(read_term(in, &term));
		CLV_TRY(join(in, ands ? OP_AND : OP_OR, all, term, &all));
	}
	*ret_at = all;
	return CLV_OK;
}

/* The whole, up to the end or a parenthesis: side by side means that all are wanted. */
static clv_rc read_whole(struct reader *in, size_t *ret_at)
{
	size_t all = 0, more;

	CLV_TRY(read_joined(in, &all));
	skip_blanks(in);
	while (*in->at != '\0' && *in->at != ')') {
		CLV_TRY(read_joined(in, &more));
		CLV_TRY(join(in, OP_AND, all, more, &all));
		skip_blanks(in);
	}
	*ret_at = all;
	return CLV_OK;
}

KMS_DEFINE_AUTO(struct kms_filter, kms_filter_free);

clv_rc kms_filter_parse(const char *text, struct kms_filter **ret_filter, struct clv_err *err)
{
	KMS_AUTO(kms_filter_free) struct kms_filter *filter = calloc(1, sizeof *filter);
	struct reader in = { .filter = filter, .at = text, .err = err };

	/* A word of one byte and its NUL take two; there are no words of no bytes without quotes.
	 */
	if (filter == NULL || (filter->words = malloc(2 * strlen(text) + 1)) == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the filter");
	in.free = filter->words;
	CLV_TRY(read_whole(&in, &filter->root));
	if (*in.at != '\0')
		return wrong(&in, "a ) without its (");
	*ret_filter = KMS_TAKE(filter);
	return CLV_OK;
}

struct kms_filter *kms_filter_free(struct kms_filter *filter)
{
	if (filter == NULL)
		return NULL;
	for (size_t i = 0; i < filter->n; i++) {
		if (filter->nodes[i].compiled)
			regfree(&filter->nodes[i].regex);
	}
	free(filter->words);
	free(filter);
	return NULL;
}

/* ---- trying records */

static bool contains(const char *text, const char *pattern)
{
	const char *star = strchr(pattern, '*');
	size_t head, tail, len = strlen(text);

	if (star == NULL)
		return strcasestr(text, pattern) != NULL;
	head = (size_t) (star - pattern);
	tail = strlen(star + 1);
	return len >= head + tail && strncasecmp(text, pattern, head) == 0 &&
	       strcasecmp(text + len - tail, star + 1) == 0;
}

static bool text_passes(const struct node *test, const char *text)
{
	int way;

	if (test->op == OP_HAS)
		return contains(text, test->value);
	if (test->op == OP_MATCH)
		return regexec(&test->regex, text, 0, NULL, 0) == 0;
	way = kms_field_compare(text, test->value, test->op == OP_EQUAL);
	switch (test->op) {
	case OP_EQUAL:
		return way == 0;
	case OP_LESS:
		return way < 0;
	case OP_LESS_EQUAL:
		return way <= 0;
	case OP_GREATER:
		return way > 0;
	default: /* OP_GREATER_EQUAL */
		return way >= 0;
	}
}

/* Of a list one item is enough; of a record, for `:`, one name or value. */
static bool value_passes(const struct node *test, const json_t *value)
{
	char buf[32];
	const char *text = kms_field_text(value, buf);
	const char *key;
	json_t *part;

	if (text != NULL)
		return text_passes(test, text);
	for (size_t i = 0; i < json_array_size(value); i++) {
		if (value_passes(test, json_array_get(value, i)))
			return true;
	}
	if (test->op != OP_HAS)
		return false;
	/* jansson's iterator wants a record that it could change; nothing is changed here. */
	json_object_foreach((json_t *) (uintptr_t) value, key, part)
	{
		if (contains(key, test->value) || value_passes(test, part))
			return true;
	}
	return false;
}

static bool passes(struct node *test, const json_t *item)
{
	const json_t *value = kms_field_of(item, test->field);

	if (value == NULL || json_is_null(value))
		return false;
	test->seen = true;
	return (test->op == OP_HAS && strcmp(test->value, "*") == 0) || value_passes(test, value);
}

/* No deeper than the tree, which NODES_MAX bounds. Both sides are tried, for `seen`. */
static bool holds(struct kms_filter *filter, size_t at, const json_t *item)
{
	struct node *node = &filter->nodes[at];
	bool left, right;

	if (node->op > OP_NOT)
		return passes(node, item);
	left = holds(filter, node->left, item);
	if (node->op == OP_NOT)
		return !left;
	right = holds(filter, node->right, item);
	return node->op == OP_AND ? left && right : left || right;
}

bool kms_filter_holds(struct kms_filter *filter, const json_t *item)
{
	return holds(filter, filter->root, item);
}

/* Whether an earlier test has spoken of the field, or any has seen it. */
static bool settled(const struct kms_filter *filter, size_t at)
{
	for (size_t i = 0; i < filter->n; i++) {
		const struct node *node = &filter->nodes[i];

		if (node->field != NULL && strcmp(node->field, filter->nodes[at].field) == 0 &&
		    (node->seen || i < at))
			return true;
	}
	return false;
}

const char *kms_filter_unseen(const struct kms_filter *filter, size_t *at)
{
	for (; *at < filter->n; ++*at) {
		if (filter->nodes[*at].field != NULL && !settled(filter, *at))
			return filter->nodes[(*at)++].field;
	}
	return NULL;
}
