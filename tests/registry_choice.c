// registry_choice.c - see registry_choice.h.
#include "registry_choice.h"

#include <string.h>

#include "attention/plan.h"
#include "attention/attention.h"
#include "device/variants.h"
#include "moe/moe.h"
#include "weights/experts.h"

#include "formats.h"
#include "tap.h"

static bool is_compiled(const char *name)
{
    for (uint32_t i = 0; i < vkmoe_variant_count; i++)
        if (!strcmp(vkmoe_variants[i].name, name) && !*vkmoe_variants[i].spirv_size)
            return false;
    return true;
}

#define MATRIX(form) "experts_gemm_matrix_" form "_int64"

// Integers for few tokens, of some formats, and only where they may be.
static bool decoding_choice(void)
{
    const uint32_t card = NEED_gpu | NEED_int64 | NEED_shuffle | NEED_integer_dot;
    const uint32_t lavapipe_26 = NEED_int64 | NEED_uniform_loads | NEED_lanes_8 | NEED_shuffle;
    const struct {
        uint32_t needs;
        enum vkmoe_dtype dtype;
        bool fast;
        const char *form;
    } rows[] = {
        { card, VKMOE_DTYPE_Q8_0, true, "integers" },
        { card, VKMOE_DTYPE_Q8_0, false, "plain" },
        { card, VKMOE_DTYPE_Q4_0, true, "narrow_integers" },
        { card, VKMOE_DTYPE_Q4_K, true, "narrow_integers" },
        { card, VKMOE_DTYPE_Q6_K, true, "narrow_integers" },
        { card, VKMOE_DTYPE_Q6_K, false, "narrow" },
        { card, VKMOE_DTYPE_Q5_K, true, "narrow" },
        { card, VKMOE_DTYPE_F16, true, "plain" },
        { card & ~(uint32_t)NEED_shuffle, VKMOE_DTYPE_Q8_0, true, "plain" },
        { card & ~(uint32_t)NEED_integer_dot, VKMOE_DTYPE_Q8_0, true, "plain" },
        { card & ~(uint32_t)NEED_gpu, VKMOE_DTYPE_Q8_0, true, "plain" },
        { lavapipe_26, VKMOE_DTYPE_BF16, false, "columns" },
        { lavapipe_26, VKMOE_DTYPE_Q8_0, false, "broadcast" },
        { lavapipe_26, VKMOE_DTYPE_Q4_K, true, "narrow_columns" },
        { lavapipe_26, VKMOE_DTYPE_Q5_K, true, "narrow_broadcast" },
        { lavapipe_26 & ~(uint32_t)NEED_lanes_8, VKMOE_DTYPE_BF16, false, "broadcast" },
    };
    bool ok = true;
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        static vkmoe_device device;
        const enum kernel kernel = i % 2 ? KERNEL_decode_up : KERNEL_decode_down;
        device.needs = rows[i / 2].needs;
        const struct variant *got =
            vkmoe_form_choose(&device, kernel, rows[i / 2].dtype, 0, rows[i / 2].fast);
        if (strcmp(got->form, rows[i / 2].form)) {
            tap_note("needs %x: %s, expected %s", device.needs, got->name, rows[i / 2].form);
            ok = false;
        }
    }
    return ok;
}

// Nor where a row ends within a block: integers would read what is behind x.
static bool odd_choice(void)
{
    static vkmoe_device device;
    device.needs = NEED_gpu | NEED_int64 | NEED_shuffle | NEED_integer_dot;
    const struct {
        uint32_t columns, shared_columns;
        const char *form;
    } rows[] = { { 96, 0, "integers" }, { 72, 0, "plain" }, { 96, 64, "integers" },
        { 96, 40, "plain" } };
    bool ok = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct experts experts = {
            .device = &device,
            .dtype = VKMOE_DTYPE_Q8_0,
            .columns = rows[i].columns,
            .fast = true,
            .shared = { .rows = rows[i].shared_columns, .columns = rows[i].shared_columns },
        };
        const struct variant *got = vkmoe_experts_decode_form(&experts, KERNEL_decode_down);
        if (strcmp(got->form, rows[i].form)) {
            tap_note("%u columns: %s, expected %s", rows[i].columns, got->name, rows[i].form);
            ok = false;
        }
    }
    return ok;
}

