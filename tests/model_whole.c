// model_whole.c - what the loader says of attention, norms, embedding and head, against
// checkpoints that it did not write (whole_checkpoints.h) and two trained models: their
// attention blocks and logits, computed in double from the loader's views, must be the
// recorded ones. No device is needed.
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vkmoe/model.h>

#include "attention_reference.h"
#include "checkpoint/buckets.h"
#include "model_whole.h"
#include "network_reference.h"
#include "reference.h"
#include "same.h"
#include "tap.h"
#include "whole_checkpoints.h"

// --------------------------------------------------------------------------- compare

// As same_array(), of a view.
static bool same_view(const char *name, const double *expected, const struct vkmoe_view *view,
    uint32_t rows, uint32_t columns)
{
    double *actual = reference_read_view(view, rows, columns);
    bool same = same_array(name, expected, actual, (size_t)rows * columns, 0.0);
    free(actual);
    return same;
}

static bool same_patterns(
    const struct vkmoe_pattern *expected, const struct vkmoe_pattern *actual, uint32_t experts)
{
    static const struct vkmoe_pattern all = { 0 };
    for (uint32_t e = 0; e < experts; e++) {
        const struct vkmoe_pattern *want = &expected[e], *is = actual ? &actual[e] : &all;
        if (want->kind != is->kind || want->left != is->left || want->right != is->right
            || want->step != is->step || want->phase != is->phase || want->sinks != is->sinks
            || want->local != is->local || want->both_sides != is->both_sides
            || want->block != is->block) {
            tap_note("pattern %u: kind %d left %u, expected kind %d left %u", e, (int)is->kind,
                is->left, (int)want->kind, want->left);
            return false;
        }
    }
    return true;
}

static bool same_latent(
    const struct reference_attention *expected, const struct reference_attention *actual)
{
    bool ok = true;
    const struct reference_latent *l = &expected->latent;
    SAME(latent.rank);
    SAME(latent.key_size);
    SAME(latent.value_size);
    SAME(latent.query_rank);
    SAME(latent.turned);
    if (!ok)
        return false;
    const size_t d = expected->hidden, heads = expected->heads, rank = l->rank;
    const size_t from = l->query_rank ? l->query_rank : d;
    SAME_ARRAY(latent.query_matrix, l->query_rank * d);
    SAME_ARRAY(latent.query_norm, l->query_rank);
    SAME_ARRAY(latent.keys, heads * rank * l->key_size);
    SAME_ARRAY(latent.values, heads * rank * l->value_size);
    SAME_ARRAY(query, heads * (l->key_size + l->turned) * from);
    SAME_ARRAY(output, d * heads * l->value_size);
    SAME_ARRAY(key, (rank + l->turned) * d);
    SAME_ARRAY(key_norm, rank);
    SAME_ARRAY(value, 0);
    return ok;
}

static bool same_attention(
    const struct reference_attention *expected, const struct reference_attention *actual)
{
    bool ok = true;
    SAME(hidden);
    SAME(head_size);
    SAME(heads);
    SAME(kv_heads);
    SAME(experts);
    SAME(experts_per_token);
    if (!ok)
        return false; // the arrays have other sizes
    if (expected->latent.rank && !same_latent(expected, actual))
        return false;
    size_t d = expected->hidden, e = expected->experts;
    size_t width = (size_t)expected->heads * expected->head_size;
    size_t kv_width = (size_t)expected->kv_heads * expected->head_size;
    SAME(tiled_kv);
    SAME(norm_wide);
    SAME(norm_epsilon);
    SAME(scale);
    SAME(soft_cap);
    SAME(value_clip);
    SAME(temperature);
    SAME(temperature_floor);
    SAME(value_norm);
    SAME(router.score);
    SAME(router.select);
    SAME(router.weigh);
    SAME(router.renormalize);
    ok = same_rope(&expected->rope, &actual->rope) && ok;
    SAME(norm_after_rope);
    SAME(long_attention_factor);
    SAME_ARRAY(rope_divisors, expected->head_size / 2);
    SAME_ARRAY(long_divisors, expected->head_size / 2);
    if (expected->latent.rank) // which has these in other sizes
        return same_patterns(expected->patterns, actual->patterns, expected->experts) && ok;
    SAME_ARRAY(router.router, e * d);
    SAME_ARRAY(router.router_bias, e);
    SAME_ARRAY(query, e * width * d);
    SAME_ARRAY(output, e * d * width);
    SAME_ARRAY(query_bias, width);
    SAME_ARRAY(key, kv_width * d);
    SAME_ARRAY(value, kv_width * d);
    SAME_ARRAY(key_bias, kv_width);
    SAME_ARRAY(value_bias, kv_width);
    SAME_ARRAY(output_bias, d);
    SAME_ARRAY(query_norm, expected->norm_wide ? width : expected->head_size);
    SAME_ARRAY(key_norm, expected->norm_wide ? kv_width : expected->head_size);
    SAME_ARRAY(sinks, expected->heads);
    SAME(gate_wide);
    SAME_ARRAY(gate, width * d);
    return same_patterns(expected->patterns, actual->patterns, expected->experts) && ok;
}

