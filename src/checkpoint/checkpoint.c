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

enum vkmoe_status vkmoe_model_read_config(struct vkmoe_model *model, struct vkmoe_config *config)
{
    struct vkmoe_model_info *info = &model->info;
    snprintf(info->family, sizeof info->family, "%s",
        vkmoe_config_string(config, "model_type", ""));
    const struct vkmoe_family *family = model->family = vkmoe_family_find(config);
    if (!family)
        return config->status;
    snprintf(info->treated_as, sizeof info->treated_as, "%s", family->name);
    vkmoe_family_read_blocks(family, config, &model->blocks);
    const struct vkmoe_blocks *blocks = &model->blocks;
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t b = 0; b < blocks->count[s]; b++)
            info->moe_blocks += blocks->moe[s][b];
    }
    info->blocks = blocks->count[0];
    info->decoder_blocks = blocks->count[1];
    info->vocabulary = vkmoe_config_u32(config, "vocab_size", 0, 0, UINT32_MAX);
    if (config->status != VKMOE_OK || info->moe_blocks == 0)
        return config->status; // a dense model of the family has no settings of experts

    struct vkmoe_layer_params *params = &model->params;
    vkmoe_family_read_params(family, config, params);
    model->router_bias = read_flag(config, &family->router_bias);
    model->correction_bias = read_flag(config, &family->correction_bias);
    info->hidden = params->hidden;
    info->inner = params->inner;
    info->experts = params->experts;
    info->experts_per_token = params->experts_per_token;
    info->shared_inner = params->shared_inner;
    return config->status;
}

// The views of a block's experts or of its dense network, made now if need be.
static enum vkmoe_status get_views(struct vkmoe_model *model, struct vkmoe_block block,
    struct vkmoe_block_views **out)
{
    struct vkmoe_layer_params params = model->params;
    const struct vkmoe_family *family = model->family;
    bool moe = vkmoe_model_is_moe(model, block);
    _Atomic(struct vkmoe_block_views *) *slot = &model->views[block.decoder][block.index];
    *out = atomic_load(slot);
    if (*out)
        return VKMOE_OK;
    if (!moe) { // its settings are read only now: a model without it still gives its experts
        struct vkmoe_config config = model->config;
        vkmoe_family_read_dense(family, &config, &params);
        if (config.status != VKMOE_OK)
            return config.status;
    }
    const struct vkmoe_view_source source = {
        .tensors = &model->tensors,
        .family = family,
        .names = moe ? &family->names : &family->dense,
        .log = &model->log,
        .directory = model->directory,
        .router_bias = model->router_bias,
        .correction_bias = model->correction_bias,
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
static enum vkmoe_status read_dtype(struct vkmoe_model *model)
{
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t b = 0; b < model->blocks.count[s]; b++) {
            if (!model->blocks.moe[s][b])
                continue;
            struct vkmoe_block_views *views;
            enum vkmoe_status status =
                get_views(model, (struct vkmoe_block){.index = b, .decoder = s == 1}, &views);
            if (status == VKMOE_OK)
                model->info.dtype = views->params.up[0].dtype;
            return status;
        }
    }
    return VKMOE_OK;
}

