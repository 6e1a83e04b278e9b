// rehearsal.c - a device that is not there: what it is asked to create takes no memory, and what is
// recorded on it is what the library would record on such a device.
#include "base/try.h"
#include "device/overrides.h"
#include "device/rehearsal.h"
#include "moe/moe.h"

#include "check.h"
#include "tiny_layer.h"

#include "shaders/experts_gemm.h"
#include "shaders/group_tokens.h"

#define GB ((uint64_t)1 << 30)
#define MOST 8

// What an observer saw.
struct seen {
    struct {
        enum kernel kernel;
        const struct variant *variant;
        uint32_t lanes, groups, barriers; // barriers before it
    } dispatches[MOST];
    uint32_t count, barriers;
};

static void see_dispatch(void *user, const struct variant *variant, const struct dispatch *d)
{
    struct seen *seen = user;
    if (seen->count == MOST)
        return;
    seen->dispatches[seen->count].kernel = variant->kernel;
    seen->dispatches[seen->count].variant = variant;
    seen->dispatches[seen->count].lanes = d->spec[0];
    seen->dispatches[seen->count].groups = d->groups;
    seen->dispatches[seen->count++].barriers = seen->barriers;
    seen->barriers = 0;
}

static void see_barrier(void *user)
{
    struct seen *seen = user;
    seen->barriers++;
}

static void see_nothing(void *user)
{
    (void)user;
}

static enum vkmoe_status begin_with(enum vkmoe_device_type type, struct matrix_units units,
    const struct observer *observer, vkmoe_device **out)
{
    return vkmoe_rehearsal_begin(
        &(struct rehearsal_params){
            .name = "a card",
            .type = type,
            .min_subgroup_size = 16,
            .max_subgroup_size = 64,
            .matrix_units = units,
            .log = printing_log,
            .observer = observer,
        },
        out);
}

static enum vkmoe_status begin(
    enum vkmoe_device_type type, const struct observer *observer, vkmoe_device **out)
{
    return begin_with(type, (struct matrix_units){ 0 }, observer, out);
}

// A layer and what a forward of it takes.
struct stage {
    vkmoe_device *device;
    vkmoe_moe *layer;
    vkmoe_stream *stream;
    vkmoe_buffer *x, *y;
};

// Returns `ok`.
static bool stage_finish(struct stage *s, bool ok)
{
    vkmoe_stream_destroy(&s->stream);
    DESTROY_BUFFERS(&s->x, &s->y);
    vkmoe_moe_destroy(&s->layer);
    vkmoe_rehearsal_end(&s->device);
    return ok;
}

// A forward of s->layer, of so many tokens.
static enum vkmoe_status stage_forward(struct stage *s, uint32_t tokens, uint32_t width)
{
    TRY_RETURN(vkmoe_stream_create(s->device, &s->stream));
    TRY_RETURN(vkmoe_buffer_create(s->device, (uint64_t)tokens * width * 4, &s->x));
    TRY_RETURN(vkmoe_buffer_create(s->device, (uint64_t)tokens * width * 4, &s->y));
    return vkmoe_moe_forward(s->stream, s->layer,
        &(struct vkmoe_moe_forward_params){ VKMOE_INIT(vkmoe_moe_forward_params), .tokens = tokens,
            .x.buffer = s->x, .y.buffer = s->y });
}

// A forward of the tiny s.layer, as a device of that type would have it.
static bool observe(enum vkmoe_device_type type, struct seen *seen)
{
    const struct observer observer = { see_dispatch, see_barrier, seen };
    struct tiny_layer tiny;
    struct stage s = { NULL };
    bool ok = false;
    *seen = (struct seen){ 0 };
    tiny_layer_init(&tiny, 1);
    CHECK_OK(begin(type, &observer, &s.device));
    CHECK_OK(tiny_layer_create(&tiny, s.device, &s.layer));
    CHECK_OK(vkmoe_stream_create(s.device, &s.stream));
    CHECK_OK(vkmoe_buffer_create(s.device, TINY_SIZE, &s.x));
    CHECK_OK(vkmoe_buffer_create(s.device, TINY_SIZE, &s.y));
    CHECK(seen->count == 0);
    CHECK_OK(tiny_layer_forward(s.stream, s.layer, s.x, s.y));
    CHECK(seen->count == vkmoe_stream_dispatch_count(s.stream));
    CHECK(seen->count > 0 && seen->dispatches[0].barriers > 0 && seen->barriers == 0);
    ok = true;
fail:
    return stage_finish(&s, ok);
}

