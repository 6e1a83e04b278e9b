// network_reference.c - see network_reference.h.
#include "network_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

// ------------------------------------------------------------------------ from a model

void reference_layer_from(const struct vkmoe_moe_params *p, struct reference_layer *out)
{
    uint32_t experts = p->experts, hidden = p->hidden, inner = p->inner, shared = p->shared.inner;
    uint32_t latent = p->latent.size, width = latent ? latent : hidden;
    *out = reference_numbers(p);
    reference_read_gate(&p->router, out);
    out->gate = reference_read_views(p->gate, experts, inner, width);
    out->up = reference_read_views(p->up, experts, inner, width);
    out->down = reference_read_views(p->down, experts, width, inner);
    out->gate_bias = reference_read_view(&p->gate_bias, experts, inner);
    out->up_bias = reference_read_view(&p->up_bias, experts, inner);
    out->down_bias = reference_read_view(&p->down_bias, experts, width);
    out->output_bias = reference_read_view(&p->output_bias, 1, hidden);
    out->latent_down = reference_read_view(&p->latent.down, latent, hidden);
    out->latent_up = reference_read_view(&p->latent.up, hidden, latent);
    if (!shared)
        return;
    out->shared_gate = reference_read_view(&p->shared.gate, shared, hidden);
    out->shared_up = reference_read_view(&p->shared.up, shared, hidden);
    out->shared_down = reference_read_view(&p->shared.down, hidden, shared);
    out->shared_token_gate = reference_read_view(&p->shared.token_gate, 1, hidden);
}

// Of experts, or dense.
static enum vkmoe_status get_layer(
    vkmoe_checkpoint *model, struct vkmoe_block where, struct vkmoe_moe_params *out)
{
    return vkmoe_checkpoint_is_moe(model, where) ? vkmoe_checkpoint_get_moe(model, where, out)
                                                 : vkmoe_checkpoint_get_mlp(model, where, out);
}

static bool read_extras(vkmoe_checkpoint *model, uint32_t index, struct reference_block *out)
{
    const struct vkmoe_block where = { .index = index };
    struct vkmoe_block_extras extras = { VKMOE_INIT(vkmoe_block_extras) };
    struct vkmoe_moe_params beside = { VKMOE_INIT(vkmoe_moe_params) };
    const uint32_t d = out->attention.hidden;
    if (vkmoe_checkpoint_get_extras(model, where, &extras) != VKMOE_OK)
        return false;
    out->attention_post_norm = reference_read_view(&extras.attention_post_norm, 1, d);
    out->post_norm = reference_read_view(&extras.post_norm, 1, d);
    out->dense_post_norm = reference_read_view(&extras.dense_post_norm, 1, d);
    out->experts_pre_norm = reference_read_view(&extras.experts_pre_norm, 1, d);
    out->experts_post_norm = reference_read_view(&extras.experts_post_norm, 1, d);
    out->scale = extras.scale;
    out->post_epsilon = (double)extras.post_epsilon;
    out->parallel = extras.parallel;
    out->early = extras.early;
    if (!out->experts_pre_norm)
        return true;
    if (vkmoe_checkpoint_get_mlp(model, where, &beside) != VKMOE_OK)
        return false;
    reference_layer_from(&beside, &out->beside);
    return true;
}

static bool read_block(vkmoe_checkpoint *model, uint32_t index, struct reference_block *out)
{
    const struct vkmoe_block where = { .index = index };
    struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
    struct vkmoe_moe_params experts = { VKMOE_INIT(vkmoe_moe_params) };
    struct vkmoe_view attention_norm, experts_norm, biases[2];
    if (vkmoe_checkpoint_get_attention(model, where, &attention) != VKMOE_OK
        || get_layer(model, where, &experts) != VKMOE_OK
        || vkmoe_checkpoint_get_norms(model, where, &attention_norm, &experts_norm) != VKMOE_OK
        || vkmoe_checkpoint_get_norm_biases(model, where, &biases[0], &biases[1]) != VKMOE_OK) {
        tap_note("block %u cannot be read", index);
        return false;
    }
    reference_attention_from(&attention, &out->attention);
    reference_layer_from(&experts, &out->experts);
    out->attention_norm = reference_read_view(&attention_norm, 1, attention.hidden);
    out->experts_norm = reference_read_view(&experts_norm, 1, attention.hidden);
    out->attention_norm_bias = reference_read_view(&biases[0], 1, attention.hidden);
    out->experts_norm_bias = reference_read_view(&biases[1], 1, attention.hidden);
    return read_extras(model, index, out);
}

