// same_logits.c - see same_logits.h.
#include "same_logits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "network_reference.h"

enum { TOKENS = 11, FIRST = 5, CAPACITY = 24 };

// The logits of a few tokens, which are free()d, and what experts the first of them chose. The
// context is said to be longer for the others, as LongRoPE has it.
static double *run(vkmoe_checkpoint *checkpoint, uint32_t *count, int32_t **experts)
{
    struct reference_network network;
    struct reference_memory memory;
    uint32_t ids[TOKENS], positions[TOKENS];
    double *logits = NULL;
    *count = 0;
    if (reference_network_from(checkpoint, &network)) {
        for (uint32_t i = 0; i < TOKENS; i++) {
            ids[i] = (i * 7 + 3) % network.vocabulary;
            positions[i] = i;
        }
        *count = TOKENS * network.vocabulary;
        logits = allocate(*count, sizeof *logits);
        *experts = allocate((size_t)network.block_count * TOKENS * 16, sizeof **experts);
        reference_memory_init(&memory, &network, 1, CAPACITY, VKMOE_DTYPE_F32);
        for (uint32_t b = 0; b < network.block_count; b++)
            memory.blocks[b].longest = TOKENS;
        reference_network_forward(
            &network, FIRST, ids, positions, NULL, &memory, logits, *experts, NULL);
        for (uint32_t b = 0; b < network.block_count; b++)
            memory.blocks[b].longest = CAPACITY;
        reference_network_forward(&network, TOKENS - FIRST, ids + FIRST, positions + FIRST, NULL,
            &memory, logits + FIRST * network.vocabulary, NULL, NULL);
        reference_memory_finish(&memory);
    }
    reference_network_finish(&network);
    return logits;
}

bool same_logits(vkmoe_checkpoint *a, vkmoe_checkpoint *b, double part)
{
    uint32_t counts[2];
    int32_t *experts[2] = { NULL, NULL };
    double *first = run(a, &counts[0], &experts[0]), *second = run(b, &counts[1], &experts[1]);
    double largest = 0.0, squares = 0.0;
    for (uint32_t i = 0; first && second && i < counts[0] && counts[0] == counts[1]; i++) {
        largest = fmax(largest, fabs(first[i] - second[i]));
        squares += first[i] * first[i];
    }
    const double most = part != 0.0 ? part * sqrt(squares / counts[0]) : 1e-6;
    const bool same = first && second && counts[0] == counts[1] && largest < most
        && memcmp(experts[0], experts[1], TOKENS * sizeof(int32_t)) == 0;
    if (!same)
        tap_note("the logits differ by up to %g", largest);
    for (int i = 0; i < 2; i++)
        free(experts[i]);
    free(first);
    free(second);
    return same;
}
