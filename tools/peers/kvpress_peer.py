"""kvpress on the CPU: reads a text and compresses its cache; answers as its pipeline does. variant = the press."""
import importlib.metadata, json, sys
import torch
import kvpress
from serve import Measured, serve
from transformers import AutoModelForCausalLM, DynamicCache

PRESSES = {"snapkv": "SnapKVPress", "knorm": "KnormPress", "expected-attention": "ExpectedAttentionPress"}
side = {}


def open_side(r):
    torch.set_num_threads(r["threads"])
    side["model"] = AutoModelForCausalLM.from_pretrained(r["model"]["folder"], dtype=torch.float32, attn_implementation="sdpa").eval()
    side["press"] = getattr(kvpress, PRESSES[r["variant"]])


@torch.inference_mode()
def compress(r):
    if r["foldTokens"] is not None:
        raise ValueError("kvpress does not fold")
    model, ids = side["model"], torch.tensor([r["ids"]])
    press = side["press"](compression_ratio=1 - r["keep"])
    cache = DynamicCache()
    with Measured() as measured:
        with press(model):
            model.model(input_ids=ids, past_key_values=cache)
    return measured, len(r["ids"]), {"rows": cache.layers[0].keys.shape[2]}


class Ids:
    """In place of a tokenizer: an answer's text is its ids."""

    model_max_length = sys.maxsize

    def decode(self, ids, **_):
        return json.dumps(ids.tolist())


@torch.inference_mode()
def answers(r):
    model = side["model"]
    model.generation_config.eos_token_id = -1  # every answer is `steps` long
    pipeline = kvpress.KVPressTextGenerationPipeline(model=model, tokenizer=Ids())
    rows = lambda ids: torch.tensor([ids])
    inputs = {"context_ids": rows(r["context"]), "questions_ids": [rows(ids) for ids in r["questions"]]}
    with Measured() as measured:
        texts = []
        for keep in r["keeps"]:
            press = side["press"](compression_ratio=1 - keep)
            texts += pipeline._forward(inputs, max_new_tokens=r["steps"], press=press)
    return measured, len(texts), {"ids": [token for text in texts for token in json.loads(text)]}


found = {name: importlib.metadata.version(name) for name in ("kvpress", "torch", "transformers")}
serve({"python": sys.version.split()[0], **found}, open_side, {"compress": compress, "answers": answers})
