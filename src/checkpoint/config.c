// config.c - see config.h.
#include "checkpoint/config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/foreign.h"
#include "base/json.h"

enum vkmoe_status vkmoe_config_open(
    const char *directory, const struct vkmoe_log *log, struct vkmoe_config *out)
{
    *out = (struct vkmoe_config){ .log = log };
    size_t size = strlen(directory) + sizeof "/config.json";
    out->path = malloc(size);
    if (!out->path)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for a path", directory);
    snprintf(out->path, size, "%s/config.json", directory);

    enum vkmoe_status status = vkmoe_foreign_is_there(out->path)
        ? vkmoe_json_open(out->path, log, &out->root)
        : vkmoe_foreign_config(directory, log);
    out->object = out->root;
    if (status != VKMOE_OK)
        vkmoe_config_close(out);
    return status;
}

void vkmoe_config_close(struct vkmoe_config *config)
{
    cJSON_Delete(config->root);
    free(config->path);
    *config = (struct vkmoe_config){ 0 };
}

void vkmoe_config_fail(
    struct vkmoe_config *config, enum vkmoe_status status, const char *format, ...)
{
    if (config->status != VKMOE_OK)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    config->status = vkmoe_fail(config->log, status, "%s: %s", config->path, text);
}

// The member named by the first `length` bytes of `key`.
static const cJSON *find_key(struct vkmoe_config *config, const char *key, size_t length)
{
    const cJSON *found = NULL, *item;
    cJSON_ArrayForEach(item, config->object)
    {
        if (strncmp(item->string, key, length) != 0 || item->string[length] != '\0')
            continue;
        if (found)
            vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "%s is there twice", item->string);
        found = item;
    }
    return found;
}

const cJSON *vkmoe_config_find(struct vkmoe_config *config, const char *keys)
{
    for (const char *key = keys;;) {
        size_t length = strcspn(key, "|");
        const cJSON *item = find_key(config, key, length);
        if (item && !cJSON_IsNull(item))
            return item;
        if (key[length] == '\0')
            return NULL;
        key += length + 1;
    }
}

bool vkmoe_config_is_null(struct vkmoe_config *config, const char *key)
{
    return cJSON_IsNull(find_key(config, key, strlen(key)));
}

// A value as a log line shows it.
static const char *describe(const cJSON *item, char *buffer, size_t size)
{
    char text[64];
    if (cJSON_IsString(item))
        snprintf(
            buffer, size, "\"%s\"", vkmoe_json_printable(item->valuestring, text, sizeof text));
    else if (cJSON_IsNumber(item))
        snprintf(buffer, size, "%.17g", item->valuedouble);
    else
        snprintf(buffer, size, "%s",
            cJSON_IsBool(item)         ? cJSON_IsTrue(item) ? "true" : "false"
                : cJSON_IsArray(item)  ? "an array"
                : cJSON_IsObject(item) ? "an object"
                                       : "null");
    return buffer;
}

uint32_t vkmoe_config_u32(
    struct vkmoe_config *config, const char *keys, uint32_t fallback, uint32_t min, uint32_t max)
{
    const cJSON *item = vkmoe_config_find(config, keys);
    if (!item)
        return fallback;
    uint64_t value;
    if (!vkmoe_json_integer(item, &value) || value < min || value > max) {
        char text[80];
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "%s is %s, expected an integer from %u to %u", item->string,
            describe(item, text, sizeof text), min, max);
        return fallback;
    }
    return (uint32_t)value;
}

double vkmoe_config_number(struct vkmoe_config *config, const char *keys, double fallback)
{
    const cJSON *item = vkmoe_config_find(config, keys);
    if (!item)
        return fallback;
    // Beyond 1e30 nothing is meant, and it would not survive as a float.
    if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) <= 1e30)) {
        char text[80];
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "%s is %s, expected a finite number",
            item->string, describe(item, text, sizeof text));
        return fallback;
    }
    return item->valuedouble;
}

bool vkmoe_config_bool(struct vkmoe_config *config, const char *keys, bool fallback)
{
    const cJSON *item = vkmoe_config_find(config, keys);
    if (!item)
        return fallback;
    if (!cJSON_IsBool(item)) {
        char text[80];
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "%s is %s, expected true or false",
            item->string, describe(item, text, sizeof text));
        return fallback;
    }
    return cJSON_IsTrue(item);
}

const char *vkmoe_config_string(struct vkmoe_config *config, const char *keys, const char *fallback)
{
    const cJSON *item = vkmoe_config_find(config, keys);
    if (!item)
        return fallback;
    if (!cJSON_IsString(item)) {
        char text[80];
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "%s is %s, expected a string", item->string,
            describe(item, text, sizeof text));
        return fallback;
    }
    return item->valuestring;
}

bool vkmoe_config_is(struct vkmoe_config *config, const char *setting)
{
    const char *text = strchr(setting, '=') + 1;
    const cJSON *item = find_key(config, setting, (size_t)(text - 1 - setting));
    if (cJSON_IsString(item))
        return strcmp(item->valuestring, text) == 0;
    if (cJSON_IsBool(item))
        return strcmp(cJSON_IsTrue(item) ? "true" : "false", text) == 0;
    return cJSON_IsNumber(item) && (text[0] <= '9' || strcmp(text, "null") == 0)
        && item->valuedouble == strtod(text, NULL);
}

void vkmoe_config_expect(struct vkmoe_config *config, const char *setting)
{
    const char *text = strchr(setting, '=') + 1;
    const cJSON *item = find_key(config, setting, (size_t)(text - 1 - setting));
    char value[80];
    if (item && !cJSON_IsNull(item) && !vkmoe_config_is(config, setting))
        vkmoe_config_fail(config, VKMOE_ERROR_UNSUPPORTED, "%s is %s, only %s is supported",
            item->string, describe(item, value, sizeof value), text);
}
