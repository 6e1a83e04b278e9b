// attention_selftest.c - the reference of attention against numbers worked out by hand, and the
// data of all cases. Needs no device.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention_cases.h"
#include "attention_selftest.h"
#include "check.h"
#include "pattern.h"
#include "random.h"

// ---------------------------------------------------------------------- hand-computed

static bool test_softmax(void)
{
    struct reference_attention a = scalar_attention();
    const float x[3] = { 0.0f, 0.5f, -1.0f };
    const double e[3] = { 1.0, exp(0.5), exp(-1.0) };
    double y[3], both = (e[1] * 0.5) / (e[0] + e[1]);
    double all = (e[1] * 0.5 - e[2]) / (e[0] + e[1] + e[2]);
    attend(&a, 3, x, NULL, y);
    bool ok = near("y[0]", y[0], 0.0) && near("y[1]", y[1], both) && near("y[2]", y[2], all);

    a.sinks = (double[]){ 0.25 }; // takes its share of the sum and gives nothing
    ok &= attends("sink", &a, 3, x, 1, e[1] * 0.5 / (e[0] + e[1] + exp(0.25)));
    a.sinks = (double[]){ 800.0 };
    ok &= attends("sink above all", &a, 3, x, 2, 0.0);
    a.sinks = NULL;

    a.scale = 2.0;
    ok &= attends("scale", &a, 3, x, 1, exp(1.0) * 0.5 / (1.0 + exp(1.0)));
    a.soft_cap = 0.5;
    double capped = exp(0.5 * tanh(2.0));
    ok &= attends("soft cap", &a, 3, x, 1, capped * 0.5 / (1.0 + capped));
    a.output_bias = (double[]){ 7.0 };
    return ok && attends("output bias", &a, 3, x, 0, 7.0);
}

// The default scale with 4 columns is 1/2: the dot product 4 * 0.5 * 1 counts as 1.
static bool test_default_scale(void)
{
    struct reference_attention a = scalar_attention();
    a.head_size = 4;
    double output[4] = { 1, 0, 0, 0 }, y[2];
    a.output = output;
    attend(&a, 2, (const float[]){ 0.0f, 0.5f }, NULL, y);
    return near("y", y[1], exp(1.0) * 0.5 / (1.0 + exp(1.0)));
}

// One line per query, one character per key.
static bool check_pattern(
    const char *what, struct vkmoe_pattern pattern, uint32_t length, const char *expected)
{
    bool ok = true;
    uint32_t keys = (uint32_t)strcspn(expected, "\n");
    for (uint32_t i = 0; expected[i * (keys + 1)]; i++) {
        for (uint32_t j = 0; j < keys; j++) {
            bool sees = pattern_sees(&pattern, i, j, length);
            if (sees == (expected[i * (keys + 1) + j] == '1'))
                continue;
            tap_note("%s: query %u %s key %u", what, i, sees ? "sees" : "does not see", j);
            ok = false;
        }
    }
    return ok;
}

