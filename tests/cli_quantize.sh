#!/usr/bin/env bash
# cli_quantize.sh VKMOE MODELS NPY_NEAR - `vkmoe quantize`: what it writes opens again and gives the
# logits of what it was made of, but for what its types lose. That encoders are right, and that
# every family is written as it is, tests/encode.c and tests/gguf.c show. VKMOE_TEST_DEVICE, if it
# is set, is the --device of everything that runs.
set -u
vkmoe=$(realpath "$1") models=$(realpath "$2") near=$(realpath "$3")
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/lib.sh
. "$here/support/lib.sh"
command -v python3 >/dev/null || { echo "1..0 # SKIP no python3"; exit 0; }
model=$models/tiny-mixtral

quantize() {
    "$vkmoe" quantize "$@" >"$out" 2>"$err" </dev/null || problem "vkmoe quantize $*: status $?: \
$(head -n 3 "$err")"
}

# wrong STATUS TEXT ARGUMENT... - refused with one line that holds TEXT.
wrong() {
    local device=()
    refuse "$1" "$2" quantize "${@:3}"
}

# gguf COMMAND FILE... - see support/gguf_file.py.
gguf() {
    python3 "$here/support/gguf_file.py" "$@"
}

# The command line, types and what is wrong with them.
wrong 2 "--type is missing" "$model" "$tmp/x.gguf"
wrong 2 "DST is missing" "$model" --type f16
wrong 2 "SRC is missing" --type f16
wrong 2 "unexpected operand 'c'" a b c --type f16
wrong 2 "--type is 'q7', expected one of f32 f16 bf16 q8_0" "$model" "$tmp/x.gguf" --type q7
wrong 2 "--keep is '=f16', expected PATTERN=T" "$model" "$tmp/x.gguf" --type f16 --keep =f16
wrong 2 "--keep is 'a=b', expected PATTERN=T" "$model" "$tmp/x.gguf" --type f16 --keep a=b
wrong 2 "--keep is 'a=q4_K_M', expected" "$model" "$tmp/x.gguf" --type f16 --keep a=q4_K_M
wrong 1 "$tmp/none: is not there" "$tmp/none" "$tmp/x.gguf" --type f16
[ ! -e "$tmp/x.gguf" ] || problem "there is a file"
finish "wrong usage"

# From a folder, each as near as its format is.
printf 'class Stack:\n    def ' >"$tmp/text"
od -A n -v -t u1 -w1 "$tmp/text" | while read -r id; do
    printf '%b' "\\x$(printf %02x "$id")\0\0\0"
done | npy "$tmp/ids.npy" '<i4' "$(wc -c <"$tmp/text"),"
logits() {
    expect 0 logits "$1" --tokens "$tmp/ids.npy" --output "$2"
}
logits "$model" "$tmp/expected.npy"
while read -r type tolerance bits; do
    quantize "$model" "$tmp/$type.gguf" --type "$type"
    has "^3.4 million weights in .* MiB, $bits bits each\$"
    has "^wrote $tmp/$type.gguf\$"
    has '^attn_norm.weight +4  f32 +2.0 KiB +0$'
    has '^ffn_gate_inp.weight +4  f32 +16.0 KiB +0$'
    logits "$tmp/$type.gguf" "$tmp/$type.npy"
    "$near" "$tmp/$type.npy" "$tmp/expected.npy" "$tolerance" >"$out" || problem "$(cat "$out")"
    finish "$type"
done <<'EOT'
f16 1e-5 16.02
q8_0 0.05 8.54
q4_0 0.35 4.54
q4_K_M 0.06 5.65
EOT

quantize "$model" "$tmp/m.gguf" --type Q4_k_m
has '^ffn_down_exps.weight +4  q4_K, q6_K +708.0 KiB +0.04'
has '^ffn_gate_exps.weight +4  q5_0 ' # rows of 128
has '^output.weight +1  q8_0 '
has '^attn_output.weight +4  q5_1 '
same "$tmp/m.gguf" "$tmp/q4_K_M.gguf"
finish "a mixture, and what takes the place of types that rows do not fit"

