// heads.c - queries, keys and values of few tokens that are finished where they are made, against
// the products and store_kv that a device takes which cannot do that: the same bits of y and of the
// cache. And pipelines that a longer context does not make anew.
#include <string.h>

#include "attention/plan.h"
#include "attention_models.h"
#include "attention_run.h"
#include "base/common.h"
#include "compare.h"
#include "device/pipelines.h"
#include "device/verdicts.h"

// ------------------------------------------------------------------- pipelines of a text

static void count_pipeline(
    void *user, const struct variant *variant, const uint32_t *spec, VkPipeline pipeline)
{
    (void)variant, (void)spec, (void)pipeline;
    ++*(uint32_t *)user;
}

static uint32_t count_pipelines(vkmoe_device *device)
{
    uint32_t count = 0;
    vkmoe_pipelines_visit(device, count_pipeline, &count);
    return count;
}

#define TRAINED 3

static const struct attention_case text = { "longrope", DENSE(1, 48, 32, 4, 2),
    LONGROPE(HALF, TRAINED), .has = LONG_ROPE };

// A text that outgrows what LongRoPE's first factors are for goes on with what was made for it.
static bool check_text(struct harness *harness)
{
    struct attention_run run;
    harness->messages = 0;
    bool ok = attention_run_init(&run, harness, &text, 1);
    run.data.longest = TRAINED;
    ok = ok && attention_run_forward(&run, false);
    const uint32_t made = count_pipelines(harness->device);
    run.data.longest = TRAINED + 1;
    ok = ok && attention_run_forward(&run, false);
    const uint32_t more = count_pipelines(harness->device) - made;
    if (more > 0)
        tap_note("%u pipelines were made for a longer context", more);
    attention_run_finish(&run);
    return ok && more == 0 && !harness->messages;
}

// ------------------------------------------------------------------------ the same bits

// What a forward leaves.
struct left {
    unsigned char *y, *keys, *values;
};

static unsigned char *download(const vkmoe_buffer *buffer)
{
    const size_t size = vkmoe_buffer_size(buffer);
    unsigned char *copy = allocate(size, 1);
    return is_ok(vkmoe_buffer_download(buffer, 0, copy, size), "download") ? copy : NULL;
}

static bool forward(struct attention_run *run, struct left *left)
{
    if (!attention_run_renew_cache(run) || !attention_run_forward(run, false)
        || !attention_run_check_memory(run) || !attention_run_check_results(run, false, NULL))
        return false;
    left->y = allocate(run->y.total, 1);
    memcpy(left->y, run->y.after, run->y.total);
    left->keys = download(run->cache->keys);
    left->values = download(run->cache->values);
    return left->keys && left->values;
}

static void finish(struct left *left)
{
    free(left->y);
    free(left->keys);
    free(left->values);
}

// As if the driver computed decode_heads wrongly.
static struct verdicts *condemn_heads(enum vkmoe_dtype dtype)
{
    struct verdicts *verdicts = vkmoe_verdicts_create();
    for (uint32_t i = 0; verdicts && i < 2 * vkmoe_variant_count; i++)
        if (vkmoe_variants[i / 2].kernel == KERNEL_decode_heads)
            vkmoe_verdicts_add(verdicts, &vkmoe_variants[i / 2], dtype, i % 2);
    return verdicts;
}

static bool check_same(struct harness *harness, const struct attention_case *c, uint32_t tokens)
{
    struct attention_case with = *c;
    struct attention_run run;
    struct left finished = { 0 }, plain = { 0 };
    vkmoe_device *device = harness->device;
    with.tokens = tokens;
    harness->messages = 0;
    bool ok = attention_run_init(&run, harness, &with, 1);
    // So many tokens are few on some devices.
    struct experts *const linears[] = { &run.attention->query, &run.attention->kv,
        &run.attention->value };
    for (size_t i = 0; i < ARRAY_SIZE(linears) && ok; i++)
        linears[i]->shapes.direct_tokens = tokens;
    bool can = true;
    for (size_t i = 0; i < ARRAY_SIZE(linears) && ok; i++)
        can = can && (linears[i]->rows == 0 || vkmoe_experts_finish_heads(linears[i]));
    const bool finishes = ok && vkmoe_attention_plan(run.attention, tokens, 1, 0).finishes;
    ok = ok && finishes == can;
    ok = ok && forward(&run, &finished);
    device->verdicts = condemn_heads(c->dtype);
    ok = ok && !vkmoe_attention_plan(run.attention, tokens, 1, 0).finishes && forward(&run, &plain);
    vkmoe_verdicts_destroy(&device->verdicts);
    ok = ok && compare_bits("keys", plain.keys, finished.keys, vkmoe_buffer_size(run.cache->keys))
        && compare_bits(
            "values", plain.values, finished.values, vkmoe_buffer_size(run.cache->values))
        && compare_bits("y", plain.y, finished.y, run.y.total);
    if (!ok || !finishes)
        tap_note("%u tokens%s", tokens, finishes ? "" : ", which are not finished");
    finish(&finished);
    finish(&plain);
    attention_run_finish(&run);
    return ok && !harness->messages;
}

// A case of its own tokens; all of them, and other numbers, where tests may be slow.
static bool check_tokens(struct harness *harness, const struct attention_case *c, bool slow)
{
    static const uint32_t tokens[] = { 1, 2, 3, 5, 8, 9, 16, 17 };
    bool ok = check_same(harness, c, c->tokens);
    for (size_t i = 0; i < ARRAY_SIZE(tokens) && ok && slow; i++)
        ok = check_same(harness, c, tokens[i]);
    return ok;
}

