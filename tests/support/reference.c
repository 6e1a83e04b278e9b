// reference.c - see reference.h. One function per step of the gate, in its order, then
// the experts. Loops are plain; only dot() is arranged for speed.
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void reference_layer_finish(struct reference_layer *layer)
{
    if (!layer)
        return;
    double *arrays[] = {
        layer->router,
        layer->input_scale,
        layer->router_bias,
        layer->correction_bias,
        layer->expert_scale,
        layer->levels,
        layer->gate,
        layer->up,
        layer->down,
        layer->gate_bias,
        layer->up_bias,
        layer->down_bias,
        layer->output_bias,
        layer->shared_gate,
        layer->shared_up,
        layer->shared_down,
        layer->shared_token_gate,
        layer->latent_down,
        layer->latent_up,
    };
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        free(arrays[i]);
    *layer = (struct reference_layer){ 0 };
}

// Four sums, because one would wait for each addition.
double reference_dot(const double *a, const double *b, uint32_t count)
{
    double sum[4] = { 0 };
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        for (uint32_t lane = 0; lane < 4; lane++)
            sum[lane] += a[i + lane] * b[i + lane];
    }
    for (; i < count; i++)
        sum[0] += a[i] * b[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

// ----------------------------------------------------------------------------- gate

// Of what the gate sees.
static uint32_t gate_width(const struct reference_layer *layer)
{
    return layer->router_hidden ? layer->router_hidden : layer->hidden;
}

// r from x, as the gate's matrices see it.
static void find_gate_input(const struct reference_layer *layer, const float *x, double *r)
{
    const uint32_t width = gate_width(layer);
    double square_sum = 0.0;
    for (uint32_t i = 0; i < width; i++) {
        r[i] = x[i];
        square_sum += r[i] * r[i];
    }
    if (layer->rms_norm) {
        double rms = sqrt(square_sum / width + layer->rms_epsilon);
        for (uint32_t i = 0; i < width; i++)
            r[i] /= rms;
    }
    if (layer->input_scale) {
        for (uint32_t i = 0; i < width; i++)
            r[i] *= layer->input_scale[i];
    }
}

// l = r Wt + bias, soft-capped.
static void find_logits(const struct reference_layer *layer, const double *r, double *logits)
{
    const uint32_t width = gate_width(layer);
    for (uint32_t e = 0; e < layer->experts; e++) {
        double l = 0.0;
        if (layer->router)
            l = reference_dot(r, layer->router + (size_t)e * width, width);
        if (layer->router_bias)
            l += layer->router_bias[e];
        if (layer->soft_cap != 0.0)
            l = layer->soft_cap * tanh(l / layer->soft_cap);
        logits[e] = l;
    }
}

void reference_softmax(const double *l, double *p, uint32_t count)
{
    double largest = -INFINITY, sum = 0.0;
    for (uint32_t i = 0; i < count; i++)
        largest = fmax(largest, l[i]);
    for (uint32_t i = 0; i < count; i++) {
        p[i] = exp(l[i] - largest);
        sum += p[i];
    }
    for (uint32_t i = 0; i < count; i++)
        p[i] /= sum;
}

// s = score(l)
static void find_scores(const struct reference_layer *layer, const double *logits, double *s)
{
    for (uint32_t e = 0; e < layer->experts; e++) {
        double l = logits[e];
        switch (layer->score) {
        case VKMOE_SCORE_SOFTMAX: // below, for all at once
        case VKMOE_SCORE_IDENTITY: s[e] = l; break;
        case VKMOE_SCORE_SIGMOID: s[e] = sigmoid(l); break;
        case VKMOE_SCORE_SQRT_SOFTPLUS: s[e] = sqrt(fmax(l, 0.0) + log1p(exp(-fabs(l)))); break;
        }
    }
    // Those always chosen are not among the candidates.
    if (layer->score == VKMOE_SCORE_SOFTMAX)
        reference_softmax(
            logits + layer->always, s + layer->always, layer->experts - layer->always);
}

// The largest z of a group, or the sum of its two largest.
static double find_group_score(const struct reference_layer *layer, const double *z, uint32_t count)
{
    double first = -INFINITY, second = -INFINITY;
    for (uint32_t i = 0; i < count; i++) {
        if (z[i] > first) {
            second = first;
            first = z[i];
        } else if (z[i] > second) {
            second = z[i];
        }
    }
    if (layer->group_score == VKMOE_GROUP_SCORE_MAX || count == 1)
        return first;
    return first + second;
}

// The index of the largest value not taken yet; the lowest such index if there are several.
static uint32_t find_largest(const double *values, const bool *taken, uint32_t count)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (!taken[i] && (best == UINT32_MAX || values[i] > values[best]))
            best = i;
    }
    return best;
}

