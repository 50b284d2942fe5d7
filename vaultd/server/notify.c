#include "vaultd/server/notify.h"

#ifdef VT_HAVE_SYSTEMD
#include <systemd/sd-daemon.h>

#include "libvault/base/log.h"

void vt_notify(const char *state)
{
    if (sd_notify(0, state) < 0) vt_log(VT_LOG_WARN, "service_manager.not_told", "state=%s", state);
}
#else
void vt_notify(const char *state)
{
    (void)state;
}
#endif
