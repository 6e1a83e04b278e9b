// compare.h - what a device wrote against what it should have written. Every function
// explains a difference in notes (tap.h) that name the place.
#ifndef VKMOE_TESTS_COMPARE_H
#define VKMOE_TESTS_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// For numbers worked out by hand: the same but for the last digits of a double, and the same.
bool near(const char *what, double actual, double expected);
bool same(const char *what, long actual, long expected);

// Largest error allowed, as a share of the rms of the reference. One layer in f32 shows
// 3e-6 to 9e-6 (semantics.md, 0.5). It holds for weights stored in f16 and bf16 as well:
// the reference has the rounded weights, and everything else stays f32.
#define COMPARE_F32_TOLERANCE 2e-5

struct compare_result {
    double error;          // max |actual - reference| / rms(reference); infinite with a NaN
    uint64_t worst, first; // index of the largest error, and of the first above tolerance
    bool ok;
};

// Compares `count` values; notes the first difference as [index / columns][index % columns].
struct compare_result compare_floats(const char *what, const double *reference, const float *actual,
    uint64_t count, uint32_t columns, double tolerance);

// What VKMOE_PRECISION_FAST promises of the errors of a layer together, and what may befall one
// value.
#define COMPARE_FAST_RMS 1e-3
#define COMPARE_FAST_TOLERANCE 1e-2

// That the rms of the errors is no more than `tolerance` of that of the reference.
bool compare_rms(const char *what, const double *reference, const float *actual, uint64_t count,
    double tolerance);

// As compare_floats(), and a weight is -0.0 exactly where the reference's is.
bool compare_weights(const char *what, const double *reference, const float *actual, uint64_t count,
    uint32_t columns, double tolerance);

// The index of the largest.
uint32_t largest_of(const float *values, uint32_t count);

bool compare_ids(const char *what, const int32_t *reference, const int32_t *actual, uint64_t count,
    uint32_t columns);

// True if `size` bytes are the same; notes the first 32-bit word that is not.
bool compare_bits(const char *what, const void *expected, const void *actual, size_t size);

// That a forward of `tokens` needs no more scratch than that.
bool scratch_fits(uint32_t tokens, uint64_t size, uint64_t bound);

// The same random bytes for the same seed.
void random_fill(unsigned char *to, size_t size, uint64_t seed);

// Guard zones: fill a buffer with a pattern that reads as NaN in f32 and as an absurd id
// in i32, let the device write a range of it, and demand the rest as it was. The pattern
// depends on the place, so that zones moved as a block are noticed.
void guard_fill(void *memory, size_t size);
bool guard_check(
    const char *what, const void *memory, size_t size, size_t range_offset, size_t range_size);

#endif
