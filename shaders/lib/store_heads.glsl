// store_heads.glsl - finishes heads of queries and keys, and writes heads of keys and values into
// the cache, as store.h's constants say. Of a workgroup of LANES invocations. What is finished is
// read from arrays of type SOURCE by load_source().
#ifndef STORE_HEADS_GLSL
#define STORE_HEADS_GLSL

#define D STORE_HEAD_SIZE
#define CACHE_TYPE STORE_CACHE
#define CACHE_HEAD_SIZE D
#include "lib/cache.glsl"
#include "lib/quantise.glsl"

#define SQUARE_LANES min(LANES, STORE_LANES)

// A NaN stays one, of which clamp() makes a number on some drivers. It is known by its bits, since
// drivers may take isnan() for false.
float clip(float x)
{
    const bool is_nan = (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u;
    return STORE_CLIP == 0.0 || is_nan ? x : clamp(x, -STORE_CLIP, STORE_CLIP);
}

// What cosines and sines are multiplied with; LongRoPE has one for each of its tables.
float rope_magnitude()
{
    return STORE_ROPE_SCALED != 0
        ? uintBitsToFloat(load_u32x2(pc.rotations, STORE_ROPE_SIZE / 2).x)
        : 1.0;
}

// `turned`: of them after RoPE, which changes no sum of squares but by its magnitude.
float square_sum(SOURCE source, uint first, uint count, bool turned)
{
    const bool takes_part = LANES == SQUARE_LANES || gl_LocalInvocationIndex < SQUARE_LANES;
    const float magnitude = turned ? rope_magnitude() : 1.0;
    float sum = 0.0;
    // Of STORE_LANES lanes at most, so that sums are the same whatever LANES is.
    for (uint i = gl_LocalInvocationIndex; i < count && takes_part; i += SQUARE_LANES) {
        float x = load_source(source, first + i);
        if (turned && STORE_ROPE != ROPE_NONE && i < STORE_ROPE_SIZE)
            x *= magnitude;
        sum = fma(x, x, sum);
    }
    return workgroup_sum(sum);
}

// Cosine and sine of `turn` / 2^32 turns, to 1e-7; Vulkan's own may be off by 2^-11.
// Whole quarters are taken off as integers, without an error; the polynomials are minimax over
// the eighth of a turn to either side that is left.
vec2 cos_sin(uint turn)
{
    const uint quarter = (turn + (1u << 29)) >> 30;
    const float u = float(int(turn - (quarter << 30))) * 9.313225746154785e-10;
    const float w = u * u;
    const float c = fma(w, fma(w, fma(w, fma(w, 8.93573218e-4, -2.08552536e-2), 0.253668517),
        -1.23370051), 1.0);
    const float s = u * fma(w, fma(w, fma(w, -4.62295348e-3, 7.96898827e-2), -0.645964801),
        1.57079637);
    const vec2 r = (quarter & 1) != 0 ? vec2(s, c) : vec2(c, s);
    return vec2(((quarter + 1) & 2) != 0 ? -r.x : r.x, (quarter & 2) != 0 ? -r.y : r.y);
}

// Cosine and sine of the rotation of pair `c` at `position`. The angle is exact: the whole
// turns of the product overflow.
vec2 rotation(uint position, uint c)
{
    const uvec2 fraction = load_u32x2(pc.rotations, c);
    uint high, low;
    umulExtended(position, fraction.x, high, low);
    return rope_magnitude() * cos_sin(position * fraction.y + high);
}

// Element `i` of a head that starts at `first`, normalised and clipped: `scale` is the root of the
// inverse mean square, `norm_at` where the norm's weights for this head begin.
float normed(SOURCE source, uint first, uint i, float scale, uint mode, F32 norm, uint norm_at)
{
    const float x = load_source(source, first + i);
    const bool is_scaled = (mode == HEAD_NORM_EACH || mode == HEAD_NORM_WIDE)
        && (STORE_LATENT == 0 || i < STORE_LATENT);
    return clip(is_scaled ? x * scale * load_f32(norm, norm_at + i) : x);
}

// Element `i` of that head after RoPE.
float rotated(SOURCE source, uint first, uint i, float scale, uint mode, F32 norm, uint norm_at,
    uint position)
{
    const float x = normed(source, first, i, scale, mode, norm, norm_at);
    const uint n = i - STORE_LATENT; // of those that are turned
    if (STORE_ROPE == ROPE_NONE || i < STORE_LATENT || n >= STORE_ROPE_SIZE)
        return x;
    const uint half_size = STORE_ROPE_SIZE / 2;
    const uint c = STORE_ROPE == ROPE_HALF ? n % half_size : n / 2;
    const bool is_second = STORE_ROPE == ROPE_HALF ? n >= half_size : n % 2 == 1;
    const uint other =
        STORE_ROPE == ROPE_HALF ? (is_second ? n - half_size : n + half_size) : n ^ 1;
    const float y = normed(source, first, STORE_LATENT + other, scale, mode, norm, norm_at);
    const vec2 r = rotation(position, c);
    return is_second ? fma(x, r.x, y * r.y) : fma(x, r.x, -(y * r.y));
}

uint position_of(uint token)
{
    if (STORE_COMPACT != 0)
        return token % pc.capacity;
    const uint p =
        STORE_HAS_POSITIONS != 0 ? load_u32(pc.positions, token) : pc.first_token + token;
    return min(p, pc.capacity - 1);
}

uint sequence_of(uint token)
{
    return STORE_HAS_SEQUENCES != 0 ? min(load_u32(pc.sequences, token), pc.sequence_count - 1) : 0;
}

shared float finished[ROW_SIZE]; // one head, before it overwrites its source

float head_scale(SOURCE source, uint first, uint count, bool turned)
{
    const float square = square_sum(source, first, count, turned) / float(count);
    return inversesqrt(square + STORE_NORM_EPSILON);
}

// Leaves the finished head in `finished`.
void finish_head(SOURCE source, uint first, float row_scale, uint mode, F32 norm, uint head,
    uint position)
{
    float scale = row_scale;
    if (mode == HEAD_NORM_EACH || mode == HEAD_NORM_AFTER)
        scale = head_scale(
            source, first, STORE_LATENT != 0 ? STORE_LATENT : D, mode == HEAD_NORM_AFTER);
    const uint norm_at = mode == HEAD_NORM_WIDE ? head * D : 0;
    barrier();
    for (uint i = gl_LocalInvocationIndex; i < ROW_SIZE; i += LANES) {
        const uint c = min(i, D - 1);
        float x = rotated(source, first, c, scale, mode, norm, norm_at, position);
        if (mode == HEAD_NORM_AFTER)
            x *= scale * load_f32(norm, c);
        finished[i] = i < D ? x : 0.0;
    }
    barrier();
}

float query_factor(uint position)
{
    if (STORE_TEMPERATURE == 0.0)
        return 1.0;
    return fma(STORE_TEMPERATURE, log(float((position + STORE_ITSELF) / max(STORE_FLOOR, 1) + 1)),
        1.0);
}

// The bits of the largest magnitude in a block of `finished`; a NaN has more than any other.
uint most_of(uint block)
{
    uint most = 0;
    [[dont_unroll]] for (uint i = 0; i < 32; i++)
        most = max(most, floatBitsToUint(finished[block * 32 + i]) & 0x7fffffffu);
    return most;
}

// Four bytes of a row of q8_0, from element `first` on.
uint bytes_of(uint first)
{
    const float inverse = block_inverse(most_of(first / 32));
    uint word = 0;
    [[unroll]] for (uint n = 0; n < 4; n++)
        word |= byte_of(finished[first + n], inverse) << (n * 8);
    return word;
}

// The scales of two blocks of it. Of an odd one out the second is 0.
uint two_scales(uint first)
{
    const uint second = first + 1 < ROW_SIZE / 32 ? block_scale(most_of(first + 1)) : 0;
    return block_scale(most_of(first)) | second << 16;
}

void write_word(bool is_key, uint at, uint bits)
{
    if (is_key)
        store_u32(pc.keys, at, bits);
    else
        store_u32(pc.values, at, bits);
}

// Writes `finished` as row `at` of a cache.
void write_cache(bool is_key, uint at)
{
    for (uint i = gl_LocalInvocationIndex; i < ROW_WORDS; i += LANES) {
        const uint bits = STORE_CACHE == CACHE_F16
            ? packHalf2x16(vec2(finished[2 * i], finished[2 * i + 1]))
            : STORE_CACHE == CACHE_Q8_0 ? bytes_of(4 * i)
                                        : floatBitsToUint(finished[i]);
        write_word(is_key, at * ROW_WORDS + i, bits);
    }
    if (STORE_CACHE == CACHE_Q8_0) {
        for (uint i = gl_LocalInvocationIndex; i < SCALE_WORDS; i += LANES)
            write_word(is_key, scale_word(at, 64 * i), two_scales(2 * i));
    }
}

#ifndef VALUE_SIZE
#define VALUE_SIZE D
#endif

// Leaves the head of values that starts at `first` in `finished`.
void finish_value(SOURCE source, uint first)
{
    float scale = 1.0;
    if (STORE_VALUE_NORM != 0)
        scale = head_scale(source, first, VALUE_SIZE, false);
    for (uint i = gl_LocalInvocationIndex; i < ROW_SIZE; i += LANES) {
        const float x = scale * load_source(source, first + min(i, VALUE_SIZE - 1));
        finished[i] = i < VALUE_SIZE ? clip(x) : 0.0;
    }
    barrier();
}

#endif
