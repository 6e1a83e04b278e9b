// pipelines.c - makes every pipeline that published layers ask for on a device, and tells
// what its compiler says of each:
//
//     pipelines --json FILE --label LABEL [--known FILE] [--device DEVICE] [--shape NAME]
//     pipelines --code DIR [--device DEVICE]
//
// Fails if a pipeline cannot be made or keeps registers in memory. Nothing is recorded or
// submitted (no_gpu.c), so a driver without its GPU will do. The output has no times and no
// addresses: it differs from an earlier one only where the code does.
//
// With --known, those that an earlier run has written of are not compiled: its figures are theirs,
// see known.h.
//
// With --code the pipelines are those of the products of one model's layer, of its own widths, and
// what they were compiled to goes to a file each (executables.h), whose first lines say what it is.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "bench/shapes.h"
#include "bench/weights.h"
#include "base/common.h"
#include "device/pipelines.h"
#include "device/shapes.h"
#include "device/transfer.h"
#include "formats.h"
#include "weights/experts.h"
#include "weights/format.h"
#include "weights/pack.h"
#include "executables.h"
#include "known.h"
#include "no_gpu.h"
#include "record_attention.h"

#include "shaders/decode.h"
#include "shaders/experts_gemm.h"
#include "shaders/route.h"

// Kernels do not know the widths, but for their being multiples of 8 and what cut_as_models() does.
#define WIDTH 64
#define PREFILL_TOKENS 64
#define STATISTIC_NAME_SIZE VK_MAX_DESCRIPTION_SIZE
#define CODE_SHAPE "qwen3-30b-a3b"
#define CODE_EXPERTS 32 // of its 128; 8 are chosen, so that 128 tokens are 32 rows an expert

struct pipeline {
    const struct variant *variant;
    uint32_t spec[SPEC_MAX];
    VkPipeline handle;
    char wanted_by[64];   // the first who asked for it
    cJSON *statistics;    // name: number
    bool spills, differs; // from what is known of it
};

struct program {
    const char *json, *label, *select, *shape, *code, *record;
    struct known known;
    vkmoe_device *device;
    struct executables executables;
    struct pipeline *pipelines;
    uint32_t count, room;
    const char *wanted_by; // who is being recorded
    uint32_t failed;
};

static void *checked(void *memory)
{
    if (!memory) {
        fprintf(stderr, "pipelines: out of memory\n");
        exit(2);
    }
    return memory;
}

static void write_log(void *user, enum vkmoe_log_level level, const char *line)
{
    (void)user;
    (void)level;
    fprintf(stderr, "pipelines: %s\n", line);
}

// --------------------------------------------------------------------------- recording

static void note_pipeline(
    void *user, const struct variant *variant, const uint32_t *spec, VkPipeline handle)
{
    struct program *program = user;
    for (uint32_t i = 0; i < program->count; i++) {
        if (program->pipelines[i].handle == handle)
            return;
    }
    if (program->count == program->room) {
        program->room = program->room ? 2 * program->room : 64;
        program->pipelines =
            checked(realloc(program->pipelines, program->room * sizeof *program->pipelines));
    }
    struct pipeline *pipeline = &program->pipelines[program->count++];
    *pipeline = (struct pipeline){ .variant = variant, .handle = handle };
    memcpy(pipeline->spec, spec, sizeof pipeline->spec);
    snprintf(pipeline->wanted_by, sizeof pipeline->wanted_by, "%s", program->wanted_by);
}

static enum vkmoe_status record(struct program *program, const struct layer_case *c,
    const vkmoe_moe *layer, const vkmoe_buffer *memory, uint64_t rows_size)
{
    vkmoe_stream *stream = NULL;
    enum vkmoe_status status = vkmoe_stream_create(program->device, &stream);
    if (status == VKMOE_OK)
        status = vkmoe_moe_forward(stream, layer,
            &(struct vkmoe_moe_forward_params){
                VKMOE_INIT(vkmoe_moe_forward_params),
                .tokens = c->tokens,
                .x = { memory, 0 },
                .y = { memory, rows_size },
                .ids = { memory, 2 * rows_size },
            });
    vkmoe_stream_destroy(&stream); // and what was recorded
    return status;
}

