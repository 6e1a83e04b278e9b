// model_other.c - directories that hold something else than a checkpoint which can be used, or
// one that is quantised: each is refused with one line that names what is there and says what to
// do. And vkmoe_inventory_*, which reads the quantised and the unknown ones. No device is needed.
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vkmoe/model.h>

#include "model_other.h"
#include "check.h"
#include "folder.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// Tensors of no data, "name:dtype name:dtype".
static void write_tensors(const char *name, const char *tensors)
{
    char header[2048] = "{", copy[1024], *rest = copy;
    snprintf(copy, sizeof copy, "%s", tensors);
    for (char *entry; (entry = strtok_r(rest, " ", &rest));) {
        char *colon = strchr(entry, ':');
        *colon = '\0';
        size_t used = strlen(header);
        snprintf(header + used, sizeof header - used,
            "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[0],\"data_offsets\":[0,0]}", used > 1 ? "," : "",
            entry, colon + 1);
    }
    strcat(header, "}");
    unsigned char file[8 + sizeof header] = { 0 };
    size_t size = strlen(header);
    file[0] = (unsigned char)size;
    file[1] = (unsigned char)(size >> 8);
    memcpy(file + 8, header, size);
    folder_write(name, file, 8 + size);
}

// -------------------------------------------------------------------------- refusal

// Opening `path` fails like this, with one line that contains both texts.
static bool refuses(
    const char *path, enum vkmoe_status expected, const char *what, const char *todo)
{
    struct record lines = { 0 };
    const struct vkmoe_log log = { .write = record_line, .user = &lines };
    vkmoe_checkpoint *model;
    enum vkmoe_status status = vkmoe_checkpoint_open(path, &log, &model);
    bool ok = status == expected && !model && lines.lines[VKMOE_LOG_ERROR] == 1
        && strstr(lines.last, what) && strstr(lines.last, todo);
    if (!ok)
        tap_note("%s, expected %s; %u lines, the last: %s; expected in it: %s ... %s",
            vkmoe_status_name(status), vkmoe_status_name(expected), lines.lines[VKMOE_LOG_ERROR],
            lines.last, what, todo);
    vkmoe_checkpoint_destroy(&model);
    return ok;
}

// -------------------------------------------------------------------- something else

static void test_others(struct tap *tap)
{
    for (size_t i = 0; i < other_case_count; i++) {
        char name[128];
        snprintf(name, sizeof name, "other/%s", other_cases[i].name);
        if (!tap_wants(tap, name))
            continue;
        folder_empty();
        for (size_t f = 0; f < COUNT(other_cases[i].files) && other_cases[i].files[f].name; f++) {
            const char *file = other_cases[i].files[f].name,
                       *content = other_cases[i].files[f].content;
            folder_make(file);
            if (strncmp(content, "->", 2) != 0)
                folder_write_text(file, content);
            else if (symlink(content + 2, folder_path(file)) != 0)
                exit(2);
        }
        const char *path = other_cases[i].path ? folder_path(other_cases[i].path) : folder;
        tap_result(tap,
            refuses(path, (enum vkmoe_status)other_cases[i].status, other_cases[i].what,
                other_cases[i].todo),
            name);
    }
}

static void test_permission(struct tap *tap)
{
    if (!tap_wants(tap, "other/permission"))
        return;
    folder_empty();
    folder_write_text(CONFIG, MIXTRAL);
    chmod(folder_path(CONFIG), 0);
    // To root nothing is forbidden.
    tap_result(tap,
        geteuid() == 0 || refuses(folder, VKMOE_ERROR_INVALID, "config.json", "Permission denied"),
        "other/permission");
}

// ------------------------------------------------------------------------- quantised

#define QUANTISED(text) "{\"model_type\":\"mixtral\"," text "}"

// One of the three says something.
#define SAYS(config, method) \
    { \
        config, NULL, NULL, NULL, method \
    }
#define SAYS_READ(config, method) \
    { \
        config, NULL, NULL, NULL, method, "is missing" \
    }
#define FILE_SAYS(file, text, method) \
    { \
        NULL, file, text, NULL, method \
    }
#define FILE_SAYS_READ(file, text, method) \
    { \
        NULL, file, text, NULL, method, "is missing" \
    }
