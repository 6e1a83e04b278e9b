#!/usr/bin/env bash
# Compiles every pipeline for GPUs that are not here, with the drivers that people have for them:
#
#     tests/vendors/run.sh [FILE [DIR]]
#
# A driver passes if it compiles all pipelines without spilling registers. What the compilers tell
# (registers, occupancy, cycles) goes to FILE, bench/results/static.json if none is named, where a
# change shows as a difference. What is in bench/results/static.json of the same module, constants
# and build of the driver is taken from there (known.h), but for a few that are compiled and
# compared; VENDORS_COMPILE=all compiles everything. Then the command and the benchmark run to their
# ends on it, although nothing is computed. All but one of the drivers live in the Debian testing
# chroot (tests/chroots.sh), so this needs root. DIR is a folder of the chroot that has the project,
# built or not; without it, a copy is made. lanes.sh has the drivers; bars.sh looks into what they
# made.
set -euo pipefail
export LC_ALL=C  # the order of the labels
cd "$(dirname "$0")/../.."

# shellcheck source=tests/vendors/lanes.sh
. tests/vendors/lanes.sh

record=bench/results/static.json
file=${1-$record}
known=(--known "$record")
[ "${VENDORS_COMPILE-}" != all ] || known=()
out=build/static  # one file for each driver, then all of them
programs=(tests/vendors/pipelines vkmoe bench/vkmoe-bench)
model=tests/models/tiny-mixtral
passed=0 failed=0 skipped=0

die() {
    echo "tests/vendors/run.sh: $*" >&2
    exit 1
}

skip() {
    echo "SKIP: $*"
    skipped=$((skipped + 1))
}

# Runs the program by a command that takes it there, and brings its JSON back.
compile() {
    local label=$1 from=$2
    shift 2
    if "$@" build/tests/vendors/pipelines --json "build/$label.json" --label "$label" \
        "${known[@]}" >"$out/$label.log" 2>&1; then
        echo "ok - $label: $(tail -n 1 "$out/$label.log")"
        passed=$((passed + 1))
    else
        { grep -m 10 -E '^(SPILLS|UNLIKE)' "$out/$label.log" || tail -n 10 "$out/$label.log"; } |
            cut -c 1-150
        echo "not ok - $label: $(tail -n 1 "$out/$label.log"); all of it is in $out/$label.log"
        failed=$((failed + 1))
    fi
    # A driver that spills has numbers too; one that crashed may have left half of them.
    [ ! -s "$from/build/$label.json" ] || mv "$from/build/$label.json" "$out/$label.json"
}

# What a program did that said so in a log.
well() {
    echo "ok - $1"
    passed=$((passed + 1))
}

badly() { # TEXT LOG
    tail -n 10 "$2" | cut -c 1-150
    echo "not ok - $1"
    failed=$((failed + 1))
}

# Runs what a user does by a command that takes it there. No answer is right; crashes and waits
# without end are wrong.
try_programs() {
    local label=$1 log=$out/$1.run.log
    shift
    if "$@" build/vkmoe generate "$model" --prompt 'def ' --count 4 --no-self-test >"$log" 2>&1 &&
        "$@" build/bench/vkmoe-bench --filter floor-block/t1/f16 >>"$log" 2>&1; then
        well "$label: generate and bench ran"
    else
        badly "$label: generate and bench; all that they said is in $log" "$log"
    fi
}

# This RADV says that it has timeline semaphores, and has none without its GPU.
refuse_here() {
    local label=$1 log=$out/$1.run.log rc=0
    shift
    "$@" build/vkmoe generate "$model" --prompt 'def ' --count 4 >"$log" 2>&1 || rc=$?
    if [ "$rc" = 1 ] && [ "$(wc -l <"$log")" = 1 ] &&
        grep -q '^vkmoe: vkCreateSemaphore: VK_ERROR_INVALID_EXTERNAL_HANDLE ' "$log"; then
        well "$label: generate says why it cannot run"
    else
        badly "$label: generate ended with $rc; expected one line about vkCreateSemaphore" "$log"
    fi
}

# Mesa 22.3, the oldest that we promise. It still makes an AMD device of its own when asked to.
compile_here() {
    local icd=/usr/share/vulkan/icd.d/radeon_icd.x86_64.json there
    if ! grep -q '^VERSION_CODENAME=bookworm' /etc/os-release || [ ! -f "$icd" ]; then
        skip "radv-navi21-mesa22: for Debian 12 only"
    elif ! ninja -C build "${programs[@]}" >"$out/build.log" 2>&1; then
        skip "radv-navi21-mesa22: ./build cannot be built; ./run sets it up"
    else
        there=(env MESA_SHADER_CACHE_DISABLE=true RADV_FORCE_FAMILY=navi21 VK_DRIVER_FILES="$icd"
            VK_ICD_FILENAMES="$icd" timeout 600)
        compile radv-navi21-mesa22 . "${there[@]}"
        refuse_here radv-navi21-mesa22 "${there[@]}"
    fi
}

compile_in_chroot() {
    local label said
    for label in $(lane_labels); do
        wait_for_core
        {
            compile "$label" "$testing$dir" on_lane "$dir" "$label"
            try_programs "$label" on_lane "$dir" "$label"
        } >"$out/$label.said" </dev/null &
    done
    wait
    said=$(cat "$out"/*.said)
    echo "$said"
    passed=$((passed + $(grep -c '^ok ' <<<"$said" || true)))
    failed=$((failed + $(grep -c '^not ok ' <<<"$said" || true)))
}

# One array of what each driver's run wrote, in the order of the labels.
merge() {
    echo '['
    awk 'NR > 1 { print held (FNR == 1 ? "," : "") } { held = $0 } END { print held }' "$out"/*.json
    echo ']'
}

# How many of its pipelines every driver compiled, in one line.
count_compiled() {
    local drivers
    drivers=$(lane_labels | sed "s|.*|$out/&.log|")
    # shellcheck disable=SC2086  # one word for each driver
    { tail -q -n 1 $drivers "$out"/radv-navi21-mesa22.log 2>/dev/null || true; } | awk '
        / compiled, / { compiled += $3; known += $5 }
        END { print compiled + 0 " pipelines compiled, " known + 0 " known from '"$record"'" }'
}

build_lanes "$out" "${2-}" "${programs[@]}"
compile_here
compile_in_chroot
count_compiled
merge >"$out.json"
if grep -qs '^UNLIKE' "$out"/*.log; then
    echo "$file is left as it was: a compiler makes other things than it says, so that all has to" \
        "be compiled again (VENDORS_COMPILE=all)"
elif [ "$skipped" = 0 ]; then
    [ "$file" -ef "$out.json" ] || cp "$out.json" "$file"
else
    echo "$file is left as it was, for want of the drivers skipped; what there is lies in $out.json"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
