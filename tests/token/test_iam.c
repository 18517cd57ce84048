/* SPDX-License-Identifier: Apache-2.0 */
/* What the policies in the catalogue come to at the keys: grants, their end, and who may see what.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/api/api.h"
#include "tests/support/home_world.h"

#define ENCRYPTER "roles/cloudkms.cryptoKeyEncrypter"
#define DECRYPTER "roles/cloudkms.cryptoKeyDecrypter"
#define BOTH "roles/cloudkms.cryptoKeyEncrypterDecrypter"
#define TEXT "Dear customer"
#define CONCURRENT                                                                                 \
	"There were concurrent policy changes. Please retry the whole read-modify-write with "     \
	"exponential backoff."

static const struct clv_caller ada = { .principal = "user:ada@example.com" };
static const struct clv_caller bob = { .principal = "user:bob@example.com" };

/* ---- short words for calls */

static clv_rc set_text(struct home_world *w, const char *resource, const char *text,
		       struct clv_buf *ret)
{
	const struct clv_bytes bytes = { (const uint8_t *) text, strlen(text) };

	return clv_iam_set(w->ctx, NULL, resource, bytes, ret, &w->err);
}

static clv_rc set(struct home_world *w, const char *resource, const char *text)
{
	struct clv_buf out = { 0 };
	clv_rc rc = set_text(w, resource, text, &out);

	clv_buf_done(&out);
	return rc;
}

/* One binding; `condition` is an expression, or NULL. */
static clv_rc bind(struct home_world *w, const char *resource, const char *member, const char *role,
		   const char *condition)
{
	char text[1024];

	if (condition != NULL)
		snprintf(text, sizeof text,
			 "{\"version\":3,\"bindings\":[{\"role\":\"%s\",\"members\":[\"%s\"],"
			 "\"condition\":{\"title\":\"t\",\"expression\":\"%s\"}}]}",
			 role, member, condition);
	else
		snprintf(text, sizeof text,
			 "{\"bindings\":[{\"role\":\"%s\",\"members\":[\"%s\"]}]}", role, member);
	return set(w, resource, text);
}

static void get(struct home_world *w, const char *resource, char *text, size_t size)
{
	struct clv_buf out = { 0 };

	assert_ok(w, clv_iam_get(w->ctx, NULL, resource, &out, &w->err));
	assert_true(out.len < size);
	memcpy(text, out.data, out.len);
	text[out.len] = '\0';
	clv_buf_done(&out);
}

static clv_rc encrypt_as(struct home_world *w, const struct clv_caller *who, const char *key)
{
	const struct clv_bytes text = { (const uint8_t *) TEXT, strlen(TEXT) };
	struct clv_buf out = { 0 };
	clv_rc rc =
		clv_encrypt(w->ctx, who, key, text, (struct clv_bytes){ 0 }, &out, NULL, &w->err);

	clv_buf_done(&out);
	return rc;
}

static clv_rc decrypt_as(struct home_world *w, const struct clv_caller *who, const char *key,
			 const struct clv_buf *ciphertext)
{
	struct clv_secret *plaintext = NULL;
	clv_rc rc = clv_decrypt(w->ctx, who, key, clv_buf_view(ciphertext), (struct clv_bytes){ 0 },
				&plaintext, NULL, &w->err);

	clv_secret_free(plaintext);
	return rc;
}

#define DENIED(w, call) assert_refused(w, call, CLV_E_PERMISSION_DENIED, "(or it may not exist)")

/* ---- what a binding gives */

static void binding_gives_what_its_role_holds_and_no_more(struct home_world *w)
{
	struct clv_buf ciphertext = { 0 };
	struct clv_key key;

	world_open(w);
	assert_ok(w, world_encrypt(w, WRAPPED, TEXT, &ciphertext));
	DENIED(w, encrypt_as(w, &ada, WRAPPED));
	assert_ok(w, bind(w, WRAPPED, ada.principal, ENCRYPTER, NULL));
	assert_ok(w, encrypt_as(w, &ada, WRAPPED));
	assert_ok(w, encrypt_as(w, &ada, VERSION(WRAPPED))); /* checked against its key */
	DENIED(w, decrypt_as(w, &ada, WRAPPED, &ciphertext));
	DENIED(w, clv_key_get(w->ctx, &ada, WRAPPED, &key, &w->err));
	DENIED(w, encrypt_as(w, &ada, TOKEN));
	DENIED(w, encrypt_as(w, &bob, WRAPPED));
	assert_ok(w, encrypt_as(w, NULL, WRAPPED)); /* the owner needs none */
	clv_buf_done(&ciphertext);
}

