// attention_reference.c - see attention_reference.h. One function per step, in the order
// in which a token meets them.
#include "attention_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "random.h"

void reference_attention_finish(struct reference_attention *attention)
{
    if (!attention)
        return;
    reference_layer_finish(&attention->router);
    reference_layer_finish(&attention->value_experts.router);
    reference_layer_finish(&attention->output_experts.router);
    reference_latent_finish(&attention->latent);
    double *arrays[] = {
        attention->value_experts.matrices,
        attention->output_experts.matrices,
        attention->position_bias,
        attention->query,
        attention->output,
        attention->query_bias,
        attention->key,
        attention->value,
        attention->key_bias,
        attention->value_bias,
        attention->output_bias,
        attention->query_norm,
        attention->key_norm,
        attention->sinks,
        attention->rope_divisors,
        attention->long_divisors,
        attention->nsa.gate,
        attention->gate,
        attention->mosa.router,
    };
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        free(arrays[i]);
    free(attention->patterns);
    free(attention->first_kv_head);
    *attention = (struct reference_attention){ 0 };
}

// ------------------------------------------------------------------------------- rope

#define PI 3.14159265358979323846

// The pair that turns `rotations` times within the trained context (YaRN, 3.2).
static double find_yarn_pair(
    const struct vkmoe_rope *rope, double base, uint32_t size, double rotations)
{
    return size * log(rope->original_positions / (rotations * 2.0 * PI)) / (2.0 * log(base));
}

// The share of pair `pair` that is interpolated: 0 for fast pairs, 1 for slow ones.
static double find_yarn_ramp(
    const struct vkmoe_rope *rope, double base, uint32_t size, uint32_t pair)
{
    double fast = rope->beta_fast != 0.0f ? rope->beta_fast : 32.0;
    double slow = rope->beta_slow != 0.0f ? rope->beta_slow : 1.0;
    double low = find_yarn_pair(rope, base, size, fast);
    double high = find_yarn_pair(rope, base, size, slow);
    if (!rope->exact_range) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0.0);
    high = fmin(high, size - 1.0);
    if (low == high)
        high += 0.001;
    return fmin(fmax((pair - low) / (high - low), 0.0), 1.0);
}

double reference_rope_angle(
    const struct vkmoe_rope *rope, uint32_t size, uint32_t length, uint32_t pair, uint32_t position)
{
    double base = rope->base != 0.0f ? rope->base : 10000.0;
    if (rope->scaling == VKMOE_ROPE_SCALING_DYNAMIC) {
        double trained = rope->original_positions, d = size;
        base *= pow(
            rope->factor * fmax(length, trained) / trained - (rope->factor - 1.0), d / (d - 2.0));
    }
    double frequency = pow(base, -2.0 * pair / size);
    switch (rope->scaling) {
    case VKMOE_ROPE_SCALING_PLAIN:
    case VKMOE_ROPE_SCALING_LONGROPE: // in the divisors
    case VKMOE_ROPE_SCALING_DYNAMIC:  // in the base
        break;
    case VKMOE_ROPE_SCALING_LINEAR: frequency /= rope->factor; break;
    case VKMOE_ROPE_SCALING_LLAMA3: {
        double turns = rope->original_positions * frequency / (2.0 * PI); // in the context
        double low = rope->low_factor, high = rope->high_factor;
        double kept = fmin(fmax((turns - low) / (high - low), 0.0), 1.0);
        frequency = kept * frequency + (1.0 - kept) * frequency / rope->factor;
        break;
    }
    case VKMOE_ROPE_SCALING_YARN: {
        double ramp = find_yarn_ramp(rope, base, size, pair);
        frequency = ramp * frequency / rope->factor + (1.0 - ramp) * frequency;
        break;
    }
    }
    return position * frequency;
}

double reference_rope_factor(const struct vkmoe_rope *rope)
{
    if (rope->kind == VKMOE_ROPE_NONE || rope->scaling != VKMOE_ROPE_SCALING_YARN)
        return 1.0;
    if (rope->attention_factor != 0.0f)
        return rope->attention_factor;
    return 0.1 * log(rope->factor) + 1.0;
}

