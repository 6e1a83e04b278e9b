"""Whether the library's folders use only those below them, and src/device has no circles.

    layers.py NM LIBRARY.a SRC

Reads what each object defines and what it wants of others; Meson calls the object of
src/device/queue.c device_queue.c.o. Symbols do not tell of types and inline functions, so it reads
the includes as well. layers_selftest.py shows that it fails when it should.
"""
import collections
import pathlib
import re
import subprocess
import sys

ORDER = ['generated', 'base', 'vulkan', 'device', 'weights', 'moe', 'attention', 'model']
MAY_USE = {folder: set(ORDER[:i + 1]) for i, folder in enumerate(ORDER)}
MAY_USE['checkpoint'] = {'base', 'checkpoint'}  # files, which only a whole model asks for
MAY_USE['model'].add('checkpoint')
MAY_USE['tokenizer'] = {'base', 'checkpoint', 'tokenizer'}  # which nothing else asks for
# How what files hold is read and written, which needs no device.
READERS = {'weights_code_books.c', 'weights_decode.c', 'weights_decode_256.c',
    'weights_decode_32.c', 'weights_decode_bits.c', 'weights_decode_books.c',
    'weights_decode_folder.c', 'weights_encode.c', 'weights_encode_256.c',
    'weights_encode_32.c', 'weights_encode_bits.c', 'weights_format.c', 'weights_view.c'}
NO_CIRCLES = 'device'


def folder_of(member):
    return re.split('[_-]', member.replace('meson-', '', 1))[0]


def read_objects(nm, library):
    """For each object, what it wants of the others: [(symbol, object)]."""
    defined, wanted = {}, collections.defaultdict(set)
    lines = subprocess.run([nm, '-A', '-P', '-g', library], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    for line in lines:
        match = re.match(r'.*\[(?:.*/)?(.+)\.o\]: (\S+) (\S)', line)
        if not match:
            continue
        member, symbol, kind = match.groups()
        if kind == 'U':
            wanted[member].add(symbol)
        else:
            defined[symbol] = member
            wanted[member]  # an object that wants nothing is one as well
    return {member: [(symbol, defined[symbol]) for symbol in sorted(symbols) if symbol in defined]
            for member, symbols in wanted.items()}


def read_includes(source):
    """[(object, object whose header it includes)], of the library's own headers by folder."""
    pairs = []
    for path in sorted(source.glob('*/**/*.[ch]')):
        member = '_'.join(path.relative_to(source).parts)[:-1] + 'c'
        for folder, header in re.findall(r'^#include "(\w+)/(\S+)\.h"', path.read_text(), re.M):
            if (source / folder).is_dir() and folder_of(member) in MAY_USE:
                pairs.append((member, '%s_%s.c' % (folder, header.replace('/', '_'))))
    return pairs


def find_circle(uses, folder):
    """The objects of one circle among those of a folder, or an empty list."""
    done = set()

    def visit(member, path):
        if member in path:
            return path[path.index(member):] + [member]
        if member in done or folder_of(member) != folder:
            return []
        done.add(member)
        for _, other in uses[member]:
            circle = visit(other, path + [member])
            if circle:
                return circle
        return []

    for member in sorted(uses):
        circle = visit(member, [])
        if circle:
            return circle
    return []


def may_use(member, other):
    folder = folder_of(member)
    if member in READERS:
        return other in READERS or folder_of(other) == 'base'
    if folder == 'checkpoint' and other in READERS:
        return True
    return folder_of(other) in MAY_USE.get(folder, ())


def main():
    uses = read_objects(*sys.argv[1:3])
    folders = sorted({folder_of(member) for member in uses})
    number = failed = 0

    def result(ok, name):
        nonlocal number, failed
        number += 1
        failed += not ok
        print('ok' if ok else 'not ok', number, '-', name)

    for folder in folders:
        wrong = [(member, other, symbol) for member in sorted(uses)
                 for symbol, other in uses[member] if folder_of(member) == folder
                 and not may_use(member, other)]
        for member, other, symbol in wrong:
            print('#', member, 'uses', symbol, 'of', other)
        result(not wrong, folder + ' uses what is below it')
    wrong = [pair for pair in read_includes(pathlib.Path(sys.argv[3])) if not may_use(*pair)]
    for pair in wrong:
        print('# %s includes the header of %s' % pair)
    result(not wrong, 'no include points upward')
    circle = find_circle(uses, NO_CIRCLES)
    if circle:
        print('# circle:', ' -> '.join(circle))
    result(not circle, 'no circle in ' + NO_CIRCLES)
    result(set(MAY_USE) == set(folders), 'every folder is there')
    print('1..%d' % number)
    return 1 if failed else 0


sys.exit(main())
