/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of `make bench`: our layers against the bare loop, on the same token, in one process,
 * in turns. README.md says what each row means. Fails only when something did not run.
 */
#include <errno.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <claviger/claviger.h>

#include "hsm/hsm.h"
#include "lib/api/api.h"
#include "lib/audit/audit.h"
#include "lib/base/bytes.h"
#include "tests/bench/bare.h"
#include "tests/bench/measure.h"

#define PROJECT "projects/bench"
#define LOCATION PROJECT "/locations/local"
#define RING LOCATION "/keyRings/ring"
#define KEY RING "/cryptoKeys/key"

#define THREADS_MAX 2
#define DEK_LEN 32
#define FEW_OBJECTS 10

/* Whatever went wrong has been said by the time this is false. */
static bool ok(const char *what, clv_rc rc, const struct clv_err *err)
{
	if (rc != CLV_OK)
		fprintf(stderr, "bench: %s: %s\n", what, err->text);
	return rc == CLV_OK;
}

/* ---- a token through hsm/hsm.h, with a hierarchy of its own */

/* What one thread works with; apart from the others' by more than a cache line. */
struct lane {
	uint8_t aad[32], dek[DEK_LEN];
	uint8_t iv[HSM_IV_MAX], sealed[DEK_LEN + HSM_TAG_LEN], opened[DEK_LEN + HSM_TAG_LEN];
	uint8_t known_iv[HSM_IV_MAX], known[DEK_LEN + HSM_TAG_LEN]; /* for decrypting */
	size_t iv_len;
	struct clv_err err;
};

/* The keys of a token: they stay when it is closed and opened again. */
struct keys {
	struct hsm_location_ids ids;
	struct hsm_keyref root, ring, version;
	struct hsm_blob ring_blob, version_blob;
};

struct token {
	char uri[CLV_URI_MAX];
	struct keys keys;
	struct hsm *hsm; /* owned */
	struct lane lane[THREADS_MAX];
};

static bool hsm_encrypt_step(void *arg, unsigned thread)
{
	struct token *token = arg;
	struct lane *lane = &token->lane[thread];
	struct clv_bytes aad = { lane->aad, sizeof lane->aad };
	struct clv_bytes dek = { lane->dek, sizeof lane->dek };
	clv_rc rc =
		hsm_encrypt(token->hsm, clv_grant_system(CLV_SYSTEM_PROBE), &token->keys.version,
			    aad, dek, lane->iv, &lane->iv_len, lane->sealed, &lane->err);

	return rc == CLV_OK || ok("hsm_encrypt", rc, &lane->err);
}

static bool hsm_decrypt_step(void *arg, unsigned thread)
{
	struct token *token = arg;
	struct lane *lane = &token->lane[thread];
	struct clv_bytes aad = { lane->aad, sizeof lane->aad };
	struct clv_bytes iv = { lane->known_iv, lane->iv_len };
	struct clv_bytes sealed = { lane->known, sizeof lane->known };
	clv_rc rc = hsm_decrypt(token->hsm, clv_grant_system(CLV_SYSTEM_PROBE),
				&token->keys.version, aad, iv, sealed, lane->opened, &lane->err);

	return rc == CLV_OK || ok("hsm_decrypt", rc, &lane->err);
}

static bool hsm_unwrap_step(void *arg, unsigned thread)
{
	struct token *token = arg;

	hsm_key_evict(token->hsm, token->keys.version.id);
	return hsm_encrypt_step(token, thread);
}

