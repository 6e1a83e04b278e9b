"""Whether layers.py fails when it should, on small libraries that are right but for one thing.

    layers_selftest.py NM AR CC...
"""
import pathlib
import subprocess
import sys
import tempfile

# What each file defines and uses. Every folder uses the one below it, and is there.
RIGHT = {
    'generated/spirv.c': 'int generated(void) { return 1; }',
    'base/log.c': 'int base(void) { return 2; }',
    'vulkan/loader.c': 'int base(void); int vulkan(void) { return base(); }',
    'device/queue.c': 'int vulkan(void); int queue(void) { return vulkan(); }',
    'device/memory.c': 'int queue(void); int memory(void) { return queue(); }',
    'weights/experts.c': 'int memory(void); int experts(void) { return memory(); }',
    'moe/router.c': 'int experts(void); int moe(void) { return experts(); }',
    'attention/cache.c': 'int moe(void); int attention(void) { return moe(); }',
    'checkpoint/files.c': 'int base(void); int checkpoint(void) { return base(); }',
    'tokenizer/text.c': 'int checkpoint(void); int tokenizer(void) { return checkpoint(); }',
    'model/forward.c': 'int attention(void); int model(void) { return attention(); }',
}

# name, changed file and what it has instead, the test that has to fail
WRONG = [
    ('upward', 'base/log.c', 'int model(void); int base(void) { return model(); }',
     'base uses what is below it'),
    ('beside', 'checkpoint/files.c', 'int memory(void); int checkpoint(void) { return memory(); }',
     'checkpoint uses what is below it'),
    ('no use', 'model/forward.c', 'int tokenizer(void); int model(void) { return tokenizer(); }',
     'model uses what is below it'),
    ('a device', 'tokenizer/text.c', 'int memory(void); int tokenizer(void) { return memory(); }',
     'tokenizer uses what is below it'),
    ('a circle', 'device/queue.c', 'int memory(void); int queue(void) { return memory(); }',
     'no circle in device'),
    ('an include', 'weights/experts.c', '#include "moe/router.h"\nint memory(void);\n'
     'int experts(void) { return sizeof(struct router) + memory(); }', 'no include points upward'),
    ('no folder', 'generated/spirv.c', None, 'every folder is there'),
]


def compile_one(folder, name, text, cc):
    source = folder / 'src' / name
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text + '\n')
    target = folder / (name.replace('/', '_') + '.o')
    subprocess.run(cc + ['-I', folder / 'src', '-c', source, '-o', target], check=True)


def failing(folder, nm, ar):
    """The names of the tests that fail with the objects that are there."""
    library = folder / 'lib.a'
    library.unlink(missing_ok=True)
    subprocess.run([ar, 'rc', library] + sorted(folder.glob('*.o')), check=True)
    run = subprocess.run([sys.executable, pathlib.Path(__file__).with_name('layers.py'), nm,
                          library, folder / 'src'], capture_output=True, text=True)
    if run.stderr or not run.stdout:
        return {run.stderr}
    found = {line.split(' - ')[1] for line in run.stdout.splitlines() if line.startswith('not ok')}
    return found if bool(found) == bool(run.returncode) else found | {'exit status'}


def main():
    nm, ar, cc = sys.argv[1], sys.argv[2], sys.argv[3:]
    results = []

    def check(name, got, expected):
        if got != expected:
            print('# %s: fails %s, expected %s' % (name, sorted(got), sorted(expected)))
        results.append(got == expected)
        print('ok' if results[-1] else 'not ok', len(results), '-', name)

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for file, text in RIGHT.items():
            compile_one(folder, file, text, cc)
        (folder / 'src' / 'moe' / 'router.h').write_text('struct router { int x; };\n')
        check('right', failing(folder, nm, ar), set())
        for what, file, text, expected in WRONG:
            if text:
                compile_one(folder, file, text, cc)
            else:
                (folder / (file.replace('/', '_') + '.o')).unlink()
            check(what, failing(folder, nm, ar), {expected})
            compile_one(folder, file, RIGHT[file], cc)
    print('1..%d' % len(results))
    return 0 if all(results) else 1


sys.exit(main())
