// checkpoint.c - the public checkpoint: what a directory holds, whatever family it is of.
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/quantised.h"

struct vkmoe_checkpoint {
    struct vkmoe_log log;
    struct vkmoe_config config;
    struct vkmoe_tensors tensors;
    struct vkmoe_checkpoint_info info;
};

// In silence too: what cannot be read is for vkmoe_model_open() to refuse.
static enum vkmoe_status read_quantisation(struct vkmoe_checkpoint *checkpoint, const char *path,
    struct vkmoe_quantisation *out)
{
    struct vkmoe_config config = checkpoint->config;
    config.log = NULL;
    if (vkmoe_quantisation_read(&config, path, out) == VKMOE_ERROR_OUT_OF_MEMORY)
        return vkmoe_fail(&checkpoint->log, VKMOE_ERROR_OUT_OF_MEMORY,
            "%s: no memory to read how it is quantised", path);
    return VKMOE_OK;
}

// What config.json says of a family that is known. In silence: nothing of this need be so.
static enum vkmoe_status read_family(struct vkmoe_checkpoint *checkpoint)
{
    struct vkmoe_model *model = calloc(1, sizeof *model); // too large for a stack
    if (!model)
        return vkmoe_fail(&checkpoint->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory to read it",
            checkpoint->config.path);
    struct vkmoe_config config = checkpoint->config;
    config.log = NULL;
    if (vkmoe_model_read_config(model, &config) == VKMOE_OK)
        checkpoint->info.model = model->info;
    free(model);
    return VKMOE_OK;
}

static enum vkmoe_status open_checkpoint(struct vkmoe_checkpoint *checkpoint, const char *path)
{
    struct vkmoe_checkpoint_info *info = &checkpoint->info;
    struct vkmoe_tensors *tensors = &checkpoint->tensors;
    struct vkmoe_config *config = &checkpoint->config;
    struct vkmoe_quantisation quantisation;
    enum vkmoe_status status = vkmoe_config_open(path, &checkpoint->log, config);
    if (status == VKMOE_OK)
        status = vkmoe_tensors_open(path, &checkpoint->log, tensors);
    if (status == VKMOE_OK)
        status = read_quantisation(checkpoint, path, &quantisation);
    if (status == VKMOE_OK)
        status = read_family(checkpoint);
    if (status != VKMOE_OK)
        return status;
    struct vkmoe_config quiet = *config;
    quiet.log = NULL;
    snprintf(info->model_type, sizeof info->model_type, "%s",
        vkmoe_config_string(&quiet, "model_type", ""));
    vkmoe_quantisation_guess(tensors, &quantisation);
    snprintf(info->quantisation, sizeof info->quantisation, "%s", quantisation.name);
    info->model.parameters = tensors->elements;
    info->model.file_size = tensors->file_size;
    info->model.tensors = tensors->count - tensors->absent;
    info->model.files = tensors->file_count - tensors->missing_files;
    info->absent_tensors = tensors->absent;
    info->missing_files = tensors->missing_files;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_checkpoint_open(const char *path, const struct vkmoe_log *log,
    vkmoe_checkpoint **out)
{
    if (!out)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "vkmoe_checkpoint_open: out is NULL");
    *out = NULL;
    if (!path || !*path)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "vkmoe_checkpoint_open: path is %s",
            path ? "empty" : "NULL");
    struct vkmoe_checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    if (!checkpoint)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for a checkpoint", path);
    if (log)
        checkpoint->log = *log;
    enum vkmoe_status status = open_checkpoint(checkpoint, path);
    if (status != VKMOE_OK)
        vkmoe_checkpoint_destroy(&checkpoint);
    *out = checkpoint;
    return status;
}

void vkmoe_checkpoint_destroy(vkmoe_checkpoint **checkpoint)
{
    if (!checkpoint || !*checkpoint)
        return;
    vkmoe_config_close(&(*checkpoint)->config);
    vkmoe_tensors_close(&(*checkpoint)->tensors);
    free(*checkpoint);
    *checkpoint = NULL;
}

void vkmoe_checkpoint_get_info(const vkmoe_checkpoint *checkpoint,
    struct vkmoe_checkpoint_info *info)
{
    if (info)
        *info = checkpoint ? checkpoint->info : (struct vkmoe_checkpoint_info){0};
}

enum vkmoe_status vkmoe_checkpoint_get_tensor(const vkmoe_checkpoint *checkpoint, uint32_t index,
    struct vkmoe_tensor_info *info)
{
    if (!checkpoint || !info)
        return vkmoe_fail(checkpoint ? &checkpoint->log : NULL, VKMOE_ERROR_INVALID,
            "vkmoe_checkpoint_get_tensor: %s is NULL", checkpoint ? "info" : "checkpoint");
    const struct vkmoe_tensors *tensors = &checkpoint->tensors;
    if (index >= tensors->count)
        return vkmoe_fail(&checkpoint->log, VKMOE_ERROR_NOT_FOUND,
            "vkmoe_checkpoint_get_tensor: there is no tensor %u, only %u of them", index,
            tensors->count);
    const struct vkmoe_tensor *tensor = &tensors->items[index];
    *info = (struct vkmoe_tensor_info){
        .name = tensor->name,
        .file = tensor->path,
        .dtype = tensor->dtype,
        .rank = tensor->rank,
        .elements = tensor->elements,
        .size = tensor->size,
        .absent = tensor->absence != VKMOE_THERE,
    };
    for (uint32_t i = 0; i < tensor->rank; i++)
        info->shape[i] = tensor->shape[i];
    return VKMOE_OK;
}
