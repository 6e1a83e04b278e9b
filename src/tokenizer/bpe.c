// bpe.c - see bpe.h. Tokens are kept as bytes; what the files write for a byte is a printable
// character (GPT-2's table): itself where it is printable in Latin-1, else the next from U+0100 on.
#include "tokenizer/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tokenizer/blanks.h"
#include "tokenizer/bpe_parts.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/unigram.h"

// ------------------------------------------------------------------------------ open

enum { MAX_COUNT = 1 << 30 }; // of tokens, and of merges

// At least two for each, a power of two.
static uint64_t slots(uint64_t count)
{
    uint64_t room = 64;
    while (room / 2 < count)
        room *= 2;
    return room;
}

struct bpe *vkmoe_bpe_open(uint32_t tokens, uint32_t merges, bool ignore_merges)
{
    const bool good = tokens <= MAX_COUNT && merges <= MAX_COUNT;
    struct bpe *bpe = good ? calloc(1, sizeof *bpe) : NULL;
    if (!bpe)
        return NULL;
    bpe->ignore_merges = ignore_merges;
    bpe->room = tokens;
    bpe->tokens = calloc(tokens + (size_t)1, sizeof *bpe->tokens);
    bpe->texts_mask = (uint32_t)(slots(tokens) - 1);
    bpe->texts = calloc(bpe->texts_mask + (size_t)1, sizeof *bpe->texts);
    bpe->merges_mask = (uint32_t)(slots(merges) - 1);
    bpe->merges = calloc(bpe->merges_mask + (size_t)1, sizeof *bpe->merges);
    uint32_t next = 256;
    for (uint32_t byte = 0; byte < 256; byte++) {
        const bool itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
        const uint32_t code = itself ? byte : next++;
        bpe->values[code] = (unsigned char)byte;
        bpe->known[code] = true;
        bpe->bytes[byte] = -1;
    }
    bpe->unknown = -1;
    bpe->split = vkmoe_split_open();
    if (!bpe->tokens || !bpe->texts || !bpe->merges || !bpe->split)
        vkmoe_bpe_close(&bpe);
    return bpe;
}

void vkmoe_bpe_use_text(struct bpe *bpe, const struct bpe_text *how)
{
    bpe->is_text = true;
    bpe->how = *how;
}

void vkmoe_bpe_use_charsmap(struct bpe *bpe, struct charsmap *map)
{
    vkmoe_charsmap_close(bpe->map);
    bpe->map = map;
}

void vkmoe_bpe_use_unigram(struct bpe *bpe, struct unigram *unigram)
{
    vkmoe_unigram_close(bpe->unigram);
    bpe->unigram = unigram;
}

void vkmoe_bpe_set_unknown(struct bpe *bpe, int64_t id)
{
    bpe->unknown = id;
}

int64_t vkmoe_bpe_unknown(const struct bpe *bpe)
{
    return bpe->is_text && !bpe->how.byte_fallback ? bpe->unknown : -1;
}

void vkmoe_bpe_close(struct bpe **out)
{
    struct bpe *bpe = *out;
    *out = NULL;
    if (!bpe)
        return;
    for (uint32_t i = 0; i < bpe->count; i++)
        free(bpe->tokens[i].text);
    free(bpe->tokens);
    free(bpe->texts);
    free(bpe->merges);
    vkmoe_charsmap_close(bpe->map);
    vkmoe_unigram_close(bpe->unigram);
    vkmoe_split_close(bpe->split);
    free(bpe);
}

void vkmoe_bpe_lack_memory(struct bpe *bpe)
{
    bpe->lacks_memory = true;
}

bool vkmoe_bpe_lacks_memory(const struct bpe *bpe)
{
    return bpe->lacks_memory;
}

struct split *vkmoe_bpe_split(struct bpe *bpe)
{
    return bpe->split;
}

uint32_t vkmoe_bpe_count(const struct bpe *bpe)
{
    return bpe->count;
}

// ------------------------------------------------------------------------ vocabulary

