// registry_choice.h - which forms devices get.
#ifndef VKMOE_TESTS_REGISTRY_CHOICE_H
#define VKMOE_TESTS_REGISTRY_CHOICE_H

#include <stdbool.h>

// That devices of some kinds get the forms for their GEMMs that are meant for them.
bool registry_choice(void);

// That workgroups of attend are small enough for the shared memory that there is.
bool registry_lanes(void);

// That cards finish heads behind every product of few tokens.
bool registry_heads(void);

// That attend is done by matrix units where that suits the work, and by lanes elsewhere.
bool registry_attend(void);

#endif
