/* vaultd/server/notify.h - tell the service manager how it goes (sd_notify(3)); nothing where there is none.
 * Thread: main. */
#pragma once

/** @param state e.g. "READY=1" */
void vt_notify(const char *state);
