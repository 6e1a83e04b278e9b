// pattern.c - see pattern.h.
#include "pattern.h"

// The remainder that is never negative.
static int64_t modulo(int64_t a, int64_t b)
{
    return (a % b + b) % b;
}

static bool is_listed(const struct vkmoe_pattern *pattern, uint32_t key)
{
    bool listed = pattern->top > 0;
    for (uint32_t i = 0; i < pattern->block_count; i++)
        listed = listed || pattern->blocks[i] == key / pattern->block;
    return listed;
}

bool pattern_shows(const struct vkmoe_pattern *pattern, uint32_t position, uint32_t key)
{
    const int64_t i = position, j = key, step = pattern->step ? pattern->step : 1;
    if (pattern->left && i - j >= (int64_t)pattern->left)
        return false;
    if (pattern->both_sides && pattern->right && j - i > (int64_t)pattern->right)
        return false;
    switch (pattern->kind) {
    case VKMOE_PATTERN_WINDOW: return true;
    case VKMOE_PATTERN_STRIDED: return modulo(j, step) == (int64_t)pattern->phase;
    case VKMOE_PATTERN_DILATED: return modulo(i - j, step) == (int64_t)pattern->phase;
    case VKMOE_PATTERN_BLOCKS: return is_listed(pattern, key);
    case VKMOE_PATTERN_CHUNKED: return key / pattern->block == position / pattern->block;
    }
    return false;
}

bool pattern_sees(
    const struct vkmoe_pattern *pattern, uint32_t position, uint32_t key, uint32_t length)
{
    const int64_t i = position, j = key;
    if (pattern->both_sides ? j >= length : j > i)
        return false;
    if (j < pattern->sinks || (j <= i && i - j < (int64_t)pattern->local))
        return true;
    return pattern_shows(pattern, position, key);
}
