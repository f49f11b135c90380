"""Losses and gradients of one batch for every family and option, by Hugging Face transformers and autograd.

  python make.py        (pip install torch transformers safetensors)

The method (shared selection and one for each kv head, both gates) written over transformers' own models: adapters are wrapped around their linear
maps, caches are theirs, one passage and one question at a time, nothing padded. Models are those of ../gguf-models and ../training/llama; the case
`llama` is that of ../training and is checked here against the numbers there.

Writes cases.json and, for every case, parameters/{name}.safetensors and gradients/{name}.safetensors under the names that training gives them.
"""
import json, math, random, shutil
from pathlib import Path
import torch, transformers
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, DynamicCache

HERE = Path(__file__).resolve().parent
TRAINING, TINY = HERE.parent / "training", HERE.parent / "gguf-models"
transformers.logging.set_verbosity_error()
ALPHA = 16

SMALL = dict(eta=1, sinks=3, gate="sigmoid", selection="shared", rank=2, **{"lambda": 0.6})
LLAMA = dict(eta=2, sinks=4, gate="sigmoid", selection="shared", rank=4, **{"lambda": 0.6})
CASES = {
    "llama": dict(LLAMA, model="../training/llama"),
    "llama-per-head": dict(LLAMA, model="../training/llama", selection="per-head"),
    "llama-straight-through": dict(LLAMA, model="../training/llama", gate="straight-through", **{"lambda": 1.0}),
    "llama-per-head-straight-through": dict(LLAMA, model="../training/llama", selection="per-head", gate="straight-through"),
    "gpt2": dict(SMALL, model="../gguf-models/gpt2"),
    "gpt2-per-head": dict(SMALL, model="../gguf-models/gpt2", selection="per-head"),
    "llama-bias": dict(SMALL, model="../gguf-models/llama-bias", **{"lambda": 0.0}),
    "llama3": dict(SMALL, model="../gguf-models/llama3"),
    "qwen2": dict(SMALL, model="../gguf-models/qwen2"),
    "qwen3": dict(SMALL, model="../gguf-models/qwen3"),
}


class Adapted(torch.nn.Module):
    """A frozen linear map and its adapter. `split` = how many of the outputs belong to the query or output side, which only routed tokens adapt."""

    def __init__(self, frozen, a, b, scale, split):
        super().__init__()
        self.frozen, self.a, self.b, self.scale, self.split, self.routed = frozen, a, b, scale, split, None

    def forward(self, x):
        y = self.frozen(x)
        if self.routed is None:  # switched off
            return y
        update = self.scale * (x @ self.a.T @ self.b.T)
        side = torch.arange(update.shape[-1]) < self.split
        return y + torch.where(side, update * self.routed[None, :, None], update)


def modules_of(model):
    """(layer, path, owner, attribute, inputs, outputs, split) of every adapted map."""
    c = model.config
    for i in range(c.num_hidden_layers):
        if c.model_type == "gpt2":
            attn = model.transformer.h[i].attn
            yield i, "attn.c_attn", attn, "c_attn", c.n_embd, 3 * c.n_embd, c.n_embd
            yield i, "attn.c_proj", attn, "c_proj", c.n_embd, c.n_embd, c.n_embd
        else:
            attn = model.model.layers[i].self_attn
            for n in "qkvo":
                linear = getattr(attn, f"{n}_proj")
                yield i, f"self_attn.{n}_proj", attn, f"{n}_proj", linear.in_features, linear.out_features, linear.out_features if n in "qo" else 0


def score(p, x):
    h = F.layer_norm(x, x.shape[-1:])
    return F.linear(F.gelu(F.linear(h, p["scorer.fc1.weight"], p["scorer.fc1.bias"])), p["scorer.fc2.weight"], p["scorer.fc2.bias"])


def top(scores, count, sinks):
    """Sorted positions: the sinks and the best others. A cut that rounding could move is refused."""
    z = scores.detach().clone()
    z[:sinks] = math.inf
    order = z.sort(descending=True)
    if count < len(z):
        assert order.values[count - 1] - order.values[count] > 1e-5, "two scores at the cut are too near"
    return order.indices[:count].sort().values


