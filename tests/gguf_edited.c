// gguf_edited.c - GGUF files with a key or a tensor more or less than a model has: refused with a
// line that says what is wrong, if what they say is not what would run. No device is needed.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vkmoe/model.h>

#include "check.h"
#include "checkpoint/gguf_write.h"
#include "folder.h"
#include "gguf_writer.h"
#include "whole_checkpoints.h"

// Models that a key or a tensor more or less spoils, or not.
#define KEY(name, line, key, kind, value) \
    { \
        name, "mixtral", line, \
        { \
            "llama." key, "llama." key, value, GGUF_##kind \
        } \
    }
#define PATTERN(name, line, kind, value) \
    { \
        name, "mixtral", line, \
        { \
            NULL, "llama.attention.sliding_window_pattern", value, GGUF_##kind \
        } \
    }
#define MISSING(family, tensor, architecture) \
    { \
        family "/" tensor, family, \
            "no block has " tensor ", which those of " architecture " must have", \
        { \
            tensor \
        } \
    }
// A Qwen3 as a Mellum, whose tensors are called the same.
#define MELLUM(name, line, key, kind, value) \
    { \
        "mellum/" name, "qwen3_moe", line, \
        { \
            "rope.scaling|rope.dimension_count", key, value, GGUF_##kind, .architecture = "mellum" \
        } \
    }
#define LATENT_UNKNOWN(tensor, ...) \
    { \
        "latent/" tensor, "deepseek_v3", "blk.0." tensor, \
        { \
            NULL, NULL, NULL, 0, NULL, NULL, "blk.0." tensor, \
            { \
                __VA_ARGS__ \
            } \
        } \
    }
#define UNKNOWN(name, tensor, ...) \
    { \
        name, "mixtral", "it does not know what tensor " tensor " is for", \
        { \
            NULL, NULL, NULL, 0, NULL, NULL, tensor, \
            { \
                __VA_ARGS__ \
            } \
        } \
    }
