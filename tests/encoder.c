// encoder.c - whole encoder-decoders on a device, from the ids of both sides to logits, against
// the double reference. Environment: harness.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "allocate.h"
#include "harness.h"
#include "net.h"
#include "host.h"
#include "network_reference.h"
#include "random.h"
#include "whole_checkpoints.h"

#define LOGITS_TOLERANCE 1e-3
#define BETWEEN_TOLERANCE 1e-4

enum {
    SEQUENCES = 3,
    LONGEST_INPUT = 29,
    CAPACITY = 24,
    TOKENS = 36, // of the decoder, the sequences' in turns
    MAX_CONFIG = 2048,
};

// Lengths of the sequences' inputs.
static const uint32_t input_lengths[SEQUENCES] = { 17, LONGEST_INPUT, 1 };

struct subject {
    struct harness *harness;
    struct whole_checkpoint checkpoint;
    struct reference_block decoder[WHOLE_CHECKPOINT_MAX_BLOCKS],
        encoder[WHOLE_CHECKPOINT_MAX_BLOCKS];
    struct reference_network reference; // borrows from the checkpoint
    vkmoe_checkpoint *model;
    vkmoe_model *network;
    uint32_t inputs[SEQUENCES][LONGEST_INPUT];
    uint32_t ids[TOKENS], positions[TOKENS], sequences[TOKENS];
    struct array input_ids[SEQUENCES], id_array, position_array, sequence_array, logits;
};

static void subject_finish(struct subject *s)
{
    for (uint32_t i = 0; i < SEQUENCES; i++)
        FINISH_ARRAYS(
            &s->input_ids[i], &s->id_array, &s->position_array, &s->sequence_array, &s->logits);
    vkmoe_model_destroy(&s->network);
    vkmoe_checkpoint_destroy(&s->model);
    whole_checkpoint_finish(&s->checkpoint);
}

static void borrow(const struct whole_checkpoint_block *from, const struct whole_checkpoint *c,
    uint32_t stack, struct reference_block *to)
{
    *to = (struct reference_block){
        .attention_norm = from->attention_norm,
        .attention = from->attention,
        .cross_norm = from->cross_norm,
        .cross = from->cross,
        .experts_norm = from->experts_norm,
        .experts = from->experts,
    };
    to->attention.position_bias = c->position_bias[stack];
    to->attention.position_reach = c->position_reach[stack];
}

static void borrow_all(struct subject *s)
{
    const struct whole_checkpoint *c = &s->checkpoint;
    for (uint32_t b = 0; b < c->encoder_count; b++)
        borrow(&c->encoder[b], c, 0, &s->encoder[b]);
    for (uint32_t b = 0; b < c->block_count; b++)
        borrow(&c->blocks[b], c, 1, &s->decoder[b]);
    s->reference = (struct reference_network){
        .hidden = c->hidden,
        .vocabulary = c->vocabulary,
        .block_count = c->block_count,
        .blocks = s->decoder,
        .embedding = c->embedding,
        .head = c->head,
        .final_norm = c->final_norm,
        .encoder_count = c->encoder_count,
        .encoder = s->encoder,
        .encoder_norm = c->encoder_norm,
        .norm_epsilon = c->norm_epsilon,
        .block_norm_epsilon = c->block_norm_epsilon,
        .embedding_scale = c->embedding_scale,
        .residual_scale = c->residual_scale,
        .logits_scale = c->logits_scale,
    };
}

// Another capacity, in config.json and in the reference.
static bool set_capacity(struct subject *s, uint32_t capacity)
{
    char config[MAX_CONFIG];
    const char *old = whole_checkpoint_config(s->checkpoint.family);
    const char *at = strstr(old, "\"expert_capacity\":");
    const char *begin = at ? at : strstr(old, "\"d_model\""),
               *rest = at ? strchr(at, ',') + 1 : begin;
    snprintf(config, sizeof(config), "%.*s\"expert_capacity\":%u,%s", (int)(begin - old), old,
        capacity, rest);
    for (uint32_t b = 0; b < WHOLE_CHECKPOINT_MAX_BLOCKS; b++)
        s->encoder[b].experts.capacity = s->decoder[b].experts.capacity = capacity;
    return whole_checkpoint_rewrite_config(&s->checkpoint, config);
}

