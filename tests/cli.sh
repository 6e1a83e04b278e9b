#!/usr/bin/env bash
# cli.sh VKMOE MODELS - the command line tool, used as a user would, rightly and wrongly.
# VKMOE_TEST_DEVICE, if it is
# set, is the --device of everything that runs.
set -u
vkmoe=$(realpath "$1")
model=$2/tiny-mixtral
recorded=$model/recorded
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/support/lib.sh"

# expect STATUS ARGUMENT... - runs the tool, on any device; its output goes to $out and $err.
expect() {
    local status=$1 got=0
    shift
    "$vkmoe" "$@" >"$out" 2>"$err" </dev/null || got=$?
    [ "$got" = "$status" ] || problem "vkmoe $*: status $got, expected $status: $(head -n 3 "$err")"
    if [ "$status" = 0 ] && [ -s "$err" ]; then
        problem "vkmoe $*: unexpected on stderr: $(head -n 1 "$err")"
    fi
}

if command -v python3 >/dev/null && python3 -c 'import json' 2>/dev/null; then
    parse_json() { python3 -m json.tool; }
elif command -v jq >/dev/null; then
    parse_json() { jq .; }
else
    parse_json() { cat; }
fi
is_json() {
    parse_json <"$out" >/dev/null 2>"$tmp/json" || problem "is no JSON ($(head -n \
        1 "$tmp/json")): $(cat "$out")"
}

# repeat COUNT BYTES - BYTES as printf writes them.
repeat() {
    local i
    for ((i = 0; i < $1; i++)); do
        # shellcheck disable=SC2059
        printf "$2"
    done
}

# The bytes of a [160][columns] array, without its header.
elements() {
    tail -c $((160 * $2 * 4)) "$1"
}

layer=(layer "$model" --layer 0)
input=$recorded/layer0_moe_input.npy

# --------------------------------------------------------------------------------- the command line

expect 0 --help
for command in devices info layer bench quantize tune check; do
    has "^  $command  "
done
expect 0 -h
expect 0 --version
has '^vkmoe [0-9]+\.[0-9]+\.[0-9]+$'
finish "help and version"

for command in devices info layer bench tune check; do
    expect 0 "$command" --help
    has "^usage: vkmoe $command"
    has '^  --json'
    grep -qE '.{101}' "$out" && problem "$command: long lines"
done
expect 0 quantize --help
has '^usage: vkmoe quantize SRC DST --type T \[OPTION\]...$'
finish "help of every command"

"$vkmoe" >"$out" 2>"$err"
[ $? = 2 ] || problem "no command: expected status 2"
[ -s "$out" ] && problem "no command: unexpected on stdout"
refuse 2 "unknown command 'dance'" dance
refuse 2 "unknown option '--json'" --json devices
refuse 2 "unknown option '--nonsense'" devices --nonsense
refuse 2 "unknown option '--nonsense'" devices --nonsense=3
refuse 2 "unknown option '-q'" info -q "$model"
refuse 2 "--json takes no value" devices --json=3
refuse 2 "unexpected operand 'more'" devices more
refuse 2 "unexpected operand 'more'" info "$model" more
refuse 2 "unexpected operand '--json'" info "$model" -- --json
refuse 2 "MODEL is missing" info
refuse 2 "MODEL is missing" check --json
refuse 2 "MODEL is empty" info ""
refuse 2 "--layer is missing" layer "$model" --input "$input" --output "$tmp/y.npy"
refuse 2 "--input is missing" "${layer[@]}" --output "$tmp/y.npy"
refuse 2 "--output is missing" "${layer[@]}" --input "$input"
refuse 2 "--output needs a value" "${layer[@]}" --input "$input" --output
refuse 2 "--output needs a value" "${layer[@]}" --input "$input" --output ""
for number in zero -1 +1 ' 1' 1x 0x1 1.0 99999999999 decoder. decoder.x decoder DECODER.1; do
    refuse 2 "--layer is '$number'" layer "$model" --layer "$number" --input "$input" \
        --output "$tmp/y.npy"
done
for number in 0 -3 many 4294967296; do
    refuse 2 "--repeat is '$number'" "${layer[@]}" --input "$input" --output "$tmp/y.npy" \
        --repeat "$number"
done
[ ! -e "$tmp/y.npy" ] || problem "an output was written"
finish "wrong command lines"

# ------------------------------------------------------------------------------------------ devices

