// checkpoint_families.c - see checkpoint_families.h and family_writers.h.
#include "checkpoint_families.h"

#include <stdio.h>
#include <stdlib.h>

#include "family_writers.h"

#define FAMILY(name) extern const struct family_models family_models_##name;
#include "checkpoint/families/families.def"
#undef FAMILY

static const struct family_models *const families[] = {
#define FAMILY(name) &family_models_##name,
#include "checkpoint/families/families.def"
#undef FAMILY
};

const struct checkpoint_family *checkpoint_family_at(uint32_t index)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (index < families[i]->count)
            return &families[i]->models[index];
        index -= families[i]->count;
    }
    return NULL;
}

void family_add(struct writer *w, family_t *family, const char *prefix, const char *name,
    const double *values, uint32_t rank, const uint64_t *shape)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    writer_add(w, full, family->dtype, values, rank, shape);
}

// One tensor per expert; `name` has one %u. NULL values: nothing.
static void add_separate(struct writer *w, family_t *family, const char *prefix, const char *name,
    const double *values, uint32_t experts, uint32_t rows, uint32_t columns)
{
    for (uint32_t e = 0; values && e < experts; e++) {
        char full[128];
        snprintf(full, sizeof full, name, e);
        family_add(
            w, family, prefix, full, values + (size_t)e * rows * columns, 2, SHAPE(rows, columns));
    }
}

void family_add_experts(struct writer *w, family_t *family, const char *prefix, layer_t *l,
    const char *gate, const char *up, const char *down)
{
    const uint32_t width = l->latent_size ? l->latent_size : l->hidden;
    add_separate(w, family, prefix, gate, l->gate, l->experts, l->inner, width);
    add_separate(w, family, prefix, up, l->up, l->experts, l->inner, width);
    add_separate(w, family, prefix, down, l->down, l->experts, width, l->inner);
}

// All experts' gate and up in one tensor, down in another.
void family_add_fused(struct writer *w, family_t *family, const char *prefix, layer_t *l,
    const char *gate_up, const char *down, enum fused layout)
{
    size_t d = l->hidden, f = l->inner, e_count = l->experts;
    double *both = malloc(e_count * 2 * f * d * sizeof(double));
    double *turned = malloc(e_count * f * d * sizeof(double));
    if (!both || !turned)
        abort();
    for (size_t e = 0; e < e_count; e++) {
        for (size_t i = 0; i < f; i++) {
            for (size_t j = 0; j < d; j++) {
                double g = l->gate[(e * f + i) * d + j], u = l->up[(e * f + i) * d + j];
                double *expert = both + e * 2 * f * d;
                if (layout == CONCATENATED) {
                    expert[i * d + j] = g;
                    expert[(f + i) * d + j] = u;
                } else if (layout == TRANSPOSED) {
                    expert[j * 2 * f + i] = g;
                    expert[j * 2 * f + f + i] = u;
                } else {
                    expert[j * 2 * f + 2 * i] = g;
                    expert[j * 2 * f + 2 * i + 1] = u;
                }
                turned[(e * f + i) * d + j] = l->down[(e * d + j) * f + i];
            }
        }
    }
    if (layout == CONCATENATED) {
        family_add(w, family, prefix, gate_up, both, 3, SHAPE(e_count, 2 * f, d));
        family_add(w, family, prefix, down, l->down, 3, SHAPE(e_count, d, f));
    } else {
        family_add(w, family, prefix, gate_up, both, 3, SHAPE(e_count, d, 2 * f));
        family_add(w, family, prefix, down, turned, 3, SHAPE(e_count, f, d));
    }
    free(both);
    free(turned);
}

void family_add_shared(struct writer *w, family_t *family, const char *prefix, layer_t *l,
    const char *gate, const char *up, const char *down)
{
    if (l->shared_gate)
        family_add(w, family, prefix, gate, l->shared_gate, 2, SHAPE(l->shared_inner, l->hidden));
    family_add(w, family, prefix, up, l->shared_up, 2, SHAPE(l->shared_inner, l->hidden));
    family_add(w, family, prefix, down, l->shared_down, 2, SHAPE(l->hidden, l->shared_inner));
}

void family_add_router(
    struct writer *w, family_t *family, const char *prefix, layer_t *l, const char *name)
{
    family_add(w, family, prefix, name, l->router, 2, SHAPE(l->experts, l->hidden));
}

void family_add_correction(
    struct writer *w, family_t *family, const char *prefix, layer_t *l, const char *name)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    writer_add(w, full, family->correction_dtype, l->correction_bias, 1, SHAPE(l->experts));
}

// What several families share.

// Qwen, DeepSeek and GLM.
void family_write_gated_dense(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_experts(w, f, prefix, l, GATE_UP_DOWN("mlp"));
}

void family_write_mixtral(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "block_sparse_moe.gate.weight");
    family_add_experts(w, f, prefix, l, W1_W3_W2("block_sparse_moe.experts.%u"));
}

void family_write_qwen(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "mlp.gate.weight");
    family_add_experts(w, f, prefix, l, GATE_UP_DOWN("mlp.experts.%u"));
    if (!l->shared_inner)
        return;
    family_add_shared(w, f, prefix, l, GATE_UP_DOWN("mlp.shared_expert"));
    family_add(w, f, prefix, "mlp.shared_expert_gate.weight", l->shared_token_gate, 2,
        SHAPE(1, l->hidden));
}

void family_write_corrected(
    struct writer *w, family_t *f, const char *prefix, layer_t *l, const char *correction)
{
    family_add_router(w, f, prefix, l, "mlp.gate.weight");
    if (l->correction_bias && correction)
        family_add_correction(w, f, prefix, l, correction);
    family_add_experts(w, f, prefix, l, GATE_UP_DOWN("mlp.experts.%u"));
    family_add_shared(w, f, prefix, l, GATE_UP_DOWN("mlp.shared_experts"));
}

void family_write_expert_bias(struct writer *w, family_t *f, const char *prefix, layer_t *l,
    const char *gate, const char *up, const char *down)
{
    family_add_router(w, f, prefix, l, "mlp.router.gate.weight");
    family_add_correction(w, f, prefix, l, "mlp.expert_bias");
    family_add_experts(w, f, prefix, l, GATE_UP_DOWN("mlp.experts.%u"));
    family_add_shared(w, f, prefix, l, gate, up, down);
}

void family_write_deepseek(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_write_corrected(w, f, prefix, l, "mlp.gate.e_score_correction_bias");
}

void family_write_granite(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "block_sparse_moe.router.layer.weight");
    family_add_fused(w, f, prefix, l, "block_sparse_moe.input_linear.weight",
        "block_sparse_moe.output_linear.weight", CONCATENATED);
    if (!l->shared_inner)
        return;
    size_t count = (size_t)l->shared_inner * l->hidden;
    double *both = malloc(2 * count * sizeof(double));
    if (!both)
        abort();
    for (size_t i = 0; i < count; i++) {
        both[i] = l->shared_gate[i];
        both[count + i] = l->shared_up[i];
    }
    family_add(w, f, prefix, "shared_mlp.input_linear.weight", both, 2,
        SHAPE(2 * l->shared_inner, l->hidden));
    family_add(w, f, prefix, "shared_mlp.output_linear.weight", l->shared_down, 2,
        SHAPE(l->hidden, l->shared_inner));
    free(both);
}
