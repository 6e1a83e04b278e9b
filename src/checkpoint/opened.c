// opened.c - the public checkpoint: its settings and tensors, and its blocks' layers.
#include "checkpoint/opened.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/log.h"
#include "base/params.h"
#include "base/try.h"
#include "checkpoint/assembly.h"
#include "checkpoint/centered_norms.h"
#include "checkpoint/quantised.h"

static bool read_flag(struct settings *settings, const struct setting *setting)
{
    return !setting->key || vkmoe_setting_bool(settings, setting->key, setting->preset != 0);
}

enum vkmoe_status vkmoe_checkpoint_read_settings(
    struct vkmoe_checkpoint *checkpoint, struct settings *settings)
{
    struct vkmoe_checkpoint_info *info = &checkpoint->info;
    snprintf(
        info->family, sizeof info->family, "%s", vkmoe_setting_string(settings, "model_type", ""));
    const struct container *container = &checkpoint->container;
    checkpoint->kind = container->opener->family ? container->opener->family(container, settings)
                                                 : vkmoe_family_find(settings);
    const struct family *family = checkpoint->kind.family;
    if (!family)
        return settings->status;
    snprintf(info->treated_as, sizeof info->treated_as, "%s", family->name);
    vkmoe_family_read_blocks(family, settings, &checkpoint->blocks);
    const struct blocks *blocks = &checkpoint->blocks;
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t b = 0; b < blocks->count[s]; b++)
            info->moe_blocks += blocks->moe[s][b];
    }
    info->blocks = blocks->count[0];
    info->decoder_blocks = blocks->count[1];
    info->vocabulary = vkmoe_setting_u32(settings, "vocab_size", 0, 0, UINT32_MAX);
    if (settings->status != VKMOE_OK || info->moe_blocks == 0)
        return settings->status; // a dense model of the family has no settings of experts

    struct vkmoe_moe_params *params = &checkpoint->params;
    vkmoe_family_read_params(&checkpoint->kind, settings, params);
    checkpoint->router_bias = read_flag(settings, &family->router_bias);
    checkpoint->correction_bias = read_flag(settings, &family->correction_bias);
    checkpoint->averages = vkmoe_family_averages(family, settings);
    info->hidden = params->hidden;
    info->inner = params->inner;
    info->experts = params->experts;
    info->experts_per_token = params->experts_per_token;
    info->shared_inner = params->shared.inner;
    return settings->status;
}

// The views of a block's experts or of its dense network, made now if need be.
static enum vkmoe_status get_views(struct vkmoe_checkpoint *checkpoint, struct vkmoe_block block,
    bool moe, struct block_views **out)
{
    struct vkmoe_moe_params params = checkpoint->params;
    const struct family *family = checkpoint->kind.family;
    const bool beside = !moe && vkmoe_checkpoint_is_moe(checkpoint, block);
    _Atomic(struct block_views *) *slot =
        &checkpoint->views[beside ? 2 : block.part != VKMOE_PART_BLOCKS][block.index];
    *out = atomic_load(slot);
    if (*out)
        return VKMOE_OK;
    if (!moe) { // its settings are read only now: a model without it still gives its experts
        struct settings settings = checkpoint->settings;
        vkmoe_family_read_dense(&checkpoint->kind, &settings, &params);
        if (settings.status != VKMOE_OK)
            return settings.status;
    }
    if (family->adjust_block) {
        struct settings settings = checkpoint->settings;
        family->adjust_block(&settings, block.index, moe, &params);
        if (settings.status != VKMOE_OK)
            return settings.status;
    }
    const struct view_source source = {
        .tensors = &checkpoint->container.tensors,
        .family = family,
        .names = moe ? &family->names : &family->dense,
        .log = &checkpoint->log,
        .directory = checkpoint->container.path,
        .router_bias = checkpoint->router_bias,
        .correction_bias = checkpoint->correction_bias,
        .averages = checkpoint->averages,
        .block = block,
    };
    struct block_views *views, *expected = NULL;
    enum vkmoe_status status = vkmoe_block_views_create(&source, &params, &views);
    if (status != VKMOE_OK)
        return status;
    // Views of one block are all alike: whoever stored first is right.
    if (atomic_compare_exchange_strong(slot, &expected, views)) {
        *out = views;
    } else {
        *out = expected;
        free(views);
    }
    return VKMOE_OK;
}

