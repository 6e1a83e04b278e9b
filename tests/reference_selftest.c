// reference_selftest.c - the tests' own tools against numbers worked out by hand. Needs
// no device.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "compare.h"
#include "layer_cases.h"
#include "random.h"
#include "reference.h"
#include "tap.h"

// A layer of width 1 whose experts are e(x) = scale[e] * act(x), so that only the gate and
// the activation remain. The arrays are the test's; there is nothing to finish.
static double ones[16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
static double powers[16] = { 1, 10, 100, 1000, 10000, 100000 };

static struct reference_layer scalar_layer(uint32_t experts, uint32_t k, double *logits)
{
    struct reference_layer layer = { .hidden = 1, .inner = 1, .experts = experts };
    layer.experts_per_token = k;
    layer.router_bias = logits;
    layer.activation = VKMOE_ACTIVATION_IDENTITY;
    layer.up = ones;
    layer.down = powers;
    return layer;
}

// ------------------------------------------------------------------------------- gate

// exp(l) = 1, 2, 5: softmax 1/8, 2/8, 5/8.
static bool test_softmax_top_2(void)
{
    double l[3] = { 0.0, log(2.0), log(5.0) };
    struct reference_layer layer = scalar_layer(3, 2, l);
    int32_t ids[2];
    double w[2], y, z[3];
    reference_forward(&layer, 1, 0, (float[]){ 2.0f }, NULL, NULL, NULL, &y, ids, w, z);
    bool ok = same("ids[0]", ids[0], 2) && same("ids[1]", ids[1], 1);
    ok &= near("w[0]", w[0], 5.0 / 8) && near("w[1]", w[1], 2.0 / 8) && near("z[0]", z[0], 1.0 / 8);
    ok &= near("y", y, 2.0 * (100 * 5.0 / 8 + 10 * 2.0 / 8));

    layer.renormalize = true;
    layer.scale = 3.0;
    reference_forward(&layer, 1, 0, (float[]){ 2.0f }, NULL, NULL, NULL, &y, ids, w, NULL);
    ok &= near("normalised", w[0], 3.0 * 5 / 7) && near("normalised", w[1], 3.0 * 2 / 7);
    layer.renormalize_epsilon = 1.0 / 8;
    reference_forward(&layer, 1, 0, (float[]){ 2.0f }, NULL, NULL, NULL, &y, ids, w, NULL);
    ok &= near("with epsilon", w[0], 3.0 * 5 / 8);
    layer.renormalize_max = true;
    layer.renormalize_epsilon = 1.0;
    reference_forward(&layer, 1, 0, (float[]){ 2.0f }, NULL, NULL, NULL, &y, ids, w, NULL);
    ok &= near("with maximum", w[0], 3.0 * 5 / 8);
    layer.expert_scale = (double[]){ 7, 11, 13 };
    reference_forward(&layer, 1, 0, (float[]){ 2.0f }, NULL, NULL, NULL, &y, ids, w, NULL);
    ok &= near("expert scale", w[0], 13 * 3.0 * 5 / 8) && near("expert scale", w[1], 11 * 0.75);
    return ok;
}

static bool test_scores_and_weights(void)
{
    double l[2] = { log(3.0), log(0.5) }, w[2], z[2];
    const struct {
        const char *name;
        enum vkmoe_score score;
        enum vkmoe_weigh weigh;
        double soft_cap, first, second; // the weights
    } rows[] = {
        // e^l / (1 + e^l)
        { "sigmoid", VKMOE_SCORE_SIGMOID, VKMOE_WEIGH_SCORE, 0, 3.0 / 4, 1.0 / 3 },
        // sqrt(log(1 + e^l))
        { "softplus", VKMOE_SCORE_SQRT_SOFTPLUS, VKMOE_WEIGH_SCORE, 0, sqrt(log(4.0)),
            sqrt(log(1.5)) },
        { "identity", VKMOE_SCORE_IDENTITY, VKMOE_WEIGH_SCORE, 0, l[0], l[1] },
        // 3 / 3.5
        { "softmax of logits", VKMOE_SCORE_IDENTITY, VKMOE_WEIGH_SOFTMAX, 0, 6.0 / 7, 1.0 / 7 },
        { "sigmoid of logits", VKMOE_SCORE_IDENTITY, VKMOE_WEIGH_SIGMOID, 0, 3.0 / 4, 1.0 / 3 },
        // 2 (3 - 1) / (3 + 1) = 1, and 2 (0.5 - 1) / (0.5 + 1)
        { "soft cap", VKMOE_SCORE_IDENTITY, VKMOE_WEIGH_SCORE, 2.0, 1.0, -2.0 / 3 },
    };
    bool ok = true;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct reference_layer layer = scalar_layer(2, 2, l);
        layer.score = rows[i].score;
        layer.weigh = rows[i].weigh;
        layer.soft_cap = rows[i].soft_cap;
        reference_forward(&layer, 1, 0, (float[]){ 1.0f }, NULL, NULL, NULL, NULL, NULL, w, z);
        ok &= near(rows[i].name, w[0], rows[i].first) && near(rows[i].name, w[1], rows[i].second);
        if (rows[i].weigh == VKMOE_WEIGH_SOFTMAX)
            ok &= near("z stays the logit", z[0], l[0]);
        if (rows[i].soft_cap > 0)
            ok &= near("soft cap", z[0], 2.0 * tanh(log(3.0) / 2.0)) && near("soft cap", z[0], 1.0);
    }
    return ok;
}

