#!/usr/bin/env bash
# cli_io.sh VKMOE MODELS - what the command reads and writes: arrays as people have them, standard
# input and output,
# full disks, terminals, numbers that are not finite, and which device it ran on.
set -u
vkmoe=$(realpath "$1") mixtral=$(realpath "$2")/tiny-mixtral
tools=$(dirname "$(realpath "$0")")
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/support/lib.sh"
cd "$tmp" || exit 1
ids=$tmp/ids.npy input=$tmp/x.npy
python=
command -v python3 >/dev/null && python3 -c 'import json, struct' 2>/dev/null && python=python3

# Bytes as printf writes them.
raw() {
    # shellcheck disable=SC2059
    printf "$1"
}

# one_line TEXT - standard error is one line of message that holds TEXT.
one_line() {
    if [ "$(wc -l <"$err")" != 1 ] || ! grep -q '^vkmoe: ' "$err"; then
        problem "expected one line of message, got: $(head -n 3 "$err")"
    fi
    grep -qF -- "$1" "$err" || problem "no '$1' in: $(cat "$err")"
}

# status EXPECTED GOT WHAT
status() {
    [ "$1" = "$2" ] || problem "$3: status $2, expected $1"
}

raw '\144\0\0\0\145\0\0\0\146\0\0\0' | npy "$ids" '<i4' '3,'
tail -c 1024 "$mixtral/recorded/layer0_moe_input.npy" | npy "$input" '<f4' 2,128
generate=(generate "$mixtral" --count 2)

# ------------------------------------------------------------------------------------------ devices

devices=$("$vkmoe" devices --json | grep -c '"index":')
name=$("$vkmoe" devices --json | sed -n 's/.*"name":[^"]*"\(.*\)".*/\1/p' | head -n 1)
missing() {
    "$vkmoe" "${@:2}" --device "$1" >"$out" 2>"$err" </dev/null
    status 1 $? "${*:2} --device '$1'"
    one_line "no Vulkan device matches '$1': expected part of a name, or 0 to $((devices - 1))"
    [ ! -s "$out" ] || problem "--device '$1': something was printed"
}
for digit in $(grep -o '[0-9]*' <<<"$name") 7 77; do # whatever digits the name has
    [ "$digit" -lt "$devices" ] || missing "$digit" "${generate[@]}" --tokens "$ids"
done
for index in "$devices" 4294967296 18446744073709551616 00 01 +0 -0 ' 0' '0 ' 0x0 0.0; do
    missing "$index" "${generate[@]}" --tokens "$ids"
done
missing "$devices" route "$mixtral" --tokens "$ids"
missing "$devices" check "$mixtral"
missing "$devices" layer "$mixtral" --layer 0 --input "$input" --output "$tmp/y.npy"
missing "$devices" attention "$mixtral" --layer 0 --input "$input" --output "$tmp/y.npy"
missing "$devices" logits "$mixtral" --tokens "$ids" --output "$tmp/y.npy"
"$vkmoe" "${generate[@]}" --tokens "$ids" --device "" >"$out" 2>"$err" </dev/null
status 2 $? "--device ''"
[ ! -e "$tmp/y.npy" ] || problem "an output was written"
finish "digits are an index, and nothing else"

# Which device that is, everything says, and all the same; `check` says it, too.
expect 0 "${generate[@]}" --tokens "$ids"
label=$(sed -n 's/^device: //p' "$err")
[ -n "$label" ] || problem "generate names no device: $(cat "$err")"
cp "$out" "$tmp/by_ids"
expect 0 route "$mixtral" --tokens "$ids" --layer 0
has "^3 tokens on "
[ "$(sed -n 's/^3 tokens on //p' "$out")" = "$label" ] \
    || problem "route names another device: $(head -n 1 "$out")"
