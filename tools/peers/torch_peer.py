"""PyTorch on the CPU. variant "reference": one training step of the reference implementation; "peft": the step as transformers and PEFT
make it easiest to write; "transformers": prefill and decoding. precision fp32 or bf16."""
import math, os, sys
import torch
from safetensors.torch import load_file
from serve import Measured, serve

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
side = {}


def versions():
    found = {"python": sys.version.split()[0], "torch": torch.__version__}
    for name in ("transformers", "peft"):
        try:
            found[name] = __import__(name).__version__
        except ImportError:
            pass
    return found


def open_side(r):
    torch.set_num_threads(r["threads"])
    dtype = DTYPES[r["precision"]]
    folder = r["model"]["folder"]
    if r["variant"] == "reference":
        sys.path.insert(0, r["reference"])
        import kv_distill_torch as reference
        side.update(reference=reference, base=reference.Base(folder, dtype))
    else:
        from transformers import AutoModelForCausalLM
        side["model"] = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa").eval()
    side["variant"] = r["variant"]


def tokens_of(triples):
    return sum(len(t["context_ids"]) + len(t["question_ids"]) + len(t["answer_ids"]) for t in triples)


def optimiser(r, parameters):
    return torch.optim.AdamW(parameters, lr=r["learningRate"], betas=(0.9, 0.98), eps=1e-8, weight_decay=0)


def train(r):
    step = {"reference": reference_step, "peft": peft_step}.get(side["variant"])
    if step is None:
        raise ValueError(f"{side['variant']} does not train")
    measured, loss = step(r)
    return measured, tokens_of(r["triples"]), {"loss": loss}


def update(parameters):
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    side["optimiser"].step()
    side["optimiser"].zero_grad()


def reference_step(r):
    reference = side["reference"]
    if "adapter" not in side:
        tensors, scorer = (load_file(os.path.join(r["start"], f)) for f in ("adapter_model.safetensors", "scorer.safetensors"))
        meta = {"eta": r["eta"], "sink": r["sinks"], "alpha": r["alpha"]}
        side["adapter"] = reference.Adapter(side["base"], tensors, scorer, meta)
        side["optimiser"] = optimiser(r, side["adapter"].parameters())
    with Measured() as measured:
        loss = reference.batch_loss(side["base"], side["adapter"], r["triples"], r["keep"], r["lambda"])[0]
        loss.backward()
        update(side["adapter"].parameters())
    return measured, float(loss.detach())


def pad(rows):
    width = max(map(len, rows))
    return torch.tensor([row + [0] * (width - len(row)) for row in rows]), torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])


def start_peft(r):
    from peft import LoraConfig, get_peft_model
    config = LoraConfig(r=r["rank"], lora_alpha=r["alpha"], use_rslora=True, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"])
    model = get_peft_model(side["model"], config)
    tensors = load_file(os.path.join(r["start"], "adapter_model.safetensors"))
    named = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in tensors.items():
            named[name.replace(".weight", ".default.weight")].copy_(value)
    scorer = torch.nn.Sequential(torch.nn.LayerNorm(model.config.hidden_size, elementwise_affine=False), torch.nn.Linear(model.config.hidden_size, model.config.hidden_size), torch.nn.GELU(), torch.nn.Linear(model.config.hidden_size, 1))
    saved = load_file(os.path.join(r["start"], "scorer.safetensors"))
    scorer[1].load_state_dict({"weight": saved["fc1.weight"], "bias": saved["fc1.bias"]})
    scorer[3].load_state_dict({"weight": saved["fc2.weight"], "bias": saved["fc2.bias"]})
    learned = [p for p in model.parameters() if p.requires_grad] + list(scorer.parameters())
    side.update(peft=model, scorer=scorer, learned=learned, optimiser=optimiser(r, learned))


def peft_step(r):
    """Library calls only: logits of every token, no routing of Q and O, teacher and student from the first layer on."""
    from transformers import DynamicCache
    if "peft" not in side:
        start_peft(r)
    model, scorer, triples = side["peft"], side["scorer"], r["triples"]
    contexts = [t["context_ids"] for t in triples]
    readers = [t["question_ids"] + t["answer_ids"][:-1] for t in triples]
    with Measured() as measured:
        with torch.no_grad(), model.disable_adapter():
            ids, mask = pad([c + q for c, q in zip(contexts, readers)])
            teacher = model(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
        lengths = torch.tensor([len(c) for c in contexts])
        ids, mask = pad(contexts)
        scores = scorer(teacher.hidden_states[r["eta"]][:, : ids.shape[1]].float())[..., 0]
        order = scores.detach().masked_fill(mask == 0, -math.inf)
        order[:, : r["sinks"]] = math.inf
        counts = [min(n, max(r["sinks"] + 1, math.floor(r["keep"] * n + 0.5))) for n in lengths.tolist()]
        kept, live = pad([order[b].topk(k).indices.sort().values.tolist() for b, k in enumerate(counts)])
        gate = torch.where(kept < r["sinks"], 1.0, torch.sigmoid(scores.gather(1, kept)))
        encoded = model(input_ids=ids, attention_mask=mask, use_cache=True).past_key_values
        rows = []
        for layer in encoded.layers:
            at = kept[:, None, :, None].expand(-1, layer.keys.shape[1], -1, layer.keys.shape[3])
            rows.append((layer.keys.gather(2, at) * gate[:, None, :, None], layer.values.gather(2, at)))
        ids, mask = pad(readers)
        positions = lengths[:, None] + torch.arange(ids.shape[1])[None]
        with model.disable_adapter():
            student = model(input_ids=ids, attention_mask=torch.cat([live, mask], 1), position_ids=positions, past_key_values=DynamicCache(rows))
        loss = 0
        for b, t in enumerate(triples):
            n, first = len(t["answer_ids"]), len(t["question_ids"]) - 1
            p = teacher.logits[b, lengths[b] + first : lengths[b] + first + n].float().log_softmax(-1)
            q = student.logits[b, first : first + n].float().log_softmax(-1)
            forward, reverse = (p.exp() * (p - q)).sum(-1).mean(), (q.exp() * (q - p)).sum(-1).mean()
            loss = loss + (r["lambda"] * forward + (1 - r["lambda"]) * reverse) / len(triples)
        loss.backward()
        update(side["learned"])
    return measured, float(loss.detach())


@torch.inference_mode()
def prefill(r):
    ids = torch.tensor([r["ids"]])
    with Measured() as measured:
        logits = side["model"](input_ids=ids, use_cache=True, logits_to_keep=1).logits
    return measured, len(r["ids"]), {"next": int(logits[0, -1].argmax())}


@torch.inference_mode()
def decode(r):
    if r["keep"] < 1:
        raise ValueError("only full caches")
    model = side["model"]
    if side.get("context") != r["context"]:
        side["cache"] = model(input_ids=torch.tensor([r["context"]]), use_cache=True, logits_to_keep=1).past_key_values
        side["context"] = r["context"]
    cache, chosen, next_id = side["cache"], [], r["first"]
    with Measured() as measured:
        for _ in range(r["steps"]):
            logits = model(input_ids=torch.tensor([[next_id]]), past_key_values=cache, use_cache=True).logits
            next_id = int(logits[0, -1].argmax())
            chosen.append(next_id)
    cache.crop(-r["steps"])
    return measured, r["steps"], {"ids": chosen}


serve(versions(), open_side, {"train": train, "prefill": prefill, "decode": decode})
