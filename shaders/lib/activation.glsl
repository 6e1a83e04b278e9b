// activation.glsl - what an expert does with its gate g and its up projection u.
// Formulas: semantics in vkmoe.h, enum vkmoe_activation.
#ifndef ACTIVATION_GLSL
#define ACTIVATION_GLSL

#include "enums.h"

float sigmoid(float x)
{
    return 1.0 / (1.0 + exp(-x));
}

// c tanh(x / c). tanh() itself overflows to NaN on some drivers; near 0, where the
// difference of exponentials would cancel, its series.
float soft_cap(float x, float c)
{
    const float z = x / c, w = z * z;
    if (abs(z) < 0.1)
        return x * (1.0 - w * (1.0 / 3.0 - w * (2.0 / 15.0 - w * (17.0 / 315.0))));
    return c * (2.0 * sigmoid(2.0 * z) - 1.0);
}

float gelu_tanh(float x)
{
    // Written with a sigmoid, since tanh() overflows to NaN on some drivers:
    // 0.5 (1 + tanh z) = sigmoid(2 z), z = sqrt(2 / pi) (x + 0.044715 x^3).
    return x * sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x));
}

// erfc(x) for x >= 0 by the Chebyshev fit of Press et al., Numerical Recipes, 6.2
// (erfcc): relative error below 1.2e-7.
float erfc_positive(float x)
{
    const float t = 1.0 / (1.0 + 0.5 * x);
    const float p = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418
        + t * (-0.18628806 + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587
        + t * (-0.82215223 + t * 0.17087277))))))));
    return t * exp(-x * x + p);
}

float gelu_erf(float x)
{
    const float tail = 0.5 * erfc_positive(abs(x) * 0.70710678118654752);
    return x * (x < 0.0 ? tail : 1.0 - tail);
}

// act(x) alone: an ungated expert, or the factor that a gate contributes.
float activate_one(uint activation, float x, float limit)
{
    switch (activation) {
    case ACTIVATION_SILU: return x * sigmoid(x);
    case ACTIVATION_GELU_TANH: return gelu_tanh(x);
    case ACTIVATION_GELU_ERF: return gelu_erf(x);
    case ACTIVATION_RELU: return max(x, 0.0);
    case ACTIVATION_RELU2: return max(x, 0.0) * max(x, 0.0);
    case ACTIVATION_SWIGLU_STEP: return min(x * sigmoid(x), limit);
    default: return x;
    }
}

float activate(uint activation, float g, float u, float alpha, float limit)
{
    if (activation == ACTIVATION_SWIGLU_OAI) {
        g = min(g, limit);
        return (clamp(u, -limit, limit) + 1.0) * g * sigmoid(alpha * g);
    }
    if (activation == ACTIVATION_SILU_CLAMP) {
        g = min(g, limit);
        return g * sigmoid(g) * clamp(u, -limit, limit);
    }
    if (activation == ACTIVATION_SWIGLU_STEP)
        u = clamp(u, -limit, limit);
    return activate_one(activation, g, limit) * u;
}

#endif
