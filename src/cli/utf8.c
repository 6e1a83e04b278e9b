// utf8.c - see utf8.h.
#include "utf8.h"

#include <stdlib.h>
#include <strings.h>

bool cli_utf8_is_plain(uint32_t code)
{
    // Letters and punctuation of Latin, Greek, Cyrillic, Armenian; no combining marks, no
    // writing from right to left, nothing wide, no control characters.
    return (code >= 0x20 && code < 0x7f) || (code > 0xa0 && code < 0x300 && code != 0xad)
        || (code >= 0x370 && code < 0x590 && !(code >= 0x483 && code <= 0x489))
        || (code >= 0x2010 && code <= 0x2027) || (code >= 0x20a0 && code <= 0x20bf)
        || (code >= 0x2190 && code < 0x2300);
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
