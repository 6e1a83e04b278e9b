// select.glsl - from one token's logits to its experts and their weights; part of route.comp.
//
// The choice ranks by counting: an expert's rank is the number of experts that beat
// it. That is E comparisons for each of E experts, but all in parallel, with one
// barrier, stable ties and no dependence on k; a serial top-k would take k rounds.
#ifndef SELECT_GLSL
#define SELECT_GLSL

#include "lib/activation.glsl"
#include "lib/reduce.glsl"

#define POSITIVE_INFINITY uintBitsToFloat(0x7f800000u)
#define NEGATIVE_INFINITY uintBitsToFloat(0xff800000u)

#define LOGITS (ROUTE_EXPERTS + 2 * ROUTE_LEVELS) // of a token; the levels' are the last two

// Experts compared in one loop iteration. lavapipe 22.3 ends all loops of an invocation
// without a word after 65535 iterations together; 1024 experts for 8 tokens take 32768.
#define RANK_RUN 32

#define EACH_GROUP (ROUTE_GROUP_MODE == GROUP_MODE_EACH)

shared float logit[ROUTE_EXPERTS]; // l
// z, padded with -inf to whole runs, also where the last group begins in one; once the
// choice is made, the chosen weights.
shared float
    rank_by[((ROUTE_EXPERTS + RANK_RUN - 1) / RANK_RUN + (EACH_GROUP ? 1 : 0)) * RANK_RUN];
shared uint chosen[ROUTE_EXPERTS]; // [slot] expert
shared float group_score[EACH_GROUP ? 1 : ROUTE_GROUPS];

// Softmax needs these two, over the experts that are not always chosen; the other scores
// ignore them.
struct normaliser { float most, sum; };

float score(float l, normaliser n)
{
    switch (ROUTE_SCORE) {
    case SCORE_SOFTMAX: return exp(l - n.most) / n.sum;
    case SCORE_SIGMOID: return sigmoid(l);
    case SCORE_SQRT_SOFTPLUS: // log(1 + e^l) without overflow
        return sqrt(max(l, 0.0) + log(1.0 + exp(-abs(l))));
    default: return l;
    }
}

normaliser softmax_normaliser()
{
    normaliser n = normaliser(0.0, 1.0);
    if (ROUTE_SCORE != SCORE_SOFTMAX)
        return n;
    float most = NEGATIVE_INFINITY, sum = 0.0;
    for (uint e = ROUTE_ALWAYS + gl_LocalInvocationIndex; e < ROUTE_EXPERTS; e += LANES)
        most = max(most, logit[e]);
    n.most = workgroup_max(most);
    for (uint e = ROUTE_ALWAYS + gl_LocalInvocationIndex; e < ROUTE_EXPERTS; e += LANES)
        sum += exp(logit[e] - n.most);
    n.sum = workgroup_sum(sum);
    return n;
}

// The score of one group: the largest z in it, or the sum of the two largest.
float score_group(uint group)
{
    const uint size = ROUTE_EXPERTS / ROUTE_GROUPS;
    float first = NEGATIVE_INFINITY, second = NEGATIVE_INFINITY;
    for (uint i = 0; i < size; i++) {
        const float z = rank_by[group * size + i];
        second = max(second, min(first, z));
        first = max(first, z);
    }
    return ROUTE_GROUP_SCORE != GROUP_SCORE_MAX && size > 1 ? first + second : first;
}

// Masks the z of all groups but the ROUTE_GROUPS_KEPT best.
void limit_groups()
{
    for (uint g = gl_LocalInvocationIndex; g < ROUTE_GROUPS; g += LANES)
        group_score[g] = score_group(g);
    barrier();
    for (uint e = gl_LocalInvocationIndex; e < ROUTE_EXPERTS; e += LANES) {
        const uint group = e / (ROUTE_EXPERTS / ROUTE_GROUPS);
        const float mine = group_score[group];
        uint rank = 0;
        for (uint g = 0; g < ROUTE_GROUPS; g++)
            rank += uint(group_score[g] > mine || (group_score[g] == mine && g < group));
        if (rank >= ROUTE_GROUPS_KEPT)
            rank_by[e] = ROUTE_GROUP_MODE == GROUP_MODE_MASK_ZERO ? 0.0 : NEGATIVE_INFINITY;
    }
    barrier();
}

