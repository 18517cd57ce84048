/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl dek: data-encryption keys, wrapped under a key. The DEK itself is in a clv_secret and in
 * --plaintext-file, nowhere else; rewrap never has it. */
#include <string.h>
#include <sys/stat.h>

#include "tools/common/file.h"
#include "tools/kmsctl/rewrap.h"

static bool is_std(const char *path)
{
	return path != NULL && strcmp(path, "-") == 0;
}

/* What the verbs have in common; ended by dek_done(). */
struct dek {
	struct kms_run *run;
	struct clv_buf aad, wrapped;
	char version[CLV_NAME_MAX];
};

static void dek_done(struct dek *dek)
{
	clv_buf_done(&dek->aad);
	clv_buf_done(&dek->wrapped);
}

static clv_rc read_aad(struct dek *dek, struct clv_err *err)
{
	const char *path = kms_text(dek->run->args, "additional-authenticated-data-file");

	if (path == NULL)
		return CLV_OK;
	return kms_read_file(path, "additional authenticated data", CLV_AAD_MAX, &dek->aad, err);
}

static clv_rc read_inputs(struct dek *dek, struct clv_err *err)
{
	const struct kms_args *args = dek->run->args;
	const char *path = kms_text(args, "wrapped-file");

	if (is_std(path) && is_std(kms_text(args, "additional-authenticated-data-file")))
		return kms_usage(args, err, "only one input can be standard input");
	CLV_TRY(read_aad(dek, err));
	return kms_read_file(path, "wrapped DEK", CLV_CIPHERTEXT_MAX, &dek->wrapped, err);
}

/* The bytes of a DEK are for their owner. */
static struct kms_sink plaintext_sink(const struct kms_args *args)
{
	return (struct kms_sink){ .path = kms_text(args, "plaintext-file"),
				  .what = "DEK",
				  .mode = 0600,
				  .sync = true,
				  .not_to_terminal = !kms_given(args, "force"),
				  .not_to_others = !kms_given(args, "force") };
}

static clv_rc write_secret(const struct kms_sink *sink, const struct clv_secret *secret,
			   struct clv_err *err)
{
	return kms_sink_write(
		sink, (struct clv_bytes){ clv_secret_bytes(secret), clv_secret_len(secret) }, err);
}

/* ---- generate */

static clv_rc check_outputs(const struct kms_args *args, const struct kms_sink *wrapped,
			    const struct kms_sink *plaintext, struct clv_err *err)
{
	if (is_std(wrapped->path) && is_std(plaintext->path))
		return kms_usage(args, err, "only one output can be standard output");
	CLV_TRY(kms_sinks_check_apart(wrapped, plaintext, err));
	CLV_TRY(kms_sink_check(wrapped, err));
	if (plaintext->path == NULL)
		return CLV_OK;
	return kms_sink_check(plaintext, err);
}

/*
 * The wrapped one goes first: a DEK whose wrapping is lost must not come into use. It replaces no
 * file: a wrapped DEK is all that is left of a DEK, and of the data behind it.
 */
static clv_rc generate(struct kms_run *run, struct clv_err *err)
{
	const struct kms_args *args = run->args;
	const struct kms_sink plaintext = plaintext_sink(args);
	const struct kms_sink wrapped = { .path = kms_text(args, "wrapped-file"),
					  .what = "wrapped DEK",
					  .mode = 0666 & ~run->umask,
					  .sync = true,
					  .no_replace = true };
	KMS_AUTO_DONE(dek_done) struct dek dek = { .run = run };
	KMS_AUTO(clv_secret_free) struct clv_secret *secret = NULL;
	struct clv_dek_options options = { .len = (size_t) kms_number(args, "length", 0) };
	json_t *rec;

	CLV_TRY(check_outputs(args, &wrapped, &plaintext, err));
	CLV_TRY(read_aad(&dek, err));
	options.aad = clv_buf_view(&dek.aad);
	CLV_TRY(clv_dek_generate(run->ctx, run->who, run->full, &options, &dek.wrapped,
				 plaintext.path != NULL ? &secret : NULL, dek.version, err));
	CLV_TRY(kms_sink_write(&wrapped, clv_buf_view(&dek.wrapped), err));
	if (plaintext.path != NULL)
		CLV_TRY(write_secret(&plaintext, secret, err));
	if (is_std(wrapped.path) || is_std(plaintext.path))
		return CLV_OK;
	rec = json_object();
	kms_put_text(&rec, "name", dek.version);
	return kms_out_made(run->out, rec, err);
}

/* ---- unwrap */

static clv_rc unwrap(struct kms_run *run, struct clv_err *err)
{
	const struct kms_sink plaintext = plaintext_sink(run->args);
	KMS_AUTO_DONE(dek_done) struct dek dek = { .run = run };
	KMS_AUTO(clv_secret_free) struct clv_secret *secret = NULL;
	json_t *rec;

	CLV_TRY(kms_sink_check(&plaintext, err));
	CLV_TRY(read_inputs(&dek, err));
	CLV_TRY(clv_dek_unwrap(run->ctx, run->who, run->full, clv_buf_view(&dek.wrapped),
			       clv_buf_view(&dek.aad), &secret, dek.version, err));
	CLV_TRY(write_secret(&plaintext, secret, err));
	if (is_std(plaintext.path))
		return CLV_OK;
	rec = json_object();
	kms_put_text(&rec, "name", dek.version);
	return kms_out_made(run->out, rec, err);
}

/* ---- rewrap, one */

static json_t *record_of(const struct clv_dek_rewrapped *report)
{
	json_t *rec = json_object();

	kms_put_text(&rec, "name", report->to);
	kms_put_text(&rec, "from", report->from);
	kms_put(&rec, "unchanged", json_boolean(report->unchanged));
	return rec;
}

