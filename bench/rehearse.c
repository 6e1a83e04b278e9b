// rehearse.c - see rehearse.h.
#include "rehearse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/try.h"
#include "device/rehearsal.h"
#include "model/model.h"

// -------------------------------------------------------------------------- observing

static void note_dispatch(void *user, const struct variant *variant, const struct dispatch *d)
{
    struct rehearsal *r = user;
    if (r->count == r->room) {
        const uint32_t room = r->room ? 2 * r->room : 64;
        struct recorded_dispatch *larger = realloc(r->dispatches, room * sizeof *larger);
        if (!larger) {
            r->failed = true;
            return;
        }
        r->dispatches = larger;
        r->room = room;
    }
    r->dispatches[r->count++] = (struct recorded_dispatch){
        .variant = variant,
        .barriers = r->barriers,
        .work = work_of(&r->scene, variant, d),
    };
    r->barriers = 0;
}

static void note_barrier(void *user)
{
    struct rehearsal *r = user;
    r->barriers++;
}

static void keep_message(void *user, enum vkmoe_log_level level, const char *line)
{
    struct rehearsal *r = user;
    (void)level;
    snprintf(r->message, sizeof r->message, "%s", line);
}

// Who would be chosen, by the same random numbers that are timed elsewhere.
static bool set_scene(struct rehearsal *r, const struct entry *entry, uint64_t seed)
{
    const struct layer_case *c = &entry->c;
    const size_t pairs = (size_t)c->tokens * c->layer.experts_per_token;
    float *x = malloc((size_t)c->tokens * c->layer.hidden * sizeof *x);
    int32_t *ids = malloc(pairs * sizeof *ids);
    r->scene = (struct scene){
        .tokens = c->tokens,
        .keys = MAX(SEEN_KEYS, c->tokens),
        .experts = c->layer.experts,
        .k = c->layer.experts_per_token,
    };
    if (x && ids) {
        inputs_make(c, entry->routing, seed, x, ids);
        for (size_t i = 0; i < pairs; i++)
            r->scene.rows[ids[i]]++;
    }
    const bool made = x && ids;
    free(x);
    free(ids);
    return made;
}

enum vkmoe_status rehearse(struct rehearsal *r, const struct card *card, const struct entry *entry,
    const struct surroundings *around, uint64_t seed)
{
    *r = (struct rehearsal){ 0 };
    const struct observer observer = { note_dispatch, note_barrier, r };
    struct weights weights = { .pool = NULL };
    struct subject subject = { 0 };
    vkmoe_device *device = NULL;
    enum vkmoe_status status = VKMOE_ERROR_OUT_OF_MEMORY;
    if (!set_scene(r, entry, seed) || !weights_init(&weights, &entry->c, seed))
        goto fail;
    weights.params.precision = VKMOE_PRECISION_FAST; // as layers are timed
    if (around) {
        r->scene.heads = around->heads;
        r->scene.kv_heads = around->kv_heads;
    }
    TRY(vkmoe_rehearsal_begin(
        &(struct rehearsal_params){
            .name = card->name,
            .type = card->type,
            .min_subgroup_size = card->min_wave,
            .max_subgroup_size = card->max_wave,
            .matrix_units = card->matrix_units,
            .log = { .write = keep_message, .user = r, .level = VKMOE_LOG_ERROR },
            .observer = &observer,
        },
        &device));
    r->wave = device->subgroup_size;
    TRY(subject_init(&subject, device, &entry->c, around, &weights));
    status = subject_record(&subject, &entry->c);
    if (r->failed)
        status = VKMOE_ERROR_OUT_OF_MEMORY;
fail:
    subject_finish(&subject);
    vkmoe_rehearsal_end(&device);
    weights_finish(&weights);
    return status;
}

void rehearsal_finish(struct rehearsal *r)
{
    free(r->dispatches);
    r->dispatches = NULL;
}
