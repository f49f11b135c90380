"""Reads ids with an adapter that PEFT loads, which acts on all tokens, and without it (prove-exports.mjs says how it is asked)."""
import json, sys
import numpy, peft, torch, transformers
from peft import PeftModel
from transformers import AutoModelForCausalLM

with open(sys.argv[1]) as file:
    request = json.load(file)
torch.set_num_threads(request["threads"])
model = AutoModelForCausalLM.from_pretrained(request["folder"], dtype=torch.float32).eval()


def read(model, ids, path):
    with torch.no_grad():
        out = model(torch.tensor([ids]), use_cache=True)
    cache = out["cache"] if "cache" in out else out.past_key_values
    rows = [torch.stack([layer.keys[0], layer.values[0]]) for layer in cache.layers]
    torch.log_softmax(out.logits[0].double(), -1).float().numpy().tofile(f"{path}.logs.f32")
    torch.stack(rows).numpy().astype(numpy.float32).tofile(f"{path}.rows.f32")
    return {"logProbs": f"{path}.logs.f32", "rows": f"{path}.rows.f32"}


answers = {}
for case in request["cases"]:
    base = read(model, case["ids"], f"{case['out']}-base")
    adapted = PeftModel.from_pretrained(model, case["adapter"])
    answers[case["name"]] = {"base": base, "adapted": read(adapted, case["ids"], f"{case['out']}-adapted")}
    model = adapted.unload()
print(json.dumps({"versions": {"peft": peft.__version__, "transformers": transformers.__version__}, "answers": answers}))
