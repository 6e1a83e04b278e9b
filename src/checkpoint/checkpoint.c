// model.c - the public model: a directory's config and tensors, and its blocks' layers.
#include "checkpoint/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "checkpoint/quantised.h"

static bool read_flag(struct vkmoe_config *config, const struct vkmoe_setting *setting)
{
    return !setting->key || vkmoe_config_bool(config, setting->key, setting->preset != 0);
}

enum vkmoe_status vkmoe_checkpoint_read_config(
    struct vkmoe_checkpoint *checkpoint, struct vkmoe_config *config)
{
    struct vkmoe_checkpoint_info *info = &checkpoint->info;
    snprintf(
        info->family, sizeof info->family, "%s", vkmoe_config_string(config, "model_type", ""));
    const struct vkmoe_family *family = checkpoint->family = vkmoe_family_find(config);
    if (!family)
        return config->status;
    snprintf(info->treated_as, sizeof info->treated_as, "%s", family->name);
    vkmoe_family_read_blocks(family, config, &checkpoint->blocks);
    const struct vkmoe_blocks *blocks = &checkpoint->blocks;
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t b = 0; b < blocks->count[s]; b++)
            info->moe_blocks += blocks->moe[s][b];
    }
    info->blocks = blocks->count[0];
    info->decoder_blocks = blocks->count[1];
    info->vocabulary = vkmoe_config_u32(config, "vocab_size", 0, 0, UINT32_MAX);
    if (config->status != VKMOE_OK || info->moe_blocks == 0)
        return config->status; // a dense model of the family has no settings of experts

    struct vkmoe_moe_params *params = &checkpoint->params;
    vkmoe_family_read_params(family, config, params);
    checkpoint->router_bias = read_flag(config, &family->router_bias);
    checkpoint->correction_bias = read_flag(config, &family->correction_bias);
    info->hidden = params->hidden;
    info->inner = params->inner;
    info->experts = params->experts;
    info->experts_per_token = params->experts_per_token;
    info->shared_inner = params->shared_inner;
    return config->status;
}

// The views of a block's experts or of its dense network, made now if need be.
static enum vkmoe_status get_views(
    struct vkmoe_checkpoint *checkpoint, struct vkmoe_block block, struct vkmoe_block_views **out)
{
    struct vkmoe_moe_params params = checkpoint->params;
    const struct vkmoe_family *family = checkpoint->family;
    bool moe = vkmoe_checkpoint_is_moe(checkpoint, block);
    _Atomic(struct vkmoe_block_views *) *slot = &checkpoint->views[block.decoder][block.index];
    *out = atomic_load(slot);
    if (*out)
        return VKMOE_OK;
    if (!moe) { // its settings are read only now: a model without it still gives its experts
        struct vkmoe_config config = checkpoint->config;
        vkmoe_family_read_dense(family, &config, &params);
        if (config.status != VKMOE_OK)
            return config.status;
    }
    const struct vkmoe_view_source source = {
        .tensors = &checkpoint->tensors,
        .family = family,
        .names = moe ? &family->names : &family->dense,
        .log = &checkpoint->log,
        .directory = checkpoint->directory,
        .router_bias = checkpoint->router_bias,
        .correction_bias = checkpoint->correction_bias,
        .block = block,
    };
    struct vkmoe_block_views *views, *expected = NULL;
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
            struct vkmoe_block_views *views;
            enum vkmoe_status status = get_views(
                checkpoint, (struct vkmoe_block){ .index = b, .decoder = s == 1 }, &views);
            if (status == VKMOE_OK)
                checkpoint->info.dtype = views->params.up[0].dtype;
            return status;
        }
    }
    return VKMOE_OK;
}

