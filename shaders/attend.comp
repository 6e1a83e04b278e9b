#version 460
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_ballot : require
#endif
#include "lib/address.glsl"
#include "attend.h"
#define LANES ATTEND_LANES
#include "lib/activation.glsl"
#define TASK_ROWS ATTEND_ROWS
#define TASK_HEADS ATTEND_HEADS
#define TASK_MODE ATTEND_MODE
#define TASK_TILED_KV ATTEND_TILED_KV
#define TASK_EXPERT_KV_HEADS ATTEND_EXPERT_KV_HEADS
#define TASK_HAS_POSITIONS ATTEND_HAS_POSITIONS
#define TASK_HAS_SEQUENCES ATTEND_HAS_SEQUENCES
#define TASK_SPLITS pc.splits
#include "lib/attend_task.glsl"

layout(local_size_x_id = 0) in;

#define D ATTEND_HEAD_SIZE
#define PADDED ((D + 7) / 8 * 8)
#define QUERIES (ATTEND_ROWS * ATTEND_HEADS)         // query q: row q / HEADS, head q % HEADS
#define COLUMNS_A_LANE ((PADDED + LANES - 1) / LANES) // of the values
#define KEYS_AT_ONCE (LANES > 8 ? 4 : 8) // with 8, Adreno would spill
#define LOWEST -1.0e38 // below any score, and finite: exp(LOWEST - LOWEST) is 1, not NaN

float sums[QUERIES];                     // of this lane's keys
float values[QUERIES * COLUMNS_A_LANE];  // of this lane's columns
F32 position_biases;                     // the attention's

shared uint row_position[ATTEND_ROWS], row_sequence[ATTEND_ROWS];
shared uint row_phase[ATTEND_ROWS];          // of the keys that a stepping pattern shows it
shared uint picked[ATTEND_PICKED_WORDS + 1]; // blocks that some row sees
shared uint asking;                          // queries that see one of them

// Where query q begins in pc.query.
uint query_row(task t, uint q)
{
    bool exists;
    const uint head = head_of(t, q, exists);
    return (t.first + min(q / ATTEND_HEADS, t.rows - 1)) * query_stride + head * D;
}

// A block of at most LANES keys.
struct key_block { uint head_row, begin, step, count; };

// Key n of the block; past the last one that again.
uint key_of(key_block k, uint n)
{
    return k.begin + k.step * min(n, k.count - 1);
}

// Its row of the cache.
uint row_of(key_block k, uint n)
{
    return k.head_row + min(key_of(k, n), pc.capacity - 1);
}

// How lanes load and share, in two forms that have the same functions.
#ifdef SUBGROUP
#include "lib/attend_subgroup.glsl"
#else
#include "lib/attend_shared.glsl"
#endif

// Lane r learns row r's place.
void load_rows(task t)
{
    const uint step = max(pattern(t, PATTERN_STEP), 1), phase = pattern(t, PATTERN_PHASE) % step;
    const bool dilated = pattern(t, PATTERN_KIND) == PATTERN_DILATED_KIND;
    for (uint r = LANE; r < ATTEND_ROWS; r += LANES) {
        const uint token = token_of(t.first + min(r, t.rows - 1)), position = position_of(token);
        row_position[r] = position;
        row_sequence[r] = sequence_of(token);
        // A dilated row sees the keys a multiple of step, and the phase, before it.
        row_phase[r] = dilated ? (position % step + step - phase) % step : phase;
    }
}

// Keys to visit for rows that share a sequence: three runs, none of which repeats a key
// of one before. Run 0: the sinks. Run 1: the pattern's kind. Run 2: the local keys, where
// the kind leaves some out.
struct visit {
    uint begin[3], count[3], step; // the step is run 1's; the others' is 1
    uint end;                      // of run 1's keys
};

