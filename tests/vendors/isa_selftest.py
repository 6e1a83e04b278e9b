"""Whether isa.py counts what is in a loop, in the dialect of each compiler."""
import sys

import isa

AMD_HEAD = """name decode_up_plain
for model f16 t1
up 1
weights 2
bytes 12
subgroup 64
  VGPRs = 48
  Spilled SGPRs = 1
  Spilled VGPRs = 2
  Subgroups per SIMD = 20
  LDS size = 512
====
"""

# Two multiply-adds, one a pair's; a branch into the loop's middle; a remainder of one after it; a
# loop around both that has a barrier; and a block beside that is in no loop.
AMD_LOOPS = AMD_HEAD + """BB0:
\ts_mov_b32 s0, s3                                            ; be800003
\ts_branch BB2                                                ; bfa00037
BB1:
\ts_barrier                                                   ; bfbd0000
BB2:
\tglobal_load_b128 v[0:3], v4, s[0:1]                         ; dc5e0000 00000004
\tglobal_load_b32 v5, v4, s[0:1] offset:16                    ; dc520010 05000004
\ts_waitcnt vmcnt(0)                                          ; bf8903f7
\ts_cbranch_vccz BB4                                          ; bfa30001
BB3:
\tv_add_nc_u32_e32 v9, v9, v9                                 ; 4a121309
BB4:
\tv_fma_mix_f32 v6, v0, v5, v6 op_sel_hi:[1,0,0]              ; cc200006 0c1a0b00
\tv_dual_fmac_f32 v7, v1, v5 :: v_dual_mov_b32 v8, v2         ; c8100b01 07080102
\tds_load_b64 v[10:11], v4                                    ; d9d80000 0a000004
\ts_cbranch_scc1 BB2                                          ; bfa2fff0
BB5:
\tv_fma_f32 v6, v0, v5, v6                                    ; d6130006 041a0b00
\ts_cbranch_scc0 BB5                                          ; bfa1fffd
BB6:
\ts_cbranch_scc1 BB1                                          ; bfa2ffe0
BB7:
\tv_fma_f32 v6, v0, v5, v6                                    ; d6130006 041a0b00
\ts_endpgm                                                    ; bfb00000
"""

# Unrolled by two: two k-steps of two accumulators.
AMD_MATRIX = """subgroup 64
====
BB0:
\ts_mov_b32 s0, s3                                            ; be800003
BB1:
\ts_barrier                                                   ; bfbd0000
\tds_load_b128 v[0:3], v9                                     ; dbfc0000 00000009
\tds_load_b64 v[4:5], v9                                      ; d9d80000 04000009
\tv_wmma_f32_16x16x16_f16 v[12:15], v[88:95], v[0:7], v[12:15] ; cc40400c 1c335158
\tv_wmma_f32_16x16x16_f16 v[20:23], v[88:95], v[0:7], v[20:23] ; cc404014 1c536158
\tv_wmma_f32_16x16x16_f16 v[12:15], v[96:103], v[0:7], v[12:15] ; cc40400c 1c335158
\tv_wmma_f32_16x16x16_f16 v[20:23], v[96:103], v[0:7], v[20:23] ; cc404014 1c536158
\tv_fma_f32 v30, v31, v32, v33                                ; d613001e 04864131
\ts_cbranch_scc1 BB1                                          ; bfa2fff0
"""

INTEL = """name matmul
subgroup 32
  Max live registers = 80
  Spills = 3
  Fills = 5
====
(W)     mov (16)                  r80           r0.1<0>                           {Compacted}
L2:
(W)     sync.nop (1)                            null                              {$12.dst}
        send.ugm (16)             r58     r57    null:0  0x0  0x04403580   {$8}  // wr:2+0, rd:4; \
load.ugm.d32x4.a64
        send.ugm (16)             r58     r57    null:0  0x0  0x04403580   {$8}  // wr:2+0, rd:4; \
load.ugm.d32x4.a64
        send.slm (16)             r73     r0     null:0  0x0  0x0210011F   {$1}  // wr:1+0, rd:1; \
load.slm.d32x2.a32
(W)     send.slm (1)              r73     r0     null:0  0x0  0x0210011F   {$1}  // wr:1+0, rd:1; \
fence.slm.threadgroup.none
(W)     sync.bar (16)                           null
(f0.0)  if (16)                                 jip:L3              uip:L3
        add (16)                  r1:d          r2:d              r3:d            {I@1}
L3:
        endif (16)                            L4

L4:
        mad (16|M0)               r5:f          r6:f              r7:f   r8:f     {F@1}
        mad (16|M16)              r9:f          r6:f              r7:f   r8:f     {F@1}
        mad (16)                  r10:d         r6:d              r7:d   r8:d     {I@1}
(f0.0)  break (16)                            jip:L5              uip:L5
L5:
        while (16)                            L2
        mad (16)                  r5:f          r6:f              r7:f   r8:f     {F@1}
"""

