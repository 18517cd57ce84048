/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/base_check.h"

#include <claviger/crc32c.h>

#include "lib/base/crc32c_impl.h"

/* The iSCSI SCSI Read (10) command PDU of RFC 3720 appendix B.4. */
static const uint8_t read_pdu[48] = {
	0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
	0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

/* Fills `buf` with the other test data of B.4: first + i * step. */
static const void *row(uint8_t buf[32], unsigned first, int step)
{
	for (int i = 0; i < 32; i++)
		buf[i] = (uint8_t) ((int) first + i * step);
	return buf;
}

typedef uint32_t crc_function(uint32_t crc, const void *bytes, size_t len);

static void check_vectors(crc_function *crc)
{
	uint8_t buf[32];

	assert_int_equal(crc(0, "", 0), 0);
	assert_int_equal(crc(0, row(buf, 0x00, 0), 32), 0x8a9136aa);
	assert_int_equal(crc(0, row(buf, 0xff, 0), 32), 0x62a8ab43);
	assert_int_equal(crc(0, row(buf, 0x00, 1), 32), 0x46dd794e);
	assert_int_equal(crc(0, row(buf, 0x1f, -1), 32), 0x113fdb5c);
	assert_int_equal(crc(0, read_pdu, sizeof read_pdu), 0xd9963a56);
	assert_int_equal(crc(0, "123456789", 9), 0xe3069283); /* the customary check value */
}

static void crc32c_gives_the_values_of_rfc_3720(void **state)
{
	(void) state;
	check_vectors(clv_crc32c);
}

static void crc32c_table_gives_the_values_of_rfc_3720(void **state)
{
	(void) state;
	check_vectors(clv_crc32c_table);
}

/* On a machine without the instruction this compares the table with itself. */
static void crc32c_is_the_same_by_instruction_and_by_table(void **state)
{
	uint8_t buf[300];
	uint32_t x = 1;

	(void) state;
	for (size_t i = 0; i < sizeof buf; i++) {
		x = x * 1664525 + 1013904223; /* any bytes, the same each time */
		buf[i] = (uint8_t) (x >> 24);
	}
	for (size_t from = 0; from < 16; from++) {
		for (size_t len = 0; from + len <= sizeof buf; len++)
			assert_int_equal(clv_crc32c(x, buf + from, len),
					 clv_crc32c_table(x, buf + from, len));
	}
}

static void crc32c_goes_on_from_the_value_before(void **state)
{
	(void) state;
	for (size_t cut = 0; cut <= sizeof read_pdu; cut++) {
		uint32_t crc = clv_crc32c(0, read_pdu, cut);

		assert_int_equal(clv_crc32c(crc, read_pdu + cut, sizeof read_pdu - cut),
				 0xd9963a56);
	}
}

static void crc32c_of_nothing_needs_no_bytes(void **state)
{
	(void) state;
	assert_int_equal(clv_crc32c(0, NULL, 0), 0);
	assert_int_equal(clv_crc32c(0x12345678, NULL, 0), 0x12345678);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_gives_the_values_of_rfc_3720),
		cmocka_unit_test(crc32c_table_gives_the_values_of_rfc_3720),
		cmocka_unit_test(crc32c_is_the_same_by_instruction_and_by_table),
		cmocka_unit_test(crc32c_goes_on_from_the_value_before),
		cmocka_unit_test(crc32c_of_nothing_needs_no_bytes),
	};
	return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}