// Rotates the start of one head in place.
void reference_rotate(const struct reference_attention *a, uint32_t head_size, uint32_t length,
    uint32_t position, double *head)
{
    const struct vkmoe_rope *rope = &a->rope;
    if (rope->kind == VKMOE_ROPE_NONE)
        return;
    uint32_t size = rope->size ? rope->size : head_size;
    double factor = reference_rope_factor(rope);
    const double *divisors = a->rope_divisors;
    if (rope->scaling == VKMOE_ROPE_SCALING_LONGROPE) {
        bool is_long = length > rope->original_positions;
        divisors = is_long ? a->long_divisors : a->rope_divisors;
        factor = is_long ? a->long_attention_factor : rope->attention_factor;
        factor = factor == 0.0 ? 1.0 : factor;
    }
    for (uint32_t pair = 0; pair < size / 2; pair++) {
        bool half = rope->kind == VKMOE_ROPE_HALF;
        double *x = head + (half ? pair : 2 * pair);
        double *y = head + (half ? pair + size / 2 : 2 * pair + 1);
        double angle = reference_rope_angle(rope, size, length, pair, position);
        angle /= divisors ? divisors[pair] : 1.0;
        double c = factor * cos(angle), s = factor * sin(angle);
        double first = *x * c - *y * s;
        *y = *y * c + *x * s;
        *x = first;
    }
}

// ------------------------------------------------------------------------ projections

void reference_normalize(const double *norm, double epsilon, uint32_t count, double *values)
{
    double rms = sqrt(reference_dot(values, values, count) / count + epsilon);
    for (uint32_t i = 0; i < count; i++)
        values[i] = values[i] / rms * norm[i];
}

// out = clip(norm(x Wt + bias)) for `heads` heads; norm NULL: none.
static void project(const struct reference_attention *a, const double *x, const double *matrix,
    const double *bias, const double *norm, uint32_t heads, double *out)
{
    uint32_t width = heads * a->head_size;
    for (uint32_t i = 0; i < width; i++)
        out[i] =
            reference_dot(x, matrix + (size_t)i * a->hidden, a->hidden) + (bias ? bias[i] : 0.0);
    if (norm && a->norm_wide) {
        reference_normalize(norm, a->norm_epsilon, width, out);
    } else if (norm && !a->norm_after_rope) {
        for (uint32_t h = 0; h < heads; h++)
            reference_normalize(norm, a->norm_epsilon, a->head_size, out + h * a->head_size);
    }
    for (uint32_t i = 0; a->value_clip != 0.0 && i < width; i++)
        out[i] = isnan(out[i]) ? NAN : fmin(fmax(out[i], -a->value_clip), a->value_clip);
}

// Values over their root mean square, each head alone.
static void normalize_values(const struct reference_attention *a, double *values)
{
    double *ones = allocate(a->head_size, sizeof(double));
    for (uint32_t i = 0; i < a->head_size; i++)
        ones[i] = 1.0;
    for (uint32_t h = 0; a->value_norm && h < a->kv_heads; h++)
        reference_normalize(ones, a->norm_epsilon, a->head_size, values + h * a->head_size);
    free(ones);
}

// With the norm of each head, if it comes afterwards.
static void rotate_heads(const struct reference_attention *a, const double *norm, uint32_t heads,
    uint32_t length, uint32_t position, double *values)
{
    for (uint32_t h = 0; h < heads; h++) {
        double *head = values + h * a->head_size;
        reference_rotate(a, a->head_size, length, position, head);
        if (norm && a->norm_after_rope)
            reference_normalize(norm, a->norm_epsilon, a->head_size, head);
    }
}

static void widen(const float *x, uint32_t count, double *out)
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = x[i];
}

// ---------------------------------------------------------------------------- history

