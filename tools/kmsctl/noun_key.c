/* SPDX-License-Identifier: Apache-2.0 */
/* kmsctl keys: keys, each a row of versions. What is done to versions is in noun_version.c. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tools/kmsctl/iam.h"

/* A word of an option, and the number that it stands for. */
struct word {
	const char *word;
	int number;
};

static const struct word purposes[] = {
	{ "encryption", CLV_PURPOSE_ENCRYPT_DECRYPT },
	{ "raw-encryption", CLV_PURPOSE_RAW_ENCRYPT_DECRYPT },
	{ "asymmetric-signing", CLV_PURPOSE_ASYMMETRIC_SIGN },
	{ "asymmetric-encryption", CLV_PURPOSE_ASYMMETRIC_DECRYPT },
	{ "mac", CLV_PURPOSE_MAC },
	{ NULL, CLV_PURPOSE_ENCRYPT_DECRYPT },
};

static const struct word protections[] = {
	{ "software", CLV_PROTECTION_SOFTWARE },
	{ "hsm", CLV_PROTECTION_HSM },
	{ NULL, CLV_PROTECTION_SOFTWARE },
};

static const struct word residencies[] = {
	{ "wrapped", CLV_RESIDENCY_WRAPPED },
	{ "token", CLV_RESIDENCY_TOKEN },
	{ NULL, 0 },
};

/* The number of the word that an option has; that of the last row when it is not given. */
static int number_of(const struct kms_args *args, const char *opt, const struct word *words)
{
	const char *text = kms_text(args, opt);

	while (words->word != NULL && (text == NULL || strcasecmp(text, words->word) != 0))
		words++;
	return words->number;
}

/* All that an option was given, as one list; as gcloud has it. NULL: it was not given. */
static clv_rc join_given(const struct kms_args *args, const char *opt, char buf[CLV_LABELS_MAX],
			 const char **ret_text, struct clv_err *err)
{
	const char *text;
	size_t at = 0, used = 0;

	*ret_text = kms_text(args, opt);
	while ((text = kms_each(args, opt, &at)) != NULL) {
		bool comma = used > 0 && buf[used - 1] != ',';

		used += (size_t) snprintf(buf + used, CLV_LABELS_MAX - used, "%s%s",
					  comma ? "," : "", text);
		if (used >= CLV_LABELS_MAX)
			return kms_usage(args, err, "--%s is longer than all labels of a key", opt);
		*ret_text = buf;
	}
	return CLV_OK;
}

static clv_rc key_create(struct kms_run *run, struct clv_err *err)
{
	const struct kms_args *args = run->args;
	struct clv_key_options options = {
		.purpose = (enum clv_purpose) number_of(args, "purpose", purposes),
		.protection =
			(enum clv_protection) number_of(args, "protection-level", protections),
		.residency = (enum clv_residency) number_of(args, "residency", residencies),
		.destroy_delay = kms_number(args, "destroy-scheduled-duration", 0),
		.rotation_period = kms_number(args, "rotation-period", 0),
		.next_rotation_time = kms_number(args, "next-rotation-time", 0),
		.import_only = kms_given(args, "import-only"),
		.skip_initial_version = kms_given(args, "skip-initial-version-creation"),
	};
	const char *algorithm = kms_text(args, "default-algorithm");
	char labels[CLV_LABELS_MAX];
	struct clv_key key;

	CLV_TRY(join_given(args, "labels", labels, &options.labels, err));
	if (algorithm != NULL)
		CLV_TRY(kms_read_algorithm(args, algorithm, &options.algorithm, err));
	CLV_TRY(clv_key_create(run->ctx, run->who, run->full, &options, &key, err));
	kms_out_note(run->out, "Created key [%s].", run->name.key);
	return kms_out_made(run->out, kms_record_key(&key), err);
}

static clv_rc key_page(struct kms_run *run, const char *after, size_t limit, void **ret_items,
		       size_t *ret_n, struct clv_err *err)
{
	struct clv_key *items = NULL;

	CLV_TRY(clv_key_list(run->ctx, run->who, run->full, after, limit, &items, ret_n, err));
	*ret_items = items;
	return CLV_OK;
}

