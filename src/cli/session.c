// session.c - see session.h.
#include "session.h"

#include "base/try.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BYTE_VOCABULARY = 256,
    DEFAULT_CONTEXT = 4096,
    DEFAULT_CHUNK = 512,
    MAX_CHUNK = 65536,
    LOGITS_AT_ONCE = 1 << 26,
    STEP_LONGEST = 256, // positions that a recorded step reaches, at least
};

// What a step of one token is told through device memory.
struct step {
    uint32_t id, position;
};

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

// --------------------------------------------------------------------------- text

static int read_ids(
    const struct cli_session *s, const char *path, uint32_t **tokens, uint32_t *count)
{
    return cli_read_text(path, s->frame.vocabulary, s->context, tokens, count);
}

static int refuse_text(const struct cli_session *s, const char *advice)
{
    return cli_fail(
        "%s: its %u tokens are not bytes, and there is no tokenizer.model, spiece.model "
        "or tokenizer.json%s",
        s->path, s->frame.vocabulary, advice);
}

static int refuse_empty(void)
{
    return cli_fail("the prompt has no tokens, expected at least one");
}

static int check_prompt(const struct cli_session *s, size_t count)
{
    if (count == 0)
        return refuse_empty();
    return count <= s->context
        ? 0
        : cli_fail("the prompt has %zu tokens, the model's context holds %u", count, s->context);
}

// Unless tokens are bytes.
static int open_tokenizer(struct cli_session *s, const char *advice)
{
    if (s->bytes)
        return 0;
    if (!vkmoe_tokenizer_exists(s->path))
        return refuse_text(s, advice);
    s->pieces = true;
    char why[1024] = "";
    const struct cli_capture before = cli_capture((struct cli_capture){ why, sizeof why });
    const enum vkmoe_status status = vkmoe_tokenizer_create(
        &(struct vkmoe_tokenizer_params){ VKMOE_INIT(vkmoe_tokenizer_params), .log = cli_log,
            .checkpoint = s->checkpoint, .vocabulary = s->frame.vocabulary },
        &s->tokenizer);
    cli_restore(before);
    return status == VKMOE_OK
        ? 0
        : cli_fail("%s%s", why, status == VKMOE_ERROR_UNSUPPORTED ? advice : "");
}

// The text's tokens: free().
static enum vkmoe_status encode_text(const struct cli_session *s,
    const struct vkmoe_encode_params *params, uint32_t **tokens, struct vkmoe_encoding *encoding)
{
    enum vkmoe_status status = VKMOE_OK;
    *encoding =
        (struct vkmoe_encoding){ VKMOE_INIT(vkmoe_encoding), .room = (uint32_t)params->size + 16 };
    do {
        free(encoding->tokens);
        encoding->room = encoding->count > encoding->room ? encoding->count : encoding->room;
        encoding->tokens = *tokens = cli_alloc(encoding->room * sizeof **tokens);
        status = vkmoe_tokenizer_encode(s->tokenizer, params, encoding);
    } while (status == VKMOE_OK && encoding->count > encoding->room);
    return status;
}

static int encode_prompt(struct cli_session *s, const struct cli_prompt *prompt)
{
    const struct vkmoe_encode_params params = { VKMOE_INIT(vkmoe_encode_params),
        .text = prompt->data, .size = prompt->size,
        .special =
            prompt->no_special ? VKMOE_SPECIAL_TOKENS_NOWHERE : VKMOE_SPECIAL_TOKENS_EVERYWHERE };
    struct vkmoe_encoding encoding;
    char why[1024] = "";
    const struct cli_capture before = cli_capture((struct cli_capture){ why, sizeof why });
    const enum vkmoe_status status = encode_text(s, &params, &s->tokens, &encoding);
    cli_restore(before);
    if (status != VKMOE_OK)
        return cli_fail("%s%s", why,
            status == VKMOE_ERROR_INVALID && !prompt->no_special ? "; --no-special takes it as text"
                                                                 : "");
    s->count = encoding.count;
    s->begin_added = encoding.begin_added;
    s->end_added = encoding.end_added;
    s->end_at = encoding.count - 1;
    return 0;
}