INTEL_MATRIX = """subgroup 16
====
L2:
        dpas.8x8 (16)             r9<0>:f       r9<0;0,0>:f       r1<0;0,0>:hf      r81<0;0,0>:hf
        dpas.8x8 (16)             r41<0>:f      r41<0;0,0>:f      r1<0;0,0>:hf      r85<0;0,0>:hf
        while (16)                            L2
"""

NVIDIA = """name decode
subgroup 32
  Number of GPRs = 72
  Max warps/SM = 28
====
block.u 0 L2 [] -> {
      ur0      = s2r sr[0x25]                               // delay=1 wr:0
} -> [1]
block 1 L10 [0, 3] -> {
      r16..20  = ld.global.a64.constant.b128 [r12..14], pT  // delay=2 rd:0 wr:1
      r20..24  = ld.global.a64.strong.gpu.b128 [r12..14]    // delay=2 rd:0 wr:1
      r24..28  = ld.shared.strong.cta.b64 [r12]             // delay=2 rd:0 wr:1
      r13      = f2f.f32.f16.re r24                         // delay=1 wt=000001 wr:0
      r13      = ffma.ftz r14 r17 r13                       // delay=2 wt=001000
      ur3      = iadd3 ur3 ur4 urZ                          // delay=2
@!p1             bra pT L16                                 // delay=1
} -> [2, 3]
block 2 L9 [1] -> {
      r1       = mov r2                                     // delay=1
} -> [4]
block 3 L8 [1] -> {
      r1       = mov r2                                     // delay=1
                 bar.sync                                   // delay=6 yld
                 bra pT L10                                 // delay=1
} -> [1]
block 4 L7 [2] -> {
                 exit                                       // delay=1
} -> []
"""

NVIDIA_MATRIX = """subgroup 32
====
block 0 L1 [0] -> {
 r104..106 = ldsm.16.m8n8.x2 [r94]                              // delay=2 wt=010010 rd:4 wr:1
 r32..36   = hmma.m16n8k16.f32 r128..132 r92..94 r32..36           // delay=1 wt=100100 rd:2 wr:5
 r16..20   = hmma.m16n8k16.f32 r124..128 r92..94 r16..20           // delay=6 wt=000011 rd:0 wr:1
             bra pT L1                                          // delay=1
} -> [0]
"""

# Three turns of a loop, each of three instructions and two turns of another, which has four; and
# what is around them has seven, in turns of a number that is no constant, though what counts the
# inner ones was zero before, too; around that is one more, which is none of it.
AMD_ROLLED = """subgroup 64
====
BB0:
\ts_mov_b32 s9, 0                                             ; be890080
\ts_mov_b32 s7, 0                                             ; be870080
\ts_mov_b32 s6, 0                                             ; be860080
BB1:
\ts_barrier                                                   ; bfbd0000
\ts_mov_b32 s6, 16                                            ; be860090
\ts_mov_b32 s6, 0                                             ; be860080
BB2:
\ts_mov_b32 s7, 2                                             ; be870082
BB3:
\tv_fma_f32 v6, v0, v5, v6                                    ; d6130006 041a0b00
\ts_add_u32 s7, s7, 3                                         ; 80078307
\ts_cmp_ge_u32 s7, 8                                          ; bf098807
\ts_cbranch_scc0 BB3                                          ; bfa1ffc7
BB4:
\ts_add_co_u32 s6, s6, 1                                      ; 80068106
\ts_cmp_lt_u32 s6, 3                                          ; bf098306
\ts_cbranch_scc1 BB2                                          ; bfa1ffc7
BB5:
\ts_add_u32 s9, s9, 1                                         ; 80098109
\ts_cmp_lt_u32 s9, s5                                         ; bf0a0509
\ts_cbranch_scc1 BB1                                          ; bfa1ff48
BB6:
\tv_mov_b32_e32 v6, 0                                         ; 7e0c0280
\ts_cmp_lt_u32 s8, s5                                         ; bf0a0508
\ts_cbranch_scc1 BB0                                          ; bfa1ff48
"""

INTEL_ROLLED = """subgroup 16
====
        mov (16)                  r106          0x00000000                        {Compacted,@4}
L2:
        mad (16)                  r5:f          r6:f              r7:f   r8:f     {F@1}
        add (16)                  r106:d        r106:d            16:d
        cmp (16)       (ge)f0.0   null          r106              0x00000028      {I@1}
(~f0.0) while (16)                            L2
"""