static bool keys_make(struct hsm *hsm, struct keys *keys, struct clv_err *err)
{
	const struct clv_grant *grant = clv_grant_system(CLV_SYSTEM_PROBE);

	keys->root = (struct hsm_keyref){ .role = HSM_ROLE_ROOT };
	keys->ring = (struct hsm_keyref){ .role = HSM_ROLE_RING_KEK, .parent = &keys->root };
	keys->version = (struct hsm_keyref){ .role = HSM_ROLE_VERSION, .parent = &keys->ring };
	if (!ok("random", clv_random(&keys->ids, sizeof keys->ids, err), err) ||
	    !ok("random", clv_random(keys->ring.id, HSM_ID_LEN, err), err) ||
	    !ok("random", clv_random(keys->version.id, HSM_ID_LEN, err), err) ||
	    !ok("location", hsm_location_create(hsm, grant, "bench", &keys->ids, err), err))
		return false;
	memcpy(keys->root.id, keys->ids.root, HSM_ID_LEN);
	if (!ok("ring KEK",
		hsm_key_generate(hsm, grant, HSM_ROLE_RING_KEK, &keys->root, &keys->ring_blob, err),
		err))
		return false;
	keys->ring.blob = keys->ring_blob.bytes;
	keys->ring.blob_len = keys->ring_blob.len;
	if (!ok("version",
		hsm_key_generate(hsm, grant, HSM_ROLE_VERSION, &keys->ring, &keys->version_blob,
				 err),
		err))
		return false;
	keys->version.blob = keys->version_blob.bytes;
	keys->version.blob_len = keys->version_blob.len;
	return true;
}

struct world {
	char folder[256], home[300], run_dir[310];
	struct clv_ctx *ctx; /* owned */
};

static bool token_open(const struct world *world, struct token *token, unsigned max_sessions)
{
	struct hsm_options options = { .uri = token->uri,
				       .base_dir = world->home,
				       .state_dir = world->run_dir,
				       .max_sessions = max_sessions };
	struct clv_err err;

	return ok("hsm_open", hsm_open(&options, &token->hsm, &err), &err);
}

static void token_close(struct token *token)
{
	token->hsm = hsm_close(token->hsm);
}

/* Something for each lane to decrypt. */
static bool lanes_fill(struct token *token)
{
	for (unsigned i = 0; i < THREADS_MAX; i++) {
		struct lane *lane = &token->lane[i];

		memset(lane->aad, 'a', sizeof lane->aad);
		memset(lane->dek, 'd', sizeof lane->dek);
		if (!hsm_encrypt_step(token, i))
			return false;
		memcpy(lane->known_iv, lane->iv, sizeof lane->known_iv);
		memcpy(lane->known, lane->sealed, sizeof lane->known);
	}
	return true;
}

/* Opens a token for the first time and makes its keys. */
static bool token_prepare(const struct world *world, struct token *token)
{
	struct clv_err err;

	return token_open(world, token, 0) && keys_make(token->hsm, &token->keys, &err) &&
	       lanes_fill(token);
}

/* A new token in the home, apart from the location's. */
static bool token_make(const struct world *world, struct token *token, const char *label)
{
	struct clv_err err;

	return ok("token",
		  hsm_softhsm_create(clv_grant_system(CLV_SYSTEM_PROBE), CLV_SOFTHSM_MODULE,
				     world->home, world->run_dir, label, label, token->uri, &err),
		  &err) &&
	       token_prepare(world, token);
}

static struct bare *bare_on(const struct world *world, const char *label, const char *pin_name)
{
	char pin_file[600];

	snprintf(pin_file, sizeof pin_file, "%s/pins/%s.pin", world->home, pin_name);
	return bare_prepare(CLV_SOFTHSM_MODULE, label, pin_file, THREADS_MAX);
}

/*
 * The audit log with its file left out. The linker puts this in the place of audit_append() in this
 * program, and in no other: what is shipped has no such switch.
 */
static _Atomic bool audit_off;

clv_rc __real_audit_append(struct audit *audit, const struct audit_entry *entry, bool durable,
			   struct clv_err *err);
clv_rc __wrap_audit_append(struct audit *audit, const struct audit_entry *entry, bool durable,
			   struct clv_err *err);

clv_rc __wrap_audit_append(struct audit *audit, const struct audit_entry *entry, bool durable,
			   struct clv_err *err)
{
	if (atomic_load_explicit(&audit_off, memory_order_relaxed))
		return CLV_OK;
	return __real_audit_append(audit, entry, durable, err);
}

/* ---- a home through the public calls */

struct home_lane {
	struct clv_buf known; /* for decrypting */
	struct clv_err err;
	char apart[128];
};

