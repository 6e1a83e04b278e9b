// variants.c - see variants.h.
#include "device/variants.h"

#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/hash.h"
#include "device/overrides.h"
#include "device/verdicts.h"
#include "contracts.h" // every shaders/<kernel>.h
#include "shaders/code_books.h"

enum {
    SPIRV_HEADER = 5,    // words
    SPIRV_OPCODES = 512, // as in shaders/pack.py
};

// A row makes a module for each way to compute addresses, as shaders/meson.build does.
#define FORM(kernel, form, addresses, ...) FORM_##addresses(kernel, form, __VA_ARGS__)
#define FORM_plain(kernel, form, ...) MODULE(kernel##_##form, NEED_none, kernel, form, __VA_ARGS__)
#define FORM_int64(kernel, form, ...) \
    MODULE(kernel##_##form##_int64, NEED_int64, kernel, form, __VA_ARGS__)
#define FORM_both(kernel, form, ...) \
    FORM_plain(kernel, form, __VA_ARGS__) FORM_int64(kernel, form, __VA_ARGS__)

#define MODULE(name, ...) \
    extern const unsigned char vkmoe_spv_##name[]; \
    extern const size_t vkmoe_spv_size_##name, vkmoe_spv_packed_size_##name;
#include "shaders/kernels.def"
#undef MODULE

const struct variant vkmoe_variants[] = {
#define FORM(kernel, form, addresses, ...) FORM_##addresses(kernel, form, __VA_ARGS__)
#define MODULE( \
    name_, address_, kernel_, form_, needs_, formats_, from_, rows_, blocks_, lanes_, defines_) \
    { \
        .name = #name_, \
        .kernel = KERNEL_##kernel_, \
        .form = #form_, \
        .needs = (address_) | (needs_), \
        .formats = (formats_), \
        .from = (from_), \
        .tile = { rows_, blocks_, lanes_ }, \
        .spirv = vkmoe_spv_##name_, \
        .spirv_size = &vkmoe_spv_size_##name_, \
        .packed_size = &vkmoe_spv_packed_size_##name_, \
        .push_size = sizeof(struct kernel_##_push), \
    },
#include "shaders/kernels.def"
};
const uint32_t vkmoe_variant_count = ARRAY_SIZE(vkmoe_variants);
_Static_assert(ARRAY_SIZE(vkmoe_variants) <= VERDICTS_MAX, "verdicts have no room for all");

// The next one of a packed module.
static uint32_t unpack_number(const unsigned char **at)
{
    uint32_t number = 0, shift = 0;
    while (**at > 127) {
        number |= (uint32_t)(*(*at)++ & 127) << shift;
        shift += 7;
    }
    return number | (uint32_t) * (*at)++ << shift;
}

// An instruction from the last one of its opcode; see shaders/pack.py. Returns its length.
static uint32_t unpack_instruction(
    const unsigned char **at, uint32_t *words, uint32_t place, uint32_t places[SPIRV_OPCODES])
{
    const uint32_t code = unpack_number(at);
    uint32_t *last_place = &places[(code >> 1) % SPIRV_OPCODES];
    const uint32_t *last = words + *last_place;
    const uint32_t last_length = *last_place ? *last >> 16 : 0;
    const uint32_t length = code & 1 ? unpack_number(at) : last_length;
    words[place] = length << 16 | code >> 1;
    for (uint32_t i = 1; i < length; i++) {
        const uint32_t n = unpack_number(at);
        words[place + i] = (i < last_length ? last[i] : 0) + (n >> 1 ^ (0 - (n & 1)));
    }
    *last_place = place;
    return length;
}

uint32_t *vkmoe_variant_spirv(const struct variant *variant)
{
    const uint32_t count = (uint32_t)(*variant->spirv_size / 4);
    const unsigned char *at = variant->spirv;
    uint32_t places[SPIRV_OPCODES] = { 0 }; // 0: there was none
    uint32_t *words = malloc(MAX(*variant->spirv_size, 1));
    uint32_t place = 0;
    for (; words && place < MIN(count, SPIRV_HEADER); place++)
        words[place] = unpack_number(&at);
    while (words && place < count)
        place += unpack_instruction(&at, words, place, places);
    return words;
}

uint64_t vkmoe_variant_hash(const struct variant *variant, uint64_t hash)
{
    return hash_bytes(hash, variant->spirv, *variant->packed_size);
}

// With a code book as well, forms that unpack for matrix units have more in shared memory than
// vulkan/matrix_units.c asks of a device; but for those of the smallest tiles.
static bool fits(const vkmoe_device *device, const struct variant *variant, uint32_t formats)
{
#define OR_FORMAT(name, first, entries) | 1u << VKMOE_DTYPE_##name
    const bool has_book = formats & (0 CODE_BOOKS(OR_FORMAT));
    return !has_book || variant->formats != FORMATS_unpacked
        || !(variant->needs & NEED_ANY_MATRIX & ~(uint32_t)NEED_matrix_8x8x8)
        || device->gpu.info.shared_memory_size >= SHARED_MEMORY_WITH_BOOK;
}

static bool can_run(
    const vkmoe_device *device, const struct variant *variant, uint32_t formats, bool fast)
{
    const uint32_t needs = device->needs | (fast ? NEED_fast : 0);
    return !(variant->needs & ~needs) && *variant->spirv_size && fits(device, variant, formats);
}

static const struct variant *choose(
    const vkmoe_device *device, enum kernel kernel, uint32_t formats, uint32_t rows, bool fast)
{
    const struct variant *best = NULL;
    for (uint32_t i = 0; i < vkmoe_variant_count; i++) {
        const struct variant *variant = &vkmoe_variants[i];
        if (variant->kernel != kernel || formats & ~variant->formats
            || variant->from == FROM_MEASURED)
            continue;
        const bool runs = can_run(device, variant, formats, fast)
            && !verdict_is_wrong(device->verdicts, variant, formats, fast);
        if (!best || (runs && rows >= variant->from))
            best = variant;
    }
    return best;
}

const struct variant *vkmoe_form_plainest(enum kernel kernel, enum vkmoe_dtype dtype)
{
    const struct variant *variant = vkmoe_variants;
    while (variant->kernel != kernel || !(variant->formats >> dtype & 1))
        variant++;
    return variant;
}

const struct variant *vkmoe_form_like(const vkmoe_device *device, enum kernel kernel,
    const struct variant *other, enum vkmoe_dtype dtype, bool fast)
{
    for (uint32_t i = 0; i < vkmoe_variant_count; i++) {
        const struct variant *variant = &vkmoe_variants[i];
        if (variant->kernel == kernel && variant->needs == other->needs
            && !strcmp(variant->form, other->form) && *variant->spirv_size)
            return verdict_is_wrong(device->verdicts, variant, 1u << dtype, fast) ? NULL : variant;
    }
    return NULL;
}

bool vkmoe_variant_runs(
    const vkmoe_device *device, const struct variant *variant, enum vkmoe_dtype dtype, bool fast)
{
    return variant->formats >> dtype & 1 && can_run(device, variant, 1u << dtype, fast);
}

bool vkmoe_precision_matters(const vkmoe_device *device, enum vkmoe_dtype dtype)
{
    for (uint32_t i = 0; i < vkmoe_variant_count; i++)
        if (vkmoe_variants[i].kernel != KERNEL_attend // which reads no weights
            && vkmoe_variants[i].needs & (NEED_fast | NEED_ANY_MATRIX)
            && vkmoe_variant_runs(device, &vkmoe_variants[i], dtype, true))
            return true;
    return false;
}

// As it was measured; NULL: it was not.
static const struct form_override *measured(const vkmoe_device *device, enum kernel kernel,
    enum vkmoe_dtype dtype, uint32_t rows, bool fast)
{
    const struct overrides *o = device->overrides;
    const struct form_override *best = NULL;
    const bool rounds = fast && o && o->form_count && vkmoe_precision_matters(device, dtype);
    for (uint32_t i = 0; o && i < o->form_count; i++) {
        const struct form_override *form = &o->forms[i];
        if (form->variant->kernel == kernel && form->dtype == dtype && form->fast == rounds
            && rows >= form->from && (!best || form->from >= best->from)
            && !verdict_is_wrong(device->verdicts, form->variant, 1u << dtype, fast))
            best = form;
    }
    return best;
}

const struct variant *vkmoe_form_choose(const vkmoe_device *device, enum kernel kernel,
    enum vkmoe_dtype dtype, uint32_t rows, bool fast)
{
    const struct form_override *form = measured(device, kernel, dtype, rows, fast);
    return form ? form->variant : choose(device, kernel, 1u << dtype, rows, fast);
}

uint32_t vkmoe_form_from(const vkmoe_device *device, enum kernel kernel, enum vkmoe_dtype dtype,
    uint32_t rows, bool fast)
{
    const struct form_override *form = measured(device, kernel, dtype, rows, fast);
    return form ? form->from : choose(device, kernel, 1u << dtype, rows, fast)->from;
}

const struct variant *vkmoe_kernel_choose(const vkmoe_device *device, enum kernel kernel)
{
    return choose(device, kernel, FORMATS_all, 0, false);
}
