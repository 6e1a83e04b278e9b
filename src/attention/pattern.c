// pattern.c - see pattern.h.
#include "attention/pattern.h"

#include "base/check.h"
#include "base/common.h"
#include "base/try.h"
#include "moe/pairs.h"

#include "shaders/attend.h"
#include "shaders/choose_blocks.h"
#include "shaders/pattern.h"

// What only one kind of pattern knows. All have a window, sinks and local keys besides.
struct pattern_kind {
    const char *name;
    // NULL: there is nothing to check.
    enum vkmoe_status (*check)(
        const struct caller *caller, uint32_t expert, const struct vkmoe_pattern *p);
    // Keys that a workgroup walks over at most where the window has `window`; NULL: these.
    uint64_t (*reach)(const struct vkmoe_pattern *p, uint64_t window);
    // Words of the list after all patterns; NULL: there is none.
    uint32_t (*list_words)(const struct vkmoe_pattern *p);
    // Fills in the words that only this kind has, and the list. NULL: there are none.
    void (*encode)(const struct vkmoe_pattern *p, uint32_t *words, uint32_t *list);
};

// ------------------------------------------------------------------------- stepping

static enum vkmoe_status check_step(
    const struct caller *caller, uint32_t e, const struct vkmoe_pattern *p)
{
    CHECK(p->step > 0 && p->phase < p->step, "patterns[%u].phase is %u, must be below step (%u)", e,
        p->phase, p->step);
    return VKMOE_OK;
}

static uint64_t reach_in_steps(const struct vkmoe_pattern *p, uint64_t window)
{
    return window / p->step;
}

static void encode_step(const struct vkmoe_pattern *p, uint32_t *words, uint32_t *list)
{
    (void)list;
    words[PATTERN_STEP] = p->step;
}

// --------------------------------------------------------------------------- blocks

static enum vkmoe_status check_blocks(
    const struct caller *caller, uint32_t e, const struct vkmoe_pattern *p)
{
    CHECK(p->block >= 1 && p->block < MAX_LENGTH, "patterns[%u].block is %u, must be 1 to 2^30 - 1",
        e, p->block);
    CHECK(p->top <= CHOOSE_MAX_TOP, "patterns[%u].top is %u, at most %u are supported", e, p->top,
        CHOOSE_MAX_TOP);
    CHECK(p->top == 0 || p->block_count == 0, "patterns[%u] has both top and a list of blocks", e);
    CHECK(p->top == 0 || !p->both_sides, "patterns[%u]: top sees nothing behind the query", e);
    CHECK(p->block_count == 0 || p->blocks, "patterns[%u].blocks is NULL", e);
    for (uint32_t i = 0; i < p->block_count; i++)
        CHECK(p->blocks[i] < MAX_LISTED_BLOCK, "patterns[%u].blocks[%u] is %u, must be below %u", e,
            i, p->blocks[i], MAX_LISTED_BLOCK);
    return VKMOE_OK;
}

static uint64_t reach_in_blocks(const struct vkmoe_pattern *p, uint64_t window)
{
    const uint64_t blocks = p->top > 0 ? p->top * ATTEND_MOST_QUERIES : p->block_count;
    return MIN(window, p->block * blocks);
}

static uint32_t count_list_words(const struct vkmoe_pattern *p)
{
    uint32_t words = 0;
    for (uint32_t i = 0; i < p->block_count; i++)
        words = MAX(words, p->blocks[i] / 32 + 1);
    return words;
}

static void encode_blocks(const struct vkmoe_pattern *p, uint32_t *words, uint32_t *list)
{
    words[PATTERN_BLOCK] = p->block;
    words[PATTERN_TOP] = p->top;
    for (uint32_t i = 0; i < p->block_count; i++)
        list[p->blocks[i] / 32] |= 1u << p->blocks[i] % 32;
}

// --------------------------------------------------------------------------- chunks

static enum vkmoe_status check_chunk(
    const struct caller *caller, uint32_t e, const struct vkmoe_pattern *p)
{
    CHECK(p->block >= 1 && p->block < MAX_LENGTH, "patterns[%u].block is %u, must be 1 to 2^30 - 1",
        e, p->block);
    CHECK(!p->both_sides, "patterns[%u]: chunks show nothing behind the query", e);
    return VKMOE_OK;
}

static uint64_t reach_in_chunk(const struct vkmoe_pattern *p, uint64_t window)
{
    return MIN(window, p->block);
}

static void encode_chunk(const struct vkmoe_pattern *p, uint32_t *words, uint32_t *list)
{
    (void)list;
    words[PATTERN_BLOCK] = p->block;
}

// ------------------------------------------------------------------------ all kinds

static const struct pattern_kind kinds[] = {
    [VKMOE_PATTERN_WINDOW] = { .name = "window" },
    [VKMOE_PATTERN_STRIDED] = { "strided", check_step, reach_in_steps, NULL, encode_step },
    [VKMOE_PATTERN_DILATED] = { "dilated", check_step, reach_in_steps, NULL, encode_step },
    [VKMOE_PATTERN_BLOCKS] = { "blocks", check_blocks, reach_in_blocks, count_list_words,
        encode_blocks },
    [VKMOE_PATTERN_CHUNKED] = { "chunked", check_chunk, reach_in_chunk, NULL, encode_chunk },
};

