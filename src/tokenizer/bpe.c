// bpe.c - see bpe.h. Tokens are kept as bytes; what the files write for a byte is a printable
// character (GPT-2's table): itself where it is printable in Latin-1, else the next from U+0100 on.
#include "bpe.h"

#include <stdlib.h>
#include <string.h>

#include "blanks.h"
#include "charsmap.h"
#include "cli.h"
#include "unigram.h"
#include "utf8.h"

struct token {
    char *text; // NULL: there is none of this id
    size_t size;
};

struct merge {
    uint32_t left, right, rank, result;
};

struct cli_bpe {
    struct token *tokens;
    uint32_t room, count;
    uint32_t *texts, texts_mask; // ids + 1 by the hash of their bytes; 0: free
    struct merge *merges;        // by the hash of the pair; rank is from 1; 0: free
    uint32_t merges_mask, merges_count;
    int64_t bytes[256];        // the token of a byte; -1: none
    unsigned char values[324]; // the byte that a character stands for
    bool known[324];
    bool ignore_merges;
    bool is_text;
    struct cli_bpe_text how; // if it is
    int64_t unknown;
    struct cli_charsmap *map; // NULL: there is none, likewise below
    struct cli_unigram *unigram;
    struct cli_split *split;
};

// ------------------------------------------------------------------------------ open

static uint32_t slots(uint32_t count)
{
    uint32_t room = 64;
    while (room / 2 < count)
        room *= 2;
    return room;
}

struct cli_bpe *cli_bpe_open(uint32_t tokens, uint32_t merges, bool ignore_merges)
{
    struct cli_bpe *bpe = cli_alloc(sizeof *bpe);
    bpe->ignore_merges = ignore_merges;
    bpe->room = tokens;
    bpe->tokens = cli_alloc((tokens + (size_t)1) * sizeof *bpe->tokens);
    bpe->texts_mask = slots(tokens) - 1;
    bpe->texts = cli_alloc((bpe->texts_mask + (size_t)1) * sizeof *bpe->texts);
    bpe->merges_mask = slots(merges) - 1;
    bpe->merges = cli_alloc((bpe->merges_mask + (size_t)1) * sizeof *bpe->merges);
    uint32_t next = 256;
    for (uint32_t byte = 0; byte < 256; byte++) {
        const bool itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
        const uint32_t code = itself ? byte : next++;
        bpe->values[code] = (unsigned char)byte;
        bpe->known[code] = true;
        bpe->bytes[byte] = -1;
    }
    bpe->unknown = -1;
    bpe->split = cli_split_open();
    return bpe;
}

void cli_bpe_use_text(struct cli_bpe *bpe, const struct cli_bpe_text *how)
{
    bpe->is_text = true;
    bpe->how = *how;
}

void cli_bpe_use_charsmap(struct cli_bpe *bpe, struct cli_charsmap *map)
{
    cli_charsmap_close(bpe->map);
    bpe->map = map;
}

void cli_bpe_use_unigram(struct cli_bpe *bpe, struct cli_unigram *unigram)
{
    cli_unigram_close(bpe->unigram);
    bpe->unigram = unigram;
}

void cli_bpe_set_unknown(struct cli_bpe *bpe, int64_t id)
{
    bpe->unknown = id;
}

int64_t cli_bpe_unknown(const struct cli_bpe *bpe)
{
    return bpe->is_text && !bpe->how.byte_fallback ? bpe->unknown : -1;
}

void cli_bpe_close(struct cli_bpe **out)
{
    struct cli_bpe *bpe = *out;
    *out = NULL;
    if (!bpe)
        return;
    for (uint32_t i = 0; i < bpe->count; i++)
        free(bpe->tokens[i].text);
    free(bpe->tokens);
    free(bpe->texts);
    free(bpe->merges);
    cli_charsmap_close(bpe->map);
    cli_unigram_close(bpe->unigram);
    cli_split_close(bpe->split);
    free(bpe);
}

struct cli_split *cli_bpe_split(struct cli_bpe *bpe)
{
    return bpe->split;
}

uint32_t cli_bpe_count(const struct cli_bpe *bpe)
{
    return bpe->count;
}

