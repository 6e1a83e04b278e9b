// predict.h - what a layer, and a model, would take on a card: arithmetic on what the library
// dispatches there and on the card's public numbers.
#ifndef VKMOE_BENCH_PREDICT_H
#define VKMOE_BENCH_PREDICT_H

#include "rehearse.h"

// Of one dispatch.
struct cost {
    double waves;     // of its workgroups
    double in_flight; // bytes
    double first_ns;  // until there is something to work on; then the longest of
    double memory_ns, load_ns, flops_ns;
    double ns;         // alone, with what it takes to start it
    const char *bound; // what most of that is
};

struct cost cost_of(const struct card *card, uint32_t wave, const struct recorded_dispatch *d);

// Of some dispatches together.
struct prediction {
    double ns, bytes;
    uint32_t dispatches, barriers;
    double smallest_waves;
    const char *smallest; // its kernel
    double least;         // of products with matrices: bytes in flight of what there is to read, or
                          // of what the card needs, if that is less
    const char *least_of;
    double rows, live_rows; // of products by tiles
};

// Of those from `from` on up to `to`.
struct prediction predict(
    const struct card *card, const struct rehearsal *rehearsal, uint32_t from, uint32_t to);

// Bytes that must be in flight for the card's memory to be busy.
double card_needs(const struct card *card);

struct predict_options {
    const struct card *card;
    const char *device; // not NULL: layers are timed on it as well, to be printed beside
    uint64_t seed;
    bool json;
    const char *json_path; // NULL: standard output, and nothing else goes there
};

// Predicts entries and prints them. Returns main()'s status.
int predict_all(const struct predict_options *options, const struct entry *entries, uint32_t count);

#endif
