/* Machines and places on the network: ip, mac, url. */
#include <arpa/inet.h>
#include <stdio.h>

#include "libvault/base/secret.h"
#include "libvault/codec/text.h"
#include "libvault/schema/field_type_internal.h"

enum { IPV4_LEN = 4, IPV6_LEN = 16, IP_TEXT_MAX = 45 };
static const uint8_t V4_MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

bool vt_ip_parse(struct vt_bytes text, uint8_t out_address[16], bool *out_is_v6)
{
    char copy[IP_TEXT_MAX + 1];
    uint8_t parsed[IPV6_LEN];
    if (text.len == 0 || text.len > IP_TEXT_MAX) return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;

    const bool is_v6 = memchr(copy, ':', text.len) != NULL;
    memcpy(parsed, V4_MAPPED, sizeof V4_MAPPED);
    const int got = is_v6 ? inet_pton(AF_INET6, copy, parsed) : inet_pton(AF_INET, copy, parsed + sizeof V4_MAPPED);
    vt_wipe(copy, sizeof copy);
    if (got != 1) return false;
    memcpy(out_address, parsed, IPV6_LEN);
    *out_is_v6 = is_v6;
    return true;
}

/* RFC 5952 section 4.2: the longest run of two or more zero groups, the first of equals. */
static void longest_zero_run(const uint8_t address[16], int groups, int *out_start, int *out_len)
{
    *out_start = -1;
    *out_len = 1;
    for (int i = 0, run = 0; i < groups; i++) {
        run = vt_get_u16(address + 2 * i) == 0 ? run + 1 : 0;
        if (run <= *out_len) continue;
        *out_len = run;
        *out_start = i - run + 1;
    }
}

/* RFC 5952: lower case, no leading zeroes, one "::"; section 5: a mapped IPv4 address keeps its dots. */
static size_t ip_format(const uint8_t address[16], bool is_v6, char out_text[IP_TEXT_MAX + 1])
{
    const bool is_mapped = memcmp(address, V4_MAPPED, sizeof V4_MAPPED) == 0;
    const int groups = is_mapped ? 6 : 8;
    int skip_at, skip_len, used = 0;
    longest_zero_run(address, groups, &skip_at, &skip_len);
    for (int i = 0; is_v6 && i < groups; i++) {
        if (i == skip_at) {
            used += snprintf(out_text + used, IP_TEXT_MAX + 1 - (size_t)used, "::");
            i += skip_len - 1;
            continue;
        }
        const bool needs_colon = used != 0 && out_text[used - 1] != ':';
        used += snprintf(out_text + used, IP_TEXT_MAX + 1 - (size_t)used, "%s%x", needs_colon ? ":" : "",
                         (unsigned)vt_get_u16(address + 2 * i));
    }
    if (is_v6 && !is_mapped) return (size_t)used;
    used += snprintf(out_text + used, IP_TEXT_MAX + 1 - (size_t)used, "%s%u.%u.%u.%u", is_v6 ? ":" : "", address[12],
                     address[13], address[14], address[15]);
    return (size_t)used;
}

vault_status vt_check_ip(const struct vt_field_check *check, const struct vt_value *input, struct vt_value *out_stored)
{
    uint8_t address[IPV6_LEN];
    bool is_v6;
    if (!vt_ip_parse(input->bytes, address, &is_v6)) {
        return vt_field_refuse(check, "is not an IPv4 or IPv6 address; zones and leading zeroes are not taken");
    }
    char *text = vt_pool_alloc(check->pool, IP_TEXT_MAX + 1);
    VT_ENSURE(text != NULL, VAULT_E_MEMORY);
    *out_stored = vt_value_text(vt_bytes(text, ip_format(address, is_v6, text)));
    return VAULT_OK;
}

