// model_hostile.c - files that are cut, corrupt or made to do harm: the loader must refuse
// each with its status and one line that says what is wrong, and touch nothing it should
// not (run under AddressSanitizer and UndefinedBehaviorSanitizer). No device is needed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vkmoe/vkmoe.h>

#include "checkpoints.h"
#include "random.h"
#include "tap.h"

// ---------------------------------------------------------------------------- files

static char directory[] = "/tmp/vkmoe-hostile-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void write_bytes(const char *name, const void *data, size_t size)
{
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

static void remove_all(void)
{
    static const char *const names[] = { "config.json", "model.safetensors", "a.safetensors",
        "b.safetensors", "model.safetensors.index.json" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        remove(path_of(names[i]));
}

// A model of two experts that opens: what the cases below spoil.
static const char good_config[] =
    "{\"model_type\":\"mixtral\",\"hidden_size\":4,\"intermediate_size\":2,"
    "\"num_hidden_layers\":1,\"num_local_experts\":2,\"num_experts_per_tok\":1,"
    "\"hidden_act\":\"silu\",\"vocab_size\":3}";

#define TENSOR(name, shape, begin, end) \
    "\"model.layers.0.block_sparse_moe." name ".weight\":{\"dtype\":\"F32\",\"shape\":[" shape \
    "],\"data_offsets\":[" #begin "," #end "]}"
static const char good_header[] =
    "{\"__metadata__\":{\"format\":\"pt\"}," TENSOR("gate", "2,4", 0, 32) "," TENSOR("experts.0.w1",
        "2,4", 32, 64) "," TENSOR("experts.0.w2", "4,2", 64, 96) "," TENSOR("experts.0.w3", "2,4",
        96, 128) "," TENSOR("experts.1.w1", "2,4", 128, 160) "," TENSOR("experts.1.w2", "4,2", 160,
        192) "," TENSOR("experts.1.w3", "2,4", 192, 224) "}";
enum { DATA_SIZE = 224 };

// header_size UINT64_MAX: the true one.
static void write_tensors(
    const char *name, const char *header, uint64_t header_size, size_t data_size)
{
    size_t true_size = strlen(header);
    if (header_size == UINT64_MAX)
        header_size = true_size;
    unsigned char *file = calloc(1, 8 + true_size + data_size);
    if (!file)
        abort();
    for (int i = 0; i < 8; i++)
        file[i] = (unsigned char)(header_size >> 8 * i);
    memcpy(file + 8, header, true_size);
    write_bytes(name, file, 8 + true_size + data_size);
    free(file);
}

static void write_good(void)
{
    remove_all();
    write_text("config.json", good_config);
    write_tensors("model.safetensors", good_header, UINT64_MAX, DATA_SIZE);
}

// `text` with the first `old` replaced; release it.
static char *replace(const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);
    if (!at) {
        fprintf(stderr, "%s is not in the text to be spoilt\n", old);
        exit(2);
    }
    char *out = malloc(strlen(text) + strlen(new) + 1);
    if (!out)
        abort();
    memcpy(out, text, (size_t)(at - text));
    strcpy(out + (at - text), new);
    strcat(out, at + strlen(old));
    return out;
}

// -------------------------------------------------------------------------- refusal

struct lines {
    uint32_t count;
    bool unprintable;
    char last[1024];
};

static void keep_line(void *user, enum vkmoe_log_level level, const char *line)
{
    struct lines *lines = user;
    (void)level;
    lines->count++;
    snprintf(lines->last, sizeof lines->last, "%s", line);
    for (; *line; line++)
        lines->unprintable = lines->unprintable || (unsigned char)*line < 0x20;
}

// Opening `path` fails like this, with one line that contains `text`.
static bool refuses(const char *path, enum vkmoe_status expected, const char *text)
{
    struct lines lines = { 0 };
    const struct vkmoe_log log = { .write = keep_line, .user = &lines };
    vkmoe_checkpoint *model = (vkmoe_checkpoint *)&lines; // must become NULL
    enum vkmoe_status status = vkmoe_checkpoint_open(path, &log, &model);
    bool ok = status == expected && !model && lines.count == 1 && !lines.unprintable
        && strstr(lines.last, text);
    if (!ok)
        tap_note("%s, expected %s; %u lines, the last: %s; expected in it: %s",
            vkmoe_status_name(status), vkmoe_status_name(expected), lines.count, lines.last, text);
    if (status == VKMOE_OK)
        vkmoe_checkpoint_destroy(&model);
    return ok;
}

static bool opens(const char *path)
{
    struct lines lines = { 0 };
    const struct vkmoe_log log = { .write = keep_line, .user = &lines };
    vkmoe_checkpoint *model;
    enum vkmoe_status status = vkmoe_checkpoint_open(path, &log, &model);
    if (status != VKMOE_OK)
        tap_note("%s: %s", vkmoe_status_name(status), lines.last);
    vkmoe_checkpoint_destroy(&model);
    return status == VKMOE_OK;
}

enum {
    OK = VKMOE_OK,
    INVALID = VKMOE_ERROR_INVALID,
    UNSUPPORTED = VKMOE_ERROR_UNSUPPORTED,
    NOT_FOUND = VKMOE_ERROR_NOT_FOUND
};

struct spoilt {
    const char *name;
    const char *old, *new; // replaced in good_config or good_header
    int status;
    const char *text; // in the log line
};

static bool check_spoilt(const struct spoilt *c)
{
    return c->status == OK ? opens(directory)
                           : refuses(directory, (enum vkmoe_status)c->status, c->text);
}

// --------------------------------------------------------------------------- config

static const struct spoilt configs[] = {
    { "comment only", "{\"model_type\"", "{\"extra\":[1,{\"a\":null}],\"model_type\"", OK, "" },
    { "infinity elsewhere", "\"vocab_size\":3", "\"vocab_size\":3,\"l\":[-Infinity,NaN]", OK, "" },
    { "infinity", "\"vocab_size\":3", "\"vocab_size\":Infinity", INVALID, "vocab_size" },
    { "nan size", "\"hidden_size\":4", "\"hidden_size\":NaN", INVALID, "hidden_size" },
    { "huge exponent", "\"hidden_size\":4", "\"hidden_size\":1e999", INVALID, "hidden_size" },
    { "zero size", "\"hidden_size\":4", "\"hidden_size\":0", INVALID, "hidden_size is 0" },
    { "negative", "\"hidden_size\":4", "\"hidden_size\":-4", INVALID, "hidden_size is -4" },
    { "fraction", "\"hidden_size\":4", "\"hidden_size\":4.5", INVALID, "hidden_size is 4.5" },
    { "huge", "\"hidden_size\":4", "\"hidden_size\":4294967300", INVALID, "hidden_size" },
    { "above the limit", "\"hidden_size\":4", "\"hidden_size\":65537", INVALID, "65536" },
    { "string size", "\"hidden_size\":4", "\"hidden_size\":\"4\"", INVALID, "hidden_size" },
    { "array size", "\"hidden_size\":4", "\"hidden_size\":[4]", INVALID, "hidden_size" },
    { "no blocks", "\"num_hidden_layers\":1", "\"num_hidden_layers\":0", INVALID, "layers is 0" },
    { "many blocks", "\"num_hidden_layers\":1", "\"num_hidden_layers\":9999", INVALID, "1024" },
    { "no experts", "experts\":2", "experts\":0", INVALID, "num_local_experts is 0" },
    { "many experts", "experts\":2", "experts\":1025", INVALID, "num_local_experts is 1025" },
    { "k above experts", "tok\":1", "tok\":3", INVALID, "num_experts_per_tok is 3" },
    { "k zero", "tok\":1", "tok\":0", INVALID, "num_experts_per_tok is 0" },
    { "more experts than stored", "experts\":2", "experts\":3", INVALID, "has the shape [2, 4]" },
    { "other width", "\"hidden_size\":4", "\"hidden_size\":5", INVALID, "expected [2, 5]" },
    { "more blocks than stored", "\"num_hidden_layers\":1", "\"num_hidden_layers\":2", OK, "" },
    { "key twice", "\"hidden_size\":4", "\"hidden_size\":4,\"hidden_size\":8", INVALID, "twice" },
    { "unknown activation", "silu", "mish", UNSUPPORTED, "hidden_act is \"mish\"" },
    { "activation of control characters", "silu", "a\\n\\u0001b", UNSUPPORTED, "a??b" },
    { "activation no string", "\"silu\"", "1", INVALID, "hidden_act is 1" },
    { "unknown family", "mixtral", "llama", UNSUPPORTED, "model_type is \"llama\"" },
    { "family no string", "\"mixtral\"", "7", INVALID, "model_type is 7" },
    { "no family", "\"model_type\":\"mixtral\",", "", UNSUPPORTED, "model_type is \"\"" },
    { "quantised", "\"vocab_size\":3", "\"quantization_config\":{\"quant_method\":\"fp8\"}",
        UNSUPPORTED, "quantised (fp8)" },
    { "not quantised", "\"vocab_size\":3", "\"quantization_config\":null", OK, "" },
    { "other text_config", "\"vocab_size\":3", "\"text_config\":{\"model_type\":\"llama\"}",
        UNSUPPORTED, "model_type" },
    { "trailing garbage", "\"vocab_size\":3}", "\"vocab_size\":3}}", INVALID, "not JSON" },
    { "second object", "\"vocab_size\":3}", "\"vocab_size\":3} {}", INVALID, "not JSON" },
    { "trailing space", "\"vocab_size\":3}", "\"vocab_size\":3} \r\n\t", OK, "" },
    { "array for all", "{\"model_type\"", "[1]{\"model_type\"", INVALID, "not JSON" },
    { "open string", "\"vocab_size\":3}", "\"vocab_size", INVALID, "not JSON" },
    { "escaped NUL", "mixtral", "mixtral\\u0000", INVALID, "NUL" },
    { "escaped backslash", "\"vocab_size\":3", "\"p\":\"\\\\u0000\"", OK, "" },
    { "lone surrogate", "mixtral", "mixtral\\ud800", INVALID, "not JSON" },
    { "broken UTF-8", "mixtral", "mixtral\xff", INVALID, "UTF-8" },
    { "overlong UTF-8", "mixtral", "mixtral\xc0\x80", INVALID, "UTF-8" },
    { "encoded surrogate", "mixtral", "mixtral\xed\xa0\x80", INVALID, "UTF-8" },
    { "beyond Unicode", "mixtral", "mixtral\xf4\x90\x80\x80", INVALID, "UTF-8" },
    { "good UTF-8", "\"vocab_size\":3", "\"n\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", OK, "" },
};

// Whole configs of other families: settings that this version cannot honour.
static const struct {
    const char *name, *config;
    int status;
    const char *text;
} family_configs[] = {
    { "nemotron latent",
        "{\"model_type\":\"nemotron_h\",\"hybrid_override_pattern\":\"E\","
        "\"moe_latent_size\":1024}",
        UNSUPPORTED, "moe_latent_size is 1024" },
    { "nemotron pattern", "{\"model_type\":\"nemotron_h\",\"hybrid_override_pattern\":\"EX\"}",
        INVALID, "hybrid_override_pattern" },
    { "nemotron without blocks", "{\"model_type\":\"nemotron_h\"}", INVALID, "no blocks" },
    { "deepseek scoring", "{\"model_type\":\"deepseek_v3\",\"scoring_func\":\"softmax\"}",
        UNSUPPORTED, "scoring_func is \"softmax\", only sigmoid" },
    { "deepseek method",
        "{\"model_type\":\"deepseek_v2\",\"num_experts_per_tok\":2,"
        "\"topk_method\":\"noaux_tc\"}",
        UNSUPPORTED, "topk_method" },
    { "deepseek without k", "{\"model_type\":\"deepseek_v2\"}", INVALID,
        "needs num_experts_per_tok" },
    { "uneven groups", "{\"model_type\":\"deepseek_v3\",\"n_group\":7}", INVALID, "7 groups" },
    { "too few groups", "{\"model_type\":\"deepseek_v3\",\"n_group\":256,\"topk_group\":4}",
        INVALID, "256 groups" },
    { "more groups kept than there are",
        "{\"model_type\":\"deepseek_v3\",\"n_group\":8,\"topk_group\":9}", INVALID, "8 groups" },
    { "zero scale", "{\"model_type\":\"deepseek_v3\",\"routed_scaling_factor\":0}", INVALID,
        "routed_scaling_factor is 0" },
    { "huge scale", "{\"model_type\":\"deepseek_v3\",\"routed_scaling_factor\":1e300}", INVALID,
        "routed_scaling_factor" },
    { "wide shared experts", "{\"model_type\":\"deepseek_v3\",\"n_shared_experts\":1000}", INVALID,
        "shared" },
    { "flag no boolean", "{\"model_type\":\"qwen3_moe\",\"norm_topk_prob\":\"yes\"}", INVALID,
        "norm_topk_prob is \"yes\"" },
    { "zero step", "{\"model_type\":\"qwen3_moe\",\"decoder_sparse_step\":0}", INVALID,
        "decoder_sparse_step is 0" },
    { "list of names", "{\"model_type\":\"qwen3_moe\",\"mlp_only_layers\":[\"a\"]}", INVALID,
        "mlp_only_layers" },
    { "jamba offset", "{\"model_type\":\"jamba\",\"expert_layer_offset\":2}", INVALID,
        "expert_layer_offset is 2" },
    { "phi with three", "{\"model_type\":\"phimoe\",\"num_experts_per_tok\":3}", UNSUPPORTED,
        "num_experts_per_tok is 3, only 2" },
    { "phi without jitter", "{\"model_type\":\"phimoe\",\"router_jitter_noise\":0}", INVALID,
        "router_jitter_noise is 0" },
    { "gemma without sizes", "{\"model_type\":\"gemma4_text\",\"enable_moe_block\":true}", INVALID,
        "needs moe_intermediate_size" },
    { "gpt-oss activation", "{\"model_type\":\"gpt_oss\",\"hidden_act\":\"relu\"}", UNSUPPORTED,
        "hidden_act is \"relu\", only silu" },
    { "gpt-oss in mxfp4",
        "{\"model_type\":\"gpt_oss\",\"quantization_config\":"
        "{\"quant_method\":\"mxfp4\"}}",
        UNSUPPORTED, "quantised (mxfp4)" },
    { "switch gated", "{\"model_type\":\"switch_transformers\",\"is_gated_act\":true}", UNSUPPORTED,
        "is_gated_act is true" },
    { "switch capacity", "{\"model_type\":\"switch_transformers\",\"expert_capacity\":0}", INVALID,
        "expert_capacity is 0" },
};

static bool test_config_files(void)
{
    char deep[4001];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    write_good();
    write_text("config.json", deep);
    bool ok = refuses(directory, VKMOE_ERROR_INVALID, "not JSON");
    write_text("config.json", "");
    ok = refuses(directory, VKMOE_ERROR_INVALID, "is empty") && ok;
    write_text("config.json", "[]");
    ok = refuses(directory, VKMOE_ERROR_INVALID, "not an object") && ok;
    write_bytes("config.json", "{\"a\0b\":1}", 9);
    ok = refuses(directory, VKMOE_ERROR_INVALID, "NUL") && ok;
    remove(path_of("config.json"));
    ok = refuses(directory, VKMOE_ERROR_NOT_FOUND, "config.json") && ok;
    mkdir(path_of("config.json"), 0700);
    ok = refuses(directory, VKMOE_ERROR_INVALID, "not a regular file") && ok;
    rmdir(path_of("config.json"));
    mkfifo(path_of("config.json"), 0600); // nobody writes: opening it must not wait
    ok = refuses(directory, VKMOE_ERROR_INVALID, "not a regular file") && ok;
    remove(path_of("config.json"));

    // More values than fit: 5 million, in a file that is otherwise fine.
    size_t size = 10000000;
    char *many = malloc(size);
    if (!many)
        abort();
    for (size_t i = 0; i < size; i += 2)
        memcpy(many + i, i ? "1," : "[ ", 2);
    write_bytes("config.json", many, size);
    free(many);
    return refuses(directory, VKMOE_ERROR_INVALID, "too many values") && ok;
}

// -------------------------------------------------------------------------- tensors

static const struct spoilt headers[] = {
    { "unknown dtype, unneeded", "{\"__metadata__\"",
        "{\"odd\":{\"dtype\":\"F3\",\"shape\":[7],\"data_offsets\":[0,0]},\"__metadata__\"", OK,
        "" },
    { "unneeded integers", "{\"__metadata__\"",
        "{\"odd\":{\"dtype\":\"I64\",\"shape\":[0,3],\"data_offsets\":[0,0]},\"__metadata__\"", OK,
        "" },
    { "unknown dtype", "F32", "F3", UNSUPPORTED, "has the dtype F3" },
    { "float8 dtype", "F32\",\"shape\":[2,4", "F8_E4M3\",\"shape\":[2,4,4", INVALID, "the shape" },
    { "packed integers", "F32\",\"shape\":[2,4", "U8\",\"shape\":[2,16", UNSUPPORTED,
        "has the dtype U8, only F32, F16 and BF16 are supported" },
    { "dtype size", "F32", "F16", INVALID, "do not match" },
    { "dtype no string", "\"F32\"", "32", INVALID, "dtype" },
    { "dtype twice", "\"dtype\":\"F32\"", "\"dtype\":\"F32\",\"dtype\":\"F32\"", INVALID, "dtype" },
    { "shape no array", "[2,4]", "8", INVALID, "shape" },
    { "shape wrong", "[2,4]", "[4,2]", INVALID, "has the shape [4, 2], expected [2, 4]" },
    { "shape negative", "[2,4]", "[-2,-4]", INVALID, "no integer" },
    { "shape fraction", "[2,4]", "[2.5,4]", INVALID, "no integer" },
    { "shape above 2^53", "[2,4]", "[9007199254740994,4]", INVALID, "no integer" },
    { "shape overflow", "[2,4]", "[4294967296,4294967296]", INVALID, "64 bits" },
    { "bits overflow", "[2,4]", "[2147483648,2147483648]", INVALID, "do not match" },
    { "shape overflow before a zero", "[2,4]", "[4294967296,4294967296,0]", INVALID, "64 bits" },
    { "shape of nine", "[2,4]", "[1,1,1,1,1,1,1,2,4]", INVALID, "8 dimensions" },
    { "offsets reversed", "[0,32]", "[32,0]", INVALID, "ends before" },
    { "offset beyond", "[192,224]", "[192,225]", INVALID, "beyond the end" },
    { "offset far beyond", "[192,224]", "[192,9007199254740992]", INVALID, "beyond the end" },
    { "offset above 2^53", "[192,224]", "[192,18446744073709551615]", INVALID, "data_offsets" },
    { "offset negative", "[0,32]", "[-32,0]", INVALID, "data_offsets" },
    { "offsets one", "[0,32]", "[0]", INVALID, "data_offsets" },
    { "offsets three", "[0,32]", "[0,32,64]", INVALID, "data_offsets" },
    { "offsets missing", ",\"data_offsets\":[0,32]", "", INVALID, "data_offsets" },
    { "overlap", "[32,64]", "[16,48]", INVALID, "inside another" },
    { "same place twice", "[32,64]", "[0,32]", INVALID, "inside another" },
    { "gap", "[2,4],\"data_offsets\":[192,224]", "[0],\"data_offsets\":[224,224]", INVALID, "gap" },
    { "unused end", "[2,4],\"data_offsets\":[192,224]", "[1,4],\"data_offsets\":[192,208]", INVALID,
        "belong to no tensor" },
    { "entry no object", "{\"__metadata__\"", "{\"odd\":1,\"__metadata__\"", INVALID,
        "tensor odd" },
    { "name twice", "experts.1.w3", "experts.1.w1", INVALID, "is there twice" },
    { "name with newline", "experts.1.w3", "experts.1\\n.w3", INVALID, "control characters" },
    { "expert missing", "experts.1.w3", "experts.2.w3", INVALID, "experts.1.w3.weight is missing" },
    { "router missing", "moe.gate", "moe.fate", INVALID,
        "model.layers.0.block_sparse_moe.gate.weight is missing" },
    { "not JSON", "{\"__metadata__\"", "[\"__metadata__\"", INVALID, "not JSON" },
};

static bool test_tensor_files(void)
{
    write_good();
    write_tensors("model.safetensors", good_header, 1, DATA_SIZE);
    bool ok = refuses(directory, VKMOE_ERROR_INVALID, "not JSON");
    write_tensors("model.safetensors", good_header, UINT64_MAX - 1, DATA_SIZE);
    ok = refuses(directory, VKMOE_ERROR_INVALID, "a header of 18446744073709551614") && ok;
    write_tensors("model.safetensors", good_header, 0, DATA_SIZE);
    ok = refuses(directory, VKMOE_ERROR_INVALID, "not JSON") && ok;
    write_tensors("model.safetensors", "{}", UINT64_MAX, 0);
    ok = refuses(directory, VKMOE_ERROR_INVALID, "holds no tensors") && ok;
    write_tensors("model.safetensors", good_header, UINT64_MAX, DATA_SIZE + 1);
    ok = refuses(directory, VKMOE_ERROR_INVALID, "1 bytes of data belong to no tensor") && ok;
    write_text("model.safetensors", "");
    ok = refuses(directory, VKMOE_ERROR_INVALID, "is empty") && ok;
    remove(path_of("model.safetensors"));
    ok = refuses(directory, VKMOE_ERROR_NOT_FOUND, "neither model.safetensors") && ok;
    mkdir(path_of("model.safetensors"), 0700);
    ok = refuses(directory, VKMOE_ERROR_INVALID, "not a regular file") && ok;
    rmdir(path_of("model.safetensors"));
    return ok;
}

// The file cut at every length.
static bool test_truncation(void)
{
    write_good();
    size_t header_size = strlen(good_header), size = 8 + header_size + DATA_SIZE;
    unsigned char *file = calloc(1, size);
    if (!file)
        abort();
    file[0] = (unsigned char)header_size;
    file[1] = (unsigned char)(header_size >> 8);
    memcpy(file + 8, good_header, header_size);
    bool ok = true;
    for (size_t cut = 0; ok && cut < size; cut++) {
        write_bytes("model.safetensors", file, cut);
        ok = refuses(directory, VKMOE_ERROR_INVALID, "model.safetensors");
        if (!ok)
            tap_note("cut to %zu of %zu bytes", cut, size);
    }
    write_bytes("model.safetensors", file, size);
    ok = ok && opens(directory);
    free(file);
    return ok;
}

// ---------------------------------------------------------------------------- index

static const struct {
    const char *name, *index;
    int status;
    const char *text;
} indices[] = {
    { "good",
        "{\"weight_map\":{\"x\":\"b.safetensors\","
        "\"model.layers.0.block_sparse_moe.gate.weight\":\"a.safetensors\"}}",
        OK, "" },
    { "no map", "{}", INVALID, "weight_map" },
    { "map twice", "{\"weight_map\":{},\"weight_map\":{}}", INVALID, "weight_map" },
    { "map no object", "{\"weight_map\":[]}", INVALID, "weight_map" },
    { "empty map", "{\"weight_map\":{}}", INVALID, "holds no tensors" },
    { "missing shard", "{\"weight_map\":{\"x\":\"c.safetensors\"}}", NOT_FOUND, "c.safetensors" },
    { "missing shard that is not needed",
        "{\"weight_map\":{\"x\":\"c.safetensors\","
        "\"model.layers.0.block_sparse_moe.gate.weight\":\"a.safetensors\"}}",
        OK, "" },
    { "missing shard that is needed",
        "{\"weight_map\":{\"x\":\"b.safetensors\","
        "\"model.layers.0.block_sparse_moe.experts.1.w3.weight\":\"c.safetensors\","
        "\"model.layers.0.block_sparse_moe.gate.weight\":\"a.safetensors\"}}",
        NOT_FOUND, "experts.1.w3.weight is in c.safetensors, which is not there" },
    { "above", "{\"weight_map\":{\"x\":\"../b.safetensors\"}}", INVALID, "plain" },
    { "absolute", "{\"weight_map\":{\"x\":\"/etc/passwd.safetensors\"}}", INVALID, "plain" },
    { "backslash", "{\"weight_map\":{\"x\":\"..\\\\b.safetensors\"}}", INVALID, "plain" },
    { "other file", "{\"weight_map\":{\"x\":\"config.json\"}}", INVALID, "plain" },
    { "no name", "{\"weight_map\":{\"x\":\".safetensors\"}}", INVALID, "plain" },
    { "number", "{\"weight_map\":{\"x\":1}}", INVALID, "no file name" },
    { "wrong shard",
        "{\"weight_map\":{\"x\":\"a.safetensors\","
        "\"model.layers.0.block_sparse_moe.gate.weight\":\"b.safetensors\"}}",
        INVALID, "model.layers.0.block_sparse_moe.gate.weight is not in b.safetensors" },
    { "no such tensor", "{\"weight_map\":{\"y\":\"a.safetensors\"}}", OK, "" },
    { "no such tensor, needed",
        "{\"weight_map\":{\"y\":\"b.safetensors\","
        "\"model.layers.0.block_sparse_moe.gate.weight\":\"b.safetensors\"}}",
        INVALID, "gate.weight is not in b.safetensors, as weight_map has it" },
    { "name of control characters", "{\"weight_map\":{\"x\\n\":\"b.safetensors\"}}", INVALID,
        "control characters" },
    { "tensor twice", "{\"weight_map\":{\"x\":\"b.safetensors\",\"x\":\"b.safetensors\"}}", INVALID,
        "x twice" },
    { "line break", "{\"weight_map\":{\"x\":\"b\\n.safetensors\"}}", INVALID, "plain" },
};

static void write_shards(const char *index)
{
    write_good();
    remove(path_of("model.safetensors"));
    write_tensors("a.safetensors", good_header, UINT64_MAX, DATA_SIZE);
    write_tensors("b.safetensors",
        "{\"x\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[0,5]}}", UINT64_MAX, 5);
    write_text("model.safetensors.index.json", index);
}

static bool test_index_files(void)
{
    // Both files hold x: the index has to say which.
    char *header = replace(good_header, "{\"__metadata__\"",
        "{\"x\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[224,229]},\"__metadata__\"");
    static const char gate[] = "\"model.layers.0.block_sparse_moe.gate.weight\"";
    char index[256];
    snprintf(index, sizeof index, "{\"weight_map\":{\"y\":\"b.safetensors\",%s:\"a.safetensors\"}}",
        gate);
    write_shards(index);
    write_tensors("a.safetensors", header, UINT64_MAX, DATA_SIZE + 5);
    bool ok = refuses(directory, VKMOE_ERROR_INVALID, "x is there twice");
    snprintf(index, sizeof index, "{\"weight_map\":{\"x\":\"b.safetensors\",%s:\"a.safetensors\"}}",
        gate);
    write_text("model.safetensors.index.json", index);
    ok = opens(directory) && ok;
    free(header);
    remove(path_of("model.safetensors.index.json"));
    return refuses(directory, VKMOE_ERROR_NOT_FOUND, "neither") && ok;
}

// ------------------------------------------------------------------------ arguments

static bool test_paths(void)
{
    write_good();
    bool ok = refuses("/tmp/vkmoe-no-such-directory", VKMOE_ERROR_NOT_FOUND, "config.json");
    ok = refuses(path_of("config.json"), VKMOE_ERROR_NOT_FOUND, "config.json") && ok;
    ok = refuses("", VKMOE_ERROR_INVALID, "path") && ok;
    ok = refuses(NULL, VKMOE_ERROR_INVALID, "path") && ok;
    ok = vkmoe_checkpoint_open(directory, NULL, NULL) == VKMOE_ERROR_INVALID && ok;
    vkmoe_checkpoint *model = NULL;
    vkmoe_checkpoint_destroy(NULL);
    vkmoe_checkpoint_destroy(&model);
    ok = vkmoe_checkpoint_open(directory, NULL, &model) == VKMOE_OK && ok;
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
    ok = vkmoe_checkpoint_get_moe(model, (struct vkmoe_block){ .index = UINT32_MAX }, &params)
            == VKMOE_ERROR_NOT_FOUND
        && ok;
    ok = !vkmoe_checkpoint_is_moe(
             model, (struct vkmoe_block){ .index = 0, .part = VKMOE_PART_DECODER })
        && ok;
    vkmoe_checkpoint_destroy(&model);
    return ok && !model;
}

// A tensor missing in a block that opening does not look at.
static bool test_late_error(void)
{
    write_good();
    char *config = replace(good_config, "\"num_hidden_layers\":1", "\"num_hidden_layers\":2");
    write_text("config.json", config);
    free(config);
    struct lines lines = { 0 };
    const struct vkmoe_log log = { .write = keep_line, .user = &lines };
    vkmoe_checkpoint *model;
    if (vkmoe_checkpoint_open(directory, &log, &model) != VKMOE_OK)
        return false;
    struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
    enum vkmoe_status status =
        vkmoe_checkpoint_get_moe(model, (struct vkmoe_block){ .index = 1 }, &params);
    vkmoe_checkpoint_destroy(&model);
    return status == VKMOE_ERROR_INVALID && lines.count == 1
        && strstr(lines.last, "model.layers.1.block_sparse_moe.gate.weight is missing");
}

// -------------------------------------------------------------------------- mutation

// Reads everything that a model's views lead to, so that a sanitizer sees a wrong one.
static double touch(const struct vkmoe_view *view, uint32_t rows, uint32_t columns)
{
    double sum = 0.0;
    for (uint32_t r = 0; view && view->data && r < rows; r++) {
        for (uint32_t c = 0; c < columns; c++) {
            size_t size = view->dtype == VKMOE_DTYPE_F32 ? 4 : 2;
            unsigned char bytes[4];
            memcpy(bytes,
                (const char *)view->data
                    + (r * view->row_stride + c * view->column_stride) * (int64_t)size,
                size);
            sum += bytes[0];
        }
    }
    return sum;
}

static double touch_layer(const struct vkmoe_moe_params *p)
{
    double sum = touch(&p->router.weight, p->experts, p->hidden)
        + touch(&p->router.bias, 1, p->experts) + touch(&p->router.expert_scale, 1, p->experts)
        + touch(&p->router.correction_bias, 1, p->experts)
        + touch(&p->router.input_scale, 1, p->hidden) + touch(&p->gate_bias, p->experts, p->inner)
        + touch(&p->up_bias, p->experts, p->inner) + touch(&p->down_bias, p->experts, p->hidden)
        + touch(&p->output_bias, 1, p->hidden) + touch(&p->shared.gate, p->shared.inner, p->hidden)
        + touch(&p->shared.up, p->shared.inner, p->hidden)
        + touch(&p->shared.down, p->hidden, p->shared.inner)
        + touch(&p->shared.token_gate, 1, p->hidden);
    for (uint32_t e = 0; e < p->experts; e++)
        sum += (p->gate ? touch(&p->gate[e], p->inner, p->hidden) : 0.0)
            + touch(&p->up[e], p->inner, p->hidden) + touch(&p->down[e], p->hidden, p->inner);
    return sum;
}

// Opens what may be anything. A failure has one line, a success no bad view.
static bool survives(const char *path)
{
    struct lines lines = { 0 };
    const struct vkmoe_log log = { .write = keep_line, .user = &lines };
    vkmoe_checkpoint *model;
    enum vkmoe_status status = vkmoe_checkpoint_open(path, &log, &model);
    if (status != VKMOE_OK)
        return !model && lines.count == 1 && !lines.unprintable;
    struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) };
    vkmoe_checkpoint_get_info(model, &info);
    double sum = 0.0;
    for (uint32_t b = 0; b < info.blocks + info.decoder_blocks; b++) {
        struct vkmoe_moe_params params = { VKMOE_INIT(vkmoe_moe_params) };
        const struct vkmoe_block block = { .index = b % info.blocks,
            .part = b >= info.blocks ? VKMOE_PART_DECODER : VKMOE_PART_BLOCKS };
        if (vkmoe_checkpoint_get_moe(model, block, &params) == VKMOE_OK
            || vkmoe_checkpoint_get_mlp(model, block, &params) == VKMOE_OK)
            sum += touch_layer(&params);
    }
    vkmoe_checkpoint_destroy(&model);
    return sum >= 0.0; // bytes have no sign; what counts is that all were read
}

