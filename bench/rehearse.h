// rehearse.h - lets the library record a layer, or a whole model around it, as on a card that is
// not there, and keeps what it dispatched.
#ifndef VKMOE_BENCH_REHEARSE_H
#define VKMOE_BENCH_REHEARSE_H

#include "cards.h"
#include "measure.h"
#include "subject.h"
#include "work.h"

struct recorded_dispatch {
    const struct variant *variant;
    uint32_t barriers; // before it, since the one before
    struct work work;
};

struct rehearsal {
    struct recorded_dispatch *dispatches;
    uint32_t count, room;
    uint32_t barriers; // since the last one
    uint32_t wave;     // lanes of a subgroup that the library wants on the card
    bool failed;       // out of host memory
    struct scene scene;
    char message[160]; // the library's last
};

#define SEEN_KEYS 1024 // of a cache, that are there and seen

// Records entry->c on the card: the layer, or the model if `around` is not NULL.
enum vkmoe_status rehearse(struct rehearsal *rehearsal, const struct card *card,
    const struct entry *entry, const struct surroundings *around, uint64_t seed);
void rehearsal_finish(struct rehearsal *rehearsal);

#endif
