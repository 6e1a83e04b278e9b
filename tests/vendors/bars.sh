#!/usr/bin/env bash
# Looks into what compilers of GPUs that are not here make of the products of a layer, and of
# ggml-vulkan's for the same work, and says which of the project's bars hold:
#
#     tests/vendors/bars.sh [FILE [DIR]]
#
# Counted are the instructions of the loop that multiplies and adds (isa.py), of 6 drivers of Mesa
# as Debian unstable has it. Then come what a model's dispatches would keep in flight (vkmoe-bench
# --predict), and what a token costs the host where the device does nothing. Fails if a bar is
# missed that holds in bench/results/bars.json; those that have never been reached are called open.
# The figures go to FILE, bench/results/bars.json if none is named. DIR is as for run.sh.
#
# ggml comes from Debian's packages. Nothing of it is kept but figures. They are those of
# bench/results/bars.json where it cannot be had, and where everything that they come from is as it
# was then (VENDORS_COMPILE=all asks for them anew).
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."
# shellcheck source=tests/vendors/lanes.sh
. tests/vendors/lanes.sh

kept=bench/results/bars.json
file=${1-$kept}
out=build/bars
host_label=radv-navi31
host_model=granite-1b-a400m
labels=(nvk-ampere anv-battlemage anv-alchemist radv-navi31 radv-gfx1201 radv-navi21)
programs=(tests/vendors/pipelines tests/vendors/libvkmoe_capture.so bench/vkmoe-bench)
ggml_settings=(GGML_VK_VISIBLE_DEVICES=0 GGML_VK_DEBUG_MARKERS=1)
skipped=0 whole=1 made_of=

die() {
    echo "tests/vendors/bars.sh: $*" >&2
    exit 1
}

skip() {
    echo "SKIP: $*"
    skipped=$((skipped + 1)) whole=
}

# A hash of all that decides what ggml's figures are: the two libraries, drivers, and what measures.
hash_ggml() {
    cat tests/vendors/{ggml_model,capture,executables,intel_stub}.c tests/vendors/executables.h \
        bench/compare/ggml_moe.[ch] tests/support/{layer_link,named_function}.h \
        tests/vendors/{isa.py,bars.py,bars.sh,lanes.sh} "$testing"/usr/lib/*/libggml*.so \
        "$testing"/usr/lib/*/ggml/*/libggml-vulkan.so \
        "$testing$mesa"/usr/lib/*/{libvulkan_*,*_drm_shim}.so | sha256sum | cut -c 1-16
}

# Ours and ggml's of one driver, each in a folder of its own.
capture() {
    local label=$1 dtype tokens to
    mkdir -p "$inside/$label/ours"
    on_lane "$dir" "$label" build/tests/vendors/pipelines --code "build/bars/$label/ours"
    [ -n "$has_ggml" ] && [ -z "$is_known" ] || return 0
    for dtype in f16 q8_0 q4_K; do
        for tokens in 1 512; do
            to=build/bars/$label/ggml-$dtype-$tokens
            mkdir -p "$testing$dir/$to"
            on_lane "$dir" "$label" env VK_ADD_LAYER_PATH=build/tests/vendors \
                VK_INSTANCE_LAYERS=VK_LAYER_VKMOE_capture VKMOE_CAPTURE="$to" \
                "${ggml_settings[@]}" build/ggml_model qwen3-30b-a3b "$dtype" "$tokens"
        done
    done
}

capture_all() {
    local label
    for label in "${labels[@]}"; do
        wait_for_core
        {
            capture "$label" >"$out/$label.log" 2>&1 || touch "$out/$label.failed"
        } </dev/null &
    done
    wait
    for label in "${labels[@]}"; do
        [ -e "$out/$label.failed" ] || continue
        tail -n 10 "$out/$label.log" | cut -c 1-150
        echo "not ok - $label"
        failed=$((failed + 1))
    done
}

predict() {
    local tokens
    mkdir -p "$out/predicted"
    for tokens in 1 512; do
        tests/chroots.sh run "$dir" build/bench/vkmoe-bench --predict H200 --shape qwen3-30b-a3b \
            --dtype f16 --tokens "$tokens" --json >"$out/predicted/$tokens.json"
    done
}

# What a token costs the host, in turns, since other work on this machine costs both.
time_host() {
    local ours ggml
    for _ in 1 2 3; do
        ours=$(on_lane "$dir" "$host_label" build/bench/vkmoe-bench --host --shape "$host_model" \
            --tokens 1 --dtype f16 2>>"$out/host.log" | sed -n 's/^[^ ]*: \([0-9.]*\) us .*/\1e3/p')
        [ -n "$ours" ] || return 1
        echo "ours $ours"
        [ -n "$has_ggml" ] || continue
        ggml=$(on_lane "$dir" "$host_label" env "${ggml_settings[@]}" build/ggml_model \
            "$host_model" f16 1 300 2>>"$out/host.log") || return 1
        echo "ggml $ggml"
    done
}

build_lanes "$out" "${2-}" "${programs[@]}"
inside=$testing$dir/build/bars
rm -rf "$inside"
has_ggml=
if tests/chroots.sh add "${ggml[@]}" 2>"$out/why" && tests/chroots.sh run "$dir" \
    cc -std=gnu11 -O2 tests/vendors/ggml_model.c bench/compare/ggml_moe.c -o build/ggml_model \
    -lggml -lggml-base -lm 2>>"$out/why"; then
    has_ggml=1
else
    skip "ggml beside ours: $(tail -n 1 "$out/why"); its figures are those of $kept"
fi
mesa=/opt/unstable
failed=0
# Data that was made by asking ggml.
[ -z "$has_ggml" ] || tests/chroots.sh run "$dir" \
    python3 src/weights/code_books.py --check src/weights/code_books.c ||
    failed=$((failed + 1))
is_known=
if tests/chroots.sh unpack "${newest[@]}" 2>"$out/why"; then
    [ -z "$has_ggml" ] || made_of=$(hash_ggml) || made_of=
    if [ -n "$made_of" ] && [ "${VENDORS_COMPILE-}" != all ] &&
        grep -q "^\"ggml\": \"$made_of\",\$" "$kept"; then
        is_known=1
        echo "ggml's loops are known from $kept: nothing that they come from has changed"
    fi
    capture_all
    time_host >"$out/host" || {
        tail -n 5 "$out/host.log"
        echo "not ok - $host_label: the host's time of a token"
        failed=$((failed + 1))
    }
else
    skip "bars 1 to 7, and the host's time: $(tail -n 1 "$out/why")"
fi
predict
python3 tests/vendors/bars.py "$out.json" "$inside" "$out/predicted" "$out/host" "$kept" \
    "$made_of" >"$out/said" || {
    broken=$(grep -c '  BROKEN  ' "$out/said" || true)
    failed=$((failed + (broken > 0 ? broken : 1))) # or it could not read what is there
}
cat "$out/said"
skipped=$((skipped + $(grep -c '  moved  ' "$out/said" || true)))
if [ -n "$whole" ] && [ "$failed" = 0 ]; then
    [ "$file" -ef "$out.json" ] || cp "$out.json" "$file"
else
    echo "$file is left as it was; what there is lies in $out.json"
fi
echo "$(grep -c '"holds": true' "$out.json" || true) passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