static void make_ids(struct subject *s, uint64_t seed)
{
    struct rng rng = rng_for(seed, "encoder ids");
    for (uint32_t i = 0; i < SEQUENCES * LONGEST_INPUT; i++)
        s->inputs[i / LONGEST_INPUT][i % LONGEST_INPUT] = rng_below(&rng, s->reference.vocabulary);
    for (uint32_t t = 0; t < TOKENS; t++) {
        s->ids[t] = rng_below(&rng, s->reference.vocabulary);
        s->positions[t] = t / SEQUENCES;
        s->sequences[t] = t % SEQUENCES;
    }
}

static bool make_arrays(struct subject *s)
{
    vkmoe_device *device = s->harness->device;
    bool ok = true;
    for (uint32_t i = 0; ok && i < SEQUENCES; i++)
        ok = array_init(&s->input_ids[i], device, s->inputs[i], 4 * input_lengths[i], i == 1)
            && array_upload(&s->input_ids[i]);
    return ok && array_init(&s->id_array, device, s->ids, sizeof(s->ids), false)
        && array_init(&s->position_array, device, s->positions, sizeof(s->positions), false)
        && array_init(&s->sequence_array, device, s->sequences, sizeof(s->sequences), true)
        && array_init(
            &s->logits, device, NULL, sizeof(float) * TOKENS * s->reference.vocabulary, false)
        && array_upload(&s->id_array) && array_upload(&s->position_array)
        && array_upload(&s->sequence_array) && array_upload(&s->logits);
}

// `capacity` 0: the checkpoint's own. subject_finish() in any case.
static bool subject_init(struct subject *s, struct harness *harness, const char *family,
    uint32_t capacity, bool no_capacity, uint64_t seed)
{
    *s = (struct subject){ .harness = harness };
    harness->messages = 0;
    if (!whole_checkpoint_write(family, seed, &s->checkpoint))
        return false;
    borrow_all(s);
    make_ids(s, seed);
    if (capacity && !set_capacity(s, capacity))
        return false;
    for (uint32_t b = 0; no_capacity && b < WHOLE_CHECKPOINT_MAX_BLOCKS; b++)
        s->encoder[b].experts.capacity = s->decoder[b].experts.capacity = 0;
    const struct vkmoe_model_params params = {
        VKMOE_INIT(vkmoe_model_params),
        .sequences = SEQUENCES,
        .capacity = CAPACITY,
        .chunk = TOKENS,
        .encoder_capacity = LONGEST_INPUT,
        .expert_capacity =
            no_capacity ? VKMOE_EXPERT_CAPACITY_UNLIMITED : VKMOE_EXPERT_CAPACITY_TRAINED,
    };
    return is_ok(
               vkmoe_checkpoint_open(s->checkpoint.path, NULL, &s->model), "vkmoe_checkpoint_open")
        && is_ok(vkmoe_model_create(harness->device, s->model, &params, &s->network),
            "vkmoe_model_create")
        && make_arrays(s);
}

// ------------------------------------------------------------------------ on the device

static bool encode(struct subject *s, uint32_t sequence)
{
    const struct vkmoe_model_encode_params params = {
        VKMOE_INIT(vkmoe_model_encode_params),
        .sequence = sequence,
        .tokens = input_lengths[sequence],
        .ids = array_span(&s->input_ids[sequence]),
    };
    return is_ok(vkmoe_model_encode(s->harness->stream, s->network, &params), "vkmoe_model_encode");
}

static bool encode_all(struct subject *s)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < SEQUENCES; i++)
        ok = encode(s, i);
    return ok;
}

// Tokens `first` to `end - 1` in chunks.
static bool record_range(struct subject *s, uint32_t first, uint32_t end, uint32_t chunk)
{
    bool ok = true;
    for (uint32_t t = first; ok && t < end; t += chunk) {
        const uint32_t tokens = end - t < chunk ? end - t : chunk;
        struct vkmoe_model_forward_params params =
            forward_from(t, tokens, &s->id_array, &s->position_array, &s->sequence_array);
        params.logits = span_from(&s->logits, t * s->reference.vocabulary);
        params.logits_count = tokens;
        ok = is_ok(
            vkmoe_model_forward(s->harness->stream, s->network, &params), "vkmoe_model_forward");
    }
    return ok;
}

