// tuning.c - see tuning.h.
#include "device/tuning.h"

#include "base/common.h"
#include "device/overrides.h"

// Of devices that fit several rows of one figure the last counts.
enum device_class { ANY, CPU, GPU };

struct tuned {
    enum tune what;
    enum device_class device;
    uint32_t value;
    bool whole_subgroup; // a subgroup, if that is more
    const char *measured;
};

// clang-format off
#define LAVAPIPE "lavapipe of Mesa 26.1, 2 cores of a Xeon at 2.8 GHz; "
#define NOT_KEPT "lavapipe; the figures were not kept"
#define NO_GPU "no GPU yet"
static const struct tuned rows[] = {
    { TUNE_ROUTE_LANES,   CPU, 8,       false, LAVAPIPE "see BROADCAST in lib/weights.glsl" },
    { TUNE_ROUTE_LANES,   GPU, 512,     true,  NO_GPU "; weights under way at one token" },
    { TUNE_DECODE_LANES,  CPU, 8,       false, LAVAPIPE "see BROADCAST in lib/weights.glsl" },
    { TUNE_DECODE_LANES,  GPU, 256,     true,  NO_GPU "; weights under way at one token" },
    { TUNE_DECODE_UNROLL, CPU, 1,       false, LAVAPIPE "more was not faster" },
    { TUNE_DECODE_UNROLL, GPU, 4,       false, NO_GPU "; weights under way at one token" },
    { TUNE_INTEGER_UNROLL, GPU, 8,      false, NO_GPU "; by instructions that compilers make" },
    { TUNE_DECODE_TOKENS, CPU, 4,       false, NOT_KEPT },
    { TUNE_DECODE_TOKENS, GPU, 16,      false, NO_GPU "; more are bound by arithmetic" },
    { TUNE_COLUMN_TOKENS, CPU, 1,       false, "lavapipe of Mesa 26.1, 2 cores of an EPYC; "
        "2 to 4 tokens took 0.7 to 1 times as long sorted" },
    { TUNE_DIRECT_TOKENS, CPU, 4,       false, NOT_KEPT },
    { TUNE_DIRECT_TOKENS, GPU, 64,      false, NO_GPU "; a GEMM of few rows has few workgroups" },
    { TUNE_DIRECT_GROUPS, CPU, 1,       false, "no form for CPUs is cut along K" },
    { TUNE_DIRECT_GROUPS, GPU, 128,     false, NO_GPU "; one for each core of a large one" },
    { TUNE_DECODE_TOGETHER, CPU, 1,     false, LAVAPIPE "see lib/decode.glsl" },
    { TUNE_DECODE_TOGETHER, GPU, 4,     false, NO_GPU "; 8 spill on Intel and Adreno" },
    { TUNE_DECODE_BLOCKS, CPU, 4,       false, NOT_KEPT },
    { TUNE_DECODE_BLOCKS, GPU, 2,       false, NO_GPU },
    { TUNE_ROUTE_TOKENS,  CPU, 8,       false, NOT_KEPT },
    { TUNE_ROUTE_TOKENS,  GPU, 4,       false, NO_GPU },
    { TUNE_ROUTE_BLOCKS,  CPU, 4,       false, LAVAPIPE
        "8 tokens and 32 experts took 1.3 times as long one by one" },
    { TUNE_ROUTE_BLOCKS,  GPU, 1,       false, NO_GPU },
    { TUNE_ROUTE_UNROLL,  CPU, 1,       false, NOT_KEPT },
    { TUNE_ROUTE_UNROLL,  GPU, 4,       false, NO_GPU "; all under way; 8 spill on NVK" },
    { TUNE_FOLD_NORMS,    CPU, 1,       false, LAVAPIPE "where lanes own columns" },
    { TUNE_FOLD_NORMS,    GPU, 1,       false, NO_GPU "; a dispatch costs about 2.5 us" },
    { TUNE_COMBINE_LANES, CPU, 8,       false, NOT_KEPT },
    { TUNE_COMBINE_LANES, GPU, 64,      false, NO_GPU },
    { TUNE_MODEL_LANES,   CPU, 8,       false, NOT_KEPT },
    { TUNE_MODEL_LANES,   GPU, 256,     true,  NO_GPU "; norm waits for memory in fewer turns" },
    { TUNE_ATTEND_LANES,  CPU, 8,       false, NOT_KEPT },
    { TUNE_ATTEND_LANES,  GPU, 64,      false, NO_GPU },
    { TUNE_STORE_HEADS,   CPU, 1 << 16, false, "lavapipe of Mesa 22.3, 2 shared cores of a Xeon; "
        "32 heads of one token took 1.07 times as long one by one" },
    { TUNE_STORE_HEADS,   GPU, 1,       false, NO_GPU "; one wave a head" },
    { TUNE_ATTEND_GROUPS, CPU, 4,       false, NOT_KEPT },
    { TUNE_ATTEND_GROUPS, GPU, 256,     false, NO_GPU "; some for each core of a large one" },
    { TUNE_SPLIT_KEYS,    ANY, 256,     false, NOT_KEPT },
    { TUNE_COLUMN_LANES,  GPU, 256,     true,  NO_GPU "; shared memory: 25 KiB" },
    { TUNE_COLUMN_GROUPS, GPU, 128,     false, NO_GPU "; one for each core of a large one" },
    { TUNE_COLUMN_KEYS,   GPU, 128,     false, NO_GPU "; a block of them" },
    { TUNE_PARTIALS_SIZE, ANY, 1 << 20, false, "nowhere: a bound of scratch" },
    { TUNE_PIECE_SIZE,    ANY, 8 << 20, false, "nowhere: long enough to hide what a submit costs" },
    { TUNE_HOST_PACKS,    CPU, 1,       false, NOT_KEPT },
    { TUNE_HOST_PACKS,    GPU, 0,       false, NO_GPU "; the host reads files meanwhile" },
};
// clang-format on

uint32_t vkmoe_tuning(const vkmoe_device *device, enum tune what)
{
    const enum device_class class = device->is_cpu ? CPU : GPU;
    const uint32_t measured = device->overrides ? device->overrides->values[what] : 0;
    uint32_t value = 0;
    for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].what != what || (rows[i].device != ANY && rows[i].device != class))
            continue;
        value = measured ? measured : rows[i].value;
        if (rows[i].whole_subgroup)
            value = MAX(value, device->subgroup_size);
    }
    return value;
}
