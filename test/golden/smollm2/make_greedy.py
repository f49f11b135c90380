"""What PyTorch answers: 20 prompts, 64 tokens each, greedy, float32, by Hugging Face transformers.

  python make_greedy.py HUGGING_FACE_FOLDER        (made by convert.py; pip install torch transformers)

Writes greedy.json: for every prompt its text, its token ids, the 64 next ids (end tokens do not stop it), the log-probability of each and how
far the second-best logit lies behind. `logitNoise` is the largest difference between the logits of those best two tokens in float32 and in
float64, over all steps: what float32 arithmetic leaves undecided.
"""
import json, sys
from pathlib import Path
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = Path(__file__).resolve().parent
STEPS = 64
PLAIN = [
    "The capital of France is",
    "Once upon a time, in a village at the foot of a mountain,",
    "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n",
    "In 1969, Apollo 11 landed on the Moon. In 2024, 55 years later,",
    "1, 1, 2, 3, 5, 8, 13,",
    "Das Wasser kocht bei",
    "La Tour Eiffel est située à",
    "The élan of café society — naïve, perhaps — was 100% “real”:",
    "# Shopping list\n\n- apples\n- bread\n-",
    "To be, or not to be, that is the question:",
]
CHAT = [
    "What is gravity?",
    "Write a haiku about the sea.",
    "List three prime numbers greater than 20.",
    "Translate \"good morning\" to Spanish.",
    "What is 17 + 25?",
    "Give me a recipe for pancakes in five steps.",
    "Who wrote Pride and Prejudice?",
    "Explain in one sentence why the sky is blue.",
    "Summarise: The Normans were the people who in the 10th and 11th centuries gave their name to Normandy, a region in France. They were descended "
    "from Norse raiders and pirates from Denmark, Iceland and Norway.",
    "Name a colour that starts with the letter b.",
]

folder = sys.argv[1]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
model.eval()
chat = lambda text: tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True)
texts = PLAIN + [chat(text) for text in CHAT]

prompts = []
with torch.no_grad():
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False).input_ids
        cache, step, row = None, torch.tensor([ids]), {"text": text, "ids": ids, "next": [], "logProb": [], "gap": []}
        best = []
        for _ in range(STEPS):
            out = model(input_ids=step, past_key_values=cache, use_cache=True)
            cache, logits = out.past_key_values, out.logits[0, -1]
            top = logits.topk(2)
            best.append((top.indices.tolist(), top.values.tolist()))
            row["next"].append(top.indices[0].item())
            row["logProb"].append(round(torch.log_softmax(logits.double(), -1)[top.indices[0]].item(), 6))
            row["gap"].append(round((top.values[0] - top.values[1]).item(), 6))
            step = top.indices[:1][None]
        prompts.append((row, best))
        print(repr(text[:40]), "->", repr(tokenizer.decode(row["next"])[:80]), "smallest gap", min(row["gap"]), file=sys.stderr, flush=True)

    model.double()
    noise = 0.0
    for row, best in prompts:
        ids = row["ids"] + row["next"]
        logits = model(input_ids=torch.tensor([ids[:-1]])).logits[0, len(row["ids"]) - 1:]
        for line, (indices, values) in zip(logits, best):
            noise = max(noise, (line[indices] - torch.tensor(values, dtype=torch.float64)).abs().max().item())

lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row, _ in prompts)
text = f'{{\n "logitNoise": {noise:.3e},\n "prompts": [\n{lines}\n ]\n}}\n'
json.loads(text)
(HERE / "greedy.json").write_text(text, encoding="utf-8")
print("logit noise", noise, "steps nearer than 4 x noise:", sum(gap < 4 * noise for row, _ in prompts for gap in row["gap"]), file=sys.stderr)
