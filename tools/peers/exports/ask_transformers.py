"""Questions exported caches in transformers, through the loader that was exported with them (prove-exports.mjs says how it is asked)."""
import copy, importlib.util, json, sys
import numpy, torch, transformers
from transformers import AutoModelForCausalLM


def loader_at(path):
    spec = importlib.util.spec_from_file_location("loader", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(model, loader, cache, position, question, steps):
    ids = torch.tensor([question])
    inputs = loader.inputs_after(model, copy.deepcopy(cache), position, ids)
    out = model.generate(
        **inputs, max_new_tokens=steps, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    logs = torch.log_softmax(torch.cat(out.logits).double(), -1).float()
    return out.sequences[0, len(question):].tolist(), logs.numpy()


with open(sys.argv[1]) as file:
    request = json.load(file)
torch.set_num_threads(request["threads"])
model = AutoModelForCausalLM.from_pretrained(request["folder"], dtype=torch.float32).eval()
model.generation_config.eos_token_id = None  # as many tokens as are asked for
answers = {}
with torch.no_grad():
    for case in request["cases"]:
        loader = loader_at(case["loader"])
        cache, position = loader.load_cache(case["cache"], model)
        if case["control"]:
            position = cache.get_seq_length()
        answers[case["name"]] = []
        for i, question in enumerate(case["questions"]):
            ids, logs = answer(model, loader, cache, position, question, request["steps"])
            path = f"{case['out']}-{i}.f32"
            logs.astype(numpy.float32).tofile(path)
            answers[case["name"]].append({"ids": ids, "logProbs": path})
print(json.dumps({"versions": {"transformers": transformers.__version__, "torch": torch.__version__}, "answers": answers}))