expect 0 layer "$mixtral" --layer 0 --input "$input" --output "$tmp/y.npy"
[ "$(sed -n 's/^layer 0: 2 tokens on //p' "$out")" = "$label" ] || problem "layer: $(cat "$out")"
expect 0 attention "$mixtral" --layer 0 --input "$input" --output "$tmp/a.npy"
[ "$(sed -n 's/^attention of layer 0: 2 tokens on //p' "$out")" = "$label" ] \
    || problem "attention: $(cat "$out")"
expect 0 logits "$mixtral" --tokens "$ids" --output "$tmp/l.npy"
[ "$(sed -n 's/^3 tokens on //p' "$out")" = "$label" ] || problem "logits: $(cat "$out")"
expect 0 route "$mixtral" --tokens "$ids" --layer 0 --json
type=$(sed -n 's/.*"device_type":[^"]*"\(.*\)".*/\1/p' "$out")
case $type in
    CPU) [[ $label == *", a CPU" ]] || problem "nothing says that '$label' is a CPU" ;;
    *GPU | other) [[ $label != *CPU* ]] || problem "'$label' is a $type" ;;
    *) problem "the device's type is '$type'" ;;
esac
finish "the device is named, and a CPU is called one"

# ------------------------------------------------------------------------------------ arrays of ids

# reads FILE... - tokens that are the same ids as $ids.
reads() {
    expect 0 "${generate[@]}" --tokens "$1"
    cmp -s "$out" "$tmp/by_ids" || problem "other tokens were read from ${1##*/}"
}
raw '\144\145\146' | npy "$tmp/u1.npy" '|u1' '3,'
raw '\144\145\146' | npy "$tmp/i1.npy" '|i1' '1, 3'
raw '\144\0\145\0\146\0' | npy "$tmp/u2.npy" '<u2' '1, 3'
raw '\0\144\0\145\0\146' | npy "$tmp/i2.npy" '>i2' '3,'
raw '\0\0\0\144\0\0\0\145\0\0\0\146' | npy "$tmp/u4.npy" '>u4' '3,'
raw '\144\0\0\0\0\0\0\0\145\0\0\0\0\0\0\0\146\0\0\0\0\0\0\0' | npy "$tmp/u8.npy" '<u8' '1, 3'
raw '\0\0\0\0\0\0\0\144\0\0\0\0\0\0\0\145\0\0\0\0\0\0\0\146' | npy "$tmp/i8.npy" '>i8' '3,'
for file in u1 i1 u2 i2 u4 u8 i8; do
    reads "$tmp/$file.npy"
done
header="{'shape':(1,3),\"fortran_order\" : True,'descr':'<i4'}"
{
    raw '\x93NUMPY\x02\x00'
    # shellcheck disable=SC2059
    printf "\\x$(printf %02x ${#header})\0\0\0%s" "$header"
    raw '\144\0\0\0\145\0\0\0\146\0\0\0'
} >"$tmp/odd.npy"
reads "$tmp/odd.npy"
expect 0 "${generate[@]}" --tokens <(cat "$ids")
same "$out" "$tmp/by_ids"
mkfifo "$tmp/pipe"
cat "$tmp/u8.npy" >"$tmp/pipe" &
reads "$tmp/pipe"
wait $!
for name in - /dev/stdin; do
    "$vkmoe" generate "${device[@]}" "$mixtral" --count 2 --tokens $name <"$ids" >"$out" 2>"$err"
    status 0 $? "--tokens $name"
    same "$out" "$tmp/by_ids"
    "$vkmoe" generate "${device[@]}" "$mixtral" --count 2 --tokens $name < <(cat "$tmp/i8.npy") \
        >"$out" 2>"$err"
    same "$out" "$tmp/by_ids"
done
finish "ids of every width, sign, order and shape, from files and pipes"