visit plan_visit(task t, uint lowest, uint highest, uint length)
{
    const bool both = pattern(t, PATTERN_BOTH_SIDES) != 0;
    const uint left = pattern(t, PATTERN_LEFT), right = pattern(t, PATTERN_RIGHT);
    const uint kind = pattern(t, PATTERN_KIND);
    const uint end = both ? (right == 0 ? length : min(length, highest + right + 1)) : highest + 1;
    visit v;
    v.begin[0] = 0;
    v.count[0] = min(pattern(t, PATTERN_SINKS), both ? length : highest + 1);
    v.step = max(pattern(t, PATTERN_STEP), 1);
    v.end = end;
    uint begin = left != 0 && lowest + 1 > left ? lowest + 1 - left : 0;
    if (kind == PATTERN_STRIDED_KIND)
        begin += (pattern(t, PATTERN_PHASE) % v.step + v.step - begin % v.step) % v.step;
    if (kind == PATTERN_DILATED_KIND) { // one row at a time: lowest == highest
        const uint phase = (highest % v.step + v.step - pattern(t, PATTERN_PHASE) % v.step) % v.step;
        begin += (phase + v.step - begin % v.step) % v.step;
    }
    // Blocks begin at fixed places, whoever else is in the tile: blocks in which a row sees
    // nothing leave it as it is, so its bits do not depend on its neighbours.
    if (kind != PATTERN_DILATED_KIND)
        begin -= begin / v.step % LANES * v.step;
    v.begin[1] = begin;
    v.count[1] = end > begin ? (end - begin + v.step - 1) / v.step : 0;
    const uint near = pattern(t, PATTERN_LOCAL);
    v.begin[2] = lowest + 1 > near ? (lowest + 1 - near) / LANES * LANES : 0;
    v.count[2] = near == 0 ? 0 : highest + 1 - v.begin[2];
    return v;
}

// Entry n of the list of the blocks that query q chose.
uint choice(task t, uint q, uint n)
{
    bool exists;
    const uint head = head_of(t, q, exists);
    const uint row = t.first + min(q / ATTEND_HEADS, t.rows - 1);
    return load_u32(pc.choices, (row * heads + head) * ATTEND_TOP + n);
}

// Word `word` of the mask of the blocks that the pattern lists.
uint list_word(task t, uint word)
{
    return word < pattern(t, PATTERN_LIST_WORDS)
        ? load_u32(patterns, pattern(t, PATTERN_LIST) + word) : 0;
}

bool is_picked_by(task t, uint q, uint block)
{
    const uint top = pattern(t, PATTERN_TOP);
    if (top == 0)
        return (list_word(t, block / 32) >> block % 32 & 1) != 0;
    bool found = false;
    for (uint n = 0; n < top; n++)
        found = found || choice(t, q, n) == block;
    return found;
}

// Leaves in picked[] the blocks from `low` to before `high` that rows first .. end - 1 see.
void pick_blocks(task t, uint first, uint end, uint low, uint high)
{
    const uint top = pattern(t, PATTERN_TOP);
    wait_for_lanes();
    for (uint word = LANE; word < ATTEND_PICKED_WORDS; word += LANES) {
        const uint begin = clamp(low, word * 32, word * 32 + 32) - word * 32;
        const uint count = clamp(high, word * 32, word * 32 + 32) - word * 32 - begin;
        const uint between = count == 32 ? 0xffffffffu : ((1u << count) - 1) << begin % 32;
        picked[word] = top == 0 ? list_word(t, word) & between : 0;
    }
    wait_for_lanes();
    const uint from = first * ATTEND_HEADS * top, to = end * ATTEND_HEADS * top;
    for (uint i = from + LANE; i < to; i += LANES) {
        const uint block = choice(t, i / top, i % top);
        if (block >= low && block < high && block / 32 < ATTEND_PICKED_WORDS)
            atomicOr(picked[block / 32], 1u << block % 32);
    }
    wait_for_lanes();
}

// Positions in a block of the pattern. Those that do not fit into the cache are as long as it:
// keys are in the same blocks, and there are no pieces without a key.
uint block_size(task t)
{
    return clamp(pattern(t, PATTERN_BLOCK), 1, pc.capacity);
}

// A block is gone through in pieces of at most LANES keys.
uint pieces_a_block(task t)
{
    return (block_size(t) + LANES - 1) / LANES;
}

