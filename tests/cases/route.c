// route.c - cases and reference of the gate.
#include "cases.h"
#include "reference.h"

#include <math.h>
#include <string.h>

#include "shaders/route.h"

enum route_fill {
    FILL_RANDOM,
    FILL_EQUAL,      // all experts have the same row: nothing but ties
    FILL_TWINS,      // experts 2 n and 2 n + 1 have the same row
    FILL_NAN_EXPERT, // the gate's row for expert 1 is NaN
    FILL_NAN_TOKEN,  // token 0 is NaN
};

struct route_case {
    struct kernel_case base;
    uint32_t tokens, hidden, experts, k;
    enum vkmoe_score score;
    enum vkmoe_select select;
    enum vkmoe_weigh weigh;
    enum route_fill fill;
    enum ids_pattern pattern; // of supplied ids
    uint32_t groups, groups_kept;
    enum vkmoe_group_mode group_mode;
    bool group_top_2;
    uint32_t renormalize; // as ROUTE_RENORMALIZE
    bool rms_norm, extra_row, shared_x;
    uint32_t always;
    bool levels;
    bool bias, correction, expert_scale, misaligned;
    bool folded; // the root mean square is of other values than the gate's
    float epsilon, scale, soft_cap, threshold, rms_epsilon, gain;
};

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, d, e, slots) .tokens = t, .hidden = d, .experts = e, .k = slots
#define SIGMOID .score = VKMOE_SCORE_SIGMOID, .renormalize = 1, .epsilon = 1e-20f
#define DEEPSEEK_V3 SIGMOID, .scale = 2.5f, .groups = 8, .groups_kept = 4, .group_top_2 = true, \
    .correction = true
#define SPARSEMIXER .score = VKMOE_SCORE_IDENTITY, .select = VKMOE_SELECT_SPARSEMIXER
#define MOH .renormalize = 2, .epsilon = 1.1920929e-7f, .levels = true
#define EACH_GROUP .score = VKMOE_SCORE_SIGMOID, .group_mode = VKMOE_GROUP_MODE_EACH
#define TOP_K_OF_LOGITS .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SOFTMAX

enum { // masks of shapes; first the CPU's
    CPU = 1, CPU_1 = 2, CPU_BLOCKS = 4, GPU = 8, GPU_1 = 16, GPU_64 = 32, CPU_2_BLOCKS = 64,
    CPU_BLOCKS_1 = 128, GPU_UNROLLED = 256,
    ALL = 511,
};
#define EVERYWHERE .everywhere = true

static const struct kernel_shape shapes[] = { // lanes, blocks, tokens
    { 8, 1, 8 }, { 8, 1, 1 }, { 8, 4, 8 }, { 32, 1, 4 }, { 256, 1, 1, 4 }, { 64, 2, 4 },
    { 8, 2, 8 }, { 8, 4, 1 }, { 32, 1, 1, 4 }
};

