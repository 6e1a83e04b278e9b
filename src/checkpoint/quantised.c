// quantised.c - see quantised.h.
#include "checkpoint/quantised.h"

#include <stdio.h>
#include <string.h>

#include "base/common.h"
#include "base/json.h"

static const char *get_string(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text && *text ? text : NULL;
}

static void set_name(struct vkmoe_quantisation *out, const char *name)
{
    vkmoe_json_printable(name, out->name, sizeof out->name);
}

// "gptq", "modelopt NVFP4", or for MLX's form, which names no method, "MLX, 4 bits".
static void name_method(const cJSON *object, bool is_mlx, struct vkmoe_quantisation *out)
{
    const char *method = get_string(object, "quant_method");
    const char *algorithm = get_string(object, "quant_algo");
    const cJSON *bits = cJSON_GetObjectItemCaseSensitive(object, "bits");
    char text[64];
    if (method && algorithm)
        snprintf(text, sizeof text, "%.20s %.40s", method, algorithm);
    else if (!method && !algorithm && is_mlx && cJSON_IsNumber(bits))
        snprintf(text, sizeof text, "MLX, %g bits", bits->valuedouble);
    else
        snprintf(text, sizeof text, "%.60s",
            method          ? method
                : algorithm ? algorithm
                : is_mlx    ? "MLX"
                            : "unnamed method");
    set_name(out, text);
}

// What one level of config.json says.
static void read_level(struct vkmoe_config *config, struct vkmoe_quantisation *out)
{
    const cJSON *item = vkmoe_config_find(config, "quantization_config|compression_config");
    const cJSON *mlx = vkmoe_config_find(config, "quantization");
    if (out->name[0] || (!item && !cJSON_IsObject(mlx)))
        return;
    name_method(item ? item : mlx, cJSON_IsObject(mlx), out);
    snprintf(
        out->source, sizeof out->source, "%s: %s", config->path, item ? item->string : mlx->string);
}

// ------------------------------------------------------------------------ other files

static void read_modelopt(const cJSON *root, struct vkmoe_quantisation *out)
{
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(root, "quantization");
    const char *algorithm = get_string(object, "quant_algo");
    if (algorithm) // else no more than the cache of keys and values is
        set_name(out, algorithm);
}

static void read_gptq(const cJSON *root, struct vkmoe_quantisation *out)
{
    const char *method = get_string(root, "quant_method");
    if (method || cJSON_GetObjectItemCaseSensitive(root, "bits"))
        set_name(out, method ? method : "gptq");
}

static void read_awq(const cJSON *root, struct vkmoe_quantisation *out)
{
    const char *method = get_string(root, "quant_method");
    if (method || cJSON_GetObjectItemCaseSensitive(root, "w_bit"))
        set_name(out, method ? method : "awq");
}

static enum vkmoe_status read_file(const char *directory, const char *name,
    void (*read)(const cJSON *root, struct vkmoe_quantisation *out), const struct vkmoe_log *log,
    struct vkmoe_quantisation *out)
{
    char path[sizeof out->source];
    cJSON *root;
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return VKMOE_OK; // what is too long a path cannot be there
    enum vkmoe_status status = vkmoe_json_open_optional(path, log, &root);
    if (!root)
        return status;
    read(root, out);
    if (out->name[0])
        snprintf(out->source, sizeof out->source, "%s", path);
    cJSON_Delete(root);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_quantisation_read(
    const struct vkmoe_config *config, const char *directory, struct vkmoe_quantisation *out)
{
    static const struct {
        const char *name;
        void (*read)(const cJSON *root, struct vkmoe_quantisation *out);
    } files[] = {
        { "hf_quant_config.json", read_modelopt }, // NVIDIA's ModelOpt
        { "quantize_config.json", read_gptq },     // AutoGPTQ
        { "quant_config.json", read_awq },         // AutoAWQ's first versions
    };
    *out = (struct vkmoe_quantisation){ 0 };
    struct vkmoe_config level = *config;
    read_level(&level, out);
    const cJSON *text_config = vkmoe_config_find(&level, "text_config|llm_config");
    if (cJSON_IsObject(text_config)) {
        level.object = text_config;
        read_level(&level, out);
    }
    enum vkmoe_status status = level.status;
    for (size_t i = 0; i < ARRAY_SIZE(files) && status == VKMOE_OK && !out->name[0]; i++)
        status = read_file(directory, files[i].name, files[i].read, config->log, out);
    return status;
}

// --------------------------------------------------------------------------- tensors

// True if there is a tensor whose name is `name` with its last `cut` bytes replaced by `tail`,
// of a dtype that begins with `dtype`.
static bool has_sibling(const struct vkmoe_tensors *tensors, const char *name, size_t cut,
    const char *tail, const char *dtype)
{
    char other[512];
    int head = (int)(strlen(name) - cut);
    if (snprintf(other, sizeof other, "%.*s%s", head, name, tail) >= (int)sizeof other)
        return false;
    const struct vkmoe_tensor *tensor = vkmoe_tensors_find(tensors, other);
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

static const struct mark *find_mark(const struct vkmoe_tensors *tensors, const char *name)
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

void vkmoe_quantisation_guess(const struct vkmoe_tensors *tensors, struct vkmoe_quantisation *out)
{
    // Of all marks the most telling counts, wherever its tensor is in the list.
    const struct mark *best = NULL;
    for (uint32_t i = 0; i < tensors->count && !out->name[0]; i++) {
        const struct vkmoe_tensor *tensor = &tensors->items[i];
        const struct mark *mark =
            tensor->absence == VKMOE_NOT_IN_FILE ? NULL : find_mark(tensors, tensor->name);
        if (mark && (!best || mark < best)) {
            best = mark;
            snprintf(out->source, sizeof out->source, "%.600s: tensor %.300s", tensor->path,
                tensor->name);
        }
    }
    if (best)
        set_name(out, best->name);
}

enum vkmoe_status vkmoe_quantisation_refuse(
    const struct vkmoe_quantisation *quantisation, const struct vkmoe_log *log)
{
    if (!quantisation->name[0])
        return VKMOE_OK;
    return vkmoe_fail(log, VKMOE_ERROR_UNSUPPORTED,
        "%s: the checkpoint is quantised (%s); only F32, F16 and BF16 are supported",
        quantisation->source, quantisation->name);
}