// Records the layer with each number of tokens, of which the last is the largest.
static void visit_layer(struct program *program, const char *shape, struct layer_case c,
    const uint32_t *tokens, uint32_t count)
{
    const uint64_t rows_size = (uint64_t)tokens[count - 1] * c.layer.hidden * 4;
    const uint64_t ids_size = (uint64_t)tokens[count - 1] * 64 * 4;
    struct weights weights;
    vkmoe_moe *layer = NULL;
    vkmoe_buffer *memory = NULL;
    if (!weights_init(&weights, &c, 1))
        checked(NULL);
    enum vkmoe_status status = vkmoe_moe_create(program->device, &weights.params, &layer);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_create(program->device, 2 * rows_size + ids_size, &memory);
    weights_finish(&weights);
    program->failed += status != VKMOE_OK;
    for (size_t i = 0; i < count && layer && memory; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s %s%s t%u", shape, test_format(c.dtype)->name,
            c.layer.precision == VKMOE_PRECISION_FAST ? " fast" : "", tokens[i]);
        c.tokens = tokens[i];
        status = record(program, &c, layer, memory, rows_size);
        if (status != VKMOE_OK) {
            printf("%s: %s\n", name, vkmoe_status_name(status));
            program->failed++;
        }
        program->wanted_by = name;
        vkmoe_pipelines_visit(program->device, note_pipeline, program);
    }
    vkmoe_buffer_destroy(&memory);
    vkmoe_moe_destroy(&layer);
}

static void visit_small(struct program *program, const struct shape *shape, enum vkmoe_dtype dtype,
    enum vkmoe_precision precision)
{
    static const uint32_t tokens[] = { 1, 2, 4, 8, PREFILL_TOKENS }, ends[] = { 1, PREFILL_TOKENS };
    const bool some = vkmoe_format_has_code_book(dtype); // the rest is as with other formats
    struct layer_case c = shape->base;
    c.dtype = dtype;
    c.layer.precision = precision;
    const uint32_t width = MAX(WIDTH, test_format(dtype)->elements);
    c.layer.hidden = c.layer.inner = width;
    c.layer.shared.inner = c.layer.shared.inner ? width : 0;
    visit_layer(program, shape->name, c, some ? ends : tokens,
        some ? ARRAY_SIZE(ends) : ARRAY_SIZE(tokens));
}

// Of formats below 8 bits, which are read in much the same way and take long to compile, two, and
// one with a code book.
static bool is_one_of_many(enum vkmoe_dtype dtype)
{
    return dtype > VKMOE_DTYPE_Q8_0 && dtype != VKMOE_DTYPE_Q4_K && dtype != VKMOE_DTYPE_IQ4_XS
        && dtype != VKMOE_DTYPE_IQ3_S;
}

static void visit_shapes(struct program *program)
{
    struct shape *shapes = checked(malloc(MAX_SHAPES * sizeof *shapes));
    const uint32_t count = shapes_list(shapes);
    for (uint32_t i = 0; i < count; i++) {
        if (program->shape && strcmp(program->shape, shapes[i].name))
            continue;
        // A format decides how weights are read, a shape what becomes of them.
        for (uint32_t dtype = 0; dtype < test_format_count; dtype++)
            if (!is_one_of_many((enum vkmoe_dtype)dtype)
                && (i == 0 || dtype == VKMOE_DTYPE_F16 || program->shape))
                visit_small(program, &shapes[i], (enum vkmoe_dtype)dtype, VKMOE_PRECISION_EXACT);
        // Of formats below 8 bits two again.
        for (uint32_t dtype = 0; dtype <= VKMOE_DTYPE_Q4_K; dtype++)
            if (i == 0 || program->shape)
                visit_small(program, &shapes[i], (enum vkmoe_dtype)dtype, VKMOE_PRECISION_FAST);
    }
    free(shapes);
}

