"""Counts the instructions of the loop in which a compiled shader does its multiply-adds.

    isa.py FILE...      prints what was counted, one line a file

A FILE is what executables.c writes: lines about the pipeline, statistics of the driver, and the
assembly of RADV, ANV or NVK (Mesa 26.2). Nothing is counted by the turns of a loop, which compilers
unroll as they like, but by the multiply-adds in it; a loop of so many turns, a constant, counts as
if it were unrolled into the loop around it.

An instruction is what a wave issues: a pair that issues as one (VOPD) is one. A multiply-add is one
of a lane; an instruction of a matrix unit makes thousands for the wave.
"""
import collections
import re
import sys

# kind: matrix, vector, scalar, load, store, shared_load, shared_store, wait, barrier, branch
# macs: multiply-adds of a wave; size: bytes a lane, of a load
# target: what a matrix instruction adds to; depth: its columns of K
# width: lanes of an instruction that multiplies and adds, where that can be part of a wave
Instruction = collections.namedtuple(
    'Instruction', 'op kind macs size target depth strong width',
    defaults=(0, 0, None, 0, False, 0))

Block = collections.namedtuple('Block', 'name instructions successors lines')

# How a compiler writes a loop of a constant number of turns: the comparison of its counter with the
# end, the step, and the start, with the counter's name in place of REG.
Counter = collections.namedtuple('Counter', 'end step start')
NUMBER = r'(0x[0-9a-f]+|\d+)'


def take_line(blocks, line, head):
    """Adds a line to the block that it is in, or begins one where `head` matched its name."""
    if head:
        blocks.append(Block(head.group(1), [], [], []))
    if blocks:
        blocks[-1].lines.append(line)


# ----------------------------------------------------------------------------- AMD, as LLVM writes

AMD_SIZES = {'b8': 1, 'u8': 1, 'i8': 1, 'ubyte': 1, 'sbyte': 1, 'b16': 2, 'u16': 2, 'i16': 2,
             'ushort': 2, 'sshort': 2, 'short': 2, 'b32': 4, 'dword': 4, 'b64': 8, 'dwordx2': 8,
             'b96': 12, 'dwordx3': 12, 'b128': 16, 'dwordx4': 16}


def amd_size(op):
    """Bytes that a lane loads or stores."""
    sizes = [AMD_SIZES[part] for part in op.split('_') if part in AMD_SIZES]
    twice = '2addr' in op or 'read2' in op or 'write2' in op
    return (sizes[-1] if sizes else 0) * (2 if twice else 1)


def amd_macs(op):
    """Multiply-adds of a lane, of an instruction that is not a matrix unit's."""
    if re.match(r'v_dot4', op):
        return 4
    if re.match(r'v_dot8', op):
        return 8
    if re.match(r'v_(dot2|pk_fma|pk_mad)', op):
        return 2
    fma = r'v_(dual_)?(fma|fmac|mad|mac|fmaak|fmamk)(_mix\w*|_legacy|_dx9_zero)?_f(16|32)'
    if re.match(fma, op):
        return 1
    return 0


def amd_instruction(op, arguments, lanes):
    matrix = re.match(r'v_s?w?mmac?_\w*?(\d+)x(\d+)x(\d+)_', op) if 'mma' in op else None
    if matrix:
        rows, columns, depth = map(int, matrix.groups())
        return Instruction(op, 'matrix', rows * columns * depth, 0,
                           arguments.split(',')[0].strip(), depth)
    if op.startswith('v_'):
        second = re.search(r':: (v_dual_\w+)', arguments)
        macs = amd_macs(op) + (amd_macs(second.group(1)) if second else 0)
        return Instruction(op, 'vector', macs * lanes)
    if op.startswith('ds_'):
        if 'bpermute' in op or 'permute' in op or 'swizzle' in op:
            return Instruction(op, 'vector')
        kind = 'shared_load' if 'load' in op or 'read' in op else 'shared_store'
        return Instruction(op, kind, 0, amd_size(op))
    if re.match(r'(global|buffer|flat|scratch)_', op):
        return Instruction(op, 'load' if '_load' in op else 'store', 0, amd_size(op))
    if op.startswith('s_load') or op.startswith('s_buffer_load'):
        return Instruction(op, 'load')
    if 'waitcnt' in op or op.startswith('s_wait') or op in ('s_delay_alu', 's_clause', 's_nop'):
        return Instruction(op, 'wait')
    if op.startswith('s_barrier'):
        # Signal and wait are two instructions of one barrier since RDNA 4.
        return Instruction(op, 'barrier' if op != 's_barrier_signal' else 'wait')
    if 'branch' in op or op == 's_endpgm':
        return Instruction(op, 'branch')
    return Instruction(op, 'scalar')


