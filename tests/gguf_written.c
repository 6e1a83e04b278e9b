// gguf_written.c - what is written of a folder as a GGUF file so that llama.cpp reads it, where it
// would be the same model for this library without, and what is not written.
#include <stdio.h>
#include <string.h>

#include "checkpoint/gguf_write.h"
#include "check.h"
#include "folder.h"
#include "tap.h"
#include "whole_checkpoints.h"

struct written {
    struct record record;
    vkmoe_checkpoint *checkpoint;
    struct gguf_output output;
};

// Of a golden model, or a random one of the family, with another setting.
static enum vkmoe_status make(struct written *written, const char *golden, const char *family,
    const char *old, const char *new)
{
    struct whole_checkpoint whole = { 0 };
    char path[512];
    *written = (struct written){ .checkpoint = NULL };
    snprintf(path, sizeof path, VKMOE_TEST_GOLDEN "/%s", golden ? golden : "");
    if (!golden && !whole_checkpoint_write(family, 1, &whole))
        return VKMOE_ERROR_INVALID;
    folder_change_config(golden ? path : whole.path, old, new);
    const struct vkmoe_log log = log_to(&written->record);
    enum vkmoe_status status = vkmoe_checkpoint_open(folder, &log, &written->checkpoint);
    if (status == VKMOE_OK)
        status = vkmoe_gguf_output_make(written->checkpoint, false, &written->output);
    whole_checkpoint_finish(&whole);
    return status;
}

static bool end(struct written *written, bool ok)
{
    if (!ok)
        tap_note("%s", written->record.last);
    vkmoe_gguf_output_finish(&written->output);
    vkmoe_checkpoint_destroy(&written->checkpoint);
    folder_empty();
    return ok;
}

static bool has_key(const struct gguf_output *output, const char *key)
{
    const size_t length = strlen(key);
    for (size_t i = 0; i + length <= output->keys.size; i++)
        if (memcmp(output->keys.data + i, key, length) == 0)
            return true;
    return false;
}

// llama.cpp ends where all groups of experts are kept, which is the same as none.
static bool check_groups(void)
{
    struct written some, all;
    bool ok = make(&some, NULL, "deepseek_v3", "model_type", "model_type") == VKMOE_OK
        && has_key(&some.output, "expert_group_count");
    ok = end(&some, ok);
    ok = make(&all, NULL, "deepseek_v3", "\"topk_group\":2", "\"topk_group\":4") == VKMOE_OK && ok
        && !has_key(&all.output, "expert_group_count")
        && !has_key(&all.output, "expert_group_used_count");
    return end(&all, ok);
}

static const struct gguf_tensor *find_tensor(const struct gguf_output *output, const char *name)
{
    for (uint32_t i = 0; i < output->tensor_count; i++)
        if (strcmp(output->tensors[i].name, name) == 0)
            return &output->tensors[i];
    return NULL;
}

// Some of llama.cpp's loaders ask for a head, others take the embedding.
static bool check_head(void)
{
    struct written with, without;
    bool ok = make(&with, NULL, "qwen2_moe", "model_type", "model_type") == VKMOE_OK;
    const struct gguf_tensor *head = find_tensor(&with.output, "output.weight"),
                             *embedding = find_tensor(&with.output, "token_embd.weight");
    ok = ok && head && embedding && head->views[0].data == embedding->views[0].data;
    ok = end(&with, ok);
    ok = make(&without, NULL, "ernie4_5_moe", "model_type", "model_type") == VKMOE_OK && ok
        && !find_tensor(&without.output, "output.weight");
    return end(&without, ok);
}

// Configs of which a GGUF file could not say everything, or llama.cpp not read it.
#define YARN_OF_V3 \
    "{\"type\":\"yarn\",\"factor\":40,\"beta_fast\":32,\"beta_slow\":1,\"mscale\":1.0," \
    "\"mscale_all_dim\":1.0,\"original_max_position_embeddings\":64}"
