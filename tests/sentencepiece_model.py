"""A sentencepiece model as T5's: unigram, <pad> 0, </s> 1, <unk> 2, blanks at the ends stripped.
Needs nothing but Python.

    sentencepiece_model.py FILE PIECE...

A piece that begins with "_" begins with a blank. The first is token 3.
"""
import struct
import sys

NORMAL, UNKNOWN, CONTROL, UNIGRAM = 1, 2, 3, 1


def number(value):
    out = b""
    while value > 0x7f:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def integer(field, value):
    return number(field << 3) + number(value & 0xffffffffffffffff)


def block(field, data):
    return number(field << 3 | 2) + number(len(data)) + data


def piece(text, score, kind):
    return block(1, block(1, text.encode()) + number(2 << 3 | 5) + struct.pack("<f", score)
        + integer(3, kind))


def main():
    model = piece("<pad>", 0, CONTROL) + piece("</s>", 0, CONTROL) + piece("<unk>", 0, UNKNOWN)
    for text in sys.argv[2:]:
        model += piece(text.replace("_", "\u2581", 1), -10 + len(text), NORMAL)
    trainer = integer(3, UNIGRAM) + integer(40, 2) + integer(41, -1) + integer(42, 1) + integer(43,
        0)
    normalizer = block(1, b"identity") + integer(3, True) + integer(4, True)
    with open(sys.argv[1], "wb") as file:
        file.write(model + block(2, trainer) + block(3, normalizer))


if __name__ == "__main__":
    main()
