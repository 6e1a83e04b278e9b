// experts.h - E matrices of one format, packed, with a table of their addresses; where there
// are such, a bias and the matrix of a shared expert, which every token takes. A MoE layer has
// two of these, one for each of its projections; a linear projection is one matrix (linear.h).
#ifndef VKMOE_EXPERTS_H
#define VKMOE_EXPERTS_H

#include "base/common.h"
#include "device/shapes.h"
#include "device/stream.h"
#include "device/variants.h"
#include "weights/matrix.h"
#include "vkmoe/moe.h"

struct experts {
    vkmoe_device *device;
    struct shapes shapes;
    enum vkmoe_dtype dtype;
    uint32_t count;          // E
    uint32_t rows, columns;  // of a matrix; gated: of each of its two
    bool gated;              // gate and up are one matrix, whose strips take turns
    bool fast;               // products may round x to f16: VKMOE_PRECISION_FAST
    struct matrix *matrices; // [count]
    struct shared_expert {
        struct matrix matrix;
        enum vkmoe_dtype dtype; // another one: it is multiplied by itself
        uint32_t rows, columns; // 0: there is none
        bool gated;
        bool alone;          // it is multiplied by itself, whatever its dtype
        vkmoe_buffer *order; // u32 [columns] of its matrix; NULL: they are as x has them
    } shared;
    vkmoe_buffer *order; // u32 [count][columns], which x has to be brought into (order.h) before
                         // any of the products below; NULL: they are as x has them
    vkmoe_buffer *table; // addresses of the matrices, [count + 1]: the last is the shared one's;
                         // before them the code books, where a format has one
    size_t books_size;   // bytes of these, also for who looks at it as if in another format
    vkmoe_buffer *bias;  // f32 [count][padded rows], in the matrices' row order; NULL: none
    const struct variant *form; // of every GEMM, for who compares forms; NULL: the best
};

// What they are made from. Views are the caller's; one without data is absent.
struct experts_source {
    const char *name;                  // "up": of the matrices, in messages
    const struct vkmoe_view *gate;     // [count], or NULL
    const struct vkmoe_view *weights;  // [count]
    uint32_t count, rows, columns;     // each view is [rows][columns]
    struct vkmoe_view gate_bias, bias; // [count][rows]
    struct {
        struct vkmoe_view gate, weights;
        uint32_t rows, columns; // 0: there is none
        bool alone;             // as in struct experts
    } shared;
};

// INVALID if a matrix is missing or they are not of one format, or those of the shared expert not
// of one, which may be another.
enum vkmoe_status vkmoe_experts_check(
    const struct caller *caller, const struct experts_source *source);

// The bytes of the matrices as they lie in the file, which is how struct loading counts.
uint64_t vkmoe_experts_load_size(const struct experts_source *source);

// On failure *out may hold some of it: vkmoe_loading_finish(), then destroy.
enum vkmoe_status vkmoe_experts_create(
    struct loading *loading, const struct experts_source *source, struct experts *out);

// In two steps for who makes the matrices himself: all but these, and what needs them.
enum vkmoe_status vkmoe_experts_prepare(vkmoe_device *device, enum vkmoe_dtype dtype,
    uint32_t count, uint32_t rows, uint32_t columns, struct experts *out);
enum vkmoe_status vkmoe_experts_finish(struct experts *experts);

void vkmoe_experts_destroy(struct experts *experts);

// The same for several.
#define EXPERTS_DESTROY(...) \
    vkmoe_experts_destroy_all((struct experts *const[]){ __VA_ARGS__, NULL })
void vkmoe_experts_destroy_all(struct experts *const *experts);

uint64_t vkmoe_experts_size(const struct experts *experts); // of device memory

// The address of the table for kernels: after the code books, if there are such.
uint64_t vkmoe_experts_table(const struct experts *experts);

// ----------------------------------------------------------------------- products
//
// Each is one dispatch after a barrier; of sorted pairs, one for each class. Operands are device
// addresses of f32, multiples of 4, unless said otherwise; `padded` means to a multiple of 8.

static inline uint32_t padded_columns(uint32_t columns)
{
    return (uint32_t)align_up(columns, 8);
}

// An RMS norm before a product that is folded into it (shaders/lib/norm.glsl): what is multiplied
// is `raw` times the norm's weight.
struct folded_norm {
    uint64_t raw; // [tokens][columns]
    float epsilon;
};

// Where a product's results are added to what came past it, for the next folded norm.
struct residual {
    float scale;          // on what is added
    uint64_t weighted;    // out [tokens][rows]: the sum times
    uint64_t next_weight; // the next norm's weight, [rows]
};