wrong() {
    refuse 1 "$2" "${generate[@]}" --tokens "$1"
    grep -qF "$1" "$err" || problem "the message does not name the file: $(cat "$err")"
}
raw '\0\0\310\102' | npy "$tmp/f4.npy" '<f4' '1,'
raw '\1\1\0' | npy "$tmp/bool.npy" '|b1' '3,'
raw '\200\4N.' | npy "$tmp/object.npy" '|O' '1,'
raw 'abc' | npy "$tmp/bytes.npy" '|S3' '1,'
raw '\144\0\0\0\0\0' | npy "$tmp/struct.npy" '<V6' '1,'
raw '\144' | npy "$tmp/scalar.npy" '|u1' ''
raw '\144\145\146\147' | npy "$tmp/batch.npy" '|u1' '2, 2'
raw '' | npy "$tmp/none.npy" '|u1' '1, 0'
raw '\144\0\0\0\0\0\0\0\377\377\377\377\377\377\377\377' | npy "$tmp/large.npy" '<u8' '2,'
raw '\144\377' | npy "$tmp/negative.npy" '|i1' '1, 2'
raw '\0\0\0\0\1\0\0\0' | npy "$tmp/wraps.npy" '<i8' '1,' # 2^32
head -c 138 "$ids" >"$tmp/cut.npy"
{ cat "$ids"; echo; } >"$tmp/long.npy"
head -c 100 "$ids" >"$tmp/header.npy"
raw 'PK\3\4 and more' >"$tmp/a.npz"
wrong "$tmp/f4.npy" "holds no integers, but <f4"
wrong "$tmp/bool.npy" "dtype |b1 (bool)"
wrong "$tmp/object.npy" "dtype |O (Python objects)"
wrong "$tmp/bytes.npy" "dtype |S3,"
wrong "$tmp/struct.npy" "dtype <V6,"
wrong "$tmp/scalar.npy" "is a single number, expected [tokens] or [1][tokens]"
wrong "$tmp/batch.npy" "is [2][2], expected [tokens] or [1][tokens]"
wrong "$tmp/none.npy" "is empty, expected at least one token"
wrong "$tmp/large.npy" "[1] is 18446744073709551615, expected 0 to 255"
wrong "$tmp/negative.npy" "[0][1] is -1, expected 0 to 255"
wrong "$tmp/wraps.npy" "[0] is 4294967296, expected 0 to 255"
wrong "$tmp/cut.npy" "has 10 bytes of data, expected 12"
wrong "$tmp/long.npy" "has 13 bytes of data, expected 12"
wrong "$tmp/header.npy" "ends inside its header"
wrong "$tmp/a.npz" "is a zip archive"
wrong /dev/null "is empty"
wrong "$tmp" "Is a directory"
for part in cut long header; do
    "$vkmoe" generate "${device[@]}" "$mixtral" --tokens - < <(cat "$tmp/$part.npy") >"$out" \
        2>"$err"
    status 1 $? "$part.npy by a pipe"
    one_line "standard input: "
done
"$vkmoe" layer "${device[@]}" "$mixtral" --layer 0 --input - --router-input - \
    --output "$tmp/new.npy" <"$input" \
    >"$out" 2>"$err"
status 1 $? "two times standard input"
one_line "standard input: is wanted for two inputs"
"$vkmoe" generate "${device[@]}" "$mixtral" --tokens - <&- >"$out" 2>"$err"
status 1 $? "standard input is closed"
one_line "standard input: cannot read: Bad file descriptor"
finish "ids that are refused, and why"

# --------------------------------------------------------------------------------- arrays of floats

if [ -n "$python" ]; then
    # 3 x 128 numbers that f16 holds, in each dtype, byte order and order of axes.
    $python - "$tmp" <<'PYTHON' || problem "the arrays could not be written"
import struct, sys
rows, columns = 3, 128
x = [[((7 * i + 3 * j) % 41 - 20) / 8 for j in range(columns)] for i in range(rows)]
for order, name in ('<', 'little'), ('>', 'big'):
    for letter, dtype in ('e', 'f2'), ('f', 'f4'), ('d', 'f8'):
        for fortran in False, True:
            flat = [x[i][j] for j in range(columns) for i in range(rows)] if fortran else sum(x, [])
            header = "{'descr': '%s%s', 'fortran_order': %s, 'shape': (%d, %d), }" % (
                order, dtype, fortran, rows, columns)
            header += ' ' * (-(len(header) + 11) % 64) + '\n'
            axes = 'f' if fortran else 'c'
            with open('%s/x_%s_%s_%s.npy' % (sys.argv[1], dtype, name, axes), 'wb') as file:
                file.write(b'\x93NUMPY\1\0' + struct.pack('<H', len(header)) + header.encode()
                           + struct.pack('%s%d%s' % (order, len(flat), letter), *flat))
