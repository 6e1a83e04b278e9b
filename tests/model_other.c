// model_other.c - directories that hold something else than a checkpoint which can be used, or
// one that is quantised: each is refused with one line that names what is there and says what to
// do. And vkmoe_inventory_*, which reads the quantised and the unknown ones. No device is needed.
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vkmoe/model.h>

#include "model_other.h"
#include "check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char directory[] = "/tmp/vkmoe-other-XXXXXX";

// ---------------------------------------------------------------------------- files

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    return where->level > 0 ? remove(path) : 0;
}

static void remove_all(void)
{
    nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void make_parents(const char *name)
{
    char part[256];
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - name), name);
        if (mkdir(path_of(part), 0700) != 0 && errno != EEXIST) {
            perror(path_of(part));
            exit(2);
        }
    }
}

static void write_bytes(const char *name, const void *data, size_t size)
{
    make_parents(name);
    FILE *file = fopen(path_of(name), "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        perror(path_of(name));
        exit(2);
    }
}

static void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

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
    write_bytes(name, file, 8 + size);
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
        remove_all();
        for (size_t f = 0; f < COUNT(other_cases[i].files) && other_cases[i].files[f].name; f++) {
            const char *file = other_cases[i].files[f].name,
                       *content = other_cases[i].files[f].content;
            make_parents(file);
            if (strncmp(content, "->", 2) != 0)
                write_text(file, content);
            else if (symlink(content + 2, path_of(file)) != 0)
                exit(2);
        }
        const char *path = other_cases[i].path ? path_of(other_cases[i].path) : directory;
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
    remove_all();
    write_text(CONFIG, MIXTRAL);
    chmod(path_of(CONFIG), 0);
    // To root nothing is forbidden.
    tap_result(tap,
        geteuid() == 0
            || refuses(directory, VKMOE_ERROR_INVALID, "config.json", "Permission denied"),
        "other/permission");
}

// ------------------------------------------------------------------------- quantised

#define QUANTISED(text) "{\"model_type\":\"mixtral\"," text "}"

