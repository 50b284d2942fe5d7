/* tests/support/disk_watch.h - what a power cut would lose: the C library's writes, syncs and makers of names are taken over by
 * functions of the same name. They note which files have been written to (write, writev, pwrite, pwritev) and not yet synced
 * (fsync, fdatasync), and in which folders a name was made (open and openat of a file that was not there, rename, renameat,
 * renameat2) and the folder not yet synced. A test program that lists disk_watch.c among its sources has it.
 * Not seen: mappings, sendfile and the like, io_uring, what the C library does inside its own functions (stdio), names that mkdir,
 * link and symlink make, and names that are taken away. A file is known by its descriptor: one that is closed unsynced stays
 * unsynced until whatever has its number next is synced. Thread: one. */
#pragma once
#include <stdbool.h>

/** Nothing counts from before. */
void disk_watch_begin(void);
/** Since the beginning something was written, and all of it has been synced, with the names under which it is found. */
bool disk_watch_is_synced(void);
/** Every further sync fails with this errno and leaves its writes unsynced; 0: works again. */
void disk_watch_fail_syncs(int error);
