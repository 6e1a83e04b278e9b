#!/usr/bin/env bash
# cli_capacity.sh VKMOE NPY_NEAR PYTHON - Switch Transformer's capacity in the command: the same
# tokens are turned away however
# a text is cut. VKMOE_TEST_DEVICE, if it is set, is the --device of everything that runs.
vkmoe=$(realpath "$1") near=$2 python=$3
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/lib.sh
. "$here/support/lib.sh"

# ids FILE ID... - writes them as i32.
ids() {
    local file=$1 id
    shift
    for id; do
        # shellcheck disable=SC2059
        printf "\\x$(printf %02x $((id & 255)))\\x$(printf %02x $((id >> 8)))\\x00\\x00"
    done | npy "$file" '<i4' "$#,"
}

# near FOUND EXPECTED TOLERANCE
near() {
    local why
    why=$("$near" "$@") || problem "${1##*/} and ${2##*/}: $why"
}

model=$tmp/switch vocabulary=200 prompt=120
"$python" "$here/tiny_checkpoint.py" switch_transformers "$model" $vocabulary expert_capacity=10 \
    n_positions=1024 \
    >"$out" 2>&1 || problem "tiny_checkpoint.py: $(cat "$out")"
tokens=() input=()
for ((i = 0; i < prompt; i++)); do
    tokens+=($((i * i * 7 % 197 + 1)))
done
for ((i = 0; i < 40; i++)); do
    input+=($((50 + i)))
done
ids "$tmp/tokens.npy" "${tokens[@]}"
ids "$tmp/input.npy" "${input[@]}"
expect 0 logits "$model" --tokens "$tmp/tokens.npy" --input "$tmp/input.npy" \
    --output "$tmp/once.npy" --chunk $prompt
expect 0 logits "$model" --tokens "$tmp/tokens.npy" --input "$tmp/input.npy" \
    --output "$tmp/all.npy" --no-capacity
"$near" "$tmp/all.npy" "$tmp/once.npy" 1e-2 >"$out" \
    && problem "no token is turned away: the test tests nothing"
finish "a capacity that turns tokens away"

for chunk in 1 7 50; do
    expect 0 logits "$model" --tokens "$tmp/tokens.npy" --input "$tmp/input.npy" \
        --output "$tmp/$chunk.npy" --chunk $chunk
    near "$tmp/$chunk.npy" "$tmp/once.npy" 1e-4
    finish "logits in chunks of $chunk"
done

tests_end