static bool test_patterns(void)
{
    static const struct {
        const char *name;
        struct vkmoe_pattern pattern;
        uint32_t length;
        const char *seen;
    } rows[] = {
        { "all", { 0 }, 0,
            "1000\n"
            "1100\n"
            "1110\n"
            "1111\n" },
        { "window", { .left = 2 }, 0,
            "10000\n"
            "11000\n"
            "01100\n"
            "00110\n"
            "00011\n" },
        { "window, sinks", { .left = 1, .sinks = 2 }, 0,
            "10000\n"
            "11000\n"
            "11100\n"
            "11010\n"
            "11001\n" },
        { "strided", { .kind = VKMOE_PATTERN_STRIDED, .step = 3, .phase = 1 }, 0,
            "00000\n"
            "01000\n"
            "01000\n"
            "01000\n"
            "01001\n" },
        { "strided, window, local",
            { .kind = VKMOE_PATTERN_STRIDED, .step = 2, .left = 4, .local = 1 }, 0,
            "100000\n"
            "110000\n"
            "101000\n"
            "101100\n"
            "001010\n"
            "001011\n" },
        { "dilated", { .kind = VKMOE_PATTERN_DILATED, .step = 2 }, 0,
            "10000\n"
            "01000\n"
            "10100\n"
            "01010\n"
            "10101\n" },
        { "dilated, phase, sink",
            { .kind = VKMOE_PATTERN_DILATED, .step = 3, .phase = 2, .sinks = 1 }, 0,
            "10000\n"
            "10000\n"
            "10000\n"
            "11000\n"
            "10100\n" },
        { "both sides", { .both_sides = true }, 3,
            "1110\n"
            "1110\n"
            "1110\n" },
        { "both sides, limits", { .both_sides = true, .left = 2, .right = 1 }, 5,
            "110000\n"
            "111000\n"
            "011100\n"
            "001110\n"
            "000110\n" },
        // (i - j) mod 3 is 1
        { "both sides, dilated",
            { .kind = VKMOE_PATTERN_DILATED, .both_sides = true, .step = 3, .phase = 1 }, 6,
            "001001\n"
            "100100\n"
            "010010\n" },
        { "both sides, local",
            { .kind = VKMOE_PATTERN_STRIDED,
                .both_sides = true,
                .step = 4,
                .phase = 3,
                .local = 2 },
            5,
            "10010\n"
            "11010\n"
            "01110\n" },
    };
    bool ok = true;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ok &= check_pattern(rows[i].name, rows[i].pattern, rows[i].length, rows[i].seen);
    return ok;
}

static bool test_listed_blocks(void)
{
    const uint32_t second[1] = { 1 }, outer[2] = { 2, 0 };
    struct vkmoe_pattern pattern = {
        .kind = VKMOE_PATTERN_BLOCKS, .block = 2, .blocks = second, .block_count = 1
    };
    bool ok = check_pattern("block 1", pattern, 0,
        "000000\n"
        "000000\n"
        "001000\n"
        "001100\n"
        "001100\n"
        "001100\n");
    pattern.left = 2;
    pattern.sinks = pattern.local = 1;
    ok &= check_pattern("block 1, window, sink, local", pattern, 0,
        "100000\n"
        "110000\n"
        "101000\n"
        "101100\n"
        "100110\n"
        "100001\n");
    ok &= check_pattern("no block, sink, local",
        (struct vkmoe_pattern){ .kind = VKMOE_PATTERN_BLOCKS, .block = 2, .sinks = 1, .local = 1 },
        0,
        "1000\n"
        "1100\n"
        "1010\n");
    ok &= check_pattern("blocks 0, 2, both sides",
        (struct vkmoe_pattern){ .kind = VKMOE_PATTERN_BLOCKS,
            .block = 2,
            .blocks = outer,
            .block_count = 2,
            .both_sides = true,
            .right = 3 },
        5,
        "110000\n"
        "110010\n"
        "110010\n");
    return ok
        & check_pattern("block of one",
            (struct vkmoe_pattern){
                .kind = VKMOE_PATTERN_BLOCKS, .block = 1, .blocks = outer, .block_count = 2 },
            0,
            "1000\n"
            "1000\n"
            "1010\n"
            "1010\n");
}

static bool test_empty_keys(void)
{
    struct reference_attention a = scalar_attention();
    struct vkmoe_pattern pattern = { .kind = VKMOE_PATTERN_STRIDED, .step = 4, .phase = 1 };
    double y[3];
    a.patterns = &pattern;
    a.output_bias = (double[]){ 3.0 };
    attend(&a, 3, (const float[]){ 5.0f, 6.0f, 7.0f }, NULL, y);
    return near("nothing seen", y[0], 3.0) && near("key 1", y[1], 9.0) && near("key 1", y[2], 9.0);
}

static bool test_both_sides(void)
{
    struct reference_attention a = scalar_attention();
    struct vkmoe_pattern pattern = { .both_sides = true };
    double y[3];
    a.patterns = &pattern;
    a.query_bias = NULL; // all scores are 0
    attend(&a, 3, (const float[]){ 1.0f, 2.0f, 6.0f }, (const uint32_t[]){ 3 }, y);
    bool ok = near("all", y[0], 3.0);
    attend(&a, 3, (const float[]){ 1.0f, 2.0f, 6.0f }, (const uint32_t[]){ 2 }, y);
    return ok && near("two held", y[0], 1.5);
}

