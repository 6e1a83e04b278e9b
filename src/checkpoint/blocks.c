// blocks.c - see blocks.h. The rules are those of each family's modeling code in Hugging
// Face transformers 5.12, or of its remote code where that came first.
#include "checkpoint/blocks.h"

#include <string.h>

#include "base/json.h"

void vkmoe_mark_all(struct vkmoe_config *config, struct vkmoe_blocks *blocks)
{
    (void)config;
    for (uint32_t b = 0; b < blocks->count[0]; b++)
        blocks->moe[0][b] = true;
}

static void mark_from(struct vkmoe_blocks *blocks, uint32_t first, uint32_t step)
{
    for (uint32_t b = first; b < blocks->count[0]; b++)
        blocks->moe[0][b] = b % step == 0;
}

// One name for each block, in configs that transformers 5 wrote. False if there are none.
static bool mark_types(struct vkmoe_config *config, struct vkmoe_blocks *blocks)
{
    const cJSON *list = vkmoe_config_find(config, "mlp_layer_types");
    if (!list)
        return false;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != (int)blocks->count[0])
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "mlp_layer_types is not an array with one name for each of %u blocks",
            blocks->count[0]);
    const cJSON *item = list->child;
    for (uint32_t b = 0; item && b < blocks->count[0]; b++, item = item->next) {
        const char *name = cJSON_GetStringValue(item);
        blocks->moe[0][b] = name && strcmp(name, "sparse") == 0;
        if (!blocks->moe[0][b] && !(name && strcmp(name, "dense") == 0))
            vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
                "mlp_layer_types holds something else than dense and sparse");
    }
    return true;
}

// DeepSeek: dense blocks first, then every moe_layer_freq-th holds experts.
static void mark_deepseek(struct vkmoe_config *config, struct vkmoe_blocks *blocks, uint32_t preset)
{
    if (mark_types(config, blocks))
        return;
    mark_from(blocks,
        vkmoe_config_u32(config, "first_k_dense_replace", preset, 0, VKMOE_MAX_BLOCKS),
        vkmoe_config_u32(config, "moe_layer_freq", 1, 1, VKMOE_MAX_BLOCKS));
}

void vkmoe_mark_after_dense(struct vkmoe_config *config, struct vkmoe_blocks *blocks)
{
    mark_deepseek(config, blocks, 0);
}

void vkmoe_mark_after_3_dense(struct vkmoe_config *config, struct vkmoe_blocks *blocks)
{
    mark_deepseek(config, blocks, 3);
}

void vkmoe_mark_after_1_dense(struct vkmoe_config *config, struct vkmoe_blocks *blocks)
{
    mark_deepseek(config, blocks, 1);
}

void vkmoe_mark_lfm2(struct vkmoe_config *config, struct vkmoe_blocks *blocks)
{
    mark_from(blocks, vkmoe_config_u32(config, "num_dense_layers", 2, 0, VKMOE_MAX_BLOCKS), 1);
}

// Sets the blocks that an array of indices names. False if there is no such array.
static bool mark_listed(
    struct vkmoe_config *config, struct vkmoe_blocks *blocks, const char *key, bool moe)
{
    const cJSON *list = vkmoe_config_find(config, key), *item;
    if (!list)
        return false;
    if (!cJSON_IsArray(list))
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "%s is no array", key);
    cJSON_ArrayForEach(item, list)
    {
        uint64_t b;
        if (!vkmoe_json_integer(item, &b)) {
            vkmoe_config_fail(
                config, VKMOE_ERROR_INVALID, "%s holds something else than block numbers", key);
            break;
        }
        if (b < blocks->count[0])
            blocks->moe[0][b] = moe;
    }
    return true;
}

void vkmoe_mark_qwen(struct vkmoe_config *config, struct vkmoe_blocks *blocks)
{
    uint32_t step = vkmoe_config_u32(config, "decoder_sparse_step", 1, 1, VKMOE_MAX_BLOCKS);
    for (uint32_t b = 0; b < blocks->count[0]; b++)
        blocks->moe[0][b] = (b + 1) % step == 0;
    mark_listed(config, blocks, "mlp_only_layers", false);
}

