// quirks.c - see quirks.h.
#include "vulkan/quirks.h"

#include "base/common.h"

#define NEWEST UINT32_MAX
#define BEFORE(major, minor) (VK_MAKE_API_VERSION(0, major, minor, 0) - 1)
#define FROM(major, minor) VK_MAKE_API_VERSION(0, major, minor, 0)
#define MESA_NVK ((VkDriverId)24) // headers of 2022 name neither
#define MESA_HONEYKRISP ((VkDriverId)26)
#define FEW "Of attend with 8 queries and 4 loads under way Mesa 26.1 spills registers, as many as "
#define SAME_HARDWARE "As Mesa's driver for the same hardware; not tried"

static const struct {
    VkDriverId driver;
    uint32_t first, last; // versions
    enum quirk quirk;
    const char *evidence; // what happens, and where it was seen
} quirks[] = {
    // lavapipe of Mesa 22.3 says that its version is 0.0.1.
    { VK_DRIVER_ID_MESA_LLVMPIPE, 0, BEFORE(26, 0), QUIRK_LOOPS_END,
        "An invocation's loops end after 65535 iterations together, as if their conditions were "
        "false. Mesa 22.3 does so, 26.1 does not; where it changed was not looked for." },
    { VK_DRIVER_ID_MESA_LLVMPIPE, FROM(26, 0), NEWEST, QUIRK_UNIFORM_LOADS_SCALAR,
        "One load and a broadcast, where 22.3 and SwiftShader make one load a lane: one token, "
        "hidden 1024, inner 512, 4 experts in f16 on a Xeon of 2.8 GHz: 8.7 GFLOP/s with forms "
        "made for that, 5.6 without. Mesa 26.1." },
    { VK_DRIVER_ID_INTEL_OPEN_SOURCE_MESA, 0, BEFORE(26, 2), QUIRK_MATRICES_SPILL,
        "The GEMM of experts_gemm for 8 x 16 spills 93 registers on a B580, and that for 8 x 8 151 "
        "on an A770, with Mesa 26.1.6; with 26.2.6 they spill none." },
    { VK_DRIVER_ID_INTEL_OPEN_SOURCE_MESA, 0, NEWEST, QUIRK_FEW_REGISTERS, FEW "200 and more" },
    { VK_DRIVER_ID_INTEL_PROPRIETARY_WINDOWS, 0, NEWEST, QUIRK_FEW_REGISTERS, SAME_HARDWARE },
    { VK_DRIVER_ID_MESA_TURNIP, 0, NEWEST, QUIRK_FEW_REGISTERS, FEW "70" },
    { VK_DRIVER_ID_QUALCOMM_PROPRIETARY, 0, NEWEST, QUIRK_FEW_REGISTERS, SAME_HARDWARE },
    { MESA_HONEYKRISP, 0, NEWEST, QUIRK_FEW_REGISTERS, FEW "12" },
    { MESA_NVK, 0, NEWEST, QUIRK_SLOW_CONVERSIONS,
        "Decoding q4_K with scales as floats takes 1.55 instructions a weight with Mesa 26.2, as "
        "integers 1.49. I2F has a quarter of the rate of IMAD on the hardware." },
    { VK_DRIVER_ID_NVIDIA_PROPRIETARY, 0, NEWEST, QUIRK_SLOW_CONVERSIONS, SAME_HARDWARE },
};

uint32_t vkmoe_quirks_of(VkDriverId driver, uint32_t version)
{
    uint32_t mask = 0;
    for (uint32_t i = 0; i < ARRAY_SIZE(quirks); i++)
        if (quirks[i].driver == driver && quirks[i].first <= version && version <= quirks[i].last)
            mask |= quirks[i].quirk;
    return mask;
}
