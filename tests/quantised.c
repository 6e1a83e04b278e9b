// quantised.c - folders with quantised weights, in every layout that is published: the values of
// each matrix, bit by bit, and what a model computes with them. Environment: harness.h, and
// VKMOE_TEST_QUANTISED, a folder with more of them: NAME.config.json, NAME.safetensors with
// matrices of a module m or e, and their values NAME.WHAT.npy, where WHAT is weight, gate or up.
// VKMOE_TEST_ALL, if it is set: what takes long as well.
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/npy.h"
#include "checkpoint/assembly.h"
#include "checkpoint/checkpoint.h"
#include "folder.h"
#include "model/model.h"
#include "net.h"
#include "quantise.h"
#include "random.h"
#include "weights/view.h"
#include "whole_checkpoints.h"

#define TOLERANCE 2e-5 // of the logits' rms

enum { TOKENS = 20 };

// --------------------------------------------------------------------- every matrix

// The values of a tensor, which is read in one piece and then row by row, or NULL.
static float *values_of(const struct tensor *tensor)
{
    const uint64_t columns = tensor->shape[tensor->rank - 1], rows = tensor->elements / columns;
    struct vkmoe_view view = { .data = tensor->data, .file = tensor->file };
    if (!vkmoe_format_named(tensor->dtype, &view.dtype))
        return NULL;
    view.row_stride = (int64_t)vkmoe_format_width(view.dtype, columns);
    float *values, *row;
    if (vkmoe_view_floats(&view, NULL, (uint32_t)rows, (uint32_t)columns, &values) != VKMOE_OK)
        return NULL;
    for (uint64_t r = rows; r-- > 0;) {
        const struct vkmoe_view one = { .data = vkmoe_view_at(&view, (int64_t)r, 0),
            .dtype = view.dtype,
            .row_stride = view.row_stride,
            .file = view.file };
        if (vkmoe_view_floats(&one, NULL, 1, (uint32_t)columns, &row) != VKMOE_OK
            || memcmp(row, values + r * columns, columns * sizeof *row) != 0) {
            tap_note("%s: row %llu is another one by itself", tensor->name, (unsigned long long)r);
            free(values);
            return NULL;
        }
        free(row);
    }
    return values;
}

static bool same_bits(const struct tensor *tensor, const float *expected, uint64_t count,
    uint64_t first, uint64_t step)
{
    const uint64_t columns = tensor->shape[tensor->rank - 1];
    float *values = tensor->elements == count * step ? values_of(tensor) : NULL;
    bool ok = values != NULL;
    for (uint64_t i = 0; ok && i < count; i++) {
        const float value = values[(i / columns * step + first) * columns + i % columns];
        ok = value == expected[i] || (isnan(value) && isnan(expected[i]));
        if (!ok)
            tap_note("%s: element %llu is %a, expected %a", tensor->name, (unsigned long long)i,
                (double)value, (double)expected[i]);
    }
    free(values);
    return ok;
}

// Each matrix of quantised/ has the values that it has in plain/.
static bool check_values(const char *path, const char *plain_path)
{
    struct container quantised = { 0 }, plain = { 0 };
    struct quantisation q, none;
    bool ok = is_ok(quantise_open(path, &printing_log, &q, &quantised), "quantised")
        && is_ok(quantise_open(plain_path, &printing_log, &none, &plain), "plain");
    if (ok && quantised.tensors.count != plain.tensors.count) {
        tap_note("%u tensors, expected %u", quantised.tensors.count, plain.tensors.count);
        ok = false;
    }
    for (uint32_t i = 0; ok && i < plain.tensors.count; i++) {
        const struct tensor *from = &quantised.tensors.items[i], *to = &plain.tensors.items[i];
        ok = strcmp(from->name, to->name) == 0;
        if (ok && from->rank == 2) {
            float *expected = values_of(to);
            ok = expected && same_bits(from, expected, to->elements, 0, 1);
            free(expected);
        }
    }
    vkmoe_container_close(&quantised);
    vkmoe_container_close(&plain);
    return ok;
}

// ------------------------------------------------------------------------- a model

// In chunks of so many tokens.
static bool run(struct net *net, struct harness *harness, const char *path, uint32_t chunk)
{
    uint32_t ids[TOKENS], positions[TOKENS];
    for (uint32_t t = 0; t < TOKENS; t++) {
        ids[t] = 7 * t % 31;
        positions[t] = t;
    }
    return net_init(net, harness, path, NULL)
        && net_batch(net, TOKENS, ids, positions, NULL, TOKENS, 0) && net_run(net, chunk);
}