# From files.
quantize "$tmp/f16.gguf" "$tmp/again.gguf" --type f16
same "$tmp/f16.gguf" "$tmp/again.gguf"
quantize "$tmp/f16.gguf" "$tmp/again.gguf" --type q8_0
same "$tmp/q8_0.gguf" "$tmp/again.gguf"
quantize "$tmp/q4_K_M.gguf" "$tmp/again.gguf" --type f32 --keep '*'
cmp -s <(tail -c 2000000 "$tmp/q4_K_M.gguf") <(tail -c 2000000 "$tmp/again.gguf") ||
    problem "what is kept is another"
finish "a file as another file"

quantize "$model" "$tmp/k.gguf" --type q4_0 --keep 'blk.0.*=f16' --keep 'attn_?.weight=q8_0' \
    --keep 'token_embd.weight' --keep '*=q5_0'
has '^attn_q.weight +4  f16, q8_0 '
has '^token_embd.weight +1  f16 '
has '^ffn_up_exps.weight +4  f16, q5_0 '
# llama.cpp takes no other type of these.
for name in attn_norm ffn_norm ffn_gate_inp; do
    has "^$name.weight +4  f32 "
done
has '^output_norm.weight +1  f32 '
quantize "$model" "$tmp/k.gguf" --type bf16 --keep 'blk.1.*=f16'
has '^ffn_up_exps.weight +4  bf16, f16 '
wrong 1 "--keep: 'attn_x*' fits no tensor's name" "$model" "$tmp/x.gguf" --type f16 \
    --keep '*attn*' --keep 'attn_x*=q8_0'
wrong 1 "--keep: '*norm*' fits only norms, biases and gates, which stay f32" "$model" \
    "$tmp/x.gguf" --type f16 --keep '*norm*'
[ ! -e "$tmp/x.gguf" ] || problem "there is a file"
finish "--keep"

# Types of which f32 holds each value: the same model, whose gate and up are of different ones.
quantize "$tmp/q8_0.gguf" "$tmp/mixed.gguf" --type f32 --keep ffn_gate_exps.weight
has '^ffn_gate_exps.weight +4  q8_0 '
has '^ffn_up_exps.weight +4  f32 '
logits "$tmp/mixed.gguf" "$tmp/mixed.npy"
expect 0 info "$tmp/mixed.gguf"
has '^weights +q8_0, f32, '
"$near" "$tmp/mixed.npy" "$tmp/q8_0.npy" 1e-5 >"$out" || problem "$(cat "$out")"
rm "$tmp/mixed.gguf"
finish "gate and up of different types"

# Where it goes to.
cp "$tmp/f16.gguf" "$tmp/own.gguf"
wrong 1 "is an input too, and would be overwritten" "$tmp/own.gguf" "$tmp/own.gguf" --type q8_0
ln "$tmp/own.gguf" "$tmp/other.gguf"
wrong 1 "is an input too, and would be overwritten" "$tmp/own.gguf" "$tmp/other.gguf" --type q8_0
same "$tmp/own.gguf" "$tmp/f16.gguf"
cp -r "$model" "$tmp/folder"
for name in config.json chat_template.jinja cl100k.tiktoken; do
    [ -e "$tmp/folder/$name" ] || echo text >"$tmp/folder/$name"
    wrong 1 "is an input too, and would be overwritten" "$tmp/folder" "$tmp/folder/$name" \
        --type q8_0
