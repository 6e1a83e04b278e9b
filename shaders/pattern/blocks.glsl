// blocks.glsl - the pattern that shows keys of some blocks: those on a list, or those that each
// head of each query chose (choose_blocks.h). It is gone through in pieces of at most BLOCK_KEYS
// keys, of the blocks that any query of the workgroup sees.
#ifndef PATTERN_BLOCKS_GLSL
#define PATTERN_BLOCKS_GLSL

shared uint picked[ATTEND_PICKED_WORDS + 1]; // blocks that some row sees
shared uint asking;                          // queries that see one of them

bool picks_blocks(task t)
{
    return ATTEND_PICKED_WORDS != 0 && pattern(t, PATTERN_KIND) == PATTERN_BLOCKS;
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

// A block is gone through in pieces of at most BLOCK_KEYS keys.
uint pieces_a_block(task t)
{
    return (block_size(t) + BLOCK_KEYS - 1) / BLOCK_KEYS;
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

#endif