static const struct edited {
    const char *name, *family;
    const char *line; // in the line of the refusal; NULL: it opens
    struct gguf_edit edit;
} edited[] = {
    { "as-it-is", "mixtral", NULL, { 0 } },
    { "no-heads", "mixtral", "needs attention.head_count",
        { "attention.head_count|key_length|value_length" } },
    // Of another kind than is asked for, which is not the same as absent.
    KEY("scaling-factor", "rope.scaling.factor is \"4.0\", expected a finite number",
        "rope.scaling.factor", TEXT, "4.0"),
    KEY("scaling-type", "rope.scaling.type is 2, expected a string", "rope.scaling.type", U32, "2"),
    KEY("temperature", "attention.temperature_scale is there without YaRN",
        "attention.temperature_scale", F32, "0.1"),
    { "latent/temperature", "deepseek_v3", NULL,
        { NULL, "deepseek2.attention.temperature_scale", "0.1", GGUF_F32 } },
    { "latent/temperature-steps", "deepseek_v3", "or with other steps than its",
        { NULL, "deepseek2.attention.temperature_scale", "0.1", GGUF_F32,
            "deepseek2.attention.temperature_length", "65" } },
    KEY("window-text", "sliding_window is \"16\", expected an integer", "attention.sliding_window",
        TEXT, "16"),
    KEY("window-below", "sliding_window is -16, expected an integer", "attention.sliding_window",
        F32, "-16"),
    KEY("window-half", "sliding_window is 16.5, expected an integer", "attention.sliding_window",
        F32, "16.5"),
    KEY("window-texts", "attention.sliding_window is an array of strings",
        "attention.sliding_window", TEXTS, "16"),
    KEY("predictors-text", "nextn_predict_layers is \"1\", expected an integer",
        "nextn_predict_layers", TEXT, "1"),
    { "split-text", "mixtral", "split.count is \"3\", expected an integer",
        { NULL, "split.count", "3", GGUF_TEXT } },
    PATTERN("pattern-none", "sliding_window_pattern is 0, expected an integer", U32, "0"),
    PATTERN("pattern-text", "sliding_window_pattern is \"x\", expected an integer", TEXT, "x"),
    PATTERN(
        "pattern-short", "sliding_window_pattern has 1 items, expected one for each", U32S, "1"),
    PATTERN("pattern-texts", "sliding_window_pattern is an array of strings", TEXTS, "x"),
    PATTERN("pattern", NULL, U32, "2"),
    { "caps", "mixtral", "the logits are capped",
        { NULL, "llama.attn_logit_softcapping", "-5", GGUF_F32, "llama.final_logit_softcapping",
            "5" } },
    // Zeros are those of blocks that have no such thing.
    { "kv-heads-none", "mixtral", "some blocks have no attention",
        { "head_count_kv", "llama.attention.head_count_kv", "2,0", GGUF_U32S } },
    { "kv-heads-short", "mixtral", "head_count_kv has 1 items, expected one for each of 2 blocks",
        { "head_count_kv", "llama.attention.head_count_kv", "2", GGUF_U32S } },
    { "experts-long", "mixtral", "expert_used_count has 3 items, expected one for each of 2",
        { "expert_used_count", "llama.expert_used_count", "2,2,2", GGUF_U32S } },
    { "kv-heads-listed", "mixtral", NULL,
        { "head_count_kv", "llama.attention.head_count_kv", "2,2", GGUF_U32S } },
    { "blocks-missing-too", "mixtral", "needs block_count",
        { "block_count|head_count_kv", "llama.attention.head_count_kv", "2,2", GGUF_U32S } },
    MISSING("qwen3_moe", "attn_q_norm.weight", "qwen3moe"),
    MISSING("qwen3_moe", "attn_k_norm.weight", "qwen3moe"),
    MISSING("olmoe", "attn_k_norm.weight", "olmoe"),
    MISSING("phimoe", "attn_norm.bias", "phimoe"),
    MISSING("phimoe", "ffn_norm.bias", "phimoe"),
    { "phimoe/output_norm.bias", "phimoe", "tensor output_norm.bias is missing",
        { "output_norm.bias" } },
    { "phimoe/headless-bias", "phimoe", NULL, { "output.bias" } },
    { "phimoe/longrope-half", "phimoe",
        "does not know what tensor rope_factors_short.weight is for", { "rope_factors_long" } },
    { "phimoe/longrope-none", "phimoe", NULL, { "rope_factors" } },
    { "phimoe/longrope-called-so", "phimoe", NULL,
        { NULL, "phimoe.rope.scaling.type", "longrope", GGUF_TEXT, "phimoe.rope.scaling.factor",
            "32" } },
    { "phimoe/longrope-and-yarn", "phimoe", "rope.scaling.type is \"yarn\"",
        { NULL, "phimoe.rope.scaling.type", "yarn", GGUF_TEXT } },
    KEY("longrope-alone", "rope.scaling.type is \"longrope\"", "rope.scaling.type", TEXT,
        "longrope"),
    MISSING("hunyuan_v1_moe", "attn_q_norm.weight", "hunyuan-moe"),
    MISSING("dbrx", "attn_output_norm.weight", "dbrx"),
    { "dbrx/ffn_norm.weight", "dbrx", "does not know what tensor blk.0.ffn_norm.weight is for",
        { NULL, NULL, NULL, 0, NULL, NULL, "blk.0.ffn_norm.weight", { 48 } } },
    { "dbrx/unclamped", "dbrx", NULL, { "clamp_kqv" } },
    { "dbrx/no-epsilon", "dbrx", "needs attention.layer_norm_epsilon", { "norm_epsilon" } },
    MISSING("grok", "attn_output_norm.weight", "grok"),
    MISSING("grok", "ffn_norm.weight", "grok"),
    { "grok/last-norm", "grok", "has layer_output_norm.weight or post_ffw_norm.weight, one of",
        { "post_ffw_norm" } },
    { "grok/last-norms", "grok", "does not know what tensor blk.0.post_ffw_norm.weight is for",
        { .tensor = "blk.0.layer_output_norm.weight", .shape = { 40 } } },
    { "grok/shared", "grok", "does not know what tensor blk.0.ffn_up_shexp.weight is for",
        { .tensor = "blk.0.ffn_up_shexp.weight", .shape = { 28, 40 } } },
    { "grok/norm-other", "grok", "tensor blk.0.post_attention_norm.weight is for",
        { .tensor = "blk.0.post_attention_norm.weight", .shape = { 40 } } },
    { "grok/half-beside", "grok", "does not know what tensor blk.0.ffn_gate.weight is for",
        { "ffn_up.weight" } },
    { "grok/cap", "grok", "attn_logit_softcapping is 0, expected more than 0",
        { "attn_logit", "grok.attn_logit_softcapping", "0", GGUF_F32 } },
    { "grok/router-cap", "grok", "router_logit_softcapping is -1, expected at least 0",
        { "router_logit", "grok.router_logit_softcapping", "-1", GGUF_F32 } },
    { "grok/scale", "grok", "attention.output_scale is -1, expected more than 0",
        { "output_scale", "grok.attention.output_scale", "-1", GGUF_F32 } },
    { "grok/steady-text", "grok", "attention.temperature_length is \"x\"",
        { NULL, "grok.attention.temperature_length", "x", GGUF_TEXT } },
    { "arctic/ffn_norm_exps.weight", "mixtral",
        "no block has ffn_norm_exps.weight, which those of arctic must have",
        { .architecture = "arctic" } },
    { "smallthinker/as-it-is", "mixtral", NULL, { .architecture = "smallthinker" } },
    { "smallthinker/base-of-windows", "mixtral", "rope.freq_base_swa is 77, but rope.freq_base",
        { NULL, "smallthinker.rope.freq_base_swa", "77", GGUF_F32,
            .architecture = "smallthinker" } },
    MISSING("afmoe", "attn_gate.weight", "afmoe"),
    MISSING("afmoe", "post_attention_norm.weight", "afmoe"),
    MISSING("afmoe", "post_ffw_norm.weight", "afmoe"),
    MISSING("afmoe", "ffn_norm.weight", "afmoe"),
    MISSING("afmoe", "exp_probs_b.bias", "afmoe"),
    { "afmoe/shexp", "afmoe", "no block has ffn_up_shexp.weight",
        { "shexp", "afmoe.expert_shared_count", "1", GGUF_U32 } },
    // What a file calls as this library's own settings are called.
    MELLUM("as-it-is", NULL, "mellum.x", U32, "1"),
    MELLUM("own-list", "rope_scaling is there", "mellum.rope_scaling", U32S, "1,2,3,4,5,6,7,8"),
    MELLUM("own-text", "rope_scaling is there", "mellum.rope_scaling", TEXT, "yarn"),
    MELLUM("own-number", "rope_scaling is there", "rope_scaling", F32, "2"),
    MELLUM("own-parameters", "rope_parameters is", "mellum.rope_parameters", TEXT, "x"),
    MELLUM("part", "elements of each head have RoPE", "mellum.rope.dimension_count", U32, "4"),
    { "afmoe/base-of-windows", "afmoe", "rope.freq_base_swa is 77, but rope.freq_base 10000",
        { NULL, "afmoe.rope.freq_base_swa", "77", GGUF_F32 } },
    { "afmoe/base-of-windows-same", "afmoe", NULL,
        { NULL, "afmoe.rope.freq_base_swa", "10000", GGUF_F32 } },
    { "afmoe/windowless", "afmoe", "its attention is without windows", { "sliding_window" } },
    MISSING("gpt_oss", "attn_sinks.weight", "gpt-oss"),
    MISSING("gpt_oss", "ffn_gate_inp.bias", "gpt-oss"),
    MISSING("gpt_oss", "attn_v.bias", "gpt-oss"),
    // Tensors that nobody would read.
    UNKNOWN("block-more", "blk.2.attn_q.weight", 8, 8),
    UNKNOWN("block-none", "blk.attn_q.weight", 8),
    { "block-predicts", "mixtral", NULL,
        { "block_count", "llama.block_count", "3", GGUF_U32, "llama.nextn_predict_layers", "1",
            "blk.2.attn_q.weight", { 8, 8 } } },
    UNKNOWN("norm-other", "blk.0.post_attention_norm.weight", 48),
    UNKNOWN("norm-bias", "blk.1.attn_norm.bias", 48),
    UNKNOWN("output-norm", "blk.0.attn_output_norm.weight", 48),
    UNKNOWN("experts-norm-bias", "blk.0.ffn_norm.bias", 48),
    UNKNOWN("final-norm-bias", "output_norm.bias", 48),
    UNKNOWN("longrope-short", "rope_factors_short.weight", 6),
    UNKNOWN("own-norm", "blk.0.ffn_norm_exps.weight", 48),
    UNKNOWN("head-gate", "blk.0.attn_gate.weight", 48, 48),
    UNKNOWN("norm-behind", "blk.0.post_ffw_norm.weight", 48),
    UNKNOWN("dense", "blk.0.ffn_up.weight", 8, 48),
    UNKNOWN("shared-gate", "blk.0.ffn_gate_shexp.weight", 8, 48),
    UNKNOWN("expert-more", "blk.0.ffn_up.77.weight", 8, 48),
    LATENT_UNKNOWN("attn_output.bias", 40),
    LATENT_UNKNOWN("attn_sinks.weight", 3),
    LATENT_UNKNOWN("attn_q_norm.weight", 8),
    LATENT_UNKNOWN("attn_qkv.bias", 40),
    // What was said of something else, or not at all.
    { "sparsemixer-three", "phimoe", "expert_used_count is",
        { .without = "expert_used_count",
            .key = "phimoe.expert_used_count",
            .value = "3",
            .kind = GGUF_U32 } },
    { "width-missing-too", "mixtral", "needs embedding_length",
        { .without = "embedding_length|key_length|value_length" } },
    { "rope-odd-too", "mixtral", "rope.dimension_count is 7, expected an even",
        { .without = "rope.dimension_count",
            .key = "llama.rope.dimension_count",
            .value = "7",
            .kind = GGUF_U32 } },
    KEY("scaling-dynamic", "reads the experts only: rope.scaling.type is \"dynamic\"",
        "rope.scaling.type", TEXT, "dynamic"),
    { "norm-of-rank-2", "mixtral", NULL,
        { .without = "output_norm", .tensor = "output_norm.weight", .shape = { 1, 48 } } },
    { "shared-ungated", "mixtral", "blk.0.ffn_gate_shexp.weight",
        { NULL, NULL, NULL, 0, NULL, NULL, "blk.0.ffn_up_shexp.weight", { 8, 48 } } },
};

