"""Small tokenizers of the kinds the package reads, and what the Python `tokenizers` package makes of hard texts.

Writes <kind>.json (tokenizer.json files) and cases.json: the texts, and per kind their ids, the
decoded text with and without special tokens. Run: python test/golden/tokenizers/make.py (needs tokenizers)
"""

import json
import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

OUT = Path(__file__).resolve().parent

PROSE = """
The ferry leaves the northern harbour at 06:45 and again at 18:30, except on Sundays and on the 3rd of each month.
Nobody in the village could say when the clock had stopped; it was simply known that it didn't matter.
def total(rows):\n    return sum(r["price"] * r["count"] for r in rows if r is not None)\n
for (let i = 0; i < 100; ++i) {\n\tconsole.log(`row ${i}: ${rows[i]?.name ?? "none"}`);\n}\n
Prices rose by 12.5% in 2019, 7% in 2020 and 1,234,567 units were sold. I'm sure they'll say we've been here before.
Der Zug fährt über die Brücke; où est la bibliothèque ? ¿Dónde está el niño? Ελληνικά και русский язык.
日本語の文章もあります。中文也有一些句子。한국어 문장도 있습니다. हिन्दी में एक वाक्य। العربية هنا.
"""

CASES = [
    "", " ", "  ", "   leading and trailing   ", "\n", "\n\n\n", "\t\ttabs\tand  spaces \n \n mixed", "\r\nwindows\r\n",
    "Hello, world!", "hello world", "HELLO World's I'M they'Ll we'VE it'd O'Reilly ''s 'S",
    "1234567890", "3.14159 and 1,000,000", "in 2019 7 of 12", "x²+y³=½ ٣٤٥ ४५६ Ⅻ 10⁻³ ①②", "2nd 3D 4x4 v1.2.3-rc4",
    "naïve café", "nai\u0308ve cafe\u0301 A\u030a", "ﬁﬂ ﬃ Å ｆｕｌｌ", "e\u0301\u0323\u0327 Z\u0351\u036b\u0343",
    "👍", "👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪", "a😀b😀😀 c", "\u200d\u200b\u2060zero width", "日本語 中文 한국어", "日本語123と中文456。",
    "हिन्दी क्षत्रिय", "العربية ١٢٣", "ไทยไม่มีช่องว่าง", "\u00a0nbsp\u00a0\u00a0x\u3000wide\u2003em",
    "\ufeffbyte order mark", "a \ufeff b\ufeff", "\u0085next\u0085line x\u0085 y", "\u2028sep\u2029", "\u180e\u1680ogham",
    "\x00\x01\x02 control \x1b[31mred\x7f", "a\x04b\x06\x14c th\x04e !\x04!\x06?\x14!", "a\ufeff b \ufeff\ufeff  \ufeffx", "\U0010ffff\U000f0000 private \ue000",
    "def f(x):\n    return x**2  # square\n\n\nclass A:\n\tpass\n", "if (a&&b||!c) { return a?.b ?? [1,2,3]; }", "<html>\n  <b>x</b>\n</html>",
    "https://example.org/a_b-c?d=e&f=%20#g", "snake_case camelCase SCREAMING_CASE kebab-case", "____ ---- .... !!!! ?!?! ~~~",
    "<|im_start|>user\nhi<|im_end|>\n", "<|im_start|><|im_end|><|im_start|>", "text<|im_end|>text", "< |im_end|> <|im_end |>", "<|im_end", " <|im_end|> ",
    "a<tool>b</tool> <tool> x", "word" * 60, "ab" * 200 + " " * 70 + "c", "ſ 'ſ ’s it’s", "İıKå ß ẞ",
    "the the  the   the", "don't won't can't 'tis", "'", "''", "\"'\"", "\\n \\t", "\u0300", "\u0300a \u0301", "ǅ ᾳ ΐ",
    "A\nB\n\nC \n D\n  \nE", "x \t\n\r y", "   \n   ", "\n \n", "tail space ", "tail newline\n", "0", "00", "000", "0000", " 1 22 333 4444 55555",
]

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
SPECIAL = [AddedToken(t, special=True, normalized=False) for t in ("<|im_start|>", "<|im_end|>")]
PLAIN = [AddedToken("<tool>", special=False, normalized=False), AddedToken("</tool>", special=False, normalized=False)]


