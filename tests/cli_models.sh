#!/usr/bin/env bash
# cli_models.sh VKMOE MODELS NPY_NEAR - the commands that run whole models, and attention alone, against what is recorded.
# VKMOE_TEST_DEVICE, if it is set, is the --device of everything that runs.
set -u
vkmoe=$(realpath "$1") models=$2 near=$3
mixtral=$models/tiny-mixtral jetmoe=$models/tiny-jetmoe
device=()
[ -n "${VKMOE_TEST_DEVICE-}" ] && device=(--device "$VKMOE_TEST_DEVICE")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
out=$tmp/out err=$tmp/err
count=0 failed=0
unset NO_COLOR COLUMNS
export LC_ALL=C.UTF-8

# ----------------------------------------------------------------------------------------------- tests and expectations

problems=
problem() {
    problems+="#   $*"$'\n'
}

finish() {
    count=$((count + 1))
    if [ -z "$problems" ]; then
        echo "ok $count - $1"
    else
        printf '%s' "$problems"
        echo "not ok $count - $1"
        failed=$((failed + 1))
    fi
    problems=
}

skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

# expect STATUS COMMAND ARGUMENT... - runs the tool; its output goes to $out and $err.
expect() {
    local status=$1 command=$2 got=0
    shift 2
    "$vkmoe" "$command" "${device[@]}" "$@" >"$out" 2>"$err" </dev/null || got=$?
    [ "$got" = "$status" ] || problem "vkmoe $command $*: status $got, expected $status: $(head -n 3 "$err")"
}

# refuse STATUS TEXT COMMAND ARGUMENT... - it must fail with one line that holds TEXT, and print nothing else.
refuse() {
    local status=$1 text=$2
    shift 2
    expect "$status" "$@"
    [ ! -s "$out" ] || problem "vkmoe $*: unexpected on stdout: $(head -n 1 "$out")"
    if [ "$(wc -l <"$err")" != 1 ] || ! grep -q '^vkmoe: ' "$err"; then
        problem "vkmoe $*: expected one line of message, got: $(head -n 3 "$err")"
    fi
    grep -qF -- "$text" "$err" || problem "vkmoe $*: no '$text' in: $(cat "$err")"
}

has() {
    grep -qE -- "$1" "$out" || problem "no '$1' in: $(cat "$out")"
}

says() {
    grep -qE -- "$1" "$err" || problem "no '$1' in: $(cat "$err")"
}

same() {
    cmp -s "$1" "$2" || problem "$1 and $2 differ"
}

# near FOUND EXPECTED TOLERANCE
near() {
    local why
    why=$("$near" "$@") || problem "${1##*/} and ${2##*/}: $why"
}

