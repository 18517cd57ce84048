/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting what versions encrypt. With random IVs of 96 bits a key is safe for 2^32 encryptions
 * (NIST SP 800-38D, section 8.3); maintenance rotates at half of it where a schedule says so. The
 * catalogue holds what processes have reserved; what this process has left of it is here.
 */
#include <stdlib.h>

#include "lib/api/api.h"

#define MOST (UINT64_C(1) << 32) /* encryptions with one version */
#define FIRST_BLOCK 64
#define GROWTH 4 /* each block is so many times the one before it, up to LARGEST_BLOCK */
#define LARGEST_BLOCK 65536
#define SHARE 32      /* of a block, for one worker */
#define FIRST_SIZE 64 /* rows of the table; a power of two */

struct count {
	int64_t row; /* of the version; 0: a free place */
	uint64_t left;
	uint64_t next_block;
};

struct api_counts {
	pthread_mutex_t lock; /* never held over a statement */
	struct count *table;  /* open addressing; at most half full */
	size_t size, used;
};

clv_rc api_counts_new(struct api_counts **ret_counts, struct clv_err *err)
{
	struct api_counts *counts = calloc(1, sizeof *counts);

	if (counts != NULL)
		counts->table = calloc(FIRST_SIZE, sizeof *counts->table);
	if (counts == NULL || counts->table == NULL) {
		free(counts);
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a home");
	}
	counts->size = FIRST_SIZE;
	pthread_mutex_init(&counts->lock, NULL);
	*ret_counts = counts;
	return CLV_OK;
}

struct api_counts *api_counts_free(struct api_counts *counts)
{
	if (counts == NULL)
		return NULL;
	pthread_mutex_destroy(&counts->lock);
	free(counts->table);
	free(counts);
	return NULL;
}

/* The row's place in a table that has one for it, or a free one. Rows come one after the other, so
 * they are spread by themselves. */
static struct count *place_of(struct count *table, size_t size, int64_t row)
{
	size_t at = (size_t) row & (size - 1);

	while (table[at].row != 0 && table[at].row != row)
		at = (at + 1) & (size - 1);
	return &table[at];
}

static bool grow(struct api_counts *counts)
{
	const size_t size = 2 * counts->size;
	struct count *table = calloc(size, sizeof *table);

	if (table == NULL)
		return false;
	for (size_t i = 0; i < counts->size; i++) {
		if (counts->table[i].row != 0)
			*place_of(table, size, counts->table[i].row) = counts->table[i];
	}
	free(counts->table);
	counts->table = table;
	counts->size = size;
	return true;
}

/* NULL: no memory. The place is good as long as the lock is held. */
static struct count *find(struct api_counts *counts, int64_t row)
{
	struct count *count = place_of(counts->table, counts->size, row);

	if (count->row == row)
		return count;
	if (2 * (counts->used + 1) > counts->size) {
		if (!grow(counts))
			return NULL;
		count = place_of(counts->table, counts->size, row);
	}
	*count = (struct count){ .row = row, .next_block = FIRST_BLOCK };
	counts->used++;
	return count;
}

static uint64_t at_most(uint64_t n, uint64_t most)
{
	return n < most ? n : most;
}

/* Takes a share of what is left. *ret_block: how many to reserve, when nothing is. */
static clv_rc take(struct api_counts *counts, int64_t row, uint64_t *ret_share, uint64_t *ret_block,
		   struct clv_err *err)
{
	struct count *count;
	clv_rc rc = CLV_OK;

	pthread_mutex_lock(&counts->lock);
	count = find(counts, row);
	if (count == NULL) {
		rc = clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a count");
	} else {
		*ret_share = at_most(count->left, SHARE);
		*ret_block = count->next_block;
		count->left -= *ret_share;
	}
	pthread_mutex_unlock(&counts->lock);
	return rc;
}

/* What comes of a block, or is given back (`block` 0). Without memory it is lost, as when a process
 * ends. */
static void put(struct api_counts *counts, int64_t row, uint64_t n, uint64_t block)
{
	struct count *count;

	pthread_mutex_lock(&counts->lock);
	count = find(counts, row);
	if (count != NULL) {
		count->left += n;
		if (block == count->next_block && block < LARGEST_BLOCK)
			count->next_block *= GROWTH;
	}
	pthread_mutex_unlock(&counts->lock);
}

/* The worker's share of this version; one of another version makes way. */
static struct api_share *share_of(struct api_worker *worker, int64_t row)
{
	struct api_share *share = &worker->shares[(uint64_t) row % CLV_ARRAY_LEN(worker->shares)];

	if (share->row == row)
		return share;
	if (share->left > 0)
		put(worker->ctx->counts, share->row, share->left, 0);
	*share = (struct api_share){ .row = row };
	return share;
}

static clv_rc refill(struct api_use *use, const struct clv_grant *grant, struct api_share *share,
		     struct clv_err *err)
{
	struct api_counts *counts = use->worker->ctx->counts;
	struct store_count_ask ask = { .most = MOST };
	uint64_t got = 0;

	CLV_TRY(take(counts, share->row, &share->left, &ask.n, err));
	if (share->left > 0)
		return CLV_OK;
	CLV_TRY(store_count_reserve(use->worker->store, grant, share->row, ask, &got, err));
	if (got == 0)
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"%s has done all 2^32 encryptions that are safe with one version: "
				"rotate the key.",
				api_use_version(use));
	share->left = at_most(got, SHARE);
	put(counts, share->row, got - share->left, ask.n);
	return CLV_OK;
}

clv_rc api_count_use(struct api_use *use, const struct clv_grant *grant, struct clv_err *err)
{
	struct api_share *share = share_of(use->worker, use->row);

	if (share->left == 0)
		CLV_TRY(refill(use, grant, share, err));
	share->left--;
	return CLV_OK;
}
