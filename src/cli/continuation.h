// continuation.h - goes on with a session's text token by token, and shows it: for `generate`, and
// for each answer of `chat`.
#ifndef VKMOE_CLI_CONTINUATION_H
#define VKMOE_CLI_CONTINUATION_H

#include "sampling.h"
#include "screen.h"
#include "session.h"

// How a model is run that goes on with a text, as the command line says.
struct cli_running {
    struct cli_sampling sampling;
    const char *device, *cache_type;
    bool exact, validate;
    enum vkmoe_dtype cache_dtype; // after cli_running_parse()
};

#define CLI_RUNNING(running) CLI_SAMPLING(&(running)->sampling), CLI_RUNNING_UNSAMPLED(running)
// Where no token is chosen.
#define CLI_RUNNING_UNSAMPLED(running) \
    CLI_EXACT(&(running)->exact), CLI_CACHE_TYPE(&(running)->cache_type), \
        CLI_WHERE(&(running)->device, &(running)->validate)

// Of zeroed ones. Negative: all is understood. Or the exit status.
int cli_running_parse(struct cli_running *running, const char *command);
void cli_running_finish(struct cli_running *running);

// Starts the opened session, for `capacity` positions, unless Ctrl-C comes. Fails with a message.
int cli_running_start(const struct cli_running *running, struct cli_session *session,
    uint32_t capacity, bool no_capacity);

struct cli_continuation {
    struct cli_session *session; // started
    struct cli_sampling *sampling;
    struct cli_screen screen;
    uint32_t begin; // the token of the text that the screen begins with
    uint32_t run;   // the text's first so many tokens are in the model's caches
    float *logits;  // of the last of them

    bool ended;          // the model ended the last text
    const char *stopped; // why the last text ended, unless it has as many tokens as were wanted
    char full[64];

    // Of all texts
    uint32_t read, generated;
    uint64_t read_ns;  // until the first logits, but for `ready_ns`
    uint64_t ready_ns; // to make pipelines
    uint32_t timed;    // tokens generated in `timed_ns`
    uint64_t timed_ns;
};

// To be finished.
void cli_continuation_init(struct cli_continuation *continuation, struct cli_session *session,
    struct cli_sampling *sampling);
void cli_continuation_finish(struct cli_continuation *continuation);

// Runs what is new of the text, at least one token, unless Ctrl-C comes. Fails with a message.
int cli_continuation_read(struct cli_continuation *continuation);

// Adds up to `count` tokens to the text, and shows it. An end token is not added. Fails with a
// message.
int cli_continuation_write(struct cli_continuation *continuation, uint32_t count);

// Ends what is shown.
int cli_continuation_end(struct cli_continuation *continuation);

// To standard error: how fast the tokens came, the seed, the device.
void cli_continuation_report(const struct cli_continuation *continuation);

#endif
