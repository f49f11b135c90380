"""Reads a cache that `kv-distill export --to transformers` wrote. Needs torch, safetensors, transformers.

cache, position = load_cache("report.safetensors")
ids = tokenizer(question, add_special_tokens=False, return_tensors="pt").input_ids
logits = model(ids, past_key_values=cache, position_ids=position + torch.arange(ids.shape[1])[None]).logits
The next call goes on at `position + ids.shape[1]`; the cache has grown by the question's rows.
"""

from safetensors import safe_open
from transformers import DynamicCache


def load_cache(path):
    """The cache, and the position of the next token: kept rows have gaps between them, so it is not their number."""
    cache = DynamicCache()
    with safe_open(path, "pt") as file:
        facts = file.metadata()
        for layer in range(int(facts["layers"])):
            cache.update(file.get_tensor(f"layers.{layer}.k"), file.get_tensor(f"layers.{layer}.v"), layer)
    return cache, int(facts["context_length"])
