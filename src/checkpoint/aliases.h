// aliases.h - model types whose blocks are those of a known family, under another name.
#ifndef VKMOE_ALIASES_H
#define VKMOE_ALIASES_H

#include <stdbool.h>

// A block is the same if its gate, its experts and their tensors' names are. What the family
// has as presets is not said of an alias: all of it has to be in its settings.
struct alias {
    const char *name;   // model_type
    const char *needs;  // alternatives "a|b", one of which must be there too
    const char *expect; // "key=value", besides what the family expects
    const char *accept; // "key=value" that is as good as what the family expects
    bool renormalize;   // always, whatever a setting says
};

#endif