// The parameters of the first block's experts, or why there are none.
static enum vkmoe_status try_moe(
    const char *path, const struct vkmoe_log *log, uint32_t block, struct vkmoe_moe_params *params)
{
    vkmoe_checkpoint *checkpoint = NULL;
    *params = (struct vkmoe_moe_params){ VKMOE_INIT(vkmoe_moe_params) };
    enum vkmoe_status status = vkmoe_checkpoint_open(path, log, &checkpoint);
    if (status == VKMOE_OK)
        status =
            vkmoe_checkpoint_get_moe(checkpoint, (struct vkmoe_block){ .index = block }, params);
    vkmoe_checkpoint_destroy(&checkpoint);
    return status;
}

// What it comes to, to run it whole; false if that takes more than one line, or none for a failure.
static bool try_whole(const char *path, struct record *record)
{
    const struct vkmoe_log log = log_to(record);
    vkmoe_checkpoint *checkpoint = NULL;
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
    const bool whole = vkmoe_checkpoint_open(path, &log, &checkpoint) == VKMOE_OK
        && vkmoe_checkpoint_get_frame(checkpoint, &frame) == VKMOE_OK
        && vkmoe_checkpoint_get_attention(checkpoint, (struct vkmoe_block){ 0 }, &attention)
            == VKMOE_OK;
    vkmoe_checkpoint_destroy(&checkpoint);
    return record->lines[VKMOE_LOG_ERROR] == !whole;
}