// Values 1 and 10 of the two kv heads; the output matrix keeps the four heads apart.
static bool test_kv_heads(void)
{
    double output[16] = { 0 }, y[4];
    for (int i = 0; i < 4; i++)
        output[5 * i] = 1.0;
    double matrix[16] = { 0 }, value_bias[2] = { 1.0, 10.0 };
    struct reference_attention a = dense_attention(4, 1, 4, 2);
    a.query = a.key = a.value = matrix;
    a.value_bias = value_bias;
    a.output = output;
    const float x[4] = { 0 };
    attend(&a, 1, x, NULL, y);
    bool ok = near("head 1", y[1], 1.0) && near("head 2", y[2], 10.0);
    a.tiled_kv = true;
    attend(&a, 1, x, NULL, y);
    return ok && near("tiled head 1", y[1], 10.0) && near("tiled head 2", y[2], 1.0);
}

// Two of three experts, weights 2/3 and 1/3 (softmax over 4, 2, 1, renormalised); expert e
// multiplies by 10^e and the window of expert 2 is one key.
static bool test_experts(void)
{
    double output[3] = { 1, 10, 100 }, y[2], w[4];
    double logits[3] = { log(1.0), log(2.0), log(4.0) };
    struct vkmoe_pattern patterns[3] = { { 0 }, { 0 }, { .left = 1 } };
    struct reference_attention a = scalar_attention();
    a.experts = 3;
    a.experts_per_token = 2;
    a.router = (struct reference_layer){ .hidden = 1,
        .experts = 3,
        .experts_per_token = 2,
        .renormalize = true,
        .router_bias = logits };
    a.query_bias = NULL;
    a.output = output;
    a.patterns = patterns;
    const float x[2] = { 1.0f, 4.0f };
    attend(&a, 2, x, NULL, y);
    bool ok = near("y[0]", y[0], 100 * 2.0 / 3 + 10 / 3.0);
    ok &= near("y[1]", y[1], 4 * 100 * 2.0 / 3 + 2.5 * 10 / 3.0);

    struct reference_history history;
    reference_history_init(&history, &a, 1, 2, VKMOE_DTYPE_F32);
    const int32_t ids_in[4] = { 0, 2, -5, 99 };
    const float weights_in[4] = { -0.0f, 0.5f, 1.0f, 2.0f };
    int32_t ids[4];
    reference_attend(&a, 2, x, (const uint32_t[]){ 0, 1 }, NULL, NULL, &history, false, ids_in,
        weights_in, y, ids, w, NULL);
    reference_history_finish(&history);
    ok &= near("dropped", y[0], 50.0) && same("clamped", ids[2], 0) && same("clamped", ids[3], 2);
    return ok && near("supplied", y[1], 2.5 + 2.0 * 400);
}

static bool test_rope_pairs(void)
{
    double identity[16] = { 0 };
    for (int i = 0; i < 4; i++)
        identity[5 * i] = 1.0;
    struct reference_attention a = dense_attention(4, 4, 1, 1);
    a.key = a.value = identity;
    a.rope = (struct vkmoe_rope){ .kind = VKMOE_ROPE_HALF, .base = 100.0f }; // 1 and 1/10
    const float x[4] = { 1.0f, 2.0f, 3.0f, 4.0f };
    const uint32_t position = 3;
    struct reference_history h;
    reference_history_init(&h, &a, 1, 4, VKMOE_DTYPE_F32);
    double *k = h.keys + 12, *v = h.values + 12;
    reference_remember(&a, 1, x, &position, NULL, &h);
    bool ok = near("half 0", k[0], cos(3.0) - 3 * sin(3.0));
    ok &= near("half 2", k[2], 3 * cos(3.0) + sin(3.0));
    ok &= near("half 1", k[1], 2 * cos(0.3) - 4 * sin(0.3));
    ok &= near("half 3", k[3], 4 * cos(0.3) + 2 * sin(0.3)) && near("value", v[2], 3.0);
    a.rope.kind = VKMOE_ROPE_INTERLEAVED;
    reference_remember(&a, 1, x, &position, NULL, &h);
    ok &= near("interleaved 0", k[0], cos(3.0) - 2 * sin(3.0));
    ok &= near("interleaved 3", k[3], 4 * cos(0.3) + 3 * sin(0.3));
    a.rope.size = 2;
    reference_remember(&a, 1, x, &position, NULL, &h);
    ok &= near("partial 1", k[1], 2 * cos(3.0) + sin(3.0)) && near("partial 2", k[2], 3.0);
    a.rope.scaling = VKMOE_ROPE_SCALING_LINEAR;
    a.rope.factor = 2.0f;
    reference_remember(&a, 1, x, &position, NULL, &h);
    ok &= near("linear", k[1], 2 * cos(1.5) + sin(1.5));
    reference_history_finish(&h);

    reference_history_init(&h, &a, 1, 4, VKMOE_DTYPE_F16);
    reference_remember(&a, 1, x, &position, NULL, &h);
    ok &= near("f16", h.keys[13], round_to_f16(2 * cos(1.5) + sin(1.5)));
    reference_history_finish(&h);
    return ok;
}

