// enums.h - the choices that C makes and kernels follow: each value stands here once, for both.
//
// ENUM(tag, LIST) makes an enum in C (the tag may be empty), and constants in GLSL, of LIST(V),
// which calls V(name, value) for each. Those that the public header has too are compared with it
// by src/moe/enums.c, which does not compile while a name or a value differs, or one is missing.
// How weights are stored is not here: formats are in src/weights/formats.def.
#ifndef ENUMS_H
#define ENUMS_H

// clang-format off
#ifdef VULKAN
#define ENUM_VALUE(name, value) const uint name = value;
#define ENUM(tag, LIST) LIST(ENUM_VALUE)
#else
#define ENUM_VALUE(name, value) name = value,
#define ENUM(tag, LIST) enum tag { LIST(ENUM_VALUE) };
#endif

#define SCORES(V) \
    V(SCORE_SOFTMAX, 0) \
    V(SCORE_SIGMOID, 1) \
    V(SCORE_SQRT_SOFTPLUS, 2) \
    V(SCORE_IDENTITY, 3)

#define SELECTS(V) \
    V(SELECT_TOP_K, 0) \
    V(SELECT_SPARSEMIXER, 1) \
    V(SELECT_SUPPLIED, 2) \
    V(SELECT_SUPPLIED_WEIGHTED, 3)

#define WEIGHS(V) \
    V(WEIGH_SCORE, 0) \
    V(WEIGH_SOFTMAX, 1) \
    V(WEIGH_SIGMOID, 2)

#define GROUP_SCORES(V) \
    V(GROUP_SCORE_MAX, 0) \
    V(GROUP_SCORE_SUM_TOP_2, 1)

#define GROUP_MODES(V) \
    V(GROUP_MODE_MASK, 0) \
    V(GROUP_MODE_MASK_ZERO, 1) \
    V(GROUP_MODE_EACH, 2)

#define RENORMALIZE_MODES(V) \
    V(RENORMALIZE_NONE, 0) \
    V(RENORMALIZE_SUM, 1) \
    V(RENORMALIZE_MAX, 2)

#define ACTIVATIONS(V) \
    V(ACTIVATION_SILU, 0) \
    V(ACTIVATION_GELU_TANH, 1) \
    V(ACTIVATION_GELU_ERF, 2) \
    V(ACTIVATION_RELU, 3) \
    V(ACTIVATION_RELU2, 4) \
    V(ACTIVATION_IDENTITY, 5) \
    V(ACTIVATION_SWIGLU_OAI, 6) \
    V(ACTIVATION_SILU_CLAMP, 7) \
    V(ACTIVATION_SWIGLU_STEP, 8)

#define PATTERN_KINDS(V) \
    V(PATTERN_WINDOW, 0) \
    V(PATTERN_STRIDED, 1) \
    V(PATTERN_DILATED, 2) \
    V(PATTERN_BLOCKS, 3) \
    V(PATTERN_CHUNKED, 4)

#define ROPE_KINDS(V) \
    V(ROPE_NONE, 0) \
    V(ROPE_HALF, 1) \
    V(ROPE_INTERLEAVED, 2)

// What a row of an attention's queries is: a token, a pair that the plan has sorted by expert
// (rows[] tells which), or a pair in the order of tokens. The public header has no such choice.
#define ROW_MODES(V) \
    V(ROWS_TOKENS, 0) \
    V(ROWS_SORTED, 1) \
    V(ROWS_PAIRS, 2)

// What a norm of queries or keys takes the mean of: each head, or all of a token's.
#define HEAD_NORMS(V) \
    V(HEAD_NORM_NONE, 0) \
    V(HEAD_NORM_EACH, 1) \
    V(HEAD_NORM_WIDE, 2) \
    V(HEAD_NORM_AFTER, 3)

// What a cache has its keys and values in.
#define CACHE_TYPES(V) \
    V(CACHE_F32, 0) \
    V(CACHE_F16, 1) \
    V(CACHE_Q8_0, 2)

ENUM(, SCORES)
ENUM(, SELECTS)
ENUM(, WEIGHS)
ENUM(, GROUP_SCORES)
ENUM(, GROUP_MODES)
ENUM(, RENORMALIZE_MODES)
ENUM(, ACTIVATIONS)
ENUM(, PATTERN_KINDS)
ENUM(, ROPE_KINDS)
ENUM(row_mode, ROW_MODES)
ENUM(head_norm, HEAD_NORMS)
ENUM(cache_type, CACHE_TYPES)
// clang-format on

#endif
