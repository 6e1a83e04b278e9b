// quantised.c - see quantised.h.
#include "checkpoint/quantised.h"

#include <ctype.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/common.h"
#include "base/log.h"
#include "base/try.h"
#include "weights/format.h"

static const char *get_string(const struct value *object, const char *key)
{
    const char *text = value_text(vkmoe_value_member(object, key));
    return text && *text ? text : NULL;
}

static void set_name(struct quantisation *out, const char *name)
{
    vkmoe_printable(name, out->name, sizeof out->name);
}

// "gptq", "modelopt NVFP4", or for MLX's form, which names no method, "MLX, 4 bits".
static void name_method(const struct value *object, bool is_mlx, struct quantisation *out)
{
    const char *method = get_string(object, "quant_method");
    const char *algorithm = get_string(object, "quant_algo");
    const struct value *bits = vkmoe_value_member(object, "bits");
    char text[64];
    if (method && algorithm)
        snprintf(text, sizeof text, "%.20s %.40s", method, algorithm);
    else if (!method && !algorithm && is_mlx && value_is(bits, VALUE_NUMBER))
        snprintf(text, sizeof text, "MLX, %g bits", bits->number);
    else
        snprintf(text, sizeof text, "%.60s",
            method          ? method
                : algorithm ? algorithm
                : is_mlx    ? "MLX"
                            : "unnamed method");
    set_name(out, text);
}

// --------------------------------------------------------------------------- details

static uint32_t get_count(const struct value *object, const char *key)
{
    uint64_t number;
    return vkmoe_value_integer(vkmoe_value_member(object, key), &number) && number <= UINT32_MAX
        ? (uint32_t)number
        : 0;
}

static void refuse(struct quantisation *out, const char *format, ...) VKMOE_PRINTF(2, 3);
static void refuse(struct quantisation *out, const char *format, ...)
{
    va_list arguments;
    char text[sizeof out->reason];
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!out->reason[0])
        vkmoe_printable(text, out->reason, sizeof out->reason);
}

static void read_pair(const struct value *list, uint32_t pair[2])
{
    uint64_t number;
    for (uint32_t i = 0; value_is(list, VALUE_LIST) && list->count == 2 && i < 2; i++)
        pair[i] = vkmoe_value_integer(&list->items[i], &number) && number <= UINT32_MAX
            ? (uint32_t)number
            : 0;
}

static bool is_one_of(const char *text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0)
            return true;
    }
    return false;
}

// Of a group of compressed-tensors. true and dynamic are other names of group; with weight columns
// stay in place.
static bool is_ordered(const struct value *group)
{
    const struct value *weights = vkmoe_value_member(group, "weights");
    const char *order = get_string(weights, "actorder");
    return value_is_true(vkmoe_value_member(weights, "actorder"))
        || (order && (strcasecmp(order, "group") == 0 || strcasecmp(order, "dynamic") == 0));
}

// config_groups of compressed-tensors: what they say of weights has to be the same in all, but for
// the order of columns.
static void read_groups(const struct value *object, struct quantisation *out)
{
    static const char *const formats[] = { "float-quantized", "pack-quantized", "int-quantized",
        "naive-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized", "mixed-precision",
        "dense" };
    const char *format = get_string(object, "format");
    const struct value *sparsity = vkmoe_value_member(object, "sparsity_config");
    const char *sparse = get_string(sparsity, "format");
    if (format && !is_one_of(format, formats, ARRAY_SIZE(formats)))
        refuse(out, "its format is %.60s", format);
    if (sparse && strcmp(sparse, "dense") != 0)
        refuse(out, "its weights are sparse, %.60s", sparse);
    const struct value *rotations = vkmoe_value_member(object, "transform_config");
    const struct value *rotated = vkmoe_value_member(rotations, "config_groups");
    if (vkmoe_value_begin(rotated) != vkmoe_value_end(rotated))
        refuse(out, "its weights are rotated (transform_config)");
    out->groups = vkmoe_value_member(object, "config_groups");
    VALUE_EACH(group, out->groups)
    {
        const struct value *weights = vkmoe_value_member(group, "weights");
        const uint32_t bits = get_count(weights, "num_bits");
        const uint32_t columns = get_count(weights, "group_size");
        if ((out->bits && bits && bits != out->bits)
            || (out->group && columns && columns != out->group))
            refuse(out, "its groups of modules differ in bits or in group_size");
        out->bits = bits ? bits : out->bits;
        out->group = columns ? columns : out->group;
        out->reordered = out->reordered || is_ordered(group);
        read_pair(vkmoe_value_member(weights, "block_structure"), out->block);
    }
}

