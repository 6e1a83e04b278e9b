// shapes.c - see shapes.h.
#include "shapes.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SHAPE(d, f, e, k) \
    .layer.hidden = d, .layer.inner = f, .layer.experts = e, .layer.experts_per_token = k
#define TOP_K_NORM .layer.router.renormalize.mode = VKMOE_RENORMALIZE_SUM
#define SIGMOID_NORM(factor) \
    .layer.router = { .score = VKMOE_SCORE_SIGMOID, \
        .renormalize.mode = VKMOE_RENORMALIZE_SUM, \
        .renormalize.epsilon = 1e-20f, \
        .scale = factor }
#define GPT_OSS(e) \
    SHAPE(2880, 2880, e, 4), \
        .layer.activation = VKMOE_ACTIVATION_SWIGLU_OAI, \
        .layer.router = { .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX }, \
        .has = CASE_ROUTER_BIAS | CASE_EXPERT_BIASES

// One feed-forward layer of each model as published; f16 stands for whatever it is stored in.
static const struct layer_case published[] = {
    { "mixtral-8x7b", SHAPE(4096, 14336, 8, 2), TOP_K_NORM },
    { "qwen3-30b-a3b", SHAPE(2048, 768, 128, 8), TOP_K_NORM },
    { "qwen3.5-35b-a3b", SHAPE(2048, 512, 256, 8), TOP_K_NORM, .layer.shared.inner = 512,
        .has = CASE_SHARED_TOKEN_GATE },
    { "qwen3-next-80b", SHAPE(2048, 512, 512, 10), TOP_K_NORM, .layer.shared.inner = 512,
        .has = CASE_SHARED_TOKEN_GATE },
    { "deepseek-v2-lite", SHAPE(2048, 1408, 64, 6), .layer.shared.inner = 2816 },
    { "deepseek-v3", SHAPE(7168, 2048, 256, 8), .layer.shared.inner = 2048,
        .layer.router = { .score = VKMOE_SCORE_SIGMOID,
            .renormalize.mode = VKMOE_RENORMALIZE_SUM,
            .renormalize.epsilon = 1e-20f,
            .scale = 2.5f,
            .groups.count = 8,
            .groups.kept = 4,
            .groups.score = VKMOE_GROUP_SCORE_SUM_TOP_2 },
        .has = CASE_CORRECTION_BIAS },
    { "deepseek-v4-flash", SHAPE(4096, 2048, 256, 6), .layer.shared.inner = 2048,
        .layer.router = { .score = VKMOE_SCORE_SQRT_SOFTPLUS,
            .renormalize.mode = VKMOE_RENORMALIZE_SUM,
            .renormalize.epsilon = 1e-20f,
            .scale = 1.5f,
            .select = VKMOE_SELECT_SUPPLIED },
        .layer.activation = VKMOE_ACTIVATION_SILU_CLAMP },
    { "kimi-k2", SHAPE(7168, 2048, 384, 8), SIGMOID_NORM(2.827f), .layer.shared.inner = 2048,
        .has = CASE_CORRECTION_BIAS },
    { "gpt-oss-20b", GPT_OSS(32) },
    { "gpt-oss-120b", GPT_OSS(128) },
    { "glm-4.5-air", SHAPE(4096, 1408, 128, 8), SIGMOID_NORM(1.0f), .layer.shared.inner = 1408,
        .has = CASE_CORRECTION_BIAS },
    { "minimax-m2", SHAPE(3072, 1536, 256, 8), SIGMOID_NORM(0.0f), .has = CASE_CORRECTION_BIAS },
    { "gemma4-26b-a4b", SHAPE(2816, 704, 128, 8), .layer.activation = VKMOE_ACTIVATION_GELU_TANH,
        .layer.router = { .renormalize.mode = VKMOE_RENORMALIZE_SUM,
            .rms_norm = true,
            .rms_epsilon = 1e-6f },
        .has = CASE_INPUT_SCALE | CASE_EXPERT_SCALE },
    { "nemotron3-nano", SHAPE(2688, 1856, 128, 6), SIGMOID_NORM(2.5f),
        .layer.activation = VKMOE_ACTIVATION_RELU2, .layer.shared.inner = 3712,
        .has = CASE_CORRECTION_BIAS | CASE_UNGATED | CASE_SHARED_UNGATED },
    { "olmoe-1b-7b", SHAPE(2048, 1024, 64, 8) },
    { "llama4-scout", SHAPE(5120, 8192, 16, 1), .layer.weight_on_input = true,
        .layer.router = { .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SIGMOID },
        .layer.shared.inner = 8192 },
};

void shape_name(const struct layer_case *c, char *name)
{
    size_t length = strlen(c->name);
    for (size_t i = 0; i + 2 < length; i++) {
        if (c->name[i] == '-' && c->name[i + 1] == 't' && isdigit((unsigned char)c->name[i + 2]))
            length = i;
    }
    snprintf(name, sizeof((struct shape *)0)->name, "%.*s", (int)length, c->name);
}

static bool is_known(const struct shape *shapes, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!strcmp(shapes[i].name, name))
            return true;
    }
    return false;
}

uint32_t shapes_list(struct shape *out)
{
    uint32_t count = 0;
    for (const struct layer_case *c = layer_cases; c->name && count < MAX_SHAPES; c++) {
        struct shape shape = { .base = *c };
        shape_name(c, shape.name);
        if (c->has & CASE_TIMED && !is_known(out, count, shape.name))
            out[count++] = shape;
    }
    for (size_t i = 0; i < sizeof published / sizeof published[0] && count < MAX_SHAPES; i++) {
        out[count] = (struct shape){ .base = published[i], .published = true };
        out[count].base.dtype = VKMOE_DTYPE_F16;
        snprintf(out[count].name, sizeof out[count].name, "%s", published[i].name);
        count++;
    }
    return count;
}
