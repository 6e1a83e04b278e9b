// compare.c - see compare.h.
#include "compare.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "random.h"
#include "tap.h"

bool near(const char *what, double actual, double expected)
{
    bool ok = fabs(actual - expected) <= 1e-12 * fmax(1.0, fabs(expected));
    if (!ok)
        tap_note("%s: %.15g, expected %.15g", what, actual, expected);
    return ok;
}

bool same(const char *what, long actual, long expected)
{
    if (actual != expected)
        tap_note("%s: %ld, expected %ld", what, actual, expected);
    return actual == expected;
}

struct compare_result compare_floats(const char *what, const double *reference, const float *actual,
    uint64_t count, uint32_t columns, double tolerance)
{
    struct compare_result result = { .first = UINT64_MAX };
    double square_sum = 0.0;
    for (uint64_t i = 0; i < count; i++)
        square_sum += reference[i] * reference[i];
    double rms = sqrt(square_sum / (double)(count ? count : 1));
    if (rms == 0.0)
        rms = 1e-30; // an all-zero reference has to be met exactly

    for (uint64_t i = 0; i < count; i++) {
        double error = fabs(actual[i] - reference[i]) / rms;
        if (!(error <= tolerance) && result.first == UINT64_MAX)
            result.first = i;
        if (isnan(error))
            error = INFINITY;
        if (error > result.error) {
            result.error = error;
            result.worst = i;
        }
    }
    result.ok = result.first == UINT64_MAX;
    if (!result.ok) {
        uint64_t f = result.first, w = result.worst;
        tap_note("%s: error %.3g of rms %.3g exceeds %.1g", what, result.error, rms, tolerance);
        tap_note("%s: first at [%" PRIu64 "][%" PRIu64 "]: %.9g, expected %.9g", what, f / columns,
            f % columns, (double)actual[f], reference[f]);
        tap_note("%s: worst at [%" PRIu64 "][%" PRIu64 "]: %.9g, expected %.9g", what, w / columns,
            w % columns, (double)actual[w], reference[w]);
    }
    return result;
}

static bool is_dropped(double weight)
{
    return weight == 0.0 && signbit(weight);
}

bool compare_rms(const char *what, const double *reference, const float *actual, uint64_t count,
    double tolerance)
{
    double squares = 0.0, errors = 0.0;
    for (uint64_t i = 0; i < count; i++) {
        squares += reference[i] * reference[i];
        errors += (actual[i] - reference[i]) * (actual[i] - reference[i]);
    }
    const bool ok = sqrt(errors) <= tolerance * sqrt(squares);
    if (!ok)
        tap_note("%s: the rms of errors is %.3g of that of values, above %.1g", what,
            sqrt(errors / squares), tolerance);
    return ok;
}

bool compare_weights(const char *what, const double *reference, const float *actual, uint64_t count,
    uint32_t columns, double tolerance)
{
    for (uint64_t i = 0; i < count; i++) {
        if (is_dropped(reference[i]) == is_dropped(actual[i]))
            continue;
        tap_note("%s: [%" PRIu64 "][%" PRIu64 "] is %.9g, expected %.9g (-0 means dropped)", what,
            i / columns, i % columns, (double)actual[i], reference[i]);
        return false;
    }
    return compare_floats(what, reference, actual, count, columns, tolerance).ok;
}

bool compare_ids(const char *what, const int32_t *reference, const int32_t *actual, uint64_t count,
    uint32_t columns)
{
    for (uint64_t i = 0; i < count; i++) {
        if (reference[i] == actual[i])
            continue;
        tap_note("%s: [%" PRIu64 "][%" PRIu64 "] is %" PRId32 ", expected %" PRId32, what,
            i / columns, i % columns, actual[i], reference[i]);
        return false;
    }
    return true;
}

bool compare_bits(const char *what, const void *expected, const void *actual, size_t size)
{
    const unsigned char *e = expected, *a = actual;
    if (!memcmp(e, a, size))
        return true;
    size_t i = 0;
    while (e[i] == a[i])
        i++;
    i -= i % 4;
    uint32_t expected_word = 0, actual_word = 0;
    size_t rest = size - i < 4 ? size - i : 4;
    memcpy(&expected_word, e + i, rest);
    memcpy(&actual_word, a + i, rest);
    tap_note("%s: word %zu is %08" PRIx32 ", expected %08" PRIx32, what, i / 4, actual_word,
        expected_word);
    return false;
}

// 0x7fcNNNNN is a quiet NaN for every NNNNN, and above every expert's index.
static uint32_t guard_word(size_t index)
{
    return 0x7fc00000u | (uint32_t)(index * 2654435761u >> 7 & 0x3fffff);
}

void guard_fill(void *memory, size_t size)
{
    unsigned char *bytes = memory;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(guard_word(i / 4) >> 8 * (i % 4));
}

bool guard_check(
    const char *what, const void *memory, size_t size, size_t range_offset, size_t range_size)
{
    const unsigned char *bytes = memory;
    for (size_t i = 0; i < size; i++) {
        if (i == range_offset && range_size) {
            i += range_size - 1;
            continue;
        }
        if (bytes[i] == (unsigned char)(guard_word(i / 4) >> 8 * (i % 4)))
            continue;
        if (i < range_offset)
            tap_note("%s: byte %zu before the range was overwritten", what, range_offset - i);
        else
            tap_note("%s: byte %zu behind the range was overwritten", what,
                i - range_offset - range_size + 1);
        return false;
    }
    return true;
}

uint32_t largest_of(const float *values, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++) {
        if (values[i] > values[best])
            best = i;
    }
    return best;
}

bool scratch_fits(uint32_t tokens, uint64_t size, uint64_t bound)
{
    if (size > bound)
        tap_note(
            "scratch for %" PRIu32 " tokens is %" PRIu64 ", at most %" PRIu64, tokens, size, bound);
    return size <= bound;
}

void random_fill(unsigned char *to, size_t size, uint64_t seed)
{
    struct rng rng = { seed };
    for (size_t i = 0; i < size; i++)
        to[i] = (unsigned char)rng_next(&rng);
}