static const struct route_case cases[] = {
    CASE("mixtral", .timed = true, .shapes = ALL, EVERYWHERE), SHAPE(20, 64, 8, 2),
        .renormalize = 1},
    CASE("mixtral-decode", .timed = true, .shapes = CPU_1 | GPU_1 | CPU, EVERYWHERE),
        SHAPE(1, 64, 8, 2), .renormalize = 1},
    CASE("switch-128-bias", .shapes = CPU), SHAPE(33, 48, 128, 1), .bias = true},
    CASE("gshard", .shapes = CPU_BLOCKS), SHAPE(33, 64, 128, 2), .renormalize = 2,
        .epsilon = 1.1920929e-7f, .scale = 0.8f},
    CASE("renormalize-max-epsilon-wins", .shapes = CPU), SHAPE(9, 16, 32, 2), .renormalize = 2,
        .epsilon = 0.75f},
    CASE("qwen2-moe", .shapes = GPU | CPU), SHAPE(17, 64, 60, 4), .extra_row = true},
    CASE("qwen2-moe-router-x", .shapes = GPU | CPU), SHAPE(17, 64, 60, 4), .extra_row = true,
        .shared_x = true},
    CASE("extra-row-in-a-block-of-its-own", .shapes = CPU), SHAPE(9, 40, 8, 2),
        .extra_row = true, .shared_x = true, .rms_norm = true, .rms_epsilon = 1e-5f},
    CASE("qwen3-moe", .timed = true, .shapes = GPU), SHAPE(12, 64, 128, 8), .renormalize = 1},
    CASE("deepseek-v2", .shapes = GPU), SHAPE(9, 80, 160, 6), .scale = 16.0f, .groups = 8,
        .groups_kept = 3, .group_mode = VKMOE_GROUP_MODE_MASK_ZERO},
    CASE("deepseek-v3", .timed = true, .shapes = GPU, EVERYWHERE),
        SHAPE(11, 112, 256, 8), DEEPSEEK_V3},
    CASE("deepseek-v3-zero-mask", .shapes = CPU), SHAPE(9, 56, 256, 8), DEEPSEEK_V3,
        .group_mode = VKMOE_GROUP_MODE_MASK_ZERO},
    CASE("groups-of-one", .shapes = CPU), SHAPE(9, 24, 16, 3), SIGMOID, .groups = 16,
        .groups_kept = 5, .group_top_2 = true, .correction = true},
    CASE("deepseek-v4", .shapes = GPU_64), SHAPE(9, 64, 256, 6), .renormalize = 1, .scale = 1.5f,
        .score = VKMOE_SCORE_SQRT_SOFTPLUS, .epsilon = 1e-20f, .correction = true},
    CASE("supplied", .shapes = GPU), SHAPE(9, 64, 64, 6), SIGMOID,
        .select = VKMOE_SELECT_SUPPLIED},
    CASE("supplied-wild-ids", .shapes = CPU), SHAPE(9, 64, 64, 6), .select = VKMOE_SELECT_SUPPLIED,
        .pattern = IDS_WILD},
    CASE("gpt-oss", .shapes = GPU_1 | CPU | CPU_BLOCKS_1), SHAPE(9, 45, 32, 4), TOP_K_OF_LOGITS,
        .bias = true},
    CASE("llama4", .shapes = GPU), SHAPE(9, 80, 16, 1), .score = VKMOE_SCORE_IDENTITY,
        .weigh = VKMOE_WEIGH_SIGMOID},
    CASE("phi-3.5-moe", .shapes = GPU), SHAPE(33, 64, 16, 2), SPARSEMIXER, .threshold = 0.02f},
    CASE("sparsemixer-wide", .shapes = CPU), SHAPE(9, 64, 24, 11), SPARSEMIXER, .threshold = 1.0f},
    CASE("sparsemixer-1024", .shapes = CPU, .thorough = true), SHAPE(8, 16, 1024, 8), SPARSEMIXER,
        .threshold = 0.02f},
    CASE("grok-2", .shapes = GPU | CPU), SHAPE(17, 96, 8, 2), .soft_cap = 3.0f, .gain = 4.0f},
    CASE("grok-2-saturated", .shapes = CPU), SHAPE(17, 96, 8, 2), .soft_cap = 30.0f,
        .gain = 60.0f, .score = VKMOE_SCORE_IDENTITY},
    CASE("gemma4", .shapes = GPU | CPU), SHAPE(9, 72, 128, 8), .renormalize = 1,
        .rms_norm = true, .rms_epsilon = 1e-6f, .expert_scale = true},
    CASE("rms-epsilon-matters", .shapes = CPU), SHAPE(9, 33, 8, 2), .rms_norm = true,
        .rms_epsilon = 0.5f},
    CASE("zero-expert-scale", .shapes = CPU), SHAPE(9, 16, 8, 5), SIGMOID, .expert_scale = true,
        .scale = -1.0f},

    CASE("all-equal", .shapes = GPU), SHAPE(9, 64, 40, 5), .fill = FILL_EQUAL},
    CASE("all-equal-sparsemixer", .shapes = CPU), SHAPE(9, 64, 16, 2), SPARSEMIXER,
        .threshold = 0.02f, .fill = FILL_EQUAL},
    CASE("all-equal-groups", .shapes = CPU), SHAPE(9, 64, 64, 6), SIGMOID, .groups = 8,
        .groups_kept = 3, .group_top_2 = true, .fill = FILL_EQUAL},
    CASE("twins", .shapes = CPU), SHAPE(9, 64, 40, 5), .fill = FILL_TWINS},
    CASE("nan-expert", .shapes = CPU), SHAPE(9, 64, 40, 5), SIGMOID, .fill = FILL_NAN_EXPERT},
    CASE("nan-token", .shapes = GPU), SHAPE(9, 64, 40, 5), .fill = FILL_NAN_TOKEN},

    CASE("moh", .shapes = ALL, EVERYWHERE), SHAPE(19, 64, 32, 24), MOH, .always = 16,
        .scale = 8.0f},
    CASE("moh-vit", .shapes = CPU), SHAPE(19, 48, 8, 6), MOH, .always = 2, .scale = 4.0f},
    CASE("always-1-of-1023", .shapes = GPU | CPU_BLOCKS), SHAPE(9, 20, 1023, 1023), MOH,
        .always = 1,
        .scale = 1022.0f},
    CASE("always-1022-of-1024", .shapes = CPU), SHAPE(3, 16, 1024, 1023), MOH,
        .always = 1022},
    CASE("always-all-equal", .shapes = CPU), SHAPE(9, 64, 40, 24), MOH, .always = 9,
        .fill = FILL_EQUAL},
    CASE("always-twins", .shapes = GPU | CPU), SHAPE(9, 64, 40, 5), MOH, .always = 3,
        .fill = FILL_TWINS},
    CASE("always-nan-expert", .shapes = CPU), SHAPE(9, 64, 40, 5), SIGMOID, .always = 3,
        .levels = true, .fill = FILL_NAN_EXPERT},
    CASE("always-nan-token", .shapes = CPU), SHAPE(9, 64, 40, 5), MOH, .always = 3,
        .fill = FILL_NAN_TOKEN},
    CASE("always-and-all-else", .shapes = GPU_64 | CPU), SHAPE(9, 41, 23, 7), SIGMOID,
        .weigh = VKMOE_WEIGH_SOFTMAX, .always = 3, .levels = true, .extra_row = true,
        .shared_x = true, .bias = true, .correction = true, .expert_scale = true, .scale = 2.5f,
        .soft_cap = 3.0f, .rms_norm = true, .rms_epsilon = 0.1f},
    CASE("always-plain", .shapes = CPU), SHAPE(9, 40, 24, 4), TOP_K_OF_LOGITS, .always = 3},
    CASE("levels-in-a-block-of-their-own", .shapes = CPU | CPU_BLOCKS), SHAPE(9, 40, 7, 3),
        .always = 1, .levels = true, .extra_row = true},

    CASE("switchhead", .shapes = ALL, EVERYWHERE), SHAPE(19, 64, 16, 8), EACH_GROUP, .groups = 4},
    CASE("switchhead-16-heads", .shapes = CPU), SHAPE(9, 48, 80, 32), EACH_GROUP, .groups = 16},
    CASE("each-group-of-one", .shapes = CPU), SHAPE(9, 16, 33, 33), EACH_GROUP, .groups = 33},
    CASE("each-group-of-all", .shapes = GPU | CPU), SHAPE(9, 16, 33, 4), EACH_GROUP,
        .groups = 1},
    CASE("each-group-16-last-in-a-run", .shapes = CPU), SHAPE(9, 16, 64, 12), EACH_GROUP,
        .groups = 4, .correction = true},
    CASE("each-group-1023-of-1023", .shapes = CPU), SHAPE(3, 16, 1023, 1023), EACH_GROUP,
        .groups = 11},
    CASE("each-group-512-of-1024", .shapes = CPU), SHAPE(8, 16, 1024, 6), EACH_GROUP,
        .groups = 2},
    CASE("each-group-1024-groups", .shapes = CPU), SHAPE(8, 16, 1024, 1024), EACH_GROUP,
        .groups = 1024},
    CASE("each-group-all-equal", .shapes = CPU), SHAPE(9, 64, 60, 12), EACH_GROUP, .groups = 6,
        .fill = FILL_EQUAL},
    CASE("each-group-twins", .shapes = GPU | CPU), SHAPE(9, 64, 66, 12), EACH_GROUP,
        .groups = 6, .fill = FILL_TWINS},
    CASE("each-group-nan-expert", .shapes = CPU), SHAPE(9, 64, 40, 10), EACH_GROUP, .groups = 10,
        .fill = FILL_NAN_EXPERT},
    CASE("each-group-nan-token", .shapes = CPU), SHAPE(9, 64, 40, 10), EACH_GROUP, .groups = 5,
        .fill = FILL_NAN_TOKEN},
    CASE("each-group-and-more", .shapes = GPU_64 | CPU), SHAPE(9, 41, 21, 6),
        .score = VKMOE_SCORE_IDENTITY, .weigh = VKMOE_WEIGH_SIGMOID,
        .group_mode = VKMOE_GROUP_MODE_EACH, .groups = 3, .extra_row = true, .bias = true,
        .correction = true, .expert_scale = true, .scale = 2.5f},

    CASE("no-token", .shapes = CPU), SHAPE(0, 64, 8, 2)},
    CASE("one-token", .shapes = CPU | CPU_BLOCKS_1), SHAPE(1, 16, 8, 2)},
    CASE("one-of-each", .shapes = CPU | CPU_BLOCKS | GPU_64), SHAPE(1, 1, 1, 1)},
    CASE("one-of-each-and-shared", .shapes = CPU | CPU_BLOCKS), SHAPE(1, 1, 1, 1),
        .extra_row = true},
    CASE("k-equals-experts", .shapes = GPU), SHAPE(9, 16, 33, 33), .renormalize = 1},
    CASE("experts-7", .shapes = CPU), SHAPE(9, 16, 7, 2)},
    CASE("experts-9", .shapes = CPU | CPU_2_BLOCKS), SHAPE(9, 16, 9, 2)},
    CASE("experts-31", .shapes = CPU), SHAPE(7, 16, 31, 2)},
    CASE("experts-32", .shapes = CPU), SHAPE(8, 16, 32, 2)},
    CASE("experts-33", .shapes = GPU_64), SHAPE(9, 16, 33, 2)},
    CASE("experts-64-and-shared", .shapes = CPU | GPU_64), SHAPE(9, 16, 64, 2),
        .extra_row = true},
    CASE("experts-1024", .shapes = CPU), SHAPE(16, 16, 1024, 8), .renormalize = 1},
    CASE("folded-norm", .shapes = ALL), SHAPE(5, 704, 12, 3), .folded = true, .extra_row = true,
        .rms_epsilon = 0.25f},
    CASE("folded-norm-unpacked", .shapes = GPU_1 | GPU_UNROLLED), SHAPE(5, 45, 12, 3),
        .folded = true, .rms_epsilon = 0.25f, .bias = true},
    CASE("columns-1", .shapes = CPU | GPU_1), SHAPE(9, 1, 8, 2)},
    CASE("columns-7", .shapes = CPU | GPU), SHAPE(9, 7, 8, 2)},
    CASE("columns-9", .shapes = CPU), SHAPE(9, 9, 8, 2), .extra_row = true},
    CASE("columns-33", .shapes = CPU), SHAPE(9, 33, 8, 2), .rms_norm = true},
    CASE("columns-704", .shapes = GPU | CPU), SHAPE(9, 704, 8, 2)},
    CASE("misaligned", .shapes = GPU | CPU), SHAPE(9, 64, 8, 2), .misaligned = true,
        .extra_row = true, .shared_x = true},
};
// clang-format on