// z = s + correction_bias, with all but the best groups masked; those always chosen lead.
static void find_selection_scores(const struct reference_layer *layer, const double *s, double *z)
{
    for (uint32_t e = 0; e < layer->experts; e++)
        z[e] = s[e] + (layer->correction_bias ? layer->correction_bias[e] : 0.0);
    for (uint32_t e = 0; e < layer->always; e++)
        z[e] = INFINITY;
    if (layer->groups <= 1 || layer->each_group)
        return;

    uint32_t size = layer->experts / layer->groups;
    double *group_scores = allocate(layer->groups, sizeof(double));
    bool *kept = allocate(layer->groups, sizeof(bool));
    for (uint32_t g = 0; g < layer->groups; g++)
        group_scores[g] = find_group_score(layer, z + g * size, size);
    for (uint32_t i = 0; i < layer->groups_kept; i++)
        kept[find_largest(group_scores, kept, layer->groups)] = true;
    for (uint32_t e = 0; e < layer->experts; e++) {
        if (!kept[e / size])
            z[e] = layer->group_mask_zero ? 0.0 : -INFINITY;
    }
    free(group_scores);
    free(kept);
}

// How many of the experts a slot is chosen from, and the first of them.
static uint32_t find_candidates(const struct reference_layer *layer, uint32_t slot, uint32_t *first)
{
    uint32_t groups = layer->each_group ? layer->groups : 1;
    uint32_t count = layer->experts / groups;
    *first = slot / (layer->experts_per_token / groups) * count;
    return count;
}

static void choose_top_k(const struct reference_layer *layer, const double *z, int32_t *ids)
{
    bool *taken = allocate(layer->experts, sizeof(bool));
    for (uint32_t j = 0; j < layer->experts_per_token; j++) {
        uint32_t first, count = find_candidates(layer, j, &first);
        uint32_t best = first + find_largest(z + first, taken + first, count);
        taken[best] = true;
        ids[j] = (int32_t)best;
    }
    free(taken);
}

// Sparsemixer's weights for the choices `ids`: the winner's share of a softmax over those
// of the experts left that lie within the threshold of the winner.
static void weigh_sparsemixer(
    const struct reference_layer *layer, const double *l, const int32_t *ids, double *w)
{
    bool *taken = allocate(layer->experts, sizeof(bool));
    for (uint32_t j = 0; j < layer->experts_per_token; j++) {
        double winner = l[ids[j]], sum = 0.0;
        for (uint32_t e = 0; e < layer->experts; e++) {
            // With winner and l[e] both 0 this is 0 / 0, which is not above the
            // threshold: not masked, as in the original.
            double distance = (winner - l[e]) / fmax(fabs(l[e]), winner);
            if (!taken[e] && !(distance > layer->sparsemixer_threshold))
                sum += exp(l[e] - winner);
        }
        w[j] = 1.0 / sum;
        taken[ids[j]] = true;
    }
    free(taken);
}

