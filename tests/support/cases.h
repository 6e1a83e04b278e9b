// cases.h - what a kernel is tested and timed with (tests/kernels): tables of
// cases, and for each kernel a suite that makes a case's operands, its results in plain
// double loops, and its dispatch. A suite knows nothing of devices.
#ifndef VKMOE_TESTS_CASES_H
#define VKMOE_TESTS_CASES_H

#include "base/common.h"
#include "device/pipelines.h"
#include "device/stream.h"

#include "formats.h"
#include "random.h"

// What every kernel's cases begin with.
struct kernel_case {
    const char *name; // whose shape it is: "mixtral-decode", or what is ugly about it
    bool timed;       // by test_kernels --bench as well
    uint32_t shapes;  // mask of the suite's shapes to run; if none fits, the first that does
    // Pipelines cost seconds on CPU drivers, hence:
    bool everywhere; // even in forms of which the device has a better one that is much the same
    bool thorough;   // only if everything is asked for
    double shrunk;   // its weights are 2^-shrunk times as large
};

// Freedom that a kernel's specialisation has without a change of meaning. Each kernel
// uses what it knows; a zero stands for nothing.
struct kernel_shape {
    uint32_t lanes, blocks, tokens;
    uint32_t unroll, slots, together; // of the decode kernels
};

// An array of a kernel's, in memory of its own.
enum operand_role {
    ROLE_IN,  // as it was afterwards
    ROLE_OUT, // starts as 0xff bytes: NaN, and an absurd id
    ROLE_IN_OUT,
    ROLE_SCRATCH, // starts as 0xff bytes too; anything afterwards
};
struct kernel_operand {
    const char *name;
    enum operand_role role;
    size_t size;      // bytes
    uint32_t skew;    // bytes between its end and the end of a 16-byte run: misaligns it
    uint32_t begin;   // bytes before the address that kernels get
    uint32_t columns; // elements in a row, to name places
    void *before;     // its contents
    // Of outputs that are not floats but are compared as such: makes so many of what is there.
    void (*decode)(const struct kernel_operand *operand, const void *actual, float *floats);
    size_t decoded;
    // What has to be in it afterwards; one of the two, if any.
    double *floats;       // within the tolerance; NaN: still as it was, infinite: anything
    uint32_t *words;      // exactly
    double tolerance;     // of floats, as a share of their rms; 0: COMPARE_F32_TOLERANCE
    double rms_tolerance; // likewise, of the rms of all errors; 0: there is none
    bool nan;             // of floats that are infinite: a NaN, not anything
    bool as_values;       // of words that are floats: NaNs are one, and what is zero or subnormal
                          // may be a zero of either sign
    bool weights;         // of floats: a zero's sign counts, and only there
    uint64_t address;     // on the device; set by who runs it
};

#define IO_OPERANDS 32

// One run of one case. Whatever io_alloc() gave lives until io_finish().
struct kernel_io {
    const struct kernel_suite *suite;
    const struct kernel_case *test;
    const struct variant *variant;
    struct kernel_shape shape;
    const vkmoe_device *device; // it will run on
    uint64_t seed;
    struct kernel_operand operands[IO_OPERANDS];
    uint32_t operand_count;
    void *model;       // the suite's own
    void *memory;      // list of blocks
    uint64_t push[16]; // struct <kernel>_push
};

struct kernel_suite {
    enum kernel kernel;
    const void *cases; // structs that begin with a struct kernel_case
    size_t case_size;
    uint32_t case_count;
    const struct kernel_shape *shapes;
    uint32_t shape_count;
    // True if the kernel may run the case so; NULL: always.
    bool (*fits)(const struct kernel_case *test, const struct variant *variant,
        const struct kernel_shape *shape);
    // Adds the operands, with their contents.
    void (*fill)(struct kernel_io *io);
    // Says what has to be in the outputs afterwards.
    void (*reference)(struct kernel_io *io);
    // With all addresses known: completes operands that hold some, and fills in io->push, and
    // spec and groups of `out`.
    void (*dispatch)(struct kernel_io *io, struct dispatch *out);
    // What the device cannot but move and compute: every input and output once, and two
    // operations for a multiply and an add.
    uint64_t (*bytes)(const struct kernel_case *test);
    uint64_t (*flops)(const struct kernel_case *test);
};