done
mkdir "$tmp/linked" "$tmp/parts"
ln -s "$tmp/folder/config.json" "$tmp/folder/model.safetensors" "$tmp/linked"
gguf cut "$tmp/f16.gguf" "$tmp/parts/m-0000"{1,2}-of-00002.gguf || problem "cannot be cut"
cat "$tmp/folder"/*.* "$tmp/parts"/* | cksum >"$tmp/sum"
from=(--tokens "$tmp/ids.npy" --output)
refuse 1 "is an input too" logits "$tmp/parts"/*1-of*.gguf "${from[@]}" "$tmp/parts"/*2-of*.gguf
for name in config.json model.safetensors; do
    wrong 1 "is an input too" "$tmp/linked" "$tmp/folder/$name" --type q8_0
    refuse 1 "is an input too" logits "$tmp/linked" "${from[@]}" "$tmp/folder/$name"
    refuse 1 "is an input too" route "$tmp/linked" --tokens "$tmp/ids.npy" \
        --svg "$tmp/folder/$name"
done
cat "$tmp/folder"/*.* "$tmp/parts"/* | cksum | cmp -s - "$tmp/sum" || problem "a model was changed"
expect 0 logits "$tmp/parts"/*1-of*.gguf "${from[@]}" "$tmp/x.npy"
same "$tmp/x.npy" "$tmp/f16.npy"
rm -r "$tmp/parts" "$tmp/linked" "$tmp/x.npy"
wrong 1 "/dev/full: cannot write: No space left" "$model" /dev/full --type q4_0
wrong 1 "it is a directory" "$model" "$tmp" --type q4_0
before=$(ulimit -f)
ulimit -S -f 1000
wrong 1 "$tmp/full.gguf: cannot write: File too large" "$model" "$tmp/full.gguf" --type f16
ulimit -S -f "$before"
[ ! -e "$tmp/full.gguf" ] || problem "there is half a file"
no_leftovers "$tmp"
"$vkmoe" quantize "$model" - --type q8_0 2>"$err" | cmp - "$tmp/q8_0.gguf" || problem "a pipe"
says '^wrote standard output$'
finish "where it goes to"

if has_terminals; then
    on_terminal "$vkmoe" quantize "$model" "$tmp/again.gguf" --type q8_0 || problem "status $?"
    grep -q '\[K *0% of 3.4 million weights' "$out" || problem "no beginning: $(cat -v "$out")"
    grep -q '\[K100% of 3.4 million weights' "$out" || problem "no end: $(cat -v "$out")"
    finish "progress on a terminal"
else
    skip "progress on a terminal" "no terminal can be made here"
fi

# make NAME FAMILY VOCABULARY [SETTING...] - a tiny checkpoint.
make() {
    PYTHONDONTWRITEBYTECODE=1 python3 "$here/tiny_checkpoint.py" "$2" "$tmp/$1" "${@:3}" ||
        problem "cannot make $1"
}

# tiny NAME - one of Qwen 3, c, edited by the Python that is read.
tiny() {
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here python3 -c "
import sys
from tiny_checkpoint import Checkpoint, Tensor, tensor
c = Checkpoint('qwen3_moe', 64)
exec(sys.stdin.read())
c.save('$tmp/$1')" || problem "cannot make $1"
}

# is KEY VALUE - in t.gguf; "": there is no such key.
is() {
    local found
    [ "$tmp/keys" -nt "$tmp/t.gguf" ] || gguf keys "$tmp/t.gguf" >"$tmp/keys"
    found=$(grep -F -- "$1 = " "$tmp/keys")
    [ "${found#"$1 = "}" = "$2" ] || problem "$found, not $2"
}

# Tokenizers. Of sentencepiece's, the tiny model's tokens are what they were.
is_none() {
    is tokenizer.ggml.model none
    is tokenizer.ggml.tokens ""
}
quantize "$model" "$tmp/t.gguf" --type q4_0
[ ! -s "$err" ] || problem "says: $(cat "$err")"
is_none
is tokenizer.ggml.eos_token_id 0
is general.architecture llama
is general.file_type 2
make spm mixtral 340
cp "$models/tokenizers/bytes.model" "$tmp/spm/tokenizer.model"
echo '{"bos_token": "<s>", "add_bos_token": false, "chat_template": "{{ x }}",
    "added_tokens_decoder": {"1": {"content": "<s>", "special": true},
        "331": {"content": "<|im_start|>", "special": true},
        "332": {"content": "<tool>", "special": false}}}' >"$tmp/spm/tokenizer_config.json"
quantize "$tmp/spm" "$tmp/t.gguf" --type f16
is tokenizer.ggml.model llama
[ ! -s "$err" ] || problem "says: $(cat "$err")"
is tokenizer.ggml.tokens "340 <unk> <s> </s> [PAD338] [PAD339]"
is tokenizer.ggml.token_type "340 2 3 3 5 5"
is tokenizer.ggml.bos_token_id 1
is tokenizer.ggml.add_bos_token False
is tokenizer.chat_template "{{ x }}"
quantize "$tmp/t.gguf" "$tmp/u.gguf" --type f16
same "$tmp/t.gguf" "$tmp/u.gguf"
quantize "$tmp/t.gguf" "$tmp/t.gguf.2" --type f16 --no-tokenizer
mv "$tmp/t.gguf.2" "$tmp/t.gguf"
is_none
is tokenizer.ggml.bos_token_id 1
# Of two files for the same the newer counts, and both are read.
echo '{"<|im_start|>": 339, "<late>": 338, "<last>": 339}' >"$tmp/spm/added_tokens.json"
quantize "$tmp/spm" "$tmp/t.gguf" --type f16
is tokenizer.ggml.tokens "340 <unk> <s> </s> <late> <last>"
is tokenizer.ggml.token_type "340 2 3 3 3 3"
echo '{"<late>": "x"}' >"$tmp/spm/added_tokens.json"
wrong 1 "added_tokens.json has no id for a token" "$tmp/spm" "$tmp/x.gguf" --type f16
rm "$tmp/spm/added_tokens.json"
# What special_tokens_map.json names is special: a piece, one more token, or what begins a text.
ids_of() {
    expect 0 route "$1" --prompt 'granted <|q|>of x<|p|>' --json
    { tr -d ' \t\n' <"$out" && echo; } | sed 's/.*"token_ids":\[\([^]]*\)\].*/\1/'
}
cp "$tmp/spm/tokenizer_config.json" "$tmp/config.json"
sed -i 's/"332"/"337": {"content": "<z>"}, "332"/' "$tmp/spm/tokenizer_config.json"
echo '{"bos_token": "</s>", "unk_token": {"content": "<tool>"}, "pad_token": "<|im_start|>",
    "additional_special_tokens": ["<|q|>", "of", {"content": "<|p|>"}, "<|beyond|>"]}' \
    >"$tmp/spm/special_tokens_map.json"
