/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seal of the catalogue, with the tokens that make and check it. A change is committed with its
 * new head, then the token's anchor follows, then it is answered: so a crash leaves the catalogue
 * ahead of the anchor by one head that follows the anchor's, and a catalogue that is behind was put
 * back by somebody.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <claviger/hash.h>

#include "lib/api/api.h"
#include "lib/policy/text.h"

#define DOMAIN "claviger/1 head"

CLV_DEFINE_AUTO(struct clv_hashing, clv_hash_free);

/* What is known of a location's tree. Lives as long as the context. */
struct api_tree {
	int64_t row; /* of the location */
	char location[CLV_ID_MAX];
	uint8_t seal_id[HSM_ID_LEN], anchor_ids[2][HSM_ID_LEN];
	struct hsm *hsm; /* borrowed; NULL: its token is not open */
	struct hsm_anchor anchor;
	struct store_head known; /* the newest head that the token has vouched for */
	int64_t known_at;        /* CLOCK_MONOTONIC ns; 0: none is known */
	bool behind;             /* the anchor is to follow the known head still */
	struct api_tree *next;
};

struct api_seal {
	struct clv_ctx *ctx;
	struct store_sealer sealer;
	pthread_mutex_t lock; /* for the list and its members, never held over a token call */
	struct api_tree *trees;
	_Atomic uint64_t openings; /* of tokens, so far */
};

uint64_t api_seal_openings(const struct clv_ctx *ctx)
{
	return atomic_load(&ctx->seal->openings);
}

static struct api_tree *find_locked(struct api_seal *seal, int64_t row)
{
	struct api_tree *tree = seal->trees;

	while (tree != NULL && tree->row != row)
		tree = tree->next;
	return tree;
}

/* A copy, good as long as the context is. */
static bool look_up(struct api_seal *seal, int64_t row, struct api_tree *ret_tree)
{
	struct api_tree *tree;

	pthread_mutex_lock(&seal->lock);
	tree = find_locked(seal, row);
	if (tree != NULL)
		*ret_tree = *tree;
	pthread_mutex_unlock(&seal->lock);
	return tree != NULL;
}

static bool same_head(const struct store_head *a, const struct store_head *b)
{
	return a->epoch == b->epoch && clv_same(a->root, b->root, sizeof a->root) &&
	       clv_same(a->mac, b->mac, sizeof a->mac);
}

/* ---- heads ---- */

static clv_rc add_number(struct clv_buf *buf, uint64_t value, struct clv_err *err)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t) (value >> 8 * (sizeof bytes - 1 - i));
	return clv_buf_add(buf, bytes, sizeof bytes, err);
}

/* What the MAC is over: what it is, of which home and location, and what the head says. */
static clv_rc head_bytes(const struct clv_ctx *ctx, const struct api_tree *tree,
			 const struct store_head *head, struct clv_buf *buf, struct clv_err *err)
{
	const size_t len = strlen(tree->location);

	CLV_TRY(clv_buf_add(buf, DOMAIN, sizeof DOMAIN - 1, err));
	CLV_TRY(clv_buf_add(buf, ctx->info.uuid, sizeof ctx->info.uuid, err));
	CLV_TRY(add_number(buf, len, err));
	CLV_TRY(clv_buf_add(buf, tree->location, len, err));
	CLV_TRY(add_number(buf, head->epoch, err));
	CLV_TRY(clv_buf_add(buf, head->root, sizeof head->root, err));
	return clv_buf_add(buf, head->previous, sizeof head->previous, err);
}

static clv_rc head_hash(const struct clv_ctx *ctx, const struct api_tree *tree,
			const struct store_head *head, uint8_t ret_hash[HSM_HEAD_LEN],
			struct clv_err *err)
{
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf buf = { 0 };
	CLV_AUTO(clv_hash_free) struct clv_hashing *hashing = NULL;
	uint8_t hash[CLV_HASH_MAX];
	size_t len;

	CLV_TRY(head_bytes(ctx, tree, head, &buf, err));
	CLV_TRY(clv_hash_new(CLV_HASH_SHA256, &hashing, err));
	CLV_TRY(clv_hash_add(hashing, buf.data, buf.len, err));
	CLV_TRY(clv_hash_end(hashing, hash, &len, err));
	memcpy(ret_hash, hash, HSM_HEAD_LEN);
	return CLV_OK;
}

