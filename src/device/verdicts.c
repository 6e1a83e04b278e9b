// verdicts.c - see verdicts.h.
#include "device/verdicts.h"

#include <stdlib.h>

#include "base/common.h"

struct verdicts *vkmoe_verdicts_create(void)
{
    struct verdicts *verdicts = calloc(1, sizeof *verdicts);
    if (verdicts) {
        pthread_mutex_init(&verdicts->mutex, NULL);
        atomic_init(&verdicts->tester, NULL);
    }
    for (uint32_t i = 0; verdicts && i < VERDICTS_MAX; i++) {
        atomic_init(&verdicts->wrong[0][i], 0);
        atomic_init(&verdicts->wrong[1][i], 0);
    }
    return verdicts;
}

void vkmoe_verdicts_destroy(struct verdicts **address)
{
    TAKE_OR_RETURN(struct verdicts, verdicts, address);
    pthread_mutex_destroy(&verdicts->mutex);
    free(verdicts);
}

void vkmoe_verdicts_add(
    struct verdicts *verdicts, const struct variant *variant, enum vkmoe_dtype dtype, bool fast)
{
    atomic_fetch_or(&verdicts->wrong[fast][variant - vkmoe_variants], 1u << dtype);
}

static _Thread_local char own_address; // by which threads are told apart

void vkmoe_verdicts_begin(struct verdicts *verdicts, const struct variant *form)
{
    verdicts->tested_form = form;
    verdicts->refused = false;
    atomic_store(&verdicts->tester, &own_address);
}

void vkmoe_verdicts_end(struct verdicts *verdicts)
{
    atomic_store(&verdicts->tester, NULL);
}

bool vkmoe_verdicts_note_refusal(struct verdicts *verdicts, const struct variant *variant)
{
    if (!verdicts || atomic_load(&verdicts->tester) != &own_address
        || verdicts->tested_form != variant)
        return false;
    verdicts->refused = true;
    return true;
}
