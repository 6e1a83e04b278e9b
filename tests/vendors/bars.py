"""Prints how the products of a layer were compiled, beside ggml-vulkan's, and which bars hold.

    bars.py OUT LANES PREDICTIONS HOST KEPT MADE_OF

LANES is a folder of <label>/ours and <label>/ggml-<type>-<tokens>, whose files isa.py reads;
PREDICTIONS a folder of 1.json and 512.json (vkmoe-bench --predict --json); HOST a file of lines
"ours|ggml NANOSECONDS", each some times, of a token on a device that computes nothing. What is
missing of these is left out, but for ggml's figures, which are then those of KEPT. All of it goes
to OUT, with MADE_OF, by which bars.sh knows what ggml's figures come from.

A bar that holds in KEPT, the file of an earlier run, has to hold: if not, this fails. (But if the
compiler is another one than then, it is only said to have moved.) Those that have not held yet are
open.
"""
import collections
import json
import pathlib
import sys

import isa

# label, what people call it, multiply-adds of one instruction of its matrix unit (16 x 16 x 16 for
# AMD's, 8 x 8 x 16, 8 x 16 x 16, 16 x 8 x 16), and the instruction. Where there is none, counts are
# for as many multiply-adds as AMD's have.
LANES = [
    ('radv-navi31', 'navi31', 4096, 'wmma'),
    ('radv-gfx1201', 'gfx1201', 4096, 'wmma'),
    ('radv-navi21', 'navi21', 4096, None),
    ('anv-alchemist', 'A770', 1024, 'dpas'),
    ('anv-battlemage', 'B580', 2048, 'dpas'),
    ('nvk-ampere', 'NVK', 2048, 'hmma'),
]
UNITS = {label: unit for label, _, unit, _ in LANES}

# Bytes in flight, waves and dispatches are of this model's.
MODEL = 'qwen3-30b-a3b'

# `number` of the list; `sense`: whether ours shall be "at most" or "at least" the limit;
# `label`: whose compiler decides, or None.
Bar = collections.namedtuple('Bar', 'number text ours ggml limit sense label', defaults=(None,))

# ------------------------------------------------------------------------------------- reading


def work_of(told):
    """What the pipeline is for: (decode or prefill, up or down), or None."""
    name = told.get('name', '')
    if name.startswith('decode_'):
        return 'decode', 'up' if told['up'] == '1' else 'down'
    if name.startswith('experts_gemm'):
        return 'prefill', 'up' if told['up'] == '1' else 'down'
    if name.startswith('mul_mat_vec_id_'):
        return 'decode', '-'
    if name.startswith('matmul_id_') and not name.startswith('matmul_id_f32'):
        return 'prefill', '-'
    return None


def turns(told):
    """How many turns of the source's loop are one of the compiled one."""
    loop = told['loop']
    return max(1, round(loop['load_bytes'] / int(told['bytes'])))


def cuts_x(name):
    """Whether it multiplies weights with both bytes of x, one after the other."""
    return name.startswith('experts_gemm') and 'integers' in name


def figures(told, unit):
    """Of a weight of each lane of an instruction in decoding, of a matrix instruction's
    multiply-adds in prefill."""
    loop = told['loop']
    work, part = work_of(told)
    row = {'kernel': told['name'], 'work': work, 'part': part, 'lanes': told['lanes'],
           'loop': loop['instructions'], 'matrix': loop['matrix']}
    if work == 'decode':
        per = loop['macs'] / loop['width']
        if 'weights' in told:
            per = int(told['weights']) * turns(told) * told['lanes'] / loop['width']
    else:
        per = loop['macs'] / unit
        if cuts_x(told['name']):
            per /= 2
        row['lds_bytes'] = loop['shared_bytes'] / per
        row['barriers'] = loop['barriers']
        if loop['barriers'] and 'columns' in loop:
            row['barriers_per_32'] = loop['barriers'] * 32 / loop['columns']
        if 'matrix_op' in loop:
            row['matrix_op'] = loop['matrix_op']
    row.update({'instructions': loop['instructions'] / per, 'vector': loop['vector'] / per,
                'strong_loads': loop['strong_loads']})
    row.update({key: told[key] for key in ('registers', 'waves', 'shared', 'spills')})
    return {key: round(value, 2) if isinstance(value, float) else value
            for key, value in row.items()}


def read_rows(folder, unit, who, dtype, tokens):
    rows = []
    for path in sorted(folder.glob('*.txt')):
        told = isa.read_file(path)
        if not work_of(told) or not told['loop']:
            continue
        precision = []
        if who == 'ours':
            _, dtype, *precision, tokens = told['for'].split()
            tokens = int(tokens[1:])
        rows.append({'who': who, 'dtype': dtype, 'precision': ' '.join(precision),
                     'tokens': tokens, **figures(told, unit)})
    return rows


def driver_of(folder, label):
    """The name and version of the compiler, from any of our files."""
    for path in (folder / label / 'ours').glob('*.txt'):
        return isa.read_file(path).get('driver')
    return None