static bool check_model(struct harness *harness, uint32_t chunk)
{
    struct net quantised, plain = { 0 };
    bool ok = run(&quantised, harness, folder_path("quantised"), chunk)
        && run(&plain, harness, folder_path("plain"), chunk);
    double error = 0.0, total = 0.0;
    if (ok) {
        const float *a = array_range(&quantised.logits), *b = array_range(&plain.logits);
        for (size_t i = 0; i < (size_t)TOKENS * plain.frame.vocabulary; i++) {
            error = fmax(error, isnan(a[i]) ? INFINITY : fabs((double)a[i] - (double)b[i]));
            total += pow((double)b[i], 2);
        }
        error /= sqrt(total / TOKENS / plain.frame.vocabulary);
        ok = error <= TOLERANCE;
        if (!ok)
            tap_note("logits differ by %.3g of their rms", error);
    }
    net_finish(&plain);
    return net_end(&quantised, ok);
}

static void test_way(struct tap *tap, struct harness *harness, const struct way *way)
{
    char name[128];
    struct whole_checkpoint whole = { 0 };
    snprintf(name, sizeof name, "%s/values", way->name);
    const bool wanted = tap_wants(tap, name);
    char model[128];
    snprintf(model, sizeof model, "%s/model", way->name);
    const bool model_wanted = way->model && tap_wants(tap, model);
    if (!wanted && !model_wanted)
        return;
    const char *family = way->ordered ? "qwen2_moe"
        : way->stacked                ? "gpt_oss"
        : way->group > 1              ? "olmoe"
                                      : "qwen3_moe";
    bool ok = whole_checkpoint_write(family, 5, &whole) && quantise_folder(whole.path, way) > 0;
    char path[256];
    snprintf(path, sizeof path, "%s", folder_path("quantised"));
    if (wanted)
        tap_result(tap, ok && check_values(path, folder_path("plain")), name);
    ok = ok && (!model_wanted || check_model(harness, TOKENS));
    if (model_wanted) // what x is brought into an order for is another kernel with few tokens
        tap_result(tap,
            ok && (!way->ordered || (check_model(harness, 3) && check_model(harness, 1))), model);
    whole_checkpoint_finish(&whole);
}

// The keys of heads are transposed, and their rows no whole blocks.
static bool check_latent(struct harness *harness, const struct way *way)
{
    struct whole_checkpoint whole = { 0 };
    const bool ok = whole_checkpoint_write("deepseek_v3", 5, &whole)
        && quantise_folder(whole.path, way) > 0 && check_model(harness, TOKENS);
    whole_checkpoint_finish(&whole);
    return ok;
}

// What `vkmoe info` asks, without a device.
static enum vkmoe_status foresee(vkmoe_checkpoint *model, const struct vkmoe_log *log)
{
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    const enum vkmoe_status status = vkmoe_checkpoint_get_frame(model, &frame);
    return status == VKMOE_OK
        ? vkmoe_frame_check(&(struct caller){ log, "vkmoe_model_create" }, &frame)
        : status;
}

// Nothing brings what the head multiplies into another order. The line names its tensor.
static bool check_ordered_head(struct harness *harness)
{
    struct whole_checkpoint whole = { 0 };
    struct record record = { 0 }, foreseen = { 0 };
    const struct vkmoe_log log = log_to(&foreseen);
    struct net net = { .harness = harness };
    struct way way = quantise_way_named("int8 packed actorder");
    way.head = true;
    const struct vkmoe_model_params params = { VKMOE_INIT(vkmoe_model_params) };
    vkmoe_device *device = NULL;
    const bool ok = whole_checkpoint_write("gpt_oss", 5, &whole)
        && quantise_folder(whole.path, &way) > 0 && is_ok(open_device(&record, &device), "device")
        && is_ok(vkmoe_checkpoint_open(folder_path("quantised"), NULL, &net.model), "open")
        && vkmoe_model_create(device, net.model, &params, &net.network) == VKMOE_ERROR_UNSUPPORTED
        && record.lines[VKMOE_LOG_ERROR] == 1
        && strstr(
            record.last, "head: tensor lm_head.weight has its columns in another order (desc_act")
        && foresee(net.model, &log) == VKMOE_ERROR_UNSUPPORTED
        && strcmp(foreseen.last, record.last) == 0;
    if (!ok)
        tap_note("%s; %s", record.last, foreseen.last);
    vkmoe_model_destroy(&net.network);
    vkmoe_checkpoint_destroy(&net.model);
    vkmoe_device_destroy(&device);
    whole_checkpoint_finish(&whole);
    return ok;
}

