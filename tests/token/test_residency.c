/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key of a location is a key of that location's token: what is stored of it is of no use to the
 * token of another one, whatever the rows say. Here with two SoftHSM tokens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hsm/hsm.h"
#include "lib/api/api.h"
#include "tests/support/home_world.h"

#define OTHER PROJECT "/locations/global"
#define OTHER_KEY OTHER "/keyRings/r/cryptoKeys/wrapped"
#define TEXT "Dear customer"

static struct clv_name name_of(const char *text)
{
	struct clv_name name;
	struct clv_err err;

	assert_int_equal(clv_name_parse(text, &name, &err), CLV_OK);
	return name;
}

/* A second location with a ring and a key of the same names as in the first. */
static void make_other(struct home_world *w)
{
	struct clv_location location;
	struct clv_key_ring ring;

	world_open(w);
	assert_ok(w, clv_location_create_softhsm(w->ctx, NULL, OTHER, NULL, &location, &w->err));
	assert_ok(w, clv_key_ring_create(w->ctx, NULL, OTHER "/keyRings/r", &ring, &w->err));
	assert_ok(w, world_new_key(w, OTHER_KEY, CLV_RESIDENCY_WRAPPED));
}

/* What the catalogue holds of a key, and how it is referred to in a token. */
struct stored {
	struct store_ring ring;
	struct store_version version;
	struct hsm_keyref root, kek, key;
};

static void refer(struct stored *stored)
{
	stored->root = (struct hsm_keyref){ .role = HSM_ROLE_ROOT };
	memcpy(stored->root.id, stored->ring.root_id, HSM_ID_LEN);
	stored->kek = (struct hsm_keyref){ .role = HSM_ROLE_RING_KEK,
					   .parent = &stored->root,
					   .blob = stored->ring.kek_blob,
					   .blob_len = stored->ring.kek_blob_len };
	memcpy(stored->kek.id, stored->ring.kek_id, HSM_ID_LEN);
	stored->key = (struct hsm_keyref){ .role = HSM_ROLE_VERSION,
					   .algorithm = stored->version.pub.algorithm,
					   .parent = &stored->kek,
					   .blob = stored->version.blob,
					   .blob_len = stored->version.blob_len };
	/* Never seen by this process: what a token has unwrapped before it remembers by id. */
	assert_int_equal(clv_random(stored->key.id, HSM_ID_LEN, &(struct clv_err){ 0 }), CLV_OK);
	assert_int_equal(clv_random(stored->kek.id, HSM_ID_LEN, &(struct clv_err){ 0 }), CLV_OK);
}

static void read_stored(struct home_world *w, struct api_worker *worker, const char *key,
			struct stored *stored)
{
	const struct clv_name name = name_of(key);

	assert_ok(w, store_ring_get(worker->store, &name, &stored->ring, &w->err));
	assert_ok(w, store_version_get(worker->store, &name, &stored->version, &w->err));
	refer(stored);
}

static clv_rc use(struct home_world *w, struct hsm *hsm, const struct stored *stored)
{
	const struct clv_bytes text = { (const uint8_t *) TEXT, strlen(TEXT) };
	uint8_t iv[HSM_IV_MAX], sealed[sizeof TEXT + HSM_TAG_LEN];
	size_t iv_len;

	return hsm_encrypt(hsm, clv_grant_system(CLV_SYSTEM_RECOVERY), &stored->key,
			   (struct clv_bytes){ 0 }, text, iv, &iv_len, sealed, &w->err);
}

/* Straight at the tokens, without catalogue, policy or seal in between. */
static void blob_of_one_location_opens_in_no_other_token(struct home_world *w)
{
	struct api_worker *worker = NULL;
	struct stored *here = calloc(1, sizeof *here), *there = calloc(1, sizeof *there);
	struct hsm *hsm_here, *hsm_there;

	assert_non_null(here);
	assert_non_null(there);
	make_other(w);
	assert_ok(w, api_worker_acquire(w->ctx, &worker, &w->err));
	assert_ok(w, api_token_get(worker, "europe-west2", &hsm_here, &w->err));
	assert_ok(w, api_token_get(worker, "global", &hsm_there, &w->err));
	read_stored(w, worker, VERSION(WRAPPED), here);
	read_stored(w, worker, VERSION(OTHER_KEY), there);
	assert_ok(w, use(w, hsm_here, here));
	assert_ok(w, use(w, hsm_there, there));

	refer(here);
	assert_int_not_equal(use(w, hsm_there, here), CLV_OK); /* its root is not in that token */
	memcpy(here->root.id, there->root.id, HSM_ID_LEN);
	assert_int_not_equal(use(w, hsm_there, here), CLV_OK); /* and no other opens its ring */
	memcpy(here->root.id, here->ring.root_id, HSM_ID_LEN);
	here->key.parent = &there->kek;
	assert_int_not_equal(use(w, hsm_there, here), CLV_OK); /* nor another ring its version */
	refer(here);
	assert_ok(w, use(w, hsm_here, here));
	api_worker_release(worker);
	free(here);
	free(there);
}