bool reference_network_from(vkmoe_checkpoint *model, struct reference_network *out)
{
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    *out = (struct reference_network){ 0 };
    if (vkmoe_checkpoint_get_frame(model, &frame) != VKMOE_OK) {
        tap_note("the frame cannot be read");
        return false;
    }
    *out = (struct reference_network){
        .hidden = frame.hidden,
        .vocabulary = frame.vocabulary,
        .block_count = frame.blocks,
        .blocks = allocate(frame.blocks, sizeof(struct reference_block)),
        .embedding = reference_read_view(&frame.embedding, frame.vocabulary, frame.hidden),
        .head = reference_read_view(&frame.head, frame.vocabulary, frame.hidden),
        .final_norm = reference_read_view(&frame.final_norm, 1, frame.hidden),
        .layer_norm = frame.layer_norm,
        .final_norm_bias = reference_read_view(&frame.final_norm_bias, 1, frame.hidden),
        .head_bias = reference_read_view(&frame.head_bias, 1, frame.vocabulary),
        .norm_epsilon = frame.norm_epsilon,
        .block_norm_epsilon = frame.block_norm_epsilon,
        .embedding_scale = frame.embedding_scale,
        .residual_scale = frame.residual_scale,
        .logits_scale = frame.logits_scale,
        .logits_cap = frame.logits_cap,
    };
    bool ok = out->embedding && out->head && out->final_norm;
    for (uint32_t b = 0; ok && b < frame.blocks; b++)
        ok = read_block(model, b, &out->blocks[b]);
    return ok;
}

void reference_network_finish(struct reference_network *network)
{
    for (uint32_t b = 0; network->blocks && b < network->block_count; b++) {
        struct reference_block *block = &network->blocks[b];
        free(block->attention_norm);
        free(block->experts_norm);
        free(block->attention_norm_bias);
        free(block->experts_norm_bias);
        reference_attention_finish(&block->attention);
        reference_layer_finish(&block->experts);
        reference_layer_finish(&block->beside);
        free(block->attention_post_norm);
        free(block->post_norm);
        free(block->dense_post_norm);
        free(block->experts_pre_norm);
        free(block->experts_post_norm);
    }
    void *const arrays[] = { network->blocks, network->embedding, network->head,
        network->final_norm, network->final_norm_bias, network->head_bias };
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        free(arrays[i]);
    *network = (struct reference_network){ 0 };
}

// -------------------------------------------------------------------------- the forward

void reference_memory_init(struct reference_memory *memory, const struct reference_network *network,
    uint32_t sequences, uint32_t capacity, enum vkmoe_dtype dtype)
{
    *memory =
        (struct reference_memory){ .block_count = network->block_count, .capacity = capacity };
    memory->blocks = allocate(network->block_count, sizeof(*memory->blocks));
    for (uint32_t b = 0; b < network->block_count; b++)
        reference_history_init(
            &memory->blocks[b], &network->blocks[b].attention, sequences, capacity, dtype);
    memory->chosen = allocate(network->block_count, sizeof(*memory->chosen));
    for (uint32_t b = 0; b < network->block_count; b++) {
        const struct reference_layer *experts = &network->blocks[b].experts;
        size_t count = (size_t)sequences * capacity * experts->experts_per_token;
        if (experts->capacity > 0 && experts->router)
            memory->chosen[b] =
                memset(allocate(count, sizeof(int32_t)), 0xff, count * sizeof(int32_t));
    }
    if (network->encoder_count == 0)
        return;
    memory->cross = allocate(network->block_count, sizeof(*memory->cross));
    memory->input_lengths = allocate(sequences, sizeof(uint32_t));
    for (uint32_t b = 0; b < network->block_count; b++)
        reference_history_init(
            &memory->cross[b], &network->blocks[b].cross, sequences, capacity, dtype);
}

void reference_memory_finish(struct reference_memory *memory)
{
    for (uint32_t b = 0; b < memory->block_count; b++) {
        reference_history_finish(&memory->blocks[b]);
        if (memory->cross)
            reference_history_finish(&memory->cross[b]);
        free(memory->chosen[b]);
    }
    free(memory->chosen);
    free(memory->blocks);
    free(memory->cross);
    free(memory->input_lengths);
    *memory = (struct reference_memory){ 0 };
}

static double or_one(double scale)
{
    return scale != 0.0 ? scale : 1.0;
}

