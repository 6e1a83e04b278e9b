// blocks.c - see blocks.h. The rules are those of each family's modeling code in Hugging
// Face transformers 5.12, or of its remote code where that came first.
#include "checkpoint/blocks.h"

#include <string.h>

#include "base/value.h"

void vkmoe_mark_all(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    (void)family;
    (void)settings;
    for (uint32_t b = 0; b < blocks->count[0]; b++)
        blocks->moe[0][b] = true;
}

void vkmoe_mark_from(struct blocks *blocks, uint32_t first, uint32_t step)
{
    for (uint32_t b = first; b < blocks->count[0]; b++)
        blocks->moe[0][b] = b % step == 0;
}

// One name for each block, in configs that transformers 5 wrote. False if there are none.
static bool mark_types(struct settings *settings, struct blocks *blocks)
{
    const struct value *list;
    vkmoe_setting_list_of(settings, "mlp_layer_types", blocks->count[0], "name", "blocks", &list);
    for (uint32_t b = 0; list && settings->status == VKMOE_OK && b < blocks->count[0]; b++) {
        const char *name = value_text(&list->items[b]);
        blocks->moe[0][b] = name && strcmp(name, "sparse") == 0;
        if (!blocks->moe[0][b] && !(name && strcmp(name, "dense") == 0))
            vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
                "mlp_layer_types holds something else than dense and sparse");
    }
    return list;
}

// What older configs say besides must be the same.
static void check_marks(struct settings *settings, const struct blocks *blocks)
{
    const struct value *list;
    vkmoe_setting_list_of(settings, "is_moe_layer", blocks->count[0], "flag", "blocks", &list);
    for (uint32_t b = 0; list && settings->status == VKMOE_OK && b < blocks->count[0]; b++) {
        const struct value *item = &list->items[b];
        if ((item->kind != VALUE_BOOL && item->kind != VALUE_NUMBER)
            || (item->number != 0.0) != blocks->moe[0][b])
            vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
                "is_moe_layer does not say of block %u what other settings do", b);
    }
}

void vkmoe_mark_after_dense(
    const struct family *family, struct settings *settings, struct blocks *blocks)
{
    if (!mark_types(settings, blocks))
        vkmoe_mark_from(blocks, vkmoe_setting_read(&family->dense_first, settings, 0, MAX_BLOCKS),
            vkmoe_setting_u32(settings, "moe_layer_freq", 1, 1, MAX_BLOCKS));
    check_marks(settings, blocks);
}

bool vkmoe_mark_listed(struct settings *settings, struct blocks *blocks, const char *key, bool moe)
{
    const struct value *list = vkmoe_setting_find(settings, key);
    if (!list)
        return false;
    list = vkmoe_setting_list(settings, key);
    VALUE_EACH(item, list)
    {
        uint64_t b;
        if (!vkmoe_value_integer(item, &b)) {
            vkmoe_setting_fail(
                settings, VKMOE_ERROR_INVALID, "%s holds something else than block numbers", key);
            break;
        }
        if (b < blocks->count[0])
            blocks->moe[0][b] = moe;
    }
    return true;
}

void vkmoe_mark_qwen(const struct family *family, struct settings *settings, struct blocks *blocks)
{
    (void)family;
    uint32_t step = vkmoe_setting_u32(settings, "decoder_sparse_step", 1, 1, MAX_BLOCKS);
    for (uint32_t b = 0; b < blocks->count[0]; b++)
        blocks->moe[0][b] = (b + 1) % step == 0;
    vkmoe_mark_listed(settings, blocks, "mlp_only_layers", false);
}
