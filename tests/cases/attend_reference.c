// attend_reference.c - attention over a cache in plain double loops, and for splits a
// prediction of which of them meets which key.
#include "attend_reference.h"
#include "pattern.h"

#include <math.h>
#include <string.h>

#include "shaders/pattern.h"

// ------------------------------------------------------------------------- patterns

// The mask of a pattern's list, as short as it can be; returns how many words that is.
static uint32_t write_list(const struct vkmoe_pattern *p, uint32_t *mask)
{
    uint32_t words = 0;
    for (uint32_t i = 0; i < p->block_count; i++) {
        mask[p->blocks[i] / 32] |= 1u << p->blocks[i] % 32;
        words = MAX(words, p->blocks[i] / 32 + 1);
    }
    return words;
}

void attend_add_patterns(struct kernel_io *io)
{
    const struct attend_case *c = (const void *)io->test;
    const uint32_t experts = MAX(c->experts, 1);
    uint32_t *words = io_alloc(io, experts * (PATTERN_WORDS + c->words), sizeof *words);
    uint32_t used = experts * PATTERN_WORDS;
    for (uint32_t e = 0; e < experts; e++) {
        const struct vkmoe_pattern *p = pattern_of(c, e);
        uint32_t *to = words + e * PATTERN_WORDS;
        to[PATTERN_KIND] = p->kind;
        to[PATTERN_LEFT] = p->left;
        to[PATTERN_RIGHT] = p->right;
        to[PATTERN_STEP] = p->step;
        to[PATTERN_PHASE] = p->phase;
        to[PATTERN_SINKS] = p->sinks;
        to[PATTERN_LOCAL] = p->local;
        to[PATTERN_BOTH_SIDES] = p->both_sides;
        to[PATTERN_KV_HEAD] = first_kv_head(c, e);
        to[PATTERN_BLOCK] = p->block;
        to[PATTERN_TOP] = p->top;
        to[PATTERN_LIST] = used;
        to[PATTERN_LIST_WORDS] = write_list(p, words + used);
        used += to[PATTERN_LIST_WORDS];
    }
    memcpy(io_add(io, "patterns", ROLE_IN, used, 1)->before, words, used * sizeof *words);
}

// For every head of every row whose pattern has a choice its own block and others before it,
// in any order; what other rows have there is nobody's business.
void attend_add_choices(struct kernel_io *io, struct attend_model *m)
{
    const struct attend_case *c = (const void *)io->test;
    if (c->top == 0)
        return;
    struct rng rng = io_rng(io, "choices");
    uint32_t *to = io_add(io, "choices", ROLE_IN, (size_t)m->row_count * c->heads, c->top)->before;
    m->choices = to;
    for (uint32_t i = 0; i < m->row_count * c->heads; i++, to += c->top) {
        const uint32_t token = m->row_token[i / c->heads];
        const struct vkmoe_pattern *p = pattern_of(c, m->row_expert[i / c->heads]);
        const bool chooses = token != UINT32_MAX && p->top > 0;
        const uint32_t own = chooses ? m->position[token] / p->block : 0;
        for (uint32_t n = 0; n < c->top; n++)
            to[n] = !chooses ? rng_below(&rng, 64) : n < p->top && n <= own ? own - n : UINT32_MAX;
        for (uint32_t n = 1; chooses && n < MIN(p->top, own + 1); n++) {
            const uint32_t other = rng_below(&rng, own); // not twice
            bool free = true;
            for (uint32_t before = 0; before < p->top; before++)
                free = free && to[before] != other;
            to[n] = free ? other : to[n];
        }
    }
}

// Positions in a block: nobody can tell those that are longer than the cache apart.
static uint32_t block_size(const struct attend_case *c, const struct vkmoe_pattern *p)
{
    return MIN(MAX(p->block, 1), c->capacity);
}

// The pattern of the row, with what the head chose, if it did, as its list.
static struct vkmoe_pattern pattern_for(
    const struct attend_case *c, const struct attend_model *m, uint32_t row, uint32_t head)
{
    struct vkmoe_pattern pattern = *pattern_of(c, m->row_expert[row]);
    if (pattern.top > 0) {
        pattern.blocks = m->choices + ((size_t)row * c->heads + head) * c->top;
        pattern.block_count = pattern.top;
        pattern.top = 0;
    }
    return pattern;
}

