/* Mappings as YAML text. Apart from mapping.c, so that the shared object can leave YAML out. */
#include "libvault/codec/yaml.h"
#include "libvault/schema/mapping.h"

VT_RESULT vt_mapping_read_yaml(struct vt_pool *pool, struct vt_bytes text, struct vt_mapping **out_mapping,
                               struct vt_err *err)
{
    struct vt_value value;
    VT_TRY(vt_yaml_read(pool, text, &value, err));
    return vt_mapping_parse(pool, &value, out_mapping, err);
}
