// no_sentencepiece.c - in place of sentencepiece.cc where the library is not there.
#include "sentencepiece.h"

bool cli_pieces_are_built(void)
{
    return false;
}

struct cli_pieces *cli_pieces_open(const char *data, size_t size)
{
    (void)data;
    (void)size;
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

enum cli_piece_kind cli_pieces_kind(const struct cli_pieces *pieces, uint32_t id)
{
    (void)pieces, (void)id;
    return CLI_PIECE_UNKNOWN;
}

const char *cli_pieces_text(const struct cli_pieces *pieces, uint32_t id, size_t *size)
{
    (void)pieces, (void)id;
    *size = 0;
    return "";
}

int64_t cli_pieces_find(const struct cli_pieces *pieces, const char *text, size_t size)
{
    (void)pieces, (void)text, (void)size;
    return -1;
}

bool cli_pieces_forget_prefix(struct cli_pieces *pieces)
{
    (void)pieces;
    return false;
}

uint32_t *cli_pieces_encode(
    const struct cli_pieces *pieces, const char *text, size_t size, bool prefix, uint32_t *count)
{
    (void)pieces, (void)text, (void)size, (void)prefix, (void)count;
    return NULL;
}

char *cli_pieces_decode(const struct cli_pieces *pieces, const uint32_t *tokens, uint32_t count,
    bool prefix, size_t *size)
{
    (void)pieces, (void)tokens, (void)count, (void)prefix, (void)size;
    return NULL;
}

bool cli_pieces_go_on(const struct cli_pieces *pieces)
{
    (void)pieces;
    return false;
}

char *cli_pieces_decode_inside(
    const struct cli_pieces *pieces, const uint32_t *tokens, uint32_t count, size_t *size)
{
    (void)pieces, (void)tokens, (void)count, (void)size;
    return NULL;
}