// Frequencies that the formulas of transformers 5.12 give in double precision (Python), in a
// context of 5000.
#define DYNAMIC(factor_, positions) \
    { \
        .kind = VKMOE_ROPE_HALF, .scaling = VKMOE_ROPE_SCALING_DYNAMIC, .factor = factor_, \
        .original_positions = positions \
    }
static bool test_rope_scalings(void)
{
    const struct {
        struct vkmoe_rope rope;
        uint32_t size, pairs[5];
        double frequencies[5];
    } rows[] = {
        { { .kind = VKMOE_ROPE_HALF,
              .base = 150000,
              .scaling = VKMOE_ROPE_SCALING_YARN,
              .factor = 32,
              .original_positions = 4096,
              .exact_range = true },
            64, { 0, 8, 12, 17, 31 }, // gpt-oss
            { 1.0, 0.050813274815461475, 0.006794959489732219, 0.00012931870124506317,
                3.0235114281192144e-07 } },
        { { .kind = VKMOE_ROPE_HALF,
              .scaling = VKMOE_ROPE_SCALING_YARN,
              .factor = 40,
              .original_positions = 4096,
              .beta_fast = 32,
              .beta_slow = 1 },
            128, { 0, 20, 30, 45, 63 },
            { 1.0, 0.056234132519034905, 0.008334508951020777, 9.62454078787182e-05,
                2.8869549617236457e-06 } },
        { { .kind = VKMOE_ROPE_HALF,
              .base = 500000,
              .scaling = VKMOE_ROPE_SCALING_LLAMA3,
              .factor = 8,
              .original_positions = 8192,
              .low_factor = 1,
              .high_factor = 4 },
            128, // Llama 3.1
            { 0, 25, 30, 33, 63 },
            { 1.0, 0.005940730375674967, 0.0013718935677611381, 0.00031269375038406517,
                3.068925988914511e-07 } },
        { DYNAMIC(4, 2048), 128, { 0, 20, 30, 45, 63 },
            { 1.0, 0.03064856769555477, 0.005365562710151102, 0.00039302747621535253,
                1.7068371136287606e-05 } },
        { DYNAMIC(2, 8192), 64, { 0, 8, 12, 17, 31 },
            { 1.0, 0.1, 0.03162277660168379, 0.007498942093324559, 0.0001333521432163324 } },
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int j = 0; j < 5; j++)
            ok &= near("angle",
                reference_rope_angle(&rows[i].rope, rows[i].size, 5000, rows[i].pairs[j], 1000),
                1000 * rows[i].frequencies[j]);
    }
    ok &= near("yarn", reference_rope_factor(&rows[0].rope), 1.3465735902799727);
    ok &= near("yarn", reference_rope_factor(&rows[1].rope), 1.3688879454113936);
    ok &= near("dynamic", reference_rope_factor(&rows[3].rope), 1.0);
    return ok && near("llama3", reference_rope_factor(&rows[2].rope), 1.0);
}