static const struct {
    const char *config;      // NULL: says nothing
    const char *file, *text; // another file
    const char *tensors;     // NULL: one that says nothing
    const char *expected;    // NULL: not quantised
} quantised[] = {
    { QUANTISED("\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":4}"), NULL, NULL, NULL,
        "gptq" },
    { QUANTISED("\"quantization_config\":{\"quant_method\":\"modelopt\",\"quant_algo\":\"NVFP4\"}"),
        NULL, NULL, NULL, "modelopt NVFP4" },
    { QUANTISED("\"quantization_config\":{\"bits\":8}"), NULL, NULL, NULL, "unnamed method" },
    { QUANTISED("\"compression_config\":{\"quant_method\":\"compressed-tensors\"}"), NULL, NULL,
        NULL, "compressed-tensors" },
    { QUANTISED("\"quantization\":{\"group_size\":64,\"bits\":4}"), NULL, NULL, NULL,
        "MLX, 4 bits" },
    { QUANTISED("\"text_config\":{\"quantization_config\":{\"quant_method\":\"fp8\"}}"), NULL, NULL,
        NULL, "fp8" },
    { "{\"model_type\":\"unknown\",\"quantization_config\":{\"quant_method\":\"awq\"}}", NULL, NULL,
        NULL, "awq" },
    { NULL, "hf_quant_config.json",
        "{\"producer\":{\"name\":\"modelopt\"},\"quantization\":{\"quant_algo\":\"NVFP4\"}}", NULL,
        "NVFP4" },
    { NULL, "hf_quant_config.json",
        "{\"quantization\":{\"quant_algo\":null,"
        "\"kv_cache_quant_algo\":\"FP8\"}}",
        NULL, NULL },
    { NULL, "quantize_config.json", "{\"bits\":4,\"group_size\":128}", NULL, "gptq" },
    { NULL, "quant_config.json", "{\"w_bit\":4,\"zero_point\":true}", NULL, "awq" },
    { NULL, NULL, NULL, "a.weight:U8 a.weight_scale:F8_E4M3 a.weight_scale_2:F32", "NVFP4" },
    { NULL, NULL, NULL, "a.weight_packed:U8 a.weight_scale:F8_E4M3 a.weight_global_scale:F32",
        "compressed-tensors NVFP4" },
    { NULL, NULL, NULL, "a.weight_packed:I32 a.weight_scale:BF16 a.weight_shape:I64",
        "compressed-tensors" },
    { NULL, NULL, NULL, "a.weight:F8_E4M3 a.weight_scale_inv:F32", "fp8" },
    { NULL, NULL, NULL, "a.weight:F8_E4M3 a.weight_scale:F32", "fp8" },
    { NULL, NULL, NULL, "a.weight:I8 a.weight_scale:F32", "int8" },
    { NULL, NULL, NULL, "experts.gate_up_proj_blocks:U8 experts.gate_up_proj_scales:U8", "mxfp4" },
    { NULL, NULL, NULL, "a.qweight:I32 a.qzeros:I32 a.scales:F16 a.g_idx:I32", "gptq" },
    { NULL, NULL, NULL, "a.qweight:I32 a.qzeros:I32 a.scales:F16", "awq" },
    { NULL, NULL, NULL,
        "a.weight:U8 a.weight.absmax:U8 a.weight.quant_map:F32 "
        "a.weight.quant_state.bitsandbytes__nf4:U8",
        "bitsandbytes nf4" },
    { NULL, NULL, NULL, "a.weight:I8 a.SCB:F32", "bitsandbytes int8" },
    { NULL, NULL, NULL, "a.W_q:U8 a.meta:F32", "hqq" },
    { NULL, NULL, NULL, "a.codes:I16 a.codebooks:F16", "aqlm" },
    { NULL, NULL, NULL, "a.q_weight:I32 a.q_scale:I32", "exl2" },
    { NULL, NULL, NULL, "a.trellis:I16 a.suh:F16", "exl3" },
    { NULL, NULL, NULL, "a.weight:U32 a.scales:BF16 a.biases:BF16", "MLX" },
    // Names that only look like it.
    { NULL, NULL, NULL, "router.per_expert_scale:BF16 router.scale:BF16 logit_scale:F32", NULL },
    { NULL, NULL, NULL, "a.weight:BF16 a.scales:BF16 vision_blocks:BF16", NULL },
    { NULL, NULL, NULL, "a.weight:BF16 a.weight_scale:BF16", NULL },
};

static const char *begin_quantised(size_t i)
{
    static char name[128];
    const char *tensors = quantised[i].tensors;
    snprintf(name, sizeof name, "quantised/%zu %s", i,
        quantised[i].expected ? quantised[i].expected : "none");
    remove_all();
    write_text(CONFIG, quantised[i].config ? quantised[i].config : MIXTRAL);
    write_tensors("model.safetensors", tensors ? tensors : "a.weight:BF16");
    if (quantised[i].file)
        write_text(quantised[i].file, quantised[i].text);
    return name;
}

static bool check_quantisation(const char *expected)
{
    vkmoe_inventory *checkpoint;
    struct vkmoe_inventory_info info = { VKMOE_INIT(vkmoe_inventory_info) };
    if (vkmoe_inventory_open(directory, &printing_log, &checkpoint) != VKMOE_OK)
        return false;
    vkmoe_inventory_get_info(checkpoint, &info);
    vkmoe_inventory_destroy(&checkpoint);
    if (strcmp(info.quantisation, expected) == 0)
        return true;
    tap_note("info says \"%s\", expected \"%s\"", info.quantisation, expected);
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
        bool ok = expected ? refuses(directory, VKMOE_ERROR_UNSUPPORTED, text, "")
                           : refuses(directory, VKMOE_ERROR_INVALID, "is missing", "");
        tap_result(tap, check_quantisation(expected ? expected : "") && ok, name);
    }
}

