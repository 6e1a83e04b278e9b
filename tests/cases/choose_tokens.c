// choose_tokens.c - cases and reference of the choice of tokens by heads. Logits are whole numbers
// where ties matter, and the choice has to be exact anyway.
#include "cases.h"

#include <math.h>

#include "shaders/choose_tokens.h"

struct tokens_case {
    struct kernel_case base;
    uint32_t sequences, sequence_tokens, heads, chosen;
    bool first;
    enum { RANDOM, WHOLE, ALL_EQUAL, SOME_NAN } logits;
};

enum { CPU = 1, GPU = 2 }; // masks of shapes

// A case a row.
// clang-format off
#define CASE(...) {.base = {__VA_ARGS__}
#define SHAPE(s, t, h, n) .sequences = s, .sequence_tokens = t, .heads = h, .chosen = n
#define BOTH .shapes = CPU | GPU

static const struct tokens_case cases[] = {
    CASE("mosa", .timed = true, BOTH, .everywhere = true), SHAPE(2, 300, 8, 18)},
    CASE("first", .timed = true, BOTH, .everywhere = true), SHAPE(3, 70, 3, 4), .first = true},
    CASE("no-sequence", .shapes = CPU), SHAPE(0, 8, 2, 2)},
    CASE("one-token", BOTH), SHAPE(2, 1, 2, 1)},
    CASE("one-token-first", BOTH), SHAPE(2, 1, 2, 1), .first = true},
    CASE("all-tokens", BOTH), SHAPE(2, 67, 3, 67)},
    CASE("ties", BOTH), SHAPE(2, 200, 3, 50), .logits = WHOLE},
    CASE("ties-first", BOTH), SHAPE(2, 200, 3, 50), .logits = WHOLE, .first = true},
    CASE("all-equal", BOTH), SHAPE(1, 130, 2, 63), .logits = ALL_EQUAL},
    CASE("some-nan", BOTH), SHAPE(1, 64, 2, 60), .logits = SOME_NAN},
    CASE("most-tokens", .shapes = GPU, .thorough = true), SHAPE(1, 65536, 2, 4096)},
};
// clang-format on

static const struct kernel_shape shapes[] = { { .lanes = 8 }, { .lanes = 64 }, { .lanes = 32 } };

static void fill(struct kernel_io *io)
{
    const struct tokens_case *c = (const void *)io->test;
    const uint32_t tokens = c->sequences * c->sequence_tokens;
    float *logits = io_add_floats(io, "logits", tokens, c->heads, 3.0);
    for (uint32_t i = 0; i < tokens * c->heads; i++) {
        if (c->logits == WHOLE)
            logits[i] = roundf(logits[i]);
        if (c->logits == ALL_EQUAL)
            logits[i] = -1.0f;
        if (c->logits == SOME_NAN && i / c->heads % 3 == 1)
            logits[i] = i % 2 ? NAN : -NAN;
    }
    io_add(io, "ids", ROLE_OUT, tokens, c->heads);
    io_add(io, "weights", ROLE_OUT, tokens, c->heads)->weights = true;
    io_add(io, "places", ROLE_OUT, (size_t)c->heads * c->sequences, c->chosen);
    io_add(io, "lines", ROLE_OUT, (size_t)c->heads * c->sequences, c->chosen);
}

// Whether token `t` of a sequence comes before `u` in one head's order, of which `logits` are
// `stride` apart.
static bool is_before(const struct tokens_case *c, const float *logits, uint32_t t, uint32_t u)
{
    const float a = logits[(size_t)t * c->heads], b = logits[(size_t)u * c->heads];
    if (c->first && (t == 0 || u == 0))
        return t == 0 && u != 0;
    if (isnan(a) || isnan(b))
        return !isnan(a) || (isnan(b) && t < u);
    return a > b || (a == b && t < u);
}

static void reference(struct kernel_io *io)
{
    const struct tokens_case *c = (const void *)io->test;
    const uint32_t count = c->sequence_tokens;
    const float *logits = io_find(io, "logits")->before;
    uint32_t *ids = io_expect_words(io, "ids");
    double *weights = io_expect_floats(io, "weights");
    uint32_t *places = io_expect_words(io, "places"), *lines = io_expect_words(io, "lines");
    for (uint32_t i = 0; i < c->sequences * count * c->heads; i++) {
        const uint32_t head = i % c->heads, sequence = i / c->heads / count;
        const float *own = logits + (size_t)sequence * count * c->heads + head;
        const uint32_t t = i / c->heads % count;
        uint32_t before = 0;
        for (uint32_t u = 0; u < count; u++)
            before += u != t && is_before(c, own, u, t);
        ids[i] = head;
        weights[i] = before >= c->chosen ? -0.0
            : isnan(logits[i])           ? (double)INFINITY // anything
                                         : 1.0 / (1.0 + exp(-(double)logits[i]));
    }
    for (uint32_t i = 0; i < c->heads * c->sequences * c->chosen; i++) {
        places[i] = i % c->chosen;
        lines[i] = i / c->chosen;
    }
}

static void dispatch(struct kernel_io *io, struct dispatch *d)
{
    const struct tokens_case *c = (const void *)io->test;
    SET_PUSH(io, choose_tokens, .sequences = c->sequences, .sequence_tokens = c->sequence_tokens,
        .heads = c->heads, .chosen = c->chosen,
        AT(logits) AT(ids) AT(weights) AT(places) AT(lines));
    *d = (struct dispatch){
        .spec = { [TOKENS_LANES] = io->shape.lanes, [TOKENS_FIRST] = c->first },
        .groups = c->sequences * c->heads,
    };
}

static uint64_t bytes(const struct kernel_case *test)
{
    const struct tokens_case *c = (const void *)test;
    return (uint64_t)c->sequences * c->heads * (3 * c->sequence_tokens + 2 * c->chosen) * 4;
}

MOVING_SUITE(choose_tokens, NULL, reference)