static void bindings_of_all_levels_are_taken_together(struct home_world *w)
{
	static const char *const levels[] = { PROJECT, RING, WRAPPED };
	struct clv_buf ciphertext = { 0 };

	world_open(w);
	assert_ok(w, world_encrypt(w, WRAPPED, TEXT, &ciphertext));
	for (size_t i = 0; i < CLV_ARRAY_LEN(levels); i++) {
		assert_ok(w, bind(w, levels[i], ada.principal, ENCRYPTER, NULL));
		assert_ok(w, encrypt_as(w, &ada, WRAPPED));
		assert_ok(w, set(w, levels[i], "{}"));
		DENIED(w, encrypt_as(w, &ada, WRAPPED));
	}
	assert_ok(w, bind(w, PROJECT, ada.principal, ENCRYPTER, NULL));
	assert_ok(w, bind(w, WRAPPED, ada.principal, DECRYPTER, NULL));
	assert_ok(w, encrypt_as(w, &ada, WRAPPED));
	assert_ok(w, decrypt_as(w, &ada, WRAPPED, &ciphertext));
	assert_ok(w, encrypt_as(w, &ada, TOKEN));
	clv_buf_done(&ciphertext);
}

static void groups_are_who_the_document_says(struct home_world *w)
{
	static const char one[] = "{\"groups\":[{\"name\":\"group:ops@example.com\","
				  "\"members\":[\"user:ada@example.com\"]}]}";
	static const char other[] = "{\"groups\":[{\"name\":\"group:ops@example.com\","
				    "\"members\":[\"user:bob@example.com\"]}]}";
	const struct clv_document_id groups = { CLV_DOCUMENT_GROUPS, NULL };
	struct clv_buf out = { 0 };

	world_open(w);
	assert_ok(w, bind(w, WRAPPED, "group:ops@example.com", ENCRYPTER, NULL));
	DENIED(w, encrypt_as(w, &ada, WRAPPED));
	assert_ok(w, clv_document_set(w->ctx, NULL, &groups, CLV_DOCUMENT_PUT,
				      (struct clv_bytes){ (const uint8_t *) one, strlen(one) },
				      &out, &w->err));
	assert_ok(w, encrypt_as(w, &ada, WRAPPED));
	DENIED(w, encrypt_as(w, &bob, WRAPPED));
	assert_ok(w, clv_document_set(w->ctx, NULL, &groups, CLV_DOCUMENT_PUT,
				      (struct clv_bytes){ (const uint8_t *) other, strlen(other) },
				      &out, &w->err));
	DENIED(w, encrypt_as(w, &ada, WRAPPED));
	assert_ok(w, encrypt_as(w, &bob, WRAPPED));
	clv_buf_done(&out);
}

static void role_of_a_project_gives_what_its_document_says(struct home_world *w)
{
	static const char text[] = "{\"name\":\"projects/demo/roles/writer\",\"title\":\"w\","
				   "\"stage\":\"GA\",\"includedPermissions\":"
				   "[\"cloudkms.cryptoKeyVersions.useToEncrypt\"]}";
	const struct clv_document_id role = { CLV_DOCUMENT_ROLE, "projects/demo/roles/writer" };
	struct clv_buf out = { 0 };

	world_open(w);
	assert_refused(w, bind(w, WRAPPED, ada.principal, role.name, NULL), CLV_E_INVALID_ARGUMENT,
		       "projects/demo/roles/writer");
	assert_ok(w, clv_document_set(w->ctx, NULL, &role, CLV_DOCUMENT_CREATE,
				      (struct clv_bytes){ (const uint8_t *) text, strlen(text) },
				      &out, &w->err));
	assert_ok(w, bind(w, WRAPPED, ada.principal, role.name, NULL));
	assert_ok(w, encrypt_as(w, &ada, WRAPPED));
	assert_ok(w, clv_document_remove(w->ctx, NULL, &role, NULL, &w->err));
	DENIED(w, encrypt_as(w, &ada, WRAPPED));
	clv_buf_done(&out);
}

