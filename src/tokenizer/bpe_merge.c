// bpe_merge.c - see bpe.h: the tokens of one piece.
#include <stdlib.h>

#include "base/utf8.h"
#include "tokenizer/bpe_parts.h"
#include "tokenizer/unigram.h"

struct symbol {
    uint32_t id;
    uint32_t before, after; // NONE: none
    bool gone;
};

struct candidate {
    uint32_t rank, at, left, right, result;
};

// Of a candidate whose tokens are others by now, nothing is done: it is stale.
struct work {
    const struct bpe *bpe;
    struct symbol *symbols;
    uint32_t symbol_count;
    struct candidate *heap; // the lowest rank first, of equal ones the leftmost
    size_t count;
};

#define NONE UINT32_MAX

static bool goes_first(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void push(struct work *w, uint32_t at)
{
    if (at == NONE || w->symbols[at].after == NONE)
        return;
    const uint32_t left = w->symbols[at].id, right = w->symbols[w->symbols[at].after].id;
    const struct merge *merge = vkmoe_bpe_find_merge(w->bpe, left, right);
    if (!merge->rank)
        return;
    const struct candidate added = { merge->rank, at, left, right, merge->result };
    size_t place = w->count++;
    for (; place > 0 && goes_first(&added, &w->heap[(place - 1) / 2]); place = (place - 1) / 2)
        w->heap[place] = w->heap[(place - 1) / 2];
    w->heap[place] = added;
}

static struct candidate pop(struct work *w)
{
    const struct candidate first = w->heap[0], last = w->heap[--w->count];
    size_t place = 0;
    for (size_t next = 1; next < w->count; next = 2 * place + 1) {
        if (next + 1 < w->count && goes_first(&w->heap[next + 1], &w->heap[next]))
            next++;
        if (!goes_first(&w->heap[next], &last))
            break;
        w->heap[place] = w->heap[next];
        place = next;
    }
    w->heap[place] = last;
    return first;
}

static void apply(struct work *w, const struct candidate *c)
{
    struct symbol *left = &w->symbols[c->at];
    if (left->gone || left->id != c->left || left->after == NONE
        || w->symbols[left->after].id != c->right)
        return;
    struct symbol *right = &w->symbols[left->after];
    right->gone = true;
    left->id = c->result;
    left->after = right->after;
    if (left->after != NONE)
        w->symbols[left->after].before = c->at;
    push(w, left->before);
    push(w, c->at);
}

static void add_symbol(struct work *w, int64_t id)
{
    const uint32_t at = w->symbol_count;
    if (id < 0) // is left out
        return;
    w->symbols[at] = (struct symbol){ (uint32_t)id, at ? at - 1 : NONE, NONE, false };
    if (at)
        w->symbols[at - 1].after = at;
    w->symbol_count++;
}

static void add_bytes(struct work *w, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        add_symbol(w, w->bpe->bytes[(unsigned char)text[i]]);
}

static bool has_bytes(const struct bpe *bpe, const char *text, size_t size)
{
    bool all = bpe->how.byte_fallback;
    for (size_t i = 0; i < size; i++)
        all = all && bpe->bytes[(unsigned char)text[i]] >= 0;
    return all;
}

// `after`: what came before is unknown, too. Returns whether this is.
static bool add_unknown(struct work *w, const char *text, size_t size, bool after)
{
    const bool bytes = has_bytes(w->bpe, text, size);
    if (bytes)
        add_bytes(w, text, size);
    else if (!after || !w->bpe->how.fuse_unknown)
        add_symbol(w, w->bpe->unknown);
    return !bytes;
}

static void add_characters(struct work *w, const char *text, size_t size)
{
    bool unknown = false; // the one before
    for (size_t at = 0; at < size;) {
        uint32_t code;
        const int read = vkmoe_utf8_decode((const unsigned char *)text + at, size - at, &code);
        const size_t length = read > 0 ? (size_t)read : 1;
        const int64_t id = vkmoe_bpe_find_bytes(w->bpe, text + at, length);
        if (id >= 0)
            add_symbol(w, id);
        unknown = id < 0 && add_unknown(w, text + at, length, unknown);
        at += length;
    }
}

// False: there is no memory.
static bool add_parts(struct work *w, const char *text, size_t size)
{
    struct unigram_part *parts = calloc(size + 1, sizeof *parts);
    const size_t count = parts ? vkmoe_unigram_cut(w->bpe->unigram, text, size, parts) : SIZE_MAX;
    for (size_t i = 0; count != SIZE_MAX && i < count; i++) {
        if (parts[i].id >= 0)
            add_symbol(w, parts[i].id);
        else
            add_unknown(w, text + parts[i].begin, parts[i].end - parts[i].begin, false);
    }
    free(parts);
    return count != SIZE_MAX;
}

static bool add_symbols(struct work *w, const char *text, size_t size)
{
    if (!w->symbols || !w->heap)
        return false;
    if (w->bpe->unigram)
        return add_parts(w, text, size);
    if (w->bpe->is_text)
        add_characters(w, text, size);
    else
        add_bytes(w, text, size);
    return true;
}

static size_t merge_all(struct work *w, uint32_t *tokens)
{
    size_t made = 0;
    for (uint32_t i = 0; i < w->symbol_count; i++)
        push(w, i);
    while (w->count) {
        const struct candidate next = pop(w);
        apply(w, &next);
    }
    for (uint32_t i = 0; i < w->symbol_count; i++) {
        if (!w->symbols[i].gone)
            tokens[made++] = w->symbols[i].id;
    }
    return made;
}

size_t vkmoe_bpe_merge(const struct bpe *bpe, const char *text, size_t size, uint32_t *tokens)
{
    const int64_t whole = bpe->ignore_merges ? vkmoe_bpe_find_bytes(bpe, text, size) : -1;
    if (whole >= 0) {
        tokens[0] = (uint32_t)whole;
        return 1;
    }
    struct work w = { .bpe = bpe };
    w.symbols = calloc(size + 1, sizeof *w.symbols);
    // Each pair at first, and two for each merge.
    w.heap = calloc(3 * size + 1, sizeof *w.heap);
    const size_t made = add_symbols(&w, text, size) ? merge_all(&w, tokens) : SIZE_MAX;
    free(w.symbols);
    free(w.heap);
    return made;
}
