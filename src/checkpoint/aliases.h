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
    bool renormalize;   // always, whatever a setting says
    // What is around the experts is the family's, too; settings "a b" of that which must be there.
    // NULL: nothing is said of it.
    const char *whole;
};

struct kind;
struct settings;

// Whether a model may be called the family's around its experts, too: false for an alias of which
// nothing is said. Settings that an alias lacks are a failure of these.
bool vkmoe_alias_is_whole(const struct kind *kind, struct settings *settings);

#endif
