#include "libvault/schema/category.h"

#include <stddef.h>

#define CCPA(letter) "Cal. Civ. Code 1798.140(v)(1)(" letter ")"

static const struct vt_category CATEGORIES[] = {
    {1, "A", "Identifiers", CCPA("A"), "pd:Identifying", "user.unique_id"},
    {2, "B", "Customer records", CCPA("B") ", 1798.80(e)", "pd:Financial", "user.financial"},
    {3, "C", "Protected classification characteristics", CCPA("C"), "pd:Demographic", "user.demographic"},
    {4, "D", "Commercial information", CCPA("D"), "pd:Transactional", "user.behavior.purchase_history"},
    {5, "E", "Biometric information", CCPA("E"), "pd:Biometric", "user.biometrics"},
    {6, "F", "Internet or other network activity", CCPA("F"), "pd:BrowsingBehavior", "user.behavior"},
    {7, "G", "Geolocation data", CCPA("G"), "pd:Location", "user.location"},
    {8, "H", "Audio, electronic, visual, thermal, olfactory or similar information", CCPA("H"), "pd:External",
     "user.content"},
    {9, "I", "Professional or employment-related information", CCPA("I"), "pd:Professional",
     "user.professional_information"},
    {10, "J", "Non-public education information", CCPA("J"), "pd:Education", "user"},
    {11, "K", "Inferences drawn from other personal information", CCPA("K"), "dpv:InferredPersonalData",
     "user.demographic.profile"},
    {12, "L", "Sensitive personal information", CCPA("L") ", 1798.140(ae)", "dpv:SensitivePersonalData",
     "user.demographic.protected_classifications"},
    {13, "U", "Unclassified free content", "vaultd", "dpv:PersonalData", "user.content"},
};
_Static_assert(sizeof CATEGORIES / sizeof CATEGORIES[0] == VT_CATEGORY_COUNT, "the table is the scheme");

const struct vt_category *vt_category_find(struct vt_bytes id)
{
    for (size_t i = 0; i < VT_CATEGORY_COUNT; i++) {
        if (vt_bytes_equal_str(id, CATEGORIES[i].id)) return &CATEGORIES[i];
    }
    return NULL;
}

const struct vt_category *vt_category_at(uint16_t number)
{
    return number >= 1 && number <= VT_CATEGORY_MAX ? &CATEGORIES[number - 1] : NULL;
}
