#!/usr/bin/env bash
# What the user sees while a model is loaded: cli_loading.sh VKMOE MODELS CUT_READS
# shellcheck source-path=SCRIPTDIR
vkmoe=$1 models=$2 cut_reads=$3
. "$(dirname "$0")/support/lib.sh"
command -v python3 >/dev/null || { echo "1..0 # SKIP no python3"; exit 0; }
# A sanitizer wants to be the first library; nothing of this is about one.
if [ -n "$(LD_PRELOAD=$cut_reads "$vkmoe" --version 2>&1 >/dev/null)" ]; then
    echo "1..0 # SKIP no library can be preloaded"
    exit 0
fi
model=$tmp/model file=$tmp/model/model.safetensors
cp -r "$models/tiny-mixtral" "$model"
cp "$file" "$tmp/whole"
npy "$tmp/ids.npy" '<i4' '3,' < <(printf '\1\0\0\0\2\0\0\0\3\0\0\0')
"$vkmoe" info "$model" --json >"$tmp/info"
hidden=$(python3 -c "import json; print(json.load(open('$tmp/info'))['hidden'])")
npy "$tmp/x.npy" '<f4' "1, $hidden" < <(head -c $((4 * hidden)) /dev/zero)

# The first reads are the header's length and the header.
cut() {
    local read=$1 size=$2
    shift 2
    cp "$tmp/whole" "$file"
    LD_PRELOAD=$cut_reads VKMOE_TEST_READ=$read VKMOE_TEST_SIZE=$size \
        refuse 1 "$file: has $size bytes, and had $whole when" "$@"
    says 'was cut short while in use'
}
whole=$(stat -c %s "$tmp/whole")
half=$((whole / 2))
cut 1 4 info "$model"
finish "a file cut short within its header's length"
cut 2 100 generate "$model" --prompt abc --count 1
finish "a file cut short within its header"
cut 3 $half generate "$model" --prompt abc --count 1
finish "a file cut short before its weights are read"
cut 9 $half generate "$model" --prompt abc --count 1
finish "a file cut short while its weights are read"
cut 3 100000 logits "$model" --tokens "$tmp/ids.npy" --output "$tmp/l.npy"
[ ! -e "$tmp/l.npy" ] || problem "there is an output"
cut 3 100000 route "$model" --tokens "$tmp/ids.npy"
finish "a file cut short under logits and route"
cut 3 1000 layer "$model" --layer 0 --input "$tmp/x.npy" --output "$tmp/y.npy"
cut 3 1000 attention "$model" --layer 0 --input "$tmp/x.npy" --output "$tmp/y.npy"
[ ! -e "$tmp/y.npy" ] || problem "there is an output"
finish "a file cut short under layer and attention"

cp "$tmp/whole" "$file"
LD_PRELOAD=$cut_reads VKMOE_TEST_READ=5 refuse 1 "loading was cancelled" generate "$model" \
    --prompt abc --count 1
finish "Ctrl-C while loading"

expect 0 generate "$model" --prompt abc --count 1
grep -q loading "$err" && problem "progress without a terminal: $(cat "$err")"
finish "no bar where there is no terminal"

if has_terminals; then
    on_terminal "$vkmoe" generate "${device[@]}" "$model" --prompt abc \
        --count 1 || problem "status $?"
    size=$(python3 -c "print('%.2f' % ($whole / 1e9))")
    grep -q $'\r\033\\[Kloading the model \\[ *\\]   0%, 0.00 of '"$size"' GB' "$out" \
        || problem "no beginning: $(cat -v "$out")"
    grep -q '\[=*\] 100%, '"$size of $size"' GB, [0-9.]* GB/s'$'\r\033\\[K' "$out" \
        || problem "no end: $(cat -v "$out")"
    [ "$(grep -c 'loading' "$out")" = 1 ] || problem "more than one line: $(cat -v "$out")"
    finish "a bar on a terminal"
else
    skip "a bar on a terminal" "no terminal can be made here"
fi
tests_end