PYTHON
    expect 0 layer "$mixtral" --layer 0 --input "$tmp/x_f4_little_c.npy" --output "$tmp/y.npy"
    expect 0 attention "$mixtral" --layer 0 --input "$tmp/x_f4_little_c.npy" --output "$tmp/a.npy"
    for file in "$tmp"/x_f*.npy; do
        expect 0 layer "$mixtral" --layer 0 --input "$file" --output "$tmp/other.npy"
        cmp -s "$tmp/y.npy" "$tmp/other.npy" || problem "${file##*/} was read as something else"
    done
    expect 0 attention "$mixtral" --layer 0 --input "$tmp/x_f8_big_f.npy" --output "$tmp/other.npy"
    same "$tmp/a.npy" "$tmp/other.npy"
    finish "inputs in every order"
else
    skip "inputs in every order" "there is no Python"
fi
refuse 1 "holds integers (|u1), expected f4, f8 or f2" layer "$mixtral" \
    --layer 0 --input "$tmp/u1.npy" \
    --output "$tmp/new.npy"
refuse 1 "dtype |O (Python objects)" attention "$mixtral" --layer 0 --input "$tmp/object.npy" \
    --output "$tmp/new.npy"
[ ! -e "$tmp/new.npy" ] || problem "an output was written"
finish "inputs that are refused"

# ---------------------------------------------------------------------------------- standard output

# arrays FILE COMMAND... - with --output - and its like the array alone goes to standard output, and
# words do not.
arrays() {
    for name in - /dev/stdout; do
        "$vkmoe" "${@:2:2}" "${device[@]}" "${@:4}" --output $name <"$input" 2>"$err" | cat >"$out"
        same "$out" "$1"
        says ' on .*$'
        says '^wrote standard output$'
    done
}
expect 0 layer "$mixtral" --layer 0 --input "$input" --output "$tmp/y.npy" --ids "$tmp/i.npy"
expect 0 attention "$mixtral" --layer 0 --input "$input" --output "$tmp/a.npy"
arrays "$tmp/y.npy" layer "$mixtral" --layer 0 --input -
arrays "$tmp/a.npy" attention "$mixtral" --layer 0 --input "$input"
arrays "$tmp/l.npy" logits "$mixtral" --tokens "$ids"
"$vkmoe" layer "${device[@]}" "$mixtral" --layer 0 --input - --output "$tmp/other.npy" --ids - \
    <"$input" \
    >"$out" 2>"$err"
same "$out" "$tmp/i.npy"
same "$tmp/other.npy" "$tmp/y.npy"
refuse 1 "standard output: is wanted for two outputs" layer "$mixtral" --layer 0 --input "$input" \
    --output - --ids -
refuse 2 "standard output is wanted for --json and an array" layer "$mixtral" \
    --layer 0 --input "$input" --output - \
    --json
refuse 2 "standard output is wanted for --json and --svg" route "$mixtral" --tokens "$ids" --svg - \
    --json
expect 0 route "$mixtral" --tokens "$ids" --svg "$tmp/map.svg"
expect 0 route "$mixtral" --tokens "$ids" --svg -
same "$out" "$tmp/map.svg"
[ ! -e - ] || problem "a file '-' was written"
no_leftovers "$tmp"
finish "standard output as an output"