static bool record_decode(struct subject *s, uint32_t chunk)
{
    return record_range(s, 0, TOKENS, chunk);
}

static bool fetch_logits(struct subject *s)
{
    return array_download(&s->logits) && array_check("logits", &s->logits, false);
}

static bool decode(struct subject *s, uint32_t chunk)
{
    return record_decode(s, chunk) && harness_run(s->harness) && fetch_logits(s);
}

static double *expect(struct subject *s)
{
    double *logits = calloc((size_t)TOKENS * s->reference.vocabulary, sizeof(double));
    if (!logits)
        abort();
    struct reference_memory memory;
    reference_memory_init(&memory, &s->reference, SEQUENCES,
        CAPACITY > LONGEST_INPUT ? CAPACITY : LONGEST_INPUT, VKMOE_DTYPE_F32);
    for (uint32_t i = 0; i < SEQUENCES; i++)
        reference_network_encode(&s->reference, i, input_lengths[i], s->inputs[i], &memory);
    reference_network_forward(
        &s->reference, TOKENS, s->ids, s->positions, s->sequences, &memory, logits, NULL, NULL);
    reference_memory_finish(&memory);
    return logits;
}

static bool compare(const struct subject *s, const double *logits, double tolerance)
{
    struct compare_result result = compare_floats("logits", logits, array_range(&s->logits),
        (uint64_t)TOKENS * s->reference.vocabulary, s->reference.vocabulary, tolerance);
    tap_note("error %.2g of rms", result.error);
    return result.ok;
}

static bool is_as_expected(struct subject *s)
{
    double *logits = expect(s);
    const bool ok = compare(s, logits, LOGITS_TOLERANCE);
    free(logits);
    return ok;
}

// The end of a test: `ok`, and the validation layer said nothing.
static bool subject_end(struct subject *s, bool ok)
{
    ok = ok && !s->harness->messages;
    subject_finish(s);
    return ok;
}

// -------------------------------------------------------------------------------- tests

static bool check_with(struct harness *harness, const char *family, uint32_t capacity,
    bool no_capacity, uint64_t seed, bool (*check)(struct subject *s))
{
    struct subject s;
    return subject_end(
        &s, subject_init(&s, harness, family, capacity, no_capacity, seed) && check(&s));
}

// The rows of logits, to be compared with later ones.
static double *keep_logits(const struct subject *s)
{
    const size_t count = (size_t)TOKENS * s->reference.vocabulary;
    double *kept = allocate(count, sizeof(double));
    for (size_t i = 0; i < count; i++)
        kept[i] = ((const float *)array_range(&s->logits))[i];
    return kept;
}

// Inputs in any order; the decoder at once.
static bool check_family(struct subject *s)
{
    return encode(s, 1) && encode(s, 0) && encode(s, 2) && decode(s, TOKENS) && is_as_expected(s);
}

// Tokens one by one and in chunks give what all at once do: a capacity turns the same ones away.
static bool check_chunks(struct subject *s)
{
    if (!encode_all(s) || !decode(s, TOKENS))
        return false;
    double *once = keep_logits(s);
    const bool ok = decode(s, 7) && compare(s, once, BETWEEN_TOLERANCE) && decode(s, 1)
        && compare(s, once, BETWEEN_TOLERANCE);
    free(once);
    return ok;
}

