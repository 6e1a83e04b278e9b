// layer_errors.c - wrong calls of vkmoe_moe_create() and vkmoe_moe_forward(), one test
// each: INVALID, one line in the log that says why, and nothing done.
//
// Environment: as layer.c.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "harness.h"
#include "layer_cases.h"

#define TOKENS 6
#define ROUTER_HIDDEN 20

static const struct layer_case base_case = {
    .name = "errors",
    .tokens = TOKENS,
    .layer = { .hidden = 12, .inner = 8, .experts = 6, .experts_per_token = 2, .shared.inner = 5 },
};

#define EACH_GROUP \
    p->router.score = VKMOE_SCORE_SIGMOID; \
    p->router.groups.count = 2; \
    p->router.groups.mode = VKMOE_GROUP_MODE_EACH

// Rules broken at creation: name and what is done to `p`, a valid struct with arrays of
// its own.
#define LAYER_ERRORS(X) \
    X(hidden_0, p->hidden = 0) \
    X(hidden_65537, p->hidden = 65537) \
    X(inner_0, p->inner = 0) \
    X(inner_65537, p->inner = 65537) \
    X(shared_inner_65537, p->shared.inner = 65537) \
    X(experts_0, p->experts = 0) \
    X(experts_1025, p->experts = 1025) \
    X(k_0, p->experts_per_token = 0) \
    X(k_above_experts, p->experts_per_token = p->experts + 1) \
    X(unknown_score, p->router.score = (enum vkmoe_score)99) \
    X(unknown_select, p->router.select = (enum vkmoe_select)99) \
    X(unknown_weigh, p->router.weigh = (enum vkmoe_weigh)99) \
    X(unknown_group_mode, p->router.groups.mode = (enum vkmoe_group_mode)99) \
    X(unknown_renormalize, p->router.renormalize.mode = (enum vkmoe_renormalize_mode)99) \
    X(unknown_group_score, p->router.groups.count = p->router.groups.kept = 2; \
        p->router.groups.score = (enum vkmoe_group_score)99) \
    X(unknown_activation, p->activation = (enum vkmoe_activation)99) \
    X(shared_limit_below_0, p->shared_limit = -1) \
    X(shared_limit_nan, p->shared_limit = NAN) \
    X(groups_do_not_divide, p->router.groups.count = 4; p->router.groups.kept = 3) \
    X(groups_above_experts, p->router.groups.count = 12; p->router.groups.kept = 3) \
    X(groups_kept_0, p->router.groups.count = 3) \
    X(groups_kept_above_groups, p->router.groups.count = 3; p->router.groups.kept = 4) \
    X(groups_leave_too_few, p->router.groups.count = 6; p->router.groups.kept = 1) \
    X(always_k, p->router.always = 2) \
    X(always_above_experts, p->router.always = UINT32_MAX) \
    X(always_and_groups, p->router.always = 1; p->router.groups.count = p->router.groups.kept = 2) \
    X(always_and_sparsemixer, p->router.always = 1; p->router.select = VKMOE_SELECT_SPARSEMIXER; \
        p->router.sparsemixer_threshold = 0.02f) \
    X(always_and_supplied, p->router.always = 1; p->router.select = VKMOE_SELECT_SUPPLIED) \
    X(always_and_supplied_weights, p->router.always = 1; \
        p->router.select = VKMOE_SELECT_SUPPLIED_WEIGHTED) \
    X(always_and_capacity, p->router.always = 1; p->router.capacity = 3) \
    X(levels_without_always, p->router.levels = p->router.weight) \
    X(unknown_dtype_of_levels, p->router.always = 1; p->router.levels = p->router.weight; \
        p->router.levels.dtype = (enum vkmoe_dtype)99) \
    X(each_of_no_groups, EACH_GROUP; p->router.groups.count = 0) \
    X(each_groups_do_not_divide, EACH_GROUP; p->router.groups.count = 4; p->experts_per_token = 4) \
    X(each_groups_do_not_divide_k, EACH_GROUP; p->router.groups.count = 3) \
    X(each_group_of_softmax, EACH_GROUP; p->router.score = VKMOE_SCORE_SOFTMAX) \
    X(each_group_weighed_by_softmax, EACH_GROUP; p->router.weigh = VKMOE_WEIGH_SOFTMAX) \
    X(each_group_renormalized, EACH_GROUP; p->router.renormalize.mode = VKMOE_RENORMALIZE_SUM) \
    X(each_group_and_sparsemixer, EACH_GROUP; p->router.select = VKMOE_SELECT_SPARSEMIXER; \
        p->router.sparsemixer_threshold = 0.02f) \
    X(each_group_and_supplied, EACH_GROUP; p->router.select = VKMOE_SELECT_SUPPLIED) \
    X(each_group_and_supplied_weights, EACH_GROUP; \
        p->router.select = VKMOE_SELECT_SUPPLIED_WEIGHTED) \
    X(each_group_and_capacity, EACH_GROUP; p->router.capacity = 3) \
    X(each_group_and_always, EACH_GROUP; p->router.groups.count = 1; p->router.always = 1) \
    X(router_hidden_65537, p->router_hidden = 65537) \
    X(router_hidden_and_token_gate, p->router_hidden = 8; p->shared.token_gate = p->shared.gate) \
    X(router_hidden_without_router, p->router_hidden = 8; \
        p->router.select = VKMOE_SELECT_SUPPLIED_WEIGHTED) \
    X(no_router, p->router.weight.data = NULL) \
    X(no_up, p->up = NULL) \
    X(no_down, p->down = NULL) \
    X(no_gate_of_one, gate[4].data = NULL) \
    X(no_up_of_one, up[5].data = NULL) \
    X(no_down_of_one, down[0].data = NULL) \
    X(mixed_dtypes, up[1].dtype = VKMOE_DTYPE_BF16) \
    X(mixed_dtypes_gate, gate[0].dtype = VKMOE_DTYPE_BF16) \
    X(mixed_dtypes_down, down[1].dtype = VKMOE_DTYPE_BF16) \
    X(mixed_dtypes_gate_of_others, gate[5].dtype = VKMOE_DTYPE_F16) \
    X(mixed_dtypes_shared_gate, p->gate = NULL; p->shared.gate.dtype = VKMOE_DTYPE_F16) \
    X(mixed_dtypes_shared_up, p->gate = NULL; p->shared.up.dtype = VKMOE_DTYPE_F16) \
    X(unknown_dtype_of_gate, for (int e = 0; e < 6; e++) gate[e].dtype = (enum vkmoe_dtype)99) \
    X(blocks_of_gate_cut, for (int e = 0; e < 6; e++) gate[e].dtype = VKMOE_DTYPE_Q8_0) \
    X(no_first_gate_of_another_dtype, gate[0] = (struct vkmoe_view){ .dtype = VKMOE_DTYPE_F16 }) \
    X(unknown_dtype, \
        for (int e = 0; e < 6; e++) gate[e].dtype = up[e].dtype = down[e].dtype = \
            (enum vkmoe_dtype)99) \
    X(blocks_cut_by_a_row, \
        for (int e = 0; e < 6; e++) gate[e].dtype = up[e].dtype = down[e].dtype = \
            VKMOE_DTYPE_Q8_0) \
    X( \
        blocks_cut_by_a_width, IN_BLOCKS; p->inner = 40; for (int e = 0; e < 6; e++) { \
            down[e].row_stride = 32; \
            down[e].column_stride = 1; \
        }) \
    X(blocks_cut_by_rows_apart, IN_BLOCKS; up[2].row_stride = 40; up[2].column_stride = 1) \
    X(blocks_transposed, IN_BLOCKS; down[3].row_stride = 1; down[3].column_stride = 32) \
    X(blocks_of_a_router_cut, p->router.weight.dtype = VKMOE_DTYPE_Q8_0) \
    X(unknown_dtype_of_router, p->router.weight.dtype = (enum vkmoe_dtype)99) \
    X(no_shared_up, p->shared.up.data = NULL) \
    X(no_shared_down, p->shared.down.data = NULL) \
    X(latent_65537, LATENT; p->latent.size = 65537) \
    X(no_latent_down, LATENT; p->latent.down.data = NULL) \
    X(no_latent_up, LATENT; p->latent.up.data = NULL) \
    X(unknown_dtype_of_latent, LATENT; p->latent.up.dtype = (enum vkmoe_dtype)99) \
    X(blocks_of_latent_cut, LATENT; p->latent.down.dtype = VKMOE_DTYPE_Q8_0) \
    X(no_shared_up_beside_latent, LATENT; p->shared.up.data = NULL) \
    X(no_shared_down_beside_latent, LATENT; p->shared.down.data = NULL) \
    X(unknown_dtype_of_shared_beside_latent, LATENT; p->shared.down.dtype = (enum vkmoe_dtype)99)

