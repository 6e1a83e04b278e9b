// class_dispatches.h - what size classes add to the dispatches of a layer.
#ifndef VKMOE_TESTS_CLASS_DISPATCHES_H
#define VKMOE_TESTS_CLASS_DISPATCHES_H

#include "moe/plan.h"

// One for each product of the experts, where they are of two classes.
static inline uint32_t class_dispatches(const vkmoe_moe *layer, uint32_t tokens)
{
    const struct moe_plan plan = vkmoe_moe_plan(layer, tokens, tokens);
    return plan.few || plan.sorted.class_count < 2 ? 0 : plan.sorted.classes[1].gate ? 3 : 2;
}

#endif
