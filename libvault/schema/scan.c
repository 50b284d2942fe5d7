#include "libvault/schema/scan.h"

#include "libvault/schema/field_type_internal.h"

/* What may be seen by one attempt: the text, and where the last find ended. */
struct scan {
    struct vt_pool *pool;
    struct vt_bytes text;
    struct vt_finding *findings;
    size_t count, cap;
    size_t from; /* finds do not begin before it */
};

/* A number is not part of a longer word or number. */
static bool is_word_at(struct vt_bytes text, size_t at)
{
    return at < text.len && (vt_is_alnum(text.data[at]) || text.data[at] == '_' || text.data[at] >= 0x80);
}

static bool begins_word(const struct scan *scan, size_t at)
{
    return at == 0 || !is_word_at(scan->text, at - 1);
}

/* Whether the type takes these bytes; the check's own copy goes to a pool that is gone at once. */
static bool is_taken(const char *type_name, struct vt_bytes piece)
{
    enum { PIECE_POOL = 64 * 1024 };
    VT_AUTO(vt_pool) pool = VT_POOL_INIT(PIECE_POOL);
    const struct vt_field_type *type = vt_field_type_find(vt_bytes_str(type_name));
    struct vt_field_options options;
    vt_field_options_init(type, &options);
    options.policy = VT_PAN_TOKEN;
    options.accept_reserved = true; /* test numbers are found too: somebody typed them as a number of this kind */
    const struct vt_field_check check = {"text", &options, 0, &pool, NULL};
    const struct vt_value input = vt_value_text(piece);
    struct vt_value stored;
    return vt_field_check_value(type, &check, &input, &stored) == VAULT_OK;
}

static VT_RESULT add_finding(struct scan *scan, const char *type_name, size_t at, size_t len)
{
    if (scan->count == scan->cap) {
        const size_t cap = scan->cap == 0 ? 8 : 2 * scan->cap;
        struct vt_finding *grown = vt_pool_calloc(scan->pool, cap, sizeof *grown);
        VT_ENSURE(grown != NULL, VAULT_E_MEMORY);
        if (scan->count != 0) memcpy(grown, scan->findings, scan->count * sizeof *grown);
        scan->findings = grown;
        scan->cap = cap;
    }
    scan->findings[scan->count++] = (struct vt_finding){vt_field_type_find(vt_bytes_str(type_name)), at, len};
    scan->from = at + len;
    return VAULT_OK;
}

/* Each attempt answers how many bytes from @p at are a find of its type, 0 for none. */

/* Digits with single spaces or hyphens between, up to the most a card has; the longest that is a card wins, and it ends
 * where digits end. */
static size_t try_card(const struct scan *scan, size_t at)
{
    enum { TEXT_MAX = 19 + 18 };
    const struct vt_bytes text = scan->text;
    size_t best = 0;
    for (size_t i = at; i < text.len && i - at < TEXT_MAX; i++) {
        const bool is_separator = text.data[i] == ' ' || text.data[i] == '-';
        if (!vt_is_digit(text.data[i]) && !is_separator) break;
        if (is_separator && (i + 1 == text.len || !vt_is_digit(text.data[i + 1]))) break;
        if (is_separator || is_word_at(text, i + 1)) continue;
        const struct vt_bytes piece = vt_bytes(text.data + at, i + 1 - at);
        if (piece.len >= 12 && is_taken("pan", piece)) best = piece.len;
    }
    return best;
}

/* NNN-NN-NNNN; not the beginning or end of a longer number with hyphens. */
static size_t try_ssn(const struct scan *scan, size_t at)
{
    enum { LEN = 11 };
    const struct vt_bytes text = scan->text;
    if (text.len - at < LEN || (text.data[at + 3] != '-' && text.data[at + 3] != ' ')) return 0;
    const size_t end = at + LEN;
    const bool goes_on =
        is_word_at(text, end) || (end + 1 < text.len && text.data[end] == '-' && vt_is_digit(text.data[end + 1]));
    const bool came_from = at >= 2 && text.data[at - 1] == '-' && vt_is_digit(text.data[at - 2]);
    return !goes_on && !came_from && is_taken("us_ssn", vt_bytes(text.data + at, LEN)) ? LEN : 0;
}

/* Two letters, two digits, then letters and digits with single spaces between; the country says how many. */
static size_t try_iban(const struct scan *scan, size_t at)
{
    enum { CHARS_MAX = 34, CHARS_MIN = 15 };
    const struct vt_bytes text = scan->text;
    size_t chars = 0;
    if (text.len - at < CHARS_MIN || !vt_is_alpha(text.data[at]) || !vt_is_alpha(text.data[at + 1])) return 0;
    if (!vt_is_digit(text.data[at + 2]) || !vt_is_digit(text.data[at + 3])) return 0;
    for (size_t i = at; i < text.len && chars < CHARS_MAX; i++) {
        const bool is_space = text.data[i] == ' ' && i + 1 < text.len && vt_is_alnum(text.data[i + 1]);
        if (!vt_is_alnum(text.data[i]) && !is_space) break;
        chars += !is_space;
        if (is_space || chars < CHARS_MIN || is_word_at(text, i + 1)) continue;
        if (is_taken("iban", vt_bytes(text.data + at, i + 1 - at))) return i + 1 - at;
    }
    return 0;
}

