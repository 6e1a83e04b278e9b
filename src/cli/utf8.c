// utf8.c - see utf8.h.
#include "utf8.h"

#include <stdlib.h>
#include <strings.h>

int cli_utf8_decode(const unsigned char *s, size_t size, uint32_t *code)
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

bool cli_utf8_is_plain(uint32_t code)
{
    // Letters and punctuation of Latin, Greek, Cyrillic, Armenian; no combining marks, no
    // writing from right to left, nothing wide, no control characters.
    return (code >= 0x20 && code < 0x7f) || (code > 0xa0 && code < 0x300 && code != 0xad)
        || (code >= 0x370 && code < 0x590 && !(code >= 0x483 && code <= 0x489))
        || (code >= 0x2010 && code <= 0x2027) || (code >= 0x20a0 && code <= 0x20bf)
        || (code >= 0x2190 && code < 0x2300);
}

bool cli_utf8_is_blank(uint32_t code)
{
    return (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x20) || code == 0x85
        || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028
        || code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

bool cli_utf8_is_word(uint32_t code)
{
    if (code < 0x80)
        return (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') || code == '_'
            || (code >= 'a' && code <= 'z');
    const bool latin =
        code < 0xc0 ? code == 0xaa || code == 0xb5 || code == 0xba : code != 0xd7 && code != 0xf7;
    return latin && !cli_utf8_is_blank(code) && !(code >= 0x2000 && code < 0x2070)
        && !(code >= 0x2190 && code < 0x2c00) && !(code >= 0x3000 && code < 0x3005)
        && !(code >= 0x3008 && code < 0x3021) && !(code >= 0xff00 && code < 0xff10);
}

bool cli_utf8_shown(void)
{
    static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        for (const char *c = value; c && *c; c++) {
            if (strncasecmp(c, "utf-8", 5) == 0 || strncasecmp(c, "utf8", 4) == 0)
                return true;
        }
        if (value && *value)
            return false;
    }
    return true; // nobody said otherwise, as in a container
}