quantize "$tmp/spm" "$tmp/t.gguf" --type f16
is tokenizer.ggml.bos_token_id 1 # tokenizer_config.json names it as well
is tokenizer.ggml.unknown_token_id 332
is tokenizer.ggml.padding_token_id 331
is tokenizer.ggml.tokens "340 <unk> <s> </s> <|q|> <|p|>"
is tokenizer.ggml.token_type "340 2 3 3 3 3"
ids_of "$tmp/spm" >"$tmp/ids"
ids_of "$tmp/t.gguf" >"$tmp/ids.gguf"
same "$tmp/ids" "$tmp/ids.gguf"
grep -q ',338,.*,339$' "$tmp/ids" || problem "special tokens become $(cat "$tmp/ids")"
sed -i 's/"bos_token": "<s>", //' "$tmp/spm/tokenizer_config.json"
quantize "$tmp/spm" "$tmp/t.gguf" --type f16
is tokenizer.ggml.bos_token_id 2
rm "$tmp/spm/special_tokens_map.json"
mv "$tmp/config.json" "$tmp/spm/tokenizer_config.json"
# A blank before the first text alone cannot be said; none at all can.
sed -i 's/^{/{"legacy": false, /' "$tmp/spm/tokenizer_config.json"
quantize "$tmp/spm" "$tmp/t.gguf" --type f16
says 'GGUF cannot say "legacy": false, as tokenizer_config.json has it'
is tokenizer.ggml.add_space_prefix ""
sed -i 's/^{/{"add_prefix_space": false, /' "$tmp/spm/tokenizer_config.json"
quantize "$tmp/spm" "$tmp/t.gguf" --type f16
[ ! -s "$err" ] || problem "says: $(cat "$err")"
is tokenizer.ggml.add_space_prefix False
ids_of "$tmp/spm" >"$tmp/ids"
ids_of "$tmp/t.gguf" >"$tmp/ids.gguf"
same "$tmp/ids" "$tmp/ids.gguf"
sed -i 's/"add_prefix_space": false, "legacy": false, //' "$tmp/spm/tokenizer_config.json"
sed -i 's/"<tool>"/&, "rstrip": true/' "$tmp/spm/tokenizer_config.json"
quantize "$tmp/spm" "$tmp/t.gguf" --type f16
says 'GGUF cannot say of 1 added tokens, as "<tool>", that they take the blanks beside them'
quantize "$tmp/spm" "$tmp/t.gguf" --type f16 --no-tokenizer
is_none
# What sentencepiece does with a text before it is cut: one more normalizer_spec adds to the first.
normalizes() {
    { cat "$models/tokenizers/bytes.model"; printf '%b' "$1"; } >"$tmp/spm/tokenizer.model"
    wrong 1 "$2, which GGUF cannot say" "$tmp/spm" "$tmp/x.gguf" --type f16
}
normalizes '\x1a\x02\x20\x01' "removes blanks of which there are several"
normalizes '\x1a\x03\x12\x01a' "replaces characters of a text"
python3 - "$models/tokenizers/bytes.model" "$tmp/spm/tokenizer.model" <<'PY'
import re, sys
old = open(sys.argv[1], "rb").read()
new = re.sub(rb"(\x1a.\n\x08identity.*?)\x20\0", lambda m: m[1] + b"\x18\1", old, flags=re.DOTALL)
assert len(new) == len(old) and new != old
open(sys.argv[2], "wb").write(new)
PY
wrong 1 "removes blanks of which there are several" "$tmp/spm" "$tmp/x.gguf" --type f16
make less mixtral 300
cp "$models/tokenizers/bytes.model" "$tmp/less/tokenizer.model"
wrong 1 "has a token 300, the model's vocabulary ends at 299" "$tmp/less" "$tmp/x.gguf" --type f16
head -c 3000 "$models/tokenizers/bytes.model" >"$tmp/less/tokenizer.model"
wrong 1 "is no model of sentencepiece, or a damaged one" "$tmp/less" "$tmp/x.gguf" --type f16
for bytes in '\x08\x05' '\x15\0\0\0\0' '\x18\x01' '\x0a\x02\x08\x05'; do # wire types
    printf '%b' "$bytes" >"$tmp/less/tokenizer.model"
    wrong 1 "is no model of sentencepiece, or a damaged one" "$tmp/less" "$tmp/x.gguf" --type f16