// The model's layer for --code, of its own widths.
static void visit_model(struct program *program)
{
    static const uint32_t tokens[] = { 1, 128, 512 }, fewer[] = { 1, 512 };
    struct shape *shapes = checked(malloc(MAX_SHAPES * sizeof *shapes));
    const uint32_t count = shapes_list(shapes);
    for (uint32_t i = 0; i < count; i++) {
        struct layer_case c = shapes[i].base;
        if (strcmp(CODE_SHAPE, shapes[i].name))
            continue;
        c.layer.experts = CODE_EXPERTS;
        for (uint32_t p = VKMOE_PRECISION_EXACT; p <= VKMOE_PRECISION_FAST; p++) {
            c.layer.precision = (enum vkmoe_precision)p;
            c.dtype = VKMOE_DTYPE_F16;
            visit_layer(program, CODE_SHAPE, c, tokens, ARRAY_SIZE(tokens));
            c.dtype = VKMOE_DTYPE_Q8_0;
            visit_layer(program, CODE_SHAPE, c, tokens, ARRAY_SIZE(tokens));
            c.dtype = VKMOE_DTYPE_Q4_K;
            visit_layer(
                program, CODE_SHAPE, c, fewer, c.layer.precision == VKMOE_PRECISION_FAST ? 2 : 1);
        }
    }
    free(shapes);
}

// What `p` is for many or few rows an expert, and fast.
static void cut_for_matrix_units(struct program *program, const struct pipeline *p)
{
    const vkmoe_device *device = program->device;
    for (uint32_t i = 0; i < vkmoe_variant_count; i++) {
        const struct variant *variant = &vkmoe_variants[i];
        if (variant->kernel != KERNEL_experts_gemm || !(variant->needs & NEED_ANY_MATRIX)
            || variant->needs & ~(device->needs | NEED_fast) || !*variant->spirv_size)
            continue;
        for (uint32_t fast = variant->needs & NEED_fast ? 1 : 0; fast < 2; fast++) {
            uint32_t spec[SPEC_MAX];
            VkPipeline pipeline;
            memcpy(spec, p->spec, sizeof spec);
            spec[GEMM_FAST] = fast;
            if (!fast)
                spec[GEMM_HALF] = spec[GEMM_RESULT_HALF] = 0;
            if (!(variant->formats >> spec[GEMM_TYPE] & 1))
                continue;
            vkmoe_gemm_cut(device, variant, WIDTH / 8, WIDTH, spec);
            program->failed +=
                vkmoe_pipeline_get(program->device, variant, spec, &pipeline) != VKMOE_OK;
        }
    }
}

// Rows of WIDTH have work for few lanes: cuts what is there once more, as wide rows are.
static void cut_as_models(struct program *program, bool heads)
{
    const vkmoe_device *device = program->device;
    for (uint32_t i = 0, count = program->count; i < count; i++) {
        const struct pipeline p = program->pipelines[i];
        const enum kernel kernel = p.variant->kernel;
        uint32_t spec[SPEC_MAX];
        VkPipeline pipeline;
        memcpy(spec, p.spec, sizeof spec);
        if (heads != (kernel == KERNEL_decode_heads))
            continue;
        if (kernel == KERNEL_route) {
            spec[ROUTE_LANES] = vkmoe_tuned_lanes(device, TUNE_ROUTE_LANES);
        } else if (kernel == KERNEL_decode_up || kernel == KERNEL_decode_down || heads) {
            spec[DECODE_LANES] = vkmoe_tuned_lanes(device, TUNE_DECODE_LANES);
            const bool integers = p.variant->needs & NEED_integer_dot;
            const uint32_t unroll =
                vkmoe_tuning(device, integers ? TUNE_INTEGER_UNROLL : TUNE_DECODE_UNROLL);
            spec[DECODE_UNROLL] = MAX(unroll / spec[DECODE_TOGETHER], spec[DECODE_UNROLL]);
        } else if (kernel == KERNEL_experts_gemm) {
            cut_for_matrix_units(program, &p);
        } else {
            continue;
        }
        program->wanted_by = p.wanted_by;
        program->failed +=
            vkmoe_pipeline_get(program->device, p.variant, spec, &pipeline) != VKMOE_OK;
        vkmoe_pipelines_visit(program->device, note_pipeline, program);
    }
}

