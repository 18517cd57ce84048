/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as bytes: what is hashed of them, and which changes of a row only end its use. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <claviger/hash.h>

#include "lib/base/bytes.h"
#include "lib/store/impl.h"
#include "lib/base/banned.h"

#define COLUMNS_MAX 24
#define COLUMNS_FIRST 2 /* before them come the tree and the name */
#define HASH_LEAF 0x00

/* How a column begins. Numbers follow as eight bytes, texts and blobs as their length in four and
 * then themselves; all big endian. */
enum { TYPE_NULL, TYPE_INT, TYPE_TEXT, TYPE_BLOB };

CLV_DEFINE_AUTO(struct clv_hashing, clv_hash_free);

clv_rc store_hash(uint8_t prefix, const void *bytes, size_t len, uint8_t ret_hash[STORE_HASH_LEN],
		  struct clv_err *err)
{
	CLV_AUTO(clv_hash_free) struct clv_hashing *hashing = NULL;
	uint8_t hash[CLV_HASH_MAX];
	size_t hash_len;

	CLV_TRY(clv_hash_new(CLV_HASH_SHA256, &hashing, err));
	CLV_TRY(clv_hash_add(hashing, &prefix, 1, err));
	CLV_TRY(clv_hash_add(hashing, bytes, len, err));
	CLV_TRY(clv_hash_end(hashing, hash, &hash_len, err));
	memcpy(ret_hash, hash, STORE_HASH_LEN);
	return CLV_OK;
}

clv_rc store_leaf_hash(int64_t row, struct clv_bytes bytes, uint8_t ret_hash[STORE_HASH_LEN],
		       struct clv_err *err)
{
	(void) row; /* the leaf's key in its bucket, whose hash covers it */
	return store_hash(HASH_LEAF, bytes.data, bytes.len, ret_hash, err);
}

void store_sealed_clear(struct store_sealed *sealed)
{
	free(sealed->bytes);
	*sealed = (struct store_sealed){ 0 };
}

static void put_number(uint8_t *at, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t) (value >> 8 * (len - 1 - i));
}

static uint64_t get_number(const uint8_t *at, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++)
		value = value << 8 | at[i];
	return value;
}

static clv_rc add_int(struct clv_buf *buf, int64_t value, struct clv_err *err)
{
	uint8_t bytes[9] = { TYPE_INT };

	put_number(bytes + 1, (uint64_t) value, 8);
	return clv_buf_add(buf, bytes, sizeof bytes, err);
}

static clv_rc add_bytes(struct clv_buf *buf, uint8_t type, const void *data, size_t len,
			struct clv_err *err)
{
	uint8_t head[5] = { type };

	put_number(head + 1, len, 4);
	CLV_TRY(clv_buf_add(buf, head, sizeof head, err));
	return len > 0 ? clv_buf_add(buf, data, len, err) : CLV_OK;
}

static clv_rc add_column(struct clv_buf *buf, sqlite3_stmt *stmt, int column, struct clv_err *err)
{
	static const uint8_t null = TYPE_NULL;
	const void *data;

	switch (sqlite3_column_type(stmt, column)) {
	case SQLITE_INTEGER:
		return add_int(buf, sqlite3_column_int64(stmt, column), err);
	case SQLITE_TEXT:
		data = sqlite3_column_text(stmt, column);
		return add_bytes(buf, TYPE_TEXT, data, (size_t) sqlite3_column_bytes(stmt, column),
				 err);
	case SQLITE_NULL:
		return clv_buf_add(buf, &null, 1, err);
	default: /* SQLite does not keep what is no blob as one, nor a fraction in these tables */
		data = sqlite3_column_blob(stmt, column);
		return add_bytes(buf, TYPE_BLOB, data, (size_t) sqlite3_column_bytes(stmt, column),
				 err);
	}
}

static clv_rc bucket_of_bytes(const uint8_t *bytes, size_t len, unsigned *ret_bucket,
			      struct clv_err *err)
{
	uint8_t hash[STORE_HASH_LEN];

	CLV_TRY(store_hash(HASH_LEAF, bytes, len, hash, err));
	*ret_bucket = (unsigned) get_number(hash, 2);
	return CLV_OK;
}

clv_rc store_bucket_of(enum store_kind kind, int64_t first, int64_t second, const char *text,
		       unsigned *ret_bucket, struct clv_err *err)
{
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf buf = { 0 };
	const uint8_t number = (uint8_t) kind;

	CLV_TRY(clv_buf_add(&buf, &number, 1, err));
	CLV_TRY(add_int(&buf, first, err));
	CLV_TRY(text != NULL ? add_bytes(&buf, TYPE_TEXT, text, strlen(text), err)
			     : add_int(&buf, second, err));
	return bucket_of_bytes(buf.data, buf.len, ret_bucket, err);
}