struct home {
	struct clv_ctx *ctx; /* borrowed */
	struct home_lane lane[THREADS_MAX];
};

static const uint8_t api_aad[32] = "thirty-two bytes of other data", api_dek[DEK_LEN] = "dek";

static bool api_encrypt_step(void *arg, unsigned thread)
{
	struct home *home = arg;
	struct home_lane *lane = &home->lane[thread];
	struct clv_buf sealed = { 0 };
	clv_rc rc = clv_encrypt(home->ctx, NULL, KEY, (struct clv_bytes){ api_dek, sizeof api_dek },
				(struct clv_bytes){ api_aad, sizeof api_aad }, &sealed, NULL,
				&lane->err);

	clv_buf_done(&sealed);
	return rc == CLV_OK || ok("clv_encrypt", rc, &lane->err);
}

static bool api_decrypt_step(void *arg, unsigned thread)
{
	struct home *home = arg;
	struct home_lane *lane = &home->lane[thread];
	struct clv_secret *dek = NULL;
	clv_rc rc =
		clv_decrypt(home->ctx, NULL, KEY, clv_buf_view(&lane->known),
			    (struct clv_bytes){ api_aad, sizeof api_aad }, &dek, NULL, &lane->err);

	clv_secret_free(dek);
	return rc == CLV_OK || ok("clv_decrypt", rc, &lane->err);
}

static bool api_create_step(void *arg, unsigned thread)
{
	struct home *home = arg;
	struct home_lane *lane = &home->lane[thread];
	struct clv_version version;
	clv_rc rc = clv_version_create(home->ctx, NULL, KEY, &version, &lane->err);

	return rc == CLV_OK || ok("clv_version_create", rc, &lane->err);
}

static bool home_lanes_fill(struct home *home)
{
	for (unsigned i = 0; i < THREADS_MAX; i++) {
		struct home_lane *lane = &home->lane[i];

		if (!ok("clv_encrypt",
			clv_encrypt(home->ctx, NULL, KEY,
				    (struct clv_bytes){ api_dek, sizeof api_dek },
				    (struct clv_bytes){ api_aad, sizeof api_aad }, &lane->known,
				    NULL, &lane->err),
			&lane->err))
			return false;
	}
	return true;
}

static bool world_open(struct world *world)
{
	struct clv_ctx_options options = { .home = world->home, .allow_unlocked_memory = true };
	struct clv_err err;

	return ok("clv_ctx_open", clv_ctx_open(&options, &world->ctx, &err), &err);
}

static void world_close(struct world *world)
{
	world->ctx = clv_ctx_free(world->ctx);
}

/* A home with one key, and where its token is. */
static bool world_make(struct world *world, char ret_uri[CLV_URI_MAX])
{
	struct clv_home_options options = { .home = world->home,
					    .project = "bench",
					    .allow_unlocked_memory = true };
	struct clv_key_options key_options = { .purpose = CLV_PURPOSE_ENCRYPT_DECRYPT };
	struct clv_location location;
	struct clv_key_ring ring;
	struct clv_key key;
	struct clv_token *tokens = NULL;
	struct clv_err err;
	size_t n = 0;

	if (!ok("clv_home_create", clv_home_create(&options, &err), &err) || !world_open(world) ||
	    !ok("location",
		clv_location_create_softhsm(world->ctx, NULL, LOCATION, CLV_SOFTHSM_MODULE,
					    &location, &err),
		&err) ||
	    !ok("key ring", clv_key_ring_create(world->ctx, NULL, RING, &ring, &err), &err) ||
	    !ok("key", clv_key_create(world->ctx, NULL, KEY, &key_options, &key, &err), &err) ||
	    !ok("tokens", clv_token_list(world->ctx, NULL, LOCATION, &tokens, &n, &err), &err))
		return false;
	if (n > 0)
		snprintf(ret_uri, CLV_URI_MAX, "%s", tokens[0].uri);
	clv_page_free(tokens);
	world_close(world);
	return n > 0;
}

/* ---- the rows */

struct opening {
	const struct world *world;
	struct token *token;
};