// Layouts of files that no shape above has.
static void visit_packing(struct program *program)
{
    const struct variant *variant = vkmoe_kernel_choose(program->device, KERNEL_pack_weights);
    program->wanted_by = "loading";
    for (uint32_t size = 2; size <= 4; size += 2) {
        for (uint32_t form = PACK_ROWS; form <= PACK_COLUMNS; form++) {
            const uint32_t spec[SPEC_MAX] = {
                [PACK_LANES] = 64,
                [PACK_SIZE] = size,
                [PACK_FORM] = form,
            };
            VkPipeline pipeline;
            program->failed +=
                vkmoe_pipeline_get(program->device, variant, spec, &pipeline) != VKMOE_OK;
        }
    }
    vkmoe_pipelines_visit(program->device, note_pipeline, program);
}

static void note_attention(void *user, const char *name, enum vkmoe_status status)
{
    struct program *program = user;
    if (status != VKMOE_OK) {
        printf("%s: %s\n", name, vkmoe_status_name(status));
        program->failed++;
    }
    program->wanted_by = name;
    vkmoe_pipelines_visit(program->device, note_pipeline, program);
}

// -------------------------------------------------------------------------- statistics

static void add_statistic(
    void *user, const char *executable, const VkPipelineExecutableStatisticKHR *s)
{
    struct pipeline *pipeline = user;
    const double value = statistic_value(s);
    char name[2 * STATISTIC_NAME_SIZE + 2];
    if (strstr(s->name, "hash")
        || strstr(s->name, "Hash")) // of a compiler's own data, not of the code
        return;
    snprintf(name, sizeof name, "%s%s%s", executable, *executable ? ": " : "", s->name);
    pipeline->spills |= statistic_is_spill(s->name, value);
    cJSON_AddNumberToObject(pipeline->statistics, name, value);
}

static void add_statistics(struct program *program, struct pipeline *pipeline)
{
    const cJSON *known = known_statistics(&program->known, no_gpu_key(pipeline->handle)), *s;
    if (no_gpu_is_compiled(pipeline->handle)) {
        pipeline->statistics = checked(cJSON_CreateObject());
        if (program->device->capture_statistics)
            executables_visit(&program->executables, pipeline->handle, add_statistic, pipeline);
        pipeline->differs = known && !cJSON_Compare(known, pipeline->statistics, true);
        return;
    }
    pipeline->statistics = checked(cJSON_Duplicate(known, true));
    cJSON_ArrayForEach(s, known) pipeline->spills |= statistic_is_spill(s->string, s->valuedouble);
}

static bool is_left_out(void *user, uint64_t key)
{
    const struct program *program = user;
    return known_statistics(&program->known, key) && !known_is_checked(key);
}

// ------------------------------------------------------------------------------ report

static int compare_pipelines(const void *left, const void *right)
{
    const struct pipeline *a = left, *b = right;
    if (a->variant != b->variant)
        return a->variant < b->variant ? -1 : 1;
    for (int i = 0; i < SPEC_MAX; i++) {
        if (a->spec[i] != b->spec[i])
            return a->spec[i] < b->spec[i] ? -1 : 1;
    }
    return 0;
}

static uint32_t spec_length(const struct pipeline *pipeline)
{
    uint32_t length = SPEC_MAX;
    while (length && !pipeline->spec[length - 1])
        length--;
    return length;
}

static const char *const kernel_names[] = {
#define KERNEL(name) #name,
#include "shaders/kernels.def"
};

static cJSON *describe(const struct pipeline *pipeline)
{
    char key[KNOWN_KEY_SIZE];
    cJSON *object = checked(cJSON_CreateObject());
    cJSON *spec = checked(cJSON_CreateArray());
    cJSON_AddStringToObject(object, "kernel", kernel_names[pipeline->variant->kernel]);
    cJSON_AddStringToObject(object, "variant",
        pipeline->variant->name + strlen(kernel_names[pipeline->variant->kernel]) + 1);
    for (uint32_t i = 0; i < spec_length(pipeline); i++)
        cJSON_AddItemToArray(spec, checked(cJSON_CreateNumber(pipeline->spec[i])));
    cJSON_AddItemToObject(object, "spec", spec);
    known_format_key(no_gpu_key(pipeline->handle), key);
    cJSON_AddStringToObject(object, "key", key);
    cJSON_AddStringToObject(object, "for", pipeline->wanted_by);
    cJSON_AddItemReferenceToObject(object, "stats", pipeline->statistics);
    return object;
}