static bool write_edited(const char *family, const struct gguf_edit *edit, const char *path)
{
    struct whole_checkpoint whole;
    vkmoe_checkpoint *checkpoint = NULL;
    const bool made = whole_checkpoint_write(family, 1, &whole)
        && vkmoe_checkpoint_open(whole.path, &printing_log, &checkpoint) == VKMOE_OK
        && gguf_convert_edited(checkpoint, path, edit);
    vkmoe_checkpoint_destroy(&checkpoint);
    whole_checkpoint_finish(&whole);
    return made;
}

// That what opening a file says has `words`.
static bool is_said(const char *path, const char *words)
{
    struct record record = { 0 };
    const bool said = try_whole(path, &record) && strstr(record.last, words);
    if (!said)
        tap_note("%s", record.last);
    return said;
}

static bool check_edited(const struct edited *row)
{
    struct record record = { 0 }, of_moe = { 0 };
    const struct vkmoe_log log = log_to(&of_moe);
    struct vkmoe_moe_params params;
    const char *path = folder_path("edited.gguf");
    bool ok = write_edited(row->family, &row->edit, path) && try_whole(path, &record);
    if (ok && row->line)
        ok = strstr(record.last, row->line)
            || (try_moe(path, &log, 0, &params) != VKMOE_OK && strstr(of_moe.last, row->line));
    else if (ok)
        ok = record.lines[VKMOE_LOG_ERROR] == 0 && record.last[0] == '\0';
    if (!ok)
        tap_note("%s; %s", record.last, of_moe.last);
    folder_empty();
    return ok;
}

