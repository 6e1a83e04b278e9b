// granitemoehybrid.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(granitemoehybrid, GRANITE_SHARED_MODEL("granitemoehybrid"));