// Pieces in the picked blocks.
uint count_pieces(task t)
{
    uint count = 0;
    for (uint word = 0; word < ATTEND_PICKED_WORDS; word++)
        count += bitCount(picked[word]);
    return count * pieces_a_block(t);
}

// A walk over them.
struct walk {
    uint word, bits; // what is left of this word of picked[]; its lowest bit is the block
    uint piece;      // of the block
};

// A walk that begins with the n-th piece.
walk walk_from(task t, uint n)
{
    const uint pieces = pieces_a_block(t);
    uint skip = n / pieces;
    walk w = walk(0, picked[0], n % pieces);
    while (w.word < ATTEND_PICKED_WORDS - 1 && skip >= bitCount(w.bits)) {
        skip -= bitCount(w.bits);
        w.bits = picked[++w.word];
    }
    for (; skip > 0; skip--)
        w.bits &= w.bits - 1;
    return w;
}

uint block_of(walk w)
{
    return w.word * 32 + findLSB(w.bits);
}

void walk_on(task t, inout walk w)
{
    if (++w.piece < pieces_a_block(t))
        return;
    w.piece = 0;
    w.bits &= w.bits - 1;
    while (w.bits == 0 && w.word < ATTEND_PICKED_WORDS - 1)
        w.bits = picked[++w.word];
}

// The mask of those of rows first .. end - 1's queries that picked the block.
uint find_askers(task t, uint first, uint end, uint block)
{
    wait_for_lanes();
    if (LANE == 0)
        asking = 0;
    wait_for_lanes();
    const uint last = end * ATTEND_HEADS;
    for (uint q = first * ATTEND_HEADS + LANE; q < last; q += LANES)
        atomicOr(asking, uint(is_picked_by(t, q, block)) << q);
    wait_for_lanes();
    return asking;
}

// The same of the block that this lane's key `j` is in.
uint find_key_askers(task t, uint first, uint end, uint j)
{
    uint askers = 0;
    for (uint q = first * ATTEND_HEADS; q < end * ATTEND_HEADS; q++)
        askers |= uint(is_picked_by(t, q, j / block_size(t))) << q;
    return askers;
}

// Phase of key `j` in a pattern that steps through the keys.
uint key_phase(task t, uint j)
{
    const uint kind = pattern(t, PATTERN_KIND);
    return kind == PATTERN_STRIDED_KIND || kind == PATTERN_DILATED_KIND
        ? j % max(pattern(t, PATTERN_STEP), 1) : 0;
}

// Whether a query of row r sees key `j`, which was found in run `run`. `picked`: its block is
// one of the query's, where the pattern has blocks.
bool sees(task t, uint r, uint j, uint phase, uint run, uint length, bool picked)
{
    const uint i = row_position[r];
    const bool both = pattern(t, PATTERN_BOTH_SIDES) != 0;
    if (both ? j >= length : j > i)
        return false;
    if (run == 0)
        return true;
    if (j < pattern(t, PATTERN_SINKS))
        return false;
    const uint left = pattern(t, PATTERN_LEFT), right = pattern(t, PATTERN_RIGHT);
    const uint near = pattern(t, PATTERN_LOCAL), kind = pattern(t, PATTERN_KIND);
    const bool steps = kind == PATTERN_STRIDED_KIND || kind == PATTERN_DILATED_KIND;
    const bool in_kind = picked && (left == 0 || j > i || i - j < left)
        && (right == 0 || j <= i || j - i <= right) && (!steps || phase == row_phase[r]);
    if (run == 1)
        return in_kind;
    return !in_kind && j <= i && i - j < near;
}

// What is added to the score of query q for the key `distance` further on.
float position_bias(task t, uint q, int distance)
{
    const int reach = int(ATTEND_BIAS_REACH);
    bool exists;
    const uint head = head_of(t, q, exists);
    return load_f32(position_biases, head * uint(2 * reach + 1)
        + uint(clamp(distance, -reach, reach) + reach));
}