// On a CPU only where all of a product's lanes own columns.
static bool folding_choice(void)
{
    static vkmoe_device device;
    const uint32_t lavapipe_26 = NEED_int64 | NEED_uniform_loads | NEED_lanes_8 | NEED_shuffle;
    const struct {
        uint32_t needs;
        enum vkmoe_dtype dtype, shared;
        bool folds;
    } rows[] = {
        { lavapipe_26, VKMOE_DTYPE_BF16, VKMOE_DTYPE_BF16, true },
        { lavapipe_26, VKMOE_DTYPE_Q4_K, VKMOE_DTYPE_Q6_K, true },
        { lavapipe_26, VKMOE_DTYPE_Q4_K, VKMOE_DTYPE_Q8_0, false },
        { lavapipe_26, VKMOE_DTYPE_Q5_K, VKMOE_DTYPE_Q6_K, false },
        { NEED_int64, VKMOE_DTYPE_BF16, VKMOE_DTYPE_BF16, false },
        { NEED_gpu | NEED_int64, VKMOE_DTYPE_Q5_K, VKMOE_DTYPE_Q8_0, true },
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        device.needs = rows[i].needs;
        device.is_cpu = !(device.needs & NEED_gpu);
        const struct experts experts = {
            .device = &device,
            .dtype = rows[i].dtype,
            .columns = 256,
            .shared = { .rows = 16, .columns = 256, .dtype = rows[i].shared },
        };
        if (vkmoe_experts_fold_norm(&experts) != rows[i].folds) {
            tap_note("row %zu: expected %d", i, rows[i].folds);
            ok = false;
        }
    }
    return ok;
}

// One matrix that reads x and does not fold its norm keeps all from it: gates, too, that layers and
// attentions have apart.
static bool folding_together(void)
{
    static vkmoe_device device = {
        .needs = NEED_int64 | NEED_uniform_loads | NEED_lanes_8 | NEED_shuffle,
        .is_cpu = true,
    };
    const struct experts folds = {
        .device = &device,
        .dtype = VKMOE_DTYPE_BF16,
        .count = 1,
        .rows = 16,
        .columns = 256,
        .shapes = { .direct_tokens = 4 },
    };
    struct experts keeps = folds;
    keeps.dtype = VKMOE_DTYPE_Q8_0;
    struct vkmoe_moe layer = { .up = folds, .params = { .hidden = 256, .router_hidden = 256 } };
    struct vkmoe_attention attention = { .query = folds, .kv = folds };
    bool ok = vkmoe_moe_folds(&layer, 1) && vkmoe_attention_folds(&attention, 1);
    layer.gate = attention.gate = folds;
    ok = ok && vkmoe_moe_folds(&layer, 1) && vkmoe_attention_folds(&attention, 1);
    layer.gate = attention.gate = keeps;
    ok = ok && !vkmoe_moe_folds(&layer, 1) && !vkmoe_attention_folds(&attention, 1);
    if (!ok)
        tap_note("layers or attentions do not fold as their gates do");
    return ok;
}

