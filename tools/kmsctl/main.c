/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kmsctl: harden the process, read the line, open the home, run one verb, print once. Everything
 * that is about a noun is in noun_*.c.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "tools/common/help.h"
#include "tools/kmsctl/kmsctl.h"

/*
 * A closed standard descriptor would be given to the next file that is opened, the catalogue or a
 * token's, and our output would go into it. What takes the place here fails when it is used.
 */
static void fill_standard_descriptors(void)
{
	static const int modes[] = { O_WRONLY, O_RDONLY, O_RDWR };

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
			_exit(clv_rc_exit(CLV_E_UNAVAILABLE));
	}
}

/* First of all: no memory of this process ends in a core file or under a debugger. */
static mode_t harden(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
#ifndef CLV_SANITIZED /* the leak check attaches to the process that it checks */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	fill_standard_descriptors();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk */
	return umask(077);
}

/* Who the line says it is; the library sees to it that only the home's owner says so. */
static void read_caller(struct kms_run *run)
{
	const struct kms_args *args = run->args;

	if (!kms_given(args, "as") && !kms_given(args, "from") && !kms_given(args, "job-id") &&
	    !kms_given(args, "component"))
		return;
	run->caller = (struct clv_caller){ .principal = kms_text(args, "as"),
					   .place = kms_text(args, "from"),
					   .job_id = kms_text(args, "job-id"),
					   .component = kms_text(args, "component") };
	if (run->caller.principal == NULL)
		run->caller.principal = clv_ctx_principal(run->ctx);
	run->who = &run->caller;
}

static clv_rc run_verb(struct kms_run *run, struct clv_err *err)
{
	const struct clv_ctx_options options = {
		.home = run->home,
		.allow_unlocked_memory = kms_given(run->args, "allow-unlocked-memory"),
	};
	KMS_AUTO(clv_ctx_free) struct clv_ctx *ctx = NULL;

	CLV_TRY(kms_names_collect(run->args, &run->name, err));
	if (kms_given(run->args, "every") || kms_given(run->args, "folder") ||
	    kms_given(run->args, "json-lines"))
		kms_every_prepare();
	if (run->args->verb->effect != KMS_ALONE) {
		CLV_TRY(clv_ctx_open(&options, &ctx, err));
		run->ctx = ctx;
		read_caller(run);
		CLV_TRY(kms_names_finish(run->args, clv_ctx_project(ctx), &run->name, run->full,
					 err));
	}
	return run->args->verb->run(run, err);
}

static clv_rc show_help(const struct kms_args *args, struct kms_out *out, struct clv_err *err)
{
	char *text = NULL;

	CLV_TRY(kms_help(args->tables, args->words, args->n_words - args->n_args, &text, err));
	kms_out_text(out, text);
	return CLV_OK;
}

static clv_rc run_line(const struct kms_args *args, struct kms_out *out, mode_t users_umask,
		       struct clv_err *err)
{
	char home[KMS_PATH_MAX] = "";
	struct kms_run run = { .args = args, .out = out, .home = home, .umask = users_umask };

	if (kms_given(args, "help"))
		return show_help(args, out, err);
	/* What needs no home must not fail for want of one; init makes one. */
	if (args->verb->effect != KMS_ALONE || args->noun == &kms_noun_init)
		CLV_TRY(kms_home_dir(kms_text(args, "home"), home, &run.home_is_default, err));
	return run_verb(&run, err);
}

static clv_rc finish(const struct kms_args *args, struct kms_out *out, struct clv_err *err)
{
	clv_rc rc = kms_out_finish(out, err);
	size_t used = strlen(err->text);

	if (rc != CLV_OK && args->verb != NULL && args->verb->effect == KMS_CHANGES)
		snprintf(err->text + used, sizeof err->text - used, " (the change was made)");
	return rc;
}

/* Also of a line that is wrong: its error is to have the form that was asked for. */
static struct kms_format format_of(const struct kms_args *args)
{
	struct kms_format format = { KMS_FORM_TEXT, NULL };
	const char *text = kms_text(args, "format");
	struct clv_err err;

	if (text != NULL && kms_format_parse(text, &format, &err) != CLV_OK)
		return (struct kms_format){ KMS_FORM_TEXT, NULL };
	return format;
}

static bool is_past_warnings(const char *verbosity)
{
	return verbosity != NULL &&
	       (strcasecmp(verbosity, "error") == 0 || strcasecmp(verbosity, "critical") == 0 ||
		strcasecmp(verbosity, "none") == 0);
}

static clv_rc run(int argc, char **argv, struct kms_args *args, struct kms_out *out,
		  mode_t users_umask, struct clv_err *err)
{
	clv_rc rc = kms_args_parse(&kmsctl_tables, argc, argv, args, err);

	kms_out_init(out, format_of(args), kms_given(args, "quiet") || kms_given(args, "yes"));
	out->no_warnings = is_past_warnings(kms_text(args, "verbosity"));
	if (rc == CLV_OK)
		rc = run_line(args, out, users_umask, err);
	if (rc == CLV_OK)
		return finish(args, out, err);
	if (out->with_failure) {
		struct clv_err why;
		clv_rc print_rc = finish(args, out, &why);

		(void) print_rc; /* the command has failed anyhow, and that is what is told */
	}
	return rc;
}

/* "kmsctl.keys.versions.disable", as gcloud writes it. */
static void where_of(const struct kms_args *args, char where[96])
{
	const char *noun = args->noun != NULL ? args->noun->name : "";
	const char *verb = args->verb != NULL && args->verb->name != NULL ? args->verb->name : "";

	snprintf(where, 96, "%s%s%s%s%s", kmsctl_tables.program, *noun != '\0' ? "." : "", noun,
		 *verb != '\0' ? "." : "", verb);
	for (char *at = where; *at != '\0'; at++)
		*at = *at == ' ' ? '.' : *at;
}

/* Not an option of the tables: `encrypt --version N` is one that has a value. */
static int print_version(void)
{
	struct kms_out out;
	struct clv_err err;
	clv_rc rc;

	kms_out_init(&out, (struct kms_format){ KMS_FORM_TEXT, NULL }, false);
	printf("kmsctl %s\n", clv_version_text());
	rc = kms_out_finish(&out, &err);
	if (rc != CLV_OK)
		kms_out_error(false, kmsctl_tables.program, rc, &err);
	return clv_rc_exit(rc);
}

int main(int argc, char **argv)
{
	mode_t users_umask = harden();
	struct kms_args args;
	struct kms_out out;
	struct clv_err err = { 0 };
	char where[96];
	clv_rc rc;

	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return print_version();
	rc = run(argc, argv, &args, &out, users_umask, &err);
	where_of(&args, where);
	if (rc != CLV_OK)
		kms_out_error(out.json, where, rc, &err);
	kms_out_done(&out);
	kms_args_done(&args);
	return clv_rc_exit(rc);
}
