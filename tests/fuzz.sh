#!/usr/bin/env bash
# Fuzzes what reads files: GGUF, safetensors, config.json, tokenizer.json, tokenizer.model and npy.
#
#     tests/fuzz.sh [SECONDS]              every fuzzer, two at a time, for 20 seconds each
#     tests/fuzz.sh SECONDS FUZZER...      these
#     SEED=N tests/fuzz.sh ...             with other random numbers than those of seed 1
#
# Builds them in build-fuzz with clang and its sanitizers, without kernels, which they do not use.
# What an earlier run found worth keeping is in build-fuzz/corpus/FUZZER, where this one begins,
# besides seeds made of the tests' models and files. An input that makes a fuzzer fail is kept as
# build-fuzz/FUZZER-crash-*; build-fuzz/tests/fuzz/fuzz_FUZZER FILE runs it alone.
#
# A fuzzer is skipped with a line where it cannot be built. The last line is
# "N passed, N failed, N skipped".
set -euo pipefail
cd "$(dirname "$0")/.."
build='build-fuzz'
all=(gguf safetensors config tokenizer_json tokenizer_model npy)
seconds=${1-20}
seed=${SEED-1}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2; }
shift || true
wanted=("${@:-${all[@]}}")

# Whether clang has what it takes, which Debian keeps in a package of its own.
has_clang() {
    command -v clang >/dev/null && command -v clang++ >/dev/null &&
        printf 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n < 0; }\n' |
        clang -x c -fsanitize=fuzzer,address,undefined - -o "$tmp/probe" 2>/dev/null
}

build_all() {
    local cache=''
    ! command -v ccache >/dev/null || cache='ccache '
    mkdir -p "$build/no-kernels"
    [ -f "$build/build.ninja" ] ||
        CC="${cache}clang" CXX="${cache}clang++" meson setup "$build" -Dfuzz=true \
            -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 -Dtests=disabled \
            -Dbench=disabled "-Dspirv_dir=$build/no-kernels"
    ninja -C "$build" fuzz
}

write_seeds() {
    "$build/tests/fuzz/fuzz_seeds" "$tmp/seeds" "$@"
}

make_seeds() {
    mkdir -p "$tmp/seeds"
    write_seeds
    write_seeds gguf 0 tests/gguf/hostile/*.gguf
    write_seeds npy '' tests/models/tiny-mixtral/recorded/tokens.npy tests/golden/whole/*/ids.npy
    write_seeds tokenizer_json '' tests/models/tokenizers/bpe/*.json
    write_seeds tokenizer_model 1 tests/models/tokenizers/*.model
    mkdir -p "$tmp/seeds/config" "$tmp/seeds/safetensors"
}

# One fuzzer; a line for what came of it.
fuzz() {
    local name=$1 program=$build/tests/fuzz/fuzz_$1 log=$tmp/log-$1
    if [ ! -x "$program" ]; then
        echo "ok - fuzz/$name # SKIP it was not built"
        return
    fi
    mkdir -p "$build/corpus/$name" "$tmp/$name"
    if TMPDIR=$tmp/$name UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        ASAN_OPTIONS=allocator_may_return_null=1:handle_abort=1 \
        "$program" -seed="$seed" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -malloc_limit_mb=1024 -max_len=65536 -print_final_stats=1 -verbosity=1 \
        "-artifact_prefix=$build/$name-" "$build/corpus/$name" "$tmp/seeds/$name" \
        >"$log" 2>&1; then
        echo "ok - fuzz/$name (seed $seed," \
            "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs)"
    else
        tail -n 60 "$log"
        echo "not ok - fuzz/$name"
    fi
}

tmp=$(mktemp -d /dev/shm/vkmoe-XXXXXX 2>/dev/null || mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if ! has_clang; then
    echo "SKIP: fuzzers need clang with libFuzzer; Debian's package is clang"
    echo "0 passed, 0 failed, ${#wanted[@]} skipped"
    exit
fi
if ! build_all >"$tmp/log" 2>&1; then
    cat "$tmp/log"
    echo "not ok - fuzz/build"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
make_seeds
export build tmp seconds seed
export -f fuzz
# shellcheck disable=SC2016  # bash expands it
printf '%s\n' "${wanted[@]}" | xargs -P 2 -I '{}' bash -c 'fuzz "$1"' fuzz '{}' | tee "$tmp/results"
passed=$(grep -c '^ok - [^#]*$' "$tmp/results" || true)
failed=$(grep -c '^not ok' "$tmp/results" || true)
skipped=$(grep -c '^ok - .*# SKIP' "$tmp/results" || true)
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
