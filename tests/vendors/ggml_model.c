// ggml_model.c - decodes with a model in ggml on a Vulkan device, as llama.cpp would: attention
// over a cache, experts, and the head:
//
//     ggml_model MODEL f16|q8_0|q4_K TOKENS [COUNT]
//
// For devices that compute nothing (lanes.sh): weights are left as they are, and so is what comes
// out. Prints the median of COUNT forwards (1 if absent), in nanoseconds, each from setting its
// inputs to the end of its wait. All blocks have the same weights, which costs the host the same.
// Needs Debian's libggml-dev; bars.sh builds it.
#define _POSIX_C_SOURCE 200809L
#include <ggml-alloc.h>
#include <ggml-backend.h>

#include "../../bench/compare/ggml_moe.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CAPACITY 1024 // positions of the cache, all seen
#define MOST_NODES 8192

struct shape {
    const char *name;
    int64_t hidden, inner;
    int experts, chosen;
    int64_t heads, kv_heads, head_size, vocabulary;
    int blocks; // 0: a layer of experts and nothing else
};

// The first is for its kernels, as pipelines.c has it, the second for what the host does.
static const struct shape shapes[] = {
    { "qwen3-30b-a3b", 2048, 768, 32, 8, 1, 1, 128, 64, 0 },
    { "granite-1b-a400m", 1024, 512, 32, 8, 16, 8, 64, 49155, 24 },
};

struct model {
    const struct shape *shape;
    ggml_backend_t backend;
    struct moe_shape moe_shape;
    struct moe_weights moe;
    struct ggml_context *weights, *nodes;
    struct ggml_tensor *x, *norm, *query, *key, *value, *output, *embedding, *head;
    struct ggml_tensor *keys, *values; // the cache, of all blocks
    struct ggml_tensor *ids, *positions, *places, *mask;
    struct ggml_cgraph *graph;
    ggml_gallocr_t allocator;
};

static void die(const char *what)
{
    fprintf(stderr, "ggml_model: %s\n", what);
    exit(1);
}

static struct ggml_context *new_context(void)
{
    struct ggml_context *context = ggml_init((struct ggml_init_params){
        .mem_size = MOST_NODES * ggml_tensor_overhead() + ggml_graph_overhead_custom(MOST_NODES, 0),
        .no_alloc = true,
    });
    if (!context)
        die("ggml_init failed");
    return context;
}