static bool test_card(void)
{
    static const enum kernel kernels[] = { KERNEL_route, KERNEL_decode_up, KERNEL_decode_down };
    struct seen seen;
    CHECK(observe(VKMOE_DEVICE_TYPE_DISCRETE, &seen));
    CHECK(seen.count == COUNT_OF(kernels));
    for (size_t i = 0; i < COUNT_OF(kernels); i++) {
        CHECK(seen.dispatches[i].kernel == kernels[i]);
        CHECK(seen.dispatches[i].lanes >= 32 && seen.dispatches[i].groups > 0);
    }
    return true;
fail:
    return false;
}

// Five tokens are many on a CPU, and forms for cards are none of its own.
static bool test_cpu(void)
{
    struct seen seen;
    bool multiplied = false;
    CHECK(observe(VKMOE_DEVICE_TYPE_CPU, &seen));
    for (uint32_t i = 0; i < seen.count; i++) {
        CHECK(!(seen.dispatches[i].variant->needs & NEED_gpu));
        multiplied |= seen.dispatches[i].kernel == KERNEL_experts_gemm;
    }
    CHECK(multiplied);
    return true;
fail:
    return false;
}

// The sort and the products behind it.
struct products {
    struct group_tokens_push sort;
    struct experts_gemm_push pushes[3]; // gate, up, down
    const struct variant *forms[3];
    uint32_t count;
};

static void see_product(void *user, const struct variant *variant, const struct dispatch *d)
{
    struct products *seen = user;
    if (variant->kernel == KERNEL_group_tokens)
        seen->sort = *(const struct group_tokens_push *)d->push;
    if (variant->kernel != KERNEL_experts_gemm || seen->count == 3)
        return;
    seen->forms[seen->count] = variant;
    seen->pushes[seen->count++] = *(const struct experts_gemm_push *)d->push;
}

// Gate and up in forms with tiles of other sizes: the sort makes tiles of rows that all products
// take, and workgroups enough for either.
static bool test_gate_apart(void)
{
    enum { HIDDEN = 256, INNER = 320, EXPERTS = 4, TOKENS = 400 };
    static const unsigned char zeros[HIDDEN * INNER * 4];
    struct products seen = { .count = 0 };
    const struct observer observer = { see_product, see_nothing, &seen };
    struct vkmoe_view gate[EXPERTS], up[EXPERTS], down[EXPERTS];
    struct stage s = { NULL };
    bool ok = false;
    for (uint32_t e = 0; e < EXPERTS; e++) {
        gate[e] = (struct vkmoe_view){ .data = zeros, .dtype = VKMOE_DTYPE_F16 };
        up[e] = (struct vkmoe_view){ .data = zeros, .dtype = VKMOE_DTYPE_Q4_K };
        down[e] = (struct vkmoe_view){ .data = zeros, .dtype = VKMOE_DTYPE_BF16 };
    }
    CHECK_OK(begin(VKMOE_DEVICE_TYPE_DISCRETE, &observer, &s.device));
    CHECK_OK(vkmoe_moe_create(s.device,
        &(struct vkmoe_moe_params){ VKMOE_INIT(vkmoe_moe_params), .hidden = HIDDEN, .inner = INNER,
            .experts = EXPERTS, .experts_per_token = 2, .router.weight.data = zeros, .gate = gate,
            .up = up, .down = down },
        &s.layer));
    s.layer->gate.form =
        vkmoe_form_named(s.device, "experts_gemm", "rows_in_lanes", VKMOE_DTYPE_F16, false);
    s.layer->up.form =
        vkmoe_form_named(s.device, "experts_gemm", "narrow_tile", VKMOE_DTYPE_Q4_K, false);
    CHECK(s.layer->gate.form && s.layer->up.form);
    CHECK(s.layer->gate.form->tile.blocks < s.layer->up.form->tile.blocks);
    CHECK(s.layer->gate.form->tile.rows < s.layer->up.form->tile.rows);
    CHECK_OK(stage_forward(&s, TOKENS, HIDDEN));
    CHECK(seen.count == 3);
    CHECK(seen.forms[0] == s.layer->gate.form && seen.forms[1] == s.layer->up.form);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(seen.forms[i]->tile.rows >= seen.sort.tile_rows);
        CHECK(seen.pushes[i].tile_rows == seen.sort.tile_rows);
        CHECK((i < 2 ? seen.sort.up_row_tiles : seen.sort.down_row_tiles)
            >= seen.pushes[i].row_tiles);
    }
    ok = true;
fail:
    return stage_finish(&s, ok);
}

