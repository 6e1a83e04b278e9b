#!/usr/bin/env bash
# cli_models.sh VKMOE MODELS NPY_NEAR TOKENIZER BPE - the commands that run whole models, and
# attention alone, against what is recorded. TOKENIZER is "sentencepiece" or "none", BPE "bpe" or
# "none", as VKMOE was built. VKMOE_TEST_DEVICE, if it is set, is the --device of everything that
# runs.
set -u
vkmoe=$(realpath "$1") models=$2 near=$3 tokenizer=$4 bpe=$5
mixtral=$models/tiny-mixtral jetmoe=$models/tiny-jetmoe \
    switch=$models/../golden/whole/switch_transformers
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/support/lib.sh"

# near FOUND EXPECTED TOLERANCE
near() {
    local why
    why=$("$near" "$@") || problem "${1##*/} and ${2##*/}: $why"
}

# The first COUNT bytes of a file, one a line.
bytes() {
    head -c "$2" "$1" | od -A n -v -w1 -t u1 | tr -d ' '
}

# ------------------------------------------------------------------------------------- whole models

for command in attention logits generate route; do
    "$vkmoe" "$command" --help >"$out" 2>"$err" || problem "$command --help: failed"
    has "^usage: vkmoe $command MODEL"
    grep -qE '.{101}' "$out" && problem "$command: long lines"
done
finish "help"

# logits NAME MODEL RECORDED OPTION...
logits() {
    local name=$1 model=$2 recorded=$3
    shift 3
    rm -f "$tmp/l.npy"
    expect 0 logits "$model" --tokens "$model/recorded/tokens.npy" --output "$tmp/l.npy" "$@"
    near "$tmp/l.npy" "$recorded" 1e-3
    near "$tmp/l.npy" "$recorded" argmax
    has '^160 tokens on '
    finish "$name"
}
logits "logits of tiny-mixtral" "$mixtral" "$mixtral/recorded/logits.npy"
cp "$tmp/l.npy" "$tmp/whole.npy"
logits "logits of tiny-mixtral in chunks of 7" "$mixtral" "$mixtral/recorded/logits.npy" --chunk 7
near "$tmp/l.npy" "$tmp/whole.npy" 1e-4
finish "chunks change nothing"
logits "logits of tiny-jetmoe" "$jetmoe" "$jetmoe/recorded/logits.npy"
logits "logits of tiny-jetmoe in chunks of 50" "$jetmoe" "$jetmoe/recorded/logits.npy" --chunk 50

mkdir "$tmp/unwindowed"
tr -d '\n' <"$jetmoe/config.json" | sed 's/"attention_expert_windows": *\[[^]]*\],//' \
    >"$tmp/unwindowed/config.json"
ln -s "$(realpath "$jetmoe/model.safetensors")" "$(realpath "$jetmoe/recorded")" "$tmp/unwindowed"
# As test_network has it; and nothing less is rounded.
expect 0 logits "$mixtral" --tokens "$mixtral/recorded/tokens.npy" --output "$tmp/q8_0.npy" \
    --cache-type q8_0
near "$tmp/q8_0.npy" "$mixtral/recorded/logits.npy" 3e-1
"$near" "$tmp/q8_0.npy" "$tmp/whole.npy" 2e-2 >"$out" && problem "this cache is not in q8_0"
for command in "generate --prompt x" chat "logits --tokens x --output y"; do
    # shellcheck disable=SC2086
    refuse 2 "--cache-type is 'q4_0', expected f32, f16 or q8_0" $command "$mixtral" \
        --cache-type q4_0
done
finish "a cache in q8_0"

logits "logits of tiny-jetmoe without windows" "$tmp/unwindowed" \
    "$jetmoe/recorded/logits_unwindowed.npy"

# LongRoPE: a text that outgrows the trained context goes on as one that was longer from the start,
# and however it is cut into chunks.
mkdir "$tmp/outgrown"
ln -s "$(realpath "$mixtral/model.safetensors")" "$tmp/outgrown"
ones=$(printf '1,%.0s' {1..15})1
rope='"type":"longrope","original_max_position_embeddings":40'
rope+=",\"short_factor\":[$ones],\"long_factor\":[${ones//1/3}]"
tr -d '\n' <"$mixtral/config.json" | sed "s/^{/{\"rope_scaling\":{$rope},/" \
    >"$tmp/outgrown/config.json"