def run(case, model, adapted, p, passages):
    sinks, lam, c = case["sinks"], case["lambda"], model.config
    layers, heads = c.num_hidden_layers, getattr(c, "num_key_value_heads", None) or c.num_attention_heads
    turns = sum(len(passage["turns"]) for passage in passages)
    total, forward, reverse, kept_all = 0.0, 0.0, 0.0, []

    def route(mask):
        for module in adapted:
            module.routed = mask

    for passage, keep in zip(passages, case["keep"]):
        ctx, S = torch.tensor([passage["contextIds"]]), len(passage["contextIds"])
        count = min(S, max(sinks + 1, math.floor(keep * S + 0.5)))
        route(None)
        with torch.no_grad():
            hidden = model(ctx, output_hidden_states=True).hidden_states[case["eta"]][0]
        scores = score(p, hidden)  # [S, 1] or [S, layers * heads]
        entries = [top(column, count, sinks) for column in scores.T]
        routed = entries[0] if len(entries) == 1 else top(scores.mean(1), count, sinks)
        kept_all.append({"entries": [e.tolist() for e in entries], "routed": routed.tolist()})
        route(torch.zeros(S).index_fill(0, routed, 1.0))
        full = model(ctx, use_cache=True).past_key_values
        route(None)
        compressed = []
        for i in range(layers):
            keys, values = [], []
            for g in range(heads):
                column = 0 if len(entries) == 1 else i * heads + g
                rows = entries[column]
                soft = torch.sigmoid(scores[rows, column])
                gate = soft if case["gate"] == "sigmoid" else 1 + soft - soft.detach()
                gate = torch.where(rows < sinks, torch.ones_like(gate), gate)
                keys.append(full.layers[i].keys[0, g, rows] * gate[:, None])
                values.append(full.layers[i].values[0, g, rows])
            compressed.append((torch.stack(keys)[None], torch.stack(values)[None]))
        for turn in passage["turns"]:
            q, a = turn["questionIds"], turn["answerIds"]
            ids, T = torch.tensor([q + a[:-1]]), len(q) + len(a) - 1
            with torch.no_grad():
                teacher = torch.log_softmax(model(torch.cat([ctx, ids], 1)).logits[0, S + len(q) - 1:], -1)
            cache = DynamicCache()
            for i, (k, v) in enumerate(compressed):
                cache.update(k, v, i)
            mask = torch.full((T, count + T), torch.finfo(torch.float32).min).triu(count + 1)[None, None]
            logits = model(ids, past_key_values=cache, position_ids=torch.arange(S, S + T)[None], attention_mask=mask).logits
            student = torch.log_softmax(logits[0, len(q) - 1:], -1)
            kl = (teacher.exp() * (teacher - student)).sum(-1).mean() / turns
            back = (student.exp() * (student - teacher)).sum(-1).mean() / turns
            total, forward, reverse = total + lam * kl + (1 - lam) * back, forward + kl.item(), reverse + back.item()
    return total, forward, reverse, kept_all


def data_of(name, model, generator):
    """Passages and the kept part of each."""
    if name == "llama":
        rows = [json.loads(line) for line in (TRAINING / "triples.jsonl").read_text().splitlines()]
        return [{"contextIds": r["context_ids"], "turns": [{"questionIds": r["question_ids"], "answerIds": r["answer_ids"]}]} for r in rows], [0.4] * len(rows)
    ids = lambda n: [generator.randrange(3, min(model.config.vocab_size, 299)) for _ in range(n)]
    turns = lambda *sizes: [{"questionIds": ids(q), "answerIds": ids(a)} for q, a in sizes]
    passages = [{"contextIds": ids(24), "turns": turns((4, 3), (6, 2))}, {"contextIds": ids(31), "turns": turns((3, 5))}, {"contextIds": ids(11), "turns": turns((5, 1), (2, 4))}]
    return passages, [0.3, 0.55, 0.8]