// What products took and made in f16, beside each other.
struct halves {
    uint32_t read, written;
};

static void see_halves(void *user, const struct variant *variant, const struct dispatch *d)
{
    struct halves *seen = user;
    if (variant->kernel != KERNEL_experts_gemm)
        return;
    seen->read += d->spec[GEMM_HALF];
    seen->written |= d->spec[GEMM_RESULT_HALF];
}

// What a layer on 16 x 16 matrix units does with h; the gate may be of another dtype.
static bool observe_halves(
    enum vkmoe_precision precision, enum vkmoe_dtype gate_dtype, struct halves *seen, bool *can)
{
    enum { WIDTH = 320, EXPERTS = 4, TOKENS = 200 };
    static const unsigned char zeros[WIDTH * WIDTH * 4];
    const struct observer observer = { see_halves, see_nothing, seen };
    const struct vkmoe_view view = { .data = zeros, .dtype = VKMOE_DTYPE_F16 };
    struct vkmoe_view gate[EXPERTS], other[EXPERTS];
    struct stage s = { NULL };
    bool ok = false;
    *seen = (struct halves){ 0 };
    for (uint32_t e = 0; e < EXPERTS; e++) {
        gate[e] = (struct vkmoe_view){ .data = zeros, .dtype = gate_dtype };
        other[e] = view;
    }
    CHECK_OK(vkmoe_rehearsal_begin(&(struct rehearsal_params){ .name = "a card",
                                       .type = VKMOE_DEVICE_TYPE_DISCRETE,
                                       .min_subgroup_size = 32,
                                       .max_subgroup_size = 32,
                                       .matrix_units = { 16, 16, 16, 32 },
                                       .log = printing_log,
                                       .observer = &observer },
        &s.device));
    *can = vkmoe_form_named(s.device, "experts_gemm", "matrix_16x16_64", VKMOE_DTYPE_F16, true);
    CHECK_OK(vkmoe_moe_create(s.device,
        &(struct vkmoe_moe_params){ VKMOE_INIT(vkmoe_moe_params), .hidden = WIDTH, .inner = WIDTH,
            .experts = EXPERTS, .experts_per_token = 2, .router.weight.data = zeros, .gate = gate,
            .up = other, .down = other, .precision = precision,
            .shared = { .inner = WIDTH, .up = view, .down = view } },
        &s.layer));
    CHECK_OK(stage_forward(&s, TOKENS, WIDTH));
    ok = true;
fail:
    return stage_finish(&s, ok);
}

// Between the products of a fast layer, and nowhere else, h is f16.
static bool test_half(void)
{
    struct halves fast, exact, apart;
    bool can;
    CHECK(observe_halves(VKMOE_PRECISION_FAST, VKMOE_DTYPE_F16, &fast, &can));
    CHECK(observe_halves(VKMOE_PRECISION_EXACT, VKMOE_DTYPE_F16, &exact, &can));
    CHECK(observe_halves(VKMOE_PRECISION_FAST, VKMOE_DTYPE_BF16, &apart, &can));
    CHECK(exact.read == 0 && exact.written == 0 && apart.read == 0 && apart.written == 0);
    if (!can) // glslc was too old for the form
        return true;
    // Each of two classes, and the shared expert.
    CHECK(fast.read == 3 && fast.written == 3);
    return true;
fail:
    return false;
}

// More than any machine has, and each buffer has a place of its own.
static bool test_memory(void)
{
    struct seen seen = { 0 };
    const struct observer observer = { see_dispatch, see_barrier, &seen };
    vkmoe_device *device = NULL;
    vkmoe_buffer *buffers[64] = { NULL };
    bool ok = false;
    CHECK_OK(begin(VKMOE_DEVICE_TYPE_INTEGRATED, &observer, &device));
    for (size_t i = 0; i < COUNT_OF(buffers); i++) {
        CHECK_OK(vkmoe_buffer_create(device, i % 2 ? 3 * GB : 5000, &buffers[i]));
        for (size_t j = 0; j < i; j++) {
            const uint64_t a = vkmoe_buffer_address(buffers[i]),
                           b = vkmoe_buffer_address(buffers[j]);
            CHECK(a >= b + vkmoe_buffer_size(buffers[j]) || b >= a + vkmoe_buffer_size(buffers[i]));
        }
    }
    CHECK_OK(vkmoe_buffer_upload(buffers[0], 0, &(uint32_t){ 1 }, 4));
    ok = true;
fail:
    for (size_t i = 0; i < COUNT_OF(buffers); i++)
        vkmoe_buffer_destroy(&buffers[i]);
    vkmoe_rehearsal_end(&device);
    return ok;
}