static uint32_t *bytes_to_tokens(const char *text, size_t size)
{
    uint32_t *tokens = cli_alloc(size * sizeof *tokens);
    for (size_t i = 0; i < size; i++)
        tokens[i] = (unsigned char)text[i];
    return tokens;
}

static int read_text(struct cli_session *s, const struct cli_prompt *prompt)
{
    int status =
        open_tokenizer(s, "; give ids with --tokens instead of --prompt, and ids are printed");
    if (status == 0 && s->pieces)
        status = encode_prompt(s, prompt);
    if (status == 0)
        status = check_prompt(s, s->pieces ? s->count : prompt->size);
    if (status != 0 || s->pieces)
        return status;
    s->count = (uint32_t)prompt->size;
    s->tokens = bytes_to_tokens(prompt->data, prompt->size);
    return 0;
}

// Dynamic RoPE is there for contexts beyond the trained one, which is what the config names.
static int stretch_context(struct cli_session *s)
{
    struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
    const struct vkmoe_block first = { .part = s->frame.encoder_blocks > 0 ? VKMOE_PART_DECODER
                                                                           : VKMOE_PART_BLOCKS };
    int status =
        cli_result(vkmoe_checkpoint_get_attention(s->checkpoint, first, &attention), s->path);
    if (status == 0 && attention.rope.scaling == VKMOE_ROPE_SCALING_DYNAMIC)
        s->context = (uint32_t)fmin((double)s->context * (double)attention.rope.factor, INT32_MAX);
    return status;
}

int cli_session_open_model(struct cli_session *s, const char *path)
{
    *s = (struct cli_session){ .path = path, .frame = { VKMOE_INIT(vkmoe_frame) } };
    int status = cli_open_model(path, &s->checkpoint);
    if (status == 0)
        status = cli_result(vkmoe_checkpoint_get_frame(s->checkpoint, &s->frame), path);
    if (status != 0)
        return status;
    s->bytes = s->frame.vocabulary == BYTE_VOCABULARY && !vkmoe_tokenizer_exists(path);
    s->context = s->frame.max_positions ? s->frame.max_positions : DEFAULT_CONTEXT;
    return stretch_context(s);
}

int cli_session_open(
    struct cli_session *s, const char *path, struct cli_prompt *prompt, const char *ids)
{
    *s = (struct cli_session){ 0 };
    int status = cli_prompt_read(prompt);
    if (status == 0)
        status = cli_session_open_model(s, path);
    if (status == 0)
        status = ids ? read_ids(s, ids, &s->tokens, &s->count) : read_text(s, prompt);
    if (status != 0 || s->frame.encoder_blocks == 0)
        return status;
    s->input = s->tokens;
    s->input_count = s->count;
    s->begin_added = s->end_added = false; // of the input, which is not shown
    s->count = 1;
    s->tokens = cli_alloc(sizeof *s->tokens);
    s->tokens[0] = (uint32_t)s->frame.start_token;
    return 0;
}

int cli_session_open_ids(
    struct cli_session *s, const char *path, const char *ids, const char *input)
{
    int status = cli_session_open_model(s, path);
    if (status == 0)
        status = read_ids(s, ids, &s->tokens, &s->count);
    if (status == 0 && s->frame.encoder_blocks == 0 && input)
        return cli_fail("%s: has no encoder, which could read --input", path);
    if (status == 0 && s->frame.encoder_blocks > 0 && !input)
        return cli_fail("%s: has an encoder; expected --input IDS.npy, what it reads", path);
    return status == 0 && input ? read_ids(s, input, &s->input, &s->input_count) : status;
}

int cli_session_open_empty(struct cli_session *s, const char *path)
{
    const int status = cli_session_open_model(s, path);
    if (status == 0 && s->frame.encoder_blocks > 0)
        return cli_fail("%s: is an encoder-decoder, which answers one text and knows no turns; "
                        "'vkmoe generate' runs it",
            path);
    return status == 0 ? open_tokenizer(s, ", so it cannot read text") : status;
}

