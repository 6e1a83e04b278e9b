// weights.c - see weights.h.
#include "weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats.h"
#include "random.h"

// So many different numbers are drawn, and repeated.
#define BLOCK 1000003u
// A matrix starts up to so many elements into the pool.
#define SLACK 65536u
#define HOT_LOGIT 12.0

const char *const routing_names[] = { "uniform", "zipf", "hot" };

static void *make_pool(enum vkmoe_dtype dtype, size_t count, double deviation, struct rng rng)
{
    const struct test_format *format = test_format(dtype);
    const size_t size = format_bytes(dtype, count / format->elements * format->elements);
    const size_t block = (count < BLOCK ? count : BLOCK) / format->elements * (size_t)format->bytes;
    char *pool = malloc(size);
    if (!pool)
        return NULL;
    for (size_t done = 0; done < block; done += format->bytes) {
        double values[TEST_FORMAT_MAX_ELEMENTS];
        for (uint32_t i = 0; i < format->elements; i++)
            values[i] = deviation * rng_normal(&rng);
        format->encode(values, pool + done);
    }
    for (size_t done = block; done < size; done += block)
        memcpy(pool + done, pool, size - done < block ? size - done : block);
    return pool;
}

static struct vkmoe_view piece(const struct weights *w, enum vkmoe_dtype dtype, uint32_t number)
{
    const uint32_t block = test_format(dtype)->elements;
    const size_t offset = (size_t)number * 12289 % SLACK / block * block;
    return (struct vkmoe_view){ (const char *)w->pool + format_bytes(dtype, offset), dtype, 0, 0 };
}

// Expert e's logit is x[e] and a little of everything.
static bool make_router(struct weights *w, const struct vkmoe_moe_params *p, struct rng rng)
{
    w->router = malloc((size_t)p->experts * p->hidden * sizeof(float));
    if (!w->router)
        return false;
    for (uint32_t e = 0; e < p->experts; e++) {
        float *row = w->router + (size_t)e * p->hidden;
        for (uint32_t i = 0; i < p->hidden; i++)
            row[i] = (float)(0.01 / sqrt(p->hidden) * rng_normal(&rng));
        if (e < p->hidden)
            row[e] += 1.0f;
    }
    w->params.router.weight.data = w->router;
    return true;
}

// Biases and scales, all pieces of one array: what they hold is no matter.
static bool make_vectors(struct weights *w, const struct layer_case *c)
{
    const struct vkmoe_moe_params *p = &c->layer;
    const size_t widest = p->hidden > p->inner ? p->hidden : p->inner;
    const size_t count = (size_t)p->experts * widest;
    w->vectors = malloc(2 * count * sizeof(float));
    if (!w->vectors)
        return false;
    for (size_t i = 0; i < count; i++) {
        w->vectors[i] = 0.001f * (float)(i % 7);
        w->vectors[count + i] = 1.0f;
    }
    const struct vkmoe_view biases = { .data = w->vectors }, ones = { .data = w->vectors + count };
    const struct {
        uint32_t flag;
        struct vkmoe_view *slot;
        struct vkmoe_view view;
    } optional[] = {
        { CASE_ROUTER_BIAS, &w->params.router.bias, biases },
        { CASE_CORRECTION_BIAS, &w->params.router.correction_bias, biases },
        { CASE_INPUT_SCALE, &w->params.router.input_scale, ones },
        { CASE_EXPERT_SCALE, &w->params.router.expert_scale, ones },
        { CASE_GATE_BIAS, &w->params.gate_bias, biases },
        { CASE_UP_BIAS, &w->params.up_bias, biases },
        { CASE_DOWN_BIAS, &w->params.down_bias, biases },
        { CASE_OUTPUT_BIAS, &w->params.output_bias, biases },
        { CASE_SHARED_TOKEN_GATE, &w->params.shared.token_gate, biases },
    };
    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++) {
        if (c->has & optional[i].flag)
            *optional[i].slot = optional[i].view;
    }
    return true;
}