// This lane's scores against its key for rows first .. end - 1. The mask `askers` has the
// queries that picked the key's block, all where there are none.
void score_key(task t, uint first, uint end, uint askers, key_block k, uint run, uint length)
{
    float s[QUERIES];
    [[unroll]] for (uint q = 0; q < QUERIES; q++)
        s[q] = 0.0;
    SCORE_LOOP for (uint c = 0; c < PADDED; c += 8) {
        const vec4 low = load_key(k, c), high = load_key(k, c + 4);
        [[unroll]] for (uint q = 0; q < QUERIES; q++)
            s[q] += dot(query_four(q, c), low) + dot(query_four(q, c + 4), high);
    }
    const uint j = key_of(k, LANE), phase = key_phase(t, j);
    [[unroll]] for (uint q = 0; q < QUERIES; q++) {
        const uint r = q / ATTEND_HEADS;
        float x = s[q] * QUERY_SCALE;
        if (ATTEND_SOFT_CAP != 0.0)
            x = soft_cap(x, ATTEND_SOFT_CAP);
        if (ATTEND_BIAS_REACH != 0)
            x += position_bias(t, q, int(j) - int(row_position[r]));
        const bool seen = LANE < k.count && r >= first && r < end
            && sees(t, r, j, phase, run, length, (askers >> q & 1) != 0);
        keep_score(q, seen ? x : 2.0 * LOWEST);
    }
}

void add_block(task t, uint first, uint end, uint askers, key_block k, uint run, uint length)
{
    score_key(t, first, end, askers, k, run, length);
    update_maxima();
    // Some keys an iteration; those past the last one have the weight 0 and repeat it.
    uint i = 0;
    do {
        [[unroll]] for (uint n = 0; n < KEYS_AT_ONCE; n++) {
            const uint row = row_of(k, i + n);
            [[unroll]] for (uint c = 0; c < COLUMNS_A_LANE; c++) {
                const float v = load_value(row, c);
                [[unroll]] for (uint q = 0; q < QUERIES; q++) {
                    // Not 0 * v: a NaN or infinity that a row does not see stays unseen.
                    const float p = weight_of(q, i + n);
                    const uint at = q * COLUMNS_A_LANE + c;
                    values[at] = p == 0.0 ? values[at] : fma(p, v, values[at]);
                }
            }
        }
        i += KEYS_AT_ONCE;
    } while (KEYS_AT_ONCE < LANES && i < k.count);
}

// All keys for rows first .. end - 1, which are of one sequence; of those blocks this
// split's share.
void add_keys(task t, uint first, uint end)
{
    uint lowest = row_position[first], highest = lowest;
    for (uint r = first + 1; r < end; r++) {
        lowest = min(lowest, row_position[r]);
        highest = max(highest, row_position[r]);
    }
    const bool both = pattern(t, PATTERN_BOTH_SIDES) != 0;
    const uint sequence_length = load_u32(pc.lengths, both ? row_sequence[first] : 0);
    const uint length = both ? min(sequence_length, pc.capacity) : pc.capacity;
    const visit v = plan_visit(t, lowest, highest, length);
    const bool by_blocks =
        ATTEND_PICKED_WORDS != 0 && pattern(t, PATTERN_KIND) == PATTERN_BLOCKS_KIND;
    const uint size = block_size(t);
    uint pieces = 0;
    if (by_blocks) {
        pick_blocks(t, first, end, v.begin[1] / size, (v.end + size - 1) / size);
        pieces = count_pieces(t);
    }
    uint blocks[3];
    uint total = 0;
    [[unroll]] for (uint run = 0; run < 3; run++) {
        blocks[run] = run == 1 && by_blocks ? pieces : (v.count[run] + LANES - 1) / LANES;
        total += blocks[run];
    }
    const uint share = (total + pc.splits - 1) / pc.splits;
    const uint begin_of_share = t.split * share, last = min(begin_of_share + share, total);
    walk w = walk(0, 0, 0);
    if (by_blocks)
        w = walk_from(t, max(begin_of_share, blocks[0]) - blocks[0]);
    uint askers = 0xffffffffu;
    for (uint b = begin_of_share; b < last; b++) {
        const uint run = b < blocks[0] ? 0 : b < blocks[0] + blocks[1] ? 1 : 2;
        const uint in_run = b - (run == 0 ? 0 : run == 1 ? blocks[0] : blocks[0] + blocks[1]);
        const uint step = run == 1 ? v.step : 1;
        uint begin = run == 0 ? v.begin[0] : run == 1 ? v.begin[1] : v.begin[2];
        uint count = run == 0 ? v.count[0] : run == 1 ? v.count[1] : v.count[2];
        begin += in_run * LANES * step;
        count = min(count - in_run * LANES, LANES);
        if (run == 1 && by_blocks) {
            const bool is_first = b == begin_of_share || in_run == 0;
            if (!is_first)
                walk_on(t, w);
            if (is_first || w.piece == 0)
                askers = find_askers(t, first, end, block_of(w));
            begin = block_of(w) * size + w.piece * LANES;
            count = begin < v.end ? min(min(size - w.piece * LANES, v.end - begin), LANES) : 0;
        }
        if (run == 2 && by_blocks)
            askers = find_key_askers(t, first, end,
                begin + min(LANE, count - 1));
        wait_for_scores();
        // Only blocks can be empty; lavapipe leaves out here what it would do once more, see
        // lib/address.glsl, and with a `do` AMD's compiler spills scalars.
        if (count > 0)
            add_block(t, first, end, askers,
                key_block(first_key(t, row_sequence[first]), begin, step, count), run, length);
    }
}

