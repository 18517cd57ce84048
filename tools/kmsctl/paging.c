/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of any length, page by page, and what --filter, --sort-by and --limit leave of them. What
 * is printed item by item goes out as it comes; tables and sorted lists have to be whole first, and
 * are kept without the fields that nobody will see.
 */
#include <string.h>

#include "tools/common/field.h"
#include "tools/common/filter.h"
#include "tools/kmsctl/kmsctl.h"

#define SORT_EVERY 4096 /* items */

KMS_DEFINE_AUTO(struct kms_filter, kms_filter_free);

/* A list being made. */
struct listing {
	struct kms_run *run;
	const struct kms_pager *pager;
	const struct kms_column *columns;
	struct kms_filter *filter; /* NULL: everything */
	const char *order;         /* --sort-by, or NULL */
	size_t limit;              /* --limit */
	size_t n;                  /* items kept so far */
	json_t *items;             /* they, where the list has to be whole; else NULL */
	bool any;                  /* something was there to be filtered */
};

/* Every item begins with its resource name; the id is that name's last part. */
static const char *id_of(const char *item)
{
	const char *slash = strrchr(item, '/');

	return slash != NULL ? slash + 1 : item;
}

/* ---- how it is printed */

static bool names_only(const struct listing *listing)
{
	return kms_given(listing->run->args, "uri");
}

static bool is_table(const struct listing *listing)
{
	enum kms_form form = listing->run->out->format.form;

	return form == KMS_FORM_TABLE || (form == KMS_FORM_TEXT && !names_only(listing));
}

static clv_rc put_item(struct listing *listing, const json_t *record, struct clv_err *err)
{
	if (names_only(listing))
		record = json_object_get(record, "name");
	return kms_out_item(listing->run->out, record, err);
}

/* ---- what has to be kept of an item */

static bool begins_with(const char *field, const char *key)
{
	size_t len = strlen(key);

	return strncmp(field, key, len) == 0 && (field[len] == '\0' || field[len] == '.');
}