static void make_weights(struct model *m, enum ggml_type type, int64_t tokens)
{
    const struct shape *s = m->shape;
    const int64_t wide = s->heads * s->head_size, narrow = s->kv_heads * s->head_size;
    struct ggml_context *c = m->weights = new_context();
    m->moe_shape = (struct moe_shape){ s->hidden, s->inner, s->experts, s->chosen, type };
    moe_make_weights(c, &m->moe_shape, &m->moe);
    m->x = ggml_new_tensor_2d(c, GGML_TYPE_F32, s->hidden, tokens);
    m->norm = ggml_new_tensor_1d(c, GGML_TYPE_F32, s->hidden);
    m->query = ggml_new_tensor_2d(c, type, s->hidden, wide);
    m->key = ggml_new_tensor_2d(c, type, s->hidden, narrow);
    m->value = ggml_new_tensor_2d(c, type, s->hidden, narrow);
    m->output = ggml_new_tensor_2d(c, type, wide, s->hidden);
    m->embedding = ggml_new_tensor_2d(c, type, s->hidden, s->vocabulary);
    m->head = ggml_new_tensor_2d(c, type, s->hidden, s->vocabulary);
    m->keys = ggml_new_tensor_2d(c, GGML_TYPE_F16, narrow, CAPACITY);
    m->values = ggml_new_tensor_2d(c, GGML_TYPE_F16, narrow, CAPACITY);
    m->ids = ggml_new_tensor_1d(c, GGML_TYPE_I32, tokens);
    m->positions = ggml_new_tensor_1d(c, GGML_TYPE_I32, tokens);
    m->places = ggml_new_tensor_1d(c, GGML_TYPE_I64, tokens);
    m->mask = ggml_new_tensor_2d(c, GGML_TYPE_F16, CAPACITY, tokens);
    ggml_backend_buffer_t memory = ggml_backend_alloc_ctx_tensors(c, m->backend);
    if (!memory)
        die("out of device memory");
    ggml_backend_buffer_set_usage(memory, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
}

static struct ggml_tensor *add_norm(const struct model *m, struct ggml_tensor *x)
{
    return ggml_mul(m->nodes, ggml_rms_norm(m->nodes, x, 1e-6f), m->norm);
}

// The projected rows as heads, rotated.
static struct ggml_tensor *add_heads(
    const struct model *m, struct ggml_tensor *matrix, int64_t heads, struct ggml_tensor *x)
{
    struct ggml_context *c = m->nodes;
    struct ggml_tensor *rows =
        ggml_reshape_3d(c, ggml_mul_mat(c, matrix, x), m->shape->head_size, heads, x->ne[1]);
    return ggml_rope_ext(c, rows, m->positions, NULL, (int)m->shape->head_size, GGML_ROPE_TYPE_NEOX,
        CAPACITY, 10000, 1, 0, 1, 32, 1);
}

static struct ggml_tensor *cache_view(const struct model *m, struct ggml_tensor *cache)
{
    const struct shape *s = m->shape;
    const size_t element = ggml_type_size(cache->type);
    return ggml_view_3d(m->nodes, cache, s->head_size, CAPACITY, s->kv_heads,
        (size_t)(s->kv_heads * s->head_size) * element, (size_t)s->head_size * element, 0);
}

static struct ggml_tensor *add_attention(const struct model *m, struct ggml_tensor *x)
{
    const struct shape *s = m->shape;
    struct ggml_context *c = m->nodes;
    const int64_t tokens = x->ne[1], narrow = s->kv_heads * s->head_size;
    struct ggml_tensor *q = add_heads(m, m->query, s->heads, x);
    struct ggml_tensor *k = add_heads(m, m->key, s->kv_heads, x);
    struct ggml_tensor *v = ggml_mul_mat(c, m->value, x);
    ggml_build_forward_expand(m->graph, q);
    ggml_build_forward_expand(m->graph, k);
    ggml_build_forward_expand(m->graph, v);
    k = ggml_reshape_2d(c, k, narrow, tokens);
    ggml_build_forward_expand(m->graph, ggml_set_rows(c, m->keys, k, m->places));
    ggml_build_forward_expand(m->graph, ggml_set_rows(c, m->values, v, m->places));
    struct ggml_tensor *y =
        ggml_flash_attn_ext(c, ggml_permute(c, q, 0, 2, 1, 3), cache_view(m, m->keys),
            cache_view(m, m->values), m->mask, 1 / sqrtf((float)s->head_size), 0, 0);
    return ggml_mul_mat(c, m->output, ggml_reshape_2d(c, y, s->heads * s->head_size, tokens));
}

static void make_graph(struct model *m)
{
    struct ggml_context *c = m->nodes = new_context();
    m->graph = ggml_new_graph_custom(c, MOST_NODES, false);
    struct ggml_tensor *x;
    if (m->shape->blocks == 0)
        x = moe_add_nodes(c, m->graph, &m->moe_shape, &m->moe, m->x);
    else
        x = ggml_get_rows(c, m->embedding, m->ids);
    for (int b = 0; b < m->shape->blocks; b++) {
        x = ggml_add(c, x, add_attention(m, add_norm(m, x)));
        x = ggml_add(c, x, moe_add_nodes(c, m->graph, &m->moe_shape, &m->moe, add_norm(m, x)));
    }
    if (m->shape->blocks > 0)
        x = ggml_mul_mat(c, m->head, add_norm(m, x));
    ggml_set_output(x);
    ggml_build_forward_expand(m->graph, x);
    for (int i = 0; i < ggml_graph_n_nodes(m->graph); i++) {
        if (!ggml_backend_supports_op(m->backend, ggml_graph_node(m->graph, i)))
            die(ggml_op_name(ggml_graph_node(m->graph, i)->op));
    }
    m->allocator = ggml_gallocr_new(ggml_backend_get_default_buffer_type(m->backend));
    if (!m->allocator || !ggml_gallocr_alloc_graph(m->allocator, m->graph))
        die("out of device memory");
}

static void forward(const struct model *m)
{
    static const char zeros[CAPACITY * 512 * 2];
    struct ggml_tensor *const inputs[] = { m->ids, m->positions, m->places, m->mask };
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        ggml_backend_tensor_set(inputs[i], zeros, 0, ggml_nbytes(inputs[i]));
    if (ggml_backend_graph_compute(m->backend, m->graph) != GGML_STATUS_SUCCESS)
        die("ggml_backend_graph_compute failed");
    ggml_backend_synchronize(m->backend);
}

static double clock_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void time_forwards(const struct model *m, int count)
{
    double *ns = calloc((size_t)count, sizeof *ns);
    if (!ns)
        die("out of memory");
    for (int i = 0; i < count; i++) {
        const double start = clock_ns();
        forward(m);
        ns[i] = clock_ns() - start;
    }
    qsort(ns, (size_t)count, sizeof *ns, compare);
    printf("%.0f\n", ns[count / 2]);
    free(ns);
}

static enum ggml_type type_of(const char *name)
{
    return strcmp(name, "q8_0") == 0 ? GGML_TYPE_Q8_0
        : strcmp(name, "q4_K") == 0  ? GGML_TYPE_Q4_K
                                     : GGML_TYPE_F16;
}

int main(int argc, char **argv)
{
    struct model m = { 0 };
    const int64_t tokens = argc > 3 ? atoi(argv[3]) : 0;
    const int count = argc > 4 ? atoi(argv[4]) : 1;
    for (size_t i = 0; argc > 1 && i < sizeof shapes / sizeof *shapes; i++)
        if (!strcmp(argv[1], shapes[i].name))
            m.shape = &shapes[i];
    if (!m.shape || tokens < 1 || tokens > 512 || count < 1) {
        fprintf(stderr, "usage: %s MODEL f16|q8_0|q4_K TOKENS [COUNT]\n", argv[0]);
        return 2;
    }
    ggml_backend_load_all();
    ggml_backend_dev_t device = ggml_backend_dev_by_name("Vulkan0");
    m.backend = device ? ggml_backend_dev_init(device, NULL) : NULL;
    if (!m.backend)
        die("no Vulkan device");
    make_weights(&m, type_of(argv[2]), tokens);
    make_graph(&m);
    forward(&m); // compiles
    if (count > 1)
        time_forwards(&m, count);
    ggml_backend_free(m.backend);
    return 0;
}
