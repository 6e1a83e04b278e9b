// iq2_s.c - blocks of 256: runs of 16, an index of 10 bits for 8 elements, a sign for each.
#include "books.h"

BOOK_FORMAT(iq2_s, 82, 2, D_FIRST, .first = CODE_BOOK_IQ2_S, .entries = 1024, LEVELS_2,
    .low = { BYTE(2), 8, 8 }, .high = { BYTE(66), 2, 2 }, .scales = { BYTE(74), 4, 4 }, .run = 16,
    .signs = { BYTE(34), 8, 8 })