expect 0 generate "$tmp/outgrown" --prompt $'class Stack:\n    def __init__(' --count 30
cp "$out" "$tmp/grown"
head -c 45 "$tmp/grown" >"$tmp/begin"
expect 0 generate "$tmp/outgrown" --prompt-file "$tmp/begin" --count 15
cmp -s "$tmp/grown" "$out" || problem "went on otherwise: $(cat "$tmp/grown" "$out")"
for chunk in 512 1; do
    expect 0 logits "$tmp/outgrown" --tokens "$mixtral/recorded/tokens.npy" \
        --output "$tmp/long$chunk.npy" --chunk $chunk
done
near "$tmp/long1.npy" "$tmp/long512.npy" 1e-4
finish "LongRoPE"

# An encoder-decoder, and what Hugging Face's class, which knows no capacity, makes of it.
for chunk in 512 1; do
    expect 0 logits "$switch" --input "$switch/ids.npy" --tokens "$switch/decoder_ids.npy" \
        --output "$tmp/l.npy" \
        --no-capacity --chunk $chunk
    near "$tmp/l.npy" "$switch/logits.npy" 1e-3
    near "$tmp/l.npy" "$switch/logits.npy" argmax
done
expect 0 generate "$switch" --tokens "$switch/ids.npy" --count 5 --no-capacity
[ "$(grep -cE '^[0-9]+$' "$out")" = 5 ] || grep -q '^stopped: the model ended the text$' "$err" ||
    problem "expected 5 ids: $(cat "$out")"
says '^input: [0-9]+ tokens; generated: '
refuse 1 "expected --input IDS.npy, what it reads" logits "$switch" --tokens "$switch/ids.npy" \
    --output "$tmp/z.npy"
refuse 1 "has no encoder" logits "$mixtral" --tokens "$mixtral/recorded/tokens.npy" \
    --input "$mixtral/recorded/tokens.npy" --output "$tmp/z.npy"
refuse 1 "is an encoder-decoder" route "$switch" --tokens "$switch/ids.npy"
[ -e "$tmp/z.npy" ] && problem "written in spite of an error"
no_leftovers "$tmp"
finish "an encoder-decoder"

for layer in 0 3; do
    for model in "$mixtral" "$jetmoe"; do
        rm -f "$tmp/y.npy"
        expect 0 attention "$model" --layer $layer \
            --input "$model/recorded/layer${layer}_attention_input.npy" \
            --output "$tmp/y.npy"
        near "$tmp/y.npy" "$model/recorded/layer${layer}_attention_output.npy" 1e-4
    done
    expect 0 attention "$jetmoe" --layer $layer \
        --input "$jetmoe/recorded/layer${layer}_attention_input.npy" \
        --output "$tmp/y.npy" --ids "$tmp/i.npy" --weights "$tmp/w.npy"
    near "$tmp/i.npy" "$jetmoe/recorded/layer${layer}_attention_expert_ids.npy" 0
    near "$tmp/w.npy" "$jetmoe/recorded/layer${layer}_attention_expert_weights.npy" 1e-4
done
finish "attention alone"

head -c 0 /dev/null | npy "$tmp/none.npy" '<f4' '0, 128'
expect 0 attention "$mixtral" --layer 0 --input "$tmp/none.npy" --output "$tmp/y.npy"
refuse 1 "dense attention" attention "$mixtral" --layer 0 --input "$tmp/none.npy" \
    --output "$tmp/z.npy" \
    --ids "$tmp/i.npy"
refuse 1 "" attention "$mixtral" --layer 4 --input "$tmp/none.npy" --output "$tmp/z.npy"
[ -e "$tmp/z.npy" ] && problem "written in spite of an error"
no_leftovers "$tmp"
finish "attention: no tokens, no gate, no layer"

# --------------------------------------------------------------------------------------- generation