def new_parameters(case, model, generator):
    c, p = model.config, {}
    noise = lambda *shape, scale: torch.randn(*shape, generator=generator) * scale
    for i, path, _, _, inputs, outputs, _ in modules_of(model):
        p[f"layers.{i}.{path}.lora_A"] = noise(case["rank"], inputs, scale=1 / math.sqrt(inputs))
        p[f"layers.{i}.{path}.lora_B"] = noise(outputs, case["rank"], scale=0.1)
    heads = getattr(c, "num_key_value_heads", None) or c.num_attention_heads
    columns = 1 if case["selection"] == "shared" else c.num_hidden_layers * heads
    E = c.hidden_size
    p["scorer.fc1.weight"] = noise(E, E, scale=1 / math.sqrt(E))
    p["scorer.fc1.bias"] = noise(E, scale=0.1)
    p["scorer.fc2.weight"] = noise(columns, E, scale=1.0)
    p["scorer.fc2.bias"] = noise(columns, scale=0.5) + 1
    return p


def lora_name(name):
    return name.removeprefix("base_model.model.model.").removesuffix(".weight")


def reference_parameters():
    lora = load_file(TRAINING / "adapter" / "adapter_model.safetensors")
    p = {lora_name(k): v for k, v in lora.items()}
    return {**p, **{f"scorer.{k}": v for k, v in load_file(TRAINING / "adapter" / "scorer.safetensors").items()}}


def check_against_reference(result, gradients):
    wanted = json.loads((TRAINING / "loss.json").read_text())
    assert [k["routed"] for k in result["kept"]] == wanted["kept"]
    for key in ("loss", "forwardKl", "reverseKl"):
        assert abs(result[key] / wanted[key] - 1) < 2e-6, (key, result[key], wanted[key])
    for name, g in load_file(TRAINING / "gradients.safetensors").items():
        own = lora_name(name) if "lora" in name else f"scorer.{name}"
        assert (gradients[own] - g).norm() <= 1e-4 * g.norm(), (name, (gradients[own] - g).norm() / g.norm())


def main():
    for folder in ("parameters", "gradients"):
        shutil.rmtree(HERE / folder, ignore_errors=True)
        (HERE / folder).mkdir()
    written = {}
    for number, (name, case) in enumerate(CASES.items()):
        model = AutoModelForCausalLM.from_pretrained(HERE / case["model"], dtype=torch.float32, attn_implementation="eager").eval().requires_grad_(False)
        passages, keep = data_of(name, model, random.Random(100 + number))
        case = {**case, "alpha": ALPHA, "keep": keep, "passages": passages}
        p = reference_parameters() if name == "llama" else new_parameters(case, model, torch.Generator().manual_seed(number))
        for value in p.values():
            value.requires_grad_()
        adapted = []
        for i, path, owner, attribute, _, _, split in list(modules_of(model)):
            module = Adapted(getattr(owner, attribute), p[f"layers.{i}.{path}.lora_A"], p[f"layers.{i}.{path}.lora_B"], ALPHA / math.sqrt(case["rank"]), split)
            setattr(owner, attribute, module)
            adapted.append(module)
        loss, forward, reverse, kept = run(case, model, adapted, p, passages)
        loss.backward()
        gradients = {k: torch.zeros_like(v) if v.grad is None else v.grad for k, v in p.items()}
        result = {"loss": loss.item(), "forwardKl": forward, "reverseKl": reverse, "kept": kept}
        if name == "llama":
            check_against_reference(result, gradients)
        else:
            save_file({k: v.detach().contiguous() for k, v in p.items()}, HERE / "parameters" / f"{name}.safetensors")
            save_file({k: v.contiguous() for k, v in gradients.items()}, HERE / "gradients" / f"{name}.safetensors")
            written[name] = {**case, **result}
        norms = sorted((round(g.norm().item(), 6), k) for k, g in gradients.items())
        print(name, {k: round(v, 5) for k, v in result.items() if k != "kept"}, "zero:", [k for n, k in norms if n == 0], "smallest:", next(x for x in norms if x[0] > 0))
    (HERE / "cases.json").write_text("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in written.items()) + "\n}\n")


main()