/* The same by way of the catalogue: rows that were moved give nothing. */
static const struct {
	const char *what, *sql, *key; /* that is used then */
} moves[] = {
	{ "a key ring that says it is elsewhere",
	  "UPDATE key_rings SET id = 'old' WHERE location = (SELECT row FROM locations WHERE id ="
	  " 'global'); UPDATE key_rings SET location = (SELECT row FROM locations WHERE id ="
	  " 'global') WHERE id = 'r'",
	  OTHER_KEY },
	{ "a key ring with another's KEK",
	  "UPDATE key_rings SET (kek_id, root_id, kek_blob) = (SELECT kek_id, root_id, kek_blob"
	  " FROM key_rings o WHERE o.location <> key_rings.location) WHERE location ="
	  " (SELECT row FROM locations WHERE id = 'global')",
	  OTHER_KEY },
	{ "a key that says it is in another ring",
	  "UPDATE crypto_keys SET id = 'old' WHERE key_ring = (SELECT row FROM key_rings WHERE"
	  " location = (SELECT row FROM locations WHERE id = 'global')); UPDATE crypto_keys SET"
	  " key_ring = (SELECT row FROM key_rings WHERE location = (SELECT row FROM locations"
	  " WHERE id = 'global')) WHERE id = 'wrapped'",
	  OTHER_KEY },
	{ "a version with another's blob",
	  "UPDATE versions SET blob = (SELECT blob FROM versions v WHERE v.location <>"
	  " (SELECT row FROM locations WHERE id = 'global') AND v.residency = 1 LIMIT 1) WHERE"
	  " location = (SELECT row FROM locations WHERE id = 'global')",
	  OTHER_KEY },
};

static void make_other_in_child(struct home_world *w, void *arg)
{
	(void) arg;
	make_other(w);
	world_close(w);
}

static void use_what_was_moved(struct home_world *w, void *arg)
{
	const char *key = arg;
	struct clv_buf out = { 0 };
	clv_rc rc;

	world_open(w);
	rc = world_encrypt(w, key, TEXT, &out);
	printf("#   %s\n", w->err.text);
	assert_int_not_equal(rc, CLV_OK);
	assert_int_not_equal(rc, CLV_E_NOT_FOUND); /* the row is there */
	assert_int_equal(out.len, 0);
	clv_buf_done(&out);
	world_close(w);
}

static void use_what_is_in_its_place(struct home_world *w, void *arg)
{
	struct clv_buf out = { 0 };

	(void) arg;
	world_open(w);
	assert_ok(w, world_encrypt(w, OTHER_KEY, TEXT, &out));
	clv_buf_done(&out);
	world_close(w);
}

static void rows_moved_to_another_location_give_nothing(struct home_world *w)
{
	char save[1300], restore[1300];

	world_in_child(w, make_other_in_child, NULL);
	snprintf(save, sizeof save, "cp -a '%s' '%s.saved'", w->home, w->home);
	snprintf(restore, sizeof restore, "rm -rf '%s' && cp -a '%s.saved' '%s'", w->home, w->home,
		 w->home);
	assert_int_equal(system(save), 0);
	world_in_child(w, use_what_is_in_its_place, NULL);
	for (size_t i = 0; i < CLV_ARRAY_LEN(moves); i++) {
		printf("# %s\n", moves[i].what);
		world_sql(w, moves[i].sql);
		world_in_child(w, use_what_was_moved, (void *) (uintptr_t) moves[i].key);
		assert_int_equal(system(restore), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(blob_of_one_location_opens_in_no_other_token),
		home_test(rows_moved_to_another_location_give_nothing),
	};

	return cmocka_run_group_tests_name("residency", tests, home_group_set_up,
					   home_group_tear_down);
}
