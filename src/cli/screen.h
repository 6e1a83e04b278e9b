// screen.h - a text on standard output as its tokens are made. A terminal gets no control
// characters of a model's invention, and whole characters only.
#ifndef VKMOE_CLI_SCREEN_H
#define VKMOE_CLI_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "session.h"

struct cli_screen {
    bool bytes, terminal, utf8;
    vkmoe_decoder *decoder; // NULL: tokens are bytes, or shown as numbers
    const struct cli_session *session;
    uint32_t count; // tokens shown
    bool middle;    // of a line
    unsigned char rest[4];
    uint32_t rest_count;
};

// Of the session's text. To be finished.
void cli_screen_init(struct cli_screen *screen, const struct cli_session *session);
void cli_screen_finish(struct cli_screen *screen);

// `tokens` are all that the text has so far; shows those that are new.
void cli_screen_show(struct cli_screen *screen, const uint32_t *tokens, uint32_t count);

// Shows what was held back, since no more will come, and ends the line. Another text may follow.
void cli_screen_end(struct cli_screen *screen, const uint32_t *tokens, uint32_t count);

#endif
