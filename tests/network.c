// network.c - whole models on a device, token ids in and logits out: the tiny models against what
// was recorded, generated small ones of every family against the reference. Environment: harness.h.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compare.h"
#include "harness.h"
#include "net.h"
#include "network_reference.h"
#include "random.h"
#include "recorded.h"
#include "whole_checkpoints.h"

#define LOGITS_TOLERANCE 1e-3  // against other implementations
#define BETWEEN_TOLERANCE 1e-4 // between ways to cut one prompt

// ------------------------------------------------------------------------ tiny models

struct sample {
    uint32_t ids[RECORDED_TOKENS], positions[RECORDED_TOKENS];
};

static bool read_sample(const char *model, struct sample *sample)
{
    int32_t *ids = recorded_ids(model, "tokens", RECORDED_TOKENS);
    for (uint32_t t = 0; ids && t < RECORDED_TOKENS; t++) {
        sample->ids[t] = (uint32_t)ids[t];
        sample->positions[t] = t;
    }
    free(ids);
    return ids;
}

// Logits within the tolerance, a tenth of it on average, and the same largest one wherever two
// differ by more.
static bool check_recorded_logits(
    const struct net *net, const char *model, const char *file, double tolerance)
{
    enum { COUNT = RECORDED_TOKENS * RECORDED_VOCABULARY };
    float *recorded = recorded_floats(model, file, COUNT);
    double *expected = calloc(COUNT, sizeof(double));
    if (!recorded || !expected) {
        free(recorded);
        free(expected);
        return false;
    }
    for (int i = 0; i < COUNT; i++)
        expected[i] = recorded[i];
    const float *logits = array_range(&net->logits);
    struct compare_result result =
        compare_floats(file, expected, logits, COUNT, RECORDED_VOCABULARY, tolerance);
    tap_note("error %.2g of rms", result.error);
    result.ok = result.ok && compare_rms(file, expected, logits, COUNT, tolerance / 10);
    for (uint32_t t = 0; result.ok && t < RECORDED_TOKENS; t++) {
        const size_t row = (size_t)t * RECORDED_VOCABULARY;
        uint32_t best = largest_of(recorded + row, RECORDED_VOCABULARY);
        uint32_t own = largest_of(logits + row, RECORDED_VOCABULARY);
        if (best != own && tolerance <= LOGITS_TOLERANCE) {
            tap_note("token %" PRIu32 ": the largest logit is %" PRIu32 ", expected %" PRIu32, t,
                own, best);
            result.ok = false;
        }
    }
    free(recorded);
    free(expected);
    return result.ok;
}

static bool check_recorded_experts(
    const struct net *net, const char *model, const char *what, const struct array *array)
{
    bool ok = true;
    for (uint32_t b = 0; ok && b < RECORDED_BLOCKS; b++) {
        char file[64];
        snprintf(file, sizeof(file), "layer%" PRIu32 "_%s_expert_ids", b, what);
        int32_t *recorded = recorded_ids(model, file, 2 * RECORDED_TOKENS);
        const int32_t *ids = array_range(array);
        ok = recorded
            && compare_ids(
                file, recorded, ids + (size_t)b * net->tokens * 2, 2 * RECORDED_TOKENS, 2);
        free(recorded);
    }
    return ok;
}

static bool check_prefill(struct harness *harness, const char *model)
{
    struct net net;
    struct sample sample;
    bool ok = net_init(&net, harness, model_path(model), NULL) && read_sample(model, &sample)
        && net_batch(&net, RECORDED_TOKENS, sample.ids, sample.positions, NULL, RECORDED_TOKENS, 2)
        && net_run(&net, RECORDED_TOKENS)
        && check_recorded_logits(&net, model, "logits", LOGITS_TOLERANCE)
        && check_recorded_experts(&net, model, "moe", &net.expert_ids);
    if (ok && strcmp(model, "tiny-jetmoe") == 0)
        ok = check_recorded_experts(&net, model, "attention", &net.attention_expert_ids);
    if (ok) { // again, on what is there: the same bits
        unsigned char *first = malloc(net.logits.total);
        if (!first)
            abort();
        memcpy(first, net.logits.after, net.logits.total);
        ok = net_run(&net, RECORDED_TOKENS)
            && compare_bits("second run", first, net.logits.after, net.logits.total);
        free(first);
    }
    return net_end(&net, ok);
}

