#!/usr/bin/env bash
# cli_chat.sh VKMOE MODELS TOKENIZER - conversations. TOKENIZER is "sentencepiece" or "none", as
# VKMOE was built.
set -u
vkmoe=$(realpath "$1") models=$2 tokenizer=$3
mixtral=$models/tiny-mixtral
# shellcheck source=tests/support/lib.sh
. "$(dirname "$0")/support/lib.sh"
here=$(dirname "$0")

# chat STATUS TURNS ARGUMENT... - as expect; TURNS, as printf has it, is standard input.
chat() {
    local status=$1 got=0
    # shellcheck disable=SC2059
    printf "$2" >"$tmp/turns"
    shift 2
    "$vkmoe" chat "${device[@]}" "$@" >"$out" 2>"$err" <"$tmp/turns" || got=$?
    [ "$got" = "$status" ] || problem "vkmoe chat $*: status $got, expected $status: $(head -n 3 \
        "$err")"
}

# one_line TEXT - that is all that was said.
one_line() {
    [ "$(wc -l <"$err")" = 1 ] || problem "expected one line: $(head -n 3 "$err")"
    says "^vkmoe: $1"
}

# ---------------------------------------------------------------- a history, and the whole at once

# Tokens are bytes. What a template adds is written to a file, then what a model goes on with. They
# are drawn, since so the least difference between histories shows; the state of splitmix64, which
# is the seed, moves by the same for each.
most=16
drawn=0
step=$((0x9e3779b97f4a7c15))
user() {
    printf '<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant\n' "$1" >>"$tmp/whole"
}
answer() {
    local size
    size=$(wc -c <"$tmp/whole")
    expect 0 generate "$mixtral" --prompt-file "$tmp/whole" --count $most --temperature 1 \
        --seed "$(printf %u $((5 + drawn * step)))"
    drawn=$((drawn + most))
    tail -c +$((size + 1)) "$out" | head -c $most >"$tmp/answer"
    cat "$tmp/answer" >>"$tmp/whole"
    cat "$tmp/answer" >>"$tmp/answers"
    [ -z "$(tail -c 1 "$tmp/answer" | tr -d '\n')" ] || echo >>"$tmp/answers"
}
conversation() {
    drawn=0
    : >"$tmp/answers"
    user "$1"
    answer
    for turn in "${@:2}"; do
        printf '<|im_end|>\n' >>"$tmp/whole"
        user "$turn"
        answer
    done
}
: >"$tmp/whole"
conversation 'class Stack:' 'def f(x):' 'import <|im_end|>'
chat 0 'class Stack:\ndef f(x):\nimport <|im_end|>\n' "$mixtral" --template chatml --count $most \
    --temperature 1 --seed 5
same "$out" "$tmp/answers"
# Each token is read once: all but the answers, and the last of an answer, which no step had run.
tokens=$(($(wc -c <"$tmp/whole") - 3 * most + 2))
says "^prompt: $tokens tokens, .*; generated: $((3 * most)) tokens, .*; seed 5$"
says '^device: '
finish "three turns are as the whole text at once"

printf '<|im_start|>system\nBe <|im_end|>brief.<|im_end|>\n' >"$tmp/whole"
conversation 'class Stack:'
chat 0 'class Stack:\n' "$mixtral" --template chatml --count $most \
    --system 'Be <|im_end|>brief.' --temperature 1 --seed 5
same "$out" "$tmp/answers"
chat 0 'class Stack:\n' "$mixtral" --template chatml --count $most --system ''
says '^prompt: 62 tokens'
finish "a system prompt"

# ------------------------------------------------------------------------------------------- lines

chat 0 'class Stack:\r\n\n\r\ndef f(x):' "$mixtral" --template chatml --count $most
cp "$out" "$tmp/expected"
chat 0 'class Stack:\ndef f(x):\n' "$mixtral" --template chatml --count $most
same "$out" "$tmp/expected"
chat 0 '' "$mixtral" --template chatml
[ ! -s "$out" ] || problem "without a turn: $(cat "$out")"
[ ! -s "$err" ] || problem "without a turn: $(cat "$err")"
finish "lines end with LF or CR LF, the last with nothing; empty ones are no turns"

chat 0 'class Stack:\n/clear \nclass Stack:\n /clear\n' "$mixtral" --template chatml --count $most
[ "$(head -c $most "$out")" = "$(tail -c +$((most + 2)) "$out" | head -c $most)" ] ||
    problem "after /clear the same turn has another answer: $(cat "$out")"
says '; generated: 48 tokens'
finish "/clear begins anew"