bool registry_choice(void)
{
    const uint32_t lavapipe_26 = NEED_int64 | NEED_uniform_loads; // of other vectors than 8 lanes
    const uint32_t lanes_8 = lavapipe_26 | NEED_lanes_8 | NEED_shuffle;
    const uint32_t card = NEED_gpu | NEED_int64, rdna = card | NEED_matrix_16x16;
    const uint32_t xe2 = card | NEED_matrix_8x16, xe_hpg = card | NEED_matrix_8x8;
    const enum vkmoe_dtype f32 = VKMOE_DTYPE_F32, f16 = VKMOE_DTYPE_F16;
    const struct {
        uint32_t needs;
        enum vkmoe_dtype dtype;
        uint32_t rows; // an expert
        const char *name;
        struct tile tile;
        bool fast;
        uint32_t shared_memory;
    } rows[] = {
        { NEED_none, f32, 1, "experts_gemm_rows_in_lanes", { 8, 4, 8 } },
        { NEED_int64, f16, 4096, "experts_gemm_rows_in_lanes_int64", { 8, 4, 8 } },
        { lavapipe_26, f32, 4096, "experts_gemm_rows_broadcast_int64", { 16, 2, 8 } },
        { lavapipe_26, f16, 0, "experts_gemm_rows_broadcast_int64", { 16, 2, 8 } },
        { lanes_8, f32, 4096, "experts_gemm_columns_int64", { 16, 4, 8 } },
        { lanes_8, VKMOE_DTYPE_BF16, 4096, "experts_gemm_columns_int64", { 16, 4, 8 } },
        { lanes_8, f16, 16, "experts_gemm_columns_int64", { 16, 4, 8 } },
        { lanes_8, f16, 17, "experts_gemm_rows_broadcast_many_int64", { 16, 2, 8 } },
        { lavapipe_26, VKMOE_DTYPE_Q4_K, 0, "experts_gemm_narrow_broadcast_k_int64", { 16, 2, 8 } },
        { lavapipe_26, VKMOE_DTYPE_Q4_0, 0, "experts_gemm_narrow_broadcast_int64", { 16, 2, 8 } },
        { NEED_gpu, f16, 0, "experts_gemm_shared_tile_32", { 32, 8, 128 } },
        { NEED_gpu, f16, 32, "experts_gemm_shared_tile_32", { 32, 8, 128 } },
        { NEED_gpu, f16, 33, "experts_gemm_shared_tile", { 64, 8, 128 } },
        { NEED_gpu | NEED_int64, f32, 4096, "experts_gemm_shared_tile_int64", { 64, 8, 128 } },
        { rdna, f32, 4096, "experts_gemm_shared_tile_int64", { 64, 8, 128 } },
        { rdna, f16, 8, MATRIX("16x16_16"), { 16, 32, 4 } },
        { rdna, f16, 20, MATRIX("16x16_32"), { 32, 32, 4 } },
        { rdna, f16, 21, MATRIX("16x16_64"), { 64, 32, 4 }, true },
        { rdna | NEED_flexible_matrix, f16, 4096, MATRIX("16x16_64"), { 64, 32, 4 }, true },
        { rdna, VKMOE_DTYPE_Q8_0, 21, MATRIX("16x16_unpack"), { 32, 32, 4 } },
        { rdna, VKMOE_DTYPE_Q8_0, 20, MATRIX("16x16_unpack_fast"), { 64, 32, 4 }, true },
        { rdna, VKMOE_DTYPE_BF16, 21, MATRIX("16x16_unpack_fast"), { 64, 32, 4 }, true },
        { rdna, VKMOE_DTYPE_Q4_K, 21, MATRIX("16x16_unpack"), { 32, 32, 4 } },
        { rdna, VKMOE_DTYPE_INT8, 20, MATRIX("16x16_unpack_fast"), { 64, 32, 4 }, true },
        { xe2, f16, 21, MATRIX("8x16"), { 32, 32, 16 } },
        { xe2, f16, 21, MATRIX("8x16_fast"), { 32, 32, 8 }, true },
        { xe2, VKMOE_DTYPE_Q4_K, 21, MATRIX("8x16_unpack"), { 32, 32, 16 } },
        { xe2, VKMOE_DTYPE_Q8_0, 21, MATRIX("8x16_unpack_fast"), { 48, 32, 16 }, true },
        { xe_hpg, VKMOE_DTYPE_Q4_K, 21, "experts_gemm_narrow_tile_32_int64", { 32, 8, 128 } },
        { xe_hpg, f16, 21, MATRIX("8x8"), { 16, 32, 16 } },
        { xe_hpg, f16, 21, MATRIX("8x8_fast"), { 32, 32, 16 }, true },
        { lavapipe_26 | NEED_matrix_8x8, f16, 21, "experts_gemm_rows_broadcast_int64",
            { 16, 2, 8 } },
        // What is unpacked for matrix units may leave no room for a code book.
        { rdna, VKMOE_DTYPE_IQ1_S, 20, "experts_gemm_narrow_tile_32_int64", { 32, 8, 128 }, false,
            (40 << 10) - 1 },
        { rdna, VKMOE_DTYPE_IQ1_S, 20, MATRIX("16x16_unpack"), { 32, 32, 4 }, false, 40 << 10 },
        { rdna, VKMOE_DTYPE_IQ3_S, 20, "experts_gemm_narrow_tile_32_int64", { 32, 8, 128 }, true,
            32 << 10 },
        { xe2, VKMOE_DTYPE_IQ1_S, 20, "experts_gemm_narrow_tile_32_int64", { 32, 8, 128 }, true,
            32 << 10 },
        { xe2, VKMOE_DTYPE_IQ1_S, 20, MATRIX("8x16_unpack_fast"), { 48, 32, 16 }, true, 40 << 10 },
        { rdna, VKMOE_DTYPE_Q4_K, 20, MATRIX("16x16_unpack"), { 32, 32, 4 }, false, 32 << 10 },
    };
    bool ok = decoding_choice() && odd_choice() && folding_choice() && folding_together();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static vkmoe_device device;
        device.needs = rows[i].needs;
        device.gpu.info.shared_memory_size = rows[i].shared_memory;
        const struct variant *got = vkmoe_form_choose(
            &device, KERNEL_experts_gemm, rows[i].dtype, rows[i].rows, rows[i].fast);
        if (!is_compiled(rows[i].name))
            continue;
        if (strcmp(got->name, rows[i].name)
            || memcmp(&got->tile, &rows[i].tile, sizeof got->tile)) {
            tap_note("needs %x, %u rows: %s, tiles of %u; expected %s", rows[i].needs, rows[i].rows,
                got->name, got->tile.rows, rows[i].name);
            ok = false;
        }
    }
    return ok;
}

