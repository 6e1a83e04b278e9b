// cache.glsl - the rows of a cache, of keys or of values: a row is a head at a position. Needs
// CACHE_TYPE (CACHE_*) and CACHE_HEAD_SIZE; what is loaded from q8_0 needs AIM_AT_SCALES() first.
//
// f32, f16: [rows][head size up to a multiple of 8].
// q8_0: [rows][head size up to a multiple of 32] signed bytes, then [rows][SCALE_WORDS] words of
// two scales each, f16; a value is scale * byte, exactly. Blocks of 34 bytes would let no load of
// 16 begin where it may; scales at the end of each row would have to be filled up to 16 bytes,
// which makes 144 of 136 for a head of 128, and 80 of 68 for one of 64. So rows are as aligned as
// those of f16, and scales of neighbouring keys share cache lines. A word belongs to one row, since
// who writes half of one would overwrite the other half.
#ifndef CACHE_GLSL
#define CACHE_GLSL

const uint CACHE_UNIT = CACHE_TYPE == CACHE_Q8_0 ? 32 : 8;
const uint ROW_SIZE = (CACHE_HEAD_SIZE + CACHE_UNIT - 1) / CACHE_UNIT * CACHE_UNIT; // elements
const uint ROW_WORDS = CACHE_TYPE == CACHE_F32 ? ROW_SIZE
    : CACHE_TYPE == CACHE_F16                  ? ROW_SIZE / 2
                                               : ROW_SIZE / 4; // but for the scales of q8_0
const uint SCALE_WORDS = (ROW_SIZE + 63) / 64;

uint first_scale; // in words

// Of so many rows. A macro: what the product is made of would be kept in registers in vain.
#define AIM_AT_SCALES(rows) \
    if (CACHE_TYPE == CACHE_Q8_0) \
        first_scale = (rows) * ROW_WORDS;

// Where the scale of column c of a row lies: the word, and how far it has to be shifted.
uint scale_word(uint row, uint c)
{
    return first_scale + row * SCALE_WORDS + c / 64;
}

uint scale_shift(uint c)
{
    return c / 32 % 2 * 16;
}

// The scale of column c in the low half.
uint load_scale(U32 cache, uint row, uint c)
{
    return load_u32(cache, scale_word(row, c)) >> scale_shift(c);
}

// The four columns of a word of q8_0.
vec4 bytes_times(uint word, uint scale)
{
    const int x = int(word);
    return unpackHalf2x16(scale).x * vec4(x << 24 >> 24, x << 16 >> 24, x << 8 >> 24, x >> 24);
}

// Columns c .. c + 3 of a row of q8_0.
vec4 load_q8_0(U32 cache, uint row, uint c)
{
    return bytes_times(load_u32(cache, row * ROW_WORDS + c / 4), load_scale(cache, row, c));
}

// Column c of a row.
float load_cached(U32 cache, uint row, uint c)
{
    if (CACHE_TYPE == CACHE_F32)
        return uintBitsToFloat(load_u32(cache, row * ROW_WORDS + c));
    if (CACHE_TYPE == CACHE_Q8_0) {
        const int word = int(load_u32(cache, row * ROW_WORDS + c / 4));
        return unpackHalf2x16(load_scale(cache, row, c)).x
            * float(word << (24 - c % 4 * 8) >> 24);
    }
    const vec2 pair = unpackHalf2x16(load_u32(cache, row * ROW_WORDS + c / 2));
    return c % 2 == 0 ? pair.x : pair.y;
}

#endif
