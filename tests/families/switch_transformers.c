// switch_transformers.c - see family_writers.h.
#include "family_writers.h"

static void write_switch(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_router(w, f, prefix, l, "mlp.router.classifier.weight");
    if (l->router_bias)
        family_add(
            w, f, prefix, "mlp.router.classifier.bias", l->router_bias, 1, SHAPE(l->experts));
    family_add_experts(
        w, f, prefix, l, "", "mlp.experts.expert_%u.wi.weight", "mlp.experts.expert_%u.wo.weight");
}

static void write_switch_dense(struct writer *w, family_t *f, const char *prefix, layer_t *l)
{
    family_add_experts(w, f, prefix, l, "", "mlp.wi.weight", "mlp.wo.weight");
}

FAMILY_MODELS(switch_transformers,
    OTHER_MODEL("switch_transformers-encoder",
        "{\"model_type\":\"switch_transformers\",\"d_model\":40,\"d_ff\":56,"
        "\"num_layers\":4,\"num_decoder_layers\":2,\"num_sparse_encoder_layers\":2,"
        "\"num_sparse_decoder_layers\":1,\"num_experts\":6,\"expert_capacity\":3,"
        "\"dense_act_fn\":\"relu\",\"is_gated_act\":false,\"vocab_size\":19}",
        .dtype = VKMOE_DTYPE_F32, .files = 1, .moe = { "-x-x", "-x" }, .block = { .index = 3 },
        .vocabulary = 19,
        LAYER(40, 56, 6, 1, .score = VKMOE_SCORE_SOFTMAX, .capacity = 3,
            .activation = VKMOE_ACTIVATION_RELU),
        .write = write_switch,
        .prefix = { "encoder.block.%u.layer.1.", "decoder.block.%u.layer.2." }, .dense_inner = 56,
        .write_dense = write_switch_dense),
    OTHER_MODEL("switch_transformers-decoder",
        "{\"model_type\":\"switch_transformers\",\"d_model\":32,\"d_ff\":48,"
        "\"num_layers\":2,\"num_decoder_layers\":3,\"encoder_sparse_step\":2,"
        "\"decoder_sparse_step\":1,\"num_sparse_encoder_layers\":1,"
        "\"num_sparse_decoder_layers\":1,\"num_experts\":4,\"router_bias\":true,"
        "\"dense_act_fn\":\"gelu_new\",\"vocab_size\":19}",
        .dtype = VKMOE_DTYPE_BF16, .files = 1, .moe = { "-x", "xxx" },
        .block = { .index = 2, .part = VKMOE_PART_DECODER }, .vocabulary = 19,
        .arrays = HAS_ROUTER_BIAS,
        LAYER(32, 48, 4, 1, .score = VKMOE_SCORE_SOFTMAX, .capacity = 64,
            .activation = VKMOE_ACTIVATION_GELU_TANH),
        .write = write_switch,
        .prefix = { "encoder.block.%u.layer.1.", "decoder.block.%u.layer.2." }, .dense_inner = 48,
        .write_dense = write_switch_dense));
