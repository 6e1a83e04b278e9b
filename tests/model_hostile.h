// model_hostile.h - what the parts of the test of hostile files share.
#ifndef VKMOE_TESTS_MODEL_HOSTILE_H
#define VKMOE_TESTS_MODEL_HOSTILE_H

#include <stdbool.h>
#include <stdint.h>

#include <vkmoe/model.h>

struct lines {
    uint32_t count;
    bool unprintable;
    char last[1024];
};

// What opening it says.
enum vkmoe_status open_hostile(const char *path, struct lines *lines, vkmoe_checkpoint **out);

#define TENSOR(name, shape, begin, end) \
    "\"model.layers.0.block_sparse_moe." name ".weight\":{\"dtype\":\"F32\",\"shape\":[" shape \
    "],\"data_offsets\":[" #begin "," #end "]}"

enum {
    OK = VKMOE_OK,
    INVALID = VKMOE_ERROR_INVALID,
    UNSUPPORTED = VKMOE_ERROR_UNSUPPORTED,
    NOT_FOUND = VKMOE_ERROR_NOT_FOUND
};

struct spoilt {
    const char *name;
    const char *old, *new; // replaced in good_config or good_header
    int status;
    const char *text; // in the log line
};

// model_hostile_cases.c
extern const struct spoilt spoilt_configs[], spoilt_headers[];
extern const uint32_t spoilt_configs_count, spoilt_headers_count;

// Whatever happens to a file, it is refused or read. model_hostile_mutations.c
bool test_mutations(uint64_t seed, const char *directory);

#endif
