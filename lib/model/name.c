/* SPDX-License-Identifier: Apache-2.0 */
/* Resource names. Not for deciding whether the thing named is there. */
#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <claviger/name.h>

#include "lib/base/auto.h"
#include "lib/base/quote.h"

#include "lib/base/banned.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* One row for each part of a name, in enum clv_name_kind's order. */
static const struct part {
	enum clv_name_kind above; /* the part before it; of the first: itself */
	const char *collection;   /* the word before the id */
	const char *what;         /* for people */
	const char *first;        /* characters an id may begin with */
	const char *rest;         /* characters it may go on with */
	size_t min;               /* characters, at least */
	const char *rule;         /* the same as words */
	const char *shape;        /* a name down to here */
	size_t offset;            /* of the id in struct clv_name */
} parts[] = {
	[CLV_NAME_PROJECT] = { CLV_NAME_PROJECT, "projects", "project", LOWER, LOWER DIGITS "-", 2,
			       "[a-z][a-z0-9-]{1,62} and not end in '-'", "projects/P",
			       offsetof(struct clv_name, project) },
	[CLV_NAME_LOCATION] = { CLV_NAME_PROJECT, "locations", "location", LOWER, LOWER DIGITS "-",
				1, "[a-z][a-z0-9-]{0,62}", "projects/P/locations/L",
				offsetof(struct clv_name, location) },
	[CLV_NAME_KEY_RING] = { CLV_NAME_LOCATION, "keyRings", "key ring", LOWER UPPER DIGITS "_-",
				LOWER UPPER DIGITS "_-", 1, "[a-zA-Z0-9_-]{1,63}",
				"projects/P/locations/L/keyRings/R",
				offsetof(struct clv_name, key_ring) },
	[CLV_NAME_KEY] = { CLV_NAME_KEY_RING, "cryptoKeys", "key", LOWER UPPER DIGITS "_-",
			   LOWER UPPER DIGITS "_-", 1, "[a-zA-Z0-9_-]{1,63}",
			   "projects/P/locations/L/keyRings/R/cryptoKeys/K",
			   offsetof(struct clv_name, key) },
	[CLV_NAME_VERSION] = { CLV_NAME_KEY, "cryptoKeyVersions", "key version", "123456789",
			       DIGITS, 1, "a whole number from 1 to 9223372036854775807",
			       "projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N",
			       0 },
	[CLV_NAME_IMPORT_JOB] = { CLV_NAME_KEY_RING, "importJobs", "import job",
				  LOWER UPPER DIGITS "_-", LOWER UPPER DIGITS "_-", 1,
				  "[a-zA-Z0-9_-]{1,63}",
				  "projects/P/locations/L/keyRings/R/importJobs/J",
				  offsetof(struct clv_name, import_job) },
};

/* Has a name of kind `kind` the part `part`? */
static bool has_part(enum clv_name_kind kind, enum clv_name_kind part)
{
	while (kind != part && kind != CLV_NAME_PROJECT)
		kind = parts[kind].above;
	return kind == part;
}

static const char *article(enum clv_name_kind kind)
{
	return strchr("aeiou", parts[kind].what[0]) != NULL ? "an" : "a";
}

/* `len` digits, the first not 0. The catalogue keeps signed numbers, hence the limit. */
static bool read_number(const char *digits, size_t len, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (len > 19)
		return false;
	for (size_t i = 0; i < len; i++)
		number = number * 10 + (uint64_t) (digits[i] - '0');
	if (number > INT64_MAX)
		return false;
	*ret_number = number;
	return true;
}

static bool id_fits(enum clv_name_kind kind, const char *id)
{
	const struct part *part = &parts[kind];
	const size_t len = strlen(id);
	uint64_t number;

	if (len < part->min || len >= CLV_ID_MAX)
		return false;
	if (strchr(part->first, id[0]) == NULL || strspn(id, part->rest) != len)
		return false;
	if (kind == CLV_NAME_PROJECT)
		return id[len - 1] != '-';
	return kind != CLV_NAME_VERSION || read_number(id, len, &number);
}

clv_rc clv_id_check(enum clv_name_kind kind, const char *id, struct clv_err *err)
{
	const struct part *part;
	char quoted[CLV_QUOTE_MAX];

	if ((unsigned) kind >= CLV_ARRAY_LEN(parts))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "there is no name of kind %d",
				(int) kind);
	part = &parts[kind];
	if (id == NULL || !id_fits(kind, id))
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "%s is not %s %s id: it must be %s",
				clv_quote(id, quoted), article(kind), part->what, part->rule);
	return CLV_OK;
}