// Both, of a part of a model that stands between two norms.
struct folding {
    struct folded_norm norm;
    struct residual residual;
};

// Pairs of a token and one of the k experts it goes to: pair token * k + slot.
struct pairs {
    uint64_t ids;     // i32 [tokens][k]
    uint64_t weights; // [tokens][k]; -0.0: dropped
    uint32_t tokens, k;
};

// As kernels get them.
#define PAIRS_OPERANDS(pairs_) \
    .ids = (pairs_).ids, .weights = (pairs_).weights, .tokens = (pairs_).tokens, .k = (pairs_).k

// How the rows of some of the experts are multiplied: of all, or of those with few rows or many.
struct size_class {
    uint64_t plan;                          // byte offset in the stream's scratch
    const struct variant *gate, *up, *down; // the products' forms; NULL: there is no such product
    uint32_t tile_rows;                     // the largest tile, which all can take
};

// The same, sorted by expert and cut into tiles: see shaders/group_tokens.h.
struct sorted_pairs {
    uint64_t rows, counts;        // byte offsets in the stream's scratch
    struct size_class classes[2]; // the shared expert is of the last
    uint32_t class_count;
    uint32_t many; // rows from which on an expert is of the second
    uint32_t rest; // what is left after its whole tiles is of the first if it is fewer rows
};

struct activation {
    enum vkmoe_activation kind;
    float alpha, limit;
};

// What the products of an up projection have in common: h = activate(weights x).
struct up_operands {
    struct pairs pairs;
    uint64_t x; // [tokens][columns]
    // Where x has a row for each pair, and pairs are of tokens of one expert: what the shared
    // expert multiplies, which is by itself then. 0: x.
    uint64_t shared_x; // [shared_tokens][columns]
    uint32_t shared_tokens;
    uint32_t expert_tokens; // that one expert has at most; 0: as many as there are
    uint64_t h;             // [tokens * k][rows, padded]: of pairs, or of sorted rows
    uint64_t shared_h;      // [tokens][rows of the shared expert, padded]
    struct activation activation;
    float shared_limit;             // of the activation of a shared expert that is alone
    bool beside;                    // see struct dispatch
    bool weigh_input;               // weights multiply x instead of the outputs
    bool half, shared_half;         // many tokens: h and shared_h are f16, see below
    const struct folded_norm *norm; // few tokens; NULL: none
};

// Few tokens: h by pair.
enum vkmoe_status vkmoe_experts_decode_up(
    vkmoe_stream *stream, const struct experts *experts, const struct up_operands *operands);

// Many: h by sorted row. `scratch` is the stream's.
enum vkmoe_status vkmoe_experts_gemm_up(vkmoe_stream *stream, const struct experts *experts,
    const struct up_operands *operands, const struct sorted_pairs *sorted,
    const vkmoe_buffer *scratch);

// The same where neither activation nor shared expert is wanted and `source` has a row for
// each `sharing` pairs: result [pair][rows].
enum vkmoe_status vkmoe_experts_gemm_pairs(vkmoe_stream *stream, const struct experts *experts,
    const struct pairs *pairs, const struct sorted_pairs *sorted, const vkmoe_buffer *scratch,
    uint64_t source, uint32_t sharing, uint64_t result);

// How the shared expert's output comes to that of the others.
enum shared_mode { SHARED_NONE, SHARED_ADDED, SHARED_WEIGHTED };

// Few tokens, down: y[t] is the weighted sum of its pairs' outputs, with what is added to it.
struct decode_down_operands {
    struct pairs pairs;
    uint64_t h;                      // [tokens * k][columns, padded]
    uint64_t shared_h;               // [tokens][columns of the shared expert, padded]
    uint64_t shared_weights;         // [tokens], for SHARED_WEIGHTED
    uint64_t y;                      // [tokens][rows]
    const vkmoe_buffer *output_bias; // [rows], or NULL
    enum shared_mode shared;
    bool weigh_input;                // they are weighted already
    const struct residual *residual; // NULL: y is what it was not before
};
enum vkmoe_status vkmoe_experts_decode_down(vkmoe_stream *stream, const struct experts *experts,
    const struct decode_down_operands *operands);

// Whether what `up` makes of sorted pairs is f16 for `down`, which the forms of every class must be
// able to read and write: as GEMM_HALF of shaders/experts_gemm.h has it, in no more room than f32.
bool vkmoe_experts_pass_half(
    const struct experts *up, const struct experts *down, const struct sorted_pairs *sorted);

