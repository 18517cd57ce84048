/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions: a subset of CEL, the language of Cloud IAM's, with the same meaning for what we know.
 *
 *   or         = and { "||" and }
 *   and        = not { "&&" not }
 *   not        = "!" not | "(" or ")" | test
 *   test       = "request.time" compare "timestamp(" string ")"
 *              | attribute ( "==" | "!=" ) string
 *              | "resource.name." ( "startsWith" | "endsWith" ) "(" string ")"
 *   attribute  = "resource.name" | "resource.type" | "resource.service"
 *   compare    = "<" | "<=" | ">" | ">=" | "==" | "!="
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/quote.h"
#include "lib/policy/impl.h"

#include "lib/base/banned.h"

enum op {
	OP_LESS,
	OP_LESS_EQUAL,
	OP_GREATER,
	OP_GREATER_EQUAL,
	OP_EQUAL,
	OP_NOT_EQUAL,
	OP_STARTS_WITH,
	OP_ENDS_WITH,
};

enum what { TEST_TIME, TEST_NAME, TEST_TYPE, TEST_SERVICE, DO_NOT, DO_AND, DO_OR };

/* What is tested or done; operands stand before what is done with them. */
struct node {
	enum what what;
	enum op op;
	int64_t time;        /* of TEST_TIME */
	size_t text, length; /* of the other tests: where it begins in the texts */
};

struct condition {
	size_t n;
	const char *texts; /* behind the nodes; no NULs between them */
	struct node node[];
};

/* ---- reading */

struct reader {
	const char *text, *at;
	unsigned depth;
	size_t n, used;
	struct node node[CONDITION_NODES_MAX];
	char texts[CONDITION_TEXT_MAX]; /* never longer than the expression */
};

static clv_rc refuse(const struct reader *reader, const char *what, struct clv_err *err)
{
	char quoted[CLV_QUOTE_MAX];

	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"the condition is not one that is evaluated here: expected %s at character "
			"%zu, where it says %s; claviger-policy(5) has what may stand there",
			what, (size_t) (reader->at - reader->text) + 1,
			clv_quote(reader->at, quoted));
}