// True if the form's module has code for weights of `dtype`.
static inline bool form_has(const struct variant *variant, enum vkmoe_dtype dtype)
{
    return variant->formats >> dtype & 1;
}

// The suite of a file that has `cases`, `shapes` and functions of these names.
#define KERNEL_SUITE(name, may_run, expect) KERNEL_SUITE_OF(name, may_run, expect, flops)
// The same of a kernel that computes nothing.
#define MOVING_SUITE(name, may_run, expect) KERNEL_SUITE_OF(name, may_run, expect, no_flops)
#define KERNEL_SUITE_OF(name, may_run, expect, flops_) \
    const struct kernel_suite vkmoe_suite_##name = { \
        .kernel = KERNEL_##name, \
        .cases = cases, \
        .case_size = sizeof *cases, \
        .case_count = ARRAY_SIZE(cases), \
        .shapes = shapes, \
        .shape_count = ARRAY_SIZE(shapes), \
        .fits = may_run, \
        .fill = fill, \
        .reference = expect, \
        .dispatch = dispatch, \
        .bytes = bytes, \
        .flops = flops_, \
    };

uint64_t no_flops(const struct kernel_case *test); // 0

#define KERNEL(name) extern const struct kernel_suite vkmoe_suite_##name;
#include "shaders/kernels.def"
#include <vkmoe/moe.h>

// The suites in the order of kernels.def.
extern const struct kernel_suite *const kernel_suites[KERNEL_COUNT];

static inline const struct kernel_case *suite_case(const struct kernel_suite *suite, uint32_t i)
{
    return (const void *)((const char *)suite->cases + i * suite->case_size);
}

// "experts_gemm", ...
extern const char *const kernel_names[KERNEL_COUNT];

// "/8x4x2": what the shape says, each where it says something.
void kernel_shape_name(char *to, size_t size, const struct kernel_shape *shape);

// The mask of shapes to run: of those that fit the ones that the case asks for, or all.
uint32_t suite_shapes(const struct kernel_suite *suite, const struct kernel_case *test,
    const struct variant *variant, bool all);

// ------------------------------------------------------- tools for suites (tools.c)

// Zeroed memory.
void *io_alloc(struct kernel_io *io, size_t count, size_t size);
void io_finish(struct kernel_io *io);

// A generator for the thing called `name`, the same for all variants and shapes.
struct rng io_rng(const struct kernel_io *io, const char *name);

// Adds an operand of 4-byte elements; its contents, or 0xff bytes, are in ->before.
struct kernel_operand *io_add(
    struct kernel_io *io, const char *name, enum operand_role role, size_t rows, uint32_t columns);
