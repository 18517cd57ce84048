/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An external merge sort. A row is kept as a head, the texts that it is sorted by, and its own
 * text; it looks the same in memory and in the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/common/auto.h"
#include "tools/common/pile.h"
#include "tools/common/spool.h"

#define ROWS_LEAST 65536 /* bytes of memory to begin with */
#define READ_LEAST 4096  /* bytes read at once of one part */
#define READ_MOST 262144 /* likewise */
#define NOT_THERE '\0'   /* instead of a text to sort by, and before one: */
#define IS_THERE '\1'

/* A field of the order. */
struct field {
	char name[KMS_FIELD_MAX];
	bool falling;
	bool seen; /* some item had it */
};

struct head {
	size_t keys, text; /* bytes of them */
	uint64_t at;       /* how many came before */
};

/* A row as it stands somewhere. */
struct row {
	const char *start; /* of its head */
	const char *text;
	struct head head;
	struct kms_operand *keys; /* one for each field; they borrow from the row */
};

/* A part that was sorted, in the file. */
struct part {
	off_t begin, end, at; /* at: behind what was read */
	char *buf;            /* owned */
	size_t size, used, filled;
	struct row row; /* the first one that was not handed out */
};

struct kms_pile {
	struct field *fields; /* owned */
	size_t n_fields;
	size_t limit;
	uint64_t n;  /* rows that were added */
	char *rows;  /* owned: those that are in no part */
	size_t size; /* bytes of it */
	size_t used; /* likewise */
	size_t n_rows;

	FILE *file;         /* owned; NULL while all is in memory */
	struct part *parts; /* owned */
	size_t n_parts, max_parts;

	/* Handing out. */
	size_t n_out;
	struct row *sorted;       /* owned; of what is in memory */
	struct kms_operand *keys; /* owned: of `sorted`, or of the parts */
	struct part **heap;       /* owned: parts that have a row, the first of all rows on top */
	size_t n_heap;
	bool top_is_out; /* the row on top was handed out */
};

static clv_rc no_memory(struct clv_err *err)
{
	return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the list");
}

/* ---- making one */

static clv_rc read_order(struct kms_pile *pile, const char *order, struct clv_err *err)
{
	size_t n = 1, len;
	bool falling;

	if (order == NULL)
		return CLV_OK;
	for (const char *at = order; *at != '\0'; at++)
		n += *at == ',';
	pile->fields = calloc(n, sizeof *pile->fields);
	if (pile->fields == NULL)
		return no_memory(err);
	while (pile->n_fields < n && (len = kms_sort_span(order, &falling)) != 0) {
		struct field *field = &pile->fields[pile->n_fields++];

		field->falling = falling;
		order += falling;
		snprintf(field->name, sizeof field->name, "%.*s", (int) len, order);
		order += len;
		order += *order == ',';
	}
	return CLV_OK;
}

KMS_DEFINE_AUTO(struct kms_pile, kms_pile_free);

clv_rc kms_pile_new(const char *order, size_t limit, struct kms_pile **ret_pile,
		    struct clv_err *err)
{
	KMS_AUTO(kms_pile_free) struct kms_pile *pile = calloc(1, sizeof *pile);

	if (pile == NULL)
		return no_memory(err);
	pile->limit = limit;
	CLV_TRY(read_order(pile, order, err));
	*ret_pile = KMS_TAKE(pile);
	return CLV_OK;
}

static void forget_rows(struct kms_pile *pile)
{
	free(pile->sorted);
	free(pile->keys);
	pile->sorted = NULL;
	pile->keys = NULL;
}

struct kms_pile *kms_pile_free(struct kms_pile *pile)
{
	if (pile == NULL)
		return NULL;
	for (size_t i = 0; i < pile->n_parts; i++)
		free(pile->parts[i].buf);
	if (pile->file != NULL)
		fclose(pile->file);
	forget_rows(pile);
	free(pile->parts);
	free(pile->heap);
	free(pile->rows);
	free(pile->fields);
	free(pile);
	return NULL;
}