for model in "$mixtral" "$jetmoe"; do
    prompt=$(head -c 48 "$model/recorded/tokens.txt" && printf x)
    expect 0 generate "$model" --prompt "${prompt%x}" --count 96
    says '^prompt: 48 tokens, [0-9.]+ tokens/s after [0-9.]+ s of compiling; generated: 96 tokens, '
    says '; generated: 96 tokens, [0-9.]+ tokens/s; greedy$'
    numbers "$model/recorded/greedy_tokens.npy" 144 >"$tmp/expected"
    bytes "$out" 144 >"$tmp/found"
    same "$tmp/found" "$tmp/expected"
    [ -z "$(tail -c 1 "$out" | tr -d '\n')" ] || problem "the last line has no end"
    cp "$out" "$tmp/by_text"
    # The same from ids, of 64 bits.
    for id in $(head -n 48 "$tmp/expected"); do
        # shellcheck disable=SC2059
        printf "\\x$(printf %02x "$id")\0\0\0\0\0\0\0"
    done | npy "$tmp/ids.npy" '<i8' '48,'
    expect 0 generate "$model" --tokens "$tmp/ids.npy" --count 96 --greedy
    same "$out" "$tmp/by_text"
    finish "greedy text of ${model##*/}"
done

sampling=(generate "$jetmoe" --prompt 'import ' --count 40 --temperature 0.9 --top-k 40 \
    --top-p 0.95)
expect 0 "${sampling[@]}" --seed 5
says '; seed 5$'
cp "$out" "$tmp/first"
expect 0 "${sampling[@]}" --seed 5
same "$out" "$tmp/first"
expect 0 "${sampling[@]}" --seed 6
cmp -s "$out" "$tmp/first" && problem "another seed gave the same text"
expect 0 "${sampling[@]}" --seed 18446744073709551615
expect 0 "${sampling[@]}"
says '; seed [0-9]+$'
seed=$(sed -n 's/.*; seed //p' "$err")
cp "$out" "$tmp/first"
expect 0 "${sampling[@]}" --seed "$seed"
same "$out" "$tmp/first"
expect 0 generate "$jetmoe" --prompt 'import ' --count 40
cp "$out" "$tmp/first"
expect 0 generate "$jetmoe" --prompt 'import ' --count 40 --temperature 1 --top-k 1
same "$out" "$tmp/first"
expect 0 generate "$jetmoe" --prompt 'import ' --count 40 --temperature 1 --top-p 0
expect 0 generate "$jetmoe" --prompt 'import ' --count 40 --temperature 1e-9
same "$out" "$tmp/first"
finish "sampling"

expect 0 generate "$mixtral" --prompt "$(printf '%01020d' 0)" --count 60
says '^stopped: the model.s context of 1024 tokens is full$'
says 'generated: [1-5] tokens?[;,]'
printf '0%.0s' {1..1025} >"$tmp/long"
refuse 1 "the prompt has 1025 tokens, the model's context holds 1024" generate "$mixtral" \
    --prompt "$(cat "$tmp/long")"
finish "the end of the context"

# The id of "\n" as the end: what is there until then, and nothing more.
like() {
    mkdir "$tmp/$1"
    ln -s "$(realpath "$2/model.safetensors")" "$tmp/$1"
    sed "${3-}" "$2/config.json" >"$tmp/$1/config.json"
}
like ending "$mixtral" 's/"eos_token_id": 0/"eos_token_id": 10/'
expect 0 generate "$mixtral" --prompt 'class Stack:' --count 60
head -n 1 "$out" >"$tmp/first"
expect 0 generate "$tmp/ending" --prompt 'class Stack:' --count 60
same "$out" "$tmp/first"
says '^stopped: the model ended the text$'
finish "the end that a model gives a text"

# As if its own group had been sent Ctrl-C; without "set -m" a shell's children in the background do
# not hear it.
interrupt() {
    : >"$out" # not what the test before left
    set -m
    "$vkmoe" generate "${device[@]}" "$@" >"$out" 2>"$err" </dev/null &
    child=$!
    for _ in {1..300}; do
        [ "$(wc -c <"$out")" -gt 12 ] && break
        sleep 0.1
    done
    kill -INT $child
    wait $child || problem "Ctrl-C: status $?"
    set +m
    says '^stopped: interrupted$'
    [ -z "$(tail -c 1 "$out" | tr -d '\n')" ] || problem "the last line has no end"
}
interrupt "$mixtral" --prompt "import " --count 1000
finish "Ctrl-C ends the text"
interrupt "$switch" --tokens "$switch/ids.npy" --no-capacity --count 60000
finish "Ctrl-C ends an encoder-decoder's text"

