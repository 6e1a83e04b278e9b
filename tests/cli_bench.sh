#!/usr/bin/env bash
# cli_bench.sh VKMOE MODELS - `vkmoe bench`: what it says, that it times what it names and nothing
# else, and how it ends. How fast anything is, is not looked at.
# VKMOE_TEST_DEVICE, if it is set, is the --device of everything that runs.
vkmoe=$(realpath "$1") models=$(realpath "$2")
mixtral=$models/tiny-mixtral jetmoe=$models/tiny-jetmoe
switch=$models/../golden/whole/switch_transformers qwen=$models/../gguf/qwen3moe-q8_0/model.gguf
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/support/lib.sh"
python=
command -v python3 >/dev/null && python3 -c 'import json' 2>/dev/null && python=python3

# like NAME MODEL EDIT - a model with another config.json.
like() {
    mkdir "$tmp/$1"
    ln -s "$2/model.safetensors" "$tmp/$1"
    tr -d '\n' <"$2/config.json" | sed "$3" >"$tmp/$1/config.json"
}

# table TEST TOKENS RUNS - the last table has such a line, whose numbers are in order. RUNS is a
# regular expression.
table() {
    local found
    found=$(grep -E "^$1 $2 +[0-9]+\.[0-9]{2} +[0-9]+\.[0-9]{2} +[0-9]+\.[0-9]{2} +$3\$" "$out")
    [ -n "$found" ] || problem "no '$1 $2' with $3 runs: $(cat "$out")"
    awk '$3 < $4 || $3 > $5 || $4 <= 0 { exit 1 }' <<<"$found" || problem "out of order: $found"
}

# ------------------------------------------------------------------------------------ what it says

expect 0 generate "$mixtral" --prompt a --count 1
label=$(sed -n 's/^device: //p' "$err")
expect 0 bench "$mixtral" --prompt-tokens 40 --count 6 --runs 3
[ -s "$err" ] && problem "unexpected on stderr: $(head -n 1 "$err")"
has "^model +$mixtral\$"
has '^ +mixtral, [0-9.]+ (thousand|million) parameters, [0-9.]+ [KM]iB in 1 file, experts in f16$'
[ "$(sed -n 's/^device  *//p' "$out")" = "$label" ] || problem "not '$label': $(cat "$out")"
has '^driver +[^ ]'
has '^precision +fast, cache in f32$'
has '^tuning +none$'
has '^memory +[0-9.]+ [KM]iB on the device, with caches for 40 positions; scratch [0-9.]+ [KM]iB$'
has '^loading +[0-9.]+ (ms|s)$'
has '^compiling +[0-9.]+ (us|ms|s)$'
has '^tokens +drawn with seed 1$'
has '^tokens/s +median +slowest +fastest +runs$'
table prompt 40 3
table generate 6 3
finish "what is timed, on what, and how fast it is"

expect 0 bench "$mixtral" --prompt-tokens 0 --count 3 --runs 1 --exact --cache-type q8_0
has '^precision +exact, cache in q8_0$'
has 'with caches for 3 positions'
grep -q '^prompt' "$out" && problem "a prompt of no tokens was timed"
table generate 3 1
expect 0 bench "$jetmoe" --prompt-tokens 3 --count 0 --runs 2
grep -q '^generate' "$out" && problem "a text of no tokens was timed"
table prompt 3 2
finish "one of the two alone"

# The presets give way to a short context, what is asked for does not.
like short "$mixtral" 's/"max_position_embeddings": *[0-9]*/"max_position_embeddings": 24/'
expect 0 bench "$tmp/short" --runs 1
table prompt 24 1
table generate 24 1
expect 0 bench "$tmp/short" --prompt-tokens 24 --count 24 --runs 1
refuse 1 "$tmp/short: knows 24 positions, --prompt-tokens is 25" bench "$tmp/short" \
    --prompt-tokens 25
refuse 1 "$tmp/short: knows 24 positions, --count is 4294967295" bench "$tmp/short" \
    --count 4294967295
