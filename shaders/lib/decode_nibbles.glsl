// decode_nibbles.glsl - part of decode_integer.glsl, for weights that share bytes with others.
// Lanes take pairs of blocks of 32 columns, whose weights lie in the same bytes, or in two records.
// For these a format's file has
//     nibbles load_nibbles_<name>(U32x4 strip, uint row, uint pair, ...)
//     uint bytes_<name>(nibbles w, ...)
// what a row of 16 needs, and of it the bytes of a block, which are not negative but for LESS_UPPER
// of q4_K. What they are multiplied with has another form in each. Of q4_K, lanes with registers
// for it take two pairs that have a half of a record's scales: `at_once`, here, is how many blocks
// a turn has, 2 or 4.
#ifndef DECODE_NIBBLES_GLSL
#define DECODE_NIBBLES_GLSL

#define IS(name) (DECODE_TYPE == DTYPE_##name)
// Four runs of q4_K with their scales, in integers as far as it goes: conversions are slow on some
// cards, and take an instruction more for a byte of a word.
#define WHOLE(at_once) (DECODE_WHOLE != 0 && IS(Q4_K) && (at_once) == 4)

struct nibble_rows { uvec2 strip; uint side; };
nibble_rows weights[DECODE_BLOCKS];
nibbles held[DECODE_BLOCKS]; // of a turn
nibbles left[DECODE_BLOCKS]; // of that, what has not been multiplied with a row of x
vec4 held_x[SHARED_BLOCKS];

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

nibbles load_nibbles(uint at_once, uint b, uint pair, uint blocks)
{
    U32x4 strip = U32x4(weights[b].strip);
    const uint row = weights[b].side * 8 + gl_LocalInvocationIndex % 8;
    if (IS(Q4_K))
        return at_once == 4 ? load_4_runs_q4_K(strip, row, pair)
                            : load_nibbles_q4_K(strip, row, pair);
    if (IS(Q6_K))
        return load_nibbles_q6_K(strip, row, pair);
    return load_nibbles_q4_0(strip, row, pair * 2, min(pair * 2 + 1, blocks - 1));
}

// In the row, block n of a turn's pair, or pairs.
uint block_of_pair(uint at_once, uint pair, uint n)
{
    return IS(Q6_K) ? pair / 2 * 4 + pair % 2 + 2 * n : at_once * pair + n;
}

// A turn's blocks of x as they are multiplied: their scale and their sums, of two blocks those of
// four quarters or, where scales are for 32 columns, in place of them .x and .z. With a NaN in x
// there is one in the sums, or if those are integers it is the scale.
struct x_pair { float scale; vec4 sums; ivec4 whole_sums; };

// Hands over block n of it.
vec2 hand_over(uint n, vec4 x, float factor)
{
    const cut_x own = cut_by(x, factor);
    share(n, own);
    float sum = own.sum;
    sum += subgroupQuadSwapHorizontal(sum);
    sum += subgroupQuadSwapVertical(sum);
    const float other = subgroupShuffleXor(sum, 4);
    if (!IS(Q6_K))
        return vec2(sum + other, 0.0);
    return mix(vec2(other, sum), vec2(sum, other), bvec2(gl_LocalInvocationIndex % 8 < 4));
}

// Of 64 columns and more. With NaNs among them the bits add up to what is beyond it, if all are of
// one kind, of the two that devices make: with all of the fraction set, or its first bit alone.
#define LARGEST_SUM (1 << 21)

x_pair hand_over_whole_runs(uint first, cut_range range)
{
    ivec4 sums;
    [[unroll]] for (uint n = 0; n < 4; n++) {
        const cut_x own = cut_by(held_x[first + n], range.factor);
        share(first + n, own);
        sums[n] = own.whole_sum;
    }
    sums += subgroupQuadSwapHorizontal(sums);
    sums += subgroupQuadSwapVertical(sums);
    sums += subgroupShuffleXor(sums, 4);
    const uvec2 positive = uvec2(sums.xy + sums.zw + LARGEST_SUM);
    const bool are_numbers = (positive.x | positive.y) < 2 * LARGEST_SUM;
    return x_pair(mix(uintBitsToFloat(NOT_A_NUMBER), range.scale, are_numbers), vec4(0.0), sums);
}

