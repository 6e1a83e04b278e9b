// settings.c - see settings.h.
#include "checkpoint/settings.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vkmoe_setting_fail(
    struct settings *settings, enum vkmoe_status status, const char *format, ...)
{
    if (settings->status != VKMOE_OK)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    settings->status = vkmoe_fail(settings->log, status, "%s: %s", settings->path, text);
}

// The member of an object named by the first `length` bytes of `key`.
static const struct value *find_member(
    struct settings *settings, const struct value *object, const char *key, size_t length)
{
    const struct value *found = NULL;
    VALUE_EACH(item, object)
    {
        if (strncmp(item->name, key, length) != 0 || item->name[length] != '\0')
            continue;
        if (found)
            vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "%s is there twice", item->name);
        found = item;
    }
    return found;
}

// The same of the settings, or of an object there that the key names before a slash.
static const struct value *find_key(struct settings *settings, const char *key, size_t length)
{
    const struct value *object = settings->object;
    const char *end = key + length, *slash;
    while ((slash = memchr(key, '/', (size_t)(end - key)))) {
        object = find_member(settings, object, key, (size_t)(slash - key));
        if (object && object->kind != VALUE_NULL && object->kind != VALUE_OBJECT)
            vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "%s is no object", object->name);
        if (!value_is(object, VALUE_OBJECT))
            return NULL;
        key = slash + 1;
    }
    return find_member(settings, object, key, (size_t)(end - key));
}

const struct value *vkmoe_setting_find(struct settings *settings, const char *keys)
{
    for (const char *key = keys;;) {
        size_t length = strcspn(key, "|");
        const struct value *item = find_key(settings, key, length);
        if (item && item->kind != VALUE_NULL)
            return item;
        if (key[length] == '\0')
            return NULL;
        key += length + 1;
    }
}

bool vkmoe_setting_is_null(struct settings *settings, const char *key)
{
    return value_is(find_key(settings, key, strlen(key)), VALUE_NULL);
}

// A value as a log line shows it.
static const char *describe(const struct value *item, char *buffer, size_t size)
{
    static const char *const others[] = {
        [VALUE_NULL] = "null",
        [VALUE_LIST] = "an array",
        [VALUE_OBJECT] = "an object",
    };
    char text[64];
    if (item->kind == VALUE_STRING)
        snprintf(buffer, size, "\"%s\"", vkmoe_printable(item->text, text, sizeof text));
    else if (item->kind == VALUE_NUMBER)
        snprintf(buffer, size, "%.17g", item->number);
    else if (item->kind == VALUE_BOOL)
        snprintf(buffer, size, "%s", item->number != 0.0 ? "true" : "false");
    else
        snprintf(buffer, size, "%s", others[item->kind]);
    return buffer;
}

static void refuse(struct settings *settings, const struct value *item, const char *expected)
{
    char text[80];
    vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "%s is %s, expected %s", item->name,
        describe(item, text, sizeof text), expected);
}

uint32_t vkmoe_setting_u32(
    struct settings *settings, const char *keys, uint32_t preset, uint32_t min, uint32_t max)
{
    const struct value *item = vkmoe_setting_find(settings, keys);
    if (!item)
        return preset;
    uint64_t value;
    if (!vkmoe_value_integer(item, &value) || value < min || value > max) {
        char expected[64];
        snprintf(expected, sizeof expected, "an integer from %u to %u", min, max);
        refuse(settings, item, expected);
        return preset;
    }
    return (uint32_t)value;
}

double vkmoe_setting_number(struct settings *settings, const char *keys, double preset)
{
    const struct value *item = vkmoe_setting_find(settings, keys);
    if (!item)
        return preset;
    // Beyond 1e30 nothing is meant, and it would not survive as a float.
    if (item->kind == VALUE_NUMBER && fabs(item->number) <= 1e30)
        return item->number;
    refuse(settings, item, "a finite number");
    return preset;
}

bool vkmoe_setting_bool(struct settings *settings, const char *keys, bool preset)
{
    const struct value *item = vkmoe_setting_find(settings, keys);
    if (!item)
        return preset;
    if (item->kind == VALUE_BOOL)
        return value_is_true(item);
    refuse(settings, item, "true or false");
    return preset;
}

