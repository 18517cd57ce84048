/* SPDX-License-Identifier: Apache-2.0 */
/* Anchors and the seal key: the newer anchor counts, and no failure loses both. */
#include <string.h>

#include "tests/support/token_world.h"

static struct hsm_location_ids ids;

static struct world *set_up(void **state)
{
	struct world *w = *state;

	world_new_id(ids.root);
	world_new_id(ids.seal);
	world_new_id(ids.log);
	world_new_id(ids.anchor[0]);
	world_new_id(ids.anchor[1]);
	assert_ok(w, hsm_location_create(w->hsm, grant(), "dc-milan", &ids, &w->err));
	return w;
}

static struct hsm_anchor anchor_of(uint64_t epoch)
{
	struct hsm_anchor anchor = { .epoch = epoch };

	memset(anchor.head, (int) (epoch * 37 + 1), sizeof anchor.head);
	return anchor;
}

static clv_rc write_epoch(struct world *w, uint64_t epoch)
{
	const struct hsm_anchor anchor = anchor_of(epoch);

	return hsm_anchor_write(w->hsm, grant(), "dc-milan", ids.anchor, &anchor, &w->err);
}

static uint64_t read_epoch(struct world *w)
{
	struct hsm_anchor anchor, want;

	assert_ok(w, hsm_anchor_read(w->hsm, ids.anchor, &anchor, &w->err));
	want = anchor_of(anchor.epoch);
	if (anchor.epoch > 0)
		assert_memory_equal(anchor.head, want.head, sizeof want.head);
	return anchor.epoch;
}

static void newer_anchor_counts(void **state)
{
	struct world *w = set_up(state);

	assert_int_equal(read_epoch(w), 0);
	for (uint64_t epoch = 1; epoch < 6; epoch++) {
		assert_ok(w, write_epoch(w, epoch));
		assert_int_equal(read_epoch(w), epoch);
	}
	assert_ok(w, write_epoch(w, UINT64_MAX));
	assert_int_equal(read_epoch(w), UINT64_MAX);
}

static void anchor_is_written_twice_but_never_back(void **state)
{
	struct world *w = set_up(state);
	struct hsm_anchor other = anchor_of(7);

	assert_ok(w, write_epoch(w, 7));
	assert_ok(w, write_epoch(w, 7));
	other.head[0] ^= 1;
	assert_int_equal(hsm_anchor_write(w->hsm, grant(), "dc-milan", ids.anchor, &other, &w->err),
			 CLV_E_ABORTED);
	assert_int_equal(write_epoch(w, 6), CLV_E_ABORTED);
	assert_int_equal(read_epoch(w), 7);
}

static void set_label(struct world *w, const uint8_t *id, const char *label)
{
	CK_SESSION_HANDLE session = raw_open(w);
	CK_OBJECT_HANDLE object = raw_find(w, session, CKO_SECRET_KEY, id);
	char text[100];
	CK_ATTRIBUTE set = { CKA_LABEL, text, strlen(label) };

	memcpy(text, label, strlen(label) + 1);
	assert_int_equal(w->real->C_SetAttributeValue(session, object, &set, 1), CKR_OK);
	raw_close(w, session);
}

static void label_that_cannot_be_read_is_no_anchor(void **state)
{
	static const char *const labels[] = { "",
					      "claviger dc-milan anchor a",
					      "claviger x epoch ",
					      "claviger x epoch 9",
					      "claviger x epoch 9 0123",
					      "claviger x epoch -1",
					      "claviger x epoch 0 0123" };
	struct world *w = set_up(state);

	assert_ok(w, write_epoch(w, 1)); /* one has epoch 1, the other 2 */
	assert_ok(w, write_epoch(w, 2));
	for (size_t i = 0; i < CLV_ARRAY_LEN(labels); i++) {
		struct hsm_anchor anchor;

		set_label(w, ids.anchor[0], labels[i]);
		assert_ok(w, hsm_anchor_read(w->hsm, ids.anchor, &anchor, &w->err));
		assert_in_range(anchor.epoch, 1, 2);
	}
	set_label(w, ids.anchor[1], labels[1]);
	assert_int_equal(hsm_anchor_read(w->hsm, ids.anchor, &(struct hsm_anchor){ 0 }, &w->err),
			 CLV_E_DATA_LOSS);
	assert_int_equal(write_epoch(w, 3), CLV_E_DATA_LOSS);
}