// r = (3, 4) / sqrt(25 / 2 + 0) * (1, 2) against the rows (1, 0) and (0, 1).
static bool test_router_input(void)
{
    double matrix[4] = { 1, 0, 0, 1 }, scale[2] = { 1, 2 }, z[2], zeros[8] = { 0 };
    struct reference_layer layer = scalar_layer(2, 1, NULL);
    layer.hidden = 2;
    layer.score = VKMOE_SCORE_IDENTITY;
    layer.rms_norm = true;
    layer.router = matrix;
    layer.input_scale = scale;
    layer.up = layer.down = zeros;
    float x[2] = { 100.0f, -100.0f }, router_x[2] = { 3.0f, 4.0f };
    int32_t id;
    reference_forward(&layer, 1, 0, x, router_x, NULL, NULL, NULL, &id, NULL, z);
    bool ok = near("z[0]", z[0], 3.0 / sqrt(12.5)) && near("z[1]", z[1], 8.0 / sqrt(12.5));
    layer.rms_epsilon = 12.5;
    reference_forward(&layer, 1, 0, x, router_x, NULL, NULL, NULL, &id, NULL, z);
    return ok && near("epsilon", z[0], 0.6) && same("id", id, 1);
}

// Groups {0, 1}, {2, 3}, {4, 5}; z = 0.9 -0.8 | 0.4 0.3 | -0.1 -0.2.
static bool test_groups(void)
{
    double l[6] = { 0.9, -0.8, 0.4, 0.3, -0.1, -0.2 };
    struct reference_layer layer = scalar_layer(6, 2, l);
    layer.score = VKMOE_SCORE_IDENTITY;
    layer.groups = 3;
    layer.groups_kept = 1;
    int32_t ids[3];
    float x = 1.0f;
    layer.group_score = VKMOE_GROUP_SCORE_MAX; // keeps the first group
    reference_forward(&layer, 1, 0, &x, NULL, NULL, NULL, NULL, ids, NULL, NULL);
    bool ok = same("maximum", ids[0], 0) && same("maximum", ids[1], 1);
    layer.group_mask_zero = true; // a masked 0 beats -0.8, and the lowest of them wins
    reference_forward(&layer, 1, 0, &x, NULL, NULL, NULL, NULL, ids, NULL, NULL);
    ok &= same("zero mask", ids[0], 0) && same("zero mask", ids[1], 2);
    layer.group_mask_zero = false;
    layer.group_score = VKMOE_GROUP_SCORE_SUM_TOP_2; // 0.1 | 0.7 | -0.3
    reference_forward(&layer, 1, 0, &x, NULL, NULL, NULL, NULL, ids, NULL, NULL);
    ok &= same("sum", ids[0], 2) && same("sum", ids[1], 3);
    // The bias changes the choice, not the weight.
    double w[2];
    layer.correction_bias = (double[]){ 0, 0, 0, 0, 2, 3 };
    reference_forward(&layer, 1, 0, &x, NULL, NULL, NULL, NULL, ids, w, NULL);
    ok &= same("biased", ids[0], 5) && same("biased", ids[1], 4);
    return ok && near("unbiased weight", w[0], -0.2);
}