void vkmoe_mark_jamba(struct vkmoe_config *config, struct vkmoe_blocks *blocks)
{
    if (vkmoe_config_u32(config, "num_experts", 16, 1, VKMOE_MAX_EXPERTS) == 1)
        return; // a plain feed-forward network then
    uint32_t period = vkmoe_config_u32(config, "expert_layer_period", 2, 1, VKMOE_MAX_BLOCKS);
    uint32_t offset = vkmoe_config_u32(config, "expert_layer_offset", 1, 0, VKMOE_MAX_BLOCKS);
    if (offset >= period)
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
            "expert_layer_offset is %u, expected less than expert_layer_period, %u", offset,
            period);
    for (uint32_t b = 0; b < blocks->count[0]; b++)
        blocks->moe[0][b] = b % period == offset;
}

void vkmoe_mark_llama4(struct vkmoe_config *config, struct vkmoe_blocks *blocks)
{
    if (mark_listed(config, blocks, "moe_layers", true))
        return;
    uint32_t step = vkmoe_config_u32(config, "interleave_moe_layer_step", 1, 1, VKMOE_MAX_BLOCKS);
    for (uint32_t b = step - 1; b < blocks->count[0]; b += step)
        blocks->moe[0][b] = true;
}

void vkmoe_mark_granite_hybrid(struct vkmoe_config *config, struct vkmoe_blocks *blocks)
{
    // The dense models of the family have 0 experts.
    if (vkmoe_config_u32(config, "num_local_experts", 8, 0, VKMOE_MAX_EXPERTS) > 0)
        vkmoe_mark_all(config, blocks);
}

static bool add_nemotron_block(struct vkmoe_config *config, struct vkmoe_blocks *blocks, bool moe)
{
    if (blocks->count[0] == VKMOE_MAX_BLOCKS) {
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "more than %d blocks", VKMOE_MAX_BLOCKS);
        return false;
    }
    blocks->moe[0][blocks->count[0]++] = moe;
    return true;
}

// A list of names, or one letter for each block: E is experts, M Mamba, * attention, - a
// dense network. All of them count.
void vkmoe_mark_nemotron(struct vkmoe_config *config, struct vkmoe_blocks *blocks)
{
    blocks->count[0] = 0;
    const cJSON *list = vkmoe_config_find(config, "layers_block_type|layer_types"), *item;
    if (list && !cJSON_IsArray(list))
        vkmoe_config_fail(config, VKMOE_ERROR_INVALID, "%s is no array", list->string);
    cJSON_ArrayForEach(item, list)
    {
        const char *name = cJSON_GetStringValue(item);
        if (!name)
            vkmoe_config_fail(
                config, VKMOE_ERROR_INVALID, "%s holds something else than names", list->string);
        if (!name || !add_nemotron_block(config, blocks, strcmp(name, "moe") == 0))
            return;
    }
    if (list)
        return;
    const char *pattern = vkmoe_config_string(config, "hybrid_override_pattern", "");
    for (; *pattern; pattern++) {
        if (!strchr("ME*-", *pattern)) {
            vkmoe_config_fail(config, VKMOE_ERROR_INVALID,
                "hybrid_override_pattern has other letters than M, E, * and -");
            return;
        }
        if (!add_nemotron_block(config, blocks, *pattern == 'E'))
            return;
    }
}

void vkmoe_mark_gemma4(struct vkmoe_config *config, struct vkmoe_blocks *blocks)
{
    if (vkmoe_config_bool(config, "enable_moe_block", false))
        vkmoe_mark_all(config, blocks);
}

// Every step-th block from the second on; with step 1 all, with step 0 none.
static void mark_switch_stack(struct vkmoe_config *config, struct vkmoe_blocks *blocks,
    uint32_t stack, const char *step_key, const char *sparse_key)
{
    uint32_t count = blocks->count[stack];
    uint32_t sparse = vkmoe_config_u32(config, sparse_key, 3, 0, VKMOE_MAX_BLOCKS);
    uint32_t step =
        vkmoe_config_u32(config, step_key, sparse ? count / sparse : 0, 0, VKMOE_MAX_BLOCKS);
    for (uint32_t b = 0; b < count; b++)
        blocks->moe[stack][b] = step == 1 || (step > 1 && b % step == 1);
}

void vkmoe_mark_switch(struct vkmoe_config *config, struct vkmoe_blocks *blocks)
{
    blocks->count[1] = vkmoe_config_u32(config, "num_decoder_layers",
        vkmoe_config_is_null(config, "num_decoder_layers") ? blocks->count[0] : 12, 1,
        VKMOE_MAX_BLOCKS);
    mark_switch_stack(config, blocks, 0, "encoder_sparse_step", "num_sparse_encoder_layers");
    mark_switch_stack(config, blocks, 1, "decoder_sparse_step", "num_sparse_decoder_layers");
}