expect 0 devices
has '^0  '
has '^   driver  '
has '^   usable +(yes|no: )'
expect 0 devices --json
is_json
has '"usable":'
has '"subgroup_arithmetic":'
[ "$(grep -c '"default":.*true' "$out")" = 1 ] || problem "not one default device"
finish "devices"

no_driver=(env "VK_DRIVER_FILES=$tmp/none" "VK_ICD_FILENAMES=$tmp/none")
for arguments in "devices" "check $model"; do
    # shellcheck disable=SC2086
    "${no_driver[@]}" "$vkmoe" $arguments >"$out" 2>"$err"
    [ $? = 1 ] || problem "$arguments without a driver: expected status 1"
    [ "$(grep -c '^vkmoe: .*no Vulkan device' "$err")" = 1 ] \
        || problem "$arguments without a driver: $(cat "$err")"
done
refuse 1 "no such device" check "$model" --device "no such device"
finish "no device"

# --------------------------------------------------------------------------------------------- info

expect 0 info "$model"
has '^family +mixtral$'
has '^blocks +4, all with experts$'
has '^router +softmax, top 2, renormalised$'
has '^experts +8 in a block, of which a token takes 2$'
expect 0 info --json "$model"
is_json
has '"experts":.*8'
has '"dtype":.*"f16"'
POSIXLY_CORRECT=1 expect 0 info "$model" --json
is_json
expect 0 info --json -- "$model"
finish "info"

mkdir "$tmp/empty" "$tmp/cut"
cp "$model/config.json" "$tmp/cut"
head -c 5000 "$model/model.safetensors" >"$tmp/cut/model.safetensors"
refuse 1 "$tmp/absent" info "$tmp/absent"
refuse 1 config.json info "$tmp/empty"
refuse 1 model.safetensors info "$tmp/cut"
refuse 1 model.safetensors check "$tmp/cut" "${device[@]}"
refuse 1 config.json info "$model/config.json"
finish "missing and broken models"

# -------------------------------------------------------------------------------------------- layer

for i in 0 3; do # `check` runs the others
    expect 0 layer "$model" --layer "$i" --input "$recorded/layer${i}_moe_input.npy" \
        --output "$tmp/y$i.npy" \
        --ids "$tmp/ids.npy" --weights "$tmp/weights.npy" "${device[@]}"
    has "^layer $i: 160 tokens on "
    [ "$(stat -c %s "$tmp/y$i.npy")" = 82048 ] || problem "y$i.npy has $(stat -c %s \
        "$tmp/y$i.npy") bytes"
    elements "$tmp/ids.npy" 2 >"$tmp/a"
    elements "$recorded/layer${i}_moe_expert_ids.npy" 2 >"$tmp/b"
    same "$tmp/a" "$tmp/b"
done
finish "layer: experts are the recorded ones"

# Two tokens from here on: SwiftShader takes seconds to compile what more of them need.
tail -c 1024 "$input" | npy "$tmp/two.npy" '<f4' 2,128
head -c 1152 "$input" | tail -c 1024 | npy "$tmp/other.npy" '<f4' 2,128
expect 0 "${layer[@]}" --input "$tmp/two.npy" --output "$tmp/y.npy" "${device[@]}"
expect 0 "${layer[@]}" --input "$tmp/two.npy" --output "$tmp/again.npy" "${device[@]}" \
    --repeat 2 --json
is_json
has '"runs":.*2'
has '"median_ns":'
same "$tmp/y.npy" "$tmp/again.npy"
expect 0 "${layer[@]}" --input "$tmp/two.npy" --output "$tmp/again.npy" "${device[@]}" --repeat 1 \
    --router-input "$tmp/two.npy"
has '^median of 1 run: '
same "$tmp/y.npy" "$tmp/again.npy"
expect 0 "${layer[@]}" --input "$tmp/two.npy" --output "$tmp/again.npy" "${device[@]}" \
    --router-input "$tmp/other.npy"
cmp -s "$tmp/y.npy" "$tmp/again.npy" && problem "--router-input has no effect"
finish "layer: repeated, and with a router input"

repeat 256 '\x00\x00\x80\x3f' | npy "$tmp/f32.npy" '<f4' 2,128
repeat 256 '\x00\x3c' | npy "$tmp/f16.npy" '<f2' 2,128
repeat 256 '\x00\x00\x00\x00\x00\x00\xf0\x3f' | npy "$tmp/f64.npy" '<f8' 2,128
for dtype in f32 f16 f64; do
    expect 0 "${layer[@]}" --input "$tmp/$dtype.npy" --output "$tmp/of_$dtype.npy" "${device[@]}"
    same "$tmp/of_f32.npy" "$tmp/of_$dtype.npy"
