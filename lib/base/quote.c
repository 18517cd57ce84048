/* SPDX-License-Identifier: Apache-2.0 */
/* Quoting for people to read. Not for machines: it loses what it replaces. */
#include <stdio.h>

#include "lib/base/quote.h"

#include "lib/base/banned.h"

#define QUOTE_CHARS 64

static char printable(char c)
{
	return c >= 0x20 && c <= 0x7e ? c : '?';
}

const char *clv_quote(const char *text, char buf[CLV_QUOTE_MAX])
{
	char shown[QUOTE_CHARS + 1];
	size_t n = 0;

	_Static_assert(QUOTE_CHARS + sizeof "\"\"..." <= CLV_QUOTE_MAX, "the quoted text fits");
	if (text == NULL) {
		snprintf(buf, CLV_QUOTE_MAX, "(null)");
		return buf;
	}
	for (; n < QUOTE_CHARS && text[n] != '\0'; n++)
		shown[n] = printable(text[n]);
	shown[n] = '\0';
	snprintf(buf, CLV_QUOTE_MAX, "\"%s\"%s", shown, text[n] == '\0' ? "" : "...");
	return buf;
}