static bool is_shown(const struct listing *listing, const char *key)
{
	const struct kms_format *format = &listing->run->out->format;
	struct kms_format_field fields[KMS_FORMAT_FIELDS_MAX];
	size_t n = format->fields != NULL ? kms_format_fields(format, fields) : 0;

	if (format->form == KMS_FORM_TEXT) {
		for (const struct kms_column *c = listing->columns; c->title != NULL; c++) {
			if (begins_with(c->path, key))
				return true;
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (begins_with(fields[i].name, key))
			return true;
	}
	return strcmp(key, "name") == 0;
}

/* A million records with all their fields are two gigabytes. */
static void slim(const struct listing *listing, json_t *record)
{
	const char *key;
	json_t *value;
	void *next;

	if (listing->run->out->json)
		return;
	json_object_foreach_safe(record, next, key, value)
	{
		if (!is_shown(listing, key) &&
		    (listing->order == NULL || !kms_sort_has(listing->order, key)))
			json_object_del(record, key);
	}
}

/* ---- collecting */

/* Puts what is there into order, and leaves no more of it than is wanted. */
static clv_rc sort(struct listing *listing, struct clv_err *err)
{
	json_t *sorted = kms_sort(listing->items, listing->order);

	if (sorted == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the list");
	json_decref(listing->items);
	listing->items = sorted;
	while (json_array_size(sorted) > listing->limit)
		json_array_remove(sorted, json_array_size(sorted) - 1);
	return CLV_OK;
}

/* The first few of a million need no more room than a few thousand. */
static bool is_worth_sorting(const struct listing *listing)
{
	size_t n = json_array_size(listing->items);

	return listing->order != NULL && n >= SORT_EVERY && n / 2 >= listing->limit;
}

static clv_rc keep(struct listing *listing, json_t *record, struct clv_err *err)
{
	listing->n++;
	if (listing->items == NULL)
		return put_item(listing, record, err);
	slim(listing, record);
	if (json_array_append(listing->items, record) != 0)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the list");
	return is_worth_sorting(listing) ? sort(listing, err) : CLV_OK;
}

static clv_rc add_item(struct listing *listing, const void *item, struct clv_err *err)
{
	KMS_AUTO(kms_json_free) json_t *record = listing->pager->record(item);

	if (record == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the list");
	listing->any = true;
	if (listing->filter != NULL && !kms_filter_holds(listing->filter, record))
		return CLV_OK;
	return keep(listing, record, err);
}

/* Items that are still wanted: until they are sorted, all are. */
static size_t wanted(const struct listing *listing)
{
	return listing->order != NULL ? SIZE_MAX : listing->limit - listing->n;
}

static clv_rc add_page(struct listing *listing, char after[CLV_NAME_MAX], size_t limit,
		       size_t *ret_n, struct clv_err *err)
{
	const struct kms_pager *pager = listing->pager;
	KMS_AUTO(clv_page_free) void *items = NULL;
	const char *item = NULL;
	size_t n;

	CLV_TRY(pager->page(listing->run, after[0] != '\0' ? after : NULL, limit, &items, &n, err));
	for (size_t i = 0; i < n && wanted(listing) > 0; i++) {
		item = (const char *) items + i * pager->item_size;
		CLV_TRY(add_item(listing, item, err));
	}
	if (item != NULL)
		snprintf(after, CLV_NAME_MAX, "%s", id_of(item));
	*ret_n = n;
	return CLV_OK;
}

/* No page is larger than what is still wanted, unless the filter may throw some of it away. */
static size_t page_limit(const struct listing *listing)
{
	int64_t asked = kms_number(listing->run->args, "page-size", CLV_PAGE_MAX);
	size_t limit = asked < CLV_PAGE_MAX ? (size_t) asked : CLV_PAGE_MAX;

	return listing->filter == NULL && wanted(listing) < limit ? wanted(listing) : limit;
}

static clv_rc collect(struct listing *listing, struct clv_err *err)
{
	char after[CLV_NAME_MAX] = "";
	size_t limit, n;

	do {
		limit = page_limit(listing);
		CLV_TRY(add_page(listing, after, limit, &n, err));
	} while (n == limit && wanted(listing) > 0);
	return CLV_OK;
}

/* A field that no item has is most likely a slip, and the answer not what was meant. */
static void warn_of_unseen(const struct listing *listing)
{
	char misspelt[KMS_FIELD_MAX];
	const char *field;
	size_t at = 0;

	if (listing->order != NULL && json_array_size(listing->items) > 0 &&
	    kms_sort_unseen(listing->items, listing->order, misspelt))
		kms_out_warn(listing->run->out, "--sort-by: nothing here has a field %s", misspelt);
	if (listing->filter == NULL || !listing->any)
		return;
	while ((field = kms_filter_unseen(listing->filter, &at)) != NULL)
		kms_out_warn(listing->run->out, "--filter: nothing here has a field %s", field);
}

/* ---- what had to be whole */

static clv_rc hand_over(struct listing *listing, struct clv_err *err)
{
	if (listing->order != NULL)
		CLV_TRY(sort(listing, err));
	if (is_table(listing))
		return kms_out_list(listing->run->out, KMS_TAKE(listing->items), listing->columns,
				    err);
	for (size_t i = 0; i < json_array_size(listing->items); i++)
		CLV_TRY(put_item(listing, json_array_get(listing->items, i), err));
	return CLV_OK;
}

static clv_rc list(struct listing *listing, struct clv_err *err)
{
	if (!is_table(listing))
		kms_out_stream(listing->run->out);
	if (is_table(listing) || listing->order != NULL) {
		listing->items = json_array();
		if (listing->items == NULL)
			return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the list");
	}
	CLV_TRY(collect(listing, err));
	warn_of_unseen(listing);
	return hand_over(listing, err);
}

clv_rc kms_list(struct kms_run *run, const struct kms_pager *pager,
		const struct kms_column *columns, struct clv_err *err)
{
	KMS_AUTO(kms_filter_free) struct kms_filter *filter = NULL;
	const char *expression = kms_text(run->args, "filter");
	struct listing listing = {
		.run = run,
		.pager = pager,
		.columns = columns,
		.order = kms_text(run->args, "sort-by"),
		.limit = (size_t) kms_number(run->args, "limit", INT64_MAX),
	};
	clv_rc rc;

	if (kms_given(run->args, "uri") && run->out->format.fields != NULL)
		return kms_usage(run->args, err, "--uri prints names: no --format with fields");
	if (expression != NULL && expression[0] != '\0')
		CLV_TRY(kms_filter_parse(expression, &filter, err));
	listing.filter = filter;
	rc = list(&listing, err);
	json_decref(listing.items);
	return rc;
}
