// generate.c - `vkmoe generate`.
#include "sample.h"
#include "session.h"
#include "utf8.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char about[] =
    "Continues a text, printing it and its continuation as they are made: as text\n"
    "if tokens are bytes, or if it is given as text; otherwise as ids, one a line.\n"
    "An encoder-decoder's encoder reads the text, and only the answer is printed.\n"
    "Stops at any of the tokens that \"eos_token_id\" names in config.json or\n"
    "generation_config.json, which is not printed, at a full context, or at\n"
    "Ctrl-C. The speed and the device are printed to standard error.\n"
    "\n"
    "Text becomes tokens by the model's tokenizer.model or spiece.model, if it has\n"
    "one (sentencepiece), or by a GGUF file's vocabulary of that kind, else by a\n"
    "tokenizer.json (byte-level BPE), if that says so with its first token. That\n"
    "token, BOS, is put before a text that does not begin with it, so that an empty\n"
    "one can be continued. A tokenizer of T5's class puts its last token, EOS, after\n"
    "a text instead. \"add_bos_token\" and \"add_eos_token\" in\n"
    "tokenizer_config.json have the last word.\n"
    "\n"
    "Control pieces, and tokens added by added_tokens.json, tokenizer_config.json\n"
    "or special_tokens_map.json, become their ids where a text names them, the\n"
    "longest first, and are printed as they are written; T5's <extra_id_0> and its\n"
    "kin likewise. With --no-special they stay text, for texts from people who\n"
    "must not give the model orders.\n";

enum { DEFAULT_COUNT = 256 };

struct job {
    const char *checkpoint, *tokens, *device;
    struct cli_prompt prompt;
    const char *temperature, *top_p, *seed;
    uint32_t count;
    bool greedy, no_capacity, exact, validate;

    struct cli_sampler sampler;
    uint64_t first_state; // the seed
    struct cli_session session;
    float *logits;
    uint32_t generated;
    uint64_t prompt_ns; // until the first logits
    uint64_t ns;        // of the steps that are timed
    uint32_t timed;
    const char *stopped; // why, unless all are there
    char full[64];
};

// ------------------------------------------------------------------------- output

// A terminal gets no control characters of a model's invention, and whole characters only.
struct screen {
    bool bytes, terminal, utf8;
    struct cli_tokenizer *tokenizer; // NULL: tokens are bytes, or shown as numbers
    uint32_t *tokens, count;         // all there are so far, for the tokenizer
    bool middle;                     // of a line
    unsigned char rest[4];
    uint32_t rest_count;
};

static void show(struct screen *screen, const char *text, size_t size)
{
    fwrite(text, 1, size, stdout);
    screen->middle = text[size - 1] != '\n';
}

// The character that `rest` begins with, or "?" for each byte that belongs to none.
static void show_rest(struct screen *screen, bool last)
{
    while (screen->rest_count > 0) {
        uint32_t code = 0;
        int length = cli_utf8_decode(screen->rest, screen->rest_count, &code);
        if (length < 0 && !last)
            return;
        const bool control = code < 0x20 ? code != '\n' && code != '\t'
                                         : code == 0x7f || (code >= 0x80 && code < 0xa0);
        if (length > 0 && control) {
            char caret[8];
            show(screen, caret,
                (size_t)snprintf(caret, sizeof caret, "^%c", (int)(code & 0x7f) ^ 0x40));
        } else if (length > 0 && (length == 1 || screen->utf8)) {
            show(screen, (const char *)screen->rest, (size_t)length);
        } else {
            show(screen, "?", 1);
        }
        const uint32_t used = length > 0 ? (uint32_t)length : 1;
        screen->rest_count -= used;
        memmove(screen->rest, screen->rest + used, screen->rest_count);
    }
}

static void show_text(struct screen *screen, const char *text, size_t size)
{
    if (!screen->terminal && size > 0)
        show(screen, text, size);
    for (size_t i = 0; screen->terminal && i < size; i++) {
        screen->rest[screen->rest_count++] = (unsigned char)text[i];
        show_rest(screen, false);
    }
}

static void show_pieces(struct screen *screen, bool last)
{
    size_t size;
    const char *text =
        cli_tokenizer_extend(screen->tokenizer, screen->tokens, screen->count, last, &size);
    show_text(screen, text, size);
}

static void show_tokens(struct screen *screen, const uint32_t *tokens, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const char byte = (char)tokens[i];
        if (screen->tokenizer)
            screen->tokens[screen->count++] = tokens[i];
        else if (screen->bytes)
            show_text(screen, &byte, 1);
        else
            printf("%u\n", tokens[i]);
    }
    if (screen->tokenizer)
        show_pieces(screen, false);
}