// ------------------------------------------------------------------------ vocabulary

// The slot of these bytes, or the free one where they would go.
static uint32_t find_slot(const struct cli_bpe *bpe, const char *bytes, size_t size)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    uint32_t slot = hash & bpe->texts_mask;
    for (; bpe->texts[slot]; slot = (slot + 1) & bpe->texts_mask) {
        const struct token *token = &bpe->tokens[bpe->texts[slot] - 1];
        if (token->size == size && memcmp(token->text, bytes, size) == 0)
            break;
    }
    return slot;
}

// The bytes that a text stands for; a text that is not of such characters, as an added token may
// be, stands for itself.
static char *read_bytes(const struct cli_bpe *bpe, const char *text, size_t size, size_t *out_size)
{
    char *bytes = cli_alloc(size + 1);
    size_t count = 0;
    for (size_t at = 0; at < size;) {
        uint32_t code;
        const int length = cli_utf8_decode((const unsigned char *)text + at, size - at, &code);
        if (bpe->is_text || length <= 0 || code >= sizeof bpe->known || !bpe->known[code]) {
            memcpy(bytes, text, size);
            *out_size = size;
            return bytes;
        }
        bytes[count++] = (char)bpe->values[code];
        at += (size_t)length;
    }
    *out_size = count;
    return bytes;
}

static int64_t find_id(const struct cli_bpe *bpe, const char *bytes, size_t size)
{
    return (int64_t)bpe->texts[find_slot(bpe, bytes, size)] - 1;
}

// The byte of a token <0x00> to <0xFF>; -1: it is another.
static int fallback_of(const char *text, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    if (size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>' || !text[3] || !text[4])
        return -1;
    const char *high = strchr(digits, text[3]), *low = strchr(digits, text[4]);
    return high && low ? (int)(16 * (high - digits) + (low - digits)) : -1;
}

// Takes the bytes.
static bool add_token(struct cli_bpe *bpe, char *bytes, size_t size, uint32_t id)
{
    if (id >= bpe->room || bpe->tokens[id].text || find_id(bpe, bytes, size) >= 0) {
        free(bytes);
        return false;
    }
    bpe->texts[find_slot(bpe, bytes, size)] = id + 1;
    bpe->tokens[id] = (struct token){ bytes, size };
    const int byte = bpe->is_text ? fallback_of(bytes, size)
        : size == 1               ? (unsigned char)bytes[0]
                                  : -1;
    if (byte >= 0)
        bpe->bytes[byte] = id;
    if (id >= bpe->count)
        bpe->count = id + 1;
    return true;
}

bool cli_bpe_add_token(struct cli_bpe *bpe, const char *text, size_t size, uint32_t id)
{
    size_t length;
    char *bytes = read_bytes(bpe, text, size, &length);
    return add_token(bpe, bytes, length, id);
}

bool cli_bpe_add_bytes(struct cli_bpe *bpe, const char *bytes, size_t size, uint32_t id)
{
    char *copy = cli_alloc(size + 1);
    memcpy(copy, bytes, size);
    return add_token(bpe, copy, size, id);
}

int64_t cli_bpe_find(const struct cli_bpe *bpe, const char *text, size_t size)
{
    size_t length;
    char *bytes = read_bytes(bpe, text, size, &length);
    const int64_t id = find_id(bpe, bytes, length);
    free(bytes);
    return id;
}

bool cli_bpe_is_byte(const struct cli_bpe *bpe, uint32_t id)
{
    const struct token *token = &bpe->tokens[id];
    return bpe->how.byte_fallback && fallback_of(token->text, token->size) >= 0;
}

static struct merge *find_merge(const struct cli_bpe *bpe, uint32_t left, uint32_t right)
{
    const uint64_t pair = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
    uint32_t slot = (uint32_t)(pair >> 32) & bpe->merges_mask;
    while (bpe->merges[slot].rank
        && (bpe->merges[slot].left != left || bpe->merges[slot].right != right))
        slot = (slot + 1) & bpe->merges_mask;
    return &bpe->merges[slot];
}

bool cli_bpe_add_merge(
    struct cli_bpe *bpe, const char *left, size_t left_size, const char *right, size_t right_size)
{
    const int64_t first = cli_bpe_find(bpe, left, left_size);
    const int64_t second = cli_bpe_find(bpe, right, right_size);
    char *both = cli_alloc(left_size + right_size + 1);
    memcpy(both, left, left_size);
    memcpy(both + left_size, right, right_size);
    const int64_t result = cli_bpe_find(bpe, both, left_size + right_size);
    free(both);
    if (first < 0 || second < 0 || result < 0 || bpe->merges_count > bpe->merges_mask / 2)
        return false;
    struct merge *merge = find_merge(bpe, (uint32_t)first, (uint32_t)second);
    *merge =
        (struct merge){ (uint32_t)first, (uint32_t)second, ++bpe->merges_count, (uint32_t)result };
    return true;
}

// Those of one token; counts them, and adds them if `add`.
static uint32_t derive(struct cli_bpe *bpe, uint32_t id, bool add)
{
    const struct token *token = &bpe->tokens[id];
    uint32_t count = 0;
    for (size_t cut = 1; cut < token->size; cut++) {
        const int64_t left = find_id(bpe, token->text, cut);
        const int64_t right = find_id(bpe, token->text + cut, token->size - cut);
        if (left < 0 || right < 0)
            continue;
        count++;
        if (add)
            *find_merge(bpe, (uint32_t)left, (uint32_t)right) =
                (struct merge){ (uint32_t)left, (uint32_t)right, id + 1, id };
    }
    return count;
}

void cli_bpe_derive_merges(struct cli_bpe *bpe)
{
    bpe->merges_count = 0;
    for (uint32_t id = 0; id < bpe->count; id++)
        bpe->merges_count += derive(bpe, id, false);
    free(bpe->merges);
    bpe->merges_mask = slots(bpe->merges_count) - 1;
    bpe->merges = cli_alloc((bpe->merges_mask + (size_t)1) * sizeof *bpe->merges);
    for (uint32_t id = 0; id < bpe->count; id++)
        derive(bpe, id, true);
}

// ------------------------------------------------------------------------------ merge

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
    const struct cli_bpe *bpe;
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
    const struct merge *merge = find_merge(w->bpe, left, right);
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

static bool has_bytes(const struct cli_bpe *bpe, const char *text, size_t size)
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
        const int read = cli_utf8_decode((const unsigned char *)text + at, size - at, &code);
        const size_t length = read > 0 ? (size_t)read : 1;
        const int64_t id = find_id(w->bpe, text + at, length);
        if (id >= 0)
            add_symbol(w, id);
        unknown = id < 0 && add_unknown(w, text + at, length, unknown);
        at += length;
    }
}