// Those of no data do not suit each other.
#define TENSORS_READ(names, method) \
    { \
        NULL, NULL, NULL, names, method, "does not suit" \
    }
#define TENSORS(names, method) \
    { \
        NULL, NULL, NULL, names, method \
    }

static const struct {
    const char *config;      // NULL: says nothing
    const char *file, *text; // another file
    const char *tensors;     // NULL: one that says nothing
    const char *expected;    // NULL: not quantised
    const char *line;        // of a model, if it is not that one way is not read
} quantised[] = {
    SAYS_READ(QUANTISED("\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4}"), "gptq"),
    SAYS_READ(
        QUANTISED(
            "\"quantization_config\":{\"quant_method\":\"modelopt\",\"quant_algo\":\"NVFP4\"}"),
        "modelopt NVFP4"),
    SAYS(QUANTISED("\"quantization_config\":{\"bits\":8}"), "unnamed method"),
    SAYS_READ(QUANTISED("\"compression_config\":{\"quant_method\":\"compressed-tensors\"}"),
        "compressed-tensors"),
    SAYS(QUANTISED("\"quantization\":{\"group_size\":64,\"bits\":4}"), "MLX, 4 bits"),
    SAYS_READ(
        QUANTISED("\"text_config\":{\"quantization_config\":{\"quant_method\":\"fp8\"}}"), "fp8"),
    SAYS("{\"model_type\":\"unknown\",\"quantization_config\":{\"quant_method\":\"quark\"}}",
        "quark"),
    FILE_SAYS_READ("hf_quant_config.json",
        "{\"producer\":{\"name\":\"modelopt\"},\"quantization\":{\"quant_algo\":\"NVFP4\"}}",
        "NVFP4"),
    FILE_SAYS("hf_quant_config.json",
        "{\"quantization\":{\"quant_algo\":null,"
        "\"kv_cache_quant_algo\":\"FP8\"}}",
        NULL),
    FILE_SAYS_READ("quantize_config.json", "{\"bits\":4,\"group_size\":128}", "gptq"),
    FILE_SAYS_READ("quant_config.json", "{\"w_bit\":4,\"zero_point\":true}", "awq"),
    TENSORS_READ("a.weight:U8 a.weight_scale:F8_E4M3 a.weight_scale_2:F32", "NVFP4"),
    TENSORS_READ("a.weight_packed:U8 a.weight_scale:F8_E4M3 a.weight_global_scale:F32",
        "compressed-tensors NVFP4"),
    TENSORS_READ(
        "a.weight_packed:I32 a.weight_scale:BF16 a.weight_shape:I64", "compressed-tensors"),
    TENSORS_READ("a.weight:F8_E4M3 a.weight_scale_inv:F32", "fp8"),
    TENSORS_READ("a.weight:F8_E4M3 a.weight_scale:F32", "fp8"),
    TENSORS_READ("a.weight:I8 a.weight_scale:F32", "int8"),
    TENSORS_READ("experts.gate_up_proj_blocks:U8 experts.gate_up_proj_scales:U8", "mxfp4"),
    TENSORS_READ("a.qweight:I32 a.qzeros:I32 a.scales:F16 a.g_idx:I32", "gptq"),
    TENSORS_READ("a.qweight:I32 a.qzeros:I32 a.scales:F16", "awq"),
    TENSORS("a.weight:U8 a.weight.absmax:U8 a.weight.quant_map:F32 "
            "a.weight.quant_state.bitsandbytes__nf4:U8",
        "bitsandbytes nf4"),
    TENSORS("a.weight:I8 a.SCB:F32", "bitsandbytes int8"),
    TENSORS("a.W_q:U8 a.meta:F32", "hqq"),
    TENSORS("a.codes:I16 a.codebooks:F16", "aqlm"),
    TENSORS("a.q_weight:I32 a.q_scale:I32", "exl2"),
    TENSORS("a.trellis:I16 a.suh:F16", "exl3"),
    TENSORS("a.weight:U32 a.scales:BF16 a.biases:BF16", "MLX"),
    // Names that only look like it.
    TENSORS("router.per_expert_scale:BF16 router.scale:BF16 logit_scale:F32", NULL),
    TENSORS("a.weight:BF16 a.scales:BF16 vision_blocks:BF16", NULL),
    TENSORS("a.weight:BF16 a.weight_scale:BF16", NULL),
};