// One as wide as a token.
#define LATENT \
    p->latent.size = p->hidden; \
    p->latent.down = p->latent.up = up[0]

// Layers whose expert matrices could be in blocks.
#define IN_BLOCKS \
    p->hidden = p->inner = 32; \
    p->shared.inner = 0; \
    for (int e = 0; e < 6; e++) \
    gate[e].dtype = up[e].dtype = down[e].dtype = VKMOE_DTYPE_Q8_0

// Rules broken at a forward: `p` is valid, `e` has what one might use.
#define FORWARD_ERRORS(X) \
    X(tokens_65537, p->tokens = 65537) \
    X(tokens_many, p->tokens = UINT32_MAX) \
    X(no_x, p->x.buffer = NULL) \
    X(no_y, p->y.buffer = NULL) \
    X(x_short, p->x.offset = e->total - e->x_size + 4) \
    X(x_short_by_far, p->x.offset = e->total) \
    X(x_beyond, p->x.offset = e->total + 4) \
    X(x_overflowing, p->x.offset = UINT64_MAX - 3) \
    X(y_short, p->y.offset = e->total - e->x_size + 4) \
    X(router_x_short, p->router_x.offset = e->total - e->x_size + 4) \
    X(ids_short, p->ids.offset = e->total - e->ids_size + 4) \
    X(weights_short, p->weights.offset = e->total - e->ids_size + 4) \
    X(x_misaligned_1, p->x.offset += 1) \
    X(x_misaligned_2, p->x.offset += 2) \
    X(y_misaligned, p->y.offset -= 1) \
    X(router_x_misaligned, p->router_x.offset += 2) \
    X(ids_misaligned, p->ids.offset += 3) \
    X(weights_misaligned, p->weights.offset += 2) \
    X(y_is_x, p->y = p->x) \
    X(y_starts_in_x, p->y.offset = p->x.offset + e->x_size - 4) \
    X(y_ends_in_x, p->x.offset = p->y.offset + e->x_size - 4) \
    X(y_is_router_x, p->y = p->router_x)