static const struct kms_pager key_pager = { sizeof(struct clv_key), key_page, kms_record_key };

static const struct kms_column key_columns[] = {
	{ "NAME", "name", false },
	{ "PURPOSE", "purpose", false },
	{ "ALGORITHM", "versionTemplate.algorithm", false },
	{ "PROTECTION_LEVEL", "versionTemplate.protectionLevel", false },
	{ "RESIDENCY", "residency", false },
	{ "LABELS", "labels", false },
	{ "PRIMARY_ID", "primary.name", true },
	{ "PRIMARY_STATE", "primary.state", false },
	{ 0 },
};

static clv_rc key_list(struct kms_run *run, struct clv_err *err)
{
	return kms_list(run, &key_pager, key_columns, err);
}

static clv_rc key_describe(struct kms_run *run, struct clv_err *err)
{
	struct clv_key key;

	CLV_TRY(clv_key_get(run->ctx, run->who, run->full, &key, err));
	return kms_out_record(run->out, kms_record_key(&key), err);
}

/* ---- the primary version */

static clv_rc set_primary(struct kms_run *run, uint64_t number, struct clv_err *err)
{
	char name[CLV_NAME_MAX];
	struct clv_key key;

	clv_name_format(&run->name, CLV_NAME_KEY, name);
	CLV_TRY(clv_key_set_primary(run->ctx, run->who, name, number, &key, err));
	kms_out_note(run->out, "Version [%ju] is the primary of key [%s].", (uintmax_t) number,
		     run->name.key);
	return kms_out_made(run->out, kms_record_key(&key), err);
}

static clv_rc key_set_primary(struct kms_run *run, struct clv_err *err)
{
	return set_primary(run, run->name.version, err);
}

/* ---- what can be changed of a key */

static const char *const update_words[] = {
	"primary-version",
	"update-labels",
	"remove-labels",
	"clear-labels",
	"rotation-period",
	"next-rotation-time",
	"remove-rotation-schedule",
	"default-algorithm",
};

/* The schedule as the line has it. */
static struct clv_key_changes schedule_of(const struct kms_args *args)
{
	struct clv_key_changes changes = {
		.rotation_period = kms_number(args, "rotation-period", 0),
		.next_rotation_time = kms_number(args, "next-rotation-time", 0),
	};

	if (kms_given(args, "rotation-period"))
		changes.fields |= CLV_KEY_ROTATION_PERIOD;
	if (kms_given(args, "next-rotation-time"))
		changes.fields |= CLV_KEY_NEXT_ROTATION_TIME;
	return changes;
}

static clv_rc check_update(const struct kms_args *args, struct clv_err *err)
{
	bool any = false;

	for (size_t i = 0; i < KMS_ARRAY_LEN(update_words); i++)
		any = any || kms_given(args, update_words[i]);
	if (!any)
		return kms_usage(args, err, "nothing to update: give at least one option");
	if (kms_given(args, "clear-labels") && kms_given(args, "remove-labels"))
		return kms_usage(args, err,
				 "--clear-labels and --remove-labels exclude each other");
	if (kms_given(args, "remove-rotation-schedule") && schedule_of(args).fields != 0)
		return kms_usage(args, err,
				 "--remove-rotation-schedule excludes --rotation-period and "
				 "--next-rotation-time");
	return CLV_OK;
}

static bool has_changes(const struct clv_key_changes *changes)
{
	return changes->fields != 0 || changes->update_labels != NULL ||
	       changes->remove_labels != NULL;
}

static clv_rc change(struct kms_run *run, const struct clv_key_changes *changes,
		     struct clv_err *err)
{
	char name[CLV_NAME_MAX];
	struct clv_key key;

	clv_name_format(&run->name, CLV_NAME_KEY, name);
	CLV_TRY(clv_key_update(run->ctx, run->who, name, changes, &key, err));
	kms_out_note(run->out, "Updated key [%s].", run->name.key);
	return kms_out_made(run->out, kms_record_key(&key), err);
}

