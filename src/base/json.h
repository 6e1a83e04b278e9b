// json.h - cJSON behind the checks that a file from elsewhere needs.
#ifndef VKMOE_MODEL_JSON_H
#define VKMOE_MODEL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/file.h"

enum {
    VKMOE_JSON_MAX_SIZE = 100 * 1000 * 1000, // the safetensors format's limit for its header
    VKMOE_JSON_MAX_VALUES = 4 << 20,         // each costs 64 bytes; Kimi-K2's index has 2e5
};

// Parses one JSON object that fills `text`, white space aside. INVALID, with `path` in
// the log, for other text, for broken UTF-8, and for a NUL, which would cut a name short.
// The numbers that Python writes but JSON has not, NaN and Infinity, become "", so that
// they are an error only where a number is read. Release with cJSON_Delete().
enum vkmoe_status vkmoe_json_parse(
    const char *path, const void *text, uint64_t size, const struct vkmoe_log *log, cJSON **out);

// The same with a range of a file, and with a whole file.
enum vkmoe_status vkmoe_json_read(const struct vkmoe_file *file, const struct vkmoe_log *log,
    const void *at, uint64_t size, cJSON **out);
enum vkmoe_status vkmoe_json_open(const char *path, const struct vkmoe_log *log, cJSON **out);

// The same with a file that need not be: OK and NULL if it is not there. A symbolic link to
// none is NOT_FOUND, with a line, for somebody meant it to be there.
enum vkmoe_status vkmoe_json_open_optional(
    const char *path, const struct vkmoe_log *log, cJSON **out);

// True if `item` is an integer from 0 to 2^53, beyond which doubles skip integers.
bool vkmoe_json_integer(const cJSON *item, uint64_t *out);

// `text` for a log line: control characters become '?', what exceeds `size` is cut.
const char *vkmoe_json_printable(const char *text, char *buffer, size_t size);

#endif
