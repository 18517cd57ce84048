/* SPDX-License-Identifier: Apache-2.0 */
/* What the nouns share. A verb gets a struct kms_run, makes one library call, hands back a record.
 */
#ifndef TOOLS_KMSCTL_KMSCTL_H
#define TOOLS_KMSCTL_KMSCTL_H

#include <sys/types.h>

#include <claviger/claviger.h>

#include "tools/common/auto.h"
#include "tools/common/env.h"
#include "tools/common/opt.h"
#include "tools/common/out.h"

/* One run of one verb. Everything is borrowed for its length. */
struct kms_run {
	const struct kms_args *args;
	struct kms_out *out;
	struct clv_ctx *ctx; /* NULL for verbs that are KMS_ALONE */
	struct clv_caller caller;
	const struct clv_caller *who; /* `caller`, or NULL where the line says nothing of one */
	const char *home;
	bool home_is_default;
	mode_t umask;         /* the user's own; ours is 077 */
	struct clv_name name; /* what the verb works on; kind is at least the verb's */
	char full[CLV_NAME_MAX];
};

extern const struct kms_tables kmsctl_tables;

/* All nouns, in the order of `kmsctl help`: kms_noun_init and so on, each in its noun_*.c. */
#define KMSCTL_NOUNS(X)                                                                            \
	X(init)                                                                                    \
	X(location)                                                                                \
	X(keyring)                                                                                 \
	X(key)                                                                                     \
	X(version)                                                                                 \
	X(import_job)                                                                              \
	X(encrypt)                                                                                 \
	X(decrypt)                                                                                 \
	X(asymmetric_sign)                                                                         \
	X(asymmetric_decrypt)                                                                      \
	X(mac_sign)                                                                                \
	X(mac_verify)                                                                              \
	X(raw_encrypt)                                                                             \
	X(raw_decrypt)                                                                             \
	X(dek)                                                                                     \
	X(project)                                                                                 \
	X(role)                                                                                    \
	X(org_policy)                                                                              \
	X(policy)                                                                                  \
	X(status)                                                                                  \
	X(maintain)                                                                                \
	X(catalogue)                                                                               \
	X(token)                                                                                   \
	X(help)                                                                                    \
	X(completion)

#define KMSCTL_DECLARE(noun) extern const struct kms_noun kms_noun_##noun;
KMSCTL_NOUNS(KMSCTL_DECLARE)
#undef KMSCTL_DECLARE

/* ---- rows that several tables have */

#define OPT_LOCATION                                                                               \
	{                                                                                          \
		"location", 0, "LOCATION", KMS_TEXT, 0, "location, unless a full name says it"     \
	}
#define OPT_KEYRING                                                                                \
	{                                                                                          \
		"keyring", 0, "KEYRING", KMS_TEXT, 0, "key ring, unless a full name says it"       \
	}
#define OPT_KEY                                                                                    \
	{                                                                                          \
		"key", 0, "KEY", KMS_TEXT, 0, "key, or its full name"                              \
	}
#define OPT_VERSION                                                                                \
	{                                                                                          \
		"version", 0, "N", KMS_TEXT, 0, "version, unless a full name says it"              \
	}
#define OPT_AAD                                                                                    \
	{                                                                                          \
		"additional-authenticated-data-file", 0, "FILE", KMS_FILE, 0,                      \
			"what the ciphertext is bound to besides"                                  \
	}
#define OPT_SKIP_INTEGRITY                                                                         \
	{                                                                                          \
		"skip-integrity-verification", 0, NULL, KMS_TEXT, 0,                               \
			"compare no checksums on the way to the key and back"                      \
	}
#define OPT_FORCE                                                                                  \
	{                                                                                          \
		"force", 0, NULL, KMS_TEXT, 0, "show the plaintext even on a terminal"             \
	}
#define OPT_LIMIT                                                                                  \
	{                                                                                          \
		"limit", 0, "N", KMS_LIMIT, 0, "list at most N"                                    \
	}
/* What every list has; kms_list() does them. */
#define OPT_LIST                                                                                   \
	OPT_LIMIT, { "filter", 0, "EXPRESSION", KMS_FILTER, 0, "list what it holds for" },         \
		{ "sort-by", 0, "FIELD,...", KMS_SORT, 0, "in this order; ~FIELD falls" },         \
		{ "page-size", 0, "N", KMS_COUNT, 0, "ask the catalogue for N at a time" },        \
	{                                                                                          \
		"uri", 0, NULL, KMS_TEXT, 0, "print names only"                                    \
	}
#define OPT_SOFTHSM_MODULE                                                                         \
	{                                                                                          \
		"softhsm-module", 0, "FILE", KMS_FILE, 0,                                          \
			"SoftHSM's PKCS#11 library, if not the usual"                              \
	}
#define OPT_END                                                                                    \
	{                                                                                          \
		0                                                                                  \
	}

/* ---- names (names.c) */

/*
 * Puts together what the verb works on, from its argument and from --location, --keyring, --key
 * and --version, each an id or a full name. The project stays empty when no part says it.
 * Errors: CLV_E_INVALID_ARGUMENT a bad id, a part that is missing, parts that contradict.
 */
CLV_MUST_USE clv_rc kms_names_collect(const struct kms_args *args, struct clv_name *ret_name,
				      struct clv_err *err);

/* Writes `home_project` in where the line and the environment name no project. */
CLV_MUST_USE clv_rc kms_names_finish(const struct kms_args *args, const char *home_project,
				     struct clv_name *name, char full[CLV_NAME_MAX],
				     struct clv_err *err);