// The dtype is that of the first block with experts, which is checked on this occasion: a
// model whose experts cannot be used is better refused at once.
static enum vkmoe_status read_dtype(struct vkmoe_checkpoint *checkpoint)
{
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t b = 0; b < checkpoint->blocks.count[s]; b++) {
            if (!checkpoint->blocks.moe[s][b])
                continue;
            struct block_views *views;
            enum vkmoe_status status = get_views(checkpoint,
                (struct vkmoe_block){
                    .index = b, .part = s == 1 ? VKMOE_PART_DECODER : VKMOE_PART_BLOCKS },
                true, &views);
            if (status == VKMOE_OK)
                checkpoint->info.dtype = views->params.up[0].dtype;
            return status;
        }
    }
    return VKMOE_OK;
}

void vkmoe_checkpoint_count_tensors(
    const struct tensors *tensors, struct vkmoe_checkpoint_info *info)
{
    info->parameters = tensors->elements;
    info->file_size = tensors->file_size;
    info->tensors = tensors->count - tensors->absent;
    info->files = tensors->file_count - tensors->missing_files;
}

// The line is that of the first thing that is wrong, the cheap ones first: settings that this
// version does not know are refused without a look at the tensors.
static enum vkmoe_status open_container(
    struct vkmoe_checkpoint *checkpoint, const struct opener *opener, const char *path)
{
    const struct vkmoe_log *log = &checkpoint->log;
    struct container *container = &checkpoint->container;
    struct quantisation quantisation;
    TRY_RETURN(vkmoe_container_open(opener, path, log, container));
    TRY_RETURN(vkmoe_quantisation_read(container, log, &quantisation));
    TRY_RETURN(vkmoe_quantisation_refuse(&quantisation, log));
    checkpoint->settings = container->settings;
    TRY_RETURN(vkmoe_checkpoint_read_settings(checkpoint, &checkpoint->settings));
    TRY_RETURN(vkmoe_container_open_tensors(container));
    TRY_RETURN(vkmoe_assembly_create(
        &container->tensors, &quantisation, container->path, log, &container->assembly));
    vkmoe_quantisation_guess(&container->tensors, &quantisation);
    TRY_RETURN(vkmoe_quantisation_refuse(&quantisation, log));
    vkmoe_checkpoint_count_tensors(&container->tensors, &checkpoint->info);
    if (checkpoint->kind.family->norms_less_1)
        TRY_RETURN(vkmoe_norms_add_1(&container->tensors, log, &checkpoint->norms));
    return read_dtype(checkpoint);
}

enum vkmoe_status vkmoe_checkpoint_open(
    const char *path, const struct vkmoe_log *log, vkmoe_checkpoint **out)
{
    VKMOE_NEED(log, out, "out");
    *out = NULL;
    TRY_RETURN(vkmoe_path_check(&(struct caller){ log, __func__ }, path));
    return vkmoe_checkpoint_open_with(vkmoe_opener_find(path), path, log, out);
}

enum vkmoe_status vkmoe_checkpoint_open_with(const struct opener *opener, const char *path,
    const struct vkmoe_log *log, vkmoe_checkpoint **out)
{
    *out = NULL;
    struct vkmoe_checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));
    if (!checkpoint)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for a model", path);
    if (log)
        checkpoint->log = *log;
    atomic_init(&checkpoint->end_tokens, NULL);
    for (uint32_t b = 0; b < MAX_BLOCKS; b++) {
        for (int stack = 0; stack < 3; stack++)
            atomic_init(&checkpoint->views[stack][b], NULL);
        for (int place = 0; place < PLACES; place++)
            atomic_init(&checkpoint->attention[place][b], NULL);
    }
    TRY_UNDO(open_container(checkpoint, opener, path), vkmoe_checkpoint_destroy(&checkpoint));
    *out = checkpoint;
    return VKMOE_OK;
}