// Of all experts, or of each group.
void choose_top_k()
{
    const uint rivals = EACH_GROUP ? ROUTE_EXPERTS / ROUTE_GROUPS : ROUTE_EXPERTS;
    const uint wanted = EACH_GROUP ? ROUTE_K / ROUTE_GROUPS : ROUTE_K;
    // Not unrolled further: Adreno's compiler would spill.
    [[dont_unroll]] for (uint e = gl_LocalInvocationIndex; e < ROUTE_EXPERTS; e += LANES) {
        const uint group = EACH_GROUP ? e / rivals : 0;
        const uint first = group * rivals;
        const float mine = rank_by[e];
        uint rank = 0;
        [[dont_unroll]] for (uint run = 0; run < rivals; run += RANK_RUN) {
            [[unroll]] for (uint i = 0; i < RANK_RUN; i++) {
                const float other = rank_by[first + run + i];
                const bool beats = other > mine || (other == mine && first + run + i < e);
                // What pads all experts beats none; after a group comes the next one.
                rank += uint(beats && (!EACH_GROUP || run + i < rivals));
            }
        }
        if (rank < wanted)
            chosen[group * wanted + rank] = e;
    }
    barrier();
}

// Phi-3.5's sparsemixer: k rounds; each takes the best that is left and weighs it by a
// softmax over those left that are within the threshold of it. Leaves the weights in
// rank_by[slot]. `rank_by` starts as the logits and loses one expert a round, so the
// weights wait in a register of the lane that owns the slot.
void choose_sparsemixer()
{
    float kept[(ROUTE_K + LANES - 1) / LANES];
    for (uint slot = 0; slot < ROUTE_K; slot++) {
        float most = NEGATIVE_INFINITY;
        uint best = 0;
        for (uint e = 0; e < ROUTE_EXPERTS; e++) {
            if (rank_by[e] > most) {
                most = rank_by[e];
                best = e;
            }
        }
        float sum = 0.0;
        for (uint e = 0; e < ROUTE_EXPERTS; e++) {
            const float l = rank_by[e];
            const bool masked = most - l > ROUTE_THRESHOLD * max(abs(l), most);
            sum += masked ? 0.0 : exp(l - most); // of those taken before, exp(-inf)
        }
        if (slot % LANES == gl_LocalInvocationIndex)
            kept[slot / LANES] = 1.0 / sum;
        barrier();
        if (gl_LocalInvocationIndex == 0) {
            rank_by[best] = NEGATIVE_INFINITY;
            chosen[slot] = best;
        }
        barrier();
    }
    for (uint slot = gl_LocalInvocationIndex; slot < ROUTE_K; slot += LANES)
        rank_by[slot] = kept[slot / LANES];
    barrier();
}

void take_supplied(uint token)
{
    for (uint slot = gl_LocalInvocationIndex; slot < ROUTE_K; slot += LANES) {
        const int id = int(load_u32_out(pc.ids, token * ROUTE_K + slot));
        chosen[slot] = uint(clamp(id, 0, int(ROUTE_EXPERTS) - 1));
    }
    barrier();
}

// Sets most and sum as a softmax over the logits of slots first .. end - 1 needs them.
normaliser normaliser_of_slots(uint first, uint end)
{
    float most = NEGATIVE_INFINITY, sum = 0.0;
    for (uint slot = first + gl_LocalInvocationIndex; slot < end; slot += LANES)
        most = max(most, logit[chosen[slot]]);
    most = workgroup_max(most);
    for (uint slot = first + gl_LocalInvocationIndex; slot < end; slot += LANES)
        sum += exp(logit[chosen[slot]] - most);
    return normaliser(most, workgroup_sum(sum));
}

