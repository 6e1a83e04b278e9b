// inventory.c - the public checkpoint: what a directory holds, whatever family it is of.
#include <stdio.h>
#include <stdlib.h>

#include "base/common.h"
#include "base/log.h"
#include "base/params.h"
#include "base/try.h"
#include "checkpoint/opened.h"
#include "checkpoint/quantised.h"

struct vkmoe_inventory {
    struct vkmoe_log log;
    struct container container;
    struct vkmoe_inventory_info info;
    struct vkmoe_checkpoint_info checkpoint; // of a family that is known
};

// In silence too: what cannot be read is for vkmoe_checkpoint_open() to refuse.
static enum vkmoe_status read_quantisation(
    struct vkmoe_inventory *inventory, struct quantisation *out)
{
    const struct container *container = &inventory->container;
    if (vkmoe_quantisation_read(container, NULL, out) == VKMOE_ERROR_OUT_OF_MEMORY)
        return vkmoe_fail(&inventory->log, VKMOE_ERROR_OUT_OF_MEMORY,
            "%s: no memory to read how it is quantised", container->path);
    return VKMOE_OK;
}

// What the settings say of a family that is known. In silence: nothing of this need be so.
static enum vkmoe_status read_family(struct vkmoe_inventory *inventory)
{
    struct vkmoe_checkpoint *checkpoint = calloc(1, sizeof *checkpoint); // too large for a stack
    struct settings settings = inventory->container.settings;
    if (!checkpoint)
        return vkmoe_fail(
            &inventory->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", settings.path);
    settings.log = NULL;
    checkpoint->container = inventory->container; // lent
    if (vkmoe_checkpoint_read_settings(checkpoint, &settings) == VKMOE_OK)
        inventory->checkpoint = checkpoint->info;
    free(checkpoint);
    return VKMOE_OK;
}

static enum vkmoe_status open_container(struct vkmoe_inventory *inventory, const char *path)
{
    struct vkmoe_inventory_info *info = &inventory->info;
    struct container *container = &inventory->container;
    const struct tensors *tensors = &container->tensors;
    struct quantisation quantisation;
    TRY_RETURN(vkmoe_container_open(vkmoe_opener_find(path), path, &inventory->log, container));
    TRY_RETURN(vkmoe_container_open_tensors(container));
    TRY_RETURN(read_quantisation(inventory, &quantisation));
    TRY_RETURN(read_family(inventory));
    struct settings quiet = container->settings;
    quiet.log = NULL;
    snprintf(info->model_type, sizeof info->model_type, "%s",
        vkmoe_setting_string(&quiet, "model_type", ""));
    vkmoe_quantisation_guess(tensors, &quantisation);
    snprintf(info->quantisation, sizeof info->quantisation, "%s", quantisation.name);
    vkmoe_checkpoint_count_tensors(tensors, &inventory->checkpoint);
    info->absent_tensors = tensors->absent;
    info->missing_files = tensors->missing_files;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_inventory_open(
    const char *path, const struct vkmoe_log *log, vkmoe_inventory **out)
{
    VKMOE_NEED(log, out, "out");
    *out = NULL;
    TRY_RETURN(vkmoe_path_check(&(struct caller){ log, __func__ }, path));
    struct vkmoe_inventory *inventory = calloc(1, sizeof *inventory);
    if (!inventory)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for a checkpoint", path);
    if (log)
        inventory->log = *log;
    TRY_UNDO(open_container(inventory, path), vkmoe_inventory_destroy(&inventory));
    *out = inventory;
    return VKMOE_OK;
}

void vkmoe_inventory_destroy(vkmoe_inventory **inventory)
{
    TAKE_OR_RETURN(vkmoe_inventory, taken, inventory);
    vkmoe_container_close(&taken->container);
    free(taken);
}

static struct caller caller_of(const vkmoe_inventory *inventory, const char *function)
{
    return (struct caller){ inventory ? &inventory->log : NULL, function };
}

void vkmoe_inventory_get_info(const vkmoe_inventory *inventory, struct vkmoe_inventory_info *info)
{
    const struct caller caller = caller_of(inventory, __func__);
    vkmoe_info_get(
        &caller, PARAMS_TYPE(vkmoe_inventory_info), inventory ? &inventory->info : NULL, info);
}

void vkmoe_inventory_get_checkpoint_info(
    const vkmoe_inventory *inventory, struct vkmoe_checkpoint_info *info)
{
    const struct caller caller = caller_of(inventory, __func__);
    vkmoe_info_get(&caller, PARAMS_TYPE(vkmoe_checkpoint_info),
        inventory ? &inventory->checkpoint : NULL, info);
}

enum vkmoe_status vkmoe_inventory_get_tensor(
    const vkmoe_inventory *inventory, uint32_t index, struct vkmoe_tensor_info *info)
{
    if (!inventory || !info)
        return vkmoe_fail(inventory ? &inventory->log : NULL, VKMOE_ERROR_INVALID,
            "vkmoe_inventory_get_tensor: %s is NULL", inventory ? "info" : "inventory");
    const struct caller caller = caller_of(inventory, __func__);
    TRY_RETURN(vkmoe_params_check(&caller, PARAMS_TYPE(vkmoe_tensor_info), info));
    const struct tensors *tensors = &inventory->container.tensors;
    if (index >= tensors->count)
        return vkmoe_fail(&inventory->log, VKMOE_ERROR_NOT_FOUND,
            "vkmoe_inventory_get_tensor: there is no tensor %u, only %u of them", index,
            tensors->count);
    const struct tensor *tensor = &tensors->items[index];
    struct vkmoe_tensor_info whole = {
        VKMOE_INIT(vkmoe_tensor_info),
        .name = tensor->name,
        .file = tensor->path,
        .dtype = tensor->dtype,
        .rank = tensor->rank,
        .elements = tensor->elements,
        .size = tensor->size,
        .absent = tensor->absence != TENSOR_THERE,
    };
    for (uint32_t i = 0; i < tensor->rank; i++)
        whole.shape[i] = tensor->shape[i];
    vkmoe_info_get(&caller, PARAMS_TYPE(vkmoe_tensor_info), &whole, info);
    return VKMOE_OK;
}