static void skip_blanks(struct reader *reader)
{
	reader->at += strspn(reader->at, " \t\r\n");
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* Takes a word or a sign if it is next; a word must end there. */
static bool take(struct reader *reader, const char *token)
{
	const size_t len = strlen(token);

	skip_blanks(reader);
	if (strncmp(reader->at, token, len) != 0 ||
	    (is_word(token[len - 1]) && is_word(reader->at[len])))
		return false;
	reader->at += len;
	return true;
}

static clv_rc need(struct reader *reader, const char *token, const char *what, struct clv_err *err)
{
	return take(reader, token) ? CLV_OK : refuse(reader, what, err);
}

static clv_rc add_node(struct reader *reader, const struct node *node, struct clv_err *err)
{
	if (reader->n == CONDITION_NODES_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the condition has more than %d comparisons and operators",
				CONDITION_NODES_MAX);
	reader->node[reader->n++] = *node;
	return CLV_OK;
}

/* A string in either kind of quotes. Of escapes, those of the quotes and the backslash. */
static clv_rc take_string(struct reader *reader, struct node *node, struct clv_err *err)
{
	char quote;

	skip_blanks(reader);
	quote = *reader->at;
	if (quote != '"' && quote != '\'')
		return refuse(reader, "a string in quotes", err);
	node->text = reader->used;
	for (reader->at++; *reader->at != quote; reader->at++) {
		if (*reader->at == '\\' && reader->at[1] != '\0' &&
		    strchr("\\\"'", reader->at[1]) != NULL)
			reader->at++;
		else if (*reader->at == '\\' || (*reader->at > '\0' && *reader->at < ' ') ||
			 *reader->at == '\0')
			return refuse(reader, "the end of a string", err);
		reader->texts[reader->used++] = *reader->at;
	}
	reader->at++;
	node->length = reader->used - node->text;
	return CLV_OK;
}

static const struct {
	const char *sign;
	enum op op;
} compares[] = { /* the longer ones first */
		 { "<=", OP_LESS_EQUAL }, { ">=", OP_GREATER_EQUAL }, { "==", OP_EQUAL },
		 { "!=", OP_NOT_EQUAL },  { "<", OP_LESS },           { ">", OP_GREATER }
};

static bool take_compare(struct reader *reader, enum op *ret_op)
{
	for (size_t i = 0; i < CLV_ARRAY_LEN(compares); i++) {
		if (take(reader, compares[i].sign)) {
			*ret_op = compares[i].op;
			return true;
		}
	}
	return false;
}

static clv_rc read_time(struct reader *reader, struct clv_err *err)
{
	struct node node = { .what = TEST_TIME };
	char text[64] = "";

	if (!take_compare(reader, &node.op))
		return refuse(reader, "one of < <= > >= == !=", err);
	CLV_TRY(need(reader, "timestamp", "timestamp(\"...\")", err));
	CLV_TRY(need(reader, "(", "\"(\"", err));
	CLV_TRY(take_string(reader, &node, err));
	CLV_TRY(need(reader, ")", "\")\"", err));
	if (node.length < sizeof text)
		memcpy(text, reader->texts + node.text, node.length);
	CLV_TRY(clv_time_parse(text, &node.time, err));
	return add_node(reader, &node, err);
}

static clv_rc read_method(struct reader *reader, enum op op, struct clv_err *err)
{
	struct node node = { .what = TEST_NAME, .op = op };

	CLV_TRY(need(reader, "(", "\"(\"", err));
	CLV_TRY(take_string(reader, &node, err));
	CLV_TRY(need(reader, ")", "\")\"", err));
	return add_node(reader, &node, err);
}

static clv_rc read_attribute(struct reader *reader, enum what what, struct clv_err *err)
{
	struct node node = { .what = what };

	if (what == TEST_NAME && take(reader, ".")) {
		if (take(reader, "startsWith"))
			return read_method(reader, OP_STARTS_WITH, err);
		CLV_TRY(need(reader, "endsWith", "startsWith or endsWith", err));
		return read_method(reader, OP_ENDS_WITH, err);
	}
	if (take(reader, "=="))
		node.op = OP_EQUAL;
	else if (take(reader, "!="))
		node.op = OP_NOT_EQUAL;
	else
		return refuse(reader, "== or !=", err);
	CLV_TRY(take_string(reader, &node, err));
	return add_node(reader, &node, err);
}

static clv_rc read_test(struct reader *reader, struct clv_err *err)
{
	if (take(reader, "request.time"))
		return read_time(reader, err);
	if (take(reader, "resource.name"))
		return read_attribute(reader, TEST_NAME, err);
	if (take(reader, "resource.type"))
		return read_attribute(reader, TEST_TYPE, err);
	if (take(reader, "resource.service"))
		return read_attribute(reader, TEST_SERVICE, err);
	return refuse(reader,
		      "request.time, resource.name, resource.type, resource.service, \"!\" or "
		      "\"(\"",
		      err);
}

static clv_rc read_or(struct reader *reader, struct clv_err *err);

static clv_rc read_not(struct reader *reader, struct clv_err *err)
{
	const bool negate = take(reader, "!");

	if (!negate && !take(reader, "("))
		return read_test(reader, err);
	if (++reader->depth > CONDITION_DEPTH_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the condition has more than %d parentheses and negations inside "
				"each other",
				CONDITION_DEPTH_MAX);
	if (negate) {
		CLV_TRY(read_not(reader, err));
		CLV_TRY(add_node(reader, &(struct node){ .what = DO_NOT }, err));
	} else {
		CLV_TRY(read_or(reader, err));
		CLV_TRY(need(reader, ")", "\")\", \"&&\" or \"||\"", err));
	}
	reader->depth--;
	return CLV_OK;
}

static clv_rc read_and(struct reader *reader, struct clv_err *err)
{
	CLV_TRY(read_not(reader, err));
	while (take(reader, "&&")) {
		CLV_TRY(read_not(reader, err));
		CLV_TRY(add_node(reader, &(struct node){ .what = DO_AND }, err));
	}
	return CLV_OK;
}

static clv_rc read_or(struct reader *reader, struct clv_err *err)
{
	CLV_TRY(read_and(reader, err));
	while (take(reader, "||")) {
		CLV_TRY(read_and(reader, err));
		CLV_TRY(add_node(reader, &(struct node){ .what = DO_OR }, err));
	}
	return CLV_OK;
}

/* What was read, in memory of its own size. */
static struct condition *keep(const struct reader *reader)
{
	const size_t nodes = reader->n * sizeof reader->node[0];
	struct condition *condition = malloc(sizeof *condition + nodes + reader->used + 1);
	char *texts;

	if (condition == NULL)
		return NULL;
	texts = (char *) (condition->node + reader->n);
	memcpy(condition->node, reader->node, nodes);
	memcpy(texts, reader->texts, reader->used);
	texts[reader->used] = '\0';
	condition->n = reader->n;
	condition->texts = texts;
	return condition;
}

clv_rc condition_parse(const char *text, struct condition **ret_condition, struct clv_err *err)
{
	struct reader reader;
	struct condition *condition;

	if (strlen(text) >= CONDITION_TEXT_MAX)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"the condition is longer than %d bytes", CONDITION_TEXT_MAX - 1);
	reader.text = reader.at = text;
	reader.depth = 0;
	reader.n = reader.used = 0;
	CLV_TRY(read_or(&reader, err));
	skip_blanks(&reader);
	if (*reader.at != '\0')
		return refuse(&reader, "\"&&\", \"||\" or the end", err);
	condition = keep(&reader);
	if (condition == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a condition");
	*ret_condition = condition;
	return CLV_OK;
}

struct condition *condition_free(struct condition *condition)
{
	free(condition);
	return NULL;
}

/* ---- evaluating */

static enum policy_truth truth(bool is)
{
	return is ? POLICY_TRUE : POLICY_FALSE;
}

/* Something changes at `edge`. */
static void narrow(struct policy_window *window, int64_t now, int64_t edge)
{
	if (edge <= now && edge > window->from)
		window->from = edge;
	if (edge > now && edge < window->until)
		window->until = edge;
}

static enum policy_truth test_time(const struct node *node, int64_t now,
				   struct policy_window *window)
{
	const int64_t time = node->time;

	if (node->op != OP_LESS_EQUAL && node->op != OP_GREATER)
		narrow(window, now, time);
	if (node->op != OP_LESS && node->op != OP_GREATER_EQUAL && time < INT64_MAX)
		narrow(window, now, time + 1);
	switch (node->op) {
	case OP_LESS:
		return truth(now < time);
	case OP_LESS_EQUAL:
		return truth(now <= time);
	case OP_GREATER:
		return truth(now > time);
	case OP_GREATER_EQUAL:
		return truth(now >= time);
	case OP_EQUAL:
		return truth(now == time);
	case OP_NOT_EQUAL:
		return truth(now != time);
	default:
		return POLICY_UNKNOWN;
	}
}

static enum policy_truth test_text(const struct node *node, const char *texts, const char *fact)
{
	size_t len;

	if (fact == NULL)
		return POLICY_UNKNOWN;
	len = strlen(fact);
	texts += node->text;
	switch (node->op) {
	case OP_EQUAL:
		return truth(len == node->length && strncmp(fact, texts, len) == 0);
	case OP_NOT_EQUAL:
		return truth(len != node->length || strncmp(fact, texts, len) != 0);
	case OP_STARTS_WITH:
		return truth(len >= node->length && strncmp(fact, texts, node->length) == 0);
	case OP_ENDS_WITH:
		return truth(len >= node->length &&
			     strncmp(fact + len - node->length, texts, node->length) == 0);
	default:
		return POLICY_UNKNOWN;
	}
}

/* Not known together with what decides alone is decided; as CEL has it. */
static enum policy_truth join(enum what what, enum policy_truth a, enum policy_truth b)
{
	const enum policy_truth decides = what == DO_AND ? POLICY_FALSE : POLICY_TRUE;

	if (a == decides || b == decides)
		return decides;
	return a == POLICY_UNKNOWN ? a : b;
}

static enum policy_truth negate(enum policy_truth a)
{
	return a == POLICY_UNKNOWN ? a : truth(a == POLICY_FALSE);
}

/* All tests are made, also when one has decided: the window must be right for each. */
enum policy_truth condition_evaluate(const struct condition *condition,
				     const struct condition_facts *facts,
				     struct policy_window *window)
{
	enum policy_truth stack[CONDITION_NODES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < condition->n; i++) {
		const struct node *node = &condition->node[i];

		switch (node->what) {
		case TEST_TIME:
			stack[n++] = test_time(node, facts->time, window);
			break;
		case TEST_NAME:
			stack[n++] = test_text(node, condition->texts, facts->name);
			break;
		case TEST_TYPE:
			stack[n++] = test_text(node, condition->texts, facts->type);
			break;
		case TEST_SERVICE:
			stack[n++] = test_text(node, condition->texts, facts->service);
			break;
		case DO_NOT:
			stack[n - 1] = negate(stack[n - 1]);
			break;
		case DO_AND:
		case DO_OR:
			n--;
			stack[n - 1] = join(node->what, stack[n - 1], stack[n]);
			break;
		}
	}
	return n == 1 ? stack[0] : POLICY_UNKNOWN;
}
