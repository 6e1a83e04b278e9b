#!/usr/bin/env bash
# options.sh SOURCE - what is left out of the build with options that say less than all or nothing.
set -u
source=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
count=0 failed=0

command -v meson >/dev/null || { echo '1..0 # SKIP needs meson' && exit 0; }

# check NAME LEFT-OUT OPTION...
check() {
    local name=$1 left_out=$2
    count=$((count + 1))
    rm -rf "$tmp/build"
    # Without kernels glslc is not asked for.
    if meson setup "$tmp/build" "$source" "-Dspirv_dir=$tmp" -Dtests=disabled -Dbench=disabled \
        -Dtools=disabled "${@:3}" >"$tmp/log" 2>&1 &&
        grep -q "tokenizers left out *: $left_out\$" "$tmp/log"; then
        echo "ok $count - $name"
    else
        tail -n 20 "$tmp/log" | sed 's/^/#   /'
        echo "not ok $count - $name"
        failed=$((failed + 1))
    fi
}

check 'all tokenizers but BPE' BPE -Dtokenizer=enabled -Dbpe=disabled
check 'all that is optional but sentencepiece' sentencepiece -Dauto_features=enabled \
    -Dsentencepiece=disabled
echo "1..$count"
[ "$failed" = 0 ]
