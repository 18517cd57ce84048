/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a decision costs with 10,000 bindings and 1,000 constraints. Cold: everything that the
 * caches held is pushed out before each one, and only the decision is timed. README.md says what
 * each row means.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <claviger/claviger.h>

#include "lib/base/auto.h"
#include "lib/policy/policy.h"
#include "tests/bench/measure.h"

#define PROJECTS 200
#define KEYS 50 /* of a project, each with a binding of its own */
#define BINDINGS (PROJECTS * KEYS)
#define GROUPS 50 /* that the caller of the second world is in */
#define DOCUMENTS_MAX (BINDINGS + PROJECTS * 8)
#define PUSH_OUT (64 << 20) /* bytes: more than the caches hold */
#define DECRYPT "cloudkms.cryptoKeyVersions.useToDecrypt"

struct world {
	struct policy_document document[DOCUMENTS_MAX];
	size_t n;
	struct policy *policy; /* owned */
};

static void fail(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static char *text_of(const char *fmt, ...) CLV_PRINTF(1, 2);
static char *text_of(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		fail("no memory");
	va_end(ap);
	return text;
}

/* Takes both texts. */
static void add(struct world *world, enum policy_kind kind, char *name, char *text)
{
	if (world->n == DOCUMENTS_MAX)
		fail("too many documents");
	world->document[world->n++] = (struct policy_document){ kind, name, text, strlen(text) };
}

static char *key_name(unsigned project, unsigned key)
{
	return text_of("projects/p%u/locations/europe-west2/keyRings/ring/cryptoKeys/key%u",
		       project, key);
}

/* Five for each project: 1,000. */
static void add_constraints(struct world *world, unsigned project)
{
	static const struct {
		const char *name, *rule;
	} constraints[] = {
		{ "gcp.resourceLocations",
		  "{\"values\":{\"allowedValues\":[\"europe-west2\",\"global\"]}}" },
		{ "claviger.callerLocations",
		  "{\"values\":{\"allowedValues\":[\"europe-west2\",\"europe-west1\"]}}" },
		{ "cloudkms.allowedProtectionLevels",
		  "{\"values\":{\"allowedValues\":[\"SOFTWARE\",\"HSM\"]}}" },
		{ "cloudkms.disableBeforeDestroy", "{\"enforce\":true}" },
		{ "claviger.separationOfDuties", "{\"enforce\":true}" },
	};

	for (size_t i = 0; i < CLV_ARRAY_LEN(constraints); i++) {
		char *name = text_of("projects/p%u/policies/%s", project, constraints[i].name);

		add(world, POLICY_CONSTRAINT, name,
		    text_of("{\"name\":\"%s\",\"spec\":{\"rules\":[%s]}}", name,
			    constraints[i].rule));
	}
}

static void compile(struct world *world)
{
	struct clv_err err;

	if (policy_compile("user:owner", world->document, world->n, &world->policy, &err) != CLV_OK)
		fail(err.text);
	for (size_t i = 0; i < world->n; i++) {
		free((char *) (uintptr_t) world->document[i].name);
		free((char *) (uintptr_t) world->document[i].text);
	}
}

/* A binding on each of 10,000 keys, half of them with a condition. */
static void make_spread(struct world *world)
{
	for (unsigned p = 0; p < PROJECTS; p++) {
		add_constraints(world, p);
		for (unsigned k = 0; k < KEYS; k++)
			add(world, POLICY_IAM, key_name(p, k),
			    text_of("{\"version\":3,\"bindings\":[{\"role\":"
				    "\"roles/cloudkms.cryptoKeyEncrypterDecrypter\",\"members\":"
				    "[\"serviceAccount:w%u-%u\"]%s}]}",
				    p, k,
				    k % 2 == 0 ? ""
					       : ",\"condition\":{\"expression\":\"request.time < "
						 "timestamp('2100-01-01T00:00:00Z')\"}"));
	}
	compile(world);
}

/* 10,000 bindings on one project, and a caller who is in 50 of the groups that have one. */
static void make_one(struct world *world)
{
	char *bindings = NULL, *groups = NULL;
	size_t len;
	FILE *out = open_memstream(&bindings, &len);

	if (out == NULL)
		fail("no memory");
	for (unsigned i = 0; i < BINDINGS; i++)
		fprintf(out, "%s{\"role\":\"roles/cloudkms.%s\",\"members\":[\"group:g%u\"]}",
			i == 0 ? "{\"bindings\":[" : ",",
			i == BINDINGS / 2 ? "cryptoKeyDecrypter" : "viewer", i);
	fprintf(out, "]}");
	fclose(out);
	out = open_memstream(&groups, &len);
	if (out == NULL)
		fail("no memory");
	for (unsigned i = 0; i < GROUPS; i++)
		fprintf(out, "%s{\"name\":\"group:g%u\",\"members\":[\"serviceAccount:w0-0\"]}",
			i == 0 ? "{\"groups\":[" : ",", BINDINGS / 2 + i * 97);
	fprintf(out, "]}");
	fclose(out);
	add(world, POLICY_IAM, text_of("projects/p0"), bindings);
	add(world, POLICY_GROUPS, text_of("groups"), groups);
	for (unsigned p = 0; p < PROJECTS; p++)
		add_constraints(world, p);
	compile(world);
}

/* ---- measuring */

static volatile unsigned char *push_out_bytes;

static void push_out(void)
{
	for (size_t i = 0; i < PUSH_OUT; i += 64)
		push_out_bytes[i]++;
}

static int64_t now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * CLV_NS_PER_S + at.tv_nsec;
}

