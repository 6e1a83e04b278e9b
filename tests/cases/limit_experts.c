// limit_experts.c - cases and reference of noting what positions chose, and of dropping those
// whose expert has had its fill.
#include "attention_constants.h"
#include "cases.h"

#include <string.h>

#include "shaders/limit_experts.h"

struct limit_case {
    struct kernel_case base;
    bool note;
    uint32_t tokens, k, experts;
    enum ids_pattern pattern;
    uint32_t limit, capacity;
    uint32_t start;     // positions held before these tokens
    uint32_t sequences; // 0: no array of them
    bool placed;        // positions are given
    bool backwards;     // the tokens come last position first
    bool gaps;          // some earlier positions were never given
    bool wild;          // the last token's place is out of range
};

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(t, slots, e) .tokens = t, .k = slots, .experts = e
#define HELD(before, places) .start = before, .capacity = places

static const struct limit_case cases[] = {
    CASE("note-switch-base-8", .everywhere = true), .note = true, SHAPE(100, 1, 8), HELD(30, 130)},
    CASE("note-sequences"), .note = true, SHAPE(100, 1, 8), HELD(7, 50), .placed = true,
        .sequences = 3},
    CASE("note-two-slots"), .note = true, SHAPE(33, 2, 8), HELD(5, 40), .placed = true},
    CASE("note-dropped"), .note = true, SHAPE(33, 3, 8), HELD(0, 33), .pattern = IDS_DROPPED},
    CASE("note-wild"), .note = true, SHAPE(33, 2, 8), HELD(0, 33), .pattern = IDS_WILD,
        .placed = true, .sequences = 3, .wild = true},
    CASE("note-one"), .note = true, SHAPE(1, 1, 1), HELD(0, 1)},
    CASE("note-no-token"), .note = true, SHAPE(0, 1, 8), HELD(0, 9)},

    CASE("switch-base-8", .timed = true, .everywhere = true), SHAPE(100, 1, 8), .limit = 12,
        HELD(0, 130)},
    CASE("switch-base-128-chunk", .timed = true), SHAPE(64, 1, 128), .limit = 64,
        HELD(4032, 4096), .placed = true},
    CASE("switch-step"), SHAPE(1, 1, 8), .limit = 64, HELD(511, 512), .placed = true},
    CASE("switch-sequences"), SHAPE(90, 1, 8), .limit = 4, HELD(20, 60), .placed = true,
        .sequences = 4},
    CASE("backwards"), SHAPE(65, 1, 4), .limit = 9, HELD(11, 80), .placed = true,
        .backwards = true},
    CASE("gaps"), SHAPE(40, 1, 3), .limit = 9, HELD(50, 90), .gaps = true},
    CASE("hot-expert"), SHAPE(65, 1, 8), .limit = 70, HELD(20, 90), .pattern = IDS_ONE_HOT},
    CASE("limit-1"), SHAPE(33, 1, 8), .limit = 1, HELD(0, 33)},
    CASE("limit-unmet"), SHAPE(33, 1, 8), .limit = 0xffffffff, HELD(31, 64)},
    CASE("two-slots"), SHAPE(64, 2, 8), .limit = 12, HELD(5, 70)},
    CASE("three-slots-twice-the-same"), SHAPE(33, 3, 6), .limit = 9, HELD(0, 40),
        .pattern = IDS_TWICE, .placed = true, .sequences = 2},
    CASE("dropped"), SHAPE(65, 2, 8), .limit = 9, HELD(0, 70), .pattern = IDS_DROPPED},
    CASE("wild-ids-and-place"), SHAPE(33, 2, 8), .limit = 7, HELD(0, 33), .pattern = IDS_WILD,
        .placed = true, .sequences = 3, .wild = true},
    CASE("first-of-all"), SHAPE(1, 1, 1), .limit = 1, HELD(0, 1)},
    CASE("no-token"), SHAPE(0, 1, 8), .limit = 1, HELD(0, 9)},
    CASE("positions-65536", .thorough = true), SHAPE(8, 1, 8), .limit = 8100, HELD(65528, 65536),
        .placed = true},
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 64 } };

struct limit_model {
    struct routing routing;
    uint32_t *position, *sequence; // [tokens], in range
    uint32_t *choices;             // [sequences][capacity][k]
};

static uint32_t sequences_of(const struct limit_case *c)
{
    return MAX(c->sequences, 1);
}