// One of the model's norms; `bias` may be NULL.
struct norm {
    const double *weight, *bias;
    double epsilon;
};

// Rows of x, for LayerNorm less their mean, divided by their rms, times weight, plus bias; as they
// are without a weight.
static void normalize(const struct reference_network *n, const double *x, struct norm norm,
    uint32_t tokens, double scale, float *out)
{
    for (uint32_t t = 0; t < tokens; t++) {
        const double *row = x + (size_t)t * n->hidden;
        double mean = 0.0, sum = 0.0;
        for (uint32_t i = 0; n->layer_norm && i < n->hidden; i++)
            mean += row[i] / n->hidden;
        for (uint32_t i = 0; i < n->hidden; i++)
            sum += (row[i] - mean) * (row[i] - mean);
        double rms = sqrt(sum / n->hidden + norm.epsilon);
        for (uint32_t i = 0; i < n->hidden; i++) {
            double y = !norm.weight
                ? row[i]
                : (row[i] - mean) / rms * norm.weight[i] + (norm.bias ? norm.bias[i] : 0.0);
            out[(size_t)t * n->hidden + i] = (float)(y * scale);
        }
    }
}

static void add(double *x, const double *delta, double scale, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] += scale * delta[i];
}

static void find_logits(
    const struct reference_network *n, const float *normed, uint32_t tokens, double *logits)
{
    for (uint32_t t = 0; t < tokens; t++) {
        for (uint32_t v = 0; v < n->vocabulary; v++) {
            double sum = n->head_bias ? n->head_bias[v] : 0.0;
            for (uint32_t i = 0; i < n->hidden; i++)
                sum += n->head[(size_t)v * n->hidden + i] * normed[(size_t)t * n->hidden + i];
            logits[(size_t)t * n->vocabulary + v] =
                n->logits_cap != 0.0 ? n->logits_cap * tanh(sum / n->logits_cap) : sum;
        }
    }
}

// The tokens of one forward on their way.
struct rows {
    const struct reference_network *network;
    uint32_t tokens;
    const uint32_t *positions, *sequences;
    double *x, *delta; // [tokens][hidden]
    float *normed;     // likewise
};

static struct rows begin(const struct reference_network *n, uint32_t tokens, const uint32_t *ids,
    const uint32_t *positions, const uint32_t *sequences)
{
    size_t count = (size_t)tokens * n->hidden;
    struct rows r = { n, tokens, positions, sequences, allocate(count, sizeof(double)),
        allocate(count, sizeof(double)), allocate(count, sizeof(float)) };
    for (uint32_t t = 0; t < tokens; t++) {
        size_t id = ids[t] < n->vocabulary ? ids[t] : n->vocabulary - 1;
        for (uint32_t i = 0; i < n->hidden; i++)
            r.x[(size_t)t * n->hidden + i] =
                n->embedding[id * n->hidden + i] * or_one(n->embedding_scale);
    }
    return r;
}

static void end(struct rows *r)
{
    free(r->x);
    free(r->delta);
    free(r->normed);
}

static void norm_block(struct rows *r, const double *weight, const double *bias)
{
    normalize(r->network, r->x, (struct norm){ weight, bias, r->network->block_norm_epsilon },
        r->tokens, 1.0, r->normed);
}

static void add_delta(struct rows *r)
{
    add(r->x, r->delta, or_one(r->network->residual_scale), (size_t)r->tokens * r->network->hidden);
}

// Drops each choice whose expert the sequence has chosen `capacity` times before.
static void drop_overflow(const struct rows *r, uint32_t k, uint32_t limit, int32_t *chosen,
    uint32_t capacity, const int32_t *ids, float *weights)
{
    for (uint32_t i = 0; i < r->tokens * k; i++) {
        uint32_t sequence = r->sequences ? r->sequences[i / k] : 0;
        chosen[((size_t)sequence * capacity + r->positions[i / k]) * k + i % k] = ids[i];
    }
    for (uint32_t i = 0; i < r->tokens * k; i++) {
        uint32_t sequence = r->sequences ? r->sequences[i / k] : 0, earlier = 0;
        const int32_t *all = chosen + (size_t)sequence * capacity * k;
        for (uint32_t j = 0; j < r->positions[i / k] * k + i % k; j++)
            earlier += all[j] == ids[i];
        if (earlier >= limit)
            weights[i] = -0.0f;
    }
}

