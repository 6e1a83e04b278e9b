"""Makes spirv.c of SPIR-V as glslc writes it with -mfmt=num:

    pack.py OUT MODULE[=FILE]...

The library is mostly modules, so they are packed to 37 hundredths; vkmoe_variant_spirv() unpacks
them. After the five words of the header each instruction is a number, its opcode times two, plus
one if its length, which follows then, is not that of the last one with this opcode; and what each
operand differs by from that one's, 0 if it had none: as n * 2, or -n * 2 - 1 if n is negative.
Seven bits of a number go into a byte, the lowest first, whose eighth bit says that more follow.
Opcodes that are the same modulo OPCODES count as one. A module without a file is empty: the
compiler was too old for it.
"""
import re
import sys

OPCODES = 512  # as in src/device/variants.c


def put(packed, number):
    while number > 127:
        packed.append(number & 127 | 128)
        number >>= 7
    packed.append(number)


def put_difference(packed, number):
    number &= 0xffffffff
    sign = 0xffffffff if number >> 31 else 0
    put(packed, (number << 1 ^ sign) & 0xffffffff)


def pack(words):
    packed = bytearray()
    for word in words[:5]:
        put(packed, word)
    at = 5
    last = {}  # instruction of an opcode
    while at < len(words):
        opcode, length = words[at] & 0xffff, words[at] >> 16
        before = last.get(opcode % OPCODES, [])
        put(packed, opcode << 1 | (length != len(before)))
        if length != len(before):
            put(packed, length)
        for i in range(1, length):
            put_difference(packed, words[at + i] - (before[i] if i < len(before) else 0))
        last[opcode % OPCODES] = words[at:at + length]
        at += length
    return packed


def main(out, modules):
    with open(out, 'w', encoding='ascii') as file:
        file.write('#include <stddef.h>\n')
        for module in modules:
            name, _, source = module.partition('=')
            words = []
            if source:
                with open(source, encoding='ascii') as numbers:
                    words = [int(word, 0) for word in re.findall(r'\w+', numbers.read())]
            packed = pack(words)
            text = re.sub(r'(.{90},)', r'\1\n', ','.join(map(str, packed or [0])))
            file.write(f'const unsigned char vkmoe_spv_{name}[] = {{\n{text}\n}};\n')
            file.write(f'const size_t vkmoe_spv_size_{name} = {4 * len(words)};\n')
            file.write(f'const size_t vkmoe_spv_packed_size_{name} = {len(packed)};\n')


main(sys.argv[1], sys.argv[2:])
