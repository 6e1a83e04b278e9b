// no_sentencepiece.c - in place of sentencepiece.cc where the library is not there.
#include "sentencepiece.h"

bool cli_pieces_are_built(void)
{
    return false;
}

struct cli_pieces *cli_pieces_open(const char *path)
{
    (void)path;
    return NULL;
}

void cli_pieces_close(struct cli_pieces **pieces)
{
    *pieces = NULL;
}

uint32_t cli_pieces_count(const struct cli_pieces *pieces)
{
    (void)pieces;
    return 0;
}

int64_t cli_pieces_begin(const struct cli_pieces *pieces)
{
    (void)pieces;
    return -1;
}

int64_t cli_pieces_end(const struct cli_pieces *pieces)
{
    (void)pieces;
    return -1;
}

uint32_t *cli_pieces_encode(const struct cli_pieces *pieces, const char *text, size_t size,
    uint32_t *count)
{
    (void)pieces, (void)text, (void)size, (void)count;
    return NULL;
}

char *cli_pieces_decode(const struct cli_pieces *pieces, const uint32_t *tokens, uint32_t count,
    size_t *size)
{
    (void)pieces, (void)tokens, (void)count, (void)size;
    return NULL;
}
