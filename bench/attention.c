// attention.c - times routed attention over growing contexts, to show that its cost
// follows the experts' patterns: with windows time grows with tokens * window, not
// tokens^2, and no scratch grows with tokens^2 in any case.
//
//     vkmoe-bench-attention [--device D] [--tokens 1024,4096,16384] [--json]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>
#include <vkmoe/moe.h>

#include "cli/terminal.h"

#define HIDDEN 64
#define HEADS 2
#define HEAD_SIZE 32
#define EXPERTS 8
#define CHOSEN 2
#define SAMPLES 5
#define ENOUGH 20.0 // seconds of samples
#define BLOCK 64
#define MAX_SIZES 16

struct run {
    const char *select;
    bool logged; // what went wrong has been said
    const char *device_name;
    bool json;
    uint32_t sizes[MAX_SIZES], size_count;
    vkmoe_device *device;
    vkmoe_stream *stream;
    cJSON *rows;
};

static void write_log(void *user, enum vkmoe_log_level level, const char *line)
{
    bool *logged = user;
    (void)level;
    *logged = true;
    fprintf(stderr, "vkmoe-bench-attention: %s\n", line);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Numbers between -1 and 1 that compress badly; the seed is fixed.
static float *noise(size_t count)
{
    float *values = malloc(count * sizeof *values);
    uint64_t state = 1;
    for (size_t i = 0; values && i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        values[i] = (float)((int32_t)(state >> 32)) / 2147483648.0f;
    }
    return values;
}

// What the experts look at; each takes the next of these. The three kinds at once: near, far
// with the first keys, and the blocks that suit the query.
struct subject {
    const char *name;
    struct vkmoe_pattern patterns[3];
    uint32_t count;
};

static const struct subject subjects[] = {
    { "last 128", { { .left = 128 } }, 1 },
    { "three kinds",
        { { .left = 128 }, { .kind = VKMOE_PATTERN_STRIDED, .step = 64, .sinks = 4 },
            { .kind = VKMOE_PATTERN_BLOCKS, .block = BLOCK, .top = 8 } },
        3 },
    { "everything", { { 0 } }, 1 },
};

static enum vkmoe_status create(
    struct run *run, const float *weights, const struct subject *subject, vkmoe_attention **out)
{
    const struct vkmoe_view view = { .data = weights };
    struct vkmoe_view views[EXPERTS];
    struct vkmoe_pattern patterns[EXPERTS];
    for (uint32_t e = 0; e < EXPERTS; e++) {
        views[e] = (struct vkmoe_view){ .data = weights + e };
        patterns[e] = subject->patterns[e % subject->count];
    }
    return vkmoe_attention_create(run->device,
        &(struct vkmoe_attention_params){ VKMOE_INIT(vkmoe_attention_params), .hidden = HIDDEN,
            .head_size = HEAD_SIZE, .heads = HEADS, .kv_heads = HEADS, .tiled_kv = true,
            .experts = EXPERTS, .experts_per_token = CHOSEN,
            .router = { .weight = view, .weigh = VKMOE_WEIGH_SOFTMAX }, .query.matrices = views,
            .output.matrices = views, .key.matrix = view, .value.matrix = view,
            .rope.kind = VKMOE_ROPE_HALF, .patterns = patterns },
        out);
}

// The median seconds of a prefill of `tokens` tokens, of fewer samples if they take long.
static enum vkmoe_status measure(struct run *run, const vkmoe_attention *attention,
    const float *values, uint32_t tokens, double *median)
{
    const uint64_t size = (uint64_t)tokens * HIDDEN * sizeof(float);
    vkmoe_buffer *x = NULL, *y = NULL;
    vkmoe_cache *cache = NULL;
    double times[SAMPLES], all = 0;
    int count = 0;
    enum vkmoe_status status = vkmoe_buffer_create(run->device, size, &x);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_create(run->device, size, &y);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_upload(x, 0, values, size);
    if (status == VKMOE_OK)
        status = vkmoe_cache_create(run->device,
            &(struct vkmoe_cache_params){ VKMOE_INIT(vkmoe_cache_params), .kv_heads = HEADS,
                .head_size = HEAD_SIZE, .sequences = 1, .capacity = tokens, .block = BLOCK },
            &cache);
    // The first one compiles, and does not count.
    for (int i = -1; i < SAMPLES && all < ENOUGH && status == VKMOE_OK; i++) {
        const double start = seconds();
        status = vkmoe_attention_forward(run->stream, attention, cache,
            &(struct vkmoe_attention_forward_params){ VKMOE_INIT(vkmoe_attention_forward_params),
                .tokens = tokens, .x.buffer = x, .y.buffer = y });
        if (status == VKMOE_OK)
            status = vkmoe_stream_submit(run->stream, NULL);
        if (status == VKMOE_OK)
            status = vkmoe_stream_wait(run->stream, UINT64_MAX);
        if (i < 0)
            continue;
        times[count++] = seconds() - start;
        all += times[i];
    }
    qsort(times, (size_t)count, sizeof *times, compare);
    *median = count ? times[count / 2] : 0;
    vkmoe_cache_destroy(&cache);
    vkmoe_buffer_destroy(&x);
    vkmoe_buffer_destroy(&y);
    return status;
}

static void report(
    struct run *run, const char *name, uint32_t tokens, double time, uint64_t scratch)
{
    if (!run->json) {
        printf("%-12s %8u %12.2f %14.2f %14.1f\n", name, tokens, time * 1e3, time * 1e6 / tokens,
            (double)scratch / tokens);
        fflush(stdout);
        return;
    }
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "device", run->device_name);
    cJSON_AddStringToObject(row, "sees", name);
    cJSON_AddNumberToObject(row, "tokens", tokens);
    cJSON_AddNumberToObject(row, "median_ns", time * 1e9);
    cJSON_AddNumberToObject(row, "scratch_bytes", (double)scratch);
    cJSON_AddItemToArray(run->rows, row);
}

