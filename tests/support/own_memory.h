/* tests/support/own_memory.h - is a secret still anywhere in this process? Every byte that the process may write to is looked at,
 * as its own descriptor of its memory shows it: stacks, heaps, the arena. Thread: any; the others should rest meanwhile. */
#pragma once
#include "libvault/base/bytes.h"

enum { OWN_MEMORY_RUN = 8 };
/** @param turned eight bytes of what is looked for, each with all bits turned over, so that the search leaves no trace of it */
bool own_memory_has(const uint8_t turned[OWN_MEMORY_RUN]);