// The first DeepSeek's weights are divided by their sum and then scaled, if the file has it so.
static bool check_scale(void)
{
    static const struct gguf_edit edit = { .key = "deepseek.expert_weights_norm",
        .value = "1",
        .kind = GGUF_BOOL,
        .number_key = "deepseek.expert_weights_scale",
        .number = "2.5",
        .architecture = "deepseek" };
    struct vkmoe_moe_params params;
    const char *path = folder_path("scale.gguf");
    return write_edited("mixtral", &edit, path)
        && try_moe(path, &printing_log, 0, &params) == VKMOE_OK && params.router.scale == 2.5f
        && params.router.renormalize.mode == VKMOE_RENORMALIZE_SUM;
}

// What files of Grok-1 have that say nothing of it; and a context that ends where scores grow.
static bool check_grok(void)
{
    static const struct gguf_edit edit = { .without = "_scale|softcapping",
        .number_key = "grok.attention.temperature_length",
        .number = "7" };
    struct vkmoe_moe_params moe = { VKMOE_INIT(vkmoe_moe_params) };
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
    vkmoe_checkpoint *checkpoint = NULL;
    const char *path = folder_path("grok.gguf");
    const bool ok = write_edited("grok", &edit, path)
        && try_moe(path, &printing_log, 1, &moe) == VKMOE_OK
        && vkmoe_checkpoint_open(path, &printing_log, &checkpoint) == VKMOE_OK
        && vkmoe_checkpoint_get_frame(checkpoint, &frame) == VKMOE_OK
        && vkmoe_checkpoint_get_attention(checkpoint, (struct vkmoe_block){ 0 }, &attention)
            == VKMOE_OK;
    vkmoe_checkpoint_destroy(&checkpoint);
    return ok && moe.router.soft_cap == 0.0f
        && moe.router.renormalize.mode == VKMOE_RENORMALIZE_NONE
        && frame.embedding_scale == 78.38367176906169f && frame.logits_scale == 0.5773502691896257f
        && frame.logits_cap == 0.0f && attention.scale == 0.08838834764831845f
        && attention.soft_cap == 30.0f && frame.max_positions == 7;
}

// LayerNorms have the epsilon of LayerNorms, whatever else the file says.
static bool check_epsilon(void)
{
    static const struct gguf_edit edit = { .number_key = "dbrx.attention.layer_norm_rms_epsilon",
        .number = "0.1" };
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    vkmoe_checkpoint *checkpoint = NULL;
    const char *path = folder_path("epsilon.gguf");
    const bool ok = write_edited("dbrx", &edit, path)
        && vkmoe_checkpoint_open(path, &printing_log, &checkpoint) == VKMOE_OK
        && vkmoe_checkpoint_get_frame(checkpoint, &frame) == VKMOE_OK && frame.layer_norm
        && frame.norm_epsilon == 1e-5f;
    vkmoe_checkpoint_destroy(&checkpoint);
    return ok;
}

// What keys of Mellum say if they are absent: weights are divided by their sum, and each fourth
// block has no window.
static bool check_mellum(void)
{
    static const struct gguf_edit edit = {
        .without = "gating_func|weights_|attn_gate|post_|shexp|shared|exp_probs|sliding|dense",
        .key = "mellum.attention.sliding_window",
        .value = "6",
        .kind = GGUF_U32,
        .architecture = "mellum",
    };
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
    vkmoe_checkpoint *checkpoint = NULL;
    const char *path = folder_path("mellum.gguf");
    bool ok = write_edited("afmoe", &edit, path)
        && try_moe(path, &printing_log, 1, &params) == VKMOE_OK
        && params.router.renormalize.mode == VKMOE_RENORMALIZE_SUM
        && vkmoe_checkpoint_open(path, &printing_log, &checkpoint) == VKMOE_OK;
    for (uint32_t b = 0; ok && b < 4; b++) {
        struct vkmoe_attention_params p = { VKMOE_INIT(vkmoe_attention_params) };
        ok = vkmoe_checkpoint_get_attention(checkpoint, (struct vkmoe_block){ .index = b }, &p)
                == VKMOE_OK
            && (p.patterns ? p.patterns->left : 0) == (b < 3 ? 6 : 0);
    }
    vkmoe_checkpoint_destroy(&checkpoint);
    return ok;
}

