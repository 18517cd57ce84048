/* SPDX-License-Identifier: Apache-2.0 */
/* Help, from the tables. Not for what the man page explains at length. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/auto.h"
#include "tools/common/help.h"

#define OPTION_COLUMN 42 /* where descriptions of options begin */

static clv_rc no_memory(struct clv_err *err)
{
	return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the text");
}

static void print_opt(FILE *to, const struct kms_opt *opt)
{
	char left[OPTION_COLUMN * 2];
	char letter[8] = "";

	if (opt->letter != 0)
		snprintf(letter, sizeof letter, ", -%c", opt->letter);
	snprintf(left, sizeof left, "  --%s%s%s%s%s", opt->name, letter,
		 opt->value != NULL ? " " : "", opt->value != NULL ? opt->value : "",
		 (opt->flags & KMS_OPT_REPEAT) ? " ..." : "");
	fprintf(to, "%-*s  %s%s\n", OPTION_COLUMN - 2, left, opt->help,
		(opt->flags & KMS_OPT_REQUIRED) ? " (required)" : "");
}

static void print_opts(FILE *to, const struct kms_opt *opts)
{
	for (; opts != NULL && opts->name != NULL; opts++)
		print_opt(to, opts);
}

static void print_verb(FILE *to, const struct kms_tables *tables, const struct kms_noun *noun,
		       const struct kms_verb *verb)
{
	fprintf(to, "%s %s%s%s%s%s\n", tables->program, noun->name, verb->name != NULL ? " " : "",
		verb->name != NULL ? verb->name : "", verb->args != NULL ? " " : "",
		verb->args != NULL ? verb->args : "");
	fprintf(to, "    %s\n", verb->help);
	print_opts(to, verb->opts);
}

static void print_aliases(FILE *to, const struct kms_noun *noun)
{
	if (noun->aliases == NULL)
		return;
	fputs("\nAlso spelled: ", to);
	for (size_t i = 0; noun->aliases[i] != NULL; i++)
		fprintf(to, "%s%s", i > 0 ? ", " : "", noun->aliases[i]);
	fputc('\n', to);
}

static void print_common(FILE *to, const struct kms_tables *tables)
{
	fputs("\nOptions of every command:\n", to);
	print_opts(to, tables->common);
}

static void print_overview(FILE *to, const struct kms_tables *tables)
{
	fprintf(to, "Usage: %s COMMAND [ARGS] [OPTIONS]\n\nCommands:\n", tables->program);
	for (size_t i = 0; tables->nouns[i] != NULL; i++)
		fprintf(to, "  %-18s %s\n", tables->nouns[i]->name, tables->nouns[i]->help);
	print_common(to, tables);
	fprintf(to, "\n`%s --version` prints the version.", tables->program);
	fprintf(to, "\n`%s help COMMAND` says more, `%s help --all` everything; see also %s(1).\n",
		tables->program, tables->program, tables->program);
}

static void print_noun(FILE *to, const struct kms_tables *tables, const struct kms_noun *noun)
{
	fprintf(to, "%s: %s\n", noun->name, noun->help);
	for (const struct kms_verb *verb = noun->verbs; verb->run != NULL; verb++) {
		fputc('\n', to);
		print_verb(to, tables, noun, verb);
	}
	print_aliases(to, noun);
	/* Where the noun is the whole command, this is its help. */
	if (noun->verbs->name == NULL)
		print_common(to, tables);
}

/* Prints help for the words; false: they name nothing. */
static bool print_for(FILE *to, const struct kms_tables *tables, const char *const *words, size_t n)
{
	const struct kms_noun *noun;
	const struct kms_verb *verb;
	size_t used;

	if (n == 0) {
		print_overview(to, tables);
		return true;
	}
	noun = kms_find_noun(tables, words, n, &used);
	if (noun == NULL)
		return false;
	if (used == n) {
		print_noun(to, tables, noun);
		return true;
	}
	verb = kms_find_verb(noun, words[used]);
	if (verb == NULL)
		return false;
	print_verb(to, tables, noun, verb);
	print_common(to, tables);
	return true;
}

clv_rc kms_help(const struct kms_tables *tables, const char *const *words, size_t n,
		char **ret_text, struct clv_err *err)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	bool found;

	if (to == NULL)
		return no_memory(err);
	found = print_for(to, tables, words, n);
	if (fclose(to) != 0 || !found) {
		free(text);
		return found ? no_memory(err)
			     : clv_fail(err, CLV_E_INVALID_ARGUMENT,
					"no command `%.40s%s%.40s` (see: %s help)", words[0],
					n > 1 ? " " : "", n > 1 ? words[1] : "", tables->program);
	}
	*ret_text = text;
	return CLV_OK;
}

clv_rc kms_help_all(const struct kms_tables *tables, char **ret_text, struct clv_err *err)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (to == NULL)
		return no_memory(err);
	for (size_t i = 0; tables->nouns[i] != NULL; i++) {
		const struct kms_verb *verb = tables->nouns[i]->verbs;

		for (; verb->run != NULL; verb++) {
			print_verb(to, tables, tables->nouns[i], verb);
			fputc('\n', to);
		}
	}
	fprintf(to, "%s COMMAND\n    options of every command\n", tables->program);
	print_opts(to, tables->common);
	if (fclose(to) != 0) {
		free(text);
		return no_memory(err);
	}
	*ret_text = text;
	return CLV_OK;
}