void reference_history_init(struct reference_history *history,
    const struct reference_attention *attention, uint32_t sequences, uint32_t capacity,
    enum vkmoe_dtype dtype)
{
    *history = (struct reference_history){
        .width = attention->kv_heads * attention->head_size,
        .sequences = sequences,
        .capacity = capacity,
        .dtype = dtype,
    };
    size_t count = (size_t)sequences * capacity * history->width;
    history->keys = allocate(count, sizeof(double));
    history->values = allocate(count, sizeof(double));
    for (size_t i = 0; i < count; i++) // whoever reads what was never written shall notice
        history->keys[i] = history->values[i] = NAN;
}

void reference_history_finish(struct reference_history *history)
{
    free(history->keys);
    free(history->values);
    *history = (struct reference_history){ 0 };
}

// In f32, as the formula is one of f32.
static void round_to_q8_0(uint32_t count, double *x)
{
    float most = 0.0f;
    for (uint32_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf((float)x[i]));
    const float scale = most / 127.0f, inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
    for (uint32_t i = 0; i < count; i++)
        x[i] = round_to_f16(scale) * roundf((float)x[i] * inverse);
}

void reference_round_cached(enum vkmoe_dtype dtype, uint32_t heads, uint32_t size, double *values)
{
    for (uint32_t i = 0; dtype == VKMOE_DTYPE_F16 && i < heads * size; i++)
        values[i] = round_to_f16(values[i]);
    for (uint32_t h = 0; dtype == VKMOE_DTYPE_Q8_0 && h < heads; h++)
        for (uint32_t i = 0; i < size; i += 32)
            round_to_q8_0(size - i < 32 ? size - i : 32, values + h * size + i);
}

size_t reference_place(
    const struct reference_history *history, uint32_t sequence, uint32_t position)
{
    return ((size_t)sequence * history->capacity + position) * history->width;
}

// One token's gate over all heads' experts: k of each head's.
static void choose_head_experts(
    const struct reference_head_experts *h, const float *x, int32_t *ids, double *weights)
{
    reference_forward(&h->router, 1, 0, x, NULL, NULL, NULL, NULL, ids, weights, NULL);
}

// Values of all heads, each the weighted sum of what its experts make of x.
static void mix_values(const struct reference_attention *a, const float *x, double *values)
{
    const struct reference_head_experts *h = &a->value_experts;
    uint32_t choices = a->kv_heads * h->experts_per_token;
    int32_t *ids = allocate(choices, sizeof(int32_t));
    double *weights = allocate(choices, sizeof(double));
    double *x_token = allocate(a->hidden, sizeof(double));
    widen(x, a->hidden, x_token);
    choose_head_experts(h, x, ids, weights);
    memset(values, 0, a->kv_heads * a->head_size * sizeof(double));
    for (uint32_t c = 0; c < choices; c++) {
        const double *matrix = h->matrices + (size_t)ids[c] * a->head_size * a->hidden;
        double *to = values + c / h->experts_per_token * a->head_size;
        for (uint32_t i = 0; i < a->head_size; i++)
            to[i] += weights[c] * reference_dot(x_token, matrix + (size_t)i * a->hidden, a->hidden);
    }
    free(ids);
    free(weights);
    free(x_token);
}

static uint32_t context_of(const struct reference_history *history)
{
    return history->longest ? history->longest : history->capacity;
}

void reference_remember(const struct reference_attention *a, uint32_t tokens, const float *x,
    const uint32_t *positions, const uint32_t *sequences, struct reference_history *history)
{
    double *x_token = allocate(a->hidden, sizeof(double));
    for (uint32_t t = 0; t < tokens; t++) {
        size_t place = reference_place(history, sequences ? sequences[t] : 0, positions[t]);
        double *key = history->keys + place, *value = history->values + place;
        widen(x + (size_t)t * a->hidden, a->hidden, x_token);
        if (a->latent.rank) {
            reference_latent_remember(
                a, context_of(history), positions[t], history->dtype, x_token, key, value);
            continue;
        }
        project(a, x_token, a->key, a->key_bias, a->key_norm, a->kv_heads, key);
        if (a->value_experts.experts)
            mix_values(a, x + (size_t)t * a->hidden, value);
        else
            project(a, x_token, a->value, a->value_bias, NULL, a->kv_heads, value);
        normalize_values(a, value);
        rotate_heads(a, a->key_norm, a->kv_heads, context_of(history), positions[t], key);
        reference_round_cached(history->dtype, a->kv_heads, a->head_size, key);
        reference_round_cached(history->dtype, a->kv_heads, a->head_size, value);
    }
    free(x_token);
}