int cli_session_check_positions(const struct cli_session *s, const char *option, uint32_t positions)
{
    return positions <= s->context
        ? 0
        : cli_fail("%s: knows %u positions, --%s is %u", s->path, s->context, option, positions);
}

int cli_session_encode(struct cli_session *s, const struct cli_marked_text *text, bool first,
    uint32_t **tokens, uint32_t *count)
{
    int status = 0;
    if (s->pieces) {
        const struct vkmoe_encode_params params = { VKMOE_INIT(vkmoe_encode_params),
            .text = text->data, .size = text->size, .special = VKMOE_SPECIAL_TOKENS_RANGES,
            .ranges = text->marks, .range_count = text->mark_count, .goes_on = !first,
            .no_end = true };
        struct vkmoe_encoding encoding;
        status = cli_result(encode_text(s, &params, tokens, &encoding), s->path);
        *count = encoding.count;
    } else {
        *tokens = bytes_to_tokens(text->data, text->size);
        *count = (uint32_t)text->size;
    }
    return status == 0 && *count == 0 ? refuse_empty() : status;
}

void cli_session_append(struct cli_session *s, const uint32_t *tokens, uint32_t count)
{
    memcpy(s->tokens + s->count, tokens, count * sizeof *tokens);
    s->count += count;
}

void cli_session_cut(struct cli_session *s, uint32_t count)
{
    s->count = count;
    s->uploaded = least(s->uploaded, count);
    s->step_longest = 0; // steps are recorded for as far as the text reaches now
}

static bool is_among(const uint32_t *tokens, uint32_t count, uint32_t token)
{
    for (uint32_t i = 0; i < count; i++) {
        if (tokens[i] == token)
            return true;
    }
    return false;
}

bool cli_session_is_end(const struct cli_session *s, uint32_t token)
{
    return is_among(s->frame.end_tokens, s->frame.end_token_count, token)
        || is_among(s->more_ends, s->more_end_count, token);
}

// ------------------------------------------------------------------------- device

// What the first block with experts is like; those of the others are the same.
static enum vkmoe_status inspect(struct cli_session *s)
{
    struct vkmoe_moe_params layer = { VKMOE_INIT(vkmoe_moe_params) };
    struct vkmoe_attention_params attention = { VKMOE_INIT(vkmoe_attention_params) };
    struct vkmoe_block first = { .part =
                                     s->input != NULL ? VKMOE_PART_DECODER : VKMOE_PART_BLOCKS };
    while (first.index < s->frame.blocks && !vkmoe_checkpoint_is_moe(s->checkpoint, first))
        first.index++;
    if (first.index < s->frame.blocks)
        TRY_RETURN(vkmoe_checkpoint_get_moe(s->checkpoint, first, &layer));
    else
        first.index = 0;
    TRY_RETURN(vkmoe_checkpoint_get_attention(s->checkpoint, first, &attention));
    s->k = layer.experts_per_token;
    s->experts = layer.experts;
    s->exact_longest = attention.rope.kind != VKMOE_ROPE_NONE
        && (attention.rope.scaling == VKMOE_ROPE_SCALING_DYNAMIC
            || (attention.rope.scaling == VKMOE_ROPE_SCALING_LONGROPE
                && s->capacity > attention.rope.original_positions));
    if (s->exact_longest && attention.rope.scaling == VKMOE_ROPE_SCALING_LONGROPE)
        s->trained = attention.rope.original_positions;
    s->attention_experts = attention.experts;
    s->attention_k = attention.experts > 1 ? attention.experts_per_token : 0;
    return VKMOE_OK;
}

static enum vkmoe_status create(struct cli_session *s, uint64_t elements, vkmoe_buffer **out)
{
    return vkmoe_buffer_create(s->device, elements * sizeof(uint32_t), out);
}

