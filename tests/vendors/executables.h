// executables.h - what a driver tells of a pipeline that it compiled
// (VK_KHR_pipeline_executable_properties).
#ifndef VKMOE_TESTS_EXECUTABLES_H
#define VKMOE_TESTS_EXECUTABLES_H

#ifndef VK_NO_PROTOTYPES
#define VK_NO_PROTOTYPES
#endif
#include <vulkan/vulkan.h>

#include <stdbool.h>
#include <stdbool.h>
#include <stdio.h>

struct executables {
    VkDevice device;
    PFN_vkGetPipelineExecutablePropertiesKHR get_properties;
    PFN_vkGetPipelineExecutableStatisticsKHR get_statistics;
    PFN_vkGetPipelineExecutableInternalRepresentationsKHR get_representations;
};

void executables_init(
    struct executables *executables, PFN_vkGetDeviceProcAddr get, VkDevice device);

// Calls `visit` for each statistic of each executable. `executable` is empty if there is but one.
void executables_visit(const struct executables *executables, VkPipeline pipeline,
    void (*visit)(
        void *user, const char *executable, const VkPipelineExecutableStatisticKHR *statistic),
    void *user);

double statistic_value(const VkPipelineExecutableStatisticKHR *statistic);

// Whether a statistic of this name, which may stand after its executable's, says that registers are
// kept in memory.
bool statistic_is_spill(const char *name, double value);

// For each executable the line "subgroup LANES", its statistics as lines "  NAME = VALUE", a line
// "====" and its assembly, if the pipeline was made to keep that. isa.py reads it.
void executables_write(const struct executables *executables, VkPipeline pipeline, FILE *file);

#endif