struct kernel_operand *io_find(struct kernel_io *io, const char *name);
// 0 for an operand that was not added: the address of 256 zero bytes.
uint64_t io_address(struct kernel_io *io, const char *name);
// io->push, a struct <kernel>_push.
#define SET_PUSH(io, kernel, ...) \
    (*(struct kernel##_push *)(void *)(io)->push = (struct kernel##_push){ __VA_ARGS__ })
// In it: the address of the operand that has the field's name;
// no comma after it.
#define AT(name) .name = io_address(io, #name),

// In a specialisation: whether the case `c` says where its tokens are.
#define HAS_PLACES(kernel, c) \
    [kernel##_HAS_POSITIONS] = (c)->placed, [kernel##_HAS_SEQUENCES] = (c)->sequences != 0

// An input of normal random floats times `gain`.
float *io_add_floats(
    struct kernel_io *io, const char *name, size_t rows, uint32_t columns, double gain);

// The expectation of an output: NaN or 0xffffffff everywhere, that is, not written.
double *io_expect_floats(struct kernel_io *io, const char *name);
uint32_t *io_expect_words(struct kernel_io *io, const char *name);

// Adds the operands "ids" and "weights" of [tokens][k] as inputs.
enum ids_pattern {
    IDS_RANDOM,  // distinct for a token
    IDS_ONE_HOT, // everybody's first choice is the last expert
    IDS_EVEN,    // odd experts get nothing
    IDS_WILD,    // outside 0 .. experts - 1 at times
    IDS_TWICE,   // a token may name an expert several times
    IDS_DROPPED, // random, and a third of the pairs is dropped
    IDS_ALL_DROPPED,
};
struct routing {
    uint32_t tokens, k, experts;
    uint32_t *expert; // [pair], clamped
    float *weights;   // [pair]
    bool *dropped;    // [pair]
};
struct routing io_add_routing(
    struct kernel_io *io, enum ids_pattern pattern, uint32_t tokens, uint32_t k, uint32_t experts);

// Pairs sorted by expert, with `capacity` rows an expert for each run of
// `sequence_tokens` tokens. Marks what exceeds it as dropped.
struct grouping {
    uint32_t *first, *count; // [expert] rows
    uint32_t *rows;          // [row] pair; ~0: nobody's
    uint32_t *row_of;        // [pair]; ~0: dropped
};
struct grouping group_pairs(
    struct kernel_io *io, struct routing *routing, uint32_t sequence_tokens, uint32_t capacity);

// The words of a plan (shaders/plan.h) for tiles of `tile_rows` rows; the dispatches are
// left to the caller. Returns how many words there are.
uint32_t make_plan(const struct routing *routing, const struct grouping *grouping,
    uint32_t tile_rows, uint32_t shared_tokens, uint32_t *plan);
uint32_t plan_room(const struct routing *routing, uint32_t tile_rows);

// The matrices of some experts, one for each, or gate and up. There are at most
// LINEAR_DISTINCT different ones; bias vectors all differ.
#define LINEAR_DISTINCT 7
struct linear {
    const char *name;
    uint32_t experts, distinct, rows, columns; // of one matrix
    uint32_t stride;                           // columns in whole blocks
    uint32_t parts;                            // 2: gate and up
    enum vkmoe_dtype dtype;
    double *weights[2];     // [distinct][rows][stride], as rounded
    double *bias[2];        // [experts][rows]; NULL: none
    uint32_t blocks, units; // packed
    uint32_t first_operand;
};

// Adds the packed matrices as inputs, and with `bias_name` their biases in matrix order.
struct linear io_add_linear(struct kernel_io *io, const char *name, const char *bias_name,
    uint32_t experts, uint32_t rows, uint32_t columns, bool gated, enum vkmoe_dtype dtype);

// scale * (row `row` of part `part` of an expert's matrix . x) + bias; 0 past the rows.
double linear_row(const struct linear *linear, uint32_t part, uint32_t expert, uint32_t row,
    const float *x, double scale);

// Adds the table of addresses, and, in dispatch(), fills it. `shared` may be NULL.
void io_add_table(struct kernel_io *io, uint32_t experts);
void io_fill_table(struct kernel_io *io, const struct linear *routed, const struct linear *shared);

// Adds one matrix [rows][columns] of f32, packed, as the input `name`.
void io_add_matrix(
    struct kernel_io *io, const char *name, const double *weights, uint32_t rows, uint32_t columns);

// What an expert makes of its gate and up projections; ungated, of `u` alone.
double activation_value(
    enum vkmoe_activation activation, bool gated, double g, double u, double alpha, double limit);

uint32_t float_bits(float x);

// Rows of this operand can be read, or written, in pieces of `multiple` floats.
bool io_is_packed(
    const struct kernel_io *io, const struct kernel_operand *operand, uint32_t multiple);

#endif
