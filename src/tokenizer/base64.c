// base64.c - see base64.h.
#include "tokenizer/base64.h"

#include <stdint.h>
#include <string.h>

static int value_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

bool vkmoe_base64_decode(const char *text, size_t size, char *out, size_t *out_size)
{
    size_t padding = 0;
    *out_size = 0;
    if (size % 4 != 0)
        return false;
    while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
        padding++;
    for (size_t at = 0; at < size; at += 4) {
        uint32_t bits = 0;
        for (size_t i = at; i < at + 4; i++) {
            const int value = i < size - padding ? value_of(text[i]) : 0;
            if (value < 0)
                return false;
            bits = bits << 6 | (uint32_t)value;
        }
        const size_t made = at + 4 == size ? 3 - padding : 3;
        for (size_t i = 0; i < made; i++)
            out[(*out_size)++] = (char)(bits >> (16 - 8 * i));
    }
    return true;
}
