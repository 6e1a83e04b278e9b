// moe.h - the parts of a Mixture-of-Experts model: a router with its experts, attention that
// may be routed as well, and the cache of keys and values that attention looks at.
//
//     y[t] = sum over the k experts e chosen for token t of weight[t][e] * expert_e(x[t])
//
// The choice is a gate, in its simplest form TopK(softmax(x Wt)), and experts are feed-forward
// networks. All that lies between x and y runs on the device; nothing is read back. The rules
// of vkmoe.h hold: units, NULL, ownership, threads, errors, struct_size.
//
// Arithmetic is f32, whatever the weights are. Two runs of the same work on one device give the
// same bits.
#ifndef VKMOE_MOE_H
#define VKMOE_MOE_H

#include <vkmoe/sparse.h>
#include <vkmoe/vkmoe.h>

#ifdef __cplusplus
extern "C" {
#endif

// ------------------------------------------------------------------------- router

enum vkmoe_score { // s from the logits l, over all experts
    VKMOE_SCORE_SOFTMAX,
    VKMOE_SCORE_SIGMOID,
    VKMOE_SCORE_SQRT_SOFTPLUS, // sqrt(log(1 + exp l)) (DeepSeek-V4)
    VKMOE_SCORE_IDENTITY,
};
enum vkmoe_select {                 // I, the chosen experts, from z
    VKMOE_SELECT_TOP_K,             // the k largest; the lower index wins ties
    VKMOE_SELECT_SPARSEMIXER,       // Phi-3.5: see router_params.sparsemixer_threshold
    VKMOE_SELECT_SUPPLIED,          // moe_forward_params.ids, weighed by the router's scores
    VKMOE_SELECT_SUPPLIED_WEIGHTED, // moe_forward_params.ids and .weights; there is no router
};
enum vkmoe_weigh {       // w from s and l at I
    VKMOE_WEIGH_SCORE,   // s[I]
    VKMOE_WEIGH_SOFTMAX, // softmax over the chosen logits l[I]
    VKMOE_WEIGH_SIGMOID, // sigmoid(l[I])
};
enum vkmoe_group_score { // of a group of experts, from their z
    VKMOE_GROUP_SCORE_MAX,
    VKMOE_GROUP_SCORE_SUM_TOP_2,
};
enum vkmoe_group_mode {
    VKMOE_GROUP_MODE_MASK,      // the best groups stay, the z of the others become -inf
    VKMOE_GROUP_MODE_MASK_ZERO, // the best groups stay, the z of the others become 0 (DeepSeek-V2)
    // Every group stays and has a selection of its own, of k / count experts; slots are in the
    // order of the groups, and `kept` and `score` mean nothing. SwitchHead, arXiv 2312.07987,
    // where groups are heads. groups.count, at least 1, divides both experts and k. As the
    // weights of a group must not depend on other groups, neither softmax nor renormalising is
    // allowed, nor sparsemixer, supplied ids, `capacity` or `always`.
    VKMOE_GROUP_MODE_EACH,
};
enum vkmoe_renormalize_mode {
    VKMOE_RENORMALIZE_NONE,
    VKMOE_RENORMALIZE_SUM, // w / (sum w + epsilon)
    VKMOE_RENORMALIZE_MAX, // w / max(sum w, epsilon)
};

// The gate, in the order in which it computes. DeepSeek-V3, arXiv 2412.19437, uses most of it;
// every other model is this with parts left out.
//
//     l = r Wt + bias                        r: x, or x after an RMS norm
//     l = c tanh(l / c)                      with a soft cap c
//     s = score(l)
//     z = s + correction_bias                then masked by groups: of groups.count equal runs
//                                            of experts, the groups.kept best ones stay
//     I = select(z)                          k experts, best first
//     w = weigh(s, l, I), renormalised
//     w = w * scale * expert_scale[I]
//
// With `always` (MoH, arXiv 2410.11842) the first `always` experts are every token's, in slots
// 0 to always - 1. From s on, the above is about the other experts, of which k - always are
// chosen. The weights of the first come from their own logits alone:
//
//     w = always * softmax(l[0 .. always - 1]) * expert_scale
//
// With `levels` these weights are also multiplied by 2 softmax(r levelst)[0], and those of the
// other chosen experts by 2 softmax(r levelst)[1]. MoH itself renormalises the latter and has a
// `scale` of k - always.
struct vkmoe_router_params {
    enum vkmoe_score score;
    enum vkmoe_select select;
    enum vkmoe_weigh weigh;
    struct {
        uint32_t count; // 0 or 1: there are no groups
        uint32_t kept;  // 1 to count, with at least k experts in them
        enum vkmoe_group_score score;
        enum vkmoe_group_mode mode;
    } groups;
    struct {
        enum vkmoe_renormalize_mode mode;
        float epsilon;
    } renormalize;
    float scale;    // 0: 1
    float soft_cap; // 0: none
    // Sparsemixer: 2 * router_jitter_noise, which is 0.02 for Phi-3.5.
    float sparsemixer_threshold;
    bool rms_norm; // r = x / sqrt(mean(x^2) + rms_epsilon)
    float rms_epsilon;
    struct vkmoe_view weight;          // W [experts][router_hidden], see moe_params
    struct vkmoe_view input_scale;     // [router_hidden], multiplies r (Gemma-4); absent: 1
    struct vkmoe_view bias;            // [experts], added to l
    struct vkmoe_view correction_bias; // [experts], for the selection only
    struct vkmoe_view expert_scale;    // [experts]
    uint32_t always;                   // below k; not with groups, sparsemixer, ids or capacity
    struct vkmoe_view levels;          // [2][router_hidden], only with `always`
    // Switch Transformer, arXiv 2101.03961, section 2.2: an expert takes at most `capacity`
    // tokens of a sequence, in the order of tokens; the others are dropped and contribute
    // nothing. With k > 1 all first choices queue before all second ones (GShard). 0: no limit.
    uint32_t capacity;
};

// ------------------------------------------------------------------------ experts

enum vkmoe_activation {         // act of g, the gate, and u; experts without a gate compute act(u)
    VKMOE_ACTIVATION_SILU,      // silu(g) u
    VKMOE_ACTIVATION_GELU_TANH, // gelu(g) u, the tanh form
    VKMOE_ACTIVATION_GELU_ERF,  // gelu(g) u, the erf form
    VKMOE_ACTIVATION_RELU,      // max(g, 0) u
    VKMOE_ACTIVATION_RELU2,     // max(g, 0)^2 u
    VKMOE_ACTIVATION_IDENTITY,  // g u
    // With g' = min(g, limit) and u' = clamp(u, -limit, limit):
    VKMOE_ACTIVATION_SWIGLU_OAI,  // (u' + 1) g' sigmoid(alpha g') (gpt-oss)
    VKMOE_ACTIVATION_SILU_CLAMP,  // silu(g') u' (DeepSeek-V4)
    VKMOE_ACTIVATION_SWIGLU_STEP, // min(silu(g), limit) u' (Step-3.5)
};

// One expert e computes
//
//     h = act(x gate[e]t + gate_bias[e], x up[e]t + up_bias[e])
//     o = h down[e]t + down_bias[e]
//
// All gate matrices have one dtype, so have all of up, and all of down; the three may differ, and
// so may those of the shared expert, but its gate and up only where the others have a gate, too.
// The shared expert is a product more in each half where its dtype is not that of the others. A
// view without data is absent.
struct vkmoe_moe_params {
    uint32_t struct_size;       // VKMOE_INIT()
    uint32_t hidden, inner;     // widths of x and of h, 1 to 65536
    uint32_t experts;           // 1 to 1024
    uint32_t experts_per_token; // k, 1 to experts
    struct vkmoe_router_params router;
    // Width of what the gate sees, 1 to 65536; 0: hidden. If it is not `hidden`, there must be a
    // router, moe_forward_params.router_x, and no shared.token_gate.
    uint32_t router_hidden;
    enum vkmoe_activation activation;
    float activation_alpha; // SWIGLU_OAI; 0: 1.702
    float activation_limit; // 0: 10 for SILU_CLAMP, 7 for SWIGLU_OAI and SWIGLU_STEP
    bool weight_on_input;   // o = expert(w x) instead of w expert(x) (Llama 4)
    // Arrays of `experts` views.
    const struct vkmoe_view *gate;        // [inner][hidden]; NULL: experts without a gate
    const struct vkmoe_view *up;          // [inner][hidden]
    const struct vkmoe_view *down;        // [hidden][inner]
    struct vkmoe_view gate_bias, up_bias; // [experts][inner]
    struct vkmoe_view down_bias;          // [experts][hidden]
    struct vkmoe_view output_bias;        // [hidden], added to y once
    // One more expert that every token takes, of a width of its own. Its output is added to y,
    // multiplied by sigmoid(x token_gate) if there is a token_gate.
    struct {
        uint32_t inner;               // 0: there is none
        struct vkmoe_view gate, up;   // [inner][hidden]; gate absent: no gate
        struct vkmoe_view down;       // [hidden][inner]
        struct vkmoe_view token_gate; // [hidden]
    } shared;
    enum vkmoe_precision precision; // of the experts, not of the router
    // Routed experts that work on a latent of x (Nemotron-3 Super):
    //
    //     z = x downt                          y = (sum of weight * expert(z)) upt
    //
    // gate, up, down and the first three biases then have `size` where they have `hidden` above.
    // The router, the shared expert and output_bias stay as they are. Every matrix of the latent
    // and of the shared expert may have a dtype of its own.
    struct {
        uint32_t size;          // 1 to 65536; 0: there is none
        struct vkmoe_view down; // [size][hidden]
        struct vkmoe_view up;   // [hidden][size]
    } latent;
    float shared_limit; // activation_limit of the shared expert (Step-3.5); 0: that of the others
};

// ---------------------------------------------------------------------------- MoE

typedef struct vkmoe_moe vkmoe_moe; // a router and its experts on the device; any thread

// Copies the weights to the device, in the dtype they have; the views are not needed
// afterwards. INVALID names the field that breaks a rule above.
//
// OUT_OF_MEMORY if the device has no room for all of it, before any weight is read: the line
// says how much is needed and how much is free. UNSUPPORTED, likewise, for a matrix that no
// buffer of the device can hold, by name. What is free is taken from VK_EXT_memory_budget
// where the driver has it, else it is what the library has not yet taken of the heaps; on a
// CPU it is what the machine, control groups and the limit of address space leave.
//
// Before the first layer with weights of a dtype, alone or in a model, is made on a device, each
// form in which the device would multiply many rows by them computes a small layer, and is
// compared with what the host computes: some tens of ms, beside compiling it. A form that the
// driver computes wrongly, or does not compile, is not used, which is a line of level warning. The
// plainest form is not tested; most CPU drivers have no other.
VKMOE_API enum vkmoe_status vkmoe_moe_create(
    vkmoe_device *device, const struct vkmoe_moe_params *params, vkmoe_moe **out);

// The device must have finished all work that uses it.
VKMOE_API void vkmoe_moe_destroy(vkmoe_moe **moe);

VKMOE_API uint64_t vkmoe_moe_device_size(const vkmoe_moe *moe);

// The scratch memory that a forward of `tokens` needs, for vkmoe_stream_reserve(). At most
//
//     tokens * k * (inner + hidden) * 4 + tokens * experts * 4 + 1 MiB
//
// and tokens * (shared.inner - k * hidden) * 4 more with a shared expert wider than k * hidden,
// tokens * 8 more with router.levels, tokens * (k * inner + shared.inner) * 4 more where a gate has
// another dtype than up, or its columns in another order than up has, and of a folder whose columns
// are in another order (GPTQ's desc_act) tokens * (k * (inner + hidden + 1) + hidden
// + shared.inner) * 4 more. With a latent its size counts instead of hidden, the shared expert does
// not, and tokens * (2 * latent.size + hidden + 2 * shared.inner) * 4 more is needed.
VKMOE_API uint64_t vkmoe_moe_scratch_size(const vkmoe_moe *moe, uint32_t tokens);

struct vkmoe_moe_forward_params {
    uint32_t struct_size;       // VKMOE_INIT()
    uint32_t tokens;            // 0 to 65536; 0 records nothing and succeeds
    uint32_t sequence_tokens;   // router.capacity counts in runs of so many tokens; 0: in one
    struct vkmoe_span x;        // in,  f32 [tokens][hidden]
    struct vkmoe_span router_x; // in,  f32 [tokens][router_hidden], what the gate sees; absent: x
    struct vkmoe_span y;        // out, f32 [tokens][hidden]; must not overlap an input
    // The routing, i32 and f32 [tokens][k], best expert first.
    //
    // With VKMOE_SELECT_SUPPLIED_WEIGHTED both are inputs. An id outside 0 .. experts - 1 is
    // clamped, and a weight of -0.0 drops its expert. With VKMOE_SELECT_SUPPLIED, `ids` is an
    // input and `weights` an optional output. Otherwise both are optional outputs, in which a
    // choice that was dropped has the weight -0.0.
    struct vkmoe_span ids, weights;
};

// Records one MoE forward: three dispatches for few tokens, otherwise five, or six with a
// shared expert; one less if routing is supplied with its weights. Where a gate, of the shared
// expert or of the others, has another dtype than up, or another order of columns, gate and up are
// products of their own, which makes two more, and one more with a shared expert that no latent
// stands beside. A latent makes two more without a shared expert; with one, which then is products
// of its own, there are ten for few tokens and twelve otherwise, one less without shared.gate. On
// graphics cards, up, down and a gate that is apart are one more each where an expert can get so
// many tokens that experts with few and with many are multiplied apart. More than 131072 tokens * k
// are worked off in several passes of so many dispatches each. Inputs must not be written, nor any
// buffer freed, before the stream has finished.
//
// INVALID if a span is too short or misaligned; OUT_OF_MEMORY if scratch could not grow or a
// pipeline could not be made. Nothing is recorded when it fails.
VKMOE_API enum vkmoe_status vkmoe_moe_forward(
    vkmoe_stream *stream, const vkmoe_moe *moe, const struct vkmoe_moe_forward_params *params);

// ------------------------------------------------------------------------- tuning

struct vkmoe_tune_params {
    uint32_t struct_size;   // VKMOE_INIT()
    uint32_t hidden, inner; // a layer's sizes, as in vkmoe_moe_params; their product at most 2^28
    uint32_t experts, experts_per_token;
    enum vkmoe_dtype dtype;
    enum vkmoe_precision precision;
    uint64_t budget_ns; // how long it may take, by and large; 0: ten seconds
    // Called between measurements and at the end, with times in ns. False ends it: what was found
    // until then counts, and the rest stays as it was. May be NULL.
    bool (*progress)(void *user, uint64_t done, uint64_t total);
    void *user;
};

// Measures what is fastest on the device for a layer of these sizes, whose weights it makes up,
// and has it count from then on, as vkmoe_device_set_tuning() would: vkmoe_device_get_tuning()
// gives the text. What it measures is how the decode kernels cut their work, up to how many tokens
// they get it, and which forms of a product are best from how many rows an expert on, for weights
// of this dtype in this precision. Each candidate's outputs are compared with those of the plainest
// kernels; one that is wrong is left out, with a line of level warning. What was better is a line
// of level info.
//
// It takes up to 1 GiB of device memory, 128 MiB on a CPU, or what k experts take, if that is
// more, and waits for the device. Rules for threads and other objects are as of
// vkmoe_device_set_tuning(). When it fails, the tuning is as it was.
VKMOE_API enum vkmoe_status vkmoe_device_tune(
    vkmoe_device *device, const struct vkmoe_tune_params *params);

// ---------------------------------------------------------------------- attention
//
// Mixture-of-Experts attention: a gate picks k of E attention experts for each token. An expert
// has query and output projections of its own and a pattern of keys that it looks at; keys and
// values are shared by all (MoA, arXiv 2210.05144; JetMoE, arXiv 2404.07413):
//
//     q = rope(x Wq[e]t)                                          heads x head_size
//     a = softmax over the keys s of e's pattern (scale q . k[s]) v[s]
//     y = sum over the chosen e of weight[e] * (a Wo[e]t) + output.bias
//
// Dense attention is the case of one expert and no gate.

enum vkmoe_pattern_kind {
    VKMOE_PATTERN_WINDOW,  // the keys within `left` and `right`; by default all of them
    VKMOE_PATTERN_STRIDED, // of those, the keys j with j % step == phase
    VKMOE_PATTERN_DILATED, // of those, the keys j with (i - j) % step == phase
    VKMOE_PATTERN_BLOCKS,  // of those, the keys of chosen blocks; key j is in block j / block
    VKMOE_PATTERN_CHUNKED, // of those, the keys of the query's own block (Llama 4)
};

// The keys j that a query at position i sees, of those up to i unless `both_sides`. Lengths and
// `step` are below 2^30.
//
// BLOCKS either lists the blocks, or has a `top`: then each head of each query chooses for
// itself, the block that the query is in and, of the blocks before it, the top - 1 whose mean
// key has the largest product with the query; the lower block wins ties (MoBA, arXiv
// 2502.13189). The mean of a block is taken when its last position is written, so its other
// positions must have been written by the same forward or an earlier one.
struct vkmoe_pattern {
    enum vkmoe_pattern_kind kind;
    uint32_t left;        // only keys with i - j < left; 0: any
    uint32_t right;       // with both_sides: only keys with j - i <= right; 0: any
    uint32_t step, phase; // STRIDED, DILATED: step at least 1, phase below it
    uint32_t sinks;       // and the first `sinks` keys
    uint32_t local;       // and keys with i - j < local
    bool both_sides;      // keys after the query as well; not with `top`
    // BLOCKS, CHUNKED: positions in a block, at least 1; one size for all with `top`. With CHUNKED
    // there is no `both_sides`.
    uint32_t block;
    uint32_t top;           // BLOCKS: how many blocks a query sees, at most 64; 0: those listed
    const uint32_t *blocks; // BLOCKS: the list, [block_count], each below 65536
    uint32_t block_count;
};

enum vkmoe_rope_kind {
    VKMOE_ROPE_NONE,
    VKMOE_ROPE_HALF,        // pairs (c, c + size/2): Llama, Mixtral, JetMoE, Qwen
    VKMOE_ROPE_INTERLEAVED, // pairs (2c, 2c + 1): GPT-J, DeepSeek
};
enum vkmoe_rope_scaling {
    VKMOE_ROPE_SCALING_PLAIN,
    VKMOE_ROPE_SCALING_LINEAR, // positions / factor
    VKMOE_ROPE_SCALING_LLAMA3, // as Llama 3.1: by wavelength, smooth between low and high
    VKMOE_ROPE_SCALING_YARN,   // arXiv 2309.00071, with its attention factor
    // Once the context, of length L, is longer than original_positions, the base becomes
    //     base * (factor * L / original_positions - (factor - 1))^(size / (size - 2))
    // A forward rotates its own queries and keys for its own L, which is `longest` of
    // vkmoe_attention_forward_params; keys in the cache stay as they were rotated.
    VKMOE_ROPE_SCALING_DYNAMIC,
    // LongRoPE, arXiv 2402.13753: each pair's frequency is divided by rope_divisors up to a context
    // of original_positions, by long_rope.divisors in a longer one. Which it is, L says as it does
    // for DYNAMIC.
    VKMOE_ROPE_SCALING_LONGROPE,
};

// Rotary position embedding, arXiv 2104.09864, of queries and keys.
struct vkmoe_rope {
    enum vkmoe_rope_kind kind;
    enum vkmoe_rope_scaling scaling;
    uint32_t size;                 // rotated elements at the head's start; 0: all of it
    float base;                    // 0: 10000
    float factor;                  // of the scaling; DYNAMIC: at least 1
    uint32_t original_positions;   // LLAMA3, YARN, DYNAMIC, LONGROPE: the trained context
    float low_factor, high_factor; // LLAMA3: low_freq_factor and high_freq_factor, at least that
    float beta_fast, beta_slow;    // YARN; 0: 32 and 1
    float attention_factor;        // YARN; 0: 0.1 ln(factor) + 1. LONGROPE; 0: 1
    bool exact_range; // YARN: the correction range is not rounded to whole pairs (gpt-oss)
};

// Experts of one projection of dense attention, separately for each head (SwitchHead, arXiv
// 2312.07987): head h chooses k of the E experts h * E to h * E + E - 1.
struct vkmoe_head_experts {
    uint32_t experts;           // E, of one head; 0: the projection is dense
    uint32_t experts_per_token; // k, of one head
    // weight is [heads * E][hidden]. VKMOE_GROUP_MODE_EACH and its rules are implied, with heads
    // for groups; router.groups stays zero. The score is not SOFTMAX (SwitchHead: SIGMOID).
    struct vkmoe_router_params router;
    const struct vkmoe_view *matrices; // [heads * E], of one dtype
};

struct vkmoe_attention_params {
    uint32_t struct_size;       // VKMOE_INIT()
    uint32_t hidden, head_size; // head_size 1 to 512, with `latent` 1 to 640
    uint32_t heads;             // of one expert; head_size times that at most 65536; `latent`: 1024
    uint32_t kv_heads;          // likewise; divides heads, unless expert_kv_heads is set
    // Which kv heads an expert's heads use: `expert_kv_heads` of them, which divides heads, from
    // first_kv_head[e] on (MoH: each expert is a head with a kv head of its own). 0, NULL: all.
    uint32_t expert_kv_heads;
    const uint32_t *first_kv_head; // [experts]
    bool tiled_kv;    // head h uses kv head h % kv_heads (JetMoE), not h / (heads / kv_heads)
    uint32_t experts; // 1: dense, without a router
    uint32_t experts_per_token;
    struct vkmoe_router_params router;
    struct {
        const struct vkmoe_view *matrices; // [experts] of [heads * head_size][hidden]
        struct vkmoe_view bias;            // [experts][heads * head_size]
        struct vkmoe_view norm;            // weights of an RMS norm before RoPE, see `norm`
    } query;
    struct {
        struct vkmoe_view matrix; // [kv_heads * head_size][hidden]
        struct vkmoe_view bias;   // [kv_heads * head_size]
        struct vkmoe_view norm;   // as query.norm
    } key;
    struct {
        struct vkmoe_view matrix; // [kv_heads * head_size][hidden]
        struct vkmoe_view bias;   // [kv_heads * head_size]
        // Instead of the above: matrices [head_size][hidden] for each kv head. Only with one
        // attention expert.
        struct vkmoe_head_experts experts;
    } value;
    struct {
        const struct vkmoe_view *matrices; // [experts] of [hidden][heads * head_size]
        struct vkmoe_view bias;            // [hidden]
        // Instead of `matrices`: [hidden][head_size] for each head. Only with one attention
        // expert.
        struct vkmoe_head_experts experts;
    } output;
    struct {       // the RMS norms of queries and keys
        bool wide; // over all heads at once, with weights [heads * head_size] (OLMoE); else over
                   // each head, with weights [head_size] (Qwen3)
        float epsilon;
    } norm;
    struct vkmoe_view sinks; // [heads] logits in the softmax's denominator (gpt-oss)
    float scale;             // 0: 1 / sqrt(head_size)
    float soft_cap;          // 0: none
    // Added to the scores of head h, for query i and key j (T5, arXiv 1910.10683): element
    // [h][reach + d], where d is j - i, taken as at most `reach` either way.
    struct {
        struct vkmoe_view bias; // [heads][2 * reach + 1]
        uint32_t reach;         // 1 to 65535
    } position;
    // 0: none; q, k and v are clamped to +- this, after the norm and before RoPE; NaN stays NaN
    float value_clip; // (clip_qkv of OLMoE and DBRX, GGUF's attention.clamp_kqv)
    struct vkmoe_rope rope;
    const struct vkmoe_pattern *patterns; // [experts]; NULL: causal over everything
    enum vkmoe_precision precision;       // of the projections, and between them
    // Instead of a scaling by formula, or besides: what the frequency of each pair is divided by,
    // [rope.size / 2], or [head_size / 2] if that size is 0, above 0 (GGUF's rope_freqs). No data:
    // by nothing. Not with DYNAMIC; without RoPE they are not looked at.
    struct vkmoe_view rope_divisors;
    struct vkmoe_latent latent;
    // The RMS norms of queries and keys come after RoPE, not before it (Hunyuan). Not with
    // norm.wide, value_clip or `latent`.
    bool norm_after_rope;
    // LONGROPE: what holds of a context longer than rope.original_positions instead of
    // rope_divisors and rope.attention_factor. The divisors of both are required.
    struct {
        struct vkmoe_view divisors; // [rope.size / 2]
        float attention_factor;     // 0: 1
    } long_rope;
    struct vkmoe_nsa nsa;
    struct vkmoe_mosa mosa;
    // Queries at position i are multiplied by 1 + scale * ln(floor(n / floor) + 1), n being i + 1
    // (Llama 4), or i with temperature_before (Mistral 4).
    struct {
        float scale;    // 0: they are not
        uint32_t floor; // above 0
    } temperature;
    // Values of each kv head are divided by their root mean square, of norm.epsilon (Gemma 4). Not
    // with latent, nor with value.experts.
    bool value_norm;
    // What each head has attended to is multiplied by the sigmoid of a gate before the output
    // projection (arXiv 2505.06708; Qwen3-Next, AFMoE):
    //
    //     y = (a sigmoid(x gate.matrixt)) Wot
    //
    // or, with gate_softplus, by ln(1 + e^z), z being what the sigmoid would be of (Laguna).
    // Only with one attention expert, and not with latent or nsa.
    struct {
        struct vkmoe_view matrix; // [heads][hidden]; no data: there is no gate
        bool wide;                // [heads * head_size][hidden]: a gate for each element
    } gate;
    bool temperature_before, gate_softplus;
    // Values of another size than keys, up to head_size (MiMo-V2: 128 of 192): value.matrix is then
    // [kv_heads * value_size][hidden], value.bias likewise, and output.matrices
    // [hidden][heads * value_size]. 0: head_size.
    uint32_t value_size;
    // What heads have attended to is multiplied by this before the output projection (MiMo-V2:
    // 0.707). 0: 1. Both only with one attention expert, and not with value.experts,
    // output.experts, value_norm, gate, latent, nsa or mosa.
    float value_scale;
};

typedef struct vkmoe_attention vkmoe_attention; // its weights on the device; any thread

// As vkmoe_moe_create(), vkmoe_moe_destroy() and vkmoe_moe_device_size(). Where head_size is a
// multiple of 32, the kernel that makes and finishes queries, keys and values of few tokens is
// tested as well, on CPU drivers not its plainest form; if it is wrong, two kernels replace it.
VKMOE_API enum vkmoe_status vkmoe_attention_create(
    vkmoe_device *device, const struct vkmoe_attention_params *params, vkmoe_attention **out);
VKMOE_API void vkmoe_attention_destroy(vkmoe_attention **attention);
VKMOE_API uint64_t vkmoe_attention_device_size(const vkmoe_attention *attention);

// Keys and values of several independent sequences, for one attention.
typedef struct vkmoe_cache vkmoe_cache;

struct vkmoe_cache_params {
    uint32_t struct_size;         // VKMOE_INIT()
    uint32_t kv_heads, head_size; // as the attention's
    uint32_t sequences;           // at least 1
    uint32_t capacity;            // positions that each may hold
    // VKMOE_DTYPE_F32, VKMOE_DTYPE_F16 or VKMOE_DTYPE_Q8_0: elements of 4, 2 or 1 bytes, and of the
    // last 4 bytes more for each 64 that are begun. Heads take up their size rounded up to 8
    // elements, of Q8_0 to 32. How they are rounded, and what that changes: docs/semantics.md, B.3.
    enum vkmoe_dtype dtype;
    // The block size of patterns that have a `top`, of which there may be 2048 blocks, or of
    // `nsa`; 0: neither is there.
    uint32_t block;
    // Values are the start of keys, as of `latent`: there is no memory of their own for them.
    bool keys_only;
    // Of `nsa`: blocks begin at every stride-th position, which divides `block` (0: block), and
    // their values have means as well.
    uint32_t stride;
    bool mean_values;
};

VKMOE_API enum vkmoe_status vkmoe_cache_create(
    vkmoe_device *device, const struct vkmoe_cache_params *params, vkmoe_cache **out);
VKMOE_API void vkmoe_cache_destroy(vkmoe_cache **cache);
VKMOE_API uint64_t vkmoe_cache_device_size(const vkmoe_cache *cache);

// The scratch memory that a forward of `tokens` needs, for vkmoe_stream_reserve(). At most
//
//     tokens * (k * heads * head_size + k * hidden + 2 * kv_heads * head_size) * 4
//         + tokens * experts * 4 + 2 MiB
//
// There is no buffer of tokens x tokens. More is needed
//
//     with patterns that have a `top`, of the largest: tokens * k * heads * top * 4
//     with value.experts or output.experts, of n heads and matrices of r rows, and the larger
//         one if there are both:                       tokens * n * (k * (r + 2) + E) * 4
//     with router.levels:                              tokens * 8
//     with latent, where r is the size of the rotated key:
//         tokens * (heads * max(key_size + r, value_size) + 2 * query_rank) * 4
//     with nsa:    tokens * heads * (2 * head_size + top + 3) * 4
//     with mosa:   tokens * experts * (2 * head_size + 44) * 4
//     with a gate: tokens * heads * 4, or if it is wide tokens * heads * head_size * 4
//     of a folder whose columns are in another order (GPTQ's desc_act), the widest matrix's:
//         tokens * columns * 4, and of several experts as vkmoe_moe_scratch_size() has it
//     on GPUs that are not integrated, of more than 64 tokens and matrices of 1024 columns or
//         more: 3 MiB
VKMOE_API uint64_t vkmoe_attention_scratch_size(const vkmoe_attention *attention, uint32_t tokens);

struct vkmoe_attention_forward_params {
    uint32_t struct_size; // VKMOE_INIT()
    uint32_t tokens;      // 0 to 65536; 0 records nothing and succeeds
    struct vkmoe_span x;  // in,  f32 [tokens][hidden]
    struct vkmoe_span y;  // out, f32 [tokens][hidden]
    // In, u32 [tokens]: the position of each token in its sequence, below the capacity, and
    // which sequence that is; absent: sequence 0. Its key and value are written there, and it
    // sees what its sequence holds up to itself, or with both_sides up to `lengths`. To shorten
    // a sequence, simply go on at an earlier position.
    struct vkmoe_span positions, sequences;
    struct vkmoe_span lengths; // in, u32 [sequences]: positions held; for both_sides only
    bool stored;               // keys and values are there already: x gives queries alone
    // An upper bound of positions + 1, by which the work is sized; 0: the capacity. With
    // VKMOE_ROPE_SCALING_DYNAMIC and _LONGROPE it is the exact length of the context, and part of
    // the formula: a prompt that is fed in chunks gives what it gives at once only if each chunk's
    // `longest` is the length of the whole prompt, not the length reached so far.
    uint32_t longest;
    struct vkmoe_span ids, weights; // as in vkmoe_moe_forward_params
    // With `mosa`, and only there: the tokens are sequences of so many each, which divides
    // `tokens`; 0: one. There are no positions, sequences or lengths. ids and weights are optional
    // outputs [tokens][experts], in which slot h is head h.
    uint32_t sequence_tokens;
};

// Records one attention. Buffers, repetition and errors are as of vkmoe_moe_forward().
// UNSUPPORTED, in addition, if a pattern looks both ways over more tokens than one pass takes,
// or if a query would walk over more keys than the driver allows a loop: lavapipe before Mesa
// 26 ends it after 12000 to 30000, depending on the head size, and after 5700 with `latent`; with
// `mosa`, whose cache is NULL, if tokens * experts are more than 131072, or that times `hidden` or
// head_size, rounded up to 8, more than 2^30.
VKMOE_API enum vkmoe_status vkmoe_attention_forward(vkmoe_stream *stream,
    const vkmoe_attention *attention, vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *params);

// Writes the keys and values of x to their places and does nothing else, which is what a
// decoder's attention to an encoder needs before it runs with `stored`. Only tokens, x,
// positions and sequences count, and `longest` with VKMOE_ROPE_SCALING_DYNAMIC and _LONGROPE. The
// scratch of a forward suffices.
VKMOE_API enum vkmoe_status vkmoe_attention_store(vkmoe_stream *stream,
    const vkmoe_attention *attention, vkmoe_cache *cache,
    const struct vkmoe_attention_forward_params *params);

#ifdef __cplusplus
}
#endif
#endif
