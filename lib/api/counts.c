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

/* Takes one of what is left. *ret_block: how many to reserve, when nothing is. */
static clv_rc take(struct api_counts *counts, int64_t row, bool *ret_taken, uint64_t *ret_block,
		   struct clv_err *err)
{
	struct count *count;
	clv_rc rc = CLV_OK;

	pthread_mutex_lock(&counts->lock);
	count = find(counts, row);
	if (count == NULL) {
		rc = clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a count");
	} else {
		*ret_taken = count->left > 0;
		*ret_block = count->next_block;
		count->left -= *ret_taken;
	}
	pthread_mutex_unlock(&counts->lock);
	return rc;
}

/* One of them is for the caller. */
static void put(struct api_counts *counts, int64_t row, uint64_t got, uint64_t block)
{
	struct count *count;

	pthread_mutex_lock(&counts->lock);
	count = find(counts, row); /* it is there: take() has made it */
	if (count != NULL) {
		count->left += got - 1;
		if (block == count->next_block && block < LARGEST_BLOCK)
			count->next_block *= GROWTH;
	}
	pthread_mutex_unlock(&counts->lock);
}

clv_rc api_count_use(struct api_use *use, const struct clv_grant *grant, struct clv_err *err)
{
	struct api_counts *counts = use->worker->ctx->counts;
	struct store_count_ask ask = { .most = MOST };
	uint64_t got = 0;
	bool taken = false;

	CLV_TRY(take(counts, use->row, &taken, &ask.n, err));
	if (taken)
		return CLV_OK;
	CLV_TRY(store_count_reserve(use->worker->store, grant, use->row, ask, &got, err));
	if (got == 0)
		return clv_fail(err, CLV_E_FAILED_PRECONDITION,
				"%s has done all 2^32 encryptions that are safe with one version: "
				"rotate the key.",
				api_use_version(use));
	put(counts, use->row, got, ask.n);
	return CLV_OK;
}
