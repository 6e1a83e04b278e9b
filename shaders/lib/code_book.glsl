// code_book.glsl - what formats with a code book have in common. Each lane of a subgroup wants
// another entry, so that a workgroup copies the book to shared memory before it loads weights:
//     load_code_book(table, lanes)
// where all of its lanes come by.
#ifndef CODE_BOOK_GLSL
#define CODE_BOOK_GLSL

#include "code_books.h"

#define BOOK_FIRST_OF(name, first, entries) + (WEIGHT_TYPE == DTYPE_##name ? uint(first) : 0u)
#define BOOK_ENTRIES_OF(name, first, entries) + (WEIGHT_TYPE == DTYPE_##name ? uint(entries) : 0u)
const uint BOOK_FIRST = (0u CODE_BOOKS(BOOK_FIRST_OF)) / 2u; // in words
const uint BOOK_WORDS = (0u CODE_BOOKS(BOOK_ENTRIES_OF)) / 2u;

// An array of none is not allowed; and in whole chunks, as what follows it may be read by them.
shared uint code_book[BOOK_WORDS / 4 * 4 + 4];

// `table` has the books before it.
void load_code_book(U32x2 table, uint lanes)
{
    if (BOOK_WORDS == 0)
        return;
    U32 books = U32(before(table, 2 * CODE_BOOK_ENTRIES));
    uint i = gl_LocalInvocationIndex;
    do { // not a `for`, see address.glsl
        const uint word = load_u32(books, BOOK_FIRST + min(i, BOOK_WORDS - 1));
        if (i < BOOK_WORDS)
            code_book[i] = word;
        i += lanes;
    } while (i < BOOK_WORDS);
    barrier();
}

// The 4 bytes from `first` on of the row's block, which has `whole` bytes in pieces of 32 and then
// a piece of 8: halves of pieces would take more registers.
uint load_word_of(weight_rows m, record_at at, uint whole, uint first)
{
    U32 words = U32(uvec2(m.matrix));
    const uint begin = first < whole ? first / 32 * 32 : whole;
    const uint stride = first < whole ? 8 : 2; // from row to row, in words
    const uint word = (at.chunk + begin) * 4 + m.side * 8 * stride + (first - begin) / 4;
#ifdef BROADCAST
    uint bits = load_u32_ahead(words, word, at.ahead * 4);
    [[unroll]] for (uint n = 1; n < 8; n++) {
        const uint other = load_u32_ahead(words, word + n * stride, at.ahead * 4);
        bits = m.r == n ? other : bits;
    }
    return bits;
#else
    return load_u32_ahead(words, word + m.r * stride, at.ahead * 4);
#endif
}

uint code_book_entry(uint i)
{
    return code_book[i / 2] >> i % 2 * 16 & 0xffff;
}

// Fours of levels, as bytes.
uint levels_of_2_bits(uint bits)
{
    const uint pairs = (bits | bits << 12) & 0x000f000f;
    return (pairs | pairs << 6) & 0x03030303;
}

uint levels_of_3_bits(uint bits)
{
    const uint pairs = (bits & 0x3f) | (bits & 0xfc0) << 10;
    return (pairs | pairs << 5) & 0x07070707;
}

// Eight bytes times `scale`, less than zero where `signs` has a bit.
unit with_signs(uvec2 q, float scale, uint signs)
{
    const unit magnitudes = to_unit(q, scale, 0.0);
    unit w;
    [[unroll]] for (uint c = 0; c < 4; c++) {
        w.a[c] = uintBitsToFloat(
            floatBitsToUint(magnitudes.a[c]) ^ (signs << (31 - c) & 0x80000000u));
        w.b[c] = uintBitsToFloat(
            floatBitsToUint(magnitudes.b[c]) ^ (signs << (27 - c) & 0x80000000u));
    }
    return w;
}

// The sign of the last of eight elements from those of the others: an even number is negative.
uint even_signs(uint signs)
{
    return signs | (bitCount(signs) & 1) << 7;
}

// What iq2_xxs, iq2_xs and iq2_s have in common: entry `i`, whose levels are 8, 25 and 43.
unit from_iq2(uint i, float scale, uint signs)
{
    const uint entry = code_book_entry(i);
    const uvec2 q = uvec2(levels_of_2_bits(entry & 0xff), levels_of_2_bits(entry >> 8));
    return with_signs(q * 17 + 0x08080808 + (q >> 1 & 0x01010101), scale, signs);
}

// What iq1_s and iq1_m have in common: levels are -1, 0 and 1, and all are moved by 1/8.
unit from_iq1(uint i, float scale, bool down)
{
    const uint entry = code_book_entry(i);
    return to_unit(uvec2(levels_of_2_bits(entry & 0xff), levels_of_2_bits(entry >> 8)), scale,
        scale * (down ? -1.125 : -0.875));
}

#endif