static bool fits(
    const struct kernel_case *test, const struct variant *variant, const struct kernel_shape *shape)
{
    (void)test;
    return strcmp(variant->form, "broadcast") || shape->lanes == 8;
}

// Of the gate's matrix.
static uint32_t rows_of(const struct route_case *c)
{
    return c->experts + c->extra_row + (c->levels ? 2 : 0);
}

// ---------------------------------------------------------------------- reference

struct route_model {
    double *weights; // [experts + extra + levels][hidden]
    float *x, *shared_x, *raw, *vectors;
    const struct routing *supplied;
    // Of the token at hand:
    double *logits, *scores, *z;
    double levels[2]; // factors of those always chosen, and of the others
    uint32_t *chosen;
    bool is_clear; // f32 cannot decide otherwise
};

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double dot_row(
    const struct route_case *c, const struct route_model *m, uint32_t row, const float *x)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < c->hidden; i++)
        sum += m->weights[(size_t)row * c->hidden + i] * x[i];
    return sum;
}

// What dot products of the token's row are multiplied with.
static double norm_of(const struct route_case *c, const struct route_model *m, const float *x)
{
    double squares = 0.0;
    const float *from = c->folded ? m->raw + (x - m->x) : x;
    for (uint32_t i = 0; i < c->hidden; i++)
        squares += (double)from[i] * from[i];
    return c->rms_norm || c->folded ? 1.0 / sqrt(squares / c->hidden + c->rms_epsilon) : 1.0;
}