// Spoils up to three places of `size` bytes; *size may shrink or grow by less than 64.
static void mutate(struct rng *rng, char *text, size_t *size)
{
    static const char *const values[] = { "0", "-1", "1e308", "9007199254740992", "4294967295",
        "18446744073709551615", "0.5", "\"x\"", "null", "[]", "{}", "true", "NaN", "65536", "2" };
    for (uint32_t n = 1 + rng_below(rng, 3); n > 0 && *size > 80; n--) {
        size_t at = rng_below(rng, (uint32_t)*size - 70);
        switch (rng_below(rng, 5)) {
        case 0: text[at] = (char)rng_next(rng); break;
        case 1: text[at] ^= (char)(1 << rng_below(rng, 8)); break;
        case 2: { // a piece vanishes
            size_t length = 1 + rng_below(rng, 60);
            memmove(text + at, text + at + length, *size - at - length);
            *size -= length;
            break;
        }
        case 3: // a piece is elsewhere, too
            memmove(text + rng_below(rng, (uint32_t)*size - 70), text + at, 1 + rng_below(rng, 60));
            break;
        default: { // the next number is another
            while (at < *size - 70 && (text[at] < '0' || text[at] > '9'))
                at++;
            size_t end = at;
            while (end < *size && text[end] >= '0' && text[end] <= '9')
                end++;
            const char *value = values[rng_below(rng, sizeof(values) / sizeof(values[0]))];
            size_t length = strlen(value);
            memmove(text + at + length, text + end, *size - end);
            memcpy(text + at, value, length);
            *size = *size - (end - at) + length;
            break;
        }
        }
    }
}