/* Before anything is changed, so that mostly nothing is half done. */
static clv_rc check_new_primary(struct kms_run *run, struct clv_err *err)
{
	struct clv_name name = run->name;
	char full[CLV_NAME_MAX];
	struct clv_version version;
	struct clv_key key;

	CLV_TRY(clv_key_get(run->ctx, run->who, clv_name_format(&name, CLV_NAME_KEY, full), &key,
			    err));
	if (key.purpose != CLV_PURPOSE_ENCRYPT_DECRYPT)
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"%s has purpose %s: only keys of purpose ENCRYPT_DECRYPT have a "
				"primary version; nothing was changed",
				key.name, clv_purpose_name(key.purpose));
	name.kind = CLV_NAME_VERSION;
	name.version = (uint64_t) kms_number(run->args, "primary-version", 0);
	clv_name_format(&name, CLV_NAME_VERSION, full);
	CLV_TRY(clv_version_get(run->ctx, run->who, full, &version, err));
	if (version.state == CLV_STATE_ENABLED)
		return CLV_OK;
	return clv_fail(err, CLV_E_FAILED_PRECONDITION,
			"%s is not enabled, current state is: %s; nothing was changed", full,
			clv_state_name(version.state));
}

/* What else was to be changed is changed by now, and the caller has to know. */
static clv_rc change_primary(struct kms_run *run, bool changed, struct clv_err *err)
{
	uint64_t number = (uint64_t) kms_number(run->args, "primary-version", 0);
	struct clv_err why;
	clv_rc rc = set_primary(run, number, &why);

	if (rc != CLV_OK)
		return clv_fail(err, rc, "%s%.300s",
				changed ? "the key was updated, but its primary version was not: "
					: "",
				why.text);
	return CLV_OK;
}

static clv_rc key_update(struct kms_run *run, struct clv_err *err)
{
	const struct kms_args *args = run->args;
	struct clv_key_changes changes = schedule_of(args);
	char update[CLV_LABELS_MAX], remove[CLV_LABELS_MAX];
	bool changed;

	CLV_TRY(check_update(args, err));
	if (kms_given(args, "default-algorithm")) {
		changes.fields |= CLV_KEY_ALGORITHM;
		CLV_TRY(kms_read_algorithm(args, kms_text(args, "default-algorithm"),
					   &changes.algorithm, err));
	}
	if (kms_given(args, "remove-rotation-schedule"))
		changes.fields |= CLV_KEY_ROTATION_PERIOD | CLV_KEY_NEXT_ROTATION_TIME;
	if (kms_given(args, "clear-labels"))
		changes.fields |= CLV_KEY_LABELS;
	CLV_TRY(join_given(args, "update-labels", update, &changes.update_labels, err));
	CLV_TRY(join_given(args, "remove-labels", remove, &changes.remove_labels, err));
	changed = has_changes(&changes);
	if (changed && kms_given(args, "primary-version"))
		CLV_TRY(check_new_primary(run, err));
	if (changed)
		CLV_TRY(change(run, &changes, err));
	return kms_given(args, "primary-version") ? change_primary(run, changed, err) : CLV_OK;
}

static clv_rc key_set_schedule(struct kms_run *run, struct clv_err *err)
{
	const struct clv_key_changes changes = schedule_of(run->args);

	if (changes.fields == 0)
		return kms_usage(run->args, err,
				 "at least one of --rotation-period and --next-rotation-time is "
				 "needed");
	return change(run, &changes, err);
}

static clv_rc key_remove_schedule(struct kms_run *run, struct clv_err *err)
{
	const struct clv_key_changes changes = { .fields = CLV_KEY_ROTATION_PERIOD |
							   CLV_KEY_NEXT_ROTATION_TIME };

	return change(run, &changes, err);
}

#define OPT_SCHEDULE                                                                               \
	{ "rotation-period", 0, "DURATION",                                                        \
	  KMS_DURATION,      0, "from one automatic rotation to the next, like 30d" },             \
	{                                                                                          \
		"next-rotation-time", 0, "TIME", KMS_TIME, 0,                                      \
			"of the next automatic rotation, like 2031-01-02T03:04:05Z"                \
	}

static const struct kms_opt place_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_END,
};

