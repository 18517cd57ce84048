/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of any length, page by page. */
#include <string.h>

#include "tools/kmsctl/kmsctl.h"

/* Every item begins with its resource name; the id is that name's last part. */
static const char *id_of(const char *item)
{
	const char *slash = strrchr(item, '/');

	return slash != NULL ? slash + 1 : item;
}

static clv_rc add_page(struct kms_run *run, const struct kms_pager *pager, char after[CLV_NAME_MAX],
		       size_t limit, json_t **list, size_t *ret_n, struct clv_err *err)
{
	KMS_AUTO(clv_page_free) void *items = NULL;
	const char *item = NULL;

	CLV_TRY(pager->page(run, after[0] != '\0' ? after : NULL, limit, &items, ret_n, err));
	for (size_t i = 0; i < *ret_n; i++) {
		item = (const char *) items + i * pager->item_size;
		kms_append(list, pager->record(item));
	}
	if (item != NULL)
		snprintf(after, CLV_NAME_MAX, "%s", id_of(item));
	return CLV_OK;
}

clv_rc kms_list(struct kms_run *run, const struct kms_pager *pager,
		const struct kms_column *columns, struct clv_err *err)
{
	KMS_AUTO(kms_json_free) json_t *list = json_array();
	size_t left = (size_t) kms_number(run->args, "limit", INT64_MAX);
	char after[CLV_NAME_MAX] = "";
	size_t limit, n;

	do {
		limit = left < CLV_PAGE_MAX ? left : CLV_PAGE_MAX;
		CLV_TRY(add_page(run, pager, after, limit, &list, &n, err));
		left -= n;
	} while (n == limit && left > 0);
	return kms_out_list(run->out, KMS_TAKE(list), columns, err);
}
