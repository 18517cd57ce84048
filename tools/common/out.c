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
	*out = (struct kms_out){ 0 };
}

/* ---- taking results */

clv_rc kms_out_record_with(struct kms_out *out, json_t *doc, const char *field,
			   const struct kms_column *columns, struct clv_err *err)
{
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

clv_rc kms_out_names(struct kms_out *out, json_t *doc, struct clv_err *err)
{
	return kms_out_record_with(out, doc, NULL, NULL, err);
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

/* Items of a list that are no records. */
static void print_lines(const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		kms_show(stdout, json_string_value(json_array_get(list, i)));
		fputc('\n', stdout);
	}
}

static void print_text(const struct kms_out *out)
{
	const json_t *list = out->doc;

	if (out->columns == NULL && json_is_array(list)) {
		print_lines(list);
		return;
	}
	if (out->columns == NULL || out->table_field != NULL)
		kms_print_record(stdout, out->doc, out->table_field);
	if (out->columns == NULL)
		return;
	if (out->table_field != NULL) {
		list = json_object_get(out->doc, out->table_field);
		if (json_array_size(list) > 0)
			fputc('\n', stdout);
	} else if (json_array_size(list) == 0) {
		kms_out_note(out, "Listed 0 items.");
	}
	kms_print_table(stdout, list, out->columns, kms_screen_of_stdout());
}

clv_rc kms_out_finish(struct kms_out *out, struct clv_err *err)
{
	errno = 0; /* a long text fails while it is printed, not when it is flushed */
	if (out->text != NULL)
		fputs(out->text, stdout);
	else if (out->doc != NULL && out->json)
		print_json(out);
	else if (out->doc != NULL && out->format.form == KMS_FORM_VALUE)
		kms_print_values(stdout, out->doc, &out->format);
	else if (out->doc != NULL)
		print_text(out);
	CLV_TRY(flush(err));
	/* A file server may find out only now that the disk is full. */
	if (fclose(stdout) != 0)
		return stdout_failed(errno, err);
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
