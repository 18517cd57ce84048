/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Using a version: find it, see that it is enabled, go inside, make sure that it still is. What was
 * read of a version is remembered and good until the home's generation moves; then it is read anew.
 *
 * The state is looked at before the lock is taken as well, so that users of a disabled version
 * never hold its byte: otherwise many of them, trying again and again, could keep a disable
 * waiting.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/api/api.h"
#include "lib/model/algorithm.h"
#include "lib/model/state.h"

#define N_SLOTS 8192     /* remembered versions; two that fall on one slot take turns */
#define PRIMARY_TRIES 16 /* rotations that may come in between one use and its start */

/* What was read of a version and what is above it. Never changed once made, but for `hsm`; shared.
 */
struct api_view {
	_Atomic unsigned refs;
	uint64_t generation;
	size_t slot;
	bool by_uid;           /* how it was looked up; else by ... */
	struct clv_name asked; /* ... this name */
	struct clv_name name;  /* of the version */
	char key_name[CLV_NAME_MAX];
	struct store_version version;
	struct store_ring ring;
	struct hsm *_Atomic hsm; /* that serves it; NULL until its first use */
};

struct api_views {
	pthread_mutex_t lock; /* for the slots; held to copy a pointer */
	struct api_view *slots[N_SLOTS];
};

