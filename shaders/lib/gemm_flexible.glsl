// gemm_flexible.glsl - what gemm_matrix.glsl has of its own where matrices are of any size
// (VK_NV_cooperative_matrix2): one for all that a part of the workgroup makes of a slice. A part is
// a subgroup, or, where the device has matrices of workgroups (GEMM_PARTS is 1), all of it. How
// that becomes products of the sizes that its units have is the driver's to find.
//
// Weights are unpacked by the whole workgroup, whatever part has them then.

#extension GL_NV_cooperative_matrix2 : require

#if !defined(UNPACK) || !defined(FAST)
#error matrices of any size are loaded from shared memory, where one plane of each has room
#endif
const uint PART_ROWS = 8 * BLOCKS / GEMM_PARTS;
#define SK GEMM_SLICE
#define FIRST_ROW (GEMM_PARTS > 1 ? gl_SubgroupID * PART_ROWS : 0)
const int PART_SCOPE = GEMM_PARTS > 1 ? gl_ScopeSubgroup : gl_ScopeWorkgroup;
// Sizes are names, since glslc fails at expressions.
#define PART_MATRIX(type, rows, columns, use) \
    coopmat<type, PART_SCOPE, rows, columns, gl_MatrixUse##use>