// Threshold 0.02 keeps 0.99 beside 1 (distance 0.01 / 1); 0.975 is 0.015 / 0.99 from the
// second winner, 0.9 and -1 too far from both.
static bool test_sparsemixer(void)
{
    double l[5] = { 0.9, 0.99, -1.0, 1.0, 0.975 }, w[2];
    struct reference_layer layer = scalar_layer(5, 2, l);
    layer.select = VKMOE_SELECT_SPARSEMIXER;
    layer.sparsemixer_threshold = 0.02;
    int32_t ids[2];
    float x = 1.0f;
    reference_forward(&layer, 1, 0, &x, NULL, NULL, NULL, NULL, ids, w, NULL);
    bool ok = same("first", ids[0], 3) && same("second", ids[1], 1);
    ok &= near("first", w[0], exp(1.0) / (exp(1.0) + exp(0.99)));
    ok &= near("second", w[1], exp(0.99) / (exp(0.99) + exp(0.975)));
    // Below zero the distance is relative to the loser: 0.015 / 1.015 is within.
    double negative[3] = { -1.0, -1.015, -1.03 };
    layer = scalar_layer(3, 2, negative);
    layer.select = VKMOE_SELECT_SPARSEMIXER;
    layer.sparsemixer_threshold = 0.02;
    reference_forward(&layer, 1, 0, &x, NULL, NULL, NULL, NULL, ids, w, NULL);
    ok &= near("negative", w[0], 1.0 / (1.0 + exp(-0.015)));
    return ok && near("negative", w[1], 1.0 / (1.0 + exp(-0.015)));
}

static bool test_ties(void)
{
    double l[4] = { 1.0, 2.0, 2.0, 1.0 };
    struct reference_layer layer = scalar_layer(4, 4, l);
    int32_t ids[4];
    reference_forward(&layer, 1, 0, (float[]){ 1.0f }, NULL, NULL, NULL, NULL, ids, NULL, NULL);
    return same("ids[0]", ids[0], 1) && same("ids[1]", ids[1], 2) && same("ids[2]", ids[2], 0)
        && same("ids[3]", ids[3], 3);
}

// Two experts are always chosen, with e^l = 1, 3; of the others, with 2, 5, 1, one is. For
// x = 1 the levels are 2 (3 / 4) and 2 (1 / 4).
static bool test_always(void)
{
    double l[5] = { 0.0, log(3.0), log(2.0), log(5.0), 0.0 }, levels[2] = { log(3.0), 0.0 };
    double scale[5] = { 7, 1, 1, 11, 1 }, w[3];
    struct reference_layer layer = scalar_layer(5, 3, l);
    layer.always = 2;
    int32_t ids[3];
    float x = 1.0f;
    reference_forward(&layer, 1, 0, &x, NULL, NULL, NULL, NULL, ids, w, NULL);
    bool ok = same("ids[0]", ids[0], 0) && same("ids[1]", ids[1], 1) && same("ids[2]", ids[2], 3);
    ok &= near("w[0]", w[0], 2.0 / 4) && near("w[1]", w[1], 6.0 / 4) && near("w[2]", w[2], 5.0 / 8);
    layer.renormalize = true;
    layer.scale = 3.0;
    layer.levels = levels;
    layer.expert_scale = scale;
    reference_forward(&layer, 1, 0, &x, NULL, NULL, NULL, NULL, ids, w, NULL);
    ok &= near("all factors", w[0], 7 * 1.5 * 0.5) && near("all factors", w[1], 1.5 * 1.5);
    return ok && near("all factors", w[2], 11 * 0.5 * 3.0);
}