static void print_pipeline(const struct pipeline *pipeline)
{
    printf("%s%s%s (%s):", pipeline->spills ? "SPILLS " : "",
        pipeline->differs ? "UNLIKE THE RECORD " : "", pipeline->variant->name,
        pipeline->wanted_by);
    const char *separator = " ";
    for (const cJSON *s = pipeline->statistics->child; s; s = s->next, separator = ", ")
        printf("%s%s %.10g", separator, s->string, s->valuedouble);
    printf("\n");
}

static bool print_text(FILE *file, const char *before, cJSON *json)
{
    char *text = checked(cJSON_PrintUnformatted(json));
    const bool ok = fprintf(file, "%s%s", before, text) >= 0;
    cJSON_free(text);
    cJSON_Delete(json);
    return ok;
}

// By hand between the pipelines: one line each, for the sake of `diff`.
static bool write_json(const struct program *program)
{
    const struct vkmoe_device_info *info = &program->device->gpu.info;
    FILE *file = fopen(program->json, "w");
    bool ok = file != NULL;
    if (ok) {
        ok = print_text(file, "{\"label\":", checked(cJSON_CreateString(program->label)))
            && print_text(file, ",\"device\":", checked(cJSON_CreateString(info->name)))
            && print_text(file, ",\"driver\":", checked(cJSON_CreateString(info->driver)))
            && fputs(",\"pipelines\":[", file) >= 0;
        for (uint32_t i = 0; i < program->count && ok; i++)
            ok = print_text(file, i ? ",\n" : "\n", describe(&program->pipelines[i]));
        ok = ok && fputs("\n]}\n", file) >= 0;
        ok = !fclose(file) && ok;
    }
    if (!ok)
        fprintf(stderr, "pipelines: cannot write %s\n", program->json);
    return ok;
}

// -------------------------------------------------------------------------------- code

static bool is_product(enum kernel kernel)
{
    return kernel == KERNEL_decode_up || kernel == KERNEL_decode_down
        || kernel == KERNEL_experts_gemm;
}

// What counts are measured by. Of decode: what a lane multiplies in a turn of the source's loop,
// and the bytes that it loads for that, 8 elements of f32 for each unit beside the weights; in
// integers an eighth of those.
static void write_measure(FILE *file, const struct pipeline *p)
{
    const enum kernel kernel = p->variant->kernel;
    if (kernel == KERNEL_experts_gemm) {
        fprintf(file, "up %u\n", p->spec[GEMM_UP]);
        return;
    }
    const struct format *format = vkmoe_format((enum vkmoe_dtype)p->spec[DECODE_TYPE]);
    const bool integers = p->variant->needs & NEED_integer_dot;
    const uint32_t weights = 8 * p->spec[DECODE_BLOCKS] * p->spec[DECODE_UNROLL];
    const uint32_t packed = weights * format->bytes / format->elements;
    const uint32_t bytes = packed + p->spec[DECODE_UNROLL] * (integers ? 4 : 32);
    fprintf(file, "up %d\nweights %u\nbytes %u\n", kernel == KERNEL_decode_up, weights, bytes);
}

static bool write_code(const struct program *program, const struct pipeline *p, uint32_t number)
{
    char path[4096];
    const uint32_t length = spec_length(p);
    snprintf(path, sizeof path, "%s/%03u.txt", program->code, number);
    FILE *file = fopen(path, "w");
    if (!file) {
        fprintf(stderr, "pipelines: cannot write %s\n", path);
        return false;
    }
    fprintf(file, "name %s\nfor %s\ndriver %s\nspec", p->variant->name, p->wanted_by,
        program->device->gpu.info.driver);
    for (uint32_t i = 0; i < length; i++)
        fprintf(file, " %u=%u", i, p->spec[i]);
    fprintf(file, "\n");
    write_measure(file, p);
    executables_write(&program->executables, p->handle, file);
    return !fclose(file);
}

