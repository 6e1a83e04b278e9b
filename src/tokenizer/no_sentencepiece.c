// no_sentencepiece.c - in place of sentencepiece.cc where the library is not there.
#include "tokenizer/sentencepiece.h"

bool vkmoe_pieces_are_built(void)
{
    return false;
}

struct pieces *vkmoe_pieces_open(const char *data, size_t size)
{
    (void)data;
    (void)size;
    return NULL;
}

void vkmoe_pieces_close(struct pieces **pieces)
{
    *pieces = NULL;
}

uint32_t vkmoe_pieces_count(const struct pieces *pieces)
{
    (void)pieces;
    return 0;
}

int64_t vkmoe_pieces_begin(const struct pieces *pieces)
{
    (void)pieces;
    return -1;
}

int64_t vkmoe_pieces_end(const struct pieces *pieces)
{
    (void)pieces;
    return -1;
}

enum piece_kind vkmoe_pieces_kind(const struct pieces *pieces, uint32_t id)
{
    (void)pieces, (void)id;
    return PIECE_UNKNOWN;
}

const char *vkmoe_pieces_text(const struct pieces *pieces, uint32_t id, size_t *size)
{
    (void)pieces, (void)id;
    *size = 0;
    return "";
}

int64_t vkmoe_pieces_find(const struct pieces *pieces, const char *text, size_t size)
{
    (void)pieces, (void)text, (void)size;
    return -1;
}

bool vkmoe_pieces_forget_prefix(struct pieces *pieces)
{
    (void)pieces;
    return false;
}

uint32_t *vkmoe_pieces_encode(const struct pieces *pieces, const char *text, size_t size,
    bool prefix, uint32_t *count, const char **why)
{
    (void)pieces, (void)text, (void)size, (void)prefix, (void)count;
    *why = NULL;
    return NULL;
}

char *vkmoe_pieces_decode(
    const struct pieces *pieces, const uint32_t *tokens, uint32_t count, bool prefix, size_t *size)
{
    (void)pieces, (void)tokens, (void)count, (void)prefix, (void)size;
    return NULL;
}

bool vkmoe_pieces_go_on(const struct pieces *pieces)
{
    (void)pieces;
    return false;
}

char *vkmoe_pieces_decode_inside(
    const struct pieces *pieces, const uint32_t *tokens, uint32_t count, size_t *size)
{
    (void)pieces, (void)tokens, (void)count, (void)size;
    return NULL;
}

char *vkmoe_pieces_bytes(const struct pieces *pieces, uint32_t id, size_t *size)
{
    (void)pieces, (void)id, (void)size;
    return NULL;
}
