// iq1_m.c - blocks of 256: runs of 16, an index of 11 bits and a shift for 8 elements; 4 scales in
// 2 bytes, above them 4 bits of d.
#include "books.h"

BOOK_FORMAT(iq1_m, 56, 0, .d = { BYTE(48) + 12, 4, 16 }, .first = CODE_BOOK_IQ1_M, .entries = 2048,
    LEVELS_1, .low = { BYTE(0), 8, 8 }, .high = { BYTE(32), 3, 4 },
    .scales = { BYTE(48), 3, 3, 4, 16 }, .run = 16, .shifts = { BYTE(32) + 3, 1, 4 },
    .shift_run = 8)