/* ---- when it ends */

static void removal_holds_at_once_in_every_process_step(struct home_world *w, void *arg)
{
	const char *expected = arg;

	world_open(w);
	if (strcmp(expected, "allowed") == 0)
		assert_ok(w, encrypt_as(w, &ada, WRAPPED));
	else
		DENIED(w, encrypt_as(w, &ada, WRAPPED));
	world_close(w);
}

/* In processes of their own: a change of policies opens the token that seals it. */
static void bind_ada(struct home_world *w, void *resource)
{
	world_open(w);
	assert_ok(w, bind(w, resource, ada.principal, ENCRYPTER, NULL));
}

static void unbind_all(struct home_world *w, void *resource)
{
	world_open(w);
	assert_ok(w, set(w, resource, "{\"bindings\":[]}"));
}

static char allowed[] = "allowed", denied[] = "denied";

static void removal_holds_at_once_in_every_process(struct home_world *w)
{
	world_in_child(w, removal_holds_at_once_in_every_process_step, denied);
	world_in_child(w, bind_ada, (void *) (uintptr_t) RING);
	world_in_child(w, removal_holds_at_once_in_every_process_step, allowed);
	world_in_child(w, unbind_all, (void *) (uintptr_t) RING);
	world_in_child(w, removal_holds_at_once_in_every_process_step, denied);
}

static void removal_needs_no_token_and_a_grant_does(struct home_world *w)
{
	world_in_child(w, bind_ada, (void *) (uintptr_t) WRAPPED);
	world_tokens_away(w);
	world_open(w);
	assert_refused(w, bind(w, WRAPPED, bob.principal, ENCRYPTER, NULL), CLV_E_UNAVAILABLE,
		       "nothing was changed");
	assert_ok(w, set(w, WRAPPED, "{\"bindings\":[]}"));
	assert_int_equal(world_count(w, "SELECT count(*) FROM unsealed"), 2);
	DENIED(w, encrypt_as(w, &ada, WRAPPED));
	world_tokens_back(w);
	world_close(w);
	world_open(w);
	assert_ok(w, encrypt_as(w, NULL, WRAPPED));
	assert_int_equal(world_count(w, "SELECT count(*) FROM unsealed"), 0);
	DENIED(w, encrypt_as(w, &ada, WRAPPED));
	assert_ok(w, bind(w, WRAPPED, bob.principal, ENCRYPTER, NULL));
	assert_ok(w, encrypt_as(w, &bob, WRAPPED));
}

/* Two processes: one that uses and remembers, and one that takes the grant away. */
struct pipes {
	int to_user[2], from_user[2];
};

static void say(int fd)
{
	assert_int_equal(write(fd, "x", 1), 1);
}

static void hear(int fd)
{
	char c;

	assert_int_equal(read(fd, &c, 1), 1);
}

static void user_with_a_memory(struct home_world *w, void *arg)
{
	const struct pipes *pipes = arg;

	world_open(w);
	for (int i = 0; i < 20; i++)
		assert_ok(w, encrypt_as(w, &ada, WRAPPED));
	say(pipes->from_user[1]);
	hear(pipes->to_user[0]);
	DENIED(w, encrypt_as(w, &ada, WRAPPED));
	world_close(w);
}

static void what_one_process_remembers_another_takes_away(struct home_world *w)
{
	struct pipes pipes;
	pid_t child;

	assert_int_equal(pipe(pipes.to_user), 0);
	assert_int_equal(pipe(pipes.from_user), 0);
	world_in_child(w, bind_ada, (void *) (uintptr_t) WRAPPED);
	child = world_fork(w, user_with_a_memory, &pipes);
	hear(pipes.from_user[0]);
	world_open(w);
	assert_ok(w, set(w, WRAPPED, "{}"));
	say(pipes.to_user[1]);
	world_wait(child);
}

/* A use that begins after the removal was answered gets nothing, whatever was remembered. */
static _Atomic bool removed, failed_late, worked_late, stop;

