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

extern const struct create_error create_errors[]; // up to one without a name

#endif
