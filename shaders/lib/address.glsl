// address.glsl - every load and store through a device address.
//
// Address arithmetic has this one home. With INT64 an element's address is the
// base plus a zero-extended 32-bit byte offset, which GPUs fold into the load (on
// AMD plain indexing costs 1.5 to 2 times as much); without, it is plain indexing.
// A reference changes its type through uvec2, and is never kept in a variable that two
// branches write: SwiftShader dies on a cast from reference to reference and on both kinds
// of choice between references.
// Offsets stay below 4 GiB: the host splits work so that no array is longer.
// lavapipe 26 executes loads at addresses that all lanes share even where no lane is active,
// and goes through the body of a `for` once more than it should. Loops with such loads end
// in `while`, or their addresses are clamped.
#ifndef ADDRESS_GLSL
#define ADDRESS_GLSL

#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#ifdef INT64
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#endif

#define REFERENCE(size) layout(buffer_reference, std430, buffer_reference_align = size)

// What a kernel reads. Nothing writes it while the kernel runs: drivers read it early, and through
// caches that no store reaches.
REFERENCE(4) readonly buffer F32 { float v[]; };
REFERENCE(4) readonly buffer U32 { uint v[]; };
REFERENCE(8) readonly buffer U32x2 { uvec2 v[]; };
REFERENCE(16) readonly buffer U32x4 { uvec4 v[]; };
#ifdef INT64
REFERENCE(16) readonly buffer U64x2 { u64vec2 v[]; };
#endif
// What a kernel writes, and may read as well; nothing else, as NVK reads past the nearest cache
// wherever a type is written. glslc takes one of these types for another, in calls as in overloads,
// and then fails as it optimises: hence load_*_out().
REFERENCE(4) buffer F32Out { float v[]; };
REFERENCE(4) buffer U32Out { uint v[]; };
REFERENCE(16) buffer F32x4Out { vec4 v[]; };
REFERENCE(16) buffer U32x4Out { uvec4 v[]; };
// Written by one workgroup and read by another of the same dispatch.
REFERENCE(4) coherent buffer F32Coherent { float v[]; };
REFERENCE(4) coherent buffer U32Coherent { uint v[]; };
REFERENCE(16) coherent buffer F32x4Coherent { vec4 v[]; };

#ifdef INT64
#define ELEMENT(type, size, base, i) type(uint64_t(base) + uint64_t(uint(i) * size)).v[0]
// `ahead` elements after i. A constant is part of the instruction then, as 64 bits do not wrap.
#define ELEMENT_AHEAD(type, size, base, i, ahead) \
    type(uint64_t(base) + uint64_t(uint(i) * size) + uint64_t(uint(ahead) * size)).v[0]
// `offset` and `ahead` bytes from the base.
#define ELEMENT_AT(type, size, base, offset, ahead) \
    type(uint64_t(base) + uint64_t(uint(offset)) + uint64_t(uint(ahead))).v[0]
#else
#define ELEMENT_AT(type, size, base, offset, ahead) base.v[((offset) + (ahead)) / size]
#define ELEMENT(type, size, base, i) base.v[i]
#define ELEMENT_AHEAD(type, size, base, i, ahead) base.v[(i) + (ahead)]
#endif

float load_f32(F32 base, uint i) { return ELEMENT(F32, 4, base, i); }
uint load_u32(U32 base, uint i) { return ELEMENT(U32, 4, base, i); }
uvec2 load_u32x2(U32x2 base, uint i) { return ELEMENT(U32x2, 8, base, i); }
uvec4 load_u32x4(U32x4 base, uint i) { return ELEMENT(U32x4, 16, base, i); }
float load_f32_out(F32Out base, uint i) { return ELEMENT(F32Out, 4, base, i); }
uint load_u32_out(U32Out base, uint i) { return ELEMENT(U32Out, 4, base, i); }
uvec4 load_u32x4_out(U32x4Out base, uint i) { return ELEMENT(U32x4Out, 16, base, i); }
float load_f32_coherent(F32Coherent base, uint i) { return ELEMENT(F32Coherent, 4, base, i); }
vec4 load_f32x4_coherent(F32x4Coherent base, uint i) { return ELEMENT(F32x4Coherent, 16, base, i); }
void store_f32(F32Out base, uint i, float x) { ELEMENT(F32Out, 4, base, i) = x; }
void store_u32(U32Out base, uint i, uint x) { ELEMENT(U32Out, 4, base, i) = x; }
void store_f32x4(F32x4Out base, uint i, vec4 x) { ELEMENT(F32x4Out, 16, base, i) = x; }
void store_u32x4(U32x4Out base, uint i, uvec4 x) { ELEMENT(U32x4Out, 16, base, i) = x; }
void store_f32_coherent(F32Coherent base, uint i, float x) { ELEMENT(F32Coherent, 4, base, i) = x; }
void store_f32x4_coherent(F32x4Coherent base, uint i, vec4 x)
{
    ELEMENT(F32x4Coherent, 16, base, i) = x;
}

uint load_u32_ahead(U32 base, uint i, uint ahead) { return ELEMENT_AHEAD(U32, 4, base, i, ahead); }
uvec2 load_u32x2_ahead(U32x2 base, uint i, uint ahead)
{
    return ELEMENT_AHEAD(U32x2, 8, base, i, ahead);
}
uvec4 load_u32x4_ahead(U32x4 base, uint i, uint ahead)
{
    return ELEMENT_AHEAD(U32x4, 16, base, i, ahead);
}

uint load_u32_at(U32 base, uint offset) { return ELEMENT_AT(U32, 4, base, offset, 0); }
uvec2 load_u32x2_at(U32x2 base, uint offset) { return ELEMENT_AT(U32x2, 8, base, offset, 0); }
uvec4 load_u32x4_at(U32x4 base, uint offset, uint ahead)
{
    return ELEMENT_AT(U32x4, 16, base, offset, ahead);
}

// The address so many bytes on.
uvec2 further(U32x4 base, uint bytes)
{
#ifdef INT64
    return unpackUint2x32(uint64_t(base) + uint64_t(bytes));
#else
    uvec2 at = uvec2(base);
    uint carry;
    at.x = uaddCarry(at.x, bytes, carry);
    return uvec2(at.x, at.y + carry);
#endif
}

// And so many back.
uvec2 before(U32x2 base, uint bytes)
{
#ifdef INT64
    return unpackUint2x32(uint64_t(base) - uint64_t(bytes));
#else
    uvec2 at = uvec2(base);
    uint borrow;
    at.x = usubBorrow(at.x, bytes, borrow);
    return uvec2(at.x, at.y - borrow);
#endif
}

// The same 16 bytes where each lane has an address of its own: lavapipe gathers element
// by element, so two 64-bit elements cost half of four 32-bit ones; GPUs do not care.
uvec4 gather_u32x4_ahead(U32x4 base, uint i, uint ahead)
{
#ifdef INT64
    const u64vec2 x = ELEMENT_AHEAD(U64x2, 16, base, i, ahead);
    return uvec4(unpackUint2x32(x.x), unpackUint2x32(x.y));
#else
    return load_u32x4_ahead(base, i, ahead);
#endif
}

uvec4 gather_u32x4(U32x4 base, uint i)
{
    return gather_u32x4_ahead(base, i, 0);
}

#endif
