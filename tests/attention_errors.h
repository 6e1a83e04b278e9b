// attention_errors.h - what the files of attention_errors have in common.
#ifndef VKMOE_TESTS_ATTENTION_ERRORS_H
#define VKMOE_TESTS_ATTENTION_ERRORS_H

#include <vkmoe/moe.h>

#define UNKNOWN 99

struct creation {
    struct vkmoe_attention_params p; // valid, but for what is tested
    struct vkmoe_pattern patterns[4];
};

struct create_error {
    const char *name;
    void (*apply)(struct creation *c);
    enum vkmoe_status expected;
};

// clang-format off
#define INVALID(name) {"create-" #name, create_##name, VKMOE_ERROR_INVALID}
#define UNSUPPORTED(name) {"create-" #name, create_##name, VKMOE_ERROR_UNSUPPORTED}
#define VALID(name) {"create-" #name, create_##name, VKMOE_OK}
// clang-format on

// Up to one without a name.
extern const struct create_error create_errors[], sparse_errors[];

#endif