def read_lane(folder, label):
    rows = read_rows(folder / label / 'ours', UNITS[label], 'ours', None, None)
    for path in sorted((folder / label).glob('ggml-*')):
        _, dtype, tokens = path.name.split('-')
        rows += read_rows(path, UNITS[label], 'ggml', dtype, int(tokens))
    return rows


def order_rows(rows):
    return sorted(rows, key=lambda row: (row['work'], row['dtype'], row['who'] != 'ours',
                                         row['tokens'], row['part'], row['kernel']))

# -------------------------------------------------------------------------------------- tables


def shown(value):
    if value is None:
        return '-'
    return f'{value:.1f}' if isinstance(value, float) else str(value)


def print_rows(heading, columns, rows):
    print(f'\n{heading}')
    widths = [max(len(name), *(len(row[i]) for row in rows)) for i, name in enumerate(columns)]
    for row in [columns] + rows:
        print('  ' + '  '.join(text.ljust(width) if i < 4 else text.rjust(width)
                               for i, (text, width) in enumerate(zip(row, widths))).rstrip())


def print_tables(lanes):
    common = ['instructions', 'vector', 'strong_loads', 'lanes', 'registers', 'waves', 'shared',
              'spills']
    for work, heading, more in [
            ('decode', 'One token: of the loop, for each weight that a lane multiplies', []),
            ('prefill', 'Prefill: of the loop, for the multiply-adds of one matrix instruction '
             '(without a matrix unit, of as many)', ['matrix', 'lds_bytes', 'barriers'])]:
        rows = []
        for label, name, _, _ in LANES:
            for row in lanes.get(label, []):
                if row['work'] == work:
                    part = '' if row['part'] == '-' else ' ' + row['part']
                    kind = f"{row['dtype']} {row['precision']}".rstrip()
                    rows.append([name, row['who'], f"{kind} t{row['tokens']}{part}",
                                 row['kernel']] + [shown(row.get(key)) for key in more + common])
        if rows:
            print_rows(heading, ['device', 'whose', 'for', 'kernel'] + more + common, rows)

# ---------------------------------------------------------------------------------------- bars


def best(rows, key):
    values = [row[key] for row in rows if row.get(key) is not None]
    return min(values) if values else None


def select(rows, **wanted):
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def prefill_bars(lanes):
    """Of ours the form that needs least, with a matrix unit: that for many rows an expert."""
    limits = {
        'navi31': (1, {'vector': 2, 'instructions': 8, 'lds_bytes': 8, 'barriers_per_32': 1,
                       'spills': 0, 'f32': 1}),
        'gfx1201': (2, {'vector': 1.5, 'instructions': 6, 'waves': 12}),
        'B580': (3, {'instructions': 20, 'spills': 0}),
        'A770': (4, {'instructions': 60, 'spills': 0}),
        'NVK': (5, {'instructions': 8, 'spills': 0}),
    }
    names = {'vector': 'VALU a {}', 'instructions': 'instructions a {}', 'lds_bytes':
             'LDS bytes a lane and {}', 'barriers_per_32': 'barriers a 32 of K', 'spills': 'spills',
             'f32': 'f32 accumulators', 'waves': 'waves'}
    for label, name, _, unit in LANES:
        if name not in limits or label not in lanes:
            continue
        rows = select(lanes[label], work='prefill', dtype='f16', who='ours')
        rows = [row for row in rows if row['matrix']]
        rows = select(rows, precision='fast') or rows
        spills = max([row['spills'] for row in rows], default=None)
        rows = select(rows, part='up')
        ggml = select(lanes[label], work='prefill', dtype='f16', who='ggml')
        for row in rows + ggml:
            op = row.get('matrix_op', '')
            row['f32'] = int('_f32_' in op or '.f32' in op)
        rows = sorted(rows, key=lambda row: row['instructions'])
        number, limit = limits[name]
        for key, value in limit.items():
            ours = rows[0].get(key) if rows else None
            if key == 'spills':
                ours = spills  # of any of them
            yield Bar(number, f'f16 prefill, {name}: {names[key].format(unit)}', ours,
                      best(ggml, key), value,
                      'at least' if key in ('waves', 'f32') else 'at most', label)


def decode_bars(lanes):
    limits = {'AMD': {'q8_0': 2, 'q4_K': 1.5, 'f16': 2.5},
              'NVK': {'q8_0': 2, 'q4_K': 1.5, 'f16': 3.3},
              'Intel': {'q8_0': 3, 'q4_K': 2.5, 'f16': 5}}
    for number, dtype in ((6, 'q8_0'), (6, 'q4_K'), (7, 'f16')):
        for label, name, _, _ in LANES:
            if label not in lanes:
                continue
            vendor = {'A770': 'Intel', 'B580': 'Intel', 'NVK': 'NVK'}.get(name, 'AMD')
            rows = select(lanes[label], work='decode', dtype=dtype, tokens=1)
            for part in ('up', 'down'):
                ours = best(select(rows, who='ours', part=part), 'instructions')
                yield Bar(number, f'{dtype} decode {part}, {name}: instructions a weight', ours,
                          best(select(rows, who='ggml'), 'instructions'),
                          limits[vendor][dtype], 'at most', label)