// The pattern lists the block, or the head of the row chose it.
static bool is_picked(const struct attend_case *c, const struct attend_model *m, uint32_t row,
    uint32_t head, uint32_t block)
{
    const struct vkmoe_pattern pattern = pattern_for(c, m, row, head);
    for (uint32_t i = 0; i < pattern.block_count; i++)
        if (pattern.blocks[i] == block)
            return true;
    return false;
}

static bool is_in_kind(const struct attend_case *c, const struct attend_model *m, uint32_t row,
    uint32_t head, uint32_t j)
{
    const struct vkmoe_pattern pattern = pattern_for(c, m, row, head);
    return pattern_shows(&pattern, m->position[m->row_token[row]], j);
}

static bool sees(const struct attend_case *c, const struct attend_model *m, uint32_t row,
    uint32_t head, uint32_t j)
{
    const struct vkmoe_pattern pattern = pattern_for(c, m, row, head);
    const uint32_t token = m->row_token[row];
    return pattern_sees(&pattern, m->position[token], j, m->length[m->sequence[token]]);
}

// --------------------------------------------------------------------------- splits

// Rows of a workgroup that walk over the keys together.
struct walkers {
    uint32_t first, end;
    uint32_t lowest, highest; // position
};

static struct walkers find_walkers(
    const struct attend_case *c, const struct attend_model *m, uint32_t row)
{
    const uint32_t tile = row / m->group_rows * m->group_rows; // not for sorted rows
    const uint32_t tile_end = MIN(tile + m->group_rows, m->row_count);
    const bool alone =
        pattern_of(c, m->row_expert[row])->kind == VKMOE_PATTERN_DILATED || c->rows == ROWS_PAIRS;
    struct walkers w = { row, row + 1, UINT32_MAX, 0 };
    while (!alone && w.first > tile && m->sequence[w.first - 1] == m->sequence[row])
        w.first--;
    while (!alone && w.end < tile_end && m->sequence[w.end] == m->sequence[row])
        w.end++;
    for (uint32_t r = w.first; r < w.end; r++) {
        w.lowest = MIN(w.lowest, m->position[m->row_token[r]]);
        w.highest = MAX(w.highest, m->position[m->row_token[r]]);
    }
    return w;
}

static uint32_t kv_head_of(const struct attend_case *c, const struct attend_model *m, uint32_t head)
{
    return c->tiled ? head % m->expert_kv : head / m->kv_share;
}

// Which of the workgroups that share the kv head.
static uint32_t head_group(const struct attend_case *c, const struct attend_model *m, uint32_t head)
{
    return (c->tiled ? head / m->expert_kv : head % m->kv_share) / m->group_heads;
}

// True if any row and head of the workgroup that makes `head` for these rows picked it.
static bool is_picked_by_any(const struct attend_case *c, const struct attend_model *m,
    const struct walkers *w, uint32_t head, uint32_t block)
{
    for (uint32_t h = 0; h < c->heads; h++) {
        if (kv_head_of(c, m, h) != kv_head_of(c, m, head)
            || head_group(c, m, h) != head_group(c, m, head))
            continue;
        for (uint32_t row = w->first; row < w->end; row++)
            if (is_picked(c, m, row, h, block))
                return true;
    }
    return false;
}

// Keys of one run in the order in which they are met: how many blocks of a lane a key there
// are, and in which one the key is.
struct run {
    uint32_t blocks, block;
};

