// layer_forward.c - records one MoE layer: scratch plan, order of kernels, their shapes.
//
//     decode  (few tokens)  route [-> limit_experts] -> decode_up -> decode_down
//     prefill               route [-> limit_experts] -> group_tokens -> experts_gemm up
//                           [-> shared expert's down] -> experts_gemm down -> combine
#include "moe/pass.h"

#include "base/common.h"

static enum vkmoe_status record_pass(const struct pass *pass)
{
    enum vkmoe_status (*const decode[])(const struct pass *) = {
        vkmoe_pass_route,
        vkmoe_pass_limit_experts,
        vkmoe_pass_decode_up,
        vkmoe_pass_decode_down,
    };
    enum vkmoe_status (*const prefill[])(const struct pass *) = {
        vkmoe_pass_route,
        vkmoe_pass_limit_experts,
        vkmoe_pass_group_tokens,
        vkmoe_pass_experts_up,
        vkmoe_pass_shared_down,
        vkmoe_pass_experts_down,
        vkmoe_pass_combine,
    };
    const size_t count = pass->decode ? ARRAY_SIZE(decode) : ARRAY_SIZE(prefill);
    for (size_t i = 0; i < count; i++) {
        if (!pass->decode && prefill[i] == vkmoe_pass_shared_down
            && pass->moe->params.shared_inner == 0)
            continue;
        const enum vkmoe_status status = pass->decode ? decode[i](pass) : prefill[i](pass);
        if (status != VKMOE_OK)
            return status;
    }
    return VKMOE_OK;
}

static enum vkmoe_status check_forward(const struct caller *caller, const vkmoe_stream *stream,
    const vkmoe_moe *moe, const struct vkmoe_moe_forward_params *f)
{
    const struct vkmoe_moe_params *p = &moe->params;
    if (vkmoe_stream_device(stream) != moe->device)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "stream and layer are of two devices");
    if (f->tokens > MAX_TOKENS)
        return vkmoe_refuse(
            caller, VKMOE_ERROR_INVALID, "tokens is %u, must be 0 to %u", f->tokens, MAX_TOKENS);
    const uint64_t rows = (uint64_t)f->tokens * p->hidden;
    const uint64_t router_rows = (uint64_t)f->tokens * p->router_hidden;
    const uint64_t pairs = (uint64_t)f->tokens * p->experts_per_token;
    const bool ids_in = p->router.select >= VKMOE_SELECT_SUPPLIED;
    const bool weights_in = p->router.select == VKMOE_SELECT_SUPPLIED_WEIGHTED;
    const struct {
        const char *name;
        const struct vkmoe_span *span;
        uint64_t elements;
        bool required, written;
    } spans[] = {
        { "x", &f->x, rows, true, false },
        { "router_x", &f->router_x, router_rows, p->router_hidden != p->hidden, false },
        { "ids", &f->ids, pairs, ids_in, !ids_in },
        { "weights", &f->weights, pairs, weights_in, !weights_in },
        { "y", &f->y, rows, true, true },
    };
    for (size_t i = 0; i < ARRAY_SIZE(spans); i++) {
        const enum vkmoe_status status = vkmoe_span_check(caller, moe->device, spans[i].name,
            spans[i].span, spans[i].elements, spans[i].required);
        if (status != VKMOE_OK)
            return status;
        for (size_t j = 0; j < i; j++) {
            if ((spans[i].written || spans[j].written)
                && vkmoe_spans_overlap(
                    spans[i].span, spans[i].elements, spans[j].span, spans[j].elements))
                return vkmoe_refuse(
                    caller, VKMOE_ERROR_INVALID, "%s overlaps %s", spans[j].name, spans[i].name);
        }
    }
    return VKMOE_OK;
}