static clv_rc head_mac(const struct clv_ctx *ctx, const struct api_tree *tree,
		       const struct store_head *head, uint8_t ret_mac[STORE_HEAD_HASH_LEN],
		       struct clv_err *err)
{
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf buf = { 0 };

	CLV_TRY(head_bytes(ctx, tree, head, &buf, err));
	return hsm_seal_mac(tree->hsm, clv_grant_system(CLV_SYSTEM_SEAL), tree->seal_id,
			    clv_buf_view(&buf), ret_mac, err);
}

static clv_rc check_mac(const struct clv_ctx *ctx, const struct api_tree *tree,
			const struct store_head *head, struct clv_err *err)
{
	uint8_t mac[STORE_HEAD_HASH_LEN];

	CLV_TRY(head_mac(ctx, tree, head, mac, err));
	if (!clv_same(mac, head->mac, sizeof mac))
		return clv_fail(err, CLV_E_DATA_LOSS,
				"the seal of location %s was not made by its token: somebody "
				"changed the catalogue by other means; see kmsctl-catalogue(1)",
				tree->location);
	return CLV_OK;
}

/* The token has vouched for it. Heads only go forward. */
static void note_known(struct api_seal *seal, int64_t row, const struct store_head *head)
{
	struct api_tree *tree;

	pthread_mutex_lock(&seal->lock);
	tree = find_locked(seal, row);
	if (tree != NULL && (tree->known_at == 0 || head->epoch > tree->known.epoch)) {
		tree->known = *head;
		tree->known_at = clv_mono_ns();
	}
	pthread_mutex_unlock(&seal->lock);
}

static clv_rc went_back(const struct api_tree *tree, const struct store_head *head,
			struct clv_err *err)
{
	return clv_fail(err, CLV_E_DATA_LOSS,
			"the catalogue is older than it was: location %s is at epoch %" PRIu64
			" of its seal and was at %" PRIu64 " before; see kmsctl-catalogue(1)",
			tree->location, head != NULL ? head->epoch : 0, tree->known.epoch);
}

/* A look that began before the newest head was known may see one before it. */
static clv_rc accept_head(void *arg, int64_t row, const struct store_head *head, int64_t began,
			  bool *ret_sure, struct clv_err *err)
{
	struct api_seal *seal = arg;
	struct api_tree tree;
	clv_rc rc;

	*ret_sure = false;
	if (!look_up(seal, row, &tree) || tree.hsm == NULL) /* as soon as its token is there */
		return CLV_OK;
	*ret_sure = head != NULL && tree.known_at != 0 && same_head(head, &tree.known);
	if (*ret_sure || (head == NULL && tree.known_at == 0))
		return CLV_OK;
	if (tree.known_at != 0 && (head == NULL || head->epoch <= tree.known.epoch))
		return tree.known_at < began ? went_back(&tree, head, err) : CLV_OK;
	rc = check_mac(seal->ctx, &tree, head, err);
	if (rc == CLV_E_UNAVAILABLE || rc == CLV_E_RESOURCE_EXHAUSTED)
		return CLV_OK; /* the token is away: what needs it will say so */
	CLV_TRY(rc);
	note_known(seal, row, head);
	*ret_sure = true;
	return CLV_OK;
}

/* ---- anchors ---- */

static clv_rc write_anchor(struct api_seal *seal, const struct api_tree *tree,
			   const struct store_head *head, struct clv_err *err)
{
	struct hsm_anchor anchor = { .epoch = head->epoch };
	struct api_tree *at;

	CLV_TRY(head_hash(seal->ctx, tree, head, anchor.head, err));
	CLV_TRY(hsm_anchor_write(tree->hsm, clv_grant_system(CLV_SYSTEM_SEAL), tree->location,
				 tree->anchor_ids, &anchor, err));
	pthread_mutex_lock(&seal->lock);
	at = find_locked(seal, tree->row);
	if (at->anchor.epoch < anchor.epoch)
		at->anchor = anchor;
	at->behind = at->known_at != 0 && at->known.epoch > at->anchor.epoch;
	pthread_mutex_unlock(&seal->lock);
	return CLV_OK;
}

/*
 * What follows a head must find it anchored, so that the catalogue is never more than one ahead.
 * Where others have made it, they have anchored it, or died before.
 */
