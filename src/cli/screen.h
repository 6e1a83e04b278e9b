// screen.h - a text on standard output as its tokens are made. A terminal gets no control
// characters of a model's invention, and whole characters only.
#ifndef VKMOE_CLI_SCREEN_H
#define VKMOE_CLI_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "tokenizer.h"

struct cli_screen {
    bool bytes, terminal, utf8;
    struct cli_tokenizer *tokenizer; // NULL: tokens are bytes, or shown as numbers
    uint32_t count;                  // tokens shown, without a tokenizer
    bool middle;                     // of a line
    unsigned char rest[4];
    uint32_t rest_count;
};

void cli_screen_init(struct cli_screen *screen, bool bytes, struct cli_tokenizer *tokenizer);

// `tokens` are all that the text has so far; shows those that are new.
void cli_screen_show(struct cli_screen *screen, const uint32_t *tokens, uint32_t count);

// Shows what was held back, since no more will come, and ends the line. Another text may follow.
void cli_screen_end(struct cli_screen *screen, const uint32_t *tokens, uint32_t count);

#endif
