/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/rand.h>

#include <claviger/time.h>

#include "tests/support/token_world.h"

const struct clv_grant *grant(void)
{
	return clv_grant_system(CLV_SYSTEM_HOME);
}

struct clv_bytes bytes_of(const char *text)
{
	return (struct clv_bytes){ (const uint8_t *) text, strlen(text) };
}

/* ---- modules ---- */

static void *loaded(const char *path)
{
	void *dl = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (dl == NULL)
		print_error("%s\n", dlerror());
	return dl;
}

/* Both stay loaded for as long as the program runs. */
static int find_modules(struct world *w)
{
	static void *shim;
	shim_ops_fn *ops = NULL;

	if (shim == NULL)
		shim = loaded(CLV_TEST_SHIM);
	if (shim != NULL)
		*(void **) &ops = dlsym(shim, "shim_ops");
	if (ops == NULL)
		return -1;
	w->shim = ops();
	w->real = w->shim->real();
	w->shim->reset();
	return 0;
}

/* ---- making and ending a world ---- */

static clv_rc make_keys(struct world *w)
{
	RAND_bytes(w->root_id, sizeof w->root_id);
	w->root = (struct hsm_keyref){ .role = HSM_ROLE_ROOT };
	memcpy(w->root.id, w->root_id, HSM_ID_LEN);
	w->ring = (struct hsm_keyref){ .role = HSM_ROLE_RING_KEK, .parent = &w->root };
	w->version = (struct hsm_keyref){ .role = HSM_ROLE_VERSION, .parent = &w->ring };
	{
		CLV_AUTO_DONE(hsm_unlock) int lock = -1;
		CLV_AUTO(hsm_session_release) struct hsm_session *session = NULL;

		CLV_TRY(hsm_lock_objects(w->hsm, &lock, &w->err));
		CLV_TRY(hsm_session_acquire(w->hsm, &session, &w->err));
		CLV_TRY(hsm_create_locked(session, hsm_kind_get(HSM_ROLE_ROOT, 0), w->root_id,
					  "claviger test root", NULL, &w->err));
	}
	CLV_TRY(hsm_key_generate(w->hsm, grant(), HSM_ROLE_RING_KEK, &w->root, &w->ring_blob,
				 &w->err));
	world_new_id(w->ring.id);
	w->ring.blob = w->ring_blob.bytes;
	w->ring.blob_len = w->ring_blob.len;
	CLV_TRY(hsm_key_generate(w->hsm, grant(), HSM_ROLE_VERSION, &w->ring, &w->version_blob,
				 &w->err));
	world_new_id(w->version.id);
	w->version.blob = w->version_blob.bytes;
	w->version.blob_len = w->version_blob.len;
	return CLV_OK;
}

static clv_rc make_token(struct world *w)
{
	const char *module = w->options.direct ? CLV_TEST_TOKEN_MODULE : CLV_TEST_SHIM;

	CLV_TRY(hsm_softhsm_create(grant(), module, w->dir, w->state, "claviger test", "user",
				   w->uri, &w->err));
	if (w->options.closed)
		return CLV_OK;
	CLV_TRY(world_try_open(w, &w->hsm));
	return w->options.bare ? CLV_OK : make_keys(w);
}

int world_set_up(void **state)
{
	const struct world_options *options = *state;
	const char *tmp = getenv("TMPDIR");
	struct world *w = calloc(1, sizeof *w);

	if (w == NULL)
		return -1;
	*state = w;
	if (options != NULL)
		w->options = *options;
	snprintf(w->dir, sizeof w->dir, "%.200s/claviger-token-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(w->dir) == NULL)
		return -1;
	snprintf(w->state, sizeof w->state, "%s/state", w->dir);
	if (mkdir(w->state, 0700) != 0 || find_modules(w) != 0)
		return -1;
	if (make_token(w) != CLV_OK) {
		print_error("%s\n", w->err.text);
		return -1;
	}
	return 0;
}

/* ---- children ---- */

pid_t world_spawn(const struct world *w, const char *mode, int *ret_fd)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	int pipe_fd[2];
	pid_t pid;

	assert_true(n > 0);
	self[n] = '\0';
	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		if (dup2(pipe_fd[1], 3) == 3)
			execl(self, self, mode, w->dir, w->uri, (char *) NULL);
		_exit(127);
	}
	close(pipe_fd[1]);
	if (ret_fd != NULL)
		*ret_fd = pipe_fd[0];
	else
		close(pipe_fd[0]);
	return pid;
}

