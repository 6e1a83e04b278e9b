#!/usr/bin/env bash
# Uses one Vulkan driver of this machine, and no other, with the validation layer and its checks of
# synchronization on:
#
#     tests/drivers.sh find DRIVER             prints the file that the Vulkan loader finds it by
#     tests/drivers.sh run DRIVER COMMAND...   runs a command on it
#     tests/drivers.sh test DRIVER OPTION...   runs the tests of ./build on it (`meson test
#                                              OPTION...`) and counts them
#
# lavapipe     Mesa's CPU driver, as the distribution has it
# swiftshader  Google's CPU driver, from Debian's chromium-common package, which is unpacked but
#              never installed
# gpu          whatever the loader finds; validated only if the layer is installed
# discrete     a graphics card played by lavapipe, through a layer in ./build;
#              tests/discrete/layer.c describes it and discrete-bar, discrete-rebar,
#              discrete-noncoherent, unified, unified-noncoherent
#
# TEST_VALIDATION=none leaves the validation layer out, except on `gpu`.
# TEST_SECONDS stops `test` after that many seconds; each program that has not ended by then counts
# as skipped.
#
# `find` fails with a reason where a driver cannot be had. `test` ends with the line
# "N passed, N failed, N skipped", and fails if a test does, or if the validation layer has said
# anything. Tests that provoke the layer on purpose must keep its message to themselves.
set -euo pipefail

