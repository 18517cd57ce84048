/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy as the gate sees it: compiled from the catalogue's documents, shared by all threads,
 * and read anew when they have changed; and judges, each for one decision at a time, who remember
 * what they decided. Not for deciding: lib/policy does.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/api/api.h"

#define N_REMEMBERED 256 /* decisions of a judge; two that fall on one place take turns */

/* All documents at one epoch, compiled. Never changed once made; shared. */
struct api_snapshot {
	_Atomic unsigned refs;
	int64_t epoch;
	uint64_t openings;     /* of tokens, before it was read */
	struct policy *policy; /* where a document cannot be read: one without documents */
	clv_rc rc;             /* CLV_OK, or what is wrong with the documents ... */
	struct clv_err why;    /* ... and its story */
};

struct api_policy {
	pthread_mutex_t lock; /* held to copy a pointer */
	struct api_snapshot *snapshot;
};

/* A decision, with what it was about. */
struct remembered {
	uint64_t hash; /* 0: nothing is remembered here */
	char principal[CLV_PRINCIPAL_MAX], place[CLV_ID_MAX], resource[CLV_NAME_MAX];
	char permission[64];
	struct api_decision decision;
};

struct api_judge {
	struct clv_ctx *ctx;
	struct api_snapshot *snapshot; /* shared */
	struct api_snapshot *before;   /* that the rule of the first decision is in; or NULL */
	uint64_t generation;           /* of the home: so long is the snapshot good */
	struct api_decision fresh;     /* one that is not remembered */
	struct remembered remembered[N_REMEMBERED];
};

/* ---- snapshots */

static struct api_snapshot *snapshot_unref(struct api_snapshot *snapshot)
{
	if (snapshot != NULL && atomic_fetch_sub(&snapshot->refs, 1) == 1) {
		policy_unref(snapshot->policy);
		free(snapshot);
	}
	return NULL;
}
CLV_DEFINE_AUTO(struct api_snapshot, snapshot_unref);

static struct api_snapshot *snapshot_ref(struct api_snapshot *snapshot)
{
	atomic_fetch_add(&snapshot->refs, 1);
	return snapshot;
}

clv_rc api_policy_compile(const struct clv_ctx *ctx, const struct store_documents *documents,
			  struct policy **ret_policy, struct clv_err *err)
{
	struct policy_document *borrowed = calloc(documents->n + 1, sizeof *borrowed);
	clv_rc rc;

	if (borrowed == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a policy");
	for (size_t i = 0; i < documents->n; i++)
		borrowed[i] = (struct policy_document){
			.kind = (enum policy_kind) documents->rows[i].kind,
			.name = documents->rows[i].name,
			.text = documents->rows[i].text,
			.len = documents->rows[i].len,
		};
	rc = policy_compile(ctx->info.owner, borrowed, documents->n, ret_policy, err);
	free(borrowed);
	return rc;
}

/* A document that was accepted once and cannot be read now is the catalogue's fault. */
static clv_rc compile(const struct clv_ctx *ctx, const struct store_documents *documents,
		      struct api_snapshot *snapshot, struct clv_err *err)
{
	struct clv_err why;
	clv_rc rc = api_policy_compile(ctx, documents, &snapshot->policy, &why);

	if (rc == CLV_OK)
		return CLV_OK;
	if (rc != CLV_E_INVALID_ARGUMENT) {
		*err = why;
		return rc;
	}
	snapshot->rc = clv_fail(&snapshot->why, CLV_E_DATA_LOSS,
				"a policy document in the catalogue cannot be read; the owner of "
				"the home can set it anew: %.300s",
				why.text);
	return policy_compile(ctx->info.owner, NULL, 0, &snapshot->policy, err);
}

static bool is_seal_broken(clv_rc rc, const struct clv_err *err)
{
	return rc == CLV_E_DATA_LOSS && err->domain != CLV_DOM_SQLITE;
}

static clv_rc read_all(struct store *store, struct api_snapshot *snapshot,
		       struct store_documents *documents, struct clv_err *err)
{
	CLV_TRY(store_home_check(store, err));
	/* Before the documents: a change in between makes the snapshot old, never young. */
	CLV_TRY(store_policy_epoch_get(store, &snapshot->epoch, err));
	return store_document_list(store, 0, documents, err);
}

/* What is not as it was sealed is not believed, and nobody is but the owner who repairs. */
static clv_rc fill(const struct clv_ctx *ctx, struct store *store, struct api_snapshot *snapshot,
		   struct clv_err *err)
{
	CLV_AUTO_DONE(store_documents_clear) struct store_documents documents = { 0 };
	clv_rc rc = read_all(store, snapshot, &documents, err);