static const struct vkmoe_pattern *pattern_of(const struct vkmoe_attention_params *p, uint32_t e)
{
    static const struct vkmoe_pattern everything = { .kind = VKMOE_PATTERN_WINDOW };
    return p->patterns ? &p->patterns[e] : &everything;
}

static bool chooses_blocks(const struct vkmoe_pattern *p)
{
    return p->kind == VKMOE_PATTERN_BLOCKS && p->top > 0;
}

static uint32_t list_words_of(const struct vkmoe_pattern *p)
{
    return kinds[p->kind].list_words ? kinds[p->kind].list_words(p) : 0;
}

static enum vkmoe_status check_pattern(
    const struct caller *caller, uint32_t e, const struct vkmoe_pattern *p)
{
    CHECK((size_t)p->kind < ARRAY_SIZE(kinds), "patterns[%u].kind %d is unknown", e, (int)p->kind);
    if (kinds[p->kind].check)
        TRY_RETURN(kinds[p->kind].check(caller, e, p));
    CHECK(p->both_sides || p->right == 0, "patterns[%u].right needs both_sides", e);
    CHECK(p->left < MAX_LENGTH && p->right < MAX_LENGTH && p->step < MAX_LENGTH
            && p->sinks < MAX_LENGTH && p->local < MAX_LENGTH,
        "patterns[%u]: a length is 2^30 or more", e);
    return VKMOE_OK;
}

enum vkmoe_status vkmoe_patterns_check(
    const struct caller *caller, const struct vkmoe_attention_params *params)
{
    uint32_t block = 0, top = 0; // of the patterns that choose; the most blocks
    for (uint32_t e = 0; e < params->experts; e++) {
        const struct vkmoe_pattern *p = pattern_of(params, e);
        TRY_RETURN(check_pattern(caller, e, p));
        if (!chooses_blocks(p))
            continue;
        CHECK(block == 0 || block == p->block, "patterns[%u].block is %u, with top in others %u", e,
            p->block, block);
        block = p->block;
        top = MAX(top, p->top);
    }
    const uint64_t choices = (uint64_t)params->experts_per_token * params->heads * top;
    CHECK(choices <= PASS_MAX_ELEMENTS,
        "patterns: a token's heads choose %llu blocks, at most %u are supported",
        (unsigned long long)choices, PASS_MAX_ELEMENTS);
    return VKMOE_OK;
}

// The most keys that a workgroup walks over for a pattern, in a context without end.
static uint64_t reach_of(const struct vkmoe_pattern *p)
{
    const bool endless = p->left == 0 || (p->both_sides && p->right == 0);
    const uint64_t window = endless ? UINT32_MAX : (uint64_t)p->left + p->right;
    const struct pattern_kind *kind = &kinds[p->kind];
    return (kind->reach ? kind->reach(p, window) : window) + p->sinks + p->local;
}

struct pattern_set vkmoe_patterns_describe(const struct vkmoe_attention_params *params)
{
    struct pattern_set set = { .words = params->experts * PATTERN_WORDS };
    for (uint32_t e = 0; e < params->experts; e++) {
        const struct vkmoe_pattern *p = pattern_of(params, e);
        const uint32_t list_words = list_words_of(p);
        set.words += list_words;
        set.list_words = MAX(set.list_words, list_words);
        set.both_sides |= p->both_sides;
        set.by_blocks |= p->kind == VKMOE_PATTERN_BLOCKS;
        set.by_row |= p->kind == VKMOE_PATTERN_DILATED;
        set.reach = MAX(set.reach, reach_of(p));
        if (chooses_blocks(p)) {
            set.top = MAX(set.top, p->top);
            set.block = p->block;
        }
    }
    return set;
}

void vkmoe_patterns_encode(const struct vkmoe_attention_params *params, uint32_t *to)
{
    uint32_t used = params->experts * PATTERN_WORDS;
    for (uint32_t e = 0; e < params->experts; e++) {
        const struct vkmoe_pattern *p = pattern_of(params, e);
        uint32_t *words = to + e * PATTERN_WORDS;
        words[PATTERN_KIND] = p->kind;
        words[PATTERN_LEFT] = p->left;
        words[PATTERN_RIGHT] = p->right;
        words[PATTERN_STEP] = 1;
        words[PATTERN_PHASE] = p->phase;
        words[PATTERN_SINKS] = p->sinks;
        words[PATTERN_LOCAL] = p->local;
        words[PATTERN_BOTH_SIDES] = p->both_sides;
        words[PATTERN_KV_HEAD] = params->first_kv_head ? params->first_kv_head[e] : 0;
        words[PATTERN_LIST] = used;
        words[PATTERN_LIST_WORDS] = list_words_of(p);
        if (kinds[p->kind].encode)
            kinds[p->kind].encode(p, words, to + used);
        used += words[PATTERN_LIST_WORDS];
    }
}