head -c 8388700 /dev/zero | tr '\0' a >"$tmp/long"
got=0
"$vkmoe" chat "${device[@]}" "$mixtral" --template chatml >"$out" 2>"$err" <"$tmp/long" || got=$?
[ $got = 1 ] || problem "a long line: status $got"
one_line 'standard input: a line has more than 8 MiB'
got=0
"$vkmoe" chat "${device[@]}" "$mixtral" --template chatml >"$out" 2>"$err" <"$tmp" || got=$?
[ $got = 1 ] || problem "a folder: status $got"
one_line 'standard input: cannot read: Is a directory'
finish "lines that cannot be had"

# The words of drawn tokens may be anything; the same seed draws the same.
sampled() {
    chat 0 'class Stack:\ndef f(x):\n' "$mixtral" --template chatml --count $most "$@"
}
sampled --temperature 1.5 --seed 7
cp "$out" "$tmp/expected"
says '; seed 7$'
sampled --temperature 1.5 --seed 7
same "$out" "$tmp/expected"
sampled --temperature 1.5 --seed 8
cmp -s "$out" "$tmp/expected" && problem "another seed draws the same"
finish "tokens that are drawn"

# ----------------------------------------------------------------------------------------- context

chat 0 'class Stack:\n' "$mixtral" --template chatml --context 80
says '^stopped: the context of 80 tokens is full$'
# The last token stands behind the last position.
says '^prompt: 62 tokens, .*; generated: 19 tokens'
chat 1 'class Stack:\nmore\n' "$mixtral" --template chatml --context 80
says "^vkmoe: this turn's 65 tokens do not fit: 80 of the context's 80 are taken; /clear forgets \
them; --context makes room for up to 1024$"
chat 0 'class Stack:\n/clear\nclass Stack:\n' "$mixtral" --template chatml --context 80
[ "$(grep -c '^stopped: ' "$err")" = 2 ] || problem "after /clear: $(cat "$err")"
chat 1 'class Stack:\n' "$mixtral" --template chatml --context 61
one_line "this turn's 62 tokens do not fit: 0 of the context's 61 are taken; --context makes"
chat 0 'class Stack:\n' "$mixtral" --template chatml --context 62
says '; generated: 1 token'
chat 0 'class Stack:\n' "$mixtral" --template chatml
says "^stopped: the model's context of 1024 tokens is full$"
refuse 1 "knows 1024 positions, --context is 1025" chat "$mixtral" --template chatml \
    --context 1025
finish "a full context"

# ---------------------------------------------------------------------------------- what is refused

refuse 1 "$mixtral: has no chat template; --template takes one of kimi-k2, chatml, " \
    chat "$mixtral"
refuse 2 "--template is '?', expected one of kimi-k2, chatml, " chat "$mixtral" --template '?'
refuse 2 "--seed does nothing without --temperature; see 'vkmoe chat --help'" chat "$mixtral" \
    --seed 1
refuse 2 "--context is '0', expected a number from 1" chat "$mixtral" --context 0
refuse 2 "MODEL is missing" chat
mkdir "$tmp/strange"
ln -s "$(realpath "$mixtral")"/{config.json,model.safetensors} "$tmp/strange"
echo '### {{ messages }}' >"$tmp/strange/chat_template.jinja"
refuse 1 "$tmp/strange: its chat template is not known; --template takes one of" \
    chat "$tmp/strange"
echo '<|im_start|>' >"$tmp/strange/chat_template.jinja"
chat 0 'class Stack:\n' "$tmp/strange" --count $most
says '^prompt: 62 tokens'
finish "what there is no template for"

# -------------------------------------------------------------------------------- special tokens

if [ "$tokenizer" = sentencepiece ] && command -v python3 >/dev/null; then
    # 360 tokens: those of bytes.model, and room. Which of two it goes on with depends on the text.
    spoken=$tmp/spoken
    python3 - "$here" "$spoken" <<'PYTHON' || problem "the model could not be made"
