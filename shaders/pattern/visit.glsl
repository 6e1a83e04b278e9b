// visit.glsl - which keys attend visits, and which of them each query sees. What all patterns have
// in common is here: window, sinks, local keys. A kind of pattern is a file: it says at which key a
// query's keys or a visit begin, and marks: a query sees keys that have its own, of the blocks that
// it picked.
// Needs lib/attend_task.glsl, and LANE, wait_for_lanes(), BLOCK_KEYS and BLOCKS_ARE_FIXED.
#ifndef PATTERN_VISIT_GLSL
#define PATTERN_VISIT_GLSL

#include "pattern/strided.glsl"
#include "pattern/dilated.glsl"
#include "pattern/blocks.glsl"
#include "pattern/chunked.glsl"

shared uint row_position[ATTEND_ROWS], row_sequence[ATTEND_ROWS];
shared uint row_mark[ATTEND_ROWS], row_first[ATTEND_ROWS];

uint query_mark(task t, uint i)
{
    const uint kind = pattern(t, PATTERN_KIND);
    if (kind == PATTERN_STRIDED)
        return strided_query_mark(t);
    return kind == PATTERN_DILATED ? dilated_query_mark(t, i) : 0;
}

uint key_mark(task t, uint j)
{
    const uint kind = pattern(t, PATTERN_KIND);
    return kind == PATTERN_STRIDED || kind == PATTERN_DILATED ? strided_key_mark(t, j) : 0;
}

// Whether rows of one sequence cannot visit the same keys.
bool rows_walk_alone(task t)
{
    return pattern(t, PATTERN_KIND) == PATTERN_DILATED;
}

// The first key of the window of a query at position `i`.
uint window_begin(task t, uint i)
{
    const uint left = pattern(t, PATTERN_LEFT);
    const uint first = left != 0 && i + 1 > left ? i + 1 - left : 0;
    return pattern(t, PATTERN_KIND) == PATTERN_CHUNKED ? max(first, chunked_first(t, i)) : first;
}

// Lane r learns row r's place.
void load_rows(task t)
{
    for (uint r = LANE; r < ATTEND_ROWS; r += LANES) {
        const uint token = token_of(t.first + min(r, t.rows - 1)), position = position_of(token);
        row_position[r] = position;
        row_sequence[r] = sequence_of(token);
        row_mark[r] = query_mark(t, position);
        row_first[r] = window_begin(t, position);
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
    const uint right = pattern(t, PATTERN_RIGHT), kind = pattern(t, PATTERN_KIND);
    const uint end = both ? (right == 0 ? length : min(length, highest + right + 1)) : highest + 1;
    visit v;
    v.begin[0] = 0;
    v.count[0] = min(pattern(t, PATTERN_SINKS), both ? length : highest + 1);
    v.step = step_of(t);
    v.end = end;
    uint begin = window_begin(t, lowest);
    if (kind == PATTERN_STRIDED)
        begin = strided_visit(t, begin);
    if (kind == PATTERN_DILATED)
        begin = dilated_visit(t, begin, highest); // of one row: lowest == highest
    // Blocks begin at fixed places, whoever else is in the tile: blocks in which a row sees
    // nothing leave it as it is, so its bits do not depend on its neighbours.
    if (BLOCKS_ARE_FIXED && !rows_walk_alone(t))
        begin -= begin / v.step % BLOCK_KEYS * v.step;
    v.begin[1] = begin;
    v.count[1] = end > begin ? (end - begin + v.step - 1) / v.step : 0;
    const uint near = pattern(t, PATTERN_LOCAL);
    v.begin[2] = lowest + 1 > near ? lowest + 1 - near : 0;
    if (BLOCKS_ARE_FIXED)
        v.begin[2] -= v.begin[2] % BLOCK_KEYS;
    const uint near_end = both ? min(length, highest + 1) : highest + 1;
    v.count[2] = near == 0 || near_end <= v.begin[2] ? 0 : near_end - v.begin[2];
    return v;
}

// Whether all rows from position `lowest` to `highest` are sure to see all keys from `begin` to
// before `end`, which were found in run 1.
bool all_see(task t, uint lowest, uint highest, uint begin, uint end)
{
    const uint kind = pattern(t, PATTERN_KIND);
    return (kind == PATTERN_WINDOW || kind == PATTERN_CHUNKED) && end <= lowest + 1
        && begin >= pattern(t, PATTERN_SINKS) && begin >= window_begin(t, highest);
}

// Whether a query of row r sees key `j` of this mark, which was found in run `run`. `picked`: its
// block is one of the query's, where the pattern has blocks.
bool sees(task t, uint r, uint j, uint mark, uint run, uint length, bool picked)
{
    const uint i = row_position[r];
    const uint right = pattern(t, PATTERN_RIGHT), near = pattern(t, PATTERN_LOCAL);
    const bool there = pattern(t, PATTERN_BOTH_SIDES) != 0 ? j < length : j <= i;
    const bool in_kind = picked && j >= row_first[r]
        && (right == 0 || j <= i || j - i <= right) && mark == row_mark[r];
    const bool in_run = run == 1 ? in_kind : !in_kind && j <= i && i - j < near;
    return there && (run == 0 || (j >= pattern(t, PATTERN_SINKS) && in_run));
}

#endif
