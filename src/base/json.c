// json.c - see json.h.
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/content.h"
#include "base/log.h"

// Replaces a Python float that is no JSON at text[0], if there is one, by "". Returns
// the length of what is there now, at least 1.
static size_t replace_float(char *text)
{
    static const char *const tokens[] = { "NaN", "Infinity", "-Infinity" };
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        size_t length = strlen(tokens[i]);
        if (strncmp(text, tokens[i], length) == 0) {
            memset(text, ' ', length);
            text[0] = text[1] = '"';
            return length;
        }
    }
    return 1;
}

// What cJSON would misread or take too much memory for. `text` ends with a NUL at `size`.
static const char *find_fault(char *text, size_t size)
{
    bool in_string = false;
    uint32_t values = 0;
    for (size_t i = 0; i < size;) {
        size_t length = vkmoe_utf8_length((const unsigned char *)text + i, size - i);
        if (length == 0)
            return "is not UTF-8";
        char c = text[i];
        if (c == '\0')
            return "has a NUL byte";
        if (in_string && c == '\\') {
            if (strncmp(text + i, "\\u0000", 6) == 0)
                return "has a NUL in a string";
            length = i + 1 < size && (text[i + 1] == '"' || text[i + 1] == '\\') ? 2 : 1;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string) {
            values += c == ',' || c == ':' || c == '[' || c == '{';
            if (c == 'N' || c == 'I' || c == '-')
                length = replace_float(text + i);
        }
        i += length;
    }
    return values > VKMOE_JSON_MAX_VALUES ? "has too many values" : NULL;
}

// A copy with room for a NUL behind it.
static enum vkmoe_status reserve(
    const char *path, uint64_t size, const struct vkmoe_log *log, char **copy)
{
    if (size > VKMOE_JSON_MAX_SIZE)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: has %llu bytes of JSON, at most %d fit",
            path, (unsigned long long)size, VKMOE_JSON_MAX_SIZE);
    *copy = malloc((size_t)size + 1);
    if (!*copy)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", path);
    (*copy)[size] = '\0';
    return VKMOE_OK;
}

// ----------------------------------------------------------------------------- values

// What a tree of values needs, and in the second run where the next of it goes.
struct room {
    size_t values, text_size;
    struct value *next;
    char *text;
};

static void measure(const cJSON *item, struct room *room)
{
    const cJSON *child;
    room->values++;
    if (item->string)
        room->text_size += strlen(item->string) + 1;
    if (cJSON_IsString(item))
        room->text_size += strlen(item->valuestring) + 1;
    cJSON_ArrayForEach(child, item) measure(child, room);
}

static const char *keep_text(struct room *room, const char *text)
{
    char *kept = room->text;
    const size_t size = strlen(text) + 1;
    room->text += size;
    return memcpy(kept, text, size);
}

// As deep as cJSON goes, which has a limit.
static void convert(const cJSON *item, struct room *room, struct value *out)
{
    const cJSON *child;
    *out = (struct value){ .name = item->string ? keep_text(room, item->string) : NULL };
    if (cJSON_IsBool(item)) {
        out->kind = VALUE_BOOL;
        out->number = cJSON_IsTrue(item);
    } else if (cJSON_IsNumber(item)) {
        out->kind = VALUE_NUMBER;
        out->number = item->valuedouble;
    } else if (cJSON_IsString(item)) {
        out->kind = VALUE_STRING;
        out->text = keep_text(room, item->valuestring);
    } else if (cJSON_IsArray(item) || cJSON_IsObject(item)) {
        struct value *to = room->next;
        out->kind = cJSON_IsArray(item) ? VALUE_LIST : VALUE_OBJECT;
        out->count = (uint32_t)cJSON_GetArraySize(item);
        out->items = to;
        room->next += out->count;
        cJSON_ArrayForEach(child, item) convert(child, room, to++);
    }
}

static enum vkmoe_status make_values(
    const char *path, const cJSON *json, const struct vkmoe_log *log, struct value **out)
{
    struct room room = { 0 };
    measure(json, &room);
    struct value *values = malloc(room.values * sizeof *values + room.text_size);
    if (!values)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", path);
    room.next = values + 1;
    room.text = (char *)(values + room.values);
    convert(json, &room, values);
    *out = values;
    return VKMOE_OK;
}

static enum vkmoe_status parse(
    const char *path, char *copy, uint64_t size, const struct vkmoe_log *log, struct value **out)
{
    const char *other = vkmoe_content_other(copy, size);
    const char *fault = find_fault(copy, (size_t)size);
    if (other)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: %s", path, other);
    if (fault)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: the JSON %s", path, fault);
    const char *end = copy;
    cJSON *json = cJSON_ParseWithLengthOpts(copy, (size_t)size + 1, &end, false);
    if (json)
        end += strspn(end, " \t\r\n");
    enum vkmoe_status status;
    if (!json || end != copy + size)
        status = vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: is not JSON at byte %llu", path,
            (unsigned long long)(end - copy));
    else if (!cJSON_IsObject(json))
        status = vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: the JSON is not an object", path);
    else
        status = make_values(path, json, log, out);
    cJSON_Delete(json);
    return status;
}

// ------------------------------------------------------------------------------ files

enum vkmoe_status vkmoe_json_parse(const char *path, const void *text, uint64_t size,
    const struct vkmoe_log *log, struct value **out)
{
    char *copy = NULL;
    *out = NULL;
    enum vkmoe_status status = reserve(path, size, log, &copy);
    if (status == VKMOE_OK) {
        memcpy(copy, text, (size_t)size);
        status = parse(path, copy, size, log, out);
    }
    free(copy);
    return status;
}

enum vkmoe_status vkmoe_json_read(const struct vkmoe_file *file, const struct vkmoe_log *log,
    const void *at, uint64_t size, struct value **out)
{
    char *copy = NULL;
    *out = NULL;
    enum vkmoe_status status = reserve(file->path, size, log, &copy);
    if (status == VKMOE_OK)
        status = vkmoe_file_read(file, log, at, copy, size);
    if (status == VKMOE_OK)
        status = parse(file->path, copy, size, log, out);
    free(copy);
    return status;
}

enum vkmoe_status vkmoe_json_open(const char *path, const struct vkmoe_log *log, struct value **out)
{
    struct vkmoe_file *file;
    *out = NULL;
    enum vkmoe_status status = vkmoe_file_open(path, log, &file);
    if (status == VKMOE_OK)
        status = vkmoe_json_read(file, log, file->data, file->size, out);
    vkmoe_file_close(&file);
    return status;
}

enum vkmoe_status vkmoe_json_open_optional(
    const char *path, const struct vkmoe_log *log, struct value **out)
{
    *out = NULL;
    if (vkmoe_path_is_there(path))
        return vkmoe_json_open(path, log, out);
    return vkmoe_path_is_broken_link(path) ? vkmoe_path_refuse_broken_link(path, log) : VKMOE_OK;
}