/* Takes "projects/" or the like; the word alone is left to take_id() to complain about. */
static clv_rc take_collection(const char **at, enum clv_name_kind kind, struct clv_err *err)
{
	const char *collection = parts[kind].collection;
	const size_t len = strcspn(*at, "/");
	char quoted[CLV_QUOTE_MAX];

	if (len != strlen(collection) || strncmp(*at, collection, len) != 0)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"expected \"%s\" in a resource name where it says %s: it must look "
				"like %s",
				collection, clv_quote(*at, quoted), parts[kind].shape);
	*at += len;
	if (**at == '/')
		(*at)++;
	return CLV_OK;
}

/* Takes an id and puts it into its place in `name`. */
static clv_rc take_id(const char **at, enum clv_name_kind kind, struct clv_name *name,
		      struct clv_err *err)
{
	const size_t len = strcspn(*at, "/");
	const size_t taken = len < CLV_ID_MAX ? len : CLV_ID_MAX;
	char id[CLV_ID_MAX + 1]; /* one more: an id that is too long must be seen to be */

	memcpy(id, *at, taken);
	id[taken] = '\0';
	CLV_TRY(clv_id_check(kind, id, err));
	if (kind != CLV_NAME_VERSION)
		memcpy((char *) name + parts[kind].offset, id, len + 1);
	else if (!read_number(id, len, &name->version))
		return clv_fail(err, CLV_E_INTERNAL, "a checked version number does not read");
	*at += len;
	return CLV_OK;
}

/* What may stand at `at`, behind a part of this kind. Below a key ring the word decides. */
static clv_rc next_kind(enum clv_name_kind kind, const char *at, enum clv_name_kind *ret_next,
			struct clv_err *err)
{
	const char *jobs = parts[CLV_NAME_IMPORT_JOB].collection;

	if (kind == CLV_NAME_VERSION || kind == CLV_NAME_IMPORT_JOB)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"a resource name goes on behind the %s: it must look like %s",
				parts[kind].what, parts[kind].shape);
	if (kind == CLV_NAME_KEY_RING && strcspn(at, "/") == strlen(jobs) &&
	    strncmp(at, jobs, strlen(jobs)) == 0)
		*ret_next = CLV_NAME_IMPORT_JOB;
	else
		*ret_next = kind + 1;
	return CLV_OK;
}

clv_rc clv_name_parse(const char *text, struct clv_name *ret_name, struct clv_err *err)
{
	struct clv_name name = { .kind = CLV_NAME_PROJECT };
	const char *at = text;

	if (text == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT, "no resource name");
	for (;;) {
		CLV_TRY(take_collection(&at, name.kind, err));
		CLV_TRY(take_id(&at, name.kind, &name, err));
		if (*at == '\0')
			break;
		at++;
		CLV_TRY(next_kind(name.kind, at, &name.kind, err));
	}
	*ret_name = name;
	return CLV_OK;
}

clv_rc clv_name_parse_kind(const char *text, enum clv_name_kind kind, struct clv_name *ret_name,
			   struct clv_err *err)
{
	struct clv_name name;
	char quoted[CLV_QUOTE_MAX];

	CLV_TRY(clv_name_parse(text, &name, err));
	if (name.kind != kind)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"%s names %s %s, not %s %s: it must look like %s",
				clv_quote(text, quoted), article(name.kind), parts[name.kind].what,
				article(kind), parts[kind].what, parts[kind].shape);
	*ret_name = name;
	return CLV_OK;
}

/* Ids have been checked, so that all fits; what does not is cut off. */
static size_t append(char *buf, size_t used, const char *text)
{
	const size_t len = strlen(text);
	const size_t room = CLV_NAME_MAX - 1 - used;
	const size_t n = len < room ? len : room;

	assert(len <= room);
	memcpy(buf + used, text, n);
	buf[used + n] = '\0';
	return used + n;
}

/* Writes one part behind what is there. */
static size_t append_part(char *buf, size_t used, const struct clv_name *name,
			  enum clv_name_kind kind)
{
	const char *id = (const char *) name + parts[kind].offset;
	char number[24];

	if (kind == CLV_NAME_VERSION) {
		snprintf(number, sizeof number, "%" PRIu64, name->version);
		id = number;
	}
	if (kind != CLV_NAME_PROJECT)
		used = append(buf, used, "/");
	used = append(buf, used, parts[kind].collection);
	used = append(buf, used, "/");
	return append(buf, used, id);
}

char *clv_name_format(const struct clv_name *name, enum clv_name_kind kind, char buf[CLV_NAME_MAX])
{
	size_t used = 0;

	assert(has_part(name->kind, kind));
	for (unsigned part = CLV_NAME_PROJECT; part < CLV_ARRAY_LEN(parts); part++) {
		if (has_part(kind, part))
			used = append_part(buf, used, name, part);
	}
	return buf;
}
