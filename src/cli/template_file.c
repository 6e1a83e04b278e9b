// template_file.c - see template.h.
#include "checkpoint/checkpoint.h"
#include "cli.h"
#include "template.h"

int cli_template_read(const char *checkpoint, char **text)
{
    return cli_result(vkmoe_checkpoint_read_template(checkpoint, &cli_log, text), checkpoint);
}