// x = 3, 4 | 6, 8 as two heads: mean squares 12.5 | 50, of all four 31.25.
static bool test_norms(void)
{
    double identity[16] = { 0 }, norm[4] = { 1, 2, 3, 4 };
    for (int i = 0; i < 4; i++)
        identity[5 * i] = 1.0;
    struct reference_attention a = dense_attention(4, 2, 2, 2);
    a.key = a.value = identity;
    a.key_norm = norm;
    const float x[4] = { 3.0f, 4.0f, 6.0f, 8.0f };
    const uint32_t position = 0;
    struct reference_history h;
    reference_history_init(&h, &a, 1, 1, VKMOE_DTYPE_F32);
    reference_remember(&a, 1, x, &position, NULL, &h);
    bool ok = near("head 0", h.keys[1], 2 * 4 / sqrt(12.5));
    ok &= near("head 1", h.keys[2], 6 / sqrt(50.0)) && near("value", h.values[2], 6.0);
    a.norm_wide = true;
    a.norm_epsilon = 0.5;
    reference_remember(&a, 1, x, &position, NULL, &h);
    ok &= near("wide", h.keys[2], 3 * 6 / sqrt(31.75));
    a.value_clip = 3.0; // behind the norm, of which the last is 4 * 8 / 5.6
    reference_remember(&a, 1, x, &position, NULL, &h);
    ok &= near("not clipped", h.keys[0], 3 / sqrt(31.75)) && near("clipped", h.keys[3], 3.0);
    ok &= near("clipped value", h.values[3], 3.0);
    reference_history_finish(&h);
    return ok;
}

// ------------------------------------------------------------------------ the table

// Every case's data is what its name says: seen keys, some of them not; and the reference
// meets nothing that was never written.
static bool check_case(const struct attention_case *c, uint64_t seed)
{
    struct attention_data data;
    struct reference_history history;
    attention_data_init(&data, c, seed);
    reference_history_init(
        &history, &data.reference, data.sequences, data.capacity, c->cache_dtype);
    reference_remember(&data.reference, data.history.tokens, data.history.x, data.history.positions,
        data.history.sequences, &history);
    const struct attention_batch *b = &data.batch;
    size_t count = (size_t)b->tokens * c->attention.hidden;
    double *y = calloc(count + 1, sizeof(double));
    if (!y)
        abort();
    reference_attend(&data.reference, b->tokens, b->x, b->positions, b->sequences, data.lengths,
        &history, false, b->ids, b->weights, y, NULL, NULL, NULL);
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        ok = isfinite(y[i]);
        if (!ok)
            tap_note("y[%zu] is %g", i, y[i]);
    }
    free(y);
    reference_history_finish(&history);
    attention_data_finish(&data);
    return ok;
}

static bool check_cases(uint64_t seed)
{
    bool ok = true;
    for (const struct attention_case *c = attention_cases; c->name; c++) {
        for (const struct attention_case *other = attention_cases; other < c; other++) {
            if (!strcmp(other->name, c->name)) {
                tap_note("two cases are called %s", c->name);
                ok = false;
            }
        }
        if (!(c->has & ATTENTION_SLOW) && !check_case(c, seed)) {
            tap_note("in %s", c->name);
            ok = false;
        }
    }
    return ok;
}

int main(int argc, char **argv)
{
    TEST_TABLE(tests, { "softmax", test_softmax }, { "default-scale", test_default_scale },
        { "patterns", test_patterns }, { "listed-blocks", test_listed_blocks },
        { "chosen-blocks", test_chosen_blocks }, { "tied-blocks", test_tied_blocks },
        { "blocks-of-each-head", test_blocks_of_each_head }, { "empty-keys", test_empty_keys },
        { "both-sides", test_both_sides }, { "kv-heads", test_kv_heads },
        { "kv-heads-of-experts", test_kv_heads_of_experts },
        { "position-bias", test_position_bias }, { "mixed-values", test_mixed_values },
        { "mixed-outputs", test_mixed_outputs }, { "mixes-of-one", test_mixes_of_one },
        { "two-levels", test_two_levels }, { "stored", test_stored }, { "experts", test_experts },
        { "rope-pairs", test_rope_pairs }, { "rope-scalings", test_rope_scalings },
        { "norms", test_norms }, { "tiny-mixtral", test_tiny_mixtral },
        { "tiny-jetmoe", test_tiny_jetmoe }, { "traps", test_traps }, { "logits", test_logits });
    return seeded_tests_main(argc, argv, tests, COUNT_OF(tests), "cases", check_cases);
}