// A folder of this config and these tensors has one tensor, of these values.
static bool check_only(
    struct quantise_file *file, const char *config, const float *expected, uint64_t count)
{
    struct container container = { 0 };
    struct quantisation quantisation;
    folder_empty();
    folder_write_text("config.json", config);
    quantise_write(file, "model.safetensors");
    const bool ok = is_ok(quantise_open(folder, &printing_log, &quantisation, &container), "open")
        && container.tensors.count == 1
        && same_bits(container.tensors.items, expected, count, 0, 1);
    vkmoe_container_close(&container);
    return ok;
}

// A matrix of more rows than are made at once.
static void test_bands(struct tap *tap, const struct way *way)
{
    enum { ROWS = 72, COLUMNS = 32768 };
    char name[128];
    snprintf(name, sizeof name, "%s/bands", way->name);
    if (!tap_wants(tap, name))
        return;
    struct rng rng = rng_for(1, name);
    struct quantise_file file = { 0 };
    double *values = allocate((size_t)ROWS * COLUMNS, sizeof *values);
    float *expected = allocate((size_t)ROWS * COLUMNS, sizeof *expected);
    for (size_t i = 0; i < (size_t)ROWS * COLUMNS; i++)
        values[i] = rng_normal(&rng);
    way->store(&file, "m", values, 0, ROWS, COLUMNS);
    for (size_t i = 0; i < (size_t)ROWS * COLUMNS; i++)
        expected[i] = (float)values[i];
    char config[1024];
    snprintf(config, sizeof config, "{\"quantization_config\":%s}", way->config);
    const bool ok = check_only(&file, config, expected, (uint64_t)ROWS * COLUMNS);
    free(values);
    free(expected);
    tap_result(tap, ok, name);
}

// ---------------------------------------------------------------------- refused

#define FP8 "{\"quant_method\":\"fp8\",\"weight_block_size\":[128,128]}"
#define GPTQ(more) "{\"quant_method\":\"gptq\"," more "}"
#define PACKED(more) "{\"quant_method\":\"compressed-tensors\"" more "}"

#define NVFP4 \
    "m.weight_packed:U8:8,32:256 m.weight_scale:F8_E4M3:8,4:32 m.weight_global_scale:F32:1:4"

// All columns are of the first group, or of one that there is not.
#define OUT_OF_ORDER \
    "m.qweight:I32:8,32:1024 m.scales:F16:2,32:128 m.qzeros:I32:2,4:32 m.g_idx:I32:64:256"

