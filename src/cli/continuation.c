// continuation.c - see continuation.h.
#include "continuation.h"

#include <stdio.h>
#include <stdlib.h>

int cli_running_parse(struct cli_running *running, const char *command)
{
    const int status = cli_sampling_parse(&running->sampling, command);
    return status < 0 ? cli_cache_parse(command, running->cache_type, &running->cache_dtype)
                      : status;
}

void cli_running_finish(struct cli_running *running)
{
    cli_sampling_finish(&running->sampling);
}

int cli_running_start(const struct cli_running *running, struct cli_session *session,
    uint32_t capacity, bool no_capacity)
{
    cli_catch_interrupt();
    return cli_session_start(session,
        &(struct cli_session_params){
            .device = running->device,
            .validate = running->validate,
            .capacity = capacity,
            .chunk_logits = 1,
            .no_capacity = no_capacity,
            .fast = !running->exact,
            .cache_dtype = running->cache_dtype,
            .interrupted = &cli_interrupted,
        });
}

void cli_continuation_init(
    struct cli_continuation *c, struct cli_session *session, struct cli_sampling *sampling)
{
    *c = (struct cli_continuation){ .session = session, .sampling = sampling };
    cli_screen_init(&c->screen, session);
    c->logits = cli_alloc(session->frame.vocabulary * sizeof *c->logits);
}

void cli_continuation_finish(struct cli_continuation *c)
{
    free(c->logits);
    cli_screen_finish(&c->screen);
    *c = (struct cli_continuation){ 0 };
}

int cli_continuation_read(struct cli_continuation *c)
{
    struct cli_session *s = c->session;
    const uint64_t start = cli_now(), ready = cli_pipelines_ns(s->device);
    const uint32_t from = c->run;
    const int status = cli_session_read(s, &c->run, c->logits);
    c->read += c->run - from;
    const uint64_t made = cli_pipelines_ns(s->device) - ready;
    c->ready_ns += made;
    c->read_ns += cli_now() - start - made;
    return status;
}

// Sets *token, or says why there is none.
static int choose(struct cli_continuation *c, uint32_t *token)
{
    const struct cli_session *s = c->session;
    const int64_t id = cli_sample(&c->sampling->sampler, c->logits, s->frame.vocabulary);
    if (id < 0) {
        char what[48];
        snprintf(what, sizeof what, "token %u cannot be chosen", s->count);
        return cli_fail_bad_logits(s->path, what, c->logits, s->frame.vocabulary);
    }
    *token = (uint32_t)id;
    c->ended = cli_session_is_end(s, *token);
    if (c->ended)
        c->stopped = "the model ended the text";
    return 0;
}

static int show(struct cli_continuation *c)
{
    const struct cli_session *s = c->session;
    cli_screen_show(&c->screen, s->tokens + c->begin, s->count - c->begin);
    return cli_flush();
}

static void stop_full(struct cli_continuation *c)
{
    const struct cli_session *s = c->session;
    snprintf(c->full, sizeof c->full, "the %scontext of %u tokens is full",
        s->capacity == s->context ? "model's " : "", s->capacity);
    c->stopped = c->full;
}

// Runs the last token. The first step of a text may wait for the compiler and is not timed.
static int step(struct cli_continuation *c, bool timed, uint64_t *last)
{
    struct cli_session *s = c->session;
    const int status = cli_session_step(s, c->run, s->tokens[c->run], c->logits);
    const uint64_t now = cli_now();
    c->run++;
    c->timed += timed;
    c->timed_ns += timed ? now - *last : 0;
    *last = now;
    return status;
}

int cli_continuation_write(struct cli_continuation *c, uint32_t count)
{
    struct cli_session *s = c->session;
    uint64_t last = 0;
    uint32_t token = 0, written = 0;
    int status = 0;
    c->stopped = NULL;
    c->ended = false;
    while (status == 0) {
        if (cli_interrupted)
            c->stopped = "interrupted";
        else
            status = choose(c, &token);
        if (status != 0 || c->stopped)
            break;
        cli_session_append(s, &token, 1);
        c->generated++;
        status = show(c);
        if (status != 0 || ++written == count)
            break;
        if (c->run == s->capacity) {
            stop_full(c);
            break;
        }
        status = step(c, written > 1, &last);
    }
    return status;
}

int cli_continuation_end(struct cli_continuation *c)
{
    const struct cli_session *s = c->session;
    cli_screen_end(&c->screen, s->tokens + c->begin, s->count - c->begin);
    return cli_flush();
}

void cli_continuation_report(const struct cli_continuation *c)
{
    struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
    if (c->session->input) // read before the clock was started
        fprintf(stderr, "input: %u token%s; ", c->session->input_count,
            c->session->input_count == 1 ? "" : "s");
    else
        fprintf(stderr, "prompt: %u token%s, %.1f tokens/s after %.1f s of compiling; ", c->read,
            c->read == 1 ? "" : "s", c->read * 1e9 / (double)(c->read_ns + 1),
            (double)c->ready_ns * 1e-9);
    fprintf(stderr, "generated: %u token%s", c->generated, c->generated == 1 ? "" : "s");
    if (c->timed)
        fprintf(stderr, ", %.1f tokens/s", c->timed * 1e9 / (double)(c->timed_ns + 1));
    fprintf(stderr, "; %s\n", cli_sampling_text(c->sampling).text);
    vkmoe_device_get_info(c->session->device, &info);
    fprintf(stderr, "device: %s\n", cli_device_label(&info).text);
}
