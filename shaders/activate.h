// activate.h - what the up projection is where gate and up are products of their own, since their
// weights are in different formats: h = act(gate, h), or h = act(h).
#ifndef ACTIVATE_H
#define ACTIVATE_H

#include "shared.h"

SPEC(0, ACTIVATE_LANES, 64)
SPEC(1, ACTIVATE_KIND, 5) // enum vkmoe_activation
SPEC_FLOAT(2, ACTIVATE_ALPHA, 0.0)
SPEC_FLOAT(3, ACTIVATE_LIMIT, 0.0)
SPEC(4, ACTIVATE_GATED, 1) // 0: there is no gate
SPEC(5, ACTIVATE_RUN, 4)   // elements a lane makes

struct activate_push {
    ADDRESS(F32) gate; // in  [elements]
    ADDRESS(F32Out) h; // in and out [elements]
    uint elements;
};
PUSH(activate_push)

#endif
