// json.h - JSON files as values, with the checks that a file from elsewhere needs. Nothing else
// in the library knows what parses them.
#ifndef VKMOE_JSON_H
#define VKMOE_JSON_H

#include "base/file.h"
#include "base/value.h"

enum {
    VKMOE_JSON_MAX_SIZE = 100 * 1000 * 1000, // the safetensors format's limit for its header
    VKMOE_JSON_MAX_VALUES =
        4 << 20, // each costs 88 bytes at first, 24 then; Kimi-K2's index has 2e5
};

// Parses one JSON object that fills `text`, white space aside. INVALID, with `path` in
// the log, for other text, for broken UTF-8, and for a NUL, which would cut a name short.
// The numbers that Python writes but JSON has not, NaN and Infinity, become "", so that
// they are an error only where a number is read. Release with free(): it is one
// allocation.
enum vkmoe_status vkmoe_json_parse(const char *path, const void *text, uint64_t size,
    const struct vkmoe_log *log, struct value **out);

// The same with a range of a file, and with a whole file.
enum vkmoe_status vkmoe_json_read(const struct vkmoe_file *file, const struct vkmoe_log *log,
    const void *at, uint64_t size, struct value **out);
enum vkmoe_status vkmoe_json_open(
    const char *path, const struct vkmoe_log *log, struct value **out);

// The same with a file that need not be: OK and NULL if it is not there. A symbolic link to
// none is NOT_FOUND, with a line, for somebody meant it to be there.
enum vkmoe_status vkmoe_json_open_optional(
    const char *path, const struct vkmoe_log *log, struct value **out);

#endif
