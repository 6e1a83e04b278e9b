// checkpoint.c - of fuzz.h, what is done with a checkpoint.
#include <stdlib.h>
#include <string.h>

#include <vkmoe/model.h>

#include "base/log.h"
#include "fuzz.h"
#include "weights/view.h"

enum {
    MAX_ELEMENTS = 1 << 20, // that are read of a view
    MAX_LOOKS = 3,          // blocks of each part, and experts of each block
};

struct look {
    vkmoe_checkpoint *checkpoint;
    struct record record; // of the checkpoint's log
};

// What is promised to be there is in the file.
static void read_view(const struct vkmoe_view *view, uint32_t rows, uint32_t columns)
{
    struct record record = { 0 };
    const struct vkmoe_log log = log_to(&record);
    float *values = NULL;
    if (!view->data || (uint64_t)rows * columns > MAX_ELEMENTS)
        return;
    if (vkmoe_view_floats(view, &log, rows, columns, &values) != VKMOE_OK)
        fuzz_fail("a view cannot be read", record.last);
    free(values);
}

static void read_experts(const struct vkmoe_moe_params *params)
{
    for (uint32_t e = 0; e < params->experts && e < MAX_LOOKS; e++) {
        if (params->gate)
            read_view(&params->gate[e], params->inner, params->hidden);
        read_view(&params->up[e], params->inner, params->hidden);
        read_view(&params->down[e], params->hidden, params->inner);
    }
    read_view(&params->gate_bias, params->experts, params->inner);
    read_view(&params->up_bias, params->experts, params->inner);
    read_view(&params->down_bias, params->experts, params->hidden);
    read_view(&params->shared.gate, params->shared.inner, params->hidden);
    read_view(&params->shared.up, params->shared.inner, params->hidden);
    read_view(&params->shared.down, params->hidden, params->shared.inner);
    read_view(&params->router.weight, params->experts,
        params->router_hidden ? params->router_hidden : params->hidden);
}

static void look_at_block(struct look *look, struct vkmoe_block block)
{
    vkmoe_checkpoint *checkpoint = look->checkpoint;
    struct vkmoe_moe_params moe = { VKMOE_INIT(vkmoe_moe_params) };
    struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
    struct vkmoe_block_extras extras = { VKMOE_INIT(vkmoe_block_extras) };
    struct vkmoe_view norms[2];
    enum vkmoe_status status = vkmoe_checkpoint_is_moe(checkpoint, block)
        ? vkmoe_checkpoint_get_moe(checkpoint, block, &moe)
        : vkmoe_checkpoint_get_mlp(checkpoint, block, &moe);
    fuzz_expect(status, &look->record);
    if (status == VKMOE_OK)
        read_experts(&moe);
    status = vkmoe_checkpoint_get_attention(checkpoint, block, &attention);
    fuzz_expect(status, &look->record);
    if (status == VKMOE_OK) {
        read_view(
            &attention.key.matrix, attention.kv_heads * attention.head_size, attention.hidden);
        read_view(&attention.rope_divisors, 1,
            (attention.rope.size ? attention.rope.size : attention.head_size) / 2);
    }
    status = vkmoe_checkpoint_get_norm_biases(checkpoint, block, &norms[0], &norms[1]);
    fuzz_expect(status, &look->record);
    status = vkmoe_checkpoint_get_extras(checkpoint, block, &extras);
    fuzz_expect(status, &look->record);
    status = vkmoe_checkpoint_get_norms(checkpoint, block, &norms[0], &norms[1]);
    fuzz_expect(status, &look->record);
}

static void look_at_all(struct look *look)
{
    struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) };
    struct vkmoe_frame frame = { VKMOE_INIT(vkmoe_frame) };
    vkmoe_checkpoint_get_info(look->checkpoint, &info);
    const enum vkmoe_status status = vkmoe_checkpoint_get_frame(look->checkpoint, &frame);
    fuzz_expect(status, &look->record);
    if (status == VKMOE_OK) {
        read_view(&frame.embedding, frame.vocabulary, frame.hidden);
        read_view(&frame.head, frame.vocabulary, frame.hidden);
        read_view(&frame.final_norm, 1, frame.hidden);
    }
    for (uint32_t b = 0; b < info.blocks && b < MAX_LOOKS; b++)
        look_at_block(look, (struct vkmoe_block){ .index = b });
    for (uint32_t b = 0; b < info.decoder_blocks && b < MAX_LOOKS; b++)
        look_at_block(look, (struct vkmoe_block){ .index = b, .part = VKMOE_PART_DECODER });
}

static void look_at_inventory(const vkmoe_inventory *inventory)
{
    struct vkmoe_checkpoint_info info = { VKMOE_INIT(vkmoe_checkpoint_info) };
    struct vkmoe_inventory_info more = { VKMOE_INIT(vkmoe_inventory_info) };
    struct vkmoe_tensor_info tensor = { VKMOE_INIT(vkmoe_tensor_info) };
    vkmoe_inventory_get_checkpoint_info(inventory, &info);
    vkmoe_inventory_get_info(inventory, &more);
    uint32_t count = 0;
    while (vkmoe_inventory_get_tensor(inventory, count, &tensor) == VKMOE_OK)
        count++;
    if (count != info.tensors + more.absent_tensors)
        fuzz_fail("an inventory counts tensors that are not there", more.model_type);
}

void fuzz_checkpoint(const char *path)
{
    struct record record = { 0 };
    struct look look = { .checkpoint = NULL };
    const struct vkmoe_log log = log_to(&record), other = log_to(&look.record);
    vkmoe_inventory *inventory = NULL;
    fuzz_expect(vkmoe_inventory_open(path, &log, &inventory), &record);
    if (inventory)
        look_at_inventory(inventory);
    vkmoe_inventory_destroy(&inventory);
    fuzz_expect(vkmoe_checkpoint_open(path, &other, &look.checkpoint), &look.record);
    if (look.checkpoint)
        look_at_all(&look);
    vkmoe_checkpoint_destroy(&look.checkpoint);
}