static clv_rc seal_head(void *arg, const struct store_head *before, struct store_head *head,
			struct clv_err *err)
{
	struct api_seal *seal = arg;
	struct api_tree tree;

	if (!look_up(seal, head->tree, &tree) || tree.hsm == NULL)
		return clv_fail(err, CLV_E_UNAVAILABLE,
				"the token that seals it is not there (kmsctl status)");
	if (before != NULL && !(tree.known_at != 0 && same_head(before, &tree.known)))
		CLV_TRY(check_mac(seal->ctx, &tree, before, err));
	if (before != NULL && before->epoch != tree.anchor.epoch)
		CLV_TRY(write_anchor(seal, &tree, before, err));
	head->epoch = (before != NULL ? before->epoch : tree.anchor.epoch) + 1;
	if (before != NULL)
		CLV_TRY(head_hash(seal->ctx, &tree, before, head->previous, err));
	else
		memcpy(head->previous, tree.anchor.head, sizeof head->previous);
	return head_mac(seal->ctx, &tree, head, head->mac, err);
}

/* It is committed. What cannot follow now is told when the change is answered. */
static void note_sealed(void *arg, const struct store_head *head)
{
	struct api_seal *seal = arg;
	struct api_tree tree, *at;
	struct clv_err ignored;

	note_known(seal, head->tree, head);
	if (look_up(seal, head->tree, &tree) && tree.hsm != NULL &&
	    write_anchor(seal, &tree, head, &ignored) == CLV_OK)
		return;
	pthread_mutex_lock(&seal->lock);
	at = find_locked(seal, head->tree);
	if (at != NULL)
		at->behind = true;
	pthread_mutex_unlock(&seal->lock);
}

/* One whose anchor is to follow still. */
static bool find_behind(struct api_seal *seal, struct api_tree *ret_tree)
{
	struct api_tree *tree;

	pthread_mutex_lock(&seal->lock);
	tree = seal->trees;
	while (tree != NULL && !tree->behind)
		tree = tree->next;
	if (tree != NULL)
		*ret_tree = *tree;
	pthread_mutex_unlock(&seal->lock);
	return tree != NULL;
}

clv_rc api_seal_settle(struct clv_ctx *ctx, struct clv_err *err)
{
	struct api_tree tree;
	struct clv_err why;
	clv_rc rc;

	while (find_behind(ctx->seal, &tree)) {
		rc = write_anchor(ctx->seal, &tree, &tree.known, &why);
		if (rc == CLV_E_ABORTED) { /* others have gone on from it */
			struct store_head head = tree.known;

			rc = hsm_anchor_read(tree.hsm, tree.anchor_ids, &tree.anchor, &why);
			if (rc == CLV_OK && tree.anchor.epoch > head.epoch) {
				pthread_mutex_lock(&ctx->seal->lock);
				find_locked(ctx->seal, tree.row)->behind = false;
				find_locked(ctx->seal, tree.row)->anchor = tree.anchor;
				pthread_mutex_unlock(&ctx->seal->lock);
				continue;
			}
		}
		if (rc != CLV_OK)
			return clv_fail(err, CLV_E_UNAVAILABLE,
					"the change was made, but the token of %s did not take "
					"note of it: %.300s",
					tree.location, why.text);
	}
	return CLV_OK;
}

/* ---- a token is opened ---- */

/* Only IAM policies are taken away piece by piece. */
static bool only_removes(int kind, const char *before, const char *now)
{
	return kind == POLICY_IAM && policy_text_only_removes(before, now);
}

