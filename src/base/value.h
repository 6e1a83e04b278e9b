// value.h - what a file says in words and numbers, whatever notation it says it in: null, true and
// false, numbers, strings, lists, and objects whose members have names.
#ifndef VKMOE_VALUE_H
#define VKMOE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_kind {
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_NUMBER,
    VALUE_STRING,
    VALUE_LIST,
    VALUE_OBJECT,
};

struct value {
    const char *name; // of a member of an object; else NULL
    enum value_kind kind;
    uint32_t count; // of `items`
    union {
        double number; // 0 or 1 of VALUE_BOOL
        const char *text;
        const struct value *items; // of lists and objects
    };
};

// In all of these a value may be NULL, which is no value of any kind.

static inline bool value_is(const struct value *value, enum value_kind kind)
{
    return value && value->kind == kind;
}

static inline bool value_is_true(const struct value *value)
{
    return value_is(value, VALUE_BOOL) && value->number != 0.0;
}

// The text of a string, or NULL.
static inline const char *value_text(const struct value *value)
{
    return value_is(value, VALUE_STRING) ? value->text : NULL;
}

// The items of a list or an object, of anything else none.
const struct value *vkmoe_value_begin(const struct value *value);
const struct value *vkmoe_value_end(const struct value *value);

#define VALUE_EACH(item, parent) \
    for (const struct value *item = vkmoe_value_begin(parent), \
                            *item##_end = vkmoe_value_end(parent); \
         item < item##_end; item++)

// The first member of this name, or NULL; and the same, but NULL if there are two.
const struct value *vkmoe_value_member(const struct value *object, const char *name);
const struct value *vkmoe_value_only_member(const struct value *object, const char *name);

// True if it is an integer from 0 to 2^53, beyond which doubles skip integers.
bool vkmoe_value_integer(const struct value *value, uint64_t *out);

// `text` for a log line: control characters become '?', what exceeds `size` is cut.
const char *vkmoe_printable(const char *text, char *buffer, size_t size);

// The same in place: no control characters, and nothing that is not UTF-8.
void vkmoe_make_printable(char *text, size_t size);

// Whether it has characters that vkmoe_printable() would replace.
bool vkmoe_has_control_character(const char *text);

// The length of the well-formed UTF-8 sequence at p (Unicode table 3-7), or 0. `left` is at
// least 1.
size_t vkmoe_utf8_length(const unsigned char *p, size_t left);

#endif
