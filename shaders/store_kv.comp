#version 460
#extension GL_GOOGLE_include_directive : require
#include "lib/address.glsl"
#include "store_kv.h"
#define LANES STORE_LANES
#include "lib/grid.glsl"
#include "lib/reduce.glsl"

#define VALUE_SIZE (STORE_VALUE_SIZE != 0 ? STORE_VALUE_SIZE : D)
#define SOURCE F32Out
#define load_source load_f32_out
#include "lib/store_heads.glsl"

layout(local_size_x_id = 0) in;

// Whose row of queries it is.
uint token_of(uint row)
{
    if (STORE_ROWS == ROWS_TOKENS)
        return row;
    const uint pair = STORE_ROWS == ROWS_SORTED ? load_u32(pc.rows, row) : row;
    // Rows of dropped pairs were never written.
    return min(pair / pc.constants.v.experts_per_token, pc.tokens - 1);
}

// What RoPE turns of this head, from the projection to its place. The rest is there already, but
// for the factor.
void finish_latent_query(uint row, uint head, uint to, uint position, float factor)
{
    const uint end = (row * pc.constants.v.heads + head + 1) * STORE_QUERY_SIZE;
    F32 none = pc.constants.v.query_norm;
    for (uint i = STORE_LATENT + gl_LocalInvocationIndex; i < D; i += LANES)
        store_f32(pc.query, to + i, factor * rotated(F32Out(uvec2(pc.value)), end - D, i, 1.0,
            HEAD_NORM_NONE, none, 0, position));
    if (STORE_TEMPERATURE == 0.0)
        return;
    for (uint i = gl_LocalInvocationIndex; i < STORE_LATENT; i += LANES)
        store_f32(pc.query, to + i, factor * load_f32_out(pc.query, to + i));
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
        row_scale = head_scale(pc.query, first, heads * D, false);
    const float factor = query_factor(position);
    uint head = first_head;
    do { // not a `for`, see lib/address.glsl
        if (STORE_LATENT != 0) {
            finish_latent_query(row, head, first + head * D, position, factor);
            continue;
        }
        finish_head(pc.query, first + head * D, row_scale, STORE_QUERY_NORM, norm, head, position);
        for (uint i = gl_LocalInvocationIndex; i < D; i += LANES)
            store_f32(pc.query, first + head * D + i, factor * finished[i]);
        barrier();
    } while ((head += STORE_QUERY_GROUPS) < heads);
}

// Heads first_head, first_head + STORE_KV_GROUPS, ... of a token, or of a row.
void store_token(uint token, uint first_head)
{
    const uint position = position_of(STORE_COMPACT != 0 ? token_of(token) : token);
    const uint kv_heads = pc.constants.v.kv_heads;
    F32 norm = pc.constants.v.key_norm;
    const uint first = token * pc.constants.v.kv_stride;
    const uint first_value = STORE_VALUE_STRIDE != 0 ? token * STORE_VALUE_STRIDE : first;
    float row_scale = 1.0;
    AIM_AT_SCALES(pc.sequence_count * kv_heads * pc.capacity);
    if (STORE_KEY_NORM == HEAD_NORM_WIDE)
        row_scale = head_scale(F32Out(uvec2(pc.key)), first, kv_heads * D, false);
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
        finish_value(F32Out(uvec2(pc.value)), first_value + head * VALUE_SIZE);
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