// The slot of these bytes, or the free one where they would go.
static uint32_t find_slot(const struct bpe *bpe, const char *bytes, size_t size)
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
// be, stands for itself. NULL: there is no memory.
static char *read_bytes(struct bpe *bpe, const char *text, size_t size, size_t *out_size)
{
    char *bytes = calloc(size + 1, 1);
    size_t count = 0;
    bpe->lacks_memory = bpe->lacks_memory || !bytes;
    for (size_t at = 0; bytes && at < size;) {
        uint32_t code;
        const int length = vkmoe_utf8_decode((const unsigned char *)text + at, size - at, &code);
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

int64_t vkmoe_bpe_find_bytes(const struct bpe *bpe, const char *bytes, size_t size)
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

// Takes the bytes, which may be NULL.
static bool add_token(struct bpe *bpe, char *bytes, size_t size, uint32_t id)
{
    if (!bytes || id >= bpe->room || bpe->tokens[id].text
        || vkmoe_bpe_find_bytes(bpe, bytes, size) >= 0) {
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

bool vkmoe_bpe_add_token(struct bpe *bpe, const char *text, size_t size, uint32_t id)
{
    size_t length = 0;
    char *bytes = read_bytes(bpe, text, size, &length);
    return add_token(bpe, bytes, length, id);
}

bool vkmoe_bpe_add_bytes(struct bpe *bpe, const char *bytes, size_t size, uint32_t id)
{
    char *copy = calloc(size + 1, 1);
    if (copy && size)
        memcpy(copy, bytes, size);
    bpe->lacks_memory = bpe->lacks_memory || !copy;
    return add_token(bpe, copy, size, id);
}

int64_t vkmoe_bpe_find(struct bpe *bpe, const char *text, size_t size)
{
    size_t length;
    char *bytes = read_bytes(bpe, text, size, &length);
    const int64_t id = bytes ? vkmoe_bpe_find_bytes(bpe, bytes, length) : -1;
    free(bytes);
    return id;
}

bool vkmoe_bpe_is_byte(const struct bpe *bpe, uint32_t id)
{
    const struct token *token = &bpe->tokens[id];
    return bpe->how.byte_fallback && fallback_of(token->text, token->size) >= 0;
}

struct merge *vkmoe_bpe_find_merge(const struct bpe *bpe, uint32_t left, uint32_t right)
{
    const uint64_t pair = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
    uint32_t slot = (uint32_t)(pair >> 32) & bpe->merges_mask;
    while (bpe->merges[slot].rank
        && (bpe->merges[slot].left != left || bpe->merges[slot].right != right))
        slot = (slot + 1) & bpe->merges_mask;
    return &bpe->merges[slot];
}

bool vkmoe_bpe_add_merge(
    struct bpe *bpe, const char *left, size_t left_size, const char *right, size_t right_size)
{
    const int64_t first = vkmoe_bpe_find(bpe, left, left_size);
    const int64_t second = vkmoe_bpe_find(bpe, right, right_size);
    char *both = calloc(left_size + right_size + 1, 1);
    bpe->lacks_memory = bpe->lacks_memory || !both;
    if (!both)
        return false;
    memcpy(both, left, left_size);
    memcpy(both + left_size, right, right_size);
    const int64_t result = vkmoe_bpe_find(bpe, both, left_size + right_size);
    free(both);
    if (first < 0 || second < 0 || result < 0 || bpe->merges_count > bpe->merges_mask / 2)
        return false;
    struct merge *merge = vkmoe_bpe_find_merge(bpe, (uint32_t)first, (uint32_t)second);
    *merge =
        (struct merge){ (uint32_t)first, (uint32_t)second, ++bpe->merges_count, (uint32_t)result };
    return true;
}

// Those of one token; counts them, and adds them if `add`.
static uint32_t derive(struct bpe *bpe, uint32_t id, bool add)
{
    const struct token *token = &bpe->tokens[id];
    uint32_t count = 0;
    for (size_t cut = 1; cut < token->size; cut++) {
        const int64_t left = vkmoe_bpe_find_bytes(bpe, token->text, cut);
        const int64_t right = vkmoe_bpe_find_bytes(bpe, token->text + cut, token->size - cut);
        if (left < 0 || right < 0)
            continue;
        count++;
        if (add)
            *vkmoe_bpe_find_merge(bpe, (uint32_t)left, (uint32_t)right) =
                (struct merge){ (uint32_t)left, (uint32_t)right, id + 1, id };
    }
    return count;
}

void vkmoe_bpe_derive_merges(struct bpe *bpe)
{
    bpe->merges_count = 0;
    for (uint32_t id = 0; id < bpe->count && bpe->merges_count <= MAX_COUNT; id++)
        bpe->merges_count += derive(bpe, id, false);
    const uint32_t mask = (uint32_t)(slots(bpe->merges_count) - 1);
    struct merge *merges =
        bpe->merges_count <= MAX_COUNT ? calloc(mask + (size_t)1, sizeof *merges) : NULL;
    bpe->lacks_memory = bpe->lacks_memory || !merges;
    if (!merges)
        return;
    free(bpe->merges);
    bpe->merges = merges;
    bpe->merges_mask = mask;
    for (uint32_t id = 0; id < bpe->count; id++)
        derive(bpe, id, true);
}

// ---------------------------------------------------------------------- text and back

struct output {
    const struct bpe *bpe;
    uint32_t *tokens;
    size_t count;
    bool lacks_memory;
};

static void use_piece(void *data, const char *piece, size_t size)
{
    struct output *out = data;
    const size_t made = out->lacks_memory
        ? SIZE_MAX
        : vkmoe_bpe_merge(out->bpe, piece, size, out->tokens + out->count);
    out->lacks_memory = made == SIZE_MAX;
    out->count += out->lacks_memory ? 0 : made;
}

// The text as its steps leave it, in place of `text`. NULL: there is no memory.
static char *prepare_text(const struct bpe *bpe, char *text, size_t *size, bool prefix)
{
    if (bpe->map) {
        char *mapped = vkmoe_charsmap_apply(bpe->map, text, *size, size);
        free(text);
        text = mapped;
    }
    if (!text)
        return NULL;
    *size = vkmoe_blanks_drop(&bpe->how, text, *size);
    char *marked = vkmoe_blanks_mark(&bpe->how, text, *size, prefix, size);
    free(text);
    return marked;
}

static void use_words(struct output *out, const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        const size_t end = vkmoe_blanks_word(text, at, size);
        use_piece(out, text + at, end - at);
        at = end;
    }
}

uint32_t *vkmoe_bpe_encode(const struct bpe *bpe, const char *text, size_t size, bool prefix,
    uint32_t *count, const char **why)
{
    *why = NULL;
    char *normal = vkmoe_split_normalize(bpe->split, text, &size, why);
    if (normal && bpe->is_text)
        normal = prepare_text(bpe, normal, &size, prefix);
    struct output out = { .bpe = bpe };
    bool good = true;
    if (normal)
        out.tokens = calloc(size + 1, sizeof *out.tokens);
    if (out.tokens && bpe->is_text && bpe->how.words)
        use_words(&out, normal, size);
    else if (out.tokens)
        good = vkmoe_split_cut(bpe->split, normal, size, use_piece, &out);
    if (!good && !out.lacks_memory)
        *why = "a pattern that cuts it takes too many steps, or too much memory";
    if (!good || out.lacks_memory) {
        free(out.tokens);
        out.tokens = NULL;
    }
    free(normal);
    *count = (uint32_t)out.count;
    return out.tokens;
}

char *vkmoe_bpe_repair(const char *bytes, size_t size, size_t *out_size)
{
    char *out = calloc(3 * size + 1, 1);
    size_t made = 0;
    for (size_t at = 0; out && at < size;) {
        const unsigned char *s = (const unsigned char *)bytes + at;
        uint32_t code;
        int length = vkmoe_utf8_decode(s, size - at, &code);
        if (length > 0) {
            memcpy(out + made, s, (size_t)length);
            made += (size_t)length;
        } else { // one for as many bytes as could begin a character
            memcpy(out + made, "\xef\xbf\xbd", 3);
            made += 3;
            for (length = 1; length < 3 && at + (size_t)length < size
                 && vkmoe_utf8_decode(s, (size_t)length + 1, &code) < 0;)
                length++;
        }
        at += (size_t)length;
    }
    *out_size = made;
    return out;
}

static size_t put_token(const struct bpe *bpe, uint32_t id, char *to)
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
        return vkmoe_blanks_unmark(to, token->text, token->size);
    memcpy(to, token->text, token->size);
    return token->size;
}

char *vkmoe_bpe_decode(const struct bpe *bpe, const uint32_t *tokens, uint32_t count, bool prefix,
    size_t *size, size_t *unfinished)
{
    size_t room = 1, made = 0;
    for (uint32_t i = 0; i < count; i++)
        room += tokens[i] < bpe->count ? bpe->tokens[tokens[i]].size + 1 : 1;
    char *bytes = malloc(room);
    if (!bytes)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        made += put_token(bpe, tokens[i], bytes + made);
    const size_t skipped = bpe->is_text && prefix && made > 0 && bytes[0] == ' ';
    *unfinished = vkmoe_utf8_count_unfinished(bytes, made);
    char *text = vkmoe_bpe_repair(bytes + skipped, made - skipped, size);
    free(bytes);
    return text;
}

char *vkmoe_bpe_text(const struct bpe *bpe, uint32_t id, size_t *size)
{
    const size_t room = id < bpe->count ? bpe->tokens[id].size : 0;
    char *text = malloc(room + 1);
    if (text)
        *size = put_token(bpe, id, text);
    return text;
}

bool vkmoe_bpe_has(const struct bpe *bpe, uint32_t id)
{
    return id < bpe->count && bpe->tokens[id].text;
}
