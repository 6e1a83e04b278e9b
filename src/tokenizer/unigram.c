// unigram.c - see unigram.h: Viterbi's algorithm, from the left, over all tokens that lie in the
// text. A character that no token begins with counts as a token of its own that is worse than any.
#include "tokenizer/unigram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/special.h"
#include "base/utf8.h"

static const double unknown_penalty = 10.0; // sentencepiece's

struct unigram {
    struct special tokens; // sorted, as those to look for are
    double *scores, lowest;
};

struct unigram *vkmoe_unigram_open(uint32_t tokens)
{
    struct unigram *u = calloc(1, sizeof *u);
    if (u)
        u->scores = calloc(tokens + (size_t)1, sizeof *u->scores);
    if (!u || u->scores)
        return u;
    free(u);
    return NULL;
}

void vkmoe_unigram_close(struct unigram *u)
{
    if (!u)
        return;
    vkmoe_special_finish(&u->tokens);
    free(u->scores);
    free(u);
}

void vkmoe_unigram_add(struct unigram *u, const char *text, size_t size, uint32_t id, double score)
{
    vkmoe_special_add(&u->tokens, (struct special_token){ .text = text, .size = size, .id = id });
    u->scores[id] = score;
    u->lowest = fmin(u->lowest, score);
}

bool vkmoe_unigram_finish(struct unigram *u)
{
    vkmoe_special_sort(&u->tokens);
    return !u->tokens.lacks_memory;
}

// The best way to cut the text up to here.
struct state {
    double score;
    size_t begin; // of its last part
    int64_t id;
    bool reached;
};

static void reach(struct state *states, size_t begin, size_t end, int64_t id, double score)
{
    const double sum = states[begin].score + score;
    if (!states[end].reached || sum > states[end].score)
        states[end] = (struct state){ sum, begin, id, true };
}

size_t vkmoe_unigram_cut(
    const struct unigram *u, const char *text, size_t size, struct unigram_part *parts)
{
    struct state *states = calloc(size + 1, sizeof *states);
    size_t count = 0, first = 0;
    if (!states)
        return SIZE_MAX;
    states[0].reached = true;
    for (size_t at = 0; at < size; at++) {
        uint32_t code;
        const int read = vkmoe_utf8_decode((const unsigned char *)text + at, size - at, &code);
        const size_t length = read > 0 ? (size_t)read : 1;
        bool single = false; // there is a token of this character alone
        if (!states[at].reached)
            continue;
        struct special_walk walk = { 0 };
        const struct special_token *token;
        while ((token = vkmoe_special_longer(&u->tokens, text, size, at, &walk))) {
            reach(states, at, at + token->size, token->id, u->scores[token->id]);
            single = single || token->size == length;
        }
        if (!single)
            reach(states, at, at + length, -1, u->lowest - unknown_penalty);
    }
    for (size_t end = size; end > 0; end = states[end].begin) {
        struct unigram_part part = { states[end].begin, end, states[end].id };
        if (count && part.id < 0 && parts[count - 1].id < 0)
            parts[count - 1].begin = part.begin;
        else
            parts[count++] = part;
    }
    free(states);
    for (size_t last = count; first + 1 < last; first++) {
        const struct unigram_part kept = parts[first];
        parts[first] = parts[--last];
        parts[last] = kept;
    }
    return count;
}
