// value.c - see value.h.
#include "base/value.h"

#include <string.h>

static bool has_items(const struct value *value)
{
    return (value_is(value, VALUE_LIST) || value_is(value, VALUE_OBJECT)) && value->count > 0;
}

static const struct value none[1];

const struct value *vkmoe_value_begin(const struct value *value)
{
    return has_items(value) ? value->items : none;
}

const struct value *vkmoe_value_end(const struct value *value)
{
    return has_items(value) ? value->items + value->count : none;
}

// How many members have this name, and the first of them.
static uint32_t count_members(
    const struct value *object, const char *name, const struct value **first)
{
    uint32_t count = 0;
    *first = NULL;
    VALUE_EACH(item, object)
    {
        if (item->name && strcmp(item->name, name) == 0 && count++ == 0)
            *first = item;
    }
    return count;
}

const struct value *vkmoe_value_member(const struct value *object, const char *name)
{
    const struct value *first;
    count_members(object, name, &first);
    return first;
}

const struct value *vkmoe_value_only_member(const struct value *object, const char *name)
{
    const struct value *first;
    return count_members(object, name, &first) == 1 ? first : NULL;
}

bool vkmoe_value_integer(const struct value *value, uint64_t *out)
{
    if (!value_is(value, VALUE_NUMBER) || !(value->number >= 0.0 && value->number <= 0x1p53))
        return false;
    *out = (uint64_t)value->number;
    return (double)*out == value->number;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

const char *vkmoe_printable(const char *text, char *buffer, size_t size)
{
    size_t i = 0;
    for (; text[i] && i + 1 < size; i++)
        buffer[i] = is_control(text[i]) ? '?' : text[i];
    buffer[i] = '\0';
    return buffer;
}

void vkmoe_make_printable(char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        const size_t length = vkmoe_utf8_length((const unsigned char *)text + i, size - i);
        if (length == 0 || (length == 1 && is_control(text[i])))
            text[i] = '?';
        i += length ? length : 1;
    }
}

bool vkmoe_has_control_character(const char *text)
{
    for (; *text; text++) {
        if (is_control(*text))
            return true;
    }
    return false;
}

size_t vkmoe_utf8_length(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    unsigned low = 0x80, high = 0xbf; // of the second byte
    size_t length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < length)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}
