// heads_test.h - whether a driver computes right what heads that are finished where they are made
// (shaders/decode_heads.h) are computed by.
#ifndef VKMOE_HEADS_TEST_H
#define VKMOE_HEADS_TEST_H

#include "weights/pack.h"

// To be called before an attention with weights of `dtype` is made whose heads may be finished so:
// the first time, a token goes through the form of decode_heads that the device would take, and
// is compared with what the host computes. If that is wrong, or not compiled, products and
// store_kv by themselves are taken from then on, as vkmoe_self_test() has it. Not tested is the
// plainest form of a software driver.
enum vkmoe_status vkmoe_heads_self_test(const struct loading *loading, enum vkmoe_dtype dtype);

#endif
