/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl projects: who may do what in a whole project. Projects themselves are only names. */
#include "tools/kmsctl/iam.h"

static const struct kms_opt add_opts[] = {
	OPT_BINDING,
	OPT_END,
};

static const struct kms_opt remove_opts[] = {
	OPT_BINDING,
	OPT_EVERY_CONDITION,
	OPT_END,
};

static const struct kms_verb project_verbs[] = {
	KMS_IAM_VERBS("PROJECT", CLV_NAME_PROJECT, NULL, add_opts, remove_opts),
	{ 0 },
};

static const char *const project_aliases[] = { "project", NULL };

const struct kms_noun kms_noun_project = { "projects", project_aliases,
					   "who may do what in a whole project", project_verbs };
