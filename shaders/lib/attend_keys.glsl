// attend_keys.glsl - attend's work on a block of keys where each lane owns a key, and then columns
// of the values; attend_shared.glsl and attend_subgroup.glsl have how lanes share what they have.
#ifndef ATTEND_KEYS_GLSL
#define ATTEND_KEYS_GLSL

#define KEYS_AT_ONCE (LANES > 8 ? 4 : 8) // with 8, Adreno would spill

// The mask of those of rows first .. end - 1's queries that picked the block of this lane's key, of
// `count` from `begin` on.
uint find_key_askers(task t, uint first, uint end, uint begin, uint count)
{
    const uint j = begin + min(LANE, count - 1);
    uint askers = 0;
    for (uint q = first * ATTEND_HEADS; q < end * ATTEND_HEADS; q++)
        askers |= uint(is_picked_by(t, q, j / block_size(t))) << q;
    return askers;
}

void clear_sums()
{
    [[unroll]] for (uint q = 0; q < QUERIES; q++)
        sums[q] = 0.0;
    [[unroll]] for (uint i = 0; i < QUERIES * COLUMNS_A_LANE; i++)
        values[i] = 0.0;
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
    const uint j = key_of(k, LANE), mark = key_mark(t, j);
    [[unroll]] for (uint q = 0; q < QUERIES; q++) {
        const uint r = q / ATTEND_HEADS;
        const float x = finish_score(t, q, s[q] * QUERY_SCALE, j);
        const bool seen = LANE < k.count && r >= first && r < end
            && sees(t, r, j, mark, run, length, (askers >> q & 1) != 0);
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

void store_partial(task t, uint q, uint head, float sum, bool exists)
{
    const uint row = t.first + q / ATTEND_HEADS;
    const uint at = ((row * heads + head) * pc.splits + t.split) * (2 + V);
    if (!exists)
        return;
    if (LANE == 0) {
        store_f32(pc.partials, at, most_of(q));
        store_f32(pc.partials, at + 1, sum);
    }
    [[unroll]] for (uint c = 0; c < COLUMNS_A_LANE; c++) {
        const uint column = LANE + c * LANES;
        if (column < V)
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
        if (exists && column < V)
            store_f32(pc.query, at + column, values[q * COLUMNS_A_LANE + c] * factor);
    }
}

void finish(task t)
{
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

#endif