	if (!is_seal_broken(rc, err)) {
		CLV_TRY(rc);
		return compile(ctx, &documents, snapshot, err);
	}
	snapshot->rc = rc;
	snapshot->why = *err;
	snapshot->epoch = 0; /* and is read anew next time */
	return policy_compile(ctx->info.owner, NULL, 0, &snapshot->policy, err);
}

static clv_rc snapshot_read(const struct clv_ctx *ctx, struct store *store,
			    struct api_snapshot **ret_snapshot, struct clv_err *err)
{
	CLV_AUTO(snapshot_unref) struct api_snapshot *snapshot = calloc(1, sizeof *snapshot);

	if (snapshot == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a policy");
	atomic_store(&snapshot->refs, 1);
	snapshot->openings = api_seal_openings(ctx);
	CLV_TRY(fill(ctx, store, snapshot, err));
	*ret_snapshot = CLV_TAKE(snapshot);
	return CLV_OK;
}

clv_rc api_policy_new(struct clv_ctx *ctx, struct store *store, struct api_policy **ret_policy,
		      struct clv_err *err)
{
	struct api_policy *policy = calloc(1, sizeof *policy);
	clv_rc rc;

	if (policy == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a policy");
	pthread_mutex_init(&policy->lock, NULL);
	rc = snapshot_read(ctx, store, &policy->snapshot, err);
	if (rc != CLV_OK) {
		api_policy_free(policy);
		return rc;
	}
	*ret_policy = policy;
	return CLV_OK;
}

struct api_policy *api_policy_free(struct api_policy *policy)
{
	if (policy == NULL)
		return NULL;
	snapshot_unref(policy->snapshot);
	pthread_mutex_destroy(&policy->lock);
	free(policy);
	return NULL;
}

static struct api_snapshot *newest(struct api_policy *policy)
{
	struct api_snapshot *snapshot;

	pthread_mutex_lock(&policy->lock);
	snapshot = snapshot_ref(policy->snapshot);
	pthread_mutex_unlock(&policy->lock);
	return snapshot;
}

static bool is_newer(const struct api_snapshot *a, const struct api_snapshot *b)
{
	return a->openings != b->openings ? a->openings > b->openings : a->epoch > b->epoch;
}

/* Unless somebody else has put a newer one there. Takes no share away from the caller. */
static void publish(struct api_policy *policy, struct api_snapshot *snapshot)
{
	struct api_snapshot *old = snapshot_ref(snapshot);

	pthread_mutex_lock(&policy->lock);
	if (is_newer(snapshot, policy->snapshot)) {
		struct api_snapshot *there = policy->snapshot;

		policy->snapshot = old;
		old = there;
	}
	pthread_mutex_unlock(&policy->lock);
	snapshot_unref(old);
}

/* Only a token can tell that the documents are those that were sealed, so that what was read before
 * one was opened is read again. */
static clv_rc is_good(const struct clv_ctx *ctx, struct store *store,
		      const struct api_snapshot *snapshot, bool *ret_good, struct clv_err *err)
{
	int64_t epoch = 0;
	clv_rc rc = store_policy_epoch_get(store, &epoch, err);

	if (rc != CLV_OK && !is_seal_broken(rc, err))
		return rc;
	*ret_good = rc == CLV_OK && epoch == snapshot->epoch &&
		    snapshot->openings == api_seal_openings(ctx);
	return CLV_OK;
}

/* The one that holds now, a share for the caller. */
static clv_rc current(struct clv_ctx *ctx, struct store *store, struct api_snapshot **ret_snapshot,
		      struct clv_err *err)
{
	CLV_AUTO(snapshot_unref) struct api_snapshot *snapshot = newest(ctx->policy);
	bool good;

