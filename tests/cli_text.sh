#!/usr/bin/env bash
# cli_text.sh VKMOE MODELS TOKENIZER - texts for whole models and what ends them. TOKENIZER is "sentencepiece" or "none",
# as VKMOE was built. VKMOE_TEST_DEVICE, if it is set, is the --device of everything that runs.
set -u
vkmoe=$(realpath "$1") models=$2 tokenizer=$3
mixtral=$models/tiny-mixtral switch=$models/../golden/whole/switch_transformers
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

# piped STATUS FILE COMMAND ARGUMENT... - as expect, FILE being standard input.
piped() {
    local status=$1 file=$2 command=$3 got=0
    shift 3
    "$vkmoe" "$command" "${device[@]}" "$@" >"$out" 2>"$err" <"$file" || got=$?
    [ "$got" = "$status" ] || problem "vkmoe $command $*: status $got, expected $status: $(head -n 3 "$err")"
}

# The ids that the text becomes: ids_of MODEL OPTION...
ids_of() {
    expect 0 route "$@" --json
    { tr -d ' \t\n' <"$out" && echo; } | sed 's/.*"token_ids":\[\([^]]*\)\].*/\1/;y/,/ /' >"$tmp/ids"
}

# becomes IDS MODEL OPTION...
becomes() {
    local expected=$1
    shift
    ids_of "$@"
    [ "$(cat "$tmp/ids")" = "$expected" ] || problem "${*: -1}: tokens $(cat "$tmp/ids"), expected $expected"
}

# -------------------------------------------------------------------------------------------------------- where texts are

text=$'def f(x):\n\treturn'
printf %s "$text" >"$tmp/text"
expect 0 generate "$mixtral" --prompt "$text" --count 12
cp "$out" "$tmp/expected"
expect 0 generate "$mixtral" --prompt-file "$tmp/text" --count 12
same "$out" "$tmp/expected"
piped 0 "$tmp/text" generate "$mixtral" --prompt-file - --count 12
same "$out" "$tmp/expected"
"$vkmoe" generate "${device[@]}" "$mixtral" --prompt-file <(cat "$tmp/text") --count 12 >"$out" 2>"$err" ||
    problem "a pipe: $(cat "$err")"
same "$out" "$tmp/expected"
cat "$tmp/text" | "$vkmoe" generate "${device[@]}" "$mixtral" --prompt-file - --count 12 >"$out" 2>"$err" ||
    problem "a pipe as standard input: $(cat "$err")"
same "$out" "$tmp/expected"
finish "a prompt from a file, and from standard input"

# Every byte counts: the newline at the end, NUL, what is no UTF-8, carriage returns.
printf 'a\n\n' >"$tmp/text"
becomes '97 10 10' "$mixtral" --prompt-file "$tmp/text"
printf 'a\0b\377\r\n' >"$tmp/text"
becomes '97 0 98 255 13 10' "$mixtral" --prompt-file "$tmp/text"
becomes '45' "$mixtral" --prompt -
finish "a prompt is taken as it is"

head -c 1000000 /dev/zero | tr '\0' a >"$tmp/long"
refuse 1 "the prompt has 1000000 tokens, the model's context holds 1024" generate "$mixtral" --prompt-file "$tmp/long"
head -c 1024 "$tmp/long" >"$tmp/text"
expect 0 generate "$mixtral" --prompt-file "$tmp/text" --count 1
truncate -s 16777217 "$tmp/long"
refuse 1 "$tmp/long: has more than 16 MiB" route "$mixtral" --prompt-file "$tmp/long"
piped 1 /dev/zero generate "$mixtral" --prompt-file -
says '^vkmoe: standard input: has more than 16 MiB'
finish "a long prompt"

: >"$tmp/empty"
for command in generate route; do
    refuse 1 "the prompt has no tokens, expected at least one" $command "$mixtral" --prompt ''
    refuse 1 "the prompt has no tokens, expected at least one" $command "$mixtral" --prompt-file "$tmp/empty"
    refuse 1 "the prompt has no tokens, expected at least one" $command "$mixtral" --prompt-file - # /dev/null
    refuse 1 "$tmp/none: cannot open: No such file or directory" $command "$mixtral" --prompt-file "$tmp/none"
    refuse 1 "$tmp: cannot read: Is a directory" $command "$mixtral" --prompt-file "$tmp"
    refuse 2 "--prompt-file needs a value" $command "$mixtral" --prompt-file ''
    refuse 2 "--prompt and --prompt-file exclude each other" $command "$mixtral" --prompt-file "$tmp/text" --prompt ''
    refuse 2 "--prompt and --tokens exclude each other" $command "$mixtral" --prompt '' --tokens a.npy
    refuse 2 "--prompt-file and --tokens exclude each other" $command "$mixtral" --prompt-file - --tokens a.npy
    refuse 2 "--prompt, --prompt-file or --tokens is missing" $command "$mixtral"
done
finish "prompts that cannot be had"

# ------------------------------------------------------------------------------------------------------------ end tokens

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
for list in '[0, 10]' '[10, 0]' '[3, 10, 0]' 10; do
    like ending "$mixtral" "s/\"eos_token_id\": 0/\"eos_token_id\": $list/"
    ends
    like ending "$mixtral" ''
    echo "{\"eos_token_id\": $list}" >"$tmp/ending/generation_config.json"
    ends
done
like ending "$mixtral" 's/"eos_token_id": 0/"eos_token_id": [0, 10]/'
echo '{"eos_token_id": ["x' >"$tmp/ending/generation_config.json"
expect 0 generate "$tmp/ending" --prompt 'def f(x):' --count 20
same "$out" "$tmp/expected"
says '^vkmoe: warning: .*/generation_config.json: is not JSON .*; the file is ignored$'
finish "each of a model's end tokens ends the text"

tests_end