static void add_places(struct kernel_io *io)
{
    const struct limit_case *c = (const void *)io->test;
    struct limit_model *m = io->model;
    uint32_t *positions = io_add_places(io, "positions", c->placed, c->tokens);
    uint32_t *given = io_add_places(io, "sequences", c->sequences != 0, c->tokens);
    for (uint32_t t = 0; t < c->tokens; t++) {
        const bool is_wild = c->wild && t == c->tokens - 1;
        const uint32_t turn = c->backwards ? c->tokens - 1 - t : t;
        m->sequence[t] = is_wild ? sequences_of(c) - 1 : turn % sequences_of(c);
        m->position[t] = is_wild ? c->capacity - 1 : c->start + turn / sequences_of(c);
        if (positions)
            positions[t] = is_wild ? 0x80000000 : m->position[t];
        if (given)
            given[t] = is_wild ? 0xffffffff : m->sequence[t];
    }
}

static uint32_t place_of(const struct limit_case *c, const struct limit_model *m, uint32_t pair)
{
    const uint32_t token = pair / c->k;
    return (m->sequence[token] * c->capacity + m->position[token]) * c->k + pair % c->k;
}

static void note_all(const struct limit_case *c, const struct limit_model *m, uint32_t *choices)
{
    for (uint32_t pair = 0; pair < c->tokens * c->k; pair++)
        choices[place_of(c, m, pair)] = m->routing.dropped[pair] ? 0 : m->routing.expert[pair] + 1;
}

static void fill(struct kernel_io *io)
{
    const struct limit_case *c = (const void *)io->test;
    struct limit_model *m = io->model = io_alloc(io, 1, sizeof *m);
    m->position = io_alloc(io, c->tokens, sizeof *m->position);
    m->sequence = io_alloc(io, c->tokens, sizeof *m->sequence);
    m->routing = io_add_routing(io, c->pattern, c->tokens, c->k, c->experts);
    if (!c->note)
        io_find(io, "weights")->role = ROLE_IN_OUT;
    add_places(io);
    // Positions behind the tokens have choices too, which must not count.
    struct rng rng = io_rng(io, "choices");
    const size_t count = (size_t)sequences_of(c) * c->capacity * c->k;
    m->choices = io_add(io, "choices", c->note ? ROLE_IN_OUT : ROLE_IN, count, c->k)->before;
    for (size_t i = 0; i < count; i++)
        m->choices[i] = c->gaps && rng_below(&rng, 3) == 0 ? 0 : 1 + rng_below(&rng, c->experts);
    if (!c->note)
        note_all(c, m, m->choices);
    io_add(io, "dummy", ROLE_IN, 1, 64);
}

static void reference(struct kernel_io *io)
{
    const struct limit_case *c = (const void *)io->test;
    const struct limit_model *m = io->model;
    if (c->note) {
        uint32_t *choices = io_expect_words(io, "choices");
        memcpy(choices, m->choices, io_find(io, "choices")->size);
        note_all(c, m, choices);
        return;
    }
    uint32_t *weights = io_expect_words(io, "weights");
    for (uint32_t pair = 0; pair < c->tokens * c->k; pair++) {
        const uint32_t place = place_of(c, m, pair);
        uint32_t earlier = 0;
        for (uint32_t i = m->sequence[pair / c->k] * c->capacity * c->k; i < place; i++)
            earlier += m->choices[i] == m->routing.expert[pair] + 1;
        weights[pair] = float_bits(
            m->routing.dropped[pair] || earlier >= c->limit ? -0.0f : m->routing.weights[pair]);
    }
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct limit_case *c = (const void *)io->test;
    SET_PUSH(io, limit_experts, .tokens = c->tokens, .k = c->k, .experts = c->experts,
        .limit = c->limit, .capacity = c->capacity, .sequence_count = sequences_of(c),
        .first_token = c->start, AT(ids) AT(weights) AT(choices) AT(positions) AT(sequences));
    *d = (struct dispatch){
        .spec = {
            [LIMIT_LANES] = io->shape.lanes,
            [LIMIT_NOTE] = c->note,
            HAS_PLACES(LIMIT, c),
        },
        .groups = c->note ? div_up(c->tokens * c->k, io->shape.lanes) : c->tokens * c->k,
    };
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct limit_case *c = (const void *)test;
    const uint64_t held = c->start + c->tokens / sequences_of(c);
    return 4 * (3ull * c->tokens * c->k + (c->note ? 0 : held * sequences_of(c) * c->k));
}

MOVING_SUITE(limit_experts, NULL, reference)