static bool open_step(void *arg, unsigned thread)
{
	struct opening *opening = arg;

	(void) thread;
	if (!token_open(opening->world, opening->token, 0))
		return false;
	token_close(opening->token);
	return true;
}

static bool rows_open(struct world *world, struct token *token)
{
	struct opening opening = { world, token };
	struct measure_row row = { .name = "open", .ours = { open_step, &opening }, .threads = 1 };

	return measure_row(&row);
}

static bool row_pair(const char *name, struct measure_side ours, struct measure_side base,
		     double target)
{
	for (unsigned threads = 1; threads <= THREADS_MAX; threads++) {
		struct measure_row row = {
			.ours = ours, .base = base, .target = target, .threads = threads
		};

		snprintf(row.name, sizeof row.name, "%s", name);
		if (!measure_row(&row))
			return false;
	}
	return true;
}

/* With so many sessions at most; 0: as many as by default, and the name says nothing of it. */
static bool rows_sessions(struct world *world, struct token *token, struct bare *bare,
			  unsigned sessions)
{
	char suffix[16] = "", name[32];
	bool done;

	if (sessions != 0)
		snprintf(suffix, sizeof suffix, ".s%u", sessions);
	if (!token_open(world, token, sessions))
		return false;
	snprintf(name, sizeof name, "hsm.encrypt%s", suffix);
	done = row_pair(name, (struct measure_side){ hsm_encrypt_step, token },
			(struct measure_side){ bare_encrypt, bare }, 0.90);
	snprintf(name, sizeof name, "hsm.decrypt%s", suffix);
	done = done && row_pair(name, (struct measure_side){ hsm_decrypt_step, token },
				(struct measure_side){ bare_decrypt, bare }, 0.90);
	if (sessions == 0) {
		struct measure_row row = { .name = "hsm.unwrap",
					   .ours = { hsm_unwrap_step, token },
					   .base = { bare_unwrap, bare },
					   .threads = 1 };

		done = done && measure_row(&row);
	}
	token_close(token);
	return done;
}

static bool rows_hsm(struct world *world, struct token *token, struct bare *bare)
{
	static const unsigned sessions[] = { 0, 1, 2, 4, 16, 64 };

	for (size_t i = 0; i < CLV_ARRAY_LEN(sessions); i++) {
		if (!rows_sessions(world, token, bare, sessions[i]))
			return false;
	}
	return true;
}

static bool rows_crypt(struct home *home, struct bare *bare, bool audited)
{
	const char *names[] = { audited ? "api.encrypt.audited" : "api.encrypt",
				audited ? "api.decrypt.audited" : "api.decrypt" };
	double target = audited ? 0 : 0.80;
	bool done;

	atomic_store(&audit_off, !audited);
	done = row_pair(names[0], (struct measure_side){ api_encrypt_step, home },
			(struct measure_side){ bare_encrypt, bare }, target) &&
	       row_pair(names[1], (struct measure_side){ api_decrypt_step, home },
			(struct measure_side){ bare_decrypt, bare }, target);
	atomic_store(&audit_off, false);
	return done;
}

/* What a decision costs that was made before: taking a judge, recalling, giving it back. */
#define RECALLS 200000
#define RECALL_MAX_US 0.3

static bool recall(struct clv_ctx *ctx)
{
	const struct policy_ask ask = { .principal = clv_ctx_principal(ctx),
					.permission = "cloudkms.cryptoKeyVersions.useToEncrypt",
					.resource = KEY,
					.time = clv_time_now() };
	struct api_judge *judge = NULL;
	struct clv_err err;

	if (!ok("api_judge_acquire", api_judge_acquire(ctx, &judge, &err), &err))
		return false;
	if (api_judge_decide(judge, &ask)->verdict.refusal != POLICY_ALLOWED) {
		fprintf(stderr, "bench: the owner is refused\n");
		return false;
	}
	api_judge_release(judge);
	return true;
}

