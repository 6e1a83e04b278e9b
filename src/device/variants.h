// variants.h - the registry of kernels and of their SPIR-V, and the choice among it.
#ifndef VKMOE_VARIANTS_H
#define VKMOE_VARIANTS_H

#include "device/device.h"

#define SPEC_MAX 48

enum kernel {
#define KERNEL(name) KERNEL_##name,
#include "shaders/kernels.def"
    KERNEL_COUNT
};

// A workgroup's part of a matrix product; zeros where specialisation cuts the work.
struct tile {
    uint32_t rows;   // of tokens
    uint32_t blocks; // of 8 matrix rows
    uint32_t lanes;  // invocations; of forms for matrix units: subgroups
};

#define FORMAT_f32 (1u << VKMOE_DTYPE_F32)
#define FORMAT_f16 (1u << VKMOE_DTYPE_F16)
#define FORMAT_bf16 (1u << VKMOE_DTYPE_BF16)
#define FORMAT_q8_0 (1u << VKMOE_DTYPE_Q8_0)
#define FORMAT_q4_0 (1u << VKMOE_DTYPE_Q4_0)
#define FORMAT_q4_1 (1u << VKMOE_DTYPE_Q4_1)
#define FORMAT_q5_0 (1u << VKMOE_DTYPE_Q5_0)
#define FORMAT_q5_1 (1u << VKMOE_DTYPE_Q5_1)
#define FORMAT_mxfp4 (1u << VKMOE_DTYPE_MXFP4)
#define FORMAT_q3_K (1u << VKMOE_DTYPE_Q3_K)
#define FORMAT_q4_K (1u << VKMOE_DTYPE_Q4_K)
#define FORMAT_q5_K (1u << VKMOE_DTYPE_Q5_K)
#define FORMAT_q6_K (1u << VKMOE_DTYPE_Q6_K)
#define FORMATS_wide (FORMAT_f32 | FORMAT_f16 | FORMAT_bf16 | FORMAT_q8_0)
#define FORMATS_narrow (~FORMATS_wide)                // all other formats, see kernels.def
#define FORMATS_unpacked (~(FORMAT_f32 | FORMAT_f16)) // what matrix units do not take as it is
#define FORMATS_all UINT32_MAX

// As a variant's `from`.
#define FROM_MEASURED UINT32_MAX

// What forms of FORMATS_unpacked need for a format with a code book; bytes.
#define SHARED_MEMORY_WITH_BOOK (40 << 10)

// One SPIR-V module: a form, with one way to compute addresses.
struct variant {
    const char *name; // "route_plain_int64"
    enum kernel kernel;
    const char *form; // "plain", "subgroup", ...
    uint32_t needs;   // mask of enum need
    uint32_t formats; // mask of 1 << enum vkmoe_dtype that it takes
    uint32_t from;    // rows an expert from which on it pays; FROM_MEASURED: as overrides.h says
    struct tile tile;
    const unsigned char *spirv; // packed by shaders/pack.py
    const size_t *spirv_size;   // in bytes, unpacked; 0: the compiler was too old for it
    const size_t *packed_size;  // in bytes
    uint32_t push_size;
};

// All variants, in the order of kernels.def: of those that a device can run, the
// last is the best.
extern const struct variant vkmoe_variants[];
extern const uint32_t vkmoe_variant_count;

// Its module in *spirv_size bytes, which the caller frees; NULL: out of host memory.
uint32_t *vkmoe_variant_spirv(const struct variant *variant);

// Adds the module, as it is packed, to an FNV-1a hash.
uint64_t vkmoe_variant_hash(const struct variant *variant, uint64_t hash);

// The best form for weights of `dtype` and so many rows an expert, with its tile, as measured on
// the device (overrides.h) or as the rows have it; never NULL, since a kernel's first row for a
// format needs nothing. `fast`: what NEED_fast asks for.
const struct variant *vkmoe_form_choose(const vkmoe_device *device, enum kernel kernel,
    enum vkmoe_dtype dtype, uint32_t rows, bool fast);

// The fewest rows an expert from which on it is that, up to `rows`.
uint32_t vkmoe_form_from(const vkmoe_device *device, enum kernel kernel, enum vkmoe_dtype dtype,
    uint32_t rows, bool fast);

// That row: the form that others are compared with.
const struct variant *vkmoe_form_plainest(enum kernel kernel, enum vkmoe_dtype dtype);

// The form of `kernel` with the name and the needs of another kernel's; NULL: there is none, or the
// device's driver computes it wrongly.
const struct variant *vkmoe_form_like(const vkmoe_device *device, enum kernel kernel,
    const struct variant *other, enum vkmoe_dtype dtype, bool fast);

// Whether the device can run it for weights of `dtype`.
bool vkmoe_variant_runs(
    const vkmoe_device *device, const struct variant *variant, enum vkmoe_dtype dtype, bool fast);

// Whether VKMOE_PRECISION_FAST makes a difference for weights of `dtype`.
bool vkmoe_precision_matters(const vkmoe_device *device, enum vkmoe_dtype dtype);

// The best form of a kernel that reads no weights.
const struct variant *vkmoe_kernel_choose(const vkmoe_device *device, enum kernel kernel);

#endif