static void read_integers(const struct value *object, bool is_awq, struct quantisation *out)
{
    const char *version = get_string(object, "version");
    const char *format = get_string(object, "checkpoint_format");
    const uint32_t bits = get_count(object, "bits");
    out->bits = bits ? bits : get_count(object, "w_bit");
    const uint32_t group = get_count(object, "group_size");
    out->group = group ? group : get_count(object, "q_group_size");
    if (is_awq && version && strcasecmp(version, "gemm") != 0)
        refuse(out, "its version is %.60s, only gemm is read", version);
    if (format && strcmp(format, "gptq") != 0 && strcmp(format, "gptq_v2") != 0)
        refuse(out, "its checkpoint_format is %.60s", format);
    out->reordered = value_is_true(vkmoe_value_member(object, "desc_act"));
    out->plain_zeros = is_awq || (format && strcmp(format, "gptq_v2") == 0);
}

// What an object says of a method that there are schemes for.
static void read_details(const struct value *object, const char *method, struct quantisation *out)
{
    static const char *const readable[] = { "fp8", "fbgemm_fp8", "mxfp4", "gptq", "awq",
        "compressed-tensors", "modelopt", "modelopt_fp4" };
    static const char *const algorithms[] = { "FP8", "NVFP4", "FP8_PB_WO",
        "FP8_PER_CHANNEL_PER_TOKEN", "MXFP4", "W4A16_NVFP4" };
    const char *algorithm = get_string(object, "quant_algo");
    out->readable = is_one_of(method, readable, ARRAY_SIZE(readable));
    if (strncmp(method, "modelopt", 8) == 0 && algorithm
        && !is_one_of(algorithm, algorithms, ARRAY_SIZE(algorithms)))
        out->readable = false;
    read_pair(vkmoe_value_member(object, "weight_block_size"), out->block);
    if (strcmp(method, "compressed-tensors") == 0)
        read_groups(object, out);
    if (strcmp(method, "gptq") == 0 || strcmp(method, "awq") == 0)
        read_integers(object, strcmp(method, "awq") == 0, out);
    if (out->reason[0])
        out->readable = false;
}

// What one level of config.json says.
static void read_level(struct settings *settings, struct quantisation *out)
{
    const struct value *item =
        vkmoe_setting_find(settings, "quantization_config|compression_config");
    const struct value *mlx = vkmoe_setting_find(settings, "quantization");
    if (out->name[0] || (!item && !value_is(mlx, VALUE_OBJECT)))
        return;
    name_method(item ? item : mlx, value_is(mlx, VALUE_OBJECT), out);
    const char *method = item ? get_string(item, "quant_method") : NULL;
    if (method)
        read_details(item, method, out);
    snprintf(
        out->source, sizeof out->source, "%s: %s", settings->path, item ? item->name : mlx->name);
}

// ------------------------------------------------------------------------ other files

static void read_modelopt(const struct value *root, struct quantisation *out)
{
    const struct value *object = vkmoe_value_member(root, "quantization");
    const char *algorithm = get_string(object, "quant_algo");
    if (!algorithm) // no more than the cache of keys and values is
        return;
    set_name(out, algorithm);
    read_details(object, "modelopt", out);
}

// A file that need not name its method, since only its tool writes this key.
static void read_own(
    const struct value *root, const char *key, const char *preset, struct quantisation *out)
{
    const char *method = get_string(root, "quant_method");
    if (!method && !vkmoe_value_member(root, key))
        return;
    set_name(out, method ? method : preset);
    read_details(root, method ? method : preset, out);
}

static void read_gptq(const struct value *root, struct quantisation *out)
{
    read_own(root, "bits", "gptq", out);
}

static void read_awq(const struct value *root, struct quantisation *out)
{
    read_own(root, "w_bit", "awq", out);
}