// At once, in chunks of 7, and token by token, each with a network of its own.
static bool check_chunks(struct harness *harness, const char *model)
{
    enum { COUNT = RECORDED_TOKENS * RECORDED_VOCABULARY };
    static const uint32_t chunks[] = { RECORDED_TOKENS, 7, 1 };
    struct net net;
    struct sample sample;
    double *once = calloc(COUNT, sizeof(double));
    bool ok = once && net_init(&net, harness, model_path(model), NULL)
        && read_sample(model, &sample)
        && net_batch(&net, RECORDED_TOKENS, sample.ids, sample.positions, NULL, RECORDED_TOKENS, 0);
    for (int i = 0; ok && i < 3; i++) {
        ok = net_renew(&net,
                 &(struct vkmoe_model_params){ VKMOE_INIT(vkmoe_model_params), .chunk = chunks[i],
                     .capacity = RECORDED_TOKENS })
            && net_run(&net, chunks[i]);
        const float *logits = array_range(&net.logits);
        tap_note("chunks of %" PRIu32, chunks[i]);
        for (int j = 0; ok && i == 0 && j < COUNT; j++)
            once[j] = logits[j];
        ok = ok && check_recorded_logits(&net, model, "logits", LOGITS_TOLERANCE)
            && compare_floats(
                "against all at once", once, logits, COUNT, RECORDED_VOCABULARY, BETWEEN_TOLERANCE)
                   .ok;
    }
    free(once);
    return net_end(&net, ok);
}

// The prompt, then one token after another.
static bool check_greedy(struct harness *harness, const char *model)
{
    struct net net;
    struct sample sample;
    int32_t *recorded = recorded_ids(model, "greedy_tokens", RECORDED_GREEDY);
    bool ok = recorded && net_init(&net, harness, model_path(model), NULL)
        && read_sample(model, &sample)
        && net_batch(&net, RECORDED_PROMPT, sample.ids, sample.positions, NULL, 1, 0)
        && net_run(&net, RECORDED_PROMPT);
    for (uint32_t t = 0; ok && t < RECORDED_PROMPT; t++)
        ok = recorded[t] == (int32_t)sample.ids[t];
    for (uint32_t t = RECORDED_PROMPT; ok && t < RECORDED_GREEDY; t++) {
        uint32_t next = largest_of(array_range(&net.logits), RECORDED_VOCABULARY);
        if ((int32_t)next != recorded[t]) {
            tap_note("token %" PRIu32 " is %" PRIu32 ", expected %" PRId32, t, next, recorded[t]);
            ok = false;
            break;
        }
        if (t == RECORDED_PROMPT)
            ok = net_batch(&net, 1, &next, &t, NULL, 1, 0);
        memcpy(array_input(&net.ids), &next, sizeof(next));
        memcpy(array_input(&net.positions), &t, sizeof(t));
        ok = ok && net_run(&net, 1);
    }
    free(recorded);
    return net_end(&net, ok);
}