void store_partial(task t, uint q, uint head, float sum, bool exists)
{
    const uint row = t.first + q / ATTEND_HEADS;
    const uint at = ((row * heads + head) * pc.splits + t.split) * (2 + D);
    if (!exists)
        return;
    if (LANE == 0) {
        store_f32(pc.partials, at, most_of(q));
        store_f32(pc.partials, at + 1, sum);
    }
    [[unroll]] for (uint c = 0; c < COLUMNS_A_LANE; c++) {
        const uint column = LANE + c * LANES;
        if (column < D)
            store_f32(pc.partials, at + 2 + column, values[q * COLUMNS_A_LANE + c]);
    }
}

void store_result(task t, uint q, uint head, float sum, bool exists)
{
    float shrink = 1.0;
    if (ATTEND_SINK_LOGITS != 0) {
        F32 sinks = pc.constants.v.sinks;
        const float sink = load_f32(sinks, head);
        const float m = max(most_of(q), sink);
        shrink = exp(most_of(q) - m);
        sum = sum * shrink + exp(sink - m);
    }
    const float factor = sum > 0.0 ? shrink / sum : 0.0;
    const uint at = (t.first + q / ATTEND_HEADS) * query_stride + head * D;
    [[unroll]] for (uint c = 0; c < COLUMNS_A_LANE; c++) {
        const uint column = LANE + c * LANES;
        if (exists && column < D)
            store_f32(pc.query, at + column, values[q * COLUMNS_A_LANE + c] * factor);
    }
}

void main()
{
    task t;
    if (!find_task(t))
        return;
    position_biases = pc.constants.v.position_bias;
    load_rows(t);
    load_queries(t);
    wait_for_lanes();
    [[unroll]] for (uint q = 0; q < QUERIES; q++)
        sums[q] = 0.0;
    [[unroll]] for (uint i = 0; i < QUERIES * COLUMNS_A_LANE; i++)
        values[i] = 0.0;
    const bool alone = pattern(t, PATTERN_KIND) == PATTERN_DILATED_KIND;
    uint first = 0;
    do {
        uint end = first + 1;
        while (end < t.rows && !alone && row_sequence[end] == row_sequence[first])
            end++;
        add_keys(t, first, end);
        first = end;
    } while (first < t.rows);

    add_up_lanes();
    [[unroll]] for (uint q = 0; q < QUERIES; q++) {
        bool exists;
        const uint head = head_of(t, q, exists);
        if (ATTEND_SPLIT != 0)
            store_partial(t, q, head, total_of(q), exists);
        else
            store_result(t, q, head, total_of(q), exists);
    }
}