/* ---- rows */

/* The row that stands at `start`, whole. `keys` has room for those of one row. */
static void read_row(const struct kms_pile *pile, const char *start, struct kms_operand *keys,
		     struct row *ret_row)
{
	const char *at = start + sizeof(struct head);

	ret_row->start = start;
	ret_row->keys = keys;
	memcpy(&ret_row->head, start, sizeof ret_row->head);
	ret_row->text = at + ret_row->head.keys;
	for (size_t i = 0; i < pile->n_fields; i++) {
		bool there = *at++ == IS_THERE;

		kms_operand_read(there ? at : NULL, &keys[i]);
		at += there ? strlen(at) + 1 : 0;
	}
}

static size_t bytes_of(const struct head *head)
{
	return sizeof *head + head->keys + head->text;
}

/* What one more row takes while the rows are being sorted. */
static size_t places_of_one(const struct kms_pile *pile)
{
	return sizeof(struct row) + pile->n_fields * sizeof(struct kms_operand);
}

static int compare_keys(const struct kms_operand *a, const struct kms_operand *b)
{
	if (a->text == NULL || b->text == NULL)
		return (a->text != NULL) - (b->text != NULL);
	return kms_operand_compare(a, b, false);
}

static int compare_rows(const void *p, const void *q, void *arg)
{
	const struct kms_pile *pile = arg;
	const struct row *a = p, *b = q;

	for (size_t i = 0; i < pile->n_fields; i++) {
		int way = compare_keys(&a->keys[i], &b->keys[i]);

		if (way != 0)
			return pile->fields[i].falling ? -way : way;
	}
	return (a->head.at > b->head.at) - (a->head.at < b->head.at);
}

/* What is in memory, in order, into pile->sorted. */
static clv_rc sort_rows(struct kms_pile *pile, struct clv_err *err)
{
	const char *at = pile->rows;

	pile->sorted = calloc(pile->n_rows + 1, sizeof *pile->sorted);
	pile->keys = calloc(pile->n_rows * pile->n_fields + 1, sizeof *pile->keys);
	if (pile->sorted == NULL || pile->keys == NULL)
		return no_memory(err);
	for (size_t i = 0; i < pile->n_rows; i++) {
		read_row(pile, at, pile->keys + i * pile->n_fields, &pile->sorted[i]);
		at += bytes_of(&pile->sorted[i].head);
	}
	if (pile->n_fields > 0)
		qsort_r(pile->sorted, pile->n_rows, sizeof *pile->sorted, compare_rows, pile);
	return CLV_OK;
}

/* ---- into the file */

static clv_rc add_part(struct kms_pile *pile, struct clv_err *err)
{
	if (pile->n_parts == pile->max_parts) {
		size_t max = pile->max_parts > 0 ? 2 * pile->max_parts : 16;
		struct part *parts = reallocarray(pile->parts, max, sizeof *parts);

		if (parts == NULL)
			return no_memory(err);
		pile->parts = parts;
		pile->max_parts = max;
	}
	pile->parts[pile->n_parts++] = (struct part){ .begin = ftello(pile->file) };
	return CLV_OK;
}

static clv_rc write_rows(struct kms_pile *pile, struct clv_err *err)
{
	size_t n = pile->n_rows < pile->limit ? pile->n_rows : pile->limit;

	if (pile->file == NULL && (pile->file = tmpfile()) == NULL)
		return kms_spool_failed(errno, err);
	CLV_TRY(add_part(pile, err));
	for (size_t i = 0; i < n; i++) {
		size_t len = bytes_of(&pile->sorted[i].head);

		if (fwrite(pile->sorted[i].start, 1, len, pile->file) != len)
			return kms_spool_failed(errno, err);
	}
	if (fflush(pile->file) != 0)
		return kms_spool_failed(errno, err);
	pile->parts[pile->n_parts - 1].end = ftello(pile->file);
	return CLV_OK;
}