// w from s and l at I, renormalised and scaled.
static void weigh_choice(const struct reference_layer *layer, const double *l, const double *s,
    const int32_t *ids, uint32_t k, double *w)
{
    if (layer->select == VKMOE_SELECT_SPARSEMIXER) {
        weigh_sparsemixer(layer, l, ids, w);
    } else {
        for (uint32_t j = 0; j < k; j++) {
            double logit = l[ids[j]];
            w[j] = layer->weigh == VKMOE_WEIGH_SCORE ? s[ids[j]] : logit;
            if (layer->weigh == VKMOE_WEIGH_SIGMOID)
                w[j] = sigmoid(logit);
        }
        if (layer->weigh == VKMOE_WEIGH_SOFTMAX)
            reference_softmax(w, w, k);
    }

    double sum = 0.0;
    for (uint32_t j = 0; j < k; j++)
        sum += w[j];
    double divisor = 1.0;
    if (layer->renormalize_max)
        divisor = fmax(sum, layer->renormalize_epsilon);
    else if (layer->renormalize)
        divisor = sum + layer->renormalize_epsilon;
    for (uint32_t j = 0; j < k; j++) {
        w[j] = w[j] / divisor * (layer->scale != 0.0 ? layer->scale : 1.0);
    }
}

// The weights of all k slots: those always chosen have their own, and the two kinds share
// the token as its levels say.
static void weigh(const struct reference_layer *layer, const double *r, const double *l,
    const double *s, const int32_t *ids, double *w)
{
    uint32_t k = layer->experts_per_token, always = layer->always;
    weigh_choice(layer, l, s, ids + always, k - always, w + always);
    reference_softmax(l, w, always);
    for (uint32_t j = 0; j < always; j++)
        w[j] *= always;
    if (layer->levels) {
        double levels[2];
        for (uint32_t i = 0; i < 2; i++)
            levels[i] = reference_dot(r, layer->levels + i * gate_width(layer), gate_width(layer));
        reference_softmax(levels, levels, 2);
        for (uint32_t j = 0; j < k; j++)
            w[j] *= 2.0 * levels[j < always ? 0 : 1];
    }
    for (uint32_t j = 0; layer->expert_scale && j < k; j++)
        w[j] *= layer->expert_scale[ids[j]];
}

// Drops what exceeds the capacity within one sequence: a queue per expert, in which all
// first choices stand, in token order, before all second ones.
static void drop_overflow(
    const struct reference_layer *layer, uint32_t tokens, const int32_t *ids, double *w)
{
    uint32_t k = layer->experts_per_token;
    uint32_t *queue = allocate(layer->experts, sizeof(uint32_t));
    for (uint32_t j = 0; j < k; j++) {
        for (uint32_t t = 0; t < tokens; t++) {
            if (queue[ids[t * k + j]]++ >= layer->capacity)
                w[t * k + j] = -0.0;
        }
    }
    free(queue);
}

// The whole gate: ids and weights of every token, and z into `scores` unless it is NULL.
static void route(const struct reference_layer *layer, uint32_t tokens, uint32_t sequence_tokens,
    const float *router_x, const int32_t *ids_in, const float *weights_in, int32_t *ids,
    double *weights, double *scores)
{
    uint32_t k = layer->experts_per_token, experts = layer->experts;
    double *r = allocate(gate_width(layer), sizeof(double));
    double *l = allocate(experts, sizeof(double));
    double *s = allocate(experts, sizeof(double));
    double *z = allocate(experts, sizeof(double));
    for (uint32_t t = 0; t < tokens; t++) {
        find_gate_input(layer, router_x + (size_t)t * gate_width(layer), r);
        find_logits(layer, r, l);
        find_scores(layer, l, s);
        find_selection_scores(layer, s, z);
        if (layer->select == VKMOE_SELECT_SPARSEMIXER)
            memcpy(z, l, experts * sizeof(double));
        if (scores)
            memcpy(scores + (size_t)t * experts, z, experts * sizeof(double));

        int32_t *chosen = ids + (size_t)t * k;
        choose_top_k(layer, z, chosen);
        for (uint32_t j = 0; ids_in && j < k; j++) {
            int32_t id = ids_in[(size_t)t * k + j];
            chosen[j] = id < 0 ? 0 : id >= (int32_t)experts ? (int32_t)experts - 1 : id;
        }
        weigh(layer, r, l, s, chosen, weights + (size_t)t * k);
    }
    free(r);
    free(l);
    free(s);
    free(z);

    if (weights_in) {
        for (size_t i = 0; i < (size_t)tokens * k; i++)
            weights[i] = weights_in[i];
        return;
    }
    uint32_t run = sequence_tokens ? sequence_tokens : tokens;
    for (uint32_t t = 0; layer->capacity && t < tokens; t += run) {
        uint32_t count = tokens - t < run ? tokens - t : run;
        drop_overflow(layer, count, ids + (size_t)t * k, weights + (size_t)t * k);
    }
}