static void find_logits(const struct route_case *c, struct route_model *m, const float *x)
{
    const double norm = norm_of(c, m, x);
    const uint32_t first_level = c->experts + c->extra_row;
    for (uint32_t e = 0; e < c->experts; e++) {
        const double l = dot_row(c, m, e, x) * norm + m->vectors[e];
        m->logits[e] = c->soft_cap != 0.0f ? c->soft_cap * tanh(l / c->soft_cap) : l;
    }
    m->levels[0] = m->levels[1] = 1.0;
    for (uint32_t i = 0; c->levels && i < 2; i++)
        m->levels[i] = 2.0
            * sigmoid(
                norm * (dot_row(c, m, first_level + i, x) - dot_row(c, m, first_level + 1 - i, x)));
}

static void find_scores(const struct route_case *c, struct route_model *m)
{
    if (c->score == VKMOE_SCORE_SOFTMAX)
        reference_softmax(m->logits + c->always, m->scores + c->always, c->experts - c->always);
    for (uint32_t e = c->always; e < c->experts; e++) {
        const double l = m->logits[e];
        switch (c->score) {
        case VKMOE_SCORE_SOFTMAX: break;
        case VKMOE_SCORE_SIGMOID: m->scores[e] = sigmoid(l); break;
        case VKMOE_SCORE_SQRT_SOFTPLUS: m->scores[e] = sqrt(log1p(exp(l))); break;
        default: m->scores[e] = l;
        }
        const double z = m->scores[e] + m->vectors[c->experts + e];
        m->z[e] = isnan(z) ? -INFINITY : z;
    }
}

