/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base_check.h"

#include "lib/base/quote.h"

#define X8 "xxxxxxxx"
#define X64 X8 X8 X8 X8 X8 X8 X8 X8

static const struct {
	const char *text, *quoted;
} quotes[] = {
	{ "", "\"\"" },
	{ "payments", "\"payments\"" },
	{ "two words ~", "\"two words ~\"" },
	{ X64, "\"" X64 "\"" },
	{ NULL, "(null)" },
};

static const struct {
	const char *text, *quoted;
} hostile[] = {
	{ "a\nERROR: forged line", "\"a?ERROR: forged line\"" },
	{ "\033[2Jgone", "\"?[2Jgone\"" },
	{ "caf\xc3\xa9", "\"caf??\"" },
	{ "\x7f\x80\xff", "\"???\"" },
};

static void quote_keeps_printable_text(void **state)
{
	char buf[CLV_QUOTE_MAX];

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(quotes); i++)
		assert_string_equal(clv_quote(quotes[i].text, buf), quotes[i].quoted);
}

static void quote_replaces_what_a_terminal_would_obey(void **state)
{
	char buf[CLV_QUOTE_MAX];

	(void) state;
	for (size_t i = 0; i < CLV_ARRAY_LEN(hostile); i++)
		assert_string_equal(clv_quote(hostile[i].text, buf), hostile[i].quoted);
}

static void quote_cuts_long_text_and_shows_it(void **state)
{
	char buf[CLV_QUOTE_MAX];

	(void) state;
	assert_string_equal(clv_quote(X64 "y", buf), "\"" X64 "\"...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quote_keeps_printable_text),
		cmocka_unit_test(quote_replaces_what_a_terminal_would_obey),
		cmocka_unit_test(quote_cuts_long_text_and_shows_it),
	};
	return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}