static void *use_all_the_time(void *arg)
{
	struct home_world *w = arg;
	struct home_world own = *w; /* an error detail of its own */

	while (!atomic_load(&stop)) {
		bool late = atomic_load(&removed);
		clv_rc rc = encrypt_as(&own, &ada, WRAPPED);

		if (late && rc == CLV_OK)
			atomic_store(&worked_late, true);
		if (late && rc == CLV_E_PERMISSION_DENIED)
			atomic_store(&failed_late, true);
	}
	return NULL;
}

static void no_use_begins_after_its_grant_was_taken_away(struct home_world *w)
{
	pthread_t threads[3];

	world_open(w);
	for (int round = 0; round < 10; round++) {
		atomic_store(&removed, false);
		atomic_store(&failed_late, false);
		atomic_store(&stop, false);
		assert_ok(w, bind(w, WRAPPED, ada.principal, ENCRYPTER, NULL));
		for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++)
			assert_int_equal(pthread_create(&threads[i], NULL, use_all_the_time, w), 0);
		usleep(20000);
		assert_ok(w, set(w, WRAPPED, "{}"));
		atomic_store(&removed, true);
		while (!atomic_load(&failed_late) && !atomic_load(&worked_late))
			usleep(1000);
		atomic_store(&stop, true);
		for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++)
			pthread_join(threads[i], NULL);
		assert_false(atomic_load(&worked_late));
	}
}

/* Between the question and going inside: what was granted by then is asked for again. */
static struct home_world *_Atomic removes_on_the_way;

clv_rc __real_inflight_enter(struct inflight_seat *seat, int64_t row, struct clv_deadline deadline,
			     struct clv_err *err);
clv_rc __wrap_inflight_enter(struct inflight_seat *seat, int64_t row, struct clv_deadline deadline,
			     struct clv_err *err);

clv_rc __wrap_inflight_enter(struct inflight_seat *seat, int64_t row, struct clv_deadline deadline,
			     struct clv_err *err)
{
	struct home_world *w = atomic_exchange(&removes_on_the_way, NULL);

	if (w != NULL)
		assert_ok(w, set(w, WRAPPED, "{}"));
	return __real_inflight_enter(seat, row, deadline, err);
}

static void grant_taken_away_on_the_way_in_is_gone_inside(struct home_world *w)
{
	world_open(w);
	assert_ok(w, bind(w, WRAPPED, ada.principal, ENCRYPTER, NULL));
	assert_ok(w, encrypt_as(w, &ada, WRAPPED));
	atomic_store(&removes_on_the_way, w);
	DENIED(w, encrypt_as(w, &ada, WRAPPED));
	assert_null(atomic_load(&removes_on_the_way));
	assert_true(world_log_count(w, ada.principal, "\"PERMISSION_DENIED\"", "default-deny") ==
		    1);
}

static void remembered_decision_ends_with_its_condition(struct home_world *w)
{
	char expression[128], until[CLV_TIME_TEXT_MAX];
	int64_t end = clv_time_now() + 700 * INT64_C(1000000);

	world_open(w);
	snprintf(expression, sizeof expression, "request.time < timestamp(\\\"%s\\\")",
		 clv_time_format(end, until));
	assert_ok(w, bind(w, WRAPPED, ada.principal, ENCRYPTER, expression));
	while (clv_time_now() < end - 200 * INT64_C(1000000))
		assert_ok(w, encrypt_as(w, &ada, WRAPPED));
	while (clv_time_now() < end)
		usleep(10000);
	DENIED(w, encrypt_as(w, &ada, WRAPPED));
}

static void conditions_look_at_the_name(struct home_world *w)
{
	world_open(w);
	assert_ok(w, bind(w, PROJECT, ada.principal, ENCRYPTER,
			  "resource.name.startsWith(\\\"" RING "/cryptoKeys/wrap\\\")"));
	assert_ok(w, encrypt_as(w, &ada, WRAPPED));
	DENIED(w, encrypt_as(w, &ada, TOKEN));
}

/* ---- setting */

