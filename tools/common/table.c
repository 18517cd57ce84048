/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned tables that fit the terminal. Not for JSON, which has every field at full length. */
#include <string.h>

#include "tools/common/auto.h"
#include "tools/common/field.h"
#include "tools/common/out.h"

#define COLUMNS_MAX KMS_FORMAT_FIELDS_MAX /* of our own tables too */
#define CELL_MAX 512  /* bytes of one cell, with the final NUL; names have 352 */
#define WIDTH_LEAST 5 /* a name is never cut below this */
#define GAP 2         /* blanks between columns */

/* Copies what may be shown of `text`, whole characters only; returns how many they are. */
static unsigned show_into(char cell[CELL_MAX], const char *text)
{
	unsigned n = 0;
	size_t used = 0;
	char shown[5];

	while (*text != '\0' && used + sizeof shown <= CELL_MAX) {
		kms_show_char(&text, shown);
		memcpy(cell + used, shown, strlen(shown));
		used += strlen(shown);
		n++;
	}
	cell[used] = '\0';
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

/* The text of a cell; returns its width in characters. */
static unsigned cell_of(const json_t *item, const struct kms_column *column, char cell[CELL_MAX])
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
	return show_into(cell, column->last_part && slash != NULL ? slash + 1 : text);
}

static size_t measure(const json_t *list, const struct kms_column *columns,
		      unsigned widths[COLUMNS_MAX])
{
	char cell[CELL_MAX];
	size_t n = 0;

	for (; n < COLUMNS_MAX && columns[n].title != NULL; n++) {
		widths[n] = (unsigned) strlen(columns[n].title);
		for (size_t i = 0; i < json_array_size(list); i++) {
			unsigned w = cell_of(json_array_get(list, i), &columns[n], cell);

			widths[n] = w > widths[n] ? w : widths[n];
		}
	}
	return n;
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

/* Cuts to `width`. A name differs from its neighbours at its end, so the end is what is kept. */
static void cut(char cell[CELL_MAX], unsigned len, unsigned width)
{
	char kept[CELL_MAX];
	const char *at = cell;
	char shown[5];

	for (unsigned drop = len - width + 2; drop > 0; drop--)
		kms_show_char(&at, shown);
	snprintf(kept, sizeof kept, "..%s", at);
	memcpy(cell, kept, sizeof kept);
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

static void print_cell(struct sheet *sheet, size_t column, char cell[CELL_MAX], unsigned len,
		       const char *colour)
{
	unsigned width = sheet->widths[column];

	if (len > width)
		cut(cell, len, width);
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
	char cell[CELL_MAX];

	for (size_t c = 0; c < sheet->n; c++) {
		unsigned len = show_into(cell, columns[c].title);

		print_cell(sheet, c, cell, len, NULL);
	}
	end_line(sheet);
}

void kms_print_table(FILE *to, const json_t *list, const struct kms_column *columns,
		     struct kms_screen screen)
{
	struct sheet sheet = { .to = to, .colours = screen.colours };
	char cell[CELL_MAX];

	if (json_array_size(list) == 0)
		return;
	sheet.n = measure(list, columns, sheet.widths);
	squeeze(sheet.widths, sheet.n, columns, screen.width);
	print_titles(&sheet, columns);
	for (size_t i = 0; i < json_array_size(list); i++) {
		for (size_t c = 0; c < sheet.n; c++) {
			unsigned len = cell_of(json_array_get(list, i), &columns[c], cell);

			print_cell(&sheet, c, cell, len, colour_of(&sheet, &columns[c], cell));
		}
		end_line(&sheet);
	}
}
