#!/usr/bin/env bash
# cli_text.sh VKMOE MODELS TOKENIZER - texts for whole models and what ends them. TOKENIZER is
# "sentencepiece" or "none",
# as VKMOE was built. VKMOE_TEST_DEVICE, if it is set, is the --device of everything that runs.
set -u
vkmoe=$(realpath "$1") models=$2 tokenizer=$3
mixtral=$models/tiny-mixtral
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/support/lib.sh"

# piped STATUS FILE COMMAND ARGUMENT... - as expect, FILE being standard input.
piped() {
    local status=$1 file=$2 command=$3 got=0
    shift 3
    "$vkmoe" "$command" "${device[@]}" "$@" >"$out" 2>"$err" <"$file" || got=$?
    [ "$got" = "$status" ] || problem "vkmoe $command $*: status $got, expected $status: $(head -n \
        3 "$err")"
}

# The ids that the text becomes: ids_of MODEL OPTION...
ids_of() {
    expect 0 route "$@" --json
    { tr -d ' \t\n' <"$out" && echo; } | sed 's/.*"token_ids":\[\([^]]*\)\].*/\1/;y/,/ /' \
        >"$tmp/ids"
}

# becomes IDS MODEL OPTION...
becomes() {
    local expected=$1
    shift
    ids_of "$@"
    [ "$(cat "$tmp/ids")" = "$expected" ] || problem "${*: -1}: tokens $(cat \
        "$tmp/ids"), expected $expected"
}

# ---------------------------------------------------------------------------------- where texts are

text=$'def f(x):\n\treturn'
printf %s "$text" >"$tmp/text"
expect 0 generate "$mixtral" --prompt "$text" --count 12
cp "$out" "$tmp/expected"
expect 0 generate "$mixtral" --prompt-file "$tmp/text" --count 12
same "$out" "$tmp/expected"
piped 0 "$tmp/text" generate "$mixtral" --prompt-file - --count 12
same "$out" "$tmp/expected"
"$vkmoe" generate "${device[@]}" "$mixtral" --prompt-file <(cat "$tmp/text") --count 12 >"$out" \
    2>"$err" ||
    problem "a pipe: $(cat "$err")"
same "$out" "$tmp/expected"
finish "a prompt from a file, and from standard input"

# Every byte counts: the newline at the end, NUL, what is no UTF-8, carriage returns.
printf 'a\0b\377\r\n\n' >"$tmp/text"
becomes '97 0 98 255 13 10 10' "$mixtral" --prompt-file "$tmp/text"
becomes '45' "$mixtral" --prompt -
finish "a prompt is taken as it is"

head -c 1000000 /dev/zero | tr '\0' a >"$tmp/long"
refuse 1 "the prompt has 1000000 tokens, the model's context holds 1024" generate "$mixtral" \
    --prompt-file "$tmp/long"
truncate -s 8388609 "$tmp/long"
refuse 1 "$tmp/long: has more than 8 MiB" route "$mixtral" --prompt-file "$tmp/long"
piped 1 /dev/zero generate "$mixtral" --prompt-file -
says '^vkmoe: standard input: has more than 8 MiB'
finish "a long prompt"

: >"$tmp/empty"
for command in generate route; do
    refuse 1 "the prompt has no tokens, expected at least one" $command "$mixtral" --prompt ''
    refuse 1 "the prompt has no tokens, expected at least one" $command "$mixtral" \
        --prompt-file "$tmp/empty"
    refuse 1 "the prompt has no tokens, expected at least one" $command "$mixtral" --prompt-file - \
        # /dev/null
    refuse 1 "$tmp/none: cannot open: No such file or directory" $command "$mixtral" \
        --prompt-file "$tmp/none"
    refuse 1 "$tmp: cannot read: Is a directory" $command "$mixtral" --prompt-file "$tmp"
    refuse 2 "--prompt-file needs a value" $command "$mixtral" --prompt-file ''
    refuse 2 "--prompt and --prompt-file exclude each other" $command "$mixtral" \
        --prompt-file "$tmp/text" --prompt ''
    refuse 2 "--prompt and --tokens exclude each other" $command "$mixtral" --prompt '' \
        --tokens a.npy
    refuse 2 "--prompt-file and --tokens exclude each other" $command "$mixtral" --prompt-file - \
        --tokens a.npy
    refuse 2 "--prompt, --prompt-file or --tokens is missing" $command "$mixtral"
done
finish "prompts that cannot be had"

# --------------------------------------------------------------------------------------- end tokens

