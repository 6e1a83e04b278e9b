// granitemoeshared.c - see family_writers.h.
#include "family_writers.h"

// And one that has none, as where nothing is said of it.
FAMILY_MODELS(granitemoeshared, GRANITE_SHARED_MODEL("granitemoeshared"),
    GRANITE_MODEL("granitemoeshared-unshared", "granitemoeshared", "", HAS_GATE, 0));