static struct run runs_of_kind(const struct attend_case *c, const struct attend_model *m,
    const struct walkers *w, uint32_t lanes, uint32_t row, uint32_t head, uint32_t j)
{
    const struct vkmoe_pattern *p = pattern_of(c, m->row_expert[row]);
    const uint32_t i = m->position[m->row_token[row]];
    uint32_t end = p->both_sides ? m->length[m->sequence[m->row_token[row]]] : w->highest + 1;
    if (p->both_sides && p->right)
        end = MIN(end, w->highest + p->right + 1);
    // Blocks begin at fixed places, in steps of the kind's; dilated ones at the row's own.
    const uint32_t step = MAX(p->step, 1);
    uint32_t begin = p->left && w->lowest + 1 > p->left ? w->lowest + 1 - p->left : 0;
    if (p->kind == VKMOE_PATTERN_CHUNKED)
        begin = MAX(begin, w->lowest - w->lowest % p->block);
    while (p->kind == VKMOE_PATTERN_STRIDED ? begin % step != p->phase
                                            : p->kind == VKMOE_PATTERN_DILATED
                && ((int64_t)i - begin + ((int64_t)step << 20)) % step != p->phase)
        begin++;
    if (p->kind != VKMOE_PATTERN_DILATED)
        begin -= begin / step % lanes * step;
    if (p->kind != VKMOE_PATTERN_BLOCKS)
        return (struct run){ end > begin ? div_up(div_up(end - begin, step), lanes) : 0,
            (j - begin) / step / lanes };
    // Those that somebody picked, each in pieces.
    const uint32_t size = block_size(c, p), pieces = div_up(size, lanes);
    struct run run = { 0, j % size / lanes };
    for (uint32_t b = begin / size; b < div_up(end, size); b++) {
        const bool picked = is_picked_by_any(c, m, w, head, b);
        run.blocks += picked ? pieces : 0;
        run.block += picked && b < j / size ? pieces : 0;
    }
    return run;
}

// The split that meets key `j`: blocks of a lane a key, first of the sinks, then of the
// kind, then of the local keys, are dealt out evenly.
static uint32_t split_of(const struct attend_case *c, const struct attend_model *m, uint32_t lanes,
    uint32_t row, uint32_t head, uint32_t j)
{
    const struct vkmoe_pattern *p = pattern_of(c, m->row_expert[row]);
    const struct walkers w = find_walkers(c, m, row);
    const uint32_t length = m->length[m->sequence[m->row_token[row]]];
    uint32_t near = w.lowest + 1 > p->local ? w.lowest + 1 - p->local : 0;
    near -= near % lanes;
    const struct run runs[3] = {
        { div_up(MIN(p->sinks, p->both_sides ? length : w.highest + 1), lanes), j / lanes },
        runs_of_kind(c, m, &w, lanes, row, head, j),
        { p->local ? div_up(w.highest + 1 - near, lanes) : 0, (j - near) / lanes },
    };
    const uint32_t run = j < p->sinks ? 0 : is_in_kind(c, m, row, head, j) ? 1 : 2;
    uint32_t block = runs[run].block, blocks = 0;
    for (uint32_t r = 0; r < 3; r++) {
        block += r < run ? runs[r].blocks : 0;
        blocks += runs[r].blocks;
    }
    return block / div_up(blocks, c->splits);
}

// ------------------------------------------------------------------------ reference

struct sums {
    double most, sum, *values;
};

// What is added to the score of a key `distance` further on.
static double position_bias(struct kernel_io *io, uint32_t head, int64_t distance)
{
    const struct attend_case *c = (const void *)io->test;
    const int64_t reach = c->reach;
    const float *bias =
        (const float *)io_find(io, "position_bias")->before + (size_t)head * (2 * c->reach + 1);
    return bias[reach + MAX(MIN(distance, reach), -reach)];
}

// One head of one row over the keys of one split; all of them: split ~0.
static void attend_head(
    struct kernel_io *io, uint32_t row, uint32_t head, uint32_t split, struct sums *out)
{
    const struct attend_case *c = (const void *)io->test;
    const struct attend_model *m = io->model;
    const uint32_t token = m->row_token[row], sequence = m->sequence[token], d = c->head_size;
    const uint32_t kv_head = first_kv_head(c, m->row_expert[row]) + kv_head_of(c, m, head);
    const float *query =
        (const float *)io_find(io, "query")->before + (size_t)row * m->query_stride + head * d;
    const size_t first = ((size_t)sequence * c->kv_heads + kv_head) * c->capacity * m->padded;
    double *score = io_alloc(io, m->length[sequence], sizeof *score);
    out->most = -INFINITY;
    out->sum = 0.0;
    memset(out->values, 0, value_size(c) * sizeof *out->values);
    for (uint32_t j = 0; j < m->length[sequence]; j++) {
        score[j] = -INFINITY;
        if (!sees(c, m, row, head, j))
            continue;
        if (split != UINT32_MAX && split_of(c, m, io->shape.lanes, row, head, j) != split)
            continue;
        double s = 0.0;
        for (uint32_t i = 0; i < d; i++)
            s += (double)query[i] * m->keys[first + (size_t)j * m->padded + i];
        s /= sqrt(d);
        score[j] = c->soft_cap != 0.0f ? c->soft_cap * tanh(s / c->soft_cap) : s;
        if (c->reach)
            score[j] += position_bias(io, head, (int64_t)j - m->position[token]);
        out->most = fmax(out->most, score[j]);
    }
    for (uint32_t j = 0; j < m->length[sequence]; j++) {
        if (score[j] == -INFINITY)
            continue;
        const double weight = exp(score[j] - out->most);
        out->sum += weight;
        for (uint32_t i = 0; i < value_size(c); i++)
            out->values[i] += weight * m->values[first + (size_t)j * m->padded + i];
    }
}