commands=("generate $mixtral --tokens $ids --count 300" "route $mixtral --tokens $ids"
    "route $mixtral --tokens $ids --json" "route $mixtral --tokens $ids --svg -" "info $mixtral" \
        "info $mixtral --json" "devices" "devices --json"
    "layer $mixtral --layer 0 --input $input --output $tmp/z.npy"
    "layer $mixtral --layer 0 --input $input --output $tmp/z.npy --json"
    "layer $mixtral --layer 0 --input $input --output -" \
        "attention $mixtral --layer 0 --input $input --output -"
    "logits $mixtral --tokens $ids --output -" "check $mixtral" "check $mixtral --json" "--help" \
        "--version"
    "generate --help")
# each REASON REDIRECTION - every command fails with one line that says the reason.
each() {
    local line got
    for line in "${commands[@]}"; do
        read -ra words <<<"$line"
        case ${words[0]} in
            generate | route | layer | attention | logits | check)
                [ "${words[1]}" = --help ] || words+=("${device[@]}") ;;
        esac
        eval '"$vkmoe" "${words[@]}" 2>"$err" </dev/null '"$2"
        got=$?
        status 1 $got "$line $2"
        one_line "cannot write to standard output: $1"
    done
}
each "Bad file descriptor" '>&-'
finish "standard output is closed"
if [ -c /dev/full ]; then
    each "No space left on device" '>/dev/full'
    for command in "route $mixtral --tokens $ids --svg /dev/full" \
        "logits $mixtral --tokens $ids --output /dev/full" \
        "attention $mixtral --layer 0 --input $input --output /dev/full"; do
        read -ra words <<<"$command"
        refuse 1 "/dev/full: cannot write: No space left on device" "${words[@]}"
    done
    finish "standard output is full"
else
    skip "standard output is full" "there is no /dev/full"
fi

# What is closed is not the next file that is opened: nothing that is printed gets into it.
expect 0 layer "$mixtral" --layer 0 --input "$input" --output "$tmp/y.npy"
"$vkmoe" layer "${device[@]}" "$mixtral" --layer 0 --input "$input" --output "$tmp/z.npy" <&- >&- \
    2>&-
status 1 $? "everything is closed"
same "$tmp/y.npy" "$tmp/z.npy"
"$vkmoe" generate "${device[@]}" "$mixtral" --tokens "$ids" --count 2 2>&- </dev/null >"$out"
status 0 $? "standard error is closed"
same "$out" "$tmp/by_ids"
if [ -d /proc/self/fd ]; then
    "$vkmoe" layer "${device[@]}" "$mixtral" --layer 0 --input "$input" --output "$tmp/never.npy" \
        --repeat 1000000000 <&- >&- 2>&- &
    pid=$!
    for ((i = 0; i < 600; i++)); do
        [ -n "$(find "$tmp" -name '.vkmoe-*')" ] || ! kill -0 $pid 2>/dev/null && break
        sleep 0.1
    done
    for descriptor in 0 1 2; do
        file=$(readlink /proc/$pid/fd/$descriptor)
        [ "$file" = /dev/null ] || problem "descriptor $descriptor is $file"
    done
    kill -TERM $pid
    wait $pid 2>/dev/null
    status 143 $? "killed"
fi
no_leftovers "$tmp"
finish "closed descriptors"

# A reader that has gone: death by SIGPIPE, or a failure without a word where that is ignored.
gone() {
    "$vkmoe" "$@" 2>"$err" </dev/null | true
    echo "${PIPESTATUS[0]}"
}
for command in "generate $mixtral --tokens $ids --count 1000" "info $mixtral --json" \
    "logits $mixtral --tokens $ids --output -"; do
    read -ra words <<<"$command"
    [ "${words[0]}" = info ] || words+=("${device[@]}")
    for ignored in '' PIPE; do
        got=$(trap '' ${ignored:-USR1} && gone "${words[@]}")
        [[ $got == 141 || $got == 1 || ($got == 0 && ${words[0]} != generate) ]] ||
            problem "$command: status $got after its reader went away"
        ! grep '^vkmoe: ' "$err" >"$tmp/words" || problem "$command: $(cat "$tmp/words")"
    done
done
finish "nobody reads standard output"

# ---------------------------------------------------------------------------------------- terminals

