#!/usr/bin/env bash
# cli_checkpoints.sh VKMOE MODELS - checkpoints in the forms in which people have them: fused, in
# shards, incomplete,
# quantised, of unknown families. VKMOE_TEST_DEVICE, if it is set, is the --device of everything
# that runs.
set -u
vkmoe=$(realpath "$1") models=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/lib.sh
. "$here/support/lib.sh"

if ! command -v python3 >/dev/null; then
    skip "checkpoints" "there is no Python"
    tests_end
    exit
fi

# make NAME FAMILY [PYTHON] - a tiny checkpoint `c`, changed by a program, in $tmp/NAME.
make() {
    PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 python3 - "$tmp/$1" "$2" "${3-c.save(to)}" \
        <<'PYTHON' || problem "cannot make $1"
import json, os, struct, sys
from tiny_checkpoint import *
to = sys.argv[1]
c = Checkpoint(sys.argv[2], vocabulary=200)

def fuse(c, parent, names, new):
    """The experts as transformers 5 saves them."""
    t = c.tensors
    for block in range(BLOCKS):
        prefix = "model.layers.%d." % block
        old = lambda e, name: t.pop("%s%s.experts.%d.%s.weight" % (prefix, parent, e, name)).data
        parts = [[old(e, name) for name in names] for e in range(EXPERTS)]
        t[prefix + new + ".experts.gate_up_proj"] = Tensor("F32", [EXPERTS, 2 * INNER, HIDDEN],
            b"".join(gate + up for gate, up, down in parts))
        t[prefix + new + ".experts.down_proj"] = Tensor("F32", [EXPERTS, HIDDEN, INNER],
            b"".join(down for gate, up, down in parts))
        t[prefix + new + ".gate.weight"] = t.pop(prefix + parent + ".gate.weight")

def shards(c, to, weight_map, **files):
    """Files of tensors, and an index."""
    os.makedirs(to, exist_ok=True)
    json.dump(c.config, open(to + "/config.json", "w"))
    for name, tensors in files.items():
        write_safetensors("%s/%s.safetensors" % (to, name), tensors)
    json.dump({"weight_map": weight_map}, open(to + "/model.safetensors.index.json", "w"))

exec(sys.argv[3])
PYTHON
}

printf '\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0' | npy "$tmp/ids.npy" '<i4' '4,'
ids() {
    expect 0 generate "$tmp/$1" --tokens "$tmp/ids.npy" --count 6
    cp "$out" "$tmp/$1.ids"
}

# info ARGUMENT... - it needs no device.
info() {
    "$vkmoe" info "$@" >"$out" 2>"$err" </dev/null || problem "vkmoe info $*: status $?: $(cat \
        "$err")"
    [ ! -s "$err" ] || problem "vkmoe info $*: said $(cat "$err")"
}
refuse_info() {
    local got=0
    "$vkmoe" info "$tmp/$1" >"$out" 2>"$err" </dev/null || got=$?
    [ "$got$(wc -c <"$out")$(wc -l <"$err")" = 101 ] || problem "info $1: status $got: $(cat \
        "$out" "$err")"
    grep -qF -- "$2" "$err" || problem "no '$2' in: $(cat "$err")"
}

# ------------------------------------------------------------------------------------------ layouts

for family in mixtral qwen3_moe olmoe; do
    make "$family" "$family"
    gate='"mlp", ["gate_proj", "up_proj", "down_proj"]'
    [ $family = mixtral ] && gate='"block_sparse_moe", ["w1", "w3", "w2"]'
    make "fused-$family" "$family" "fuse(c, $gate, 'mlp'); c.save(to)"
    ids "$family"
    ids "fused-$family"
    same "$tmp/$family.ids" "$tmp/fused-$family.ids"
    info "$tmp/fused-$family"
    has '^layer +runs$'
done
make prefixed mixtral \
    'c.tensors = {n if n.startswith("lm_head") else
        n.replace("model.", "model.language_model.", 1): t
    for n, t in c.tensors.items()}; c.save(to)'
ids prefixed
same "$tmp/mixtral.ids" "$tmp/prefixed.ids"
finish "fused experts give the same text"

make twice qwen3_moe \
    'old = dict(c.tensors); fuse(c, "mlp", ["gate_proj", "up_proj", "down_proj"], "mlp")
