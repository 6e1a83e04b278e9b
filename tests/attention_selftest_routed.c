// attention_selftest_routed.c - the reference of attention by hand: what queries, heads and
// experts choose, and what belongs to each of them.
#include "attention_selftest.h"

#include <math.h>

// Equal weights for all seen keys, so that y is their mean.
#define FLAT 1e-300

// --------------------------------------------------------------------------- blocks

static bool check_choice(const char *what, struct vkmoe_pattern pattern, double query,
    const float *x, uint32_t token, double expected)
{
    double y[8];
    struct reference_attention a = scalar_attention();
    pattern.kind = VKMOE_PATTERN_BLOCKS;
    pattern.block = 2;
    a.patterns = &pattern;
    a.query_bias = &query;
    a.scale = FLAT;
    attend(&a, 8, x, NULL, y);
    return near(what, y[token], expected);
}

// Means of the blocks of two: 1, 9, 4 and, of the last token's own, -55.
bool test_chosen_blocks(void)
{
    const float x[8] = { 0.5f, 1.5f, 8, 10, 4, 4, -50, -60 };
    bool ok = check_choice("its own alone", (struct vkmoe_pattern){ .top = 1 }, 1, x, 7, -55.0);
    ok &= check_choice("half its own", (struct vkmoe_pattern){ .top = 1 }, 1, x, 6, -50.0);
    ok &= check_choice("first token", (struct vkmoe_pattern){ .top = 3 }, 1, x, 0, 0.5);
    ok &= check_choice("best", (struct vkmoe_pattern){ .top = 2 }, 1, x, 7, (18 - 110) / 4.0);
    ok &= check_choice(
        "best, half its own", (struct vkmoe_pattern){ .top = 2 }, 1, x, 6, (18 - 50) / 3.0);
    ok &= check_choice("two best", (struct vkmoe_pattern){ .top = 3 }, 1, x, 7, (26 - 110) / 6.0);
    ok &= check_choice("all", (struct vkmoe_pattern){ .top = 4 }, 1, x, 7, (28 - 110) / 8.0);
    ok &= check_choice(
        "more than there are", (struct vkmoe_pattern){ .top = 64 }, 1, x, 7, (28 - 110) / 8.0);
    ok &= check_choice("no later ones", (struct vkmoe_pattern){ .top = 64 }, 1, x, 3, 20 / 4.0);
    ok &= check_choice(
        "other way round", (struct vkmoe_pattern){ .top = 2 }, -1, x, 7, (2 - 110) / 4.0);
    ok &= check_choice(
        "sink", (struct vkmoe_pattern){ .top = 1, .sinks = 1 }, 1, x, 7, (0.5 - 110) / 3.0);
    ok &= check_choice(
        "local", (struct vkmoe_pattern){ .top = 1, .local = 2 }, 1, x, 6, (4 - 50) / 2.0);
    // The choice does not know of the window.
    return ok
        & check_choice("window", (struct vkmoe_pattern){ .top = 2, .left = 3 }, 1, x, 7, -55.0)
        & check_choice(
            "window", (struct vkmoe_pattern){ .top = 3, .left = 3 }, 1, x, 7, (4 - 110) / 3.0);
}

// Three blocks with the mean 2, which only softmax tells apart, and the last token's own.
bool test_tied_blocks(void)
{
    const float x[8] = { 1, 3, 2, 2, 5, -1, 0, 0 };
    struct vkmoe_pattern pattern = { .kind = VKMOE_PATTERN_BLOCKS, .block = 2, .top = 2 };
    double y[8];
    struct reference_attention a = scalar_attention();
    a.patterns = &pattern;
    attend(&a, 8, x, NULL, y);
    bool ok = near("the lowest", y[7], (exp(1) + 3 * exp(3)) / (2 + exp(1) + exp(3)));
    pattern.top = 3;
    attend(&a, 8, x, NULL, y);
    return ok
        & near("the two lowest", y[7],
            (exp(1) + 3 * exp(3) + 4 * exp(2)) / (2 + exp(1) + exp(3) + 2 * exp(2)));
}