// Notes if `a`, which wins over `b`, is too close to it; true ties are not.
static void judge(struct route_model *m, double a, double b, double slack)
{
    const double gap = fabs(a - b);
    m->is_clear &= !(gap > 0.0 && gap < 1e-4 * MAX(fabs(a), fabs(b)) + slack);
}

// The best of those not `taken`; its lead over the next best, ties apart, has to be clear.
static uint32_t take_best(
    struct route_model *m, const double *values, uint32_t count, bool *taken, double slack)
{
    uint32_t best = UINT32_MAX;
    double next = -INFINITY;
    for (uint32_t i = 0; i < count; i++) {
        if (taken[i])
            continue;
        if (best == UINT32_MAX || values[i] > values[best]) {
            next = best == UINT32_MAX ? next : values[best];
            best = i;
        } else if (values[i] < values[best]) {
            next = MAX(next, values[i]);
        }
    }
    judge(m, values[best], next, slack);
    taken[best] = true;
    return best;
}

static void limit_groups(
    struct kernel_io *io, const struct route_case *c, struct route_model *m, double slack)
{
    const uint32_t size = c->experts / c->groups;
    double *group = io_alloc(io, c->groups, sizeof *group);
    bool *kept = io_alloc(io, c->groups, sizeof *kept);
    for (uint32_t g = 0; g < c->groups; g++) {
        bool *taken = io_alloc(io, size, sizeof *taken);
        struct route_model unjudged = *m;
        for (uint32_t n = 0; n < (c->group_top_2 ? MIN(size, 2) : 1); n++)
            group[g] += m->z[g * size + take_best(&unjudged, &m->z[g * size], size, taken, 0.0)];
    }
    for (uint32_t n = 0; n < c->groups_kept; n++)
        take_best(m, group, c->groups, kept, slack);
    for (uint32_t e = 0; e < c->experts; e++)
        if (!kept[e / size])
            m->z[e] = c->group_mode == VKMOE_GROUP_MODE_MASK_ZERO ? 0.0 : -INFINITY;
}

