// enums.c - compares shaders/enums.h with the public header, when it is compiled. A value that
// differs fails an assertion; one that only the public header has, a switch.
#include "vkmoe/moe.h"
#include "shaders/shared.h"

#pragma GCC diagnostic error "-Wswitch"

#define SAME(name, value) static_assert((int)name == (int)VKMOE_##name, #name " differs");
#define CASE(name, value) case VKMOE_##name:

#define AGREE(type, LIST) \
    LIST(SAME) \
    static inline void know_##type(enum vkmoe_##type value) \
    { \
        switch (value) { \
            LIST(CASE) break; \
        } \
    }

// clang-format off
AGREE(score, SCORES)
AGREE(select, SELECTS)
AGREE(weigh, WEIGHS)
AGREE(group_score, GROUP_SCORES)
AGREE(group_mode, GROUP_MODES)
AGREE(renormalize_mode, RENORMALIZE_MODES)
AGREE(activation, ACTIVATIONS)
AGREE(pattern_kind, PATTERN_KINDS)
AGREE(rope_kind, ROPE_KINDS)
// clang-format on