static enum vkmoe_status run_all(struct run *run)
{
    float *values = noise((size_t)65536 * HIDDEN);
    enum vkmoe_status status = values ? VKMOE_OK : VKMOE_ERROR_OUT_OF_MEMORY;
    for (size_t n = 0; n < sizeof subjects / sizeof *subjects && status == VKMOE_OK; n++) {
        vkmoe_attention *attention = NULL;
        status = create(run, values, &subjects[n], &attention);
        for (uint32_t i = 0; i < run->size_count && status == VKMOE_OK; i++) {
            double median = 0;
            status = measure(run, attention, values, run->sizes[i], &median);
            if (status == VKMOE_OK)
                report(run, subjects[n].name, run->sizes[i], median,
                    vkmoe_attention_scratch_size(attention, run->sizes[i]));
        }
        vkmoe_attention_destroy(&attention);
    }
    free(values);
    return status;
}

static bool parse_sizes(struct run *run, const char *text)
{
    for (run->size_count = 0; run->size_count < MAX_SIZES; run->size_count++) {
        char *end;
        const unsigned long size = strtoul(text, &end, 10);
        if (end == text || size < 1 || size > 65536)
            return false;
        run->sizes[run->size_count] = (uint32_t)size;
        if (!*end) {
            run->size_count++;
            return true;
        }
        if (*end != ',')
            return false;
        text = end + 1;
    }
    return false;
}

static bool parse(struct run *run, int argc, char **argv)
{
    parse_sizes(run, "1024,4096,16384");
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json"))
            run->json = true;
        else if (!strcmp(argv[i], "--device") && i + 1 < argc)
            run->select = argv[++i];
        else if (strcmp(argv[i], "--tokens") || i + 1 == argc || !parse_sizes(run, argv[++i]))
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct run run = { 0 };
    if (!parse(&run, argc, argv)) {
        fprintf(stderr, "usage: %s [--device D] [--tokens 1024,4096,16384] [--json]\n", argv[0]);
        return 2;
    }
    const struct vkmoe_device_params params = {
        VKMOE_INIT(vkmoe_device_params),
        .log = { .write = write_log, .user = &run.logged },
        .select = run.select,
    };
    enum vkmoe_status status = vkmoe_device_create(&params, &run.device);
    if (status == VKMOE_OK)
        status = vkmoe_stream_create(run.device, &run.stream);
    if (status == VKMOE_OK) {
        struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
        vkmoe_device_get_info(run.device, &info);
        run.device_name = info.name;
        run.rows = cJSON_CreateArray();
        if (!run.json)
            printf("%s, %s%s; %u attention experts of %u heads of %u, %u chosen, f32\n"
                   "%-12s %8s %12s %14s %14s\n",
                info.name, info.driver, info.type == VKMOE_DEVICE_TYPE_CPU ? ", a CPU" : "",
                EXPERTS, HEADS, HEAD_SIZE, CHOSEN, "sees", "tokens", "ms", "us a token",
                "scratch B/tok");
        status = run_all(&run);
        if (run.json) {
            char *text = cJSON_Print(run.rows);
            puts(text ? text : "[]");
            cJSON_free(text);
        }
        cJSON_Delete(run.rows);
    }
    if (status != VKMOE_OK && !run.logged)
        fprintf(stderr, "vkmoe-bench-attention: %s\n", vkmoe_status_name(status));
    const int error = cli_flush_error();
    if (error && error != EPIPE)
        fprintf(stderr, "vkmoe-bench-attention: cannot write to standard output: %s\n",
            strerror(error));
    vkmoe_stream_destroy(&run.stream);
    vkmoe_device_destroy(&run.device);
    return status != VKMOE_OK || error;
}