/* What is in memory becomes a part. */
static clv_rc spill(struct kms_pile *pile, struct clv_err *err)
{
	clv_rc rc = sort_rows(pile, err);

	if (rc == CLV_OK)
		rc = write_rows(pile, err);
	forget_rows(pile);
	pile->used = 0;
	pile->n_rows = 0;
	return rc;
}

/* ---- adding */

static clv_rc make_room(struct kms_pile *pile, size_t len, struct clv_err *err)
{
	size_t size = pile->size > 0 ? pile->size : ROWS_LEAST;
	char *rows;

	while (size - pile->used < len)
		size *= 2;
	if (size == pile->size)
		return CLV_OK;
	rows = realloc(pile->rows, size);
	if (rows == NULL)
		return no_memory(err);
	pile->rows = rows;
	pile->size = size;
	return CLV_OK;
}

/* Writes the texts that the item is sorted by to `to`, or only counts; returns their bytes. */
static size_t put_keys(struct kms_pile *pile, const json_t *item, char *to)
{
	size_t used = 0;

	for (size_t i = 0; i < pile->n_fields; i++) {
		const json_t *value = kms_field_of(item, pile->fields[i].name);
		char number[32];
		const char *text = kms_field_text(value, number);
		size_t len = text != NULL ? strlen(text) + 1 : 0;

		pile->fields[i].seen = pile->fields[i].seen || value != NULL;
		if (to != NULL)
			to[used] = text != NULL ? IS_THERE : NOT_THERE;
		used++;
		if (to != NULL && text != NULL)
			memcpy(to + used, text, len);
		used += len;
	}
	return used;
}

clv_rc kms_pile_add(struct kms_pile *pile, const json_t *item, const char *text, size_t len,
		    struct clv_err *err)
{
	struct head head = { .keys = put_keys(pile, item, NULL), .text = len, .at = pile->n };
	size_t all = bytes_of(&head);
	char *to;

	if (pile->n_rows > 0 &&
	    pile->used + all + (pile->n_rows + 1) * places_of_one(pile) > KMS_PILE_MEMORY)
		CLV_TRY(spill(pile, err));
	CLV_TRY(make_room(pile, all, err));
	to = pile->rows + pile->used;
	memcpy(to, &head, sizeof head);
	put_keys(pile, item, to + sizeof head);
	if (len > 0)
		memcpy(to + sizeof head + head.keys, text, len);
	pile->used += all;
	pile->n_rows++;
	pile->n++;
	return CLV_OK;
}

bool kms_pile_unseen(const struct kms_pile *pile, char field[KMS_FIELD_MAX])
{
	for (size_t i = 0; i < pile->n_fields; i++) {
		if (pile->fields[i].seen)
			continue;
		memcpy(field, pile->fields[i].name, KMS_FIELD_MAX);
		return true;
	}
	return false;
}

/* ---- out of the file */

/* Makes sure that the next `len` bytes of a part stand in its buffer. */
static clv_rc fill(const struct kms_pile *pile, struct part *part, size_t len, struct clv_err *err)
{
	if (part->filled - part->used >= len)
		return CLV_OK;
	memmove(part->buf, part->buf + part->used, part->filled - part->used);
	part->filled -= part->used;
	part->used = 0;
	if (len > part->size) {
		char *buf = realloc(part->buf, len);

		if (buf == NULL)
			return no_memory(err);
		part->buf = buf;
		part->size = len;
	}
	while (part->filled < len) {
		size_t room = part->size - part->filled;
		size_t left = (size_t) (part->end - part->at);
		ssize_t n = pread(fileno(pile->file), part->buf + part->filled,
				  left < room ? left : room, part->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return kms_spool_failed(n < 0 ? errno : EIO, err);
		part->filled += (size_t) n;
		part->at += n;
	}
	return CLV_OK;
}

/* The next row of a part. */
static clv_rc take_row(const struct kms_pile *pile, struct part *part, bool *ret_there,
		       struct clv_err *err)
{
	struct head head;

	*ret_there = part->used < part->filled || part->at < part->end;
	if (!*ret_there)
		return CLV_OK;
	CLV_TRY(fill(pile, part, sizeof head, err));
	memcpy(&head, part->buf + part->used, sizeof head);
	CLV_TRY(fill(pile, part, bytes_of(&head), err));
	read_row(pile, part->buf + part->used, part->row.keys, &part->row);
	part->used += bytes_of(&head);
	return CLV_OK;
}

/* Lets the part at `i` of the heap sink to its place. */
static void sink(struct kms_pile *pile, size_t i)
{
	for (;;) {
		size_t first = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < pile->n_heap;
		     child++) {
			if (compare_rows(&pile->heap[child]->row, &pile->heap[first]->row, pile) <
			    0)
				first = child;
		}
		if (first == i)
			return;
		struct part *part = pile->heap[i];

		pile->heap[i] = pile->heap[first];
		pile->heap[first] = part;
		i = first;
	}
}

