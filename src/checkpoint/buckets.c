// buckets.c - see buckets.h. The formula is that of Mesh TensorFlow and transformers, in
// their arithmetic: the checkpoints were trained with its roundings.
#include "checkpoint/buckets.h"

#include <math.h>

#include "base/common.h"

enum { MAX_REACH = 65535 };

// Of the side's buckets, the one that a distance is in.
static uint32_t find_bucket(const struct buckets *b, uint32_t distance)
{
    uint32_t exact = b->side / 2, rest = b->side - exact;
    if (distance < exact)
        return distance;
    float span = (float)log((double)b->max_distance / exact);
    float step = logf((float)distance / (float)exact) / span * (float)rest;
    return step < (float)rest ? exact + (uint32_t)step : b->side - 1;
}

void vkmoe_buckets_read(struct settings *settings, const struct setting *count,
    const struct setting *max_distance, bool both_sides, struct buckets *out)
{
    *out = (struct buckets){ .both_sides = both_sides };
    out->count = vkmoe_setting_read(count, settings, 1, MAX_WIDTH);
    out->max_distance = vkmoe_setting_read(max_distance, settings, 1, INT32_MAX);
    out->side = both_sides ? out->count / 2 : out->count;
    uint32_t exact = out->side / 2;
    if (exact == 0)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID, "%s is %u, expected at least %d",
            count->key, out->count, both_sides ? 4 : 2);
    if (out->max_distance <= exact)
        vkmoe_setting_fail(settings, VKMOE_ERROR_INVALID,
            "%s is %u, expected more than the %u distances that have buckets of their own",
            max_distance->key, out->max_distance, exact);
    if (settings->status != VKMOE_OK)
        return;
    uint32_t reach = exact;
    while (reach <= MAX_REACH && find_bucket(out, reach) < out->side - 1)
        reach++;
    if (reach > MAX_REACH)
        vkmoe_setting_fail(settings, VKMOE_ERROR_UNSUPPORTED,
            "%s is %u, so that buckets differ beyond a distance of %d", max_distance->key,
            out->max_distance, MAX_REACH);
    out->reach = reach;
}

void vkmoe_buckets_expand(
    const struct buckets *buckets, const float *weight, uint32_t heads, float *table)
{
    const uint32_t reach = buckets->reach, width = 2 * reach + 1;
    for (uint32_t i = 0; i < width; i++) {
        uint32_t bucket = 0; // of keys behind the query, if they are not seen
        if (i <= reach)
            bucket = find_bucket(buckets, reach - i);
        else if (buckets->both_sides)
            bucket = buckets->side + find_bucket(buckets, i - reach);
        for (uint32_t h = 0; h < heads; h++)
            table[(size_t)h * width + i] = weight[(size_t)bucket * heads + h];
    }
}