// With ids, or ids and weights, as inputs.
#define SUPPLIED_ERRORS(X) \
    X(no_ids, p->ids.buffer = NULL) \
    X(supplied_ids_short, p->ids.offset = e->total - e->ids_size + 4) \
    X(supplied_ids_misaligned, p->ids.offset += 2) \
    X(y_overlaps_ids, p->ids.offset = p->y.offset + e->x_size - 4)

// With a gate that is wider than x.
#define GATE_ERRORS(X) \
    X(no_router_x, p->router_x.buffer = NULL) \
    X(router_x_short_of_its_width, p->router_x.offset = e->total - e->router_x_size + 4) \
    X(y_overlaps_wide_router_x, p->router_x.offset = p->y.offset - e->router_x_size + 4)

#define WEIGHTED_ERRORS(X) \
    X(no_ids_beside_weights, p->ids.buffer = NULL) \
    X(no_weights, p->weights.buffer = NULL) \
    X(supplied_weights_short, p->weights.offset = e->total - e->ids_size + 4) \
    X(y_overlaps_weights, p->weights.offset = p->y.offset)

struct environment {
    struct harness *harness;
    vkmoe_buffer *buffer;
    uint64_t total, x_size, router_x_size, ids_size; // router_x: of a wide gate
    unsigned char *before, *after;                   // the buffer
};

#define DEFINE_LAYER_ERROR(name, ...) \
    static void layer_##name(struct vkmoe_moe_params *p, struct vkmoe_view *gate, \
        struct vkmoe_view *up, struct vkmoe_view *down) \
    { \
        (void)p, (void)gate, (void)up, (void)down; \
        __VA_ARGS__; \
    }
#define DEFINE_FORWARD_ERROR(name, ...) \
    static void forward_##name(struct vkmoe_moe_forward_params *p, const struct environment *e) \
    { \
        (void)e; \
        __VA_ARGS__; \
    }
LAYER_ERRORS(DEFINE_LAYER_ERROR)
FORWARD_ERRORS(DEFINE_FORWARD_ERROR)
SUPPLIED_ERRORS(DEFINE_FORWARD_ERROR)
WEIGHTED_ERRORS(DEFINE_FORWARD_ERROR)
GATE_ERRORS(DEFINE_FORWARD_ERROR)