def byte_level(pre, normalizer=None, missing=(), ignore_merges=False):
    tok = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer is not None:
        tok.normalizer = normalizer
    tok.pre_tokenizer = pre
    tok.decoder = decoders.ByteLevel()
    alphabet = [c for c in pre_tokenizers.ByteLevel.alphabet() if c not in missing]
    tok.train_from_iterator(texts(), trainers.BpeTrainer(vocab_size=800, initial_alphabet=sorted(alphabet), special_tokens=SPECIAL, show_progress=False))
    tok.add_tokens(PLAIN)
    return tok


def sentence_piece(metaspace):
    tok = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if metaspace:
        tok.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    else:
        tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    first = ["<unk>"] + [t.content for t in SPECIAL] + [f"<0x{i:02X}>" for i in range(256)]
    words = [w for line in texts() for w in line.split()]
    trainer = trainers.BpeTrainer(vocab_size=700, limit_alphabet=90, special_tokens=first, show_progress=False)
    split = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    split.train_from_iterator(["▁" + w for w in words], trainer)
    model = json.loads(split.to_str())["model"]
    whole = json.loads(tok.to_str())
    whole["model"] = {**model, "unk_token": "<unk>", "byte_fallback": True, "fuse_unk": True}
    tok = Tokenizer.from_str(json.dumps(whole))
    tok.add_special_tokens(SPECIAL)
    tok.add_tokens(PLAIN)
    return tok


def texts():
    # The hard texts are trained on too, or nothing would merge across a wrong split.
    return [line for line in PROSE.split("\n") if line] * 3 + [case for case in CASES if not set(case) & set("\x04\x06\x14")] * 4


def kinds():
    split = lambda pattern: pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated", invert=False), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    smollm = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    groups = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    inverted = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"\p{L}+"), "isolated", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    removed = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return {
        "gpt2": byte_level(gpt2),
        "smollm": byte_level(smollm, missing=("\u0104", "\u0106", "\u0114")),
        "digit-groups": byte_level(groups),
        "llama3": byte_level(split(LLAMA3), ignore_merges=True),
        "inverted": byte_level(inverted),
        "llama3-removed": byte_level(removed),
        "qwen2": byte_level(split(QWEN2), normalizer=normalizers.NFC()),
        "llama2": sentence_piece(metaspace=False),
        "mistral": sentence_piece(metaspace=True),
    }


def main():
    draw = random.Random(7)
    pieces = [piece for case in CASES for piece in case.split(" ") if piece]
    cases = CASES + ["".join(draw.choice(pieces) + draw.choice(["", " ", "  ", "\n"]) for _ in range(draw.randint(2, 8))) for _ in range(60)]
    ids, kept, skipped = {}, {}, {}
    for name, tok in kinds().items():
        whole = json.loads(tok.to_str())
        (OUT / f"{name}.json").write_text(json.dumps(whole, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        ids[name] = [tok.encode(case, add_special_tokens=False).ids for case in cases]
        kept[name] = [tok.decode(row, skip_special_tokens=False) for row in ids[name]]
        skipped[name] = [tok.decode(row, skip_special_tokens=True) for row in ids[name]]
    # Decoded texts equal to the input are not repeated.
    text = lambda decoded: {name: [None if d == c else d for d, c in zip(rows, cases)] for name, rows in decoded.items()}
    out = {"cases": cases, "ids": ids, "decoded": text(kept), "decodedWithoutSpecial": text(skipped)}
    (OUT / "cases.json").write_text(json.dumps(out, ensure_ascii=True, separators=(",", ":")), encoding="utf-8")


main()
