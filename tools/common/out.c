/* SPDX-License-Identifier: Apache-2.0 */
/* The one way out: results, notes, errors. Not for the bytes of --plaintext-file (file.c). */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <claviger/time.h>

#include "tools/common/auto.h"
#include "tools/common/env.h"
#include "tools/common/out.h"

#define NOTE_MAX 1024 /* bytes of one note, with the final NUL */

void kms_out_init(struct kms_out *out, struct kms_format format, bool quiet)
{
	*out = (struct kms_out){
		.format = format,
		.json = format.form == KMS_FORM_JSON,
		.quiet = quiet,
	};
}

void kms_out_done(struct kms_out *out)
{
	json_decref(out->doc);
	json_decref(out->warnings);
	free(out->text);
	free(out->asked);
	kms_spool_done(&out->spool);
	kms_pile_free(out->pile);
	*out = (struct kms_out){ 0 };
}

/* ---- taking results */

clv_rc kms_out_record_with(struct kms_out *out, json_t *doc, const char *field,
			   const struct kms_column *columns, struct clv_err *err)
{
	if (out->format.form == KMS_FORM_TABLE && json_is_object(doc))
		doc = json_pack("[o]", doc); /* a table of one line */
	if (doc == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the result");
	json_decref(out->doc);
	out->doc = doc;
	out->table_field = field;
	out->columns = columns;
	return CLV_OK;
}

clv_rc kms_out_record(struct kms_out *out, json_t *doc, struct clv_err *err)
{
	return kms_out_record_with(out, doc, NULL, NULL, err);
}

clv_rc kms_out_list(struct kms_out *out, json_t *doc, const struct kms_column *columns,
		    struct clv_err *err)
{
	return kms_out_record_with(out, doc, NULL, columns, err);
}

/* "CREATE_TIME" for "a.createTime", as gcloud titles it. */
static void title_of(const char *field, char title[2 * KMS_FIELD_MAX])
{
	const char *dot = strrchr(field, '.');
	size_t used = 0;

	for (const char *at = dot != NULL ? dot + 1 : field; *at != '\0'; at++) {
		bool upper = *at >= 'A' && *at <= 'Z';

		if (upper && used > 0)
			title[used++] = '_';
		title[used++] = (char) (*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
	}
	title[used] = '\0';
}

struct kms_asked {
	struct kms_format_field fields[KMS_FORMAT_FIELDS_MAX];
	char titles[KMS_FORMAT_FIELDS_MAX][2 * KMS_FIELD_MAX];
	struct kms_column columns[KMS_FORMAT_FIELDS_MAX + 1];
};

/* The columns of a table that was asked for; they are there as long as `out` is. */
static clv_rc ask_columns(struct kms_out *out, const struct kms_column **ret_columns,
			  struct clv_err *err)
{
	struct kms_asked *asked = out->asked;
	size_t n;

	if (asked == NULL)
		asked = out->asked = calloc(1, sizeof *asked);
	if (asked == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the result");
	n = kms_format_fields(&out->format, asked->fields);
	for (size_t i = 0; i < n; i++) {
		title_of(asked->fields[i].name, asked->titles[i]);
		asked->columns[i] = (struct kms_column){ asked->titles[i], asked->fields[i].name,
							 asked->fields[i].last_part };
	}
	*ret_columns = asked->columns;
	return CLV_OK;
}

clv_rc kms_out_stream(struct kms_out *out, const struct kms_stream *stream, struct clv_err *err)
{
	out->streamed = true;
	out->stream = *stream;
	if (out->format.form == KMS_FORM_TABLE)
		CLV_TRY(ask_columns(out, &out->stream.columns, err));
	else if (out->format.form != KMS_FORM_TEXT || stream->names)
		out->stream.columns = NULL;
	if (out->stream.columns == NULL && stream->order == NULL)
		return CLV_OK;
	return kms_pile_new(stream->order, stream->limit, &out->pile, err);
}

/* As json_dumpf() would print it in its list. */
static clv_rc print_json_item(FILE *to, const json_t *item, struct clv_err *err)
{
	KMS_AUTO(kms_free)
	void *dump = json_dumps(item, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
	const char *at = dump;

	if (dump == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the result");
	while (*at != '\0') {
		size_t len = strcspn(at, "\n"); /* those inside strings are escaped */

		fprintf(to, "\n  %.*s", (int) len, at);
		at += len;
		at += *at == '\n';
	}
	return CLV_OK;
}

static clv_rc print_item(FILE *to, const struct kms_out *out, const json_t *item,
			 struct clv_err *err)
{
	if (out->stream.names)
		item = json_object_get(item, "name");
	if (out->json)
		return print_json_item(to, item, err);
	if (out->stream.columns != NULL) {
		kms_put_row(to, item, out->stream.columns);
	} else if (out->format.form == KMS_FORM_VALUE) {
		kms_print_values(to, item, &out->format, false);
	} else {
		kms_show(to, json_string_value(item));
		fputc('\n', to);
	}
	return CLV_OK;
}

/* What stands before an item of a list in JSON. */
static const char *before_item(const struct kms_out *out, bool first)
{
	return !out->json ? "" : first ? "[" : ",";
}

static clv_rc keep_item(struct kms_out *out, const json_t *item, const char *text, size_t len,
			struct clv_err *err)
{
	const char *before = before_item(out, out->n_items == 0);

	if (out->pile != NULL)
		return kms_pile_add(out->pile, item, text, len, err);
	CLV_TRY(kms_spool_add(&out->spool, before, strlen(before), err));
	return kms_spool_add(&out->spool, text, len, err);
}

clv_rc kms_out_item(struct kms_out *out, const json_t *item, struct clv_err *err)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	clv_rc rc = CLV_OK;

	if (to != NULL)
		rc = print_item(to, out, item, err);
	if (to == NULL || fclose(to) != 0)
		rc = clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the result");
	if (rc == CLV_OK)
		rc = keep_item(out, item, text, len, err);
	free(text);
	out->n_items++;
	return rc;
}

clv_rc kms_out_made(struct kms_out *out, json_t *doc, struct clv_err *err)
{
	if (out->format.form != KMS_FORM_TEXT || doc == NULL)
		return kms_out_record(out, doc, err);
	json_decref(doc);
	return CLV_OK;
}

void kms_out_text(struct kms_out *out, char *text)
{
	free(out->text);
	out->text = text;
}

/* ---- notes and errors */

void kms_out_note(const struct kms_out *out, const char *fmt, ...)
{
	char line[NOTE_MAX];
	va_list ap;

	if (out->json || out->quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	kms_show(stderr, line);
	fputc('\n', stderr);
}

void kms_out_warn(struct kms_out *out, const char *fmt, ...)
{
	char line[NOTE_MAX];
	va_list ap;

	if (out->no_warnings)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (out->json) {
		if (out->warnings == NULL)
			out->warnings = json_array();
		json_array_append_new(out->warnings, json_string(line));
		return;
	}
	fputs("WARNING: ", stderr);
	kms_show(stderr, line);
	fputc('\n', stderr);
}

void kms_out_error(bool json, const char *where, clv_rc rc, const struct clv_err *err)
{
	if (json) {
		KMS_AUTO(kms_json_free) json_t *error = json_object();
		KMS_AUTO(kms_json_free) json_t *doc = json_object();

		kms_put(&error, "code", json_integer(clv_rc_http(rc)));
		kms_put_text(&error, "status", clv_rc_name(rc));
		kms_put_text(&error, "message", err->text);
		kms_put(&doc, "error", KMS_TAKE(error));
		json_dumpf(doc, stderr, JSON_COMPACT);
	} else {
		fprintf(stderr, "ERROR: (%s) %s: ", where, clv_rc_name(rc));
		kms_show(stderr, err->text);
	}
	fputc('\n', stderr);
}

/* ---- printing */

static clv_rc stdout_failed(int errnum, struct clv_err *err)
{
	clv_rc rc =
		errnum == ENOSPC || errnum == EDQUOT ? CLV_E_RESOURCE_EXHAUSTED : CLV_E_UNAVAILABLE;

	return clv_fail_errno(err, rc, errnum, "cannot write to standard output");
}

static clv_rc flush(struct clv_err *err)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return stdout_failed(errno != 0 ? errno : EIO, err);
	return CLV_OK;
}

clv_rc kms_out_line(const char *line, struct clv_err *err)
{
	errno = 0;
	kms_show(stdout, line);
	fputc('\n', stdout);
	return flush(err);
}

static void print_json(struct kms_out *out)
{
	if (out->warnings != NULL && json_is_object(out->doc))
		json_object_set(out->doc, "warnings", out->warnings);
	json_dumpf(out->doc, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	fputc('\n', stdout);
}

static clv_rc print_text(const struct kms_out *out, struct clv_err *err)
{
	const json_t *list = out->doc;

	if (out->columns == NULL || out->table_field != NULL)
		kms_print_record(stdout, out->doc, out->table_field);
	if (out->columns == NULL)
		return CLV_OK;
	if (out->table_field != NULL) {
		list = json_object_get(out->doc, out->table_field);
		if (json_array_size(list) > 0)
			fputc('\n', stdout);
	} else if (json_array_size(list) == 0) {
		kms_out_note(out, "Listed 0 items.");
	}
	return kms_print_table(stdout, list, out->columns, kms_screen_of_stdout(), err);
}

static clv_rc print_asked_table(struct kms_out *out, struct clv_err *err)
{
	const struct kms_column *columns;

	CLV_TRY(ask_columns(out, &columns, err));
	return kms_print_table(stdout, out->doc, columns, kms_screen_of_stdout(), err);
}

/* What is no table, in its order. */
static clv_rc print_pile(const struct kms_out *out, struct clv_err *err)
{
	const char *text;
	bool first = true;
	size_t len;

	CLV_TRY(kms_pile_begin(out->pile, err));
	CLV_TRY(kms_pile_next(out->pile, &text, &len, err));
	/* As with a spool, there is no use in going on when this fails. */
	while (text != NULL && !ferror(stdout)) {
		fputs(before_item(out, first), stdout);
		fwrite(text, 1, len, stdout);
		first = false;
		CLV_TRY(kms_pile_next(out->pile, &text, &len, err));
	}
	return CLV_OK;
}

static clv_rc print_items(struct kms_out *out, struct clv_err *err)
{
	if (out->pile == NULL)
		return kms_spool_copy(&out->spool, stdout, err);
	if (out->stream.columns == NULL)
		return print_pile(out, err);
	return kms_print_rows(stdout, out->pile, out->stream.columns, kms_screen_of_stdout(), err);
}

static clv_rc print_stream(struct kms_out *out, struct clv_err *err)
{
	CLV_TRY(print_items(out, err));
	if (out->json)
		fputs(out->n_items == 0 ? "[]\n" : "\n]\n", stdout);
	else if (out->n_items == 0)
		kms_out_note(out, "Listed 0 items.");
	return CLV_OK;
}

static clv_rc print_doc(struct kms_out *out, struct clv_err *err)
{
	switch (out->format.form) {
	case KMS_FORM_TEXT:
		return print_text(out, err);
	case KMS_FORM_JSON:
		print_json(out);
		break;
	case KMS_FORM_VALUE:
		kms_print_values(stdout, out->doc, &out->format, true);
		break;
	case KMS_FORM_TABLE:
		return print_asked_table(out, err);
	}
	return CLV_OK;
}

/* In JSON mode, those that the result has no place for. */
static void print_warnings(const struct kms_out *out)
{
	KMS_AUTO(kms_json_free) json_t *doc = NULL;

	if (out->warnings == NULL || json_is_object(out->doc))
		return;
	doc = json_pack("{sO}", "warnings", out->warnings);
	json_dumpf(doc, stderr, JSON_COMPACT);
	fputc('\n', stderr);
}

clv_rc kms_out_finish(struct kms_out *out, struct clv_err *err)
{
	errno = 0; /* a long text fails while it is printed, not when it is flushed */
	if (out->text != NULL)
		fputs(out->text, stdout);
	else if (out->streamed)
		CLV_TRY(print_stream(out, err));
	else if (out->doc != NULL)
		CLV_TRY(print_doc(out, err));
	CLV_TRY(flush(err));
	/* A file server may find out only now that the disk is full. */
	if (fclose(stdout) != 0)
		return stdout_failed(errno, err);
	print_warnings(out);
	return CLV_OK;
}

struct kms_screen kms_screen_of_stdout(void)
{
	const char *term = kms_env(KMS_ENV_TERM);
	struct winsize size = { 0 };

	if (!isatty(STDOUT_FILENO))
		return (struct kms_screen){ 0, false };
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		size.ws_col = 0;
	return (struct kms_screen){
		.width = size.ws_col,
		.colours = kms_env(KMS_ENV_NO_COLOR) == NULL && term != NULL &&
			   strcmp(term, "dumb") != 0,
	};
}