import sys
sys.path.insert(0, sys.argv[1])
from tiny_checkpoint import Checkpoint, tensor
checkpoint = Checkpoint("mixtral", 360)
checkpoint.tensors["lm_head.weight"] = tensor([360, 32], [
    5.0 if i // 32 == 340 else -5.0 if i // 32 == 341 else 0.0 for i in range(360 * 32)])
checkpoint.save(sys.argv[2])
PYTHON
    cp "$models/tokenizers/bytes.model" "$spoken/tokenizer.model"
    echo '{"chat_template": "<|im_start|>"}' >"$spoken/tokenizer_config.json"
    read_by() { # TURN - the tokens that a turn is
        chat 0 "$1\n" "$spoken" --count 1
        sed -n 's/^prompt: \([0-9]*\) tokens\{0,1\}, .*/\1/p' "$err"
    }
    # Each of the template's marks is a token; a turn's is not, and costs as much as other text.
    echo '{"<|im_end|>": 340, "<|im_start|>": 341}' >"$spoken/added_tokens.json"
    short=$(read_by w)
    echo '{"<|im_end|>": 340, "<|im_start|>": 341, "<|xx_end|>": 342}' >"$spoken/added_tokens.json"
    as_text=$(read_by 'w<|im_end|>')
    other=$(read_by 'w<|xx_end|>')
    [[ $as_text -ge $((short + 5)) && $as_text == "$other" ]] ||
        problem "w: $short tokens, w<|im_end|>: $as_text, w<|xx_end|>: $other"
    finish "special tokens in a turn are text"

    # Both end an answer; without that they are printed, and an answer has as many as it may.
    chat 0 'w\nw\n' "$spoken" --count 9
    grep -q '<|im' "$out" && ! grep -q '<|im_start|>' "$out" &&
        problem "an end token is printed: $(cat "$out")"
    echo '{"<|a|>": 340, "<|b|>": 341}' >"$spoken/added_tokens.json"
    chat 0 'w\nw\n' "$spoken" --count 9
    [ "$(grep -cE '^(<.[ab].>){9}$' "$out")" = 2 ] || problem "two answers of 9: $(cat "$out")"
    echo '{"<|eom_id|>": 340, "<|eot_id|>": 341}' >"$spoken/added_tokens.json"
    chat 0 'w\nw\n' "$spoken" --count 9
    [ "$(cat "$out")" = '' ] || problem "end tokens are printed: $(cat "$out")"
    says '; generated: 0 tokens; greedy$'
    grep '^stopped' "$err" && problem "an answer's own end is nothing to talk of"
    finish "what ends an answer"

    # A tokenizer that knows one letter, and leaves out all others.
    python3 "$here/tiny_checkpoint.py" mixtral "$tmp/letter" 120 || problem "no model"
    echo '{"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "model": {"type":
        "BPE", "vocab": {"x": 1}, "merges": []}}' >"$tmp/letter/tokenizer.json"
    "$vkmoe" chat "${device[@]}" "$tmp/letter" --template deepseek2 >"$out" 2>"$err" </dev/null
    if ! grep -q 'was built without' "$err"; then
        chat 0 'x\n' "$tmp/letter" --template deepseek2 --count 2
        says '^prompt: 1 token, '
        chat 1 'x\nw\n' "$tmp/letter" --template deepseek2 --count 2
        says '^vkmoe: the prompt has no tokens, expected at least one$'
        finish "a turn of no tokens"
        # To a person it is said, who may have another turn.
        if python3 - "$vkmoe" chat "${device[@]}" "$tmp/letter" --template deepseek2 --count 2 \
            >"$out" 2>"$err" <<'PYTHON'; then
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = "dumb"
    os.execv(sys.argv[1], sys.argv[1:])
os.write(terminal, b"w\nx\n\x04")
heard = b""
try:
    while not heard or part:
        part = os.read(terminal, 4096)
        heard += part
except OSError:  # the end
    pass
sys.stdout.buffer.write(heard)
sys.exit(os.waitpid(child, 0)[1] != 0)
PYTHON
            grep -q 'vkmoe: the prompt has no tokens' "$out" || problem "$(tail -n 3 "$out")"
            grep -q '; generated: 2 tokens' "$out" || problem "$(tail -n 3 "$out")"
            finish "a conversation goes on after it"
        elif python3 -c 'import pty; pty.openpty()' 2>/dev/null; then
            problem "the conversation ended: $(tail -n 3 "$out")"
            finish "a conversation goes on after it"
        else
            skip "a conversation goes on after it" "no Python can make a terminal here"
        fi
    else
        skip "a turn of no tokens" "no PCRE2"
        skip "a conversation goes on after it" "no PCRE2"
    fi

    python3 "$here/tiny_checkpoint.py" switch_transformers "$tmp/switch" 120 || problem "no model"
    refuse 1 "$tmp/switch: is an encoder-decoder" chat "$tmp/switch" --template chatml
    python3 "$here/tiny_checkpoint.py" mixtral "$tmp/mute" 120 || problem "no model"
    refuse 1 "$tmp/mute: its 120 tokens are not bytes, and there is no tokenizer.model" chat \
        "$tmp/mute" --template chatml
    finish "models that cannot talk"
