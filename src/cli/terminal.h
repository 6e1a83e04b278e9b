// terminal.h - whether what is written to is a terminal that knows control sequences.
#ifndef VKMOE_CLI_TERMINAL_H
#define VKMOE_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// TERM is "dumb" in editors and logs, and unset where nobody knows: both get plain text.
static inline bool cli_is_terminal(int descriptor)
{
    const char *term = getenv("TERM");
    return isatty(descriptor) && term && *term && strcmp(term, "dumb") != 0;
}

#endif