// -------------------------------------------------------------------------- attention

// The list of blocks that a pattern with `top` chooses: MoBA, arXiv 2502.13189.
static uint32_t choose_blocks(const struct reference_attention *a, const struct view_of_keys *keys,
    const double *query, uint32_t *list)
{
    const struct reference_history *h = keys->history;
    uint32_t block = keys->pattern->block, own = keys->position / block, count = 0;
    size_t first = reference_place(h, keys->sequence, 0) + (size_t)keys->kv_head * a->head_size;
    double *scores = allocate(own, sizeof(double));
    for (uint32_t b = 0; b < own; b++) {
        for (uint32_t n = 0; n < block; n++)
            scores[b] += reference_dot(query, h->keys + first + ((size_t)b * block + n) * h->width,
                             a->head_size)
                / block;
    }
    list[count++] = own;
    while (count < keys->pattern->top) {
        uint32_t best = own;
        for (uint32_t b = 0; b < own; b++) {
            if (scores[b] > -INFINITY && (best == own || scores[b] > scores[best]))
                best = b;
        }
        if (best == own)
            break;
        scores[best] = -INFINITY;
        list[count++] = best;
    }
    free(scores);
    return count;
}

// out = softmax(...) V for one head.
void reference_attend_head(const struct reference_attention *a, const struct view_of_keys *keys,
    const double *query, const double *sink, double *scores, double *out)
{
    double scale = a->scale != 0.0 ? a->scale : 1.0 / sqrt(a->head_size);
    double largest = sink ? *sink : -INFINITY;
    const struct reference_history *h = keys->history;
    size_t first = reference_place(h, keys->sequence, 0) + (size_t)keys->kv_head * a->head_size;
    uint32_t end = keys->pattern->both_sides ? keys->length : keys->position + 1;
    struct vkmoe_pattern pattern = *keys->pattern;
    uint32_t list[64]; // as many as `top` may be
    if (pattern.kind == VKMOE_PATTERN_BLOCKS && pattern.top > 0) {
        pattern.block_count = choose_blocks(a, keys, query, list);
        pattern.blocks = list;
        pattern.top = 0;
    }
    for (uint32_t j = 0; j < end; j++) {
        scores[j] = -INFINITY;
        if (!pattern_sees(&pattern, keys->position, j, keys->length))
            continue;
        double s =
            scale * reference_dot(query, h->keys + first + (size_t)j * h->width, a->head_size);
        if (a->soft_cap != 0.0)
            s = a->soft_cap * tanh(s / a->soft_cap);
        int64_t reach = a->position_reach, distance = (int64_t)j - keys->position;
        if (keys->bias)
            s += keys->bias[reach
                + (distance < -reach       ? -reach
                        : distance > reach ? reach
                                           : distance)];
        scores[j] = s;
        largest = fmax(largest, s);
    }
    double sum = sink ? exp(*sink - largest) : 0.0;
    memset(out, 0, a->head_size * sizeof(double));
    for (uint32_t j = 0; j < end; j++) {
        if (scores[j] == -INFINITY)
            continue;
        double p = exp(scores[j] - largest);
        const double *value = h->values + first + (size_t)j * h->width;
        sum += p;
        for (uint32_t i = 0; i < a->head_size; i++)
            out[i] += p * value[i];
    }
    for (uint32_t i = 0; sum > 0.0 && i < a->head_size; i++)
        out[i] /= sum;
}