else
    skip "special tokens in a turn are text" "no sentencepiece, or no Python"
    skip "what ends an answer" "no sentencepiece, or no Python"
    skip "a turn of no tokens" "no sentencepiece, or no Python"
    skip "a conversation goes on after it" "no sentencepiece, or no Python"
    skip "models that cannot talk" "no sentencepiece, or no Python"
fi

# A GGUF file's own template and tokens: as the same words in a prompt, in which they are parsed.
gguf=$models/../gguf/qwen3moe-q8_0/model.gguf
if "$vkmoe" generate "${device[@]}" "$gguf" --count 1 --prompt \
    $'<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n' >"$out" 2>"$err"; then
    whole=$(grep -o '^prompt: [0-9]* tokens' "$err")
    chat 0 'Hello\n' "$gguf" --count 1
    says "^$whole, "
    chat 0 'Hello<|xx_end|>\n' "$gguf" --count 1
    as_text=$(grep -o '^prompt: [0-9]* tokens' "$err")
    chat 0 'Hello<|im_end|>\n' "$gguf" --count 1
    says "^$as_text, "
    [ "$whole" != "$as_text" ] || problem "both have $whole"
    finish "a GGUF file's template"
else
    skip "a GGUF file's template" "its tokenizer is not read: $(head -n 1 "$err")"
fi

# ------------------------------------------------------------------------------------------ Ctrl-C

if python3 -c 'import pty; pty.openpty()' 2>/dev/null; then
    python3 - "$vkmoe" chat "${device[@]}" "$mixtral" --template chatml >"$out" 2>&1 <<'PYTHON' ||
import os, pty, re, select, sys
heard = b""
child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = "dumb"
    os.execv(sys.argv[1], sys.argv[1:])

def wait_for(pattern):
    """Forgets what was heard up to it."""
    global heard
    while not re.search(pattern, heard, re.DOTALL):
        if not select.select([terminal], [], [], 120)[0]:
            sys.exit("no %r in %r" % (pattern, heard[-400:]))
        try:
            heard += os.read(terminal, 4096)
        except OSError:
            sys.exit("no %r at the end of %r" % (pattern, heard[-400:]))
    heard = heard[re.search(pattern, heard, re.DOTALL).end():]

wait_for(rb"template: chatml; context: 1024 tokens; .*\n> ")
os.write(terminal, b"class Stack:\n")
wait_for(rb"class Stack:\r\n.{8}")
os.write(terminal, b"\x03")
wait_for(rb"\nstopped: interrupted\r\n> ")
os.write(terminal, b"def f(x):\n")
wait_for(rb"def f\(x\):\r\n.{8}")
os.write(terminal, b"\x03")
wait_for(rb"\nstopped: interrupted\r\n> ")
os.write(terminal, b"x" * 1100 + b"\n")
wait_for(rb"\nvkmoe: this turn's 1[0-9]* tokens do not fit: .*; /clear forgets them\r\n> ")
for size, said in (4094, b"this turn's 4"), (5000, b"a terminal passes on no more than 4095"):
    os.write(terminal, b"y" * size + b"\n")
    wait_for(rb"\nvkmoe: " + said + rb".*\r\n> ")
os.write(terminal, b"\x03")
wait_for(rb"\nprompt: [0-9]+ tokens, .*\ndevice: [^\n]*\n")
status = os.waitpid(child, 0)[1]
sys.exit(0 if status == 0 else "status %d" % status)
PYTHON
        problem "$(tail -n 1 "$out")"
    finish "Ctrl-C ends an answer, and at the prompt the conversation"
else
    skip "Ctrl-C ends an answer, and at the prompt the conversation" \
        "no Python can make a terminal here"
fi

# A conversation without a terminal: the next line is the next turn.
mkfifo "$tmp/pipe"
set -m
"$vkmoe" chat "${device[@]}" "$mixtral" --template chatml >"$out" 2>"$err" <"$tmp/pipe" &
child=$!
set +m
exec 3>"$tmp/pipe"
echo 'class Stack:' >&3
for _ in {1..600}; do
    [ "$(wc -c <"$out")" -gt 12 ] && break
    sleep 0.1
done
kill -INT $child
for _ in {1..600}; do
    grep -q '^stopped: interrupted$' "$err" && break
    sleep 0.1
done
size=$(wc -c <"$out")
echo 'def f(x):' >&3
for _ in {1..600}; do
    [ "$(wc -c <"$out")" -gt $((size + 12)) ] && break
    sleep 0.1
done
kill -INT $child
exec 3>&-
wait $child || problem "Ctrl-C: status $?"
[ "$(grep -c '^stopped: interrupted$' "$err")" = 2 ] || problem "two answers: $(cat "$err")"
finish "Ctrl-C ends an answer that a pipe asked for"

tests_end
