// quantize_types.c - see quantize.h. Mixtures are llama.cpp's, as its files show them.
#include "quantize.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/common.h"
#include "weights/format.h"

#define RECIPES(X) \
    X("f32", F32, F32, 0) \
    X("f16", F16, F16, 1) \
    X("bf16", BF16, BF16, 32) \
    X("q8_0", Q8_0, Q8_0, 7) \
    X("q6_K", Q6_K, Q6_K, 18) \
    X("q5_K_M", Q5_K, Q6_K, 17) \
    X("q5_K", Q5_K, Q5_K, 16) \
    X("q5_1", Q5_1, Q5_1, 9) \
    X("q5_0", Q5_0, Q5_0, 8) \
    X("q4_K_M", Q4_K, Q6_K, 15) \
    X("q4_K", Q4_K, Q4_K, 14) \
    X("q4_1", Q4_1, Q4_1, 3) \
    X("q4_0", Q4_0, Q4_0, 2) \
    X("q3_K", Q3_K, Q3_K, 11) \
    X("q2_K", Q2_K, Q2_K, 10)

#define X(name, dtype, better, number) " " name
const char cli_recipe_names[] = "" RECIPES(X);
#undef X

const struct cli_recipe *cli_recipe_find(const char *name)
{
    static const struct cli_recipe recipes[] = {
#define X(name, dtype, better, number) { name, VKMOE_DTYPE_##dtype, VKMOE_DTYPE_##better, number },
        RECIPES(X)
#undef X
    };
    for (size_t i = 0; i < ARRAY_SIZE(recipes); i++) {
        if (strcasecmp(recipes[i].name, name) == 0)
            return &recipes[i];
    }
    return NULL;
}

bool cli_keep_parse(const char *text, struct cli_keep *out)
{
    const char *sign = strrchr(text, '=');
    const size_t length = sign ? (size_t)(sign - text) : strlen(text);
    if (length == 0 || length >= sizeof out->pattern)
        return false;
    *out = (struct cli_keep){ .recipe = sign ? cli_recipe_find(sign + 1) : NULL };
    memcpy(out->pattern, text, length);
    return !sign || (out->recipe && out->recipe->dtype == out->recipe->better);
}

const char *cli_tensor_kind(const char *name)
{
    const char *dot = strncmp(name, "blk.", 4) == 0 ? strchr(name + 4, '.') : NULL;
    return dot ? dot + 1 : name;
}

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

// Norms, biases, gates, and what is small or touchy: it stays exact, whatever is asked for.
// llama.cpp stops at most of these in another type.
static bool stays_f32(const struct gguf_tensor *tensor)
{
    static const char *const exact[] = { "ffn_gate_inp.weight", "ffn_gate_inp_shexp.weight",
        "ssm_conv1d.weight", "shortconv.conv.weight", "rope_freqs.weight" };
    const char *kind = cli_tensor_kind(tensor->name), *dot = strrchr(kind, '.');
    return tensor->rank < 2 || !dot || strcmp(dot, ".weight") != 0 || strstr(kind, "norm")
        || is_one_of(kind, exact, ARRAY_SIZE(exact));
}

// The first and the last eighth of the blocks, and of the others every third.
static bool is_better_block(const struct gguf_output *output, const char *name)
{
    const uint32_t blocks = output->blocks, block = (uint32_t)strtoul(name + 4, NULL, 10);
    return block < blocks / 8 || block >= 7 * blocks / 8 || (block - blocks / 8) % 3 == 2;
}

static enum vkmoe_dtype mixed_type(const struct gguf_output *output,
    const struct cli_recipe *recipe, const struct gguf_tensor *tensor, bool tied)
{
    static const char *const in_some[] = { "attn_v.weight", "attn_qkv.weight", "ffn_down.weight",
        "ffn_down_exps.weight", "ffn_down_shexp.weight" };
    static const char *const small[] = { "attn_k.weight", "attn_v.weight" };
    const char *name = tensor->name, *kind = cli_tensor_kind(name);
    if (strcmp(name, "output.weight") == 0 || (tied && strcmp(name, "token_embd.weight") == 0))
        return recipe->better;
    if (kind == name)
        return recipe->dtype;
    // Beside eight experts attention is small.
    if (output->experts == 8 && is_one_of(kind, small, ARRAY_SIZE(small)))
        return VKMOE_DTYPE_Q8_0;
    if (output->experts == 8 && strcmp(kind, "attn_output.weight") == 0)
        return VKMOE_DTYPE_Q5_K;
    return is_one_of(kind, in_some, ARRAY_SIZE(in_some)) && is_better_block(output, name)
        ? recipe->better
        : recipe->dtype;
}

static bool fits(const struct cli_keep *keep, const char *name)
{
    return fnmatch(keep->pattern, name, 0) == 0
        || fnmatch(keep->pattern, cli_tensor_kind(name), 0) == 0;
}

const char *cli_keep_problem(const struct cli_keep *keep, const struct gguf_output *output)
{
    const char *problem = "fits no tensor's name";
    for (uint32_t i = 0; i < output->tensor_count; i++) {
        if (!fits(keep, output->tensors[i].name))
            continue;
        if (!stays_f32(&output->tensors[i]))
            return NULL;
        problem = "fits only norms, biases and gates, which stay f32";
    }
    return problem;
}

static const struct cli_keep *find_keep(
    const char *name, const struct cli_keep *keeps, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (fits(&keeps[i], name))
            return &keeps[i];
    }
    return NULL;
}

// What takes the place of a type whose blocks rows are not whole ones of.
static enum vkmoe_dtype fitting_type(enum vkmoe_dtype dtype, uint64_t row)
{
    static const enum vkmoe_dtype smaller[][2] = {
        { VKMOE_DTYPE_Q2_K, VKMOE_DTYPE_Q4_0 },
        { VKMOE_DTYPE_Q3_K, VKMOE_DTYPE_Q4_0 },
        { VKMOE_DTYPE_Q4_K, VKMOE_DTYPE_Q5_0 },
        { VKMOE_DTYPE_Q5_K, VKMOE_DTYPE_Q5_1 },
        { VKMOE_DTYPE_Q6_K, VKMOE_DTYPE_Q8_0 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(smaller) && row % vkmoe_format(dtype)->elements; i++) {
        if (dtype == smaller[i][0])
            dtype = smaller[i][1];
    }
    return row % vkmoe_format(dtype)->elements ? VKMOE_DTYPE_F16 : dtype;
}

void cli_choose_types(struct gguf_output *output, const struct cli_recipe *recipe,
    const struct cli_keep *keeps, uint32_t keep_count)
{
    bool tied = true;
    for (uint32_t i = 0; i < output->tensor_count; i++)
        tied = tied && strcmp(output->tensors[i].name, "output.weight") != 0;
    for (uint32_t i = 0; i < output->tensor_count; i++) {
        struct gguf_tensor *tensor = &output->tensors[i];
        const struct cli_keep *keep = find_keep(tensor->name, keeps, keep_count);
        enum vkmoe_dtype dtype = recipe->dtype;
        if (stays_f32(tensor))
            dtype = VKMOE_DTYPE_F32;
        else if (keep && !keep->recipe)
            continue;
        else if (keep)
            dtype = keep->recipe->dtype;
        else if (recipe->better != recipe->dtype)
            dtype = mixed_type(output, recipe, tensor, tied);
        tensor->dtype = fitting_type(dtype, tensor->shape[0]);
    }
}
