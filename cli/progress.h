/* cli/progress.h - a bar on the terminal for what takes longer than a second; nothing anywhere else. Thread: main. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct vt_cli_progress {
    const char *what;           /* "import"; never a value */
    int fd;                     /* -1: silent */
    uint64_t begun_ns;
    uint64_t shown_ns;
    bool is_shown;
};
/** @param fd a terminal, or -1 */
void vt_cli_progress_begin(struct vt_cli_progress *progress, const char *what, int fd);
/** @param total 0: not known  @param unit what @p done counts, for the rate */
void vt_cli_progress_show(struct vt_cli_progress *progress, uint64_t done, uint64_t total, const char *unit);
/** Clear the line. */
void vt_cli_progress_end(struct vt_cli_progress *progress);
