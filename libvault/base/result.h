/* libvault/base/result.h - how functions fail: a status that cannot be dropped, and nothing else.
 * Thread: any. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libvault/include/vault/status.h"

/** Return type of every fallible function: a vault_status that the compiler will not let the caller drop. */
#define VT_RESULT __attribute__((warn_unused_result)) vault_status

/** Pass a failure up. */
#define VT_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        const vault_status vt_try_status_ = (expr);                                                                    \
        if (__builtin_expect(vt_try_status_ != VAULT_OK, 0)) return vt_try_status_;                                    \
    } while (0)

/** Check, or return a status. */
#define VT_ENSURE(cond, status)                                                                                        \
    do {                                                                                                               \
        if (__builtin_expect(!(cond), 0)) return (status);                                                             \
    } while (0)

/** A local that is released at scope end: VT_AUTO(vt_buf) out = VT_BUF_INIT(max); calls vt_buf_release(&out).
 *  Unused otherwise it may be: a scope that is only held open is used by its release, which clang does not count. */
#define VT_AUTO(type) __attribute__((cleanup(type##_release), unused)) struct type

/** An owned handle that is freed at scope end: VT_AUTO_PTR(vt_store) store = NULL; calls vt_store_free(store).
 *  The header of vt_store says VT_DEFINE_AUTO_PTR(vt_store) after declaring vt_store_free(). */
#define VT_AUTO_PTR(type) __attribute__((cleanup(type##_auto_free_))) struct type *
#define VT_DEFINE_AUTO_PTR(type)                                                                                       \
    static inline void type##_auto_free_(struct type **owned)                                                          \
    {                                                                                                                  \
        type##_free(*owned);                                                                                           \
    }                                                                                                                  \
    struct type

/** Give an owned pointer away: `*out = VT_MOVE(store);` leaves NULL behind for VT_AUTO_PTR. */
#define VT_MOVE(pointer)                                                                                               \
    __extension__({                                                                                                    \
        __typeof__(pointer) vt_moved_ = (pointer);                                                                     \
        (pointer) = NULL;                                                                                              \
        vt_moved_;                                                                                                     \
    })

/** What only we can cause. Kept in release builds: wipes registered secrets and aborts. */
#define VT_BUG_ON(cond)                                                                                                \
    do {                                                                                                               \
        if (__builtin_expect(!!(cond), 0)) vt_bug(__FILE__, __LINE__, #cond);                                          \
    } while (0)
__attribute__((noreturn, cold)) void vt_bug(const char *file, int line, const char *what);

/** Run by vt_bug() before abort(); set once at start by base/secret.c. */
void vt_bug_set_wiper(void (*wipe_all)(void));

/** For a failure that a user will read: the field path and one full sentence. Never a value.
 *  Caller-owned; any function taking one accepts NULL. */
struct vt_err {
    char field[96];     /* e.g. "rows[3].email"; empty when no field is at fault */
    char message[256];  /* one sentence with its full stop; empty: use vault_status_text() */
};

/** Fill @p err (NULL allowed) and return @p status, so that `return vt_fail(err, S, "field", "Sentence.", ...)` reads
 *  well.
 *  @param field  may be NULL
 *  @param format printf format; its arguments must never be personal data */
__attribute__((format(printf, 4, 5))) vault_status vt_fail(struct vt_err *err, vault_status status, const char *field,
                                                           const char *format, ...);

/** Checked arithmetic on sizes: false when the result does not fit. */
static inline bool vt_size_add(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool vt_size_mul(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }

#define VT_ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define VT_MIN(a, b) ((a) < (b) ? (a) : (b))
#define VT_MAX(a, b) ((a) > (b) ? (a) : (b))
