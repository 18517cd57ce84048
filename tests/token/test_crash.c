/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process is killed at any moment while it makes key rings and keys and switches versions. What
 * it had been told was done must be there, and nothing must be half done. CLAVIGER_SOAK_KILLS and
 * CLAVIGER_SEED set the number of kills and the seed, which is printed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <claviger/time.h>

#include "config.h"
#undef VERSION /* of the package; home_world.h has another */
#include "lib/base/bytes.h"
#include "tests/support/home_world.h"

#ifdef CLV_SANITIZED /* a child takes that much longer to begin */
#define SLOWNESS 5
#else
#define SLOWNESS 1
#endif

#define N_KILLS 30
#define N_OBJECTS_OF_LOCATION 6 /* root, seal, the log key's two halves, two anchors */

/* Written to the pipe before and after each operation: 'b' begun, 'd' done. */
struct note {
	char what; /* 'r' ring, 'w' wrapped key, 't' token key, 'e' enable, 'd' disable */
	char when;
	unsigned number; /* of the ring or key */
	size_t len;
	uint8_t ciphertext[128]; /* of a key that was made */
};

/* What is known of a key. */
enum known { NOTHING, BEGUN, DONE };
struct key {
	char kind;
	enum known made;
	enum known switched; /* BEGUN: its state is open */
	bool enabled;
	bool touched; /* since it was last looked at */
	size_t len;
	uint8_t ciphertext[128];
};

#define MAX_KEYS 100000
static struct key *keys, *rings; /* MAX_KEYS each; shared, because the checks are made in a child */

static void ring_name(unsigned number, char name[CLV_NAME_MAX])
{
	snprintf(name, CLV_NAME_MAX, LOCATION "/keyRings/r%u", number);
}

static void key_name(unsigned number, char name[CLV_NAME_MAX])
{
	snprintf(name, CLV_NAME_MAX, RING "/cryptoKeys/k%u", number);
}

/* ---- the one who is killed */

struct worker {
	int to;         /* notes */
	unsigned first; /* number of its first ring and key */
	unsigned seed;
};

static void tell(const struct worker *worker, struct note *note, char when)
{
	note->when = when;
	if (write(worker->to, note, sizeof *note) != sizeof *note)
		_exit(0);
}

static void make_key(struct home_world *w, struct note *note)
{
	struct clv_buf out = { 0 };
	char name[CLV_NAME_MAX];

	key_name(note->number, name);
	assert_ok(w,
		  world_new_key(w, name,
				note->what == 't' ? CLV_RESIDENCY_TOKEN : CLV_RESIDENCY_WRAPPED));
	assert_ok(w, world_encrypt(w, name, "text", &out));
	note->len = out.len;
	memcpy(note->ciphertext, out.data, out.len);
	clv_buf_done(&out);
}

static void switch_key(struct home_world *w, const struct note *note)
{
	char name[CLV_NAME_MAX], version[CLV_NAME_MAX + 32];
	struct clv_switch_report report;

	key_name(note->number, name);
	snprintf(version, sizeof version, "%s/cryptoKeyVersions/1", name);
	if (note->what == 'e')
		assert_ok(w, clv_version_enable(w->ctx, NULL, version, NULL, &report, &w->err));
	else
		assert_ok(w, clv_version_disable(w->ctx, NULL, version, NULL, &report, &w->err));
}

static void do_one(struct home_world *w, const struct worker *worker, struct note *note)
{
	struct clv_key_ring ring;
	char name[CLV_NAME_MAX];

	tell(worker, note, 'b');
	if (note->what == 'r') {
		ring_name(note->number, name);
		assert_ok(w, clv_key_ring_create(w->ctx, NULL, name, &ring, &w->err));
	} else if (note->what == 'w' || note->what == 't') {
		make_key(w, note);
	} else {
		switch_key(w, note);
	}
	tell(worker, note, 'd');
	if (note->what == 'w' || note->what == 't')
		keys[note->number].made =
			DONE; /* may be switched now; the notes will say the same */
}

