// session.h - a whole model and one text, as `logits`, `generate`, `chat`, `bench` and `route` run
// them.
#ifndef VKMOE_CLI_SESSION_H
#define VKMOE_CLI_SESSION_H

#include <signal.h>

#include "cli.h"
#include "prompt.h"
#include "template.h"

struct cli_session {
    const char *path;
    vkmoe_checkpoint *checkpoint;
    struct vkmoe_frame frame;
    bool bytes;  // a token is a byte
    bool pieces; // the text was given as such, and `tokenizer` cut it
    vkmoe_tokenizer *tokenizer;
    bool begin_added, end_added; // tokens of the text that are not to be shown: the first,
    uint32_t end_at;             // and this one
    uint32_t context;            // positions that the model knows
    uint32_t *tokens;            // the text
    uint32_t count;
    uint32_t more_ends[CLI_MAX_ENDS], more_end_count; // than the model's files name, if set
    uint32_t uploaded; // tokens of the text whose ids are on the device
    uint32_t *input;   // what an encoder-decoder's encoder reads, else NULL
    uint32_t input_count;

    // Since cli_session_start():
    vkmoe_device *device;
    vkmoe_model *model;
    vkmoe_stream *stream;
    uint32_t chunk, capacity;
    uint32_t step_longest; // below it, the position of a step does not matter; 0: none is recorded
    bool exact_longest;    // RoPE changes with the length of the context: no step is like another
    uint32_t trained;      // LongRoPE: beyond so many positions it has other factors; else 0
    bool is_long;          // those are what the cache's keys were rotated with
    bool is_stale;         // of some tokens they were not, since that was interrupted
    const volatile sig_atomic_t *interrupted; // as in the params
    uint32_t k, attention_k;                  // experts a token chooses; 0: attention is dense
    uint32_t experts, attention_experts;
    vkmoe_buffer *ids, *positions, *step, *logits, *expert_ids, *attention_ids;
};

// The text is either the prompt, which is read first, and is bytes or for the model's tokenizer, or
// the file `ids` of integers [tokens]. An encoder-decoder's encoder reads it, and the decoder
// begins with its start token. Fails with a message if it does not fit the model. To be closed in
// any case.
int cli_session_open(
    struct cli_session *session, const char *path, struct cli_prompt *prompt, const char *ids);

// The same with a file for each side of an encoder-decoder, `ids` being the decoder's. `input`
// NULL: only for models without an encoder.
int cli_session_open_ids(
    struct cli_session *session, const char *path, const char *ids, const char *input);

// The same without a text, which the functions below give it, for a model without an encoder. Its
// tokens are bytes or have a tokenizer.
int cli_session_open_empty(struct cli_session *session, const char *path);

// The same for a text of ids, whatever they stand for; the model may have an encoder.
int cli_session_open_model(struct cli_session *session, const char *path);
// Fails with a message if the opened model knows less than `option` wants.
int cli_session_check_positions(
    const struct cli_session *session, const char *option, uint32_t positions);

struct cli_session_params {
    const char *device;
    bool validate;
    uint32_t capacity;     // positions, at least the text's, or 1; 0: the text's
    uint32_t chunk;        // 0: as is good for this device
    uint32_t chunk_logits; // tokens of a forward whose logits are wanted, at most
    bool routing;          // wants the experts chosen
    bool no_capacity;      // as in vkmoe_model_params
    bool fast;             // VKMOE_PRECISION_FAST
    enum vkmoe_dtype cache_dtype;
    const volatile sig_atomic_t *interrupted; // ends what takes long when it is set; or NULL
};
// What --cache-type says, or NULL. -1, or a misuse of the command.
int cli_cache_parse(const char *command, const char *type, enum vkmoe_dtype *out);

// Loads the model and hands it the text.
int cli_session_start(struct cli_session *session, const struct cli_session_params *params);

// What the text becomes that follows what there is, or that is the first: free(). Fails with a
// message.
int cli_session_encode(struct cli_session *session, const struct cli_marked_text *text, bool first,
    uint32_t **tokens, uint32_t *count);
// Lengthens the text, to a token more than the capacity at most.
void cli_session_append(struct cli_session *session, const uint32_t *tokens, uint32_t count);
// Keeps the first `count` tokens of the text.
void cli_session_cut(struct cli_session *session, uint32_t count);

bool cli_session_is_end(const struct cli_session *session, uint32_t token);

// Runs `tokens` of the text from position `first` on, and reads the logits of the last
// `logits_count`. Where tokens before must be run again, an interruption ends that, and no logits
// are read; the next call runs them.
int cli_session_forward(struct cli_session *session, uint32_t first, uint32_t tokens,
    uint32_t logits_count, float *logits);

// Runs the text from position *run on, chunk by chunk, and reads the logits of its last token. *run
// becomes its end, or where it was interrupted.
int cli_session_read(struct cli_session *session, uint32_t *run, float *logits);

// Runs any one token at a position below the capacity, and reads its logits. Records this only
// now and then: most steps are a repetition of the last. As above when interrupted.
int cli_session_step(struct cli_session *session, uint32_t position, uint32_t token, float *logits);

// Reads what the last forward's gates chose into [blocks][count][k], from `first` on.
// Either may be NULL.
int cli_session_routing(struct cli_session *session, uint32_t first, uint32_t tokens, int32_t *ids,
    int32_t *attention_ids);

void cli_session_close(struct cli_session *session);

// loading.c: a bar that grows, for vkmoe_model_params.progress; `user` is a struct cli_loading.
struct cli_loading {
    const volatile sig_atomic_t *interrupted; // ends the loading when it is set; or NULL
    uint64_t start_ns, shown_ns;
};
bool cli_loading_show(void *user, uint64_t done, uint64_t total);

#endif
