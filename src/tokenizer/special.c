// special.c - see special.h.
#include "tokenizer/special.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static int compare_texts(const char *a, size_t a_size, const char *b, size_t b_size)
{
    const int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_tokens(const void *a, const void *b)
{
    const struct special_token *x = a, *y = b;
    const int order = compare_texts(x->text, x->size, y->text, y->size);
    return order ? order : x->order < y->order ? -1 : 1;
}

// It has no tokens any more.
static void lack_memory(struct special *set)
{
    vkmoe_special_finish(set);
    set->lacks_memory = true;
}

static bool make_room(struct special *set)
{
    if (set->count < set->capacity)
        return true;
    const uint32_t capacity = set->capacity ? 2 * set->capacity : 64;
    struct special_token *more = realloc(set->tokens, capacity * sizeof *more);
    if (!more)
        return false;
    set->tokens = more;
    set->capacity = capacity;
    return true;
}

void vkmoe_special_add(struct special *set, struct special_token token)
{
    if (token.size == 0 || set->lacks_memory)
        return;
    char *text = make_room(set) ? calloc(token.size + 1, 1) : NULL;
    if (!text) {
        lack_memory(set);
        return;
    }
    memcpy(text, token.text, token.size);
    token.text = text;
    token.order = set->added++;
    set->has_blanks = set->has_blanks || token.is_blanks;
    set->tokens[set->count++] = token;
}

// qsort() has no argument for the set that indices are of.
struct numbered {
    uint32_t id, order, index;
};

static int compare_ids(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;
    return x->id != y->id ? (x->id < y->id ? -1 : 1) : x->order < y->order ? -1 : 1;
}

static bool sort_ids(struct special *set)
{
    struct numbered *sorted = calloc(set->count + (size_t)1, sizeof *sorted);
    uint32_t *by_id = realloc(set->by_id, (set->count + (size_t)1) * sizeof *by_id);
    if (by_id)
        set->by_id = by_id;
    if (!sorted || !by_id) {
        free(sorted);
        return false;
    }
    for (uint32_t i = 0; i < set->count; i++)
        sorted[i] = (struct numbered){ set->tokens[i].id, set->tokens[i].order, i };
    qsort(sorted, set->count, sizeof *sorted, compare_ids);
    for (uint32_t i = 0; i < set->count; i++)
        set->by_id[i] = sorted[i].index;
    free(sorted);
    return true;
}

const struct special_token *vkmoe_special_sort(struct special *set)
{
    struct special_token *tokens = set->tokens;
    uint32_t kept = 0, torn = UINT32_MAX;
    if (set->count)
        qsort(tokens, set->count, sizeof *tokens, compare_tokens);
    for (uint32_t i = 0; i < set->count; i++) {
        struct special_token *before = kept ? &tokens[kept - 1] : NULL;
        if (before && !compare_texts(before->text, before->size, tokens[i].text, tokens[i].size)) {
            if (before->id != tokens[i].id && before->file == tokens[i].file && before->file)
                torn = kept - 1;
            free((void *)(uintptr_t)tokens[i].text);
        } else {
            tokens[kept++] = tokens[i];
        }
    }
    set->count = set->sorted = kept;
    if (!sort_ids(set)) {
        lack_memory(set);
        return NULL;
    }
    return torn == UINT32_MAX ? NULL : &tokens[torn];
}

void vkmoe_special_finish(struct special *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        free((void *)(uintptr_t)set->tokens[i].text);
    free(set->tokens);
    free(set->by_id);
    *set = (struct special){ 0 };
}

const struct special_token *vkmoe_special_find(
    const struct special *set, const char *text, size_t size)
{
    uint32_t low = 0, high = set->sorted;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct special_token *token = &set->tokens[middle];
        const int order = compare_texts(text, size, token->text, token->size);
        if (order == 0)
            return token;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    for (uint32_t i = set->sorted; i < set->count; i++) {
        if (!compare_texts(text, size, set->tokens[i].text, set->tokens[i].size))
            return &set->tokens[i];
    }
    return NULL;
}

const struct special_token *vkmoe_special_name(const struct special *set, uint32_t id)
{
    uint32_t low = 0, high = set->count; // the first whose id is not below
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (set->tokens[set->by_id[middle]].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    const struct special_token *token = low < set->count ? &set->tokens[set->by_id[low]] : NULL;
    return token && token->id == id ? token : NULL;
}

// ------------------------------------------------------------------------ characters

// The character that ends before `end`; 0 if there is none. Bytes that are no UTF-8 are none.
static uint32_t character_before(const char *text, size_t begin, size_t end, size_t *length)
{
    uint32_t code;
    for (*length = 1; *length <= 4 && *length <= end - begin; ++*length) {
        const unsigned char *s = (const unsigned char *)text + end - *length;
        if (vkmoe_utf8_decode(s, *length, &code) == (int)*length)
            return code;
    }
    return 0;
}

static uint32_t character_at(const char *text, size_t at, size_t end, size_t *length)
{
    uint32_t code;
    const int size = vkmoe_utf8_decode((const unsigned char *)text + at, end - at, &code);
    *length = size > 0 ? (size_t)size : 0;
    return size > 0 ? code : 0;
}

size_t vkmoe_skip_blanks(const char *text, size_t begin, size_t end)
{
    size_t length;
    while (begin < end && vkmoe_utf8_is_blank(character_at(text, begin, end, &length)))
        begin += length;
    return begin;
}

size_t vkmoe_trim_blanks(const char *text, size_t begin, size_t end)
{
    size_t length;
    while (begin < end && vkmoe_utf8_is_blank(character_before(text, begin, end, &length)))
        end -= length;
    return end;
}

bool vkmoe_is_blanks(const char *text, size_t size)
{
    return vkmoe_skip_blanks(text, 0, size) == size;
}

// ---------------------------------------------------------------------------- search

static bool touches_word(const char *text, size_t size, size_t at, size_t end)
{
    size_t length;
    return vkmoe_utf8_is_word(character_before(text, 0, at, &length))
        || (end < size && vkmoe_utf8_is_word(character_at(text, end, size, &length)));
}

// The bounds of those among [low, high), which agree in `depth` bytes, whose next one is `byte`.
static uint32_t bound(
    const struct special *set, uint32_t low, uint32_t high, size_t depth, unsigned byte)
{
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct special_token *token = &set->tokens[middle];
        if (token->size <= depth || (unsigned char)token->text[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct special_token *vkmoe_special_longer(
    const struct special *set, const char *text, size_t size, size_t at, struct special_walk *walk)
{
    const struct special_token *found = NULL;
    if (walk->depth == 0)
        walk->high = set->count;
    while (!found && walk->low < walk->high && at + walk->depth < size) {
        const unsigned byte = (unsigned char)text[at + walk->depth];
        walk->low = bound(set, walk->low, walk->high, walk->depth, byte);
        walk->high = bound(set, walk->low, walk->high, walk->depth, byte + 1);
        walk->depth++;
        // One that ends here comes before all that go on.
        if (walk->low < walk->high && set->tokens[walk->low].size == walk->depth)
            found = &set->tokens[walk->low];
    }
    return found;
}

const struct special_token *vkmoe_special_at(
    const struct special *set, const char *text, size_t size, size_t at, bool blanks)
{
    const struct special_token *longest = NULL, *token;
    struct special_walk walk = { 0 };
    while ((token = vkmoe_special_longer(set, text, size, at, &walk))) {
        if ((!blanks || token->is_blanks)
            && !(token->single_word && touches_word(text, size, at, at + token->size)))
            longest = token;
    }
    return longest;
}