if [ -w /dev/full ]; then
    "$vkmoe" generate "${device[@]}" "$mixtral" --prompt 'import ' --count 40 >/dev/full 2>"$err"
    [ $? = 1 ] || problem "a full disk: status is not 1"
    says '^vkmoe: cannot write to standard output: '
    finish "standard output is full"
else
    skip "standard output is full" "there is no /dev/full"
fi

# -------------------------------------------------------------------------------------------- route

if command -v python3 >/dev/null && python3 -c 'import json' 2>/dev/null; then
    expect 0 route "$jetmoe" --tokens "$jetmoe/recorded/tokens.npy" --json
    python3 - "$out" >"$tmp/ids" <<'PYTHON' || problem "JSON is not as expected: $(tail -n \
        1 "$tmp/ids")"
import json, sys
found = json.load(open(sys.argv[1]))
assert found['tokens'] == 160 and len(found['layers']) == 4
for layer in found['layers']:
    for gate in layer['feed_forward'], layer['attention']:
        assert sum(gate['load']) == 320 and len(gate['load']) == 8 and len(gate['ids']) == 160
        for expert in range(8):
            assert gate['load'][expert] == sum(expert in ids for ids in gate['ids'])
assert found['layers'][0]['attention']['windows'] == [8, 8, 32, 32, 128, 128, 0, 0]
for layer in found['layers'][2:3]:
    for ids in layer['attention']['ids']:
        print(*ids, sep='\n')
PYTHON
    # A near tie may fall otherwise behind two layers; the first choices of most tokens may not.
    tail -c 1280 "$jetmoe/recorded/layer2_attention_expert_ids.npy" | od -A n -v -w4 -t d4 | tr -d \
        ' ' >"$tmp/expected"
    differing=$(diff "$tmp/ids" "$tmp/expected" | grep -c '^<')
    [ "$differing" -le 4 ] || problem "$differing choices of 320 are not the recorded ones"
    finish "route: JSON"
else
    skip "route: JSON" "there is no Python"
fi

text=$'def f(x):\n\treturn "<&>"\x01\x1b[31m \xc3\xbc \xff ]]>'
expect 0 route "$jetmoe" --prompt "$text" --svg "$tmp/map.svg"
has '^feed-forward experts: .* chooses 2 of 8$'
has '^attention experts: .* chooses 2 of 8$'
has 'sees last 8: 0 1  last 32: 2 3  last 128: 4 5  everything: 6 7$'
[ "$(grep -cE '^layer [0-3], attention$' "$out")" = 4 ] || problem "expected four maps"
grep -q $'\x1b\|\x01' "$out" && problem "control characters were printed"
[ "$(stat -c %a "$tmp/map.svg")" = "$(printf %o $((0666 & ~$(umask))))" ] \
    || problem "the picture has other rights"
grep -q $'\x1b\|\x01\|\xff' "$tmp/map.svg" && problem "control characters are in the picture"
expect 0 route "$mixtral" --prompt "$text" --layer 2 --svg "$tmp/map2.svg"
has '^layer 2, feed-forward$'
[ "$(grep -cE '^layer [0-9], ' "$out")" = 1 ] || problem "expected one map"
LC_ALL=C expect 0 route "$jetmoe" --prompt "$text" --layer 0
LC_ALL=C grep -q '[^ -~]' "$out" && problem "not ASCII, though the terminal is"
if command -v xmllint >/dev/null; then
    xmllint --noout "$tmp/map.svg" "$tmp/map2.svg" 2>"$tmp/xml" || problem "no XML: $(head -n \
        3 "$tmp/xml")"
fi
no_leftovers "$tmp"
finish "route: shares, maps and pictures"

