#include "tests/support/own_memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libvault/base/secret.h"
#include "tests/support/suite.h"

static bool lies_in(const uint8_t *bytes, size_t len, const uint8_t turned[OWN_MEMORY_RUN])
{
    for (size_t i = 0; i + OWN_MEMORY_RUN <= len; i++) {
        size_t same = 0;
        while (same < OWN_MEMORY_RUN && (bytes[i + same] ^ turned[same]) == 0xFF) same++;
        if (same == OWN_MEMORY_RUN) return true;
    }
    return false;
}

/* The shadow of a sanitizer takes terabytes of addresses, in pieces, and has no byte of the program. */
static const unsigned long long SHADOW_LEAST = 1ULL << 32;

bool own_memory_has(const uint8_t turned[OWN_MEMORY_RUN])
{
    char line[512];
    bool is_found = false;
    const size_t room_len = 1 << 20;
    uint8_t *room = malloc(room_len);
    const int memory = open("/proc/self/mem", O_RDONLY);
    FILE *maps = fopen("/proc/self/maps", "r");
    ck_assert(room != NULL && memory >= 0 && maps != NULL);
    while (!is_found && fgets(line, sizeof line, maps) != NULL) {
        unsigned long long from, to;
        char may[5];
        if (sscanf(line, "%llx-%llx %4s", &from, &to, may) != 3 || strncmp(may, "rw", 2) != 0) continue;
        if (to - from >= SHADOW_LEAST) continue;
        for (; from < to && !is_found; from += room_len - OWN_MEMORY_RUN) {
            const ssize_t got = pread(memory, room, VT_MIN(room_len, (size_t)(to - from)), (off_t)from);
            is_found = got > 0 && lies_in(room, (size_t)got, turned);
        }
    }
    ck_assert_int_eq(fclose(maps), 0);
    close(memory);
    vt_wipe(room, room_len);
    free(room);
    return is_found;
}
