#include "libvault/base/fault.h"

#ifdef VT_FAULTS
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static atomic_uint fault_left[VT_FAULT_COUNT];
static atomic_bool fault_fired;

static pthread_mutex_t step_mutex = PTHREAD_MUTEX_INITIALIZER;
static bool step_is_read;
static char step_name[64];
static unsigned step_left;
static void (*step_hook)(const char *step, void *context);
static void *step_context;

bool vt_fault_hit(enum vt_fault kind)
{
    unsigned left = atomic_load_explicit(&fault_left[kind], memory_order_relaxed);
    if (left == 0) return false;
    left = atomic_fetch_sub(&fault_left[kind], 1);
    if (left != 1) return false;
    atomic_store(&fault_fired, true);
    return true;
}

void vt_fault_arm(enum vt_fault kind, unsigned nth)
{
    atomic_store(&fault_fired, false);
    atomic_store(&fault_left[kind], nth);
}

bool vt_fault_disarm(void)
{
    for (int kind = 0; kind < VT_FAULT_COUNT; kind++) atomic_store(&fault_left[kind], 0);
    return atomic_exchange(&fault_fired, false);
}

void vt_fault_set_step_hook(void (*hook)(const char *step, void *context), void *context)
{
    pthread_mutex_lock(&step_mutex);
    step_hook = hook;
    step_context = context;
    pthread_mutex_unlock(&step_mutex);
}

static void step_read_environment(void)
{
    step_is_read = true;
    step_left = 0;
    const char *wish = getenv("VAULT_TEST_CRASH");
    if (wish == NULL) return;
    snprintf(step_name, sizeof step_name, "%s", wish);
    step_left = 1;
    char *colon = strchr(step_name, ':');
    if (colon == NULL) return;
    *colon = '\0';
    step_left = (unsigned)strtoul(colon + 1, NULL, 10);
}

void vt_fault_step(const char *step)
{
    pthread_mutex_lock(&step_mutex);
    if (!step_is_read) step_read_environment();
    const bool dies = step_left != 0 && strcmp(step, step_name) == 0 && --step_left == 0;
    void (*hook)(const char *, void *) = step_hook;
    void *context = step_context;
    pthread_mutex_unlock(&step_mutex);
    if (dies) kill(getpid(), SIGKILL);
    if (hook != NULL) hook(step, context);
}
#else
typedef int vt_fault_is_compiled_out;
#endif
