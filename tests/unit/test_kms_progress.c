/* SPDX-License-Identifier: Apache-2.0 */
/* The progress bar: how it looks, and when nothing must be shown. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/common/auto.h"
#include "tools/common/progress.h"

static void bar_fills_as_the_work_is_done(void **state)
{
	static const struct {
		uint64_t done, total;
		const char *bar;
	} cases[] = {
		{ 0, 4, "[--------------------]   0%  text" },
		{ 1, 4, "[#####---------------]  25%  text" },
		{ 199, 200, "[###################-]  99%  text" },
		{ 4, 4, "[####################] 100%  text" },
		{ 9, 4, "[####################] 100%  text" },
		{ 0, 0, "[####################] 100%  text" },
		{ UINT64_MAX / 2, UINT64_MAX, "[##########----------]  50%  text" },
	};
	char bar[80];

	(void) state;
	for (size_t i = 0; i < KMS_ARRAY_LEN(cases); i++) {
		kms_progress_bar(bar, sizeof bar, 79, cases[i].done, cases[i].total, "text");
		assert_string_equal(bar, cases[i].bar);
	}
}

static void bar_is_cut_to_the_width_and_to_its_room(void **state)
{
	char bar[80];

	(void) state;
	kms_progress_bar(bar, sizeof bar, 10, 1, 2, "text");
	assert_string_equal(bar, "[#########");
	memset(bar, 'x', sizeof bar);
	kms_progress_bar(bar, 6, 79, 1, 2, "text");
	assert_string_equal(bar, "[####");
	assert_int_equal(bar[6], 'x');
}

/* What was shown, as text (owned). */
static char *shown_by(struct kms_progress *progress)
{
	char *text = NULL;
	size_t size;

	progress->to = open_memstream(&text, &size);
	assert_non_null(progress->to);
	kms_progress_show(progress, 1, 2, "text");
	kms_progress_show(progress, 2, 2, "later");
	kms_progress_clear(progress);
	fclose(progress->to);
	return text;
}

static void a_bar_is_drawn_at_most_ten_times_a_second_and_taken_away(void **state)
{
	struct kms_progress progress = { .bar = true };
	char *text = shown_by(&progress);

	(void) state;
	assert_string_equal(text, "\r\033[K[##########----------]  50%  text\r\033[K");
	assert_false(progress.drawn);
	free(text);
}

static void what_is_no_terminal_gets_lines(void **state)
{
	struct kms_progress progress = { .bar = false };
	char *text = shown_by(&progress);

	(void) state;
	assert_string_equal(text, "text\n");
	free(text);
}

static void quiet_and_json_show_nothing(void **state)
{
	struct kms_progress progress;
	struct kms_out out;

	(void) state;
	kms_out_init(&out, (struct kms_format){ KMS_FORM_TEXT, NULL }, true);
	kms_progress_init(&progress, &out);
	assert_null(progress.to);
	kms_out_init(&out, (struct kms_format){ KMS_FORM_JSON, NULL }, false);
	kms_progress_init(&progress, &out);
	assert_null(progress.to);
	kms_progress_show(&progress, 1, 2, "text");
	kms_progress_clear(&progress);
	kms_out_init(&out, (struct kms_format){ KMS_FORM_TEXT, NULL }, false);
	kms_progress_init(&progress, &out);
	assert_ptr_equal(progress.to, stderr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bar_fills_as_the_work_is_done),
		cmocka_unit_test(bar_is_cut_to_the_width_and_to_its_room),
		cmocka_unit_test(a_bar_is_drawn_at_most_ten_times_a_second_and_taken_away),
		cmocka_unit_test(what_is_no_terminal_gets_lines),
		cmocka_unit_test(quiet_and_json_show_nothing),
	};

	return cmocka_run_group_tests_name("kms_progress", tests, NULL, NULL);
}
