/* tools/gendoc/field_types.c - writes docs/generated/field-types.md from the tables, or checks that it is current:
 * gendoc_field_types [--check] FILE. Thread: main. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libvault/base/buf.h"
#include "libvault/schema/category.h"
#include "libvault/schema/field_type.h"

enum { PAGE_MAX = 1024 * 1024 };

static const char INTRO[] =
    "# Field types and categories\n"
    "\n"
    "Written by `tools/gendoc` from `libvault/schema`; do not edit. How a schema uses them: `docs/examples/schemas`.\n"
    "\n"
    "A type decides what is taken, the form that is stored, what is found alike, what a mask shows, whether the value "
    "is\n"
    "sensitive, and whether an access answer may show it. Values are checked by one rule on every path: API, import,\n"
    "correction, re-import of an export. A stored form is taken unchanged when it comes back.\n"
    "\n"
    "There is no type for card security codes, PINs and track data, and fields and columns named like one are "
    "refused:\n"
    "PCI DSS v4.0.1 requirement 3.3.1.\n"
    "\n"
    "Masks: `plain` is the stored form; `masked` is the most that the type's mask shows; `last4` is the end of a "
    "number\n"
    "and `[redacted]` for other types; `redacted` is `[redacted]`, whatever the length.\n";

static VT_RESULT write_options(struct vt_buf *page, uint32_t options)
{
    static const struct {
        enum vt_field_option bit;
        const char *name;
    } OPTIONS[] = {{VT_OPTION_RESERVED, "`reserved: refuse | accept`"},
                   {VT_OPTION_POLICY, "`policy: last4 | token`"},
                   {VT_OPTION_MIN, "`min`"},
                   {VT_OPTION_MAX, "`max`"},
                   {VT_OPTION_VALUES, "`values` (required)"}};
    bool is_first = true;
    for (size_t i = 0; i < VT_ARRAY_LEN(OPTIONS); i++) {
        if ((options & OPTIONS[i].bit) == 0) continue;
        VT_TRY(vt_buf_printf(page, "%s%s", is_first ? "- Options: " : ", ", OPTIONS[i].name));
        is_first = false;
    }
    return is_first ? VAULT_OK : vt_buf_append_str(page, "\n");
}

static VT_RESULT write_type(struct vt_buf *page, const struct vt_field_type *type)
{
    const bool is_indexable = (type->flags & VT_FIELD_INDEXABLE) != 0;
    VT_TRY(vt_buf_printf(page, "\n### `%s`\n\n%s\n\n", type->name, type->doc));
    const bool is_json = type->kind == VT_VALUE_MAP;
    VT_TRY(vt_buf_printf(page, "- Stored as %s", is_json ? "any kind of value" : vt_value_kind_name(type->kind)));
    if (type->max_bytes != 0) VT_TRY(vt_buf_printf(page, ", at most %u bytes", (unsigned)type->max_bytes));
    VT_TRY(vt_buf_printf(page, "; %s.\n", is_indexable ? "can be indexed" : "cannot be indexed"));
    VT_TRY(write_options(page, type->options));
    if (vt_field_type_is_sensitive(type)) {
        VT_TRY(vt_buf_printf(page, "- Sensitive%s.\n",
                             vt_field_type_is_never_disclosed(type) ? "; an access answer says only that it is held"
                                                                    : ""));
    }
    VT_TRY(vt_buf_printf(page, "- Masked shows: %s A reader without a right to more gets `%s`.\n", type->mask_doc,
                         vt_mask_name(type->default_mask)));
    return vt_buf_printf(page, "- Source: %s. Number %u, normalisation version %u.\n", type->source,
                         (unsigned)type->number, (unsigned)type->normal_version);
}

static VT_RESULT write_categories(struct vt_buf *page)
{
    VT_TRY(vt_buf_append_str(page,
                             "\n## Categories\n\n"
                             "A field has one home category, whose key seals it, and may list more under `also`.\n\n"
                             "| id | number | name | defined in | DPV | fideslang |\n"
                             "| --- | --- | --- | --- | --- | --- |\n"));
    for (uint16_t number = 1; number <= VT_CATEGORY_MAX; number++) {
        const struct vt_category *category = vt_category_at(number);
        VT_TRY(vt_buf_printf(page, "| %s | %u | %s | %s | `%s` | `%s` |\n", category->id, (unsigned)number,
                             category->name, category->source, category->dpv, category->fideslang));
    }
    return VAULT_OK;
}

static VT_RESULT write_page(struct vt_buf *page)
{
    VT_TRY(vt_buf_append_str(page, INTRO));
    VT_TRY(vt_buf_append_str(page, "\n## Types\n"));
    for (size_t i = 0; i < vt_field_type_count(); i++) VT_TRY(write_type(page, vt_field_type_at(i)));
    return write_categories(page);
}

static bool is_current(const char *path, const struct vt_buf *page)
{
    static uint8_t found[PAGE_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) return false;
    const size_t len = fread(found, 1, sizeof found, file);
    fclose(file);
    return vt_bytes_equal(vt_bytes(found, len), vt_buf_bytes(page));
}

static bool is_written(const char *path, const struct vt_buf *page)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) return false;
    const bool is_whole = fwrite(page->data, 1, page->len, file) == page->len;
    return fclose(file) == 0 && is_whole;
}

int main(int argc, char **argv)
{
    const bool is_check = argc == 3 && strcmp(argv[1], "--check") == 0;
    VT_AUTO(vt_buf) page = VT_BUF_INIT(PAGE_MAX);
    if (argc != 2 && !is_check) {
        fprintf(stderr, "usage: gendoc_field_types [--check] FILE\n");
        return EXIT_FAILURE;
    }
    if (write_page(&page) != VAULT_OK) return EXIT_FAILURE;
    const char *path = argv[argc - 1];
    if (is_check ? is_current(path, &page) : is_written(path, &page)) return EXIT_SUCCESS;
    fprintf(stderr, is_check ? "%s is not current: run gendoc_field_types on it\n" : "%s cannot be written\n", path);
    return EXIT_FAILURE;
}