def predicted_bars(predictions):
    one = predictions.get(1, {})
    if 'block' in one:
        block = one['block']
        yield Bar(8, f"in flight at one token, of 3.4 MB or all there is ({block['least_of']})",
                  block['least_in_flight'], None, 1, 'at least')
        yield Bar(9, f"waves of a block's smallest dispatch ({block['smallest']})",
                  block['smallest_waves'], None, 64, 'at least')
        yield Bar(10, 'dispatches a token, 48 blocks', one['model']['dispatches'], None, 350,
                  'at most')
    layer = predictions.get(512, {}).get('layer')
    if layer:
        yield Bar(11, 'rows computed for each live one, 512 tokens',
                  layer['rows'] / layer['live_rows'], None, 1.25, 'at most')


def host_bars(host):
    if 'ours' in host and 'ggml' in host:
        yield Bar('host', 'us of a token where the device does nothing, granite-1b-a400m',
                  host['ours'] / 1e3, host['ggml'] / 1e3, host['ggml'] / 2e3, 'at most')


def holds(bar):
    if bar.ours is None:
        return False
    return bar.ours <= bar.limit if bar.sense == 'at most' else bar.ours >= bar.limit


def name_of(bar):
    """The name that stays the same from run to run."""
    return f"{bar.number} {bar.text.split(' (')[0]}"


def verdict_of(bar, kept, drivers):
    if holds(bar):
        return 'holds'
    held = any(entry['bar'] == name_of(bar) and entry['holds'] for entry in kept.get('bars', []))
    if not held:
        return 'open'
    before = kept.get('drivers', {}).get(bar.label)
    return 'BROKEN' if before == drivers.get(bar.label) else 'moved'


def judge(bars, kept, drivers):
    """Prints each; returns how many there are of each verdict."""
    counts = collections.Counter()
    rows = []
    for bar in bars:
        verdict = verdict_of(bar, kept, drivers)
        counts[verdict] += 1
        sign = '<=' if bar.sense == 'at most' else '>='
        rows.append([str(bar.number), bar.text, verdict, f'{sign} {bar.limit:.5g}']
                    + ['-' if value is None else f'{value:.4g}' for value in (bar.ours, bar.ggml)])
    print_rows('Bars', ['bar', 'what', '', 'wanted', 'ours', 'ggml'], rows)
    print(f"\n{counts['holds']} of {len(bars)} hold, {counts['open']} are open, "
          f"{counts['BROKEN']} that held are broken, {counts['moved']} moved with their compiler")
    return counts

# ---------------------------------------------------------------------------------------- main


def read_predictions(folder):
    predictions = {}
    for tokens in (1, 512):
        path = folder / f'{tokens}.json'
        if path.exists():
            predictions[tokens] = json.loads(path.read_text())['entries'][0]
    return predictions


def read_host(path):
    host = {}
    if path.exists():
        for line in path.read_text().splitlines():
            who, ns = line.split()
            host[who] = min(float(ns), host.get(who, float('inf')))
    return host


def write(path, lanes, drivers, bars, made_of):
    """One line for each entry, for the sake of `diff`."""
    def lines(entries):
        return ',\n'.join(json.dumps(entry) for entry in entries)
    text = [f'"{label}": [\n{lines(rows)}\n]' for label, rows in lanes.items()]
    kept = []
    for bar in bars:
        numbers = {'ours': bar.ours, 'ggml': bar.ggml, 'limit': bar.limit}
        if bar.number == 'host':  # times, which differ from run to run
            numbers = {}
        kept.append({'bar': name_of(bar), **numbers, 'holds': holds(bar)})
    path.write_text('{"drivers": ' + json.dumps(drivers)
                    + f',\n"ggml": {json.dumps(made_of)},\n"lanes": {{\n' + ',\n'.join(text)
                    + '\n},\n"bars": [\n' + lines(kept) + '\n]}\n')


def main():
    out, folder, predictions, host, kept = map(pathlib.Path, sys.argv[1:6])
    before = json.loads(kept.read_text()) if kept.exists() else {}
    lanes, drivers, made_of = {}, {}, sys.argv[6] or before.get('ggml', '')
    for label, _, _, _ in LANES:
        if not (folder / label).exists():
            continue
        lanes[label] = read_lane(folder, label)
        drivers[label] = driver_of(folder, label)
        if select(lanes[label], who='ggml'):
            made_of = sys.argv[6]  # these are new, whatever those before came from
        else:
            lanes[label] += select(before.get('lanes', {}).get(label, []), who='ggml')
        lanes[label] = order_rows(lanes[label])
    print('Compilers:', ', '.join(sorted({str(driver) for driver in drivers.values()})))
    print_tables(lanes)
    bars = [*sorted(prefill_bars(lanes), key=lambda bar: bar.number), *decode_bars(lanes),
            *predicted_bars(read_predictions(predictions)), *host_bars(read_host(host))]
    counts = judge(bars, before, drivers)
    write(out, lanes, drivers, bars, made_of)
    sys.exit(counts['BROKEN'] > 0)


if __name__ == '__main__':
    main()
