// model_other.h - what stands where a model should, in model_other_cases.c.
#ifndef VKMOE_TESTS_MODEL_OTHER_H
#define VKMOE_TESTS_MODEL_OTHER_H

#include <stdint.h>

#include <vkmoe/vkmoe.h>

enum {
    INVALID = VKMOE_ERROR_INVALID,
    UNSUPPORTED = VKMOE_ERROR_UNSUPPORTED,
    NOT_FOUND = VKMOE_ERROR_NOT_FOUND
};

#define POINTER "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 5000000000\n"
#define INDEX \
    "{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\"," \
    "\"b\":\"model-00002-of-00002.safetensors\"}}"
#define CONFIG "config.json"
#define MIXTRAL "{\"model_type\":\"mixtral\"}"

struct other_case {
    const char *name;
    struct {
        const char *name, *content; // "->x": a symbolic link to x
    } files[4];
    const char *path; // what is opened, below the directory; NULL: that itself
    int status;
    const char *what, *todo;
};

extern const struct other_case other_cases[];
extern const uint32_t other_case_count;

#endif