static void note_rewrapped(struct kms_run *run, const struct clv_dek_rewrapped *report)
{
	const char *to = strrchr(report->to, '/') + 1, *from = strrchr(report->from, '/') + 1;

	if (report->unchanged)
		kms_out_note(run->out, "Unchanged: wrapped under the primary version [%s] already.",
			     to);
	else
		kms_out_note(run->out, "Rewrapped from version [%s] to version [%s].", from, to);
}

/* In its own place a file keeps its permissions. */
static struct kms_sink rewrapped_sink(const struct kms_run *run)
{
	const char *from = kms_text(run->args, "wrapped-file");
	const char *to = kms_text(run->args, "output-file");
	struct kms_sink sink = { .path = to != NULL ? to : from,
				 .what = "wrapped DEK",
				 .mode = 0666 & ~run->umask,
				 .sync = true };
	struct stat st;

	if (to == NULL && stat(from, &st) == 0)
		sink.mode = st.st_mode & 0777;
	return sink;
}

static clv_rc rewrap_one(struct kms_run *run, struct clv_err *err)
{
	const struct kms_sink sink = rewrapped_sink(run);
	bool in_place = !kms_given(run->args, "output-file") && !is_std(sink.path);
	KMS_AUTO_DONE(dek_done) struct dek dek = { .run = run };
	KMS_AUTO_DONE(clv_buf_done) struct clv_buf out = { 0 };
	struct clv_dek_rewrapped report;

	CLV_TRY(kms_sink_check(&sink, err));
	CLV_TRY(read_inputs(&dek, err));
	CLV_TRY(clv_dek_rewrap(run->ctx, run->who, run->full, clv_buf_view(&dek.wrapped),
			       clv_buf_view(&dek.aad), &out, &report, err));
	if (!in_place || !report.unchanged)
		CLV_TRY(kms_sink_write(&sink, clv_buf_view(&out), err));
	note_rewrapped(run, &report);
	return is_std(sink.path) ? CLV_OK : kms_out_made(run->out, record_of(&report), err);
}

/* ---- rewrap, many */

static clv_rc rewrap_many(struct kms_run *run, struct clv_err *err)
{
	const char *folder = kms_text(run->args, "folder");
	const char *lines = kms_text(run->args, "json-lines");
	KMS_AUTO_DONE(dek_done) struct dek dek = { .run = run };
	struct rewrap job = { .run = run, .state = { .fd = -1 } };
	clv_rc rc;

	CLV_TRY(read_aad(&dek, err));
	job.aad = clv_buf_view(&dek.aad);
	rc = folder != NULL ? rewrap_folder(&job, folder, err) : rewrap_lines(&job, lines, err);
	rc = rewrap_report(&job, rc, err);
	rewrap_state_done(&job.state);
	return rc;
}

static clv_rc rewrap(struct kms_run *run, struct clv_err *err)
{
	static const char *const inputs[] = { "wrapped-file", "folder", "json-lines" };
	unsigned n = 0;

	for (size_t i = 0; i < KMS_ARRAY_LEN(inputs); i++)
		n += kms_given(run->args, inputs[i]);
	if (n != 1)
		return kms_usage(run->args, err,
				 "give one of --wrapped-file, --folder and --json-lines");
	if (kms_given(run->args, "wrapped-file"))
		return rewrap_one(run, err);
	if (kms_given(run->args, "output-file"))
		return kms_usage(run->args, err, "--output-file goes with --wrapped-file");
	return rewrap_many(run, err);
}

/* ---- tables */

static const struct kms_opt generate_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	{ "wrapped-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED,
	  "where to put the wrapped DEK; - is standard output" },
	{ "plaintext-file", 0, "FILE", KMS_FILE, 0,
	  "where to put the DEK itself; - is standard output" },
	{ "length", 0, "N", KMS_COUNT, 0, "bytes of the DEK, 16 to 64; 32 when not given" },
	OPT_AAD,
	OPT_FORCE,
	OPT_END,
};

static const struct kms_opt unwrap_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	{ "wrapped-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED,
	  "the wrapped DEK; - is standard input" },
	{ "plaintext-file", 0, "FILE", KMS_FILE, KMS_OPT_REQUIRED,
	  "where to put the DEK; - is standard output" },
	OPT_AAD,
	OPT_FORCE,
	OPT_END,
};

static const struct kms_opt rewrap_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_KEY,
	{ "wrapped-file", 0, "FILE", KMS_FILE, 0, "one wrapped DEK; - is standard input" },
	{ "output-file", 0, "FILE", KMS_FILE, 0,
	  "where to put that one; in its own place when not given" },
	{ "folder", 0, "DIR", KMS_FILE, 0, "each regular file in it is a wrapped DEK" },
	{ "json-lines", 0, "FILE", KMS_FILE, 0,
	  "each line is a JSON object with a member wrapped_dek in base64" },
	OPT_AAD,
	OPT_END,
};

static const struct kms_verb dek_verbs[] = {
	{ "generate", generate, generate_opts, NULL, CLV_NAME_KEY, KMS_READS,
	  "make a DEK in the token, wrapped under a key" },
	{ "unwrap", unwrap, unwrap_opts, NULL, CLV_NAME_KEY, KMS_READS, "open a wrapped DEK" },
	{ "rewrap", rewrap, rewrap_opts, NULL, CLV_NAME_KEY, KMS_READS,
	  "wrap DEKs anew, under the primary version of the same key" },
	{ 0 },
};

const struct kms_noun kms_noun_dek = { "dek", NULL, "data-encryption keys under a key", dek_verbs };
