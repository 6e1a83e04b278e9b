#!/usr/bin/env bash
# cli_tune.sh VKMOE MODELS - `vkmoe tune`, the file that it keeps, and what other commands make of
# it.
# VKMOE_TEST_DEVICE, if it is set, is the --device of everything that runs.
vkmoe=$(realpath "$1") model=$(realpath "$2")/tiny-mixtral
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/support/lib.sh"
kept=$XDG_CACHE_HOME/vkmoe
recorded=$model/recorded
layer=(layer "$model" --layer 0 --input "$recorded/layer0_moe_input.npy")

find_file() {
    file=$(find "$kept" -type f -name 'tuning-*.txt')
    [ -f "$file" ] || problem "expected one file, there is '$file'"
}

expect 0 tune "$model" --seconds 1
has 'wrote .*/vkmoe/tuning-[0-9a-f]{4,}-[0-9a-f]{4}-[0-9a-f]{8}\.txt$'
[ -s "$err" ] && problem "unexpected on stderr: $(head -n 1 "$err")"
find_file
[ "$(head -n 1 "$file")" = "vkmoe tuning 1" ] || problem "$file: $(cat "$file")"
[ "$(tail -n 1 "$file")" = end ] || problem "$file: $(cat "$file")"
grep -qE '^key [0-9a-f]{16}$' "$file" || problem "$file: $(cat "$file")"
no_leftovers "$kept"
finish "a model is measured, and the result kept"

expect 0 tune --shape olmoe-1b-7b --dtype q8_0 --exact --seconds 1 --json
has '"hidden":[[:space:]]*2048'
has '"dtype":[[:space:]]*"q8_0"'
has '"file":[[:space:]]*".*/vkmoe/tuning-'
has '"exists":[[:space:]]*true'
finish "a published shape, as JSON"

# What was found may be nothing.
key=$(sed -n 's/^key //p' "$file")
{
    printf 'vkmoe tuning 1\n# by hand\nkey %s\ndecode_unroll 2\n' "$key"
    printf 'form experts_gemm f32 exact 0 rows_in_lanes\nend\n'
} >"$file"
"$vkmoe" devices --verbose >"$out" 2>"$err" || problem "devices --verbose failed"
has "tuning +$file"
has "key +$key"
has 'changes +decode_unroll 2$'
has '^ +form experts_gemm f32 exact 0 rows_in_lanes$'
"$vkmoe" devices --verbose --json >"$out" 2>"$err" || problem "devices --verbose --json failed"
has "\"key\":[[:space:]]*\"$key\""
has '"decode_unroll 2"'
[ -s "$err" ] && problem "unexpected on stderr: $(head -n 1 "$err")"
expect 0 "${layer[@]}" --output "$tmp/tuned.npy"
[ -s "$err" ] && problem "unexpected on stderr: $(head -n 1 "$err")"
finish "the file counts, and devices --verbose says so"

# ignored WHAT WHY - `layer` says so in one line with the file's name, and nothing with --no-tuning.
ignored() {
    expect 0 "${layer[@]}" --output "$tmp/y.npy"
    if [ "$(wc -l <"$err")" != 1 ] || ! grep -qF "warning: $file: " "$err"; then
        problem "$1: expected one line that names the file, got: $(head -n 3 "$err")"
    fi
    says "$2"
    same "$tmp/y.npy" "$tmp/plain.npy"
    expect 0 "${layer[@]}" --output "$tmp/y.npy" --no-tuning
    [ -s "$err" ] && problem "$1: said with --no-tuning: $(cat "$err")"
    same "$tmp/y.npy" "$tmp/plain.npy"
}

expect 0 "${layer[@]}" --output "$tmp/plain.npy" --no-tuning
expect 0 "${layer[@]}" --output "$tmp/trusted.npy" --no-tuning --no-self-test
same "$tmp/trusted.npy" "$tmp/plain.npy"
cp "$file" "$tmp/good"
sed 's/^key .*/key 0123456789abcdef/' "$tmp/good" >"$file"
ignored "stale" 'another device, driver or version'
head -c 40 "$tmp/good" >"$file"
ignored "cut" "line 3: "
head -c 70000 /dev/zero >"$file"
ignored "zeros" "expected 'vkmoe tuning"
: >"$file"
ignored "empty" "expected 'vkmoe tuning"
rm "$file"
mkdir "$file"
ignored "a directory" "it cannot be read"
rmdir "$file"
"$vkmoe" devices --verbose >"$out" 2>"$err" || problem "devices --verbose failed"
has "tuning +none, would be $file"
finish "what is stale or no tuning is ignored, with one line"

refuse 2 "--shape is 'nonsense', expected one of mixtral-8x7b," tune --shape nonsense
refuse 2 "--dtype is 'f7', expected one of f32 f16 " tune --dtype f7
refuse 2 "--seconds is '0'" tune --seconds 0
refuse 2 "MODEL and --shape exclude each other" tune "$model" --shape olmoe-1b-7b
refuse 2 "MODEL and --dtype exclude each other" tune "$model" --dtype f16
refuse 1 "$tmp/nothing: " tune "$tmp/nothing"
mkdir -p "$tmp/elsewhere"
echo >"$tmp/elsewhere/vkmoe"
XDG_CACHE_HOME=$tmp/elsewhere refuse 1 "$tmp/elsewhere/vkmoe/" tune "$model"
XDG_CACHE_HOME=relative HOME='' refuse 1 "there is no cache directory" tune "$model"
name=${file##*/}
mkdir -p "$tmp/taken/vkmoe/$name"
began=$SECONDS
XDG_CACHE_HOME=$tmp/taken refuse 1 "/vkmoe/$name: cannot create: it is a directory" \
    tune "$model" --seconds 60 --no-tuning
[ $((SECONDS - began)) -lt 30 ] || problem "it measured before it found that it cannot write"
finish "what is refused"

XDG_CACHE_HOME='' HOME=$tmp/home "$vkmoe" devices --verbose >"$out" 2>"$err"
has "none, would be $tmp/home/.cache/vkmoe/tuning-"
finish "the home directory's cache"

timeout --foreground --preserve-status -s INT 1.5 \
    "$vkmoe" tune "${device[@]}" --seconds 60 >"$out" 2>"$err" ||
    problem "interrupted: expected status 0"
has '^interrupted after '
has "wrote $file"
[ -s "$err" ] && problem "unexpected on stderr: $(head -n 1 "$err")"
find_file
finish "interrupted, it keeps what was found so far"

(
    set -m # or SIGINT is ignored
    "$vkmoe" tune "${device[@]}" --seconds 60 >"$out" 2>"$err" &
    sleep 1.5
    kill -INT $!
    sleep 0.02
    kill -INT $! 2>/dev/null
    wait $!
) 2>/dev/null
no_leftovers "$kept"
finish "interrupted twice, it leaves nothing half done"

tests_end