// -------------------------------------------------------------------------- families

// `bias` is the expected one, NULL: none.
static bool check_attention_of(vkmoe_checkpoint *model, struct vkmoe_block block,
    const struct reference_attention *expected, const double *bias, uint32_t reach)
{
    struct vkmoe_attention_params params = { VKMOE_INIT(vkmoe_attention_params) },
                                  again = { VKMOE_INIT(vkmoe_attention_params) };
    if (vkmoe_checkpoint_get_attention(model, block, &params) != VKMOE_OK
        || vkmoe_checkpoint_get_attention(model, block, &again) != VKMOE_OK)
        return false;
    bool ok = params.query.matrices == again.query.matrices && params.patterns == again.patterns
        && params.position.bias.data == again.position.bias.data;
    if (!ok)
        tap_note("two calls gave different views");
    struct reference_attention attention;
    reference_attention_from(&params, &attention);
    ok = same_attention(expected, &attention) && ok;
    reference_attention_finish(&attention);
    if (!same_number("position_reach", bias ? reach : 0, params.position.reach))
        return false;
    return same_view("position_bias", bias, &params.position.bias, expected->heads, 2 * reach + 1)
        && ok;
}

static bool check_cross(
    vkmoe_checkpoint *model, const struct whole_checkpoint *checkpoint, uint32_t index)
{
    const struct vkmoe_block block = { .index = index, .part = VKMOE_PART_CROSS };
    const struct whole_checkpoint_block *expected = &checkpoint->blocks[index];
    struct vkmoe_view norms[2];
    bool ok = check_attention_of(model, block, &expected->cross, NULL, 0);
    return vkmoe_checkpoint_get_norms(model, block, &norms[0], &norms[1]) == VKMOE_OK && ok
        && same_view("cross norm", expected->cross_norm, &norms[0], 1, checkpoint->hidden)
        && same_view("its second", NULL, &norms[1], 1, checkpoint->hidden);
}

static bool check_block(
    vkmoe_checkpoint *model, const struct whole_checkpoint *checkpoint, struct vkmoe_block block)
{
    bool encoder = checkpoint->encoder_count && block.part == VKMOE_PART_BLOCKS;
    const struct whole_checkpoint_block *expected =
        encoder ? &checkpoint->encoder[block.index] : &checkpoint->blocks[block.index];
    struct vkmoe_moe_params experts = { VKMOE_INIT(vkmoe_moe_params) };
    struct vkmoe_view norms[2], biases[2];
    bool ok = check_attention_of(model, block, &expected->attention,
        checkpoint->position_bias[block.part != VKMOE_PART_BLOCKS],
        checkpoint->position_reach[block.part != VKMOE_PART_BLOCKS]);
    bool moe = vkmoe_checkpoint_is_moe(model, block);
    if (vkmoe_checkpoint_get_norms(model, block, &norms[0], &norms[1]) != VKMOE_OK
        || vkmoe_checkpoint_get_norm_biases(model, block, &biases[0], &biases[1]) != VKMOE_OK
        || (moe ? vkmoe_checkpoint_get_moe : vkmoe_checkpoint_get_mlp)(model, block, &experts)
            != VKMOE_OK)
        return false;
    struct reference_layer layer;
    reference_layer_from(&experts, &layer);
    ok = same_layer(&expected->experts, &layer) && ok;
    reference_layer_finish(&layer);
    uint32_t d = checkpoint->hidden;
    struct vkmoe_block_extras extras = { VKMOE_INIT(vkmoe_block_extras) };
    ok = vkmoe_checkpoint_get_extras(model, block, &extras) == VKMOE_OK && ok;
    ok = same_view("post norm", expected->post_norm, &extras.post_norm, 1, d) && ok;
    ok = same_view("attention post norm", expected->attention_post_norm,
             &extras.attention_post_norm, 1, d)
        && ok;
    ok = extras.post_epsilon == (float)checkpoint->post_epsilon && ok;
    ok = same_view("attention norm", expected->attention_norm, &norms[0], 1, d) && ok;
    ok = same_view("experts norm", expected->experts_norm, &norms[1], 1, d) && ok;
    ok = same_view("its bias", expected->experts_norm_bias, &biases[1], 1, d) && ok;
    ok = same_view("attention norm's bias", expected->attention_norm_bias, &biases[0], 1, d) && ok;
    return (block.part == VKMOE_PART_BLOCKS || check_cross(model, checkpoint, block.index)) && ok;
}

