/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokens of a home, opened when first needed and kept. One thread opens a token, others wait
 * for it with their deadline; a failure is remembered for a moment.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/api/api.h"

#define FAILURE_MEMORY_NS (CLV_NS_PER_S / 2) /* how long a failed opening is not repeated */
#define TOKENS_PER_LOCATION 16

enum token_state { TOKEN_OPENING, TOKEN_OPEN, TOKEN_FAILED };

/* Lives as long as the context; `hsm` is set once and then only read. */
struct api_token {
	char location[CLV_ID_MAX];
	enum token_state state;
	struct hsm *hsm;
	int64_t failed_at; /* CLOCK_MONOTONIC ns */
	clv_rc failed_rc;
	struct clv_err failed_err;
	struct api_token *next;
};

void api_hsm_options(const struct clv_ctx *ctx, const char *uri, struct hsm_options *options)
{
	*options = (struct hsm_options){
		.uri = uri,
		.base_dir = ctx->home,
		.state_dir = ctx->run_dir,
		.max_sessions = ctx->max_sessions,
		.wait_ms = ctx->deadline_ms,
	};
}

static struct api_token *find_locked(struct clv_ctx *ctx, const char *location)
{
	struct api_token *token = ctx->tokens;

	while (token != NULL && strcmp(token->location, location) != 0)
		token = token->next;
	return token;
}

static struct api_token *add_locked(struct clv_ctx *ctx, const char *location)
{
	struct api_token *token = calloc(1, sizeof *token);

	if (token == NULL)
		return NULL;
	memcpy(token->location, location, strlen(location) + 1);
	token->next = ctx->tokens;
	ctx->tokens = token;
	return token;
}

/* What a crash left. */
static clv_rc put_right(struct api_worker *worker, const struct store_token *token, struct hsm *hsm,
			struct clv_err *err)
{
	CLV_TRY(api_intents_recover(worker, token->pub.location, token->pub.serial, hsm, err));
	return api_flags_recover(worker, token->pub.location, hsm, err);
}

/* The first location's token vouches for what belongs to no location, such as policies. When it is
 * away, what is there is believed as it is. */
static clv_rc check_common(struct api_worker *worker, const char *location, struct clv_err *err)
{
	struct store_location first;
	struct clv_err why;
	struct hsm *hsm;
	bool found;

	CLV_TRY(store_location_first(worker->store, &found, &first, err));
	if (!found || strcmp(first.id, location) == 0 ||
	    api_token_get(worker, first.id, &hsm, &why) != CLV_E_DATA_LOSS)
		return CLV_OK;
	*err = why;
	return CLV_E_DATA_LOSS;
}

static clv_rc open_token(struct api_worker *worker, const char *location, struct hsm **ret_hsm,
			 struct clv_err *err)
{
	CLV_AUTO(hsm_close) struct hsm *hsm = NULL;
	struct store_token rows[TOKENS_PER_LOCATION];
	struct store_location row;
	struct hsm_options options;
	struct clv_probe found;
	size_t n;
	clv_rc rc;

	CLV_TRY(check_common(worker, location, err));
	CLV_TRY(store_location_get(worker->store, location, &row, err));
	CLV_TRY(store_token_list(worker->store, location, TOKENS_PER_LOCATION, rows, &n, err));
	if (n == 0)
		return clv_fail(err, CLV_E_DATA_LOSS, "location %s has no token in the catalogue",
				location);
	api_hsm_options(worker->ctx, rows[0].pub.uri, &options);
	rc = hsm_open(&options, &hsm, err);
	if (rc == CLV_E_NOT_FOUND) /* the location is there; its token or module is away */
		return CLV_E_UNAVAILABLE;
	CLV_TRY(rc);
	hsm_describe(hsm, &found);
	if (strcmp(found.serial, rows[0].pub.serial) != 0) /* the URI may name it by label alone */
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"location %s is served by the token with serial %s, but %s answers",
				location, rows[0].pub.serial, found.serial);
	CLV_TRY(api_seal_open(worker, &row, &rows[0], hsm, err));
	rc = put_right(worker, &rows[0], hsm, err);
	if (rc != CLV_OK) {
		api_seal_close(worker->ctx, &row, &rows[0]);
		return rc;
	}
	*ret_hsm = CLV_TAKE(hsm);
	return CLV_OK;
}

/* Notes what came of an opening, and wakes those who wait for it. One that was put there
 * meanwhile stays: then ours is not needed, and handed back. */