/*
 * What the options of place name, from --project down to --key, for verbs without a name of their
 * own. `text`, when not NULL, is a key beside them, or the full name of anything.
 */
CLV_MUST_USE clv_rc kms_name_of_options(const struct kms_args *args, const char *home_project,
					const char *text, struct clv_name *ret_name,
					struct clv_err *err);

/* The location that `text`, an id or a full name, means in this project. */
CLV_MUST_USE clv_rc kms_location_of(const struct kms_args *args, const char *project,
				    const char *text, char ret_full[CLV_NAME_MAX],
				    struct clv_err *err);

/* The import job that `text`, an id or a full name, means beside this key or version. */
CLV_MUST_USE clv_rc kms_import_job_of(const struct kms_args *args, const struct clv_name *key,
				      const char *text, char ret_full[CLV_NAME_MAX],
				      struct clv_err *err);

/* --project, else CLAVIGER_PROJECT, else NULL. */
const char *kms_project_asked(const struct kms_args *args);

/* ---- records (records.c): JSON with Cloud KMS's field names; NULL when there is no memory */

json_t *kms_record_location(const void *location);    /* struct clv_location */
json_t *kms_record_key_ring(const void *ring);        /* struct clv_key_ring */
json_t *kms_record_key(const void *key);              /* struct clv_key */
json_t *kms_record_version(const void *version);      /* struct clv_version */
json_t *kms_record_version_nist(const void *version); /* the same, with NIST's word for its state */
json_t *kms_record_import_job(const void *job);       /* struct clv_import_job */
json_t *kms_record_catalogue(const struct clv_catalogue_report *report);
json_t *kms_record_restoration(const struct clv_restoration *restoration);
json_t *kms_record_maintain(const struct clv_maintain_report *report);
json_t *kms_record_token(const void *token); /* struct clv_token */
json_t *kms_record_switch(const struct clv_switch_report *report);
json_t *kms_record_probe(const struct clv_probe *probe);
json_t *kms_record_status(const struct clv_status *status);

json_t *kms_record_used(const struct clv_used *used);

/* ---- what verbs that use a version share (data.c) */

bool kms_is_std(const char *path);                                 /* "-" */
struct clv_bytes kms_secret_view(const struct clv_secret *secret); /* borrowed from it */

/* Of the options that name a file to read, ended by NULL, at most one may be standard input. */
CLV_MUST_USE clv_rc kms_check_stdin(const struct kms_args *args, const char *const *options,
				    struct clv_err *err);

/* Reads the file that an option names; no bytes when it is not given. */
CLV_MUST_USE clv_rc kms_read_option(const struct kms_args *args, const char *option,
				    const char *what, size_t max, struct clv_buf *ret_buf,
				    struct clv_err *err);

/* The bytes with their checksum, unless it is not to be compared. */
struct clv_input kms_input(const struct kms_args *args, struct clv_bytes bytes);

/* Are these the bytes that the library made? Errors: CLV_E_DATA_LOSS. */
CLV_MUST_USE clv_rc kms_check_output(const struct kms_args *args, struct clv_bytes bytes,
				     uint32_t crc32c, struct clv_err *err);

/* In JSON mode: which version did it. Not when standard output has the bytes already. */
CLV_MUST_USE clv_rc kms_tell_used(struct kms_run *run, const char *path,
				  const struct clv_used *used, struct clv_err *err);

/* "ec-sign-p256-sha256", as gcloud spells them. Errors: CLV_E_INVALID_ARGUMENT. */
CLV_MUST_USE clv_rc kms_read_algorithm(const struct kms_args *args, const char *text,
				       enum clv_algorithm *ret_algorithm, struct clv_err *err);

/* ---- lists (paging.c) */

/* How one kind of thing is listed. Every item begins with its name. */
struct kms_pager {
	size_t item_size;
	/* One page behind the id `after` (NULL: from the first); *ret_items as in key.h. */
	clv_rc (*page)(struct kms_run *run, const char *after, size_t limit, void **ret_items,
		       size_t *ret_n, struct clv_err *err);
	json_t *(*record)(const void *item);
};

/*
 * All pages, or what the options of OPT_LIST leave of them, handed to run->out. As with gcloud
 * the order of things is: --filter, --sort-by, --limit.
 */
CLV_MUST_USE clv_rc kms_list(struct kms_run *run, const struct kms_pager *pager,
			     const struct kms_column *columns, struct clv_err *err);

/* ---- keys versions import (import.c) */

/* The verb of that name. */
CLV_MUST_USE clv_rc kms_version_import(struct kms_run *run, struct clv_err *err);

/* ---- decrypt --every (every.c), and other commands that end between two steps only */

/* Keeps SIGINT and SIGTERM for kms_every() and kms_told_to_end(). Before other threads start: one
 * of them would take the signal and end the program. */
void kms_every_prepare(void);

/* Has one of these signals come? */
bool kms_told_to_end(void);

/*
 * Calls try_once() every `every_ns` until SIGINT or SIGTERM, or `count` times (0: no end). Prints
 * a line whenever the outcome changes and a summary at the end. Returns what the last try gave.
 */
CLV_MUST_USE clv_rc kms_every(int64_t every_ns, uint64_t count,
			      clv_rc (*try_once)(void *what, struct clv_err *err), void *what,
			      struct clv_err *err);

#endif