// Decodes tokens 48 to 67 of the sample, one by one: recorded once and then repeated, or
// recorded for each. The logits go to [20][vocabulary].
static bool decode_sample(struct net *net, const struct sample *sample, bool repeat, float *logits)
{
    enum { FIRST = RECORDED_PROMPT, STEPS = 20 };
    const uint32_t *ids = sample->ids, *positions = sample->positions;
    net->longest = 0;
    bool ok = net_renew(net, NULL) && net_batch(net, FIRST, ids, positions, NULL, 0, 0)
        && net_run(net, FIRST) && net_batch(net, 1, ids + FIRST, positions + FIRST, NULL, 1, 0);
    net->longest = 128;
    for (uint32_t t = 0; ok && t < STEPS; t++) {
        memcpy(array_input(&net->ids), ids + FIRST + t, sizeof(*ids));
        memcpy(array_input(&net->positions), positions + FIRST + t, sizeof(*positions));
        if (t == 0 || !repeat)
            ok = net_run(net, 1);
        else
            ok = net_upload(net)
                && is_ok(vkmoe_stream_repeat(net->harness->stream, NULL), "vkmoe_stream_repeat")
                && is_ok(vkmoe_stream_wait(net->harness->stream, UINT64_MAX), "vkmoe_stream_wait")
                && net_download(net);
        if (ok)
            memcpy(logits + (size_t)t * net->frame.vocabulary, array_range(&net->logits),
                net->logits.size);
    }
    return ok;
}

// A step that is recorded once and repeated has the bits of one that is recorded each time.
static bool check_repeat(struct harness *harness, const char *model)
{
    enum { COUNT = 20 * RECORDED_VOCABULARY };
    struct net net;
    struct sample sample;
    float *recorded = calloc(COUNT, sizeof(float)), *repeated = calloc(COUNT, sizeof(float));
    if (!recorded || !repeated)
        abort();
    bool ok = net_init(&net, harness, model_path(model), NULL) && read_sample(model, &sample)
        && decode_sample(&net, &sample, false, recorded)
        && decode_sample(&net, &sample, true, repeated)
        && compare_bits("logits", recorded, repeated, COUNT * sizeof(float));
    free(recorded);
    free(repeated);
    return net_end(&net, ok);
}

// A cache that rounds changes little, see docs/semantics.md, B.3.
static bool check_cache(
    struct harness *harness, const char *model, enum vkmoe_dtype dtype, double tolerance)
{
    struct net net;
    struct sample sample;
    bool ok =
        net_init(&net, harness, model_path(model),
            &(struct vkmoe_model_params){ VKMOE_INIT(vkmoe_model_params), .cache_dtype = dtype })
        && read_sample(model, &sample)
        && net_batch(&net, RECORDED_TOKENS, sample.ids, sample.positions, NULL, RECORDED_TOKENS, 0)
        && net_run(&net, RECORDED_TOKENS)
        && check_recorded_logits(&net, model, "logits", tolerance);
    return net_end(&net, ok);
}

static bool check_caches(struct harness *harness, const char *model)
{
    return check_cache(harness, model, VKMOE_DTYPE_F16, 2e-2)
        && (strcmp(model, "tiny-jetmoe") != 0
            || check_cache(harness, model, VKMOE_DTYPE_Q8_0, 0.3));
}

// Three sequences that take turns, the middle one changed: the others keep their bits, in
// the prompt and in the tokens that follow one by one.
static bool check_sequences(struct harness *harness, const char *model)
{
    enum { SEQUENCES = 3, EACH = 40, STEPS = 6, TOKENS = SEQUENCES * EACH };
    enum { PROMPT = TOKENS - SEQUENCES * STEPS, ROW = RECORDED_VOCABULARY * sizeof(float) };
    struct net net;
    struct sample sample;
    uint32_t ids[TOKENS], positions[TOKENS], sequences[TOKENS];
    unsigned char *first = NULL;
    bool ok = net_init(&net, harness, model_path(model), NULL) && read_sample(model, &sample);
    for (uint32_t changed = 0; ok && changed < 2; changed++) {
        for (uint32_t t = 0; t < TOKENS; t++) {
            sequences[t] = t % SEQUENCES;
            positions[t] = t / SEQUENCES;
            ids[t] = sample.ids[positions[t] + sequences[t] * EACH];
            if (sequences[t] == 1 && changed)
                ids[t] = sample.ids[RECORDED_TOKENS - 1 - positions[t]];
        }
        ok = net_renew(&net,
                 &(struct vkmoe_model_params){
                     VKMOE_INIT(vkmoe_model_params), .sequences = SEQUENCES, .capacity = EACH })
            && net_batch(&net, TOKENS, ids, positions, sequences, TOKENS, 0) && net_upload(&net)
            && net_record(&net, 0, PROMPT);
        for (uint32_t t = PROMPT; ok && t < TOKENS; t += SEQUENCES)
            ok = net_record(&net, t, SEQUENCES);
        ok = ok && harness_run(harness) && net_download(&net);
        if (ok && !changed) {
            first = malloc(net.logits.total);
            if (!first)
                abort();
            memcpy(first, net.logits.after, net.logits.total);
        }
    }
    for (uint32_t t = 0; ok && t < TOKENS; t++) {
        char what[64];
        size_t at = net.logits.offset + (size_t)t * ROW;
        snprintf(what, sizeof(what), "sequence %" PRIu32 ", position %" PRIu32, sequences[t],
            positions[t]);
        if (sequences[t] != 1)
            ok = compare_bits(what, first + at, net.logits.after + at, ROW);
        else if (!memcmp(first + at, net.logits.after + at, ROW))
            ok = sample.ids[EACH + positions[t]] == sample.ids[RECORDED_TOKENS - 1 - positions[t]];
    }
    free(first);
    return net_end(&net, ok);
}

