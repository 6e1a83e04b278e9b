// variants.c - see variants.h.
#include "device/variants.h"

#include "base/common.h"
#include "contracts.h" // every shaders/<kernel>.h

#define VARIANT(kernel, form, needs, defines) \
    extern const uint32_t vkmoe_spv_##kernel##_##form[]; \
    extern const size_t vkmoe_spv_size_##kernel##_##form;
#include "shaders/kernels.def"

const struct variant vkmoe_variants[] = {
#define VARIANT(kernel_, form_, needs_, defines_) \
    { \
        .name = #kernel_ "_" #form_, \
        .kernel = KERNEL_##kernel_, \
        .form = #form_, \
        .needs = NEED_##needs_, \
        .spirv = vkmoe_spv_##kernel_##_##form_, \
        .spirv_size = &vkmoe_spv_size_##kernel_##_##form_, \
        .push_size = sizeof(struct kernel_##_push), \
    },
#include "shaders/kernels.def"
};
const uint32_t vkmoe_variant_count = ARRAY_SIZE(vkmoe_variants);

const struct variant *vkmoe_kernel_choose(
    const vkmoe_device *device, enum kernel kernel, uint32_t unwanted)
{
    const uint32_t usable = device->needs & ~unwanted;
    const struct variant *best = NULL;
    for (uint32_t i = 0; i < vkmoe_variant_count; i++) {
        const struct variant *variant = &vkmoe_variants[i];
        if (variant->kernel != kernel)
            continue;
        if (!best || (!(variant->needs & ~usable) && *variant->spirv_size))
            best = variant;
    }
    return best;
}
