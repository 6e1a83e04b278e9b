// moe.h - as it was in version 0.2.0, without its comments and what tests/abi.c does not need. It
// stays so: programs that were compiled with it must run with every 0.2.
#ifndef VKMOE_MOE_H
#define VKMOE_MOE_H

#include <vkmoe/vkmoe.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vkmoe_score {
    VKMOE_SCORE_SOFTMAX,
    VKMOE_SCORE_SIGMOID,
    VKMOE_SCORE_SQRT_SOFTPLUS,
    VKMOE_SCORE_IDENTITY,
};
enum vkmoe_select {
    VKMOE_SELECT_TOP_K,
    VKMOE_SELECT_SPARSEMIXER,
    VKMOE_SELECT_SUPPLIED,
    VKMOE_SELECT_SUPPLIED_WEIGHTED,
};
enum vkmoe_weigh {
    VKMOE_WEIGH_SCORE,
    VKMOE_WEIGH_SOFTMAX,
    VKMOE_WEIGH_SIGMOID,
};
enum vkmoe_group_score {
    VKMOE_GROUP_SCORE_MAX,
    VKMOE_GROUP_SCORE_SUM_TOP_2,
};
enum vkmoe_group_mode {
    VKMOE_GROUP_MODE_MASK,
    VKMOE_GROUP_MODE_MASK_ZERO,

    VKMOE_GROUP_MODE_EACH,
};
enum vkmoe_renormalize_mode {
    VKMOE_RENORMALIZE_NONE,
    VKMOE_RENORMALIZE_SUM,
    VKMOE_RENORMALIZE_MAX,
};

struct vkmoe_router_params {
    enum vkmoe_score score;
    enum vkmoe_select select;
    enum vkmoe_weigh weigh;
    struct {
        uint32_t count;
        uint32_t kept;
        enum vkmoe_group_score score;
        enum vkmoe_group_mode mode;
    } groups;
    struct {
        enum vkmoe_renormalize_mode mode;
        float epsilon;
    } renormalize;
    float scale;
    float soft_cap;

    float sparsemixer_threshold;
    bool rms_norm;
    float rms_epsilon;
    struct vkmoe_view weight;
    struct vkmoe_view input_scale;
    struct vkmoe_view bias;
    struct vkmoe_view correction_bias;
    struct vkmoe_view expert_scale;
    uint32_t always;
    struct vkmoe_view levels;

    uint32_t capacity;
};

enum vkmoe_activation {
    VKMOE_ACTIVATION_SILU,
    VKMOE_ACTIVATION_GELU_TANH,
    VKMOE_ACTIVATION_GELU_ERF,
    VKMOE_ACTIVATION_RELU,
    VKMOE_ACTIVATION_RELU2,
    VKMOE_ACTIVATION_IDENTITY,

    VKMOE_ACTIVATION_SWIGLU_OAI,
    VKMOE_ACTIVATION_SILU_CLAMP,
    VKMOE_ACTIVATION_SWIGLU_STEP,
};

struct vkmoe_moe_params {
    uint32_t struct_size;
    uint32_t hidden, inner;
    uint32_t experts;
    uint32_t experts_per_token;
    struct vkmoe_router_params router;

    uint32_t router_hidden;
    enum vkmoe_activation activation;
    float activation_alpha;
    float activation_limit;
    bool weight_on_input;

    const struct vkmoe_view *gate;
    const struct vkmoe_view *up;
    const struct vkmoe_view *down;
    struct vkmoe_view gate_bias, up_bias;
    struct vkmoe_view down_bias;
    struct vkmoe_view output_bias;

    struct {
        uint32_t inner;
        struct vkmoe_view gate, up;
        struct vkmoe_view down;
        struct vkmoe_view token_gate;
    } shared;
};

typedef struct vkmoe_moe vkmoe_moe;

VKMOE_API enum vkmoe_status vkmoe_moe_create(
    vkmoe_device *device, const struct vkmoe_moe_params *params, vkmoe_moe **out);

VKMOE_API void vkmoe_moe_destroy(vkmoe_moe **moe);

VKMOE_API uint64_t vkmoe_moe_device_size(const vkmoe_moe *moe);

VKMOE_API uint64_t vkmoe_moe_scratch_size(const vkmoe_moe *moe, uint32_t tokens);

struct vkmoe_moe_forward_params {
    uint32_t struct_size;
    uint32_t tokens;
    uint32_t sequence_tokens;
    struct vkmoe_span x;
    struct vkmoe_span router_x;
    struct vkmoe_span y;

    struct vkmoe_span ids, weights;
};

VKMOE_API enum vkmoe_status vkmoe_moe_forward(
    vkmoe_stream *stream, const vkmoe_moe *moe, const struct vkmoe_moe_forward_params *params);

#ifdef __cplusplus
}
#endif
#endif