// -------------------------------------------------------------------------- experts

// act(g, u), and for ungated experts act(u): the same with u in the place of g and no
// second factor.
static double activate(const struct reference_layer *layer, bool gated, double g, double u)
{
    double alpha = layer->activation_alpha != 0.0 ? layer->activation_alpha : 1.702;
    double limit = layer->activation_limit;
    if (limit == 0.0)
        limit = layer->activation == VKMOE_ACTIVATION_SILU_CLAMP ? 10.0 : 7.0;
    double clamped = gated ? fmin(fmax(u, -limit), limit) : 1.0;
    double second = gated ? u : 1.0;
    if (!gated)
        g = u;

    switch (layer->activation) {
    case VKMOE_ACTIVATION_SILU: return g * sigmoid(g) * second;
    case VKMOE_ACTIVATION_GELU_TANH: // sqrt(2 / pi)
        return 0.5 * g * (1.0 + tanh(0.79788456080286535588 * (g + 0.044715 * g * g * g))) * second;
    case VKMOE_ACTIVATION_GELU_ERF: // sqrt(1 / 2)
        return 0.5 * g * (1.0 + erf(g * 0.70710678118654752440)) * second;
    case VKMOE_ACTIVATION_RELU: return fmax(g, 0.0) * second;
    case VKMOE_ACTIVATION_RELU2: return fmax(g, 0.0) * fmax(g, 0.0) * second;
    case VKMOE_ACTIVATION_IDENTITY: return g * second;
    case VKMOE_ACTIVATION_SWIGLU_OAI:
        g = fmin(g, limit);
        return (gated ? clamped + 1.0 : 1.0) * g * sigmoid(alpha * g);
    case VKMOE_ACTIVATION_SILU_CLAMP: g = fmin(g, limit); return g * sigmoid(g) * clamped;
    case VKMOE_ACTIVATION_SWIGLU_STEP: return fmin(g * sigmoid(g), limit) * clamped;
    }
    return NAN;
}

// One feed-forward network; NULL gate: ungated, NULL biases: none.
struct network {
    uint32_t width, inner; // of x and y, and between
    const double *gate, *up, *down, *gate_bias, *up_bias, *down_bias;
};

static const double *row_of(const double *matrix, size_t row, size_t columns)
{
    return matrix ? matrix + row * columns : NULL;
}

// y += weight * network(x); h is [inner] scratch.
static void add_network(const struct reference_layer *layer, const struct network *n,
    const double *x, double weight, double *h, double *y)
{
    for (uint32_t f = 0; f < n->inner; f++) {
        double u = reference_dot(x, row_of(n->up, f, n->width), n->width);
        double g = n->gate ? reference_dot(x, row_of(n->gate, f, n->width), n->width) : 0.0;
        if (n->up_bias)
            u += n->up_bias[f];
        if (n->gate_bias)
            g += n->gate_bias[f];
        h[f] = activate(layer, n->gate != NULL, g, u);
    }
    for (uint32_t d = 0; d < n->width; d++) {
        double o = reference_dot(h, row_of(n->down, d, n->inner), n->inner);
        if (n->down_bias)
            o += n->down_bias[d];
        y[d] += weight * o;
    }
}

