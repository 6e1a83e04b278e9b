// models.c - of fuzz.h, the models.
#include <stdlib.h>
#include <string.h>

#include "allocate.h"
#include "fuzz.h"
#include "whole_checkpoints.h"

enum { MAX_MODELS = 32 };

static uint8_t *read_all(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        fuzz_fail("cannot open", path);
    *size = (size_t)ftell(file);
    uint8_t *bytes = allocate(*size + 1, 1);
    rewind(file);
    if (fread(bytes, 1, *size, file) != *size)
        fuzz_fail("cannot read", path);
    fclose(file);
    return bytes;
}

static void make_model(const char *family, struct fuzz_model *out)
{
    struct whole_checkpoint whole;
    char path[512];
    if (!whole_checkpoint_write(family, 1, &whole))
        fuzz_fail("cannot make a model", family);
    snprintf(path, sizeof path, "%s/config.json", whole.path);
    out->config = (char *)read_all(path, &out->config_size);
    snprintf(path, sizeof path, "%s/model.safetensors", whole.path);
    out->tensors = read_all(path, &out->tensors_size);
    for (uint32_t i = 0; i < 8; i++)
        out->header_size |= (size_t)out->tensors[i] << 8 * i;
    whole_checkpoint_finish(&whole);
}

uint32_t fuzz_models(const struct fuzz_model **out)
{
    static struct fuzz_model models[MAX_MODELS];
    static uint32_t count;
    const char *family;
    *out = models;
    if (count > 0)
        return count;
    while (count < MAX_MODELS && (family = whole_checkpoint_family(count)) != NULL)
        make_model(family, &models[count++]);
    return count;
}