// Two heads of one kv head, of which one likes the smallest mean, and two kv heads of which
// one has the keys the other way round.
bool test_blocks_of_each_head(void)
{
    const float x[6] = { 1, 1, 9, 9, 4, 4 };
    struct vkmoe_pattern pattern = { .kind = VKMOE_PATTERN_BLOCKS, .block = 2, .top = 2 };
    double y[6], output[2] = { 1, 100 }, queries[2] = { 1, -1 }, keys[2] = { 1, -1 };
    struct reference_attention a = scalar_attention();
    a.patterns = &pattern;
    a.scale = FLAT;
    a.heads = 2;
    a.output = output;
    a.query_bias = queries;
    attend(&a, 6, x, NULL, y);
    bool ok = near("heads", y[5], (18 + 8) / 4.0 + 100 * (2 + 8) / 4.0);
    a.kv_heads = 2;
    a.query_bias = one;
    a.key = keys;
    attend(&a, 6, x, NULL, y);
    return ok & near("kv heads", y[5], (18 + 8) / 4.0 + 100 * (2 + 8) / 4.0);
}

// ------------------------------------------------------------------- heads and biases

// Values 1, 10 and 100 of the three kv heads.
bool test_kv_heads_of_experts(void)
{
    double values[3] = { 1, 10, 100 }, logits[3] = { 0.0, log(2.0), log(4.0) }, y[4];
    uint32_t first[3] = { 2, 0, 1 };
    const float x[4] = { 0 };
    struct reference_attention a = scalar_attention();
    a.value_bias = values;
    a.key = a.value = zero;
    a.kv_heads = 3;
    a.expert_kv_heads = 1;
    a.first_kv_head = first;
    a.experts = a.experts_per_token = 3;
    a.router = (struct reference_layer){
        .hidden = 1, .experts = 3, .experts_per_token = 3, .router_bias = logits
    };
    attend(&a, 1, x, NULL, y);
    bool ok = near("own", y[0], (1 * 100 + 2 * 1 + 4 * 10) / 7.0);

    double identity[16] = { 0 }, matrix[16] = { 0 };
    for (int i = 0; i < 4; i++)
        identity[5 * i] = 1.0;
    a = dense_attention(4, 1, 4, 3);
    a.expert_kv_heads = 2;
    a.first_kv_head = (uint32_t[]){ 1 };
    a.query = a.key = a.value = matrix;
    a.value_bias = values;
    a.output = identity;
    attend(&a, 1, x, NULL, y);
    ok &= near("head 1 of 4", y[1], 10.0) && near("head 2 of 4", y[2], 100.0);
    a.tiled_kv = true;
    attend(&a, 1, x, NULL, y);
    return ok & (near("tiled head 1", y[1], 100.0) && near("tiled head 2", y[2], 10.0));
}

// Without queries only the bias weighs: by 2 what is before, by 5 what is behind.
bool test_position_bias(void)
{
    const float x[3] = { 1, 2, 6 };
    double bias[6] = { log(2.0), 0.0, log(5.0), 0.0, 0.0, 0.0 }, output[2] = { 1, 100 }, y[3];
    struct vkmoe_pattern both_sides = { .both_sides = true };
    struct reference_attention a = scalar_attention();
    a.query_bias = NULL;
    a.position_bias = bias;
    a.position_reach = 1;
    attend(&a, 3, x, NULL, y);
    bool ok = near("itself", y[0], 1.0) && near("1 before", y[1], (2 * 1 + 2) / 3.0);
    ok &= near("no further than 1", y[2], (2 * 1 + 2 * 2 + 6) / 5.0);
    a.soft_cap = 0.1; // of the scores, which are 0
    attend(&a, 3, x, NULL, y);
    ok &= near("behind the cap", y[1], (2 * 1 + 2) / 3.0);
    a.sinks = zero;
    attend(&a, 3, x, NULL, y);
    ok &= near("sink", y[1], (2 * 1 + 2) / 4.0);
    a.sinks = NULL;
    a.patterns = &both_sides;
    attend(&a, 3, x, (const uint32_t[]){ 3 }, y);
    ok &= near("behind, no further", y[0], (1 + 5 * 2 + 5 * 6) / 11.0);
    ok &= near("around", y[1], (2 * 1 + 2 + 5 * 6) / 8.0);
    a.patterns = NULL;
    a.heads = 2;
    a.output = output;
    a.query = zero;
    attend(&a, 3, x, NULL, y);
    return ok & near("two heads", y[1], 4 / 3.0 + 100 * 3 / 2.0);
}

// ---------------------------------------------------------------------------- mixes

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static struct reference_head_experts mix(
    uint32_t heads, uint32_t experts, uint32_t k, uint32_t hidden, double *gate, double *matrices)
{
    return (struct reference_head_experts){
        .experts = experts,
        .experts_per_token = k,
        .router = { .hidden = hidden,
            .experts = heads * experts,
            .experts_per_token = heads * k,
            .score = VKMOE_SCORE_SIGMOID,
            .groups = heads,
            .each_group = true,
            .router = gate },
        .matrices = matrices,
    };
}

