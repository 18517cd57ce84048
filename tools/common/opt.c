/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a command line by its tables. Options may stand anywhere, so the line is first cut into
 * options and words, then the words say which command it is, then the options are held against
 * that command's table. Not for help texts (help.c) and not for what values mean (the verbs).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <claviger/time.h>

#include "tools/common/auto.h"
#include "tools/common/field.h"
#include "tools/common/filter.h"
#include "tools/common/format.h"
#include "tools/common/opt.h"
#include "tools/common/when.h"

/* ---- looking things up */

const struct kms_opt *kms_find_opt(const struct kms_opt *opts, const char *name, size_t len)
{
	for (; opts != NULL && opts->name != NULL; opts++) {
		if (strlen(opts->name) == len && strncmp(opts->name, name, len) == 0)
			return opts;
	}
	return NULL;
}

static const struct kms_opt *find_letter(const struct kms_opt *opts, char letter)
{
	for (; opts != NULL && opts->name != NULL; opts++) {
		if (opts->letter == letter)
			return opts;
	}
	return NULL;
}

/* In any table: enough to know whether a value follows. Which command it is, is not known yet. */
static const struct kms_opt *find_anywhere(const struct kms_tables *tables, const char *name,
					   size_t len)
{
	const struct kms_opt *opt = kms_find_opt(tables->common, name, len);

	for (size_t i = 0; opt == NULL && tables->nouns[i] != NULL; i++) {
		const struct kms_verb *verb = tables->nouns[i]->verbs;

		for (; opt == NULL && verb->run != NULL; verb++)
			opt = kms_find_opt(verb->opts, name, len);
	}
	return opt;
}

/* How many of the words spell `name` ("keys versions"): all of it, or 0. */
static size_t words_match(const char *name, const char *const *words, size_t n)
{
	size_t used = 0;

	while (*name != '\0') {
		size_t len = strcspn(name, " ");

		if (used == n || strlen(words[used]) != len || strncmp(words[used], name, len) != 0)
			return 0;
		used++;
		name += len;
		name += *name == ' ';
	}
	return used;
}

static size_t noun_match(const struct kms_noun *noun, const char *const *words, size_t n)
{
	size_t best = words_match(noun->name, words, n);

	for (size_t i = 0; noun->aliases != NULL && noun->aliases[i] != NULL; i++) {
		size_t used = words_match(noun->aliases[i], words, n);

		best = used > best ? used : best;
	}
	return best;
}

const struct kms_noun *kms_find_noun(const struct kms_tables *tables, const char *const *words,
				     size_t n, size_t *ret_used)
{
	const struct kms_noun *found = NULL;

	*ret_used = 0;
	for (size_t i = 0; tables->nouns[i] != NULL; i++) {
		size_t used = noun_match(tables->nouns[i], words, n);

		if (used > *ret_used) {
			*ret_used = used;
			found = tables->nouns[i];
		}
	}
	return found;
}

const struct kms_verb *kms_find_verb(const struct kms_noun *noun, const char *word)
{
	for (const struct kms_verb *verb = noun->verbs; verb->run != NULL; verb++) {
		if (verb->name != NULL && strcmp(verb->name, word) == 0)
			return verb;
	}
	return NULL;
}

/* ---- cutting the line into options and words */

/* A value that begins with two dashes is taken for a forgotten value; `--opt=--value` forces it. */
static const char *next_value(int argc, char *const *argv, int *at)
{
	if (*at + 1 >= argc || strncmp(argv[*at + 1], "--", 2) == 0)
		return NULL;
	return argv[++*at];
}

static void read_long(struct kms_args *args, int argc, char *const *argv, int *at)
{
	const char *name = argv[*at] + 2;
	size_t len = strcspn(name, "=");
	const struct kms_opt *opt = find_anywhere(args->tables, name, len);
	const char *text = name[len] == '=' ? name + len + 1 : NULL;

	if (opt == NULL) {
		if (args->problem.unknown == NULL)
			args->problem.unknown = argv[*at];
		return;
	}
	if (opt->value == NULL && text != NULL)
		args->problem.extra = opt;
	if (opt->value != NULL && text == NULL)
		text = next_value(argc, argv, at);
	if (opt->value != NULL && text == NULL)
		args->problem.no_value = opt;
	args->values[args->n_values++] = (struct kms_value){ .opt = opt, .text = text };
}

static void read_short(struct kms_args *args, const char *word)
{
	const struct kms_opt *opt = find_letter(args->tables->common, word[1]);

	if (opt == NULL || word[2] != '\0') {
		if (args->problem.unknown == NULL)
			args->problem.unknown = word;
		return;
	}
	args->values[args->n_values++] = (struct kms_value){ .opt = opt };
}