static bool check_frame(vkmoe_checkpoint *model, const struct whole_checkpoint *expected)
{
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) }, *actual = &frame;
    if (vkmoe_checkpoint_get_frame(model, actual) != VKMOE_OK)
        return false;
    bool ok = same_number("blocks", expected->block_count, actual->blocks);
    ok = same_number("encoder blocks", expected->encoder_count, actual->encoder_blocks) && ok;
    SAME(hidden);
    SAME(vocabulary);
    if (!ok)
        return false;
    SAME(norm_epsilon);
    SAME(block_norm_epsilon);
    SAME(embedding_scale);
    SAME(residual_scale);
    SAME(logits_scale);
    SAME(max_positions);
    SAME(end_token_count);
    for (uint32_t i = 0; ok && i < actual->end_token_count; i++)
        SAME(end_tokens[i]);
    SAME(start_token);
    if ((actual->head.data == actual->embedding.data) != expected->tied) {
        tap_note("head and embedding are %stied", expected->tied ? "not " : "");
        ok = false;
    }
    uint32_t v = expected->vocabulary, d = expected->hidden;
    ok = same_view("embedding", expected->embedding, &frame.embedding, v, d) && ok;
    ok = same_view("head", expected->head, &frame.head, v, d) && ok;
    SAME(layer_norm);
    ok = same_view("final norm's bias", expected->final_norm_bias, &frame.final_norm_bias, 1, d)
        && ok;
    ok = same_view("head's bias", expected->head_bias, &frame.head_bias, 1, v) && ok;
    ok = same_view("encoder norm", expected->encoder_norm, &frame.encoder_norm, 1, d) && ok;
    return same_view("final norm", expected->final_norm, &frame.final_norm, 1, d) && ok;
}

static bool check_family(const struct whole_checkpoint *checkpoint)
{
    vkmoe_checkpoint *model;
    if (vkmoe_checkpoint_open(checkpoint->path, &printing_log, &model) != VKMOE_OK)
        return false;
    bool ok = check_frame(model, checkpoint), decoder = checkpoint->encoder_count > 0;
    for (uint32_t b = 0; b < checkpoint->block_count; b++)
        ok = check_block(model, checkpoint,
                 (struct vkmoe_block){
                     .index = b, .part = decoder ? VKMOE_PART_DECODER : VKMOE_PART_BLOCKS })
            && ok;
    for (uint32_t b = 0; b < checkpoint->encoder_count; b++)
        ok = check_block(model, checkpoint, (struct vkmoe_block){ .index = b }) && ok;
    vkmoe_checkpoint_destroy(&model);
    return ok;
}

static void test_families(struct tap *tap)
{
    const char *family;
    for (uint32_t i = 0; (family = whole_checkpoint_family(i)); i++) {
        char name[128];
        snprintf(name, sizeof name, "family/%s", family);
        if (!tap_wants(tap, name))
            continue;
        struct whole_checkpoint checkpoint;
        bool ok =
            whole_checkpoint_write(family, tap->seed, &checkpoint) && check_family(&checkpoint);
        tap_result(tap, ok, name);
        whole_checkpoint_finish(&checkpoint);
    }
}

// --------------------------------------------------------------------------- buckets

// The library's bucket of key - query: the expanded table of a bias that is its number.
static uint32_t bucket_of(uint32_t count, uint32_t max_distance, bool both_sides, int32_t distance)
{
    const struct setting counts[] = { { "count", count }, { "max_distance", max_distance } };
    struct settings settings = { .path = "config" };
    struct buckets buckets;
    vkmoe_buckets_read(&settings, &counts[0], &counts[1], both_sides, &buckets);
    float *numbers = allocate(count, sizeof(float));
    float *table = allocate((2 * (size_t)buckets.reach + 1), sizeof(float));
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = (float)i;
    vkmoe_buckets_expand(&buckets, numbers, 1, table);
    int32_t reach = (int32_t)buckets.reach;
    uint32_t bucket = (uint32_t)table[reach
        + (distance < -reach       ? -reach
                : distance > reach ? reach
                                   : distance)];
    free(numbers);
    free(table);
    return bucket;
}

