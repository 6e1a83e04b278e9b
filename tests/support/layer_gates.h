// layer_gates.h - gates of a struct layer_case that many models share, in cases and in published
// shapes. Semantics.md A.1 lists who has which.
#ifndef VKMOE_TESTS_LAYER_GATES_H
#define VKMOE_TESTS_LAYER_GATES_H

#define TOP_K_NORM .layer.router = { .renormalize.mode = VKMOE_RENORMALIZE_SUM }
#define TOP_K_OF_LOGITS \
    .layer.router = { .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX }
#define SIGMOID_NORM(factor) \
    .layer.router = { .score = VKMOE_SCORE_SIGMOID, \
        .renormalize.mode = VKMOE_RENORMALIZE_SUM, \
        .renormalize.epsilon = 1e-20f, \
        .scale = factor }

#endif
