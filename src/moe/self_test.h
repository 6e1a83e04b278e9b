// self_test.h - whether a driver computes right what forms other than the plainest compute.
#ifndef VKMOE_SELF_TEST_H
#define VKMOE_SELF_TEST_H

#include "weights/pack.h"

// To be called before objects with weights of `dtype` are made on the device of `loading`: the
// first time, a small layer goes through every form of experts_gemm that the device would take
// for them, and is compared with what the host computes. A form that is wrong is not taken any
// more, which is a line of level warning. It waits for the device; where the plainest form is the
// only one there is nothing to do. Any thread.
enum vkmoe_status vkmoe_self_test(const struct loading *loading, enum vkmoe_dtype dtype);

#endif
