/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligned tables that fit the terminal, of any length: a row waits as its cells, each ended by its
 * NUL. Not for JSON, which has every field at full length.
 */
#include <string.h>

#include "tools/common/auto.h"
#include "tools/common/field.h"
#include "tools/common/out.h"

#define COLUMNS_MAX KMS_FORMAT_FIELDS_MAX /* of our own tables too */
#define CELL_MAX 512  /* bytes of one cell, with the final NUL; names have 352 */
#define WIDTH_LEAST 5 /* a name is never cut below this */
#define GAP 2         /* blanks between columns */

KMS_DEFINE_AUTO(struct kms_pile, kms_pile_free);

/* Copies what may be shown of `text`, whole characters only. */
static void show_into(char cell[CELL_MAX], const char *text)
{
	size_t used = 0;
	char shown[5];

	while (*text != '\0' && used + sizeof shown <= CELL_MAX) {
		size_t len = kms_show_span(text), room = CELL_MAX - 1 - used;

		if (len > 0) {
			len = len < room ? len : room;
			memcpy(cell + used, text, len);
			text += len;
		} else {
			kms_show_char(&text, shown);
			len = strlen(shown);
			memcpy(cell + used, shown, len);
		}
		used += len;
	}
	cell[used] = '\0';
}

/* Characters of a cell: it is UTF-8. */
static unsigned width_of(const char *cell)
{
	unsigned n = 0;

	for (; *cell != '\0'; cell++)
		n += ((unsigned char) *cell & 0xc0) != 0x80;
	return n;
}

/* A map of texts, as labels are: "key=value,key=value", as much of it as fits. */
static void join(const json_t *map, char *text, size_t size)
{
	const char *key;
	json_t *value;
	size_t used = 0;

	text[0] = '\0';
	/* jansson's iterator wants a record that it could change; nothing is changed here. */
	json_object_foreach((json_t *) (uintptr_t) map, key, value)
	{
		if (used < size && json_is_string(value))
			used += (size_t) snprintf(text + used, size - used, "%s%s=%s",
						  used > 0 ? "," : "", key,
						  json_string_value(value));
	}
}

static void cell_of(const json_t *item, const struct kms_column *column, char cell[CELL_MAX])
{
	const json_t *value = kms_field_of(item, column->path);
	const char *text = json_string_value(value);
	const char *slash;
	char number[32], joined[CELL_MAX];

	if (json_is_object(value)) {
		join(value, joined, sizeof joined);
		text = joined;
	} else if (json_is_integer(value)) {
		snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		text = number;
	} else if (json_is_boolean(value)) {
		text = json_is_true(value) ? "yes" : "no";
	}
	if (text == NULL)
		text = "";
	slash = strrchr(text, '/');
	show_into(cell, column->last_part && slash != NULL ? slash + 1 : text);
}

void kms_put_row(FILE *to, const json_t *item, const struct kms_column *columns)
{
	char cell[CELL_MAX];

	for (size_t n = 0; n < COLUMNS_MAX && columns[n].title != NULL; n++) {
		cell_of(item, &columns[n], cell);
		fwrite(cell, 1, strlen(cell) + 1, to);
	}
}

/* How many columns there are, and how wide each is. */
static clv_rc measure(struct kms_pile *rows, const struct kms_column *columns,
		      unsigned widths[COLUMNS_MAX], size_t *ret_n, struct clv_err *err)
{
	const char *row;
	size_t n = 0, len;

	for (; n < COLUMNS_MAX && columns[n].title != NULL; n++)
		widths[n] = width_of(columns[n].title);
	CLV_TRY(kms_pile_begin(rows, err));
	CLV_TRY(kms_pile_next(rows, &row, &len, err));
	while (row != NULL) {
		for (size_t i = 0; i < n; i++) {
			unsigned w = width_of(row);

			widths[i] = w > widths[i] ? w : widths[i];
			row += strlen(row) + 1;
		}
		CLV_TRY(kms_pile_next(rows, &row, &len, err));
	}
	*ret_n = n;
	return CLV_OK;
}

static bool ends_in(const struct kms_column *column, const char *field)
{
	const char *dot = strrchr(column->path, '.');

	return strcmp(dot != NULL ? dot + 1 : column->path, field) == 0;
}

/* How narrow a column may become. Only a full name can be cut: of all else (a state, a time, an
 * algorithm) no part says what the whole does. */
static unsigned least_of(const struct kms_column *column, unsigned width)
{
	size_t title = strlen(column->title);

	if (column->last_part || !ends_in(column, "name"))
		return width;
	return title > WIDTH_LEAST ? (unsigned) title : WIDTH_LEAST;
}

/* Takes from the widest column that can be cut, one character at a time, until all of them fit. */
static void squeeze(unsigned widths[COLUMNS_MAX], size_t n, const struct kms_column *columns,
		    unsigned width)
{
	unsigned total = (unsigned) (n - 1) * GAP;
	unsigned least[COLUMNS_MAX];

	for (size_t i = 0; i < n; i++) {
		least[i] = least_of(&columns[i], widths[i]);
		total += widths[i];
	}
	while (width != 0 && total > width) {
		size_t widest = n;

		for (size_t i = 0; i < n; i++) {
			if (widths[i] > least[i] && (widest == n || widths[i] > widths[widest]))
				widest = i;
		}
		if (widest == n)
			return;
		widths[widest]--;
		total--;
	}
}