c.tensors.update(old); c.save(to)'
refuse 1 "are both there" generate "$tmp/twice" --tokens "$tmp/ids.npy"
finish "experts in both forms are refused"

# -------------------------------------------------------------------------------------------- index

split='
name = "model.layers.1.self_attn.o_proj.weight"
one = dict(list(c.tensors.items())[:20]); two = {n: t for n, t in c.tensors.items() if n not in one}
where = {n: "one.safetensors" for n in one} | {n: "two.safetensors" for n in two}
wrong = Tensor("F32", [32, 32], struct.pack("<1024f", *[0.5] * 1024))
'
make split mixtral "${split}shards(c, to, where, one=one, two=two)"
make copies mixtral "${split}shards(c, to, where, one=one | {name: wrong}, two=two)"
make others mixtral \
    "${split}where[name] = 'one.safetensors'
shards(c, to, where, one=one | {name: wrong}, two=two)"
make unsaid mixtral \
    "${split}del where[name]; shards(c, to, where, one=one | {name: wrong}, two=two)"
ids split
ids copies
ids others
same "$tmp/split.ids" "$tmp/mixtral.ids"
same "$tmp/copies.ids" "$tmp/mixtral.ids"
cmp -s "$tmp/others.ids" "$tmp/mixtral.ids" && problem "the index did not decide"
refuse_info unsaid "self_attn.o_proj.weight is there twice"
finish "the index says which file has a tensor"

stale='where["model.layers.0.self_attn.rotary_emb.inv_freq"] = "one.safetensors"
where["vision_tower.weight"] = "vision.safetensors"
where["model.layers.0.self_attn.q_proj.bias"] = "two.safetensors"'
make stale mixtral "$split$stale; shards(c, to, where, one=one, two=two, extra={'x': wrong})"
ids stale
same "$tmp/stale.ids" "$tmp/mixtral.ids"
info "$tmp/stale"
has '^missing +3 tensors and 1 file that the index names$'
has '^generate +runs'
make lost mixtral "${split}shards(c, to, where, one=one)"
refuse 1 "is in two.safetensors, which is not there" generate "$tmp/lost" --tokens "$tmp/ids.npy"
grep -qF "$tmp/lost/model.safetensors.index.json: tensor model." "$err" \
    || problem "not all is named: $(cat "$err")"
info "$tmp/lost"
has 'does not run.*two.safetensors, which is not there'

# A shard that something else is in the place of: it is missing, and the line is for who needs it.
stand_in() {
    rm -rf "$1"
    case $2 in
    pointer) printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n' >"$1" ;;
    empty) : >"$1" ;;
    directory) mkdir "$1" ;;
    fifo) mkfifo "$1" ;;
    link) ln -s ../../blobs/0123 "$1" ;;
    page) echo '<!DOCTYPE html>' >"$1" ;;
    cut) head -c 6000 "$tmp/split/two.safetensors" >"$1" ;;
    incomplete) : >"$1.incomplete" ;;
    part) mv "$1.incomplete" "$1.part" ;;
    esac
}
while read -r kind line; do
    stand_in "$tmp/stale/vision.safetensors" "$kind"
    ids stale
    same "$tmp/stale.ids" "$tmp/mixtral.ids"
    info "$tmp/stale"
    has '^missing +3 tensors and 1 file that the index names$'
    has '^generate +runs'
    stand_in "$tmp/lost/two.safetensors" "$kind"
    refuse 1 "$line" generate "$tmp/lost" --tokens "$tmp/ids.npy"
    grep -q 'tensor model\.' "$err" || problem "no tensor is named: $(cat "$err")"
    info "$tmp/lost"
    has '^missing +[0-9]+ tensors and 1 file that the index names$'
    grep -F "does not run" "$out" | grep -qF -- "$line" || problem "no '$line' in: $(cat "$out")"
done <<'LINES'
pointer two.safetensors: is a Git LFS pointer, not the file itself; fetch that with 'git lfs pull'
empty two.safetensors: is empty; tensor model.
directory two.safetensors: is not a regular file; tensor model.
fifo two.safetensors: is not a regular file; tensor model.
page two.safetensors: is a web page
cut whose download may not be finished; tensor model.
link is in two.safetensors, which is not there; download it too
incomplete two.safetensors: is not there, but two.safetensors.incomplete: its download is
part two.safetensors: is not there, but two.safetensors.part: its download is not finished
LINES
make bias mixtral "${split}where['model.layers.0.self_attn.q_proj.bias'] = 'lost.safetensors'
shards(c, to, where, one=one, two=two)"
refuse 1 "q_proj.bias is there, but the config does not say what it is for" generate "$tmp/bias" \
    --tokens "$tmp/ids.npy"
