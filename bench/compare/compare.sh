#!/usr/bin/env bash
# Times one block (hidden 1024, inner 512, 16 experts, 4 chosen) in vkmoe, in ggml's Vulkan backend
# and in ggml's CPU backend, the first two on lavapipe, in turns so that what else the machine does
# is shared fairly:
#
#     bench/compare/compare.sh [ROUNDS [TOKENS [DTYPES]]]      3 "1 32 128" "f32 f16" if absent
#
# GFLOP/s of useful work: `best`, the fastest forward of all rounds; `median`, of the rounds'
# medians; `per CPU`, the median per second of CPU time, which other programs disturb least. Every
# sample goes to build/compare.tsv.
#
# Runs in the Debian testing chroot of tests/chroots.sh, hence as root; ggml comes from Debian's
# packages. VKMOE_TESTING names another Debian testing that has them. ggml-vulkan runs with its
# cooperative matrices off: on lavapipe they are four times slower than its scalar kernels;
# COOPMAT=1 leaves them on. On a machine with other work ggml's CPU threads wait for each other most
# of the time: GGML_THREADS=1 then tells more, in the column `per CPU`.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${1-3}
read -ra tokens_list <<<"${2-1 32 128}"
read -ra dtypes <<<"${3-f32 f16}"
systems=(vkmoe ggml-vulkan ggml-cpu)
lavapipe=/usr/share/vulkan/icd.d/lvp_icd.json
ggml_settings=(VK_DRIVER_FILES="$lavapipe" GGML_VK_VISIBLE_DEVICES=0)
[ -n "${COOPMAT-}" ] || ggml_settings+=(GGML_VK_DISABLE_COOPMAT=1)
out=$PWD/build/compare.tsv

die() {
    echo "bench/compare/compare.sh: $*" >&2
    exit 1
}

inside() {
    tests/chroots.sh run "$dir" "$@"
}

build() {
    inside sh -c 'meson setup build --buildtype=release -Dtests=disabled -Dtools=disabled &&
        ninja -C build bench/vkmoe-bench &&
        cc -std=c11 -O2 bench/compare/ggml_block.c bench/compare/ggml_moe.c \
            -o build/ggml_block -lggml -lggml-base -lm' >"$1" 2>&1 ||
        { tail -n 20 "$1" >&2 && die "the build in Debian testing failed"; }
}

# "wall wall_least cpu" of one forward, in nanoseconds. What vkmoe needs to record is part of its
# wall time, as it is of ggml's.
time_vkmoe() {
    inside env VK_DRIVER_FILES="$lavapipe" \
        build/bench/vkmoe-bench --shape floor-block --tokens "$1" --dtype "$2" \
        --json build/vkmoe.json >/dev/null || return
    awk -F '[:,]' '
        function field(name) { return $1 ~ "\"" name "\"" }
        field("record_median_ns") { record = $2 }
        field("wall_median_ns") { wall = $2 }
        field("wall_min_ns") { least = $2 }
        field("process_cpu_median_ns") { cpu = $2 }
        END { if (wall) printf "%.0f %.0f %.0f\n", wall + record, least + record, cpu }' \
        "$testing$dir/build/vkmoe.json"
}

time_system() {
    case $1 in
        vkmoe) time_vkmoe "$2" "$3" ;;
        ggml-cpu) inside build/ggml_block CPU "$2" "$3" "${GGML_THREADS-$(nproc)}" ;;
        ggml-vulkan)
            # CPU devices are passed over unless one is named.
            inside env "${ggml_settings[@]}" build/ggml_block Vulkan0 "$2" "$3"
            ;;
    esac
}

run_rounds() {
    local round tokens dtype system times
    printf 'round\tsystem\ttokens\tdtype\tload\twall_ns\twall_min_ns\tcpu_ns\n'
    for ((round = 1; round <= rounds; round++)); do
        for tokens in "${tokens_list[@]}"; do
            for dtype in "${dtypes[@]}"; do
                for system in "${systems[@]}"; do
                    echo "round $round of $rounds: $system, $tokens tokens, $dtype" >&2
                    times=$(time_system "$system" "$tokens" "$dtype" </dev/null) || times=
                    [ -n "$times" ] || { echo "no result" >&2 && continue; }
                    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$round" "$system" "$tokens" "$dtype" \
                        "$(cut -d ' ' -f 1 /proc/loadavg)" "${times// /$'\t'}"
                done
            done
        done
    done
}

print_table() {
    awk -F '\t' -v systems="${systems[*]}" '
        function median(list,    values, count, i, j, swap, middle) {
            count = split(list, values, " ")
            for (i = 2; i <= count; i++)
                for (j = i; j > 1 && values[j] + 0 < values[j - 1] + 0; j--) {
                    swap = values[j]; values[j] = values[j - 1]; values[j - 1] = swap
                }
            middle = int((count + 1) / 2)
            return count % 2 ? values[middle] : (values[middle] + values[middle + 1]) / 2
        }
        NR == 1 { next }
        {
            row = $3 "\t" $4
            if (!(row in seen)) { rows[++row_count] = row; seen[row] = 1 }
            flops = $3 * 4 * 3 * 2 * 1024 * 512
            cell = row "\t" $2
            if (flops / $7 > best[cell]) best[cell] = flops / $7
            wall[cell] = wall[cell] " " flops / $6
            cpu[cell] = cpu[cell] " " flops / $8
        }
        END {
            count = split(systems, names, " ")
            printf "%-7s%-6s", "GFLOP/s", ""
            for (i = 1; i <= count; i++) printf "  %-24s", names[i]
            printf "\n%-7s%-6s", "tokens", "dtype"
            for (i = 1; i <= count; i++) printf "  %7s %7s %8s", "best", "median", "per CPU"
            printf "\n"
            for (r = 1; r <= row_count; r++) {
                split(rows[r], part, "\t")
                printf "%-7s%-6s", part[1], part[2]
                for (i = 1; i <= count; i++) {
                    cell = rows[r] "\t" names[i]
                    if (cell in best)
                        printf "  %7.2f %7.2f %8.2f", \
                            best[cell], median(wall[cell]), median(cpu[cell])
                    else
                        printf "  %7s %7s %8s", "-", "-", "-"
                }
                printf "\n"
            }
        }' "$1"
}

[ "$(id -u)" = 0 ] || die "only root can use the Debian testing chroot"
testing=${VKMOE_TESTING-}
[ -n "$testing" ] || testing=$(tests/chroots.sh setup)
tests/chroots.sh add libggml-dev libggml0-backend-vulkan
dir=$(tests/chroots.sh copy)
trap 'rm -rf "$testing$dir"' EXIT
mkdir -p "$(dirname "$out")"
build "$(dirname "$out")/compare.log"
before=$(cut -d ' ' -f 1-3 /proc/loadavg)
run_rounds >"$out"
print_table "$out"
echo "load $before before, $(cut -d ' ' -f 1-3 /proc/loadavg) after, $(nproc) CPUs"