static clv_rc read_columns(struct store_run *run, struct store_sealed *sealed, struct clv_err *err)
{
	CLV_AUTO_DONE(clv_buf_done) struct clv_buf buf = { 0 };
	const uint8_t kind = (uint8_t) sealed->kind;
	int n = sqlite3_column_count(run->stmt);

	CLV_TRY(clv_buf_add(&buf, &kind, 1, err));
	for (int i = COLUMNS_FIRST; i < n; i++) {
		CLV_TRY(add_column(&buf, run->stmt, i, err));
		if (i == COLUMNS_FIRST + 1)
			CLV_TRY(bucket_of_bytes(buf.data, buf.len, &sealed->bucket, err));
	}
	sealed->bytes = malloc(buf.len);
	if (sealed->bytes == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for a row");
	memcpy(sealed->bytes, buf.data, buf.len);
	sealed->len = buf.len;
	return CLV_OK;
}

clv_rc store_sealed_read(struct store *store, enum store_kind kind, int64_t row, bool *ret_found,
			 struct store_sealed *ret_sealed, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(
		store, (enum store_sql)(STORE_SQL_SEAL_HOME + (int) kind - STORE_KIND_HOME));
	CLV_AUTO_DONE(store_sealed_clear)
	struct store_sealed sealed = { .kind = kind, .row = row };

	store_bind_int(&run, ":row", row);
	CLV_TRY(store_step(&run, ret_found, err));
	if (!*ret_found)
		return CLV_OK;
	sealed.tree = store_read_int_or(&run, 0);
	store_read_text(&run, sealed.name, sizeof sealed.name);
	CLV_TRY(store_row_check(&run, err));
	CLV_TRY(read_columns(&run, &sealed, err));
	*ret_sealed = sealed;
	sealed.bytes = NULL;
	return CLV_OK;
}

/* ---- what only ends use ---- */

struct column {
	uint8_t type;
	const uint8_t *data;
	size_t len;
};

/* Of bytes that this file made. */
static size_t split(struct clv_bytes bytes, struct column columns[COLUMNS_MAX])
{
	const uint8_t *at = bytes.data + 1, *end = bytes.data + bytes.len;
	size_t n = 0;

	while (at < end && n < COLUMNS_MAX) {
		struct column *column = &columns[n++];

		*column = (struct column){ .type = *at++ };
		if (column->type == TYPE_INT) {
			column->len = 8;
		} else if (column->type != TYPE_NULL && end - at >= 4) {
			column->len = (size_t) get_number(at, 4);
			at += 4;
		}
		if (column->len > (size_t) (end - at))
			return 0;
		column->data = at;
		at += column->len;
	}
	return at == end ? n : 0;
}

static bool same(const struct column *a, const struct column *b)
{
	return a->type == b->type && a->len == b->len &&
	       (a->len == 0 || clv_same(a->data, b->data, a->len));
}

/* Columns of a version and of an import job, as statement.c lists them. */
enum { VERSION_STATE = 3, VERSION_BLOB = 9, VERSION_FIXED = 10 };
enum { JOB_STATE = 3, JOB_BLOB = 5, JOB_FIXED = 6 };
enum { DOCUMENT_NAME = 2, DOCUMENT_TEXT = 3 };
enum { EPOCH = 2 };
#define IDENTITY 2 /* the first columns never change */

static bool state_lowers(uint64_t before, uint64_t now)
{
	static const unsigned rank[] = { [CLV_STATE_ENABLED] = 4,
					 [CLV_STATE_DISABLED] = 3,
					 [CLV_STATE_DESTROY_SCHEDULED] = 2,
					 [CLV_STATE_DESTROYED] = 1 };

	return before < CLV_ARRAY_LEN(rank) && now < CLV_ARRAY_LEN(rank) && rank[now] > 0 &&
	       rank[now] < rank[before];
}

static bool gone_or_same(const struct column *before, const struct column *now)
{
	return now->type == TYPE_NULL || same(before, now);
}

static bool fixed_are_same(const struct column *before, const struct column *now, size_t from,
			   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((i < IDENTITY || i >= from) && !same(&before[i], &now[i]))
			return false;
	}
	return true;
}

static bool document_lowers(const struct store_sealer *sealer, const struct column *before,
			    const struct column *now)
{
	char *texts[2];
	bool only_removes;

	if (sealer == NULL || sealer->only_removes == NULL)
		return false;
	texts[0] = strndup((const char *) before[DOCUMENT_TEXT].data, before[DOCUMENT_TEXT].len);
	texts[1] = strndup((const char *) now[DOCUMENT_TEXT].data, now[DOCUMENT_TEXT].len);
	only_removes =
		texts[0] != NULL && texts[1] != NULL &&
		sealer->only_removes((int) get_number(before[0].data, 8), texts[0], texts[1]);
	free(texts[0]);
	free(texts[1]);
	return only_removes;
}

bool store_sealed_lowers(const struct store_sealer *sealer, enum store_kind kind,
			 struct clv_bytes before, struct clv_bytes now)
{
	struct column a[COLUMNS_MAX], b[COLUMNS_MAX];
	size_t n = split(before, a);

	if (n <= EPOCH || split(now, b) != n)
		return false;
	if (kind == STORE_KIND_EPOCH) /* it makes others read, and decides nothing */
		return fixed_are_same(a, b, n, n) &&
		       get_number(a[EPOCH].data, 8) < get_number(b[EPOCH].data, 8);
	if (n <= VERSION_STATE)
		return false;
	if (kind == STORE_KIND_VERSION)
		return fixed_are_same(a, b, VERSION_FIXED, n) &&
		       gone_or_same(&a[VERSION_BLOB], &b[VERSION_BLOB]) &&
		       state_lowers(get_number(a[VERSION_STATE].data, 8),
				    get_number(b[VERSION_STATE].data, 8));
	if (kind == STORE_KIND_JOB)
		return fixed_are_same(a, b, JOB_FIXED, n) && b[JOB_BLOB].type == TYPE_NULL &&
		       get_number(a[JOB_STATE].data, 8) == CLV_IMPORT_ACTIVE &&
		       get_number(b[JOB_STATE].data, 8) == CLV_IMPORT_EXPIRED;
	return kind == STORE_KIND_DOCUMENT && fixed_are_same(a, b, n, n) &&
	       same(&a[DOCUMENT_NAME], &b[DOCUMENT_NAME]) && document_lowers(sealer, a, b);
}
