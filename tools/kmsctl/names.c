/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From ids and full names on the line to one resource name. A full name may stand wherever an id
 * may; what it says besides must then not contradict the rest of the line.
 */
#include <stdio.h>
#include <string.h>

#include "tools/kmsctl/kmsctl.h"

static const struct {
	const char *opt;
	enum clv_name_kind kind;
} parts[] = {
	{ "location", CLV_NAME_LOCATION },
	{ "keyring", CLV_NAME_KEY_RING },
	{ "key", CLV_NAME_KEY },
	{ "version", CLV_NAME_VERSION },
};

const char *kms_project_asked(const struct kms_args *args)
{
	const char *project = kms_text(args, "project");

	return project != NULL ? project : kms_env(KMS_ENV_PROJECT);
}

/* ---- putting parts together */

static clv_rc put(const struct kms_args *args, const char *what, char have[CLV_ID_MAX],
		  const char *id, struct clv_err *err)
{
	if (id[0] == '\0')
		return CLV_OK;
	if (have[0] != '\0' && strcmp(have, id) != 0)
		return kms_usage(args, err, "two %ss: %s and %s", what, have, id);
	snprintf(have, CLV_ID_MAX, "%s", id);
	return CLV_OK;
}

static clv_rc merge(const struct kms_args *args, struct clv_name *into, const struct clv_name *from,
		    struct clv_err *err)
{
	CLV_TRY(put(args, "project", into->project, from->project, err));
	CLV_TRY(put(args, "location", into->location, from->location, err));
	CLV_TRY(put(args, "key ring", into->key_ring, from->key_ring, err));
	CLV_TRY(put(args, "key", into->key, from->key, err));
	CLV_TRY(put(args, "import job", into->import_job, from->import_job, err));
	if (from->version != 0 && into->version != 0 && from->version != into->version)
		return kms_usage(args, err, "two versions: %ju and %ju", (uintmax_t) into->version,
				 (uintmax_t) from->version);
	if (from->version != 0)
		into->version = from->version;
	if (from->kind > into->kind)
		into->kind = from->kind;
	return CLV_OK;
}

/* ---- reading one part */

static clv_rc read_version(const struct kms_args *args, const char *text, uint64_t *ret_number,
			   struct clv_err *err)
{
	uint64_t number = 0;
	size_t len = strlen(text);

	if (len == 0 || len > 18 || strspn(text, "0123456789") != len || text[0] == '0')
		return kms_usage(args, err, "a version is a number from 1, not `%.40s`", text);
	for (; *text != '\0'; text++)
		number = number * 10 + (uint64_t) (*text - '0');
	*ret_number = number;
	return CLV_OK;
}

/* One id, checked, as a name that has this part only. */
static clv_rc read_id(const struct kms_args *args, enum clv_name_kind kind, const char *text,
		      struct clv_name *ret_name, struct clv_err *err)
{
	struct clv_name name = { .kind = kind };
	char *const to[] = {
		[CLV_NAME_PROJECT] = name.project,       [CLV_NAME_LOCATION] = name.location,
		[CLV_NAME_KEY_RING] = name.key_ring,     [CLV_NAME_KEY] = name.key,
		[CLV_NAME_IMPORT_JOB] = name.import_job,
	};

	if (kind == CLV_NAME_VERSION) {
		CLV_TRY(read_version(args, text, &name.version, err));
	} else {
		CLV_TRY(clv_id_check(kind, text, err));
		snprintf(to[kind], CLV_ID_MAX, "%s", text);
	}
	*ret_name = name;
	return CLV_OK;
}

/* Names as `gcloud ... --uri` and Google's own "full resource names" have them. */
static const char *behind_service(const char *text)
{
	static const char *const services[] = {
		"//cloudkms.googleapis.com/",
		"https://cloudkms.googleapis.com/v1/",
	};

	for (size_t i = 0; i < KMS_ARRAY_LEN(services); i++) {
		size_t len = strlen(services[i]);

		if (strncmp(text, services[i], len) == 0)
			return text + len;
	}
	return text;
}

static clv_rc read_part(const struct kms_args *args, enum clv_name_kind kind, const char *text,
			struct clv_name *into, struct clv_err *err)
{
	struct clv_name name;

	text = behind_service(text);
	if (strchr(text, '/') != NULL)
		CLV_TRY(clv_name_parse_kind(text, kind, &name, err));
	else
		CLV_TRY(read_id(args, kind, text, &name, err));
	return merge(args, into, &name, err);
}

/* ---- the whole */

static bool has_part(const struct clv_name *name, enum clv_name_kind kind)
{
	const char *const ids[] = {
		[CLV_NAME_PROJECT] = "-",
		[CLV_NAME_LOCATION] = name->location,
		[CLV_NAME_KEY_RING] = name->key_ring,
		[CLV_NAME_KEY] = name->key,
		[CLV_NAME_IMPORT_JOB] = name->import_job,
	};

	return kind == CLV_NAME_VERSION ? name->version != 0 : ids[kind][0] != '\0';
}