if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    coloured() {
        env -u NO_COLOR TERM=xterm "$@" script -qec \
            "'$vkmoe' route ${device[*]@Q} '$jetmoe' --layer 0 --prompt 'def f(x)'" /dev/null \
            >"$out" </dev/null
    }
    coloured COLORTERM=truecolor
    has $'\x1b\\[38;2;[0-9;]*48;2;'
    coloured COLORTERM=
    has $'\x1b\\[38;5;[0-9;]*48;5;'
    coloured NO_COLOR=1
    grep -qE $'\x1b\\[[0-9;]*m' "$out" && problem "coloured in spite of NO_COLOR"
    finish "route: colours of a terminal"
else
    skip "route: colours of a terminal" "no script command can make a terminal here"
fi

# --------------------------------------------------------------------------------------- tokenizers

# The ids that a text of the model in $tmp/pieces becomes, without what comes before a text.
ids_of() {
    expect 0 route "$tmp/pieces" --layer 0 --json "${@:2}" --prompt "$1"
    { tr -d ' \t\n' <"$out" && echo; } | sed 's/.*"token_ids":\[\([^]]*\)\].*/\1/' | tr , '\n'
}

like pieces "$mixtral"
plain=$models/tokenizers/plain.model
cp "$plain" "$tmp/pieces/tokenizer.model"
text='THE SOFTWARE IS  provided'
printf '%s\n' 1 31 92 129 199 28 213 200 247 203 220 70 >"$tmp/expected" # as spm_encode says
if [ "$tokenizer" = sentencepiece ]; then
    ids_of "$text" >"$tmp/found"
    same "$tmp/found" "$tmp/expected"
    for option in true false; do
        echo "{\"add_bos_token\": $option}" >"$tmp/pieces/tokenizer_config.json"
        ids_of "$text" >"$tmp/found"
        [ "$option" = true ] || sed -i 1d "$tmp/expected"
        same "$tmp/found" "$tmp/expected"
    done
    if command -v spm_encode >/dev/null; then
        for words in 'Permission is hereby granted' '  two blanks' ' ' 'one ' \
            $'\xc3\xbc, not \xe4\xbd\xa0' '1234'; do
            ids_of "$words" >"$tmp/found"
            spm_encode --model "$plain" --output_format id <<<"$words" | tr ' ' '\n' \
                >"$tmp/expected"
            same "$tmp/found" "$tmp/expected"
        done
    fi
    rm "$tmp/pieces/tokenizer_config.json"
    finish "text becomes the tokenizer's tokens"

    # As text, and the same ids from ids.
    expect 0 generate "$tmp/pieces" --prompt "$text" --count 20
    cp "$out" "$tmp/by_text"
    [ "$(head -c ${#text} "$out")" = "$text" ] \
        || problem "the text does not begin with '$text': $(cat "$out")"
    says '^prompt: 12 tokens, .*; generated: 20 tokens, '
    for id in 1 31 92 129 199 28 213 200 247 203 220 70; do
        # shellcheck disable=SC2059
        printf "\\x$(printf %02x "$id")\0\0\0"
    done | npy "$tmp/ids.npy" '<i4' '12,'
    expect 0 generate "$tmp/pieces" --tokens "$tmp/ids.npy" --count 20
    [ "$(wc -l <"$out")" = 32 ] || problem "expected 32 ids: $(cat "$out")"
    if command -v spm_decode >/dev/null; then
        tr '\n' ' ' <"$out" | spm_decode --model "$plain" --input_format id >"$tmp/expected"
        same "$tmp/by_text" "$tmp/expected"
    fi
    expect 0 generate "$tmp/pieces" --prompt '  THE' --count 1
    [ "$(head -c 5 "$out")" = '  THE' ] || problem "blanks at the beginning are lost: $(cat "$out")"
    if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
        TERM=xterm script -qec \
            "'$vkmoe' generate ${device[*]@Q} '$tmp/pieces' --prompt '  THE' --count 1" /dev/null \
            >"$out" </dev/null
        has 'm  THE'
    fi
    expect 0 route "$tmp/pieces" --prompt "$text"
    has '^layer 0, feed-forward$'
    finish "tokens become text as they come"

    words=$(printf 'gd%.0s' {1..800})
    refuse 1 "tokens, the model's context holds 1024" generate "$tmp/pieces" --prompt "$words"
    cp "$models/tokenizers/bytes.model" "$tmp/pieces/tokenizer.model"
    for command in generate route; do
        refuse 1 "tokenizer.model: has 330 tokens, the model's vocabulary only 256" $command \
            "$tmp/pieces" --prompt a
    done
    head -c 1000 "$plain" >"$tmp/pieces/tokenizer.model"
    refuse 1 "tokenizer.model: is damaged, or no sentencepiece model" generate "$tmp/pieces" \
        --prompt a
    echo nothing >"$tmp/pieces/tokenizer.model"
    refuse 1 "tokenizer.model: is damaged, or no sentencepiece model" generate "$tmp/pieces" \
        --prompt a
    expect 0 generate "$tmp/pieces" --tokens "$tmp/ids.npy" --count 2
    [ "$(wc -l <"$out")" = 14 ] || problem "expected 14 ids: $(cat "$out")"
    cp "$plain" "$tmp/pieces/tokenizer.model"
    echo '{"add_bos_token": tru' >"$tmp/pieces/tokenizer_config.json"
    refuse 1 "tokenizer_config.json" generate "$tmp/pieces" --prompt a
    finish "wrong tokenizers"
