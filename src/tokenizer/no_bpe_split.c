// no_bpe_split.c - in place of bpe_split.c where PCRE2 or utf8proc is not there.
#include <stdlib.h>

#include "bpe.h"

bool cli_bpe_is_built(void)
{
    return false;
}

struct cli_split *cli_split_open(void)
{
    return NULL;
}

void cli_split_close(struct cli_split *split)
{
    (void)split;
}

void cli_split_use_nfc(struct cli_split *split)
{
    (void)split;
}

bool cli_split_add(struct cli_split *split, const char *pattern, char *why, size_t room)
{
    (void)split, (void)pattern;
    if (room > 0)
        *why = 0;
    return false;
}

char *cli_split_normalize(
    const struct cli_split *split, const char *text, size_t *size, const char **why)
{
    (void)split, (void)text, (void)size;
    *why = "there is no PCRE2";
    return NULL;
}

bool cli_split_cut(const struct cli_split *split, const char *text, size_t size,
    void (*use)(void *data, const char *piece, size_t size), void *data)
{
    (void)split, (void)text, (void)size, (void)use, (void)data;
    return false;
}
