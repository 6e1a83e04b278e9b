// tiny_layer.c - see tiny_layer.h.
#include "tiny_layer.h"

#include <math.h>
#include <string.h>

#include "check.h"
#include "random.h"

static void fill(float *to, size_t count, struct rng *rng)
{
    for (size_t i = 0; i < count; i++) // -1 to 1
        to[i] = (float)((double)(rng_next(rng) >> 40) / (1 << 23) - 1.0);
}

static double dot(const float *a, const float *b, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static void add_expert(
    const struct tiny_layer *tiny, int expert, double weight, const float *x, double *y)
{
    for (int i = 0; i < TINY_INNER; i++) {
        double g = dot(tiny->gate[expert][i], x, TINY_HIDDEN);
        double h = g / (1 + exp(-g)) * dot(tiny->up[expert][i], x, TINY_HIDDEN);
        for (int j = 0; j < TINY_HIDDEN; j++)
            y[j] += weight * h * tiny->down[expert][j][i];
    }
}

// Softmax over all experts, the two best, weights as they are.
static void compute(struct tiny_layer *tiny, int token)
{
    const float *x = tiny->x[token];
    double scores[TINY_EXPERTS], sum = 0, y[TINY_HIDDEN] = { 0 };
    for (int e = 0; e < TINY_EXPERTS; e++)
        sum += scores[e] = exp(dot(tiny->router[e], x, TINY_HIDDEN));
    for (int slot = 0; slot < TINY_K; slot++) {
        int best = 0;
        for (int e = 1; e < TINY_EXPERTS; e++)
            if (scores[e] > scores[best])
                best = e;
        add_expert(tiny, best, scores[best] / sum, x, y);
        scores[best] = -1;
    }
    for (int i = 0; i < TINY_HIDDEN; i++)
        tiny->expected[token][i] = (float)y[i];
}

void tiny_layer_init(struct tiny_layer *tiny, uint64_t seed)
{
    struct rng rng = { seed };
    fill(&tiny->x[0][0], sizeof tiny->x / sizeof(float), &rng);
    fill(&tiny->router[0][0], sizeof tiny->router / sizeof(float), &rng);
    fill(&tiny->gate[0][0][0], sizeof tiny->gate / sizeof(float), &rng);
    fill(&tiny->up[0][0][0], sizeof tiny->up / sizeof(float), &rng);
    fill(&tiny->down[0][0][0], sizeof tiny->down / sizeof(float), &rng);
    for (int token = 0; token < TINY_TOKENS; token++)
        compute(tiny, token);
}

enum vkmoe_status tiny_layer_create(
    const struct tiny_layer *tiny, vkmoe_device *device, vkmoe_moe **out)
{
    struct vkmoe_view gate[TINY_EXPERTS], up[TINY_EXPERTS], down[TINY_EXPERTS];
    for (int e = 0; e < TINY_EXPERTS; e++) {
        gate[e] = (struct vkmoe_view){ .data = tiny->gate[e] };
        up[e] = (struct vkmoe_view){ .data = tiny->up[e] };
        down[e] = (struct vkmoe_view){ .data = tiny->down[e] };
    }
    return vkmoe_moe_create(device,
        &(struct vkmoe_moe_params){
            VKMOE_INIT(vkmoe_moe_params),
            .hidden = TINY_HIDDEN,
            .inner = TINY_INNER,
            .experts = TINY_EXPERTS,
            .experts_per_token = TINY_K,
            .router.weight.data = tiny->router,
            .gate = gate,
            .up = up,
            .down = down,
        },
        out);
}

enum vkmoe_status tiny_layer_make(vkmoe_device *device, vkmoe_moe **out)
{
    struct tiny_layer tiny;
    tiny_layer_init(&tiny, 1);
    return tiny_layer_create(&tiny, device, out);
}

enum vkmoe_status tiny_layer_forward(
    vkmoe_stream *stream, const vkmoe_moe *layer, const vkmoe_buffer *x, const vkmoe_buffer *y)
{
    return vkmoe_moe_forward(stream, layer,
        &(struct vkmoe_moe_forward_params){
            VKMOE_INIT(vkmoe_moe_forward_params),
            .tokens = TINY_TOKENS,
            .x.buffer = x,
            .y.buffer = y,
        });
}

bool tiny_layer_check(const struct tiny_layer *tiny, const float *y)
{
    for (int i = 0; i < TINY_TOKENS * TINY_HIDDEN; i++) {
        float expected = tiny->expected[i / TINY_HIDDEN][i % TINY_HIDDEN];
        if (!(fabsf(y[i] - expected) <= 2e-5f)) {
            tap_note("y[%d][%d] is %g, expected %g", i / TINY_HIDDEN, i % TINY_HIDDEN, (double)y[i],
                (double)expected);
            return false;
        }
    }
    return true;
}

enum vkmoe_status tiny_layer_run(const struct tiny_layer *tiny, vkmoe_stream *stream,
    const vkmoe_moe *layer, vkmoe_buffer *x, vkmoe_buffer *y)
{
    enum vkmoe_status status = vkmoe_buffer_upload(x, 0, tiny->x, TINY_SIZE);
    if (status == VKMOE_OK)
        status = tiny_layer_forward(stream, layer, x, y);
    if (status == VKMOE_OK)
        status = vkmoe_stream_submit(stream, NULL);
    return status == VKMOE_OK ? vkmoe_stream_wait(stream, UINT64_MAX) : status;
}

bool tiny_layer_works(vkmoe_device *device, uint64_t seed,
    enum vkmoe_status (*create_buffer)(vkmoe_device *device, uint64_t size, vkmoe_buffer **out))
{
    struct tiny_layer tiny;
    float actual[TINY_TOKENS * TINY_HIDDEN];
    vkmoe_moe *layer = NULL;
    vkmoe_stream *stream = NULL;
    vkmoe_buffer *x = NULL, *y = NULL;
    bool ok = false;
    tiny_layer_init(&tiny, seed);
    memset(actual, 0xff, sizeof actual);
    CHECK_OK(tiny_layer_create(&tiny, device, &layer));
    CHECK_OK(vkmoe_stream_create(device, &stream));
    CHECK_OK(create_buffer(device, TINY_SIZE, &x));
    CHECK_OK(create_buffer(device, TINY_SIZE, &y));
    CHECK_OK(tiny_layer_run(&tiny, stream, layer, x, y));
    CHECK_OK(vkmoe_buffer_download(y, 0, actual, TINY_SIZE));
    ok = tiny_layer_check(&tiny, actual);
fail:
    DESTROY_BUFFERS(&x, &y);
    vkmoe_moe_destroy(&layer);
    vkmoe_stream_destroy(&stream);
    return ok;
}