// Of {0.1, 0.3, 0.2} and {0.9, 0.8, 0.7} two each, in the groups' order.
static bool test_each_group(void)
{
    double l[6] = { 0.1, 0.3, 0.2, 0.9, 0.8, 0.7 }, w[4], z[6];
    struct reference_layer layer = scalar_layer(6, 4, l);
    layer.score = VKMOE_SCORE_IDENTITY;
    layer.groups = 2;
    layer.each_group = true;
    const int32_t expected[4] = { 1, 2, 3, 4 }, crossed[4] = { 1, 3, 2, 4 };
    int32_t ids[4];
    float x = 1.0f;
    reference_forward(&layer, 1, 0, &x, NULL, NULL, NULL, NULL, ids, w, z);
    bool ok = near("w[1]", w[1], 0.2) && near("w[2]", w[2], 0.9);
    for (int j = 0; j < 4; j++)
        ok &= same("id", ids[j], expected[j]);
    ok &= same(
        "routing", reference_compare_routing(&layer, 1, ids, z, ids, NULL), REFERENCE_ROUTING_SAME);
    // A group's slots are its own, be the scores the same.
    const double tied[6] = { 0, 1, 1, 1, 1, 0 };
    ok &= same("crossed", reference_compare_routing(&layer, 1, expected, tied, crossed, NULL),
        REFERENCE_ROUTING_WRONG);
    return ok;
}

// ---------------------------------------------------------------------------- capacity

// Ids as given, weight 1 each, y = sum of 10^id: y shows who was served.
static bool capacity_is(const char *what, uint32_t capacity, uint32_t sequence_tokens, uint32_t k,
    const int32_t *ids, const double *expected)
{
    double l[3] = { 0 }, y[6], w[12];
    float x[6] = { 1, 1, 1, 1, 1, 1 };
    struct reference_layer layer = scalar_layer(3, k, l);
    layer.weigh = VKMOE_WEIGH_SIGMOID;
    layer.scale = 2.0; // 2 sigmoid(0) = 1
    layer.capacity = capacity;
    layer.down_bias = (double[]){ 0.5, 0.5, 0.5 }; // a dropped expert adds no bias
    reference_forward(&layer, 6, sequence_tokens, x, NULL, ids, NULL, y, NULL, w, NULL);
    bool ok = true;
    for (int t = 0; t < 6; t++)
        ok &= near(what, y[t], expected[t]);
    for (uint32_t i = 0; i < 6 * k; i++)
        ok &= w[i] == 1.0 || (w[i] == 0.0 && signbit(w[i]));
    return ok;
}

static bool test_capacity(void)
{
    // Expert 0 is full after tokens 0 and 1, so 3 and 5 are dropped.
    const int32_t top_1[6] = { 0, 0, 1, 0, 2, 0 };
    bool ok = capacity_is("switch", 2, 0, 1, top_1, (double[]){ 1.5, 1.5, 10.5, 0, 100.5, 0 });
    // Sequences {0, 1, 2, 3}, {4, 5}.
    ok &= capacity_is("sequences", 2, 4, 1, top_1, (double[]){ 1.5, 1.5, 10.5, 0, 100.5, 1.5 });
    // Capacity 1, k = 2, sequences of 2: both first choices are served before the second
    // ones; in the last sequence expert 2 has a place for one second choice, token 4's.
    const int32_t top_2[12] = { 0, 1, 1, 0, 0, 1, 0, 2, 0, 2, 1, 2 };
    ok &= capacity_is("two choices", 1, 2, 2, top_2,
        (double[]){ 1.5, 10.5, 1.5 + 10.5, 100.5, 1.5 + 100.5, 10.5 });
    return ok;
}

