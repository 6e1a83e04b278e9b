// gguf.c - a GGUF file: its header, what it says of a model, its tokenizer. The first byte of the
// input says whether zeros follow the others, as the data of tensors.
#include <vkmoe/model.h>

#include "checkpoint/checkpoint.h"
#include "fuzz.h"

enum { HOLE = 1 << 20, MAX_TOKENIZER = 1 << 22 };

static void read_tokenizer(const char *path, const char *name)
{
    struct record record = { 0 };
    const struct vkmoe_log log = log_to(&record);
    struct blob file;
    vkmoe_checkpoint_has_file(path, name);
    fuzz_expect(vkmoe_checkpoint_read_file(path, name, MAX_TOKENIZER, &log, &file), &record);
    vkmoe_blob_finish(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char path[128];
    snprintf(path, sizeof path, "%s",
        fuzz_write("model.gguf", data + 1, size - 1, data[0] % 2 ? HOLE : 0));
    fuzz_checkpoint(path);
    read_tokenizer(path, "tokenizer.model");
    read_tokenizer(path, "tokenizer.json");
    read_tokenizer(path, "tokenizer_config.json");
    return 0;
}
