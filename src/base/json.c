// json.c - see json.h.
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "checkpoint/foreign.h"

// The length of the well-formed UTF-8 sequence at p (Unicode table 3-7), or 0.
static size_t sequence_length(const unsigned char *p, size_t left)
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
        size_t length = sequence_length((const unsigned char *)text + i, size - i);
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

static enum vkmoe_status parse(
    const char *path, char *copy, uint64_t size, const struct vkmoe_log *log, cJSON **out)
{
    enum vkmoe_status status = VKMOE_OK;
    const char *other = vkmoe_foreign_content(copy, size);
    const char *fault = find_fault(copy, (size_t)size);
    if (other)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: %s", path, other);
    if (fault)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: the JSON %s", path, fault);
    const char *end = copy;
    cJSON *json = cJSON_ParseWithLengthOpts(copy, (size_t)size + 1, &end, false);
    if (json)
        end += strspn(end, " \t\r\n");
    if (!json || end != copy + size) {
        status = vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: is not JSON at byte %llu", path,
            (unsigned long long)(end - copy));
    } else if (!cJSON_IsObject(json)) {
        status = vkmoe_fail(log, VKMOE_ERROR_INVALID, "%s: the JSON is not an object", path);
    } else {
        *out = json;
        json = NULL;
    }
    cJSON_Delete(json);
    return status;
}

enum vkmoe_status vkmoe_json_parse(
    const char *path, const void *text, uint64_t size, const struct vkmoe_log *log, cJSON **out)
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
    const void *at, uint64_t size, cJSON **out)
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

enum vkmoe_status vkmoe_json_open(const char *path, const struct vkmoe_log *log, cJSON **out)
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
    const char *path, const struct vkmoe_log *log, cJSON **out)
{
    *out = NULL;
    if (vkmoe_foreign_is_there(path))
        return vkmoe_json_open(path, log, out);
    return vkmoe_foreign_is_broken_link(path) ? vkmoe_foreign_broken_link(path, log) : VKMOE_OK;
}

bool vkmoe_json_integer(const cJSON *item, uint64_t *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0.0 && item->valuedouble <= 0x1p53))
        return false;
    *out = (uint64_t)item->valuedouble;
    return (double)*out == item->valuedouble;
}

const char *vkmoe_json_printable(const char *text, char *buffer, size_t size)
{
    size_t i = 0;
    for (; text[i] && i + 1 < size; i++)
        buffer[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
    buffer[i] = '\0';
    return buffer;
}