static void cut(struct kms_args *args, int argc, char *const *argv)
{
	bool ended = false;

	for (int at = 1; at < argc; at++) {
		const char *word = argv[at];

		if (!ended && strcmp(word, "--") == 0)
			ended = true;
		else if (!ended && strncmp(word, "--", 2) == 0)
			read_long(args, argc, argv, &at);
		else if (!ended && word[0] == '-' && word[1] != '\0')
			read_short(args, word);
		else
			args->words[args->n_words++] = word;
	}
}

/* ---- usage errors */

clv_rc kms_usage(const struct kms_args *args, struct clv_err *err, const char *fmt, ...)
{
	const char *verb = args->verb != NULL ? args->verb->name : NULL;
	char what[CLV_ERR_TEXT_MAX - 112];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s (see: %s help%s%s%s%s)", what,
			args->tables->program, args->noun != NULL ? " " : "",
			args->noun != NULL ? args->noun->name : "", verb != NULL ? " " : "",
			verb != NULL ? verb : "");
}

/* Keeps the nearest name so far, when it is near enough to be a slip of the fingers. */
static void consider(const char *name, const char *word, const char **nearest, unsigned *best)
{
	unsigned d = kms_distance(name, word);

	if (d < *best && d <= 1 + strlen(word) / 4) {
		*best = d;
		*nearest = name;
	}
}

static void consider_opts(const struct kms_opt *opts, const char *word, const char **nearest,
			  unsigned *best)
{
	for (; opts != NULL && opts->name != NULL; opts++)
		consider(opts->name, word, nearest, best);
}

/* CLV_OK: nothing is known of it. */
static clv_rc refuse_not_offered(const struct kms_args *args, const char *word, struct clv_err *err)
{
	const char *const *names = args->tables->not_offered;
	size_t len = word[0] == '-' ? strcspn(word, "=") : strlen(word);

	for (; *names != NULL; names++) {
		if (strlen(*names) == len && strncmp(*names, word, len) == 0)
			return clv_fail(err, CLV_E_UNIMPLEMENTED, "%s is not offered here", *names);
	}
	return CLV_OK;
}

static clv_rc unknown_option(const struct kms_args *args, const char *word, struct clv_err *err)
{
	const char *nearest = NULL;
	unsigned best = UINT32_MAX;
	char name[40];

	CLV_TRY(refuse_not_offered(args, word, err));
	snprintf(name, sizeof name, "%.*s", (int) strcspn(word, "="), word);
	if (args->verb != NULL)
		consider_opts(args->verb->opts, name + strspn(name, "-"), &nearest, &best);
	consider_opts(args->tables->common, name + strspn(name, "-"), &nearest, &best);
	if (nearest != NULL)
		return kms_usage(args, err, "unknown option %s; did you mean --%s?", name, nearest);
	return kms_usage(args, err, "unknown option %s", name);
}

static clv_rc unknown_verb(const struct kms_args *args, const char *word, struct clv_err *err)
{
	const char *nearest = NULL;
	unsigned best = UINT32_MAX;
	char list[160] = "";

	if (word != NULL)
		CLV_TRY(refuse_not_offered(args, word, err));
	for (const struct kms_verb *verb = args->noun->verbs; verb->run != NULL; verb++) {
		size_t used = strlen(list);

		snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "", verb->name);
		if (word != NULL)
			consider(verb->name, word, &nearest, &best);
	}
	if (word == NULL)
		return kms_usage(args, err, "`%s` needs a verb: %s", args->noun->name, list);
	if (nearest != NULL)
		return kms_usage(args, err, "`%s` has no `%.40s`; did you mean `%s`?",
				 args->noun->name, word, nearest);
	return kms_usage(args, err, "`%s` has no `%.40s`, but: %s", args->noun->name, word, list);
}

static clv_rc unknown_noun(const struct kms_args *args, struct clv_err *err)
{
	const char *nearest = NULL;
	unsigned best = UINT32_MAX;

	if (args->n_words == 0)
		return kms_usage(args, err, "no command given");
	CLV_TRY(refuse_not_offered(args, args->words[0], err));
	for (size_t i = 0; args->tables->nouns[i] != NULL; i++)
		consider(args->tables->nouns[i]->name, args->words[0], &nearest, &best);
	if (nearest != NULL)
		return kms_usage(args, err, "unknown command `%.40s`; did you mean `%s`?",
				 args->words[0], nearest);
	return kms_usage(args, err, "unknown command `%.40s`", args->words[0]);
}

/* ---- which command it is */

