// iq2_xs.c - blocks of 256: runs of 16, an index of 9 bits for 8 elements, signs of 7.
#include "books.h"

BOOK_FORMAT(iq2_xs, 74, 2, D_FIRST, .first = CODE_BOOK_IQ2_XS, .entries = 512, LEVELS_2,
    .low = { BYTE(2), 9, 16 }, .scales = { BYTE(66), 4, 4 }, .run = 16,
    .signs = { BYTE(2) + 9, 7, 16 })