done
finish "sentencepiece"

make bpe qwen3_moe 516
printf '{{ y }}' >"$tmp/bpe/chat_template.jinja"
for json in "$models"/tokenizers/bpe/*.json; do
    name=$(basename "$json" .json)
    grep -q '"ByteLevel"' "$json" || continue # expected ids, or of other kinds
    cp "$json" "$tmp/bpe/tokenizer.json"
    quantize "$tmp/bpe" "$tmp/t.gguf" --type f16
    is tokenizer.ggml.model gpt2
    case $name in # without NFC, or merges that are ignored
    olmo) name=gpt-2 ;;
    qwen2) name=deepseek-r1-qwen ;;
    gpt-4o) name=minimax-m2 ;;
    esac
    is tokenizer.ggml.pre "$name"
    is tokenizer.ggml.tokens '516 ! " # [PAD514] [PAD515]'
    is tokenizer.ggml.token_type "516 1 1 1 5 5"
    is tokenizer.ggml.merges "$(python3 -c "
import json
merges = [' '.join(m) for m in json.load(open('$json'))['model']['merges']]
print(len(merges), *merges[:3], *merges[-2:])")"
    is general.architecture qwen3moe
    is tokenizer.chat_template "{{ y }}"
done
# Where the template is: tests/template.c has all of it.
echo '{"chat_template": [{"name": "tools", "template": "{{ a }}"},
    {"name": "default", "template": "{{ b }}"}]}' >"$tmp/bpe/tokenizer_config.json"
quantize "$tmp/bpe" "$tmp/t.gguf" --type f16
is tokenizer.chat_template "{{ y }}"
rm "$tmp/bpe/chat_template.jinja"
quantize "$tmp/bpe" "$tmp/t.gguf" --type f16
is tokenizer.chat_template "{{ b }}"
mv "$tmp/bpe/tokenizer_config.json" "$tmp/bpe/chat_template.json"
quantize "$tmp/bpe" "$tmp/t.gguf" --type f16
is tokenizer.chat_template "{{ b }}"
# As DeepSeek-V3 is published: a normalizer that does nothing, line ends without backslashes.
plain='{"type":"Sequence","normalizers":[]}'
sed 's/"normalizer": *null/"normalizer":'"$plain"'/; s/\\\\\([rn]\)/\\\1/g' \
    "$models/tokenizers/bpe/deepseek-v3.json" >"$tmp/bpe/tokenizer.json"
grep -qF "$plain" "$tmp/bpe/tokenizer.json" || problem "the normalizer is another"
quantize "$tmp/bpe" "$tmp/t.gguf" --type f16
is tokenizer.ggml.pre deepseek-v3
# What a name says besides the patterns.
changed() {
    sed "s/\"$2\": *[a-z]*/\"$2\":$3/" "$models/tokenizers/bpe/$1.json" >"$tmp/bpe/tokenizer.json"
}
while read -r name key value expected; do
    changed "$name" "$key" "$value"
    quantize "$tmp/bpe" "$tmp/t.gguf" --type f16
    is tokenizer.ggml.pre "$expected"
