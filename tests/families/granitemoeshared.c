// granitemoeshared.c - see family_writers.h.
#include "family_writers.h"

FAMILY_MODELS(granitemoeshared, GRANITE_SHARED_MODEL("granitemoeshared"));