static enum vkmoe_status create_buffers(
    struct cli_session *s, const struct cli_session_params *params)
{
    const uint64_t pairs = (uint64_t)s->frame.blocks * s->chunk;
    TRY_RETURN(create(s, s->capacity, &s->ids));
    TRY_RETURN(create(s, s->capacity, &s->positions));
    TRY_RETURN(create(s, sizeof(struct step) / sizeof(uint32_t), &s->step));
    if (params->chunk_logits)
        TRY_RETURN(create(
            s, (uint64_t)s->frame.vocabulary * least(params->chunk_logits, s->chunk), &s->logits));
    if (params->routing)
        TRY_RETURN(create(s, pairs * s->k, &s->expert_ids));
    if (params->routing && s->attention_k)
        TRY_RETURN(create(s, pairs * s->attention_k, &s->attention_ids));
    return VKMOE_OK;
}

static enum vkmoe_status upload_positions(struct cli_session *s)
{
    uint32_t *positions = cli_alloc(s->capacity * sizeof *positions);
    for (uint32_t i = 0; i < s->capacity; i++)
        positions[i] = i;
    const enum vkmoe_status status =
        vkmoe_buffer_upload(s->positions, 0, positions, s->capacity * sizeof *positions);
    free(positions);
    return status;
}

static enum vkmoe_status upload_ids(struct cli_session *s, uint32_t end)
{
    const uint32_t from = s->uploaded;
    if (end <= from)
        return VKMOE_OK;
    s->uploaded = end;
    return vkmoe_buffer_upload(s->ids, from * sizeof(uint32_t), s->tokens + from,
        (uint64_t)(end - from) * sizeof(uint32_t));
}

// The text may grow to one token more than there are positions: none comes after that one.
static void reserve(struct cli_session *s)
{
    uint32_t *tokens = cli_alloc(((size_t)s->capacity + 1) * sizeof *tokens);
    if (s->count)
        memcpy(tokens, s->tokens, s->count * sizeof *tokens);
    free(s->tokens);
    s->tokens = tokens;
}

static enum vkmoe_status encode(struct cli_session *s)
{
    vkmoe_buffer *ids = NULL;
    enum vkmoe_status status;
    TRY(create(s, s->input_count, &ids));
    TRY(vkmoe_buffer_upload(ids, 0, s->input, s->input_count * sizeof *s->input));
    TRY(vkmoe_model_encode(s->stream, s->model,
        &(struct vkmoe_model_encode_params){
            VKMOE_INIT(vkmoe_model_encode_params), .tokens = s->input_count, .ids.buffer = ids }));
    status = cli_submit_and_wait(s->stream);
fail:
    vkmoe_buffer_destroy(&ids);
    return status;
}

int cli_cache_parse(const char *command, const char *type, enum vkmoe_dtype *out)
{
    static const enum vkmoe_dtype dtypes[] = { VKMOE_DTYPE_F32, VKMOE_DTYPE_F16, VKMOE_DTYPE_Q8_0 };
    *out = dtypes[0];
    if (!type)
        return -1;
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (strcmp(type, cli_dtype_name(dtypes[i])) == 0) {
            *out = dtypes[i];
            return -1;
        }
    }
    return cli_misuse(command, "--cache-type is '%s', expected f32, f16 or q8_0", type);
}

