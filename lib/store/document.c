/* SPDX-License-Identifier: Apache-2.0 */
/* Policy documents, as text. What they say is lib/policy's business. */
#include <stdlib.h>
#include <string.h>

#include "lib/store/impl.h"
#include "lib/base/banned.h"

#define KIND_MAX 99 /* as the schema has it */

void store_document_clear(struct store_document *document)
{
	free(document->text);
	*document = (struct store_document){ 0 };
}

void store_documents_clear(struct store_documents *documents)
{
	for (size_t i = 0; i < documents->n; i++)
		store_document_clear(&documents->rows[i]);
	free(documents->rows);
	*documents = (struct store_documents){ 0 };
}

static clv_rc no_memory(struct clv_err *err)
{
	return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for policy documents");
}

static clv_rc read_document(struct store_run *run, struct store_document *ret_document,
			    struct clv_err *err)
{
	CLV_AUTO_DONE(store_document_clear) struct store_document document = { 0 };
	size_t size = STORE_DOCUMENT_MAX + 1;

	document.row = store_read_int(run);
	document.row_version = store_read_int(run);
	document.kind = store_read_enum(run, INT_MAX);
	store_read_text(run, document.name, sizeof document.name);
	document.text = store_read_text_new(run, size, &document.len);
	document.update_time = store_read_int(run);
	store_read_text(run, document.update_principal, sizeof document.update_principal);
	CLV_TRY(store_row_check(run, err));
	if (document.text == NULL)
		return no_memory(err);
	CLV_TRY(store_seal_check_leaf(run->store, STORE_KIND_DOCUMENT, document.row, err));
	*ret_document = document;
	document.text = NULL;
	return CLV_OK;
}

/* All documents of a kind are in one bucket, so that one that is gone shows in each. */
static clv_rc check_kind(struct store *store, int kind, struct clv_err *err)
{
	int64_t tree;
	unsigned bucket;

	CLV_TRY(store_common_tree(store, &tree, err));
	CLV_TRY(store_bucket_of(STORE_KIND_DOCUMENT, kind, 0, NULL, &bucket, err));
	return store_seal_check_bucket(store, tree, bucket, err);
}

static clv_rc absent(struct store *store, int kind, const char *name, struct clv_err *err)
{
	CLV_TRY(check_kind(store, kind, err));
	return clv_fail(err, CLV_E_NOT_FOUND, "Document %s not found.", name);
}

clv_rc store_document_get(struct store *store, int kind, const char *name,
			  struct store_document *ret_document, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_DOCUMENT_GET);
	bool found;

	CLV_TRY(store_look_begin(&look, store, err));
	store_bind_int(&run, ":kind", kind);
	store_bind_text(&run, ":name", name);
	CLV_TRY(store_step(&run, &found, err));
	if (!found)
		return absent(store, kind, name, err);
	CLV_TRY(check_kind(store, kind, err));
	return read_document(&run, ret_document, err);
}

/* Room for one more. */
static clv_rc grow(struct store_documents *documents, struct clv_err *err)
{
	size_t n = documents->n;
	struct store_document *rows;

	if ((n & (n - 1)) != 0) /* there is room up to the next power of two */
		return CLV_OK;
	rows = reallocarray(documents->rows, n > 0 ? 2 * n : 1, sizeof *rows);
	if (rows == NULL)
		return no_memory(err);
	documents->rows = rows;
	return CLV_OK;
}

clv_rc store_document_list(struct store *store, int kind, struct store_documents *ret_documents,
			   struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	CLV_AUTO_DONE(store_documents_clear) struct store_documents documents = { 0 };
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_DOCUMENT_LIST);
	bool found;

	CLV_TRY(store_look_begin(&look, store, err));
	store_bind_int(&run, ":from", kind);
	store_bind_int(&run, ":to", kind > 0 ? kind : INT_MAX);
	for (;;) {
		CLV_TRY(store_step(&run, &found, err));
		if (!found)
			break;
		CLV_TRY(grow(&documents, err));
		CLV_TRY(read_document(&run, &documents.rows[documents.n], err));
		documents.n++;
	}
	for (int i = kind > 0 ? kind : 1; i <= (kind > 0 ? kind : KIND_MAX); i++)
		CLV_TRY(check_kind(store, i, err));
	*ret_documents = documents;
	documents = (struct store_documents){ 0 };
	return CLV_OK;
}