static bool test_supplied(void)
{
    double l[3] = { 0.0, log(2.0), log(5.0) }, y[2], w[4];
    struct reference_layer layer = scalar_layer(3, 2, l);
    layer.select = VKMOE_SELECT_SUPPLIED;
    layer.renormalize = true;
    float x[2] = { 1.0f, 1.0f }, weights[4] = { 0.25f, -0.0f, -2.0f, 0.0f };
    const int32_t ids[4] = { 0, 1, -5, 99 }; // the last two are clamped to 0 and 2
    int32_t used[4];
    reference_forward(&layer, 2, 0, x, NULL, ids, NULL, y, used, w, NULL);
    bool ok = near("w[0]", w[0], 1.0 / 3) && near("w[1]", w[1], 2.0 / 3);
    ok &= near("w[2]", w[2], 1.0 / 6) && near("w[3]", w[3], 5.0 / 6);
    ok &= near("y[0]", y[0], 1.0 / 3 + 20.0 / 3) && near("y[1]", y[1], 1.0 / 6 + 500.0 / 6);
    ok &= same("clamped", used[2], 0) && same("clamped", used[3], 2);
    layer.select = VKMOE_SELECT_SUPPLIED_WEIGHTED;
    layer.down_bias = (double[]){ 0.5, 0.5, 0.5 }; // counts for weight 0, not for -0
    layer.weight_on_input = true;
    reference_forward(&layer, 2, 0, x, NULL, ids, weights, y, NULL, NULL, NULL);
    return ok && near("y[0]", y[0], 0.25 + 0.5) && near("y[1]", y[1], -2.0 + 0.5 + 0.5);
}

// ---------------------------------------------------------------------------- experts

static double activation_of(enum vkmoe_activation activation, bool gated, double g, double u)
{
    struct reference_layer layer = scalar_layer(1, 1, NULL);
    layer.activation = activation;
    layer.up = &u;
    layer.gate = gated ? &g : NULL;
    double y;
    reference_forward(&layer, 1, 0, (float[]){ 1.0f }, NULL, NULL, NULL, &y, NULL, NULL, NULL);
    return y;
}