int world_wait_child(pid_t pid)
{
	struct clv_deadline deadline = clv_deadline_in(30000);
	unsigned pause_us = 0;
	int status = -1;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (!clv_backoff(deadline, &pause_us, 1000)) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			fail_msg("a child hung");
		}
	}
	return status;
}

void world_maybe_child(int argc, char **argv, const struct child_mode *modes, size_t n_modes)
{
	static struct world w;

	if (argc != 4)
		return;
	if (find_modules(&w) != 0 || clv_secret_setup(0, true, &w.err) != CLV_OK)
		_exit(126);
	snprintf(w.dir, sizeof w.dir, "%s", argv[2]);
	snprintf(w.state, sizeof w.state, "%.255s/state", argv[2]);
	snprintf(w.uri, sizeof w.uri, "%s", argv[3]);
	for (size_t i = 0; i < n_modes; i++) {
		if (strcmp(modes[i].name, argv[1]) == 0)
			_exit(modes[i].run(&w));
	}
	_exit(125);
}

unsigned world_kills(void)
{
	const char *text = getenv("CLAVIGER_SOAK_KILLS");

	return text != NULL ? (unsigned) strtoul(text, NULL, 10) : 60;
}

void world_nap(unsigned most_us)
{
	unsigned random = 0;

	RAND_bytes((unsigned char *) &random, sizeof random);
	usleep(random % most_us);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void) st;
	(void) type;
	(void) ftw;
	return remove(path);
}

static int none_left(const char *what, unsigned n)
{
	if (n != 0)
		print_error("%u %s\n", n, what);
	return n != 0;
}

int world_tear_down(void **state)
{
	struct world *w = *state;
	struct hsm_counts counts;
	int bad = 0;

	w->shim->heal();
	if (w->hsm != NULL) {
		hsm_counts_get(w->hsm, &counts);
		bad += none_left("sessions handed out", counts.sessions_out);
		bad += none_left("operations left open", w->shim->operations());
	}
	world_close(w);
	bad += none_left("sessions left open", w->shim->sessions());
	bad += none_left("session objects left", w->shim->session_objects());
	bad += none_left("calls on a session that had another owner", w->shim->shared());
	nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(w);
	return bad == 0 ? 0 : -1;
}

clv_rc world_try_open(struct world *w, struct hsm **ret_hsm)
{
	const struct hsm_options options = {
		.uri = w->uri,
		.base_dir = w->dir,
		.state_dir = w->state,
		.max_sessions = w->options.max_sessions,
		.max_keys = w->options.max_keys,
		.wait_ms = w->options.wait_ms,
	};

	return hsm_open(&options, ret_hsm, &w->err);
}

void world_open(struct world *w)
{
	assert_ok(w, world_try_open(w, &w->hsm));
}

void world_close(struct world *w)
{
	w->hsm = hsm_close(w->hsm);
}

void world_calm(struct world *w)
{
	pthread_mutex_lock(&w->hsm->breaker_lock);
	w->hsm->attached_at -= 100 * CLV_NS_PER_S;
	pthread_mutex_unlock(&w->hsm->breaker_lock);
}

void world_wait_healthy(struct world *w)
{
	struct clv_deadline deadline = clv_deadline_in(2000);
	unsigned pause_us = 0;
	clv_rc rc;

	do {
		rc = hsm_ping(w->hsm, &w->err);
	} while (rc != CLV_OK && clv_backoff(deadline, &pause_us, 5000));
	assert_ok(w, rc);
}

/* ---- keys ---- */

void world_new_id(uint8_t id[HSM_ID_LEN])
{
	RAND_bytes(id, HSM_ID_LEN);
}

void world_generate(struct world *w, enum hsm_role role, const struct hsm_keyref *parent,
		    struct hsm_blob *blob, struct hsm_keyref *ret_key)
{
	assert_ok(w, hsm_key_generate(w->hsm, grant(), role, parent, blob, &w->err));
	*ret_key = (struct hsm_keyref){
		.role = role, .parent = parent, .blob = blob->bytes, .blob_len = blob->len
	};
	world_new_id(ret_key->id);
}

void world_token_key(struct world *w, struct hsm_keyref *ret_key)
{
	*ret_key = (struct hsm_keyref){ .role = HSM_ROLE_VERSION };
	world_new_id(ret_key->id);
	assert_ok(w, hsm_key_create(w->hsm, grant(), HSM_ROLE_VERSION, ret_key->id,
				    "claviger test key", &w->err));
}