cache=${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/vkmoe
validation_manifest=explicit_layer.d/VkLayer_khronos_validation.json
no_validation="the validation layer is not installed; its package is vulkan-validationlayers"

die() {
    echo "tests/drivers.sh: $*" >&2
    exit 1
}

# The first of these files that a folder of Vulkan's has.
in_vulkan_dirs() {
    local name dir
    for dir in /etc /usr/local/share /usr/share; do
        for name; do
            [ -f "$dir/vulkan/$name" ] && echo "$dir/vulkan/$name" && return
        done
    done
    return 1
}

find_lavapipe() {
    in_vulkan_dirs "icd.d/lvp_icd.$(uname -m).json" icd.d/lvp_icd.json ||
        die "lavapipe is not installed; its package is mesa-vulkan-drivers"
}

# The package is 30 MB to load, and the two files of it that matter need nothing but libc.
fetch_swiftshader() (
    tmp=$(mktemp -d)
    trap 'rm -rf "$tmp"' EXIT
    cd "$tmp"
    command -v apt-get >/dev/null ||
        die "SwiftShader comes from Debian's chromium-common, and there is no apt-get here"
    if ! apt-get -qq download chromium-common >log 2>&1; then
        apt-get -qq update >log 2>&1 || true  # no package lists yet, perhaps
        apt-get -qq download chromium-common >log 2>&1 || die "SwiftShader: $(grep -m 1 '^E:' log)"
    fi
    mkdir -p "$cache/swiftshader"
    dpkg -x chromium-common_*.deb .
    mv usr/lib/chromium/{libvk_swiftshader.so,vk_swiftshader_icd.json} "$cache/swiftshader"
)

find_swiftshader() {
    local file=$cache/swiftshader/vk_swiftshader_icd.json
    [ -f "$file" ] || fetch_swiftshader >&2 || exit
    echo "$file"
}

use_validation() {
    local manifest
    manifest=$(in_vulkan_dirs "$validation_manifest") || return 1
    export VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation
    # Layers older than 1.3.27x know only the second name; the newest warn about it, and a warning
    # fails the tests.
    if grep -q '"validate_sync"' "$manifest"; then
        export VK_LAYER_VALIDATE_SYNC=1
    else
        export VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
    fi
}

# The validation layer comes first, so that it sees the card and not the driver.
use_card() {
    local layers=$PWD/build/tests/discrete name=VK_LAYER_VKMOE_discrete validation
    [[ -f $layers/VkLayer_vkmoe_discrete.json && -f $layers/libvkmoe_discrete.so ]] ||
        die "$1: the layer is not built; ninja -C build builds it"
    VK_DRIVER_FILES=$(find_lavapipe) || exit
    export VK_DRIVER_FILES VK_ICD_FILENAMES=$VK_DRIVER_FILES VK_LAYER_PATH=$layers VKMOE_DISCRETE=$1
    export GALLIVM_PERF=nopt  # LLVM's optimizer is no part of a card, and takes a sixth of the time
    if [ "${TEST_VALIDATION-}" = none ]; then
        # Not VK_INSTANCE_LAYERS, by which tests know that validation is wanted.
        export VK_LOADER_LAYERS_ENABLE=$name
        unset VK_INSTANCE_LAYERS
    else
        use_validation || die "$no_validation"
        validation=$(in_vulkan_dirs "$validation_manifest")
        VK_LAYER_PATH+=:${validation%/*} VK_INSTANCE_LAYERS+=:$name
    fi
}

use_driver() {
    case $1 in
        lavapipe | swiftshader)
            VK_DRIVER_FILES=$("find_$1") || exit
            # Loaders before 1.3.207 know only the second name.
            export VK_DRIVER_FILES VK_ICD_FILENAMES=$VK_DRIVER_FILES
            [ "${TEST_VALIDATION-}" = none ] || use_validation || die "$no_validation"
            ;;
        discrete | discrete-bar | discrete-rebar | discrete-noncoherent | \
            unified | unified-noncoherent)
            use_card "$1"
            ;;
        gpu) use_validation || true ;;
        *) die "no driver '$1'; there are lavapipe, swiftshader, gpu, discrete" ;;
    esac
}

# Meson counts programs; we count what they report. One line of JSON per program holds its TAP
# output and its result.
count_tests() {
    awk '
        {
            result = out = $0
            sub(/.*", "result": "/, "", result)
            sub(/".*/, "", result)
            sub(/^.*"stdout": "/, "", out)
            sub(/", "result": ".*/, "", out)
            bad = reports = 0
            count = split(out, line, /\\n/)
            for (i = 1; i <= count; i++) {
                if (line[i] ~ /^not ok /) bad++
                else if (line[i] ~ /^ok .*# *[Ss][Kk][Ii][Pp]/) skipped++
                else if (line[i] ~ /^ok /) passed++
                else continue
                reports++
            }
            if (result ~ /^INTERRUPT/) {
                skipped++  # TEST_SECONDS
            } else if (result ~ /OK|EXPECTEDFAIL|SKIP/) {
                if (!reports && result == "SKIP") skipped++
                else if (!reports) passed++
            } else if (!bad) {
                bad = 1  # crashed, ran out of time, or ended before its plan
            }
            failed += bad
        }
        END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$1"
}

# Counts what was not even begun, as one skipped for each program.
add_unbegun() {
    local all begun
    all=$(meson test -C build --no-rebuild --list "${@:3}" 2>/dev/null | grep -c . || true)
    begun=$(grep -c . "$2")
    awk -v unbegun=$((all > begun ? all - begun : 0)) '{ $5 += unbegun; print }' <<<"$1"
}

run_tests() {
    local driver=$1 log=build/meson-logs/$1 rc=0 counts stop=()
    shift
    [ -z "${TEST_SECONDS-}" ] || stop=(timeout "$TEST_SECONDS")
    use_driver "$driver"
    if [ -n "${VKMOE_DISCRETE-}" ] && [ -x build/vkmoe ]; then
        build/vkmoe devices | grep -q "^0  $driver " ||
            die "$driver: the loader does not take the layer"
    fi
    rm -f "$log".json "$log".txt
    # Tests are timed for an idle machine; CI is not always one.
    "${stop[@]}" meson test -C build --no-rebuild --print-errorlogs --timeout-multiplier 4 \
        --logbase "$driver" "$@" </dev/null || rc=$?
    [ -f "$log.json" ] || die "meson ran no test"
    counts=$(count_tests "$log.json")
    if [ -n "${TEST_SECONDS-}" ]; then
        counts=$(add_unbegun "$counts" "$log.json" "$@")
        rc=0  # of failures, the counts tell
    fi
    if grep -E 'Validation (Error|Warning|Performance)|SYNC-HAZARD|VUID-|UNASSIGNED-' "$log.txt" |
        sort | uniq -c; then
        echo "not ok - the validation layer spoke, see above and $log.txt"
        counts=$(awk '{ $3++; print }' <<<"$counts")
    fi
    echo "$counts"
    [ "$rc" = 0 ] && [[ $counts == *" 0 failed"* ]]
}

case ${1-} in
    find)
        [[ ${2-} == @(lavapipe|swiftshader) ]] || die "find lavapipe, or swiftshader"
        "find_$2"
        ;;
    run)
        use_driver "${2:?driver}"
        shift 2
        exec "$@"
        ;;
    test)
        run_tests "${@:2}"
        ;;
    *)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