// Of routed experts.
static uint32_t experts_width(const struct reference_layer *layer)
{
    return layer->latent_size ? layer->latent_size : layer->hidden;
}

static struct network routed_expert(const struct reference_layer *layer, int32_t id)
{
    uint32_t width = experts_width(layer);
    size_t e = (size_t)id, matrix = (size_t)layer->inner * width;
    return (struct network){
        .width = width,
        .inner = layer->inner,
        .gate = row_of(layer->gate, e, matrix),
        .up = row_of(layer->up, e, matrix),
        .down = row_of(layer->down, e, matrix),
        .gate_bias = row_of(layer->gate_bias, e, layer->inner),
        .up_bias = row_of(layer->up_bias, e, layer->inner),
        .down_bias = row_of(layer->down_bias, e, width),
    };
}

// y = matrix x, of [rows][columns].
static void multiply(
    const double *matrix, uint32_t rows, uint32_t columns, const double *x, double *y)
{
    for (uint32_t r = 0; r < rows; r++)
        y[r] = reference_dot(x, row_of(matrix, r, columns), columns);
}

// y += what the chosen experts make of x, which are of their own width; h is [inner] scratch.
static void add_routed(const struct reference_layer *layer, const double *x, const int32_t *ids,
    const double *weights, double *h, double *y)
{
    double *scaled = allocate(experts_width(layer), sizeof(double));
    for (uint32_t j = 0; j < layer->experts_per_token; j++) {
        double w = weights[j];
        if (w == 0.0 && signbit(w))
            continue; // dropped: no bias either
        for (uint32_t d = 0; d < experts_width(layer); d++)
            scaled[d] = layer->weight_on_input ? w * x[d] : x[d];
        struct network expert = routed_expert(layer, ids[j]);
        add_network(layer, &expert, scaled, layer->weight_on_input ? 1.0 : w, h, y);
    }
    free(scaled);
}

// The same around a latent.
static void add_latent(const struct reference_layer *layer, const double *x, const int32_t *ids,
    const double *weights, double *h, double *y)
{
    const uint32_t size = layer->latent_size, hidden = layer->hidden;
    double *z = allocate(size, sizeof(double)), *sum = allocate(size, sizeof(double));
    double *back = allocate(hidden, sizeof(double));
    memset(sum, 0, size * sizeof(double));
    multiply(layer->latent_down, size, hidden, x, z);
    add_routed(layer, z, ids, weights, h, sum);
    multiply(layer->latent_up, hidden, size, sum, back);
    for (uint32_t d = 0; d < hidden; d++)
        y[d] += back[d];
    free(z);
    free(sum);
    free(back);
}

// y[t] of one token; h is [max(inner, shared_inner)] scratch.
static void compute_token(const struct reference_layer *layer, const double *x, const int32_t *ids,
    const double *weights, double *h, double *y)
{
    for (uint32_t d = 0; d < layer->hidden; d++)
        y[d] = layer->output_bias ? layer->output_bias[d] : 0.0;
    (layer->latent_size ? add_latent : add_routed)(layer, x, ids, weights, h, y);
    if (layer->shared_inner) {
        struct network shared = {
            .width = layer->hidden,
            .inner = layer->shared_inner,
            .gate = layer->shared_gate,
            .up = layer->shared_up,
            .down = layer->shared_down,
        };
        double w = 1.0;
        if (layer->shared_token_gate)
            w = sigmoid(reference_dot(x, layer->shared_token_gate, layer->hidden));
        struct reference_layer own = *layer; // but for the limit
        if (layer->shared_limit != 0.0)
            own.activation_limit = layer->shared_limit;
        add_network(&own, &shared, x, w, h, y);
    }
}

