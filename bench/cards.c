// cards.c - see cards.h.
#include "cards.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/common.h"

#define GIB 1073741824.0

// Bytes that a card must have in flight are its bandwidth times the latency of a load. Public
// estimates of these bytes for large cards, about 0.75 MB on an RX 7900 XTX, 1.3 MB on an RTX 5090
// and 3.4 MB on an H200, say 0.7 to 0.8 us for a memory that is busy; one load alone takes less.
#define LOAD_LARGE "load: from bytes in flight that others estimate to fill it"
#define LOAD_AS_LARGE "load: as of other large cards"

// Of tiny dispatches that depend on each other: 2.2 to 2.4 us on an RTX 4070 (llama.cpp #10270),
// 2.7 to 3.4 us on an integrated GPU of AMD's (llama.cpp #18467).
#define DISPATCH_4070 "dispatch: as on an RTX 4070, llama.cpp #10270"
#define DISPATCH_APU "dispatch: as on an integrated GPU of AMD's, llama.cpp #18467"
#define DISPATCH_GUESS "dispatch: a guess"

// Peaks of matrices are the vendors', but of Intel's cards: cores times what one does in a clock
// (2048 multiply-adds on Xe-HPG and Xe2) times the clock. Of GeForce cards those with sums in f32.
// Of AMD's f32 rates the half that needs no pairing of instructions, since kernels have none.
// clang-format off
#define AMD { 16, 16, 16, 64 }
#define NVIDIA { 16, 16, 16, 32 }
#define XE_HPG { 8, 8, 16, 8 }
#define XE2 { 8, 16, 16, 16 }
#define NONE { 0, 0, 0, 0 }

const struct card cards[] = {
    { "RX 7900 XTX", VKMOE_DEVICE_TYPE_DISCRETE, 96, 32, 32, 64, AMD, 24 * GIB, 960e9, 30.7e12,
        122.8e12, 780, 3000, "AMD's product page; RDNA 3 ISA guide (2 SIMDs of 16 waves a unit)",
        LOAD_LARGE "; " DISPATCH_APU },
    { "RX 9070 XT", VKMOE_DEVICE_TYPE_DISCRETE, 64, 32, 32, 64, AMD, 16 * GIB, 640e9, 24.3e12,
        195e12, 750, 3000, "AMD's product page; RDNA 4 ISA guide (2 SIMDs of 16 waves a unit)",
        LOAD_AS_LARGE "; " DISPATCH_APU },
    { "RX 6800", VKMOE_DEVICE_TYPE_DISCRETE, 60, 32, 32, 64, NONE, 16 * GIB, 512e9, 16.2e12,
        0, 750, 3000, "AMD's product page; RDNA 2 ISA guide (2 SIMDs of 16 waves a unit)",
        LOAD_AS_LARGE "; " DISPATCH_APU },
    { "Arc A770", VKMOE_DEVICE_TYPE_DISCRETE, 32, 128, 8, 32, XE_HPG, 16 * GIB, 560e9, 17.2e12,
        137.6e12, 750, 3000,
        "Intel's product page; Xe-HPG white paper (16 vector engines of 8 threads)",
        LOAD_AS_LARGE "; " DISPATCH_GUESS },
    { "Arc B580", VKMOE_DEVICE_TYPE_DISCRETE, 20, 64, 16, 32, XE2, 12 * GIB, 456e9, 13.7e12,
        116.7e12, 750, 3000,
        "Intel's product page; threads a vector engine as Xe-HPG (8 engines of 8)",
        "threads of a unit; " LOAD_AS_LARGE "; " DISPATCH_GUESS },
    { "RTX 3090", VKMOE_DEVICE_TYPE_DISCRETE, 82, 48, 32, 32, NVIDIA, 24 * GIB, 936e9, 35.6e12,
        71e12, 750, 2300, "GA102 white paper; CUDA guide, compute capability 8.6",
        LOAD_AS_LARGE "; " DISPATCH_4070 },
    { "RTX 5090", VKMOE_DEVICE_TYPE_DISCRETE, 170, 48, 32, 32, NVIDIA, 32 * GIB, 1792e9, 104.8e12,
        209.5e12, 725, 2300, "RTX Blackwell white paper; CUDA guide, compute capability 12.0",
        LOAD_LARGE "; " DISPATCH_4070 },
    { "H200", VKMOE_DEVICE_TYPE_DISCRETE, 132, 64, 32, 32, NVIDIA, 141e9, 4.8e12, 67e12,
        989e12, 710, 2300,
        "H200 data sheet; Hopper white paper; CUDA guide, compute capability 9.0",
        LOAD_LARGE "; " DISPATCH_4070 },
    { "Radeon 8060S", VKMOE_DEVICE_TYPE_INTEGRATED, 40, 32, 32, 64, AMD, 96 * GIB, 256e9, 14.8e12,
        59.4e12, 750, 3000, "AMD's page of the Ryzen AI Max+ 395 (256 bits of LPDDR5X-8000)",
        "waves of a unit as RDNA 3; " LOAD_AS_LARGE "; " DISPATCH_APU },
    { NULL, VKMOE_DEVICE_TYPE_OTHER, 0, 0, 0, 0, NONE, 0, 0, 0, 0, 0, 0, NULL, NULL },
};
// clang-format on

static void simplify(const char *text, char simple[64])
{
    size_t length = 0;
    for (; *text && length < 63; text++) {
        if (isalnum((unsigned char)*text))
            simple[length++] = (char)tolower((unsigned char)*text);
    }
    simple[length] = 0;
}

const struct card *card_find(const char *text)
{
    const struct card *found = NULL;
    char wanted[64], name[64];
    simplify(text, wanted);
    for (const struct card *card = cards; card->name; card++) {
        simplify(card->name, name);
        if (!*wanted || !strstr(name, wanted))
            continue;
        if (found)
            return NULL;
        found = card;
    }
    return found;
}

void card_names(char *text, size_t size)
{
    size_t length = 0;
    *text = 0;
    for (const struct card *card = cards; card->name && length < size; card++)
        length += (size_t)snprintf(
            text + length, size - length, "%s%s", card == cards ? "" : ", ", card->name);
}