static const char *begin_quantised(size_t i)
{
    static char name[128];
    const char *tensors = quantised[i].tensors;
    snprintf(name, sizeof name, "quantised/%zu %s", i,
        quantised[i].expected ? quantised[i].expected : "none");
    folder_empty();
    folder_write_text(CONFIG, quantised[i].config ? quantised[i].config : MIXTRAL);
    write_tensors("model.safetensors", tensors ? tensors : "a.weight:BF16");
    if (quantised[i].file)
        folder_write_text(quantised[i].file, quantised[i].text);
    return name;
}

// An inventory of the folder, and what it says.
struct inventory {
    vkmoe_inventory *checkpoint;
    struct vkmoe_inventory_info info;
    struct vkmoe_checkpoint_info model;
};

static bool open_inventory(struct inventory *out)
{
    out->info = (struct vkmoe_inventory_info){ VKMOE_INIT(vkmoe_inventory_info) };
    out->model = (struct vkmoe_checkpoint_info){ VKMOE_INIT(vkmoe_checkpoint_info) };
    if (vkmoe_inventory_open(folder, &printing_log, &out->checkpoint) != VKMOE_OK)
        return false;
    vkmoe_inventory_get_info(out->checkpoint, &out->info);
    vkmoe_inventory_get_checkpoint_info(out->checkpoint, &out->model);
    return true;
}

static bool check_quantisation(const char *expected)
{
    struct inventory s;
    if (!open_inventory(&s))
        return false;
    vkmoe_inventory_destroy(&s.checkpoint);
    if (strcmp(s.info.quantisation, expected) == 0)
        return true;
    tap_note("info says \"%s\", expected \"%s\"", s.info.quantisation, expected);
    return false;
}

static void test_quantised(struct tap *tap)
{
    for (size_t i = 0; i < COUNT(quantised); i++) {
        const char *name = begin_quantised(i), *expected = quantised[i].expected;
        char text[128];
        if (!tap_wants(tap, name))
            continue;
        snprintf(text, sizeof text, "the checkpoint is quantised (%s)", expected ? expected : "");
        // What is not quantised lacks the tensors of a model.
        const char *line = quantised[i].line;
        bool ok = expected && !line
            ? refuses(folder, VKMOE_ERROR_UNSUPPORTED, text, "")
            : refuses(folder, VKMOE_ERROR_INVALID, line ? line : "is missing", "");
        tap_result(tap, check_quantisation(expected ? expected : "") && ok, name);
    }
}

// What config.json says of it twice is for a model to refuse as well.
static bool test_said_twice(void)
{
    folder_empty();
    folder_write_text(CONFIG, QUANTISED("\"quantization_config\":{},\"quantization_config\":{}"));
    write_tensors("model.safetensors", "a.weight:F8_E4M3 a.weight_scale_inv:F32");
    return refuses(folder, VKMOE_ERROR_INVALID, "quantization_config is there twice", "")
        && check_quantisation("unnamed method");
}

// A file that is to say how the weights are quantised and does not: a model is refused, for
// nobody knows, but what the checkpoint holds can be told.
static void test_unsaid(struct tap *tap)
{
    static const char *const files[] = { "hf_quant_config.json", "quantize_config.json",
        "quant_config.json" };
    static const struct {
        const char *name, *content; // "->x": a symbolic link to x, "/": a folder, "|": a pipe
        int status;
        const char *line;
    } faults[] = {
        { "no JSON", "{", INVALID, "is not JSON" },
        { "array", "[]", INVALID, "is not an object" },
        { "empty", "", INVALID, "is empty" },
        { "pointer", POINTER, INVALID, "is a Git LFS pointer" },
        { "directory", "/", INVALID, "is not a regular file" },
        { "pipe", "|", INVALID, "is not a regular file" },
        { "broken link", "->../../blobs/0123", NOT_FOUND,
            "is a symbolic link to a file that is not there; download it anew" },
    };
    for (size_t i = 0; i < COUNT(files) * COUNT(faults); i++) {
        const char *file = files[i / COUNT(faults)], *content = faults[i % COUNT(faults)].content;
        char name[128], what[64];
        snprintf(name, sizeof name, "quantised/%s/%s", file, faults[i % COUNT(faults)].name);
        snprintf(what, sizeof what, "/%s: ", file);
        if (!tap_wants(tap, name))
            continue;
        folder_empty();
        folder_write_text(CONFIG, MIXTRAL);
        write_tensors("model.safetensors", "a.weight:F8_E4M3 a.weight_scale_inv:F32");
        if (strncmp(content, "->", 2) != 0 && *content != '/' && *content != '|')
            folder_write_text(file, content);
        else if (*content == '-'  ? symlink(content + 2, folder_path(file)) != 0
                : *content == '/' ? mkdir(folder_path(file), 0700) != 0
                                  : mkfifo(folder_path(file), 0600) != 0)
            exit(2);
        bool ok = refuses(folder, (enum vkmoe_status)faults[i % COUNT(faults)].status, what,
            faults[i % COUNT(faults)].line);
        tap_result(tap, check_quantisation("fp8") && ok, name);
    }
}