	CLV_TRY(is_good(ctx, store, snapshot, &good, err));
	if (!good) {
		snapshot = snapshot_unref(snapshot);
		CLV_TRY(snapshot_read(ctx, store, &snapshot, err));
		publish(ctx->policy, snapshot);
	}
	*ret_snapshot = CLV_TAKE(snapshot);
	return CLV_OK;
}

/* ---- judges */

static void forget(struct api_judge *judge)
{
	for (size_t i = 0; i < N_REMEMBERED; i++)
		judge->remembered[i].hash = 0;
}

static void take_snapshot(struct api_judge *judge, struct api_snapshot *snapshot)
{
	if (judge->snapshot == snapshot) {
		snapshot_unref(snapshot);
		return;
	}
	forget(judge);
	if (judge->before == NULL)
		judge->before = judge->snapshot;
	else
		snapshot_unref(judge->snapshot);
	judge->snapshot = snapshot;
}

bool api_judge_is_current(const struct api_judge *judge)
{
	return judge->snapshot != NULL &&
	       inflight_unchanged(judge->ctx->inflight, judge->generation);
}

clv_rc api_judge_refresh(struct api_judge *judge, struct store *store, struct clv_err *err)
{
	struct api_snapshot *snapshot = NULL;
	uint64_t generation;

	if (api_judge_is_current(judge))
		return CLV_OK;
	generation = inflight_generation(judge->ctx->inflight); /* before anything is read */
	CLV_TRY(current(judge->ctx, store, &snapshot, err));
	take_snapshot(judge, snapshot);
	judge->generation = generation;
	return CLV_OK;
}

static clv_rc refresh_alone(struct api_judge *judge, struct clv_err *err)
{
	CLV_AUTO(api_worker_release) struct api_worker *worker = NULL;

	if (api_judge_is_current(judge))
		return CLV_OK;
	CLV_TRY(api_worker_acquire(judge->ctx, &worker, err));
	return api_judge_refresh(judge, worker->store, err);
}

static struct api_judge *take_at_hand(struct clv_ctx *ctx)
{
	const unsigned place = clv_thread_place();
	struct api_judge *judge = NULL;

	for (size_t i = 0; judge == NULL && i < CLV_ARRAY_LEN(ctx->at_hand[place].judges); i++)
		judge = atomic_exchange(&ctx->at_hand[place].judges[i], NULL);
	return judge;
}

static struct api_judge *judge_free(struct api_judge *judge)
{
	if (judge == NULL)
		return NULL;
	snapshot_unref(judge->snapshot);
	snapshot_unref(judge->before);
	free(judge);
	return NULL;
}

clv_rc api_judge_acquire(struct clv_ctx *ctx, struct api_judge **ret_judge, struct clv_err *err)
{
	CLV_AUTO(api_judge_release) struct api_judge *judge = take_at_hand(ctx);

	if (judge == NULL) {
		judge = calloc(1, sizeof *judge);
		if (judge == NULL)
			return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a decision");
		judge->ctx = ctx;
	}
	CLV_TRY(refresh_alone(judge, err));
	judge->before = snapshot_unref(judge->before);
	*ret_judge = CLV_TAKE(judge);
	return CLV_OK;
}

/* To this thread's place, for its next question; one too many goes. */
struct api_judge *api_judge_release(struct api_judge *judge)
{
	const unsigned place = clv_thread_place();
	struct clv_ctx *ctx;