// Of a decoder's block whose experts have a capacity.
static void feed_limited(struct rows *r, const struct reference_layer *experts, int32_t *chosen,
    uint32_t capacity, int32_t *ids_out)
{
    struct reference_layer unlimited = *experts; // shares the arrays
    uint32_t k = experts->experts_per_token;
    int32_t *ids = allocate((size_t)r->tokens * k, sizeof(int32_t));
    double *exact = allocate((size_t)r->tokens * k, sizeof(double));
    float *weights = allocate((size_t)r->tokens * k, sizeof(float));
    unlimited.capacity = 0;
    reference_forward(
        &unlimited, r->tokens, 0, r->normed, NULL, NULL, NULL, NULL, ids, exact, NULL);
    for (uint32_t i = 0; i < r->tokens * k; i++)
        weights[i] = (float)exact[i];
    drop_overflow(r, k, experts->capacity, chosen, capacity, ids, weights);
    reference_forward(
        &unlimited, r->tokens, 0, r->normed, NULL, ids, weights, r->delta, NULL, NULL, NULL);
    if (ids_out)
        memcpy(ids_out, ids, (size_t)r->tokens * k * sizeof(int32_t));
    free(ids);
    free(exact);
    free(weights);
}

static void feed_forward(struct rows *r, const struct reference_layer *experts, int32_t *ids)
{
    int32_t *zeros = allocate(r->tokens, sizeof(int32_t));
    float *ones = allocate(r->tokens, sizeof(float));
    bool dense = !experts->router;
    for (uint32_t t = 0; t < r->tokens; t++)
        ones[t] = 1.0f;
    reference_forward(experts, r->tokens, 0, r->normed, NULL, dense ? zeros : NULL,
        dense ? ones : NULL, r->delta, dense ? NULL : ids, NULL, NULL);
    free(zeros);
    free(ones);
}

// delta = norm(delta), if there is a norm.
static void norm_delta(struct rows *r, const double *weight, double epsilon)
{
    const size_t count = (size_t)r->tokens * r->network->hidden;
    float *normed = allocate(count, sizeof(float));
    if (weight)
        normalize(r->network, r->delta,
            (struct norm){
                weight, NULL, epsilon != 0.0 ? epsilon : r->network->block_norm_epsilon },
            r->tokens, 1.0, normed);
    for (size_t i = 0; weight && i < count; i++)
        r->delta[i] = normed[i];
    free(normed);
}

// The experts see what attention saw, and what both give is added.
static void feed_parallel(struct rows *r, const struct reference_block *block, int32_t *ids)
{
    const size_t count = (size_t)r->tokens * r->network->hidden;
    double *attended = allocate(count, sizeof(double));
    memcpy(attended, r->delta, count * sizeof(double));
    feed_forward(r, &block->experts, ids);
    add(r->delta, attended, 1.0, count);
    free(attended);
    add_delta(r);
}

// The network beside the experts, then these, whose gate sees x.
static void feed_beside(struct rows *r, const struct reference_block *block, int32_t *ids)
{
    const size_t count = (size_t)r->tokens * r->network->hidden;
    double *dense = allocate(count, sizeof(double));
    float *raw = allocate(count, sizeof(float));
    feed_forward(r, &block->beside, NULL);
    norm_delta(r, block->dense_post_norm, 0.0);
    for (size_t i = 0; i < count; i++) {
        dense[i] = r->delta[i];
        raw[i] = (float)r->x[i];
    }
    norm_block(r, block->experts_pre_norm, NULL);
    reference_forward(
        &block->experts, r->tokens, 0, r->normed, raw, NULL, NULL, r->delta, ids, NULL, NULL);
    norm_delta(r, block->experts_post_norm, 0.0);
    add(r->delta, dense, 1.0, count);
    free(dense);
    free(raw);
}

// Of an early block, before its attention: what its experts give, or what their gate will see.
static double *feed_early(struct rows *r, const struct reference_block *block, int32_t *ids)
{
    const size_t count = (size_t)r->tokens * r->network->hidden;
    double *kept = allocate(count, sizeof(double));
    if (block->beside.up) {
        norm_block(r, block->experts_pre_norm, NULL);
        feed_forward(r, &block->experts, ids);
    }
    memcpy(kept, block->beside.up ? r->delta : r->x, count * sizeof(double));
    return kept;
}

