#!/usr/bin/env bash
# bench_io.sh VKMOE_BENCH - which device it takes and names, what it predicts without one, and what
# it does when its report cannot be written.
# VKMOE_TEST_DEVICE, if it is set, is the --device of everything that runs on one.
set -u
bench=$(realpath "$1")
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/support/lib.sh"
cd "$tmp" || exit 1
run=("$bench" --shape floor-block --tokens 1 --dtype f32 "${device[@]}")

# fails STATUS TEXT - with one line on standard error.
fails() {
    [ "$1" = 1 ] || problem "status $1, expected 1"
    if [ "$(wc -l <"$err")" != 1 ] || ! grep -qF -- "vkmoe-bench: $2" "$err"; then
        problem "expected '$2' alone, got: $(head -n 3 "$err")"
    fi
}

for help in --help -h; do
    "$bench" $help >"$out" 2>"$err" || problem "$help: status $?"
    has '^usage: vkmoe-bench'
    [ ! -s "$err" ] || problem "$help: $(head -n 1 "$err")"
done
finish "--help is no error"

for index in 99 4294967296 00 +0 ' 0' ''; do
    "${run[@]}" --device "$index" >"$out" 2>"$err"
    fails $? "no Vulkan device matches '$index': expected part of a name, or 0 to "
    [ ! -s "$out" ] || problem "--device '$index': something was printed"
done
finish "digits are an index, and nothing else"

"${run[@]}" --json report.json >"$out" 2>"$err" || problem "status $?: $(cat "$err")"
cpu=$(grep -c '"type":.*"cpu"' report.json)
[ "$(head -n 1 "$out" | grep -c ', a CPU$')" = "$cpu" ] || problem "is it a CPU? $(head -n \
    1 "$out")"
"${run[@]}" --json - 2>/dev/null | head -n 2 >"$out"
has '"schema":'
[ ! -e - ] || problem "a file '-' was written"
finish "the device is named, and a CPU is called one"

# A format that no table of cases has.
"${run[@]}" --dtype q8_0 --json >"$out" 2>"$err" || problem "status $?: $(tail -n 1 "$err")"
has '"dtype":.*"q8_0"'
finish "every format has its name"

"${run[@]}" --host >"$out" 2>"$err" || problem "status $?: $(tail -n 1 "$err")"
has '^floor-block/t1/f32: [0-9.]* us a forward, of which [0-9.]* us recording; 3 dispatches, '
finish "what a forward costs the host"

# A loader without a driver: predictions need neither.
no_driver=(env VK_DRIVER_FILES=/dev/null VK_ICD_FILENAMES=/dev/null)
readarray -t cards < <("$bench" --list | sed -n 's/^cards: //p' | sed 's/, /\n/g')
[ "${#cards[@]}" -ge 8 ] || problem "only ${#cards[@]} cards"
for card in "${cards[@]}"; do
    "${no_driver[@]}" "$bench" --predict "$card" >"$out" 2>"$err" ||
        problem "$card: status $?: $(head -n 1 "$err")"
    head -n 1 "$out" | grep -q '^arithmetic, not a measurement' ||
        problem "$card: $(head -n 1 "$out")"
    for text in "^$card: " '    from: ' '    assumed: ' '  layer: ' '  model: ' '  block: ' \
        'tokens/s of a model of 48 blocks'; do
        grep -q "$text" "$out" || problem "$card: no '$text'"
    done
    [ ! -s "$err" ] || problem "$card: $(head -n 1 "$err")"
done
finish "every card is predicted, without a driver"

for card in 'RX 1' RX '' -; do
    "$bench" --predict "$card" >"$out" 2>"$err"
    [ $? = 2 ] || problem "--predict '$card': status is not 2"
    if [ "$(wc -l <"$err")" != 1 ] ||
        ! grep -qF "vkmoe-bench: '$card' is not one card: " "$err"; then
        problem "--predict '$card': $(head -n 3 "$err")"
    fi
done
"$bench" --predict "${cards[0]}" --shape none >"$out" 2>"$err"
[ $? = 2 ] || problem "--predict with an unknown shape: status is not 2"
"$bench" --predict "${cards[0]}" --json none/report.json >"$out" 2>"$err"
fails $? "cannot write none/report.json: No such file or directory"
[ ! -s "$out" ] || problem "predicted all the same: $(head -n 1 "$out")"
finish "what is no card is told in one line"

# The same code counts both; other devices have other forms, but no other number of kernels here.
for tokens in 1 32; do
    "${run[@]}" --tokens "$tokens" --json 2>/dev/null >"$out"
    measured=$(grep -m 1 '"dispatches":' "$out")
    "$bench" --shape floor-block --tokens "$tokens" --dtype f32 --predict 9070 --json - >"$out"
    has '"kind":.*"arithmetic, not a measurement"'
    predicted=$(grep -m 1 '"dispatches":' "$out")
    if [ -z "$predicted" ] || [ "${measured//[^0-9]/}" != "${predicted//[^0-9]/}" ]; then
        problem "$tokens tokens: measured $measured, predicted $predicted"
    fi
done
finish "as many dispatches are predicted as there are"

"${run[@]}" --json none/report.json >"$out" 2>"$err"
fails $? "cannot write none/report.json: No such file or directory"
[ ! -s "$out" ] || problem "measured all the same: $(head -n 1 "$out")"
"${run[@]}" >&- 2>"$err"
fails $? "cannot write to standard output: Bad file descriptor"
if [ -c /dev/full ]; then
    "${run[@]}" >/dev/full 2>"$err"
    fails $? "cannot write to standard output: No space left on device"
    "${run[@]}" --json /dev/full >/dev/null 2>"$err"
    fails $? "cannot write /dev/full: No space left on device"
    "$bench" --list >/dev/full 2>"$err"
    fails $? "cannot write to standard output: No space left on device"
    "${run[@]}" --json >/dev/full 2>"$err" # the table is on standard error, and the reason last
    [ $? = 1 ] || problem "--json to a full disk: status is not 1"
    tail -n 1 "$err" | grep -qx \
        'vkmoe-bench: cannot write to standard output: No space left on device' ||
        problem "--json to a full disk: $(tail -n 1 "$err")"
fi
finish "a report that cannot be written"

tests_end