	if (judge == NULL)
		return NULL;
	ctx = judge->ctx;
	for (size_t i = 0; judge != NULL && i < CLV_ARRAY_LEN(ctx->at_hand[place].judges); i++)
		judge = atomic_exchange(&ctx->at_hand[place].judges[i], judge);
	return judge_free(judge);
}

void api_judges_done(struct clv_ctx *ctx)
{
	for (unsigned place = 0; place < CLV_THREAD_PLACES; place++) {
		for (size_t i = 0; i < CLV_ARRAY_LEN(ctx->at_hand[place].judges); i++)
			judge_free(atomic_exchange(&ctx->at_hand[place].judges[i], NULL));
	}
}

const struct policy *api_judge_policy(const struct api_judge *judge)
{
	return judge->snapshot->policy;
}

clv_rc api_judge_check(const struct api_judge *judge, struct clv_err *err)
{
	if (judge->snapshot->rc != CLV_OK)
		*err = judge->snapshot->why;
	return judge->snapshot->rc;
}

/* ---- decisions */

static uint64_t hash_of(const struct policy_ask *ask, const char *place)
{
	uint64_t hash = api_mix(1, ask->resource, strlen(ask->resource));

	hash = api_mix(hash, ask->principal, strlen(ask->principal));
	hash = api_mix(hash, ask->permission, strlen(ask->permission));
	hash = api_mix(hash, place, strlen(place));
	return hash != 0 ? hash : 1;
}

static bool is_about(const struct remembered *entry, uint64_t hash, const struct policy_ask *ask,
		     const char *place)
{
	return entry->hash == hash && strcmp(entry->resource, ask->resource) == 0 &&
	       strcmp(entry->principal, ask->principal) == 0 &&
	       strcmp(entry->permission, ask->permission) == 0 && strcmp(entry->place, place) == 0;
}

static bool holds_at(const struct policy_verdict *verdict, int64_t time)
{
	return verdict->from <= time && time < verdict->until;
}

static bool decision_holds_at(const struct api_decision *decision, int64_t time)
{
	for (size_t i = 0; i < CLV_ARRAY_LEN(decision->with); i++) {
		if (!holds_at(&decision->with[i], time))
			return false;
	}
	return holds_at(&decision->verdict, time);
}

/* Cold: everything is looked at, also what will be known of the key only later. */
static void decide(const struct api_judge *judge, const struct policy_ask *asked,
		   struct api_decision *decision)
{
	struct policy_ask ask = *asked;
	struct clv_name name;
	struct clv_err ignored;

	if (clv_name_parse(ask.resource, &name, &ignored) == CLV_OK)
		ask.name = &name;
	decision->verdict = policy_decide(judge->snapshot->policy, &ask);
	for (size_t i = 0; i < CLV_ARRAY_LEN(decision->with); i++)
		decision->with[i] = policy_decide_facts(
			judge->snapshot->policy, &ask,
			&(struct policy_facts){
				.protection = (enum clv_protection)(API_PROTECTION_FIRST + i),
				.state = CLV_STATE_ENABLED });
}

static bool fits(const struct remembered *entry, const struct policy_ask *ask, const char *place)
{
	return strlen(ask->resource) < sizeof entry->resource &&
	       strlen(ask->principal) < sizeof entry->principal &&
	       strlen(ask->permission) < sizeof entry->permission &&
	       strlen(place) < sizeof entry->place;
}

static void remember(struct remembered *entry, uint64_t hash, const struct policy_ask *ask,
		     const char *place)
{
	memcpy(entry->resource, ask->resource, strlen(ask->resource) + 1);
	memcpy(entry->principal, ask->principal, strlen(ask->principal) + 1);
	memcpy(entry->permission, ask->permission, strlen(ask->permission) + 1);
	memcpy(entry->place, place, strlen(place) + 1);
	entry->hash = hash;
}

const struct api_decision *api_judge_decide(struct api_judge *judge, const struct policy_ask *ask)
{
	const char *place = ask->place != NULL ? ask->place : "";
	const uint64_t hash = hash_of(ask, place);
	struct remembered *entry = &judge->remembered[hash % N_REMEMBERED];

	/* Of what is to be made more counts than is compared here, and it is made but once. */
	if (ask->protection != 0 || ask->destroy_delay != 0 || !fits(entry, ask, place)) {
		decide(judge, ask, &judge->fresh);
		return &judge->fresh;
	}
	if (is_about(entry, hash, ask, place) && decision_holds_at(&entry->decision, ask->time))
		return &entry->decision;
	decide(judge, ask, &entry->decision);
	remember(entry, hash, ask, place);
	return &entry->decision;
}

bool api_judge_holds(const struct api_judge *judge, const struct policy_ask *asked,
		     const char *permission)
{
	struct policy_ask ask = *asked;
	struct clv_name name;
	struct clv_err ignored;

	ask.permission = permission;
	if (clv_name_parse(ask.resource, &name, &ignored) == CLV_OK)
		ask.name = &name;
	return policy_holds(judge->snapshot->policy, &ask);
}
