"""Rows that kvpress keeps of a text read by SmolLM2-135M-Instruct, method by method.

python3.11 -m venv kvpress-venv && kvpress-venv/bin/pip install kvpress==0.5.5 torch transformers==5.2.0
kvpress-venv/bin/python tools/golden/kvpress_kept.py HF_FOLDER test/golden/kvpress

Writes kept.json.gz: the text, its ids, and for every method and count a bit mask of the kept tokens, entry by entry (layer-major, then kv
head). Kept rows are read off the cache that kvpress leaves (KVzip masks instead: off its list), so selection is kvpress's own; scores are
only looked at to name near-ties: tokens whose score lies within TIE of the cut. https://github.com/NVIDIA/kvpress
"""

import base64
import gzip
import json
import sys
from pathlib import Path

import kvpress
import torch
import transformers
from kvpress import (
    ExpectedAttentionPress,
    KeyDiffPress,
    KnormPress,
    KVzipPress,
    ObservedAttentionPress,
    PyramidKVPress,
    SnapKVPress,
    StreamingLLMPress,
    TOVAPress,
)
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

KEEPS = (0.5, 0.25, 0.1)
SINKS = 4
WINDOW = 64
TIE = 1e-5
SMALL_CHUNK = 150

# The Declaration of Independence of the United States, 1776; public domain.
TEXT = """When in the Course of human events, it becomes necessary for one people to dissolve the political bands which have \
connected them with another, and to assume among the powers of the earth, the separate and equal station to which the Laws of Nature and of \
Nature's God entitle them, a decent respect to the opinions of mankind requires that they should declare the causes which impel them to the \
separation.

We hold these truths to be self-evident, that all men are created equal, that they are endowed by their Creator with certain unalienable \
Rights, that among these are Life, Liberty and the pursuit of Happiness. That to secure these rights, Governments are instituted among Men, \
deriving their just powers from the consent of the governed. That whenever any Form of Government becomes destructive of these ends, it is the \
Right of the People to alter or to abolish it, and to institute new Government, laying its foundation on such principles and organizing its \
powers in such form, as to them shall seem most likely to effect their Safety and Happiness. Prudence, indeed, will dictate that Governments \
long established should not be changed for light and transient causes; and accordingly all experience hath shewn, that mankind are more \
disposed to suffer, while evils are sufferable, than to right themselves by abolishing the forms to which they are accustomed. But when a long \
train of abuses and usurpations, pursuing invariably the same Object evinces a design to reduce them under absolute Despotism, it is their \
right, it is their duty, to throw off such Government, and to provide new Guards for their future security."""


class H2OPress(ObservedAttentionPress):
    """H2O's rule on kvpress's attention: the sum over queries, where ObservedAttentionPress has the mean."""

    def score(self, module, hidden_states, keys, values, attentions, kwargs):
        means = super().score(module, hidden_states, keys, values, attentions, kwargs)
        return means * torch.arange(keys.shape[2], 0, -1)


def recording(press):
    """The press, with the scores of every layer kept in `press.seen`."""
    press.seen = {}
    score = type(press).score

    def record(self, module, *rest):
        scores = score(self, module, *rest)
        self.seen[module.layer_idx] = scores[0]
        return scores

    press.__class__ = type(type(press).__name__, (type(press),), {"score": record})
    return press


def read(model, ids, press):
    cache = DynamicCache()
    with torch.no_grad(), press(model):
        model(torch.tensor([ids]), past_key_values=cache)
    return cache


def kept_of(cache, full, layer):
    """Positions of a compressed layer's rows, head by head: rows of the full cache that they equal."""
    found = []
    for small, whole in zip(cache.layers[layer].keys[0], full.layers[layer].keys[0]):
        equal = (small[:, None, :] == whole[None, :, :]).all(-1)
        assert (equal.sum(-1) == 1).all()
        found.append(equal.float().argmax(-1).tolist())
    return found


def near_ties(scores, kept):
    """Tokens that scored so near the cut that rounding may have chosen."""
    inside = torch.zeros(len(scores), dtype=torch.bool)
    inside[kept] = True
    if inside.all():
        return []
    cut = (scores[inside].min() + scores[~inside].max()) / 2
    near = (scores - cut).abs() <= TIE * cut.abs()
    return near.nonzero().flatten().tolist() if (near & inside).any() and (near & ~inside).any() else []