static clv_rc resolve(struct kms_args *args, struct clv_err *err)
{
	size_t used;

	args->noun = kms_find_noun(args->tables, args->words, args->n_words, &used);
	if (args->noun == NULL)
		return unknown_noun(args, err);
	if (args->noun->verbs->name == NULL) {
		args->verb = args->noun->verbs;
	} else {
		const char *word = used < args->n_words ? args->words[used] : NULL;

		if (word != NULL)
			args->verb = kms_find_verb(args->noun, word);
		if (args->verb == NULL)
			return unknown_verb(args, word, err);
		used++;
	}
	args->arg = args->words + used;
	args->n_args = args->n_words - used;
	return CLV_OK;
}

/* ---- holding the options against the command's table */

static bool is_choice(const char *choices, const char *text)
{
	size_t len;

	for (const char *at = choices; *at != '\0'; at += len + (at[len] == '|')) {
		len = strcspn(at, "|");
		if (strlen(text) == len && strncasecmp(at, text, len) == 0)
			return true;
	}
	return false;
}

static clv_rc read_count(const struct kms_args *args, struct kms_value *value, struct clv_err *err)
{
	char *end;

	if (value->opt->type == KMS_LIMIT && strcmp(value->text, "unlimited") == 0) {
		value->number = INT64_MAX;
		return CLV_OK;
	}
	errno = 0;
	value->number = strtoll(value->text, &end, 10);
	if (errno != 0 || *end != '\0' || strspn(value->text, "0123456789") == 0 ||
	    value->number < 1)
		return kms_usage(args, err, "--%s takes a number from 1, not `%.40s`",
				 value->opt->name, value->text);
	return CLV_OK;
}

static clv_rc check_format(const char *text, struct clv_err *err)
{
	struct kms_format format;

	return kms_format_parse(text, &format, err);
}

static clv_rc check_filter(const char *text, struct clv_err *err)
{
	struct kms_filter *filter;

	if (text[0] == '\0') /* no filter: scripts have it in a variable */
		return CLV_OK;
	CLV_TRY(kms_filter_parse(text, &filter, err));
	kms_filter_free(filter);
	return CLV_OK;
}

/* Languages of their own: read once here, so that a slip is found before anything is done. */
static clv_rc check_language(const struct kms_args *args, const struct kms_value *value,
			     struct clv_err *err)
{
	static clv_rc (*const checks[])(const char *text, struct clv_err *err) = {
		[KMS_FORMAT] = check_format,
		[KMS_FILTER] = check_filter,
		[KMS_SORT] = kms_sort_check,
	};
	struct clv_err why;

	if (value->opt->type >= KMS_ARRAY_LEN(checks) || checks[value->opt->type] == NULL)
		return CLV_OK;
	if (checks[value->opt->type](value->text, &why) == CLV_OK)
		return CLV_OK;
	return kms_usage(args, err, "--%s: %s", value->opt->name, why.text);
}

static clv_rc read_value(const struct kms_args *args, struct kms_value *value, struct clv_err *err)
{
	const struct kms_opt *opt = value->opt;

	if (opt->value == NULL || opt->type == KMS_TEXT)
		return CLV_OK;
	if (opt->type == KMS_COUNT || opt->type == KMS_LIMIT)
		return read_count(args, value, err);
	if (opt->type == KMS_CHOICE && !is_choice(opt->value, value->text))
		return kms_usage(args, err, "--%s is one of %s, not `%.40s`", opt->name, opt->value,
				 value->text);
	if (opt->type == KMS_FILE && value->text[0] == '\0')
		return kms_usage(args, err, "--%s is empty", opt->name);
	if (opt->type == KMS_DURATION &&
	    (kms_duration_parse(value->text, &value->number, err) != CLV_OK || value->number == 0))
		return kms_usage(args, err, "--%s takes a time like 200ms or 5s, not `%.40s`",
				 opt->name, value->text);
	if (opt->type == KMS_TIME &&
	    (kms_time_parse(value->text, clv_time_now(), &value->number, err) != CLV_OK ||
	     value->number <= 0))
		return kms_usage(args, err,
				 "--%s takes a time like 2031-01-02T03:04:05Z, not `%.40s`",
				 opt->name, value->text);
	return check_language(args, value, err);
}

/* Gives each value its row in this command's table, and checks it by that row. */
static clv_rc check_values(struct kms_args *args, struct clv_err *err)
{
	for (size_t i = 0; i < args->n_values; i++) {
		const char *name = args->values[i].opt->name;
		const struct kms_opt *opt = kms_find_opt(args->verb->opts, name, strlen(name));

		if (opt == NULL)
			opt = kms_find_opt(args->tables->common, name, strlen(name));
		if (opt == NULL)
			return kms_usage(args, err, "--%s is not an option of this command", name);
		args->values[i].opt = opt;
		CLV_TRY(read_value(args, &args->values[i], err));
	}
	return CLV_OK;
}