else
    for command in generate route; do
        refuse 1 "built without sentencepiece; give ids with --tokens" $command "$tmp/pieces" \
            --prompt "$text"
    done
    printf '\1\0\0\0\37\0\0\0' | npy "$tmp/ids.npy" '<i4' '2,'
    expect 0 generate "$tmp/pieces" --tokens "$tmp/ids.npy" --count 2
    [ "$(wc -l <"$out")" = 4 ] || problem "expected 4 ids: $(cat "$out")"
    finish "a tokenizer without sentencepiece"
fi

# A GGUF file's own vocabulary.
qwen=$models/../gguf/qwen3moe-q8_0/model.gguf
if [ "$bpe" = bpe ]; then
    expect 0 generate "$qwen" --prompt 'Hello world' --count 1
    says '^prompt: 7 tokens, '
    [ "$(head -c 11 "$out")" = 'Hello world' ] || problem "'Hello world' became $(cat "$out")"
    expect 0 generate "$qwen" --prompt '<|im_end|>' --count 1
    says '^prompt: 1 token, '
    expect 0 generate "$qwen" --no-special --prompt '<|im_end|>' --count 1
    says '^prompt: [2-9] tokens, '
else
    refuse 1 "built without PCRE2" generate "$qwen" --prompt a
fi
finish "the vocabulary of a GGUF file"

# tiny-mixtral without its last token, so that tokens are no bytes.
if command -v python3 >/dev/null && python3 -c 'import json' 2>/dev/null; then
    mkdir "$tmp/short"
    python3 - "$mixtral" "$tmp/short" <<'PYTHON' || problem "the model could not be changed"
import json, struct, sys
config = json.load(open(sys.argv[1] + '/config.json'))
config['vocab_size'] = 255
json.dump(config, open(sys.argv[2] + '/config.json', 'w'))
data = open(sys.argv[1] + '/model.safetensors', 'rb').read()
size = struct.unpack('<Q', data[:8])[0]
header, data, out = json.loads(data[8:8 + size]), data[8 + size:], b''
for name, tensor in header.items():
    if name == '__metadata__':
        continue
    begin, end = tensor['data_offsets']
    if tensor['shape'][0] == 256 and ('embed_tokens' in name or 'lm_head' in name):
        tensor['shape'][0], end = 255, end - (end - begin) // 256
    tensor['data_offsets'] = [len(out), len(out) + end - begin]
    out += data[begin:end]
header = json.dumps(header).encode()
open(sys.argv[2] + '/model.safetensors', 'wb').write(struct.pack('<Q', len(header)) + header + out)
PYTHON
    expect 0 generate "$tmp/short" --tokens "$tmp/ids.npy" --count 2
    for command in generate route; do
        refuse 1 "its 255 tokens are not bytes, and there is no tokenizer.model, spiece.model" \
            $command "$tmp/short" --prompt a
        touch "$tmp/short/tokenizer.json"
        refuse 1 "tokenizer.json: " \
            $command "$tmp/short" --prompt a
        rm "$tmp/short/tokenizer.json"
    done
    echo '{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE",' \
        '"vocab":{"a":7,"b":8,"ab":9},"merges":["a b"]}}' >"$tmp/short/tokenizer.json"
    if [ "$bpe" = bpe ]; then
        expect 0 generate "$tmp/short" --prompt aab --count 1
        says '^prompt: 2 tokens, '
    else
        refuse 1 "built without PCRE2" generate "$tmp/short" --prompt aab
    fi
    rm "$tmp/short/tokenizer.json"
    finish "no tokenizer"
