// span.c - see span.h.
#include "device/span.h"

#include "base/common.h"
#include "base/try.h"
#include "device/buffer.h"

static enum vkmoe_status check(
    const struct caller *caller, const vkmoe_device *device, const struct span_rule *rule)
{
    const struct vkmoe_span *span = rule->span;
    if (!span->buffer) {
        if (!rule->required)
            return VKMOE_OK;
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "%s is missing", rule->name);
    }
    const uint64_t size = vkmoe_buffer_size(span->buffer);
    if (span->buffer->device != device)
        return vkmoe_refuse(
            caller, VKMOE_ERROR_INVALID, "%s is a buffer of another device", rule->name);
    if (span->offset % 4 != 0)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID, "%s.offset %llu is no multiple of 4",
            rule->name, (unsigned long long)span->offset);
    if (span->offset > size || size - span->offset < rule->elements * 4)
        return vkmoe_refuse(caller, VKMOE_ERROR_INVALID,
            "%s needs %llu bytes from offset %llu, the buffer has %llu", rule->name,
            (unsigned long long)rule->elements * 4, (unsigned long long)span->offset,
            (unsigned long long)size);
    return VKMOE_OK;
}

static bool overlap(const struct span_rule *a, const struct span_rule *b)
{
    const uint64_t first = vkmoe_span_address(a->span), second = vkmoe_span_address(b->span);
    return first && second && first < second + b->elements * 4 && second < first + a->elements * 4;
}

enum vkmoe_status vkmoe_spans_check(const struct caller *caller, const vkmoe_device *device,
    const struct span_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        TRY_RETURN(check(caller, device, &rules[i]));
        for (size_t j = 0; j < i; j++) {
            if ((rules[i].written || rules[j].written) && overlap(&rules[i], &rules[j]))
                return vkmoe_refuse(
                    caller, VKMOE_ERROR_INVALID, "%s overlaps %s", rules[j].name, rules[i].name);
        }
    }
    return VKMOE_OK;
}

uint64_t vkmoe_span_address(const struct vkmoe_span *span)
{
    return span->buffer ? vkmoe_buffer_address(span->buffer) + span->offset : 0;
}

uint64_t vkmoe_span_element(const struct vkmoe_span *span, uint64_t index)
{
    return span->buffer ? vkmoe_span_address(span) + 4 * index : 0;
}
