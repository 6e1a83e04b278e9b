// config.c - a config.json beside good tensors, which the first byte of the input chooses. What
// follows its first zero is another of the files that may be there, by the lowest bit.
#include <string.h>

#include "fuzz.h"

// How many there are, written once.
static uint32_t write_tensors(void)
{
    static uint32_t written;
    const struct fuzz_model *models;
    const uint32_t count = fuzz_models(&models);
    char name[64];
    for (; written < count; written++) {
        snprintf(name, sizeof name, "%u/model.safetensors", written);
        fuzz_write(name, models[written].tensors, models[written].tensors_size, 0);
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const others[] = { "generation_config.json",
        "model.safetensors.index.json" };
    char name[64], path[128];
    const uint32_t count = write_tensors();
    if (size == 0)
        return 0;
    const uint32_t number = data[0] / 2 % count;
    const uint8_t *zero = memchr(data + 1, 0, size - 1);
    const size_t first = zero ? (size_t)(zero - data) : size;
    snprintf(path, sizeof path, "%s/%u", folder, number);
    snprintf(name, sizeof name, "%u/config.json", number);
    fuzz_write(name, data + 1, first - 1, 0);
    snprintf(name, sizeof name, "%u/%s", number, others[data[0] % 2]);
    if (zero)
        fuzz_write(name, zero + 1, size - first - 1, 0);
    fuzz_checkpoint(path);
    remove(folder_path(name));
    return 0;
}