// A positive x takes the experts 10 and 3000, a negative one 100 and 1000.
bool test_mixed_values(void)
{
    double gate[4] = { 1, -1, -2, 2 }, matrices[4] = { 10, 100, 1000, 3000 }, output[2] = { 1, 1 },
           y[2];
    struct reference_attention a = scalar_attention();
    a.scale = FLAT;
    a.heads = a.kv_heads = 2;
    a.output = output;
    a.value = NULL;
    a.value_experts = mix(2, 2, 1, 1, gate, matrices);
    attend(&a, 2, (const float[]){ 2, -1 }, NULL, y);
    const double first = 2 * (10 * sigmoid(2) + 3000 * sigmoid(4));
    const double second = -(100 * sigmoid(1) + 1000 * sigmoid(2));
    bool ok = near("one of two", y[0], first) && near("by key", y[1], (first + second) / 2);
    a.value_experts = mix(2, 2, 2, 1, gate, matrices);
    attend(&a, 1, (const float[]){ 2 }, NULL, y);
    return ok & near("both", y[0], first + 2 * (100 * sigmoid(-2) + 1000 * sigmoid(-4)));
}

// Head 0 is 1 and head 1 is 10, whatever x is; x chooses as above, of the query's token.
bool test_mixed_outputs(void)
{
    double gate[4] = { 1, -1, -2, 2 }, matrices[4] = { 2, 3, 4, 5 }, values[2] = { 1, 10 }, y[2];
    struct reference_attention a = scalar_attention();
    a.heads = a.kv_heads = 2;
    a.value = zero;
    a.value_bias = values;
    a.output = NULL;
    a.output_bias = (double[]){ 1000 };
    a.output_experts = mix(2, 2, 1, 1, gate, matrices);
    attend(&a, 2, (const float[]){ 2, -1 }, NULL, y);
    bool ok = near("one of two", y[0], 1000 + 2 * sigmoid(2) + 5 * 10 * sigmoid(4));
    ok &= near("by query", y[1], 1000 + 3 * sigmoid(1) + 4 * 10 * sigmoid(2));
    a.output_experts = mix(2, 2, 2, 1, gate, matrices);
    attend(&a, 1, (const float[]){ 2 }, NULL, y);
    return ok
        & near("both", y[0],
            1000 + 2 * sigmoid(2) + 3 * sigmoid(-2) + 10 * (4 * sigmoid(-4) + 5 * sigmoid(4)));
}

// With one expert a head, mixes are dense attention whose values and heads have one factor
// each.
bool test_mixes_of_one(void)
{
    enum { HIDDEN = 3, HEADS = 2, SIZE = 2, WIDTH = HEADS * SIZE, TOKENS = 3 };
    double numbers[4][WIDTH * HIDDEN], value_gate[HEADS * HIDDEN], output_gate[HEADS * HIDDEN];
    double y[TOKENS * HIDDEN], dense_y[TOKENS * HIDDEN], by_head[WIDTH * HIDDEN];
    float x[TOKENS * HIDDEN];
    const uint32_t positions[TOKENS] = { 0, 1, 2 };
    for (int i = 0; i < 4 * WIDTH * HIDDEN; i++)
        numbers[i / (WIDTH * HIDDEN)][i % (WIDTH * HIDDEN)] = sin(1 + 3.0 * i);
    for (int i = 0; i < HEADS * HIDDEN; i++) {
        value_gate[i] = cos(5.0 * i);
        output_gate[i] = cos(7.0 * i);
    }
    for (int i = 0; i < TOKENS * HIDDEN; i++)
        x[i] = (float)cos(11.0 * i);
    // [hidden][heads * size], and [heads][hidden][size]
    for (int i = 0; i < WIDTH * HIDDEN; i++)
        by_head[i % WIDTH / SIZE * HIDDEN * SIZE + i / WIDTH * SIZE + i % SIZE] = numbers[3][i];
    struct reference_attention dense = dense_attention(HIDDEN, SIZE, HEADS, HEADS);
    dense.query = numbers[0];
    dense.key = numbers[1];
    dense.value = numbers[2];
    dense.output = numbers[3];
    struct reference_attention mixed = dense;
    mixed.value = mixed.output = NULL;
    mixed.value_experts = mix(HEADS, 1, 1, HIDDEN, value_gate, numbers[2]);
    mixed.output_experts = mix(HEADS, 1, 1, HIDDEN, output_gate, by_head);
    attend(&mixed, TOKENS, x, NULL, y);

    struct reference_history h;
    reference_history_init(&h, &dense, 1, TOKENS, VKMOE_DTYPE_F32);
    reference_remember(&dense, TOKENS, x, positions, NULL, &h);
    bool ok = true;
    for (int t = 0; t < TOKENS; t++) {
        for (int i = 0; i < WIDTH; i++) {
            double l = 0.0;
            for (int d = 0; d < HIDDEN; d++)
                l += value_gate[i / SIZE * HIDDEN + d] * x[t * HIDDEN + d];
            h.values[t * WIDTH + i] *= sigmoid(l);
        }
    }
    for (int t = 0; t < TOKENS; t++) {
        double output[WIDTH * HIDDEN];
        for (int i = 0; i < WIDTH * HIDDEN; i++) {
            double l = 0.0;
            for (int d = 0; d < HIDDEN; d++)
                l += output_gate[i % WIDTH / SIZE * HIDDEN + d] * x[t * HIDDEN + d];
            output[i] = numbers[3][i] * sigmoid(l);
        }
        dense.output = output;
        reference_attend(&dense, 1, x + t * HIDDEN, positions + t, NULL, NULL, &h, true, NULL, NULL,
            dense_y, NULL, NULL, NULL);
        for (int d = 0; d < HIDDEN; d++)
            ok &= near("y", y[t * HIDDEN + d], dense_y[d]);
    }
    reference_history_finish(&h);
    return ok;
}