// Unscaled weights of the chosen experts into rank_by[slot].
void weigh(normaliser n)
{
    normaliser always = n, others = n;
    if (ROUTE_ALWAYS > 0)
        always = normaliser_of_slots(0, ROUTE_ALWAYS);
    if (ROUTE_WEIGH == WEIGH_SOFTMAX)
        others = normaliser_of_slots(ROUTE_ALWAYS, ROUTE_K);
    for (uint slot = gl_LocalInvocationIndex; slot < ROUTE_K; slot += LANES) {
        const float l = logit[chosen[slot]];
        if (slot < ROUTE_ALWAYS)
            rank_by[slot] = float(ROUTE_ALWAYS) * exp(l - always.most) / always.sum;
        else
            rank_by[slot] = ROUTE_WEIGH == WEIGH_SCORE ? score(l, n)
                : ROUTE_WEIGH == WEIGH_SOFTMAX ? exp(l - others.most) / others.sum : sigmoid(l);
    }
    barrier();
}

// What the weights of those always chosen (x) and of the others (y) are multiplied by:
// twice the softmax of two logits.
vec2 levels_of(uint token)
{
    if (ROUTE_LEVELS == 0)
        return vec2(1.0);
    const uint at = token * LOGITS + ROUTE_EXPERTS;
    const float lead = pc.logits.v[at] - pc.logits.v[at + 1];
    return 2.0 * vec2(sigmoid(lead), sigmoid(-lead));
}

// Renormalises, scales and stores rank_by[slot] as the token's weights.
void store_choice(uint token)
{
    const vec2 levels = levels_of(token);
    float divisor = 1.0, sum = 0.0;
    if (ROUTE_RENORMALIZE != RENORMALIZE_NONE) {
        for (uint slot = ROUTE_ALWAYS + gl_LocalInvocationIndex; slot < ROUTE_K; slot += LANES)
            sum += rank_by[slot];
        sum = workgroup_sum(sum);
        divisor = ROUTE_RENORMALIZE == RENORMALIZE_SUM ? sum + ROUTE_RENORM_EPSILON
                                         : max(sum, ROUTE_RENORM_EPSILON);
    }
    for (uint slot = gl_LocalInvocationIndex; slot < ROUTE_K; slot += LANES) {
        const uint e = chosen[slot];
        float w = rank_by[slot];
        if (slot >= ROUTE_ALWAYS)
            w = w / divisor * ROUTE_SCALE;
        w *= load_f32(pc.vectors, 2 * ROUTE_EXPERTS + e);
        if (ROUTE_LEVELS != 0)
            w *= slot < ROUTE_ALWAYS ? levels.x : levels.y;
        if (w == 0.0)
            w = 0.0; // -0.0 means dropped
        if (ROUTE_SELECT != SELECT_SUPPLIED)
            store_u32(pc.ids, token * ROUTE_K + slot, e);
        store_f32(pc.weights, token * ROUTE_K + slot, w);
    }
}

void select_experts(uint token)
{
    barrier(); // the token before is done with the shared arrays
    for (uint e = gl_LocalInvocationIndex; e < ROUTE_EXPERTS; e += LANES)
        logit[e] = pc.logits.v[token * LOGITS + e];
    barrier();
    const normaliser n = softmax_normaliser();
    for (uint e = gl_LocalInvocationIndex; e < ROUTE_EXPERTS; e += LANES) {
        const float z = ROUTE_SELECT == SELECT_SPARSEMIXER ? logit[e]
            : score(logit[e], n) + load_f32(pc.vectors, ROUTE_EXPERTS + e);
        // Nothing beats the first `always`, and a NaN must not tie with everyone.
        rank_by[e] = e < ROUTE_ALWAYS ? POSITIVE_INFINITY : isnan(z) ? NEGATIVE_INFINITY : z;
    }
    for (uint e = ROUTE_EXPERTS + gl_LocalInvocationIndex; e < rank_by.length(); e += LANES)
        rank_by[e] = NEGATIVE_INFINITY;
    barrier();
    if (ROUTE_GROUPS > 1 && !EACH_GROUP)
        limit_groups();
    if (ROUTE_SELECT == SELECT_SPARSEMIXER) {
        choose_sparsemixer();
    } else {
        if (ROUTE_SELECT == SELECT_SUPPLIED)
            take_supplied(token);
        else
            choose_top_k();
        weigh(n);
    }
    store_choice(token);
}

#endif
