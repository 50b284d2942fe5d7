/* tests/fuzz/fuzz.h - what every fuzz target is made of. A target defines LLVMFuzzerTestOneInput(), states what must
 * hold of any input with FUZZ_CHECK(), returns 0 and leaves nothing allocated. Thread: one. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/** End the process with what does not hold; libFuzzer then keeps the input. */
#define FUZZ_CHECK(condition)                                                              \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)
