// iq3_xxs.c - blocks of 256: runs of 32, an index of 8 bits for 4 elements; for each run a word of
// signs, 7 for 8 elements, and its scale.
#include "books.h"

BOOK_FORMAT(iq3_xxs, 98, 2, D_FIRST, .first = CODE_BOOK_IQ3_XXS, .entries = 256, .width = 4,
    .levels = { 1, 3, 5, 7, 9, 11, 13, 15.5 }, .highest = 7, .low = { BYTE(2), 8, 8 },
    .scales = { BYTE(66) + 28, 4, 32 }, .run = 32, .signs = { BYTE(66), 7, 7, 4, 32 })
