/* tests/support/disk_watch.h - what a power cut would lose: the C library's writes and syncs are taken over by functions of the
 * same name that note which descriptors have been written to and not yet synced. A test program that lists disk_watch.c among
 * its sources has it; mappings are not seen. Thread: one. */
#pragma once
#include <stdbool.h>

/** Nothing counts from before. */
void disk_watch_begin(void);
/** Since the beginning something was written, and all of it has been synced. */
bool disk_watch_is_synced(void);
/** Every further sync fails with this errno and leaves its writes unsynced; 0: works again. */
void disk_watch_fail_syncs(int error);
