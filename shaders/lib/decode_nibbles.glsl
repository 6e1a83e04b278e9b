// decode_nibbles.glsl - part of decode_integer.glsl, for weights that share bytes with others.
// Lanes take pairs of blocks of 32 columns, whose weights lie in the same bytes, or in two records.
// For these a format's file has
//     nibbles load_nibbles_<name>(U32x4 strip, uint row, uint pair, ...)
//     integer_block integers_<name>(nibbles w, ...)
// what a row of 16 needs, and of it the bytes of a block, which are not negative. What they are
// multiplied with has another form in each.
#ifndef DECODE_NIBBLES_GLSL
#define DECODE_NIBBLES_GLSL

#define IS(name) (DECODE_TYPE == DTYPE_##name)

struct nibble_rows { uvec2 strip; uint side; };
nibble_rows weights[DECODE_BLOCKS];

void find_weights(product p)
{
    const uint strip_bytes = IS(Q4_K) ? p.units / 32 * RECORD_Q4_K
        : IS(Q6_K)                    ? p.units / 32 * RECORD_Q6_K
                                      : p.units / 4 * RECORD_Q4_0;
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
        const uint block = block_of(p, b);
        // Constants, where compilers do not find out.
        const uint side = DECODE_BLOCKS % 4 != 0 ? block % 2 : p.in_pairs ? b / 2 % 2 : b % 2;
        weights[b] = nibble_rows(further(p.matrix, block / 2 * strip_bytes), side);
    }
}

nibbles load_nibbles(uint b, uint pair, uint blocks)
{
    U32x4 strip = U32x4(weights[b].strip);
    const uint row = weights[b].side * 8 + gl_LocalInvocationIndex % 8;
    if (IS(Q4_K))
        return load_nibbles_q4_K(strip, row, pair);
    if (IS(Q6_K))
        return load_nibbles_q6_K(strip, row, pair);
    return load_nibbles_q4_0(strip, row, pair * 2, min(pair * 2 + 1, blocks - 1));
}

// In the row, block n of a pair.
uint block_of_pair(uint pair, uint n)
{
    return IS(Q6_K) ? pair / 2 * 4 + pair % 2 + 2 * n : 2 * pair + n;
}

// A block of x as it is multiplied: its scale, and that times the sums of its halves.
struct x_block { float scale; vec2 sums; };

x_block hand_over(uint n, vec4 x, bool counts)
{
    const cut_x own = cut(x);
    share(n, own);
    const uint ones = 0x01010101u;
    int half_sum = dot_bytes(own.high, ones, 0) * 256 + dot_bytes(own.low, ones, 0);
    half_sum += subgroupQuadSwapHorizontal(half_sum);
    half_sum += subgroupQuadSwapVertical(half_sum);
    const int other = subgroupShuffleXor(half_sum, 4);
    const bool is_first = gl_LocalInvocationIndex % 8 < 4;
    const ivec2 halves = is_first ? ivec2(half_sum, other) : ivec2(other, half_sum);
    const float scale = counts ? own.scale : 0.0;
    return x_block(scale, scale * vec2(halves));
}

// Of the bytes with block `at` of the shared ones: the sums of both halves' products, or of all in
// the first.
ivec2 dot_block(integer_block q, uint at)
{
    const uint first = at * 4 * GROUPS + gl_LocalInvocationIndex / 8;
    const uvec4 high_a = shared_bytes[first], high_b = shared_bytes[first + GROUPS];
    const uvec4 low_a = shared_bytes[first + 2 * GROUPS], low_b = shared_bytes[first + 3 * GROUPS];
    if (IS(Q6_K))
        return ivec2(dot_16(q.a, low_a, dot_16(q.a, high_a, 0) * 256),
            dot_16(q.b, low_b, dot_16(q.b, high_b, 0) * 256));
    const int high = dot_16(q.b, high_b, dot_16(q.a, high_a, 0));
    return ivec2(dot_16(q.b, low_b, dot_16(q.a, low_a, high * 256)), 0);
}

