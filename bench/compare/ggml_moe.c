// ggml_moe.c - see ggml_moe.h.
#include "ggml_moe.h"

#include <math.h>

void moe_make_weights(struct ggml_context *c, const struct moe_shape *s, struct moe_weights *w)
{
    w->router = ggml_new_tensor_2d(c, GGML_TYPE_F32, s->hidden, s->experts);
    w->gate = ggml_new_tensor_3d(c, s->type, s->hidden, s->inner, s->experts);
    w->up = ggml_new_tensor_3d(c, s->type, s->hidden, s->inner, s->experts);
    w->down = ggml_new_tensor_3d(c, s->type, s->inner, s->hidden, s->experts);
}

// softmax, top-k, renormalise
static struct ggml_tensor *add_gate(struct ggml_context *c, struct ggml_cgraph *graph,
    const struct moe_shape *s, const struct moe_weights *w, struct ggml_tensor *x,
    struct ggml_tensor **chosen)
{
    const int64_t tokens = x->ne[1];
    struct ggml_tensor *scores = ggml_soft_max(c, ggml_mul_mat(c, w->router, x));
    *chosen = ggml_argsort_top_k(c, scores, s->chosen);
    struct ggml_tensor *weights =
        ggml_get_rows(c, ggml_reshape_3d(c, scores, 1, s->experts, tokens), *chosen);
    weights = ggml_reshape_2d(c, weights, s->chosen, tokens);
    struct ggml_tensor *sum = ggml_clamp(c, ggml_sum_rows(c, weights), 6.103515625e-5f, INFINITY);
    weights = ggml_reshape_3d(c, ggml_div(c, weights, sum), 1, s->chosen, tokens);
    ggml_build_forward_expand(graph, weights);
    return weights;
}

struct ggml_tensor *moe_add_nodes(struct ggml_context *c, struct ggml_cgraph *graph,
    const struct moe_shape *s, const struct moe_weights *w, struct ggml_tensor *x)
{
    const int64_t tokens = x->ne[1];
    struct ggml_tensor *chosen, *views[64] = { NULL };
    struct ggml_tensor *weights = add_gate(c, graph, s, w, x, &chosen);
    x = ggml_reshape_3d(c, x, s->hidden, 1, tokens);
    struct ggml_tensor *up = ggml_mul_mat_id(c, w->up, x, chosen);
    struct ggml_tensor *gate = ggml_mul_mat_id(c, w->gate, x, chosen);
    struct ggml_tensor *h = ggml_swiglu_split(c, gate, up);
    struct ggml_tensor *outputs = ggml_mul(c, ggml_mul_mat_id(c, w->down, h, chosen), weights);
    ggml_build_forward_expand(graph, outputs);
    for (int slot = 0; slot < s->chosen; slot++) {
        views[slot] = ggml_view_2d(
            c, outputs, s->hidden, tokens, outputs->nb[2], (size_t)slot * outputs->nb[1]);
        ggml_build_forward_expand(graph, views[slot]);
    }
    struct ggml_tensor *y = views[0];
    for (int slot = 1; slot < s->chosen; slot++)
        y = ggml_add(c, y, views[slot]);
    ggml_build_forward_expand(graph, y);
    return y;
}
