#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "store_kv.h"
#define LANES STORE_LANES
#include "lib/grid.glsl"
#include "lib/reduce.glsl"

layout(local_size_x_id = 0) in;

#define D STORE_HEAD_SIZE
#define CACHE_TYPE STORE_CACHE
#define CACHE_HEAD_SIZE D
#include "lib/cache.glsl"
#include "lib/quantise.glsl"

float clip(float x)
{
    return STORE_CLIP != 0.0 ? clamp(x, -STORE_CLIP, STORE_CLIP) : x;
}

// `turned`: of them after RoPE, which changes no sum of squares but by its magnitude.
float square_sum(F32Out source, uint first, uint count, bool turned)
{
    float sum = 0.0;
    for (uint i = gl_LocalInvocationIndex; i < count; i += LANES) {
        float x = load_f32_out(source, first + i);
        if (turned && STORE_ROPE != ROPE_NONE && i < STORE_ROPE_SIZE)
            x *= STORE_ROPE_MAGNITUDE;
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
    return STORE_ROPE_MAGNITUDE * cos_sin(position * fraction.y + high);
}

// Element `i` of a head that starts at `first`, normalised and clipped: `scale` is the root of the
// inverse mean square, `norm_at` where the norm's weights for this head begin.
float normed(F32Out source, uint first, uint i, float scale, uint mode, F32 norm, uint norm_at)
{
    const float x = load_f32_out(source, first + i);
    const bool is_scaled = (mode == HEAD_NORM_EACH || mode == HEAD_NORM_WIDE)
        && (STORE_LATENT == 0 || i < STORE_LATENT);
    return clip(is_scaled ? x * scale * load_f32(norm, norm_at + i) : x);
}

// Element `i` of that head after RoPE.
float rotated(F32Out source, uint first, uint i, float scale, uint mode, F32 norm, uint norm_at,
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

float inverse_rms(F32Out source, uint first, uint count, bool turned)
{
    const float square = square_sum(source, first, count, turned) / float(count);
    return inversesqrt(square + STORE_NORM_EPSILON);
}

// Leaves the finished head in `finished`.
void finish_head(F32Out source, uint first, float row_scale, uint mode, F32 norm, uint head,
    uint position)
{
    float scale = row_scale;
    if (mode == HEAD_NORM_EACH || mode == HEAD_NORM_AFTER)
        scale = inverse_rms(
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

// What RoPE turns of this head, from the projection to its place. The rest is there already.
void finish_latent_query(uint row, uint head, uint to, uint position)
{
    const uint end = (row * pc.constants.v.heads + head + 1) * STORE_QUERY_SIZE;
    F32 none = pc.constants.v.query_norm;
    for (uint i = STORE_LATENT + gl_LocalInvocationIndex; i < D; i += LANES)
        store_f32(pc.query, to + i, rotated(F32Out(uvec2(pc.value)), end - D, i, 1.0,
            HEAD_NORM_NONE, none, 0, position));
}

// Whose row of queries it is.
uint token_of(uint row)
{
    if (STORE_ROWS == ROWS_TOKENS)
        return row;
    const uint pair = STORE_ROWS == ROWS_SORTED ? load_u32(pc.rows, row) : row;
    // Rows of dropped pairs were never written.
    return min(pair / pc.constants.v.experts_per_token, pc.tokens - 1);
}

float query_factor(uint position)
{
    if (STORE_TEMPERATURE == 0.0)
        return 1.0;
    return fma(STORE_TEMPERATURE, log(float((position + 1) / max(STORE_FLOOR, 1) + 1)), 1.0);
}

// Heads first_head, first_head + STORE_QUERY_GROUPS, ... of a row.
void finish_query(uint row, uint first_head)
{
    const uint heads = pc.constants.v.heads;
    F32 norm = pc.constants.v.query_norm;
    const uint position = position_of(token_of(row));
    const uint first = row * pc.constants.v.query_stride;
    float row_scale = 1.0;
    if (STORE_QUERY_NORM == HEAD_NORM_WIDE)
        row_scale = inverse_rms(pc.query, first, heads * D, false);
    const float factor = query_factor(position);
    uint head = first_head;
    do { // not a `for`, see lib/address.glsl
        if (STORE_LATENT != 0) {
            finish_latent_query(row, head, first + head * D, position);
            continue;
        }
        finish_head(pc.query, first + head * D, row_scale, STORE_QUERY_NORM, norm, head, position);
        for (uint i = gl_LocalInvocationIndex; i < D; i += LANES)
            store_f32(pc.query, first + head * D + i, factor * finished[i]);
        barrier();
    } while ((head += STORE_QUERY_GROUPS) < heads);
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

// Heads first_head, first_head + STORE_KV_GROUPS, ... of a token, or of a row.
void store_token(uint token, uint first_head)
{
    const uint position = position_of(STORE_COMPACT != 0 ? token_of(token) : token);
    const uint kv_heads = pc.constants.v.kv_heads;
    F32 norm = pc.constants.v.key_norm;
    const uint first = token * pc.constants.v.kv_stride;
    float row_scale = 1.0;
    AIM_AT_SCALES(pc.sequence_count * kv_heads * pc.capacity);
    if (STORE_KEY_NORM == HEAD_NORM_WIDE)
        row_scale = inverse_rms(F32Out(uvec2(pc.key)), first, kv_heads * D, false);
    uint head = first_head;
    do {
        const uint at = STORE_COMPACT != 0
            ? token : (sequence_of(token) * kv_heads + head) * pc.capacity + position;
        finish_head(F32Out(uvec2(pc.key)), first + head * D, row_scale, STORE_KEY_NORM, norm, head,
            position);
        write_cache(true, at);
        barrier();
        if (STORE_LATENT != 0)
            continue;
        const uint value = first + head * D;
        float scale = 1.0;
        if (STORE_VALUE_NORM != 0)
            scale = inverse_rms(F32Out(uvec2(pc.value)), value, D, false);
        for (uint i = gl_LocalInvocationIndex; i < ROW_SIZE; i += LANES) {
            const float x = scale * load_f32(pc.value, value + min(i, D - 1));
            finished[i] = i < D ? clip(x) : 0.0;
        }
        barrier();
        write_cache(false, at);
        barrier();
    } while ((head += STORE_KV_GROUPS) < kv_heads);
}

void main()
{
    const uint group = group_index(), query_groups = pc.query_rows * STORE_QUERY_GROUPS;
    if (group < query_groups) {
        finish_query(group / STORE_QUERY_GROUPS, group % STORE_QUERY_GROUPS);
    } else {
        const uint token = (group - query_groups) / STORE_KV_GROUPS;
        if (token < pc.stored)
            store_token(token, (group - query_groups) % STORE_KV_GROUPS);
    }
}