/* A table being printed. */
struct sheet {
	FILE *to;
	unsigned widths[COLUMNS_MAX];
	size_t n; /* columns */
	bool colours;
	unsigned blanks; /* owed before the next cell, so that no line ends in blanks */
};

/* A name differs from its neighbours at its end, so the end is what is kept. */
static const char *cut(char kept[CELL_MAX], const char *cell, unsigned len, unsigned width)
{
	char shown[5];

	for (unsigned drop = len - width + 2; drop > 0; drop--)
		kms_show_char(&cell, shown);
	snprintf(kept, CELL_MAX, "..%s", cell);
	return kept;
}

/* Of states: what can be used is green, what can come back yellow, what ends or is gone red. */
static const struct {
	const char *state;
	const char *colour; /* SGR parameters of ECMA-48 */
} colours[] = {
	{ "ENABLED", "32" },       { "ACTIVE", "32" },
	{ "DISABLED", "33" },      { "DESTROY_SCHEDULED", "31" },
	{ "DESTROYED", "31" },     { "EXPIRED", "31" },
	{ "IMPORT_FAILED", "31" }, { "GENERATION_FAILED", "31" },
};

/* NULL: none. */
static const char *colour_of(const struct sheet *sheet, const struct kms_column *column,
			     const char *cell)
{
	if (!sheet->colours || !ends_in(column, "state"))
		return NULL;
	for (size_t i = 0; i < KMS_ARRAY_LEN(colours); i++) {
		if (strcmp(colours[i].state, cell) == 0)
			return colours[i].colour;
	}
	return NULL;
}

static void print_cell(struct sheet *sheet, size_t column, const char *cell, const char *colour)
{
	unsigned width = sheet->widths[column], len = width_of(cell);
	char kept[CELL_MAX];

	if (len > width)
		cell = cut(kept, cell, len, width);
	if (len > 0)
		fprintf(sheet->to, "%*s%s%s%s%s%s", (int) sheet->blanks, "",
			colour != NULL ? "\33[" : "", colour != NULL ? colour : "",
			colour != NULL ? "m" : "", cell, colour != NULL ? "\33[0m" : "");
	sheet->blanks = (len > 0 ? 0 : sheet->blanks) + GAP;
	sheet->blanks += len < width ? width - len : 0;
}

static void end_line(struct sheet *sheet)
{
	fputc('\n', sheet->to);
	sheet->blanks = 0;
}

static void print_titles(struct sheet *sheet, const struct kms_column *columns)
{
	for (size_t c = 0; c < sheet->n; c++)
		print_cell(sheet, c, columns[c].title, NULL);
	end_line(sheet);
}

static void print_row(struct sheet *sheet, const struct kms_column *columns, const char *row)
{
	for (size_t c = 0; c < sheet->n; c++) {
		print_cell(sheet, c, row, colour_of(sheet, &columns[c], row));
		row += strlen(row) + 1;
	}
	end_line(sheet);
}

clv_rc kms_print_rows(FILE *to, struct kms_pile *rows, const struct kms_column *columns,
		      struct kms_screen screen, struct clv_err *err)
{
	struct sheet sheet = { .to = to, .colours = screen.colours };
	const char *row;
	size_t len;

	CLV_TRY(measure(rows, columns, sheet.widths, &sheet.n, err));
	squeeze(sheet.widths, sheet.n, columns, screen.width);
	CLV_TRY(kms_pile_begin(rows, err));
	CLV_TRY(kms_pile_next(rows, &row, &len, err));
	if (row != NULL)
		print_titles(&sheet, columns);
	/* What `to` could not take is its caller's to see; there is no use in going on. */
	while (row != NULL && !ferror(to)) {
		print_row(&sheet, columns, row);
		CLV_TRY(kms_pile_next(rows, &row, &len, err));
	}
	return CLV_OK;
}

static clv_rc add_row(struct kms_pile *rows, const json_t *item, const struct kms_column *columns,
		      struct clv_err *err)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	clv_rc rc;

	if (to != NULL)
		kms_put_row(to, item, columns);
	if (to == NULL || fclose(to) != 0)
		rc = clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the result");
	else
		rc = kms_pile_add(rows, item, text, len, err);
	free(text);
	return rc;
}

clv_rc kms_print_table(FILE *to, const json_t *list, const struct kms_column *columns,
		       struct kms_screen screen, struct clv_err *err)
{
	KMS_AUTO(kms_pile_free) struct kms_pile *rows = NULL;

	CLV_TRY(kms_pile_new(NULL, SIZE_MAX, &rows, err));
	for (size_t i = 0; i < json_array_size(list); i++)
		CLV_TRY(add_row(rows, json_array_get(list, i), columns, err));
	return kms_print_rows(to, rows, columns, screen, err);
}