static const struct kms_opt create_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	{ "purpose", 0, "encryption|raw-encryption|asymmetric-signing|asymmetric-encryption|mac",
	  KMS_CHOICE, 0, "what for; encryption when not given" },
	{ "default-algorithm", 0, "ALGORITHM", KMS_TEXT, 0,
	  "of its versions; needed unless the purpose is encryption" },
	{ "protection-level", 0, "software|hsm", KMS_CHOICE, 0,
	  "what to call it; the key is in the token in any case" },
	{ "residency", 0, "wrapped|token", KMS_CHOICE, 0,
	  "wrapped in the catalogue, or a token object; wrapped if the token can" },
	{ "destroy-scheduled-duration", 0, "DURATION", KMS_DURATION, 0,
	  "from the order to destroy a version to its end; 30d" },
	OPT_SCHEDULE,
	{ "labels", 0, "KEY=VALUE,...", KMS_TEXT, 0, "for people, and for filters" },
	{ "skip-initial-version-creation", 0, NULL, KMS_TEXT, 0,
	  "make no version, and so no primary" },
	{ "import-only", 0, NULL, KMS_TEXT, 0,
	  "its versions are imported; with --skip-initial-version-creation" },
	OPT_END,
};

static const struct kms_opt set_primary_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	{ "version", 0, "N", KMS_TEXT, KMS_OPT_REQUIRED, "an enabled version" },
	OPT_END,
};

static const struct kms_opt update_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	{ "primary-version", 0, "N", KMS_COUNT, 0, "encrypt with it from now on" },
	{ "default-algorithm", 0, "ALGORITHM", KMS_TEXT, 0, "of versions made from now on" },
	OPT_SCHEDULE,
	{ "remove-rotation-schedule", 0, NULL, KMS_TEXT, 0, "no automatic rotation any more" },
	{ "update-labels", 0, "KEY=VALUE,...", KMS_TEXT, 0, "labels to add, or to change" },
	{ "remove-labels", 0, "KEY,...", KMS_TEXT, 0, "labels to take away, after that" },
	{ "clear-labels", 0, NULL, KMS_TEXT, 0, "take all labels away, before that" },
	OPT_END,
};

static const struct kms_opt schedule_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_SCHEDULE,
	OPT_END,
};

static const struct kms_opt list_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_LIST,
	OPT_END,
};

static const struct kms_opt add_binding_opts[] = {
	OPT_LOCATION,
	OPT_KEYRING,
	OPT_BINDING,
	OPT_END,
};

static const struct kms_opt remove_binding_opts[] = {
	OPT_LOCATION, OPT_KEYRING, OPT_BINDING, OPT_EVERY_CONDITION, OPT_END,
};

static const struct kms_verb key_verbs[] = {
	{ "create", key_create, create_opts, "KEY", CLV_NAME_KEY, KMS_CHANGES,
	  "make a key with version 1, enabled and primary" },
	{ "list", key_list, list_opts, NULL, CLV_NAME_KEY_RING, KMS_READS,
	  "list the keys of a key ring" },
	{ "describe", key_describe, place_opts, "KEY", CLV_NAME_KEY, KMS_READS,
	  "print a key and its primary version" },
	{ "update", key_update, update_opts, "KEY", CLV_NAME_KEY, KMS_CHANGES,
	  "change labels, schedule, algorithm or primary version" },
	{ "set-primary-version", key_set_primary, set_primary_opts, "KEY", CLV_NAME_KEY,
	  KMS_CHANGES, "encrypt with another version from now on" },
	{ "set-rotation-schedule", key_set_schedule, schedule_opts, "KEY", CLV_NAME_KEY,
	  KMS_CHANGES, "say when a key gets a new primary version by itself" },
	{ "remove-rotation-schedule", key_remove_schedule, place_opts, "KEY", CLV_NAME_KEY,
	  KMS_CHANGES, "end automatic rotation" },
	KMS_IAM_VERBS("KEY", CLV_NAME_KEY, place_opts, add_binding_opts, remove_binding_opts),
	{ 0 },
};

static const char *const key_aliases[] = { "key", NULL };

const struct kms_noun kms_noun_key = { "keys", key_aliases, "keys of a key ring", key_verbs };