static void end_screen(struct screen *screen)
{
    if (screen->tokenizer)
        show_pieces(screen, true);
    show_rest(screen, true);
    if (screen->middle)
        show(screen, "\n", 1);
    free(screen->tokens);
}

// --------------------------------------------------------------------------- work

static int run_prompt(struct job *job)
{
    struct cli_session *s = &job->session;
    const uint64_t start = cli_now();
    int status = 0;
    for (uint32_t first = 0; status == 0 && first < s->count && !cli_interrupted;
         first += s->chunk) {
        const uint32_t left = s->count - first, tokens = left < s->chunk ? left : s->chunk;
        if (first)
            cli_progress("prompt: token %u of %u", first, s->count);
        status = cli_session_forward(s, first, tokens, tokens == left, job->logits);
    }
    cli_progress(NULL);
    job->prompt_ns = cli_now() - start;
    return status;
}

// Sets *token, or says why there is none.
static int choose(struct job *job, uint32_t *token)
{
    const struct cli_session *s = &job->session;
    const int64_t id = cli_sample(&job->sampler, job->logits, s->frame.vocabulary);
    if (id < 0) {
        const struct cli_bad bad = cli_find_bad(job->logits, s->frame.vocabulary, 1);
        return cli_fail(
            "%s: token %u cannot be chosen: the logits are not finite (%llu of %u; that "
            "of %llu is %s)",
            job->checkpoint, s->count + job->generated, (unsigned long long)bad.rows,
            s->frame.vocabulary, (unsigned long long)bad.row, cli_name_bad(bad.value));
    }
    *token = (uint32_t)id;
    for (uint32_t i = 0; i < s->frame.end_token_count; i++) {
        if (s->frame.end_tokens[i] == *token)
            job->stopped = "the model ended the text";
    }
    return 0;
}

static int generate(struct job *job, struct screen *screen)
{
    struct cli_session *s = &job->session;
    uint64_t start = cli_now();
    uint32_t token = 0, at = s->count;
    int status = 0;
    for (;;) {
        if (cli_interrupted)
            job->stopped = "interrupted";
        else
            status = choose(job, &token);
        if (status != 0 || job->stopped)
            break;
        show_tokens(screen, &token, 1);
        status = cli_flush();
        if (status != 0)
            break;
        if (++job->generated == job->count)
            break;
        if (at == s->context) {
            snprintf(job->full, sizeof job->full, "the model's context of %u tokens is full",
                s->context);
            job->stopped = job->full;
            break;
        }
        status = cli_session_step(s, at, token, job->logits);
        if (status != 0)
            break;
        // The first step may have waited for the compiler.
        if (at++ == s->count)
            start = cli_now();
        job->timed = at - s->count - 1;
        job->ns = cli_now() - start;
    }
    return status;
}

static void print_speed(const struct job *job)
{
    const uint32_t prompt = job->session.count;
    struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
    char choice[64] = "greedy";
    if (job->sampler.temperature > 0)
        snprintf(choice, sizeof choice, "seed %llu", (unsigned long long)job->first_state);
    if (job->session.input) // read before the clock was started
        fprintf(stderr, "input: %u token%s; ", job->session.input_count,
            job->session.input_count == 1 ? "" : "s");
    else
        fprintf(stderr, "prompt: %u token%s, %.1f tokens/s with the time to get ready; ", prompt,
            prompt == 1 ? "" : "s", prompt * 1e9 / (double)(job->prompt_ns + 1));
    fprintf(stderr, "generated: %u token%s", job->generated, job->generated == 1 ? "" : "s");
    if (job->timed)
        fprintf(stderr, ", %.1f tokens/s", job->timed * 1e9 / (double)(job->ns + 1));
    fprintf(stderr, "; %s\n", choice);
    vkmoe_device_get_info(job->session.device, &info);
    fprintf(stderr, "device: %s\n", cli_device_label(&info).text);
    if (job->stopped)
        fprintf(stderr, "stopped: %s\n", job->stopped);
}