// One step, recorded once and repeated with other ids and places, gives what all at once do.
static bool check_repeats(
    struct harness *harness, const char *family, uint32_t capacity, uint64_t seed)
{
    struct subject s;
    vkmoe_buffer *step = NULL;
    bool ok = subject_init(&s, harness, family, capacity, false, seed) && encode_all(&s)
        && decode(&s, TOKENS);
    double *once = ok ? keep_logits(&s) : NULL;
    const size_t row = sizeof(float) * (ok ? s.reference.vocabulary : 0);
    ok = ok && is_ok(vkmoe_buffer_create(harness->device, 12 + row, &step), "vkmoe_buffer_create");
    for (uint32_t t = 0; ok && t < TOKENS; t++) {
        const uint32_t words[3] = { s.ids[t], s.positions[t], s.sequences[t] };
        ok = is_ok(vkmoe_buffer_upload(step, 0, words, sizeof words), "vkmoe_buffer_upload");
        if (ok && t == 0)
            ok = is_ok(
                     vkmoe_model_forward(harness->stream, s.network,
                         &(struct vkmoe_model_forward_params){
                             VKMOE_INIT(vkmoe_model_forward_params), .tokens = 1,
                             .ids = { step, 0 }, .positions = { step, 4 }, .sequences = { step, 8 },
                             .longest = CAPACITY, .logits = { step, 12 }, .logits_count = 1 }),
                     "vkmoe_model_forward")
                && harness_run(harness);
        else if (ok)
            ok = is_ok(vkmoe_stream_repeat(harness->stream, NULL), "vkmoe_stream_repeat")
                && is_ok(vkmoe_stream_wait(harness->stream, UINT64_MAX), "vkmoe_stream_wait");
        ok = ok
            && is_ok(
                vkmoe_buffer_download(step, 12, s.logits.after + s.logits.offset + t * row, row),
                "vkmoe_buffer_download");
    }
    ok = ok && compare(&s, once, BETWEEN_TOLERANCE);
    free(once);
    vkmoe_buffer_destroy(&step);
    return subject_end(&s, ok);
}

// What the tokens are, not when they come, decides: in reverse within a forward, or each
// sequence in forwards of its own.
static bool check_orders(
    struct harness *harness, const char *family, uint32_t capacity, uint64_t seed)
{
    struct subject s;
    bool ok = subject_init(&s, harness, family, capacity, false, seed) && encode_all(&s)
        && decode(&s, TOKENS);
    double *once = ok ? keep_logits(&s) : NULL;
    double *moved = calloc(TOKENS, sizeof(double) * (ok ? s.reference.vocabulary : 1));
    if (!moved)
        abort();
    for (uint32_t order = 0; ok && order < 2; order++) {
        for (uint32_t t = 0; t < TOKENS; t++) {
            const uint32_t from_t = order == 0
                ? TOKENS - 1 - t
                : t % (TOKENS / SEQUENCES) * SEQUENCES + t / (TOKENS / SEQUENCES);
            ((uint32_t *)array_input(&s.id_array))[t] = s.ids[from_t];
            ((uint32_t *)array_input(&s.position_array))[t] = s.positions[from_t];
            ((uint32_t *)array_input(&s.sequence_array))[t] = s.sequences[from_t];
            memcpy(moved + t * s.reference.vocabulary, once + from_t * s.reference.vocabulary,
                s.reference.vocabulary * sizeof(double));
        }
        ok = array_upload(&s.id_array) && array_upload(&s.position_array)
            && array_upload(&s.sequence_array)
            && decode(&s, order == 0 ? TOKENS : TOKENS / SEQUENCES)
            && compare(&s, moved, BETWEEN_TOLERANCE);
    }
    free(moved);
    free(once);
    return subject_end(&s, ok);
}

// A text that goes on differently from an earlier position leaves nothing of what was there:
// its logits have the bits that they have where nothing was.
static bool check_rewind(
    struct harness *harness, const char *family, uint32_t capacity, uint64_t seed)
{
    enum { KEPT = TOKENS / 3 };
    struct subject s;
    unsigned char *first = NULL;
    bool ok = subject_init(&s, harness, family, capacity, false, seed) && encode_all(&s)
        && decode(&s, KEPT);
    uint32_t other[TOKENS - KEPT];
    struct rng rng = rng_for(seed, "rewind ids");
    for (uint32_t i = 0; i < TOKENS - KEPT; i++)
        other[i] = rng_below(&rng, ok ? s.reference.vocabulary : 1);
    for (uint32_t turn = 0; ok && turn < 2; turn++) {
        if (turn == 1) {
            subject_finish(&s);
            ok = subject_init(&s, harness, family, capacity, false, seed) && encode_all(&s);
        }
        memcpy((uint32_t *)array_input(&s.id_array) + KEPT, other, sizeof other);
        ok = ok && array_upload(&s.id_array) && record_range(&s, turn == 0 ? KEPT : 0, TOKENS, KEPT)
            && harness_run(harness) && fetch_logits(&s);
        if (ok && turn == 0) {
            first = allocate(s.logits.size, 1);
            memcpy(first, array_range(&s.logits), s.logits.size);
        } else if (ok && memcmp(first, array_range(&s.logits), s.logits.size)) {
            tap_note("what was there before is remembered");
            ok = false;
        }
    }
    free(first);
    return subject_end(&s, ok);
}