enum { MUTATIONS = 40, ROOM = 1 << 20 };

static bool mutate_file(struct rng *rng, const struct checkpoint *checkpoint, const char *name)
{
    static char original[ROOM], spoilt[ROOM];
    char path[512];
    snprintf(path, sizeof path, "%s/%s", checkpoint->path, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return true; // this checkpoint has no such file
    size_t size = fread(original, 1, ROOM - 1024, file);
    fclose(file);
    bool ok = true;
    for (uint32_t i = 0; ok && i < MUTATIONS; i++) {
        memcpy(spoilt, original, size);
        // Of a safetensors file only the header is worth spoiling.
        size_t head = size, header = 0;
        if (strstr(name, ".safetensors") && !strstr(name, ".json")) {
            header = 8;
            head = (unsigned char)original[0] | (size_t)(unsigned char)original[1] << 8
                | (size_t)(unsigned char)original[2] << 16;
        }
        size_t mutated = head;
        static char text[ROOM];
        memcpy(text, original + header, head);
        mutate(rng, text, &mutated);
        memcpy(spoilt + header, text, mutated);
        memcpy(spoilt + header + mutated, original + header + head, size - header - head);
        if (header && rng_below(rng, 8)) // mostly say the true length, to get further
            for (int j = 0; j < 8; j++)
                spoilt[j] = (char)(mutated >> 8 * j & 255);
        file = fopen(path, "wb");
        ok = file && fwrite(spoilt, 1, size - head + mutated, file) > 0 && fclose(file) == 0;
        ok = ok && survives(checkpoint->path);
    }
    file = fopen(path, "wb");
    ok = file && fwrite(original, 1, size, file) == size && fclose(file) == 0 && ok;
    return ok;
}

static bool test_mutations(uint64_t seed)
{
    bool ok = true;
    for (uint32_t i = 0; i < checkpoint_count(); i++) {
        struct checkpoint checkpoint;
        struct rng rng = rng_for(seed, checkpoint_name(i));
        ok = checkpoint_create(i, 1, directory, &checkpoint)
            && mutate_file(&rng, &checkpoint, "config.json")
            && mutate_file(&rng, &checkpoint, "model.safetensors")
            && mutate_file(&rng, &checkpoint, "model-00002-of-00002.safetensors")
            && mutate_file(&rng, &checkpoint, "model.safetensors.index.json") && ok;
        checkpoint_destroy(&checkpoint);
    }
    return ok;
}

// ----------------------------------------------------------------------------- main

static void run(struct tap *tap, const char *group, const char *name, bool ok)
{
    char full[128];
    snprintf(full, sizeof full, "%s/%s", group, name);
    tap_result(tap, ok, full);
}

static bool wants(const struct tap *tap, const char *group, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s/%s", group, name);
    return tap_wants(tap, full);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void run_tables(struct tap *tap)
{
    for (size_t i = 0; i < COUNT(configs); i++) {
        if (!wants(tap, "config", configs[i].name))
            continue;
        write_good();
        char *text = replace(good_config, configs[i].old, configs[i].new);
        write_text("config.json", text);
        free(text);
        run(tap, "config", configs[i].name, check_spoilt(&configs[i]));
    }
    for (size_t i = 0; i < COUNT(family_configs); i++) {
        if (!wants(tap, "config", family_configs[i].name))
            continue;
        write_good();
        write_text("config.json", family_configs[i].config);
        run(tap, "config", family_configs[i].name,
            refuses(
                directory, (enum vkmoe_status)family_configs[i].status, family_configs[i].text));
    }
    for (size_t i = 0; i < COUNT(headers); i++) {
        if (!wants(tap, "header", headers[i].name))
            continue;
        write_good();
        char *text = replace(good_header, headers[i].old, headers[i].new);
        write_tensors("model.safetensors", text, UINT64_MAX, DATA_SIZE);
        free(text);
        run(tap, "header", headers[i].name, check_spoilt(&headers[i]));
    }
    for (size_t i = 0; i < COUNT(indices); i++) {
        if (!wants(tap, "index", indices[i].name))
            continue;
        write_shards(indices[i].index);
        const struct spoilt c = { .status = indices[i].status, .text = indices[i].text };
        run(tap, "index", indices[i].name, check_spoilt(&c));
    }
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
    run_tables(&tap);
    static const struct {
        const char *name;
        bool (*test)(void);
    } tests[] = {
        { "config files", test_config_files },
        { "tensor files", test_tensor_files },
        { "cut at every byte", test_truncation },
        { "index files", test_index_files },
        { "paths and arguments", test_paths },
        { "late error", test_late_error },
    };
    for (size_t i = 0; i < COUNT(tests); i++) {
        if (wants(&tap, "files", tests[i].name))
            run(&tap, "files", tests[i].name, tests[i].test());
    }
    if (wants(&tap, "files", "mutations"))
        run(&tap, "files", "mutations", test_mutations(tap.seed));
    remove_all();
    rmdir(directory);
    return tap_end(&tap);
}
