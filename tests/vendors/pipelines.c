// pipelines.c - makes every pipeline that published layers ask for on a device, and tells
// what its compiler says of each:
//
//     pipelines --json FILE --label LABEL [--device DEVICE] [--shape NAME]
//
// Fails if a pipeline cannot be made or keeps registers in memory. Nothing is recorded or
// submitted (no_gpu.c), so a driver without its GPU will do. The output has no times and no
// addresses: it differs from an earlier one only where the code does.
#include <ctype.h>
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
#include "weights/pack.h"
#include "record_attention.h"

#include "shaders/decode.h"
#include "shaders/route.h"

// Kernels do not know the widths, but for their being multiples of 8 and what cut_as_models() does.
#define WIDTH 64
#define PREFILL_TOKENS 64
#define STATISTIC_NAME_SIZE VK_MAX_DESCRIPTION_SIZE

struct pipeline {
    const struct variant *variant;
    uint32_t spec[SPEC_MAX];
    VkPipeline handle;
    char wanted_by[64]; // the first who asked for it
    cJSON *statistics;  // name: number
    bool spills;
};

struct program {
    const char *json, *label, *select, *shape;
    vkmoe_device *device;
    PFN_vkGetPipelineExecutablePropertiesKHR get_executables;
    PFN_vkGetPipelineExecutableStatisticsKHR get_statistics;
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
    const vkmoe_moe *layer, const vkmoe_buffer *memory)
{
    const uint64_t rows = (uint64_t)PREFILL_TOKENS * WIDTH * 4;
    vkmoe_stream *stream = NULL;
    enum vkmoe_status status = vkmoe_stream_create(program->device, &stream);
    if (status == VKMOE_OK)
        status = vkmoe_moe_forward(stream, layer,
            &(struct vkmoe_moe_forward_params){
                VKMOE_INIT(vkmoe_moe_forward_params),
                .tokens = c->tokens,
                .x = { memory, 0 },
                .y = { memory, rows },
                .ids = { memory, 2 * rows },
            });
    vkmoe_stream_destroy(&stream); // and what was recorded
    return status;
}

