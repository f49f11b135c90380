"""Golden values of src/evaluate/metrics/squad.ts under Python's own rules for text (Python 3.11, Unicode 14).

python tools/golden/squad.py test/golden/squad

pairs.jsonl    one [answer, golds, normalised answer, em, f1, gold in answer, answer in gold] a line
unicode.json   code points that are white space, that are word characters, that are unassigned, and all lower-casings
"""

import collections
import json
import os
import random
import re
import string
import sys
import unicodedata


def normalise(text):
    text = "".join(mark for mark in text.lower() if mark not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def f1(answer, gold):
    ours, theirs = normalise(answer).split(), normalise(gold).split()
    same = sum((collections.Counter(ours) & collections.Counter(theirs)).values())
    if same == 0:
        return 0.0
    precision, recall = 1.0 * same / len(ours), 1.0 * same / len(theirs)
    return (2 * precision * recall) / (precision + recall)


def contains(whole, part):
    # An empty text is inside every other; that says nothing about an answer, so it does not count.
    return part != "" and part in whole


def judge(answer, golds):
    own, theirs = normalise(answer), [normalise(gold) for gold in golds]
    return [
        answer,
        golds,
        own,
        int(any(own == gold for gold in theirs)),
        max(f1(answer, gold) for gold in golds),
        int(any(contains(own, gold) for gold in theirs)),
        int(any(contains(gold, own) for gold in theirs)),
    ]


SPACES = [chr(c) for c in range(0x110000) if chr(c).isspace()] + ["\ufeff", "\u200b", "\u180e", "  "]
ARTICLES = ["a", "an", "the", "A", "An", "THE", "tHe"]
GLUE = list("_-'’.,!²½Ⅷ٣\u0301\u0308\u093e\u200d\u00adñßéİıΣσςЖ東ªº№") + ["\U0001d400", "🎉", "\ud800", "\udc00", "\u0345", "\u02bc"]
WORDS = """España Español ANÁLISIS Ñandú İstanbul ISTANBUL ΟΔΥΣΣΕΥΣ ΣΑΣ Σ ὈΔΥΣΣΕΎΣ STRAẞE Straße Привет МОСКВА 東京 デンバー Ⅷ ½ ² 10 2010 1,000
$5.00 don't o'clock rock-n-roll U.S. e.g. 24–10 “quoted” (brackets) snake_case the_end a_b theatre anthem Athens banana a1 1a Ångström
Å ﬁre ǅ Ǆ ΐ Ϊ́ Ⓐ Ａ ａ ｔｈｅ the–end the—a an… a.m. A.D. 'a' "the" «an» Denver Broncos Super Bowl 50 Levi's Stadium""".split()
ASSIGNED = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]


def piece(rng):
    kind = rng.random()
    if kind < 0.3:
        return rng.choice(WORDS)
    if kind < 0.5:
        return rng.choice(ARTICLES)
    if kind < 0.7:
        return rng.choice(GLUE) + rng.choice(ARTICLES) if rng.random() < 0.5 else rng.choice(ARTICLES) + rng.choice(GLUE)
    if kind < 0.8:
        return "".join(rng.choice(ASSIGNED) for _ in range(rng.randint(1, 4)))
    if kind < 0.9:
        return rng.choice(WORDS) + rng.choice(GLUE) + rng.choice(WORDS)
    return rng.choice(string.punctuation)


def phrase(rng, most):
    text = ""
    for _ in range(rng.randint(0, most)):
        text += piece(rng) + (" " if rng.random() < 0.6 else rng.choice(SPACES + ["", ""]))
    return text


def changed(rng, text):
    words = re.split(r"( )", text)
    for _ in range(rng.randint(0, 3)):
        at = rng.randrange(len(words))
        words[at] = rng.choice([words[at].upper(), words[at].lower(), "", piece(rng), words[at] * 2, words[at].swapcase()])
    return phrase(rng, 2) * rng.randint(0, 1) + "".join(words)


def joined_surrogates(text):
    return any(0xD800 <= ord(x) < 0xDC00 and 0xDC00 <= ord(y) < 0xE000 for x, y in zip(text, text[1:]))


def pairs(rng):
    yield judge("The cat!", ["cat", "a dog"])
    yield judge("", ["cat"])
    yield judge("the", ["a"])
    yield judge("", ["."])
    yield judge("Denver", ["."])
    while True:
        golds = [phrase(rng, 5) for _ in range(rng.randint(1, 4))]
        answer = changed(rng, rng.choice(golds)) if rng.random() < 0.8 else phrase(rng, 6)
        # Two lone halves side by side are one character once they have been through JSON.
        if not any(joined_surrogates(text) for text in [answer, *golds]):
            yield judge(answer, golds)


def ranges(test):
    out, begin = [], None
    for c in range(0x110001):
        inside = c < 0x110000 and test(chr(c))
        if inside and begin is None:
            begin = c
        if not inside and begin is not None:
            out.append([begin, c - 1])
            begin = None
    return out


def main(folder):
    rng = random.Random(20503)
    made = pairs(rng)
    with open(os.path.join(folder, "pairs.jsonl"), "w", encoding="ascii") as file:
        for _ in range(4000):
            file.write(json.dumps(next(made), separators=(",", ":")) + "\n")
    word = re.compile(r"\w")
    facts = {
        "unicode": unicodedata.unidata_version,
        "space": ranges(str.isspace),
        "word": ranges(lambda mark: word.match(mark) is not None),
        "unassigned": ranges(lambda mark: unicodedata.category(mark) == "Cn"),
        "lower": [[c, chr(c).lower()] for c in range(0x110000) if chr(c).lower() != chr(c)],
    }
    with open(os.path.join(folder, "unicode.json"), "w", encoding="ascii") as file:
        file.write(json.dumps(facts, separators=(",", ":")).replace('],"', '],\n"') + "\n")


main(sys.argv[1])