// One sequence's input changes: the others' logits keep their bits, its own do not.
static bool check_independence(struct subject *s)
{
    if (!encode_all(s) || !decode(s, TOKENS))
        return false;
    const size_t row = s->reference.vocabulary * sizeof(float);
    unsigned char *before = allocate(TOKENS, row);
    memcpy(before, array_range(&s->logits), TOKENS * row);
    uint32_t *input = array_input(&s->input_ids[1]);
    input[LONGEST_INPUT / 2] = (input[LONGEST_INPUT / 2] + 1) % s->reference.vocabulary;
    bool ok = array_upload(&s->input_ids[1]) && encode(s, 1) && decode(s, TOKENS);
    for (uint32_t t = 0; ok && t < TOKENS; t++) {
        const unsigned char *after = (const unsigned char *)array_range(&s->logits) + t * row;
        bool is_same = !memcmp(before + t * row, after, row);
        if (is_same != (s->sequences[t] != 1)) {
            tap_note("token %u of sequence %u %s", t, s->sequences[t],
                is_same ? "did not notice its input" : "noticed another's input");
            ok = false;
        }
    }
    free(before);
    return ok;
}

// A shorter input after a longer one leaves nothing of it.
static bool check_again(struct subject *s)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < SEQUENCES; i++)
        ok = is_ok(
            vkmoe_model_encode(s->harness->stream, s->network,
                &(struct vkmoe_model_encode_params){ VKMOE_INIT(vkmoe_model_encode_params),
                    .sequence = i, .tokens = LONGEST_INPUT, .ids = array_span(&s->input_ids[1]) }),
            "vkmoe_model_encode");
    return ok && encode_all(s) && decode(s, TOKENS) && is_as_expected(s);
}

// Of a program that has the device and the command buffer.
static bool run_as_guest(struct subject *s, struct host *host)
{
    vkmoe_stream *stream = s->harness->stream;
    if (!is_ok(vkmoe_stream_reserve(stream, vkmoe_model_scratch_size(s->network)), "reserve"))
        return false;
    VkCommandBuffer commands = host_begin(host);
    bool ok = commands && is_ok(vkmoe_stream_record_begin(stream, commands), "record_begin")
        && encode_all(s) && record_decode(s, TOKENS);
    ok = is_ok(vkmoe_stream_record_end(stream), "record_end") && ok;
    return commands && host_run(host, commands) && ok && fetch_logits(s);
}

// Inputs and tokens recorded into a caller's command buffer give the bits that the library's
// own does.
static bool check_guest(struct harness *harness, const char *family, uint64_t seed)
{
    struct host host;
    struct subject own = { 0 }, guest = { 0 };
    struct harness visitor = { 0 };
    bool ok = host_init(&host, true);
    struct vkmoe_adopt_params params = { VKMOE_INIT(vkmoe_adopt_params) };
    if (ok)
        params = host_adopt_params(&host);
    params.log = harness_log(&visitor);
    ok = ok && is_ok(vkmoe_device_adopt(&params, &visitor.device), "adopt")
        && is_ok(vkmoe_stream_create(visitor.device, &visitor.stream), "stream")
        && subject_init(&own, harness, family, 0, false, seed) && encode_all(&own)
        && decode(&own, TOKENS) && subject_init(&guest, &visitor, family, 0, false, seed)
        && run_as_guest(&guest, &host);
    if (ok && memcmp(array_range(&own.logits), array_range(&guest.logits), own.logits.size)) {
        tap_note("a caller's command buffer gives other logits");
        ok = false;
    }
    subject_finish(&guest);
    subject_finish(&own);
    vkmoe_stream_destroy(&visitor.stream);
    vkmoe_device_destroy(&visitor.device);
    host_finish(&host);
    return ok && !harness->messages && !visitor.messages;
}