// Values from tables: sigmoid(1) = 0.731058578630, Phi(1) = 0.841344746069.
static bool test_activations(void)
{
    double s1 = 0.7310585786300049, phi1 = 0.8413447460685429, tanh_gelu1 = 0.8411919906082768;
    double s10 = 1.0 / (1.0 + exp(-10.0));
    const struct {
        const char *name;
        enum vkmoe_activation activation;
        bool gated;
        double gate, up, expected;
    } rows[] = {
        { "silu", VKMOE_ACTIVATION_SILU, true, 1, 3, 3 * s1 },
        { "silu ungated", VKMOE_ACTIVATION_SILU, false, 9, 1, s1 },
        { "gelu erf", VKMOE_ACTIVATION_GELU_ERF, true, 1, -2, -2 * phi1 },
        { "gelu erf", VKMOE_ACTIVATION_GELU_ERF, false, 9, -1, -(1 - phi1) },
        { "gelu tanh", VKMOE_ACTIVATION_GELU_TANH, true, 1, 2, 2 * tanh_gelu1 },
        { "relu", VKMOE_ACTIVATION_RELU, true, -1, 2, 0 },
        { "relu", VKMOE_ACTIVATION_RELU, true, 3, -2, -6 },
        { "relu ungated", VKMOE_ACTIVATION_RELU, false, 3, -2, 0 },
        { "relu2", VKMOE_ACTIVATION_RELU2, true, 3, -2, -18 },
        { "relu2 ungated", VKMOE_ACTIVATION_RELU2, false, 9, 4, 16 },
        { "identity", VKMOE_ACTIVATION_IDENTITY, true, 3, -2, -6 },
        { "oai", VKMOE_ACTIVATION_SWIGLU_OAI, true, 1, 2, 3.0 / (1.0 + exp(-1.702)) },
        { "oai clamped", VKMOE_ACTIVATION_SWIGLU_OAI, true, 20, -20,
            -6.0 * 7.0 / (1.0 + exp(-1.702 * 7.0)) },
        { "oai far below", VKMOE_ACTIVATION_SWIGLU_OAI, true, -20, 0,
            -20.0 / (1.0 + exp(1.702 * 20.0)) },
        { "clamp", VKMOE_ACTIVATION_SILU_CLAMP, true, 20, -20, -10 * 10 * s10 },
        { "step", VKMOE_ACTIVATION_SWIGLU_STEP, true, 20, 20, 49 },
        { "step", VKMOE_ACTIVATION_SWIGLU_STEP, true, 1, -20, -7 * s1 },
    };
    bool ok = true;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ok &= near(rows[i].name,
            activation_of(rows[i].activation, rows[i].gated, rows[i].gate, rows[i].up),
            rows[i].expected);
    return ok;
}

// Hidden 2, inner 3: x = (1, 2), gate rows (1,0) (0,1) (1,1), up rows twice that, biases.
static bool test_expert_and_shared(void)
{
    double gate[6] = { 1, 0, 0, 1, 1, 1 }, up[6] = { 2, 0, 0, 2, 2, 2 };
    double down[6] = { 1, 0, 0, 0, 1, 1 }, gate_bias[3] = { 0, 1, 0 }, up_bias[3] = { 1, 0, 0 };
    double down_bias[2] = { 0.5, 0.25 }, output_bias[2] = { 100, 200 };
    double token_gate[2] = { log(3.0), 0 }; // sigmoid(log 3) = 3/4
    struct reference_layer layer = scalar_layer(1, 1, NULL);
    layer.hidden = 2;
    layer.inner = 3;
    layer.gate = gate;
    layer.up = up;
    layer.down = down;
    layer.gate_bias = gate_bias;
    layer.up_bias = up_bias;
    layer.down_bias = down_bias;
    layer.output_bias = output_bias;
    float x[2] = { 1.0f, 2.0f }, weight = 2.0f;
    int32_t id = 0;
    double y[2];
    // g = 1, 3, 3; u = 3, 4, 6; h = 3, 12, 18; o = 3.5, 30.25.
    reference_forward(&layer, 1, 0, x, NULL, &id, &weight, y, NULL, NULL, NULL);
    bool ok = near("y[0]", y[0], 107) && near("y[1]", y[1], 260.5);
    // Twice the input: g = 2, 5, 6; u = 5, 8, 12; h = 10, 40, 72; o = 10.5, 112.25.
    layer.weight_on_input = true;
    reference_forward(&layer, 1, 0, x, NULL, &id, &weight, y, NULL, NULL, NULL);
    ok &= near("input", y[0], 110.5) && near("input", y[1], 312.25);
    // Plus a shared expert of width 1 without gate: u = 1 * 1 + 2 * 0 = 1, o = (4, 8), 3/4.
    layer.shared_inner = 1;
    layer.shared_up = (double[]){ 1, 0 };
    layer.shared_down = (double[]){ 4, 8 };
    layer.shared_token_gate = token_gate;
    reference_forward(&layer, 1, 0, x, NULL, &id, &weight, y, NULL, NULL, NULL);
    return ok && near("shared", y[0], 113.5) && near("shared", y[1], 318.25);
}

// ------------------------------------------------------------------------------ tools

