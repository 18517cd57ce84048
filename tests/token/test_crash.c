/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process is killed at any moment while it makes key rings, keys and versions, rotates, switches
 * versions off and on, orders their end and takes that back, and encrypts anew. What it had been
 * told was done must be there, what it did not ask for must not, and nothing must be half done.
 * CLAVIGER_SOAK_KILLS and CLAVIGER_SEED set the number of kills and the seed, which is printed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <claviger/time.h>

#include "config.h"
#undef VERSION /* of the package; home_world.h has another */
#include "lib/base/bytes.h"
#include "tests/support/home_world.h"

#ifdef CLV_SANITIZED /* a child takes that much longer to begin */
#define SLOWNESS 5
#define N_KILLS 20
#else
#define SLOWNESS 1
#define N_KILLS 50
#endif

#define N_OBJECTS_OF_LOCATION 6 /* root, seal, the log key's two halves, two anchors */
#define MAX_VERSIONS 4          /* of a key */
#define MAX_KEYS 100000

/*
 * Written to the pipe around each operation: 'b' begun, 'd' done, 'r' refused by the version's
 * state, which changes nothing.
 */
struct note {
	char what; /* 'r' ring, 'w' wrapped key, 't' token key, 'v' version, 'p' primary, 'e'
		      enable, 'd' disable, 'x' destroy, 'u' restore, 'c' re-encrypt */
	char when;
	unsigned number;  /* of the ring or key */
	unsigned version; /* that it is about; 'w', 't', 'c': that the ciphertext is made with */
	size_t len;
	uint8_t ciphertext[128]; /* 'w', 't', 'c' */
};

/* What is known of a ring or key. */
enum known { NOTHING, BEGUN, DONE };
struct key {
	char kind;
	enum known made;
	bool touched; /* since it was last looked at */
	enum clv_state states[MAX_VERSIONS + 1];
	enum clv_state maybe[MAX_VERSIONS + 1]; /* the other one it may be in; 0: none */
	unsigned n_versions, primary;
	bool one_more;          /* may be there */
	unsigned maybe_primary; /* the other one it may be; 0: none */
	unsigned sealed_by;     /* 0: there is no ciphertext */
	size_t len;
	uint8_t ciphertext[128];
};

static struct key *keys, *rings; /* MAX_KEYS each; shared, because the checks are made in a child */

static void ring_name(unsigned number, char name[CLV_NAME_MAX])
{
	snprintf(name, CLV_NAME_MAX, LOCATION "/keyRings/r%u", number);
}

static void key_name(unsigned number, char name[CLV_NAME_MAX])
{
	snprintf(name, CLV_NAME_MAX, RING "/cryptoKeys/k%u", number);
}

static const char *version_name(unsigned number, unsigned version)
{
	static char name[CLV_NAME_MAX + 32];
	char key[CLV_NAME_MAX];

	key_name(number, key);
	snprintf(name, sizeof name, "%s/cryptoKeyVersions/%u", key, version);
	return name;
}

/* ---- the one who is killed */

struct worker {
	int to;         /* notes */
	unsigned first; /* number of its first ring and key */
	unsigned seed;
	uint8_t *versions; /* how many each key has, to pick from; 0: no key */
};

static void tell(const struct worker *worker, struct note *note, char when)
{
	note->when = when;
	if (write(worker->to, note, sizeof *note) != sizeof *note)
		_exit(0);
}

/* Encrypts with the primary, and notes with which version that was. */
static clv_rc seal(struct home_world *w, struct note *note)
{
	struct clv_buf out = { 0 };
	char name[CLV_NAME_MAX], version[CLV_NAME_MAX];
	clv_rc rc;

	key_name(note->number, name);
	rc = clv_encrypt(w->ctx, NULL, name, (struct clv_bytes){ (const uint8_t *) "text", 4 },
			 (struct clv_bytes){ 0 }, &out, version, &w->err);
	if (rc == CLV_OK) {
		note->version = (unsigned) strtoul(strrchr(version, '/') + 1, NULL, 10);
		note->len = out.len;
		memcpy(note->ciphertext, out.data, out.len);
	}
	clv_buf_done(&out);
	return rc;
}

static clv_rc make_key(struct home_world *w, struct note *note)
{
	char name[CLV_NAME_MAX];

	key_name(note->number, name);
	assert_ok(w,
		  world_new_key(w, name,
				note->what == 't' ? CLV_RESIDENCY_TOKEN : CLV_RESIDENCY_WRAPPED));
	return seal(w, note);
}