static void visit_layer(struct program *program, const struct shape *shape, enum vkmoe_dtype dtype)
{
    static const uint32_t tokens[] = { 1, 2, 4, 8, PREFILL_TOKENS };
    const uint64_t memory_size = (uint64_t)PREFILL_TOKENS * (2 * WIDTH + 64) * 4;
    struct layer_case c = shape->base;
    struct weights weights;
    vkmoe_moe *layer = NULL;
    vkmoe_buffer *memory = NULL;
    c.dtype = dtype;
    c.layer.hidden = c.layer.inner = WIDTH;
    c.layer.shared.inner = c.layer.shared.inner ? WIDTH : 0;
    if (!weights_init(&weights, &c, 1))
        checked(NULL);
    enum vkmoe_status status = vkmoe_moe_create(program->device, &weights.params, &layer);
    if (status == VKMOE_OK)
        status = vkmoe_buffer_create(program->device, memory_size, &memory);
    weights_finish(&weights);
    program->failed += status != VKMOE_OK;
    for (size_t i = 0; i < ARRAY_SIZE(tokens) && layer && memory; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s %s t%u", shape->name, test_format(dtype)->name, tokens[i]);
        c.tokens = tokens[i];
        status = record(program, &c, layer, memory);
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

static void visit_shapes(struct program *program)
{
    struct shape *shapes = checked(malloc(MAX_SHAPES * sizeof *shapes));
    const uint32_t count = shapes_list(shapes);
    for (uint32_t i = 0; i < count; i++) {
        if (program->shape && strcmp(program->shape, shapes[i].name))
            continue;
        // A format decides how weights are read, a shape what becomes of them.
        for (uint32_t dtype = 0; dtype < test_format_count; dtype++)
            if (i == 0 || dtype == VKMOE_DTYPE_F16 || program->shape)
                visit_layer(program, &shapes[i], (enum vkmoe_dtype)dtype);
    }
    free(shapes);
}

// Rows of WIDTH have work for few lanes: cuts what is there once more, as wide rows are.
static void cut_as_models(struct program *program)
{
    const vkmoe_device *device = program->device;
    for (uint32_t i = 0, count = program->count; i < count; i++) {
        const struct pipeline p = program->pipelines[i];
        const enum kernel kernel = p.variant->kernel;
        uint32_t spec[SPEC_MAX];
        VkPipeline pipeline;
        memcpy(spec, p.spec, sizeof spec);
        if (kernel == KERNEL_route) {
            spec[ROUTE_LANES] = vkmoe_tuned_lanes(device, TUNE_ROUTE_LANES);
        } else if (kernel == KERNEL_decode_up || kernel == KERNEL_decode_down) {
            spec[DECODE_LANES] = vkmoe_tuned_lanes(device, TUNE_DECODE_LANES);
            spec[DECODE_UNROLL] = vkmoe_tuning(device, TUNE_DECODE_UNROLL) / spec[DECODE_TOGETHER];
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

static bool says(const char *name, const char *word)
{
    const size_t length = strlen(word);
    for (; *name; name++) {
        size_t i = 0;
        while (i < length && tolower((unsigned char)name[i]) == word[i])
            i++;
        if (i == length)
            return true;
    }
    return false;
}

// What compilers call memory of an invocation's own. Registers that spill into other registers
// are not meant; "STP" and "LDP" are Turnip's stores and loads, "SLM" is what NVK reserves.
static bool is_spill(const char *name, double value)
{
    static const char *const words[] = { "spill", "scratch", "stp count", "ldp count", "slm size" };
    bool found = false;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        found |= says(name, words[i]);
    return value > 0 && found && !says(name, "to reg");
}

static void add_statistic(
    struct pipeline *pipeline, const char *prefix, const VkPipelineExecutableStatisticKHR *s)
{
    char name[2 * STATISTIC_NAME_SIZE + 2];
    snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? ": " : "", s->name);
    double value = 0;
    switch (s->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR: value = s->value.b32; break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR: value = (double)s->value.i64; break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR: value = (double)s->value.u64; break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR: value = s->value.f64; break;
    default: return;
    }
    if (says(s->name, "hash")) // of a compiler's own data, not of the code
        return;
    pipeline->spills |= is_spill(s->name, value);
    cJSON_AddNumberToObject(pipeline->statistics, name, value);
}

static void add_executable(
    struct program *program, struct pipeline *pipeline, uint32_t index, const char *prefix)
{
    VkPipelineExecutableStatisticKHR list[64];
    uint32_t count = ARRAY_SIZE(list);
    for (uint32_t i = 0; i < count; i++)
        list[i] = (VkPipelineExecutableStatisticKHR){
            VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR
        };
    const VkPipelineExecutableInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
        .pipeline = pipeline->handle,
        .executableIndex = index,
    };
    if (program->get_statistics(program->device->gpu.handle, &info, &count, list) < 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        add_statistic(pipeline, prefix, &list[i]);
}

static void add_statistics(struct program *program, struct pipeline *pipeline)
{
    VkPipelineExecutablePropertiesKHR list[8];
    uint32_t count = ARRAY_SIZE(list);
    pipeline->statistics = checked(cJSON_CreateObject());
    if (!program->device->capture_statistics)
        return;
    for (uint32_t i = 0; i < count; i++)
        list[i] = (VkPipelineExecutablePropertiesKHR){
            VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR
        };
    const VkPipelineInfoKHR info = { VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, NULL, pipeline->handle };
    if (program->get_executables(program->device->gpu.handle, &info, &count, list) < 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        add_executable(program, pipeline, i, count > 1 ? list[i].name : "");
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
    cJSON *object = checked(cJSON_CreateObject());
    cJSON *spec = checked(cJSON_CreateArray());
    cJSON_AddStringToObject(object, "kernel", kernel_names[pipeline->variant->kernel]);
    cJSON_AddStringToObject(object, "variant",
        pipeline->variant->name + strlen(kernel_names[pipeline->variant->kernel]) + 1);
    for (uint32_t i = 0; i < spec_length(pipeline); i++)
        cJSON_AddItemToArray(spec, checked(cJSON_CreateNumber(pipeline->spec[i])));
    cJSON_AddItemToObject(object, "spec", spec);
    cJSON_AddStringToObject(object, "for", pipeline->wanted_by);
    cJSON_AddItemReferenceToObject(object, "stats", pipeline->statistics);
    return object;
}

static void print_pipeline(const struct pipeline *pipeline)
{
    printf("%s%s (%s):", pipeline->spills ? "SPILLS " : "", pipeline->variant->name,
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
    };
    for (int i = 1; i < argc; i += 2) {
        size_t o = 0;
        while (o < ARRAY_SIZE(options) && strcmp(options[o].name, argv[i]))
            o++;
        if (o == ARRAY_SIZE(options) || i + 1 == argc) {
            fprintf(stderr,
                "usage: %s [--json FILE] [--label LABEL] [--device DEVICE] [--shape NAME]\n",
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
    };
    const enum vkmoe_status status = vkmoe_device_create_for(&params, true, &program->device);
    if (status != VKMOE_OK)
        return status;
    vkmoe_device *device = program->device;
#define LOAD(name) \
    (PFN_##name)(void (*)(void)) device->instance_vk.GetDeviceProcAddr(device->gpu.handle, #name)
    program->get_executables = LOAD(vkGetPipelineExecutablePropertiesKHR);
    program->get_statistics = LOAD(vkGetPipelineExecutableStatisticsKHR);
#undef LOAD
    printf("%s, %s%s\n", device->gpu.info.name, device->gpu.info.driver,
        device->capture_statistics ? "" : ": tells no statistics");
    return status;
}

int main(int argc, char **argv)
{
    struct program program = { .label = "" };
    uint32_t spilling = 0;
    if (!parse(&program, argc, argv))
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0); // what came before a driver's crash shall be seen
    const enum vkmoe_status status = open_device(&program);
    if (status != VKMOE_OK) {
        fprintf(stderr, "pipelines: no device: %s\n", vkmoe_status_name(status));
        return 2;
    }
    visit_shapes(&program);
    cut_as_models(&program);
    if (!program.shape) {
        visit_packing(&program);
        record_attentions(program.device, note_attention, &program);
    }
    qsort(program.pipelines, program.count, sizeof *program.pipelines, compare_pipelines);
    for (uint32_t i = 0; i < program.count; i++) {
        add_statistics(&program, &program.pipelines[i]);
        print_pipeline(&program.pipelines[i]);
        spilling += program.pipelines[i].spills;
    }
    printf("%u pipelines, %u spill, %u layers failed\n", program.count, spilling, program.failed);
    const bool written = !program.json || write_json(&program);
    for (uint32_t i = 0; i < program.count; i++)
        cJSON_Delete(program.pipelines[i].statistics);
    free(program.pipelines);
    const bool empty = !program.count;
    vkmoe_device_destroy(&program.device);
    return !written || empty || spilling || program.failed;
}