finish "what nobody needs may be missing"

make old mixtral \
    'c.tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = tensor([4], [1] * 4); c.save(to)'
ids old
same "$tmp/old.ids" "$tmp/mixtral.ids"
make unknown mixtral \
    'c.tensors["model.layers.0.self_attn.k_norm.weight"] = tensor([8], [1] * 8); c.save(to)'
refuse 1 "k_norm.weight is there, but the config does not say what it is for" generate \
    "$tmp/unknown" \
    --tokens "$tmp/ids.npy"
finish "leftovers are ignored, other tensors are not"

# --------------------------------------------------------------------------------------------- RoPE

yarn='{"factor": 4.0, "original_max_position_embeddings": 64'
make yarn qwen3_moe \
    "c.config['rope_scaling'] = json.loads('$yarn, \"type\": \"yarn\"}'); c.save(to)"
make both qwen3_moe "c.config['rope_scaling'] = json.loads('$yarn, \"type\": \"yarn\"}')
c.config['rope_parameters'] = json.loads(
    '$yarn, \"rope_type\": \"yarn\", \"rope_theta\": 1e4, \"beta_fast\": 32}')
c.save(to)"
make differ qwen3_moe "c.config['rope_scaling'] = json.loads('$yarn, \"type\": \"yarn\"}')
c.config['rope_parameters'] = {
    'rope_type': 'yarn', 'factor': 2, 'original_max_position_embeddings': 64}
c.save(to)"
ids yarn
ids both
same "$tmp/yarn.ids" "$tmp/both.ids"
refuse 1 "rope_scaling and rope_parameters say different things" generate "$tmp/differ" \
    --tokens "$tmp/ids.npy"
finish "YaRN said twice"

# --------------------------------------------------------------------------------------------- info

info "$models/tiny-mixtral"
has '^types +F16: 6.5 MiB in 127 tensors$'
has '^layer +runs$'
has '^generate +runs$'
info "$tmp/mixtral"
has \
    '^generate +runs from token ids only: .*its 200 tokens are not bytes, and there is no tok'
cp -r "$tmp/mixtral" "$tmp/unread"
echo '{}' >"$tmp/unread/tokenizer.json"
info "$tmp/unread"
has '^generate +runs from token ids only: .*tokenizer.json'
make half mixtral 'del c.tensors["model.layers.1.block_sparse_moe.experts.3.w2.weight"]; c.save(to)'
info "$tmp/half"
has \
    '^layer +does not run for every block: .*layers.1.block_sparse_moe.experts.3.w2.* missing$'
has '^generate +does not run: .*is missing$'
info --tensors "$tmp/mixtral"
has '^model.layers.1.block_sparse_moe.gate.weight +F32 +\[4, 32\] +512 bytes +model.safetensors$'
[ "$(grep -c '^model\.' "$out")" = 40 ] || problem "expected 40 tensors of the model: $(grep -c \
    '^model\.' "$out")"
finish "info: what runs, and what stands in the way"

make some mixtral \
    'c.config = {"model_type": "some_moe"}; c.tensors["a"] = Tensor("F8_E4M3", [3], b"123")
c.tensors["b"] = Tensor("X7", [5], b"12345")
c.tensors["c"] = Tensor("I64", [], b"12345678"); c.save(to)'
info "$tmp/some"
has '^family +some_moe, which this version does not know$'
has '^types +F32: '
has '^ +I64: 8 bytes in 1 tensor$'
has '^ +X7: 5 bytes in 1 tensor$'
has '^layer +does not run: .*model_type is "some_moe"'
has '^generate +does not run: .*model_type is "some_moe"'
info --json --tensors "$tmp/some"
python3 - "$out" <<'PYTHON' || problem "JSON is not as expected"
import json, sys
found = json.load(open(sys.argv[1]))
assert found["family"] == "some_moe" and "treated_as" not in found
assert found["layer"]["runs"] is False and "some_moe" in found["layer"]["reason"]
assert found["generate"] == {"runs": False, "from_text": False, "reason": found["layer"]["reason"]}
assert found["tensors"] == len(found["tensor_list"]) == sum(t["tensors"] for t in found["types"])
assert {t["dtype"]: t["size"] for t in found["types"]}["X7"] == 5
assert [t["shape"] for t in found["tensor_list"] if t["name"] == "c"] == [[]]
PYTHON
finish "info: an unknown family"

