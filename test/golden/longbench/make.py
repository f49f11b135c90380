"""LongBench's measures by its own script. Needs rouge 1.0.1, fuzzywuzzy 0.18.0 without python-Levenshtein (as its requirements.txt has it),
jieba, and LongBench/metrics.py of https://github.com/THUDM/LongBench.

python test/golden/longbench/make.py FOLDER_OF_METRICS_PY

cases.jsonl    one [data set, prediction, golds, classes, score] a line: best over the golds, as LongBench/eval.py takes it
"""

import json
import os
import random
import sys
import warnings

warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
import metrics  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
QA = ["narrativeqa", "qasper", "multifieldqa_en", "hotpotqa", "2wikimqa", "musique", "triviaqa"]
SUMMARIES = ["gov_report", "qmsum", "multi_news", "samsum"]
CODE = ["lcc", "repobench-p"]
FIRST_LINE = ["trec", "triviaqa", "samsum", "lsht"]
CLASSES = ["City", "Country", "Other location", "location", "Definition", "Date", "Other", "Number of something", "Cit"]
WORDS = "the cat sat on a mat and The dog ran away from it. Who was old in 1902? It's U.S. ÉTÉ naïve 雪 end. no, yes; \n \u00a0 \u2028 \x1c . .. ...".split(" ")
PIECES = ["return ", "self.", "value", "(", ")", " = ", "x", "0", "if ", ":", "    ", "\t", "é", "`", "# note", "// c", "foo_bar", "[i]", "::", ";", "🐟"]

draw = random.Random(8)


def words(longest, joiners=(" ", "  ", "\n")):
    return draw.choice(joiners).join(draw.choice(WORDS) for _ in range(draw.randint(0, longest)))


def near(text, parts):
    own = [part for part in parts(text) if draw.random() > 0.25]
    return own


def code(longest):
    return "".join(draw.choice(PIECES) for _ in range(draw.randint(1, longest)))


def case(dataset):
    if dataset in QA:
        golds = [words(6) for _ in range(draw.randint(1, 3))]
        prediction = draw.choice([words(6), " ".join(near(golds[0], str.split)), "\n\n" + golds[0] + "\nMore"])
        return prediction, golds, None
    if dataset in SUMMARIES:
        golds = [words(40) for _ in range(draw.randint(1, 2))]
        prediction = draw.choice([words(40), " ".join(near(golds[0], lambda text: text.split(" ")))])
        return prediction, golds, None
    if dataset in CODE:
        gold = code(draw.choice([4, 12, 90]))
        changed = list(gold)
        for _ in range(draw.randint(0, 6)):
            at = draw.randrange(len(changed))
            changed[at] = draw.choice(["", "x", " ", changed[at] * 2])
        prediction = draw.choice(["", "\n", "# first\n", "`code`\n"]) + "".join(changed) + draw.choice(["", "\nnext line"])
        return prediction, [gold], None
    if dataset == "trec":
        gold = draw.choice(CLASSES)
        return draw.choice(["", "\n", "Type: "]) + ", ".join(draw.choices(CLASSES, k=draw.randint(0, 3))) + draw.choice(["", "\nQ: next"]), [gold], CLASSES
    if dataset == "passage_count":
        gold = str(draw.randint(1, 20))
        return draw.choice([gold, f"{gold}.", f"There are {gold} of 30", f"{gold} {gold} x", "none", "\u0663 or 3", f"0{gold}"]), [gold], None
    number = draw.randint(1, 30)
    return draw.choice([f"Paragraph {number}", f"{number}", f"Paragraph {number} or {number + 1}", "no", f"Paragraph {number}{number}"]), [f"Paragraph {number}"], None


MEASURES = {name: metrics.qa_f1_score for name in QA}
MEASURES |= {name: metrics.rouge_score for name in SUMMARIES}
MEASURES |= {name: metrics.code_sim_score for name in CODE}
MEASURES |= {"trec": metrics.classification_score, "passage_count": metrics.count_score, "passage_retrieval_en": metrics.retrieval_score}

with open(os.path.join(HERE, "cases.jsonl"), "w", encoding="utf-8") as file:
    for dataset in [*QA, *SUMMARIES, *CODE, "trec", "passage_count", "passage_retrieval_en"]:
        for _ in range(120):
            prediction, golds, classes = case(dataset)
            read = prediction.lstrip("\n").split("\n")[0] if dataset in FIRST_LINE else prediction
            score = max([0.0, *(MEASURES[dataset](read, gold, all_classes=classes) for gold in golds)])
            file.write(json.dumps([dataset, prediction, golds, classes, score], ensure_ascii=False) + "\n")