static void exactly_one_of_two_edits_wins(struct home_world *w)
{
	char first[512], edit[512], now[512];
	const char *etag;

	world_open(w);
	get(w, WRAPPED, first, sizeof first);
	assert_string_equal(first, "{\"etag\":\"ACAB\"}");
	assert_ok(w, bind(w, WRAPPED, ada.principal, ENCRYPTER, NULL));
	assert_refused(w, set(w, WRAPPED, first), CLV_E_ABORTED, CONCURRENT); /* not new any more */
	get(w, WRAPPED, first, sizeof first);
	etag = strstr(first, "\"etag\":");
	assert_non_null(etag);
	snprintf(edit, sizeof edit,
		 "{\"bindings\":[{\"role\":\"%s\",\"members\":[\"user:bob@example.com\"]}],%s",
		 BOTH, etag);
	assert_ok(w, set(w, WRAPPED, edit));
	assert_refused(w, set(w, WRAPPED, first), CLV_E_ABORTED, CONCURRENT);
	get(w, WRAPPED, now, sizeof now);
	assert_non_null(strstr(now, "bob"));
	assert_null(strstr(now, etag));
	assert_refused(w, set(w, WRAPPED, "{\"etag\":\"AAAA\"}"), CLV_E_ABORTED, CONCURRENT);
	assert_ok(w, set(w, WRAPPED, "{\"bindings\":[]}")); /* without one: overwritten */
	assert_ok(w, encrypt_as(w, NULL, WRAPPED));
	DENIED(w, encrypt_as(w, &bob, WRAPPED));
}

/* All read the same and write; the last etag tells how many got through. */
static void *edit_until_it_works(void *arg)
{
	struct home_world own = *(struct home_world *) arg;
	char text[4096], member[64];
	clv_rc rc;

	snprintf(member, sizeof member, "user:%lu@example.com", (unsigned long) pthread_self());
	do {
		char *at, more[8192];

		get(&own, RING, text, sizeof text);
		at = strstr(text, "\"members\":[");
		assert_non_null(at);
		at += strlen("\"members\":[");
		snprintf(more, sizeof more, "%.*s\"%s\",%s", (int) (at - text), text, member, at);
		rc = set(&own, RING, more);
	} while (rc == CLV_E_ABORTED);
	assert_int_equal(rc, CLV_OK);
	return NULL;
}

static void no_parallel_edit_is_lost(struct home_world *w)
{
	pthread_t threads[6];
	char text[4096];
	size_t n = 0;

	world_open(w);
	assert_ok(w, bind(w, RING, ada.principal, ENCRYPTER, NULL));
	for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, edit_until_it_works, w), 0);
	for (size_t i = 0; i < CLV_ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	get(w, RING, text, sizeof text);
	for (const char *at = text; (at = strstr(at, "user:")) != NULL; at++)
		n++;
	assert_int_equal(n, CLV_ARRAY_LEN(threads) + 1);
}

/* ---- somebody writes to the catalogue beside us */

static const char *const put_aside[] = { "heads", "leaves", "nodes" };

static void put_tables_aside(const struct home_world *w)
{
	char sql[256];

	for (size_t i = 0; i < CLV_ARRAY_LEN(put_aside); i++) {
		snprintf(sql, sizeof sql, "CREATE TABLE x%zu AS SELECT * FROM %s; DELETE FROM %s",
			 i, put_aside[i], put_aside[i]);
		world_tamper(w, sql);
	}
}

static void put_tables_back(const struct home_world *w)
{
	char sql[256];

	for (size_t i = 0; i < CLV_ARRAY_LEN(put_aside); i++) {
		snprintf(sql, sizeof sql, "INSERT INTO %s SELECT * FROM x%zu; DROP TABLE x%zu",
			 put_aside[i], i, i);
		world_tamper(w, sql);
	}
}

/* What is read before a token is open is read again when it is: nothing else can vouch for it. */
static void forged_grant_from_before_the_token_was_open_ends_with_it(struct home_world *w)
{
	struct clv_buf out = { 0 };

	put_tables_aside(w);
	world_tamper(w, "INSERT INTO documents (row_version, kind, name, text, update_time,"
			" update_principal) VALUES (1, 1, 'projects/demo', '{\"bindings\":[{"
			"\"role\":\"roles/owner\",\"members\":[\"user:bob@example.com\"]}]}', 1,"
			" 'user:bob')");
	world_open(w);
	assert_true(clv_iam_get(w->ctx, &bob, WRAPPED, &out, &w->err) == CLV_OK); /* no token yet */
	clv_buf_done(&out);
	world_tamper(w, "DELETE FROM documents WHERE name = 'projects/demo'");
	put_tables_back(w);
	DENIED(w, encrypt_as(w, &bob, WRAPPED));
	DENIED(w, encrypt_as(w, &bob, WRAPPED)); /* and again, with nothing new */
}