static void add_parts(struct work *w, const char *text, size_t size)
{
    struct cli_unigram_part *parts = cli_alloc((size + 1) * sizeof *parts);
    const size_t count = cli_unigram_cut(w->bpe->unigram, text, size, parts);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].id >= 0)
            add_symbol(w, parts[i].id);
        else
            add_unknown(w, text + parts[i].begin, parts[i].end - parts[i].begin, false);
    }
    free(parts);
}

size_t cli_bpe_merge(const struct cli_bpe *bpe, const char *text, size_t size, uint32_t *tokens)
{
    const int64_t whole = bpe->ignore_merges ? find_id(bpe, text, size) : -1;
    if (whole >= 0) {
        tokens[0] = (uint32_t)whole;
        return 1;
    }
    struct work w = { .bpe = bpe };
    w.symbols = cli_alloc((size + 1) * sizeof *w.symbols);
    // Each pair at first, and two for each merge.
    w.heap = cli_alloc((3 * size + 1) * sizeof *w.heap);
    if (bpe->unigram)
        add_parts(&w, text, size);
    else if (bpe->is_text)
        add_characters(&w, text, size);
    else
        add_bytes(&w, text, size);
    const uint32_t count = w.symbol_count;
    for (uint32_t i = 0; i < count; i++)
        push(&w, i);
    while (w.count) {
        const struct candidate next = pop(&w);
        apply(&w, &next);
    }
    size_t made = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!w.symbols[i].gone)
            tokens[made++] = w.symbols[i].id;
    }
    free(w.symbols);
    free(w.heap);
    return made;
}