else
    skip "no tokenizer" "there is no Python"
fi

# -------------------------------------------------------------------------------------- wrong usage

refuse 2 "--prompt, --prompt-file or --tokens is missing" generate "$mixtral"
refuse 2 "exclude each other" generate "$mixtral" --prompt a --tokens a.npy
refuse 2 "exclude each other" generate "$mixtral" --prompt a --greedy --temperature 1
refuse 2 "--top-k does nothing without --temperature" generate "$mixtral" --prompt a --top-k 3
refuse 2 "--seed does nothing without --temperature" generate "$mixtral" --prompt a --seed 3
for wrong in -1 nan inf x 1x; do
    refuse 2 "--temperature is '$wrong'" generate "$mixtral" --prompt a --temperature $wrong
done
refuse 2 "--top-p is '1.5', expected a number from 0 to 1" generate "$mixtral" --prompt a \
    --temperature 1 --top-p 1.5
for wrong in -1 x 1x 18446744073709551616; do
    refuse 2 "--seed is '$wrong'" generate "$mixtral" --prompt a --temperature 1 --seed $wrong
done
refuse 2 "--count is '0'" generate "$mixtral" --prompt a --count 0
refuse 2 "MODEL is missing" route --prompt a
refuse 2 "--prompt, --prompt-file or --tokens is missing" route "$mixtral"
refuse 2 "--tokens is missing" logits "$mixtral" --output "$tmp/z.npy"
refuse 1 "no layer 4, expected 0 to 3" route "$mixtral" --prompt a --layer 4
refuse 1 "no layer decoder.0" route "$mixtral" --prompt a --layer decoder.0
refuse 1 "is a directory" route "$mixtral" --prompt a --svg "$tmp"
refuse 1 "cannot create" route "$mixtral" --prompt a --svg "$tmp/none/map.svg"
finish "wrong command lines"

head -c 0 /dev/null | npy "$tmp/empty.npy" '<i4' '0,'
printf '\0\0\0\0' | npy "$tmp/float.npy" '<f4' '1,'
printf '\1\0\0\0\2\0\0\0' | npy "$tmp/batch.npy" '<i4' '2, 1'
printf '\1\0\0\0\0\1\0\0' | npy "$tmp/large.npy" '<i4' '2,'
printf '\377\377\377\377' | npy "$tmp/negative.npy" '<i4' '1,'
printf 'x%.0s' {1..4100} | npy "$tmp/long.npy" '<i4' '1025,'
for command in "logits $mixtral --output $tmp/z.npy" "generate $mixtral" "route $mixtral"; do
    read -ra words <<<"$command"
    refuse 1 "is empty, expected at least one token" "${words[@]}" --tokens "$tmp/empty.npy"
    refuse 1 "holds no integers, but <f4" "${words[@]}" --tokens "$tmp/float.npy"
    refuse 1 "is [2][1], expected [tokens] or [1][tokens]" "${words[@]}" --tokens "$tmp/batch.npy"
    refuse 1 "[1] is 256, expected 0 to 255, the model's vocabulary" "${words[@]}" \
        --tokens "$tmp/large.npy"
    refuse 1 "[0] is -1, expected 0 to 255" "${words[@]}" --tokens "$tmp/negative.npy"
    refuse 1 "has 1025 tokens, the model's context holds 1024" "${words[@]}" \
        --tokens "$tmp/long.npy"
    refuse 1 "$tmp/nothing.npy" "${words[@]}" --tokens "$tmp/nothing.npy"
done
[ -e "$tmp/z.npy" ] && problem "written in spite of an error"
no_leftovers "$tmp"
finish "wrong ids"

tests_end