clv_rc api_views_new(struct api_views **ret_views, struct clv_err *err)
{
	struct api_views *views = calloc(1, sizeof *views);

	if (views == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a home");
	pthread_mutex_init(&views->lock, NULL);
	*ret_views = views;
	return CLV_OK;
}

struct api_view *api_view_unref(struct api_view *view)
{
	if (view != NULL && atomic_fetch_sub(&view->refs, 1) == 1)
		free(view);
	return NULL;
}

struct api_views *api_views_free(struct api_views *views)
{
	if (views == NULL)
		return NULL;
	for (size_t i = 0; i < N_SLOTS; i++)
		api_view_unref(views->slots[i]);
	pthread_mutex_destroy(&views->lock);
	free(views);
	return NULL;
}

uint64_t api_mix(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (uint64_t word = 0; len > 0; word = 0) {
		size_t n = len < sizeof word ? len : sizeof word;

		memcpy(&word, at, n);
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
		at += n;
		len -= n;
	}
	return hash;
}

static const struct api_operation encrypt_operation = { "encrypt",
							{ CLV_PURPOSE_ENCRYPT_DECRYPT, 0 },
							false };
static const struct api_operation decrypt_operation = { "decrypt",
							{ CLV_PURPOSE_ENCRYPT_DECRYPT, 0 },
							false };

/* What a version is looked up by: a name, or a uid; and what for. */
struct wanted {
	const struct clv_grant *grant;
	const struct api_operation *operation;
	const struct clv_name *name; /* of the key or version asked for */
	const uint8_t *uid;          /* NULL: by name */
	size_t slot;
};

static size_t slot_of_name(const struct clv_name *name)
{
	uint64_t hash = api_mix(name->version, name->key, strlen(name->key));

	hash = api_mix(hash, name->key_ring, strlen(name->key_ring));
	return api_mix(hash, name->location, strlen(name->location)) % N_SLOTS;
}

static bool same_key(const struct clv_name *a, const struct clv_name *b)
{
	return strcmp(a->key, b->key) == 0 && strcmp(a->key_ring, b->key_ring) == 0 &&
	       strcmp(a->location, b->location) == 0 && strcmp(a->project, b->project) == 0;
}

static bool fits(const struct api_view *view, const struct wanted *wanted)
{
	if (wanted->uid != NULL)
		return view->by_uid && clv_same(view->version.pub.uid, wanted->uid, CLV_UID_LEN);
	return !view->by_uid && view->asked.kind == wanted->name->kind &&
	       view->asked.version == wanted->name->version && same_key(&view->asked, wanted->name);
}

static bool serves(struct clv_ctx *ctx, const struct api_view *view, const struct wanted *wanted)
{
	return view != NULL && fits(view, wanted) &&
	       inflight_unchanged(ctx->inflight, view->generation);
}

/* Where a worker keeps its share of the view that it last used on a slot. */
static struct api_view **held_place(struct api_worker *worker, size_t slot)
{
	return &worker->views[slot % CLV_ARRAY_LEN(worker->views)];
}

/* The worker's own share, without a lock; or one of what all have. */
static struct api_view *recall(struct api_worker *worker, const struct wanted *wanted)
{
	struct api_views *views = worker->ctx->views;
	struct api_view **held = held_place(worker, wanted->slot);
	struct api_view *view;

	if (serves(worker->ctx, *held, wanted))
		return CLV_TAKE(*held);
	pthread_mutex_lock(&views->lock);
	view = views->slots[wanted->slot];
	if (serves(worker->ctx, view, wanted))
		atomic_fetch_add(&view->refs, 1);
	else
		view = NULL;
	pthread_mutex_unlock(&views->lock);
	return view;
}

/* A share goes back to the worker, for its next use. */
static void hold(struct api_worker *worker, struct api_view *view)
{
	struct api_view **held = held_place(worker, view->slot);

	api_view_unref(*held);
	*held = view;
}

static void remember(struct clv_ctx *ctx, struct api_view *view)
{
	struct api_view *old;

	atomic_fetch_add(&view->refs, 1);
	pthread_mutex_lock(&ctx->views->lock);
	old = ctx->views->slots[view->slot];
	ctx->views->slots[view->slot] = view;
	pthread_mutex_unlock(&ctx->views->lock);
	api_view_unref(old);
}

static clv_rc check_purpose(const struct api_operation *operation, enum clv_purpose purpose,
			    const char *key_name, struct clv_err *err)
{
	const enum clv_purpose *fit = operation->purposes;

	if (purpose == fit[0] || purpose == fit[1])
		return CLV_OK;
	return clv_fail(err, CLV_E_FAILED_PRECONDITION,
			"%s is of purpose %s; %s is for keys of purpose %s%s%s", key_name,
			clv_purpose_name(purpose), operation->name, clv_purpose_name(fit[0]),
			fit[1] != 0 ? " or " : "", fit[1] != 0 ? clv_purpose_name(fit[1]) : "");
}

/* The primary of a key, by number. */
static clv_rc read_primary(struct api_worker *worker, const struct wanted *wanted,
			   struct store_version *ret_version, struct clv_err *err)
{
	struct clv_name name = *wanted->name;
	struct store_key key;

	CLV_TRY(store_key_get(worker->store, &name, &key, err));
	CLV_TRY(check_purpose(wanted->operation, key.pub.purpose, key.pub.name, err));
	if (key.pub.primary == 0)
		return clv_fail(err, CLV_E_FAILED_PRECONDITION, "%s has no primary version",
				key.pub.name);
	name.kind = CLV_NAME_VERSION;
	name.version = key.pub.primary;
	return store_version_get(worker->store, &name, ret_version, err);
}

static clv_rc read_version(struct api_worker *worker, const struct wanted *wanted,
			   struct store_version *ret_version, struct clv_err *err)
{
	if (wanted->uid != NULL)
		return store_version_by_uid(worker->store, wanted->uid, ret_version, err);
	if (wanted->name->kind == CLV_NAME_VERSION)
		return store_version_get(worker->store, wanted->name, ret_version, err);
	return read_primary(worker, wanted, ret_version, err);
}

static clv_rc read_view(struct api_worker *worker, const struct wanted *wanted,
			struct api_view **ret_view, struct clv_err *err)
{
	CLV_AUTO(api_view_unref) struct api_view *view = calloc(1, sizeof *view);

	if (view == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a key version");
	atomic_store(&view->refs, 1);
	/* Before the rows: a change in between makes this view old at once, never young. */
	view->generation = inflight_generation(worker->ctx->inflight);
	CLV_TRY(read_version(worker, wanted, &view->version, err));
	CLV_TRY(clv_name_parse(view->version.pub.name, &view->name, err));
	clv_name_format(&view->name, CLV_NAME_KEY, view->key_name);
	CLV_TRY(store_ring_get(worker->store, &view->name, &view->ring, err));
	view->slot = wanted->slot;
	view->by_uid = wanted->uid != NULL;
	view->asked = *wanted->name;
	remember(worker->ctx, view);
	*ret_view = CLV_TAKE(view);
	return CLV_OK;
}

static clv_rc get_view(struct api_worker *worker, const struct wanted *wanted,
		       struct api_view **ret_view, struct clv_err *err)
{
	*ret_view = recall(worker, wanted);
	return *ret_view != NULL ? CLV_OK : read_view(worker, wanted, ret_view, err);
}

/* The uid names a version; is it one of the key that was asked for? */
static clv_rc check_key(struct api_worker *worker, const struct wanted *wanted,
			const struct api_view *view, struct clv_err *err)
{
	struct store_key key;

	if (wanted->uid == NULL || (view != NULL && same_key(&view->name, wanted->name)))
		return CLV_OK;
	CLV_TRY(store_key_get(worker->store, wanted->name, &key,
			      err)); /* is there such a key at all? */
	CLV_TRY(check_purpose(wanted->operation, key.pub.purpose, key.pub.name, err));
	if (view == NULL)
		return clv_fail(err, CLV_E_INVALID_ARGUMENT,
				"Decryption failed: the ciphertext is invalid.");
	return clv_fail(err, CLV_E_INVALID_ARGUMENT,
			"Decryption failed: verify that 'name' refers to the correct CryptoKey.");
}

/* Refuses a version that is not enabled, and wipes what this process still has of it. */
static clv_rc check_state(struct api_worker *worker, const struct api_view *view,
			  struct clv_err *err)
{
	const struct clv_version *version = &view->version.pub;
	struct hsm *hsm;

	if (model_state_transition(version->state, MODEL_VERB_USE).effect != MODEL_REFUSED)
		return CLV_OK;
	hsm = api_token_peek(worker->ctx, view->ring.location);
	if (hsm != NULL)
		hsm_key_evict(hsm, version->uid);
	return model_state_refuse(version->name, version->state, err);
}

/* Tokens stay open as long as the context lives, so that a view can remember its own. */
static clv_rc get_token(struct api_worker *worker, struct api_view *view, struct hsm **ret_hsm,
			struct clv_err *err)
{
	*ret_hsm = atomic_load(&view->hsm);
	if (*ret_hsm != NULL)
		return CLV_OK;
	CLV_TRY(api_token_get(worker, view->ring.location, ret_hsm, err));
	atomic_store(&view->hsm, *ret_hsm);
	return CLV_OK;
}

/* Goes inside; then what is known of the version must still be true. */
static clv_rc go_inside(struct api_use *use, const struct wanted *wanted, struct clv_err *err)
{
	struct api_worker *worker = use->worker;
	struct clv_deadline deadline = clv_deadline_in(worker->ctx->deadline_ms);
	int64_t row = use->view->version.row;

	CLV_TRY(inflight_enter(worker->seat, row, deadline, err));
	use->inside = true;
	use->row = row;
	if (inflight_unchanged(worker->ctx->inflight, use->view->generation))
		return CLV_OK;
	api_view_unref(use->view);
	use->view = NULL;
	CLV_TRY(read_view(worker, wanted, &use->view, err));
	if (use->view->version.row !=
	    row) /* another primary by now; the old one is not to be used */
		return clv_fail(err, CLV_E_ABORTED, "the key's primary version changed; try again");
	return check_state(worker, use->view, err);
}

/* The policy may have a say in what kind of key is used, and may have changed by now. */
static clv_rc check_policy(const struct api_use *use, const struct wanted *wanted,
			   struct clv_err *err)
{
	const struct policy_facts facts = { .protection = use->view->version.pub.protection,
					    .state = use->view->version.pub.state };

	return gate_check(use->worker, wanted->grant, &facts, err);
}

static void fill_refs(struct api_use *use)
{
	const struct api_view *view = use->view;
	bool wrapped = view->version.pub.residency == CLV_RESIDENCY_WRAPPED;

	use->root = (struct hsm_keyref){ .role = HSM_ROLE_ROOT };
	memcpy(use->root.id, view->ring.root_id, HSM_ID_LEN);
	use->ring = (struct hsm_keyref){ .role = HSM_ROLE_RING_KEK,
					 .parent = &use->root,
					 .blob = view->ring.kek_blob,
					 .blob_len = view->ring.kek_blob_len };
	memcpy(use->ring.id, view->ring.kek_id, HSM_ID_LEN);
	use->version = (struct hsm_keyref){ .role = HSM_ROLE_VERSION,
					    .algorithm = view->version.pub.algorithm,
					    .parent = wrapped ? &use->ring : NULL,
					    .blob = view->version.blob,
					    .blob_len = view->version.blob_len };
	memcpy(use->version.id, view->version.pub.uid, HSM_ID_LEN);
}

static clv_rc begin(struct api_use *use, const struct wanted *wanted, struct clv_err *err)
{
	struct api_worker *worker = use->worker;
	clv_rc rc = get_view(worker, wanted, &use->view, err);

	if (wanted->uid != NULL && rc == CLV_E_NOT_FOUND)
		return check_key(worker, wanted, NULL, err);
	CLV_TRY(rc);
	CLV_TRY(check_key(worker, wanted, use->view, err));
	CLV_TRY(check_purpose(wanted->operation,
			      model_algorithm_get(use->view->version.pub.algorithm)->purpose,
			      use->view->key_name, err));
	CLV_TRY(check_state(worker, use->view, err));
	if (!wanted->operation->without_token)
		CLV_TRY(get_token(worker, use->view, &use->hsm, err));
	CLV_TRY(go_inside(use, wanted, err));
	CLV_TRY(check_policy(use, wanted, err));
	fill_refs(use);
	return CLV_OK;
}

/* A rotation that comes in between is no failure: the new primary is taken. */
static clv_rc begin_or_end(struct api_use *use, const struct wanted *wanted, struct clv_err *err)
{
	clv_rc rc = CLV_E_ABORTED;

	for (unsigned i = 0; rc == CLV_E_ABORTED && i < PRIMARY_TRIES; i++) {
		rc = begin(use, wanted, err);
		if (rc != CLV_OK)
			api_use_end(use);
	}
	return rc;
}

clv_rc api_use_for(struct api_worker *worker, const struct clv_grant *grant,
		   const struct api_operation *operation, const struct clv_name *name,
		   struct api_use *use, struct clv_err *err)
{
	struct wanted wanted = {
		.grant = grant, .operation = operation, .name = name, .slot = slot_of_name(name)
	};

	*use = (struct api_use){ .worker = worker };
	return begin_or_end(use, &wanted, err);
}

clv_rc api_use_by_name(struct api_worker *worker, const struct clv_grant *grant,
		       const struct clv_name *name, struct api_use *use, struct clv_err *err)
{
	return api_use_for(worker, grant, &encrypt_operation, name, use, err);
}

clv_rc api_use_none(struct api_worker *worker, const struct clv_name *key_name, struct clv_err *err)
{
	static const uint8_t no_uid[CLV_UID_LEN];
	const struct wanted wanted = { .operation = &decrypt_operation,
				       .name = key_name,
				       .uid = no_uid };

	return check_key(worker, &wanted, NULL, err);
}

clv_rc api_use_by_uid(struct api_worker *worker, const struct clv_grant *grant,
		      const struct clv_name *name, const uint8_t uid[CLV_UID_LEN],
		      struct api_use *use, struct clv_err *err)
{
	struct wanted wanted = {
		.grant = grant, .operation = &decrypt_operation, .name = name, .uid = uid
	};

	wanted.slot = api_mix(0, uid, CLV_UID_LEN) % N_SLOTS;

	*use = (struct api_use){ .worker = worker };
	return begin_or_end(use, &wanted, err);
}

const char *api_use_version(const struct api_use *use)
{
	return use->view->version.pub.name;
}

const char *api_use_version_inside(const struct api_use *use)
{
	return use->inside ? api_use_version(use) : NULL;
}

const char *api_use_key(const struct api_use *use)
{
	return use->view->key_name;
}

const uint8_t *api_use_uid(const struct api_use *use)
{
	return use->view->version.pub.uid;
}

const struct store_version *api_use_row(const struct api_use *use)
{
	return &use->view->version;
}

void api_use_tell(const struct api_use *use, struct clv_bytes out, struct clv_used *ret_used)
{
	const struct clv_version *version = &use->view->version.pub;

	if (ret_used == NULL)
		return;
	*ret_used = (struct clv_used){ .algorithm = version->algorithm,
				       .protection = version->protection,
				       .crc32c = clv_crc32c(0, out.data, out.len) };
	memcpy(ret_used->version, version->name, CLV_NAME_MAX);
}

void api_use_end(struct api_use *use)
{
	if (use->inside)
		inflight_leave(use->worker->seat, use->row);
	use->inside = false;
	if (use->view != NULL)
		hold(use->worker, CLV_TAKE(use->view));
}