# terminal TERM ARGUMENT... - all that the tool writes to a terminal; TERM "-" is unset.
terminal() {
    $python - "$1" "$vkmoe" "${@:2}" >"$out" <<'PYTHON'
import os, pty, sys
term, command = sys.argv[1], sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.environ.pop('TERM', None)
    if term != '-':
        os.environ['TERM'] = term
    os.execv(command[0], command)
while True:
    try:
        data = os.read(terminal, 65536)
    except OSError:
        break
    if not data:
        break
    sys.stdout.buffer.write(data)
status = os.waitpid(child, 0)[1]
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128)
PYTHON
    status 0 $? "${*:2}"
}
# plain - no control characters but the ends of lines, which a terminal writes as \r\n.
plain() {
    tr -d '\n' <"$out" | tr -d '\r\t' | grep -q '[[:cntrl:]]' && problem "$1: $(head -c 300 "$out" \
        | cat -v)"
    sed 's/\r$//' "$out" | grep -q $'\r' && problem "$1: lines are written over: $(cat -v "$out")"
}
if [ -n "$python" ] && $python -c 'import pty; pty.openpty()' 2>/dev/null; then
    for term in dumb '' -; do
        terminal "$term" generate "${device[@]}" "$mixtral" --prompt 'def f(x):' --count 20
        plain "generate, TERM '$term'"
        has '^device: '
        terminal "$term" route "${device[@]}" "$mixtral" --prompt x
        plain "route, TERM '$term'"
        terminal "$term" info "$mixtral"
        plain "info, TERM '$term'"
        terminal "$term" devices
        plain "devices, TERM '$term'"
    done
    terminal dumb check "${device[@]}" "$mixtral"
    plain "check"
    terminal dumb layer "${device[@]}" "$mixtral" --layer 0 --input "$input" --output "$tmp/z.npy"
    plain "layer"
    terminal xterm generate "${device[@]}" "$mixtral" --prompt x --count 2
    has $'\x1b\\[K'
    has $'\x1b\\[1m'
    finish "a terminal that knows no control characters"

    $python - "$vkmoe" "${device[@]}" "$mixtral" "$ids" >"$tmp/words" 2>&1 <<'PYTHON' ||
import pty, subprocess, sys
vkmoe, device, (model, ids) = sys.argv[1], sys.argv[2:-2], sys.argv[-2:]
terminal, side = pty.openpty()
done = subprocess.run(
    [vkmoe, 'logits', *device, model, '--tokens', ids, '--output', '-'], stdout=side,
                      stderr=subprocess.PIPE)
assert done.returncode == 1, done
assert b'vkmoe: standard output: is a terminal' in done.stderr, done
assert done.stderr.count(b'\n') == 1, done
PYTHON
        problem "$(tail -n 1 "$tmp/words")"
    finish "a terminal gets no array"
else
    skip "a terminal that knows no control characters" "no Python can make a terminal here"
    skip "a terminal gets no array" "no Python can make a terminal here"
fi

# ------------------------------------------------------------------------------- what is not finite

if [ -n "$python" ]; then
    # One weight of each is not finite.
    $python - "$tools" "$tmp" <<'PYTHON' || problem "the models could not be made"
import struct, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from tiny_checkpoint import Checkpoint
block = 'model.layers.0.'
for name, tensor, at, value in (
        ('norm', 'model.norm.weight', 0, 'nan'), ('infinite', 'model.norm.weight', 0, '-inf'),
        ('head', 'lm_head.weight', 5 * 32, 'nan'),
        ('embedding', 'model.embed_tokens.weight', 102 * 32, 'nan'),
        ('router', block + 'block_sparse_moe.gate.weight', 0, 'nan'),
        ('query', block + 'self_attn.q_proj.weight', 0, 'inf'),
        ('sound', 'model.norm.weight', 0, '1')):
    checkpoint = Checkpoint('mixtral', 200)
    data = bytearray(checkpoint.tensors[tensor].data)
    data[4 * at:4 * at + 4] = struct.pack('<f', float(value))
    checkpoint.tensors[tensor].data = bytes(data)
    checkpoint.save('%s/%s' % (sys.argv[2], name))