expect 0 bench "$mixtral" --runs 1 --count 1
table prompt 512 1
expect 0 bench "$mixtral" --runs 1 --prompt-tokens 1
table generate 128 1
finish "presets and the context"

# RoPE that changes with the length of the text; a prompt of several chunks.
ones=$(printf '1,%.0s' {1..15})1
rope='"type":"longrope","original_max_position_embeddings":40'
rope+=",\"short_factor\":[$ones],\"long_factor\":[${ones//1/3}]"
like outgrown "$mixtral" "s/^{/{\"rope_scaling\":{$rope},/"
expect 0 bench "$tmp/outgrown" --prompt-tokens 600 --count 44 --runs 2
table prompt 600 2
table generate 44 2
# A vocabulary for which there may be no tokenizer.
expect 0 bench "$qwen" --prompt-tokens 5 --count 5 --runs 1
has '^ +qwen3moe, .* in 1 file, experts in q8_0$'
finish "LongRoPE, several chunks, GGUF"

# ----------------------------------------------------------------------------- what it has measured

if [ -n "$python" ]; then
    began=$(date +%s%N)
    expect 0 bench "$mixtral" --json --prompt-tokens 70 --count 300 --runs 4
    wall=$(($(date +%s%N) - began))
    expect_json() {
        $python - "$out" "$@" >"$tmp/why" 2>&1 || problem "$(tail -n 1 "$tmp/why"): $(cat "$out")"
    }
    expect_json $wall "$mixtral" <<'PYTHON'
import json, sys
found, wall, model = json.load(open(sys.argv[1])), int(sys.argv[2]), sys.argv[3]
assert found["model"] == model and found["family"] == "mixtral" and found["dtype"] == "f16"
assert found["precision"] == "fast" and found["cache_type"] == "f32" and found["seed"] == 1
assert found["capacity"] == 300 and found["model_size"] > 1000000 and found["scratch_size"] > 0
assert not found["interrupted"] and not found["validate"] and found["tuning"]["rows"] == []
assert found["device"] and found["driver"] and found["device_type"]
assert [(t["test"], t["tokens"]) for t in found["tests"]] == [("prompt", 70), ("generate", 300)]
spent, made = found["load_ns"], 0
for test in found["tests"]:
    first, times = test["warm_up"], sorted(run["ns"] for run in test["runs"])
    assert len(times) == 4 and times[0] > 0, times
    # All that is compiled, is in the warm-up, which is as long as a run.
    assert first["ns"] > first["pipelines_ns"] > 0, first
    assert all(run["pipelines_ns"] == 0 for run in test["runs"]), "a run was compiled for"
    spent += first["ns"] + sum(times)
    made += first["pipelines_ns"]
    speed = test["tokens_per_second"]
    for name, ns in ("slowest", times[3]), ("fastest", times[0]), \
            ("median", (times[1] + times[2]) / 2):
        assert abs(speed[name] * ns / (test["tokens"] * 1e9) - 1) < 1e-4, (name, speed)
assert made <= found["pipelines_ns"], "compiled, but not in a warm-up"
assert spent <= wall, "more time than there was"
PYTHON
    finish "JSON, and times that add up"

    # One element of the last norm.
    mkdir "$tmp/bad"
    cp "$mixtral/config.json" "$tmp/bad"
    $python - "$mixtral" "$tmp/bad" <<'PYTHON' || problem "the model could not be changed"
import json, struct, sys
data = bytearray(open(sys.argv[1] + "/model.safetensors", "rb").read())
size = struct.unpack("<Q", data[:8])[0]
norm = json.loads(data[8:8 + size])["model.norm.weight"]
at = 8 + size + norm["data_offsets"][0]
data[at:at + 4] = struct.pack("<f", float("nan")) if norm["dtype"] == "F32" else b"\xff\x7f" * 2
open(sys.argv[2] + "/model.safetensors", "wb").write(data)
PYTHON
    refuse 1 "$tmp/bad: prompt 9 is not timed: the logits are not finite (256 of 256;" bench \
        "$tmp/bad" --prompt-tokens 9
    refuse 1 "$tmp/bad: generate 9 is not timed: the logits are not finite (" bench "$tmp/bad" \
        --prompt-tokens 0 --count 9 --json
    finish "a model that computes no numbers"