static void removed_grant_does_not_come_back_with_an_old_number(struct home_world *w)
{
	struct clv_ctx *remembers;
	int64_t epoch;
	char sql[128];

	world_open(w);
	assert_ok(w, bind(w, WRAPPED, ada.principal, ENCRYPTER, NULL));
	assert_ok(w, encrypt_as(w, &ada, WRAPPED));
	epoch = world_count(w, "SELECT epoch FROM policy_epoch");
	remembers = w->ctx;
	w->ctx = NULL;
	world_open(w);
	assert_ok(w, set(w, WRAPPED, "{\"bindings\":[]}"));
	world_close(w);
	w->ctx = remembers;
	snprintf(sql, sizeof sql, "UPDATE policy_epoch SET epoch = %lld", (long long) epoch);
	world_tamper(w, sql);
	assert_refused(w, encrypt_as(w, &ada, WRAPPED), CLV_E_DATA_LOSS, "policy changes");
}

/* ---- a grant that goes while a change waits for its turn */

static struct home_world *in_between;

clv_rc __real_api_change_begin_sealed(struct api_worker *worker, const char *location,
				      struct api_change *ret_change, struct clv_err *err);
clv_rc __wrap_api_change_begin_sealed(struct api_worker *worker, const char *location,
				      struct api_change *ret_change, struct clv_err *err);
clv_rc __wrap_api_change_begin_sealed(struct api_worker *worker, const char *location,
				      struct api_change *ret_change, struct clv_err *err)
{
	struct home_world *w = in_between;

	in_between = NULL;
	if (w != NULL)
		assert_ok(w, set(w, WRAPPED, "{\"bindings\":[]}"));
	return __real_api_change_begin_sealed(worker, location, ret_change, err);
}

static void change_that_waited_is_not_made_without_its_grant(struct home_world *w)
{
	const struct clv_key_changes changes = { .fields = CLV_KEY_LABELS, .labels = "a=b" };
	struct clv_switch_report report;
	struct clv_key key;

	world_open(w);
	assert_ok(w, bind(w, WRAPPED, ada.principal, "roles/cloudkms.admin", NULL));
	assert_ok(w, clv_key_update(w->ctx, &ada, WRAPPED, &changes, &key, &w->err));
	in_between = w;
	DENIED(w, clv_key_update(w->ctx, &ada, WRAPPED, &changes, &key, &w->err));
	assert_null(in_between);
	assert_ok(w, bind(w, WRAPPED, ada.principal, "roles/cloudkms.admin", NULL));
	assert_ok(w, clv_version_disable(w->ctx, &ada, VERSION(WRAPPED), NULL, &report, &w->err));
	in_between = w;
	DENIED(w, clv_version_enable(w->ctx, &ada, VERSION(WRAPPED), NULL, &report, &w->err));
	assert_int_equal(world_count(w, "SELECT state FROM versions WHERE number = 1 AND row = "
					"(SELECT min(row) FROM versions)"),
			 CLV_STATE_DISABLED);
}

/* ---- what is not known */

