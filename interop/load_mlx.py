"""Reads a cache that `kv-distill export --to mlx` wrote. Needs mlx and mlx-lm.

cache = load_cache("report.safetensors")
logits = model(mx.array([question_ids]), cache=cache)
or: mlx_lm.generate(model, tokenizer, prompt=question_ids, prompt_cache=cache)
Reading makes the cache grow: read `copy_of(cache)` to ask it again.
"""

import mlx.core as mx
from mlx_lm.models.base import create_causal_mask


class DistilledCache:
    """Rows of one layer. `offset`, what rotations are made with, is the next token's position and not the number of rows."""

    def __init__(self, keys, values, offset):
        self.keys, self.values, self.offset = keys, values, offset

    def update_and_fetch(self, keys, values):
        self.keys = mx.concatenate([self.keys.astype(keys.dtype), keys], axis=2)
        self.values = mx.concatenate([self.values.astype(values.dtype), values], axis=2)
        self.offset += keys.shape[2]
        return self.keys, self.values

    def make_mask(self, tokens, window_size=None, **_):
        if window_size is not None:
            raise NotImplementedError("rows with gaps between them have no sliding window")
        return create_causal_mask(tokens, offset=self.keys.shape[2])

    @property
    def state(self):
        return self.keys, self.values


def load_cache(path):
    """One cache for each layer."""
    tensors, facts = mx.load(path, return_metadata=True)
    position = int(facts["context_length"])
    return [
        DistilledCache(tensors[f"layers.{i}.k"], tensors[f"layers.{i}.v"], position) for i in range(int(facts["layers"]))
    ]


def copy_of(cache):
    return [DistilledCache(layer.keys, layer.values, layer.offset) for layer in cache]