# like NAME MODEL SED - a model with a changed config.json.
like() {
    mkdir "$tmp/$1"
    ln -s "$(realpath "$2/model.safetensors")" "$tmp/$1"
    sed "$3" "$2/config.json" >"$tmp/$1/config.json"
}

# The text goes on with a newline, token 10, and then blanks.
expect 0 generate "$mixtral" --prompt 'def f(x):' --count 20
[ "$(wc -l <"$out")" -ge 2 ] || problem "expected several lines: $(cat "$out")"
echo 'def f(x):' >"$tmp/expected"
ends() {
    expect 0 generate "$tmp/ending" --prompt 'def f(x):' --count 20
    same "$out" "$tmp/expected"
    says '; generated: 0 tokens; '
    says '^stopped: the model ended the text$'
    rm -r "$tmp/ending"
}
like ending "$mixtral" 's/"eos_token_id": 0/"eos_token_id": [0, 3, 10]/'
ends
like ending "$mixtral" ''
echo '{"eos_token_id": [0, 3, 10]}' >"$tmp/ending/generation_config.json"
ends
like ending "$mixtral" 's/"eos_token_id": 0/"eos_token_id": [0, 10]/'
echo '{"eos_token_id": ["x' >"$tmp/ending/generation_config.json"
expect 0 generate "$tmp/ending" --prompt 'def f(x):' --count 20
same "$out" "$tmp/expected"
says '^vkmoe: warning: .*/generation_config.json: is not JSON .*; the file is ignored$'
finish "each of a model's end tokens ends the text"

# --------------------------------------------------------------------------------------- tokenizers

if [ "$tokenizer" != sentencepiece ]; then
    skip "special tokens" "built without sentencepiece"
    tests_end
    exit
elif ! command -v python3 >/dev/null; then
    skip "special tokens" "there is no Python"
    tests_end
    exit
fi

# A model of 360 tokens: those of bytes.model, [INST] as control piece 330, and room. Its text goes
# on with 340 and 341 only.
chat=$tmp/chat
python3 - "$(dirname "$0")" "$chat" <<'PYTHON' || problem "the model could not be made"
import sys
sys.path.insert(0, sys.argv[1])
from tiny_checkpoint import Checkpoint, tensor
checkpoint = Checkpoint("mixtral", 360)
checkpoint.tensors["lm_head.weight"] = tensor([360, 32], [
    5.0 if i // 32 == 340 else -5.0 if i // 32 == 341 else 0.0
                                                          for i in range(360 * 32)])
checkpoint.save(sys.argv[2])
PYTHON
{
    cat "$models/tokenizers/bytes.model"
    printf '\x0a\x0f\x0a\x06[INST]\x15\0\0\0\0\x18\x03'
} >"$chat/tokenizer.model"
added='{"<|im_end|>": 340, "<|im_start|>": 341, "<|far|>": 360}'

becomes '1 330 287 287 318 287 330' "$chat" --prompt '<s>[INST] w [INST]'
printf '<s>[INST]w</s>\n' >"$tmp/text"
becomes '1 330 287 318 2 287 13' "$chat" --prompt-file "$tmp/text"
ids_of "$chat" --no-special --prompt '<s>w'
[[ $(cat "$tmp/ids") == '1 287 '*' 318' && $(cat "$tmp/ids") != '1 287 318' ]] ||
    problem "<s>w as text: $(cat "$tmp/ids")"
echo "$added" >"$chat/added_tokens.json"
becomes '1 341 287 318 340' "$chat" --prompt '<|im_start|>w<|im_end|>'
refuse 2 "--no-special does nothing without a prompt" route "$chat" --tokens a.npy --no-special
refuse 1 \
    'added_tokens.json: "<|far|>", which is in the text, is token 360, the model' \
    route "$chat" --prompt 'w<|far|>'
expect 0 route "$chat" --prompt 'w<|far|>' --no-special
finish "special tokens in a text"

for prompt in '<s>[INST] w [INST]' ' <|im_start|>  w'; do
    expect 0 generate "$chat" --prompt "$prompt" --count 3
    sed 's/<|im_\(start\|end\)|>$//;s/<|im_\(start\|end\)|>$//;s/<|im_\(start\|end\)|>$//' "$out" \
        >"$tmp/found"
    [ "$(cat "$tmp/found")" = "$prompt" ] || problem "'$prompt' is printed as '$(cat "$out")'"
done
echo '{"eos_token_id": [340, 341]}' >"$chat/generation_config.json"
expect 0 generate "$chat" --prompt '[INST]w'
[ "$(cat "$out")" = '[INST]w' ] || problem "an end token is printed: $(cat "$out")"
says '^stopped: the model ended the text$'
rm "$chat/generation_config.json"
finish "special tokens are printed as they are written"