// Between what was dispatched before and what will be.
static bool test_transfers(void)
{
    struct seen seen = { 0 };
    const struct observer observer = { see_dispatch, see_barrier, &seen };
    vkmoe_device *device = NULL;
    vkmoe_stream *stream = NULL;
    vkmoe_buffer *buffer = NULL;
    bool ok = false;
    CHECK_OK(begin(VKMOE_DEVICE_TYPE_DISCRETE, &observer, &device));
    CHECK_OK(vkmoe_stream_create(device, &stream));
    CHECK_OK(vkmoe_buffer_create(device, 64, &buffer));
    CHECK_OK(vkmoe_stream_update(stream, buffer, 0, &(uint32_t){ 1 }, 4));
    CHECK(seen.barriers == 2 && seen.count == 0);
    CHECK_OK(vkmoe_stream_fill(stream, buffer, 0, 64, 7));
    CHECK(seen.barriers == 4 && seen.count == 0);
    ok = true;
fail:
    vkmoe_stream_destroy(&stream);
    vkmoe_buffer_destroy(&buffer);
    vkmoe_rehearsal_end(&device);
    return ok;
}

// -------------------------------------------------------------------------- size classes

// Products of a layer, and how its pairs are sorted for them: with forms that are called so for
// few rows an expert and for many, or all alike.
struct sort {
    const char *name;
    bool matrices; // the card has units for them
    enum vkmoe_dtype up, down;
    uint32_t tokens, k, experts;
    bool one_class; // is asked for
    const char *few, *large;
    uint32_t many, rest; // rows
};

#define WIDE(bits) VKMOE_DTYPE_F##bits, VKMOE_DTYPE_F##bits
static const struct sort sorts[] = {
    { "matrices", true, WIDE(16), 512, 8, 128, false, "matrix_16x16_32", "matrix_16x16_64", 33, 0 },
    { "few-on-average", true, WIDE(16), 64, 8, 128, false, "matrix_16x16_16", "matrix_16x16_64", 17,
        0 },
    { "few-at-all", true, WIDE(16), 33, 8, 128, false, "matrix_16x16_16", NULL, 0, 0 },
    { "many-everywhere", true, WIDE(16), 4096, 2, 8, false, "matrix_16x16_64", NULL, 0, 0 },
    { "asked-for-one", true, WIDE(16), 512, 8, 128, true, "matrix_16x16_64", NULL, 0, 0 },
    { "one-form", true, VKMOE_DTYPE_Q4_K, VKMOE_DTYPE_Q4_K, 512, 8, 128, false,
        "matrix_16x16_unpack", NULL, 0, 0 },
    { "one-of-two-has-forms", true, VKMOE_DTYPE_F16, VKMOE_DTYPE_Q4_K, 512, 8, 128, false,
        "matrix_16x16_64", NULL, 0, 0 },
    { "no-matrices", false, WIDE(32), 512, 8, 128, false, "shared_tile_32", "shared_tile", 49, 49 },
    { "no-matrices-mixed", false, VKMOE_DTYPE_Q4_K, VKMOE_DTYPE_Q8_0, 400, 2, 16, false,
        "narrow_tile_32", "narrow_tile", 49, 49 },
    { "least-tokens", false, WIDE(32), 98, 4, 16, false, "shared_tile_32", "shared_tile", 49, 0 },
    { "too-few-tokens", false, WIDE(32), 97, 4, 16, false, "shared_tile_32", NULL, 0, 0 },
};

static struct sorted_pairs plan_sort(
    vkmoe_device *device, const struct sort *s, bool one_class, uint64_t *size)
{
    const struct experts up = { .device = device, .dtype = s->up, .count = s->experts };
    struct experts down = up;
    down.dtype = s->down;
    *size = 0;
    return vkmoe_pairs_plan(size,
        &(struct sorted_products){ .up = &up, .down = &down, .one_class = one_class }, s->tokens,
        s->k);
}

static bool check_sort(vkmoe_device *device, const struct sort *s)
{
    uint64_t size;
    const struct sorted_pairs sorted = plan_sort(device, s, s->one_class, &size);
    const struct size_class *classes = sorted.classes;
    const bool compiled = vkmoe_form_named(device, "experts_gemm", s->few, s->up, false) != NULL;
    tap_note("%s: %s, %s", s->name, compiled ? classes[0].up->form : "not compiled",
        sorted.class_count > 1 ? classes[1].up->form : "and no others");
    return !compiled
        || (sorted.class_count == (s->large ? 2 : 1) && !strcmp(classes[0].up->form, s->few)
            && sorted.many == (s->large ? s->many : UINT32_MAX) && sorted.rest == s->rest
            && size <= 1 << 20 // what the header says is for this
            && (!s->large
                || (!strcmp(classes[1].up->form, s->large) && classes[1].plan > classes[0].plan
                    && classes[1].tile_rows > classes[0].tile_rows)));
}