int cli_session_start(struct cli_session *s, const struct cli_session_params *params)
{
    s->capacity = params->capacity ? params->capacity : s->count;
    s->interrupted = params->interrupted;
    s->chunk = least(params->chunk ? params->chunk : DEFAULT_CHUNK,
        least(s->count ? s->count : s->capacity, MAX_CHUNK));
    reserve(s);
    // Unless the user wants it so, not more logits at once than are worth their memory.
    if (!params->chunk && params->chunk_logits > 1)
        s->chunk = least(s->chunk, LOGITS_AT_ONCE / s->frame.vocabulary + 1);
    const int opened = cli_open_device(params->device, params->validate, &s->device);
    if (opened != 0)
        return opened;
    struct cli_loading loading = { .interrupted = params->interrupted };
    enum vkmoe_status status;
    TRY(vkmoe_model_create(s->device, s->checkpoint,
        &(struct vkmoe_model_params){
            VKMOE_INIT(vkmoe_model_params),
            .capacity = s->capacity,
            .cache_dtype = params->cache_dtype,
            .chunk = s->chunk,
            .encoder_capacity = s->input_count,
            .expert_capacity = params->no_capacity ? VKMOE_EXPERT_CAPACITY_UNLIMITED
                                                   : VKMOE_EXPERT_CAPACITY_TRAINED,
            .progress = cli_loading_show,
            .progress_user = &loading,
            .precision = params->fast ? VKMOE_PRECISION_FAST : VKMOE_PRECISION_EXACT,
        },
        &s->model));
    TRY(inspect(s));
    TRY(create_buffers(s, params));
    TRY(upload_positions(s));
    TRY(vkmoe_stream_create(s->device, &s->stream));
    if (s->input)
        TRY(encode(s));
fail:
    cli_progress(NULL);
    return cli_result(status, s->path);
}

// Waits for what was submitted, if it was, and reads its logits.
static int finish_forward(
    struct cli_session *s, enum vkmoe_status status, uint32_t logits_count, float *logits)
{
    if (status == VKMOE_OK)
        status = vkmoe_stream_wait(s->stream, UINT64_MAX);
    if (status == VKMOE_OK && logits_count)
        status = vkmoe_buffer_download(
            s->logits, 0, logits, (uint64_t)logits_count * s->frame.vocabulary * sizeof *logits);
    return cli_result(status, "the model could not be run");
}

// The length of the context of what ends there: all chunks of the text are one.
static uint32_t context_of(const struct cli_session *s, uint32_t end)
{
    return end < s->count ? s->count : end;
}

static bool is_interrupted(const struct cli_session *s)
{
    return s->interrupted && *s->interrupted;
}

static int run_tokens(
    struct cli_session *s, uint32_t first, uint32_t tokens, uint32_t logits_count, float *logits)
{
    const uint64_t offset = first * sizeof(uint32_t);
    const uint32_t end = first + tokens;
    s->step_longest = 0;
    enum vkmoe_status status;
    TRY(upload_ids(s, end));
    TRY(vkmoe_model_forward(s->stream, s->model,
        &(struct vkmoe_model_forward_params){
            VKMOE_INIT(vkmoe_model_forward_params),
            .tokens = tokens,
            .ids = { s->ids, offset },
            .positions = { s->positions, offset },
            .longest = context_of(s, end),
            .logits = { logits_count ? s->logits : NULL, 0 },
            .logits_count = logits_count,
            .expert_ids = { s->expert_ids, 0 },
            .attention_expert_ids = { s->attention_ids, 0 },
        }));
    TRY(vkmoe_stream_submit(s->stream, NULL));
fail:
    return finish_forward(s, status, logits_count, logits);
}

// Where a text outgrows the context that LongRoPE's first factors are for, or is cut to less, the
// tokens before `first` are run again, as Phi's own code does it. Stale if interrupted on the way.
// While a text is written there is no line to show progress in.
static int renew_cache(struct cli_session *s, uint32_t first, uint32_t end, bool has_line)
{
    const bool is_long = s->trained > 0 && context_of(s, end) > s->trained;
    int status = 0;
    if (is_long == s->is_long && !s->is_stale)
        return status;
    s->is_long = is_long;
    s->is_stale = true;
    uint32_t at = 0;
    while (status == 0 && at < first && !is_interrupted(s)) {
        const uint32_t tokens = least(s->chunk, first - at);
        if (has_line && at > 0)
            cli_progress("%s context: token %u of %u", is_long ? "long" : "short", at, first);
        status = run_tokens(s, at, tokens, 0, NULL);
        at += tokens;
    }
    s->is_stale = status != 0 || at < first;
    return status;
}

int cli_session_forward(
    struct cli_session *s, uint32_t first, uint32_t tokens, uint32_t logits_count, float *logits)
{
    const int status = renew_cache(s, first, first + tokens, true);
    return status != 0 || s->is_stale ? status : run_tokens(s, first, tokens, logits_count, logits);
}

