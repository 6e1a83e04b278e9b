// cards.h - what is publicly known of some cards, for predictions (predict.h).
#ifndef VKMOE_BENCH_CARDS_H
#define VKMOE_BENCH_CARDS_H

#include <vkmoe/vkmoe.h>

#include "vulkan/physical.h"

struct card {
    const char *name;
    enum vkmoe_device_type type;
    uint32_t units;              // compute units, multiprocessors, Xe cores
    uint32_t waves_a_unit;       // that may reside in one, if registers and shared memory suffice
    uint32_t min_wave, max_wave; // lanes, as Vulkan drivers report subgroups
    struct matrix_units matrix_units; // as drivers list them and the library takes them
    double memory_size;
    double bandwidth;    // bytes a second, of the memory, without caches
    double flops;        // a second, f32 multiply-adds as 2, at the clock named by the vendor
    double matrix_flops; // likewise, of dense matrices of f16 with sums in f32; 0: none
    double load_ns;      // from a load of memory to its use, while the memory is busy
    double dispatch_ns;  // from the end of a dispatch to the start of the next one, after a barrier
    const char *source;  // of units, memory, flops and matrix_flops
    const char
        *assumed; // what of the above nobody has published for this card, and what it is then
};

// From a load to its use where a cache has what is loaded, on any card. A guess: an idle RX 7900
// XTX was seen to take 150 to 199 ns to its last cache (Chips and Cheese, June 2023).
#define CACHED_NS 250.0

// Ends with a row without a name.
extern const struct card cards[];

// The one whose name contains `text`; case, blanks and hyphens do not count. NULL: none, or
// several.
const struct card *card_find(const char *text);

// Names, as a list for messages.
void card_names(char *text, size_t size);

#endif