// Weights of a choice, before they are renormalised and scaled.
static void weigh(const struct route_case *c, const struct route_model *m, double *w)
{
    double picked[1024];
    for (uint32_t slot = 0; slot < c->k; slot++)
        picked[slot] = m->logits[m->chosen[slot]];
    reference_softmax(picked, w, c->always);
    for (uint32_t slot = 0; slot < c->always; slot++)
        w[slot] *= c->always;
    if (c->weigh == VKMOE_WEIGH_SOFTMAX)
        reference_softmax(picked + c->always, w + c->always, c->k - c->always);
    for (uint32_t slot = c->always; slot < c->k && c->weigh != VKMOE_WEIGH_SOFTMAX; slot++)
        w[slot] =
            c->weigh == VKMOE_WEIGH_SIGMOID ? sigmoid(picked[slot]) : m->scores[m->chosen[slot]];
}

// Chooses for a token; `w` are its weights.
static void choose(struct kernel_io *io, uint32_t token, double *w)
{
    const struct route_case *c = (const void *)io->test;
    struct route_model *m = io->model;
    const double slack = c->score == VKMOE_SCORE_SOFTMAX && !c->correction ? 0.0 : 2e-6;
    const uint32_t groups = c->group_mode == VKMOE_GROUP_MODE_EACH ? c->groups : 1,
                   size = c->experts / groups;
    bool *taken = io_alloc(io, c->experts, sizeof *taken);
    m->is_clear = true;
    find_logits(c, m, m->x + (size_t)token * c->hidden);
    find_scores(c, m);
    if (c->groups > 1 && c->group_mode != VKMOE_GROUP_MODE_EACH)
        limit_groups(io, c, m, slack);
    for (uint32_t slot = 0; slot < c->k; slot++) {
        if (slot < c->always) {
            m->chosen[slot] = slot;
            taken[slot] = true;
        } else if (m->supplied) {
            m->chosen[slot] = m->supplied->expert[token * c->k + slot];
        } else if (c->select != VKMOE_SELECT_SPARSEMIXER) {
            const uint32_t first = slot / (c->k / groups) * size;
            m->chosen[slot] = first + take_best(m, m->z + first, size, taken + first, slack);
        } else {
            bool *before = io_alloc(io, c->experts, sizeof *before);
            memcpy(before, taken, c->experts * sizeof *taken);
            m->chosen[slot] = take_best(m, m->logits, c->experts, taken, slack);
            const double most = m->logits[m->chosen[slot]];
            double sum = 0.0;
            for (uint32_t e = 0; e < c->experts; e++) {
                const double reach = c->threshold * fmax(fabs(m->logits[e]), most);
                judge(m, most - m->logits[e], reach, 1e-6);
                if (!before[e] && !(most - m->logits[e] > reach))
                    sum += exp(m->logits[e] - most);
            }
            w[slot] = 1.0 / sum;
        }
    }
    if (c->select != VKMOE_SELECT_SPARSEMIXER)
        weigh(c, m, w);
}

static void reference(struct kernel_io *io)
{
    const struct route_case *c = (const void *)io->test;
    struct route_model *m = io->model;
    double *weights = io_expect_floats(io, "weights");
    uint32_t *ids = m->supplied ? NULL : io_expect_words(io, "ids");
    for (uint32_t t = 0; t < c->tokens; t++) {
        double *w = &weights[(size_t)t * c->k], sum = 0.0;
        choose(io, t, w);
        for (uint32_t slot = c->always; slot < c->k; slot++)
            sum += w[slot];
        const double divisor = c->renormalize == 0 ? 1.0
            : c->renormalize == 1                  ? sum + c->epsilon
                                                   : fmax(sum, c->epsilon);
        for (uint32_t slot = 0; slot < c->k; slot++) {
            const uint32_t e = m->chosen[slot];
            if (slot >= c->always)
                w[slot] *= (c->scale != 0.0f ? c->scale : 1.0) / divisor;
            w[slot] *= m->levels[slot >= c->always] * m->vectors[2 * c->experts + e];
            if (isnan(w[slot]))
                w[slot] = INFINITY; // whatever it is
            w[slot] += 0.0;         // no -0.0, which means dropped
            if (ids)
                ids[(size_t)t * c->k + slot] = e;
        }
    }
    double *shared = c->extra_row ? io_expect_floats(io, "shared_weights") : NULL;
    for (uint32_t t = 0; c->extra_row && t < c->tokens; t++)
        shared[t] = sigmoid((c->folded ? norm_of(c, m, m->x + (size_t)t * c->hidden) : 1.0)
            * dot_row(
                c, m, c->experts, (c->shared_x ? m->shared_x : m->x) + (size_t)t * c->hidden));
}