/* A key that was made, by this process or one before; NULL: not hit this time. */
static const struct key *pick_key(unsigned *seed, unsigned next, unsigned *ret_number)
{
	unsigned number = next > 0 ? (unsigned) rand_r(seed) / 64 % next : 0;

	*ret_number = number;
	return keys[number].made == DONE ? &keys[number] : NULL;
}

static void work_until_killed(struct home_world *w, void *arg)
{
	const struct worker *worker = arg;
	unsigned seed = worker->seed, next = worker->first;

	world_open(w);
	for (;;) {
		static const char kinds[] = "rwtededed";
		struct note note = {
			.what = kinds[(unsigned) rand_r(&seed) / 64 % (sizeof kinds - 1)]
		};

		if (strchr("rwt", note.what) != NULL)
			note.number = next++;
		else if (pick_key(&seed, next, &note.number) == NULL)
			continue;
		do_one(w, worker, &note);
	}
}

/* ---- what its notes say */

static void learn(const struct note *note)
{
	struct key *key = note->what == 'r' ? &rings[note->number] : &keys[note->number];
	bool done = note->when == 'd';

	key->touched = true;
	if (strchr("rwt", note->what) != NULL) {
		key->kind = note->what;
		key->made = done ? DONE : BEGUN;
		key->switched = DONE;
		key->enabled = true;
		key->len = note->len;
		memcpy(key->ciphertext, note->ciphertext, sizeof key->ciphertext);
	} else {
		key->switched = done ? DONE : BEGUN;
		key->enabled = done ? note->what == 'e' : key->enabled;
	}
}

/* Reads what was told until the end. Returns the first number not used. */
static unsigned learn_all(int from, unsigned next)
{
	struct note note;

	while (read(from, &note, sizeof note) == sizeof note) {
		learn(&note);
		if (note.number >= next)
			next = note.number + 1;
	}
	assert_true(next < MAX_KEYS);
	return next;
}

/* ---- what must hold */

/* Made: it is there and works as its state says. Only begun: it is whole, or absent. */
static void check_key(struct home_world *w, unsigned number)
{
	struct key *key = &keys[number];
	struct clv_buf sealed = { .data = key->ciphertext, .len = key->len }, out = { 0 };
	struct clv_key found;
	char name[CLV_NAME_MAX];
	clv_rc rc;

	key_name(number, name);
	rc = clv_key_get(w->ctx, NULL, name, &found, &w->err);
	if (key->made == BEGUN && rc == CLV_E_NOT_FOUND) {
		key->made = NOTHING;
		return;
	}
	assert_ok(w, rc);
	if (key->switched == DONE)
		assert_int_equal(found.primary_state,
				 key->enabled ? CLV_STATE_ENABLED : CLV_STATE_DISABLED);
	key->enabled = found.primary_state == CLV_STATE_ENABLED;
	rc = world_encrypt(w, name, "text", &out);
	assert_int_equal(rc, key->enabled ? CLV_OK : CLV_E_FAILED_PRECONDITION);
	if (key->enabled && key->made == DONE)
		assert_ok(w, world_decrypt(w, name, &sealed, "text"));
	if (key->made == BEGUN && key->enabled) { /* from now on it counts */
		key->len = out.len;
		memcpy(key->ciphertext, out.data, out.len);
	}
	key->made = key->made == BEGUN && !key->enabled ? NOTHING : DONE;
	key->switched = DONE;
	clv_buf_done(&out);
}

/* Its KEK works. */
static void try_ring(struct home_world *w, const char *ring)
{
	char name[CLV_NAME_MAX + 32];
	struct clv_key key;

	snprintf(name, sizeof name, "%s/cryptoKeys/try", ring);
	if (clv_key_get(w->ctx, NULL, name, &key, &w->err) != CLV_OK)
		assert_ok(w, world_new_key(w, name, CLV_RESIDENCY_WRAPPED));
}

static void check_ring(struct home_world *w, unsigned number)
{
	struct clv_key_ring ring;
	char name[CLV_NAME_MAX];
	clv_rc rc;

	ring_name(number, name);
	rc = clv_key_ring_get(w->ctx, NULL, name, &ring, &w->err);
	if (rings[number].made != BEGUN || rc != CLV_E_NOT_FOUND) {
		assert_ok(w, rc);
		try_ring(w, name);
		rings[number].made = DONE;
	} else {
		rings[number].made = NOTHING;
	}
}

