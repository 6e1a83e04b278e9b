#!/usr/bin/env bash
# readme.sh SOURCE BUILD MODEL VKMOE CC... - what README.md promises: its program, compiled as a
# user would against the library as it is installed, shared and static, computes a block of MODEL
# (tests/models/tiny-mixtral) as it was recorded; files and commands that it names are there. VKMOE
# is the command line tool, or "none".
set -u
source=$1 build=$2 model=$3 tool=$4
shift 4
compiler=("$@")
readme=$source/README.md
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
count=0 failed=0

result() {
    count=$((count + 1))
    if [ "$1" = 0 ]; then
        echo "ok $count - $2"
    else
        sed 's/^/#   /' "$tmp/log"
        echo "not ok $count - $2"
        failed=$((failed + 1))
    fi
}

skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

# The text between ```LANGUAGE and ```, of the first such block.
block() {
    awk -v fence="\`\`\`$1" '
        /^```/ && inside { exit }
        inside { print }
        $0 == fence { inside = 1 }' "$readme"
}

# --- its words ---

check_length() {
    local lines
    lines=$(wc -l <"$readme")
    [ "$lines" -le 250 ] || echo "README.md has $lines lines, at most 250"
    for command in './run' './run test'; do
        head -n 15 "$readme" | grep -Eq "^ *$command( .*)?\$" ||
            echo "'$command' is not in the first 15 lines"
    done
}

# Links of both pages, and what their text calls by a path in `quotes`.
check_paths() {
    local page name
    for page in README.md CONTRIBUTING.md; do
        {
            grep -oE '\]\([^)#:]+\)' "$source/$page" | sed 's/^](//; s/)$//'
            # shellcheck disable=SC2016  # backquotes of Markdown
            grep -oE '`(include|src|shaders|tests|bench|docs)/[A-Za-z0-9_./-]*`' "$source/$page" |
                tr -d '`'
        } | while read -r name; do
            [ -e "$source/$name" ] || echo "$page names $name, which is not there"
        done
    done
}

check_length >"$tmp/log"
[ ! -s "$tmp/log" ]
result $? "length and first commands"
check_paths >"$tmp/log"
[ ! -s "$tmp/log" ]
result $? "files that it names"

# --- its program ---

# Into a folder, with vkmoe.pc pointing there. Afterwards $libraries is where it went.
install_library() {
    local pc
    meson install -C "$build" --destdir "$tmp/root" --no-rebuild || return
    pc=$(find "$tmp/root" -name vkmoe.pc)
    sed -i "s|^prefix=|prefix=$tmp/root|" "$pc" || return
    libraries=$(dirname "$(dirname "$pc")")
    export PKG_CONFIG_PATH="${pc%/*}${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
}

flags() {
    "${PKG_CONFIG:-pkg-config}" "$@" vkmoe
}

compile() {
    local libs
    case $1 in
        shared) libs=$(flags --libs) ;;
        static) libs=$(flags --static --libs | sed "s|-lvkmoe|$libraries/libvkmoe.a|") ;;
    esac || return
    # shellcheck disable=SC2046,SC2086  # flags are words
    "${compiler[@]}" -std=c11 -Wall -Wextra -Wpedantic -Werror $(flags --cflags) \
        -o "$tmp/$1" "$tmp/program.c" $libs
}

# f32 arrays of one size, within 2e-5 of the rms of the second.
same_numbers() {
    od -An -v -w4 -tf4 "$1" >"$tmp/actual.txt"
    od -An -v -w4 -tf4 "$2" >"$tmp/expected.txt"
    paste "$tmp/actual.txt" "$tmp/expected.txt" | awk '
        NF != 2 { print "the sizes differ"; bad = 1; exit }
        /[a-z]/ && !/[0-9]e[-+]?[0-9]/ { print "not a number:" $0; bad = 1; exit }
        { difference = $1 > $2 ? $1 - $2 : $2 - $1; squares += $2 * $2 }
        difference > largest { largest = difference }
        END {
            if (bad || NR == 0) exit 1
            error = largest / sqrt(squares / NR)
            printf "%d numbers, error %.2g of the rms\n", NR, error
            exit !(error <= 2e-5)
        }'
}

# An array of MODEL's first block, without the 128 bytes of header.
recorded() {
    tail -c +129 "$model/recorded/layer0_moe_$1.npy"
}

run_program() {
    recorded input >"$tmp/x"
    recorded output >"$tmp/expected"
    # It leaves what it made to the end of the process, which a sanitizer calls leaks.
    ASAN_OPTIONS=detect_leaks=0 LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
        "$tmp/$1" "$model" <"$tmp/x" >"$tmp/y" || {
        echo "it ended with status $?"
        return 1
    }
    same_numbers "$tmp/y" "$tmp/expected"
}

has_device() {
    [ "$tool" = none ] || "$tool" devices 2>/dev/null | grep -Eq 'usable +yes'
}

block c >"$tmp/program.c"
lines=$(wc -l <"$tmp/program.c")
echo "the program has $lines lines, 1 to 40 are wanted" >"$tmp/log"
[ "$lines" -ge 1 ] && [ "$lines" -le 40 ]
result $? "length of the program"
install_library >"$tmp/log" 2>&1
result $? "installation"
for form in shared static; do
    compile $form >"$tmp/log" 2>&1
    result $? "program, $form library: compiles"
    if ! has_device; then
        skip "program, $form library: runs" "no Vulkan device can be used"
        continue
    fi
    run_program $form >"$tmp/log" 2>&1
    status=$?
    [ $status = 0 ] && sed 's/^/#   /' "$tmp/log"
    result $status "program, $form library: runs"
done
echo "1..$count"
[ "$failed" = 0 ]
