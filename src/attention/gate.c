// gate.c - see gate.h.
#include "attention/gate.h"

#include "attention/record.h"
#include "base/check.h"
#include "device/fit.h"
#include "device/operands.h"
#include "device/tuning.h"
#include "weights/format.h"
#include "weights/view.h"

#include "shaders/add_branches.h"

enum vkmoe_status vkmoe_gate_check(
    const struct caller *caller, const struct vkmoe_attention_params *p)
{
    if (!p->gate.matrix.data)
        return VKMOE_OK;
    CHECK(p->experts == 1 && p->latent.rank == 0 && p->nsa.compressed == 0,
        "gate goes with neither several experts nor latent nor nsa");
    return vkmoe_view_check(
        caller, &(struct named_view){ "gate.matrix", &p->gate.matrix, p->hidden });
}

enum vkmoe_status vkmoe_gate_create(vkmoe_attention *a, const struct vkmoe_attention_params *p)
{
    const struct vkmoe_view *views[] = { &p->gate.matrix };
    const uint32_t rows = gate_rows(p);
    if (!p->gate.matrix.data)
        return VKMOE_OK;
    vkmoe_fit_name(a->device, "gate of heads");
    return vkmoe_attention_linear(a, views, NULL, &rows, 1, p->hidden, &a->gate);
}

uint64_t vkmoe_gate_load_size(const struct vkmoe_attention_params *p)
{
    return p->gate.matrix.data
        ? vkmoe_format_matrix_size(p->gate.matrix.dtype, gate_rows(p), p->hidden)
        : 0;
}

enum vkmoe_status vkmoe_gate_record_logits(const struct attention_pass *pass)
{
    const struct experts *gate = &pass->attention->gate;
    return gate->count == 0
        ? VKMOE_OK
        : vkmoe_attention_project(pass, gate, scratch_at(pass, pass->plan->gates), true);
}

enum vkmoe_status vkmoe_gate_record(const struct attention_pass *pass)
{
    const vkmoe_attention *a = pass->attention;
    const uint64_t dummy = vkmoe_device_dummy_address(a->device);
    const struct add_branches_push push = {
        .constants = pass->constants,
        .gates = scratch_at(pass, pass->plan->gates),
        .compressed = dummy,
        .selected = pass->query,
        .window = dummy,
        .rows = pass->pairs.tokens,
    };
    const uint32_t lanes = vkmoe_tuning(a->device, TUNE_ATTEND_LANES);
    if (a->gate.count == 0 && a->params.value_size == 0)
        return VKMOE_OK;
    return stream_run(pass->stream, &(struct dispatch) {
        .kernel = KERNEL_add_branches,
        .spec = {
            [BRANCHES_LANES] = lanes,
            [BRANCHES_HEAD_SIZE] = a->params.head_size,
            [BRANCHES_ALONE] = 1,
            [BRANCHES_WIDE] = a->params.gate.wide,
            [BRANCHES_SOFTPLUS] = a->params.gate_softplus,
            [BRANCHES_KEPT] = a->params.value_size,
            [BRANCHES_FACTOR] =
                a->params.value_size > 0 ? float_bits(a->params.value_scale) : 0,
        },
        .push = &push,
        .groups = push.rows,
    });
}