// ------------------------------------------------------------------------ checkpoint

static bool same_tensor(const vkmoe_inventory *checkpoint, uint32_t index, const char *name,
    const char *dtype, bool absent)
{
    struct vkmoe_tensor_info tensor = { VKMOE_INIT(vkmoe_tensor_info) };
    if (vkmoe_inventory_get_tensor(checkpoint, index, &tensor) != VKMOE_OK)
        return false;
    bool ok = strcmp(tensor.name, name) == 0 && tensor.absent == absent
        && (absent
            || (strcmp(tensor.dtype, dtype) == 0 && tensor.rank == 1 && tensor.shape[0] == 0
                && tensor.size == 0 && tensor.elements == 0));
    if (!ok)
        tap_note(
            "tensor %u is %s %s, expected %s %s", index, tensor.name, tensor.dtype, name, dtype);
    return ok;
}

// An unknown family, types that nobody knows, shards that are not there.
static bool test_any(void)
{
    folder_empty();
    folder_write_text(CONFIG, "{\"model_type\":\"some_moe\",\"hidden_size\":-1}");
    write_tensors("m1.safetensors", "b:F8_E4M3 d:X9");
    folder_write_text("model.safetensors.index.json",
        "{\"weight_map\":{\"a\":\"m2.safetensors\","
        "\"b\":\"m1.safetensors\",\"c\":\"m1.safetensors\"}}");
    struct inventory s;
    if (!open_inventory(&s))
        return false;
    bool ok = strcmp(s.info.model_type, "some_moe") == 0 && !s.model.treated_as[0]
        && !s.info.quantisation[0] && s.model.tensors == 2 && s.model.files == 1
        && s.info.absent_tensors == 2 && s.info.missing_files == 1 && s.model.blocks == 0;
    if (!ok)
        tap_note("the info is wrong");
    ok = same_tensor(s.checkpoint, 0, "a", "", true)
        && same_tensor(s.checkpoint, 1, "b", "F8_E4M3", false)
        && same_tensor(s.checkpoint, 2, "c", "", true)
        && same_tensor(s.checkpoint, 3, "d", "X9", false) && ok;
    struct vkmoe_tensor_info tensor = { VKMOE_INIT(vkmoe_tensor_info) };
    ok = vkmoe_inventory_get_tensor(s.checkpoint, 4, &tensor) == VKMOE_ERROR_NOT_FOUND && ok;
    ok = vkmoe_inventory_get_tensor(s.checkpoint, 0, NULL) == VKMOE_ERROR_INVALID && ok;
    ok = vkmoe_inventory_get_tensor(NULL, 0, &tensor) == VKMOE_ERROR_INVALID && ok;
    vkmoe_inventory_get_info(s.checkpoint, NULL);
    vkmoe_inventory_get_info(NULL, &s.info);
    vkmoe_inventory_get_checkpoint_info(s.checkpoint, NULL);
    vkmoe_inventory_get_checkpoint_info(NULL, &s.model);
    ok = s.model.tensors == 0 && ok;
    vkmoe_inventory_destroy(&s.checkpoint);
    vkmoe_inventory_destroy(&s.checkpoint);
    vkmoe_inventory_destroy(NULL);
    ok = !s.checkpoint && vkmoe_inventory_open(NULL, NULL, &s.checkpoint) == VKMOE_ERROR_INVALID
        && ok;
    ok = vkmoe_inventory_open("", NULL, &s.checkpoint) == VKMOE_ERROR_INVALID && ok;
    ok = vkmoe_inventory_open(folder, NULL, NULL) == VKMOE_ERROR_INVALID && ok;
    ok = refuses(folder, VKMOE_ERROR_UNSUPPORTED, "model_type is \"some_moe\"", "") && ok;
    folder_write_text(CONFIG, "{");
    return vkmoe_inventory_open(folder, NULL, &s.checkpoint) == VKMOE_ERROR_INVALID && ok
        && !s.checkpoint;
}

