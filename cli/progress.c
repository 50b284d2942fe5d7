#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libvault/base/clock.h"

enum { BAR_WIDTH = 24, LINE_MAX_BYTES = 160 };
static const uint64_t QUIET_NS = 1000u * 1000 * 1000;       /* nothing for what is over within a second */
static const uint64_t REDRAW_NS = 200u * 1000 * 1000;

void vt_cli_progress_begin(struct vt_cli_progress *progress, const char *what, int fd)
{
    *progress = (struct vt_cli_progress){.what = what, .fd = fd, .begun_ns = vt_monotonic_ns()};
}

static void put(struct vt_cli_progress *progress, const char *text)
{
    /* A bar that cannot be drawn is given up; the work goes on. */
    if (write(progress->fd, text, strlen(text)) < 0) progress->fd = -1;
}

static void draw_bar(uint64_t done, uint64_t total, char bar[BAR_WIDTH + 1])
{
    const uint64_t filled = total == 0 ? 0 : done >= total ? BAR_WIDTH : done * BAR_WIDTH / total;
    for (uint64_t i = 0; i < BAR_WIDTH; i++) bar[i] = i < filled ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
}

void vt_cli_progress_show(struct vt_cli_progress *progress, uint64_t done, uint64_t total, const char *unit)
{
    const uint64_t now = vt_monotonic_ns();
    if (progress->fd < 0 || now - progress->begun_ns < QUIET_NS || now - progress->shown_ns < REDRAW_NS) return;
    char bar[BAR_WIDTH + 1], line[LINE_MAX_BYTES];
    draw_bar(done, total, bar);
    const double seconds = (double)(now - progress->begun_ns) / 1e9;
    const double rate = (double)done / seconds;
    if (total != 0)
        snprintf(line, sizeof line, "\r\033[K%s [%s] %" PRIu64 "/%" PRIu64 " %s, %.0f/s", progress->what, bar, done, total,
                 unit, rate);
    else
        snprintf(line, sizeof line, "\r\033[K%s %" PRIu64 " %s, %.0f/s, %.0f s", progress->what, done, unit, rate, seconds);
    progress->shown_ns = now;
    progress->is_shown = true;
    put(progress, line);
}

void vt_cli_progress_end(struct vt_cli_progress *progress)
{
    if (progress->is_shown && progress->fd >= 0) put(progress, "\r\033[K");
    progress->is_shown = false;
}