AMD_COUNTER = Counter(rf's_cmp_(?:ge|lt)_[ui]32 (s\d+), {NUMBER} ',
                      rf's_add(?:_co)?_[ui]32 REG, REG, {NUMBER} ', rf's_mov_b32 REG, {NUMBER} ')


def amd_blocks(text, lanes):
    blocks = []
    for line in text.split('\n'):
        take_line(blocks, line, re.match(r'(BB\d+):', line))
        line = re.match(r'\s+([a-z]\w+)\s*([^;]*)', line)
        if not line or not blocks:
            continue
        op, arguments = line.groups()
        blocks[-1].instructions.append(amd_instruction(op, arguments, lanes))
        if 'branch' in op:
            blocks[-1].successors.extend(re.findall(r'BB\d+', arguments))
    for block, after in zip(blocks, blocks[1:]):
        last = block.instructions[-1].op if block.instructions else ''
        if last not in ('s_branch', 's_endpgm', 's_setpc_b64'):
            block.successors.append(after.name)
    return blocks

# --------------------------------------------------------------------------------------- Intel


def intel_send(op, line, lanes):
    told = re.search(r'(load|store|fence|atomic)\w*\.(\w+)\.?(\w*)', line.split('//')[-1])
    if 'gtwy' in op or 'barrier' in line:
        return Instruction(op, 'wait')
    if not told or told.group(1) == 'fence':
        return Instruction(op, 'wait')
    size = re.match(r'd(\d+)u?\d*(?:x(\d+))?(t?)', told.group(3))
    width = 0
    if size:
        width = int(size.group(1)) / 8 * int(size.group(2) or 1) / (lanes if size.group(3) else 1)
    kind = 'load' if told.group(1) == 'load' else 'store'
    return Instruction(op, ('shared_' if '.slm' in op else '') + kind, 0, width)


def intel_instruction(op, width, line, lanes):
    if op.startswith('dpas'):
        depth, rows = map(int, re.match(r'dpas\w*\.(\d+)x(\d+)', op).groups())
        parts = 4 if re.search(r':u?b\b', line) else 2
        target = re.search(r'\)\s+(r\d+)', line)
        return Instruction(op, 'matrix', width * rows * depth * parts,
                           0, target and target.group(1), depth * parts)
    if op.startswith('send'):
        return intel_send(op, line, lanes)
    if op == 'sync.bar':
        return Instruction(op, 'barrier')
    if op.startswith('sync') or op == 'nop':
        return Instruction(op, 'wait')
    if op in ('if', 'else', 'endif', 'while', 'break', 'cont', 'goto', 'join', 'jmpi', 'halt'):
        return Instruction(op, 'branch')
    macs = 0
    if op == 'dp4a':
        macs = 4 * width
    elif op == 'mad' and re.search(r':h?f\b', line):
        macs = width
    return Instruction(op, 'vector', macs, 0, None, 0, False, width if macs else 0)


INTEL_COUNTER = Counter(rf'cmp \(\d+\)\s+\((?:ge|lt)\)\S+\s+null\S*\s+(r\d+)\s+{NUMBER}\b',
                        rf'\sadd \(\d+\)\s+REG:d\s+REG:d\s+{NUMBER}:d',
                        rf'\smov \(\d+\)\s+REG\s+{NUMBER}\b')


def intel_blocks(text, lanes):
    blocks = [Block('start', [], [], [])]
    cut = 0
    for line in text.split('\n'):
        label = re.match(r'(L\d+):', line)
        found = re.match(r'(?:\([^)]*\))?\s+([a-z][\w.]*)\s*\((\d+)\S*\)(.*)', line)
        if label:
            blocks[-1].successors.append(label.group(1))
            blocks.append(Block(label.group(1), [], [], []))
        if not found:
            continue
        blocks[-1].lines.append(line)
        op, width, rest = found.groups()
        blocks[-1].instructions.append(intel_instruction(op, int(width), line, lanes))
        if op in ('if', 'else', 'while', 'break', 'cont', 'goto', 'jmpi', 'halt'):
            cut += 1
            blocks[-1].successors.extend(re.findall(r'\bL\d+', rest) + [f'after {cut}'])
            blocks.append(Block(f'after {cut}', [], [], []))
    return blocks

