// safetensors.c - a model.safetensors beside a good config.json, which the first byte of the input
// chooses. By the second, the others are the file, or a header of which the size is right and
// that is followed by as many zeros as the model's own has data.
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void write_whole(const struct fuzz_model *model, const uint8_t *header, size_t size)
{
    uint8_t *bytes = malloc(8 + size);
    for (uint32_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(size >> 8 * i);
    memcpy(bytes + 8, header, size);
    fuzz_write("model.safetensors", bytes, 8 + size, model->tensors_size - model->header_size - 8);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct fuzz_model *models;
    const uint32_t count = fuzz_models(&models);
    if (size < 2)
        return 0;
    const struct fuzz_model *model = &models[data[0] % count];
    fuzz_write("config.json", (const uint8_t *)model->config, model->config_size, 0);
    if (data[1] % 2)
        write_whole(model, data + 2, size - 2);
    else
        fuzz_write("model.safetensors", data + 2, size - 2, 0);
    fuzz_checkpoint(folder);
    return 0;
}