static enum vkmoe_status read_file(const struct container *container, const char *name,
    void (*read)(const struct value *root, struct quantisation *out), const struct vkmoe_log *log,
    struct quantisation *out)
{
    struct value *root;
    TRY_RETURN(vkmoe_container_open_side(container, name, log, &root));
    if (root)
        read(root, out);
    if (out->name[0])
        snprintf(out->source, sizeof out->source, "%s/%s", container->path, name);
    out->groups = NULL; // they go with the file
    free(root);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_quantisation_read(
    const struct container *container, const struct vkmoe_log *log, struct quantisation *out)
{
    static const struct {
        const char *name;
        void (*read)(const struct value *root, struct quantisation *out);
    } files[] = {
        { "hf_quant_config.json", read_modelopt }, // NVIDIA's ModelOpt
        { "quantize_config.json", read_gptq },     // AutoGPTQ
        { "quant_config.json", read_awq },         // AutoAWQ's first versions
    };
    *out = (struct quantisation){ 0 };
    struct settings level = container->settings;
    level.log = log;
    read_level(&level, out);
    const struct value *text_config = vkmoe_setting_find(&level, "text_config|llm_config");
    if (value_is(text_config, VALUE_OBJECT)) {
        level.object = text_config;
        read_level(&level, out);
    }
    enum vkmoe_status status = level.status;
    for (size_t i = 0; i < ARRAY_SIZE(files) && status == VKMOE_OK && !out->name[0]; i++)
        status = read_file(container, files[i].name, files[i].read, log, out);
    return status;
}

// --------------------------------------------------------------------------- groups

enum { LONGEST_PATTERN = 200 };

// What a target of a group is to a module.
enum match { MATCH_NONE, MATCH, MATCH_UNKNOWN };

// Targets are patterns of Python's, re.match()'s. What POSIX's have in common with them is known.
static enum match match_pattern(const char *pattern, const char *module)
{
    char text[LONGEST_PATTERN + 8];
    regex_t compiled;
    bool known = strlen(pattern) <= LONGEST_PATTERN && !strstr(pattern, "(?")
        && !strpbrk(pattern, "{}") && !strstr(pattern, "[:");
    for (const char *p = strchr(pattern, '\\'); known && p; p = strchr(p + 2, '\\'))
        known = p[1] != '\0' && ispunct((unsigned char)p[1]);
    snprintf(text, sizeof text, "^(%.*s)", LONGEST_PATTERN, pattern);
    if (!known || regcomp(&compiled, text, REG_EXTENDED | REG_NOSUB) != 0)
        return MATCH_UNKNOWN;
    const bool matches = regexec(&compiled, module, 0, NULL, 0) == 0;
    regfree(&compiled);
    return matches ? MATCH : MATCH_NONE;
}

// Names of modules come first, then patterns, and last names of classes, which no file tells.
enum { BY_NAME, BY_PATTERN, BY_CLASS, WAYS };

static enum match match_target(const struct value *target, int way, const char *module)
{
    const char *text = value_text(target);
    const bool is_pattern = text && strncmp(text, "re:", 3) == 0;
    if (!text || is_pattern != (way == BY_PATTERN))
        return MATCH_NONE;
    if (is_pattern)
        return match_pattern(text + 3, module);
    return way == BY_CLASS          ? (strchr(text, '.') ? MATCH_NONE : MATCH)
        : strcmp(text, module) == 0 ? MATCH
                                    : MATCH_NONE;
}

bool vkmoe_quantisation_orders(const struct quantisation *quantisation, const char *module)
{
    bool is_told = false;
    for (int way = 0; quantisation->reordered && !is_told && way < WAYS; way++) {
        VALUE_EACH(group, quantisation->groups)
        {
            VALUE_EACH(target, vkmoe_value_member(group, "targets"))
            {
                const enum match match = match_target(target, way, module);
                if (match == MATCH_UNKNOWN || (match == MATCH && is_ordered(group)))
                    return true;
                is_told = is_told || match == MATCH;
            }
        }
    }
    return quantisation->reordered && !is_told;
}

// --------------------------------------------------------------------------- tensors

// True if there is a tensor whose name is `name` with its last `cut` bytes replaced by `tail`,
// of a dtype that begins with `dtype`.
static bool has_sibling(const struct tensors *tensors, const char *name, size_t cut,
    const char *tail, const char *dtype)
{
    char other[512];
    int head = (int)(strlen(name) - cut);
    if (snprintf(other, sizeof other, "%.*s%s", head, name, tail) >= (int)sizeof other)
        return false;
    const struct tensor *tensor = vkmoe_tensors_find(tensors, other);
    return tensor && strncmp(tensor->dtype, dtype, strlen(dtype)) == 0;
}

// A tensor that only one way to quantise has, by the end of its name, and where that is not
// enough, by another that takes its place.
static const struct mark {
    const char *tail, *name;
    const char *sibling, *sibling_dtype; // NULL: none is needed
} marks[] = {
    { ".weight_scale_2", "NVFP4", ".weight", "" },
    { "_scale_2", "NVFP4", "", "U8" },
    { ".weight_global_scale", "compressed-tensors NVFP4", ".weight_packed", "" },
    { ".weight_packed", "compressed-tensors NVFP4", ".weight_global_scale", "" },
    { ".weight_packed", "compressed-tensors", NULL, NULL },
    { ".weight_scale_inv", "fp8", NULL, NULL },
    { "_scale_inv", "fp8", "", "F8" },
    { "_blocks", "mxfp4", "_scales", "U8" },
    { ".qweight", "gptq", ".g_idx", "" },
    { ".qweight", "awq", ".qzeros", "" },
    { ".qweight", "gptq or awq", NULL, NULL },
    { ".quant_state.bitsandbytes__nf4", "bitsandbytes nf4", NULL, NULL },
    { ".quant_state.bitsandbytes__fp4", "bitsandbytes fp4", NULL, NULL },
    { ".quant_map", "bitsandbytes", NULL, NULL },
    { ".absmax", "bitsandbytes", NULL, NULL },
    { ".SCB", "bitsandbytes int8", NULL, NULL },
    { ".W_q", "hqq", NULL, NULL },
    { ".codebooks", "aqlm", NULL, NULL },
    { ".q_weight", "exl2", NULL, NULL },
    { ".trellis", "exl3", NULL, NULL },
    { ".weight._data", "quanto", NULL, NULL },
    { ".weight_scales", "eetq", NULL, NULL },
    { ".scales", "MLX", ".weight", "U32" },
    { ".weight_scale", "fp8", ".weight", "F8" },
    { ".weight_scale", "int8", ".weight", "I8" },
    { ".weight_scale", "NVFP4 or mxfp4", ".weight", "U8" },
    { "_scale", "fp8", "", "F8" },
};

static const struct mark *find_mark(const struct tensors *tensors, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
        const struct mark *mark = &marks[i];
        size_t tail = strlen(mark->tail);
        if (length > tail && strcmp(name + length - tail, mark->tail) == 0
            && (!mark->sibling
                || has_sibling(tensors, name, tail, mark->sibling, mark->sibling_dtype)))
            return mark;
    }
    return NULL;
}