# -------------------------------------------------------------------------------------- NVIDIA


NVIDIA_SIZES = {'u8': 1, 's8': 1, 'u16': 2, 's16': 2, 'b32': 4, 'b64': 8, 'b128': 16}
SCALAR = re.compile(r'u[rp]\d')


def nvidia_instruction(op, targets):
    parts = op.split('.')
    name = parts[0]
    size = max([NVIDIA_SIZES.get(part, 0) for part in parts])
    if name in ('hmma', 'imma', 'bmma'):
        rows, columns, depth = map(int, re.search(r'm(\d+)n(\d+)k(\d+)', op).groups())
        return Instruction(op, 'matrix', rows * columns * depth, 0, targets, depth)
    if name in ('ld', 'ldg', 'ldc', 'lds', 'ldsm'):
        if name == 'ldsm':
            return Instruction(op, 'shared_load', 0, 4 * int(parts[-1][1:]))
        shared = name == 'lds' or 'shared' in parts
        return Instruction(op, 'shared_load' if shared else 'load', 0, size, None, 0,
                           'strong' in parts and not shared)
    if name in ('st', 'stg', 'sts'):
        shared = name == 'sts' or 'shared' in parts
        return Instruction(op, 'shared_store' if shared else 'store', 0, size)
    if name == 'bar':
        return Instruction(op, 'barrier')
    if name in ('membar', 'nop', 'bsync', 'bssy', 'bclear', 'depbar', 'errbar', 'ccctl'):
        return Instruction(op, 'wait')
    if name in ('bra', 'brx', 'exit', 'warpsync', 'break'):
        return Instruction(op, 'branch')
    macs = {'ffma': 1, 'hfma2': 2, 'idp4': 4, 'idp': 4}.get(name, 0)
    return Instruction(op, 'scalar' if SCALAR.match(targets) else 'vector', 32 * macs)


NVIDIA_COUNTER = Counter(rf'= isetp\.(?:ge|lt)\.[ui]32 (u?r\d+) {NUMBER} ',
                         rf'\bREG\s+= iadd3 REG {NUMBER} u?rZ ',
                         r'\bREG\s+= mov (0x[0-9a-f]+|\d+|u?rZ) ')


def nvidia_blocks(text, _):
    blocks = []
    for line in text.split('\n'):
        head = re.match(r'block(?:\.u)? (\d+) ', line)
        take_line(blocks, line, head)
        tail = re.match(r'\} -> \[([^\]]*)\]', line)
        if tail:
            blocks[-1].successors.extend(tail.group(1).replace(' ', '').split(','))
        found = re.match(r'(?:@!?\S+)?\s+(?:([^=/]*?)\s*= )?([a-z][\w.]*)', line)
        if found and blocks and not head:
            blocks[-1].instructions.append(nvidia_instruction(found.group(2), found.group(1) or ''))
    return blocks

# --------------------------------------------------------------------------------------- loops


def find_loops(blocks):
    """The natural loops, each as a set of numbers of blocks; the innermost of two first."""
    numbers = {block.name: i for i, block in enumerate(blocks)}
    before = [[] for _ in blocks]
    ends = collections.defaultdict(list)  # of each loop's first block
    for i, block in enumerate(blocks):
        for name in block.successors:
            at = numbers.get(name)
            if at is None:
                continue
            before[at].append(i)
            if at <= i:
                ends[at].append(i)
    loops = []
    for first, last in ends.items():
        body, todo = {first}, list(last)
        while todo:
            i = todo.pop()
            if i not in body and i >= first:
                body.add(i)
                todo.extend(before[i])
        loops.append(body)
    return sorted(loops, key=len)


