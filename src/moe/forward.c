// forward.c - records one MoE layer: its passes, and the order of kernels in each.
//
//     few tokens   route [-> limit_experts] -> decode_up -> decode_down
//     many         route [-> limit_experts] -> group_tokens -> experts_gemm up
//                  [-> shared expert's down] -> experts_gemm down -> combine
//
// Where gate is apart, the product up is gate, up and activate. What stands around them where
// experts work on a latent: latent_experts.h.
#include "moe/record.h"

#include "base/common.h"
#include "base/params.h"
#include "base/try.h"
#include "device/span.h"

static enum vkmoe_status check(const struct caller *caller, const vkmoe_stream *stream,
    const vkmoe_moe *moe, const struct vkmoe_moe_forward_params *f)
{
    const struct vkmoe_moe_params *p = &moe->params;
    TRY_RETURN(vkmoe_stream_check_device(caller, stream, moe->device, "layer"));
    TRY_RETURN(vkmoe_tokens_check(caller, f->tokens));
    const uint64_t rows = (uint64_t)f->tokens * p->hidden;
    const uint64_t router_rows = (uint64_t)f->tokens * p->router_hidden;
    const uint64_t pairs = (uint64_t)f->tokens * p->experts_per_token;
    const bool ids_in = p->router.select >= VKMOE_SELECT_SUPPLIED;
    const bool weights_in = p->router.select == VKMOE_SELECT_SUPPLIED_WEIGHTED;
    const struct span_rule rules[] = {
        { "x", &f->x, rows, true, false },
        { "router_x", &f->router_x, router_rows, p->router_hidden != p->hidden, false },
        { "ids", &f->ids, pairs, ids_in, !ids_in },
        { "weights", &f->weights, pairs, weights_in, !weights_in },
        { "y", &f->y, rows, true, true },
    };
    return vkmoe_spans_check(caller, moe->device, rules, ARRAY_SIZE(rules));
}

// Points a pass at its rows, `tokens` of them from `first` on.
static void aim(struct moe_pass *pass, const struct vkmoe_moe_forward_params *f, uint32_t first,
    uint32_t tokens)
{
    const struct vkmoe_moe_params *p = &pass->moe->params;
    const uint64_t row = (uint64_t)first * p->hidden;
    const uint64_t pair = (uint64_t)first * p->experts_per_token;
    pass->x = vkmoe_span_element(&f->x, row);
    pass->router_x = f->router_x.buffer
        ? vkmoe_span_element(&f->router_x, (uint64_t)first * p->router_hidden)
        : pass->x;
    pass->y = vkmoe_span_element(&f->y, row);
    pass->pairs = (struct pairs){
        .ids = f->ids.buffer ? vkmoe_span_element(&f->ids, pair)
                             : scratch_address(pass, pass->plan.ids),
        .weights = f->weights.buffer ? vkmoe_span_element(&f->weights, pair)
                                     : scratch_address(pass, pass->plan.weights),
        .tokens = tokens,
        .k = p->experts_per_token,
    };
}

// `first` is the pass's first token.
static enum vkmoe_status record_pass(
    const struct moe_pass *pass, const struct sequence_limit *limit, uint32_t first)
{
    TRY_RETURN(vkmoe_latent_experts_record_inputs(pass));
    TRY_RETURN(vkmoe_moe_record_route(pass));
    if (limit)
        TRY_RETURN(vkmoe_pairs_limit(pass->stream,
            &(struct limit_operands){
                .history = limit->history,
                .pairs = pass->pairs,
                .experts = pass->moe->params.experts,
                .positions = vkmoe_span_element(&limit->positions, first),
                .sequences = vkmoe_span_element(&limit->sequences, first),
                .first_token = first,
            }));
    TRY_RETURN(vkmoe_moe_record_up(pass));
    TRY_RETURN(vkmoe_moe_record_down(pass));
    return vkmoe_latent_experts_record_outputs(pass);
}

enum vkmoe_status vkmoe_moe_record(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_moe *moe, const struct vkmoe_moe_forward_params *f,
    const struct sequence_limit *limit, const struct folding *folding)
{
    if (f->tokens == 0)
        return VKMOE_OK;
    const uint32_t sequence = f->sequence_tokens ? f->sequence_tokens : f->tokens;
    struct moe_pass pass = {
        .stream = stream,
        .moe = moe,
        .plan = vkmoe_moe_plan(moe, f->tokens, sequence),
        .sequence_tokens = sequence,
        .folding = folding,
    };
    const uint32_t most = pass.plan.tokens;
    if (most == 0)
        return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
            "capacity over sequences of %u tokens, which need more than one pass", sequence);
    enum vkmoe_status status;
    vkmoe_stream_begin(stream);
    TRY(vkmoe_stream_scratch(stream, pass.plan.size, &pass.scratch));
    for (uint32_t first = 0; first < f->tokens; first += most) {
        aim(&pass, f, first, MIN(most, f->tokens - first));
        TRY(record_pass(&pass, limit, first));
    }
fail:
    return vkmoe_stream_end(stream, status);
}

enum vkmoe_status vkmoe_moe_forward(
    vkmoe_stream *stream, const vkmoe_moe *moe, const struct vkmoe_moe_forward_params *params)
{
    NEED_TO_RECORD(caller, stream, moe, vkmoe_moe_forward_params, params);
    if (params->tokens == 0)
        return VKMOE_OK;
    TRY_RETURN(check(&caller, stream, moe, params));
    return vkmoe_moe_record(&caller, stream, moe, params, NULL, NULL);
}
