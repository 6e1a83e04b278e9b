#!/usr/bin/env python3
"""gguf_file.py keys FILE       - prints its keys, each with its value; of an array how many there
                               are, and some of them
gguf_file.py cut FILE A B    - cuts it in two parts: A has the keys, B the tensors
"""
import struct
import sys

FORMS = "BbHhIif?..Qqd"  # of struct, by a value's kind
TEXT, ARRAY = 8, 9


class Reader:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        self.at = 8
        self.tensors = self.take("Q")

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values[0]

    def text(self):
        size = self.take("Q")
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def value(self, kind):
        if kind == TEXT:
            return self.text()
        if kind == ARRAY:
            kind, count = self.take("I"), self.take("Q")
            items = [self.value(kind) for _ in range(count)]
            return " ".join(str(item) for item in [count] + items[:3] + items[-2:])
        return self.take(FORMS[kind])

    def skip_tensor(self):
        self.text()
        for _ in range(self.take("I")):
            self.take("Q")
        self.take("I")
        self.take("Q")


def print_keys(path):
    reader = Reader(path)
    for _ in range(reader.take("Q")):
        name = reader.text()
        print(name, reader.value(reader.take("I")), sep=" = ")


def padded(data):
    return data + bytes(-len(data) % 32)


def cut(path, first, second):
    reader = Reader(path)
    count = reader.take("Q")
    begin = reader.at
    for _ in range(count):
        reader.text()
        reader.value(reader.take("I"))
    keys, end = reader.data[begin : reader.at], reader.at
    for _ in range(reader.tensors):
        reader.skip_tensor()
    tensors = reader.data[end : reader.at]
    data = reader.data[len(padded(reader.data[: reader.at])) :]
    for part, to in enumerate([first, second]):
        split = b""
        for name, form, kind, value in [
            (b"split.no", "H", 2, part),
            (b"split.count", "H", 2, 2),
            (b"split.tensors.count", "i", 5, reader.tensors),
        ]:
            split += struct.pack("<Q", len(name)) + name + struct.pack("<I" + form, kind, value)
        counts = (reader.tensors, 3) if part else (0, count + 3)
        header = b"GGUF" + struct.pack("<IQQ", 3, *counts)
        header += split + tensors if part else keys + split
        with open(to, "wb") as file:
            file.write(padded(header) + (data if part else b""))


{"keys": print_keys, "cut": cut}[sys.argv[1]](*sys.argv[2:])
