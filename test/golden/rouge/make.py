"""Rouge-L as Google's package scores it. Needs rouge-score 0.1.2 (https://github.com/google-research/google-research/tree/master/rouge).

python test/golden/rouge/make.py

pairs.jsonl    one [answer, golds, best F-measure over the golds] a line, without stemming
"""

import json
import os
import random

from rouge_score import rouge_scorer

HERE = os.path.dirname(os.path.abspath(__file__))
WORDS = "the cat sat on a mat and dog ran far away from it who was old 1902 co-op it's U.S. ÉTÉ K İ ſ naïve 雪 end. no, yes; \n \t".split(" ")

draw = random.Random(4)
scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)


def text(longest):
    parts = [draw.choice(WORDS) for _ in range(draw.randint(0, longest))]
    return draw.choice([" ", "  ", "-", ". "]).join(parts)


def varied(words):
    """Like another text: some words dropped, some swapped."""
    own = [word for word in words.split(" ") if draw.random() > 0.3]
    if len(own) > 3 and draw.random() < 0.5:
        at = draw.randrange(len(own) - 1)
        own[at], own[at + 1] = own[at + 1], own[at]
    return " ".join(own)


with open(os.path.join(HERE, "pairs.jsonl"), "w", encoding="utf-8") as file:
    for _ in range(600):
        golds = [text(draw.choice([3, 12, 60])) for _ in range(draw.randint(1, 3))]
        answer = varied(draw.choice(golds)) if draw.random() < 0.7 else text(30)
        best = max(scorer.score(gold, answer)["rougeL"].fmeasure for gold in golds)
        file.write(json.dumps([answer, golds, best], ensure_ascii=False) + "\n")