/* An IPv4 address and its mapped IPv6 form are one machine. */
vault_status vt_normalise_ip(struct vt_pool *pool, const struct vt_value *stored, struct vt_bytes *out_normal)
{
    uint8_t *address = vt_pool_alloc(pool, IPV6_LEN);
    bool is_v6;
    VT_ENSURE(address != NULL, VAULT_E_MEMORY);
    VT_ENSURE(vt_ip_parse(stored->bytes, address, &is_v6), VAULT_E_INVALID_VALUE);
    *out_normal = vt_bytes(address, IPV6_LEN);
    return VAULT_OK;
}

/* The network: the first 24 bits of IPv4, the first 48 of IPv6. */
vault_status vt_mask_ip(struct vt_pool *pool, struct vt_bytes stored, enum vt_mask mask, struct vt_bytes *out_text)
{
    enum { SUFFIX_MAX = 4 };
    uint8_t address[IPV6_LEN];
    bool is_v6;
    if (mask == VT_MASK_LAST4 || !vt_ip_parse(stored, address, &is_v6)) return vt_mask_redacted(pool, out_text);
    const bool is_v4 = memcmp(address, V4_MAPPED, sizeof V4_MAPPED) == 0;
    memset(address + (is_v4 ? 15 : 6), 0, is_v4 ? 1 : 10);

    char *text = vt_pool_alloc(pool, IP_TEXT_MAX + SUFFIX_MAX + 1);
    VT_ENSURE(text != NULL, VAULT_E_MEMORY);
    size_t len = ip_format(address, !is_v4, text);
    len += (size_t)snprintf(text + len, SUFFIX_MAX, is_v4 ? "/24" : "/48");
    *out_text = vt_bytes(text, len);
    return VAULT_OK;
}

/* IEEE 802: six octets as 00:00:5e:00:53:af, 00-00-5E-00-53-AF, 0000.5e00.53af or 00005e0053af. */
vault_status vt_check_mac(const struct vt_field_check *check, const struct vt_value *input, struct vt_value *out_stored)
{
    enum { HEX_DIGITS = 12, STORED_LEN = 17 };
    static const char FAULT[] = "is not a MAC address of six octets";
    const struct vt_bytes text = input->bytes;
    const char separator = text.len == 17 ? (char)text.data[2] : text.len == 14 ? '.' : 0;
    const size_t group = text.len == 17 ? 2 : text.len == 14 ? 4 : HEX_DIGITS;
    if (text.len != HEX_DIGITS && text.len != 14 && text.len != 17) return vt_field_refuse(check, FAULT);
    if (text.len == 17 && separator != ':' && separator != '-') return vt_field_refuse(check, FAULT);

    char *stored = vt_pool_alloc(check->pool, STORED_LEN + 1);
    VT_ENSURE(stored != NULL, VAULT_E_MEMORY);
    size_t used = 0;
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.data[i], lower = c | 32;
        if (i % (group + 1) == group) {
            if (c != (uint8_t)separator) return vt_field_refuse(check, FAULT);
            continue;
        }
        if (!vt_is_digit(c) && (lower < 'a' || lower > 'f')) return vt_field_refuse(check, FAULT);
        if (used % 3 == 2) stored[used++] = ':';
        stored[used++] = (char)lower;
    }
    *out_stored = vt_value_text(vt_bytes(stored, used));
    return VAULT_OK;
}

/* The first three octets name the maker, not the machine. */
vault_status vt_mask_mac(struct vt_pool *pool, struct vt_bytes stored, enum vt_mask mask, struct vt_bytes *out_text)
{
    enum { MAKER_LEN = 8 };
    if (mask == VT_MASK_LAST4) return vt_mask_redacted(pool, out_text);
    return vt_mask_middle(pool, stored, MAKER_LEN, 0, out_text);
}

/* Where "//" ends: 7 for http, 8 for https, 0 for every other scheme. */
static size_t url_scheme_len(struct vt_bytes text)
{
    if (text.len > 7 && strncasecmp((const char *)text.data, "http://", 7) == 0) return 7;
    if (text.len > 8 && strncasecmp((const char *)text.data, "https://", 8) == 0) return 8;
    return 0;
}