static bool write_codes(const struct program *program)
{
    bool ok = true;
    for (uint32_t i = 0; i < program->count && ok; i++)
        if (is_product(program->pipelines[i].variant->kernel))
            ok = write_code(program, &program->pipelines[i], i);
    return ok;
}

// -------------------------------------------------------------------------------- main

static bool parse(struct program *program, int argc, char **argv)
{
    const struct {
        const char *name;
        const char **value;
    } options[] = {
        { "--json", &program->json },
        { "--label", &program->label },
        { "--device", &program->select },
        { "--shape", &program->shape },
        { "--code", &program->code },
        { "--known", &program->record },
    };
    for (int i = 1; i < argc; i += 2) {
        size_t o = 0;
        while (o < ARRAY_SIZE(options) && strcmp(options[o].name, argv[i]))
            o++;
        if (o == ARRAY_SIZE(options) || i + 1 == argc) {
            fprintf(stderr,
                "usage: %s [--json FILE] [--label LABEL] [--known FILE] [--code DIR]\n"
                "       [--device DEVICE] [--shape NAME]\n",
                argv[0]);
            return false;
        }
        *options[o].value = argv[i + 1];
    }
    return true;
}

static enum vkmoe_status open_device(struct program *program)
{
    const struct vkmoe_device_params params = {
        VKMOE_INIT(vkmoe_device_params),
        .log = { .write = write_log, .level = VKMOE_LOG_WARNING },
        .select = program->select,
        // There is no GPU.
        .no_self_test = true,
    };
    const enum vkmoe_status status = vkmoe_device_create_for(&params, true, &program->device);
    if (status != VKMOE_OK)
        return status;
    vkmoe_device *device = program->device;
    executables_init(
        &program->executables, device->instance_vk.GetDeviceProcAddr, device->gpu.handle);
    printf("%s, %s%s\n", device->gpu.info.name, device->gpu.info.driver,
        device->capture_statistics ? "" : ": tells no statistics");
    return status;
}

int main(int argc, char **argv)
{
    struct program program = { .label = "" };
    uint32_t spilling = 0, left_out = 0, differing = 0;
    if (!parse(&program, argc, argv))
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0); // what came before a driver's crash shall be seen
    no_gpu_keeps_code(program.code != NULL);
    if (program.record && !program.code) {
        known_open(&program.known, program.record, program.label);
        no_gpu_leaves_out(is_left_out, &program);
    }
    const enum vkmoe_status status = open_device(&program);
    if (status != VKMOE_OK) {
        fprintf(stderr, "pipelines: no device: %s\n", vkmoe_status_name(status));
        return 2;
    }
    if (program.code) {
        visit_model(&program);
    } else {
        visit_shapes(&program);
        cut_as_models(&program, false);
    }
    if (!program.shape && !program.code) {
        visit_packing(&program);
        record_attentions(program.device, note_attention, &program);
        cut_as_models(&program, true);
    }
    qsort(program.pipelines, program.count, sizeof *program.pipelines, compare_pipelines);
    for (uint32_t i = 0; i < program.count; i++) {
        add_statistics(&program, &program.pipelines[i]);
        print_pipeline(&program.pipelines[i]);
        spilling += program.pipelines[i].spills;
        left_out += !no_gpu_is_compiled(program.pipelines[i].handle);
        differing += program.pipelines[i].differs;
    }
    printf("%u pipelines, %u compiled, %u known from before, %u unlike the record, %u spill, "
           "%u layers failed\n",
        program.count, program.count - left_out, left_out, differing, spilling, program.failed);
    const bool written =
        (!program.json || write_json(&program)) && (!program.code || write_codes(&program));
    for (uint32_t i = 0; i < program.count; i++)
        cJSON_Delete(program.pipelines[i].statistics);
    free(program.pipelines);
    const bool empty = !program.count;
    vkmoe_device_destroy(&program.device);
    known_close(&program.known);
    return !written || empty || spilling || differing || program.failed;
}
