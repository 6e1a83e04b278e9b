// heads.c - queries, keys and values of few tokens that are finished where they are made, against
// the products and store_kv that a device takes which cannot do that: the same bits of y and of the
// cache. And pipelines that a longer context does not make anew.
#include <string.h>

#include "attention_models.h"
#include "attention_run.h"
#include "base/common.h"
#include "compare.h"
#include "device/pipelines.h"

// ------------------------------------------------------------------- pipelines of a text

static void count_pipeline(
    void *user, const struct variant *variant, const uint32_t *spec, VkPipeline pipeline)
{
    (void)variant, (void)spec, (void)pipeline;
    ++*(uint32_t *)user;
}

static uint32_t count_pipelines(vkmoe_device *device)
{
    uint32_t count = 0;
    vkmoe_pipelines_visit(device, count_pipeline, &count);
    return count;
}

#define TRAINED 3

static const struct attention_case texts[] = {
    { "longrope", DENSE(1, 48, 32, 4, 2), LONGROPE(HALF, TRAINED), .has = LONG_ROPE },
    { "longrope-stored-apart", DENSE(1, 48, 24, 4, 2), LONGROPE(HALF, TRAINED), .has = LONG_ROPE },
};

// A text that outgrows what LongRoPE's first factors are for goes on with what was made for it.
static bool check_text(struct harness *harness, const struct attention_case *c)
{
    struct attention_run run;
    harness->messages = 0;
    bool ok = attention_run_init(&run, harness, c, 1);
    run.data.longest = TRAINED;
    ok = ok && attention_run_forward(&run, false);
    const uint32_t made = count_pipelines(harness->device);
    run.data.longest = TRAINED + 1;
    ok = ok && attention_run_forward(&run, false);
    const uint32_t more = count_pipelines(harness->device) - made;
    if (more > 0)
        tap_note("%u pipelines were made for a longer context", more);
    attention_run_finish(&run);
    return ok && more == 0 && !harness->messages;
}

// -------------------------------------------------------------------------------- main

static void check_all(struct tap *tap, struct harness *harness)
{
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        char name[64];
        snprintf(name, sizeof name, "text/%s", texts[i].name);
        TAP_TEST(tap, name, check_text(harness, &texts[i]));
    }
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv, check_all);
}
