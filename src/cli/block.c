// block.c - see block.h.
#include "block.h"

#include <stdlib.h>

static int read_input(struct cli_block *b)
{
    int status = cli_read_floats(b->input, *b->hidden, &b->run.tokens, &b->run.x);
    if (status != 0 || !b->router_input)
        return status;
    uint32_t tokens;
    status = cli_read_floats(b->router_input, *b->hidden, &tokens, &b->run.router_x);
    if (status == 0 && tokens != b->run.tokens)
        status = cli_fail("%s: has %u tokens, expected %u as in %s", b->router_input, tokens,
            b->run.tokens, b->input);
    return status;
}

int cli_block_open(struct cli_block *b, bool chooses, vkmoe_device **device)
{
    const char *const inputs[] = { b->input, b->router_input };
    const char *const outputs[] = { b->output, b->ids, b->weights };
    struct cli_run *run = &b->run;
    int status = 0;
    for (int i = 0; i < 3 && status == 0; i++)
        status = cli_output_open(outputs[i], inputs, 2);
    if (status == 0)
        status = cli_open_device(b->device, b->validate, device);
    if (status != 0)
        return status;
    vkmoe_device_get_info(*device, &b->info);
    run->y = cli_alloc((size_t)run->tokens * *b->hidden * sizeof *run->y);
    const size_t choices = (size_t)run->tokens * *b->experts_per_token;
    if (chooses) {
        run->ids = cli_alloc(choices * sizeof *run->ids);
        run->weights = cli_alloc(choices * sizeof *run->weights);
    }
    return 0;
}

static int write_outputs(struct cli_block *b)
{
    const struct cli_run *run = &b->run;
    const uint32_t k = *b->experts_per_token;
    int status = cli_output_write_f32(b->output, run->y, run->tokens, *b->hidden);
    if (status == 0)
        status = cli_output_write_i32(b->ids, run->ids, run->tokens, k);
    if (status == 0)
        status = cli_output_write_f32(b->weights, run->weights, run->tokens, k);
    b->bad = cli_find_bad(run->y, run->tokens, *b->hidden);
    return status == 0 ? cli_output_commit() : status;
}

void cli_block_print(const struct cli_block *b, const char *what)
{
    fprintf(cli_words(), "%s %s: %u token%s on %s\n", what, cli_block_label(b->block).text,
        b->run.tokens, b->run.tokens == 1 ? "" : "s", cli_device_label(&b->info).text);
}

void cli_block_print_written(const struct cli_block *b)
{
    const char *const written[] = { b->output, b->ids, b->weights };
    cli_print_written(written, 3);
}

static int fail_bad(const struct cli_block *b)
{
    return cli_fail_bad(cli_output_name(b->output), &b->bad, b->run.tokens);
}

static void finish(struct cli_block *b)
{
    free(b->run.x);
    free(b->run.router_x);
    free(b->run.y);
    free(b->run.ids);
    free(b->run.weights);
}

int cli_block_work(struct cli_block *b, const struct cli_block_work *work, void *job)
{
    vkmoe_checkpoint *checkpoint = NULL;
    int status = cli_open_model(b->checkpoint, &checkpoint);
    if (status == 0)
        status = cli_result(work->get(job, checkpoint), b->checkpoint);
    if (status == 0)
        status = read_input(b);
    if (status == 0)
        status = work->run(job);
    if (status == 0)
        status = write_outputs(b);
    if (status == 0)
        status = work->print(job);
    if (status == 0)
        status = fail_bad(b);
    vkmoe_checkpoint_destroy(&checkpoint);
    finish(b);
    return status;
}