done <<'EOT'
qwen2 normalizer {"type":"NFC"} qwen2
olmo normalizer {"type":"NFC"} olmo
llama-bpe ignore_merges false dbrx
gpt-4o ignore_merges true gpt-4o
EOT
changed llama-bpe normalizer '{"type":"NFC"}'
wrong 1 "GGUF cannot say its pre_tokenizer with NFC and with ignore_merges; dbrx is another" \
    "$tmp/bpe" "$tmp/x.gguf" --type f16
for flag in lstrip single_word; do
    changed qwen2 "$flag" true
    quantize "$tmp/bpe" "$tmp/t.gguf" --type f16
    says 'GGUF cannot say of [0-9]* added tokens, as "<.endoftext.>", that they take'
done
# The tokens at the ends of texts, of which only the tokenizer knows. 508 is <|endoftext|>.
ends() {
    local text='{"Sequence":{"id":"A"}}' token='{"SpecialToken":{"id":"<|endoftext|>"}}' single
    single=$(sed "s/text/$text/g; s/token/$token/g" <<<"$1")
    changed qwen2 normalizer "null,\"post_processor\":{\"type\":\"Sequence\",\"processors\":[\
{\"type\":\"ByteLevel\"},{\"type\":\"TemplateProcessing\",\"single\":[$single]}]}"
}
make ended qwen3_moe 516 eos_token_id=508
ends token,text,token
cp "$tmp/bpe/tokenizer.json" "$tmp/ended"
quantize "$tmp/ended" "$tmp/t.gguf" --type f16
is tokenizer.ggml.add_bos_token True
is tokenizer.ggml.bos_token_id 508
is tokenizer.ggml.add_eos_token True
is tokenizer.ggml.eos_token_id 508
wrong 1 "puts token 508 after texts, GGUF can only say 2 there" "$tmp/bpe" "$tmp/x.gguf" --type f16
ends token,token,text
wrong 1 "puts more than one known token at an end of texts" "$tmp/bpe" "$tmp/x.gguf" --type f16
changed qwen2 normalizer 'null,"post_processor":{"type":"RobertaProcessing"}'
wrong 1 "GGUF cannot say what its post_processor does" "$tmp/bpe" "$tmp/x.gguf" --type f16
sed 's/{1,3}/{1,4}/' "$models/tokenizers/bpe/llama-bpe.json" >"$tmp/bpe/tokenizer.json"
wrong 1 "knows no name in GGUF for how its pre_tokenizer" "$tmp/bpe" "$tmp/x.gguf" --type f16
sed 's/"type": *"BPE"/"type":"Unigram"/' "$models/tokenizers/bpe/qwen2.json" \
    >"$tmp/bpe/tokenizer.json"
