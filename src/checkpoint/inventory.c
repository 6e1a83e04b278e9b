// checkpoint.c - the public checkpoint: what a directory holds, whatever family it is of.
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/quantised.h"

struct vkmoe_inventory {
    struct vkmoe_log log;
    struct vkmoe_config config;
    struct vkmoe_tensors tensors;
    struct vkmoe_inventory_info info;
};

// In silence too: what cannot be read is for vkmoe_checkpoint_open() to refuse.
static enum vkmoe_status read_quantisation(
    struct vkmoe_inventory *inventory, const char *path, struct vkmoe_quantisation *out)
{
    struct vkmoe_config config = inventory->config;
    config.log = NULL;
    if (vkmoe_quantisation_read(&config, path, out) == VKMOE_ERROR_OUT_OF_MEMORY)
        return vkmoe_fail(&inventory->log, VKMOE_ERROR_OUT_OF_MEMORY,
            "%s: no memory to read how it is quantised", path);
    return VKMOE_OK;
}

// What config.json says of a family that is known. In silence: nothing of this need be so.
static enum vkmoe_status read_family(struct vkmoe_inventory *inventory)
{
    struct vkmoe_checkpoint *checkpoint = calloc(1, sizeof *checkpoint); // too large for a stack
    if (!checkpoint)
        return vkmoe_fail(&inventory->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory to read it",
            inventory->config.path);
    struct vkmoe_config config = inventory->config;
    config.log = NULL;
    if (vkmoe_checkpoint_read_config(checkpoint, &config) == VKMOE_OK)
        inventory->info.checkpoint = checkpoint->info;
    free(checkpoint);
    return VKMOE_OK;
}

static enum vkmoe_status open_checkpoint(struct vkmoe_inventory *inventory, const char *path)
{
    struct vkmoe_inventory_info *info = &inventory->info;
    struct vkmoe_tensors *tensors = &inventory->tensors;
    struct vkmoe_config *config = &inventory->config;
    struct vkmoe_quantisation quantisation;
    enum vkmoe_status status = vkmoe_config_open(path, &inventory->log, config);
    if (status == VKMOE_OK)
        status = vkmoe_tensors_open(path, &inventory->log, tensors);
    if (status == VKMOE_OK)
        status = read_quantisation(inventory, path, &quantisation);
    if (status == VKMOE_OK)
        status = read_family(inventory);
    if (status != VKMOE_OK)
        return status;
    struct vkmoe_config quiet = *config;
    quiet.log = NULL;
    snprintf(info->model_type, sizeof info->model_type, "%s",
        vkmoe_config_string(&quiet, "model_type", ""));
    vkmoe_quantisation_guess(tensors, &quantisation);
    snprintf(info->quantisation, sizeof info->quantisation, "%s", quantisation.name);
    info->checkpoint.parameters = tensors->elements;
    info->checkpoint.file_size = tensors->file_size;
    info->checkpoint.tensors = tensors->count - tensors->absent;
    info->checkpoint.files = tensors->file_count - tensors->missing_files;
    info->absent_tensors = tensors->absent;
    info->missing_files = tensors->missing_files;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_inventory_open(
    const char *path, const struct vkmoe_log *log, vkmoe_inventory **out)
{
    if (!out)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "vkmoe_inventory_open: out is NULL");
    *out = NULL;
    if (!path || !*path)
        return vkmoe_fail(
            log, VKMOE_ERROR_INVALID, "vkmoe_inventory_open: path is %s", path ? "empty" : "NULL");
    struct vkmoe_inventory *inventory = calloc(1, sizeof *inventory);
    if (!inventory)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for a checkpoint", path);
    if (log)
        inventory->log = *log;
    enum vkmoe_status status = open_checkpoint(inventory, path);
    if (status != VKMOE_OK)
        vkmoe_inventory_destroy(&inventory);
    *out = inventory;
    return status;
}

void vkmoe_inventory_destroy(vkmoe_inventory **inventory)
{
    if (!inventory || !*inventory)
        return;
    vkmoe_config_close(&(*inventory)->config);
    vkmoe_tensors_close(&(*inventory)->tensors);
    free(*inventory);
    *inventory = NULL;
}

void vkmoe_inventory_get_info(const vkmoe_inventory *inventory, struct vkmoe_inventory_info *info)
{
    if (info)
        *info = inventory ? inventory->info : (struct vkmoe_inventory_info){ 0 };
}

enum vkmoe_status vkmoe_inventory_get_tensor(
    const vkmoe_inventory *inventory, uint32_t index, struct vkmoe_tensor_info *info)
{
    if (!inventory || !info)
        return vkmoe_fail(inventory ? &inventory->log : NULL, VKMOE_ERROR_INVALID,
            "vkmoe_inventory_get_tensor: %s is NULL", inventory ? "info" : "inventory");
    const struct vkmoe_tensors *tensors = &inventory->tensors;
    if (index >= tensors->count)
        return vkmoe_fail(&inventory->log, VKMOE_ERROR_NOT_FOUND,
            "vkmoe_inventory_get_tensor: there is no tensor %u, only %u of them", index,
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