// Tensors of a byte that is everywhere, "name:dtype:rows,columns:bytes name...".
static const struct {
    const char *name, *config, *tensors;
    int byte;
    enum vkmoe_status status;
    const char *line;
} refused[] = {
    { "scales of another shape", FP8,
        "m.weight:F8_E4M3:256,256:65536 m.weight_scale_inv:F32:2,3:24", 0, VKMOE_ERROR_INVALID,
        "m.weight_scale_inv has the shape [2, 3] in F32, which does not suit m.weight, [256" },
    { "scales of another dtype", FP8,
        "m.weight:F8_E4M3:256,256:65536 m.weight_scale_inv:I32:2,2:16", 0, VKMOE_ERROR_UNSUPPORTED,
        "as scales only F32" },
    { "a row of as many scales as rows", "{\"quant_method\":\"fp8\",\"weight_block_size\":[4,128]}",
        "m.weight:F8_E4M3:2,384:768 m.weight_scale_inv:F32:1,2:8", 0, VKMOE_ERROR_INVALID,
        "m.weight_scale_inv has the shape [1, 2] in F32, which does not suit m.weight" },
    { "a block for each of as many columns as rows",
        "{\"quant_method\":\"fp8\",\"weight_block_size\":[2,32]}",
        "m.weight:F8_E4M3:2,64:128 m.weight_scale_inv:F32:1,2:8", 0, VKMOE_ERROR_UNSUPPORTED,
        "a scale for each 32 columns" },
    { "blocks of few columns", "{\"quant_method\":\"fp8\",\"weight_block_size\":[1,32]}",
        "m.weight:F8_E4M3:4,64:256 m.weight_scale_inv:F32:4,2:32", 0, VKMOE_ERROR_UNSUPPORTED,
        "a scale for each 32 columns; of FP8 only multiples of 128" },
    { "a scale that is none", FP8, "m.weight:F8_E4M3:4,64:256 m.weight_scale_inv:F32:1,1:4", 255,
        VKMOE_ERROR_INVALID, "m.weight has a scale that is no number" },
    { "a power of two that is none", NULL, "e.up_blocks:U8:1,2,1,16:32 e.up_scales:U8:1,2,1:2", 255,
        VKMOE_ERROR_INVALID, "e.up has a scale that is no number" },
    { "a vector", FP8, "m.weight:F8_E4M3:256:256 m.weight_scale_inv:F32:2:8", 0,
        VKMOE_ERROR_INVALID, "m.weight has the shape [256]" },
    { "nothing", FP8, "m.weight:F8_E4M3:0,256:0 m.weight_scale_inv:F32:0,2:0", 0,
        VKMOE_ERROR_INVALID, "m.weight has the shape [0, 256]" },
    { "zeros beside FP8", FP8,
        "m.weight:F8_E4M3:8,64:512 m.weight_scale:F32:8,1:32 m.weight_zero_point:F8_E4M3:8,1:8", 1,
        VKMOE_ERROR_UNSUPPORTED, "m.weight_zero_point has others than 0, which its matrix's" },
    { "zeros beside FP8 that are 0", FP8,
        "m.weight:F8_E4M3:8,64:512 m.weight_scale:F32:8,1:32 m.weight_zero_point:I8:8,1:8", 0,
        VKMOE_OK, "" },
    { "zeros beside FP8 that are -0", FP8,
        "m.weight:F8_E4M3:8,64:512 m.weight_scale:F32:8,1:32 m.weight_zero_point:F8_E4M3:8,1:8",
        0x80, VKMOE_OK, "" },
    { "an integer of 128 beside FP8", FP8,
        "m.weight:F8_E4M3:8,64:512 m.weight_scale:F32:8,1:32 m.weight_zero_point:I8:8,1:8", 0x80,
        VKMOE_ERROR_UNSUPPORTED, "m.weight_zero_point has others than 0" },
    { "an order beside FP8", FP8,
        "m.weight:F8_E4M3:8,64:512 m.weight_scale:F32:8,1:32 m.weight_g_idx:I32:64:256", 1,
        VKMOE_ERROR_UNSUPPORTED, "desc_act" },
    { "zeros beside NVFP4", PACKED(""), NVFP4 " m.weight_zero_point:F8_E4M3:8,4:32", 1,
        VKMOE_ERROR_UNSUPPORTED, "m.weight_zero_point has others than 0" },
    { "an order beside NVFP4", PACKED(""), NVFP4 " m.weight_g_idx:I32:64:256", 0,
        VKMOE_ERROR_UNSUPPORTED, "desc_act" },
    { "both", FP8, "m.weight_packed:I32:8,8:256 m.weight_scale:F32:8,1:32 m.weight:F32:8,64:2048",
        0, VKMOE_ERROR_INVALID, "m.weight is there twice" },
    { "3 bits", GPTQ("\"bits\":3"),
        "m.qweight:I32:6,32:768 m.scales:F16:2,32:128 m.qzeros:I32:2,3:24", 0,
        VKMOE_ERROR_UNSUPPORTED, "integers of 3 bits; only 4 and 8" },
    { "small groups", GPTQ("\"bits\":4,\"group_size\":16"),
        "m.qweight:I32:8,32:1024 m.scales:F16:4,32:256 m.qzeros:I32:4,4:64", 0,
        VKMOE_ERROR_UNSUPPORTED, "groups of 16 columns" },
    { "no zeros", GPTQ("\"bits\":4"), "m.qweight:I32:8,32:1024 m.scales:F16:2,32:128", 0,
        VKMOE_ERROR_INVALID, "has no zeros" },
    { "zeros of another dtype", PACKED(""),
        "m.weight:I8:8,32:256 m.weight_scale:F32:8,1:32 m.weight_zero_point:I32:8,1:32", 0,
        VKMOE_ERROR_INVALID, "m.weight_zero_point has the shape [8, 1] in I32, which does not" },
    { "bytes in another order",
        PACKED(",\"config_groups\":{\"a\":{\"weights\":{\"group_size\":32}}}"),
        "m.weight:I8:8,64:512 m.weight_scale:F32:8,2:64 m.weight_g_idx:I32:64:256", 0,
        VKMOE_ERROR_UNSUPPORTED, "desc_act" },
    { "zeros of another shape", PACKED(""),
        "m.weight:I8:8,32:256 m.weight_scale:F32:8,1:32 m.weight_zero_point:I8:4,1:4", 0,
        VKMOE_ERROR_INVALID, "m.weight_zero_point has the shape [4, 1]" },
    { "a crowded group", GPTQ("\"bits\":4,\"desc_act\":true"), OUT_OF_ORDER, 0, VKMOE_ERROR_INVALID,
        "m.weight has column 32 in group 0, which has as many columns as" },
    { "a group without a scale", GPTQ("\"bits\":4,\"desc_act\":true"), OUT_OF_ORDER, 2,
        VKMOE_ERROR_INVALID, "m.weight has column 0 in group 33686018, which there is no scale" },
    { "an order that is missing", GPTQ("\"bits\":4,\"desc_act\":true"),
        "m.qweight:I32:8,32:1024 m.scales:F16:2,32:128 m.qzeros:I32:2,4:32", 0, VKMOE_ERROR_INVALID,
        "m.qweight has no order of columns, in a tensor m.g_idx, though the settings say that" },
#define ORDERED(how) \
    PACKED(",\"config_groups\":{\"a\":{\"weights\":{\"num_bits\":8,\"group_size\":32," \
           "\"actorder\":" how "}}}"), \
        "m.weight_packed:I32:8,16:512 m.weight_scale:F32:8,2:64 m.weight_shape:I64:2:16"
    { "an order by true", ORDERED("true"), 0, VKMOE_ERROR_INVALID, "has no order of columns" },
    { "a dynamic order", ORDERED("\"dynamic\""), 0, VKMOE_ERROR_INVALID,
        "has no order of columns" },
#define IN_GROUPS(ordered, other) \
    PACKED(",\"config_groups\":{\"a\":{\"targets\":[\"" ordered \
           "\"],\"weights\":{\"num_bits\":8,\"group_size\":32,\"actorder\":\"group\"}}," \
           "\"b\":{\"targets\":[\"" other "\"],\"weights\":{\"num_bits\":8,\"group_size\":32}}}")
#define WITHOUT_ORDER(name) name ".weight_packed:I32:8,16:512 " name ".weight_scale:F32:8,2:64"
    { "an order of others", IN_GROUPS("re:.*q_proj$", "Linear"), WITHOUT_ORDER("m"), 0, VKMOE_OK,
        "" },
    { "an order of others by name", IN_GROUPS("Linear", "m"), WITHOUT_ORDER("m"), 0, VKMOE_OK, "" },
    { "an order of others by pattern", IN_GROUPS("Linear", "re:x|.*l\\\\.m"), WITHOUT_ORDER("l.m"),
        0, VKMOE_OK, "" },
    { "no order of a group that has one", IN_GROUPS("re:(l\\\\.)?m", "Linear"),
        WITHOUT_ORDER("l.m"), 0, VKMOE_ERROR_INVALID, "l.m.weight_packed has no order of columns" },
    { "a pattern that is not understood", IN_GROUPS("re:(?!l)", "Linear"), WITHOUT_ORDER("l.m"), 0,
        VKMOE_ERROR_INVALID, "l.m.weight_packed has no order of columns" },
    { "a group that begins otherwise", IN_GROUPS("Linear", "re:m"), WITHOUT_ORDER("l.m"), 0,
        VKMOE_ERROR_INVALID, "l.m.weight_packed has no order of columns" },
    { "columns in another order, unsaid", GPTQ("\"bits\":4"), OUT_OF_ORDER, 0,
        VKMOE_ERROR_UNSUPPORTED, "desc_act" },
    { "no factor", PACKED(""), "m.weight_packed:U8:8,32:256 m.weight_scale:F8_E4M3:8,4:32", 0,
        VKMOE_ERROR_INVALID, "the factor of all its scales is missing" },
    { "sparse", PACKED(",\"format\":\"marlin-24\""), "m.weight:F32:1:4", 0, VKMOE_ERROR_UNSUPPORTED,
        "quantised (compressed-tensors): its format is marlin-24" },
    { "rotated", PACKED(",\"transform_config\":{\"config_groups\":{\"u\":{}}}"), "m.weight:F32:1:4",
        0, VKMOE_ERROR_UNSUPPORTED, "its weights are rotated (transform_config)" },
    { "gemv", "{\"quant_method\":\"awq\",\"version\":\"gemv\"}", "m.weight:F32:1:4", 0,
        VKMOE_ERROR_UNSUPPORTED, "quantised (awq): its version is gemv, only gemm" },
    { "other widths",
        PACKED(",\"config_groups\":{\"a\":{\"weights\":{\"num_bits\":4}},"
               "\"b\":{\"weights\":{\"num_bits\":8}}}"),
        "m.weight:F32:1:4", 0, VKMOE_ERROR_UNSUPPORTED, "differ in bits" },
};