wrong 1 "only tokenizers of byte-level BPE are written" "$tmp/bpe" "$tmp/x.gguf" --type f16
while read -r key value; do
    python3 -c "import json, sys
tokenizer = json.load(open('$models/tokenizers/bpe/qwen2.json'))
tokenizer['model']['$key'] = $value
json.dump(tokenizer, sys.stdout)" >"$tmp/bpe/tokenizer.json"
    wrong 1 "has no tokens, or no list of merges" "$tmp/bpe" "$tmp/x.gguf" --type f16
done <<'EOT'
merges {"a": "b c"}
merges None
vocab {}
vocab ["a", "b"]
EOT
quantize "$tmp/bpe" "$tmp/t.gguf" --type f16 --no-tokenizer
finish "byte-level BPE"

# What GGUF cannot say.
make ends mixtral 64 'eos_token_id=[3,4,5,6]'
quantize "$tmp/ends" "$tmp/t.gguf" --type f16
says 'of its 4 tokens that end a text GGUF has room for 3$'
is tokenizer.ggml.eom_token_id 5
make olmoe olmoe 64 norm_topk_prob=true
wrong 1 "GGUF's olmoe cannot say how its gate weighs experts" "$tmp/olmoe" "$tmp/x.gguf" --type f16
tiny last <<'PY'
c.config["mlp_only_layers"] = [1]
for name in [name for name in c.tensors if name.startswith("model.layers.1.mlp.")]:
    expert = name.replace("mlp.experts.0.", "mlp.")
    if expert != name:
        c.tensors[expert] = c.tensors[name]
    del c.tensors[name]
PY
wrong 1 "GGUF's qwen3moe cannot say which of its blocks have experts" "$tmp/last" "$tmp/x.gguf" \
    --type f16
tiny int8 <<'PY'
c.config["quantization_config"] = {"quant_method": "compressed-tensors"}
for name in [name for name in c.tensors if name.endswith("down_proj.weight")]:
    c.tensors[name] = Tensor("I8", c.tensors[name].shape, bytes(32 * 48))
    c.tensors[name + "_scale"] = tensor([1], [1.0])
PY
wrong 1 "blk.0.ffn_down_exps.weight is INT8, which GGUF does not have" "$tmp/int8" "$tmp/x.gguf" \
    --type f16 --keep ffn_down_exps.weight
make switch switch_transformers 64
wrong 1 "GGUF has no architecture that this version could write for switch_transformers" \
    "$tmp/switch" "$tmp/x.gguf" --type f16
[ ! -e "$tmp/x.gguf" ] || problem "there is a file"
no_leftovers "$tmp"
finish "what GGUF cannot say"
tests_end
