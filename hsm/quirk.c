/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of makes of tokens and cannot be found by trying, because trying would do harm. */
#include <string.h>

#include "hsm/internal.h"

static const struct {
	const char *manufacturer, *model; /* beginnings */
	unsigned quirks;
} quirk_table[] = {
	/* measured on 2.6.1: searches break creation, kills break files: see README.md */
	{ "SoftHSM project", "SoftHSM v2",
	  HSM_QUIRK_SEARCH_LOCK | HSM_QUIRK_FRAGILE_LOGIN | HSM_QUIRK_FRAGILE_WRITE |
		  HSM_QUIRK_NOT_VALIDATED },
	{ "IBM", "Soft",
	  HSM_QUIRK_FRAGILE_LOGIN | HSM_QUIRK_FRAGILE_WRITE | HSM_QUIRK_NOT_VALIDATED },
	{ "Mozilla Foundation", "NSS 3", HSM_QUIRK_NOT_VALIDATED },
};

unsigned hsm_quirks_of(const CK_TOKEN_INFO *info)
{
	char manufacturer[33], model[17];

	hsm_trim(manufacturer, sizeof manufacturer, info->manufacturerID,
		 sizeof info->manufacturerID);
	hsm_trim(model, sizeof model, info->model, sizeof info->model);
	for (size_t i = 0; i < CLV_ARRAY_LEN(quirk_table); i++) {
		if (strncmp(manufacturer, quirk_table[i].manufacturer,
			    strlen(quirk_table[i].manufacturer)) == 0 &&
		    strncmp(model, quirk_table[i].model, strlen(quirk_table[i].model)) == 0)
			return quirk_table[i].quirks;
	}
	return 0;
}
