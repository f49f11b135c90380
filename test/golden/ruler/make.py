"""RULER's settings and its measures. Needs pyyaml, and scripts/ of https://github.com/NVIDIA/RULER.

python test/golden/ruler/make.py SCRIPTS_FOLDER

settings.json   for each of the 13 tasks: its template, answer prefix, tokens to generate, arguments
matches.jsonl   one [answer, references, all, part] a line, in per cent as the script rounds them
"""

import importlib.util
import json
import os
import random
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = sys.argv[1]


def module(path):
    spec = importlib.util.spec_from_file_location("constants", os.path.join(SCRIPTS, path))
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


data, scores = module("data/synthetic/constants.py"), module("eval/synthetic/constants.py")
with open(os.path.join(SCRIPTS, "synthetic.yaml"), encoding="utf-8") as file:
    tasks = yaml.safe_load(file)
settings = {
    name: {**data.TASKS[task["task"]], "args": task["args"], "metric": scores.TASKS[task["task"]]["metric_fn"].__name__}
    for name, task in tasks.items()
}
with open(os.path.join(HERE, "settings.json"), "w", encoding="utf-8") as file:
    json.dump(settings, file, indent=1)
    file.write("\n")

draw = random.Random(3)
PARTS = ["1234567", "apple", "Éclair", "x-ray", "ABC", "straße", "12", "İ"]
with open(os.path.join(HERE, "matches.jsonl"), "w", encoding="utf-8") as file:
    for _ in range(200):
        references = draw.sample(PARTS, draw.randint(1, 4))
        said = draw.sample(PARTS, draw.randint(0, 5))
        answer = draw.choice([" ", ", ", "\n"]).join(draw.choice([part, part.upper(), part.lower(), part[:-1]]) for part in said)
        row = [answer, references, scores.string_match_all([answer], [references]), scores.string_match_part([answer], [references])]
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