static uint32_t find_kv_head(
    const struct reference_attention *a, uint32_t slot, uint32_t expert, uint32_t head)
{
    uint32_t used = a->expert_kv_heads ? a->expert_kv_heads : a->kv_heads;
    uint32_t first = a->first_kv_head ? a->first_kv_head[expert] : 0;
    if (a->kv_head_over_slots) {
        uint32_t all = a->experts_per_token * a->heads;
        return (slot * a->heads + head) / (all / a->kv_heads);
    }
    return first + (a->tiled_kv ? head % used : head / (a->heads / used));
}

struct scratch {
    double *x, *query, *heads, *scores;
};

// y += the weighted outputs of each head's experts.
static void mix_outputs(
    const struct reference_attention *a, const float *x, const double *heads, double *y)
{
    const struct reference_head_experts *h = &a->output_experts;
    uint32_t choices = a->heads * h->experts_per_token;
    int32_t *ids = allocate(choices, sizeof(int32_t));
    double *weights = allocate(choices, sizeof(double));
    choose_head_experts(h, x, ids, weights);
    for (uint32_t c = 0; c < choices; c++) {
        const double *matrix = h->matrices + (size_t)ids[c] * a->hidden * a->head_size;
        const double *head = heads + c / h->experts_per_token * a->head_size;
        for (uint32_t d = 0; d < a->hidden; d++)
            y[d] +=
                weights[c] * reference_dot(head, matrix + (size_t)d * a->head_size, a->head_size);
    }
    free(ids);
    free(weights);
}

// What each head, or each element of it, has a gate for.
static void gate_heads(const struct reference_attention *a, const float *x, double *heads)
{
    const uint32_t run = a->gate_wide ? 1 : a->head_size; // elements under one gate
    for (uint32_t i = 0; i < a->heads * a->head_size; i++) {
        double logit = 0.0;
        for (uint32_t d = 0; d < a->hidden; d++)
            logit += a->gate[(size_t)(i / run) * a->hidden + d] * x[d];
        heads[i] *= a->gate_softplus ? log1p(exp(logit)) : 1.0 / (1.0 + exp(-logit));
    }
}

// y += weight * (a Wo[e]t) of the expert in one slot.
static void add_expert(const struct reference_attention *a, struct view_of_keys keys, uint32_t slot,
    uint32_t expert, double weight, const struct scratch *scratch, double *y)
{
    static const struct vkmoe_pattern everything = { 0 };
    uint32_t width = a->heads * a->head_size;
    keys.pattern = a->patterns ? &a->patterns[expert] : &everything;
    if (a->latent.rank)
        reference_latent_query(
            a, context_of(keys.history), keys.position, scratch->x, scratch->query);
    else
        project(a, scratch->x, a->query + (size_t)expert * width * a->hidden,
            a->query_bias ? a->query_bias + (size_t)expert * width : NULL, a->query_norm, a->heads,
            scratch->query);
    if (!a->rope_before_projection && !a->latent.rank)
        rotate_heads(
            a, a->query_norm, a->heads, context_of(keys.history), keys.position, scratch->query);
    const double counted = keys.position + (a->temperature_before ? 0.0 : 1.0);
    for (uint32_t i = 0; a->temperature != 0.0 && i < width; i++)
        scratch->query[i] *=
            1.0 + a->temperature * log(floor(counted / a->temperature_floor) + 1.0);
    uint32_t *kv_heads = allocate(a->heads, sizeof(uint32_t));
    for (uint32_t h = 0; h < a->heads; h++)
        kv_heads[h] = find_kv_head(a, slot, expert, h);
    if (a->nsa.gate)
        reference_nsa_heads(a, &keys, kv_heads, scratch->query, scratch->heads);
    for (uint32_t h = 0; !a->nsa.gate && h < a->heads; h++) {
        keys.kv_head = kv_heads[h];
        if (a->position_bias)
            keys.bias = a->position_bias + (size_t)h * (2 * a->position_reach + 1);
        reference_attend_head(a, &keys, scratch->query + h * a->head_size,
            a->sinks ? &a->sinks[h] : NULL, scratch->scores, scratch->heads + h * a->head_size);
    }
    free(kv_heads);
    if (a->gate)
        gate_heads(a, keys.x, scratch->heads);
    if (a->output_experts.experts) {
        mix_outputs(a, keys.x, scratch->heads, y);
        return;
    }
    if (a->latent.rank) {
        reference_latent_output(a, scratch->heads, y);
        return;
    }
    const double *output = a->output + (size_t)expert * a->hidden * width;
    for (uint32_t d = 0; d < a->hidden; d++)
        y[d] += weight * reference_dot(scratch->heads, output + (size_t)d * width, width);
}