void vkmoe_quantisation_guess(const struct tensors *tensors, struct quantisation *out)
{
    // Of all marks the most telling counts, wherever its tensor is in the list.
    const struct mark *best = NULL;
    const bool known = out->name[0] && !out->readable;
    for (uint32_t i = 0; i < tensors->count && !known; i++) {
        const struct tensor *tensor = &tensors->items[i];
        const struct mark *mark =
            tensor->absence == TENSOR_NOT_IN_FILE ? NULL : find_mark(tensors, tensor->name);
        if (mark && (!best || mark < best)) {
            best = mark;
            out->readable = false;
            snprintf(out->source, sizeof out->source, "%.600s: tensor %.300s", tensor->path,
                tensor->name);
        }
    }
    if (best && !out->name[0])
        set_name(out, best->name);
    else if (best)
        refuse(out, "it goes with no others as it should");
}

enum vkmoe_status vkmoe_quantisation_refuse(
    const struct quantisation *quantisation, const struct vkmoe_log *log)
{
    if (!quantisation->name[0] || quantisation->readable)
        return VKMOE_OK;
    const bool reason = quantisation->reason[0] != '\0';
    return vkmoe_fail(log, VKMOE_ERROR_UNSUPPORTED,
        "%s: the checkpoint is quantised (%s)%s%s; only %s are supported, and fp8, mxfp4, NVFP4, "
        "gptq, awq and compressed-tensors of some kinds",
        quantisation->source, quantisation->name, reason ? ": " : "",
        reason ? quantisation->reason : "", vkmoe_format_list);
}
