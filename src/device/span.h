// span.h - the rules of spans, checked before anything is recorded.
#ifndef VKMOE_SPAN_H
#define VKMOE_SPAN_H

#include "device/memory.h"

// One operand of a forward: `elements` of 4 bytes each.
struct span_rule {
    const char *name;
    const struct vkmoe_span *span;
    uint64_t elements;
    bool required, written;
};

// INVALID, with a span's name in the log, if one is missing, too short, misaligned or of another
// device, or if one that is written overlaps another.
enum vkmoe_status vkmoe_spans_check(const struct caller *caller, const vkmoe_device *device,
    const struct span_rule *rules, size_t count);

uint64_t vkmoe_span_address(const struct vkmoe_span *span); // 0 without a buffer

// Of the element at `index`; 0 without a buffer.
uint64_t vkmoe_span_element(const struct vkmoe_span *span, uint64_t index);

#endif