: >"$tmp/empty"
becomes 1 "$chat" --prompt-file "$tmp/empty"
expect 0 generate "$chat" --prompt '' --count 2
says '^prompt: 1 token, '
has '^<.im_'
echo '{"add_bos_token": false}' >"$chat/tokenizer_config.json"
for command in generate route; do
    refuse 1 "the prompt has no tokens, expected at least one" $command "$chat" --prompt ''
done
becomes 1 "$chat" --prompt '<s>'
rm "$chat/tokenizer_config.json"
finish "a text of nothing where there is a first token"

printf 'w\0\377w' >"$tmp/text"
becomes '1 287 318 3 242 194 192 318' "$chat" --prompt-file "$tmp/text" \
    # U+FFFD for what is no UTF-8
head -c 1000000 /dev/zero | tr '\0' w >"$tmp/long"
refuse 1 "the prompt has 1000002 tokens, the model's context holds 256" generate "$chat" \
    --prompt-file "$tmp/long"
for file in tokenizer_config added_tokens special_tokens_map; do
    cp "$chat/added_tokens.json" "$tmp/kept"
    echo '{"<|a|>": 34' >"$chat/$file.json"
    for command in generate route; do
        refuse 1 "$chat/$file.json: is not JSON at byte" $command "$chat" --prompt w
    done
    rm "$chat/$file.json"
    cp "$tmp/kept" "$chat/added_tokens.json"
done
finish "texts and files gone wrong"

# ----------------------------------------------------------------------------------------------- T5

t5=$tmp/t5
python3 "$(dirname "$0")/tiny_checkpoint.py" mixtral "$t5" 120 max_position_embeddings=64 \
    || problem "no model"
python3 "$(dirname "$0")/sentencepiece_model.py" "$t5/spiece.model" _ _The _of a m n . \
    || problem "no tokenizer"
# Pieces 3 to 9, so that <extra_id_0> is 109. Neither class nor number is given: the file's name
# says it is T5's.
echo '{}' >"$t5/tokenizer_config.json"
becomes '4 109 3 2 5 109 3 6 108 1' "$t5" --prompt 'The <extra_id_0> ? of<extra_id_0>a <extra_id_1>'
# With "legacy" false nothing is put before what follows a sentinel; a blank that is there stays, if
# it is not stripped.
echo '{"legacy": false, "extra_ids": 2}' >"$t5/tokenizer_config.json"
becomes '4 11 9 1' "$t5" --prompt 'The <extra_id_0> .'
# The blank that is put before a text is no blank that is stripped, nor are those after it.
becomes '3 4 1' "$t5" --prompt '  The'
echo '{"legacy": false, "added_tokens_decoder": {"50": {"content": "<extra_id_0>"}}}' \
    >"$t5/tokenizer_config.json"
becomes '4 50 5 50 6 8 1' "$t5" --prompt 'The <extra_id_0> of<extra_id_0>an'
finish "T5's sentinels"

# Switch Transformers: the tokenizer is T5's whatever its name, and no file beside it has to say so.
sentinels=$tmp/switch
python3 "$(dirname "$0")/tiny_checkpoint.py" switch_transformers "$sentinels" 120 \
    || problem "no model"
printf 'The <extra_id_0> of' >"$tmp/text"
cp "$t5/spiece.model" "$sentinels"
expect 0 generate "$sentinels" --prompt-file "$tmp/text" --count 2 --temperature 100000 --seed 3
says '^input: 4 tokens; '
grep -qE $'\u2047' "$out" && problem "U+2047 is printed: $(cat "$out")"
# Each token of the answer is shown, also where the input had got its end token.
expect 0 generate "$sentinels" --prompt-file "$tmp/text" --count 8 --temperature 100000 --seed 3
has '^(<extra_id_[0-9]+>){3}n(<extra_id_[0-9]+>){4}$'
expect 0 generate "$sentinels" --prompt '' --count 1
says '^input: 1 token; '
mv "$sentinels/spiece.model" "$sentinels/tokenizer.model"
expect 0 generate "$sentinels" --prompt 'The <extra_id_0> of' --count 1 --no-special
says '^input: ([5-9]|[1-9][0-9]) tokens; '
rm "$sentinels/tokenizer.model"
refuse 1 "there is no tokenizer.model, spiece.model or tokenizer.json; give" generate \
    "$sentinels" --prompt The
finish "an encoder-decoder's text"

tests_end
