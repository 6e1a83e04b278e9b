// encode.h - floats as blocks of a format, on the host: the way back from format.h's decode. Types
// of 32 elements and less round as ggml's reference does, bit by bit; those of 256 are searched
// for, as there are many ways to store the same block.
#ifndef VKMOE_ENCODE_H
#define VKMOE_ENCODE_H

#include "weights/format.h"

// One block of finite floats. What its scales cannot hold comes out as infinity.
typedef void (*encoder)(const float *from, void *block);

// NULL: nothing is written in this format.
encoder vkmoe_encoder(enum vkmoe_dtype dtype);

// Those that are.
#define ENCODED_FORMATS(X) \
    X(f32, F32) \
    X(f16, F16) \
    X(bf16, BF16) \
    X(q8_0, Q8_0) \
    X(q4_0, Q4_0) \
    X(q4_1, Q4_1) \
    X(q5_0, Q5_0) \
    X(q5_1, Q5_1) \
    X(q2_K, Q2_K) \
    X(q3_K, Q3_K) \
    X(q4_K, Q4_K) \
    X(q5_K, Q5_K) \
    X(q6_K, Q6_K)

#define X(name, NAME) void vkmoe_encode_##name(const float *from, void *block);
ENCODED_FORMATS(X)
#undef X

#endif
