// faults_work.h - what faults.c has fail: work from the first call to the last answer, which
// notes what a call that fails does beside failing.
#ifndef VKMOE_TESTS_FAULTS_WORK_H
#define VKMOE_TESTS_FAULTS_WORK_H

#include "sweep.h" // before host.h: both bring Vulkan's types, this one without prototypes
#include "sweep_pool.h"

#include "check.h"
#include "host.h"
#include "tiny_layer.h"
#include "whole_checkpoints.h"
#include <vkmoe/model.h>

#define MAX_ANSWER 4096

// Whose the device and the command buffers are.
enum use { USE_OWN, USE_ADOPTED, USE_RECORDED };

struct scene {
    enum use use;
    struct host host; // but for USE_OWN
    struct record record;
    struct tiny_layer tiny;
    struct whole_checkpoint checkpoint;
    vkmoe_checkpoint *model;
    vkmoe_device *device;
    unsigned char *cache; // of pipelines, for the next device
    size_t cache_size;
    VkCommandBuffer commands; // the host's, being recorded
    // Of the run in progress:
    bool persists;                         // a call that fails is made once more
    enum vkmoe_status expected;            // of the call that fails
    uint32_t felt;                         // calls that did
    uint32_t error_lines, commands_before; // when the call began
    bool wrong;                            // something was noted
    // What the work computes.
    float answer[MAX_ANSWER];
    uint32_t answer_count;
};

struct work {
    const char *name;
    // Masks of 1 << enum use: where the calls fail that it always makes, and those that it only
    // makes with a new device, which take longer.
    uint32_t uses, cold_uses;
    bool needs_device; // scene_open() first
    enum vkmoe_status (*run)(struct scene *scene);
};

extern const struct work works[];
extern const uint32_t work_count;

// faults_cases.c
extern const struct test fault_cases[];
extern const uint32_t fault_case_count;

bool scene_init(struct scene *scene, enum use use);
void scene_finish(struct scene *scene);

// The device of the scene, new, or gone.
enum vkmoe_status scene_open(struct scene *scene);
void scene_close(struct scene *scene);

#endif