struct layer_error {
    const char *name;
    void (*apply)(struct vkmoe_moe_params *p, struct vkmoe_view *gate, struct vkmoe_view *up,
        struct vkmoe_view *down);
};
struct forward_error {
    const char *name;
    void (*apply)(struct vkmoe_moe_forward_params *p, const struct environment *e);
};
#define LAYER_ROW(name, ...) { "create-" #name, layer_##name },
#define FORWARD_ROW(name, ...) { "forward-" #name, forward_##name },
static const struct layer_error layer_errors[] = { LAYER_ERRORS(LAYER_ROW){ 0 } };
static const struct forward_error forward_errors[] = { FORWARD_ERRORS(FORWARD_ROW){ 0 } };
static const struct forward_error supplied_errors[] = { SUPPLIED_ERRORS(FORWARD_ROW){ 0 } };
static const struct forward_error weighted_errors[] = { WEIGHTED_ERRORS(FORWARD_ROW){ 0 } };
static const struct forward_error gate_errors[] = { GATE_ERRORS(FORWARD_ROW){ 0 } };

// ---------------------------------------------------------------------------- creation

static bool check_layer_error(
    struct environment *e, const struct layer_error *error, const struct layer_data *data)
{
    struct vkmoe_view gate[6], up[6], down[6];
    memcpy(gate, data->params.gate, sizeof(gate));
    memcpy(up, data->params.up, sizeof(up));
    memcpy(down, data->params.down, sizeof(down));
    struct vkmoe_moe_params params = data->params;
    params.gate = gate;
    params.up = up;
    params.down = down;
    error->apply(&params, gate, up, down);

    e->harness->messages = 0;
    vkmoe_moe *layer = (vkmoe_moe *)data; // anything but NULL
    const enum vkmoe_status status = vkmoe_moe_create(e->harness->device, &params, &layer);
    if (layer)
        tap_note("*out is not NULL");
    const bool ok =
        is_refused(e->harness, "vkmoe_moe_create", status, VKMOE_ERROR_INVALID) && !layer;
    if (status == VKMOE_OK)
        vkmoe_moe_destroy(&layer);
    return ok;
}

// ----------------------------------------------------------------------------- forward

// The parts of the buffer, far enough apart that no error reaches from one into another by
// mistake.
static struct vkmoe_moe_forward_params valid_forward(const struct environment *e)
{
    return (struct vkmoe_moe_forward_params){
        VKMOE_INIT(vkmoe_moe_forward_params),
        .tokens = TOKENS,
        .x = { e->buffer, 1024 },
        .router_x = { e->buffer, 2048 },
        .y = { e->buffer, 3072 },
        .ids = { e->buffer, 4096 },
        .weights = { e->buffer, 5120 },
    };
}

static bool environment_init(struct environment *e)
{
    e->total = 6144;
    e->x_size = TOKENS * base_case.layer.hidden * 4;
    e->router_x_size = TOKENS * ROUTER_HIDDEN * 4;
    e->ids_size = TOKENS * base_case.layer.experts_per_token * 4;
    e->before = allocate(e->total, 1);
    e->after = allocate(e->total, 1);
    guard_fill(e->before, e->total);
    return is_ok(vkmoe_buffer_create(e->harness->device, e->total, &e->buffer), "buffer")
        && is_ok(vkmoe_buffer_upload(e->buffer, 0, e->before, e->total), "upload");
}

// What was recorded has run.
static bool submit(struct environment *e)
{
    return harness_run(e->harness)
        && is_ok(vkmoe_buffer_download(e->buffer, 0, e->after, e->total), "download");
}

static bool check_forward_error(
    struct environment *e, const struct forward_error *error, const vkmoe_moe *layer)
{
    struct vkmoe_moe_forward_params params = valid_forward(e);
    error->apply(&params, e);
    e->harness->messages = 0;
    const enum vkmoe_status status = vkmoe_moe_forward(e->harness->stream, layer, &params);
    return is_refused(e->harness, "vkmoe_moe_forward", status, VKMOE_ERROR_INVALID) && submit(e)
        && compare_bits("buffer", e->before, e->after, e->total);
}

// A layer whose ids and weights come from where `select` says.
static bool make_layer(struct environment *e, enum vkmoe_select select, uint32_t router_hidden,
    uint64_t seed, struct layer_data *data, vkmoe_moe **layer)
{
    struct layer_case c = base_case;
    c.layer.router.select = select;
    c.layer.router_hidden = router_hidden;
    layer_data_init(data, &c, seed, false);
    return is_ok(vkmoe_moe_create(e->harness->device, &data->params, layer), "vkmoe_moe_create");
}