NVIDIA_ROLLED = """subgroup 32
====
block 0 L1 [] -> {
      ur8      = mov urZ                                    // delay=1
} -> [1]
block 1 L2 [0, 3] -> {
      ur9      = mov 0x4                                    // delay=1
} -> [2]
block 2 L3 [1, 2] -> {
      r13      = ffma.ftz r14 r17 r13                       // delay=2 wt=001000
      ur9      = iadd3 ur9 0x4 rZ                           // delay=1
      up1      = isetp.ge.u32 ur9 0x10                      // delay=4
                 bra !up1 L3                                // delay=1
} -> [3, 2]
block 3 L4 [2] -> {
      up1      = isetp.lt.u32 ur4 ur5                       // delay=9
                 bra !up1 L2                                // delay=1
} -> [4, 1]
block 4 L5 [3] -> {
                 exit                                       // delay=1
} -> []
"""

# sample, what is asked for, what it is. In `loop` unless it begins with a dot.
EXPECTED = [
    ('AMD', AMD_LOOPS, {
        'instructions': 9, 'vector': 3, 'macs': 128, 'matrix': 0, 'load_bytes': 20,
        'shared_bytes': 8, 'barriers': 0, 'width': 64, '.spills': 3,
        '.registers': 48, '.waves': 20, '.shared': 512, '.weights': '2', '.up': '1'}),
    ("AMD's matrix unit", AMD_MATRIX, {
        'instructions': 9, 'vector': 1, 'matrix': 4, 'macs': 4 * 4096, 'columns': 32,
        'barriers': 1, 'shared_bytes': 24, 'matrix_op': 'v_wmma_f32_16x16x16_f16'}),
    ('Intel', INTEL, {
        'instructions': 14, 'vector': 4, 'macs': 32, 'width': 16, 'load_bytes': 32,
        'shared_bytes': 8, 'barriers': 1, '.registers': 80, '.spills': 3, '.fills': 5}),
    ("Intel's matrix unit", INTEL_MATRIX, {
        'instructions': 3, 'matrix': 2, 'macs': 2 * 2048, 'columns': 16}),
    ('NVIDIA', NVIDIA, {
        'instructions': 10, 'vector': 3, 'macs': 32, 'load_bytes': 32, 'shared_bytes': 8,
        'strong_loads': 1, 'barriers': 1, '.registers': 72, '.waves': 28}),
    ("NVIDIA's matrix unit", NVIDIA_MATRIX, {
        'instructions': 4, 'matrix': 2, 'macs': 2 * 2048, 'columns': 16, 'shared_bytes': 8}),
    ('loops in loops', AMD_ROLLED, {
        'instructions': 3 * (1 + 2 * 4 + 3) + 6, 'macs': 64 * 6, 'barriers': 1}),
    ("Intel's", INTEL_ROLLED, {'instructions': 4, 'macs': 16}),
    ("NVIDIA's", NVIDIA_ROLLED, {'instructions': 1 + 3 * 4 + 2, 'macs': 32 * 3}),
    ('no loop', AMD_HEAD + 'BB0:\n\tv_fma_f32 v6, v0, v5, v6 ; d6130006\n', {'.loop': None}),
]

PARTS = [
    (isa.amd_macs, 'v_dot4_i32_iu8', 4), (isa.amd_macs, 'v_dot2_f32_f16', 2),
    (isa.amd_macs, 'v_pk_fma_f16', 2), (isa.amd_macs, 'v_fmac_f32_e32', 1),
    (isa.amd_macs, 'v_mad_u32_u24', 0), (isa.amd_macs, 'v_mul_f32_e32', 0),
    (isa.amd_size, 'ds_load_2addr_b64', 16), (isa.amd_size, 'global_load_u16', 2),
    (isa.amd_size, 'buffer_load_dwordx4', 16),
]


def main():
    results = []

    def check(name, wrong):
        for line in wrong:
            print('#', line)
        results.append(not wrong)
        print('ok' if results[-1] else 'not ok', len(results), '-', name)

    for name, text, expected in EXPECTED:
        told = isa.read(text)
        got = {key: told[key[1:]] if key[0] == '.' else told['loop'][key] for key in expected}
        check(name, [f'{key} is {got[key]}, expected {value}' for key, value in expected.items()
                     if got[key] != value])
    check('instructions by themselves', [f'{argument}: {function(argument)}, expected {value}'
                                         for function, argument, value in PARTS
                                         if function(argument) != value])
    print(f'1..{len(results)}')
    return 0 if all(results) else 1


sys.exit(main())