static void what_is_not_known_is_refused_when_it_is_set(struct home_world *w)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{",
		"{\"bindings\":1}",
		"{\"bindings\":[{\"role\":\"roles/none\",\"members\":[\"user:ada\"]}]}",
		"{\"bindings\":[{\"role\":\"" BOTH "\",\"members\":[\"ada\"]}]}",
		"{\"bindings\":[{\"role\":\"" BOTH "\",\"members\":[\"robot:ada\"]}]}",
		"{\"version\":1,\"bindings\":[{\"role\":\"" BOTH "\",\"members\":[\"user:ada\"],"
		"\"condition\":{\"title\":\"t\",\"expression\":\"request.time < "
		"timestamp(\\\"2030-01-01T00:00:00Z\\\")\"}}]}",
		"{\"version\":3,\"bindings\":[{\"role\":\"" BOTH "\",\"members\":[\"user:ada\"],"
		"\"condition\":{\"title\":\"t\",\"expression\":\"request.auth == 1\"}}]}",
		"{\"version\":2,\"bindings\":[]}",
		"{\"etag\":7}",
	};
	char before[512], after[512];

	world_open(w);
	assert_ok(w, bind(w, WRAPPED, ada.principal, ENCRYPTER, NULL));
	get(w, WRAPPED, before, sizeof before);
	for (size_t i = 0; i < CLV_ARRAY_LEN(texts); i++) {
		clv_rc rc = set(w, WRAPPED, texts[i]);

		if (rc != CLV_E_INVALID_ARGUMENT)
			fail_msg("%s: %s %s", texts[i], clv_rc_name(rc), w->err.text);
	}
	get(w, WRAPPED, after, sizeof after);
	assert_string_equal(before, after);
}

static void things_without_a_policy_say_so(struct home_world *w)
{
	struct clv_buf out = { 0 };

	world_open(w);
	assert_refused(w, clv_iam_get(w->ctx, NULL, VERSION(WRAPPED), &out, &w->err),
		       CLV_E_INVALID_ARGUMENT, "a version has no IAM policy");
	assert_refused(w, clv_iam_get(w->ctx, NULL, LOCATION, &out, &w->err),
		       CLV_E_INVALID_ARGUMENT, "a location has no IAM policy");
	assert_int_equal(out.len, 0);
}

/* ---- testIamPermissions */

static void test_says_what_is_held_and_nothing_of_what_exists(struct home_world *w)
{
	static const char *const asked[] = { "cloudkms.cryptoKeyVersions.useToEncrypt",
					     "cloudkms.cryptoKeyVersions.useToDecrypt",
					     "cloudkms.cryptoKeys.get" };
	static const char *const wild[] = { "cloudkms.*" };
	bool held[3];

	world_open(w);
	assert_ok(w, bind(w, WRAPPED, ada.principal, ENCRYPTER, NULL));
	assert_ok(w, clv_iam_test(w->ctx, &ada, WRAPPED, asked, 3, held, &w->err));
	assert_true(held[0]);
	assert_false(held[1]);
	assert_false(held[2]);
	assert_ok(w, clv_iam_test(w->ctx, &bob, WRAPPED, asked, 3, held, &w->err));
	assert_false(held[0] || held[1] || held[2]);
	assert_ok(w, clv_iam_test(w->ctx, &bob, KEY("none"), asked, 3, held, &w->err));
	assert_false(held[0] || held[1] || held[2]);
	assert_ok(w, clv_iam_test(w->ctx, NULL, KEY("none"), asked, 3, held, &w->err));
	assert_true(held[0] && held[1] && held[2]);
	assert_refused(w, clv_iam_test(w->ctx, NULL, WRAPPED, wild, 1, held, &w->err),
		       CLV_E_INVALID_ARGUMENT, "cloudkms.*");
}

/* ---- acting as another */

static void owner_acts_as_another_and_from_a_place(struct home_world *w, void *arg)
{
	const struct clv_caller placed = { .principal = "user:ada@example.com",
					   .place = "europe-west2" };
	struct clv_status status;

	(void) arg;
	world_open(w);
	assert_ok(w, clv_status_get(w->ctx, NULL, &status, &w->err));
	assert_string_equal(status.owner, clv_ctx_principal(w->ctx));
	clv_status_done(&status);
	assert_ok(w, bind(w, WRAPPED, ada.principal, ENCRYPTER, NULL));
	assert_ok(w, encrypt_as(w, &ada, WRAPPED));
	assert_ok(w, encrypt_as(w, &placed, WRAPPED));

	world_close(w);
}