// What config.json says of it twice is for a model to refuse as well.
static bool test_said_twice(void)
{
    remove_all();
    write_text(CONFIG, QUANTISED("\"quantization_config\":{},\"quantization_config\":{}"));
    write_tensors("model.safetensors", "a.weight:F8_E4M3 a.weight_scale_inv:F32");
    return refuses(directory, VKMOE_ERROR_INVALID, "quantization_config is there twice", "")
        && check_quantisation("unnamed method");
}

// A file that is to say how the weights are quantised and does not: a model is refused, for
// nobody knows, but what the checkpoint holds can be told.
static void test_unsaid(struct tap *tap)
{
    static const char *const files[] = { "hf_quant_config.json", "quantize_config.json",
        "quant_config.json" };
    static const struct {
        const char *name, *content; // "->x": a symbolic link to x, "/": a directory, "|": a pipe
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
        remove_all();
        write_text(CONFIG, MIXTRAL);
        write_tensors("model.safetensors", "a.weight:F8_E4M3 a.weight_scale_inv:F32");
        if (strncmp(content, "->", 2) != 0 && *content != '/' && *content != '|')
            write_text(file, content);
        else if (*content == '-'  ? symlink(content + 2, path_of(file)) != 0
                : *content == '/' ? mkdir(path_of(file), 0700) != 0
                                  : mkfifo(path_of(file), 0600) != 0)
            exit(2);
        bool ok = refuses(directory, (enum vkmoe_status)faults[i % COUNT(faults)].status, what,
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
    remove_all();
    write_text(CONFIG, "{\"model_type\":\"some_moe\",\"hidden_size\":-1}");
    write_tensors("m1.safetensors", "b:F8_E4M3 d:X9");
    write_text("model.safetensors.index.json",
        "{\"weight_map\":{\"a\":\"m2.safetensors\","
        "\"b\":\"m1.safetensors\",\"c\":\"m1.safetensors\"}}");
    vkmoe_inventory *checkpoint;
    struct vkmoe_inventory_info info = { VKMOE_INIT(vkmoe_inventory_info) };
    struct vkmoe_checkpoint_info model = { VKMOE_INIT(vkmoe_checkpoint_info) };
    if (vkmoe_inventory_open(directory, &printing_log, &checkpoint) != VKMOE_OK)
        return false;
    vkmoe_inventory_get_info(checkpoint, &info);
    vkmoe_inventory_get_checkpoint_info(checkpoint, &model);
    bool ok = strcmp(info.model_type, "some_moe") == 0 && !model.treated_as[0]
        && !info.quantisation[0] && model.tensors == 2 && model.files == 1
        && info.absent_tensors == 2 && info.missing_files == 1 && model.blocks == 0;
    if (!ok)
        tap_note("the info is wrong");
    ok = same_tensor(checkpoint, 0, "a", "", true)
        && same_tensor(checkpoint, 1, "b", "F8_E4M3", false)
        && same_tensor(checkpoint, 2, "c", "", true) && same_tensor(checkpoint, 3, "d", "X9", false)
        && ok;
    struct vkmoe_tensor_info tensor = { VKMOE_INIT(vkmoe_tensor_info) };
    ok = vkmoe_inventory_get_tensor(checkpoint, 4, &tensor) == VKMOE_ERROR_NOT_FOUND && ok;
    ok = vkmoe_inventory_get_tensor(checkpoint, 0, NULL) == VKMOE_ERROR_INVALID && ok;
    ok = vkmoe_inventory_get_tensor(NULL, 0, &tensor) == VKMOE_ERROR_INVALID && ok;
    vkmoe_inventory_get_info(checkpoint, NULL);
    vkmoe_inventory_get_info(NULL, &info);
    vkmoe_inventory_get_checkpoint_info(checkpoint, NULL);
    vkmoe_inventory_get_checkpoint_info(NULL, &model);
    ok = model.tensors == 0 && ok;
    vkmoe_inventory_destroy(&checkpoint);
    vkmoe_inventory_destroy(&checkpoint);
    vkmoe_inventory_destroy(NULL);
    ok = !checkpoint && vkmoe_inventory_open(NULL, NULL, &checkpoint) == VKMOE_ERROR_INVALID && ok;
    ok = vkmoe_inventory_open("", NULL, &checkpoint) == VKMOE_ERROR_INVALID && ok;
    ok = vkmoe_inventory_open(directory, NULL, NULL) == VKMOE_ERROR_INVALID && ok;
    ok = refuses(directory, VKMOE_ERROR_UNSUPPORTED, "model_type is \"some_moe\"", "") && ok;
    write_text(CONFIG, "{");
    return vkmoe_inventory_open(directory, NULL, &checkpoint) == VKMOE_ERROR_INVALID && ok
        && !checkpoint;
}

// A shard that cannot be read counts as missing, and leaves nothing of what it held.
static bool test_shard(const char *content, size_t size)
{
    remove_all();
    write_text(CONFIG, MIXTRAL);
    write_tensors("model-00001-of-00002.safetensors", "a:BF16");
    if (content)
        write_bytes("model-00002-of-00002.safetensors", content, size);
    else
        make_parents("model-00002-of-00002.safetensors/");
    write_text("model.safetensors.index.json", INDEX);
    vkmoe_inventory *checkpoint;
    struct vkmoe_inventory_info info = { VKMOE_INIT(vkmoe_inventory_info) };
    struct vkmoe_checkpoint_info model = { VKMOE_INIT(vkmoe_checkpoint_info) };
    if (vkmoe_inventory_open(directory, &printing_log, &checkpoint) != VKMOE_OK)
        return false;
    vkmoe_inventory_get_info(checkpoint, &info);
    vkmoe_inventory_get_checkpoint_info(checkpoint, &model);
    bool ok = model.tensors == 1 && model.files == 1 && info.absent_tensors == 1
        && info.missing_files == 1 && model.file_size < 200 && model.parameters == 0
        && same_tensor(checkpoint, 0, "a", "BF16", false)
        && same_tensor(checkpoint, 1, "b", "", true);
    vkmoe_inventory_destroy(&checkpoint);
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
    remove_all();
    write_text(CONFIG,
        "{\"model_type\":\"kimi_k2\",\"num_hidden_layers\":3,\"hidden_size\":64,"
        "\"moe_intermediate_size\":32,\"n_routed_experts\":8,\"num_experts_per_tok\":2,"
        "\"n_shared_experts\":1,\"norm_topk_prob\":true,\"routed_scaling_factor\":2.8,"
        "\"n_group\":1,\"topk_group\":1,\"first_k_dense_replace\":1,\"vocab_size\":7,"
        "\"quantization_config\":{\"quant_method\":\"fp8\"}}");
    write_tensors("model.safetensors", "a:F8_E4M3");
    vkmoe_inventory *checkpoint;
    struct vkmoe_inventory_info info = { VKMOE_INIT(vkmoe_inventory_info) };
    struct vkmoe_checkpoint_info model = { VKMOE_INIT(vkmoe_checkpoint_info) };
    if (vkmoe_inventory_open(directory, &printing_log, &checkpoint) != VKMOE_OK)
        return false;
    vkmoe_inventory_get_info(checkpoint, &info);
    vkmoe_inventory_get_checkpoint_info(checkpoint, &model);
    vkmoe_inventory_destroy(&checkpoint);
    return strcmp(model.treated_as, "deepseek_v3") == 0 && strcmp(info.quantisation, "fp8") == 0
        && model.blocks == 3 && model.moe_blocks == 2 && model.experts == 8 && model.hidden == 64
        && model.vocabulary == 7 && model.tensors == 1;
}

int main(int argc, char **argv)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv))
        return 2;
    if (!mkdtemp(directory)) {
        perror(directory);
        return 2;
    }
    test_others(&tap);
    test_permission(&tap);
    test_quantised(&tap);
    test_unsaid(&tap);
    TAP_TEST(&tap, "quantised/said twice", test_said_twice());
    TAP_TEST(&tap, "checkpoint/unknown family", test_any());
    test_shards(&tap);
    TAP_TEST(&tap, "checkpoint/known family", test_known());
    remove_all();
    rmdir(directory);
    return tap_end(&tap);
}