// Logits of the last tokens only, and of none; ids beyond the vocabulary.
static bool check_logits_count(struct harness *harness, const char *model)
{
    enum { TOKENS = 20, LAST = 3 };
    struct net net;
    struct sample sample;
    double all[TOKENS * RECORDED_VOCABULARY];
    bool ok = net_init(&net, harness, model_path(model), NULL) && read_sample(model, &sample);
    sample.ids[4] = RECORDED_VOCABULARY - 1;
    ok = ok && net_batch(&net, TOKENS, sample.ids, sample.positions, NULL, TOKENS, 0)
        && net_run(&net, TOKENS);
    const float *logits = array_range(&net.logits);
    for (int i = 0; ok && i < TOKENS * RECORDED_VOCABULARY; i++)
        all[i] = logits[i];
    sample.ids[4] = UINT32_MAX;
    ok = ok && net_batch(&net, TOKENS, sample.ids, sample.positions, NULL, LAST, 0)
        && net_run(&net, TOKENS)
        && compare_floats("the last", all + (TOKENS - LAST) * RECORDED_VOCABULARY,
            array_range(&net.logits), LAST * RECORDED_VOCABULARY, RECORDED_VOCABULARY, 1e-5)
               .ok;
    // None for the first part, which has to be remembered all the same.
    ok = ok && net_renew(&net, NULL)
        && net_batch(&net, TOKENS - 1, sample.ids, sample.positions, NULL, 0, 0)
        && net_run(&net, TOKENS - 1)
        && net_batch(&net, 1, sample.ids + TOKENS - 1, sample.positions + TOKENS - 1, NULL, 1, 0)
        && net_run(&net, 1)
        && compare_floats("the last alone", all + (TOKENS - 1) * RECORDED_VOCABULARY,
            array_range(&net.logits), RECORDED_VOCABULARY, RECORDED_VOCABULARY, BETWEEN_TOLERANCE)
               .ok;
    return net_end(&net, ok);
}

// A copy of tiny-jetmoe's config without the windows, beside a link to its weights.
static bool make_unwindowed(char *directory)
{
    char path[1100], weights[1100], text[4096];
    snprintf(path, sizeof(path), "%s/config.json", model_path("tiny-jetmoe"));
    snprintf(weights, sizeof(weights), "%s/model.safetensors", model_path("tiny-jetmoe"));
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file)
        fclose(file);
    text[size] = '\0';
    char *begin = strstr(text, "\"attention_expert_windows\"");
    char *end = begin ? strstr(begin, "],") : NULL;
    if (!end || !mkdtemp(directory))
        return false;
    memmove(begin, end + 2, strlen(end + 2) + 1);
    snprintf(path, sizeof(path), "%s/model.safetensors", directory);
    if (symlink(weights, path))
        return false;
    snprintf(path, sizeof(path), "%s/config.json", directory);
    file = fopen(path, "wb");
    bool ok = file && fwrite(text, strlen(text), 1, file) == 1;
    return file && fclose(file) == 0 && ok;
}