// The same after its attention, with what that has left.
static void feed_late(
    struct rows *r, const struct reference_block *block, double *kept, int32_t *ids)
{
    const size_t count = (size_t)r->tokens * r->network->hidden;
    float *raw = allocate(count, sizeof(float));
    for (size_t i = 0; i < count; i++)
        raw[i] = (float)kept[i];
    if (block->beside.up) {
        feed_forward(r, &block->beside, NULL);
        add(r->delta, kept, 1.0, count);
    } else {
        reference_forward(
            &block->experts, r->tokens, 0, r->normed, raw, NULL, NULL, r->delta, ids, NULL, NULL);
    }
    free(kept);
    free(raw);
}

void reference_network_forward(const struct reference_network *n, uint32_t tokens,
    const uint32_t *ids, const uint32_t *positions, const uint32_t *sequences,
    struct reference_memory *memory, double *logits, int32_t *expert_ids,
    int32_t *attention_expert_ids)
{
    struct rows r = begin(n, tokens, ids, positions, sequences);
    for (uint32_t b = 0; b < n->block_count; b++) {
        const struct reference_block *block = &n->blocks[b];
        size_t chosen = (size_t)b * tokens * block->experts.experts_per_token;
        size_t attending = (size_t)b * tokens * block->attention.experts_per_token;
        int32_t *block_ids = expert_ids ? expert_ids + chosen : NULL;
        double *early = block->early ? feed_early(&r, block, block_ids) : NULL;
        norm_block(&r, block->attention_norm, block->attention_norm_bias);
        reference_attend(&block->attention, tokens, r.normed, positions, sequences, NULL,
            &memory->blocks[b], false, NULL, NULL, r.delta,
            attention_expert_ids ? attention_expert_ids + attending : NULL, NULL, NULL);
        if (block->parallel) {
            feed_parallel(&r, block, block_ids);
            continue;
        }
        norm_delta(&r, block->attention_post_norm, 0.0);
        add_delta(&r);
        if (block->cross_norm) {
            norm_block(&r, block->cross_norm, NULL);
            reference_attend(&block->cross, tokens, r.normed, positions, sequences,
                memory->input_lengths, &memory->cross[b], true, NULL, NULL, r.delta, NULL, NULL,
                NULL);
            add_delta(&r);
        }
        norm_block(&r, block->experts_norm, block->experts_norm_bias);
        if (early)
            feed_late(&r, block, early, block_ids);
        else if (block->beside.up)
            feed_beside(&r, block, block_ids);
        else if (memory->chosen[b])
            feed_limited(&r, &block->experts, memory->chosen[b], memory->capacity, block_ids);
        else
            feed_forward(&r, &block->experts, block_ids);
        norm_delta(&r, block->post_norm, block->post_epsilon);
        add_delta(&r);
        for (size_t i = 0; i < (size_t)tokens * n->hidden; i++)
            r.x[i] *= or_one(block->scale);
    }
    normalize(n, r.x, (struct norm){ n->final_norm, n->final_norm_bias, n->norm_epsilon }, tokens,
        or_one(n->logits_scale), r.normed);
    if (logits)
        find_logits(n, r.normed, tokens, logits);
    end(&r);
}

void reference_network_encode(const struct reference_network *n, uint32_t sequence, uint32_t tokens,
    const uint32_t *ids, struct reference_memory *memory)
{
    uint32_t *positions = allocate(tokens, sizeof(uint32_t));
    uint32_t *sequences = allocate(tokens, sizeof(uint32_t));
    for (uint32_t t = 0; t < tokens; t++) {
        positions[t] = t;
        sequences[t] = sequence;
    }
    struct rows r = begin(n, tokens, ids, positions, NULL);
    for (uint32_t b = 0; b < n->encoder_count; b++) {
        const struct reference_block *block = &n->encoder[b];
        struct reference_history history;
        reference_history_init(&history, &block->attention, 1, tokens, VKMOE_DTYPE_F32);
        norm_block(&r, block->attention_norm, NULL);
        reference_attend(&block->attention, tokens, r.normed, positions, NULL, &tokens, &history,
            false, NULL, NULL, r.delta, NULL, NULL, NULL);
        reference_history_finish(&history);
        add_delta(&r);
        norm_block(&r, block->experts_norm, NULL);
        feed_forward(&r, &block->experts, NULL);
        add_delta(&r);
    }
    normalize(
        n, r.x, (struct norm){ n->encoder_norm, NULL, n->norm_epsilon }, tokens, 1.0, r.normed);
    memory->input_lengths[sequence] = tokens;
    for (uint32_t b = 0; b < n->block_count; b++)
        reference_remember(
            &n->blocks[b].cross, tokens, r.normed, positions, sequences, &memory->cross[b]);
    end(&r);
    free(positions);
    free(sequences);
}