done
finish "layer: f16 and f64 are converted"

npy "$tmp/none.npy" '<f4' 0,128 </dev/null
expect 0 "${layer[@]}" --input "$tmp/none.npy" --output "$tmp/y_none.npy" --ids "$tmp/i_none.npy" \
    "${device[@]}" \
    --repeat 2
has '^layer 0: 0 tokens on '
for file in "y_none.npy <f4.*(0,128" "i_none.npy <i4.*(0,2"; do
    read -r name header <<<"$file"
    grep -aq "$header" "$tmp/$name" || problem "$name: $(cat "$tmp/$name")"
    [ "$(wc -c <"$tmp/$name")" = 128 ] || problem "$name is not empty"
done
expect 0 "${layer[@]}" --input "$tmp/none.npy" --output "$tmp/y_none.npy" "${device[@]}" \
    --repeat 2 --json
is_json
finish "layer: 0 tokens"

refuse 1 "has no block 4, only 0 to 3" layer "$model" --layer 4 --input "$input" \
    --output "$tmp/new.npy" "${device[@]}"
refuse 1 "no decoder block 0" layer "$model" --layer decoder.0 --input "$input" \
    --output "$tmp/new.npy" "${device[@]}"
finish "layer: out of range"

repeat 128 '\x00\x00\x80\x3f' | npy "$tmp/flat.npy" '<f4' 128,
repeat 128 '\x00\x00\x80\x3f' | npy "$tmp/deep.npy" '<f4' 1,1,128
repeat 100 '\x00\x00\x80\x3f' | npy "$tmp/narrow.npy" '<f4' 1,100
repeat 128 '\x01\x00\x00\x00' | npy "$tmp/integers.npy" '<i4' 1,128
head -c $((65537 * 256)) /dev/zero | npy "$tmp/many.npy" '<f2' 65537,128
{ repeat 130 '\x00\x00\x80\x3f'; printf '\x00\x00\xc0\x7f'; repeat 125 '\x00\x00\x80\x3f'; } |
    npy "$tmp/nan.npy" '<f4' 2,128
repeat 128 '\x00\x00\x80\xff' | npy "$tmp/infinite.npy" '<f4' 1,128
repeat 128 '\xff\xff\xff\xff\xff\xff\xef\x7f' | npy "$tmp/huge.npy" '<f8' 1,128
repeat 128 '\x00\x00\x80\x3f' | npy "$tmp/one.npy" '<f4' 1,128
printf 'no array' >"$tmp/text.npy"
head -c 1000 "$input" >"$tmp/short.npy"
: >"$tmp/zero.npy"
try() {
    refuse 1 "$2" "${layer[@]}" --input "$tmp/$1.npy" --output "$tmp/new.npy" "${device[@]}"
    grep -qF "$tmp/$1.npy" "$err" || problem "the message does not name the file: $(cat "$err")"
}
try absent "absent.npy"
try flat "is [128], expected [tokens][128]"
try deep "is [1][1][128], expected [tokens][128]"
try narrow "is [1][100], expected [tokens][128]"
try integers "integers (<i4), expected f4, f8 or f2"
try many "65537 tokens, expected at most 65536"
try nan "[1][2] is NaN"
try infinite "[0][0] is infinite"
try huge "[0][0] is infinite or too large for f32"
try text "no .npy file"
try short "bytes of data"
try zero "empty"
refuse 1 "$tmp/nan.npy" "${layer[@]}" --input "$tmp/f32.npy" --router-input "$tmp/nan.npy" \
    --output "$tmp/new.npy"
refuse 1 "has 1 tokens, expected 2" "${layer[@]}" --input "$tmp/f32.npy" \
    --router-input "$tmp/one.npy" \
    --output "$tmp/new.npy"
[ ! -e "$tmp/new.npy" ] || problem "an output was written"
finish "layer: wrong inputs"

# ------------------------------------------------------------------------------------------ outputs