static bool check_refusals(struct subject *s)
{
    struct harness *harness = s->harness;
    const struct vkmoe_span ids = array_span(&s->input_ids[1]);
    const struct vkmoe_span outside = { ids.buffer, vkmoe_buffer_size(ids.buffer) - 12 };
    const struct vkmoe_model_encode_params wrong[] = {
        { VKMOE_INIT(vkmoe_model_encode_params), .tokens = 0, .ids = ids },
        { VKMOE_INIT(vkmoe_model_encode_params), .tokens = LONGEST_INPUT + 1, .ids = ids },
        { VKMOE_INIT(vkmoe_model_encode_params), .tokens = 4 },
        { VKMOE_INIT(vkmoe_model_encode_params), .sequence = SEQUENCES, .tokens = 4, .ids = ids },
        { VKMOE_INIT(vkmoe_model_encode_params), .tokens = 4, .ids = outside },
        { VKMOE_INIT(vkmoe_model_encode_params), .tokens = UINT32_MAX, .ids = ids },
    };
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        harness->messages = 0;
        enum vkmoe_status status = vkmoe_model_encode(harness->stream, s->network, &wrong[i]);
        ok = is_refused(harness, "vkmoe_model_encode", status, VKMOE_ERROR_INVALID);
        if (!ok)
            tap_note("in call %u", (unsigned)i);
    }
    harness->messages = 0;
    return ok;
}

static bool check_without_encoder(struct harness *harness, const char *family, uint64_t seed)
{
    struct whole_checkpoint checkpoint;
    vkmoe_checkpoint *model = NULL;
    vkmoe_model *network = NULL;
    bool ok = whole_checkpoint_write(family, seed, &checkpoint)
        && is_ok(vkmoe_checkpoint_open(checkpoint.path, NULL, &model), "vkmoe_checkpoint_open")
        && is_ok(vkmoe_model_create(harness->device, model,
                     &(struct vkmoe_model_params){ VKMOE_INIT(vkmoe_model_params) }, &network),
            "vkmoe_model_create");
    harness->messages = 0;
    ok = ok
        && is_refused(harness, "vkmoe_model_encode",
            vkmoe_model_encode(harness->stream, network,
                &(struct vkmoe_model_encode_params){
                    VKMOE_INIT(vkmoe_model_encode_params), .tokens = 1 }),
            VKMOE_ERROR_UNSUPPORTED);
    harness->messages = 0;
    vkmoe_model_destroy(&network);
    vkmoe_checkpoint_destroy(&model);
    whole_checkpoint_finish(&checkpoint);
    return ok;
}

static void check_all(struct tap *tap, struct harness *harness)
{
    static const char tied[] = "switch_transformers", untied[] = "switch_transformers-untied";
    TAP_TEST(tap, "switch", check_with(harness, tied, 0, false, tap->seed, check_family));
    TAP_TEST(
        tap, "switch-capacity-2", check_with(harness, tied, 2, false, tap->seed, check_family));
    TAP_TEST(
        tap, "switch-no-capacity", check_with(harness, tied, 2, true, tap->seed, check_family));
    TAP_TEST(
        tap, "switch-untied-bf16", check_with(harness, untied, 0, false, tap->seed, check_family));
    TAP_TEST(tap, "switch-untied-capacity-1",
        check_with(harness, untied, 1, false, tap->seed, check_family));
    TAP_TEST(tap, "chunks", check_with(harness, tied, 0, false, tap->seed, check_chunks));
    TAP_TEST(
        tap, "chunks-capacity-2", check_with(harness, tied, 2, false, tap->seed, check_chunks));
    TAP_TEST(tap, "chunks-untied-capacity-1",
        check_with(harness, untied, 1, false, tap->seed, check_chunks));
    TAP_TEST(tap, "repeats-capacity-2", check_repeats(harness, tied, 2, tap->seed));
    TAP_TEST(tap, "orders-capacity-2", check_orders(harness, tied, 2, tap->seed));
    TAP_TEST(tap, "rewind-capacity-2", check_rewind(harness, tied, 2, tap->seed));
    TAP_TEST(
        tap, "independence", check_with(harness, tied, 0, true, tap->seed, check_independence));
    TAP_TEST(tap, "another-input", check_with(harness, tied, 0, false, tap->seed, check_again));
    TAP_TEST(tap, "caller's-command-buffer", check_guest(harness, tied, tap->seed));
    TAP_TEST(tap, "refusals", check_with(harness, tied, 0, false, tap->seed, check_refusals));
    TAP_TEST(tap, "without-encoder", check_without_encoder(harness, "mixtral", tap->seed));
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_all);
}
