/* libvault/base/fault.h - fault hooks: make the n-th allocation, store call, sync, random draw fail, or die at a named
 * step. Compiled to nothing unless the build sets VT_FAULTS (the test builds do; release builds do not).
 * Thread: hooks any; arm and disarm from the test's thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

enum vt_fault {
    VT_FAULT_ALLOC,
    VT_FAULT_STORE,         /* every call of a fault store */
    VT_FAULT_SYNC,
    VT_FAULT_DISK_FULL,
    VT_FAULT_RANDOM,
    VT_FAULT_KEEPER,
    VT_FAULT_JOURNAL,
    VT_FAULT_PAGE_KEY,      /* not a failure: the keyring seals a page under its old key. A test must notice it */
    VT_FAULT_COUNT
};

#ifdef VT_FAULTS
/** True when this is the armed n-th call of its kind. */
bool vt_fault_hit(enum vt_fault kind);
/** Let the @p nth call (from 1) of @p kind fail; 0 disarms. */
void vt_fault_arm(enum vt_fault kind, unsigned nth);
/** Disarm all; true when an armed fault fired since it was armed. */
bool vt_fault_disarm(void);
/** Kill the process with SIGKILL here when VAULT_TEST_CRASH="step" or "step:n" names this step (its n-th passing).
 *  In-process tests set a hook instead. */
void vt_fault_step(const char *step);
void vt_fault_set_step_hook(void (*hook)(const char *step, void *context), void *context);
#else
static inline bool vt_fault_hit(enum vt_fault kind)
{
    (void)kind;
    return false;
}
static inline void vt_fault_step(const char *step)
{
    (void)step;
}
#endif

/** malloc, calloc that the allocation fault can fail. Free with free(). */
static inline void *vt_malloc(size_t len)
{
    return vt_fault_hit(VT_FAULT_ALLOC) ? NULL : malloc(len);
}
static inline void *vt_calloc(size_t count, size_t len)
{
    return vt_fault_hit(VT_FAULT_ALLOC) ? NULL : calloc(count, len);
}
