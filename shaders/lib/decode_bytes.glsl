// decode_bytes.glsl - part of decode_integer.glsl, for weights that are bytes: q8_0.
#ifndef DECODE_BYTES_GLSL
#define DECODE_BYTES_GLSL

integer_rows weights[DECODE_BLOCKS];

void find_weights(product p, uint blocks)
{
    [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
        weights[b] = integers_q8_0(p.matrix, blocks, block_of(p, b));
}

// Adds the products of blocks first, first + 1, ... to the sums, AT_ONCE of them; all are
// loaded before the first is multiplied.
void multiply_blocks(product p, uint blocks, uint first)
{
    integer_block m[AT_ONCE * DECODE_BLOCKS];
    vec4 x[SHARED_BLOCKS];
    float scales[SHARED_BLOCKS];
    const uint r = gl_LocalInvocationIndex % 8;
    [[unroll]] for (uint n = 0; n < AT_ONCE; n++) {
        // Clamped, not guarded, as in load_row_at().
        const uint block = min(first + n, blocks - 1);
        [[unroll]] for (uint t = 0; t < DECODE_TOGETHER; t++) {
            x[t * AT_ONCE + n] = load_x(p, t, block, 0);
            add_squares(p, t, first + n);
        }
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++)
            m[n * DECODE_BLOCKS + b] = load_integers_q8_0(weights[b], r, block);
    }
    wait_for_subgroup();
    [[unroll]] for (uint n = 0; n < SHARED_BLOCKS; n++) {
        const cut_x own = cut(x[n]);
        share(n, own);
        scales[n] = first + n % AT_ONCE < blocks ? own.scale : 0.0;
    }
    wait_for_subgroup();
    [[unroll]] for (uint n = 0; n < SHARED_BLOCKS; n++) {
        const uint at = n * 4 * GROUPS + gl_LocalInvocationIndex / 8;
        const uvec4 high_a = shared_bytes[at], high_b = shared_bytes[at + GROUPS];
        const uvec4 low_a = shared_bytes[at + 2 * GROUPS], low_b = shared_bytes[at + 3 * GROUPS];
        [[unroll]] for (uint b = 0; b < DECODE_BLOCKS; b++) {
            const integer_block w = m[n % AT_ONCE * DECODE_BLOCKS + b];
            const int high = dot_16(w.b, high_b, dot_16(w.a, high_a, 0));
            const int dot = dot_16(w.b, low_b, dot_16(w.a, low_a, high * 256));
            const uint i = n / AT_ONCE * DECODE_BLOCKS + b;
            sums[i] = fma(w.scale * scales[n], float(dot), sums[i]);
        }
    }
}

// As in decode.glsl, in blocks: of each turn AT_ONCE neighbours are this lane's. What is past the
// end is read from the last one, and counts for nothing.
void multiply(product p, uint c, uint step)
{
    const uint blocks = (p.units + BLOCK / 8 - 1) / (BLOCK / 8);
    uint turn = 0; // its first block
    find_sources(p);
    find_weights(p, blocks);
    do { // not a `for`, see address.glsl
        multiply_blocks(p, blocks, turn + c * AT_ONCE);
    } while ((turn += step * AT_ONCE) < blocks);
}

#endif