// Of DeepSeek-V2's files keys say no more than of V3's, but that scores are softmax.
static bool check_groups(void)
{
    static const struct gguf_edit as_it_is = { 0 };
    static const struct gguf_edit softmax = { "deepseek2.expert_gating_func",
        "deepseek2.expert_gating_func", "1", GGUF_U32 };
    struct vkmoe_moe_params v3 = { VKMOE_INIT(vkmoe_moe_params) }, v2 = v3;
    const char *path = folder_path("groups.gguf");
    return write_edited("deepseek_v3", &as_it_is, path)
        && try_moe(path, &printing_log, 1, &v3) == VKMOE_OK
        && write_edited("deepseek_v3", &softmax, path)
        && try_moe(path, &printing_log, 1, &v2) == VKMOE_OK && v3.router.groups.count == 4
        && v3.router.groups.score == VKMOE_GROUP_SCORE_SUM_TOP_2
        && v3.router.groups.mode == VKMOE_GROUP_MODE_MASK && v2.router.groups.count == 4
        && v2.router.groups.score == VKMOE_GROUP_SCORE_MAX
        && v2.router.groups.mode == VKMOE_GROUP_MODE_MASK_ZERO;
}

// A block of Nemotron-3 Super with these tensors and this width of the latent.
static bool write_latent(const char *path, const char *without, uint32_t size)
{
    enum { HIDDEN = 12, LATENT = 8, INNER = 10, EXPERTS = 4, SHARED = 14 };
    static const struct {
        const char *name;
        uint64_t shape[4];
    } tensors[] = {
        { "blk.0.ffn_gate_inp.weight", { EXPERTS, HIDDEN } },
        { "blk.0.exp_probs_b.bias", { EXPERTS } },
        { "blk.0.ffn_latent_down.weight", { LATENT, HIDDEN } },
        { "blk.0.ffn_latent_up.weight", { HIDDEN, LATENT } },
        { "blk.0.ffn_up_exps.weight", { EXPERTS, INNER, LATENT } },
        { "blk.0.ffn_down_exps.weight", { EXPERTS, LATENT, INNER } },
        { "blk.0.ffn_up_shexp.weight", { SHARED, HIDDEN } },
        { "blk.0.ffn_down_shexp.weight", { HIDDEN, SHARED } },
    };
    double values[EXPERTS * INNER * HIDDEN];
    struct gguf_writer writer = { .without = without };
    for (uint32_t i = 0; i < COUNT_OF(values); i++)
        values[i] = i + 1;
    gguf_key_text(&writer, "general.architecture", "nemotron_h_moe");
    gguf_key_u32(&writer, "nemotron_h_moe.block_count", 1);
    gguf_key_u32(&writer, "nemotron_h_moe.embedding_length", HIDDEN);
    gguf_key_u32(&writer, "nemotron_h_moe.expert_count", EXPERTS);
    gguf_key_u32(&writer, "nemotron_h_moe.expert_used_count", 2);
    gguf_key_u32(&writer, "nemotron_h_moe.expert_feed_forward_length", INNER);
    gguf_key_u32(&writer, "nemotron_h_moe.moe_latent_size", size);
    for (size_t i = 0; i < COUNT_OF(tensors); i++) {
        values[0] = (double)i;
        gguf_tensor(&writer, tensors[i].name, values, tensors[i].shape);
    }
    return gguf_write(&writer, path);
}