static bool check_unwindowed(struct harness *harness, const char *model)
{
    char directory[] = "/tmp/vkmoe-unwindowed-XXXXXX", path[64];
    struct net net = { 0 };
    struct sample sample;
    bool ok = make_unwindowed(directory) && net_init(&net, harness, directory, NULL)
        && read_sample(model, &sample)
        && net_batch(&net, RECORDED_TOKENS, sample.ids, sample.positions, NULL, RECORDED_TOKENS, 0)
        && net_run(&net, RECORDED_TOKENS)
        && check_recorded_logits(&net, model, "logits_unwindowed", LOGITS_TOLERANCE);
    net_finish(&net);
    snprintf(path, sizeof(path), "%s/config.json", directory);
    unlink(path);
    snprintf(path, sizeof(path), "%s/model.safetensors", directory);
    unlink(path);
    rmdir(directory);
    return ok && !harness->messages;
}

// ------------------------------------------------------------------- generated models

// The checkpoint's arrays in the form that the reference takes; they stay the checkpoint's.
static struct reference_network borrow(
    const struct whole_checkpoint *c, struct reference_block *blocks)
{
    for (uint32_t b = 0; b < c->block_count; b++) {
        blocks[b] = (struct reference_block){
            .attention_norm = c->blocks[b].attention_norm,
            .attention = c->blocks[b].attention,
            .experts_norm = c->blocks[b].experts_norm,
            .attention_norm_bias = c->blocks[b].attention_norm_bias,
            .experts_norm_bias = c->blocks[b].experts_norm_bias,
            .attention_post_norm = c->blocks[b].attention_post_norm,
            .post_norm = c->blocks[b].post_norm,
            .post_epsilon = c->post_epsilon,
            .experts = c->blocks[b].experts,
        };
    }
    return (struct reference_network){ .hidden = c->hidden,
        .vocabulary = c->vocabulary,
        .block_count = c->block_count,
        .blocks = blocks,
        .embedding = c->embedding,
        .head = c->head,
        .final_norm = c->final_norm,
        .layer_norm = c->layer_norm,
        .final_norm_bias = c->final_norm_bias,
        .head_bias = c->head_bias,
        .norm_epsilon = c->norm_epsilon,
        .block_norm_epsilon = c->block_norm_epsilon,
        .embedding_scale = c->embedding_scale,
        .residual_scale = c->residual_scale,
        .logits_scale = c->logits_scale };
}

// A checkpoint with RoPE that is not its own, or one whose forwards know how long the text is.
struct change {
    const char *settings; // in front of those of config.json; NULL: it is as it was
    struct vkmoe_rope rope;
    uint32_t longest; // of every forward
};

static bool change_checkpoint(struct whole_checkpoint *c, const struct change *change)
{
    char config[2048];
    if (!change->settings)
        return true;
    snprintf(
        config, sizeof(config), "{%s,%s", change->settings, whole_checkpoint_config(c->family) + 1);
    for (uint32_t b = 0; b < c->block_count; b++)
        c->blocks[b].attention.rope = change->rope;
    return whole_checkpoint_rewrite_config(c, config);
}

