// logits.c - `vkmoe logits`.
#include "session.h"

#include <stdio.h>
#include <stdlib.h>

static const char about[] =
    "Runs a whole model on one text and writes what it expects after every token:\n"
    "for each position, one number for each token of the vocabulary. Fails, after it\n"
    "has written them, if they are not all finite.\n";

struct job {
    const char *checkpoint, *tokens, *input, *output, *device, *cache_type;
    enum vkmoe_dtype cache_dtype;
    uint32_t chunk;
    bool no_capacity, validate;
};

static int run_chunks(struct cli_session *s, float *logits)
{
    int status = 0;
    for (uint32_t first = 0; status == 0 && first < s->count; first += s->chunk) {
        const uint32_t left = s->count - first, tokens = left < s->chunk ? left : s->chunk;
        cli_progress("token %u of %u", first, s->count);
        float *to = logits + (size_t)first * s->frame.vocabulary;
        status = tokens == 1 ? cli_session_step(s, first, s->tokens[first], to)
                             : cli_session_forward(s, first, tokens, tokens, to);
    }
    cli_progress(NULL);
    return status;
}

static int run_job(const struct job *job, struct cli_session *s)
{
    const char *const read[] = { job->tokens, job->input };
    int status = cli_session_open_ids(s, job->checkpoint, job->tokens, job->input);
    if (status == 0)
        status = cli_output_open(job->output, read, 2);
    if (status == 0)
        status = cli_session_start(s,
            &(struct cli_session_params){
                .device = job->device,
                .validate = job->validate,
                .chunk = job->chunk,
                .chunk_logits = UINT32_MAX,
                .no_capacity = job->no_capacity,
                .cache_dtype = job->cache_dtype,
            });
    if (status != 0)
        return status;
    struct vkmoe_device_info info = { VKMOE_INIT(vkmoe_device_info) };
    vkmoe_device_get_info(s->device, &info);
    float *logits = cli_alloc((size_t)s->count * s->frame.vocabulary * sizeof *logits);
    status = run_chunks(s, logits);
    if (status == 0)
        status = cli_output_write_f32(job->output, logits, s->count, s->frame.vocabulary);
    if (status == 0)
        status = cli_output_commit();
    if (status == 0) {
        fprintf(cli_words(), "%u token%s on %s\n", s->count, s->count == 1 ? "" : "s",
            cli_device_label(&info).text);
        cli_print_written(&job->output, 1);
        const struct cli_bad bad = cli_find_bad(logits, s->count, s->frame.vocabulary);
        status = cli_fail_bad(cli_output_name(job->output), &bad, s->count);
    }
    free(logits);
    return status;
}

int cli_command_logits(int argc, char **argv)
{
    struct job job = { 0 };
    const struct cli_option options[] = {
        CLI_REQUIRED("tokens", "IDS.npy", &job.tokens,
            "integers [tokens], - from standard input; an encoder-decoder's decoder's"),
        CLI_TEXT(
            "input", "IDS.npy", &job.input, "what an encoder-decoder's encoder reads, likewise"),
        CLI_REQUIRED("output", "L.npy", &job.output,
            "where to write f32 [tokens][vocabulary]; -: to standard output"),
        CLI_COUNT("chunk", "N", &job.chunk, "tokens to run at once; the result is the same"),
        CLI_NO_CAPACITY(&job.no_capacity),
        CLI_CACHE_TYPE(&job.cache_type),
        CLI_WHERE(&job.device, &job.validate),
    };
    int status = CLI_PARSE_MODEL(argc, argv, "logits", &job.checkpoint, options, about);
    if (status < 0)
        status = cli_cache_parse("logits", job.cache_type, &job.cache_dtype);
    if (status >= 0)
        return status;
    struct cli_session session = { 0 };
    status = run_job(&job, &session);
    cli_session_close(&session);
    return status;
}
