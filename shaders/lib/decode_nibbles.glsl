// decode_nibbles.glsl - part of decode_integer.glsl, for weights that share bytes with others.
// Lanes take pairs of blocks of 32 columns, whose weights lie in the same bytes, or in two records.
// For these a format's file has
//     nibbles load_nibbles_<name>(U32x4 strip, uint row, uint pair, ...)
//     uint bytes_<name>(nibbles w, ...)
// what a row of 16 needs, and of it the bytes of a block, which are not negative. What they are
// multiplied with has another form in each.
#ifndef DECODE_NIBBLES_GLSL
#define DECODE_NIBBLES_GLSL

#define IS(name) (DECODE_TYPE == DTYPE_##name)

struct nibble_rows { uvec2 strip; uint side; };
nibble_rows weights[DECODE_BLOCKS];
nibbles held[DECODE_BLOCKS]; // of a pair

void find_weights(product p)
{
    const uint strip_bytes = IS(Q4_K) ? p.units / 32 * RECORD_Q4_K
        : IS(Q6_K)                    ? p.units / 32 * RECORD_Q6_K
                                      : p.units / 4 * RECORD_Q4_0;
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
        const uint block = block_of(p, b);
        uint strip = block / 2, side = block % 2;
        if (DECODE_BLOCKS % 4 == 0) { // which compilers do not find out
            strip = p.in_pairs ? p.first / 2 * 2 + b / 4 * 2 + b % 2 : p.first / 2 + b / 2;
            side = p.in_pairs ? b / 2 % 2 : b % 2;
        }
        weights[b] = nibble_rows(further(p.matrix, strip * strip_bytes), side);
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

// A pair of blocks of x as it is multiplied: its scale, and the sums of its quarters or, where
// scales are for 32 columns, of its blocks.
struct x_pair { float scale; vec4 sums; };

// Hands over block n of it.
vec2 hand_over(uint n, vec4 x, float factor)
{
    const cut_x own = cut_by(x, factor);
    share(n, own);
    const uint ones = 0x01010101u;
    int sum = dot_bytes(own.high, ones, 0) * 256 + dot_bytes(own.low, ones, 0);
    sum += subgroupQuadSwapHorizontal(sum);
    sum += subgroupQuadSwapVertical(sum);
    const int other = subgroupShuffleXor(sum, 4);
    if (!IS(Q6_K))
        return vec2(sum + other, 0.0);
    return vec2(mix(ivec2(other, sum), ivec2(sum, other),
        bvec2(gl_LocalInvocationIndex % 8 < 4)));
}

x_pair hand_over_pair(uint first, vec4 x0, vec4 x1, bool counts)
{
    const cut_range range = range_of(max(largest_of(x0), largest_of(x1)));
    const vec2 a = hand_over(first, x0, range.factor), b = hand_over(first + 1, x1, range.factor);
    return x_pair(mix(0.0, range.scale, counts), vec4(a, b));
}


int dot_weights(uint w, uint x)
{
    return DECODE_MIXED != 0 ? dot_mixed(x, w, 0) : dot_bytes(w, x, 0);
}

// Word i of half `side` of block n.
uint bytes_of(nibbles w, uint pair, uint n, uint side, uint i)
{
    if (IS(Q4_K))
        return bytes_q4_K(w, n, side, i);
    if (IS(Q6_K))
        return bytes_q6_K(w, pair, n, side, i);
    return bytes_q4_0(w, n, side, i);
}

ivec2 dots[DECODE_BLOCKS]; // of each row

// Of the rows and half a block, which is the `at`th of the shared ones, what the high bytes of x
// make and the low ones. Each step is one of all rows, as a product waits for the one before it.
void dot_halves(uint pair, uint n, uint side, uint at)
{
    const uint first = (at * 4 + side) * GROUPS + gl_LocalInvocationIndex / 8;
    const uvec4 high = shared_bytes[first], low = shared_bytes[first + 2 * GROUPS];
    [[unroll]] for (uint i = 0; i < 4; i++) {
        uint bytes[DECODE_BLOCKS];
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
            bytes[b] = bytes_of(held[b], pair, n, side, i);
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
            dots[b].x += dot_weights(bytes[b], high[i]);
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
            dots[b].y += dot_weights(bytes[b], low[i]);
    }
}

// Of each row the products with quarters of the pair or, as in x_pair, with blocks.
vec4 row_products[DECODE_BLOCKS];

void take_products(uint n, bool upper)
{
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
        row_products[b][n] = float(dots[b].x * 256 + dots[b].y);
        if (DECODE_MIXED != 0 && upper) // see upper_nibbles()
            row_products[b][n] *= 1.0 / 16.0;
        dots[b] = ivec2(0);
    }
}

void dot_pair(uint pair, uint at)
{
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
        dots[b] = ivec2(0);
    [[unroll]] for (uint n = 0; n < 2; n++) {
        [[unroll]] for (uint side = 0; side < 2; side++) {
            dot_halves(pair, n, side, at + n);
            if (!IS(Q4_K) || side == 1)
                take_products(IS(Q4_K) ? 2 * n : 2 * n + side,
                    IS(Q4_K) ? n == 1 : IS(Q4_0) && side == 1);
        }
    }
}

// `sum` and the product of a row of the pair with x.
float add_product(nibbles w, uint pair, vec4 products, x_pair x, float sum)
{
    if (IS(Q4_K)) {
        const nibble_scales s = scales_q4_K(w.scales);
        const float product = fma(s.scale.x, products.x, s.scale.y * products.z);
        const float offset = fma(s.offset.x, x.sums.x, s.offset.y * x.sums.z);
        return fma(x.scale, fma(s.d.x, product, -s.d.y * offset), sum);
    }
    if (IS(Q6_K)) {
        const vec4 scale = scales_q6_K(w, pair);
        const float product = dot(scale, fma(vec4(-32.0), x.sums, products));
        return fma(x.scale * unpackHalf2x16(w.scales.z).x, product, sum);
    }
    const vec2 d = vec2(unpackHalf2x16(w.scales.x).x, unpackHalf2x16(w.scales.y).x);
    const vec2 a = fma(vec2(-8.0), x.sums.xz, products.xz + products.yw);
    return fma(x.scale, fma(d.x, a.x, d.y * a.y), sum);
}

// Adds the products of the pair to the sums; all is loaded before the first is multiplied.
void multiply_pair(product p, uint blocks, uint pair)
{
    vec4 x[SHARED_BLOCKS];
    x_pair shared_x[DECODE_TOGETHER];
    // Clamped, not guarded, as in load_row_at().
    const uint there = min(pair, (blocks + 1) / 2 - 1);
    [[unroll]] for (uint i = 0; i < SHARED_BLOCKS; i++) {
        x[i] = load_x(p, i / 2, min(block_of_pair(there, i % 2), blocks - 1));
        if (IS(Q4_0) && block_of_pair(pair, i % 2) >= blocks)
            x[i] = vec4(0.0);
        add_squares(p, i / 2, block_of_pair(pair, i % 2));
    }
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
        held[b] = load_nibbles(b, there, blocks);
    wait_for_subgroup();
    [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++)
        shared_x[t] = hand_over_pair(2 * t, x[2 * t], x[2 * t + 1], pair == there);
    wait_for_subgroup();
    if (IS(Q4_K)) // before the products, which leave few registers
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
            held[b].scales = spread_scales_q4_K(held[b].scales, there);
    [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
        dot_pair(there, 2 * t);
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
            const uint i = t * DECODE_BLOCKS + b;
            sums[i] = add_product(held[b], there, row_products[b], shared_x[t], sums[i]);
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