/* Opens the home as the next process would, and looks at all that the last one touched. */
static void check_all(struct home_world *w, void *arg)
{
	unsigned next = *(unsigned *) arg;

	world_open(w);
	assert_ok(w, world_decrypt(w, TOKEN, &(struct clv_buf){ 0 }, "") == CLV_E_INVALID_ARGUMENT
			     ? CLV_OK
			     : CLV_E_INTERNAL);
	assert_ok(w, clv_token_status(w->ctx, NULL, LOCATION, &(struct clv_probe){ 0 }, &w->err));
	assert_int_equal(world_count(w, "SELECT count(*) FROM intents"), 0);
	for (unsigned i = 0; i < next; i++) {
		if (keys[i].touched && keys[i].made != NOTHING)
			check_key(w, i);
		if (rings[i].touched && rings[i].made != NOTHING)
			check_ring(w, i);
		keys[i].touched = rings[i].touched = false;
	}
}

/* The catalogue's TOKEN-resident versions and the token's objects are the same, flags and all. */
static void check_objects(struct home_world *w)
{
	static struct raw_object objects[4096];
	size_t n = world_objects(w, objects, CLV_ARRAY_LEN(objects)), versions = 0;

	for (size_t i = 0; i < n; i++) {
		char sql[400];

		if (strncmp(objects[i].label, "claviger ", 9) == 0)
			continue; /* of the location */
		snprintf(sql, sizeof sql,
			 "SELECT count(*) FROM versions WHERE hex(uid) = upper('%s') AND"
			 " residency = 2 AND (state = 1) = %d AND token_enabled = %d",
			 objects[i].id, objects[i].encrypt, objects[i].encrypt);
		if (world_count(w, sql) != 1)
			fail_msg("%s (%s) belongs to no version in that state", objects[i].id,
				 objects[i].label);
		assert_int_equal(objects[i].encrypt, objects[i].decrypt);
		versions++;
	}
	assert_int_equal(n - versions, N_OBJECTS_OF_LOCATION);
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions WHERE residency = 2"),
			 versions);
}

static unsigned run_and_kill(struct home_world *w, unsigned first, unsigned *seed)
{
	struct worker worker = { .first = first, .seed = (unsigned) rand_r(seed) };
	unsigned next;
	int ends[2];
	pid_t child;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(fcntl(ends[0], F_SETPIPE_SZ, 1 << 20) > 0);
	worker.to = ends[1];
	child = world_fork(w, work_until_killed, &worker);
	close(ends[1]);
	usleep((5000 + (unsigned) rand_r(seed) % 150000) * SLOWNESS);
	world_kill(child);
	next = learn_all(ends[0], first);
	close(ends[0]);
	return next;
}

static struct key *shared_keys(void)
{
	void *at = mmap(NULL, MAX_KEYS * sizeof(struct key), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_true(at != MAP_FAILED);
	return at;
}

static void
whatever_is_killed_what_was_acknowledged_is_there_and_nothing_is_half_done(struct home_world *w)
{
	unsigned seed = world_env("CLAVIGER_SEED", (unsigned) clv_time_now()), first = 0;
	unsigned kills = world_env("CLAVIGER_SOAK_KILLS", N_KILLS);

	print_message("# seed %u\n", seed);
	keys = shared_keys();
	rings = shared_keys();
	for (unsigned i = 0; i < kills; i++) {
		first = run_and_kill(w, first, &seed);
		world_in_child(w, check_all, &first);
		check_objects(w);
	}
	print_message("# %u kills, %u rings and keys, %lld versions\n", kills, first,
		      (long long) world_count(w, "SELECT count(*) FROM versions"));
	assert_true(first > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(
			whatever_is_killed_what_was_acknowledged_is_there_and_nothing_is_half_done),
	};
	return cmocka_run_group_tests_name("crash", tests, home_group_set_up, home_group_tear_down);
}
