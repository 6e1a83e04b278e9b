// same.c - see same.h.
#include "same.h"

#include <math.h>

#include "tap.h"

bool same_number(const char *name, double expected, double actual)
{
    const bool same = fabs(expected - actual) <= 1e-7 * fabs(expected);
    if (!same)
        tap_note("%s is %.9g, expected %.9g", name, actual, expected);
    return same;
}

bool same_array(
    const char *name, const double *expected, const double *actual, size_t count, double tolerance)
{
    if (!expected || !actual) {
        if (expected || actual)
            tap_note("%s is %s", name, expected ? "missing" : "there, but should not be");
        return !expected && !actual;
    }
    for (size_t i = 0; i < count; i++) {
        if (!(fabs(expected[i] - actual[i]) <= tolerance * fabs(expected[i]))) {
            tap_note("%s[%zu] is %.9g, expected %.9g", name, i, actual[i], expected[i]);
            return false;
        }
    }
    return true;
}

bool same_rope(const struct vkmoe_rope *expected, const struct vkmoe_rope *actual)
{
    bool ok = true;
    SAME(kind);
    SAME(scaling);
    SAME(size);
    SAME(base);
    SAME(factor);
    SAME(original_positions);
    SAME(low_factor);
    SAME(high_factor);
    SAME(beta_fast);
    SAME(beta_slow);
    SAME(attention_factor);
    SAME(exact_range);
    return ok;
}

bool same_layer(const struct reference_layer *expected, const struct reference_layer *actual)
{
    bool ok = true;
    size_t d = expected->hidden, f = expected->inner, e = expected->experts;
    size_t w = expected->latent_size ? expected->latent_size : d;
    size_t s = expected->shared_inner;
    SAME(hidden);
    SAME(inner);
    SAME(experts);
    SAME(experts_per_token);
    SAME(shared_inner);
    SAME(latent_size);
    if (!ok)
        return false; // the arrays have other sizes
    SAME(score);
    SAME(select);
    SAME(weigh);
    SAME(groups);
    SAME(groups_kept);
    if (expected->groups) {
        SAME(group_score);
        SAME(group_mask_zero);
    }
    SAME(renormalize);
    if (expected->renormalize) {
        SAME(renormalize_max);
        SAME(renormalize_epsilon);
    }
    ok = same_number("scale", expected->scale == 0.0 ? 1.0 : expected->scale,
             actual->scale == 0.0 ? 1.0 : actual->scale)
        && ok;
    SAME(soft_cap);
    SAME(sparsemixer_threshold);
    SAME(rms_norm);
    SAME(rms_epsilon);
    SAME(capacity);
    SAME(activation);
    SAME(activation_alpha);
    SAME(activation_limit);
    SAME(shared_limit);
    SAME(weight_on_input);
    SAME_ARRAY(router, e * d);
    // The library had to multiply this one, in f32.
    ok = same_array("input_scale", expected->input_scale, actual->input_scale, d, 1e-7) && ok;
    SAME_ARRAY(router_bias, e);
    SAME_ARRAY(correction_bias, e);
    SAME_ARRAY(expert_scale, e);
    SAME_ARRAY(gate, e * f * w);
    SAME_ARRAY(up, e * f * w);
    SAME_ARRAY(down, e * w * f);
    SAME_ARRAY(gate_bias, e * f);
    SAME_ARRAY(up_bias, e * f);
    SAME_ARRAY(down_bias, e * w);
    SAME_ARRAY(output_bias, d);
    SAME_ARRAY(shared_gate, s * d);
    SAME_ARRAY(shared_up, s * d);
    SAME_ARRAY(shared_down, d * s);
    SAME_ARRAY(shared_token_gate, d);
    SAME_ARRAY(latent_down, expected->latent_size * d);
    SAME_ARRAY(latent_up, d * expected->latent_size);
    return ok;
}