parameters() {
    sed -n 's/^parameters *\(.*\) in .*/\1/p' "$out"
}
make plain qwen3_moe
info "$tmp/plain"
parameters=$(parameters)
make quantised qwen3_moe 'for name, t in list(c.tensors.items()):
    if ".experts." in name:
        rows, columns = t.shape
        c.tensors[name] = Tensor("U8", [rows, columns // 2], bytes(rows * columns // 2))
        c.tensors[name + "_scale"] = Tensor(
            "F8_E4M3", [rows, columns // 16], bytes(rows * columns // 16))
        c.tensors[name + "_scale_2"] = Tensor("F32", [], bytes(4))
c.save(to)'
info "$tmp/quantised"
has '^quantised +NVFP4$'
[ "$(parameters)" = "${parameters:-some}" ] ||
    problem "$(parameters) parameters, unquantised $parameters"
has '^experts +4 in a block, of which a token takes 2$'
has '^layer +runs$'
echo '{"quantization": {"quant_algo": "W4A8_AWQ"}}' >"$tmp/quantised/hf_quant_config.json"
info "$tmp/quantised"
has '^layer +does not run: .*the checkpoint is quantised \(W4A8_AWQ\)'
refuse 1 "hf_quant_config.json: the checkpoint is quantised (W4A8_AWQ)" generate "$tmp/quantised" \
    --tokens "$tmp/ids.npy"
info --json "$tmp/quantised"
has '"quantisation":.*"W4A8_AWQ"'
finish "info: a quantised checkpoint"

# What says how the weights are quantised, and cannot be read.
make side mixtral
for name in hf_quant_config quantize_config quant_config; do
    while read -r kind line; do
        rm -f "$tmp"/side/*quant*_config.json
        stand_in "$tmp/side/$name.json" "$kind"
        info "$tmp/side"
        has '^types +F32: '
        grep '^layer  *does not run: ' "$out" | grep -qF -- "/$name.json: $line" ||
            problem "no '$line' in: $(cat "$out")"
        refuse 1 "/$name.json: $line" generate "$tmp/side" --tokens "$tmp/ids.npy"
    done <<'LINES'
pointer is a Git LFS pointer
empty is empty
fifo is not a regular file
page is a web page
link is a symbolic link to a file that is not there; download it anew
LINES
done
finish "info: a side file that cannot be read"

# Holes, so that it takes no room: a file beyond 4 GiB, and more parameters than 32 bits count.
mkdir "$tmp/large"
python3 - "$tmp/large" <<'PYTHON' || problem "cannot make a large file"
import json, struct, sys
header = json.dumps({"w": {
    "dtype": "BF16", "shape": [65536, 65536], "data_offsets": [0, 2 << 32]}}).encode()
with open(sys.argv[1] + "/model.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(header)) + header)
    file.truncate(8 + len(header) + (2 << 32))
json.dump({"model_type": "kimi_k2"}, open(sys.argv[1] + "/config.json", "w"))
PYTHON
info "$tmp/large"
has '^parameters +4.3 billion in 1 tensor$'
has '^types +BF16: 8.0 GiB in 1 tensor$'
has '^layer +does not run: .*"kimi_k2" has the block of deepseek_v3, but not its presets: needs '
rm -r "$tmp/large"
finish "info: a file beyond 4 GiB"

mkdir "$tmp/pointer"
cp "$tmp/mixtral/config.json" "$tmp/pointer"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n' \
    >"$tmp/pointer/model.safetensors"
refuse_info pointer "model.safetensors: is a Git LFS pointer"
refuse 1 "git lfs pull" generate "$tmp/pointer" --tokens "$tmp/ids.npy"
touch "$tmp/m.gguf"
refuse_info m.gguf "is empty"
refuse_info mixtral/model.safetensors "is a file and no GGUF, expected the directory"
refuse_info nowhere "is not there, expected a directory"
finish "something else than a checkpoint"

tests_end
