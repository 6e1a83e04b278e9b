// cap.h - soft cap of logits, in place: x = c tanh(x / c).
#ifndef CAP_H
#define CAP_H

#include "shared.h"

SPEC(0, CAP_LANES, 64)
SPEC_FLOAT(1, CAP_LIMIT, 1.0) // c

struct cap_push {
    ADDRESS(F32Out) x; // in and out [count]
    uint count;
};
PUSH(cap_push)

#endif