integer_block integers_of(nibbles w, uint pair, uint n)
{
    if (IS(Q4_K))
        return integers_q4_K(w, n);
    if (IS(Q6_K))
        return integers_q6_K(w, pair, n);
    return integers_q4_0(n == 0 ? w.a : w.b);
}

// `sum` and the product of a pair with two blocks of x, which are shared from `first` on.
float multiply_nibbles(nibbles w, uint pair, x_block x0, x_block x1, uint first, float sum)
{
    const vec2 dot_0 = vec2(dot_block(integers_of(w, pair, 0), first));
    const vec2 dot_1 = vec2(dot_block(integers_of(w, pair, 1), first + 1));
    if (IS(Q4_K)) {
        const nibble_scales s = scales_q4_K(w, pair);
        const float products = fma(s.scale.x * x0.scale, dot_0.x, s.scale.y * x1.scale * dot_1.x);
        const float offset = fma(s.offset.x, x0.sums.x + x0.sums.y,
            s.offset.y * (x1.sums.x + x1.sums.y));
        return fma(-s.d.y, offset, fma(s.d.x, products, sum));
    }
    if (IS(Q6_K)) {
        const vec4 scale = scales_q6_K(w, pair);
        const vec2 a = fma(vec2(x0.scale), dot_0, -32.0 * x0.sums);
        const vec2 b = fma(vec2(x1.scale), dot_1, -32.0 * x1.sums);
        return fma(unpackHalf2x16(w.scales.z).x,
            fma(scale.x, a.x, fma(scale.y, a.y, fma(scale.z, b.x, scale.w * b.y))), sum);
    }
    const vec2 d = vec2(unpackHalf2x16(w.scales.x).x, unpackHalf2x16(w.scales.y).x);
    const float a = fma(x0.scale, dot_0.x, -8.0 * (x0.sums.x + x0.sums.y));
    const float b = fma(x1.scale, dot_1.x, -8.0 * (x1.sums.x + x1.sums.y));
    return fma(d.y, b, fma(d.x, a, sum));
}

// Adds the products of the pair to the sums; all is loaded before the first is multiplied.
void multiply_pair(product p, uint blocks, uint pair)
{
    nibbles w[DECODE_BLOCKS];
    vec4 x[SHARED_BLOCKS];
    x_block shared_x[SHARED_BLOCKS];
    // Clamped, not guarded, as in load_row_at().
    const uint there = min(pair, (blocks + 1) / 2 - 1);
    [[unroll]] for (uint i = 0; i < SHARED_BLOCKS; i++) {
        x[i] = load_x(p, i / 2, min(block_of_pair(there, i % 2), blocks - 1));
        add_squares(p, i / 2, block_of_pair(pair, i % 2));
    }
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
        w[b] = load_nibbles(b, there, blocks);
    wait_for_subgroup();
    [[unroll]] for (uint i = 0; i < SHARED_BLOCKS; i++)
        shared_x[i] = hand_over(i, x[i], block_of_pair(pair, i % 2) < blocks);
    wait_for_subgroup();
    [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
            const uint i = t * DECODE_BLOCKS + b;
            sums[i] = multiply_nibbles(
                w[b], there, shared_x[2 * t], shared_x[2 * t + 1], 2 * t, sums[i]);
        }
    }
}

// As in decode.glsl, in pairs of blocks. What is past the end is read from the last one, and counts
// for nothing.
void multiply(product p, uint c, uint step)
{
    const uint blocks = p.units / (BLOCK / 8);
    uint turn = 0; // its first pair
    find_sources(p);
    find_weights(p);
    do { // not a `for`, see address.glsl
        multiply_pair(p, blocks, turn + c);
    } while ((turn += step) * 2 < blocks);
}

#endif
