#include "libvault/schema/cmd_internal.h"

const struct vt_command *const VT_COMMANDS[] = {
#define VT_LIST_COMMAND(name) &VT_CMD_##name,
    VT_ALL_COMMANDS(VT_LIST_COMMAND)
#undef VT_LIST_COMMAND
};
const size_t VT_COMMAND_COUNT = VT_ARRAY_LEN(VT_COMMANDS);
