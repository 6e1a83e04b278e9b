// pattern.h - which keys a query sees: of all references the one place that knows patterns.
#ifndef VKMOE_TESTS_PATTERN_H
#define VKMOE_TESTS_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include <vkmoe/moe.h>

// True if a query at `position` sees key `key` of `length` held ones. Of patterns with `top`
// all blocks count as seen; one that lists what was chosen has no `top`.
bool pattern_sees(
    const struct vkmoe_pattern *pattern, uint32_t position, uint32_t key, uint32_t length);

// The same by window and kind alone, whatever sinks, local keys and the side say.
bool pattern_shows(const struct vkmoe_pattern *pattern, uint32_t position, uint32_t key);

#endif
