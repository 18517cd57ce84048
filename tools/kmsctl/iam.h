/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of IAM policies, which several nouns have; with gcloud's arguments. */
#ifndef TOOLS_KMSCTL_IAM_H
#define TOOLS_KMSCTL_IAM_H

#include "tools/kmsctl/kmsctl.h"

/* All work on run->full. */
CLV_MUST_USE clv_rc kms_iam_get(struct kms_run *run, struct clv_err *err);
CLV_MUST_USE clv_rc kms_iam_set(struct kms_run *run, struct clv_err *err);
CLV_MUST_USE clv_rc kms_iam_add(struct kms_run *run, struct clv_err *err);
CLV_MUST_USE clv_rc kms_iam_remove(struct kms_run *run, struct clv_err *err);

/* What add and remove have besides the options that name the resource. */
#define OPT_BINDING                                                                                \
	{ "member",         0,                                                                     \
	  "PRINCIPAL",      KMS_TEXT,                                                              \
	  KMS_OPT_REQUIRED, "user:ada, serviceAccount:..., group:..., allUsers ..." },             \
		{ "role",           0,                                                             \
		  "ROLE",           KMS_TEXT,                                                      \
		  KMS_OPT_REQUIRED, "roles/cloudkms.admin, projects/P/roles/ID ..." },             \
		{ "condition", 0, "expression=TEXT,title=TEXT",                                    \
		  KMS_TEXT,    0, "when the binding holds; None: always" },                        \
	{                                                                                          \
		"condition-from-file", 0, "FILE", KMS_FILE, 0, "the condition as JSON"             \
	}
#define OPT_EVERY_CONDITION                                                                        \
	{                                                                                          \
		"all", 0, NULL, KMS_TEXT, 0, "whatever the bindings' conditions are"               \
	}

/* The four rows of a noun's table of verbs. */
#define KMS_IAM_VERBS(arg, kind, get_opts, add_opts, remove_opts)                                  \
	{ "get-iam-policy",                                                                        \
	  kms_iam_get,                                                                             \
	  get_opts,                                                                                \
	  arg,                                                                                     \
	  kind,                                                                                    \
	  KMS_READS,                                                                               \
	  "print who holds which role on it" },                                                    \
		{ "set-iam-policy",                                                                \
		  kms_iam_set,                                                                     \
		  get_opts,                                                                        \
		  arg " POLICY_FILE",                                                              \
		  kind,                                                                            \
		  KMS_CHANGES,                                                                     \
		  "put a policy in the place of what is there" },                                  \
		{ "add-iam-policy-binding",    kms_iam_add, add_opts, arg, kind, KMS_CHANGES,      \
		  "give a member a role on it" },                                                  \
	{                                                                                          \
		"remove-iam-policy-binding", kms_iam_remove, remove_opts, arg, kind, KMS_CHANGES,  \
			"take a role on it away from a member"                                     \
	}

/* ---- documents (document.c) */

#define KMS_DOCUMENT_MAX (1024 * 1024) /* bytes of a file */

/* A file with one JSON object in it; owned. Errors: CLV_E_INVALID_ARGUMENT, naming the place. */
CLV_MUST_USE clv_rc kms_read_json(const char *path, const char *what, json_t **ret_json,
				  struct clv_err *err);

/* JSON text that the library gave, as a value; owned. Errors: CLV_E_INTERNAL. */
CLV_MUST_USE clv_rc kms_load_json(const struct clv_buf *text, json_t **ret_json,
				  struct clv_err *err);

/* The other way round: compact text, owned. */
CLV_MUST_USE clv_rc kms_dump_json(const json_t *json, char **ret_text, struct clv_err *err);

/* Pauses a little, longer each time. False: that was enough. */
bool kms_try_again(unsigned *tries);

#endif
