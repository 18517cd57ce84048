/* SPDX-License-Identifier: Apache-2.0 */
/* Policy documents in the catalogue: who reads, who wins, and that the epoch moves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_world.h"

#define IAM 1
#define ROLE 2
#define ABORTED_TEXT                                                                               \
	"There were concurrent policy changes. Please retry the whole read-modify-write with "     \
	"exponential backoff."

static struct store_document some_document(int kind, const char *name)
{
	struct store_document document = { .kind = kind,
					   .update_time = T0 + kind,
					   .update_principal = "user:ada" };

	snprintf(document.name, sizeof document.name, "%s", name);
	return document;
}

static int64_t put(struct world *w, int kind, const char *name, const char *text, int64_t expected)
{
	const struct store_document document = some_document(kind, name);
	int64_t row_version = 0;

	assert_ok(w, store_document_put(w->store, grant(), &document, text, expected, &row_version,
					&w->err));
	return row_version;
}

static int64_t epoch_of(struct world *w)
{
	int64_t epoch = 0;

	assert_ok(w, store_policy_epoch_get(w->store, &epoch, &w->err));
	return epoch;
}

static void document_comes_back_as_it_was_put_in(void **state)
{
	struct world *w = *state;
	struct store_document got;
	int64_t row_version = put(w, IAM, "projects/demo", "{\"a\":\"caf\xc3\xa9\"}", 0);

	world_reopen(w);
	assert_ok(w, store_document_get(w->store, IAM, "projects/demo", &got, &w->err));
	assert_int_equal(got.row_version, row_version);
	assert_int_equal(got.kind, IAM);
	assert_string_equal(got.name, "projects/demo");
	assert_string_equal(got.text, "{\"a\":\"caf\xc3\xa9\"}");
	assert_int_equal(got.len, strlen(got.text));
	assert_int_equal(got.update_time, T0 + IAM);
	assert_string_equal(got.update_principal, "user:ada");
	store_document_clear(&got);
	assert_refused(w, store_document_get(w->store, ROLE, "projects/demo", &got, &w->err),
		       CLV_E_NOT_FOUND, "projects/demo");
}

static void documents_are_listed_by_kind_and_name(void **state)
{
	struct world *w = *state;
	struct store_documents all, roles;

	put(w, ROLE, "b", "{}", 0);
	put(w, IAM, "z", "{}", 0);
	put(w, ROLE, "a", "{}", 0);
	assert_ok(w, store_document_list(w->store, 0, &all, &w->err));
	assert_int_equal(all.n, 3);
	assert_string_equal(all.rows[0].name, "z");
	assert_string_equal(all.rows[1].name, "a");
	assert_string_equal(all.rows[2].name, "b");
	assert_ok(w, store_document_list(w->store, ROLE, &roles, &w->err));
	assert_int_equal(roles.n, 2);
	assert_string_equal(roles.rows[0].name, "a");
	store_documents_clear(&all);
	store_documents_clear(&roles);
	assert_null(all.rows);
}

/* Both read the same; one wins, the other is told to read again. */
static void one_of_two_parallel_edits_wins(void **state)
{
	struct world *w = *state;
	struct store *other = world_connect(w);
	struct store_document mine = some_document(IAM, "projects/demo"), got;
	int64_t first = put(w, IAM, "projects/demo", "{}", 0), second, none = 77;

	assert_ok(w, store_document_put(other, grant(), &mine, "{\"mine\":1}", first, &second,
					&w->err));
	assert_true(second > first);
	assert_refused(
		w,
		store_document_put(w->store, grant(), &mine, "{\"mine\":1}", first, &none, &w->err),
		CLV_E_ABORTED, ABORTED_TEXT);
	assert_refused(
		w, store_document_put(w->store, grant(), &mine, "{\"mine\":1}", 0, &none, &w->err),
		CLV_E_ABORTED, ABORTED_TEXT);
	assert_refused(
		w, store_document_remove(w->store, grant(), IAM, "projects/demo", first, &w->err),
		CLV_E_ABORTED, ABORTED_TEXT);
	assert_int_equal(none, 77);
	assert_int_equal(epoch_of(w), second);
	assert_ok(w, store_document_get(w->store, IAM, "projects/demo", &got, &w->err));
	assert_string_equal(got.text, "{\"mine\":1}");
	store_document_clear(&got);
	store_close(other);
}

