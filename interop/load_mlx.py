"""Reads a cache that `kv-distill export --to mlx` wrote. Needs mlx and mlx-lm.

cache = load_cache("report.safetensors")
logits = model(mx.array([question_ids]), cache=cache)
or: mlx_lm.generate_step(mx.array(question_ids), model, prompt_cache=cache)
"""

import mlx.core as mx
from mlx_lm.models.base import create_causal_mask


class DistilledCache:
    """Rows of one layer. `offset`, what rotations are made with, is the next token's position and not the number of rows."""

    def __init__(self, keys, values, position):
        self.keys, self.values, self.offset = keys, values, position

    def update_and_fetch(self, keys, values):
        self.keys = mx.concatenate([self.keys, keys], axis=2)
        self.values = mx.concatenate([self.values, values], axis=2)
        self.offset += keys.shape[2]
        return self.keys, self.values

    def make_mask(self, tokens, **_):
        return create_causal_mask(tokens, offset=self.keys.shape[2])

    @property
    def state(self):
        return self.keys, self.values


def load_cache(path):
    """One cache for each layer."""
    tensors, facts = mx.load(path, return_metadata=True)
    position = int(facts["context_length"])
    rows = [(tensors[f"layers.{i}.k"], tensors[f"layers.{i}.v"]) for i in range(int(facts["layers"]))]
    return [DistilledCache(keys, values, position) for keys, values in rows]