static void write_refused(size_t i)
{
    struct quantise_file file = { 0 };
    char copy[512], config[512], name[64], dtype[16], sizes[64];
    unsigned bytes;
    void *data = allocate(1 << 16, 1);
    memset(data, refused[i].byte, 1 << 16);
    snprintf(copy, sizeof copy, "%s", refused[i].tensors);
    for (char *entry = strtok(copy, " "); entry; entry = strtok(NULL, " ")) {
        if (sscanf(entry, "%63[^:]:%15[^:]:%63[^:]:%u", name, dtype, sizes, &bytes) != 4)
            abort();
        quantise_add_sized(&file, name, dtype, sizes, data, bytes);
    }
    free(data);
    folder_empty();
    snprintf(config, sizeof config, "{\"quantization_config\":%s}",
        refused[i].config ? refused[i].config : "null");
    folder_write_text("config.json", config);
    quantise_write(&file, "model.safetensors");
}

// When it is opened, or when the first matrix is read.
static enum vkmoe_status read_refused(const struct vkmoe_log *log)
{
    struct container container = { 0 };
    struct quantisation quantisation = { 0 };
    float *values = NULL;
    enum vkmoe_status status = quantise_open(folder, log, &quantisation, &container);
    if (status == VKMOE_OK)
        status = vkmoe_quantisation_refuse(&quantisation, log);
    if (status == VKMOE_OK) {
        const struct tensor *tensor = &container.tensors.items[0];
        struct vkmoe_view view = { .data = tensor->data, .file = tensor->file };
        const uint64_t columns = tensor->shape[tensor->rank - 1];
        if (!vkmoe_format_named(tensor->dtype, &view.dtype))
            abort();
        view.row_stride = (int64_t)vkmoe_format_width(view.dtype, columns);
        status = vkmoe_view_floats(
            &view, log, (uint32_t)(tensor->elements / columns), (uint32_t)columns, &values);
        free(values);
    }
    vkmoe_container_close(&container);
    return status;
}