// Splits `tokens` into passes; whole sequences each if capacity counts by sequence.
static enum vkmoe_status choose_pass(const struct caller *caller, const vkmoe_moe *moe,
    const struct vkmoe_moe_forward_params *f, uint32_t tile_rows, uint32_t *per_pass)
{
    *per_pass = vkmoe_moe_pass_tokens(moe, f->tokens, tile_rows);
    const uint32_t sequence = f->sequence_tokens ? f->sequence_tokens : f->tokens;
    if (moe->params.router.capacity == 0 || *per_pass == f->tokens)
        return VKMOE_OK;
    *per_pass -= *per_pass % sequence;
    if (*per_pass == 0)
        return vkmoe_refuse(caller, VKMOE_ERROR_UNSUPPORTED,
            "capacity over sequences of %u tokens, which need more than one pass", sequence);
    return VKMOE_OK;
}

static uint64_t of_token(const struct vkmoe_span *span, uint32_t token)
{
    return span->buffer ? vkmoe_span_address(span) + 4 * (uint64_t)token : 0;
}

enum vkmoe_status vkmoe_moe_forward(
    vkmoe_stream *stream, const vkmoe_moe *moe, const struct vkmoe_moe_forward_params *params)
{
    const struct vkmoe_log *log = device_log(moe ? moe->device : vkmoe_stream_device(stream));
    VKMOE_NEED(log, stream, "stream");
    VKMOE_NEED(log, moe, "moe");
    VKMOE_NEED(log, params, "params");
    return vkmoe_moe_forward_for(&(struct caller){ log, __func__ }, stream, moe, params);
}

enum vkmoe_status vkmoe_moe_forward_for(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_moe *moe, const struct vkmoe_moe_forward_params *f)
{
    const struct vkmoe_span none = { 0 };
    return vkmoe_moe_forward_at(caller, stream, moe, f, NULL, &none, &none);
}

enum vkmoe_status vkmoe_moe_forward_at(const struct caller *caller, vkmoe_stream *stream,
    const vkmoe_moe *moe, const struct vkmoe_moe_forward_params *f,
    const struct layer_history *history, const struct vkmoe_span *positions,
    const struct vkmoe_span *sequences)
{
    if (f->tokens == 0)
        return VKMOE_OK;
    enum vkmoe_status status = check_forward(caller, stream, moe, f);
    if (status != VKMOE_OK)
        return status;
    struct pass pass = {
        .stream = stream,
        .moe = moe,
        .device = moe->device,
        .shapes = vkmoe_shapes_choose(moe->device, moe->dtype),
        .decode = vkmoe_moe_may_decode(moe, f->tokens),
        .history = history,
    };
    uint32_t per_pass = f->tokens;
    vkmoe_stream_begin(stream);
    if (!pass.decode)
        status = choose_pass(caller, moe, f, pass.shapes.gemm_rows, &per_pass);
    if (status == VKMOE_OK)
        status =
            vkmoe_stream_scratch(stream, vkmoe_moe_scratch_size(moe, f->tokens), &pass.scratch);
    pass.sequence_tokens = f->sequence_tokens ? f->sequence_tokens : f->tokens;
    pass.at = vkmoe_scratch_plan(moe, per_pass, pass.decode, pass.shapes.gemm_rows);
    for (uint32_t first = 0; first < f->tokens && status == VKMOE_OK; first += per_pass) {
        const struct vkmoe_moe_params *p = &moe->params;
        const uint64_t row = (uint64_t)first * p->hidden * 4;
        const uint64_t router_row = (uint64_t)first * p->router_hidden * 4;
        const uint64_t pair = (uint64_t)first * p->experts_per_token * 4;
        pass.tokens = MIN(per_pass, f->tokens - first);
        pass.first_token = first;
        pass.positions = of_token(positions, first);
        pass.sequences = of_token(sequences, first);
        pass.x = vkmoe_span_address(&f->x) + row;
        pass.router_x = f->router_x.buffer ? vkmoe_span_address(&f->router_x) + router_row : pass.x;
        pass.y = vkmoe_span_address(&f->y) + row;
        pass.ids = f->ids.buffer ? vkmoe_span_address(&f->ids) + pair
                                 : scratch_address(&pass, pass.at.ids);
        pass.weights = f->weights.buffer ? vkmoe_span_address(&f->weights) + pair
                                         : scratch_address(&pass, pass.at.weights);
        status = record_pass(&pass);
    }
    return vkmoe_stream_end(stream, status);
}