static bool test_routing_comparison(void)
{
    struct reference_layer layer = {
        .experts = 4, .experts_per_token = 2, .score = VKMOE_SCORE_IDENTITY
    };
    const double scores[4] = { 0.5, 0.5 + 4e-6, 0.2, 0.5 + 2e-5 };
    const int32_t expected[2] = { 3, 1 };
    const double tied[4] = { 1, 2, 2, 2 };
    struct {
        int32_t ids[2];
        enum reference_routing result;
    } rows[] = {
        { { 3, 1 }, REFERENCE_ROUTING_SAME },
        { { 3, 0 }, REFERENCE_ROUTING_CLOSE }, // 4e-6 apart
        { { 1, 3 }, REFERENCE_ROUTING_WRONG }, // 1.6e-5 apart
        { { 3, 3 }, REFERENCE_ROUTING_WRONG },
        { { 3, 4 }, REFERENCE_ROUTING_WRONG },
        { { 3, -1 }, REFERENCE_ROUTING_WRONG },
        { { 3, 2 }, REFERENCE_ROUTING_WRONG },
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ok &= same("routing",
            reference_compare_routing(&layer, 1, expected, scores, rows[i].ids, NULL),
            rows[i].result);
    // True ties keep the order of the indices.
    const int32_t tied_expected[2] = { 1, 2 }, tied_wrong[2] = { 2, 1 }, tied_skipped[2] = { 1, 3 };
    ok &= same("tie", reference_compare_routing(&layer, 1, tied_expected, tied, tied_wrong, NULL),
        REFERENCE_ROUTING_WRONG);
    ok &= same("tie", reference_compare_routing(&layer, 1, tied_expected, tied, tied_skipped, NULL),
        REFERENCE_ROUTING_WRONG);
    return ok;
}

static bool test_half_floats(void)
{
    bool ok = true;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        uint16_t b = (uint16_t)bits;
        if (!isnan(f16_value(b)))
            ok &= f16_bits(f16_value(b)) == b;
        if (!isnan(bf16_value(b)))
            ok &= bf16_bits(bf16_value(b)) == b;
        // bf16 is the upper half of an f32.
        uint32_t word = bits << 16;
        float f;
        memcpy(&f, &word, 4);
        ok &= isnan(f) ? isnan(bf16_value(b)) : (double)f == bf16_value(b);
    }
    ok &= same("1", f16_bits(1.0), 0x3c00) && same("-2", f16_bits(-2.0), 0xc000);
    ok &= same("1/3", f16_bits(1.0 / 3), 0x3555) && same("largest", f16_bits(65504), 0x7bff);
    ok &= same("below the middle", f16_bits(65519.9), 0x7bff);
    ok &= same("overflow", f16_bits(65520), 0x7c00);
    ok &= same("smallest", f16_bits(0x1p-24), 1) && same("half of it", f16_bits(0x1p-25), 0);
    ok &= same("above half of it", f16_bits(0x1.8p-25), 1);
    ok &= same("largest subnormal", f16_bits(0x1.ff8p-15), 0x03ff);
    ok &= same("tie to even", f16_bits(1 + 0x1p-11), 0x3c00);
    ok &= same("tie to even", f16_bits(1 + 3 * 0x1p-11), 0x3c02);
    ok &= same("carry", f16_bits(2 - 0x1p-12), 0x4000);
    ok &= same("bf16 pi", bf16_bits(3.14159265358979), 0x4049);
    return ok && same("bf16 tie", bf16_bits(1 + 0x1p-8), 0x3f80);
}

