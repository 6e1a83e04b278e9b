// special.h - the tokens that a text may name: control pieces, and what was added after the
// pieces of a tokenizer. They are found in a text before it is cut into pieces.
#ifndef VKMOE_SPECIAL_H
#define VKMOE_SPECIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct special_token {
    const char *text;
    size_t size;
    uint32_t id;                  // may be beyond the model's vocabulary
    const char *file;             // that names it; NULL: no file does
    bool left_strip, right_strip; // eats the blanks on that side
    bool single_word;             // only where no letter or digit touches it
    bool is_blanks;               // and no special token: any text that has them becomes it
    bool is_piece;                // a text without it becomes it as well, and is shown for it
    bool has_flags;               // the file says so, be it that all are false
    uint32_t order;               // of vkmoe_special_add()
};

struct special {
    struct special_token *tokens; // the first `sorted` by their text
    uint32_t count, sorted, capacity, added;
    uint32_t *by_id;   // indices, by id
    bool has_blanks;   // some token is
    bool lacks_memory; // for what was added: it is empty
};

// Adds a copy, with a copy of the text; an empty one is none.
void vkmoe_special_add(struct special *set, struct special_token token);

// To be called before vkmoe_special_at() and vkmoe_special_name(). Of tokens with the same text
// the first stays. If two of one file have different ids, this one is returned, else NULL.
const struct special_token *vkmoe_special_sort(struct special *set);
void vkmoe_special_finish(struct special *set);

// NULL if there is none.
const struct special_token *vkmoe_special_find(
    const struct special *set, const char *text, size_t size);

// The longest at this place, NULL if there is none; `blanks`: of those that are blanks alone.
const struct special_token *vkmoe_special_at(
    const struct special *set, const char *text, size_t size, size_t at, bool blanks);

// All tokens at one place, the shortest first: each call returns the next, NULL after the last.
struct special_walk { // zeroed at first
    uint32_t low, high;
    size_t depth;
};
const struct special_token *vkmoe_special_longer(
    const struct special *set, const char *text, size_t size, size_t at, struct special_walk *walk);

// What was added first under this id.
const struct special_token *vkmoe_special_name(const struct special *set, uint32_t id);

// The text without the blanks at its beginning, or at its end: where it then begins, or ends.
size_t vkmoe_skip_blanks(const char *text, size_t begin, size_t end);
size_t vkmoe_trim_blanks(const char *text, size_t begin, size_t end);
// Whether it is blanks and nothing else.
bool vkmoe_is_blanks(const char *text, size_t size);

#endif