# npy FILE DESCR SHAPE - writes an array whose bytes are on standard input.
npy() {
    local header="{'descr': '$2', 'fortran_order': False, 'shape': ($3), }" length
    length=$(((10 + ${#header} + 1 + 63) / 64 * 64 - 10))
    {
        printf '\x93NUMPY\x01\x00'
        # shellcheck disable=SC2059
        printf "\\x$(printf %02x $((length & 255)))\\x$(printf %02x $((length >> 8)))"
        printf "%-$((length - 1))s\n" "$header"
        cat
    } >"$1"
}

# The elements of a file of i32 [N], one a line.
numbers() {
    tail -c $((4 * $2)) "$1" | od -A n -v -w4 -t d4 | tr -d ' '
}

# The first COUNT bytes of a file, one a line.
bytes() {
    head -c "$2" "$1" | od -A n -v -w1 -t u1 | tr -d ' '
}

no_leftovers() {
    local found
    found=$(find "$tmp" -name '.vkmoe-*')
    [ -z "$found" ] || problem "left behind: $found"
}

# ---------------------------------------------------------------------------------------------------------- whole models

for command in attention logits generate route; do
    "$vkmoe" "$command" --help >"$out" 2>"$err" || problem "$command --help: failed"
    has "^usage: vkmoe $command MODEL"
    grep -qE '.{101}' "$out" && problem "$command: long lines"
done
finish "help"

# logits NAME MODEL RECORDED OPTION...
logits() {
    local name=$1 model=$2 recorded=$3
    shift 3
    rm -f "$tmp/l.npy"
    expect 0 logits "$model" --tokens "$model/recorded/tokens.npy" --output "$tmp/l.npy" "$@"
    near "$tmp/l.npy" "$recorded" 1e-3
    near "$tmp/l.npy" "$recorded" argmax
    has '^160 tokens on '
    finish "$name"
}
logits "logits of tiny-mixtral" "$mixtral" "$mixtral/recorded/logits.npy"
cp "$tmp/l.npy" "$tmp/whole.npy"
logits "logits of tiny-mixtral in chunks of 7" "$mixtral" "$mixtral/recorded/logits.npy" --chunk 7
near "$tmp/l.npy" "$tmp/whole.npy" 1e-4
finish "chunks change nothing"
logits "logits of tiny-jetmoe" "$jetmoe" "$jetmoe/recorded/logits.npy"
logits "logits of tiny-jetmoe in chunks of 50" "$jetmoe" "$jetmoe/recorded/logits.npy" --chunk 50

mkdir "$tmp/unwindowed"
tr -d '\n' <"$jetmoe/config.json" | sed 's/"attention_expert_windows": *\[[^]]*\],//' >"$tmp/unwindowed/config.json"
ln -s "$(realpath "$jetmoe/model.safetensors")" "$(realpath "$jetmoe/recorded")" "$tmp/unwindowed"
logits "logits of tiny-jetmoe without windows" "$tmp/unwindowed" "$jetmoe/recorded/logits_unwindowed.npy"

for layer in 0 3; do
    for model in "$mixtral" "$jetmoe"; do
        rm -f "$tmp/y.npy"
        expect 0 attention "$model" --layer $layer --input "$model/recorded/layer${layer}_attention_input.npy" \
            --output "$tmp/y.npy"
        near "$tmp/y.npy" "$model/recorded/layer${layer}_attention_output.npy" 1e-4
    done
    expect 0 attention "$jetmoe" --layer $layer --input "$jetmoe/recorded/layer${layer}_attention_input.npy" \
        --output "$tmp/y.npy" --ids "$tmp/i.npy" --weights "$tmp/w.npy"
    near "$tmp/i.npy" "$jetmoe/recorded/layer${layer}_attention_expert_ids.npy" 0
    near "$tmp/w.npy" "$jetmoe/recorded/layer${layer}_attention_expert_weights.npy" 1e-4
done
finish "attention alone"

head -c 0 /dev/null | npy "$tmp/none.npy" '<f4' '0, 128'
expect 0 attention "$mixtral" --layer 0 --input "$tmp/none.npy" --output "$tmp/y.npy"
refuse 1 "dense attention" attention "$mixtral" --layer 0 --input "$tmp/none.npy" --output "$tmp/z.npy" \
    --ids "$tmp/i.npy"
refuse 1 "" attention "$mixtral" --layer 4 --input "$tmp/none.npy" --output "$tmp/z.npy"
[ -e "$tmp/z.npy" ] && problem "written in spite of an error"
no_leftovers
finish "attention: no tokens, no gate, no layer"

# ------------------------------------------------------------------------------------------------------------ generation

for model in "$mixtral" "$jetmoe"; do
    prompt=$(head -c 48 "$model/recorded/tokens.txt" && printf x)
    expect 0 generate "$model" --prompt "${prompt%x}" --count 96
    says '^prompt: 48 tokens, [0-9.]+ tokens/s .*; generated: 96 tokens, [0-9.]+ tokens/s; greedy$'
    numbers "$model/recorded/greedy_tokens.npy" 144 >"$tmp/expected"
    bytes "$out" 144 >"$tmp/found"
    same "$tmp/found" "$tmp/expected"
    [ -z "$(tail -c 1 "$out" | tr -d '\n')" ] || problem "the last line has no end"
    cp "$out" "$tmp/by_text"
    # The same from ids, of 64 bits.
    for id in $(head -n 48 "$tmp/expected"); do
        # shellcheck disable=SC2059
        printf "\\x$(printf %02x "$id")\0\0\0\0\0\0\0"
    done | npy "$tmp/ids.npy" '<i8' '48,'
    expect 0 generate "$model" --tokens "$tmp/ids.npy" --count 96 --greedy
    same "$out" "$tmp/by_text"
    finish "greedy text of ${model##*/}"
done

sampling=(generate "$jetmoe" --prompt 'import ' --count 40 --temperature 0.9 --top-k 40 --top-p 0.95)
expect 0 "${sampling[@]}" --seed 5
says '; seed 5$'
cp "$out" "$tmp/first"
expect 0 "${sampling[@]}" --seed 5
same "$out" "$tmp/first"
expect 0 "${sampling[@]}" --seed 6
cmp -s "$out" "$tmp/first" && problem "another seed gave the same text"
expect 0 "${sampling[@]}" --seed 18446744073709551615
expect 0 "${sampling[@]}"
says '; seed [0-9]+$'
seed=$(sed -n 's/.*; seed //p' "$err")
cp "$out" "$tmp/first"
expect 0 "${sampling[@]}" --seed "$seed"
same "$out" "$tmp/first"
expect 0 generate "$jetmoe" --prompt 'import ' --count 40
cp "$out" "$tmp/first"
expect 0 generate "$jetmoe" --prompt 'import ' --count 40 --temperature 1 --top-k 1
same "$out" "$tmp/first"
expect 0 generate "$jetmoe" --prompt 'import ' --count 40 --temperature 1 --top-p 0
expect 0 generate "$jetmoe" --prompt 'import ' --count 40 --temperature 1e-9
same "$out" "$tmp/first"
finish "sampling"

expect 0 generate "$mixtral" --prompt "$(printf '%01020d' 0)" --count 60
says '^stopped: the model.s context of 1024 tokens is full$'
says 'generated: [1-5] tokens?[;,]'
printf '0%.0s' {1..1025} >"$tmp/long"
refuse 1 "the prompt has 1025 tokens, the model's context holds 1024" generate "$mixtral" --prompt "$(cat "$tmp/long")"
finish "the end of the context"

# As if its own group had been sent Ctrl-C; without "set -m" a shell's children in the background do not hear it.
set -m
"$vkmoe" generate "${device[@]}" "$mixtral" --prompt 'import ' --count 1000 >"$out" 2>"$err" </dev/null &
child=$!
for _ in {1..300}; do
    [ "$(wc -c <"$out")" -gt 12 ] && break
    sleep 0.1
done
kill -INT $child
wait $child || problem "Ctrl-C: status $?"
set +m
says '^stopped: interrupted$'
[ -z "$(tail -c 1 "$out" | tr -d '\n')" ] || problem "the last line has no end"
finish "Ctrl-C ends the text"

if [ -w /dev/full ]; then
    "$vkmoe" generate "${device[@]}" "$mixtral" --prompt 'import ' --count 40 >/dev/full 2>"$err"
    [ $? = 1 ] || problem "a full disk: status is not 1"
    says '^vkmoe: cannot write to standard output: '
    finish "standard output is full"
else
    skip "standard output is full" "there is no /dev/full"
fi

# ----------------------------------------------------------------------------------------------------------------- route

if command -v python3 >/dev/null && python3 -c 'import json' 2>/dev/null; then
    expect 0 route "$jetmoe" --tokens "$jetmoe/recorded/tokens.npy" --json
    python3 - "$out" >"$tmp/ids" <<'PYTHON' || problem "JSON is not as expected: $(tail -n 1 "$tmp/ids")"
import json, sys
found = json.load(open(sys.argv[1]))
assert found['tokens'] == 160 and len(found['layers']) == 4
for layer in found['layers']:
    for gate in layer['feed_forward'], layer['attention']:
        assert sum(gate['load']) == 320 and len(gate['load']) == 8 and len(gate['ids']) == 160
        for expert in range(8):
            assert gate['load'][expert] == sum(expert in ids for ids in gate['ids'])
assert found['layers'][0]['attention']['windows'] == [8, 8, 32, 32, 128, 128, 0, 0]
for layer in found['layers'][2:3]:
    for ids in layer['attention']['ids']:
        print(*ids, sep='\n')
PYTHON
    # A near tie may fall otherwise behind two layers; the first choices of most tokens may not.
    tail -c 1280 "$jetmoe/recorded/layer2_attention_expert_ids.npy" | od -A n -v -w4 -t d4 | tr -d ' ' >"$tmp/expected"
    differing=$(diff "$tmp/ids" "$tmp/expected" | grep -c '^<')
    [ "$differing" -le 4 ] || problem "$differing choices of 320 are not the recorded ones"
    finish "route: JSON"
else
    skip "route: JSON" "there is no Python"
fi

text=$'def f(x):\n\treturn "<&>"\x01\x1b[31m \xc3\xbc \xff ]]>'
expect 0 route "$jetmoe" --prompt "$text" --svg "$tmp/map.svg"
has '^feed-forward experts: .* chooses 2 of 8$'
has '^attention experts: .* chooses 2 of 8$'
has 'sees last 8: 0 1  last 32: 2 3  last 128: 4 5  everything: 6 7$'
[ "$(grep -cE '^layer [0-3], attention$' "$out")" = 4 ] || problem "expected four maps"
grep -q $'\x1b\|\x01' "$out" && problem "control characters were printed"
[ "$(stat -c %a "$tmp/map.svg")" = "$(printf %o $((0666 & ~$(umask))))" ] || problem "the picture has other rights"
grep -q $'\x1b\|\x01\|\xff' "$tmp/map.svg" && problem "control characters are in the picture"
expect 0 route "$mixtral" --prompt "$text" --layer 2 --svg "$tmp/map2.svg"
has '^layer 2, feed-forward$'
[ "$(grep -cE '^layer [0-9], ' "$out")" = 1 ] || problem "expected one map"
LC_ALL=C expect 0 route "$jetmoe" --prompt "$text" --layer 0
LC_ALL=C grep -q '[^ -~]' "$out" && problem "not ASCII, though the terminal is"
if command -v xmllint >/dev/null; then
    xmllint --noout "$tmp/map.svg" "$tmp/map2.svg" 2>"$tmp/xml" || problem "no XML: $(head -n 3 "$tmp/xml")"
fi
no_leftovers
finish "route: shares, maps and pictures"

if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    coloured() {
        env -u NO_COLOR TERM=xterm "$@" script -qec \
            "'$vkmoe' route ${device[*]@Q} '$jetmoe' --layer 0 --prompt 'def f(x)'" /dev/null >"$out" </dev/null
    }
    coloured COLORTERM=truecolor
    has $'\x1b\\[38;2;[0-9;]*48;2;'
    coloured COLORTERM=
    has $'\x1b\\[38;5;[0-9;]*48;5;'
    coloured NO_COLOR=1
    grep -qE $'\x1b\\[[0-9;]*m' "$out" && problem "coloured in spite of NO_COLOR"
    finish "route: colours of a terminal"
else
    skip "route: colours of a terminal" "no script command can make a terminal here"
fi

# ---------------------------------------------------------------------------------------------------------- wrong usage

refuse 2 "--prompt or --tokens is missing" generate "$mixtral"
refuse 2 "exclude each other" generate "$mixtral" --prompt a --tokens a.npy
refuse 2 "exclude each other" generate "$mixtral" --prompt a --greedy --temperature 1
refuse 2 "--top-k does nothing without --temperature" generate "$mixtral" --prompt a --top-k 3
refuse 2 "--seed does nothing without --temperature" generate "$mixtral" --prompt a --seed 3
for wrong in -1 nan inf x 1x; do
    refuse 2 "--temperature is '$wrong'" generate "$mixtral" --prompt a --temperature $wrong
done
refuse 2 "--top-p is '1.5', expected a number from 0 to 1" generate "$mixtral" --prompt a --temperature 1 --top-p 1.5
for wrong in -1 x 1x 18446744073709551616; do
    refuse 2 "--seed is '$wrong'" generate "$mixtral" --prompt a --temperature 1 --seed $wrong
done
refuse 2 "--count is '0'" generate "$mixtral" --prompt a --count 0
refuse 2 "MODEL is missing" route --prompt a
refuse 2 "--prompt or --tokens is missing" route "$mixtral"
refuse 2 "--tokens is missing" logits "$mixtral" --output "$tmp/z.npy"
refuse 1 "no layer 4, expected 0 to 3" route "$mixtral" --prompt a --layer 4
refuse 1 "no layer decoder.0" route "$mixtral" --prompt a --layer decoder.0
refuse 1 "is a directory" route "$mixtral" --prompt a --svg "$tmp"
refuse 1 "cannot create" route "$mixtral" --prompt a --svg "$tmp/none/map.svg"
finish "wrong command lines"

head -c 0 /dev/null | npy "$tmp/empty.npy" '<i4' '0,'
printf '\0\0\0\0' | npy "$tmp/float.npy" '<f4' '1,'
printf '\1\0\0\0' | npy "$tmp/square.npy" '<i4' '1, 1'
printf '\1\0\0\0\0\1\0\0' | npy "$tmp/large.npy" '<i4' '2,'
printf '\377\377\377\377' | npy "$tmp/negative.npy" '<i4' '1,'
printf 'x%.0s' {1..4100} | npy "$tmp/long.npy" '<i4' '1025,'
for command in "logits $mixtral --output $tmp/z.npy" "generate $mixtral" "route $mixtral"; do
    read -ra words <<<"$command"
    refuse 1 "is empty, expected at least one token" "${words[@]}" --tokens "$tmp/empty.npy"
    refuse 1 "holds no integers, expected i32 or i64" "${words[@]}" --tokens "$tmp/float.npy"
    refuse 1 "has 2 dimensions, expected one: [tokens]" "${words[@]}" --tokens "$tmp/square.npy"
    refuse 1 "[1] is 256, expected 0 to 255, the model's vocabulary" "${words[@]}" --tokens "$tmp/large.npy"
    refuse 1 "[0] is -1, expected 0 to 255" "${words[@]}" --tokens "$tmp/negative.npy"
    refuse 1 "has 1025 tokens, the model's context holds 1024" "${words[@]}" --tokens "$tmp/long.npy"
    refuse 1 "$tmp/nothing.npy" "${words[@]}" --tokens "$tmp/nothing.npy"
done
[ -e "$tmp/z.npy" ] && problem "written in spite of an error"
no_leftovers
finish "wrong ids"

echo "1..$count"
[ "$failed" = 0 ]