static clv_rc check_required(const struct kms_args *args, struct clv_err *err)
{
	const struct kms_opt *opt = args->verb->opts;

	for (; opt != NULL && opt->name != NULL; opt++) {
		if ((opt->flags & KMS_OPT_REQUIRED) && !kms_given(args, opt->name))
			return kms_usage(args, err, "--%s %s is missing", opt->name, opt->value);
	}
	return CLV_OK;
}

static clv_rc check_args(const struct kms_args *args, struct clv_err *err)
{
	const char *want = args->verb->args;
	size_t n = 0;

	if (want != NULL && want[0] == '[')
		return CLV_OK;
	for (; want != NULL && *want != '\0'; n++) {
		size_t len = strcspn(want, " ");

		if (n == args->n_args)
			return kms_usage(args, err, "%.*s is missing", (int) len, want);
		want += len + (want[len] == ' ');
	}
	if (args->n_args > n)
		return kms_usage(args, err, "unexpected `%.60s`", args->arg[n]);
	return CLV_OK;
}

static clv_rc check(struct kms_args *args, struct clv_err *err)
{
	const struct kms_problem *problem = &args->problem;

	if (problem->unknown != NULL)
		return unknown_option(args, problem->unknown, err);
	if (problem->no_value != NULL)
		return kms_usage(args, err, "--%s needs a value: %s", problem->no_value->name,
				 problem->no_value->value);
	if (problem->extra != NULL)
		return kms_usage(args, err, "--%s takes no value", problem->extra->name);
	CLV_TRY(check_values(args, err));
	CLV_TRY(check_args(args, err));
	return check_required(args, err);
}

/*
 * A PIN in argv can be read by every process of the machine, and stays in the shell's history.
 * It is refused before anything looks at the word, so that no message can repeat it.
 */
static clv_rc refuse_pins(const struct kms_args *args, int argc, char *const *argv,
			  struct clv_err *err)
{
	for (int i = 1; i < argc; i++) {
		if (strcasestr(argv[i], "pin-value=") != NULL)
			return kms_usage(args, err,
					 "a PIN does not belong on the command line: "
					 "use pin-source=file:... in the URI");
	}
	return CLV_OK;
}

clv_rc kms_args_parse(const struct kms_tables *tables, int argc, char *const *argv,
		      struct kms_args *ret_args, struct clv_err *err)
{
	size_t most = argc > 0 ? (size_t) argc : 1;

	*ret_args = (struct kms_args){ .tables = tables };
	ret_args->values = calloc(most, sizeof *ret_args->values);
	ret_args->words = calloc(most, sizeof *ret_args->words);
	if (ret_args->values == NULL || ret_args->words == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the command line");
	CLV_TRY(refuse_pins(ret_args, argc, argv, err));
	cut(ret_args, argc, argv);
	if (kms_given(ret_args, "help") && ret_args->n_words == 0)
		return CLV_OK;
	CLV_TRY(resolve(ret_args, err));
	return kms_given(ret_args, "help") ? CLV_OK : check(ret_args, err);
}

void kms_args_done(struct kms_args *args)
{
	free(args->values);
	free(args->words);
	*args = (struct kms_args){ 0 };
}

/* ---- what verbs ask */

const char *kms_each(const struct kms_args *args, const char *name, size_t *at)
{
	while (*at < args->n_values) {
		const struct kms_value *value = &args->values[(*at)++];

		if (strcmp(value->opt->name, name) == 0)
			return value->text != NULL ? value->text : "";
	}
	return NULL;
}

/* The last one counts, as with gcloud: a script adds what the user says behind its own. */
static const struct kms_value *last_value(const struct kms_args *args, const char *name)
{
	for (size_t i = args->n_values; i > 0; i--) {
		if (strcmp(args->values[i - 1].opt->name, name) == 0)
			return &args->values[i - 1];
	}
	return NULL;
}

bool kms_given(const struct kms_args *args, const char *name)
{
	return last_value(args, name) != NULL;
}

const char *kms_text(const struct kms_args *args, const char *name)
{
	const struct kms_value *value = last_value(args, name);

	if (value == NULL)
		return NULL;
	return value->text != NULL ? value->text : "";
}

int64_t kms_number(const struct kms_args *args, const char *name, int64_t when_not_given)
{
	const struct kms_value *value = last_value(args, name);

	return value != NULL ? value->number : when_not_given;
}
