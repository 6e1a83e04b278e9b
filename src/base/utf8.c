// utf8.c - see utf8.h.
#include "base/utf8.h"

int vkmoe_utf8_decode(const unsigned char *s, size_t size, uint32_t *code)
{
    if (size == 0)
        return -1;
    *code = s[0];
    if (s[0] < 0x80)
        return 1;
    const int length = s[0] >= 0xc2 && s[0] <= 0xdf ? 2
        : (s[0] & 0xf0) == 0xe0                     ? 3
        : s[0] >= 0xf0 && s[0] <= 0xf4              ? 4
                                                    : 0;
    *code &= 0x7fu >> length;
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= size)
            return -1;
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (s[i] & 0x3f);
    }
    const bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
    const bool too_long = (length == 3 && *code < 0x800) || (length == 4 && *code < 0x10000);
    return surrogate || too_long || *code > 0x10ffff ? 0 : length;
}

bool vkmoe_utf8_is_blank(uint32_t code)
{
    return (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x20) || code == 0x85
        || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028
        || code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

bool vkmoe_utf8_is_word(uint32_t code)
{
    if (code < 0x80)
        return (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') || code == '_'
            || (code >= 'a' && code <= 'z');
    const bool latin =
        code < 0xc0 ? code == 0xaa || code == 0xb5 || code == 0xba : code != 0xd7 && code != 0xf7;
    return latin && !vkmoe_utf8_is_blank(code) && !(code >= 0x2000 && code < 0x2070)
        && !(code >= 0x2190 && code < 0x2c00) && !(code >= 0x3000 && code < 0x3005)
        && !(code >= 0x3008 && code < 0x3021) && !(code >= 0xff00 && code < 0xff10);
}

size_t vkmoe_utf8_count_unfinished(const void *text, size_t size)
{
    const unsigned char *end = (const unsigned char *)text + size;
    uint32_t code;
    size_t count = size < 3 ? size : 3;
    while (count && vkmoe_utf8_decode(end - count, count, &code) >= 0)
        count--;
    return count;
}
