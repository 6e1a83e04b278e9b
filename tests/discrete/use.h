// use.h - a test that runs on a card of the layer's, on whatever driver it is started.
#ifndef VKMOE_TESTS_DISCRETE_USE_H
#define VKMOE_TESTS_DISCRETE_USE_H

#include <stdlib.h>
#include <string.h>

#define EXPLICIT_LAYERS \
    "/etc/vulkan/explicit_layer.d:/usr/local/share/vulkan/explicit_layer.d:" \
    "/usr/share/vulkan/explicit_layer.d"

// Before the first call of Vulkan. `layers` is the folder of the layer's manifest. The validation
// layer stays, above, if it is `validated` and tests/drivers.sh asked for it.
static inline void use_card(const char *layers, const char *card, bool validated)
{
    char path[2000];
    const char *asked = getenv("VK_INSTANCE_LAYERS");
    const bool keeps = validated && asked && strstr(asked, "VK_LAYER_KHRONOS_validation");
    snprintf(path, sizeof path, "%s:%s", layers, EXPLICIT_LAYERS);
    setenv("VK_LAYER_PATH", path, 1);
    setenv("VK_INSTANCE_LAYERS",
        keeps ? "VK_LAYER_KHRONOS_validation:VK_LAYER_VKMOE_discrete" : "VK_LAYER_VKMOE_discrete",
        1);
    unsetenv("VK_LOADER_LAYERS_ENABLE");
    setenv("VKMOE_DISCRETE", card, 1);
}

#endif
