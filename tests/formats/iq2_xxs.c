// iq2_xxs.c - blocks of 256: runs of 32, each 4 indices for 8 elements and a word as that of
// iq3_xxs.
#include "books.h"

BOOK_FORMAT(iq2_xxs, 66, 2, D_FIRST, .first = CODE_BOOK_IQ2_XXS, .entries = 256, LEVELS_2,
    .low = { BYTE(2), 8, 8, 4, 64 }, .scales = { BYTE(6) + 28, 4, 64 }, .run = 32,
    .signs = { BYTE(6), 7, 7, 4, 64 })