// In a folder that has no other quantised part.
static bool check_cache_scales(void)
{
    const float values[] = { 1.0f, 0.5f };
    struct quantise_file file = { 0 };
    quantise_add_sized(&file, "m.weight", "F32", "1,2", values, sizeof values);
    quantise_add_sized(&file, "m.k_scale", "F32", "1", values, sizeof *values);
    quantise_add_sized(&file, "m.v_scale", "F32", "1", values, sizeof *values);
    return check_only(&file, "{}", values, 2);
}

// Every power of two that a scale of 8 bits can be, of a row with an element that is 1.
static bool check_powers(void)
{
    enum { ROWS = 255 }; // the last code is no number
    struct quantise_file file = { 0 };
    unsigned char ones[ROWS], scales[ROWS];
    float expected[ROWS];
    for (int r = 0; r < ROWS; r++) {
        ones[r] = 0x38;
        scales[r] = (unsigned char)r;
        expected[r] = ldexpf(1.0f, r - 127);
    }
    quantise_add_sized(&file, "m.weight", "F8_E4M3", "255,1", ones, sizeof ones);
    quantise_add_sized(&file, "m.weight_scale", "F8_E8M0", "255,1", scales, sizeof scales);
    return check_only(&file, "{\"quantization_config\":" FP8 "}", expected, ROWS);
}

