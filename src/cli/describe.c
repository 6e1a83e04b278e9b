// describe.c - what a layer's parameters mean, in words.
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>

#include "weights/format.h"

const char *cli_dtype_name(enum vkmoe_dtype dtype)
{
    const struct format *format = vkmoe_format(dtype);
    return format ? format->name : "unknown";
}

const char *cli_device_type_name(enum vkmoe_device_type type)
{
    switch (type) {
    case VKMOE_DEVICE_TYPE_OTHER: break;
    case VKMOE_DEVICE_TYPE_INTEGRATED: return "integrated GPU";
    case VKMOE_DEVICE_TYPE_DISCRETE: return "discrete GPU";
    case VKMOE_DEVICE_TYPE_VIRTUAL: return "virtual GPU";
    case VKMOE_DEVICE_TYPE_CPU: return "CPU";
    }
    return "other";
}

struct cli_device_label cli_device_label(const struct vkmoe_device_info *info)
{
    struct cli_device_label label;
    snprintf(label.text, sizeof label.text, "%s%s", info->name,
        info->type == VKMOE_DEVICE_TYPE_CPU ? ", a CPU" : "");
    return label;
}

void cli_json_device(cJSON *object, const struct vkmoe_device_info *info)
{
    cli_json_text(object, "device", info->name);
    cJSON_AddStringToObject(object, "device_type", cli_device_type_name(info->type));
}

struct phrase {
    char *text;
    size_t size, used;
};

static void add(struct phrase *phrase, const char *format, ...) VKMOE_PRINTF(2, 3);

// Behind a comma, if it is not the first part.
static void add(struct phrase *phrase, const char *format, ...)
{
    va_list args;
    if (phrase->used > 0 && phrase->used < phrase->size)
        phrase->used +=
            (size_t)snprintf(phrase->text + phrase->used, phrase->size - phrase->used, ", ");
    if (phrase->used >= phrase->size)
        return;
    va_start(args, format);
    phrase->used +=
        (size_t)vsnprintf(phrase->text + phrase->used, phrase->size - phrase->used, format, args);
    va_end(args);
}

// How scores come about.
static void add_scores(struct phrase *out, const struct vkmoe_router_params *r)
{
    static const char *const scores[] = {
        [VKMOE_SCORE_SOFTMAX] = "softmax",
        [VKMOE_SCORE_SIGMOID] = "sigmoid",
        [VKMOE_SCORE_SQRT_SOFTPLUS] = "square root of softplus",
    };
    if (r->rms_norm)
        add(out, "RMS-normalised input");
    if (r->input_scale.data)
        add(out, "scaled input");
    const bool logits = r->score == VKMOE_SCORE_IDENTITY;
    if (r->bias.data || logits)
        add(out, r->bias.data ? "biased logits" : "logits");
    if (r->soft_cap != 0)
        add(out, "soft cap %g", (double)r->soft_cap);
    if (!logits)
        add(out, "%s", scores[r->score]);
}

// How experts are chosen.
static void add_selection(struct phrase *out, const struct vkmoe_moe_params *params)
{
    const struct vkmoe_router_params *r = &params->router;
    if (r->correction_bias.data)
        add(out, "correction bias");
    if (r->groups.count > 1)
        add(out, "best %u of %u groups (by their %s)", r->groups.kept, r->groups.count,
            r->groups.score == VKMOE_GROUP_SCORE_MAX ? "best" : "best two");
    if (r->select == VKMOE_SELECT_SPARSEMIXER)
        add(out, "sparsemixer with threshold %g, top %u", (double)r->sparsemixer_threshold,
            params->experts_per_token);
    else if (r->select == VKMOE_SELECT_SUPPLIED)
        add(out, "%u supplied experts", params->experts_per_token);
    else
        add(out, "top %u", params->experts_per_token);
}

// How the chosen ones are weighed.
static void add_weights(struct phrase *out, const struct vkmoe_moe_params *params)
{
    const struct vkmoe_router_params *r = &params->router;
    if (r->weigh == VKMOE_WEIGH_SOFTMAX)
        add(out, "softmax over the chosen");
    else if (r->weigh == VKMOE_WEIGH_SIGMOID)
        add(out, "sigmoid of the chosen");
    if (r->renormalize.mode != VKMOE_RENORMALIZE_NONE)
        add(out, "renormalised");
    if (r->scale != 0 && r->scale != 1)
        add(out, "times %g", (double)r->scale);
    if (r->expert_scale.data)
        add(out, "times each expert's own scale");
    if (params->weight_on_input)
        add(out, "weights applied to the experts' input");
    if (r->capacity > 0)
        add(out, "at most %u tokens an expert", r->capacity);
}

void cli_describe_router(const struct vkmoe_moe_params *params, char *text, size_t size)
{
    struct phrase phrase = { .text = text, .size = size };
    if (params->router.select == VKMOE_SELECT_SUPPLIED_WEIGHTED) {
        add(&phrase, "%u experts and their weights are supplied", params->experts_per_token);
        return;
    }
    add_scores(&phrase, &params->router);
    add_selection(&phrase, params);
    add_weights(&phrase, params);
}

void cli_describe_activation(const struct vkmoe_moe_params *params, char *text, size_t size)
{
    static const char *const names[] = {
        [VKMOE_ACTIVATION_SILU] = "SiLU",
        [VKMOE_ACTIVATION_GELU_TANH] = "GELU (tanh form)",
        [VKMOE_ACTIVATION_GELU_ERF] = "GELU (erf form)",
        [VKMOE_ACTIVATION_RELU] = "ReLU",
        [VKMOE_ACTIVATION_RELU2] = "squared ReLU",
        [VKMOE_ACTIVATION_IDENTITY] = "identity",
        [VKMOE_ACTIVATION_SWIGLU_OAI] = "clamped SwiGLU (gpt-oss)",
        [VKMOE_ACTIVATION_SILU_CLAMP] = "clamped SiLU",
        [VKMOE_ACTIVATION_SWIGLU_STEP] = "clamped SwiGLU (Step-3.5)",
    };
    const bool named_so = params->activation == VKMOE_ACTIVATION_SWIGLU_OAI
        || params->activation == VKMOE_ACTIVATION_SWIGLU_STEP;
    snprintf(
        text, size, "%s%s", params->gate && !named_so ? "gated " : "", names[params->activation]);
}