// The largest of a lane's columns, but for NaNs, which are in the sums.
float largest_number(vec4 x)
{
    const vec4 a = abs(x);
    return max(max(a.x, a.y), max(a.z, a.w));
}

// All blocks of a turn, those held from `first` on.
x_pair hand_over_all(uint at_once, uint first, bool counts)
{
    float largest = largest_number(held_x[first]);
    vec4 sums = vec4(0.0);
    [[unroll]] for (uint n = 1; n < at_once; n++)
        largest = max(largest, largest_number(held_x[first + n]));
    cut_range range = range_of(floatBitsToUint(largest));
    range.scale = mix(0.0, range.scale, counts);
    if (WHOLE(at_once))
        return hand_over_whole_runs(first, range);
    [[unroll]] for (uint n = 0; n < at_once; n++) {
        const vec2 halves = hand_over(first + n, held_x[first + n], range.factor);
        if (at_once == 4) {
            sums[n] = halves.x;
        } else {
            sums[2 * n] = halves.x;
            sums[2 * n + 1] = halves.y;
        }
    }
    return x_pair(range.scale, sums, ivec4(0));
}

int dot_weights(uint w, uint x)
{
    return DECODE_MIXED != 0 ? dot_mixed(x, w, 0) : dot_bytes(w, x, 0);
}

// Word i of half `side` of block n.
uint bytes_of(inout nibbles w, uint pair, uint n, uint side, uint i)
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
            bytes[b] = bytes_of(left[b], pair, n, side, i);
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
            dots[b].x += dot_weights(bytes[b], high[i]);
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
            dots[b].y += dot_weights(bytes[b], low[i]);
    }
}

// See upper_nibbles() and take_nibbles().
#define OF_UPPER (DECODE_MIXED != 0 || IS(Q4_K) ? 1.0 / 16.0 : 1.0)

// Of each row the products with the same as in x_pair.
vec4 row_products[DECODE_BLOCKS];

// Of each row: four runs with their scales, 16 times as much.
ivec2 whole_products[DECODE_BLOCKS];

int byte_at(uint bytes, uint n)
{
    return int(bytes >> 8 * n & 0xff);
}

// No sum is beyond 4 * 32 * 128 * 240 * 63, 2^28.
void take_whole_products(uint n, bool upper)
{
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
        const uvec4 scales = held[b].scales;
        const int scale = upper ? byte_at(scales.y, n) : int(scales.w >> 8 * n & 0xffff);
        whole_products[b] += scale * dots[b];
        dots[b] = ivec2(0);
    }
}

void take_products(uint at_once, uint n, bool upper)
{
    if (WHOLE(at_once)) {
        take_whole_products(n, upper);
        return;
    }
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
        row_products[b][n] = float(dots[b].x * 256 + dots[b].y);
        if (at_once == 2 && upper)
            row_products[b][n] *= OF_UPPER;
        dots[b] = ivec2(0);
    }
}

void dot_pair(uint at_once, uint pair, x_pair x, uint at)
{
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
        left[b] = held[b];
        dots[b] = whole_products[b] = ivec2(0);
    }
    [[unroll]] for (uint n = 0; n < at_once; n++) {
        const uint run = at_once == 4 ? n : 2 * n; // of q4_K
        if (IS(Q4_K) && n % 2 == 1 && LESS_UPPER != 0)
            [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
                dots[b].y = LESS_UPPER * int(x.sums[run]);
        [[unroll]] for (uint side = 0; side < 2; side++) {
            dot_halves(pair, n, side, at + n);
            if (!IS(Q4_K) || side == 1)
                take_products(at_once, IS(Q4_K) ? run : 2 * n + side,
                    IS(Q4_K) ? n % 2 == 1 : IS(Q4_0) && side == 1);
        }
    }
}

vec4 to_floats_of_bytes(uint bytes)
{
    return vec4(bytes & 0xff, bytes >> 8 & 0xff, bytes >> 16 & 0xff, bytes >> 24);
}