def mask(kept, tokens):
    bits = bytearray((tokens + 7) // 8)
    for token in kept:
        bits[token // 8] |= 1 << (token % 8)
    return base64.b64encode(bytes(bits)).decode()


def main(folder, out):
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    header = tokenizer.apply_chat_template([{"role": "user", "content": "STANDIN"}], tokenize=False).split("STANDIN")[0]
    ids = tokenizer(header + TEXT, add_special_tokens=False)["input_ids"]
    tokens = len(ids)
    models = {
        name: AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=name).eval()
        for name in ("sdpa", "eager")
    }
    config = models["sdpa"].config
    layers, heads = config.num_hidden_layers, config.num_key_value_heads
    full = read(models["sdpa"], ids, KnormPress(compression_ratio=0.0))
    full_eager = read(models["eager"], ids, KnormPress(compression_ratio=0.0))

    results = []

    def add(method, count, sinks, kept, near, **options):
        print(method, options, count, "near-ties:", sum(len(one) > 0 for one in near), file=sys.stderr)
        ties = {str(i): one for i, one in enumerate(near) if one}
        masks = [mask(one, tokens) for one in kept]
        results.append({"method": method, "options": options, "count": count, "sinks": sinks, "kept": masks, "near": ties})

    for count in (round(keep * tokens) for keep in KEEPS):
        # int(tokens * (1 - ratio)) is count, whatever the rounding of the product
        ratio = 1 - (count + 0.5) / tokens
        window = min(WINDOW, count // 2)
        presses = {
            "streaming": (StreamingLLMPress(ratio, n_sink=SINKS), SINKS, {}),
            "knorm": (KnormPress(ratio), 0, {}),
            "keydiff": (KeyDiffPress(ratio), 0, {}),
            "tova": (TOVAPress(ratio), 0, {}),
            "snapkv": (SnapKVPress(ratio, window_size=window), 0, {"window": window}),
            "pyramidkv": (PyramidKVPress(1 - count / tokens, window_size=window), 0, {"window": window}),
            "expected-attention": (ExpectedAttentionPress(ratio, n_sink=SINKS), SINKS, {}),
            "h2o": (H2OPress(ratio), 0, {}),
        }
        for method, (press, sinks, options) in presses.items():
            eager = method == "h2o"
            press = recording(press)
            cache = read(models["eager" if eager else "sdpa"], ids, press)
            kept = [one for layer in range(layers) for one in kept_of(cache, full_eager if eager else full, layer)]
            scores = [press.seen[layer][head] for layer in range(layers) for head in range(heads)]
            # Streaming scores 0 or 1: there are no ties to name
            near = [[] for _ in kept] if method == "streaming" else [near_ties(s, k) for s, k in zip(scores, kept)]
            add(method, count, sinks, kept, near, **options)

        total, chosen = layers * heads * tokens, layers * heads * count
        for chunk in (2048, SMALL_CHUNK):
            press = KVzipPress((total - chosen + 0.5) / total, n_sink=SINKS, chunk_size=chunk)
            press.seen = None
            finish = press.compress_post

            def record(model, press=press, finish=finish):
                finish(model)
                press.seen = press.score_val.clone()

            press.compress_post = record
            read(models["sdpa"], ids, press)
            scores = press.seen.reshape(layers * heads, tokens)
            inside = torch.ones(layers, heads, tokens, dtype=torch.bool)
            for layer, module in enumerate(models["sdpa"].model.layers):
                _, head_indices, token_indices = module.self_attn.masked_key_indices
                inside[layer, head_indices, token_indices] = False
                module.self_attn.masked_key_indices = None
            inside = inside.reshape(layers * heads, tokens)
            assert inside.sum() == chosen
            ties = near_ties(scores.flatten(), inside.flatten().nonzero().flatten())
            near = [[at % tokens for at in ties if at // tokens == entry] for entry in range(layers * heads)]
            add("kvzip", count, SINKS, [one.nonzero().flatten().tolist() for one in inside], near, chunk=chunk)
            # The same scores, every head for itself: kvpress has no such press
            uniform = [own.topk(count).indices.tolist() for own in scores]
            add("kvzip-uniform", count, SINKS, uniform, [near_ties(s, k) for s, k in zip(scores, uniform)], chunk=chunk)

    made_with = f"kvpress 0.5.5, transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}, float32"
    document = {"madeWith": made_with, "tie": TIE, "text": TEXT, "ids": ids, "results": results}
    target = Path(out) / "kept.json.gz"
    target.write_bytes(gzip.compress(json.dumps(document).encode(), mtime=0))
    print(target, target.stat().st_size, "bytes", file=sys.stderr)


if __name__ == "__main__":
    assert kvpress.__file__
    main(*sys.argv[1:])
