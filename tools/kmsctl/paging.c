/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of any length, page by page, and what --filter, --sort-by and --limit leave of them. */
#include <string.h>

#include "tools/common/field.h"
#include "tools/common/filter.h"
#include "tools/kmsctl/kmsctl.h"

KMS_DEFINE_AUTO(struct kms_filter, kms_filter_free);

/* A list being made. */
struct listing {
	struct kms_run *run;
	const struct kms_pager *pager;
	struct kms_filter *filter; /* NULL: everything */
	size_t most;               /* items to keep; SIZE_MAX until they are sorted */
	json_t *items;             /* NULL: no memory */
	bool any;                  /* something was there to be filtered */
};

/* Every item begins with its resource name; the id is that name's last part. */
static const char *id_of(const char *item)
{
	const char *slash = strrchr(item, '/');

	return slash != NULL ? slash + 1 : item;
}

static void add_item(struct listing *listing, const void *item)
{
	KMS_AUTO(kms_json_free) json_t *record = listing->pager->record(item);

	listing->any = true;
	if (record == NULL || listing->filter == NULL || kms_filter_holds(listing->filter, record))
		kms_append(&listing->items, KMS_TAKE(record));
}

static clv_rc add_page(struct listing *listing, char after[CLV_NAME_MAX], size_t limit,
		       size_t *ret_n, struct clv_err *err)
{
	const struct kms_pager *pager = listing->pager;
	KMS_AUTO(clv_page_free) void *items = NULL;
	const char *item = NULL;
	size_t n;

	CLV_TRY(pager->page(listing->run, after[0] != '\0' ? after : NULL, limit, &items, &n, err));
	for (size_t i = 0; i < n && json_array_size(listing->items) < listing->most; i++) {
		item = (const char *) items + i * pager->item_size;
		add_item(listing, item);
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
	size_t left = listing->most - json_array_size(listing->items);

	return listing->filter == NULL && left < limit ? left : limit;
}

static clv_rc collect(struct listing *listing, struct clv_err *err)
{
	char after[CLV_NAME_MAX] = "";
	size_t limit, n;

	do {
		limit = page_limit(listing);
		CLV_TRY(add_page(listing, after, limit, &n, err));
	} while (n == limit && json_array_size(listing->items) < listing->most);
	return CLV_OK;
}

/* A field that no item has is most likely a slip, and the answer not what was meant. */
static void warn_of_unseen(const struct listing *listing)
{
	const char *field;
	size_t at = 0;

	if (listing->filter == NULL || !listing->any)
		return;
	while ((field = kms_filter_unseen(listing->filter, &at)) != NULL)
		kms_out_warn(listing->run->out, "--filter: nothing here has a field %s", field);
}

/* ---- the result */

static json_t *cut_to(json_t *list, size_t most)
{
	while (json_array_size(list) > most)
		json_array_remove(list, json_array_size(list) - 1);
	return list;
}

static clv_rc hand_over_names(struct kms_run *run, const json_t *list, struct clv_err *err)
{
	json_t *names = json_array();

	for (size_t i = 0; i < json_array_size(list); i++)
		kms_append(&names, json_incref(json_object_get(json_array_get(list, i), "name")));
	return kms_out_names(run->out, names, err);
}

static clv_rc hand_over(struct listing *listing, const struct kms_column *columns,
			struct clv_err *err)
{
	const char *order = kms_text(listing->run->args, "sort-by");
	KMS_AUTO(kms_json_free) json_t *list = KMS_TAKE(listing->items);

	if (order != NULL) {
		json_t *sorted = kms_sort(list, order);

		json_decref(list);
		list = cut_to(sorted, (size_t) kms_number(listing->run->args, "limit", INT64_MAX));
	}
	if (kms_given(listing->run->args, "uri"))
		return hand_over_names(listing->run, list, err);
	return kms_out_list(listing->run->out, KMS_TAKE(list), columns, err);
}

clv_rc kms_list(struct kms_run *run, const struct kms_pager *pager,
		const struct kms_column *columns, struct clv_err *err)
{
	KMS_AUTO(kms_filter_free) struct kms_filter *filter = NULL;
	const char *expression = kms_text(run->args, "filter");
	struct listing listing = { .run = run, .pager = pager, .most = SIZE_MAX };
	clv_rc rc;

	if (kms_given(run->args, "uri") && run->out->format.form == KMS_FORM_VALUE)
		return kms_usage(run->args, err, "--uri prints names: no --format=value(...)");
	if (expression != NULL)
		CLV_TRY(kms_filter_parse(expression, &filter, err));
	if (!kms_given(run->args, "sort-by"))
		listing.most = (size_t) kms_number(run->args, "limit", INT64_MAX);
	listing.filter = filter;
	listing.items = json_array();
	rc = collect(&listing, err);
	if (rc == CLV_OK) {
		warn_of_unseen(&listing);
		rc = hand_over(&listing, columns, err);
	}
	json_decref(listing.items);
	return rc;
}
