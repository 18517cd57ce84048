/* SPDX-License-Identifier: Apache-2.0 */
/* Shell completion, from the tables. It knows words and options, and asks no home for ids. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/help.h"

/*
 * The script walks the words before the cursor, keeps those that are no options and no values of
 * options as `path`, and then looks up what may follow that path.
 */
static const char script_head[] =
	"# bash completion for %1$s, made by `%1$s completion bash`\n"
	"_%1$s()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev= path= i w\n"
	"\tCOMPREPLY=()\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tw=${COMP_WORDS[i]}\n"
	"\t\tcase $w in\n"
	"\t\t=) ;;\n"
	"\t\t-*) prev=$w; continue ;;\n"
	"\t\t*) _%1$s_takes_value \"$prev\" || path=\"$path $w\" ;;\n"
	"\t\tesac\n"
	"\t\t[[ $w == = ]] || prev=\n"
	"\tdone\n"
	"\t[[ $cur == = ]] && cur=\n"
	"\tif [[ -n $prev ]] && _%1$s_takes_value \"$prev\"; then\n"
	"\t\t_%1$s_values \"$prev\" \"$cur\"\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tCOMPREPLY=($(compgen -W \"$(_%1$s_next \"${path# }\" \"$cur\")\" -- \"$cur\"))\n"
	"}\n";

static const char script_tail[] = "complete -F _%1$s %1$s\n";

/* ---- walking the tables */

/* Whether an earlier verb has an option of that name: each is written once. */
static bool seen_before(const struct kms_tables *tables, const struct kms_opt *opt)
{
	for (size_t i = 0; tables->nouns[i] != NULL; i++) {
		const struct kms_verb *verb = tables->nouns[i]->verbs;

		for (; verb->run != NULL; verb++) {
			const struct kms_opt *first =
				kms_find_opt(verb->opts, opt->name, strlen(opt->name));

			if (first != NULL)
				return first != opt;
		}
	}
	return false;
}

static void each_opt(FILE *to, const struct kms_tables *tables,
		     void (*print)(FILE *, const struct kms_opt *))
{
	for (const struct kms_opt *opt = tables->common; opt->name != NULL; opt++)
		print(to, opt);
	for (size_t i = 0; tables->nouns[i] != NULL; i++) {
		const struct kms_verb *verb = tables->nouns[i]->verbs;

		for (; verb->run != NULL; verb++) {
			const struct kms_opt *opt = verb->opts;

			for (; opt != NULL && opt->name != NULL; opt++) {
				if (!seen_before(tables, opt))
					print(to, opt);
			}
		}
	}
}

/* ---- the functions of the script */

static void print_takes_value(FILE *to, const struct kms_opt *opt)
{
	if (opt->value != NULL)
		fprintf(to, "|--%s", opt->name);
}

static void print_values(FILE *to, const struct kms_opt *opt)
{
	if (opt->type == KMS_FILE)
		fprintf(to, "\t--%s) COMPREPLY=($(compgen -f -- \"$2\")) ;;\n", opt->name);
	if (opt->type != KMS_CHOICE && opt->type != KMS_FORMAT)
		return;
	fprintf(to, "\t--%s) COMPREPLY=($(compgen -W \"", opt->name);
	/* Of "value(FIELD,...)" the word is offered, since the shell would not take parentheses. */
	for (const char *at = opt->value; *at != '\0'; at += strcspn(at, "|")) {
		at += *at == '|';
		fprintf(to, "%.*s ", (int) strcspn(at, "|("), at);
	}
	fputs("\" -- \"$2\")) ;;\n", to);
}

static void print_names(FILE *to, const struct kms_opt *opts)
{
	for (; opts != NULL && opts->name != NULL; opts++)
		fprintf(to, " --%s", opts->name);
}

/* "versions" for "keys": what is spelled with this and one more word. */
static void print_below(FILE *to, const struct kms_tables *tables, const char *spelling)
{
	size_t len = strlen(spelling);

	for (size_t i = 0; tables->nouns[i] != NULL; i++) {
		const char *name = tables->nouns[i]->name;

		if (strncmp(name, spelling, len) == 0 && name[len] == ' ')
			fprintf(to, "%s ", name + len + 1);
	}
}

/* The case branches of one path: its verbs, and for each verb its options. */
static void print_path(FILE *to, const struct kms_tables *tables, const struct kms_noun *noun,
		       const char *spelling)
{
	if (noun->verbs->name != NULL) {
		fprintf(to, "\t'%s') words='", spelling);
		for (const struct kms_verb *verb = noun->verbs; verb->run != NULL; verb++)
			fprintf(to, "%s ", verb->name);
		print_below(to, tables, noun->name);
		fputs("' ;;\n", to);
	}
	for (const struct kms_verb *verb = noun->verbs; verb->run != NULL; verb++) {
		fprintf(to, "\t'%s%s%s'*) opts='", spelling, verb->name != NULL ? " " : "",
			verb->name != NULL ? verb->name : "");
		print_names(to, verb->opts);
		fputs("' ;;\n", to);
	}
}

static void print_next(FILE *to, const struct kms_tables *tables)
{
	fprintf(to, "_%s_next()\n{\n\tlocal words= opts=\n\tcase $1 in\n\t'') words='",
		tables->program);
	for (size_t i = 0; tables->nouns[i] != NULL; i++) {
		if (strchr(tables->nouns[i]->name, ' ') == NULL)
			fprintf(to, "%s ", tables->nouns[i]->name);
	}
	fputs("' ;;\n", to);
	for (size_t i = 0; tables->nouns[i] != NULL; i++) {
		const struct kms_noun *noun = tables->nouns[i];

		print_path(to, tables, noun, noun->name);
		for (size_t a = 0; noun->aliases != NULL && noun->aliases[a] != NULL; a++)
			print_path(to, tables, noun, noun->aliases[a]);
	}
	fputs("\tesac\n\t[[ $2 != -* ]] && [[ -n $words ]] && echo \"$words\" && return\n"
	      "\techo \"$opts",
	      to);
	print_names(to, tables->common);
	fputs("\"\n}\n", to);
}

static void print_script(FILE *to, const struct kms_tables *tables)
{
	fprintf(to, script_head, tables->program);
	fprintf(to, "_%s_takes_value()\n{\n\tcase $1 in\n\t'-'", tables->program);
	each_opt(to, tables, print_takes_value);
	fprintf(to, ") return 0 ;;\n\tesac\n\treturn 1\n}\n_%s_values()\n{\n\tcase $1 in\n",
		tables->program);
	each_opt(to, tables, print_values);
	fputs("\tesac\n}\n", to);
	print_next(to, tables);
	fprintf(to, script_tail, tables->program);
}

clv_rc kms_completion_bash(const struct kms_tables *tables, char **ret_text, struct clv_err *err)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (to != NULL)
		print_script(to, tables);
	if (to == NULL || fclose(to) != 0) {
		free(text);
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the script");
	}
	*ret_text = text;
	return CLV_OK;
}
