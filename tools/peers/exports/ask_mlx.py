"""Questions exported caches in mlx-lm, through the loader that was exported with them (prove-exports.mjs says how it is asked)."""
import importlib.util, json, sys
from importlib.metadata import version
from pathlib import Path
import mlx.core as mx
import numpy
from mlx_lm.generate import generate_step
from mlx_lm.utils import load_model


def loader_at(path):
    spec = importlib.util.spec_from_file_location("loader", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


with open(sys.argv[1]) as file:
    request = json.load(file)
model, _ = load_model(Path(request["folder"]))
answers = {}
for case in request["cases"]:
    loader = loader_at(case["loader"])
    cache = loader.load_cache(case["cache"])
    if case["control"]:
        for layer in cache:
            layer.offset = layer.keys.shape[2]
    answers[case["name"]] = []
    for i, question in enumerate(case["questions"]):
        steps = generate_step(mx.array(question), model, prompt_cache=loader.copy_of(cache), max_tokens=request["steps"])
        ids, logs = zip(*steps)
        path = f"{case['out']}-{i}.f32"
        numpy.stack([numpy.array(row.astype(mx.float32)) for row in logs]).tofile(path)
        answers[case["name"]].append({"ids": list(ids), "logProbs": path})
print(json.dumps({"versions": {"mlx": version("mlx"), "mlx-lm": version("mlx-lm")}, "answers": answers}))
