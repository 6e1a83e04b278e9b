// abi_now.c - what abi.c has to know of today's headers, which it does not see.
#include <vkmoe/vkmoe.h>

extern const uint32_t now_version, now_device_info, now_device_params;
extern const char now_meson_version[];

const uint32_t now_version = VKMOE_VERSION;
const uint32_t now_device_info = sizeof(struct vkmoe_device_info);
const uint32_t now_device_params = sizeof(struct vkmoe_device_params);
const char now_meson_version[] = MESON_VERSION;
