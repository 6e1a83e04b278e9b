// verdicts.h - which forms a device's driver computes wrongly, as self-tests found
// (src/moe/self_test.c, src/attention/heads_test.c): nothing takes them on this device.
#ifndef VKMOE_VERDICTS_H
#define VKMOE_VERDICTS_H

#include <pthread.h>

#include "device/variants.h"

#define VERDICTS_MAX 256 // variants

struct verdicts {
    pthread_mutex_t mutex; // of who tests
    // Masks of 1 << dtype, by precision: of forms of experts_gemm, and of decode_heads. Under the
    // mutex.
    uint32_t tested[2], heads_tested[2];
    atomic_uint wrong[2][VERDICTS_MAX];
    // Of the thread that tests: an address that it alone has, or NULL.
    _Atomic(const void *) tester;
    const struct variant *tested_form; // by it
    bool refused;                      // the driver did not compile it
};

// NULL: no host memory.
struct verdicts *vkmoe_verdicts_create(void);
void vkmoe_verdicts_destroy(struct verdicts **verdicts);

// That the variant is wrong for weights of `dtype`.
void vkmoe_verdicts_add(
    struct verdicts *verdicts, const struct variant *variant, enum vkmoe_dtype dtype, bool fast);

// While the calling thread tests a form, that the driver does not compile it is no error. Under the
// mutex.
void vkmoe_verdicts_begin(struct verdicts *verdicts, const struct variant *form);
void vkmoe_verdicts_end(struct verdicts *verdicts);
// Notes that a variant was not compiled. False: it is not one that this thread tests.
bool vkmoe_verdicts_note_refusal(struct verdicts *verdicts, const struct variant *variant);

// Whether it is for any of these formats. Any thread.
static inline bool verdict_is_wrong(
    struct verdicts *verdicts, const struct variant *variant, uint32_t formats, bool fast)
{
    return verdicts && atomic_load(&verdicts->wrong[fast][variant - vkmoe_variants]) & formats;
}

#endif
