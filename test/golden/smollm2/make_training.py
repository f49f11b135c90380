"""Loss and gradients of one training batch of SmolLM2-135M-Instruct in float32, by the PyTorch reference of the method.

  python make_training.py HUGGING_FACE_FOLDER REFERENCE_FOLDER        (the first made by convert.py; pip install torch transformers safetensors numpy)

The adapter is a formula of integers (`values`), so that it need not be stored. Nor are the gradients: of each tensor there is its norm and 32
projections on vectors of random signs, which come from the same formula. The mean square of the projections of a difference is the square of its
norm, within a few per cent on average over tensors, and no entry is left out.

Writes training.json and training.safetensors: norms [tensors], projections [tensors, 32], in the order of the adapter's tensors.
"""
import hashlib, json, math, sys
from pathlib import Path
import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

HERE = Path(__file__).resolve().parent
sys.path.insert(0, sys.argv[2])
import kv_distill_torch as reference  # noqa: E402

RANK, ALPHA, ETA, SINKS, LAMBDA, KEEP, SIGNS = 4, 16, 6, 4, 0.6, 0.25, 32
PASSAGES = [
    ("The lighthouse at Cape Orra was built in 1871 by the engineer Maren Holt. It stands 42 metres above the sea and was lit by whale oil until 1903, "
     "when the keeper's house burned down. The tower was rebuilt in granite two years later and has been automatic since 1968. Each spring some 3,000 "
     "puffins nest on the cliffs below it, and the road is closed to cars from April to July.", "Who built the lighthouse?", "Maren Holt"),
    ("To make the bread, mix 500 g of flour with 350 g of water and leave it for an hour. Add 10 g of salt and the starter, fold four times, once every "
     "half hour, and let the dough rise until it has doubled. Shape it, cool it overnight, and bake it at 240 degrees in a closed pot.", "How much salt is added?", "10 g of salt"),
    ("Ada walked to the market, bought six pears and a melon, and met her brother Tom at the fountain.", "Where did Ada meet Tom?", "At the fountain"),
]


def mix(x):
    """A 32-bit hash of 32-bit integers."""
    x = x.astype(np.uint32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return x ^ (x >> np.uint32(16))


def hashes(stream, count):
    return mix(np.arange(count, dtype=np.uint32) + mix(np.array([stream], dtype=np.uint32)))


def values(number, shape, scale, offset):
    """Uniform in offset ± scale / 2."""
    unit = (hashes(2 * number, math.prod(shape)) >> np.uint32(8)).astype(np.float64) / 2**24 - 0.5
    return torch.from_numpy((unit * scale + offset).astype(np.float32)).reshape(shape)


def projections(number, gradient):
    bits = hashes(2 * number + 1, gradient.numel())
    flat = gradient.double().flatten().numpy()
    return [float(np.where((bits >> np.uint32(b)) & np.uint32(1), flat, -flat).sum()) for b in range(SIGNS)]


def adapter_of(base):
    E, q, kv = base.E, base.H * base.D, base.G * base.D
    sizes = {"q": (E, q), "k": (E, kv), "v": (E, kv), "o": (q, E)}
    wanted = []
    for i in range(base.L):
        for n, (inputs, outputs) in sizes.items():
            path = f"base_model.model.model.layers.{i}.self_attn.{n}_proj.lora_"
            wanted += [(path + "A.weight", (RANK, inputs), math.sqrt(12 / inputs), 0), (path + "B.weight", (outputs, RANK), 0.05, 0)]
    scorer = [("fc1.weight", (E, E), math.sqrt(12 / E), 0), ("fc1.bias", (E,), 0.1, 0), ("fc2.weight", (1, E), 0.3, 0), ("fc2.bias", (1,), 0, 1)]
    tensors = [(name, values(number, *rest)) for number, (name, *rest) in enumerate(wanted + scorer)]
    return dict(tensors[: len(wanted)]), dict(tensors[len(wanted) :])


def main():
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    encode = lambda text: tokenizer(text, add_special_tokens=False).input_ids
    header = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n"
    triples = [{"context_ids": encode(header + c), "question_ids": encode(f"\n\nQuestion: {q}<|im_end|>\n<|im_start|>assistant\n"), "answer_ids": encode(a + "<|im_end|>")} for c, q, a in PASSAGES]
    base = reference.Base(sys.argv[1], torch.float32)
    lora, scorer = adapter_of(base)
    digest = hashlib.sha256(b"".join(t.numpy().tobytes() for t in (*lora.values(), *scorer.values()))).hexdigest()
    adapter = reference.Adapter(base, lora, scorer, {"eta": ETA, "sink": SINKS, "alpha": ALPHA})
    seen, score = [], adapter.score
    adapter.score = lambda hidden: seen.append(score(hidden)) or seen[-1]
    loss, forward, reverse, kept = reference.batch_loss(base, adapter, triples, KEEP, LAMBDA)
    for row, positions, triple in zip(seen[0].detach(), kept, triples):
        n = len(triple["context_ids"])
        others = [p for p in range(SINKS, n) if p not in positions]
        gap = (min(row[p] for p in positions if p >= SINKS) - max(row[p] for p in others)).item()
        print("tokens", n, "kept", len(positions), "scores", row[:n].mean().item(), row[:n].std().item(), "gap at the cut", gap, file=sys.stderr)
        assert gap > 1e-3, "two scores at the cut are too near: rounding could move it"
    loss.backward()
    gradients = [torch.zeros_like(v) if v.grad is None else v.grad for v in (*adapter.t.values(), *adapter.s.values())]
    save_file({
        "norms": torch.tensor([g.double().norm().item() for g in gradients]),
        "projections": torch.tensor([projections(number, g) for number, g in enumerate(gradients)]),
    }, HERE / "training.safetensors")
    written = {"rank": RANK, "alpha": ALPHA, "eta": ETA, "sinks": SINKS, "lambda": LAMBDA, "keep": KEEP, "adapterSha256": digest,
               "loss": loss.item(), "forwardKl": forward, "reverseKl": reverse, "kept": kept,
               "passages": [{"contextIds": t["context_ids"], "turns": [{"questionIds": t["question_ids"], "answerIds": t["answer_ids"]}]} for t in triples]}
    (HERE / "training.json").write_text("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in written.items()) + "\n}\n")
    norms = sorted(g.norm().item() for g in gradients)
    print("loss", loss.item(), forward, reverse, "gradient norms", norms[0], norms[4], norms[-1], file=sys.stderr)


main()
