// ggml_moe.h - an expert layer in ggml, as a graph of the nodes that llama.cpp makes of it, in its
// order.
#ifndef VKMOE_BENCH_GGML_MOE_H
#define VKMOE_BENCH_GGML_MOE_H

#include <ggml.h>

struct moe_shape {
    int64_t hidden, inner;
    int experts, chosen;
    enum ggml_type type; // of the experts' matrices
};

struct moe_weights {
    struct ggml_tensor *router, *gate, *up, *down;
};

void moe_make_weights(struct ggml_context *c, const struct moe_shape *s, struct moe_weights *w);

// Adds the layer to the graph: x [tokens][hidden]; returns y, likewise.
struct ggml_tensor *moe_add_nodes(struct ggml_context *c, struct ggml_cgraph *graph,
    const struct moe_shape *s, const struct moe_weights *w, struct ggml_tensor *x);

#endif