to() {
    refuse 1 "$2" "${layer[@]}" --input "$tmp/own.npy" --output "$1" "${device[@]}" "${@:3}"
}
mkdir "$tmp/outputs" "$tmp/outputs/folder"
cp "$tmp/two.npy" "$tmp/own.npy"
chmod u+w "$tmp/own.npy"
ln -s "$tmp/own.npy" "$tmp/outputs/link.npy"
ln "$tmp/own.npy" "$tmp/outputs/hard.npy"
to "$tmp/own.npy" "is an input too"
to "$tmp/outputs/../own.npy" "is an input too"
to "$tmp/outputs/link.npy" "is an input too"
to "$tmp/outputs/hard.npy" "is an input too"
to "$tmp/outputs/y.npy" "is an input too" --ids "$tmp/own.npy"
to "$tmp/outputs/y.npy" "two outputs" --ids "$tmp/outputs/../outputs/y.npy"
to "$tmp/outputs/folder" "is a directory"
to "$tmp/absent/y.npy" "No such file or directory"
to "$tmp/own.npy/y.npy" "Not a directory"
same "$tmp/two.npy" "$tmp/own.npy"
[ ! -e "$tmp/outputs/y.npy" ] || problem "an output was written"
no_leftovers "$tmp"
finish "outputs: refused"

if [ "$(id -u)" != 0 ]; then
    mkdir "$tmp/locked"
    chmod 500 "$tmp/locked"
    to "$tmp/locked/y.npy" "Permission denied"
    finish "outputs: no permission"
else
    skip "outputs: no permission" "root has all of them"
fi

echo old >"$tmp/outputs/old.npy"
if [ -c /dev/full ]; then
    to /dev/full "No space left on device"
    [ -c /dev/full ] || problem "/dev/full was replaced"
    to "$tmp/outputs/new.npy" "No space left on device" --ids /dev/full
fi
limited() (
    ulimit -f 1
    exec "$vkmoe" "${layer[@]}" --input "$tmp/two.npy" --output "$1" "${device[@]}" >/dev/null \
        2>"$err"
)
# SwiftShader keeps its code in a file in memory, which the limit hits, too.
if limited /dev/null 2>/dev/null; then
    limited "$tmp/outputs/old.npy"
    [ $? = 1 ] || problem "past the limit of a file's size: expected status 1, got: $(cat "$err")"
    grep -q '^vkmoe: .*old.npy: cannot write: ' "$err" \
        || problem "past the limit of a file's size: $(cat "$err")"
fi
[ "$(cat "$tmp/outputs/old.npy")" = old ] || problem "the old file is gone"
[ ! -e "$tmp/outputs/new.npy" ] || problem "one of two outputs was written"
no_leftovers "$tmp"
if [ -c /dev/full ]; then
    for arguments in "info $model" "devices --json" "--help"; do
        # shellcheck disable=SC2086
        "$vkmoe" $arguments >/dev/full 2>"$err"
        [ $? = 1 ] || problem "$arguments to a full disk: expected status 1"
        grep -q '^vkmoe: cannot write to standard output: No space' "$err" \
            || problem "$arguments: $(cat "$err")"
    done
fi
finish "outputs: full disk"

ln -s old.npy "$tmp/outputs/to_old.npy"
chmod 604 "$tmp/outputs/old.npy"
expect 0 "${layer[@]}" --input "$tmp/two.npy" --output "$tmp/outputs/to_old.npy" "${device[@]}"
[ -L "$tmp/outputs/to_old.npy" ] || problem "the link was replaced"
[ "$(stat -c %a "$tmp/outputs/old.npy")" = 604 ] || problem "the file's mode was changed"
same "$tmp/y.npy" "$tmp/outputs/old.npy"
(umask 027 && "$vkmoe" "${layer[@]}" --input "$tmp/two.npy" --output "$tmp/outputs/mode.npy" \
    "${device[@]}" >/dev/null)
[ "$(stat -c %a "$tmp/outputs/mode.npy")" = 640 ] || problem "umask is not followed"
expect 0 "${layer[@]}" --input "$tmp/two.npy" --output /dev/null "${device[@]}"
[ -c /dev/null ] || problem "/dev/null was replaced"
mkfifo "$tmp/pipe"
timeout 60 cat "$tmp/pipe" >"$tmp/piped.npy" &
expect 0 "${layer[@]}" --input "$tmp/two.npy" --output "$tmp/pipe" "${device[@]}"
[ -p "$tmp/pipe" ] || problem "the pipe was replaced"
wait $!
same "$tmp/y.npy" "$tmp/piped.npy"
(cd "$tmp/outputs" && "$vkmoe" "${layer[@]}" --input "$tmp/two.npy" --output plain.npy \
    "${device[@]}" >/dev/null)
same "$tmp/y.npy" "$tmp/outputs/plain.npy"
no_leftovers "$tmp"
finish "outputs: links, modes, pipes"

