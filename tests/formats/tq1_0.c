// tq1_0.c - blocks of 256: codes that are digits to base 3, five in a byte or, in the last four
// bytes, four; then d.
#include "ternary.h"

static const int powers[] = { 1, 3, 9, 27, 81, 243 };

struct place {
    int byte, digit; // digits are counted from the highest
};

// Runs of 32 bytes, 16 and 4.
static struct place place_of(int i)
{
    if (i < 160)
        return (struct place){ i % 32, i / 32 };
    if (i < 240)
        return (struct place){ 32 + (i - 160) % 16, (i - 160) / 16 };
    return (struct place){ 48 + (i - 240) % 4, (i - 240) / 4 };
}

// A byte is the least fraction of 256 that is not below the same of 243.
static int code(const void *block, int i)
{
    const struct place at = place_of(i);
    return (int)bits_in(block, (size_t)at.byte, 0, 8) * powers[at.digit + 1] / 256 % 3;
}

static void put_codes(void *block, const int *codes)
{
    int numbers[52] = { 0 };
    for (int i = 0; i < 256; i++)
        numbers[place_of(i).byte] += codes[i] * powers[4 - place_of(i).digit];
    for (int i = 0; i < 52; i++)
        put_bits(block, (size_t)i, 0, (uint32_t)(numbers[i] * 256 + 242) / 243);
}

TERNARY_FORMAT(tq1_0, 54)