void reference_forward(const struct reference_layer *layer, uint32_t tokens,
    uint32_t sequence_tokens, const float *x, const float *router_x, const int32_t *ids_in,
    const float *weights_in, double *y, int32_t *ids, double *weights, double *scores)
{
    size_t choices = (size_t)tokens * layer->experts_per_token;
    int32_t *own_ids = allocate(choices, sizeof(int32_t));
    double *own_weights = allocate(choices, sizeof(double));
    route(layer, tokens, sequence_tokens, router_x ? router_x : x, ids_in, weights_in, own_ids,
        own_weights, scores);

    uint32_t widest = layer->inner > layer->shared_inner ? layer->inner : layer->shared_inner;
    double *h = allocate(widest, sizeof(double));
    double *x_token = allocate(layer->hidden, sizeof(double));
    for (uint32_t t = 0; y && t < tokens; t++) {
        size_t choice = (size_t)t * layer->experts_per_token;
        for (uint32_t d = 0; d < layer->hidden; d++)
            x_token[d] = x[(size_t)t * layer->hidden + d];
        compute_token(layer, x_token, own_ids + choice, own_weights + choice, h,
            y + (size_t)t * layer->hidden);
    }
    if (ids)
        memcpy(ids, own_ids, choices * sizeof(int32_t));
    if (weights)
        memcpy(weights, own_weights, choices * sizeof(double));
    free(h);
    free(x_token);
    free(own_ids);
    free(own_weights);
}

// ------------------------------------------------------------------------- comparison

// True if every expert from `first` on that ties with chosen[j] at a lower index was chosen
// before it.
static bool is_tie_kept(const double *scores, const int32_t *chosen, uint32_t first, uint32_t j)
{
    for (int32_t e = (int32_t)first; e < chosen[j]; e++) {
        bool before = scores[e] != scores[chosen[j]];
        for (uint32_t other = 0; other < j && !before; other++)
            before = chosen[other] == e;
        if (!before)
            return false;
    }
    return true;
}

// True if the scores of `chosen`, in order, are those of `expected` within the tolerance,
// and no expert stands there twice.
static bool are_scores_close(const struct reference_layer *layer, const double *scores,
    const int32_t *expected, const int32_t *chosen)
{
    double largest = layer->score == VKMOE_SCORE_SOFTMAX ? 0.0 : 1.0;
    for (uint32_t e = 0; e < layer->experts; e++) {
        if (isfinite(scores[e]))
            largest = fmax(largest, fabs(scores[e]));
    }
    for (uint32_t j = 0; j < layer->experts_per_token; j++) {
        uint32_t first, count = find_candidates(layer, j, &first);
        if (chosen[j] < (int32_t)first || chosen[j] >= (int32_t)(first + count))
            return false;
        for (uint32_t other = 0; other < j; other++) {
            if (chosen[other] == chosen[j])
                return false;
        }
        // Written so that -inf against anything else fails.
        if (chosen[j] != expected[j]
            && !(fabs(scores[chosen[j]] - scores[expected[j]]) < 1e-5 * largest))
            return false;
        if (!is_tie_kept(scores, chosen, first, j))
            return false;
    }
    return true;
}

enum reference_routing reference_compare_routing(const struct reference_layer *layer,
    uint32_t tokens, const int32_t *reference_ids, const double *scores, const int32_t *device_ids,
    uint64_t *first)
{
    uint32_t k = layer->experts_per_token;
    enum reference_routing result = REFERENCE_ROUTING_SAME;
    for (uint32_t t = 0; t < tokens; t++) {
        size_t row = (size_t)t * k;
        uint32_t j = 0;
        while (j < k && reference_ids[row + j] == device_ids[row + j])
            j++;
        if (j == k)
            continue;
        bool close = are_scores_close(
            layer, scores + (size_t)t * layer->experts, reference_ids + row, device_ids + row);
        if (first && (!close || result == REFERENCE_ROUTING_SAME))
            *first = row + j;
        if (!close)
            return REFERENCE_ROUTING_WRONG;
        result = REFERENCE_ROUTING_CLOSE;
    }
    return result;
}
