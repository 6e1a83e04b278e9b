// frame.c - the public checkpoint's attention, frame and norms. Their settings are read
// when asked for: a model whose attention is unknown still gives its experts.
#include <stdlib.h>

#include "base/log.h"
#include "base/params.h"
#include "base/try.h"
#include "checkpoint/aliases.h"
#include "checkpoint/opened.h"

// Where everything comes from; `config` is a copy that collects this call's faults.
static enum vkmoe_status begin(
    struct vkmoe_checkpoint *checkpoint, struct settings *settings, struct whole_tensors *out)
{
    const struct alias *alias = checkpoint->kind.alias;
    *settings = checkpoint->settings;
    settings->status = VKMOE_OK;
    const bool is_whole = vkmoe_alias_is_whole(&checkpoint->kind, settings);
    const char *reason = checkpoint->kind.family->not_whole;
    const bool has_reason = reason && *reason;
    const struct whole *whole = is_whole && !has_reason ? checkpoint->kind.family->whole : NULL;
    if (!whole)
        return vkmoe_fail(&checkpoint->log, VKMOE_ERROR_UNSUPPORTED,
            "%s: of the family %s this version reads the experts only%s%s",
            checkpoint->container.path, alias ? alias->name : checkpoint->kind.family->name,
            has_reason ? ": " : "", has_reason ? reason : "");
    *out = (struct whole_tensors){
        .source = {
            .whole = whole,
            .family = checkpoint->kind.family,
            .settings = settings,
            .blocks = checkpoint->blocks.count,
        },
        .tensors = &checkpoint->container.tensors,
        .log = &checkpoint->log,
        .directory = checkpoint->container.path,
    };
    return settings->status;
}

// What is missing among the arguments of `function`, or that there is no such block.
static enum vkmoe_status check(const char *function, const struct vkmoe_checkpoint *checkpoint,
    const char *missing_output, struct vkmoe_block block)
{
    if (!checkpoint || missing_output)
        return vkmoe_fail(checkpoint ? &checkpoint->log : NULL, VKMOE_ERROR_INVALID,
            "%s: %s is NULL", function, checkpoint ? missing_output : "checkpoint");
    if (block.part == VKMOE_PART_CROSS && checkpoint->blocks.count[true] == 0)
        return vkmoe_fail(&checkpoint->log, VKMOE_ERROR_NOT_FOUND,
            "%s: block %u has no attention to an encoder, only a decoder's blocks have one",
            checkpoint->container.path, block.index);
    return vkmoe_checkpoint_check_block(checkpoint, block);
}

enum vkmoe_status vkmoe_checkpoint_get_attention(
    vkmoe_checkpoint *checkpoint, struct vkmoe_block block, struct vkmoe_attention_params *params)
{
    struct whole_tensors from;
    struct settings settings;
    TRY_RETURN(
        check("vkmoe_checkpoint_get_attention", checkpoint, params ? NULL : "params", block));
    TRY_RETURN(begin(checkpoint, &settings, &from));
    _Atomic(struct attention_views *) *slot =
        &checkpoint->attention[vkmoe_whole_place(block)][block.index];
    struct attention_views *views = atomic_load(slot), *expected = NULL;
    if (!views) {
        TRY_RETURN(vkmoe_attention_views_create(&from, block, &views));
        // As in opened.c: whoever stored first is right.
        if (!atomic_compare_exchange_strong(slot, &expected, views)) {
            free(views);
            views = expected;
        }
    }
    return vkmoe_params_write(&(struct caller){ &checkpoint->log, __func__ },
        PARAMS_TYPE(vkmoe_attention_params), &views->params, params);
}

// Read when first asked for, as the files may have changed since, and every frame says the same.
static enum vkmoe_status get_end_tokens(struct vkmoe_checkpoint *checkpoint,
    const struct whole_source *source, struct vkmoe_frame *frame)
{
    struct end_tokens *tokens = atomic_load(&checkpoint->end_tokens), *expected = NULL;
    if (!tokens) {
        tokens = vkmoe_end_tokens_create(source, &checkpoint->container);
        if (!tokens)
            return source->settings->status;
        if (!atomic_compare_exchange_strong(&checkpoint->end_tokens, &expected, tokens)) {
            free(tokens);
            tokens = expected;
        }
    }
    frame->end_tokens = tokens->tokens;
    frame->end_token_count = tokens->count;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_checkpoint_get_frame(vkmoe_checkpoint *checkpoint, struct vkmoe_frame *out)
{
    struct whole_tensors from;
    struct settings settings;
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    TRY_RETURN(check(
        "vkmoe_checkpoint_get_frame", checkpoint, out ? NULL : "frame", (struct vkmoe_block){ 0 }));
    TRY_RETURN(begin(checkpoint, &settings, &from));
    TRY_RETURN(vkmoe_frame_view(&from, &frame));
    TRY_RETURN(get_end_tokens(checkpoint, &from.source, &frame));
    return vkmoe_params_write(
        &(struct caller){ &checkpoint->log, __func__ }, PARAMS_TYPE(vkmoe_frame), &frame, out);
}

// Of a block's two norms, for `function`.
static enum vkmoe_status get_norms(const char *function, vkmoe_checkpoint *checkpoint,
    struct vkmoe_block block, bool biases, struct vkmoe_view *attention_norm,
    struct vkmoe_view *experts_norm)
{
    struct whole_tensors from;
    struct settings settings;
    struct vkmoe_view first, second;
    TRY_RETURN(check(function, checkpoint,
        !attention_norm     ? "attention_norm"
            : !experts_norm ? "experts_norm"
                            : NULL,
        block));
    TRY_RETURN(begin(checkpoint, &settings, &from));
    TRY_RETURN(vkmoe_norms_view(&from, block, biases, &first, &second));
    *attention_norm = first;
    *experts_norm = second;
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_checkpoint_get_norms(vkmoe_checkpoint *checkpoint, struct vkmoe_block block,
    struct vkmoe_view *attention_norm, struct vkmoe_view *experts_norm)
{
    return get_norms(__func__, checkpoint, block, false, attention_norm, experts_norm);
}

enum vkmoe_status vkmoe_checkpoint_get_norm_biases(vkmoe_checkpoint *checkpoint,
    struct vkmoe_block block, struct vkmoe_view *attention_norm, struct vkmoe_view *experts_norm)
{
    return get_norms(__func__, checkpoint, block, true, attention_norm, experts_norm);
}

enum vkmoe_status vkmoe_checkpoint_get_extras(
    vkmoe_checkpoint *checkpoint, struct vkmoe_block block, struct vkmoe_block_extras *out)
{
    struct whole_tensors from;
    struct settings settings;
    struct vkmoe_block_extras extras;
    TRY_RETURN(check("vkmoe_checkpoint_get_extras", checkpoint, out ? NULL : "extras", block));
    TRY_RETURN(begin(checkpoint, &settings, &from));
    const bool moe = vkmoe_checkpoint_is_moe(checkpoint, block);
    TRY_RETURN(vkmoe_extras_view(&from, block, moe, &extras));
    return vkmoe_params_write(&(struct caller){ &checkpoint->log, __func__ },
        PARAMS_TYPE(vkmoe_block_extras), &extras, out);
}
