// shapes.h - what bench times: the small shapes of tests/support/layer_cases.c and the published
// layers of the size they have in their models.
#ifndef VKMOE_BENCH_SHAPES_H
#define VKMOE_BENCH_SHAPES_H

#include "layer_cases.h"

#define MAX_SHAPES 64

struct shape {
    char name[48];
    struct layer_case base; // of any tokens and dtype
    bool published;         // gigabytes: timed only when asked for by name
};

// Fills `out` [MAX_SHAPES] and returns how many there are, small ones first.
uint32_t shapes_list(struct shape *out);

// The name of a timed case without its "-t32-f16", in `name` [48].
void shape_name(const struct layer_case *c, char *name);

#endif
