"""Reads a cache that `kv-distill export --to transformers` wrote. Needs torch, safetensors, transformers 5 (for 4 see `inputs_after`).

cache, position = load_cache("report.safetensors", model)
ids = tokenizer(question, add_special_tokens=False, return_tensors="pt").input_ids
logits = model(**inputs_after(model, cache, position, ids)).logits
or: model.generate(**inputs_after(model, cache, position, ids), max_new_tokens=32, do_sample=False)[:, ids.shape[1]:]
Reading makes the cache grow: read a `copy.deepcopy(cache)` to ask it again, or go on after it at `position` + the tokens read.
"""

import inspect

import torch
from safetensors import safe_open
from transformers import DynamicCache


def load_cache(path, model):
    """The cache, and the position of the next token: kept rows have gaps between them, so it is not their number."""
    cache = DynamicCache()
    with safe_open(path, "pt") as file:
        facts = file.metadata()
        for layer in range(int(facts["layers"])):
            rows = [file.get_tensor(f"layers.{layer}.{kind}").to(model.device, model.dtype) for kind in "kv"]
            cache.update(*rows, layer)
    return cache, int(facts["context_length"])


def inputs_after(model, cache, position, ids):
    """What the model reads `ids` [1, n] with. The generate() of transformers 4 does not move given positions on: there, call the model."""
    name = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
    count = ids.shape[1]
    return {
        "input_ids": ids,
        name: cache,
        "position_ids": position + torch.arange(count, device=ids.device)[None],
        "attention_mask": torch.ones(1, cache.get_seq_length() + count, dtype=torch.long, device=ids.device),
    }
