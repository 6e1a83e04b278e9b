// nemotron_h.c - Nemotron-H.
#include "checkpoint/families/families.h"

static bool add_block(struct settings *settings, struct blocks *blocks, bool moe)
{
    if (blocks->count[0] == MAX_BLOCKS) {
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "more than %d blocks", MAX_BLOCKS);
        return false;
    }
    blocks->moe[0][blocks->count[0]++] = moe;
    return true;
}

// A list of names, or one letter for each block: E is experts, M Mamba, * attention, - a
// dense network. All of them count.
static void mark(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    (void)family;
    blocks->count[0] = 0;
    const struct value *list = vkmoe_setting_list(settings, "layers_block_type|layer_types");
    VALUE_EACH(item, list)
    {
        const char *name = value_text(item);
        if (!name)
            vkmoe_setting_fail(
                settings, VKMOE_ERROR_INVALID, "%s holds something else than names", list->name);
        if (!name || !add_block(settings, blocks, strcmp(name, "moe") == 0))
            return;
    }
    if (list || settings->status != VKMOE_OK)
        return;
    const char *pattern = vkmoe_setting_string(settings, "hybrid_override_pattern", "");
    for (; *pattern; pattern++) {
        if (!strchr("ME*-", *pattern)) {
            vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
                "hybrid_override_pattern has other letters than M, E, * and -");
            return;
        }
        if (!add_block(settings, blocks, *pattern == 'E'))
            return;
    }
}

FAMILY(nemotron_h, .prefix = "backbone.layers.{b}.mixer.|model.layers.{b}.mixer."
        "|language_model.backbone.layers.{b}.mixer.|language_model.model.layers.{b}.mixer.",
    .hidden = { "hidden_size", 4096 },
    .inner = { "moe_intermediate_size", 7688 },
    .experts = { "n_routed_experts", 8 },
    .experts_per_token = { "num_experts_per_tok", 2 },
    .activation_key = "mlp_hidden_act",
    .activation = "relu2",
    DEEPSEEK_SETTINGS,
    .shared_inner = { "moe_shared_expert_intermediate_size", 7688 },
    .latent = { "moe_latent_size", 0 },
    .expect = { "mlp_bias=false", "n_shared_experts=1" },
    .preset.router = { V3_ROUTER, .groups.count = 1, .groups.kept = 1, .scale = 1.0f },
    .names = {
        .router = "gate.weight",
        .correction_bias = "gate.e_score_correction_bias",
        .up = "experts.{e}.up_proj.weight|experts.up_proj",
        .down = "experts.{e}.down_proj.weight|experts.down_proj",
        .shared_up = "shared_experts.up_proj.weight",
        .shared_down = "shared_experts.down_proj.weight",
        .latent_down = "fc1_latent_proj.weight",
        .latent_up = "fc2_latent_proj.weight",
    },
    .mark = mark);
