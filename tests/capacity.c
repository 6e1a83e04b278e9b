// capacity.c - a limit on an expert's tokens that counts over sequences, where a forward is so
// long that the layer works it off in several passes. Whole models: encoder.c.
#include "check.h"
#include "moe/plan.h"
#include "random.h"

enum { TOKENS = 65536, K = 3, EXPERTS = 8, WIDTH = 4, SEQUENCES = 256, LIMIT = 80 };
#define PLACES (TOKENS / SEQUENCES) // positions of a sequence
#define PAIRS (TOKENS * K)

static struct record record;

struct job {
    vkmoe_device *device;
    vkmoe_stream *stream;
    vkmoe_moe *layer;
    vkmoe_buffer *x, *y, *ids, *weights, *positions, *sequences;
    struct choice_history history;
};

static void job_finish(struct job *j)
{
    vkmoe_buffer **const buffers[] = { &j->x, &j->y, &j->ids, &j->weights, &j->positions,
        &j->sequences, &j->history.choices };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        vkmoe_buffer_destroy(buffers[i]);
    vkmoe_moe_destroy(&j->layer);
    vkmoe_stream_destroy(&j->stream);
    vkmoe_device_destroy(&j->device);
}

static bool make_layer(struct job *j, struct rng *rng)
{
    static float numbers[EXPERTS * WIDTH * WIDTH];
    struct vkmoe_view up[EXPERTS];
    for (uint32_t i = 0; i < EXPERTS * WIDTH * WIDTH; i++)
        numbers[i] = (float)rng_normal(rng);
    for (uint32_t e = 0; e < EXPERTS; e++)
        up[e] = (struct vkmoe_view){ .data = numbers + e * WIDTH * WIDTH };
    const struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params), .hidden = WIDTH,
        .inner = WIDTH, .experts = EXPERTS, .experts_per_token = K,
        .activation = VKMOE_ACTIVATION_RELU, .router.weight.data = numbers, .up = up, .down = up };
    CHECK_OK(vkmoe_moe_create(j->device, &params, &j->layer));
    return true;
fail:
    return false;
}

// Random rows, one after the other of each sequence in turn.
static bool make_arrays(struct job *j, struct rng *rng)
{
    bool ok = false;
    const size_t size = sizeof(float) * TOKENS;
    float *x = malloc(WIDTH * size);
    uint32_t *places = malloc(size), *turns = malloc(size);
    CHECK(x && places && turns);
    for (uint32_t i = 0; i < TOKENS * WIDTH; i++)
        x[i] = (float)rng_normal(rng);
    for (uint32_t t = 0; t < TOKENS; t++) {
        places[t] = t / SEQUENCES;
        turns[t] = t % SEQUENCES;
    }
    CHECK_OK(vkmoe_buffer_create(j->device, WIDTH * size, &j->x));
    CHECK_OK(vkmoe_buffer_create(j->device, WIDTH * size, &j->y));
    CHECK_OK(vkmoe_buffer_create(j->device, K * size, &j->ids));
    CHECK_OK(vkmoe_buffer_create(j->device, K * size, &j->weights));
    CHECK_OK(vkmoe_buffer_create(j->device, size, &j->positions));
    CHECK_OK(vkmoe_buffer_create(j->device, size, &j->sequences));
    j->history =
        (struct choice_history){ .limit = LIMIT, .sequences = SEQUENCES, .capacity = PLACES };
    CHECK_OK(vkmoe_buffer_create(j->device, K * size, &j->history.choices));
    CHECK_OK(vkmoe_buffer_clear(j->history.choices, 0, K * size));
    CHECK_OK(vkmoe_buffer_upload(j->x, 0, x, WIDTH * size));
    CHECK_OK(vkmoe_buffer_upload(j->positions, 0, places, size));
    CHECK_OK(vkmoe_buffer_upload(j->sequences, 0, turns, size));
    ok = true;
fail:
    free(x);
    free(places);
    free(turns);
    return ok;
}

// Every weight: dropped if the sequence has chosen its expert LIMIT times before.
static bool check_weights(struct job *j)
{
    static uint32_t taken[SEQUENCES][EXPERTS];
    static int32_t ids[PAIRS];
    static uint32_t weights[PAIRS];
    uint32_t dropped = 0;
    CHECK_OK(vkmoe_buffer_download(j->ids, 0, ids, sizeof ids));
    CHECK_OK(vkmoe_buffer_download(j->weights, 0, weights, sizeof weights));
    for (uint32_t pair = 0; pair < PAIRS; pair++) {
        const bool is_over = taken[pair / K % SEQUENCES][ids[pair]]++ >= LIMIT;
        CHECK((weights[pair] == 0x80000000u) == is_over);
        dropped += is_over;
    }
    CHECK(dropped > 1000 && dropped < PAIRS - 1000);
    return true;
fail:
    return false;
}

static bool test_passes(void)
{
    struct job j = { 0 };
    struct rng rng = { 5 };
    bool ok = false;
    CHECK_OK(open_validated(&record, &j.device));
    CHECK_OK(vkmoe_stream_create(j.device, &j.stream));
    CHECK(make_layer(&j, &rng) && make_arrays(&j, &rng));
    CHECK(vkmoe_moe_plan(j.layer, TOKENS, TOKENS).tokens < TOKENS);
    const struct sequence_limit limit = { &j.history, { j.positions, 0 }, { j.sequences, 0 } };
    const struct caller caller = { NULL, __func__ };
    CHECK_OK(vkmoe_moe_record(&caller, j.stream, j.layer,
        &(struct vkmoe_moe_forward_params){
            VKMOE_INIT(vkmoe_moe_forward_params),
            .tokens = TOKENS,
            .x = { j.x, 0 },
            .y = { j.y, 0 },
            .ids = { j.ids, 0 },
            .weights = { j.weights, 0 },
        },
        &limit, NULL));
    CHECK_OK(vkmoe_stream_submit(j.stream, NULL));
    CHECK_OK(vkmoe_stream_wait(j.stream, UINT64_MAX));
    ok = check_weights(&j) && !record.validation && !record.lines[VKMOE_LOG_ERROR];
fail:
    job_finish(&j);
    return ok;
}

TESTS_MAIN(ON_DEVICE, { "passes", test_passes })
