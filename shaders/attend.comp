#version 460
#extension GL_GOOGLE_include_directive : require
#ifdef SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_ballot : require
#endif
#ifdef SM
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
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
#define CACHE_TYPE ATTEND_CACHE
#define CACHE_HEAD_SIZE D
#include "lib/cache.glsl"
#define V (ATTEND_VALUE_SIZE != 0 ? ATTEND_VALUE_SIZE : D)
#define PADDED_V ((V + 7) / 8 * 8)
#define QUERIES (ATTEND_ROWS * ATTEND_HEADS)         // query q: row q / HEADS, head q % HEADS
#define LOWEST -1.0e38 // below any score, and finite: exp(LOWEST - LOWEST) is 1, not NaN

F32 position_biases; // the attention's
uint used_splits;    // that have keys, of those that share the workgroup's queries; 1 at least

// Where query q begins in pc.query.
uint query_row(task t, uint q)
{
    bool exists;
    const uint head = head_of(t, q, exists);
    return (t.first + min(q / ATTEND_HEADS, t.rows - 1)) * query_stride + head * D;
}

// A block of at most BLOCK_KEYS keys.
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

#ifdef COLUMNS_IN_LANES
#define LANE gl_LocalInvocationIndex
#define KEY_LANES 4 // that share a key
#define KEYS_A_LANE (QUERIES > 8 || ATTEND_LOADS == 1 ? 1 : 2) // registers
#define BLOCK_KEYS (LANES / KEY_LANES * KEYS_A_LANE)
#define BLOCKS_ARE_FIXED (ATTEND_ROWS > 1) // else no key need be loaded in vain
void wait_for_lanes() { barrier(); }
void wait_for_scores() { barrier(); }
#elif defined(SM)
#define LANE (gl_SubgroupID * (LANES / TILE_LANES) + gl_SubgroupInvocationID)
#define BLOCK_KEYS ATTEND_MATRIX_KEYS
#define BLOCKS_ARE_FIXED true
void wait_for_lanes() { barrier(); }
void wait_for_scores() {}
#else
#define BLOCK_KEYS LANES
#define BLOCKS_ARE_FIXED true
#define COLUMNS_A_LANE ((PADDED_V + LANES - 1) / LANES) // of the values
float sums[QUERIES];                    // of this lane's keys
float values[QUERIES * COLUMNS_A_LANE]; // of this lane's columns
// How lanes load and share, in two forms that have the same functions.
#ifdef SUBGROUP
#include "lib/attend_subgroup.glsl"
#else
#include "lib/attend_shared.glsl"
#endif
#endif
#include "pattern/visit.glsl"

// What is added to the score of query q for the key `distance` further on.
float position_bias(task t, uint q, int distance)
{
    const int reach = int(ATTEND_BIAS_REACH);
    bool exists;
    const uint head = head_of(t, q, exists);
    return load_f32(position_biases, head * uint(2 * reach + 1)
        + uint(clamp(distance, -reach, reach) + reach));
}

// The score of query q and key j, of which x is the product.
float finish_score(task t, uint q, float x, uint j)
{
    if (ATTEND_SOFT_CAP != 0.0)
        x = soft_cap(x, ATTEND_SOFT_CAP);
    if (ATTEND_BIAS_REACH != 0)
        x += position_bias(t, q, int(j) - int(row_position[q / ATTEND_HEADS]));
    return x;
}

#ifdef COLUMNS_IN_LANES
#include "lib/attend_columns.glsl"
#elif defined(SM)
#include "lib/attend_matrix.glsl"
#else
#include "lib/attend_keys.glsl"
#endif

// All keys for rows first .. end - 1, which are of one sequence; of those blocks this
// split's share.
void add_keys(task t, uint first, uint end)
{
    uint lowest = row_position[first], highest = lowest;
    for (uint r = first + 1; r < end; r++) {
        lowest = min(lowest, row_position[r]);
        highest = max(highest, row_position[r]);
    }
#ifdef SM
    lowest_position = lowest;
    highest_position = highest;
#endif
    const bool both = pattern(t, PATTERN_BOTH_SIDES) != 0;
    const uint sequence_length = load_u32(pc.lengths, both ? row_sequence[first] : 0);
    const uint length = both ? min(sequence_length, pc.capacity) : pc.capacity;
    const visit v = plan_visit(t, lowest, highest, length);
    const bool by_blocks = picks_blocks(t);
    const uint size = block_size(t);
    uint pieces = 0;
    if (by_blocks) {
        pick_blocks(t, first, end, v.begin[1] / size, (v.end + size - 1) / size);
        pieces = count_pieces(t);
    }
    uint blocks[3];
    uint total = 0;
    [[unroll]] for (uint run = 0; run < 3; run++) {
        blocks[run] = run == 1 && by_blocks ? pieces : (v.count[run] + BLOCK_KEYS - 1) / BLOCK_KEYS;
        total += blocks[run];
    }
    const uint share = (total + pc.splits - 1) / pc.splits;
    used_splits = ATTEND_ROWS > 1 ? pc.splits : total > 0 ? (total + share - 1) / share : 1;
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
        begin += in_run * BLOCK_KEYS * step;
        count = min(count - in_run * BLOCK_KEYS, BLOCK_KEYS);
        if (run == 1 && by_blocks) {
            const bool is_first = b == begin_of_share || in_run == 0;
            if (!is_first)
                walk_on(t, w);
            if (is_first || w.piece == 0)
                askers = find_askers(t, first, end, block_of(w));
            begin = block_of(w) * size + w.piece * BLOCK_KEYS;
            count = begin < v.end
                ? min(min(size - w.piece * BLOCK_KEYS, v.end - begin), BLOCK_KEYS) : 0;
        }
        if (run == 2 && by_blocks)
            askers = find_key_askers(t, first, end, begin, count);
        wait_for_scores();
        // Only blocks can be empty; lavapipe leaves out here what it would do once more, see
        // lib/address.glsl, and with a `do` AMD's compiler spills scalars.
        if (count > 0)
            add_block(t, first, end, askers,
                key_block(first_key(t, row_sequence[first]), begin, step, count), run, length);
    }
}

void main()
{
    task t;
    if (!find_task(t))
        return;
    position_biases = pc.constants.v.position_bias;
    AIM_AT_SCALES(pc.sequence_count * kv_heads * pc.capacity);
    load_rows(t);
    load_queries(t);
    wait_for_lanes();
    clear_sums();
    const bool alone = rows_walk_alone(t);
    uint first = 0;
    do {
        uint end = first + 1;
        while (end < t.rows && !alone && row_sequence[end] == row_sequence[first])
            end++;
        add_keys(t, first, end);
        first = end;
    } while (first < t.rows);
    finish(t);
}