static bool check_latent(void)
{
    static const struct {
        const char *without;
        uint32_t size;
        const char *line;
    } spoilt[] = {
        { "ffn_latent_down", 8, "blk.0.ffn_latent_down.weight" },
        { "ffn_latent_up", 8, "blk.0.ffn_latent_up.weight" },
        { NULL, 0, "blk.0.ffn_up_exps.weight" },
        { NULL, 9, "blk.0.ffn_" },
    };
    struct vkmoe_moe_params p = { VKMOE_INIT(vkmoe_moe_params) };
    struct record record = { 0 };
    const struct vkmoe_log log = log_to(&record);
    vkmoe_checkpoint *checkpoint = NULL;
    const char *path = folder_path("latent.gguf");
    CHECK(write_latent(path, NULL, 8));
    CHECK_OK(vkmoe_checkpoint_open(path, &log, &checkpoint));
    CHECK_OK(vkmoe_checkpoint_get_moe(checkpoint, (struct vkmoe_block){ 0 }, &p));
    CHECK(p.hidden == 12 && p.latent.size == 8 && p.shared.inner == 14 && !p.gate);
    CHECK(*(const float *)p.latent.down.data == 2 && *(const float *)p.latent.up.data == 3);
    CHECK(*(const float *)p.up[0].data == 4 && *(const float *)p.shared.down.data == 7);
    vkmoe_checkpoint_destroy(&checkpoint);
    for (size_t i = 0; i < COUNT_OF(spoilt); i++) {
        record = (struct record){ 0 };
        CHECK(write_latent(path, spoilt[i].without, spoilt[i].size));
        CHECK(try_moe(path, &log, 0, &p) != VKMOE_OK);
        CHECK(record.lines[VKMOE_LOG_ERROR] == 1 && strstr(record.last, spoilt[i].line));
    }
    return true;
fail:
    tap_note("%s", record.last);
    vkmoe_checkpoint_destroy(&checkpoint);
    return false;
}

// Half a file: no tensor is larger than that, but some begin where it has ended.
static bool check_half(void)
{
    struct stat info;
    const char *path = folder_path("half.gguf");
    return write_edited("mixtral", &(struct gguf_edit){ 0 }, path) && stat(path, &info) == 0
        && truncate(path, info.st_size / 2) == 0
        && is_said(path, "ends beyond the end of the file, whose download may not be");
}

// More strings than are worth looking at: of no bytes each, in a file that is a hole.
static bool check_strings(void)
{
    enum { STRINGS = (1 << 24) + 1 };
    struct gguf_writer writer = { 0 };
    const char *path = folder_path("strings.gguf");
    gguf_key_texts(&writer, "x", (const char *[]){ "" }, 1);
    CHECK(gguf_write(&writer, path));
    FILE *file = fopen(path, "r+b");
    CHECK(file);
    const uint64_t count = STRINGS;
    fseek(file, 24 + 9 + 8, SEEK_SET); // after the key and the types
    fwrite(&count, sizeof count, 1, file);
    CHECK(fclose(file) == 0 && truncate(path, 49 + 8 * (off_t)STRINGS) == 0);
    CHECK(is_said(path, "x has 16777217 strings, more than 16777216"));
    return true;
fail:
    return false;
}

// A name that is no text, of characters that a line cuts; and a path of two lines.
static bool check_lines(void)
{
    struct gguf_writer writer = { 0 };
    char key[600] = "x";
    for (size_t i = 0; i < 250; i++)
        strcat(key, "\u00fc");
    strcat(key, "\n");
    const char *path = folder_path("lines.gguf");
    gguf_key_u32(&writer, key, 1);
    return gguf_write(&writer, path) && is_said(path, "\u00fc?\" at byte 24 is not printable UTF-8")
        && is_said(folder_path("two\nlines.gguf"), "two?lines.gguf");
}

int main(int argc, char **argv)
{
    TEST_TABLE(tests, { "scale", check_scale }, { "epsilon", check_epsilon },
        { "grok", check_grok }, { "mellum", check_mellum }, { "groups", check_groups },
        { "latent", check_latent }, { "half", check_half }, { "strings", check_strings },
        { "lines", check_lines });
    struct tap tap;
    if (!tap_begin(&tap, argc, argv) || !folder_begin("gguf_edited"))
        return 2;
    TAP_ROWS(&tap, "edited", edited, COUNT_OF(edited), check_edited);
    run_clean_tests(&tap, tests, COUNT_OF(tests), folder_empty);
    folder_finish();
    return tap_end(&tap);
}