static void only_the_owner_acts_as_another_or_from_a_place(struct home_world *w)
{
	struct clv_caller own = { 0 };

	world_in_child(w, owner_acts_as_another_and_from_a_place, NULL);
	world_sql(w, "UPDATE home SET owner = 'user:somebody-else'");
	world_open(w);
	own.principal = clv_ctx_principal(w->ctx);
	assert_refused(w, encrypt_as(w, &ada, WRAPPED), CLV_E_PERMISSION_DENIED,
		       "may not act as another");
	assert_true(world_log_count(w, "\"PERMISSION_DENIED\"", "not-the-owner") == 1);
	DENIED(w, encrypt_as(w, NULL, WRAPPED));
	DENIED(w, encrypt_as(w, &own, WRAPPED));
	own.place = "europe-west2";
	assert_refused(w, encrypt_as(w, &own, WRAPPED), CLV_E_PERMISSION_DENIED,
		       "or from a place it names");
}

/* ---- documents that cannot be read */

#define UNREADABLE "a policy document in the catalogue cannot be read"

static void unreadable_document_denies_all_but_repair_and_the_switch(struct home_world *w)
{
	struct clv_switch_report report;
	struct clv_key key;

	world_open(w);
	assert_ok(w, bind(w, RING, ada.principal, BOTH, NULL));
	assert_ok(w, bind(w, WRAPPED, bob.principal, BOTH, NULL));
	assert_ok(w, encrypt_as(w, &ada, WRAPPED));
	world_sql(w,
		  "UPDATE documents SET text = '{\"bindings\":7}' WHERE name LIKE '%/keyRings/r'");
	world_close(w);
	world_open(w);
	assert_refused(w, encrypt_as(w, &ada, WRAPPED), CLV_E_DATA_LOSS, UNREADABLE);
	assert_refused(w, encrypt_as(w, &bob, WRAPPED), CLV_E_DATA_LOSS, UNREADABLE);
	assert_refused(w, encrypt_as(w, NULL, WRAPPED), CLV_E_DATA_LOSS, RING);
	assert_refused(w, clv_key_get(w->ctx, NULL, WRAPPED, &key, &w->err), CLV_E_DATA_LOSS,
		       UNREADABLE);
	assert_ok(w, clv_version_disable(w->ctx, NULL, VERSION(WRAPPED), NULL, &report, &w->err));
	assert_refused(w,
		       clv_version_enable(w->ctx, NULL, VERSION(WRAPPED), NULL, &report, &w->err),
		       CLV_E_DATA_LOSS, UNREADABLE);
	assert_refused(w,
		       clv_version_disable(w->ctx, &ada, VERSION(WRAPPED), NULL, &report, &w->err),
		       CLV_E_DATA_LOSS, UNREADABLE);
	assert_ok(w, bind(w, RING, ada.principal, ENCRYPTER, NULL));
	assert_ok(w, clv_version_enable(w->ctx, NULL, VERSION(WRAPPED), NULL, &report, &w->err));
	assert_ok(w, encrypt_as(w, &ada, WRAPPED));
	assert_ok(w, encrypt_as(w, &bob, WRAPPED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(binding_gives_what_its_role_holds_and_no_more),
		home_test(bindings_of_all_levels_are_taken_together),
		home_test(groups_are_who_the_document_says),
		home_test(role_of_a_project_gives_what_its_document_says),
		home_test(removal_holds_at_once_in_every_process),
		home_test(removal_needs_no_token_and_a_grant_does),
		home_test(what_one_process_remembers_another_takes_away),
		home_test(no_use_begins_after_its_grant_was_taken_away),
		home_test(grant_taken_away_on_the_way_in_is_gone_inside),
		home_test(remembered_decision_ends_with_its_condition),
		home_test(conditions_look_at_the_name),
		home_test(exactly_one_of_two_edits_wins),
		home_test(no_parallel_edit_is_lost),
		home_test(what_is_not_known_is_refused_when_it_is_set),
		home_test(things_without_a_policy_say_so),
		home_test(forged_grant_from_before_the_token_was_open_ends_with_it),
		home_test(removed_grant_does_not_come_back_with_an_old_number),
		home_test(change_that_waited_is_not_made_without_its_grant),
		home_test(test_says_what_is_held_and_nothing_of_what_exists),
		home_test(only_the_owner_acts_as_another_or_from_a_place),
		home_test(unreadable_document_denies_all_but_repair_and_the_switch),
	};

	return cmocka_run_group_tests_name("iam", tests, home_group_set_up, home_group_tear_down);
}