PYTHON
    head -c 1152 "$input" | tail -c 384 | npy "$tmp/narrow.npy" '<f4' 3,32
    # not_finite TEXT COMMAND MODEL ARGUMENT... - it does its work, and then fails with one line
    # that says so.
    not_finite() {
        expect 1 "${@:2}"
        [ -s "$out" ] || problem "${*:2}: nothing was printed"
        one_line "$1"
    }
    rm -f "$tmp/l.npy"
    for model in norm head infinite; do
        value=NaN place='[0][0]'
        [ "$model" = head ] && place='[0][5]'
        [ "$model" = infinite ] && value=infinity
        not_finite "$tmp/l.npy: token 0 has " logits "$tmp/$model" --tokens "$ids" \
            --output "$tmp/l.npy"
        says "$value at ${place//[/\\[}; 3 of 3 tokens are not finite"
        [ "$(stat -c %s "$tmp/l.npy")" = 2528 ] || problem "$model: the logits were not written"
        refuse_text=$(printf 'token 3 cannot be chosen: the logits are not finite (')
        expect 1 generate "$tmp/$model" --tokens "$ids" --count 2
        one_line "$refuse_text"
        expect 1 generate "$tmp/$model" --tokens "$ids" --count 2 --temperature 1
        one_line "$refuse_text"
        not_finite "the logits of 3 of 3 tokens are not finite" route "$tmp/$model" --tokens "$ids"
    done
    says 'infinity'
    not_finite "token 2 has NaN at [2][0]; 1 of 3 tokens are not finite" logits "$tmp/embedding" \
        --tokens "$ids" \
        --output "$tmp/l.npy" --chunk 1
    not_finite "the logits of 1 of 3 tokens are not finite, first of token 2" route \
        "$tmp/embedding" --tokens "$ids"
    for arguments in router "router --json"; do
        # shellcheck disable=SC2086
        not_finite "tokens are not finite" route "$tmp/"$arguments --tokens "$ids"
        # shellcheck disable=SC2086
        not_finite "y.npy: token 0 has NaN at [0][0]; 3 of 3" layer "$tmp/"$arguments --layer 0 \
            --input "$tmp/narrow.npy" --output "$tmp/y.npy" --weights "$tmp/w.npy"
    done
    $python -c 'import json, sys; assert json.load(open(sys.argv[1]))["finite"] is False' "$out" \
        2>"$tmp/words" ||
        problem "JSON: $(tail -n 1 "$tmp/words")"
    not_finite "y.npy: token 0 has NaN" attention "$tmp/query" --layer 0 --input "$tmp/narrow.npy" \
        --output "$tmp/y.npy"
    "$vkmoe" layer "${device[@]}" "$tmp/router" --layer 0 --input "$tmp/narrow.npy" --output - \
        >"$tmp/piped" 2>"$err"
    status 1 $? "layer --output - of NaN"
    says '^vkmoe: standard output: token 0 has NaN'
    mkdir "$tmp/router/recorded"
    cp "$tmp/narrow.npy" "$tmp/router/recorded/layer0_moe_input.npy"
    cp "$tmp/narrow.npy" "$tmp/router/recorded/layer0_moe_output.npy"
    expect 1 check "$tmp/router"
    has ' not finite$'
    expect 1 check "$tmp/router" --json
    $python - "$out" 2>"$tmp/words" <<'PYTHON' || problem "JSON: $(tail -n 1 "$tmp/words")"
import json, sys
def refuse(name):
    raise ValueError(name + ' is no JSON')
found = json.load(open(sys.argv[1]), parse_constant=refuse)
layer = found['layers'][0]
assert not found['ok'] and layer['finite'] is False and layer['error'] is None, found
PYTHON
    for command in "logits $tmp/sound --tokens $ids --output $tmp/l.npy" \
        "route $tmp/sound --tokens $ids" \
        "layer $tmp/sound --layer 0 --input $tmp/narrow.npy --output $tmp/y.npy"; do
        read -ra words <<<"$command"
        expect 0 "${words[@]}"
        [ ! -s "$err" ] || problem "$command: $(cat "$err")"
    done
    finish "what is not finite is reported"