"$vkmoe" "${layer[@]}" --input "$tmp/two.npy" --output "$tmp/outputs/never.npy" "${device[@]}" \
    --repeat 1000000000 \
    >"$out" 2>"$err" &
pid=$!
for ((i = 0; i < 600; i++)); do
    [ -n "$(find "$tmp/outputs" -name '.vkmoe-*')" ] || ! kill -0 "$pid" 2>/dev/null && break
    sleep 0.1
done
[ -n "$(find "$tmp/outputs" -name '.vkmoe-*')" ] || problem "did not start to write"
sleep 0.3
kill -TERM "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
status=$?
[ "$status" = 143 ] || problem "status $status, expected 143"
[ ! -e "$tmp/outputs/never.npy" ] || problem "an output was written"
no_leftovers "$tmp"
finish "outputs: interrupted"

# -------------------------------------------------------------------------------------------- check

expect 0 check "$model" "${device[@]}"
has '^device: '
[ "$(grep -c '160 of 160 .* ok$' "$out")" = 4 ] || problem "not 4 layers are ok: $(cat "$out")"
has '^4 of 4 right: '
grep -q $'\033' "$out" && problem "colours without a terminal"
expect 0 check --json "${device[@]}" "$model"
is_json
[ "$(grep -c '"ids_equal":.*160' "$out")" = 4 ] || problem "not 4 layers in: $(cat "$out")"
mkdir "$tmp/file"
expect 0 quantize "$model" "$tmp/file/model.gguf" --type f32
ln -s "$(realpath "$recorded")" "$tmp/file/recorded"
expect 0 check "$tmp/file/model.gguf" "${device[@]}"
has '^4 of 4 right: '
(cd "$tmp/file" && "$vkmoe" check model.gguf "${device[@]}" >"$out" 2>"$err") ||
    problem "by its name alone: $(cat "$err")"
rm -r "$tmp/file"
finish "check"

mkdir "$tmp/wrong" "$tmp/wrong/recorded"
cp "$model"/*.* "$tmp/wrong"
refuse 1 "$tmp/wrong/recorded" check "$tmp/wrong" "${device[@]}"
for i in 0 1 3; do
    cp "$recorded/layer${i}_moe_"*.npy "$tmp/wrong/recorded"
done
chmod -R u+w "$tmp/wrong"
# 1.0 instead of an output, and expert 9 instead of another
printf '\x00\x00\x80\x3f' | dd of="$tmp/wrong/recorded/layer1_moe_output.npy" bs=1 seek=128 \
    conv=notrunc 2>/dev/null
printf '\x09' | dd of="$tmp/wrong/recorded/layer3_moe_expert_ids.npy" bs=1 seek=128 conv=notrunc \
    2>/dev/null
rm "$tmp/wrong/recorded/layer0_moe_expert_ids.npy"
expect 1 check "$tmp/wrong" "${device[@]}"
has '^ +0 .* not recorded .* ok$'
has '^ +1 .* 160 of 160 .* out of tolerance$'
has '^ +3 .* 159 of 160 .* other experts$'
has '^1 of 4 layers with experts have no recording'
has '^2 of 3 wrong: '
[ ! -s "$err" ] || problem "unexpected on stderr: $(cat "$err")"
expect 1 check "$tmp/wrong" --json "${device[@]}"
is_json
has '"recorded":.*false'
finish "check: what is wrong is found"

rm "$tmp/wrong/recorded/layer"[03]* "$tmp/wrong/recorded/layer1_moe_output.npy"
refuse 1 layer1_moe_output.npy check "$tmp/wrong" "${device[@]}"
cp "$tmp/one.npy" "$tmp/wrong/recorded/layer1_moe_output.npy"
refuse 1 "has 1 tokens, expected 160" check "$tmp/wrong" "${device[@]}"
cp "$recorded/layer1_moe_output.npy" "$tmp/wrong/recorded"
chmod u+w "$tmp/wrong/recorded/layer1_moe_output.npy"
cp "$tmp/integers.npy" "$tmp/wrong/recorded/layer1_moe_expert_ids.npy"
refuse 1 "is [1][128], expected [160][2]" check "$tmp/wrong" "${device[@]}"
cp "$tmp/one.npy" "$tmp/wrong/recorded/layer1_moe_expert_ids.npy"
refuse 1 "holds no integers" check "$tmp/wrong" "${device[@]}"
finish "check: broken recordings"

tests_end
