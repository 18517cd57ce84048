/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of any length, page by page, and what --filter, --sort-by and --limit leave of them. Where
 * the items wait until all of them are there is for run->out to say.
 */
#include <string.h>

#include "tools/common/filter.h"
#include "tools/kmsctl/kmsctl.h"

KMS_DEFINE_AUTO(struct kms_filter, kms_filter_free);

/* A list being made. */
struct listing {
	struct kms_run *run;
	const struct kms_pager *pager;
	struct kms_filter *filter; /* NULL: everything */
	struct kms_stream stream;  /* --sort-by, --limit, --uri */
	size_t n;                  /* items kept so far */
	bool any;                  /* something was there to be filtered */
};

/* Every item begins with its resource name; the id is that name's last part. */
static const char *id_of(const char *item)
{
	const char *slash = strrchr(item, '/');

	return slash != NULL ? slash + 1 : item;
}

/* ---- collecting */

static clv_rc add_item(struct listing *listing, const void *item, struct clv_err *err)
{
	KMS_AUTO(kms_json_free) json_t *record = listing->pager->record(item);

	if (record == NULL)
		return clv_fail(err, CLV_E_RESOURCE_EXHAUSTED, "no memory for the list");
	listing->any = true;
	if (listing->filter != NULL && !kms_filter_holds(listing->filter, record))
		return CLV_OK;
	listing->n++;
	return kms_out_item(listing->run->out, record, err);
}

/* Items that are still wanted: until they are sorted, all are. */
static size_t wanted(const struct listing *listing)
{
	return listing->stream.order != NULL ? SIZE_MAX : listing->stream.limit - listing->n;
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
	const struct kms_pile *pile = listing->run->out->pile;
	char misspelt[KMS_FIELD_MAX];
	const char *field;
	size_t at = 0;

	if (listing->n > 0 && pile != NULL && kms_pile_unseen(pile, misspelt))
		kms_out_warn(listing->run->out, "--sort-by: nothing here has a field %s", misspelt);
	if (listing->filter == NULL || !listing->any)
		return;
	while ((field = kms_filter_unseen(listing->filter, &at)) != NULL)
		kms_out_warn(listing->run->out, "--filter: nothing here has a field %s", field);
}

clv_rc kms_list(struct kms_run *run, const struct kms_pager *pager,
		const struct kms_column *columns, struct clv_err *err)
{
	KMS_AUTO(kms_filter_free) struct kms_filter *filter = NULL;
	const char *expression = kms_text(run->args, "filter");
	struct listing listing = {
		.run = run,
		.pager = pager,
		.stream = { .columns = columns,
			    .names = kms_given(run->args, "uri"),
			    .order = kms_text(run->args, "sort-by"),
			    .limit = (size_t) kms_number(run->args, "limit", INT64_MAX) },
	};

	if (listing.stream.names && run->out->format.fields != NULL)
		return kms_usage(run->args, err, "--uri prints names: no --format with fields");
	if (expression != NULL && expression[0] != '\0')
		CLV_TRY(kms_filter_parse(expression, &filter, err));
	listing.filter = filter;
	CLV_TRY(kms_out_stream(run->out, &listing.stream, err));
	CLV_TRY(collect(&listing, err));
	warn_of_unseen(&listing);
	return CLV_OK;
}
