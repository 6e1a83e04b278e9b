// ggml_block.c - times the floor block (hidden 1024, inner 512, 16 experts, 4 chosen) in ggml:
//
//     ggml_block DEVICE TOKENS f32|f16 [THREADS]      DEVICE: CPU, Vulkan0, ...
//
// Prints of one forward, in nanoseconds: wall time, median and least, and CPU time, median.
// Needs Debian's libggml-dev; compare.sh builds it.
#define _POSIX_C_SOURCE 200809L
#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml.h>

#include "ggml_moe.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HIDDEN 1024
#define INNER 512
#define EXPERTS 16
#define CHOSEN 4
#define MIN_SAMPLES 3
#define MAX_SAMPLES 1000
#define SAMPLING_NS 0.5e9

struct block {
    ggml_backend_t backend;
    struct ggml_context *weights, *nodes;
    struct moe_shape shape;
    struct moe_weights moe;
    struct ggml_tensor *x, *y;
    struct ggml_cgraph *graph;
    ggml_backend_buffer_t memory;
    ggml_gallocr_t allocator;
};

static void die(const char *what)
{
    fprintf(stderr, "ggml_block: %s\n", what);
    exit(1);
}

static void write_log(enum ggml_log_level level, const char *text, void *user)
{
    (void)user;
    if (level == GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

static double clock_ns(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

// Uniform in -1 .. 1.
static float next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(*state >> 32) * 0x1p-31f;
}

static void fill(struct ggml_tensor *tensor, float scale, uint64_t seed)
{
    const size_t count = (size_t)ggml_nelements(tensor);
    float *values = malloc(count * sizeof *values);
    ggml_fp16_t *halves = malloc(count * sizeof *halves);
    if (!values || !halves)
        die("out of memory");
    for (size_t i = 0; i < count; i++)
        values[i] = scale * next_random(&seed);
    ggml_fp32_to_fp16_row(values, halves, (int64_t)count);
    ggml_backend_tensor_set(
        tensor, tensor->type == GGML_TYPE_F16 ? (void *)halves : values, 0, ggml_nbytes(tensor));
    free(values);
    free(halves);
}

static struct ggml_context *new_context(void)
{
    struct ggml_context *context = ggml_init((struct ggml_init_params){
        .mem_size = 256 * ggml_tensor_overhead() + ggml_graph_overhead(),
        .no_alloc = true,
    });
    if (!context)
        die("ggml_init failed");
    return context;
}

static void make_weights(struct block *b, enum ggml_type type, int64_t tokens)
{
    struct ggml_context *c = b->weights = new_context();
    b->shape = (struct moe_shape){ HIDDEN, INNER, EXPERTS, CHOSEN, type };
    moe_make_weights(c, &b->shape, &b->moe);
    b->x = ggml_new_tensor_2d(c, GGML_TYPE_F32, HIDDEN, tokens);
    b->memory = ggml_backend_alloc_ctx_tensors(c, b->backend);
    if (!b->memory)
        die("out of device memory");
    fill(b->moe.router, 3.5f / sqrtf(HIDDEN), 1);
    fill(b->moe.gate, 1.7f / sqrtf(HIDDEN), 2);
    fill(b->moe.up, 1.7f / sqrtf(HIDDEN), 3);
    fill(b->moe.down, 1.7f / sqrtf(INNER), 4);
    fill(b->x, 1.7f, 5);
}

static void make_graph(struct block *b)
{
    struct ggml_context *c = b->nodes = new_context();
    b->graph = ggml_new_graph(c);
    b->y = moe_add_nodes(c, b->graph, &b->shape, &b->moe, b->x);
    ggml_set_output(b->y);
    ggml_build_forward_expand(b->graph, b->y);
    for (int i = 0; i < ggml_graph_n_nodes(b->graph); i++) {
        if (!ggml_backend_supports_op(b->backend, ggml_graph_node(b->graph, i)))
            die("the backend does not support a node of the graph");
    }
    b->allocator = ggml_gallocr_new(ggml_backend_get_default_buffer_type(b->backend));
    if (!b->allocator || !ggml_gallocr_alloc_graph(b->allocator, b->graph))
        die("out of device memory");
}

static void set_threads(ggml_backend_dev_t device, ggml_backend_t backend, int threads)
{
    ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(device);
    void *address = ggml_backend_reg_get_proc_address(reg, "ggml_backend_set_n_threads");
    ggml_backend_set_n_threads_t set;
    memcpy(&set, &address, sizeof set); // C has no cast from an object to a function pointer
    if (set)
        set(backend, threads);
}

static void run(struct block *b)
{
    if (ggml_backend_graph_compute(b->backend, b->graph) != GGML_STATUS_SUCCESS)
        die("ggml_backend_graph_compute failed");
    ggml_backend_synchronize(b->backend);
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void time_block(struct block *b)
{
    static double wall[MAX_SAMPLES], cpu[MAX_SAMPLES];
    int count = 0;
    run(b); // compiles
    run(b);
    const double start = clock_ns(CLOCK_MONOTONIC);
    while (count < MAX_SAMPLES
        && (count < MIN_SAMPLES || clock_ns(CLOCK_MONOTONIC) - start < SAMPLING_NS)) {
        const double wall_start = clock_ns(CLOCK_MONOTONIC);
        const double cpu_start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        run(b);
        cpu[count] = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
        wall[count++] = clock_ns(CLOCK_MONOTONIC) - wall_start;
    }
    qsort(wall, (size_t)count, sizeof wall[0], compare);
    qsort(cpu, (size_t)count, sizeof cpu[0], compare);
    printf("%.0f %.0f %.0f\n", wall[count / 2], wall[0], cpu[count / 2]);
}

static void check(const struct block *b)
{
    float first;
    ggml_backend_tensor_get(b->y, &first, 0, sizeof first);
    if (!isfinite(first) || first == 0)
        die("the result is no number");
}

int main(int argc, char **argv)
{
    struct block block = { 0 };
    const int64_t tokens = argc == 4 || argc == 5 ? atoi(argv[2]) : 0;
    const int threads = argc == 5 ? atoi(argv[4]) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (tokens < 1 || threads < 1) {
        fprintf(stderr, "usage: %s DEVICE TOKENS f32|f16 [THREADS]\n", argv[0]);
        return 2;
    }
    ggml_log_set(write_log, NULL);
    ggml_backend_load_all();
    ggml_backend_dev_t device = ggml_backend_dev_by_name(argv[1]);
    block.backend = device ? ggml_backend_dev_init(device, NULL) : NULL;
    if (!block.backend)
        die("no such device");
    set_threads(device, block.backend, threads);
    make_weights(&block, strcmp(argv[3], "f16") ? GGML_TYPE_F32 : GGML_TYPE_F16, tokens);
    make_graph(&block);
    time_block(&block);
    check(&block);
    ggml_gallocr_free(block.allocator);
    ggml_backend_buffer_free(block.memory);
    ggml_free(block.nodes);
    ggml_free(block.weights);
    ggml_backend_free(block.backend);
    return 0;
}
