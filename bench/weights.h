// weights.h - quickly made weights and inputs for a layer of any size. All matrices are
// pieces of one block of random numbers, which the library copies for each.
#ifndef VKMOE_BENCH_WEIGHTS_H
#define VKMOE_BENCH_WEIGHTS_H

#include "layer_cases.h"
#include <vkmoe/moe.h>

// Who is chosen: everybody alike, expert of rank r in proportion to 1 / (r + 1), or one
// expert by all tokens and everybody alike besides.
enum routing { ROUTING_UNIFORM, ROUTING_ZIPF, ROUTING_HOT, ROUTING_COUNT };
extern const char *const routing_names[];

struct weights {
    struct vkmoe_moe_params params; // views point into the rest
    void *pool;                     // of the case's dtype
    float *router, *vectors;
    struct vkmoe_view *gate, *up, *down;
};

// False if host memory does not suffice.
bool weights_init(struct weights *weights, const struct layer_case *c, uint64_t seed);
void weights_finish(struct weights *weights);

// x [tokens][hidden] whose first columns are the logits that these weights' router then
// makes, and ids [tokens][k] that follow the same routing, for layers that want them.
void inputs_make(
    const struct layer_case *c, enum routing routing, uint64_t seed, float *x, int32_t *ids);

// Bytes of device memory that the layer's experts will take at the least.
double weights_size(const struct layer_case *c);

// Bytes of weights that a forward reads which reaches `experts` different experts.
double weights_touched(const struct layer_case *c, uint32_t experts);

#endif
