// gguf_patched.c - files of tests/gguf with one number that is another, or without a key: keys of
// blocks with a window, which the files that gguf_edited.c makes do not have. No device is needed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vkmoe/model.h>

#include "check.h"
#include "folder.h"
#include "tap.h"

#define MIMO "mimo2"
#define STEP "step35"
#define GONE (-1) // the key is another

struct patch {
    const char *name, *file; // of which the folder ends in -f32
    const char *key;
    int item;         // of the key's array, or 0
    uint32_t bits;    // of the number
    uint32_t block;   // whose parts are read
    const char *line; // in that of the refusal; NULL: they are read
};

#define F32_HALF 0x3f000000
#define F32_MINUS_1 0xbf800000
#define F32_NAN 0x7fc00000

static const struct patch patches[] = {
    { "mimo-as-it-is", MIMO, "context_length", 0, 64, 1, NULL },
    { "mimo-other-kv", MIMO, "attention.head_count_kv", 2, 4, 1,
        "attention.head_count_kv differs among blocks with windows" },
    { "mimo-kv-not-shared", MIMO, "attention.head_count_kv", 0, 3, 0,
        "attention.head_count_kv differs among blocks without windows" },
    { "mimo-no-pattern", MIMO, "attention.sliding_window_pattern", GONE, 0, 1,
        "is a list, but no attention.sliding_window_pattern says" },
    { "mimo-value-larger", MIMO, "attention.value_length", 0, 13, 0,
        "values of 13, which are longer than keys of 12" },
    { "mimo-value-other", MIMO, "attention.value_length", 0, 7, 0, "attn_output.weight has" },
    { "mimo-value-none", MIMO, "attention.value_length", 0, 0, 0, "attention.value_length is 0" },
    { "mimo-value-as-key", MIMO, "attention.value_length", GONE, 0, 0, "attn_output.weight has" },
    { "mimo-scale", MIMO, "attention.value_scale", 0, F32_MINUS_1, 0,
        "attention.value_scale is -1" },
    { "mimo-scale-none", MIMO, "attention.value_scale", 0, 0, 0, NULL },
    { "mimo-base", MIMO, "rope.freq_base_swa", 0, F32_HALF, 1, "is 0.5, expected more than 1" },
    { "mimo-base-absent", MIMO, "rope.freq_base_swa", GONE, 0, 1, NULL },
    { "step-as-it-is", STEP, "context_length", 0, 64, 1, NULL },
    { "step-other-heads", STEP, "attention.head_count", 2, 9, 1,
        "attention.head_count differs among blocks with windows" },
    { "step-limit", STEP, "swiglu_clamp_exp", 2, F32_MINUS_1, 2, "block 2 something else than" },
    { "step-limit-nan", STEP, "swiglu_clamp_exp", 2, F32_NAN, 2, "block 2 something else than" },
    { "step-limits-none", STEP, "swiglu_clamp_exp", GONE, 0, 2, NULL },
    { "step-dense-limit", STEP, "swiglu_clamp_shexp", 0, F32_MINUS_1, 0, "block 0 something else" },
    { "step-values-longer", STEP, "attention.key_length", 0, 6, 0,
        "keys and values differ in size" },
    { "step-gating", STEP, "expert_weights_scale", 0, F32_MINUS_1, 1,
        "expert_weights_scale is -1" },
};

static char *read_file(const char *file, size_t *size)
{
    char path[512];
    snprintf(path, sizeof path, VKMOE_TEST_GGUF "/%s-f32/model.gguf", file);
    FILE *from = fopen(path, "rb");
    if (!from)
        return NULL;
    char *data = malloc(1 << 18);
    *size = data ? fread(data, 1, 1 << 18, from) : 0;
    (void)fclose(from);
    return data;
}

// The key, and what follows it: its type, and of an array the type and the number of items.
static bool change(char *data, size_t size, const struct patch *row)
{
    char key[128];
    const size_t length = (size_t)snprintf(key, sizeof key, "%s.%s", row->file, row->key);
    char *at = data;
    uint64_t before = 0;
    uint32_t type;
    while ((size_t)(at - data) + length + 64 < size
        && (memcmp(at, key, length) != 0 || before != length)) {
        at++;
        memcpy(&before, at - data >= 8 ? at - 8 : data, sizeof before);
    }
    if ((size_t)(at - data) + length + 64 >= size)
        return false;
    if (row->item == GONE) {
        at[length - 1] = '?';
        return true;
    }
    at += length;
    memcpy(&type, at, sizeof type);
    at += type == 9 ? 16 + 4 * row->item : 4;
    memcpy(at, &row->bits, sizeof row->bits);
    return true;
}

// Attention of the block, and its experts or its dense network.
static enum vkmoe_status read_block(vkmoe_checkpoint *checkpoint, uint32_t index)
{
    const struct vkmoe_block block = { .index = index };
    struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
    struct vkmoe_moe_params moe = { VKMOE_INIT(vkmoe_moe_params) };
    const enum vkmoe_status status = vkmoe_checkpoint_get_attention(checkpoint, block, &attention);
    if (status != VKMOE_OK)
        return status;
    return index == 0 ? vkmoe_checkpoint_get_mlp(checkpoint, block, &moe)
                      : vkmoe_checkpoint_get_moe(checkpoint, block, &moe);
}

static bool check_patch(const struct patch *row)
{
    struct record record = { 0 };
    const struct vkmoe_log log = log_to(&record);
    vkmoe_checkpoint *checkpoint = NULL;
    size_t size = 0;
    char *data = read_file(row->file, &size);
    bool ok = data && change(data, size, row);
    if (ok) {
        folder_write("patched.gguf", data, size);
        enum vkmoe_status status =
            vkmoe_checkpoint_open(folder_path("patched.gguf"), &log, &checkpoint);
        if (status == VKMOE_OK)
            status = read_block(checkpoint, row->block);
        ok = row->line ? status != VKMOE_OK && record.lines[VKMOE_LOG_ERROR] == 1
                && strstr(record.last, row->line)
                       : status == VKMOE_OK && record.lines[VKMOE_LOG_ERROR] == 0;
    }
    if (!ok)
        tap_note("%s", record.last);
    vkmoe_checkpoint_destroy(&checkpoint);
    free(data);
    folder_empty();
    return ok;
}

int main(int argc, char **argv)
{
    struct tap tap;
    if (!tap_begin(&tap, argc, argv) || !folder_begin("gguf_patched"))
        return 2;
    TAP_ROWS(&tap, "patched", patches, sizeof patches / sizeof patches[0], check_patch);
    folder_finish();
    return tap_end(&tap);
}