/* Is the part above things of this kind, or their own? Import jobs are beside the keys of a ring.
 */
static bool belongs(enum clv_name_kind kind, enum clv_name_kind part)
{
	return part <= (kind == CLV_NAME_IMPORT_JOB ? CLV_NAME_KEY_RING : kind);
}

static clv_rc check_whole(const struct kms_args *args, const struct clv_name *name,
			  struct clv_err *err)
{
	char missing[80] = "";

	for (size_t i = 0; i < KMS_ARRAY_LEN(parts) && belongs(name->kind, parts[i].kind); i++) {
		size_t used = strlen(missing);

		if (!has_part(name, parts[i].kind))
			snprintf(missing + used, sizeof missing - used, "%s--%s",
				 used > 0 ? ", " : "", parts[i].opt);
	}
	if (missing[0] != '\0')
		return kms_usage(args, err, "missing: %s", missing);
	return CLV_OK;
}

clv_rc kms_names_collect(const struct kms_args *args, struct clv_name *ret_name,
			 struct clv_err *err)
{
	struct clv_name name = { .kind = CLV_NAME_PROJECT };
	const char *project = kms_text(args, "project");

	if (args->verb->kind == KMS_NO_NAME)
		return CLV_OK;
	if (project != NULL)
		CLV_TRY(read_part(args, CLV_NAME_PROJECT, project, &name, err));
	if (args->verb->args != NULL)
		CLV_TRY(read_part(args, (enum clv_name_kind) args->verb->kind, args->arg[0], &name,
				  err));
	for (size_t i = 0; i < KMS_ARRAY_LEN(parts); i++) {
		const char *text = kms_text(args, parts[i].opt);

		if (text != NULL)
			CLV_TRY(read_part(args, parts[i].kind, text, &name, err));
	}
	if (name.kind < (enum clv_name_kind) args->verb->kind)
		name.kind = (enum clv_name_kind) args->verb->kind;
	CLV_TRY(check_whole(args, &name, err));
	*ret_name = name;
	return CLV_OK;
}

clv_rc kms_name_of_options(const struct kms_args *args, const char *home_project, const char *text,
			   struct clv_name *ret_name, struct clv_err *err)
{
	const char *project = kms_project_asked(args);
	struct clv_name name = { .kind = CLV_NAME_PROJECT };

	if (text != NULL && strchr(text, '/') != NULL)
		CLV_TRY(clv_name_parse(behind_service(text), &name, err));
	else if (text != NULL)
		CLV_TRY(read_part(args, CLV_NAME_KEY, text, &name, err));
	for (size_t i = 0; i < KMS_ARRAY_LEN(parts); i++) {
		const char *part = kms_text(args, parts[i].opt);

		if (part != NULL)
			CLV_TRY(read_part(args, parts[i].kind, part, &name, err));
	}
	if (name.project[0] == '\0')
		CLV_TRY(read_part(args, CLV_NAME_PROJECT, project != NULL ? project : home_project,
				  &name, err));
	CLV_TRY(check_whole(args, &name, err));
	*ret_name = name;
	return CLV_OK;
}

clv_rc kms_names_finish(const struct kms_args *args, const char *home_project,
			struct clv_name *name, char full[CLV_NAME_MAX], struct clv_err *err)
{
	const char *project = kms_env(KMS_ENV_PROJECT);

	if (args->verb->kind == KMS_NO_NAME)
		return CLV_OK;
	if (project == NULL)
		project = home_project;
	/* Like gcloud's configuration, the environment yields to what the line says. */
	if (name->project[0] == '\0')
		CLV_TRY(read_part(args, CLV_NAME_PROJECT, project, name, err));
	clv_name_format(name, name->kind, full);
	return CLV_OK;
}

clv_rc kms_location_of(const struct kms_args *args, const char *project, const char *text,
		       char ret_full[CLV_NAME_MAX], struct clv_err *err)
{
	struct clv_name name = { .kind = CLV_NAME_LOCATION };

	CLV_TRY(read_part(args, CLV_NAME_LOCATION, text, &name, err));
	CLV_TRY(read_part(args, CLV_NAME_PROJECT, project, &name, err));
	clv_name_format(&name, CLV_NAME_LOCATION, ret_full);
	return CLV_OK;
}

clv_rc kms_import_job_of(const struct kms_args *args, const struct clv_name *key, const char *text,
			 char ret_full[CLV_NAME_MAX], struct clv_err *err)
{
	struct clv_name name = { .kind = CLV_NAME_KEY_RING };

	memcpy(name.project, key->project, sizeof name.project);
	memcpy(name.location, key->location, sizeof name.location);
	memcpy(name.key_ring, key->key_ring, sizeof name.key_ring);
	CLV_TRY(read_part(args, CLV_NAME_IMPORT_JOB, text, &name, err));
	clv_name_format(&name, CLV_NAME_IMPORT_JOB, ret_full);
	return CLV_OK;
}