else
    skip "what is not finite is reported" "there is no Python"
fi

# What is read may not be written over, be it the model itself.
mkdir "$tmp/own"
cp "$mixtral"/*.json "$mixtral/model.safetensors" "$tmp/own"
chmod u+w "$tmp/own"/*
cp "$mixtral/recorded/layer0_moe_input.npy" "$tmp/own.npy"
cp "$ids" "$tmp/own_ids.npy"
printf 'def f' >"$tmp/own.txt"
find "$tmp/own" "$tmp"/own?* -type f -exec cksum {} + | sort >"$tmp/sums"
overwrites=(
    "layer $tmp/own --layer 0 --input $tmp/own.npy --output $tmp/own/model.safetensors"
    "layer $tmp/own --layer 0 --input $tmp/own.npy --output $tmp/y.npy --ids $tmp/own/config.json"
    "layer $tmp/own --layer 0 --input $tmp/own.npy --output $tmp/own.npy"
    "attention $tmp/own --layer 0 --input $tmp/own.npy --output $tmp/own/config.json"
    "logits $tmp/own --tokens $tmp/own_ids.npy --output $tmp/own/model.safetensors"
    "route $tmp/own --tokens $tmp/own_ids.npy --svg $tmp/own_ids.npy"
    "route $tmp/own --prompt-file $tmp/own.txt --svg $tmp/own.txt"
    "route $tmp/own --prompt x --svg $tmp/own/config.json"
)
for words in "${overwrites[@]}"; do
    read -ra words <<<"$words"
    refuse 1 "is an input too, and would be overwritten" "${words[@]}"
done
find "$tmp/own" "$tmp"/own?* -type f -exec cksum {} + | sort | cmp -s - "$tmp/sums" \
    || problem "an input was changed"
expect 0 layer "$tmp/own" --layer 0 --input "$tmp/own.npy" --output "$tmp/own/y.npy"
finish "no output over an input"

# Named pipes that nobody writes to are not waited for; links to nothing are not nothing.
rm -rf "$tmp/own/tokenizer.model"
for name in tokenizer.model spiece.model recorded/layer0_moe_input.npy; do
    mkdir -p "$tmp/own/recorded"
    mkfifo "$tmp/own/$name"
    command=(route "$tmp/own" --prompt x)
    [ "${name%/*}" = recorded ] && command=(check "$tmp/own")
    timeout 60 "$vkmoe" "${command[0]}" "${device[@]}" "${command[@]:1}" >"$out" 2>"$err" </dev/null
    status 1 $? "$name is a named pipe"
    says "$name: (is not a regular file|cannot be used, since vkmoe was built without)"
    rm "$tmp/own/$name"
done
for name in tokenizer.model added_tokens.json; do
    ln -s nowhere "$tmp/own/$name"
    [ "$name" = tokenizer.model ] || printf "no model" >"$tmp/own/tokenizer.model"
    expect 1 route "$tmp/own" --prompt x
    says \
        "(symbolic link to a file that is not there|no sentencepiece model|without sentencepiece)"
    rm "$tmp/own/$name"
done
rm -f "$tmp/own/tokenizer.model"
finish "pipes and dangling links beside a model"

# The smaller P is, the fewer tokens.
for top_p in 0 1e-9; do
    expect 0 generate "$mixtral" --tokens "$ids" --count 8 --temperature 9 --seed 3 --top-p "$top_p"
    cp "$out" "$tmp/top_p_$top_p"
done
same "$tmp/top_p_0" "$tmp/top_p_1e-9"
expect 0 generate "$mixtral" --tokens "$ids" --count 8 --greedy
same "$tmp/top_p_0" "$out"
finish "--top-p 0 takes the likeliest"

tests_end