// clang-format off
#define SLOW ATTENTION_SLOW
static const struct attention_case heads[] = {
    {"stacked", DENSE(1, 64, 64, 4, 2), HALF, .cache_dtype = VKMOE_DTYPE_Q8_0, .history = 9,
        .sequences = 3, .attention.norm.epsilon = 1e-6f, .has = ATTENTION_NORMS
        | ATTENTION_SHUFFLED},
    {"fast", DENSE(1, 96, 64, 4, 2), HALF, FAST, .dtype = VKMOE_DTYPE_Q8_0,
        .has = ATTENTION_VALUES_F32},
    {"one-head", DENSE(1, 40, 32, 1, 1), HALF, .has = SLOW},
    {"odd-hidden", DENSE(1, 45, 96, 3, 1), HALF, .history = 9, .sequences = 3,
        .has = SLOW | ATTENTION_BIASES | ATTENTION_OUTPUT_BIAS},
    {"norms", DENSE(1, 64, 128, 4, 2), HALF, .history = 20, .has = SLOW | ATTENTION_NORMS,
        .attention.norm.epsilon = 1e-6f},
    {"norm-of-keys", DENSE(1, 64, 64, 6, 2), HALF, .sequences = 4, .dtype = VKMOE_DTYPE_BF16,
        .attention.norm.epsilon = 1e-5f,
        .has = SLOW | ATTENTION_KEY_NORM | ATTENTION_INTERLEAVED | ATTENTION_SHUFFLED},
    {"norms-after", DENSE(1, 64, 64, 4, 1), .history = 20, .attention.rope = {
        .kind = VKMOE_ROPE_INTERLEAVED, .size = 24, .factor = 4,
        .scaling = VKMOE_ROPE_SCALING_YARN, .original_positions = 256},
        .attention.norm_after_rope = true, .attention.norm.epsilon = 1e-5f,
        .has = SLOW | ATTENTION_NORMS},
    {"wide", DENSE(1, 64, 512, 2, 1), HALF, .has = SLOW | ATTENTION_NORMS, .history = 9,
        .attention.norm.epsilon = 1e-6f, .attention.scale = 1.0f, .attention.value_norm = true},
    {"cache-f16", DENSE(1, 64, 96, 4, 2), HALF, .cache_dtype = VKMOE_DTYPE_F16, .history = 9,
        .dtype = VKMOE_DTYPE_F16, .has = SLOW},
    {"cache-q8-0", DENSE(1, 64, 96, 4, 2), HALF, .cache_dtype = VKMOE_DTYPE_Q8_0, .history = 9,
        .sequences = 3, .has = SLOW | ATTENTION_SHUFFLED},
    {"values-apart", DENSE(1, 64, 64, 4, 2), HALF, .dtype = VKMOE_DTYPE_F16,
        .has = SLOW | ATTENTION_VALUES_F32},
    {"keys-apart", DENSE(1, 64, 64, 4, 2), HALF, .dtype = VKMOE_DTYPE_BF16, .history = 9,
        .has = SLOW | ATTENTION_KEYS_F32 | ATTENTION_BIASES},
    {"clip", DENSE(1, 56, 32, 7, 1), HALF, .attention.value_clip = 0.5f, .history = 9,
        .sequences = 2, .has = SLOW},
    {"temperature", DENSE(1, 64, 32, 5, 1), .history = 9, .attention.temperature = {0.5f, 8},
        .has = SLOW},
    {"gate", DENSE(1, 64, 32, 8, 1), HALF, .attention.gate.wide = true, .history = 9,
        .attention.norm.epsilon = 1e-6f, .has = SLOW | ATTENTION_NORMS | ATTENTION_GATE},
    {"longrope", DENSE(1, 48, 32, 4, 2), LONGROPE(HALF, 8), .history = 20,
        .has = SLOW | LONG_ROPE | ATTENTION_LONGEST},
    {"dynamic", DENSE(1, 48, 32, 4, 2), DYNAMIC(HALF, 8, 4), .history = 20,
        .has = SLOW | ATTENTION_LONGEST},
    {"q8-0", DENSE(1, 64, 64, 4, 2), HALF, .history = 9, .dtype = VKMOE_DTYPE_Q8_0, .has = SLOW},
    {"q8-0-fast", DENSE(1, 96, 64, 4, 2), HALF, FAST, .history = 9, .dtype = VKMOE_DTYPE_Q8_0,
        .has = SLOW},
    {"q4-k", DENSE(1, 256, 64, 4, 2), HALF, .history = 9, .dtype = VKMOE_DTYPE_Q4_K, .has = SLOW},
    {"q4-k-fast", DENSE(1, 256, 64, 4, 2), HALF, FAST, .history = 9, .dtype = VKMOE_DTYPE_Q4_K,
        .has = SLOW},
    {"q6-k-fast", DENSE(1, 512, 64, 4, 2), HALF, FAST, .history = 9, .dtype = VKMOE_DTYPE_Q6_K,
        .has = SLOW},
    {"q4-0-fast", DENSE(1, 96, 32, 4, 2), HALF, FAST, .history = 9, .dtype = VKMOE_DTYPE_Q4_0,
        .has = SLOW},
    {"mxfp4", DENSE(1, 96, 32, 3, 3), HALF, .dtype = VKMOE_DTYPE_MXFP4, .has = SLOW},
};
// clang-format on

// -------------------------------------------------------------------------------- main

static void check_all(struct tap *tap, struct harness *harness)
{
    const bool slow = getenv("VKMOE_TEST_SLOW") != NULL;
    char name[64];
    for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
        snprintf(name, sizeof name, "heads/%s", heads[i].name);
        if (slow || !(heads[i].has & ATTENTION_SLOW))
            TAP_TEST(tap, name, check_tokens(harness, &heads[i], slow));
    }
    TAP_TEST(tap, "text/longrope", check_text(harness));
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_all);
}