int cli_session_read(struct cli_session *s, uint32_t *run, float *logits)
{
    const uint32_t from = *run;
    int status = 0;
    while (status == 0 && *run < s->count && !is_interrupted(s)) {
        const uint32_t left = s->count - *run, tokens = least(left, s->chunk);
        if (*run > from)
            cli_progress("prompt: token %u of %u", *run - from, s->count - from);
        status = cli_session_forward(s, *run, tokens, tokens == left, logits);
        *run += tokens;
    }
    cli_progress(NULL);
    return status;
}

// Whether the step that was recorded last is as one for this position would be recorded.
static bool can_repeat(const struct cli_session *s, uint32_t position)
{
    return position < s->step_longest && !s->exact_longest;
}

// Recorded for all positions up to the next power of two, so that this is rarely done.
static enum vkmoe_status submit_step(struct cli_session *s, uint32_t position)
{
    uint64_t reach = STEP_LONGEST;
    while (reach <= position)
        reach *= 2;
    const uint32_t longest = s->exact_longest ? context_of(s, position + 1)
        : reach < s->capacity                 ? (uint32_t)reach
                                              : s->capacity;
    s->step_longest = 0;
    TRY_RETURN(vkmoe_model_forward(s->stream, s->model,
        &(struct vkmoe_model_forward_params){
            VKMOE_INIT(vkmoe_model_forward_params),
            .tokens = 1,
            .ids = { s->step, offsetof(struct step, id) },
            .positions = { s->step, offsetof(struct step, position) },
            .longest = longest,
            .logits = { s->logits, 0 },
            .logits_count = 1,
        }));
    TRY_RETURN(vkmoe_stream_submit(s->stream, NULL));
    s->step_longest = longest;
    return VKMOE_OK;
}

int cli_session_step(struct cli_session *s, uint32_t position, uint32_t token, float *logits)
{
    const struct step step = { .id = token, .position = position };
    const int renewed = renew_cache(s, position, position + 1, false);
    if (renewed != 0 || s->is_stale)
        return renewed;
    enum vkmoe_status status = vkmoe_buffer_upload(s->step, 0, &step, sizeof step);
    if (status == VKMOE_OK && can_repeat(s, position))
        status = vkmoe_stream_repeat(s->stream, NULL);
    else if (status == VKMOE_OK)
        status = submit_step(s, position);
    return finish_forward(s, status, 1, logits);
}

static enum vkmoe_status read_choices(const struct cli_session *s, const vkmoe_buffer *buffer,
    uint32_t k, uint32_t first, uint32_t tokens, int32_t *ids)
{
    for (uint32_t b = 0; ids && b < s->frame.blocks; b++)
        TRY_RETURN(vkmoe_buffer_download(buffer, (uint64_t)b * tokens * k * sizeof *ids,
            ids + ((size_t)b * s->count + first) * k, (uint64_t)tokens * k * sizeof *ids));
    return VKMOE_OK;
}

int cli_session_routing(
    struct cli_session *s, uint32_t first, uint32_t tokens, int32_t *ids, int32_t *attention_ids)
{
    enum vkmoe_status status;
    TRY(read_choices(s, s->expert_ids, s->k, first, tokens, ids));
    TRY(read_choices(s, s->attention_ids, s->attention_k, first, tokens, attention_ids));
fail:
    return cli_result(status, "the experts chosen could not be read");
}

void cli_session_close(struct cli_session *s)
{
    vkmoe_stream_destroy(&s->stream);
    vkmoe_buffer *buffers[] = { s->ids, s->positions, s->step, s->logits, s->expert_ids,
        s->attention_ids };
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
        vkmoe_buffer_destroy(&buffers[i]);
    vkmoe_model_destroy(&s->model);
    vkmoe_device_destroy(&s->device);
    vkmoe_checkpoint_destroy(&s->checkpoint);
    vkmoe_tokenizer_destroy(&s->tokenizer);
    free(s->tokens);
    free(s->input);
    *s = (struct cli_session){ 0 };
}