// `sum` and the product of four runs of q4_K with x; OF_UPPER is not in the products yet.
float add_4_runs(uvec4 scales, vec4 products, x_pair x, float sum)
{
    const vec4 s = to_floats_of_bytes(scales.y), m = to_floats_of_bytes(scales.z);
    const vec2 d = unpackHalf2x16(scales.x);
    const float upper = OF_UPPER * fma(s.y, products.y, s.w * products.w);
    const float product = fma(s.x, products.x, fma(s.z, products.z, upper));
    const float offset =
        fma(m.x, x.sums.x, fma(m.y, x.sums.y, fma(m.z, x.sums.z, m.w * x.sums.w)));
    return fma(x.scale, fma(d.x, product, -d.y * offset), sum);
}

// The same in integers, of the rows of block b.
float add_4_whole_runs(uint b, x_pair x, float sum)
{
    const uvec4 scales = held[b].scales;
    const vec2 products = vec2(whole_products[b]), d = unpackHalf2x16(scales.x);
    const float product = OF_UPPER * fma(products.x, 256.0, products.y);
    int offset = 0; // up to 4 * 2^20 * 63
    [[unroll]] for (uint n = 0; n < 4; n++)
        offset += byte_at(scales.z, n) * x.whole_sums[n];
    return fma(x.scale, fma(d.x, product, -d.y * float(offset)), sum);
}

// `sum` and the product of a row of block b with x, of a turn.
float add_product(uint at_once, uint b, uint pair, x_pair x, float sum)
{
    const nibbles w = held[b];
    const vec4 products = row_products[b];
    if (WHOLE(at_once))
        return add_4_whole_runs(b, x, sum);
    if (IS(Q4_K) && at_once == 4)
        return add_4_runs(w.scales, products, x, sum);
    if (IS(Q4_K)) {
        const vec4 s = to_floats_of_bytes(w.scales.y), m = to_floats_of_bytes(w.scales.z);
        const vec2 d = unpackHalf2x16(w.scales.x);
        const float product = fma(s.x, products.x, s.y * products.z);
        const float offset = fma(m.x, x.sums.x, m.y * x.sums.z);
        return fma(x.scale, fma(d.x, product, -d.y * offset), sum);
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

// Adds the products of a turn to the sums; all is loaded before the first is multiplied.
void multiply_pair(uint at_once, product p, uint blocks, uint pair)
{
    x_pair shared_x[DECODE_TOGETHER];
    // Clamped, not guarded, as in load_row_at().
    const uint there = min(pair, (blocks + at_once - 1) / at_once - 1);
    [[unroll]] for (uint i = 0; i < DECODE_TOGETHER * at_once; i++) {
        const uint t = i / at_once, n = i % at_once;
        if (IS(Q4_0))
            held_x[i] = load_x(p, t, min(there * 2 + n, blocks - 1), 0);
        else
            held_x[i] = load_x(p, t, block_of_pair(at_once, there, 0), IS(Q6_K) ? 2 * n : n);
        if (IS(Q4_0) && block_of_pair(at_once, pair, n) >= blocks)
            held_x[i] = vec4(0.0);
        add_squares(p, t, block_of_pair(at_once, pair, n));
    }
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
        held[b] = load_nibbles(at_once, b, there, blocks);
    wait_for_subgroup();
    [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++)
        shared_x[t] = hand_over_all(at_once, at_once * t, pair == there);
    wait_for_subgroup();
    if (IS(Q4_K)) // before the products, which leave few registers
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
            held[b].scales = spread_scales_q4_K(at_once, held[b].scales, there);
    [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
        dot_pair(at_once, there, shared_x[t], at_once * t);
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
            const uint i = t * DECODE_BLOCKS + b;
            sums[i] = add_product(at_once, b, there, shared_x[t], sums[i]);
        }
    }
}

// As in decode.glsl, in pairs of blocks. What is past the end is read from the last one, and counts
// for nothing. Two pairs are taken at once while there is more than one for each lane.
void multiply(product p, uint c, uint step)
{
    const uint blocks = p.units / (BLOCK / 8);
    uint turn = 0; // its first pair
    find_sources(p);
    find_weights(p);
    if (AT_ONCE == 4 && blocks > 2 * step) do { // not a `for`, see address.glsl
        multiply_pair(4, p, blocks, turn / 2 + c);
    } while (((turn += 2 * step) + step) * 2 < blocks);
    if (turn * 2 < blocks) do {
        multiply_pair(2, p, blocks, turn + c);
    } while ((turn += step) * 2 < blocks);
}

#endif
