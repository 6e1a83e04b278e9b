"""Makes code_books.c, or checks it, by asking ggml what each index means:

    code_books.py OUT [LIBRARY]
    code_books.py --check FILE [LIBRARY]

Blocks that hold every index of a type, with a scale of one and no signs, are given to the library's
own dequantiser; the levels that come out are numbered from the lowest on. tests/chroots.sh has the
library: Debian's libggml0.
"""
import ctypes
import struct
import sys

ELEMENTS = 256  # of a block
ONE = struct.pack('<e', 1.0)


def iq2_xxs(codes):  # 8 runs, of 4 codes and a word of scale and signs
    runs = [bytes(codes[4 * j:4 * j + 4]) + bytes(4) for j in range(8)]
    return ONE + b''.join(runs)


def iq2_xs(codes):
    return ONE + struct.pack('<32H', *codes) + bytes(8)


def iq2_s(codes):
    low = bytes(c & 255 for c in codes)
    high = bytes(sum((codes[4 * j + n] >> 8) << 2 * n for n in range(4)) for j in range(8))
    return ONE + low + bytes(32) + high + bytes(8)


def iq1_s(codes):
    low = bytes(c & 255 for c in codes)
    high = [sum((codes[4 * j + n] >> 8) << 3 * n for n in range(4)) for j in range(8)]
    return ONE + low + struct.pack('<8H', *high)


def iq3_xxs(codes):
    return ONE + bytes(codes) + bytes(32)


def iq3_s(codes):
    low = bytes(c & 255 for c in codes)
    high = bytes(sum((codes[8 * j + n] >> 8) << n for n in range(8)) for j in range(8))
    return ONE + low + high + bytes(32) + bytes(4)


# In the order of shaders/code_books.h: ggml's number, how many indices, elements and levels of an
# entry, and how a block is written.
BOOKS = {
    'iq2_xxs': (16, 256, 8, 3, iq2_xxs),
    'iq2_xs': (17, 512, 8, 3, iq2_xs),
    'iq2_s': (22, 1024, 8, 3, iq2_s),
    'iq1_s, iq1_m': (19, 2048, 8, 3, iq1_s),
    'iq3_xxs': (18, 256, 4, 8, iq3_xxs),
    'iq3_s': (21, 512, 4, 8, iq3_s),
}


class Traits(ctypes.Structure):
    _fields_ = [('type_name', ctypes.c_char_p), ('elements', ctypes.c_int64),
        ('interleave', ctypes.c_int64), ('bytes', ctypes.c_size_t), ('is_quantized', ctypes.c_bool),
        ('to_float', ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.POINTER(ctypes.c_float),
            ctypes.c_int64)), ('from_float', ctypes.c_void_p)]


def read_book(library, number, count, width, levels, block):
    traits = library.ggml_get_type_traits(number).contents
    in_block = ELEMENTS // width
    values = []
    for first in range(0, count, in_block):
        data = block(list(range(first, first + in_block)))
        out = (ctypes.c_float * ELEMENTS)()
        assert traits.elements == ELEMENTS and traits.bytes == len(data), traits.type_name
        traits.to_float(data, out, ELEMENTS)
        values += out
    found = sorted(set(values))
    assert len(found) == levels, (traits.type_name, found)
    bits = 2 if levels < 4 else 3
    codes = [found.index(value) for value in values]
    entries = [sum(code << bits * n for n, code in enumerate(codes[at:at + width]))
        for at in range(0, len(codes), width)]
    assert len(set(entries)) == count, traits.type_name
    return found, entries


def make(library):
    text = ('// code_books.c - made by code_books.py of what ggml\'s dequantisers give; '
        'see code_books.h.\n#include "weights/code_books.h"\n\n'
        '// clang-format off\nconst uint16_t vkmoe_code_books[CODE_BOOK_ENTRIES] = {\n')
    for name, row in BOOKS.items():
        found, entries = read_book(library, *row)
        text += f'    // {name}: {" ".join(f"{value:g}" for value in found)}\n'
        for at in range(0, len(entries), 16):
            text += '    ' + ','.join(f'{e:#x}' for e in entries[at:at + 16]) + ',\n'
    return text + '};\n'


def main(arguments):
    check = arguments[0] == '--check'
    path, *name = arguments[check:]
    library = ctypes.CDLL(name[0] if name else 'libggml-base.so.0')
    library.ggml_get_type_traits.restype = ctypes.POINTER(Traits)
    text = make(library)
    if not check:
        with open(path, 'w', encoding='ascii') as file:
            file.write(text)
        return 0
    with open(path, encoding='ascii') as file:
        same = file.read() == text
    print(f'{"ok" if same else "not ok"} - {path} is what ggml has')
    return 0 if same else 1


sys.exit(main(sys.argv[1:]))