static void check_forward_errors(struct tap *tap, struct environment *e,
    const struct forward_error *errors, enum vkmoe_select select, uint32_t router_hidden)
{
    struct layer_data data = { 0 };
    vkmoe_moe *layer = NULL;
    bool ok = tap->list || make_layer(e, select, router_hidden, tap->seed, &data, &layer);
    for (; errors->name; errors++) {
        if (tap_wants(tap, errors->name))
            tap_result(tap, ok && check_forward_error(e, errors, layer), errors->name);
    }
    vkmoe_moe_destroy(&layer);
    layer_data_finish(&data);
}

// What is allowed, at the edge of what is not: no tokens, with and without buffers; y
// right behind x and right before it; the last bytes of the buffer; after all the errors.
static bool check_allowed(struct environment *e, uint64_t seed)
{
    struct layer_data data = { 0 };
    vkmoe_moe *layer = NULL;
    e->harness->messages = 0;
    bool ok = make_layer(e, VKMOE_SELECT_TOP_K, 0, seed, &data, &layer);
    struct vkmoe_moe_forward_params params = valid_forward(e);
    params.tokens = 0;
    ok = ok && is_ok(vkmoe_moe_forward(e->harness->stream, layer, &params), "no tokens");
    params = (struct vkmoe_moe_forward_params){ VKMOE_INIT(vkmoe_moe_forward_params) };
    ok = ok && is_ok(vkmoe_moe_forward(e->harness->stream, layer, &params), "nothing");
    ok = ok && submit(e) && compare_bits("buffer", e->before, e->after, e->total);

    memcpy(e->before + 1024, data.x, e->x_size);
    ok = ok && is_ok(vkmoe_buffer_upload(e->buffer, 0, e->before, e->total), "upload");
    const uint64_t y_offsets[] = { 1024 + e->x_size, 1024 - e->x_size, e->total - e->x_size };
    for (int i = 0; i < 3 && ok; i++) {
        params = (struct vkmoe_moe_forward_params){
            VKMOE_INIT(vkmoe_moe_forward_params),
            .tokens = TOKENS,
            .x = { e->buffer, 1024 },
            .y = { e->buffer, y_offsets[i] },
        };
        ok =
            is_ok(vkmoe_moe_forward(e->harness->stream, layer, &params), "y beside x") && submit(e);
        // The same result everywhere, and x as it was.
        if (i > 0)
            ok = ok && compare_bits("y", e->before, e->after + y_offsets[i], e->x_size);
        ok = ok && compare_bits("x", data.x, e->after + 1024, e->x_size);
        memcpy(e->before, e->after + y_offsets[i], e->x_size);
    }
    vkmoe_moe_destroy(&layer);
    vkmoe_moe_destroy(&layer);
    vkmoe_moe_destroy(NULL);
    layer_data_finish(&data);
    return ok && e->harness->messages == 0;
}

static void check_errors(struct tap *tap, struct environment *e)
{
    struct layer_data data = { 0 };
    layer_data_init(&data, &base_case, tap->seed, false);
    for (const struct layer_error *error = layer_errors; error->name; error++) {
        if (tap_wants(tap, error->name))
            tap_result(tap, check_layer_error(e, error, &data), error->name);
    }
    layer_data_finish(&data);
    check_forward_errors(tap, e, forward_errors, VKMOE_SELECT_TOP_K, 0);
    check_forward_errors(tap, e, supplied_errors, VKMOE_SELECT_SUPPLIED, 0);
    check_forward_errors(tap, e, weighted_errors, VKMOE_SELECT_SUPPLIED_WEIGHTED, 0);
    check_forward_errors(tap, e, gate_errors, VKMOE_SELECT_TOP_K, ROUTER_HIDDEN);
    TAP_TEST(tap, "allowed", check_allowed(e, tap->seed));
}

static void check_all(struct tap *tap, struct harness *harness)
{
    struct environment e = { .harness = harness };
    if (tap->list || environment_init(&e))
        check_errors(tap, &e);
    else
        tap_result(tap, false, "buffer");
    vkmoe_buffer_destroy(&e.buffer);
    free(e.before);
    free(e.after);
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_all);
}