static void test_refused(struct tap *tap)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char name[128];
        struct record record = { 0 };
        const struct vkmoe_log log = log_to(&record);
        snprintf(name, sizeof name, "refused/%s", refused[i].name);
        if (!tap_wants(tap, name))
            continue;
        write_refused(i);
        const enum vkmoe_status status = read_refused(&log);
        const bool ok = status == refused[i].status
            && record.lines[VKMOE_LOG_ERROR] == (status != VKMOE_OK)
            && strstr(record.last, refused[i].line);
        if (!ok)
            tap_note("%d: %s", (int)status, record.last);
        tap_result(tap, ok, name);
    }
}

// ---------------------------------------------------------------------- vectors

static const char *vectors(void)
{
    const char *parent = getenv("VKMOE_TEST_QUANTISED");
    return parent ? parent : VKMOE_TEST_VECTORS "/safetensors";
}

static void copy_file(const char *from, const char *to)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", vectors(), from);
    FILE *file = fopen(path, "rb");
    enum { MOST = 1 << 20 };
    char *bytes = allocate(MOST, 1);
    if (!file)
        abort();
    folder_write(to, bytes, fread(bytes, 1, MOST, file));
    fclose(file);
    free(bytes);
}

// A part of the matrix, or all of it.
static bool check_vector(const struct container *container, const char *name, const char *what)
{
    char path[1024];
    struct vkmoe_npy npy = { 0 };
    const bool all = strcmp(what, "weight") == 0;
    const struct tensor *tensor =
        vkmoe_tensors_find(&container->tensors, all ? "m.weight" : "e.gate_up_proj");
    snprintf(path, sizeof path, "%s/%s.%s.npy", vectors(), name, what);
    if (vkmoe_npy_read(path, &(struct vkmoe_log){ 0 }, &npy) != VKMOE_OK)
        return true; // it has no such part
    const bool ok =
        tensor && same_bits(tensor, npy.data, npy.elements, strcmp(what, "up") == 0, all ? 1 : 2);
    free(npy.data);
    return ok;
}

static void test_vector(struct tap *tap, const char *name)
{
    static const char *const parts[] = { "weight", "gate", "up" };
    char test[200], file[200];
    snprintf(test, sizeof test, "vectors/%s", name);
    if (!tap_wants(tap, test))
        return;
    folder_empty();
    snprintf(file, sizeof file, "%s.config.json", name);
    copy_file(file, "config.json");
    snprintf(file, sizeof file, "%s.safetensors", name);
    copy_file(file, "model.safetensors");
    struct record record = { 0 };
    const struct vkmoe_log log = log_to(&record);
    struct container container = { 0 };
    struct quantisation quantisation;
    const enum vkmoe_status status = quantise_open(folder, &log, &quantisation, &container);
    bool ok = status == VKMOE_OK && quantisation.readable;
    if (!ok)
        tap_note("%s", record.last);
    for (size_t i = 0; status == VKMOE_OK && ok && i < 3; i++)
        ok = check_vector(&container, name, parts[i]);
    vkmoe_container_close(&container);
    tap_result(tap, ok, test);
}

static int is_file(const struct dirent *entry)
{
    return strstr(entry->d_name, ".safetensors") != NULL;
}

static void check_all(struct tap *tap, struct harness *harness)
{
    struct dirent **entries = NULL;
    if (!folder_begin("quantised"))
        return;
    for (uint32_t i = 0; i < quantise_way_count; i++)
        test_way(tap, harness, &quantise_ways[i]);
    for (uint32_t i = 0; i < quantise_way_count; i++) {
        if (quantise_ways[i].group == 32 && !strchr(quantise_ways[i].name, '8')
            && !quantise_ways[i].stacked)
            test_bands(tap, &quantise_ways[i]);
    }
    if (getenv("VKMOE_TEST_ALL")) // two models of many pipelines
        TAP_TEST(tap, "fp8 blocks/latent", check_latent(harness, &quantise_ways[1]));
    TAP_TEST(tap, "actorder of the head", check_ordered_head(harness));
    test_refused(tap);
    TAP_TEST(tap, "scales of the cache alone", check_cache_scales());
    TAP_TEST(tap, "scales that are any power of two", check_powers());
    const int count = scandir(vectors(), &entries, is_file, alphasort);
    for (int i = 0; i < count; i++) {
        *strstr(entries[i]->d_name, ".safetensors") = '\0';
        test_vector(tap, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    folder_finish();
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_all);
}