void vkmoe_checkpoint_destroy(vkmoe_checkpoint **checkpoint)
{
    TAKE_OR_RETURN(struct vkmoe_checkpoint, m, checkpoint);
    for (uint32_t b = 0; b < MAX_BLOCKS; b++) {
        for (int stack = 0; stack < 3; stack++)
            free(atomic_load(&m->views[stack][b]));
        for (int place = 0; place < PLACES; place++)
            free(atomic_load(&m->attention[place][b]));
    }
    free(atomic_load(&m->end_tokens));
    vkmoe_container_close(&m->container);
    free(m->norms);
    free(m);
}

void vkmoe_checkpoint_get_info(
    const vkmoe_checkpoint *checkpoint, struct vkmoe_checkpoint_info *info)
{
    const struct caller caller = { checkpoint ? &checkpoint->log : NULL, __func__ };
    vkmoe_info_get(
        &caller, PARAMS_TYPE(vkmoe_checkpoint_info), checkpoint ? &checkpoint->info : NULL, info);
}

bool vkmoe_checkpoint_is_moe(const vkmoe_checkpoint *checkpoint, struct vkmoe_block block)
{
    return checkpoint && block.index < checkpoint->blocks.count[block.part != VKMOE_PART_BLOCKS]
        && checkpoint->blocks.moe[block.part != VKMOE_PART_BLOCKS][block.index];
}

static const char *stack_name(struct vkmoe_block block)
{
    return block.part != VKMOE_PART_BLOCKS ? "decoder block" : "block";
}

enum vkmoe_status vkmoe_checkpoint_check_block(
    const struct vkmoe_checkpoint *checkpoint, struct vkmoe_block block)
{
    const uint32_t count = checkpoint->blocks.count[block.part != VKMOE_PART_BLOCKS];
    if (block.index < count)
        return VKMOE_OK;
    if (count == 0)
        return vkmoe_fail(&checkpoint->log, VKMOE_ERROR_NOT_FOUND,
            "%s: has no %s %u, and no decoder at all", checkpoint->container.path,
            stack_name(block), block.index);
    return vkmoe_fail(&checkpoint->log, VKMOE_ERROR_NOT_FOUND, "%s: has no %s %u, only 0 to %u",
        checkpoint->container.path, stack_name(block), block.index, count - 1);
}

// A block's layer, for `function`: of experts, or dense.
static enum vkmoe_status get_layer(struct vkmoe_checkpoint *checkpoint, struct vkmoe_block block,
    bool moe, const char *function, struct vkmoe_moe_params *params)
{
    if (!checkpoint || !params)
        return vkmoe_fail(checkpoint ? &checkpoint->log : NULL, VKMOE_ERROR_INVALID,
            "%s: %s is NULL", function, checkpoint ? "params" : "checkpoint");
    TRY_RETURN(vkmoe_checkpoint_check_block(checkpoint, block));
    const bool holds = vkmoe_checkpoint_is_moe(checkpoint, block);
    if (holds != moe && !(holds && vkmoe_family_has_beside(checkpoint->kind.family)))
        return vkmoe_fail(&checkpoint->log, VKMOE_ERROR_UNSUPPORTED, "%s: %s %u holds %s",
            checkpoint->container.path, stack_name(block), block.index,
            moe ? "no experts" : "experts, not one network");
    if (!moe && !checkpoint->kind.family->dense.up)
        return vkmoe_fail(&checkpoint->log, VKMOE_ERROR_UNSUPPORTED,
            "%s: of the family %s this version does not read blocks without experts",
            checkpoint->container.path, checkpoint->kind.family->name);
    struct block_views *views;
    TRY_RETURN(get_views(checkpoint, block, moe, &views));
    return vkmoe_params_write(&(struct caller){ &checkpoint->log, function },
        PARAMS_TYPE(vkmoe_moe_params), &views->params, params);
}

enum vkmoe_status vkmoe_checkpoint_get_moe(
    vkmoe_checkpoint *checkpoint, struct vkmoe_block block, struct vkmoe_moe_params *params)
{
    return get_layer(checkpoint, block, true, "vkmoe_checkpoint_get_moe", params);
}

enum vkmoe_status vkmoe_checkpoint_get_mlp(
    vkmoe_checkpoint *checkpoint, struct vkmoe_block block, struct vkmoe_moe_params *params)
{
    return get_layer(checkpoint, block, false, "vkmoe_checkpoint_get_mlp", params);
}
