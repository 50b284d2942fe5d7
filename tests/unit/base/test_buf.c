#include "libvault/base/buf.h"
#include "libvault/base/fault.h"
#include "tests/support/suite.h"

START_TEST(append_past_the_maximum_fails_and_changes_nothing)
{
    VT_AUTO(vt_buf) buf = VT_BUF_INIT(4);
    ck_assert_ok(vt_buf_append_str(&buf, "abc"));
    ck_assert_status(vt_buf_append_str(&buf, "de"), VAULT_E_TOO_LARGE);
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&buf), "abc"));
    ck_assert_ok(vt_buf_append_str(&buf, "d"));
}
END_TEST

#ifdef VT_FAULTS
START_TEST(append_fails_cleanly_when_memory_is_short)
{
    VT_AUTO(vt_buf) buf = VT_BUF_INIT(4096);
    ck_assert_ok(vt_buf_append_str(&buf, "kept"));
    uint8_t big[1024] = {1};
    vt_fault_arm(VT_FAULT_ALLOC, 1);
    ck_assert_status(vt_buf_append(&buf, VT_BYTES_OF(big)), VAULT_E_MEMORY);
    ck_assert(vt_fault_disarm());
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&buf), "kept"));
}
END_TEST
#endif

START_TEST(consume_shifts_and_wipes_what_it_leaves_behind)
{
    VT_AUTO(vt_buf) buf = VT_BUF_INIT(64);
    ck_assert_ok(vt_buf_append_str(&buf, "secret-tail"));
    vt_buf_consume(&buf, 7);
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&buf), "tail"));
    for (size_t i = 4; i < 11; i++) ck_assert_uint_eq(buf.data[i], 0);
}
END_TEST

START_TEST(move_leaves_the_source_empty_and_frees_the_target)
{
    VT_AUTO(vt_buf) from = VT_BUF_INIT(64), to = VT_BUF_INIT(64);
    ck_assert_ok(vt_buf_append_str(&from, "new"));
    ck_assert_ok(vt_buf_append_str(&to, "old"));
    vt_buf_move(&to, &from);
    ck_assert(vt_bytes_equal_str(vt_buf_bytes(&to), "new"));
    ck_assert_uint_eq(from.len, 0);
    ck_assert_ptr_null(from.data);
}
END_TEST

START_TEST(integers_are_big_endian)
{
    VT_AUTO(vt_buf) buf = VT_BUF_INIT(64);
    ck_assert_ok(vt_buf_append_u16(&buf, 0x0102));
    ck_assert_ok(vt_buf_append_u32(&buf, 0x03040506));
    ck_assert_ok(vt_buf_append_u64(&buf, 0x0708090a0b0c0d0eu));
    for (size_t i = 0; i < 14; i++) ck_assert_uint_eq(buf.data[i], i + 1);
    ck_assert_uint_eq(vt_get_u64(buf.data + 6), 0x0708090a0b0c0d0eu);
}
END_TEST

VT_TEST_MAIN("base/buf",
#ifdef VT_FAULTS
             append_fails_cleanly_when_memory_is_short,
#endif
             append_past_the_maximum_fails_and_changes_nothing, consume_shifts_and_wipes_what_it_leaves_behind,
             move_leaves_the_source_empty_and_frees_the_target, integers_are_big_endian)
