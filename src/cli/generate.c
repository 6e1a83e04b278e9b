// generate.c - `vkmoe generate`.
#include "continuation.h"

#include <stdio.h>

static const char about[] =
    "Continues a text, printing it and its continuation as they are made: as text\n"
    "if tokens are bytes, or if it is given as text; otherwise as ids, one a line.\n"
    "An encoder-decoder's encoder reads the text, and only the answer is printed.\n"
    "Stops at any of the tokens that \"eos_token_id\" names in config.json or\n"
    "generation_config.json, which is not printed, at a full context, or at\n"
    "Ctrl-C. The speed and the device are printed to standard error.\n"
    "\n"
    "Text becomes tokens by the model's tokenizer.model or spiece.model, if it has\n"
    "one (sentencepiece), else by a tokenizer.json or a file of tiktoken's form, or\n"
    "by a GGUF file's vocabulary. If that says so, its first token, BOS, is put\n"
    "before a text that does not begin with it, so that an empty one can be\n"
    "continued. A tokenizer of T5's class puts its last token, EOS, after a text\n"
    "instead. \"add_bos_token\" and \"add_eos_token\" in tokenizer_config.json, or in\n"
    "the GGUF file, have the last word.\n"
    "\n"
    "Control pieces, and tokens added by added_tokens.json, tokenizer_config.json\n"
    "or special_tokens_map.json, become their ids where a text names them, the\n"
    "longest first, and are printed as they are written; T5's <extra_id_0> and its\n"
    "kin likewise. With --no-special they stay text, for texts from people who\n"
    "must not give the model orders.\n";

enum { DEFAULT_COUNT = 256 };

struct job {
    const char *checkpoint, *tokens;
    struct cli_prompt prompt;
    struct cli_running running;
    uint32_t count;
    bool no_capacity;

    struct cli_session session;
    struct cli_continuation text;
};

// An encoder-decoder answers what is given; others go on with it, so it is shown.
static int show_prompt(struct job *job)
{
    const struct cli_session *s = &job->session;
    if (s->input) {
        job->text.begin = s->count;
        return 0;
    }
    fputs(cli_style_on(CLI_BOLD), stdout);
    cli_screen_show(&job->text.screen, s->tokens, s->count);
    fputs(cli_style_off(CLI_BOLD), stdout);
    return cli_flush();
}

static int write_text(struct job *job)
{
    struct cli_continuation *text = &job->text;
    cli_continuation_init(text, &job->session, &job->running.sampling);
    int status = show_prompt(job);
    if (status == 0)
        status = cli_continuation_read(text);
    if (status == 0)
        status = cli_continuation_write(text, job->count);
    const int ended = cli_continuation_end(text);
    if (status == 0)
        status = ended;
    if (status != 0)
        return status;
    cli_continuation_report(text);
    if (text->stopped)
        fprintf(stderr, "stopped: %s\n", text->stopped);
    return 0;
}

static int run_job(struct job *job)
{
    struct cli_session *s = &job->session;
    int status = cli_session_open(s, job->checkpoint, &job->prompt, job->tokens);
    if (status != 0)
        return status;
    const uint64_t wanted = (uint64_t)s->count + job->count;
    const uint32_t capacity = wanted < s->context ? (uint32_t)wanted : s->context;
    status = cli_running_start(&job->running, s, capacity, job->no_capacity);
    return status == 0 ? write_text(job) : status;
}

// ---------------------------------------------------------------- the command line

static int parse(struct job *job, int argc, char **argv)
{
    const struct cli_option options[] = {
        CLI_PROMPT(&job->prompt, "the beginning"),
        CLI_TEXT("tokens", "IDS.npy", &job->tokens,
            "the beginning as integers [tokens]; -: from standard input"),
        CLI_COUNT("count", "N", &job->count, "generate at most N tokens; else 256"),
        CLI_NO_CAPACITY(&job->no_capacity),
        CLI_RUNNING(&job->running),
    };
    return CLI_PARSE_MODEL(argc, argv, "generate", &job->checkpoint, options, about);
}

int cli_command_generate(int argc, char **argv)
{
    struct job job = { .count = DEFAULT_COUNT };
    int status = parse(&job, argc, argv);
    if (status < 0)
        status = cli_prompt_check("generate", &job.prompt, job.tokens);
    if (status < 0)
        status = cli_running_parse(&job.running, "generate");
    if (status >= 0)
        return status;
    status = run_job(&job);
    cli_continuation_finish(&job.text);
    cli_session_close(&job.session);
    cli_prompt_finish(&job.prompt);
    cli_running_finish(&job.running);
    return status;
}