static size_t url_authority_end(struct vt_bytes text, size_t start)
{
    while (start < text.len && strchr("/?#", text.data[start]) == NULL) start++;
    return start;
}

/* RFC 3986 section 3.2.3 allows a colon with no port behind it. */
static bool is_port(struct vt_bytes text)
{
    uint16_t port;
    return text.len == 0 || vt_port_parse(text, &port);
}

static bool is_url_host(struct vt_bytes host)
{
    uint8_t address[IPV6_LEN];
    bool is_v6;
    if (host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']') {
        return vt_ip_parse(vt_bytes(host.data + 1, host.len - 2), address, &is_v6) && is_v6;
    }
    return vt_is_host_name(host, 1) || (vt_ip_parse(host, address, &is_v6) && !is_v6);
}

/* RFC 3986 section 2: reserved and unreserved characters, and % with two hexadecimal digits. */
static bool has_url_chars_only(struct vt_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.data[i];
        const bool is_escape = c == '%' && i + 2 < text.len && vt_is_alnum(text.data[i + 1]) &&
                               vt_is_alnum(text.data[i + 2]) && (text.data[i + 1] | 32) <= 'f' &&
                               (text.data[i + 2] | 32) <= 'f';
        if (!vt_is_alnum(c) && !is_escape && (c == 0 || strchr("-._~:/?#[]@!$&'()*+,;=", c) == NULL)) return false;
    }
    return true;
}

static const char *url_fault(struct vt_bytes text)
{
    const size_t start = url_scheme_len(text);
    if (start == 0) return "is not a web address: its scheme is neither http nor https";
    if (!has_url_chars_only(text)) return "is not a web address: it holds a character that must be percent-encoded";
    const size_t end = url_authority_end(text, start);
    const struct vt_bytes authority = vt_bytes(text.data + start, end - start);
    if (memchr(authority.data, '@', authority.len) != NULL) return "holds a user name or password before its host";

    size_t host_len = authority.len;
    while (host_len > 0 && vt_is_digit(authority.data[host_len - 1])) host_len--;
    const bool has_port = host_len > 0 && authority.data[host_len - 1] == ':';
    host_len = has_port ? host_len - 1 : authority.len;
    if (has_port && !is_port(vt_bytes(authority.data + host_len + 1, authority.len - host_len - 1))) {
        return "is not a web address: its port is not one";
    }
    return is_url_host(vt_bytes(authority.data, host_len)) ? NULL : "is not a web address: its host is malformed";
}

vault_status vt_check_url(const struct vt_field_check *check, const struct vt_value *input, struct vt_value *out_stored)
{
    const char *fault = url_fault(input->bytes);
    if (fault != NULL) return vt_field_refuse(check, fault);
    return vt_field_store(check, input->bytes, out_stored);
}

/* RFC 3986 section 6.2.2.1: scheme and host are case-insensitive, the rest is not. */
vault_status vt_normalise_url(struct vt_pool *pool, const struct vt_value *stored, struct vt_bytes *out_normal)
{
    uint8_t *text = vt_field_copy(pool, stored->bytes);
    VT_ENSURE(text != NULL, VAULT_E_MEMORY);
    vt_field_lower(text, url_authority_end(stored->bytes, url_scheme_len(stored->bytes)));
    *out_normal = vt_bytes(text, stored->bytes.len);
    return VAULT_OK;
}

/* Scheme and host; paths and queries carry names and tokens. */
vault_status vt_mask_url(struct vt_pool *pool, struct vt_bytes stored, enum vt_mask mask, struct vt_bytes *out_text)
{
    if (mask == VT_MASK_LAST4) return vt_mask_redacted(pool, out_text);
    const size_t end = url_authority_end(stored, url_scheme_len(stored));
    uint8_t *text = vt_pool_alloc(pool, end + 5);
    VT_ENSURE(text != NULL, VAULT_E_MEMORY);
    memcpy(text, stored.data, end);
    memcpy(text + end, "/***", 4);
    *out_text = vt_bytes(text, end == stored.len ? end : end + 4);
    return VAULT_OK;
}