static clv_rc read_epoch(struct store *store, int64_t *ret_epoch, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_EPOCH_GET);
	int64_t epoch;
	bool found;

	CLV_TRY(store_step(&run, &found, err));
	if (!found)
		return store_fail(store->path, NULL, SQLITE_CORRUPT, "reading the policy epoch",
				  err);
	epoch = store_read_int(&run);
	CLV_TRY(store_row_check(&run, err));
	*ret_epoch = epoch;
	return CLV_OK;
}

clv_rc store_policy_epoch_get(struct store *store, int64_t *ret_epoch, struct clv_err *err)
{
	CLV_AUTO_DONE(store_look_end) struct store_look look = { 0 };
	int64_t epoch;

	CLV_TRY(store_look_begin(&look, store, err));
	CLV_TRY(read_epoch(store, &epoch, err));
	CLV_TRY(store_seal_check(store, STORE_KIND_EPOCH, 1, err));
	*ret_epoch = epoch;
	return CLV_OK;
}

static clv_rc next_epoch(struct store *store, int64_t *ret_epoch, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_EPOCH_NEXT);

	CLV_TRY(store_seal_keep(store, STORE_KIND_EPOCH, 1, err));
	CLV_TRY(store_step_done(&run, err));
	return read_epoch(store, ret_epoch, err);
}

/* What stands there now, and is kept, inside a change: 0 for nothing. */
static clv_rc row_version_of(struct store *store, int kind, const char *name,
			     int64_t *ret_row_version, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_DOCUMENT_ROW_VERSION);
	int64_t row;
	bool found;

	store_bind_int(&run, ":kind", kind);
	store_bind_text(&run, ":name", name);
	CLV_TRY(store_step(&run, &found, err));
	*ret_row_version = found ? store_read_int(&run) : 0;
	if (!found)
		return CLV_OK;
	row = store_read_int(&run);
	CLV_TRY(store_row_check(&run, err));
	return store_seal_keep(store, STORE_KIND_DOCUMENT, row, err);
}

static clv_rc expect(int64_t there, int64_t expected, struct clv_err *err)
{
	if (expected == STORE_WHATEVER || there == expected)
		return CLV_OK;
	return clv_fail(err, CLV_E_ABORTED,
			"There were concurrent policy changes. Please retry the whole "
			"read-modify-write with exponential backoff.");
}

static clv_rc write_document(struct store *store, const struct store_document *document,
			     const char *text, int64_t row_version, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_DOCUMENT_PUT);

	store_bind_int(&run, ":row_version", row_version);
	store_bind_int(&run, ":kind", document->kind);
	store_bind_text(&run, ":name", document->name);
	store_bind_text(&run, ":text", text);
	store_bind_int(&run, ":update_time", document->update_time);
	store_bind_text(&run, ":update_principal", document->update_principal);
	return store_step_done(&run, err);
}

clv_rc store_document_put(struct store *store, const struct clv_grant *grant,
			  const struct store_document *document, const char *text, int64_t expected,
			  int64_t *ret_row_version, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };
	int64_t there, epoch;

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(row_version_of(store, document->kind, document->name, &there, err));
	CLV_TRY(expect(there, expected, err));
	CLV_TRY(next_epoch(store, &epoch, err));
	CLV_TRY(write_document(store, document, text, epoch, err));
	CLV_TRY(store_change_commit(&change, err));
	*ret_row_version = epoch;
	return CLV_OK;
}

static clv_rc delete_document(struct store *store, int kind, const char *name, struct clv_err *err)
{
	CLV_AUTO_DONE(store_run_done)
	struct store_run run = store_run_begin(store, STORE_SQL_DOCUMENT_DELETE);

	store_bind_int(&run, ":kind", kind);
	store_bind_text(&run, ":name", name);
	return store_step_done(&run, err);
}

clv_rc store_document_remove(struct store *store, const struct clv_grant *grant, int kind,
			     const char *name, int64_t expected, struct clv_err *err)
{
	CLV_AUTO_DONE(store_change_end) struct store_change change = { 0 };
	int64_t there, epoch;

	CLV_TRY(store_change_begin(&change, store, grant, err));
	CLV_TRY(row_version_of(store, kind, name, &there, err));
	if (there == 0)
		return clv_fail(err, CLV_E_NOT_FOUND, "Document %s not found.", name);
	CLV_TRY(expect(there, expected, err));
	CLV_TRY(next_epoch(store, &epoch, err));
	CLV_TRY(delete_document(store, kind, name, err));
	return store_change_commit(&change, err);
}