// A prompt for two sequences and a few single tokens, against the double reference.
static bool check_family(
    struct harness *harness, const char *family, const struct change *change, uint64_t seed)
{
    enum { PROMPT = 38, TOKENS = 42, CAPACITY = 24 };
    struct whole_checkpoint checkpoint;
    struct reference_block blocks[WHOLE_CHECKPOINT_MAX_BLOCKS];
    struct net net = { 0 };
    uint32_t ids[TOKENS], positions[TOKENS], sequences[TOKENS];
    double *logits = NULL;
    bool ok = whole_checkpoint_write(family, seed, &checkpoint)
        && (!change || change_checkpoint(&checkpoint, change))
        && net_init(&net, harness, checkpoint.path,
            &(struct vkmoe_model_params){ VKMOE_INIT(vkmoe_model_params), .sequences = 2,
                .capacity = CAPACITY, .chunk = TOKENS });
    if (ok) {
        struct rng rng = rng_for(seed, family);
        struct reference_network reference = borrow(&checkpoint, blocks);
        struct reference_memory memory;
        for (uint32_t t = 0; t < TOKENS; t++) {
            ids[t] = rng_below(&rng, checkpoint.vocabulary);
            positions[t] = t / 2;
            sequences[t] = t % 2;
        }
        logits = calloc((size_t)TOKENS * checkpoint.vocabulary, sizeof(double));
        if (!logits)
            abort();
        reference_memory_init(&memory, &reference, 2, CAPACITY, VKMOE_DTYPE_F32);
        net.longest = change ? change->longest : 0;
        for (uint32_t b = 0; b < memory.block_count; b++)
            memory.blocks[b].longest = net.longest;
        reference_network_forward(
            &reference, TOKENS, ids, positions, sequences, &memory, logits, NULL, NULL);
        reference_memory_finish(&memory);
        ok = net_batch(&net, TOKENS, ids, positions, sequences, TOKENS, 0) && net_upload(&net)
            && net_record(&net, 0, PROMPT);
        for (uint32_t t = PROMPT; ok && t < TOKENS; t++)
            ok = net_record(&net, t, 1);
        ok = ok && harness_run(harness) && net_download(&net);
    }
    if (ok) {
        struct compare_result result = compare_floats("logits", logits, array_range(&net.logits),
            (uint64_t)TOKENS * checkpoint.vocabulary, checkpoint.vocabulary, LOGITS_TOLERANCE);
        tap_note("error %.2g of rms", result.error);
        ok = result.ok;
    }
    free(logits);
    net_finish(&net);
    whole_checkpoint_finish(&checkpoint);
    return ok && !harness->messages;
}

// -------------------------------------------------------------------------- wrong calls

// Rules broken at a forward of a valid `p` with 8 tokens in a network of chunk 10.
#define FORWARD_ERRORS(X) \
    X(tokens_0, p->tokens = p->logits_count = 0) \
    X(tokens_above_chunk, p->tokens = 11) \
    X(tokens_many, p->tokens = UINT32_MAX) \
    X(logits_of_too_many, p->logits_count = 9) \
    X(no_ids, p->ids.buffer = NULL) \
    X(no_logits, p->logits.buffer = NULL) \
    X(ids_short, p->ids.offset = total - 8 * 4 + 4) \
    X(ids_beyond, p->ids.offset = UINT64_MAX - 3) \
    X(positions_short, p->positions.offset = total - 8 * 4 + 4) \
    X(sequences_short, p->sequences = (struct vkmoe_span){ p->ids.buffer, total - 8 * 4 + 4 }) \
    X(logits_short, p->logits.offset = total - 8 * RECORDED_VOCABULARY * 4 + 4) \
    X(expert_ids_short, p->expert_ids = (struct vkmoe_span){ p->ids.buffer, total - 4 * 64 + 4 }) \
    X(ids_misaligned, p->ids.offset += 2) \
    X(logits_misaligned, p->logits.offset += 1)

#define DEFINE_ERROR(name, ...) \
    static void apply_##name(struct vkmoe_model_forward_params *p, uint64_t total) \
    { \
        (void)total; \
        __VA_ARGS__; \
    }
FORWARD_ERRORS(DEFINE_ERROR)

struct forward_error {
    const char *name;
    void (*apply)(struct vkmoe_model_forward_params *p, uint64_t total);
};
#define ERROR_ROW(name, ...) { #name, apply_##name },
static const struct forward_error forward_errors[] = { FORWARD_ERRORS(ERROR_ROW){ 0 } };

