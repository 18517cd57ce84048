/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables that describe a command line, and the parser that reads a line by them. Help,
 * completion and the man page's lint read the same tables.
 */
#ifndef TOOLS_COMMON_OPT_H
#define TOOLS_COMMON_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <claviger/err.h>
#include <claviger/name.h>

/* What the value of an option must look like; the parser checks it, so that verbs need not. */
enum kms_type {
	KMS_TEXT,     /* anything */
	KMS_FILE,     /* a file name, for completion; "-" is standard input or output */
	KMS_CHOICE,   /* one of the words in `value`, separated by '|', in letters of either case */
	KMS_COUNT,    /* a decimal number >= 1 */
	KMS_LIMIT,    /* the same, or "unlimited", which is INT64_MAX */
	KMS_DURATION, /* as kms_duration_parse() reads it, kept in ns, > 0 */
	KMS_TIME,     /* as kms_time_parse() reads it, kept in ns since 1970, > 0 */
	KMS_FORMAT,   /* as kms_format_parse() reads it; `value` has words for completion */
	KMS_FILTER,   /* as kms_filter_parse() reads it; empty: none */
	KMS_SORT,     /* as kms_sort_check() has it */
};

#define KMS_OPT_REQUIRED 1u
#define KMS_OPT_REPEAT 2u

struct kms_opt {
	const char *name;  /* without dashes */
	char letter;       /* 0: none */
	const char *value; /* what help calls the value; NULL: a switch */
	enum kms_type type;
	unsigned flags; /* KMS_OPT_* */
	const char *help;
};

#define KMS_NO_NAME (-1)

/* Whether a verb needs the home, and what it does there. */
enum kms_effect {
	KMS_ALONE,   /* works without a home */
	KMS_READS,   /* opens the home, changes nothing in it */
	KMS_CHANGES, /* opens the home and changes it */
};

struct kms_run;

struct kms_verb {
	const char *name; /* NULL: the noun is the whole command, as in `kmsctl encrypt` */
	clv_rc (*run)(struct kms_run *run, struct clv_err *err);
	const struct kms_opt *opts; /* ended by a row without a name; may be NULL */
	const char *args; /* "KEY": one; "KEY FILE": two; "[COMMAND...]": any number; NULL: none */
	int kind;         /* enum clv_name_kind of what it works on, or KMS_NO_NAME */
	enum kms_effect effect;
	const char *help; /* one line */
};

struct kms_noun {
	const char *name;           /* "keys versions" */
	const char *const *aliases; /* other spellings, ended by NULL; may be NULL */
	const char *help;           /* one line */
	const struct kms_verb *verbs;
};

/* A whole program. An option name must mean the same kind of thing (switch or value) everywhere. */
struct kms_tables {
	const char *program;
	const struct kms_noun *const *nouns; /* ended by NULL */
	const struct kms_opt *common;        /* options of every command */
	/* Words of other programs that do the same: options ("--x") and commands that we know of
	 * and do not have, ended by NULL. */
	const char *const *not_offered;
};

/* An option as given. Texts are borrowed from argv. */
struct kms_value {
	const struct kms_opt *opt;
	const char *text;
	int64_t number; /* KMS_COUNT, KMS_LIMIT, KMS_DURATION, KMS_TIME */
};

/* What was wrong with the line, noted while reading and reported once the command is known. */
struct kms_problem {
	const char *unknown;            /* an option word that no table has */
	const struct kms_opt *no_value; /* stands without its value */
	const struct kms_opt *extra;    /* a switch with a value */
};

/* A line taken apart. End it with kms_args_done(). */
struct kms_args {
	const struct kms_tables *tables;
	const struct kms_noun *noun; /* NULL: not known */
	const struct kms_verb *verb; /* NULL: not known */
	struct kms_value *values;
	size_t n_values;
	const char **words; /* all that are not options */
	size_t n_words;
	const char **arg; /* inside words: what follows noun and verb */
	size_t n_args;
	struct kms_problem problem;
};

/*
 * Reads a line; argv[0] is skipped. *ret_args is to be ended also on failure, and says then as
 * much as could be understood (which command, --format). With --help only the command is checked.
 * Errors: CLV_E_INVALID_ARGUMENT, with where help is to be found; CLV_E_UNIMPLEMENTED.
 */
CLV_MUST_USE clv_rc kms_args_parse(const struct kms_tables *tables, int argc, char *const *argv,
				   struct kms_args *ret_args, struct clv_err *err);
void kms_args_done(struct kms_args *args);

/* The options of a parsed line: was it given, its text (NULL when not), its number. Of one that is
 * given several times the last. */
bool kms_given(const struct kms_args *args, const char *name);
const char *kms_text(const struct kms_args *args, const char *name);
int64_t kms_number(const struct kms_args *args, const char *name, int64_t when_not_given);

/* The texts of a repeated option, one a call; start with *at == 0. NULL: no more. */
const char *kms_each(const struct kms_args *args, const char *name, size_t *at);

/* Fills *err with a usage error: what is wrong, then where help is. */
CLV_MUST_USE clv_rc kms_usage(const struct kms_args *args, struct clv_err *err, const char *fmt,
			      ...) CLV_PRINTF(3, 4);

/* The noun that the first words name, its longest match; *ret_used is how many words that took. */
const struct kms_noun *kms_find_noun(const struct kms_tables *tables, const char *const *words,
				     size_t n, size_t *ret_used);
const struct kms_verb *kms_find_verb(const struct kms_noun *noun, const char *word);
/* In one table, or NULL. The name need not be ended behind `len`. */
const struct kms_opt *kms_find_opt(const struct kms_opt *opts, const char *name, size_t len);

/* Of two words, how many letters must be changed, added, dropped or swapped. */
unsigned kms_distance(const char *a, const char *b);

#endif