bool registry_lanes(void)
{
    const struct {
        uint32_t shared_memory, words, lanes;
    } rows[] = {
        { 32 << 10, 0, 256 },
        { 32 << 10, 1024, 256 },
        { 32 << 10, 2048, 64 }, // of a list with block 65535
        { 48 << 10, 2048, 256 },
        { 16 << 10, 0, 64 },
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static vkmoe_device device;
        device.gpu.info.shared_memory_size = rows[i].shared_memory;
        device.gpu.limits.maxComputeWorkGroupInvocations = 1024;
        device.gpu.limits.maxComputeWorkGroupSize[0] = 1024;
        const struct attend_shape shape = { .variant = &vkmoe_variants[0], .merges = true };
        const uint32_t got = vkmoe_attend_lanes(&device, &shape, rows[i].words);
        if (got != rows[i].lanes) {
            tap_note("%u bytes of shared memory, %u words: %u lanes, expected %u",
                rows[i].shared_memory, rows[i].words, got, rows[i].lanes);
            ok = false;
        }
    }
    return ok;
}

bool registry_attend(void)
{
    const uint32_t lanes = NEED_gpu | NEED_int64, units = lanes | NEED_matrix_16x16;
    const uint32_t small = lanes | NEED_matrix_8x8x8;
    const char *in_lanes = "attend_columns_in_lanes_int64", *by_units = "attend_matrix_16x16_int64";
    const char *by_small = "attend_matrix_8x8x8_int64";
    const struct {
        uint32_t needs, head_size, heads, kv_heads, tokens, sequences;
        bool by_blocks, by_row, exact;
        const char *name;
        uint32_t rows, group_heads, subgroup_size, list_words, shared_memory;
    } rows[] = {
        { units, 128, 32, 4, 512, 1, .name = by_units, .rows = 8, .group_heads = 8 },
        { units, 64, 8, 8, 64, 1, .name = by_units, .rows = 64, .group_heads = 1 },
        { units, 80, 7, 1, 512, 1, .name = by_units, .rows = 9, .group_heads = 7 },
        { units, 80, 70, 1, 2, 1, .name = by_units, .rows = 1, .group_heads = 35 },
        { units, 64, 8, 8, 63, 1, .name = in_lanes, .rows = 3, .group_heads = 1 },
        { units, 128, 32, 4, 512, 128, .name = in_lanes, .rows = 2, .group_heads = 8 },
        { units, 192, 32, 4, 512, 1, .name = in_lanes, .rows = 1, .group_heads = 8 },
        { units, 72, 32, 4, 512, 1, .name = in_lanes, .rows = 2, .group_heads = 8 },
        { units, 128, 32, 4, 512, 1, .by_blocks = true, .name = in_lanes, 2, 8 },
        { units, 128, 32, 4, 512, 1, .by_row = true, .name = in_lanes, 2, 8 },
        { units, 128, 32, 4, 512, 1, .exact = true, .name = in_lanes, 2, 8 },
        { lanes, 128, 32, 4, 512, 1, .name = in_lanes, 2, 8 },
        { small, 64, 8, 8, 64, 1, .name = by_small, 32, 1, .subgroup_size = 8 },
        { small, 64, 8, 8, 64, 1, .name = in_lanes, 4, 1, .subgroup_size = 16 },
        // A list with block 65535 takes 8 KiB.
        { lanes, 128, 32, 4, 512, 1, .by_blocks = true, .name = in_lanes, 2, 8, .list_words = 2048,
            .shared_memory = 32 << 10 },
        { lanes, 128, 32, 4, 512, 1, .by_blocks = true, .name = in_lanes, 1, 2, .list_words = 2048,
            .shared_memory = 16 << 10 },
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static vkmoe_device device;
        device.needs = rows[i].needs;
        device.matrix_units.subgroup_size = rows[i].subgroup_size;
        device.gpu.info.shared_memory_size = rows[i].shared_memory;
        const uint32_t stride = rows[i].heads * rows[i].head_size;
        const vkmoe_attention a = {
            .device = &device,
            .params = { .hidden = stride,
                .head_size = rows[i].head_size,
                .heads = rows[i].heads,
                .kv_heads = rows[i].kv_heads,
                .expert_kv_heads = rows[i].kv_heads,
                .experts = 1,
                .experts_per_token = 1,
                .precision = rows[i].exact ? VKMOE_PRECISION_EXACT : VKMOE_PRECISION_FAST },
            .query_stride = stride,
            .kv.rows = stride,
            .patterns = { .by_blocks = rows[i].by_blocks,
                .by_row = rows[i].by_row,
                .list_words = rows[i].list_words,
                .reach = 4096 },
        };
        const struct attention_plan plan =
            vkmoe_attention_plan(&a, rows[i].tokens, rows[i].sequences, 4096);
        const struct attend_shape *got = &plan.shape;
        if (is_compiled(rows[i].name)
            && (strcmp(got->variant->name, rows[i].name) || got->rows != rows[i].rows
                || got->heads != rows[i].group_heads)) {
            tap_note("row %zu: %s, %u rows and %u heads; expected %s, %u and %u", i,
                got->variant->name, got->rows, got->heads, rows[i].name, rows[i].rows,
                rows[i].group_heads);
            ok = false;
        }
    }
    return ok;
}

bool registry_heads(void)
{
    static vkmoe_device device;
    bool ok = true;
    device.needs = NEED_gpu | NEED_int64 | NEED_shuffle | NEED_integer_dot;
    device.least_subgroup_size = 16;
    for (uint32_t i = 0; i < 2 * test_format_count; i++) {
        const struct experts e = { .device = &device,
            .dtype = (enum vkmoe_dtype)(i / 2),
            .fast = i % 2,
            .shapes = vkmoe_shapes_choose(&device),
            .columns = 256 };
        const struct variant *form = vkmoe_experts_heads_form(&e);
        const struct variant *product = vkmoe_experts_decode_form(&e, KERNEL_decode_up);
        if (form && !strcmp(form->form, product->form) && vkmoe_experts_finish_heads(&e))
            continue;
        tap_note("%s: no heads behind %s", test_format(e.dtype)->name, product->name);
        ok = false;
    }
    return ok;
}