static void anchor_that_is_gone_is_made_anew(void **state)
{
	struct world *w = set_up(state);

	assert_ok(w, write_epoch(w, 1));
	assert_ok(w, write_epoch(w, 2));
	for (unsigned i = 0; i < 2; i++) {
		uint64_t epoch;

		assert_ok(w, hsm_key_destroy(w->hsm, grant(), HSM_ROLE_ANCHOR, ids.anchor[i],
					     &w->err));
		epoch = read_epoch(w);
		assert_ok(w, write_epoch(w, epoch + 1));
		assert_int_equal(read_epoch(w), epoch + 1);
		assert_ok(w, write_epoch(w, epoch + 2));
	}
}

/* Whatever fails: it is the old one or the new one, and the next try ends well. */
static void check_failures(struct world *w, unsigned how)
{
	uint64_t epoch = 1;

	assert_ok(w, write_epoch(w, epoch));
	for (unsigned nth = 1;; nth++) {
		clv_rc rc;

		assert_in_range(nth, 1, 60);
		world_calm(w);
		w->shim->reset();
		w->shim->fault(SHIM_ANY, nth, CKR_DEVICE_ERROR, how);
		rc = write_epoch(w, epoch + 1);
		w->shim->heal();
		if (w->shim->faults_given() == 0)
			return;
		world_wait_healthy(w);
		assert_in_range(read_epoch(w), rc == CLV_OK ? epoch + 1 : epoch, epoch + 1);
		assert_ok(w, write_epoch(w, ++epoch));
		assert_int_equal(read_epoch(w), epoch);
	}
}

static void failure_of_any_call_leaves_one_of_both(void **state)
{
	check_failures(set_up(state), SHIM_ONCE);
}

static void lost_answer_of_any_call_leaves_one_of_both(void **state)
{
	check_failures(set_up(state), SHIM_AFTER);
}

static void seal_key_makes_the_same_code_of_the_same_bytes(void **state)
{
	struct world *w = set_up(state);
	const struct clv_bytes text = { (const uint8_t *) "a head", 6 };
	const struct clv_bytes other = { (const uint8_t *) "a haed", 6 };
	uint8_t mac[3][HSM_HEAD_LEN];

	assert_ok(w, hsm_seal_mac(w->hsm, grant(), ids.seal, text, mac[0], &w->err));
	assert_ok(w, hsm_seal_mac(w->hsm, grant(), ids.seal, text, mac[1], &w->err));
	assert_ok(w, hsm_seal_mac(w->hsm, grant(), ids.seal, other, mac[2], &w->err));
	assert_memory_equal(mac[0], mac[1], HSM_HEAD_LEN);
	assert_memory_not_equal(mac[0], mac[2], HSM_HEAD_LEN);
	assert_int_equal(hsm_seal_mac(w->hsm, grant(), ids.root, text, mac[0], &w->err),
			 CLV_E_DATA_LOSS); /* no seal key has that id */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		token_test(newer_anchor_counts),
		token_test(anchor_is_written_twice_but_never_back),
		token_test(label_that_cannot_be_read_is_no_anchor),
		token_test(anchor_that_is_gone_is_made_anew),
		token_test(failure_of_any_call_leaves_one_of_both),
		token_test(lost_answer_of_any_call_leaves_one_of_both),
		token_test(seal_key_makes_the_same_code_of_the_same_bytes),
	};

	return TOKEN_MAIN("hsm: anchors", tests);
}