static clv_rc make_ring(struct home_world *w, struct note *note)
{
	struct clv_key_ring ring;
	char name[CLV_NAME_MAX];

	ring_name(note->number, name);
	return clv_key_ring_create(w->ctx, NULL, name, &ring, &w->err);
}

static clv_rc make_version(struct home_world *w, struct note *note)
{
	struct clv_version version = { 0 };
	char name[CLV_NAME_MAX];
	clv_rc rc;

	key_name(note->number, name);
	rc = clv_version_create(w->ctx, NULL, name, &version, &w->err);
	note->version = (unsigned) version.number;
	return rc;
}

static clv_rc set_primary(struct home_world *w, struct note *note)
{
	struct clv_key key;
	char name[CLV_NAME_MAX];

	key_name(note->number, name);
	return clv_key_set_primary(w->ctx, NULL, name, note->version, &key, &w->err);
}

static clv_rc switch_version(struct home_world *w, struct note *note)
{
	const char *name = version_name(note->number, note->version);
	struct clv_switch_report report;

	switch (note->what) {
	case 'e':
		return clv_version_enable(w->ctx, NULL, name, NULL, &report, &w->err);
	case 'd':
		return clv_version_disable(w->ctx, NULL, name, NULL, &report, &w->err);
	case 'x':
		return clv_version_destroy(w->ctx, NULL, name, NULL, &report, &w->err);
	default:
		return clv_version_restore(w->ctx, NULL, name, NULL, &report, &w->err);
	}
}

/* What was encrypted when this process began; it is not told what it has told since. */
static clv_rc encrypt_again(struct home_world *w, struct note *note)
{
	struct key *key = &keys[note->number];
	struct clv_buf sealed = { .data = key->ciphertext, .len = key->len };
	char name[CLV_NAME_MAX];
	clv_rc rc = CLV_OK;

	key_name(note->number, name);
	if (key->len > 0)
		rc = world_decrypt(w, name, &sealed, "text");
	return rc == CLV_OK ? seal(w, note) : rc;
}

static const struct {
	char what;
	unsigned weight;
	bool makes; /* something with a number of its own */
	clv_rc (*call)(struct home_world *w, struct note *note);
} operations[] = {
	{ 'r', 2, true, make_ring },       { 'w', 2, true, make_key },
	{ 't', 1, true, make_key },        { 'v', 2, false, make_version },
	{ 'p', 2, false, set_primary },    { 'e', 5, false, switch_version },
	{ 'd', 3, false, switch_version }, { 'x', 1, false, switch_version },
	{ 'u', 2, false, switch_version }, { 'c', 3, false, encrypt_again },
};

static size_t pick_operation(unsigned *seed)
{
	unsigned sum = 0, at;
	size_t i = 0;

	for (size_t k = 0; k < CLV_ARRAY_LEN(operations); k++)
		sum += operations[k].weight;
	at = (unsigned) rand_r(seed) / 64 % sum;
	while (at >= operations[i].weight)
		at -= operations[i++].weight;
	return i;
}

/* A key that was made, by this process or one before, and a version of it; false: not this time. */
static bool pick_version(const struct worker *worker, unsigned *seed, unsigned next,
			 struct note *note)
{
	unsigned n;

	note->number = next > 0 ? (unsigned) rand_r(seed) / 64 % next : 0;
	n = worker->versions[note->number];
	if (n == 0 || (note->what == 'v' && n >= MAX_VERSIONS))
		return false;
	note->version = note->what == 'v' ? n + 1 : 1 + (unsigned) rand_r(seed) / 64 % n;
	return true;
}

static void do_one(struct home_world *w, const struct worker *worker, size_t operation,
		   struct note *note)
{
	clv_rc rc;

	tell(worker, note, 'b');
	rc = operations[operation].call(w, note);
	if (rc != CLV_E_FAILED_PRECONDITION || operations[operation].makes)
		assert_ok(w, rc);
	tell(worker, note, rc == CLV_OK ? 'd' : 'r');
	if (rc == CLV_OK && (note->what == 'w' || note->what == 't'))
		worker->versions[note->number] = 1;
	if (rc == CLV_OK && note->what == 'v')
		worker->versions[note->number]++;
}

static void work_until_killed(struct home_world *w, void *arg)
{
	struct worker *worker = arg;
	unsigned seed = worker->seed, next = worker->first;

	worker->versions = calloc(MAX_KEYS, 1);
	assert_non_null(worker->versions);
	for (unsigned i = 0; i < next; i++)
		worker->versions[i] = keys[i].made == DONE ? (uint8_t) keys[i].n_versions : 0;
	world_open(w);
	for (;;) {
		size_t operation = pick_operation(&seed);
		struct note note = { .what = operations[operation].what };

		if (operations[operation].makes)
			note.number = next++;
		else if (!pick_version(worker, &seed, next, &note))
			continue;
		do_one(w, worker, operation, &note);
	}
}