/* One decision about a key; it must be yes. */
static int64_t decide(const struct world *world, unsigned project, unsigned key, bool cold)
{
	char principal[64], *resource = key_name(project, key);
	struct clv_name name;
	struct clv_err err;
	struct policy_ask ask = { .principal = principal,
				  .place = "europe-west2",
				  .permission = DECRYPT,
				  .resource = resource,
				  .name = &name,
				  .time = CLV_NS_PER_S };
	struct policy_verdict verdict;
	int64_t took;

	snprintf(principal, sizeof principal, "serviceAccount:w%u-%u", project, key);
	if (clv_name_parse(resource, &name, &err) != CLV_OK)
		fail(err.text);
	if (cold)
		push_out();
	took = now();
	verdict = policy_decide(world->policy, &ask);
	took = now() - took;
	if (verdict.refusal != POLICY_ALLOWED)
		fail(verdict.rule);
	free(resource);
	return took;
}

static int by_size(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

	return (x > y) - (x < y);
}

/* The median of single decisions. In the second world there is one caller only. */
static void row(const char *name, const struct world *world, bool one, bool cold)
{
	static int64_t took[1000];
	const unsigned n = measure_quick() ? 101 : 1000;

	for (unsigned i = 0; i < n; i++)
		took[i] = decide(world, one ? 0 : i * 61 % PROJECTS, one ? 0 : i * 37 % KEYS, cold);
	qsort(took, n, sizeof took[0], by_size);
	measure_limit(name, "us", (double) took[n / 2] / 1000, 10);
}

int main(void)
{
	static struct world spread, one;
	bool done;

	push_out_bytes = calloc(1, PUSH_OUT);
	if (push_out_bytes == NULL || !measure_begin())
		return 1;
	if (measure_wants("policy")) {
		make_spread(&spread);
		make_one(&one);
		row("policy.decide.cold", &spread, false, true);
		row("policy.decide.warm", &spread, false, false);
		row("policy.decide.cold.groups", &one, true, true);
		row("policy.decide.warm.groups", &one, true, false);
		policy_unref(spread.policy);
		policy_unref(one.policy);
	}
	done = measure_end();
	free((void *) (uintptr_t) push_out_bytes);
	return done ? 0 : 1;
}