static bool is_dropped(double weight)
{
    return weight == 0.0 && signbit(weight);
}

// y[t] of one token.
static void attend_token(const struct reference_attention *a, const struct view_of_keys *keys,
    const int32_t *ids, const double *weights, const struct scratch *scratch, double *y)
{
    for (uint32_t d = 0; d < a->hidden; d++)
        y[d] = a->output_bias ? a->output_bias[d] : 0.0;
    if (a->rope_before_projection)
        reference_rotate(a, a->hidden, context_of(keys->history), keys->position, scratch->x);
    for (uint32_t j = 0; j < a->experts_per_token; j++) {
        if (!is_dropped(weights[j]))
            add_expert(a, *keys, j, (uint32_t)ids[j], weights[j], scratch, y);
    }
}

// The gate, or expert 0 with weight 1 for everyone where there is none.
static void route(const struct reference_attention *a, uint32_t tokens, const float *x,
    const int32_t *ids_in, const float *weights_in, int32_t *ids, double *weights, double *scores)
{
    if (a->experts > 1 || a->router.router) {
        reference_forward(
            &a->router, tokens, 0, x, NULL, ids_in, weights_in, NULL, ids, weights, scores);
        return;
    }
    for (uint32_t t = 0; t < tokens; t++) {
        ids[t] = 0;
        weights[t] = 1.0;
        if (scores)
            scores[t] = 1.0;
    }
}

void reference_attend(const struct reference_attention *a, uint32_t tokens, const float *x,
    const uint32_t *positions, const uint32_t *sequences, const uint32_t *lengths,
    struct reference_history *history, bool stored, const int32_t *ids_in, const float *weights_in,
    double *y, int32_t *ids, double *weights, double *scores)
{
    size_t choices = (size_t)tokens * a->experts_per_token;
    int32_t *own_ids = allocate(choices, sizeof(int32_t));
    double *own_weights = allocate(choices, sizeof(double));
    route(a, tokens, x, ids_in, weights_in, own_ids, own_weights, scores);
    if (!stored)
        reference_remember(a, tokens, x, positions, sequences, history);

    uint32_t width = a->heads * a->head_size;
    struct scratch scratch = {
        .x = allocate(a->hidden, sizeof(double)),
        .query = allocate(width, sizeof(double)),
        .heads = allocate(width, sizeof(double)),
        .scores = allocate(history->capacity, sizeof(double)),
    };
    for (uint32_t t = 0; y && t < tokens; t++) {
        uint32_t sequence = sequences ? sequences[t] : 0;
        struct view_of_keys keys = {
            .history = history,
            .sequence = sequence,
            .position = positions[t],
            .length = lengths ? lengths[sequence] : 0,
            .x = x + (size_t)t * a->hidden,
        };
        size_t choice = (size_t)t * a->experts_per_token;
        widen(x + (size_t)t * a->hidden, a->hidden, scratch.x);
        attend_token(
            a, &keys, own_ids + choice, own_weights + choice, &scratch, y + (size_t)t * a->hidden);
    }
    if (ids)
        memcpy(ids, own_ids, choices * sizeof(int32_t));
    if (weights)
        memcpy(weights, own_weights, choices * sizeof(double));
    free(scratch.x);
    free(scratch.query);
    free(scratch.heads);
    free(scratch.scores);
    free(own_ids);
    free(own_weights);
}