else
    skip "JSON, and times that add up" "there is no Python"
    skip "a model that computes no numbers" "there is no Python"
fi

# -------------------------------------------------------------------------------------- wrong usage

for number in x -1 +1 1x 4294967296; do
    refuse 2 "--prompt-tokens is '$number', expected a number from 0" bench "$mixtral" \
        --prompt-tokens "$number"
    refuse 2 "--count is '$number', expected a number from 0" bench "$mixtral" --count "$number"
    refuse 2 "--runs is '$number', expected a number from 1" bench "$mixtral" --runs "$number"
done
refuse 2 "--runs is '0'" bench "$mixtral" --runs 0
refuse 2 "--runs is 1001, expected at most 1000" bench "$mixtral" --runs 1001
refuse 2 "--prompt-tokens and --count are 0, so that there is nothing to time" bench "$mixtral" \
    --prompt-tokens 0 --count 0
refuse 2 "--cache-type is 'q4_0', expected f32, f16 or q8_0" bench "$mixtral" --cache-type q4_0
refuse 2 "unknown option '--temperature'" bench "$mixtral" --temperature 1
refuse 2 "MODEL is missing" bench
refuse 1 "$switch: is an encoder-decoder" bench "$switch"
refuse 1 "$tmp/nothing: " bench "$tmp/nothing"
finish "what is refused"

# ------------------------------------------------------------------------------------------- Ctrl-C

# interrupt_at TEXT ARGUMENT... - sends it Ctrl-C once TEXT is on its terminal, which is $err.
interrupt_at() {
    local status=0
    with_terminal "$out" "$1" "$vkmoe" bench "${device[@]}" "${@:2}" >"$err" || status=$?
    sed -i 's/\r$//' "$err"
    return "$status"
}

if [ -n "$python" ] && has_terminals; then
    interrupt_at 'generate 300: run 3 of 100' "$mixtral" --prompt-tokens 7 --count 300 \
        --runs 100 || problem "status $?"
    table prompt 7 100
    table generate 300 '[1-9][0-9]?' # not 100, however long the signal takes
    says $'\r\033\\[K''loading the model'
    says $'\r\033\\[K''prompt 7: warming up'
    says $'\r\033\\[K''generate 300: warming up, token [0-9]+'
    says 'stopped: interrupted$'
    interrupt_at 'generate 300: run 1 of 100' "$mixtral" --prompt-tokens 7 --count 300 \
        --runs 100 --json || problem "JSON: status $?"
    $python - "$out" 2>"$tmp/why" <<'PYTHON' || problem "$(tail -n 1 "$tmp/why"): $(cat "$out")"
import json, sys
found = json.load(open(sys.argv[1]))
assert found["interrupted"] and found["tests"][0]["test"] == "prompt"
assert len(found["tests"][0]["runs"]) == 100
assert all(0 < len(test["runs"]) < 100 for test in found["tests"][1:])
PYTHON
    too_early() {
        interrupt_at "$1" "$mixtral" "${@:2}"
        [ $? = 1 ] || problem "at '$1': expected status 1"
        says 'vkmoe: interrupted before anything was timed$'
        [ ! -s "$out" ] || problem "at '$1': unexpected on stdout: $(head -n 1 "$out")"
    }
    too_early 'prompt 1024: warming up' --prompt-tokens 1024
    too_early 'generate 300: warming up, token' --prompt-tokens 0 --count 300 --json
    finish "Ctrl-C ends it with what was timed"
else
    skip "Ctrl-C ends it with what was timed" "no terminal can be made here"
fi

tests_end
