/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base_check.h"

#include <claviger/buf.h>

static int set_up(void **state)
{
	static struct clv_buf buf;

	buf = (struct clv_buf){ 0 };
	*state = &buf;
	return 0;
}

static int tear_down(void **state)
{
	clv_buf_done(*state);
	return 0;
}

static void add_appends_in_order(void **state)
{
	struct clv_buf *buf = *state;
	struct clv_err err;

	check_ok(clv_buf_add(buf, "one ", 4, &err));
	check_ok(clv_buf_add(buf, "two", 3, &err));
	assert_int_equal(buf->len, 7);
	assert_memory_equal(buf->data, "one two", 7);
}

static void add_of_nothing_needs_no_bytes(void **state)
{
	struct clv_buf *buf = *state;
	struct clv_err err;

	check_ok(clv_buf_add(buf, NULL, 0, &err));
	assert_int_equal(buf->len, 0);
}

static void add_grows_over_many_calls_and_keeps_all(void **state)
{
	struct clv_buf *buf = *state;
	struct clv_err err;

	for (unsigned i = 0; i < 10000; i++) {
		const uint8_t byte = (uint8_t) i;

		check_ok(clv_buf_add(buf, &byte, 1, &err));
	}
	assert_int_equal(buf->len, 10000);
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(buf->data[i], (uint8_t) i);
}

static void reserve_makes_room_and_uses_none(void **state)
{
	struct clv_buf *buf = *state;
	struct clv_err err;

	check_ok(clv_buf_add(buf, "x", 1, &err));
	check_ok(clv_buf_reserve(buf, 5000, &err));
	assert_int_equal(buf->len, 1);
	assert_true(buf->cap >= 5001);
}

static void reserve_does_not_move_what_has_room(void **state)
{
	struct clv_buf *buf = *state;
	struct clv_err err;
	const uint8_t *data;

	check_ok(clv_buf_reserve(buf, 1000, &err));
	data = buf->data;
	check_ok(clv_buf_reserve(buf, 1000, &err));
	assert_ptr_equal(buf->data, data);
}

static void reserve_refuses_a_size_that_overflows(void **state)
{
	static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2, SIZE_MAX / 4 };
	struct clv_buf *buf = *state;
	struct clv_err err;

	check_ok(clv_buf_add(buf, "kept", 4, &err));
	for (size_t i = 0; i < CLV_ARRAY_LEN(sizes); i++) {
		struct clv_buf before = *buf;

		check_refused(clv_buf_reserve(buf, sizes[i], &err), &err, CLV_E_RESOURCE_EXHAUSTED,
			      "more bytes do not fit");
		assert_memory_equal(buf, &before, sizeof before);
	}
	assert_memory_equal(buf->data, "kept", 4);
}

static void add_refuses_a_size_that_overflows_and_changes_nothing(void **state)
{
	struct clv_buf *buf = *state;
	struct clv_err err;

	check_refused(clv_buf_add(buf, "x", SIZE_MAX, &err), &err, CLV_E_RESOURCE_EXHAUSTED,
		      "18446744073709551615 more bytes do not fit");
	assert_null(buf->data);
	assert_int_equal(buf->len, 0);
}

static void done_empties_and_leaves_the_buffer_usable(void **state)
{
	struct clv_buf *buf = *state;
	struct clv_err err;

	check_ok(clv_buf_add(buf, "old", 3, &err));
	clv_buf_done(buf);
	assert_null(buf->data);
	assert_int_equal(buf->cap, 0);
	clv_buf_done(buf);
	check_ok(clv_buf_add(buf, "new", 3, &err));
	assert_memory_equal(buf->data, "new", 3);
}

static void view_shows_what_is_in_use(void **state)
{
	struct clv_buf *buf = *state;
	struct clv_err err;
	struct clv_bytes view = clv_buf_view(buf);

	assert_int_equal(view.len, 0);
	check_ok(clv_buf_add(buf, "abc", 3, &err));
	view = clv_buf_view(buf);
	assert_ptr_equal(view.data, buf->data);
	assert_int_equal(view.len, 3);
}

#define BUF_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUF_TEST(add_appends_in_order),
		BUF_TEST(add_of_nothing_needs_no_bytes),
		BUF_TEST(add_grows_over_many_calls_and_keeps_all),
		BUF_TEST(reserve_makes_room_and_uses_none),
		BUF_TEST(reserve_does_not_move_what_has_room),
		BUF_TEST(reserve_refuses_a_size_that_overflows),
		BUF_TEST(add_refuses_a_size_that_overflows_and_changes_nothing),
		BUF_TEST(done_empties_and_leaves_the_buffer_usable),
		BUF_TEST(view_shows_what_is_in_use),
	};
	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