// ------------------------------------------------------------------------ two levels

// MoH's formula (arXiv 2410.11842), over two shared and three routed heads of
// which two are chosen; with one key the heads are the values.
bool test_two_levels(void)
{
    enum { SHARED = 2, HEADS = 5, ACTIVE = 2 };
    double gate[HEADS] = { 0.3, -0.2, 0.1, 0.9, 0.5 }, levels[2] = { 0.7, -0.4 }, y;
    double value[HEADS] = { 1, 2, 3, 5, 7 }, output[HEADS] = { 1, 10, 100, 1000, 10000 };
    uint32_t own[HEADS] = { 0, 1, 2, 3, 4 };
    const float x = 1.5f;
    struct reference_attention a = scalar_attention();
    a.query_bias = NULL;
    a.query = zero;
    a.key = zero;
    a.value = value;
    a.output = output;
    a.kv_heads = a.experts = HEADS;
    a.expert_kv_heads = 1;
    a.first_kv_head = own;
    a.experts_per_token = SHARED + ACTIVE;
    a.router = (struct reference_layer){ .hidden = 1,
        .experts = HEADS,
        .experts_per_token = SHARED + ACTIVE,
        .always = SHARED,
        .renormalize = true,
        .scale = ACTIVE,
        .router = gate,
        .levels = levels };
    attend(&a, 1, &x, NULL, &y);

    double g[HEADS] = { 0 }, shared = 0.0, chosen = 0.0, expected = 0.0;
    const double alpha = 2.0 / (1.0 + exp((levels[1] - levels[0]) * x)); // of the shared; else 2 -
    for (int h = 0; h < SHARED; h++)
        shared += g[h] = exp(gate[h] * x);
    for (int h = SHARED + 1; h < HEADS; h++) // all but the smallest
        chosen += g[h] = exp(gate[h] * x);
    for (int h = 0; h < HEADS; h++) {
        g[h] *= h < SHARED ? alpha * SHARED / shared : (2.0 - alpha) * ACTIVE / chosen;
        expected += g[h] * value[h] * x * output[h];
    }
    return near("y", y, expected);
}

// --------------------------------------------------------------------------- stored

// Queries at positions 1 and 0 of a history that they leave alone.
bool test_stored(void)
{
    const uint32_t positions[2] = { 1, 0 };
    const float x[2] = { 7, 8 };
    double y[2];
    struct reference_attention a = scalar_attention();
    struct reference_history h;
    a.scale = FLAT;
    reference_history_init(&h, &a, 1, 2, VKMOE_DTYPE_F32);
    h.keys[0] = h.values[0] = 1;
    h.keys[1] = h.values[1] = 4;
    reference_attend(&a, 2, x, positions, NULL, NULL, &h, true, NULL, NULL, y, NULL, NULL, NULL);
    bool ok = near("both", y[0], 2.5) && near("the first", y[1], 1.0);
    ok &= near("key", h.keys[1], 4.0) && near("value", h.values[0], 1.0);
    reference_attend(&a, 2, x, positions, NULL, NULL, &h, false, NULL, NULL, y, NULL, NULL, NULL);
    ok &= near("remembered", y[0], 7.5) && near("value", h.values[0], 8.0);
    reference_history_finish(&h);
    return ok;
}
