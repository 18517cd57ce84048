/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way out. A command hands over one result; it is printed once, at the end, so that
 * standard output carries exactly one document or none. Notes and errors go to standard error.
 */
#ifndef TOOLS_COMMON_OUT_H
#define TOOLS_COMMON_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <claviger/err.h>
#include <jansson.h>

#include "tools/common/format.h"
#include "tools/common/pile.h"
#include "tools/common/spool.h"

/* A column of a table: where in the item its cell is. */
struct kms_column {
	const char *title;
	const char *path; /* "name", "primary.state"; what ends in "state" has colours */
	bool last_part;   /* only what follows the last '/' */
};

/* A table that was asked for by its fields (out.c). */
struct kms_asked;

/* A list that is printed item by item. Everything is borrowed until kms_out_done(). */
struct kms_stream {
	const struct kms_column *columns; /* of the table that it is in text; NULL: it is none */
	bool names;                       /* only the names of items, in text and in JSON */
	const char *order;                /* as kms_pile_new() has it; NULL: as they come */
	size_t limit;                     /* no more than so many, the first in that order */
};

/* What is going to be printed. Start with kms_out_init(), end with kms_out_done(). */
struct kms_out {
	struct kms_format format;
	bool json;                        /* format.form is KMS_FORM_JSON */
	bool quiet;                       /* no notes */
	bool with_failure;                /* doc is printed also when the command fails */
	bool no_warnings;                 /* nor warnings */
	json_t *doc;                      /* owned; NULL: nothing (yet) */
	const char *table_field;          /* the member of doc that is a table; NULL: doc is it */
	const struct kms_column *columns; /* of the table; NULL: no table */
	char *text;                       /* owned; printed as it is, instead of doc */
	json_t *warnings;                 /* owned; JSON mode adds them to doc */
	bool streamed;                    /* instead of doc there are items, in one of these: */
	struct kms_spool spool;           /* of those that can be printed as they come */
	struct kms_pile *pile;            /* owned: of a table, or of what is put into order */
	struct kms_stream stream;
	struct kms_asked *asked; /* owned; stream.columns are its own */
	size_t n_items;
};

/* What the format has is borrowed until kms_out_done(). */
void kms_out_init(struct kms_out *out, struct kms_format format, bool quiet);
void kms_out_done(struct kms_out *out);

/*
 * The result: one thing, a list (columns end with a row without a title), or one thing with a
 * member `field` that is a list. `doc` is taken, also on failure; NULL means that there was no
 * memory to make it. Errors: CLV_E_RESOURCE_EXHAUSTED.
 */
CLV_MUST_USE clv_rc kms_out_record(struct kms_out *out, json_t *doc, struct clv_err *err);
CLV_MUST_USE clv_rc kms_out_list(struct kms_out *out, json_t *doc, const struct kms_column *columns,
				 struct clv_err *err);
CLV_MUST_USE clv_rc kms_out_record_with(struct kms_out *out, json_t *doc, const char *field,
					const struct kms_column *columns, struct clv_err *err);

/*
 * A list item by item, so that it may be of any length: kms_out_stream() once, also when nothing
 * follows, then kms_out_item() for each. Items are records, or where there is neither a table nor
 * an order also texts. Nothing is printed before kms_out_finish(). Errors:
 * CLV_E_RESOURCE_EXHAUSTED, CLV_E_UNAVAILABLE: see kms_spool_add() and kms_pile_add().
 */
CLV_MUST_USE clv_rc kms_out_stream(struct kms_out *out, const struct kms_stream *stream,
				   struct clv_err *err);
CLV_MUST_USE clv_rc kms_out_item(struct kms_out *out, const json_t *item, struct clv_err *err);

/* What was made or switched: nothing on standard output in text (see notes), else `doc`. */
CLV_MUST_USE clv_rc kms_out_made(struct kms_out *out, json_t *doc, struct clv_err *err);

/* A result that is text in any format: help, a completion script. `text` is taken. */
void kms_out_text(struct kms_out *out, char *text);

/* A short confirmation on standard error; silent in JSON mode and when quiet. */
void kms_out_note(const struct kms_out *out, const char *fmt, ...) CLV_PRINTF(2, 3);

/*
 * A warning: on standard error. In JSON mode a member "warnings" of the result, or where the
 * result is not one record, of an object on standard error.
 */
void kms_out_warn(struct kms_out *out, const char *fmt, ...) CLV_PRINTF(2, 3);

/* One line to standard output, at once. Errors: as kms_out_finish(). */
CLV_MUST_USE clv_rc kms_out_line(const char *line, struct clv_err *err);

/*
 * Prints the result and makes sure that it went out.
 * Errors: CLV_E_RESOURCE_EXHAUSTED the disk is full; CLV_E_UNAVAILABLE it could not be written.
 */
CLV_MUST_USE clv_rc kms_out_finish(struct kms_out *out, struct clv_err *err);

/* The one line (or in JSON the one object) on standard error that ends a failed command. */
void kms_out_error(bool json, const char *where, clv_rc rc, const struct clv_err *err);

/* ---- building records: a failure makes *rec NULL, which kms_out_*() then reports */

void kms_put(json_t **rec, const char *key, json_t *value); /* `value` is taken */
void kms_put_text(json_t **rec, const char *key, const char *text);
void kms_put_time(json_t **rec, const char *key, int64_t ns);
void kms_put_number(json_t **rec, const char *key, uint64_t number);
void kms_append(json_t **array, json_t *value); /* `value` is taken */

/* ---- printing for people */

/*
 * Takes the character at *at (UTF-8) and moves on. What a terminal would obey instead of show
 * comes back as "?": labels and reasons were written by others. `to` is NUL-terminated.
 */
void kms_show_char(const char **at, char to[5]);
/* Bytes that `text` begins with and that are shown as they are, a character each. */
size_t kms_show_span(const char *text);
void kms_show(FILE *to, const char *text);

/* `field: value` lines; `skip`, when not NULL, is a member to leave out. */
void kms_print_record(FILE *to, const json_t *record, const char *skip);

/* What a table is printed on. */
struct kms_screen {
	unsigned width; /* characters in a line; 0: any number */
	bool colours;
};

/* That of standard output: colours only on a terminal, and not where NO_COLOR or TERM=dumb say no.
 */
struct kms_screen kms_screen_of_stdout(void);

/*
 * An aligned table, no wider than the screen where cutting names, at their beginning, is enough for
 * that; nothing else is cut. Without rows it has no titles either.
 * Errors: those of kms_pile_add().
 */
CLV_MUST_USE clv_rc kms_print_table(FILE *to, const json_t *list, const struct kms_column *columns,
				    struct kms_screen screen, struct clv_err *err);

/* The same of rows that were made with kms_put_row(), which writes the cells of one, each ended by
 * a NUL. */
CLV_MUST_USE clv_rc kms_print_rows(FILE *to, struct kms_pile *rows,
				   const struct kms_column *columns, struct kms_screen screen,
				   struct clv_err *err);
void kms_put_row(FILE *to, const json_t *item, const struct kms_column *columns);

#endif
