// no_bpe_split.c - in place of bpe_split.c where PCRE2 or utf8proc is not there.
#include <stdlib.h>

#include "tokenizer/bpe.h"

bool vkmoe_bpe_is_built(void)
{
    return false;
}

// It has nothing, but is none of those that there is no memory for.
struct split *vkmoe_split_open(void)
{
    return malloc(1);
}

void vkmoe_split_close(struct split *split)
{
    free(split);
}

void vkmoe_split_use_nfc(struct split *split)
{
    (void)split;
}

bool vkmoe_split_add(struct split *split, const char *pattern, char *why, size_t room)
{
    (void)split, (void)pattern;
    if (room > 0)
        *why = 0;
    return false;
}

char *vkmoe_split_normalize(
    const struct split *split, const char *text, size_t *size, const char **why)
{
    (void)split, (void)text, (void)size;
    *why = "there is no PCRE2";
    return NULL;
}

bool vkmoe_split_cut(const struct split *split, const char *text, size_t size,
    void (*use)(void *data, const char *piece, size_t size), void *data)
{
    (void)split, (void)text, (void)size, (void)use, (void)data;
    return false;
}