static const struct unwritten {
    const char *name, *family;
    const char *golden; // a folder of this instead
    const char *old, *new;
    const char *line; // in that of the refusal
} unwritten[] = {
    // SmallThinker has RoPE in other blocks than each fourth, whatever they are.
    { "smallthinker", NULL, "smallthinker", "model_type", "model_type",
        "cannot say which of its blocks have RoPE" },
    { "cohere2-sum", NULL, "cohere2_moe-rms", "model_type", "model_type",
        "cannot say how what shared experts give is added" },
    { "laguna-cap", NULL, "laguna", "model_type", "model_type",
        "cannot say how its gate chooses experts" },
    { "mellum-no-window", NULL, "mellum",
        "\"sliding_attention\",\n    \"full_attention\",\n    \"sliding_attention\"",
        "\"full_attention\",\n    \"full_attention\",\n    \"full_attention\"",
        "cannot say that no block has a window" },
    { "step-third-base", NULL, "step3p5", "\"rope_theta\": [\n  500,\n  70,\n  70,",
        "\"rope_theta\": [\n  500,\n  70,\n  80,",
        "cannot say how attention differs among its blocks of a kind" },
    // Chunks have one length there.
    { "llama4-other-chunks", NULL, "llama4", "model_type", "model_type",
        "cannot say which keys its attention sees" },
    // Only blocks without a window turn a part of their heads there.
    { "gemma4-window-part", NULL, "gemma4",
        "\"rope_theta\": 100.0,\n      \"rope_type\": \"default\"",
        "\"rope_theta\": 100.0,\"partial_rotary_factor\":0.5,\"rope_type\":\"proportional\"",
        "cannot say how its positions are embedded" },
    // Each fourth block sees everything there, and embeddings are multiplied.
    { "afmoe-each-second", "afmoe", NULL, "\"global_attn_every_n_layers\":4",
        "\"global_attn_every_n_layers\":2",
        "cannot say which of its blocks have windows and RoPE" },
    { "afmoe-plain-embeddings", "afmoe", NULL, "\"mup_enabled\":true", "\"mup_enabled\":false",
        "cannot say embedding_scale" },
    { "afmoe-llama3", "afmoe", NULL, "\"rope_scaling\":null",
        "\"rope_scaling\":{\"type\":\"llama3\",\"factor\":4,\"low_freq_factor\":1,"
        "\"high_freq_factor\":4,\"original_max_position_embeddings\":64}",
        "cannot say how its positions are embedded" },
    { "latent-llama3", "deepseek_v3", NULL, YARN_OF_V3,
        "{\"type\":\"llama3\",\"factor\":4,\"low_freq_factor\":1,\"high_freq_factor\":4,"
        "\"original_max_position_embeddings\":64}",
        "cannot say how its positions are embedded" },
    { "latent-longrope", "deepseek_v3", NULL, YARN_OF_V3,
        "{\"type\":\"longrope\",\"short_factor\":[1,1.5,2,3],\"long_factor\":[1,3,5,7],"
        "\"original_max_position_embeddings\":64}",
        "cannot say how its positions are embedded" },
};

static bool check_unwritten(const struct unwritten *row)
{
    struct written written;
    const enum vkmoe_status status = make(&written, row->golden, row->family, row->old, row->new);
    return end(&written,
        status == VKMOE_ERROR_UNSUPPORTED && written.record.lines[VKMOE_LOG_ERROR] == 1
            && strstr(written.record.last, row->line));
}

int main(int argc, char **argv)
{
    TEST_TABLE(tests, { "groups that are all kept", check_groups },
        { "a head that is the embedding", check_head });
    struct tap tap;
    if (!tap_begin(&tap, argc, argv) || !folder_begin("gguf_written"))
        return 2;
    run_clean_tests(&tap, tests, COUNT_OF(tests), folder_empty);
    TAP_ROWS(&tap, "unwritten", unwritten, COUNT_OF(unwritten), check_unwritten);
    folder_finish();
    return tap_end(&tap);
}
