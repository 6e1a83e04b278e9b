#!/usr/bin/env bash
# cli_memory.sh VKMOE PYTHON - a model that does not fit is refused before it is loaded, with what
# it needs and what there is.
# VKMOE_TEST_DEVICE, if it is set, is the --device of everything that runs.
vkmoe=$(realpath "$1") python=$2
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/lib.sh
. "$here/support/lib.sh"

# One block of 8 experts, 3.2 GB of zeros that take no room on the disk.
model=$tmp/large
"$python" - "$model" <<'END' || problem "the model could not be written"
import json, os, struct, sys
hidden, inner, experts, vocabulary = 4096, 16384, 8, 200
layer = "model.layers.0."
shapes = {"model.embed_tokens.weight": [vocabulary, hidden], "lm_head.weight": [vocabulary, hidden],
    "model.norm.weight": [hidden], layer + "input_layernorm.weight": [hidden],
    layer + "post_attention_layernorm.weight": [hidden],
    layer + "block_sparse_moe.gate.weight": [experts, hidden]}
for name in "qkvo":
    shapes[layer + "self_attn.%s_proj.weight" % name] = [hidden, hidden]
for e in range(experts):
    for name, shape in ("w1", [inner, hidden]), ("w2", [hidden, inner]), ("w3", [inner, hidden]):
        shapes[layer + "block_sparse_moe.experts.%d.%s.weight" % (e, name)] = shape
header, at = {}, 0
for name, shape in shapes.items():
    size = 2
    for n in shape:
        size *= n
    header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
    at += size
os.mkdir(sys.argv[1])
text = json.dumps(header).encode()
with open(sys.argv[1] + "/model.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text)
    file.truncate(8 + len(text) + at)
json.dump({"architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "hidden_size": hidden,
    "intermediate_size": inner, "num_hidden_layers": 1, "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "num_local_experts": experts, "num_experts_per_tok": 2,
    "vocab_size": vocabulary, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "hidden_act": "silu", "max_position_embeddings": 4096,
    "torch_dtype": "bfloat16"},
    open(sys.argv[1] + "/config.json", "w"))
END
printf '\x01\x00\x00\x00\x02\x00\x00\x00' | npy "$tmp/tokens.npy" '<i4' '2,'
finish "a model of 3.2 GB"

# A CPU driver's memory is the process's. The mapped file and what the driver itself takes, which
# nobody knows, have to
# fit below the limit, but not the weights: the first of these limits with which there is something
# to load is right.
limits=(3500000 4500000 5500000 6500000 7500000 8500000 9500000)
expect 0 devices
if [ "$(grep -c '^ *type ' "$out")" != "$(grep -c '^ *type  *CPU' "$out")" ]; then
    skip "a limit of the address space" "there are devices with memory of their own"
elif ! (ulimit -v "${limits[-1]}" && "$vkmoe" devices) >"$out" 2>&1; then
    skip "a limit of the address space" "nothing runs with one"
else
    said=no
    for limit in "${limits[@]}"; do
        (ulimit -v "$limit" && "$vkmoe" generate "${device[@]}" "$model" \
            --tokens "$tmp/tokens.npy" --count 2) \
            >"$out" 2>"$err" </dev/null && break
        grep -q 'is out of memory' "$err" \
            && problem "loaded with $limit kB until there was no more: $(cat "$err")"
        grep -q 'needs ' "$err" || continue
        said=yes
        [ "$(wc -l <"$err")" = 1 ] || problem "expected one line: $(cat "$err")"
        says 'vkmoe_model_create: needs 3\.[0-9]+ GB of device memory, of which [0-9.]+ '
        says '([kMG]B|bytes) is free of the address space'
        says ': weights 3\.[0-9]+ GB, caches [0-9.]+ [kM]B, scratch [0-9.]+ MB$'
        break
    done
    [ $said = yes ] || problem "not refused with any limit: $(cat "$err")"
    finish "a limit of the address space"
fi

tests_end