def turns_of(blocks, body, loops, counter):
    """How many turns the loop has, or None if that is no constant."""
    own = sorted(body.difference(*(loop for loop in loops if loop < body)))  # not of loops in it
    inside = '\n'.join(line for i in own for line in blocks[i].lines)
    before = '\n'.join(line for block in blocks[:min(body)] for line in block.lines)
    for register, end in re.findall(counter.end, inside):
        name = re.escape(register)
        steps = re.findall(counter.step.replace('REG', name), inside)
        starts = re.findall(counter.start.replace('REG', name), before)
        if len(steps) == 1 and starts and int(steps[0], 0) > 0:
            start = 0 if starts[-1].endswith('rZ') else int(starts[-1], 0)
            return max(1, -((start - int(end, 0)) // int(steps[0], 0)))
    return None


def unrolled(blocks, body, loops, counter):
    """The instructions of the loop, those of loops in it as often as they are run, if that is
    known, else once."""
    found, done = [], set()
    for i in sorted(body):
        if i in done:
            continue
        inner = [loop for loop in loops if loop < body and i in loop]
        if not inner:
            found += blocks[i].instructions
            continue
        largest = max(inner, key=len)
        turns = turns_of(blocks, largest, loops, counter) or 1
        found += unrolled(blocks, largest, loops, counter) * turns
        done |= largest
    return found


def main_loop(blocks, counter):
    """The instructions of the loop with most multiply-adds: the innermost, or if that has a
    constant number of turns the next one around it, and so on."""
    loops = find_loops(blocks)
    best, most = None, 0
    for body in loops:
        if any(other < body and macs_in(blocks, other) > 0 for other in loops):
            continue
        macs = macs_in(blocks, body)
        if macs > most:
            best, most = body, macs
    if not best:
        return []
    around = [body for body in loops if best < body]
    while around and turns_of(blocks, best, loops, counter):
        best = around.pop(0)
    return unrolled(blocks, best, loops, counter)


def macs_in(blocks, numbers):
    return sum(instruction.macs for i in numbers for instruction in blocks[i].instructions)

# ------------------------------------------------------------------------------------- counting


def count(loop, lanes):
    kinds = collections.Counter(instruction.kind for instruction in loop)
    matrix = [instruction for instruction in loop if instruction.kind == 'matrix']
    counted = {
        'instructions': len(loop),
        'vector': kinds['vector'],
        'matrix': len(matrix),
        'macs': sum(instruction.macs for instruction in matrix or loop),
        'width': max(instruction.width for instruction in loop) or lanes,
        'kinds': dict(kinds.most_common()),
        'strong_loads': sum(instruction.strong for instruction in loop),
        'load_bytes': sum(i.size for i in loop if i.kind == 'load'),
        'shared_bytes': sum(i.size for i in loop if i.kind == 'shared_load'),
        'barriers': kinds['barrier'],
    }
    if matrix:
        targets = len({instruction.target for instruction in matrix})
        counted['columns'] = len(matrix) / targets * matrix[0].depth
        counted['matrix_op'] = matrix[0].op
    return counted


# The last of the names that a driver's statistics have; see executables.c.
STATISTICS = {
    'registers': ('VGPRs', 'Max live registers', 'Number of GPRs'),
    'waves': ('Subgroups per SIMD', 'Max warps/SM'),
    'shared': ('LDS size', 'Workgroup Memory Size'),
    'spills': ('Spilled SGPRs', 'Spilled VGPRs', 'Spills', 'Spills to memory'),
    'fills': ('Fills', 'Fills from memory'),
    'instructions': ('Instructions', 'Instruction count'),
}


def read(text):
    """What one file says, and what its main loop holds (None if there is no multiply-add)."""
    head, _, assembly = text.partition('====\n')
    keys = 'name|for|driver|spec|weights|bytes|up|subgroup'
    told = dict(re.findall(rf'^({keys}) (.*)$', head, re.M))
    statistics = {name: float(value)
                  for name, value in re.findall(r'^  (.+?) = (\S+)$', head, re.M)}
    lanes = int(told.get('subgroup') or 1) or 32
    if re.search(r'^BB\d+:', assembly, re.M):
        blocks, counter = amd_blocks(assembly, lanes), AMD_COUNTER
    elif re.search(r'^block(\.u)? \d+ ', assembly, re.M):
        blocks, counter = nvidia_blocks(assembly, lanes), NVIDIA_COUNTER
    else:
        blocks, counter = intel_blocks(assembly, lanes), INTEL_COUNTER
    told['lanes'] = lanes
    for key, names in STATISTICS.items():
        values = [statistics[name] for name in names if name in statistics]
        told[key] = int(sum(values)) if values else None
    loop = main_loop(blocks, counter)
    told['loop'] = count(loop, lanes) if loop else None
    return told


def read_file(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        return read(file.read())


def main():
    for path in sys.argv[1:]:
        told = read_file(path)
        print(path, told)


if __name__ == '__main__':
    main()