clv_rc api_seal_new(struct clv_ctx *ctx, struct clv_err *err)
{
	struct api_seal *seal = calloc(1, sizeof *seal);

	if (seal == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a home");
	seal->ctx = ctx;
	seal->sealer = (struct store_sealer){ .arg = seal,
					      .accept = accept_head,
					      .seal = seal_head,
					      .sealed = note_sealed,
					      .only_removes = only_removes };
	pthread_mutex_init(&seal->lock, NULL);
	ctx->seal = seal;
	return CLV_OK;
}

struct api_seal *api_seal_free(struct api_seal *seal)
{
	if (seal == NULL)
		return NULL;
	while (seal->trees != NULL) {
		struct api_tree *tree = seal->trees;

		seal->trees = tree->next;
		free(tree);
	}
	pthread_mutex_destroy(&seal->lock);
	free(seal);
	return NULL;
}

const struct store_sealer *api_sealer(const struct clv_ctx *ctx)
{
	return &ctx->seal->sealer;
}

/* `hsm` NULL: its token is closed again. */
static clv_rc put_tree(struct api_seal *seal, const struct api_tree *what, struct clv_err *err)
{
	struct api_tree *tree, *next;

	pthread_mutex_lock(&seal->lock);
	tree = find_locked(seal, what->row);
	if (tree == NULL) {
		tree = calloc(1, sizeof *tree);
		if (tree != NULL) {
			tree->next = seal->trees;
			seal->trees = tree;
		}
	}
	if (tree != NULL) {
		next = tree->next;
		*tree = *what;
		tree->next = next;
		if (what->hsm != NULL)
			atomic_fetch_add(&seal->openings, 1);
	}
	pthread_mutex_unlock(&seal->lock);
	return tree != NULL ? CLV_OK
			    : clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a location");
}

static clv_rc refuse_old(const struct api_tree *tree, uint64_t epoch, struct clv_err *err)
{
	return clv_fail(err, CLV_E_DATA_LOSS,
			"the catalogue is not the newest: location %s is at epoch %" PRIu64
			" of its seal, and its token has seen %" PRIu64
			"; if it was restored from a copy on purpose, see kmsctl-catalogue(1)",
			tree->location, epoch, tree->anchor.epoch);
}

/* The head of the catalogue against the anchors. *ret_ahead: a crash came between the two. */
static clv_rc check_head(struct api_worker *worker, const struct api_tree *tree,
			 const struct store_head *head, bool *ret_ahead, struct clv_err *err)
{
	uint8_t hash[HSM_HEAD_LEN];

	CLV_TRY(check_mac(worker->ctx, tree, head, err));
	CLV_TRY(head_hash(worker->ctx, tree, head, hash, err));
	*ret_ahead = head->epoch == tree->anchor.epoch + 1 &&
		     clv_same(head->previous, tree->anchor.head, sizeof head->previous);
	if (*ret_ahead ||
	    (head->epoch == tree->anchor.epoch && clv_same(hash, tree->anchor.head, sizeof hash)))
		return CLV_OK;
	return refuse_old(tree, head->epoch, err);
}

/* What was written while there was no token, and what was there before there were seals. No room
 * for that is no reason not to open: it follows with the next change. */
static clv_rc catch_up(struct api_worker *worker, const struct api_tree *tree, bool sealed,
		       struct clv_err *err)
{
	const struct clv_grant *grant = clv_grant_system(CLV_SYSTEM_SEAL);
	uint64_t unsealed = 0;
	clv_rc rc;

	if (sealed)
		CLV_TRY(store_unsealed_count(worker->store, tree->row, &unsealed, err));
	if (sealed && unsealed == 0)
		return CLV_OK;
	rc = sealed ? store_seal_fold(worker->store, grant, tree->row, err)
		    : store_seal_tree(worker->store, grant, tree->row, err);
	return rc == CLV_E_RESOURCE_EXHAUSTED ? CLV_OK : rc;
}

static clv_rc open_tree(struct api_worker *worker, struct api_tree *tree, struct clv_err *err)
{
	struct api_seal *seal = worker->ctx->seal;
	struct store_head head;
	char name[CLV_NAME_MAX];
	bool sealed, ahead = false;

	CLV_TRY(hsm_anchor_read(tree->hsm, tree->anchor_ids, &tree->anchor, err));
	CLV_TRY(store_head_get(worker->store, tree->row, &sealed, &head, err));
	if (!sealed && tree->anchor.epoch > 0)
		return refuse_old(tree, 0, err);
	if (sealed)
		CLV_TRY(check_head(worker, tree, &head, &ahead, err));
	CLV_TRY(put_tree(seal, tree, err));
	if (sealed)
		note_known(seal, tree->row, &head);
	if (ahead) {
		snprintf(name, sizeof name, "projects/%s/locations/%s", worker->ctx->info.project,
			 tree->location);
		CLV_TRY(write_anchor(seal, tree, &head, err));
		CLV_TRY(gate_note(worker->ctx, clv_grant_system(CLV_SYSTEM_SEAL), name,
				  "recovered: the anchor follows a change that was committed",
				  err));
	}
	return catch_up(worker, tree, sealed, err);
}

static void fill_tree(struct api_tree *tree, const struct store_location *location,
		      const struct store_token *token, struct hsm *hsm)
{
	*tree = (struct api_tree){ .row = location->row, .hsm = hsm };
	memcpy(tree->location, location->id, sizeof tree->location);
	memcpy(tree->seal_id, token->seal_id, sizeof tree->seal_id);
	memcpy(tree->anchor_ids, token->anchor_id, sizeof tree->anchor_ids);
}

void api_seal_close(struct clv_ctx *ctx, const struct store_location *location,
		    const struct store_token *token)
{
	struct api_tree tree;
	struct clv_err ignored;

	fill_tree(&tree, location, token, NULL);
	if (put_tree(ctx->seal, &tree, &ignored) != CLV_OK) {
		/* then it was not put there before, either */
	}
}

clv_rc api_seal_open(struct api_worker *worker, const struct store_location *location,
		     const struct store_token *token, struct hsm *hsm, struct clv_err *err)
{
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct api_tree tree;
	clv_rc rc;

	CLV_TRY(api_change_begin(worker->ctx, &change, err));
	fill_tree(&tree, location, token, hsm);
	rc = open_tree(worker, &tree, err);
	if (rc == CLV_OK)
		return rc;
	api_seal_close(worker->ctx, location, token);
	return rc;
}

/* ---- changes ---- */

clv_rc api_change_begin_sealed(struct api_worker *worker, const char *location,
			       struct api_change *ret_change, struct clv_err *err)
{
	struct store_location home;
	struct hsm *hsm;
	bool found;

	if (location == NULL) {
		CLV_TRY(store_location_first(worker->store, &found, &home, err));
		location = found ? home.id : NULL;
	}
	if (location != NULL)
		CLV_TRY(api_token_get(worker, location, &hsm, err));
	return api_change_begin(worker->ctx, ret_change, err);
}

void api_seal_prepare(struct api_worker *worker)
{
	struct store_location first;
	struct clv_err ignored;
	struct hsm *hsm;
	bool found;

	if (store_location_first(worker->store, &found, &first, &ignored) != CLV_OK || !found ||
	    api_token_get(worker, first.id, &hsm, &ignored) != CLV_OK) {
		/* What can do without goes on, all else is refused at its commit. */
	}
}

void api_seal_follow(struct api_worker *worker, const char *location)
{
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct store_location row;
	struct clv_err ignored;
	struct hsm *hsm;
	uint64_t n;

	if (store_location_get(worker->store, location, &row, &ignored) != CLV_OK ||
	    api_token_get(worker, location, &hsm, &ignored) != CLV_OK || /* may do all of it */
	    store_unsealed_count(worker->store, row.row, &n, &ignored) != CLV_OK || n == 0 ||
	    api_change_begin(worker->ctx, &change, &ignored) != CLV_OK)
		return;
	if (store_seal_fold(worker->store, clv_grant_system(CLV_SYSTEM_SEAL), row.row, &ignored) !=
	    CLV_OK) {
		/* It is pending, which the status tells. */
	}
}

/* ---- restoring ---- */

clv_rc api_seal_restore(struct api_worker *worker, const struct store_location *location,
			const struct store_token *token, struct hsm *hsm,
			const struct clv_grant *grant, const struct store_restoration *how,
			struct clv_restoration *ret_restoration, struct clv_err *err)
{
	CLV_AUTO_DONE(api_change_end) struct api_change change = { 0 };
	struct api_tree tree;
	struct store_head head;
	bool sealed;
	clv_rc rc;

	CLV_TRY(api_change_begin(worker->ctx, &change, err));
	fill_tree(&tree, location, token, hsm);
	CLV_TRY(hsm_anchor_read(hsm, tree.anchor_ids, &tree.anchor, err));
	CLV_TRY(store_head_get(worker->store, tree.row, &sealed, &head, err));
	ret_restoration->epoch = sealed ? head.epoch : 0;
	ret_restoration->newest = tree.anchor.epoch;
	CLV_TRY(put_tree(worker->ctx->seal, &tree, err));
	if (how == NULL)
		return CLV_OK;
	store_seal_unchecked(worker->store, true);
	rc = store_seal_restore(worker->store, grant, tree.row, how, &ret_restoration->n_disabled,
				err);
	store_seal_unchecked(worker->store, false);
	return rc;
}
