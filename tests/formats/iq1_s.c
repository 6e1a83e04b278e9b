// iq1_s.c - blocks of 256: runs of 32, an index of 11 bits for 8 elements; for each run 2 bytes,
// the upper bits of 4 indices, the scale and the shift.
#include "books.h"

BOOK_FORMAT(iq1_s, 50, 2, D_FIRST, .first = CODE_BOOK_IQ1_S, .entries = 2048, LEVELS_1,
    .low = { BYTE(2), 8, 8 }, .high = { BYTE(34), 3, 3, 4, 16 }, .scales = { BYTE(34) + 12, 3, 16 },
    .run = 32, .shifts = { BYTE(34) + 15, 1, 16 }, .shift_run = 32)
