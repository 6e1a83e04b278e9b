"""Makes spirv.c of SPIR-V as glslc writes it with -mfmt=num:

    pack.py OUT MODULE[=FILE]...

Most words of SPIR-V are small numbers. Seven bits of a word go into a byte, the lowest first, whose
eighth bit says that more follow: a little more than half of what the words take, and the library
is mostly these. vkmoe_variant_spirv() unpacks them. A module without a file is empty: the compiler
was too old for it.
"""
import re
import sys


def pack(words):
    packed = bytearray()
    for word in words:
        while word > 127:
            packed.append(word & 127 | 128)
            word >>= 7
        packed.append(word)
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
            packed = ','.join(map(str, pack(words) or [0]))
            packed = re.sub(r'(.{90},)', r'\1\n', packed)
            file.write(f'const unsigned char vkmoe_spv_{name}[] = {{\n{packed}\n}};\n')
            file.write(f'const size_t vkmoe_spv_size_{name} = {4 * len(words)};\n')


main(sys.argv[1], sys.argv[2:])