// The comparisons have to fail when they should; their notes are part of that.
static bool test_comparisons(void)
{
    const double reference[4] = { 1, -1, 1, -1 };
    float actual[4] = { 1, -1, 1, -1 };
    bool ok = compare_floats("equal", reference, actual, 4, 2, 1e-6).ok;
    actual[2] = 1.00001f;
    ok &= compare_floats("near", reference, actual, 4, 2, 2e-5).ok;
    ok &= !compare_floats("(expected)", reference, actual, 4, 2, 1e-6).ok;
    actual[2] = NAN;
    ok &= !compare_floats("(expected)", reference, actual, 4, 2, 1e9).ok;
    const double dropped[2] = { 1, -0.0 };
    ok &= compare_weights("dropped", dropped, (float[]){ 1, -0.0f }, 2, 1, 1e-6);
    ok &= !compare_weights("(expected)", dropped, (float[]){ 1, 0.0f }, 2, 1, 1e-6);
    unsigned char memory[100];
    guard_fill(memory, sizeof(memory));
    float f;
    memcpy(&f, memory + 40, 4);
    ok &= isnan(f) && guard_check("untouched", memory, 100, 40, 0);
    memory[40] ^= 1;
    ok &= guard_check("inside", memory, 100, 40, 4);
    memory[39] ^= 1;
    ok &= !guard_check("(expected)", memory, 100, 40, 4);
    memory[39] ^= 1;
    memory[44] ^= 1;
    return ok && !guard_check("(expected)", memory, 100, 40, 4);
}

// Every case obeys vkmoe.h, has a name of its own and is quick; its data can be made.
static bool test_table(uint64_t seed)
{
    bool ok = true;
    for (const struct layer_case *c = layer_cases; c->name; c++) {
        const struct vkmoe_moe_params *p = &c->layer;
        for (const struct layer_case *other = layer_cases; other < c; other++)
            ok &= strcmp(other->name, c->name) != 0;
        bool valid = p->hidden >= 1 && p->inner >= 1 && p->experts >= 1 && p->experts <= 1024
            && p->experts_per_token >= 1 && p->experts_per_token <= p->experts;
        if (p->router.groups.mode == VKMOE_GROUP_MODE_EACH)
            valid &= p->experts % p->router.groups.count == 0
                && p->experts_per_token % p->router.groups.count == 0;
        else if (p->router.groups.count > 1)
            valid &= p->experts % p->router.groups.count == 0
                && p->router.groups.kept <= p->router.groups.count && p->router.groups.kept > 0
                && (p->router.groups.mode == VKMOE_GROUP_MODE_MASK_ZERO
                    || p->experts_per_token
                        <= p->experts / p->router.groups.count * p->router.groups.kept);
        valid &= p->router.always == 0 || p->router.always < p->experts_per_token;
        bool quick = layer_case_flops(c) <= 30e6 || c->has & (CASE_SLOW | CASE_TIMED);
        if (!valid || !quick)
            tap_note("%s: %s, %.1f MFLOP", c->name, valid ? "valid" : "invalid",
                layer_case_flops(c) * 1e-6);
        ok &= valid && quick;
        if (!valid || c->has & CASE_TIMED)
            continue;
        struct layer_data data;
        layer_data_init(&data, c, seed, true);
        ok &= data.params.up[p->experts - 1].data != NULL
            && (data.params.gate == NULL) == ((c->has & CASE_UNGATED) != 0);
        layer_data_finish(&data);
    }
    return ok;
}

int main(int argc, char **argv)
{
    TEST_TABLE(tests, { "softmax-top-2", test_softmax_top_2 },
        { "scores-and-weights", test_scores_and_weights }, { "router-input", test_router_input },
        { "groups", test_groups }, { "sparsemixer", test_sparsemixer }, { "ties", test_ties },
        { "always", test_always }, { "each-group", test_each_group }, { "capacity", test_capacity },
        { "supplied", test_supplied }, { "activations", test_activations },
        { "expert-and-shared", test_expert_and_shared },
        { "routing-comparison", test_routing_comparison }, { "half-floats", test_half_floats },
        { "comparisons", test_comparisons });
    return seeded_tests_main(argc, argv, tests, COUNT_OF(tests), "case-table", test_table);
}