static struct hsm *opened(struct clv_ctx *ctx, struct api_token *token, struct hsm *hsm, clv_rc rc,
			  const struct clv_err *err)
{
	struct hsm *spare = NULL;

	pthread_mutex_lock(&ctx->tokens_lock);
	if (token->state == TOKEN_OPEN) {
		spare = hsm;
	} else if (rc == CLV_OK) {
		token->state = TOKEN_OPEN;
		token->hsm = hsm;
	} else {
		token->state = TOKEN_FAILED;
		token->failed_at = clv_mono_ns();
		token->failed_rc = rc;
		token->failed_err = *err;
	}
	pthread_cond_broadcast(&ctx->token_opened);
	pthread_mutex_unlock(&ctx->tokens_lock);
	return spare;
}

/*
 * The token, if it is open or becomes so in time. *ret_mine: it is ours to open. Otherwise it
 * failed a moment ago, or somebody else's opening takes too long.
 */
static clv_rc look_locked(struct clv_ctx *ctx, const char *location, struct api_token **ret_token,
			  bool *ret_mine, struct clv_err *err)
{
	struct api_token *token = find_locked(ctx, location);
	struct clv_deadline deadline;
	bool in_time = true;

	if (token != NULL && token->state == TOKEN_OPEN) {
		*ret_token = token;
		return CLV_OK;
	}
	deadline = clv_deadline_in(ctx->deadline_ms);
	if (token == NULL) {
		token = add_locked(ctx, location);
		if (token == NULL)
			return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a token");
		*ret_mine = true;
	}
	*ret_token = token;
	while (!*ret_mine && token->state == TOKEN_OPENING && in_time)
		in_time = clv_cond_wait(&ctx->token_opened, &ctx->tokens_lock, deadline);
	if (!*ret_mine && token->state == TOKEN_OPENING)
		return clv_fail(err, CLV_E_DEADLINE_EXCEEDED,
				"the token of %s is still being opened", location);
	if (token->state != TOKEN_FAILED)
		return CLV_OK;
	if (clv_mono_ns() - token->failed_at < FAILURE_MEMORY_NS) {
		*err = token->failed_err;
		return token->failed_rc;
	}
	token->state = TOKEN_OPENING;
	*ret_mine = true;
	return CLV_OK;
}

static clv_rc look(struct clv_ctx *ctx, const char *location, struct api_token **ret_token,
		   bool *ret_mine, struct clv_err *err)
{
	clv_rc rc;

	*ret_mine = false;
	pthread_mutex_lock(&ctx->tokens_lock);
	rc = look_locked(ctx, location, ret_token, ret_mine, err);
	pthread_mutex_unlock(&ctx->tokens_lock);
	return rc;
}

clv_rc api_token_get(struct api_worker *worker, const char *location, struct hsm **ret_hsm,
		     struct clv_err *err)
{
	struct clv_ctx *ctx = worker->ctx;
	struct store_location row;
	struct api_token *token = NULL;
	struct hsm *hsm = NULL;
	bool mine;
	clv_rc rc;

	if (api_token_peek(ctx, location) == NULL) /* no note is made of names that are none */
		CLV_TRY(store_location_get(worker->store, location, &row, err));
	CLV_TRY(look(ctx, location, &token, &mine, err));
	if (!mine) {
		*ret_hsm = token->hsm;
		return CLV_OK;
	}
	rc = open_token(worker, location, &hsm, err);
	hsm_close(opened(ctx, token, hsm, rc, err));
	hsm = api_token_peek(ctx, location);
	if (hsm == NULL)
		return rc;
	*ret_hsm = hsm;
	return CLV_OK;
}

struct hsm *api_token_peek(struct clv_ctx *ctx, const char *location)
{
	struct api_token *token;
	struct hsm *hsm;

	pthread_mutex_lock(&ctx->tokens_lock);
	token = find_locked(ctx, location);
	hsm = token != NULL && token->state == TOKEN_OPEN ? token->hsm : NULL;
	pthread_mutex_unlock(&ctx->tokens_lock);
	return hsm;
}

clv_rc api_token_put(struct clv_ctx *ctx, const char *location, struct hsm *hsm,
		     struct clv_err *err)
{
	struct api_token *token;

	pthread_mutex_lock(&ctx->tokens_lock);
	token = find_locked(ctx, location);
	if (token == NULL || token->state != TOKEN_OPEN) {
		if (token == NULL)
			token = add_locked(ctx, location);
		if (token != NULL) {
			token->state = TOKEN_OPEN;
			token->hsm = hsm;
			hsm = NULL;
		}
	}
	pthread_mutex_unlock(&ctx->tokens_lock);
	hsm_close(hsm); /* somebody was faster, or there was no memory */
	if (token == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a token");
	return CLV_OK;
}

void api_tokens_done(struct clv_ctx *ctx)
{
	while (ctx->tokens != NULL) {
		struct api_token *token = ctx->tokens;

		ctx->tokens = token->next;
		hsm_close(token->hsm);
		free(token);
	}
}