static clv_rc make_readers(struct kms_pile *pile, struct clv_err *err)
{
	size_t size = KMS_PILE_MEMORY / pile->n_parts;

	size = size < READ_LEAST ? READ_LEAST : size > READ_MOST ? READ_MOST : size;
	pile->heap = calloc(pile->n_parts, sizeof *pile->heap);
	pile->keys = calloc(pile->n_parts * pile->n_fields + 1, sizeof *pile->keys);
	if (pile->heap == NULL || pile->keys == NULL)
		return no_memory(err);
	for (size_t i = 0; i < pile->n_parts; i++) {
		pile->parts[i].row.keys = pile->keys + i * pile->n_fields;
		pile->parts[i].size = size;
		pile->parts[i].buf = malloc(size);
		if (pile->parts[i].buf == NULL)
			return no_memory(err);
	}
	return CLV_OK;
}

static clv_rc begin_merge(struct kms_pile *pile, struct clv_err *err)
{
	if (pile->n_rows > 0)
		CLV_TRY(spill(pile, err));
	free(pile->rows);
	pile->rows = NULL;
	pile->size = 0;
	if (pile->heap == NULL)
		CLV_TRY(make_readers(pile, err));
	pile->n_heap = 0;
	pile->top_is_out = false;
	for (size_t i = 0; i < pile->n_parts; i++) {
		struct part *part = &pile->parts[i];
		bool there;

		part->at = part->begin;
		part->used = part->filled = 0;
		CLV_TRY(take_row(pile, part, &there, err));
		if (there)
			pile->heap[pile->n_heap++] = part;
	}
	for (size_t i = pile->n_heap; i-- > 0;)
		sink(pile, i);
	return CLV_OK;
}

/* The row on top makes way for the next of its part. */
static clv_rc drop_top(struct kms_pile *pile, struct clv_err *err)
{
	bool there;

	CLV_TRY(take_row(pile, pile->heap[0], &there, err));
	if (!there)
		pile->heap[0] = pile->heap[--pile->n_heap];
	sink(pile, 0);
	return CLV_OK;
}

/* ---- handing out */

clv_rc kms_pile_begin(struct kms_pile *pile, struct clv_err *err)
{
	pile->n_out = 0;
	if (pile->file != NULL)
		return begin_merge(pile, err);
	return pile->sorted == NULL ? sort_rows(pile, err) : CLV_OK;
}

clv_rc kms_pile_next(struct kms_pile *pile, const char **ret_text, size_t *ret_len,
		     struct clv_err *err)
{
	const struct row *row = NULL;

	if (pile->top_is_out)
		CLV_TRY(drop_top(pile, err));
	pile->top_is_out = false;
	if (pile->n_out < pile->limit && pile->file == NULL && pile->n_out < pile->n_rows)
		row = &pile->sorted[pile->n_out];
	if (pile->n_out < pile->limit && pile->file != NULL && pile->n_heap > 0) {
		row = &pile->heap[0]->row;
		pile->top_is_out = true;
	}
	pile->n_out += row != NULL;
	*ret_text = row != NULL ? row->text : NULL;
	*ret_len = row != NULL ? row->head.text : 0;
	return CLV_OK;
}
