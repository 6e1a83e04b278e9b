// self_test.h - whether a driver computes right what forms other than the plainest compute.
#ifndef VKMOE_SELF_TEST_H
#define VKMOE_SELF_TEST_H

#include "moe/tune_layer.h"
#include "weights/pack.h"

// To be called before objects with weights of `dtype` are made on the device of `loading`: the
// first time, a small layer goes through every form of experts_gemm that the device would take
// for them, and is compared with what the host computes. A form that is wrong is not taken any
// more, which is a line of level warning. It waits for the device; where the plainest form is the
// only one there is nothing to do. Any thread.
enum vkmoe_status vkmoe_self_test(const struct loading *loading, enum vkmoe_dtype dtype);

// A test of forms for weights of one format.
struct self_test {
    const struct loading *loading;
    enum vkmoe_dtype dtype;
    bool fast;               // the precision is, and it matters
    bool matters;            // it does for these weights
    struct tune_layer layer; // zeroed until `work` makes it; finished afterwards
    void *user;
};

// Has `work` test forms, unless it did for weights of `dtype`, or nothing is tested. `heads`: of
// decode_heads, not of experts_gemm.
enum vkmoe_status vkmoe_self_test_once(const struct loading *loading, enum vkmoe_dtype dtype,
    bool heads, enum vkmoe_status (*work)(struct self_test *t));

// Tests one: it is not taken any more, which is said, if `compare` finds an error above the
// layer's tolerance, or the driver does not compile it.
enum vkmoe_status vkmoe_self_test_form(struct self_test *t, const struct variant *form,
    enum vkmoe_status (*compare)(struct self_test *t, double *error));

// What a matrix of the layer's first expert makes of x, by the host; the layer is as wide as high.
// False: out of host memory.
bool vkmoe_self_test_product(
    const struct self_test *t, enum tune_matrix matrix, const float *x, float *y);

#endif
