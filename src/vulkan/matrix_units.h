// matrix_units.h - which cooperative matrices of a device the kernels use.
#ifndef VKMOE_MATRIX_UNITS_H
#define VKMOE_MATRIX_UNITS_H

#include "vulkan/physical.h"

// From what physical->features and the driver's list of shapes say.
struct matrix_units vkmoe_matrix_units_probe(
    const struct instance *instance, const struct physical *physical);

// False if `set`, the features enabled, lacks one that kernels for them need.
bool vkmoe_matrix_units_enabled(const struct physical *physical, const struct feature_set *set);

// The same of matrices of any size, once physical->matrix_units are known.
struct flexible_matrices vkmoe_flexible_matrices_probe(
    const struct instance *instance, const struct physical *physical);
bool vkmoe_flexible_matrices_enabled(const struct feature_set *set, uint32_t parts);

#endif
