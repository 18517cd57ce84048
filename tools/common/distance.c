/* SPDX-License-Identifier: Apache-2.0 */
/* How far two words are apart, for "did you mean". Not for anything that decides. */
#include <string.h>

#include "tools/common/opt.h"

#define WORD_MAX 48 /* bytes looked at: the longest option has 33 */

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: Levenshtein's distance with swapped neighbours counted once. */
unsigned kms_distance(const char *a, const char *b)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];
	size_t na = strnlen(a, WORD_MAX), nb = strnlen(b, WORD_MAX);

	for (size_t i = 0; i <= na; i++)
		d[i][0] = (unsigned) i;
	for (size_t j = 0; j <= nb; j++)
		d[0][j] = (unsigned) j;
	for (size_t i = 1; i <= na; i++) {
		for (size_t j = 1; j <= nb; j++) {
			unsigned change = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			d[i][j] = least(change, least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[na][nb];
}