static void one_made_anew_is_not_taken_for_the_one_removed(void **state)
{
	struct world *w = *state;
	struct store_document mine = some_document(IAM, "projects/demo");
	int64_t first = put(w, IAM, "projects/demo", "{}", 0), none;

	assert_ok(w,
		  store_document_remove(w->store, grant(), IAM, "projects/demo", first, &w->err));
	assert_refused(
		w,
		store_document_put(w->store, grant(), &mine, "{\"mine\":1}", first, &none, &w->err),
		CLV_E_ABORTED, ABORTED_TEXT);
	assert_true(put(w, IAM, "projects/demo", "{}", 0) > first);
	assert_refused(
		w,
		store_document_put(w->store, grant(), &mine, "{\"mine\":1}", first, &none, &w->err),
		CLV_E_ABORTED, ABORTED_TEXT);
}

static void who_does_not_care_takes_what_is_there(void **state)
{
	struct world *w = *state;
	int64_t first = put(w, IAM, "projects/demo", "{}", STORE_WHATEVER);

	assert_true(put(w, IAM, "projects/demo", "{\"b\":2}", STORE_WHATEVER) > first);
	assert_ok(w, store_document_remove(w->store, grant(), IAM, "projects/demo", STORE_WHATEVER,
					   &w->err));
	assert_refused(w,
		       store_document_remove(w->store, grant(), IAM, "projects/demo",
					     STORE_WHATEVER, &w->err),
		       CLV_E_NOT_FOUND, "Document projects/demo not found.");
}

static void every_change_moves_the_epoch_for_all(void **state)
{
	struct world *w = *state;
	struct store *other = world_connect(w);
	int64_t epoch = epoch_of(w), seen, none;

	for (int i = 0; i < 6; i++) {
		if (i % 2 == 0)
			put(w, ROLE, "r", "{}", STORE_WHATEVER);
		else
			assert_ok(w, store_document_remove(w->store, grant(), ROLE, "r",
							   STORE_WHATEVER, &w->err));
		assert_ok(w, store_policy_epoch_get(other, &seen, &w->err));
		assert_int_equal(seen, ++epoch);
	}
	assert_refused(w,
		       store_document_put(w->store, grant(),
					  &(struct store_document){ .kind = ROLE, .name = "r" }, "",
					  0, &none, &w->err),
		       CLV_E_INTERNAL,
		       "length(CAST(text AS BLOB))"); /* an empty text: the schema says no */
	assert_int_equal(epoch_of(w), epoch);
	store_close(other);
}

static void text_may_be_as_long_as_said_and_no_longer(void **state)
{
	struct world *w = *state;
	char *text = malloc(STORE_DOCUMENT_MAX + 2);
	struct store_document got, longer;
	int64_t none;

	assert_non_null(text);
	memset(text, ' ', STORE_DOCUMENT_MAX + 1);
	text[STORE_DOCUMENT_MAX] = '\0';
	put(w, IAM, "projects/demo", text, 0);
	assert_ok(w, store_document_get(w->store, IAM, "projects/demo", &got, &w->err));
	assert_int_equal(got.len, STORE_DOCUMENT_MAX);
	store_document_clear(&got);
	text[STORE_DOCUMENT_MAX] = ' ';
	text[STORE_DOCUMENT_MAX + 1] = '\0';
	longer = some_document(IAM, "projects/other");
	assert_refused(w, store_document_put(w->store, grant(), &longer, text, 0, &none, &w->err),
		       CLV_E_INTERNAL, "length(CAST(text AS BLOB))");
	free(text);
}

static void catalogue_without_its_epoch_is_damaged(void **state)
{
	struct world *w = *state;
	int64_t epoch = 5;

	world_sql(w, "DELETE FROM policy_epoch");
	assert_refused(w, store_policy_epoch_get(w->store, &epoch, &w->err), CLV_E_DATA_LOSS,
		       "damaged");
	assert_int_equal(epoch, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(document_comes_back_as_it_was_put_in),
		TEST(documents_are_listed_by_kind_and_name),
		TEST(one_of_two_parallel_edits_wins),
		TEST(one_made_anew_is_not_taken_for_the_one_removed),
		TEST(who_does_not_care_takes_what_is_there),
		TEST(every_change_moves_the_epoch_for_all),
		TEST(text_may_be_as_long_as_said_and_no_longer),
		TEST(catalogue_without_its_epoch_is_damaged),
	};

	return cmocka_run_group_tests_name("store_document", tests, NULL, NULL);
}