// ---------------------------------------------------------------------- text and back

struct output {
    const struct cli_bpe *bpe;
    uint32_t *tokens;
    size_t count;
};

static void use_piece(void *data, const char *piece, size_t size)
{
    struct output *out = data;
    out->count += cli_bpe_merge(out->bpe, piece, size, out->tokens + out->count);
}

// The text as its steps leave it, in place of `text`.
static char *prepare_text(const struct cli_bpe *bpe, char *text, size_t *size, bool prefix)
{
    if (bpe->map) {
        char *mapped = cli_charsmap_apply(bpe->map, text, *size, size);
        free(text);
        text = mapped;
    }
    *size = cli_blanks_drop(&bpe->how, text, *size);
    char *marked = cli_blanks_mark(&bpe->how, text, *size, prefix, size);
    free(text);
    return marked;
}

static void use_words(struct output *out, const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        const size_t end = cli_blanks_word(text, at, size);
        use_piece(out, text + at, end - at);
        at = end;
    }
}

uint32_t *cli_bpe_encode(const struct cli_bpe *bpe, const char *text, size_t size, bool prefix,
    uint32_t *count, const char **why)
{
    char *normal = cli_split_normalize(bpe->split, text, &size, why);
    if (!normal)
        return NULL;
    if (bpe->is_text)
        normal = prepare_text(bpe, normal, &size, prefix);
    struct output out = { bpe, cli_alloc((size + 1) * sizeof *out.tokens), 0 };
    if (bpe->is_text && bpe->how.words) {
        use_words(&out, normal, size);
    } else if (!cli_split_cut(bpe->split, normal, size, use_piece, &out)) {
        *why = "a pattern that cuts it takes too many steps, or too much memory";
        free(out.tokens);
        out.tokens = NULL;
    }
    free(normal);
    *count = (uint32_t)out.count;
    return out.tokens;
}

char *cli_bpe_repair(const char *bytes, size_t size, size_t *out_size)
{
    char *out = cli_alloc(3 * size + 1);
    size_t made = 0;
    for (size_t at = 0; at < size;) {
        const unsigned char *s = (const unsigned char *)bytes + at;
        uint32_t code;
        int length = cli_utf8_decode(s, size - at, &code);
        if (length > 0) {
            memcpy(out + made, s, (size_t)length);
            made += (size_t)length;
        } else { // one for as many bytes as could begin a character
            memcpy(out + made, "\xef\xbf\xbd", 3);
            made += 3;
            for (length = 1; length < 3 && at + (size_t)length < size
                 && cli_utf8_decode(s, (size_t)length + 1, &code) < 0;)
                length++;
        }
        at += (size_t)length;
    }
    *out_size = made;
    return out;
}

static size_t put_token(const struct cli_bpe *bpe, uint32_t id, char *to)
{
    const struct token *token = id < bpe->count ? &bpe->tokens[id] : NULL;
    const int byte =
        token && token->text && bpe->is_text ? fallback_of(token->text, token->size) : -1;
    if (!token || !token->text) {
        *to = (char)0xff; // is no UTF-8 anywhere
        return 1;
    }
    if (byte >= 0 && bpe->how.byte_fallback) {
        *to = (char)byte;
        return 1;
    }
    if (bpe->is_text)
        return cli_blanks_unmark(to, token->text, token->size);
    memcpy(to, token->text, token->size);
    return token->size;
}

char *cli_bpe_decode(
    const struct cli_bpe *bpe, const uint32_t *tokens, uint32_t count, bool prefix, size_t *size)
{
    size_t room = 1, made = 0;
    for (uint32_t i = 0; i < count; i++)
        room += tokens[i] < bpe->count ? bpe->tokens[tokens[i]].size + 1 : 1;
    char *bytes = cli_alloc(room);
    for (uint32_t i = 0; i < count; i++)
        made += put_token(bpe, tokens[i], bytes + made);
    const size_t skipped = bpe->is_text && prefix && made > 0 && bytes[0] == ' ';
    char *text = cli_bpe_repair(bytes + skipped, made - skipped, size);
    free(bytes);
    return text;
}