static enum vkmoe_status open_model(struct vkmoe_checkpoint *checkpoint, const char *path)
{
    checkpoint->directory = malloc(strlen(path) + 1);
    if (!checkpoint->directory)
        return vkmoe_fail(
            &checkpoint->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for it", path);
    strcpy(checkpoint->directory, path);
    struct vkmoe_quantisation quantisation;
    enum vkmoe_status status = vkmoe_config_open(path, &checkpoint->log, &checkpoint->config);
    if (status == VKMOE_OK)
        status = vkmoe_quantisation_read(&checkpoint->config, path, &quantisation);
    if (status == VKMOE_OK)
        status = vkmoe_quantisation_refuse(&quantisation, &checkpoint->log);
    if (status == VKMOE_OK)
        status = vkmoe_checkpoint_read_config(checkpoint, &checkpoint->config);
    if (status == VKMOE_OK)
        status = vkmoe_tensors_open(path, &checkpoint->log, &checkpoint->tensors);
    if (status != VKMOE_OK)
        return status;
    vkmoe_quantisation_guess(&checkpoint->tensors, &quantisation);
    status = vkmoe_quantisation_refuse(&quantisation, &checkpoint->log);
    if (status != VKMOE_OK)
        return status;
    checkpoint->info.parameters = checkpoint->tensors.elements;
    checkpoint->info.file_size = checkpoint->tensors.file_size;
    checkpoint->info.tensors = checkpoint->tensors.count - checkpoint->tensors.absent;
    checkpoint->info.files = checkpoint->tensors.file_count - checkpoint->tensors.missing_files;
    return read_dtype(checkpoint);
}

enum vkmoe_status vkmoe_checkpoint_open(
    const char *path, const struct vkmoe_log *log, vkmoe_checkpoint **out)
{
    if (!out)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "vkmoe_checkpoint_open: out is NULL");
    *out = NULL;
    if (!path || !*path)
        return vkmoe_fail(
            log, VKMOE_ERROR_INVALID, "vkmoe_checkpoint_open: path is %s", path ? "empty" : "NULL");
    struct vkmoe_checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));
    if (!checkpoint)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for a model", path);
    if (log)
        checkpoint->log = *log;
    atomic_init(&checkpoint->end_tokens, NULL);
    for (uint32_t b = 0; b < VKMOE_MAX_BLOCKS; b++) {
        atomic_init(&checkpoint->views[0][b], NULL);
        atomic_init(&checkpoint->views[1][b], NULL);
        for (int place = 0; place < VKMOE_PLACES; place++)
            atomic_init(&checkpoint->attention[place][b], NULL);
    }
    enum vkmoe_status status = open_model(checkpoint, path);
    if (status != VKMOE_OK) {
        vkmoe_checkpoint_destroy(&checkpoint);
        return status;
    }
    *out = checkpoint;
    return VKMOE_OK;
}

void vkmoe_checkpoint_destroy(vkmoe_checkpoint **checkpoint)
{
    if (!checkpoint || !*checkpoint)
        return;
    struct vkmoe_checkpoint *m = *checkpoint;
    for (uint32_t b = 0; b < VKMOE_MAX_BLOCKS; b++) {
        free(atomic_load(&m->views[0][b]));
        free(atomic_load(&m->views[1][b]));
        for (int place = 0; place < VKMOE_PLACES; place++)
            free(atomic_load(&m->attention[place][b]));
    }
    free(atomic_load(&m->end_tokens));
    vkmoe_config_close(&m->config);
    vkmoe_tensors_close(&m->tensors);
    free(m->directory);
    free(m);
    *checkpoint = NULL;
}

void vkmoe_checkpoint_get_info(
    const vkmoe_checkpoint *checkpoint, struct vkmoe_checkpoint_info *info)
{
    if (info)
        *info = checkpoint ? checkpoint->info : (struct vkmoe_checkpoint_info){ 0 };
}

bool vkmoe_checkpoint_is_moe(const vkmoe_checkpoint *checkpoint, struct vkmoe_block block)
{
    return checkpoint && block.index < checkpoint->blocks.count[block.decoder]
        && checkpoint->blocks.moe[block.decoder][block.index];
}

// A block's layer, for `function`: of experts, or dense.
static enum vkmoe_status get_layer(struct vkmoe_checkpoint *checkpoint, struct vkmoe_block block,
    bool moe, const char *function, struct vkmoe_moe_params *params)
{
    if (!checkpoint || !params)
        return vkmoe_fail(checkpoint ? &checkpoint->log : NULL, VKMOE_ERROR_INVALID,
            "%s: %s is NULL", function, checkpoint ? "params" : "checkpoint");
    const char *stack = block.decoder ? "decoder block" : "block";
    if (block.index >= checkpoint->blocks.count[block.decoder])
        return vkmoe_fail(&checkpoint->log, VKMOE_ERROR_NOT_FOUND,
            "%s: has no %s %u, only %u of them", checkpoint->directory, stack, block.index,
            checkpoint->blocks.count[block.decoder]);
    if (vkmoe_checkpoint_is_moe(checkpoint, block) != moe)
        return vkmoe_fail(&checkpoint->log, VKMOE_ERROR_UNSUPPORTED, "%s: %s %u holds %s",
            checkpoint->directory, stack, block.index,
            moe ? "no experts" : "experts, not one network");
    if (!moe && !checkpoint->family->dense.up)
        return vkmoe_fail(&checkpoint->log, VKMOE_ERROR_UNSUPPORTED,
            "%s: of the family %s this version does not read blocks without experts",
            checkpoint->directory, checkpoint->family->name);
    struct vkmoe_block_views *views;
    enum vkmoe_status status = get_views(checkpoint, block, &views);
    if (status == VKMOE_OK)
        *params = views->params;
    return status;
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