// ----------------------------------------------------------------------- contents

static void fill_gate(struct kernel_io *io, const struct route_case *c, struct route_model *m)
{
    struct rng rng = io_rng(io, "gate");
    const uint32_t rows = rows_of(c);
    const double gain = (c->gain != 0.0f ? c->gain : 1.5) / sqrt(c->hidden);
    m->weights = io_alloc(io, (size_t)rows * c->hidden, sizeof(double));
    for (uint32_t e = 0; e < rows; e++) {
        const uint32_t twin = c->fill == FILL_EQUAL ? 0 : c->fill == FILL_TWINS ? e & ~1u : e;
        for (uint32_t i = 0; i < c->hidden; i++) {
            double *w = &m->weights[(size_t)e * c->hidden + i];
            *w = (float)(gain * rng_normal(&rng));
            if (e < c->experts && twin != e)
                *w = m->weights[(size_t)twin * c->hidden + i];
            if (e == 1 && c->fill == FILL_NAN_EXPERT)
                *w = NAN;
        }
    }
    io_add_matrix(io, "matrix", m->weights, rows, c->hidden);
    m->vectors = io_add(io, "vectors", ROLE_IN, 3, c->experts)->before;
    for (uint32_t e = 0; e < c->experts; e++) {
        m->vectors[e] = c->bias ? (float)(0.4 * rng_normal(&rng)) : 0.0f;
        if (c->correction)
            m->vectors[c->experts + e] = (float)(0.3 * rng_normal(&rng) - 0.3);
        m->vectors[2 * c->experts + e] = !c->expert_scale ? 1.0f
            : e % 3 == 0                                  ? 0.0f
                                                          : (float)(0.5 + rng_uniform(&rng));
    }
}

// Draws tokens until the choice is clear, so that f32 has to agree with double.
static void fill_tokens(struct kernel_io *io, const struct route_case *c, struct route_model *m)
{
    struct rng rng = io_rng(io, "x");
    double *w = io_alloc(io, c->k, sizeof *w);
    if (c->folded)
        m->raw = io_add_floats(io, "raw", c->tokens, c->hidden, 2.0);
    m->x = io_add(io, "x", ROLE_IN, c->tokens, c->hidden)->before;
    for (uint32_t t = 0; t < c->tokens; t++) {
        float *x = m->x + (size_t)t * c->hidden;
        for (uint32_t tries = 0; tries == 0 || (!m->is_clear && tries < 200); tries++) {
            for (uint32_t i = 0; i < c->hidden; i++)
                x[i] = t == 0 && c->fill == FILL_NAN_TOKEN ? NAN : (float)rng_normal(&rng);
            choose(io, t, w);
        }
    }
    if (c->shared_x)
        m->shared_x = io_add_floats(io, "shared_x", c->tokens, c->hidden, 1.0);
    io_find(io, "x")->skew = c->misaligned ? 4 : 0;
}