/* A plus sign and what may stand in a phone number; the longest that is one wins. */
static size_t try_phone(const struct scan *scan, size_t at)
{
    enum { TEXT_MAX = 32 };
    const struct vt_bytes text = scan->text;
    size_t best = 0;
    if (text.data[at] != '+') return 0;
    for (size_t i = at + 1; i < text.len && i - at < TEXT_MAX; i++) {
        const bool is_digit = vt_is_digit(text.data[i]);
        if (!is_digit && (text.data[i] == 0 || strchr(" -.()", text.data[i]) == NULL)) break;
        if (!is_digit || is_word_at(text, i + 1)) continue;
        if (is_taken("phone", vt_bytes(text.data + at, i + 1 - at))) best = i + 1 - at;
    }
    return best;
}

/* Hexadecimal groups with dots or colons. IPv4 wants four numbers and no fifth; IPv6 two colons, and a digit at least,
 * so that "a::b" in a program is no address while "2001:db8::1" is. */
static size_t try_ip(const struct scan *scan, size_t at)
{
    enum { IPV6_TEXT_MAX = 45, IPV6_TEXT_MIN = 6 };
    const struct vt_bytes text = scan->text;
    size_t len = 0, colons = 0, digits = 0;
    if (at != 0 && (text.data[at - 1] == '.' || text.data[at - 1] == ':')) return 0;
    while (at + len < text.len && len <= IPV6_TEXT_MAX) {
        const uint8_t c = text.data[at + len];
        if (!vt_is_alnum(c) && c != '.' && c != ':') break;
        colons += c == ':';
        digits += vt_is_digit(c);
        len++;
    }
    while (len != 0 && (text.data[at + len - 1] == '.' || (text.data[at + len - 1] == ':' && colons == 1))) len--;
    struct vt_bytes piece = vt_bytes(text.data + at, len);
    if (colons >= 2) return len >= IPV6_TEXT_MIN && digits != 0 && is_taken("ip", piece) ? len : 0;
    const uint8_t *port = len == 0 ? NULL : memchr(piece.data, ':', len);
    if (port != NULL) piece.len = (size_t)(port - piece.data);
    return piece.len >= 7 && is_taken("ip", piece) ? piece.len : 0;
}

static bool is_mail_char(uint8_t c)
{
    return c >= 0x80 || vt_is_alnum(c) || (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

/* From the first character of a local part to the end of the domain, full stops of the sentence left out. Quoted local
 * parts are not looked for: a quote in free text is a quote. */
static size_t try_email(const struct scan *scan, size_t at)
{
    enum { TEXT_MAX = 254 };
    const struct vt_bytes text = scan->text;
    size_t i = at;
    while (i < text.len && i - at < TEXT_MAX && is_mail_char(text.data[i])) i++;
    if (i == at || i == text.len || text.data[i] != '@') return 0;
    for (i++; i < text.len && i - at < TEXT_MAX; i++) {
        const uint8_t c = text.data[i];
        if (c < 0x80 && !vt_is_alnum(c) && c != '.' && c != '-') break;
    }
    while (i > at && (text.data[i - 1] == '.' || text.data[i - 1] == '-')) i--;
    return is_taken("email", vt_bytes(text.data + at, i - at)) ? i - at : 0;
}

/* The attempts in the order in which a place is claimed: an address may begin with what looks like a number. */
static const struct attempt {
    const char *type;
    size_t (*find)(const struct scan *scan, size_t at);
    bool needs_digit; /* begins with a digit */
} ATTEMPTS[] = {
    {"email", try_email, false}, {"iban", try_iban, false},   {"pan", try_card, true},
    {"us_ssn", try_ssn, true},   {"phone", try_phone, false}, {"ip", try_ip, false},
};

static VT_RESULT scan_at(struct scan *scan, size_t at)
{
    const bool is_digit = vt_is_digit(scan->text.data[at]);
    for (size_t i = 0; i < VT_ARRAY_LEN(ATTEMPTS); i++) {
        if (ATTEMPTS[i].needs_digit && !is_digit) continue;
        const size_t len = ATTEMPTS[i].find(scan, at);
        if (len != 0) return add_finding(scan, ATTEMPTS[i].type, at, len);
    }
    return VAULT_OK;
}

VT_RESULT vt_scan_text(struct vt_pool *pool, struct vt_bytes text, struct vt_finding **out_findings, size_t *out_count)
{
    struct scan scan = {.pool = pool, .text = text};
    for (size_t at = 0; at < text.len; at++) {
        if (at < scan.from || !begins_word(&scan, at)) continue;
        VT_TRY(scan_at(&scan, at));
    }
    *out_findings = scan.findings;
    *out_count = scan.count;
    return VAULT_OK;
}

VT_RESULT vt_scan_redact(struct vt_pool *pool, struct vt_bytes text, const struct vt_finding *findings, size_t count,
                         struct vt_bytes *out_text)
{
    size_t max = text.len, used = 0, from = 0;
    for (size_t i = 0; i < count; i++) {
        VT_ENSURE(vt_size_add(max, strlen(findings[i].type->name) + 2, &max), VAULT_E_MEMORY);
    }
    uint8_t *redacted = vt_pool_alloc(pool, max + 1);
    VT_ENSURE(redacted != NULL, VAULT_E_MEMORY);
    for (size_t i = 0; i <= count; i++) {
        const size_t until = i < count ? findings[i].at : text.len;
        VT_BUG_ON(until < from || until > text.len);
        if (until > from) memcpy(redacted + used, text.data + from, until - from);
        used += until - from;
        if (i == count) break;
        const size_t len = strlen(findings[i].type->name);
        redacted[used] = '[';
        memcpy(redacted + used + 1, findings[i].type->name, len);
        redacted[used + 1 + len] = ']';
        used += len + 2;
        from = findings[i].at + findings[i].len;
    }
    *out_text = vt_bytes(redacted, used);
    return VAULT_OK;
}