/* ---- what its notes say */

static enum clv_state state_after(char what)
{
	switch (what) {
	case 'e':
		return CLV_STATE_ENABLED;
	case 'x':
		return CLV_STATE_DESTROY_SCHEDULED;
	default: /* 'd', 'u' */
		return CLV_STATE_DISABLED;
	}
}

static void learn_sealed(struct key *key, const struct note *note)
{
	key->sealed_by = note->version;
	key->len = note->len;
	memcpy(key->ciphertext, note->ciphertext, sizeof key->ciphertext);
}

static void learn_made(struct key *key, const struct note *note)
{
	key->kind = note->what;
	key->made = note->when == 'd' ? DONE : BEGUN;
	key->n_versions = key->primary = 1;
	key->states[1] = CLV_STATE_ENABLED;
	if (note->when == 'd')
		learn_sealed(key, note);
}

static void learn_version(struct key *key, const struct note *note)
{
	key->one_more = note->when == 'b';
	if (note->when != 'd')
		return;
	assert_int_equal(note->version, key->n_versions + 1);
	key->states[++key->n_versions] = CLV_STATE_ENABLED;
}

static void learn_primary(struct key *key, const struct note *note)
{
	key->maybe_primary = note->when == 'b' ? note->version : 0;
	if (note->when == 'd')
		key->primary = note->version;
}

static void learn_state(struct key *key, const struct note *note)
{
	key->maybe[note->version] = note->when == 'b' ? state_after(note->what) : 0;
	if (note->when == 'd')
		key->states[note->version] = state_after(note->what);
}