static void fill(struct kernel_io *io)
{
    const struct route_case *c = (const void *)io->test;
    struct route_model *m = io->model = io_alloc(io, 1, sizeof *m);
    m->logits = io_alloc(io, c->experts, sizeof(double));
    m->scores = io_alloc(io, c->experts, sizeof(double));
    m->z = io_alloc(io, c->experts, sizeof(double));
    m->chosen = io_alloc(io, c->k, sizeof(uint32_t));
    if (c->select == VKMOE_SELECT_SUPPLIED) {
        struct routing *supplied = io_alloc(io, 1, sizeof *supplied);
        *supplied = io_add_routing(io, c->pattern, c->tokens, c->k, c->experts);
        m->supplied = supplied;
        io_find(io, "weights")->role = ROLE_OUT;
        memset(io_find(io, "weights")->before, 0xff, io_find(io, "weights")->size);
    } else {
        io_add(io, "ids", ROLE_OUT, c->tokens, c->k);
        io_add(io, "weights", ROLE_OUT, c->tokens, c->k);
    }
    io_find(io, "weights")->weights = true;
    fill_gate(io, c, m);
    fill_tokens(io, c, m);
    io_add(io, "logits", ROLE_SCRATCH, c->tokens, c->experts + (c->levels ? 2 : 0));
    if (c->extra_row)
        io_add(io, "shared_weights", ROLE_OUT, c->tokens, 1);
    io_add(io, "counters", ROLE_IN, div_up(c->tokens, io->shape.tokens), 1);
    io_add(io, "dummy", ROLE_IN, 1, 64);
}

static void set_spec(struct kernel_io *io, uint32_t spec[SPEC_MAX])
{
    const struct route_case *c = (const void *)io->test;
    const struct kernel_operand *shared_x = io_find(io, "shared_x");
    spec[ROUTE_LANES] = io->shape.lanes;
    spec[ROUTE_BLOCKS] = io->shape.blocks;
    spec[ROUTE_TOKENS] = io->shape.tokens;
    spec[ROUTE_PACKED] =
        io_is_packed(io, io_find(io, "x"), 8) && (!shared_x || io_is_packed(io, shared_x, 8));
    spec[ROUTE_EXPERTS] = c->experts;
    spec[ROUTE_K] = c->k;
    spec[ROUTE_SCORE] = c->score;
    spec[ROUTE_SELECT] = c->select;
    spec[ROUTE_WEIGH] = c->weigh;
    spec[ROUTE_GROUPS] = MAX(c->groups, 1);
    spec[ROUTE_GROUPS_KEPT] = MAX(c->groups_kept, 1);
    spec[ROUTE_GROUP_SCORE] = c->group_top_2 ? GROUP_SCORE_SUM_TOP_2 : GROUP_SCORE_MAX;
    spec[ROUTE_GROUP_MODE] = c->group_mode;
    spec[ROUTE_RENORMALIZE] = c->renormalize;
    spec[ROUTE_RMS_NORM] = c->rms_norm;
    spec[ROUTE_EXTRA_ROW] = c->extra_row;
    spec[ROUTE_RENORM_EPSILON] = float_bits(c->epsilon);
    spec[ROUTE_SCALE] = float_bits(c->scale != 0.0f ? c->scale : 1.0f);
    spec[ROUTE_SOFT_CAP] = float_bits(c->soft_cap);
    spec[ROUTE_THRESHOLD] = float_bits(c->threshold);
    spec[ROUTE_RMS_EPSILON] = float_bits(c->rms_epsilon);
    spec[ROUTE_SHARED_X] = c->shared_x;
    spec[ROUTE_ALWAYS] = c->always;
    spec[ROUTE_LEVELS] = c->levels;
    spec[ROUTE_FOLDED] = c->folded;
    spec[ROUTE_UNROLL] = MAX(io->shape.unroll, 1);
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct route_case *c = (const void *)io->test;
    SET_PUSH(io, route, .shared_x = io_address(io, c->shared_x ? "shared_x" : "x"),
        .tokens = c->tokens, .hidden = c->hidden, .units = div_up(c->hidden, 8),
        .row_tiles = div_up(rows_of(c), 8 * io->shape.blocks),
        AT(x) AT(matrix) AT(vectors) AT(logits) AT(ids) AT(weights) AT(shared_weights) AT(counters)
            AT(raw));
    const struct route_push *push = (const void *)io->push;
    *d = (struct dispatch){
        .groups = push->row_tiles * div_up(c->tokens, io->shape.tokens),
    };
    set_spec(io, d->spec);
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct route_case *c = (const void *)test;
    return ((uint64_t)c->experts * c->hidden + c->tokens * ((uint64_t)c->hidden + 2 * c->k)) * 4;
}

static uint64_t flops(const struct kernel_case *test)
{
    const struct route_case *c = (const void *)test;
    return 2ull * c->tokens * c->experts * c->hidden;
}

KERNEL_SUITE(route, fits, reference)