static bool make_experts(struct weights *w, const struct layer_case *c, struct rng rng)
{
    const struct vkmoe_moe_params *p = &c->layer;
    const size_t hidden = p->hidden, inner = p->inner, experts = p->experts;
    const size_t widest = inner > p->shared.inner ? inner : p->shared.inner;
    w->pool = make_pool(c->dtype, hidden * widest + SLACK,
        1.0 / sqrt((double)(hidden > widest ? hidden : widest)), rng);
    w->gate = calloc(experts, sizeof *w->gate);
    w->up = calloc(experts, sizeof *w->up);
    w->down = calloc(experts, sizeof *w->down);
    if (!w->pool || !w->gate || !w->up || !w->down)
        return false;
    for (uint32_t e = 0; e < experts; e++) {
        w->gate[e] = piece(w, c->dtype, 3 * e);
        w->up[e] = piece(w, c->dtype, 3 * e + 1);
        w->down[e] = piece(w, c->dtype, 3 * e + 2);
    }
    w->params.gate = c->has & CASE_UNGATED ? NULL : w->gate;
    w->params.up = w->up;
    w->params.down = w->down;
    if (p->shared.inner) {
        if (!(c->has & CASE_SHARED_UNGATED))
            w->params.shared.gate = piece(w, c->dtype, 3 * p->experts);
        w->params.shared.up = piece(w, c->dtype, 3 * p->experts + 1);
        w->params.shared.down = piece(w, c->dtype, 3 * p->experts + 2);
    }
    return true;
}

bool weights_init(struct weights *w, const struct layer_case *c, uint64_t seed)
{
    *w = (struct weights){ .params = c->layer };
    w->params.struct_size = sizeof w->params;
    const bool ok = make_router(w, &c->layer, rng_for(seed, "router")) && make_vectors(w, c)
        && make_experts(w, c, rng_for(seed, "experts"));
    if (!ok)
        weights_finish(w);
    return ok;
}

void weights_finish(struct weights *w)
{
    free(w->pool);
    free(w->router);
    free(w->vectors);
    free(w->gate);
    free(w->up);
    free(w->down);
    *w = (struct weights){ 0 };
}

// ------------------------------------------------------------------------------ inputs

// The k largest of a token's logits, best first; overwrites them.
static void choose(float *logits, uint32_t experts, uint32_t k, int32_t *ids)
{
    for (uint32_t slot = 0; slot < k; slot++) {
        uint32_t best = 0;
        for (uint32_t e = 1; e < experts; e++)
            best = logits[e] > logits[best] ? e : best;
        ids[slot] = (int32_t)best;
        logits[best] = -INFINITY;
    }
}

// Log of the share of each expert, ranks in random order.
static void make_shares(enum routing routing, uint32_t experts, struct rng rng, float *shares)
{
    for (uint32_t e = 0; e < experts; e++) { // inside-out shuffle
        const uint32_t other = rng_below(&rng, e + 1);
        shares[e] = shares[other];
        shares[other] = routing == ROUTING_ZIPF ? -logf((float)e + 1.0f) : 0.0f;
    }
    if (routing == ROUTING_HOT)
        shares[experts / 2] = (float)HOT_LOGIT;
}

void inputs_make(
    const struct layer_case *c, enum routing routing, uint64_t seed, float *x, int32_t *ids)
{
    const uint32_t experts = c->layer.experts, hidden = c->layer.hidden;
    float shares[1024], logits[1024];
    struct rng rng = rng_for(seed, "x");
    make_shares(routing, experts, rng_for(seed, "shares"), shares);
    for (uint32_t t = 0; t < c->tokens; t++) {
        float *row = x + (size_t)t * hidden;
        for (uint32_t i = 0; i < hidden; i++)
            row[i] = (float)rng_normal(&rng);
        // The k largest of log share + Gumbel noise are k draws without replacement.
        for (uint32_t e = 0; e < experts; e++) {
            const double u = rng_uniform(&rng) + 0x1p-54;
            logits[e] = shares[e] + (float)(-log(-log(u)));
            if (e < hidden)
                row[e] = logits[e];
        }
        choose(logits, experts, c->layer.experts_per_token,
            ids + (size_t)t * c->layer.experts_per_token);
    }
}

// ------------------------------------------------------------------------------- sizes

double weights_touched(const struct layer_case *c, uint32_t experts)
{
    const double routed = (c->has & CASE_UNGATED ? 2.0 : 3.0) * c->layer.inner * experts;
    const double shared = (c->has & CASE_SHARED_UNGATED ? 2.0 : 3.0) * c->layer.shared.inner;
    const struct test_format *format = test_format(c->dtype);
    return (routed + shared) * c->layer.hidden * format->bytes / format->elements;
}

double weights_size(const struct layer_case *c)
{
    return weights_touched(c, c->layer.experts);
}