// The same of the shared expert, which others make: of the last class, or that of its own format,
// and of all tokens.
bool vkmoe_experts_pass_half_shared(const struct experts *up, const struct experts *down,
    const struct sorted_pairs *sorted, uint32_t tokens);

// Many, down: from h [sorted row][columns, padded] to outputs [pair][rows].
enum vkmoe_status vkmoe_experts_gemm_down(vkmoe_stream *stream, const struct experts *experts,
    const struct pairs *pairs, const struct sorted_pairs *sorted, const vkmoe_buffer *scratch,
    uint64_t h, uint64_t outputs, bool half);

// All tokens by one matrix, the shared expert's (its columns padded in x, no bias) or the
// first: from x [tokens][x_stride] to y [tokens][rows]. Or each of a token's heads by a matrix of
// its own, of which there are as many: from x [tokens][heads][x_stride] to y
// [tokens][heads][y_stride].
struct direct_operands {
    uint64_t x, y;
    uint32_t tokens;
    uint32_t x_stride; // 0: columns
    uint32_t heads;    // 0: one matrix, whose rows of y lie next to each other
    uint32_t y_stride; // with heads
    bool shared;
    bool half; // x is f16, as of struct up_operands; not with x_stride
    // The rows of the matrix that are wanted, 0 and 0: all. What else is in their tiles comes
    // along.
    uint32_t first_row, end_row;
    bool beside; // see struct dispatch
    // Few tokens; NULL: none. With a residual y is added to.
    const struct folded_norm *norm;
    const struct residual *residual;
    // Many tokens: room for vkmoe_experts_parts_size(), so that more workgroups than there are
    // tiles can have parts of K; 0: there is none.
    uint64_t parts;
};
enum vkmoe_status vkmoe_experts_direct(
    vkmoe_stream *stream, const struct experts *experts, const struct direct_operands *operands);
// What it takes besides, of up to so many tokens.
uint64_t vkmoe_experts_parts_size(const struct experts *experts, uint32_t tokens);
// The same for few tokens, at most shapes.direct_tokens.
enum vkmoe_status vkmoe_experts_direct_few(
    vkmoe_stream *stream, const struct experts *experts, const struct direct_operands *operands);

// Few tokens again: queries, keys or values, or all of them, which are finished as soon as a head
// is whole, and keys and values put into a cache: see shaders/decode_heads.h. Of the operands
// neither x_stride, heads and rows nor a residual; `push` has what store_kv is told, and is
// completed, and `store_spec` the constants of shaders/store.h.
struct decode_heads_push;
enum vkmoe_status vkmoe_experts_decode_heads(vkmoe_stream *stream, const struct experts *experts,
    const struct direct_operands *operands, struct decode_heads_push *push,
    const uint32_t store_spec[SPEC_MAX]);
// Whether there is a form for that, for heads of a multiple of 32 rows.
bool vkmoe_experts_finish_heads(const struct experts *experts);

// Whether a norm before a product of few tokens is worth being folded into it: on CPUs where lanes
// own columns, as others square x element by element.
bool vkmoe_experts_fold_norm(const struct experts *experts);

// How a form of experts_gemm is cut on this device: sets its constants beside those set before, of
// which it reads GEMM_TYPE, GEMM_PACKED and GEMM_FAST. Rows of x have so many columns; those of the
// matrix, `units`.
void vkmoe_gemm_cut(const vkmoe_device *device, const struct variant *form, uint32_t units,
    uint32_t source_columns, uint32_t *spec);

// What a form of experts_gemm computes of so many rows of one matrix, in tiles of `tile_rows`:
// those for matrix units have a body for each number of matrices in a tile; others, for up to 16
// rows.
uint32_t vkmoe_gemm_computed_rows(const struct variant *form, uint32_t rows, uint32_t tile_rows);

// The form of decode_up or decode_down.
const struct variant *vkmoe_experts_decode_form(const struct experts *experts, enum kernel kernel);
// That of decode_heads; NULL: there is none.
const struct variant *vkmoe_experts_heads_form(const struct experts *experts);

// The form of a GEMM of so many rows an expert.
const struct variant *vkmoe_experts_form(const struct experts *experts, uint32_t rows);

// The fewest rows for which that is the form that it is for `rows`.
uint32_t vkmoe_experts_form_from(const struct experts *experts, uint32_t rows);

// Its tiles along the outputs; 0 for a matrix that is not there.
uint32_t vkmoe_experts_row_tiles(const struct experts *experts, const struct variant *form);
uint32_t vkmoe_experts_shared_row_tiles(const struct experts *experts, const struct variant *form);

#endif