// What products of so many rows an expert cost: rows computed for each that is wanted, and tiles,
// which read all weights of an expert each.
struct cost {
    double rows;
    uint32_t tiles;
};

static struct cost cost_of(const struct sorted_pairs *sorted, const uint32_t *rows, uint32_t count)
{
    struct cost cost = { 0, 0 };
    double wanted = 0;
    for (uint32_t e = 0; e < count; e++) {
        const struct size_class *classes = sorted->classes;
        const uint32_t few =
            FEW_ROWS(rows[e], sorted->many, sorted->rest, MAX(classes[1].tile_rows, 1));
        const uint32_t parts[2] = { few, rows[e] - few };
        for (uint32_t i = 0; i < sorted->class_count; i++) {
            cost.rows += vkmoe_gemm_computed_rows(classes[i].up, parts[i], classes[i].tile_rows);
            cost.tiles += div_up(parts[i], classes[i].tile_rows);
        }
        wanted += rows[e];
    }
    cost.rows /= wanted;
    return cost;
}

// One expert is chosen by a share of the pairs, others the less the later they come.
static void skew(const struct sort *s, double share, uint32_t *rows)
{
    const uint32_t pairs = s->tokens * s->k;
    double harmonic = 0;
    rows[0] = MIN((uint32_t)(share * pairs), s->tokens);
    for (uint32_t e = 1; e < s->experts; e++)
        harmonic += 1.0 / e;
    for (uint32_t e = 1; e < s->experts; e++)
        rows[e] = MIN((uint32_t)((pairs - rows[0]) / (harmonic * e)), s->tokens);
}

// Classes save tiles or rows, and no more than a few rows are the price.
static bool check_savings(vkmoe_device *device, uint32_t tokens, bool matrices)
{
    uint64_t size;
    uint32_t rows[128];
    const enum vkmoe_dtype dtype = matrices ? VKMOE_DTYPE_F16 : VKMOE_DTYPE_F32;
    const struct sort s = { .up = dtype, .down = dtype, .tokens = tokens, .k = 8, .experts = 128 };
    skew(&s, 0.3, rows);
    const struct sorted_pairs one = plan_sort(device, &s, true, &size);
    const struct sorted_pairs sorted = plan_sort(device, &s, false, &size);
    const struct cost before = cost_of(&one, rows, s.experts);
    const struct cost after = cost_of(&sorted, rows, s.experts);
    tap_note("%4u tokens, %s: %.2f rows for each, %u tiles; %u classes: %.2f, %u", s.tokens,
        one.classes[0].up->form, before.rows, before.tiles, sorted.class_count, after.rows,
        after.tiles);
    // Those for matrix units compute as many rows in any tile; small ones want less of a card.
    const bool units = one.classes[0].up->needs & NEED_ANY_MATRIX;
    const bool saves = after.rows < before.rows || after.tiles < before.tiles;
    return sorted.class_count == 2 && after.rows <= 1.03 * before.rows
        && (saves || (units && after.tiles == before.tiles));
}

static bool test_classes(int matrices)
{
    static const struct observer observer = { see_product, see_nothing, NULL };
    static const struct matrix_units units[] = { { 0 }, { 16, 16, 16, 64 } };
    vkmoe_device *device = NULL;
    CHECK_OK(begin_with(VKMOE_DEVICE_TYPE_DISCRETE, units[matrices], &observer, &device));
    for (uint32_t i = 0; i < COUNT_OF(sorts); i++)
        CHECK(sorts[i].matrices != matrices || check_sort(device, &sorts[i]));
    for (uint32_t tokens = 128; tokens <= 2048; tokens *= 2)
        CHECK(check_savings(device, tokens, matrices));
    vkmoe_rehearsal_end(&device);
    return true;
fail:
    vkmoe_rehearsal_end(&device);
    return false;
}

TESTS_MAIN(ON_HOST, { "card", test_card }, { "cpu", test_cpu }, { "gate-apart", test_gate_apart },
    { "half", test_half }, { "classes", NULL, test_classes, 0 },
    { "classes-matrices", NULL, test_classes, 1 }, { "memory", test_memory },
    { "transfers", test_transfers })