const char *vkmoe_setting_string(struct settings *settings, const char *keys, const char *preset)
{
    const struct value *item = vkmoe_setting_find(settings, keys);
    if (!item)
        return preset;
    if (item->kind == VALUE_STRING)
        return item->text;
    refuse(settings, item, "a string");
    return preset;
}

static const struct value *find_kind(
    struct settings *settings, const char *keys, enum value_kind kind, const char *kind_name)
{
    const struct value *item = vkmoe_setting_find(settings, keys);
    if (!item || item->kind == kind)
        return item;
    vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "%s is no %s", item->name, kind_name);
    return NULL;
}

const struct value *vkmoe_setting_list(struct settings *settings, const char *keys)
{
    return find_kind(settings, keys, VALUE_LIST, "array");
}

const struct value *vkmoe_setting_object(struct settings *settings, const char *keys)
{
    return find_kind(settings, keys, VALUE_OBJECT, "object");
}

bool vkmoe_setting_list_of(struct settings *settings, const char *key, uint32_t count,
    const char *item, const char *owners, const struct value **out)
{
    *out = vkmoe_setting_find(settings, key);
    if (!*out)
        return false;
    if (value_is(*out, VALUE_LIST) && (*out)->count == count)
        return true;
    vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
        "%s is not an array with one %s for each of %u %s", key, item, count, owners);
    return false;
}

bool vkmoe_setting_flag_of(
    struct settings *settings, const char *key, uint32_t count, uint32_t index, bool preset)
{
    const struct value *list;
    uint64_t flag = 0;
    if (!vkmoe_setting_list_of(settings, key, count, "number", "blocks", &list))
        return preset;
    if (!vkmoe_value_integer(&list->items[index], &flag) || flag > 1)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "%s has for block %u something else than 0 and 1", key, index);
    return flag == 1;
}

// The number that all items of a list are, by its own name in an object of its own.
static bool settle(struct settings *settings, const char *keys, struct value *out)
{
    const struct value *list = vkmoe_setting_find(settings, keys);
    if (!value_is(list, VALUE_LIST) || list->count == 0)
        return false;
    *out = list->items[0];
    out->name = list->name;
    VALUE_EACH(item, list)
    {
        if (item->kind != VALUE_NUMBER || item->number != out->number)
            vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
                "%s differs from block to block, which is not supported", list->name);
    }
    return settings->status == VKMOE_OK;
}

uint32_t vkmoe_setting_read(
    const struct setting *setting, struct settings *settings, uint32_t min, uint32_t max)
{
    struct value number;
    if (!setting->key)
        return setting->preset;
    if (setting->listed && settle(settings, setting->key, &number)) {
        const struct value object = { .kind = VALUE_OBJECT, .count = 1, .items = &number };
        const struct setting one = { setting->key, setting->preset, false };
        struct settings level = *settings;
        level.object = &object;
        const uint32_t value = vkmoe_setting_read(&one, &level, min, max);
        settings->status = level.status;
        return value;
    }
    uint32_t value = vkmoe_setting_u32(settings, setting->key, setting->preset, min, max);
    if (value < min) // a preset of 0: the class has none
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "needs %s, an integer from %u to %u",
            setting->key, min, max);
    return value;
}

bool vkmoe_setting_is(struct settings *settings, const char *setting)
{
    const char *text = strchr(setting, '=') + 1;
    const struct value *item = find_key(settings, setting, (size_t)(text - 1 - setting));
    if (value_is(item, VALUE_STRING))
        return strcmp(item->text, text) == 0;
    if (value_is(item, VALUE_BOOL))
        return strcmp(value_is_true(item) ? "true" : "false", text) == 0;
    return value_is(item, VALUE_NUMBER) && (text[0] <= '9' || strcmp(text, "null") == 0)
        && item->number == strtod(text, NULL);
}

void vkmoe_setting_expect(struct settings *settings, const char *setting)
{
    const char *text = strchr(setting, '=') + 1;
    const struct value *item = find_key(settings, setting, (size_t)(text - 1 - setting));
    char value[80];
    if (item && item->kind != VALUE_NULL && !vkmoe_setting_is(settings, setting))
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED, "%s is %s, only %s is supported",
            item->name, describe(item, value, sizeof value), text);
}

void vkmoe_setting_expect_all(struct settings *settings, const char *const *expected, size_t count)
{
    for (size_t i = 0; i < count && expected[i]; i++)
        vkmoe_setting_expect(settings, expected[i]);
}