// What T5's own function gives, with its 32 buckets and 128.
static const struct {
    bool both_sides;
    int32_t distance;
    uint32_t bucket;
} t5_buckets[] = { { true, 0, 0 }, { true, -1, 1 }, { true, 1, 17 }, { true, -7, 7 },
    { true, -8, 8 }, { true, -11, 8 }, { true, -12, 9 }, { true, -15, 9 }, { true, -16, 10 },
    { true, -23, 11 }, { true, -32, 12 }, { true, -64, 14 }, { true, -90, 14 }, { true, -91, 15 },
    { true, -127, 15 }, { true, 7, 23 }, { true, 8, 24 }, { true, 90, 30 }, { true, 200, 31 },
    { true, -100000, 15 }, { false, 0, 0 }, { false, 5, 0 }, { false, -1, 1 }, { false, -15, 15 },
    { false, -16, 16 }, { false, -18, 16 }, { false, -19, 17 }, { false, -64, 26 },
    { false, -112, 30 }, { false, -113, 31 }, { false, -1000000, 31 } };

static void test_buckets(struct tap *tap)
{
    static const uint32_t counts[][2] = { { 32, 128 }, { 32, 256 }, { 64, 128 }, { 320, 800 },
        { 4, 2 }, { 5, 1000 }, { 33, 128 }, { 6, 3 }, { 8, 300 }, { 100, 26 } };
    bool ok = true;
    if (!tap_wants(tap, "buckets"))
        return;
    for (size_t i = 0; i < sizeof(t5_buckets) / sizeof(t5_buckets[0]); i++) {
        bool both_sides = t5_buckets[i].both_sides;
        int32_t distance = t5_buckets[i].distance;
        char name[64];
        snprintf(name, sizeof name, "bucket of %d, %s", distance, both_sides ? "both" : "causal");
        ok = same_number(name, t5_buckets[i].bucket, bucket_of(32, 128, both_sides, distance))
            && same_number("in the test", t5_buckets[i].bucket,
                whole_checkpoint_bucket(32, 128, both_sides, distance))
            && ok;
    }
    for (size_t i = 0; i < 2 * sizeof(counts) / sizeof(counts[0]); i++) {
        uint32_t count = counts[i / 2][0], far = counts[i / 2][1];
        for (int32_t d = -(int32_t)far - 2; ok && d <= (int32_t)far + 2; d++) {
            char name[64];
            snprintf(name, sizeof name, "bucket of %d, %u and %u", d, count, far);
            ok = (i % 2 == 0 && far <= count / 2) // so the distances end before the exact ones
                || same_number(name, whole_checkpoint_bucket(count, far, i % 2, d),
                    bucket_of(count, far, i % 2, d));
        }
    }
    tap_result(tap, ok, "buckets");
}

// --------------------------------------------------------------------------- threads

enum { THREADS = 8 };

struct asker {
    vkmoe_checkpoint *model;
    struct vkmoe_attention_params params;
    bool ok;
};

static void *ask(void *user)
{
    struct asker *asker = user;
    asker->ok = true;
    asker->params.struct_size = sizeof asker->params;
    for (uint32_t b = 0; b < BLOCKS; b++)
        asker->ok = vkmoe_checkpoint_get_attention(
                        asker->model, (struct vkmoe_block){ .index = b }, &asker->params)
                == VKMOE_OK
            && asker->ok;
    return NULL;
}

static void test_threads(struct tap *tap)
{
    if (!tap_wants(tap, "threads"))
        return;
    vkmoe_checkpoint *model;
    bool ok =
        vkmoe_checkpoint_open(VKMOE_TEST_MODELS "/tiny-jetmoe", &printing_log, &model) == VKMOE_OK;
    pthread_t threads[THREADS];
    struct asker askers[THREADS];
    for (int i = 0; ok && i < THREADS; i++) {
        askers[i] = (struct asker){ .model = model };
        if (pthread_create(&threads[i], NULL, ask, &askers[i]) != 0)
            abort();
    }
    bool started = ok;
    for (int i = 0; started && i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ok = ok && askers[i].ok
            && askers[i].params.query.matrices == askers[0].params.query.matrices;
    }
    vkmoe_checkpoint_destroy(&model);
    tap_result(tap, ok, "threads");
}

int main(int argc, char **argv)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    test_families(&tap);
    test_buckets(&tap);
    test_recorded(&tap, "tiny-mixtral", NULL);
    test_recorded(&tap, "tiny-jetmoe", "logits_unwindowed");
    test_threads(&tap);
    return tap_end(&tap);
}