// The partial results. Of a split without a key only the maximum is left open: it has no weight.
static void expect_partials(struct kernel_io *io, uint32_t row, uint32_t head, double *partials)
{
    const struct attend_case *c = (const void *)io->test;
    const struct attend_model *m = io->model;
    for (uint32_t s = 0; s < c->splits; s++) {
        double *to =
            partials + (((size_t)row * c->heads + head) * c->splits + s) * (2 + value_size(c));
        struct sums sums = { .values = to + 2 };
        for (uint32_t i = 0; m->row_token[row] == UINT32_MAX && i < 2 + value_size(c); i++)
            to[i] = INFINITY;
        if (m->row_token[row] == UINT32_MAX)
            continue;
        attend_head(io, row, head, s, &sums);
        to[0] = sums.most; // or infinite: anything
        to[1] = sums.sum;
    }
}

static void expect_result(struct kernel_io *io, uint32_t row, uint32_t head, double *query)
{
    const struct attend_case *c = (const void *)io->test;
    const struct attend_model *m = io->model;
    double *to = query + (size_t)row * m->query_stride + head * c->head_size;
    if (m->row_token[row] == UINT32_MAX) { // sorted ones are not in the plan
        for (uint32_t i = 0; c->rows == ROWS_PAIRS && i < c->head_size; i++)
            to[i] = INFINITY;
        return;
    }
    struct sums sums = { .values = to };
    attend_head(io, row, head, UINT32_MAX, &sums);
    if (c->sinks && sums.sum > 0.0)
        sums.sum += exp(((const float *)io_find(io, "sinks")->before)[head] - sums.most);
    for (uint32_t i = 0; i < value_size(c); i++)
        to[i] = sums.sum > 0.0 ? to[i] / sums.sum : 0.0;
    const float *before = (const float *)io_find(io, "query")->before + (to - query);
    for (uint32_t i = value_size(c); i < c->head_size; i++)
        to[i] = before[i];
}

void attend_reference(struct kernel_io *io)
{
    const struct attend_case *c = (const void *)io->test;
    const struct attend_model *m = io->model;
    const bool partial = c->splits && !m->merges;
    double *to = io_expect_floats(io, partial ? "partials" : "query");
    for (uint32_t row = 0; row < m->row_count; row++) {
        for (uint32_t head = 0; head < c->heads; head++) {
            if (partial)
                expect_partials(io, row, head, to);
            else
                expect_result(io, row, head, to);
        }
    }
}

// As if all rows saw everything that their sequence holds.
uint64_t attend_bytes(const struct kernel_case *test)
{
    const struct attend_case *c = (const void *)test;
    const uint64_t rows = c->tokens * (c->rows == ROWS_TOKENS ? 1 : c->k);
    const uint64_t cached = 2ull * c->kv_heads * c->head_size * (4 >> c->cache);
    return rows * c->heads * c->head_size * 8
        + (c->start + c->tokens) * MAX(c->sequences, 1) * cached;
}

uint64_t attend_flops(const struct kernel_case *test)
{
    const struct attend_case *c = (const void *)test;
    const uint64_t rows = c->tokens * (c->rows == ROWS_TOKENS ? 1 : c->k);
    return 4ull * rows * c->heads * c->head_size * (c->start + c->tokens);
}