static bool rows_policy(struct clv_ctx *ctx)
{
	double best = 1e9;

	for (unsigned round = 0; round < MEASURE_ROUNDS; round++) {
		int64_t start = clv_time_now();
		double us;

		for (unsigned i = 0; i < RECALLS; i++) {
			if (!recall(ctx))
				return false;
		}
		us = (double) (clv_time_now() - start) / 1000 / RECALLS;
		best = us < best ? us : best;
	}
	measure_limit("policy.remembered", "us", best, RECALL_MAX_US);
	return true;
}

static bool rows_api(struct world *world, struct bare *bare)
{
	struct home home = { 0 };
	bool done = world_open(world);

	home.ctx = world->ctx;
	done = done && home_lanes_fill(&home) && rows_policy(world->ctx) &&
	       rows_crypt(&home, bare, false) && rows_crypt(&home, bare, true) &&
	       row_pair("api.create", (struct measure_side){ api_create_step, &home },
			(struct measure_side){ bare_create, bare }, 0);
	for (unsigned i = 0; i < THREADS_MAX; i++)
		clv_buf_done(&home.lane[i].known);
	world_close(world);
	return done;
}

/* One token stays with few objects, the other gets more and more. */
static bool rows_objects(struct world *world)
{
	static const unsigned counts[] = { FEW_OBJECTS, 1000, 10000 };
	static struct token few, many;
	struct bare *few_bare = NULL, *many_bare = NULL;
	bool done = token_make(world, &few, "few") && token_make(world, &many, "many");

	if (done) {
		few_bare = bare_on(world, "few", "few");
		many_bare = bare_on(world, "many", "many");
	}
	done = few_bare != NULL && many_bare != NULL && bare_fill(few_bare, FEW_OBJECTS);
	for (size_t i = 0; i < CLV_ARRAY_LEN(counts) - (measure_quick() ? 1 : 0); i++) {
		struct measure_row row = { .ours = { hsm_encrypt_step, &many },
					   .base = { hsm_encrypt_step, &few },
					   .target = 0.90,
					   .threads = 1 };

		snprintf(row.name, sizeof row.name, "objects.%u", counts[i]);
		done = done && bare_fill(many_bare, counts[i]) && measure_row(&row);
	}
	bare_done(many_bare);
	bare_done(few_bare);
	token_close(&many);
	token_close(&few);
	return done;
}

static bool rows_with_bare(struct world *world, struct token *token)
{
	struct bare *bare = bare_on(world, "claviger local", "local");
	bool done = bare != NULL && (!measure_wants("hsm") || rows_hsm(world, token, bare)) &&
		    (!measure_wants("api") || rows_api(world, bare));

	bare_done(bare);
	return done && (!measure_wants("objects") || rows_objects(world));
}

static bool run(struct world *world)
{
	/* Keeps the module initialised while others come and go; bare's sessions need it. */
	static struct token token, anchor;
	bool done;

	if (!world_make(world, token.uri) || !token_prepare(world, &token))
		return false;
	token_close(&token);
	if (measure_wants("open") && !rows_open(world, &token))
		return false;
	memcpy(anchor.uri, token.uri, sizeof anchor.uri);
	if (!token_open(world, &anchor, 1))
		return false;
	done = rows_with_bare(world, &token);
	token_close(&anchor);
	return done;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void) st;
	(void) kind;
	(void) where;
	return remove(path);
}

/* A folder of our own below TMPDIR or the working directory, gone when this ends. */
int main(void)
{
	const char *above = getenv("TMPDIR");
	char *folder = realpath(above != NULL ? above : ".", NULL);
	struct world world = { 0 };
	bool done;

	if (folder == NULL || strlen(folder) > 128) {
		fprintf(stderr, "bench: no folder, or its path is too long for PKCS#11 URIs\n");
		return 1;
	}
	snprintf(world.folder, sizeof world.folder, "%s/bench-XXXXXX", folder);
	free(folder);
	if (mkdtemp(world.folder) == NULL) {
		perror(world.folder);
		return 1;
	}
	snprintf(world.home, sizeof world.home, "%s/home", world.folder);
	snprintf(world.run_dir, sizeof world.run_dir, "%s/run", world.home);
	done = measure_begin() && run(&world);
	nftw(world.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return measure_end() && done ? 0 : 1;
}
