// iq3_s.c - blocks of 256: runs of 32, an index of 9 bits for 4 elements, a sign for each.
#include "books.h"

BOOK_FORMAT(iq3_s, 110, 2, D_FIRST, .first = CODE_BOOK_IQ3_S, .entries = 512, .width = 4,
    .levels = { 1, 3, 5, 7, 9, 11, 13, 15 }, .highest = 7, .low = { BYTE(2), 8, 8 },
    .high = { BYTE(66), 1, 1 }, .scales = { BYTE(106), 4, 4 }, .run = 32,
    .signs = { BYTE(74), 8, 8 })
