"""Logits of tiny random models by Hugging Face transformers, float32.

  python make.py        (pip install torch transformers safetensors)

The models are those of ../gguf-models and three more, written beside this file (no tokenizer: tests lend them one):
  smollm2       3 key/value heads for 9 query heads, tied embeddings
  llama3-short  Llama 3's rotary scaling with a wavelength limit of 32 tokens, so that it matters within a short text
  nemo          Mistral with heads wider than hidden size / heads, no window

Writes logits.json (ids, rows) and logits.safetensors: for every model
  {name}.full      logits of some rows of one pass over the ids, [rows, vocabulary]
  {name}.gapped    the first `context` ids are read, only the rows `kept` of the cache stay, and the rest is read on top of them from
                   position `context` on: logits of its last row, [1, vocabulary]
"""
import json, random, shutil
from pathlib import Path
import torch, transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, DynamicCache, LlamaConfig, MistralConfig

HERE = Path(__file__).resolve().parent
TINY = HERE.parent / "gguf-models"
transformers.logging.set_verbosity_error()

small = dict(vocab_size=300, num_hidden_layers=2, max_position_embeddings=128, rms_norm_eps=1e-5, bos_token_id=0, eos_token_id=1)
short = dict(rope_type="llama3", rope_theta=10000.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
OWN = {
    "smollm2": LlamaConfig(**small, hidden_size=36, intermediate_size=40, num_attention_heads=9, num_key_value_heads=3, rope_parameters=dict(rope_type="default", rope_theta=100000.0), tie_word_embeddings=True),
    "llama3-short": LlamaConfig(**small, hidden_size=32, intermediate_size=24, num_attention_heads=4, num_key_value_heads=2, rope_parameters=short),
    "nemo": MistralConfig(**small, hidden_size=16, intermediate_size=24, num_attention_heads=2, num_key_value_heads=1, head_dim=16, sliding_window=None),
}
LENDERS = ["llama", "llama-bias", "llama3", "linear", "mistral", "qwen2", "qwen3", "gpt2"]
LENGTH, CONTEXT = {"mistral": 32}, 20  # the window of the tiny Mistral
ROWS = [0, 1, 2, 7, 19, 30, -1]


def own_models():
    torch.manual_seed(11)
    for name, config in OWN.items():
        shutil.rmtree(HERE / name, ignore_errors=True)
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for p in model.parameters():
                p.copy_(torch.randint(-64, 65, p.shape) / 64)
        model.to(torch.float16).save_pretrained(HERE / name)
        (HERE / name / "generation_config.json").unlink(missing_ok=True)
        yield name, HERE / name


def gapped(model, ids, kept):
    cache = model(torch.tensor([ids[:CONTEXT]]), use_cache=True).past_key_values
    short = DynamicCache()
    for i, layer in enumerate(cache.layers):
        short.update(layer.keys[:, :, kept], layer.values[:, :, kept], i)
    rest = ids[CONTEXT:]
    positions = torch.arange(CONTEXT, len(ids))[None]
    total = len(kept) + len(rest)
    mask = torch.full((len(rest), total), torch.finfo(torch.float32).min).triu(len(kept) + 1)[None, None]
    return model(torch.tensor([rest]), past_key_values=short, position_ids=positions, attention_mask=mask).logits[0, -1:]


def main():
    random.seed(3)
    tensors, cases = {}, {}
    for name, folder in [*own_models(), *((name, TINY / name) for name in LENDERS)]:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        length = LENGTH.get(name, 60)
        ids = [random.randrange(2, 300) for _ in range(length)]
        rows = [row if row >= 0 else length - 1 for row in ROWS]
        kept = sorted(random.sample(range(CONTEXT), 7))
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0]
            tensors[f"{name}.full"] = logits[rows].contiguous()
            tensors[f"{name}.gapped"] = gapped(model, ids, kept).contiguous()
        cases[name] = {"ids": ids, "rows": rows, "context": CONTEXT, "kept": kept}
        print(name, "largest logit", round(logits.abs().max().item(), 3), "gap changes", (tensors[f"{name}.gapped"] - logits[-1]).abs().max().item())
    save_file(tensors, HERE / "logits.safetensors")
    (HERE / "logits.json").write_text("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in cases.items()) + "\n}\n")


main()