static bool check_errors(struct harness *harness, const char *model)
{
    enum { TOTAL = 16384 };
    struct net net;
    vkmoe_buffer *buffer = NULL;
    unsigned char before[TOTAL], after[TOTAL];
    bool ok = net_init(&net, harness, model_path(model),
                  &(struct vkmoe_model_params){ VKMOE_INIT(vkmoe_model_params), .chunk = 10 })
        && is_ok(vkmoe_buffer_create(harness->device, TOTAL, &buffer), "buffer");
    guard_fill(before, TOTAL);
    ok = ok && is_ok(vkmoe_buffer_upload(buffer, 0, before, TOTAL), "upload");
    for (const struct forward_error *error = forward_errors; ok && error->name; error++) {
        struct vkmoe_model_forward_params params = {
            VKMOE_INIT(vkmoe_model_forward_params),
            .tokens = 8,
            .ids = { buffer, 0 },
            .positions = { buffer, 64 },
            .logits = { buffer, 4096 },
            .logits_count = 8,
        };
        error->apply(&params, TOTAL);
        harness->messages = 0;
        enum vkmoe_status status = vkmoe_model_forward(harness->stream, net.network, &params);
        ok = is_refused(harness, "vkmoe_model_forward", status, VKMOE_ERROR_INVALID);
        if (!ok)
            tap_note("in %s", error->name);
    }
    ok = ok && harness_run(harness)
        && is_ok(vkmoe_buffer_download(buffer, 0, after, TOTAL), "download")
        && compare_bits("buffer", before, after, TOTAL);
    vkmoe_model *network = (vkmoe_model *)&net; // anything but NULL
    if (ok) {
        harness->messages = 0;
        enum vkmoe_status status = vkmoe_model_create(harness->device, net.model,
            &(struct vkmoe_model_params){ VKMOE_INIT(vkmoe_model_params), .chunk = 65537 },
            &network);
        ok = is_refused(harness, "vkmoe_model_create", status, VKMOE_ERROR_INVALID) && !network;
        if (!ok)
            tap_note("a chunk of 65537 is taken");
    }
    vkmoe_buffer_destroy(&buffer);
    net_finish(&net);
    return ok;
}

// -------------------------------------------------------------------------------- main

static void check_all(struct tap *tap, struct harness *harness)
{
    static const struct {
        const char *name;
        bool (*check)(struct harness *harness, const char *model);
    } tests[] = {
        { "prefill", check_prefill },
        { "chunks", check_chunks },
        { "greedy", check_greedy },
        { "repeat", check_repeat },
        { "caches", check_caches },
        { "sequences", check_sequences },
        { "logits-count", check_logits_count },
        { "errors", check_errors },
        { "unwindowed", check_unwindowed },
    };
    static const char *const models[] = { "tiny-jetmoe", "tiny-mixtral" };
    char name[128];
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        for (int j = 0; j < (tests[i].check == check_unwindowed ? 1 : 2); j++) {
            snprintf(name, sizeof(name), "%s-%s", tests[i].name, models[j]);
            if (tap_wants(tap, name))
                tap_result(tap, tests[i].check(harness, models[j]), name);
        }
    }
    for (uint32_t i = 0; whole_checkpoint_family(i); i++) {
        const char *family = whole_checkpoint_family(i);
        snprintf(name, sizeof(name), "generated-%s", family);
        if (!whole_checkpoint_has_encoder(family) && tap_wants(tap, name)) // those: encoder.c
            tap_result(tap, check_family(harness, family, NULL, tap->seed), name);
    }
    static const struct change dynamic = {
        .settings = "\"max_position_embeddings\":8,"
                    "\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":3.0}",
        .rope = { .kind = VKMOE_ROPE_HALF,
            .scaling = VKMOE_ROPE_SCALING_DYNAMIC,
            .factor = 3.0f,
            .original_positions = 8 },
        .longest = 21,
    };
    TAP_TEST(tap, "dynamic-rope", check_family(harness, "granitemoe", &dynamic, tap->seed));
    // Within the context it was trained with; generated-phimoe is beyond, as the cache holds more.
    static const struct change within = { .longest = 22 };
    TAP_TEST(tap, "longrope-within", check_family(harness, "phimoe", &within, tap->seed));
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_all);
}