// A shard that cannot be read counts as missing, and leaves nothing of what it held.
static bool test_shard(const char *content, size_t size)
{
    folder_empty();
    folder_write_text(CONFIG, MIXTRAL);
    write_tensors("model-00001-of-00002.safetensors", "a:BF16");
    if (content)
        folder_write("model-00002-of-00002.safetensors", content, size);
    else
        folder_make("model-00002-of-00002.safetensors/");
    folder_write_text("model.safetensors.index.json", INDEX);
    struct inventory s;
    if (!open_inventory(&s))
        return false;
    bool ok = s.model.tensors == 1 && s.model.files == 1 && s.info.absent_tensors == 1
        && s.info.missing_files == 1 && s.model.file_size < 200 && s.model.parameters == 0
        && same_tensor(s.checkpoint, 0, "a", "BF16", false)
        && same_tensor(s.checkpoint, 1, "b", "", true);
    vkmoe_inventory_destroy(&s.checkpoint);
    return ok;
}

static void test_shards(struct tap *tap)
{
    // The second tensor goes beyond the end: the first must not be left.
    static const char cut[] = "\x8d\0\0\0\0\0\0\0"
                              "{\"c\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                              "\"b\":{\"dtype\":\"U8\",\"shape\":[900],\"data_offsets\":[4,904]}}  "
                              "                              1234";
    static const struct {
        const char *name, *content; // NULL: a directory
        size_t size;
    } shards[] = {
        { "pointer", POINTER, sizeof POINTER - 1 },
        { "empty", "", 0 },
        { "directory", NULL, 0 },
        { "short", "abc", 3 },
        { "zeros", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16 },
        { "cut", cut, sizeof cut - 1 },
        { "no header", "\2\0\0\0\0\0\0\0[]", 10 },
    };
    for (size_t i = 0; i < COUNT(shards); i++) {
        char name[64];
        snprintf(name, sizeof name, "checkpoint/shard/%s", shards[i].name);
        if (tap_wants(tap, name))
            tap_result(tap, test_shard(shards[i].content, shards[i].size), name);
    }
}

// What config.json says of a family that is known, in a checkpoint that cannot be used.
static bool test_known(void)
{
    folder_empty();
    folder_write_text(CONFIG,
        "{\"model_type\":\"kimi_k2\",\"num_hidden_layers\":3,\"hidden_size\":64,"
        "\"moe_intermediate_size\":32,\"n_routed_experts\":8,\"num_experts_per_tok\":2,"
        "\"n_shared_experts\":1,\"norm_topk_prob\":true,\"routed_scaling_factor\":2.8,"
        "\"n_group\":1,\"topk_group\":1,\"first_k_dense_replace\":1,\"vocab_size\":7,"
        "\"quantization_config\":{\"quant_method\":\"fp8\"}}");
    write_tensors("model.safetensors", "a:F8_E4M3");
    struct inventory s;
    if (!open_inventory(&s))
        return false;
    vkmoe_inventory_destroy(&s.checkpoint);
    return strcmp(s.model.treated_as, "deepseek_v3") == 0 && strcmp(s.info.quantisation, "fp8") == 0
        && s.model.blocks == 3 && s.model.moe_blocks == 2 && s.model.experts == 8
        && s.model.hidden == 64 && s.model.vocabulary == 7 && s.model.tensors == 1;
}

int main(int argc, char **argv)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv) || !folder_begin("other"))
        return 2;
    test_others(&tap);
    test_permission(&tap);
    test_quantised(&tap);
    test_unsaid(&tap);
    TAP_TEST(&tap, "quantised/said twice", test_said_twice());
    TAP_TEST(&tap, "checkpoint/unknown family", test_any());
    test_shards(&tap);
    TAP_TEST(&tap, "checkpoint/known family", test_known());
    folder_finish();
    return tap_end(&tap);
}
