// rope.c - the angles of rotary position embedding, arXiv 2104.09864, and its scalings.
#include "attention/attention.h"

#include "base/common.h"

#include <math.h>

#define PI 3.14159265358979323846

// The pair of a head that turns `turns` times over the trained context (YaRN, eq. 20).
static double yarn_pair(const struct vkmoe_rope *rope, uint32_t size, double turns)
{
    return size * log(rope->original_positions / (turns * 2 * PI)) / (2 * log(rope->base));
}

// How much of pair `c` keeps its frequency: 1 the fast ones, 0 the slow ones.
static double yarn_kept(const struct vkmoe_rope *rope, uint32_t size, uint32_t c)
{
    double low = yarn_pair(rope, size, rope->beta_fast ? rope->beta_fast : 32);
    double high = yarn_pair(rope, size, rope->beta_slow ? rope->beta_slow : 1);
    if (!rope->exact_range) {
        low = floor(low);
        high = ceil(high);
    }
    low = MAX(low, 0);
    high = MIN(high, size - 1.0);
    if (low == high)
        high += 0.001;
    const double ramp = (c - low) / (high - low);
    return 1 - MIN(MAX(ramp, 0), 1);
}

static double llama3_frequency(const struct vkmoe_rope *rope, double frequency)
{
    const double turns = rope->original_positions * frequency / (2 * PI);
    if (turns < rope->low_factor)
        return frequency / rope->factor;
    if (turns >= rope->high_factor) // which low_factor may be as well
        return frequency;
    const double smooth = (turns - rope->low_factor) / (rope->high_factor - rope->low_factor);
    return (1 - smooth) * frequency / rope->factor + smooth * frequency;
}

// Dynamic scaling grows the base with the context: the slowest pair turns `factor` * contexts -
// (`factor` - 1) times slower, the fastest as ever.
static double base_of(const struct vkmoe_rope *rope, uint32_t size, uint32_t length)
{
    if (rope->scaling != VKMOE_ROPE_SCALING_DYNAMIC || length <= rope->original_positions)
        return rope->base;
    const double factor = rope->factor, contexts = (double)length / rope->original_positions;
    return rope->base * pow(factor * contexts - (factor - 1), size / (size - 2.0));
}

static double frequency_of(
    const struct vkmoe_rope *rope, uint32_t size, uint32_t length, uint32_t c)
{
    const double frequency = pow(base_of(rope, size, length), -2.0 * c / size);
    switch (rope->scaling) {
    case VKMOE_ROPE_SCALING_LINEAR: return frequency / rope->factor;
    case VKMOE_ROPE_SCALING_LLAMA3: return llama3_frequency(rope, frequency);
    case VKMOE_ROPE_SCALING_YARN: {
        const double kept = yarn_kept(rope, size, c);
        return frequency * kept + frequency / rope->factor * (1 - kept);
    }
    default: return frequency;
    }
}

// YaRN and LongRoPE scale queries and keys alike, and so the rotation itself.
float vkmoe_rope_magnitude(const struct vkmoe_attention_params *p, bool is_long)
{
    const struct vkmoe_rope *rope = &p->rope;
    if (rope->scaling == VKMOE_ROPE_SCALING_LONGROPE) {
        const float factor = is_long ? p->long_rope.attention_factor : rope->attention_factor;
        return factor != 0 ? factor : 1;
    }
    if (rope->scaling != VKMOE_ROPE_SCALING_YARN)
        return 1;
    if (rope->attention_factor != 0)
        return rope->attention_factor;
    return rope->factor > 1 ? (float)(0.1 * log(rope->factor) + 1) : 1;
}

bool vkmoe_rope_scales(const struct vkmoe_attention_params *p)
{
    return p->rope.kind != VKMOE_ROPE_NONE
        && (vkmoe_rope_magnitude(p, false) != 1 || vkmoe_rope_magnitude(p, true) != 1);
}

void vkmoe_rope_table(const struct vkmoe_rope *rope, const float *divisors, uint32_t size,
    uint32_t length, uint32_t *out)
{
    for (uint32_t c = 0; c < size / 2; c++) {
        const double frequency = frequency_of(rope, size, length, c) / (divisors ? divisors[c] : 1);
        const double turns = frequency / (2 * PI); // whole ones are none
        const uint64_t fraction = (uint64_t)ldexp(turns - floor(turns), 64);
        out[2 * c] = (uint32_t)fraction;
        out[2 * c + 1] = (uint32_t)(fraction >> 32);
    }
}