static void learn(const struct note *note)
{
	struct key *key = note->what == 'r' ? &rings[note->number] : &keys[note->number];

	key->touched = true;
	if (strchr("rwt", note->what) != NULL)
		learn_made(key, note);
	else if (note->what == 'v')
		learn_version(key, note);
	else if (note->what == 'p')
		learn_primary(key, note);
	else if (note->what != 'c')
		learn_state(key, note);
	else if (note->when == 'd')
		learn_sealed(key, note);
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

/* In the state that was acknowledged, or in the one that was asked for. Then that one counts. */
static void check_version(struct home_world *w, unsigned number, unsigned n)
{
	struct key *key = &keys[number];
	struct clv_version version;

	assert_ok(w, clv_version_get(w->ctx, NULL, version_name(number, n), &version, &w->err));
	if (version.state != key->states[n] && version.state != key->maybe[n])
		fail_msg("%s is %s, and was %s", version.name, clv_state_name(version.state),
			 clv_state_name(key->states[n]));
	key->states[n] = version.state;
	key->maybe[n] = 0;
}

static void check_versions(struct home_world *w, unsigned number)
{
	struct key *key = &keys[number];
	struct clv_version version;
	clv_rc rc;

	for (unsigned n = 1; n <= key->n_versions; n++)
		check_version(w, number, n);
	rc = clv_version_get(w->ctx, NULL, version_name(number, key->n_versions + 1), &version,
			     &w->err);
	if (rc == CLV_OK && key->one_more) {
		assert_int_equal(version.state, CLV_STATE_ENABLED);
		key->states[++key->n_versions] = version.state;
		rc = clv_version_get(w->ctx, NULL, version_name(number, key->n_versions + 1),
				     &version, &w->err);
	}
	assert_int_equal(rc, CLV_E_NOT_FOUND); /* nobody asked for one more */
	key->one_more = false;
}

/* Each version can be used, or is refused, as its state says. */
static void use_key(struct home_world *w, unsigned number)
{
	struct key *key = &keys[number];
	struct clv_buf sealed = { .data = key->ciphertext, .len = key->len };
	struct note note = { .number = number };
	char name[CLV_NAME_MAX];

	key_name(number, name);
	if (key->len > 0)
		assert_int_equal(world_decrypt(w, name, &sealed, "text"),
				 key->states[key->sealed_by] == CLV_STATE_ENABLED
					 ? CLV_OK
					 : CLV_E_FAILED_PRECONDITION);
	for (unsigned n = 1; n <= key->n_versions; n++) {
		struct clv_buf out = { 0 };

		assert_int_equal(world_encrypt(w, version_name(number, n), "text", &out),
				 key->states[n] == CLV_STATE_ENABLED ? CLV_OK
								     : CLV_E_FAILED_PRECONDITION);
		clv_buf_done(&out);
	}
	assert_int_equal(seal(w, &note), key->states[key->primary] == CLV_STATE_ENABLED
						 ? CLV_OK
						 : CLV_E_FAILED_PRECONDITION);
	if (note.len == 0)
		return;
	assert_int_equal(note.version, key->primary);
	if (key->len == 0) /* it was only begun; from now on it counts */
		learn_sealed(key, &note);
}

/* Made: it is there and works as its state says. Only begun: it is whole, or absent. */
static void check_key(struct home_world *w, unsigned number)
{
	struct key *key = &keys[number];
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
	key->made = DONE;
	if (found.primary != key->primary && found.primary != key->maybe_primary)
		fail_msg("%s has primary %u, and had %u", name, (unsigned) found.primary,
			 key->primary);
	key->primary = (unsigned) found.primary;
	key->maybe_primary = 0;
	check_versions(w, number);
	use_key(w, number);
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

/*
 * What SoftHSM may have destroyed, and its guard in the home not put back, is looked for before
 * anything of ours is: a key of the location that the token has no more.
 */
static void check_token(struct home_world *w)
{
	static struct clv_probe probe;
	clv_rc rc = clv_token_status(w->ctx, NULL, LOCATION, &probe, &w->err);

	if (rc != CLV_OK)
		fail_msg("the SoftHSM token is damaged: %s: %s", clv_rc_name(rc), w->err.text);
	for (size_t i = 0; i < probe.n_rows; i++) {
		const struct clv_probe_row *row = &probe.rows[i];

		if (strcmp(row->topic, "object") == 0 && row->result != CLV_PROBE_YES)
			fail_msg("the SoftHSM token is damaged: %s: %s", row->name, row->note);
	}
}

/* Opens the home as the next process would, and looks at all that the last one touched. */
static void check_all(struct home_world *w, void *arg)
{
	unsigned next = *(unsigned *) arg;

	world_open(w);
	check_token(w);
	assert_ok(w, world_decrypt(w, TOKEN, &(struct clv_buf){ 0 }, "") == CLV_E_INVALID_ARGUMENT
			     ? CLV_OK
			     : CLV_E_INTERNAL);
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
	assert_int_equal(waitpid(child, NULL, WNOHANG), 0); /* nothing surprised it before */
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

/* ---- a token that is damaged */

/* Empties the files of all objects, as a kill in the middle of writing them does, or puts them
 * back. */
static void damage(const struct home_world *w, bool back)
{
	const char *tokens = world_path(w, "softhsm/tokens"), *kept = world_path(w, "kept");
	char command[1600];

	if (back)
		snprintf(command, sizeof command, "rm -rf '%s' && mv '%s' '%s'", tokens, kept,
			 tokens);
	else
		snprintf(command, sizeof command,
			 "cp -a '%s' '%s' && for f in '%s'/*/*-*.object; do : >\"$f\"; done",
			 tokens, kept, tokens);
	assert_int_equal(system(command), 0);
}

static void use_damaged(struct home_world *w, void *arg)
{
	static const char *const names[] = { WRAPPED, TOKEN };
	struct clv_buf out = { 0 };

	(void) arg;
	world_open(w);
	for (size_t i = 0; i < CLV_ARRAY_LEN(names); i++) {
		assert_refused(w, world_encrypt(w, names[i], "text", &out), CLV_E_DATA_LOSS,
			       "gone from the token 'claviger europe-west2'");
		assert_null(strstr(w->err.text, "catalogue"));
	}
	clv_buf_done(&out);
	assert_int_equal(world_count(w, "SELECT count(*) FROM versions WHERE state = 1"), 2);
}

static void use_both(struct home_world *w, void *arg)
{
	struct clv_buf out = { 0 };

	(void) arg;
	world_open(w);
	check_token(w);
	assert_ok(w, world_encrypt(w, WRAPPED, "text", &out));
	assert_ok(w, world_encrypt(w, TOKEN, "text", &out));
	clv_buf_done(&out);
}

static void damaged_token_is_named_and_nothing_of_ours_is_given_up(struct home_world *w)
{
	damage(w, false);
	world_in_child(w, use_damaged, NULL);
	damage(w, true);
	world_in_child(w, use_both, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(
			whatever_is_killed_what_was_acknowledged_is_there_and_nothing_is_half_done),
		home_test(damaged_token_is_named_and_nothing_of_ours_is_given_up),
	};
	return cmocka_run_group_tests_name("crash", tests, home_group_set_up, home_group_tear_down);
}