void world_seal(struct world *w, const struct hsm_keyref *key, const char *text,
		struct sealed *ret_sealed)
{
	ret_sealed->len = strlen(text) + HSM_TAG_LEN;
	assert_in_range(ret_sealed->len, 0, sizeof ret_sealed->bytes);
	assert_ok(w, hsm_encrypt(w->hsm, grant(), key, bytes_of("aad"), bytes_of(text),
				 ret_sealed->iv, &ret_sealed->iv_len, ret_sealed->bytes, &w->err));
}

clv_rc world_unseal(struct world *w, const struct hsm_keyref *key, const struct sealed *sealed,
		    const char *text, struct clv_err *err)
{
	uint8_t out[sizeof sealed->bytes];
	clv_rc rc = hsm_decrypt(w->hsm, grant(), key, bytes_of("aad"),
				(struct clv_bytes){ sealed->iv, sealed->iv_len },
				(struct clv_bytes){ sealed->bytes, sealed->len }, out, err);

	if (rc == CLV_OK && memcmp(out, text, sealed->len - HSM_TAG_LEN) != 0) {
		fprintf(stderr, "decrypted to something else\n");
		abort();
	}
	return rc;
}

/* ---- the real module ---- */

CK_SESSION_HANDLE raw_open(struct world *w)
{
	CK_SESSION_HANDLE session = 0;

	assert_int_equal(w->real->C_OpenSession(w->hsm->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
						NULL, NULL, &session),
			 CKR_OK);
	return session;
}

void raw_close(struct world *w, CK_SESSION_HANDLE session)
{
	assert_int_equal(w->real->C_CloseSession(session), CKR_OK);
}

static CK_ULONG raw_search(struct world *w, CK_SESSION_HANDLE session, CK_ATTRIBUTE *tpl,
			   CK_ULONG n, CK_OBJECT_HANDLE *objects, CK_ULONG max)
{
	CK_ULONG found = 0;

	assert_int_equal(w->real->C_FindObjectsInit(session, tpl, n), CKR_OK);
	assert_int_equal(w->real->C_FindObjects(session, objects, max, &found), CKR_OK);
	assert_int_equal(w->real->C_FindObjectsFinal(session), CKR_OK);
	return found;
}

static unsigned count_objects(struct world *w, CK_ATTRIBUTE *tpl, CK_ULONG n)
{
	CK_OBJECT_HANDLE objects[4096];
	CK_SESSION_HANDLE session = raw_open(w);
	CK_ULONG found = raw_search(w, session, tpl, n, objects, CLV_ARRAY_LEN(objects));

	raw_close(w, session);
	return (unsigned) found;
}

unsigned raw_count_objects(struct world *w)
{
	return count_objects(w, NULL, 0);
}

unsigned raw_count_token_objects(struct world *w)
{
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE on_token = { CKA_TOKEN, &yes, sizeof yes };

	return count_objects(w, &on_token, 1);
}

CK_OBJECT_HANDLE raw_find(struct world *w, CK_SESSION_HANDLE session, CK_OBJECT_CLASS class,
			  const uint8_t *id)
{
	CK_ATTRIBUTE tpl[] = { { CKA_CLASS, &class, sizeof class },
			       { CKA_ID, hsm_input(id), HSM_ID_LEN } };
	CK_OBJECT_HANDLE object[2] = { 0 };

	assert_int_equal(raw_search(w, session, tpl, 2, object, 2), 1);
	return object[0];
}

int raw_bool(struct world *w, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
	     CK_ATTRIBUTE_TYPE type)
{
	CK_BBOOL value = 2;
	CK_ATTRIBUTE got = { type, &value, sizeof value };

	return w->real->C_GetAttributeValue(session, object, &got, 1) == CKR_OK ? value : 2;
}

const struct clv_probe_row *probe_row(const struct clv_probe *probe, const char *name)
{
	for (size_t i = 0; i < probe->n_rows; i++) {
		if (strcmp(probe->rows[i].name, name) == 0)
			return &probe->rows[i];
	}
	fail_msg("no row \"%s\"", name);
	return NULL;
}

int token_main(const char *name, const struct CMUnitTest *tests, size_t n_tests)
{
	struct clv_err err;

	if (clv_secret_setup(0, true, &err) != CLV_OK) {
		print_error("%s\n", err.text);
		return 1;
	}
	return _cmocka_run_group_tests(name, tests, n_tests, NULL, NULL);
}
