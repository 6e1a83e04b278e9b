"""Whether bars.py says of a bar what is so, and fails when one that held is broken."""
import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile

import bars

# One lane's file of decode_up: `macs` multiply-adds in `macs` + 2 instructions.
CODE = """name decode_up_plain
for qwen3-30b-a3b {dtype} t1
driver one 1.0
up 1
weights {weights}
bytes 16
subgroup 64
  VGPRs = 48
====
BB0:
\tglobal_load_b128 v[0:3], v4, s[0:1] ; dc5e0000
{fmas}\ts_cbranch_scc1 BB0 ; bfa2fff0
"""


def code(dtype, weights, macs):
    fma = '\tv_fma_f32 v6, v0, v5, v6 ; d613\n'
    return CODE.format(dtype=dtype, weights=weights, fmas=fma * macs)


def run(folder, kept, files, made_of=''):
    """bars.py on this lane's files; its exit status, its bars, and what it printed."""
    lane = folder / 'lanes' / 'radv-navi31' / 'ours'
    lane.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (lane / name).write_text(text)
    (folder / 'kept').write_text(kept)
    out = folder / 'out'
    done = subprocess.run(
        [sys.executable, pathlib.Path(__file__).with_name('bars.py'), out, folder / 'lanes',
         folder / 'none', folder / 'none', folder / 'kept', made_of],
        stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, json.loads(out.read_text()), done.stdout


def main():
    results = []

    def check(name, right):
        results.append(bool(right))
        print('ok' if right else 'not ok', len(results), '-', name)

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        bar = '7 f16 decode up, navi31: instructions a weight'
        kept = {'bars': [{'bar': bar, 'holds': True}], 'drivers': {'radv-navi31': 'one 1.0'}}
        held = json.dumps(kept)
        status, found, _ = run(folder, '{}', {'1.txt': code('f16', 4, 4)})
        entry = next(entry for entry in found['bars'] if entry['bar'] == bar)
        check('a bar that holds', status == 0 and entry['holds'] and entry['ours'] == 6 / 4)
        row = found['lanes']['radv-navi31'][0]
        check('a row of the table', row['instructions'] == 1.5 and row['registers'] == 48)
        status, found, said = run(folder, '{}', {'1.txt': code('f16', 4, 12)})
        entry = next(entry for entry in found['bars'] if entry['bar'] == bar)
        check('one that never held is open',
              status == 0 and not entry['holds'] and entry['ours'] == 14 / 4 and 'open' in said)
        status, _, said = run(folder, held, {'1.txt': code('f16', 4, 12)})
        check('one that held is broken', status == 1 and 'BROKEN' in said)
        moved = held.replace('one 1.0', 'one 1.1')
        status, _, said = run(folder, moved, {'1.txt': code('f16', 4, 12)})
        check('one that another compiler missed has moved', status == 0 and 'moved' in said)
        status, _, said = run(folder, held, {'1.txt': code('f16', 4, 4)})
        check('one that holds again', status == 0 and 'BROKEN' not in said)
        status, _, said = run(folder, held, {'1.txt': code('q8_0', 4, 4)})
        check('one that is gone is broken', status == 1 and 'BROKEN' in said)
        run(folder, '{}', {'1.txt': code('f16', 4, 4)}, 'abc')
        made = (folder / 'out').read_text()
        check("a line of what ggml's figures come from", '\n"ggml": "abc",\n' in made)
        lane = made.replace('"who": "ours"', '"who": "ggml"')
        _, found, _ = run(folder, lane, {'1.txt': code('f16', 4, 4)})
        who = [row['who'] for row in found['lanes']['radv-navi31']]
        check('which is kept with them', found['ggml'] == 'abc' and who == ['ours', 'ggml'])
    one = {'block': {'least_of': 'a', 'least_in_flight': 0.5, 'smallest': 'b',
                     'smallest_waves': 64}, 'model': {'dispatches': 351}}
    predicted = list(bars.predicted_bars({1: one, 512: {'layer': {'rows': 5, 'live_rows': 4}}}))
    check('predictions', [bars.holds(bar) for bar in predicted] == [False, True, False, True])
    host = list(bars.host_bars({'ours': 300, 'ggml': 700}))
    check("the host's cost", bars.holds(host[0]))
    with contextlib.redirect_stdout(io.StringIO()):
        counts = bars.judge(host, {}, {})
    check('counts', counts == {'holds': 1})
    print(f'1..{len(results)}')
    return 0 if all(results) else 1


sys.exit(main())
