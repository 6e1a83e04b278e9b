// seeds.c - seeds for the fuzzers, FOLDER/<fuzzer>/NAME, made of the tests' small models and of
// files of the tree:
//
//     seeds FOLDER
//     seeds FOLDER <fuzzer> PREFIX FILE...   with the byte of this number, if there is one, before
//                                            the bytes of each file
#include <stdlib.h>
#include <string.h>

#include <vkmoe/model.h>

#include "allocate.h"
#include "base/file.h"
#include "checkpoint/gguf_file.h"
#include "fuzz.h"
#include "gguf_writer.h"
#include "whole_checkpoints.h"

enum { MAX_SEED = 1 << 16 };

static void write_seed(const char *target, const char *name, const uint8_t *prefix,
    uint32_t prefix_size, const void *data, size_t size)
{
    char path[128];
    uint8_t *bytes = allocate(prefix_size + size, 1);
    if (prefix_size)
        memcpy(bytes, prefix, prefix_size);
    memcpy(bytes + prefix_size, data, size);
    snprintf(path, sizeof path, "%s/%s", target, name);
    folder_write(path, bytes, prefix_size + size);
    free(bytes);
}

// The header alone: the fuzzer puts zeros after it.
static void write_gguf(const char *family)
{
    struct whole_checkpoint whole;
    struct vkmoe_file *file = NULL;
    struct arena arena = { NULL };
    struct gguf_file header;
    vkmoe_checkpoint *checkpoint = NULL;
    const char *path = folder_path("seed.gguf");
    if (whole_checkpoint_write(family, 1, &whole)
        && vkmoe_checkpoint_open(whole.path, &printing_log, &checkpoint) == VKMOE_OK
        && gguf_architecture(family) && gguf_convert(checkpoint, path, 1, false)
        && vkmoe_file_open(path, &printing_log, &file) == VKMOE_OK
        && vkmoe_gguf_read(file, &printing_log, &arena, &header) == VKMOE_OK)
        write_seed("gguf", family, (const uint8_t[]){ 1 }, 1, file->data,
            (size_t)(header.tensors[0].data - file->data));
    remove(folder_path("seed.gguf"));
    vkmoe_checkpoint_destroy(&checkpoint);
    whole_checkpoint_finish(&whole);
    vkmoe_arena_finish(&arena);
    vkmoe_file_close(&file);
}

static void write_file(const char *target, const char *prefix, const char *path)
{
    static char bytes[MAX_SEED];
    const uint8_t byte = (uint8_t)atoi(prefix);
    const char *slash = strrchr(path, '/');
    FILE *file = fopen(path, "rb");
    if (!file)
        fuzz_fail("cannot open", path);
    write_seed(target, slash ? slash + 1 : path, &byte, *prefix != '\0', bytes,
        fread(bytes, 1, sizeof bytes, file));
    fclose(file);
}

// Of one of the kinds that GGUF has.
static void write_vocabulary(const char *kind)
{
    static const char *const tokens[] = { "<unk>", "<s>", "</s>", "a", "b", "ab", "<0x41>" };
    static const char *const merges[] = { "a b" };
    static const float scores[COUNT_OF(tokens)] = { 0, 0, 0, -1, -2, -3, -4 };
    static const uint32_t types[COUNT_OF(tokens)] = { 2, 3, 3, 1, 1, 1, 6 };
    struct gguf_writer writer = { 0 };
    char path[128];
    snprintf(path, sizeof path, "%s", folder_path(kind));
    gguf_key_text(&writer, "general.architecture", "llama");
    gguf_key_text(&writer, "tokenizer.ggml.model", kind);
    gguf_key_text(&writer, "tokenizer.ggml.pre", "qwen2");
    gguf_key_texts(&writer, "tokenizer.ggml.tokens", tokens, COUNT_OF(tokens));
    gguf_key_texts(&writer, "tokenizer.ggml.merges", merges, COUNT_OF(merges));
    gguf_key_f32s(&writer, "tokenizer.ggml.scores", scores, COUNT_OF(scores));
    gguf_key_u32s(&writer, "tokenizer.ggml.token_type", types, COUNT_OF(types));
    gguf_key_u32(&writer, "tokenizer.ggml.bos_token_id", 1);
    gguf_key_u32(&writer, "tokenizer.ggml.eos_token_id", 2);
    gguf_key_bool(&writer, "tokenizer.ggml.add_bos_token", true);
    gguf_key_bool(&writer, "tokenizer.ggml.add_space_prefix", false);
    if (!gguf_write(&writer, path))
        fuzz_fail("cannot write", path);
    write_file("gguf", "0", path);
    remove(path);
}

static void write_arrays(void)
{
    static const char *const descrs[] = { "<f4", ">f8", "<f2", ">i8", "|u1", ">u2" };
    for (uint8_t i = 0; i < 2 * COUNT_OF(descrs); i++) {
        const char *descr = descrs[i / 2];
        uint8_t bytes[256] = "\x93NUMPY\1";
        char name[8];
        const int length = snprintf((char *)bytes + 10, 200,
            "{'descr': '%s', 'fortran_order': %s, 'shape': (2, 3), }\n", descr,
            i % 2 ? "True" : "False");
        bytes[8] = (uint8_t)length;
        snprintf(name, sizeof name, "%u", i);
        write_seed("npy", name, NULL, 0, bytes, 10 + (size_t)length + 6 * (size_t)(descr[2] - '0'));
    }
}

// With the file that comes after it; its zero is what is between them.
static void write_config(uint32_t number, const struct fuzz_model *model)
{
    static const char *const others[] = { "{\"eos_token_id\":[1,2]}",
        "{\"weight_map\":{\"lm_head.weight\":\"model.safetensors\","
        "\"model.norm.weight\":\"model.safetensors\",\"other\":\"other.safetensors\"}}" };
    for (uint8_t i = 0; i < 2; i++) {
        const size_t size = strlen(others[i]);
        const uint8_t prefix = (uint8_t)(number * 2 + i);
        char *both = allocate(model->config_size + 1 + size, 1), name[32];
        memcpy(both, model->config, model->config_size);
        memcpy(both + model->config_size + 1, others[i], size);
        snprintf(name, sizeof name, "%u-%u", number, i);
        write_seed("config", name, &prefix, 1, both, model->config_size + 1 + size);
        free(both);
    }
}

static void write_models(void)
{
    const struct fuzz_model *models;
    const uint32_t count = fuzz_models(&models);
    for (uint32_t i = 0; i < count; i++) {
        const struct fuzz_model *model = &models[i];
        const char *family = whole_checkpoint_family(i);
        const uint8_t prefix[] = { (uint8_t)i, 1 };
        const uint8_t alone = (uint8_t)(2 * i);
        write_seed("config", family, &alone, 1, model->config, model->config_size);
        write_config(i, model);
        write_seed("safetensors", family, prefix, 2, model->tensors + 8, model->header_size);
        write_gguf(family);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc == 3 || strlen(argv[1]) >= sizeof folder) {
        fprintf(stderr, "usage: seeds FOLDER [FUZZER PREFIX FILE...]\n");
        return 2;
    }
    snprintf(folder, sizeof folder, "%s", argv[1]);
    if (argc == 2) {
        write_models();
        write_arrays();
        write_vocabulary("llama");
        write_vocabulary("gpt2");
    }
    for (int i = 4; i < argc; i++)
        write_file(argv[2], argv[3], argv[i]);
    return 0;
}
