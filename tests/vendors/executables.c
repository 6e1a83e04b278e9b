// executables.c - see executables.h.
#include "executables.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MOST_EXECUTABLES 8
#define MOST_STATISTICS 64
#define MOST_REPRESENTATIONS 32

void executables_init(struct executables *executables, PFN_vkGetDeviceProcAddr get, VkDevice device)
{
#define LOAD(name) (PFN_##name)(void (*)(void)) get(device, #name)
    *executables = (struct executables){
        .device = device,
        .get_properties = LOAD(vkGetPipelineExecutablePropertiesKHR),
        .get_statistics = LOAD(vkGetPipelineExecutableStatisticsKHR),
        .get_representations = LOAD(vkGetPipelineExecutableInternalRepresentationsKHR),
    };
#undef LOAD
}

static uint32_t get_properties(const struct executables *executables, VkPipeline pipeline,
    VkPipelineExecutablePropertiesKHR list[MOST_EXECUTABLES])
{
    const VkPipelineInfoKHR info = { VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, NULL, pipeline };
    uint32_t count = MOST_EXECUTABLES;
    for (uint32_t i = 0; i < count; i++)
        list[i] = (VkPipelineExecutablePropertiesKHR){
            VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR
        };
    if (executables->get_properties(executables->device, &info, &count, list) < 0)
        return 0;
    return count;
}

static uint32_t get_statistics(const struct executables *executables,
    const VkPipelineExecutableInfoKHR *info, VkPipelineExecutableStatisticKHR list[MOST_STATISTICS])
{
    uint32_t count = MOST_STATISTICS;
    for (uint32_t i = 0; i < count; i++)
        list[i] = (VkPipelineExecutableStatisticKHR){
            VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR
        };
    if (executables->get_statistics(executables->device, info, &count, list) < 0)
        return 0;
    return count;
}

static VkPipelineExecutableInfoKHR executable_info(VkPipeline pipeline, uint32_t index)
{
    return (VkPipelineExecutableInfoKHR){
        .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR,
        .pipeline = pipeline,
        .executableIndex = index,
    };
}

struct executable {
    VkPipelineExecutableInfoKHR info;
    VkPipelineExecutablePropertiesKHR properties;
    VkPipelineExecutableStatisticKHR statistics[MOST_STATISTICS];
    uint32_t count;
};

static uint32_t get_executables(const struct executables *executables, VkPipeline pipeline,
    struct executable list[MOST_EXECUTABLES])
{
    VkPipelineExecutablePropertiesKHR properties[MOST_EXECUTABLES];
    const uint32_t count = get_properties(executables, pipeline, properties);
    for (uint32_t i = 0; i < count; i++) {
        list[i].info = executable_info(pipeline, i);
        list[i].properties = properties[i];
        list[i].count = get_statistics(executables, &list[i].info, list[i].statistics);
    }
    return count;
}

void executables_visit(const struct executables *executables, VkPipeline pipeline,
    void (*visit)(
        void *user, const char *executable, const VkPipelineExecutableStatisticKHR *statistic),
    void *user)
{
    struct executable list[MOST_EXECUTABLES];
    const uint32_t count = get_executables(executables, pipeline, list);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t s = 0; s < list[i].count; s++)
            visit(user, count > 1 ? list[i].properties.name : "", &list[i].statistics[s]);
    }
}

double statistic_value(const VkPipelineExecutableStatisticKHR *statistic)
{
    switch (statistic->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR: return statistic->value.b32;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR: return (double)statistic->value.i64;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR: return (double)statistic->value.u64;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR: return statistic->value.f64;
    default: return 0;
    }
}

static bool says(const char *name, const char *word)
{
    const size_t length = strlen(word);
    for (; *name; name++) {
        size_t i = 0;
        while (i < length && tolower((unsigned char)name[i]) == word[i])
            i++;
        if (i == length)
            return true;
    }
    return false;
}

// What compilers call memory of an invocation's own. Registers that spill into other registers
// are not meant; "STP" and "LDP" are Turnip's stores and loads, "SLM" is what NVK reserves.
bool statistic_is_spill(const char *name, double value)
{
    static const char *const words[] = { "spill", "scratch", "stp count", "ldp count", "slm size" };
    bool found = false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        found |= says(name, words[i]);
    return value > 0 && found && !says(name, "to reg");
}

// The text that comes last is the nearest to the machine's code.
static void write_assembly(
    const struct executables *executables, const VkPipelineExecutableInfoKHR *info, FILE *file)
{
    VkPipelineExecutableInternalRepresentationKHR list[MOST_REPRESENTATIONS];
    uint32_t count = MOST_REPRESENTATIONS, last = MOST_REPRESENTATIONS;
    for (uint32_t i = 0; i < count; i++)
        list[i] = (VkPipelineExecutableInternalRepresentationKHR){
            VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR
        };
    if (executables->get_representations(executables->device, info, &count, list) < 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        list[i].pData = calloc(1, list[i].dataSize + 1);
        if (!list[i].pData)
            list[i].dataSize = 0;
    }
    if (executables->get_representations(executables->device, info, &count, list) >= 0) {
        for (uint32_t i = 0; i < count; i++) {
            if (list[i].isText && strstr(list[i].name, "ssembly"))
                last = i;
        }
    }
    if (last < count)
        fprintf(file, "====\n%s\n", (const char *)list[last].pData);
    for (uint32_t i = 0; i < count; i++)
        free(list[i].pData);
}

void executables_write(const struct executables *executables, VkPipeline pipeline, FILE *file)
{
    struct executable list[MOST_EXECUTABLES];
    const uint32_t count = get_executables(executables, pipeline, list);
    for (uint32_t i = 0; i < count; i++) {
        const VkPipelineExecutableStatisticKHR *all = list[i].statistics;
        fprintf(file, "subgroup %u\n", list[i].properties.subgroupSize);
        for (const VkPipelineExecutableStatisticKHR *s = all; s < all + list[i].count; s++)
            fprintf(file, "  %s = %.10g\n", s->name, statistic_value(s));
        write_assembly(executables, &list[i].info, file);
    }
}