static enum vkmoe_status open_model(struct vkmoe_model *model, const char *path)
{
    model->directory = malloc(strlen(path) + 1);
    if (!model->directory)
        return vkmoe_fail(&model->log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for it", path);
    strcpy(model->directory, path);
    struct vkmoe_quantisation quantisation;
    enum vkmoe_status status = vkmoe_config_open(path, &model->log, &model->config);
    if (status == VKMOE_OK)
        status = vkmoe_quantisation_read(&model->config, path, &quantisation);
    if (status == VKMOE_OK)
        status = vkmoe_quantisation_refuse(&quantisation, &model->log);
    if (status == VKMOE_OK)
        status = vkmoe_model_read_config(model, &model->config);
    if (status == VKMOE_OK)
        status = vkmoe_tensors_open(path, &model->log, &model->tensors);
    if (status != VKMOE_OK)
        return status;
    vkmoe_quantisation_guess(&model->tensors, &quantisation);
    status = vkmoe_quantisation_refuse(&quantisation, &model->log);
    if (status != VKMOE_OK)
        return status;
    model->info.parameters = model->tensors.elements;
    model->info.file_size = model->tensors.file_size;
    model->info.tensors = model->tensors.count - model->tensors.absent;
    model->info.files = model->tensors.file_count - model->tensors.missing_files;
    return read_dtype(model);
}

enum vkmoe_status vkmoe_model_open(const char *path, const struct vkmoe_log *log,
    vkmoe_model **out)
{
    if (!out)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "vkmoe_model_open: out is NULL");
    *out = NULL;
    if (!path || !*path)
        return vkmoe_fail(log, VKMOE_ERROR_INVALID, "vkmoe_model_open: path is %s",
            path ? "empty" : "NULL");
    struct vkmoe_model *model = calloc(1, sizeof(*model));
    if (!model)
        return vkmoe_fail(log, VKMOE_ERROR_OUT_OF_MEMORY, "%s: no memory for a model", path);
    if (log)
        model->log = *log;
    atomic_init(&model->end_tokens, NULL);
    for (uint32_t b = 0; b < VKMOE_MAX_BLOCKS; b++) {
        atomic_init(&model->views[0][b], NULL);
        atomic_init(&model->views[1][b], NULL);
        for (int place = 0; place < VKMOE_PLACES; place++)
            atomic_init(&model->attention[place][b], NULL);
    }
    enum vkmoe_status status = open_model(model, path);
    if (status != VKMOE_OK) {
        vkmoe_model_destroy(&model);
        return status;
    }
    *out = model;
    return VKMOE_OK;
}

void vkmoe_model_destroy(vkmoe_model **model)
{
    if (!model || !*model)
        return;
    struct vkmoe_model *m = *model;
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
    *model = NULL;
}

void vkmoe_model_get_info(const vkmoe_model *model, struct vkmoe_model_info *info)
{
    if (info)
        *info = model ? model->info : (struct vkmoe_model_info){0};
}

bool vkmoe_model_is_moe(const vkmoe_model *model, struct vkmoe_block block)
{
    return model && block.index < model->blocks.count[block.decoder]
        && model->blocks.moe[block.decoder][block.index];
}

// A block's layer, for `function`: of experts, or dense.
static enum vkmoe_status get_layer(struct vkmoe_model *model, struct vkmoe_block block, bool moe,
    const char *function, struct vkmoe_layer_params *params)
{
    if (!model || !params)
        return vkmoe_fail(model ? &model->log : NULL, VKMOE_ERROR_INVALID, "%s: %s is NULL",
            function, model ? "params" : "model");
    const char *stack = block.decoder ? "decoder block" : "block";
    if (block.index >= model->blocks.count[block.decoder])
        return vkmoe_fail(&model->log, VKMOE_ERROR_NOT_FOUND, "%s: has no %s %u, only %u of them",
            model->directory, stack, block.index, model->blocks.count[block.decoder]);
    if (vkmoe_model_is_moe(model, block) != moe)
        return vkmoe_fail(&model->log, VKMOE_ERROR_UNSUPPORTED, "%s: %s %u holds %s",
            model->directory, stack, block.index, moe ? "no experts" : "experts, not one network");
    if (!moe && !model->family->dense.up)
        return vkmoe_fail(&model->log, VKMOE_ERROR_UNSUPPORTED,
            "%s: of the family %s this version does not read blocks without experts",
            model->directory, model->family->name);
    struct vkmoe_block_views *views;
    enum vkmoe_status status = get_views(model, block, &views);
    if (status == VKMOE_OK)
        *params = views->params;
    return status;
}

enum vkmoe_status vkmoe_model_get_layer(vkmoe_model *model, struct vkmoe_block block,
    struct vkmoe_layer_params *params)
{
    return get_layer(model, block, true, "vkmoe_model_get_layer", params);
}

enum vkmoe_status vkmoe_model_get_mlp(vkmoe_model *model, struct vkmoe_block block,
    struct vkmoe_layer_params *params)
{
    return get_layer(model, block, false, "vkmoe_model_get_mlp", params);
}