static int run_job(struct job *job)
{
    struct cli_session *s = &job->session;
    int status = cli_prompt_read(&job->prompt);
    if (status == 0)
        status = cli_session_open(s, job->checkpoint, &job->prompt, job->tokens);
    if (status != 0)
        return status;
    const uint64_t wanted = (uint64_t)s->count + job->count;
    const uint32_t capacity = wanted < s->context ? (uint32_t)wanted : s->context;
    cli_catch_interrupt();
    status = cli_session_start(s,
        &(struct cli_session_params){
            .device = job->device,
            .validate = job->validate,
            .capacity = capacity,
            .chunk_logits = 1,
            .no_capacity = job->no_capacity,
            .fast = !job->exact,
            .interrupted = &cli_interrupted,
        });
    if (status != 0)
        return status;
    struct screen screen = {
        .bytes = s->bytes, .terminal = isatty(STDOUT_FILENO), .utf8 = cli_utf8_shown()
    };
    if (s->pieces) { // the last token may stand after the end of the context
        screen.tokenizer = &s->tokenizer;
        screen.tokens = cli_alloc(((size_t)capacity + 1) * sizeof *screen.tokens);
    }
    job->logits = cli_alloc(s->frame.vocabulary * sizeof *job->logits);
    if (!s->input) { // an encoder-decoder answers, it does not go on
        fputs(cli_style_on(CLI_BOLD), stdout);
        show_tokens(&screen, s->tokens, s->count);
        fputs(cli_style_off(CLI_BOLD), stdout);
        status = cli_flush();
    }
    if (status == 0)
        status = run_prompt(job);
    if (status == 0)
        status = generate(job, &screen);
    end_screen(&screen);
    if (status == 0)
        status = cli_flush();
    if (status == 0)
        print_speed(job);
    return status;
}

// ---------------------------------------------------------------- the command line

static int parse_real(const char *name, const char *text, double most, double *out)
{
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !isfinite(*out) || *out < 0 || *out > most)
        return cli_misuse("generate", "--%s is '%s', expected a number from 0%s", name, text,
            most == 1 ? " to 1" : "");
    return -1;
}

static int parse_seed(struct job *job)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    job->sampler.state = ((uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec) % 1000000;
    if (job->seed) {
        char *end;
        errno = 0;
        job->sampler.state = strtoull(job->seed, &end, 10);
        if (*end || errno || strspn(job->seed, "0123456789") != strlen(job->seed))
            return cli_misuse("generate", "--seed is '%s', expected a number from 0", job->seed);
    }
    job->first_state = job->sampler.state;
    return -1;
}

static int check_options(struct job *job)
{
    const struct {
        const char *name;
        bool given;
    } sampling[] = { { "top-k", job->sampler.top_k }, { "top-p", job->top_p },
        { "seed", job->seed } };
    int status = cli_prompt_check("generate", &job->prompt, job->tokens);
    if (status < 0 && job->greedy && job->temperature)
        status = cli_misuse("generate", "--greedy and --temperature exclude each other");
    for (int i = 0; status < 0 && !job->temperature && i < 3; i++) {
        if (sampling[i].given)
            status =
                cli_misuse("generate", "--%s does nothing without --temperature", sampling[i].name);
    }
    if (status < 0 && job->temperature)
        status = parse_real("temperature", job->temperature, INFINITY, &job->sampler.temperature);
    if (status < 0 && job->top_p)
        status = parse_real("top-p", job->top_p, 1, &job->sampler.top_p);
    return status < 0 ? parse_seed(job) : status;
}

static int parse(struct job *job, int argc, char **argv)
{
    const struct cli_option options[] = {
        CLI_PROMPT(&job->prompt, "the beginning"),
        CLI_TEXT("tokens", "IDS.npy", &job->tokens,
            "the beginning as integers [tokens]; -: from standard input"),
        CLI_COUNT("count", "N", &job->count, "generate at most N tokens; else 256"),
        { .name = "greedy",
            .flag = &job->greedy,
            .help = "take the likeliest token; so it is without --temperature" },
        CLI_TEXT("temperature", "T", &job->temperature,
            "draw tokens; 1: as likely as the model says, less: tamer"),
        CLI_COUNT("top-k", "K", &job->sampler.top_k, "draw among the K likeliest tokens"),
        CLI_TEXT(
            "top-p", "P", &job->top_p, "then among the likeliest that are P of the whole, 0 to 1"),
        CLI_TEXT("seed", "S", &job->seed, "the same seed draws the same text; else one is made up"),
        CLI_NO_CAPACITY(&job->no_capacity),
        CLI_EXACT(&job->exact),
        CLI_WHERE(&job->device, &job->validate),
    };
    return CLI_PARSE_MODEL(argc, argv, "generate", &job->checkpoint, options, about);
}

int cli_command_generate(int argc, char **argv)
{
    struct job job = { .count = DEFAULT_COUNT, .sampler.top_p = 1 };
    int status = parse(&job, argc, argv);
    if (status < 0)
        status = check_options(&job);
    if (status >= 0)
        return status;
    status = run_job(&job);
    cli_session_close(&job.session);
    cli_prompt_finish(&job.prompt);
    free(job.sampler.candidates);
    free(job.logits);
    return status;
}
