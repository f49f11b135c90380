"""Golden losses and gradients of one batch, made by the PyTorch reference of the method (shared/reference/kv_distill_torch.py).

  python make.py PATH_TO_REFERENCE_FOLDER        (pip install torch transformers safetensors numpy)

Writes beside this file: llama/ (a tiny random checkpoint), adapter/, triples.jsonl, loss.json, gradients.safetensors.
"""
import json, os, random, subprocess, sys
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

here = os.path.dirname(os.path.abspath(__file__))
reference = os.path.join(sys.argv[1], "kv_distill_torch.py")
at = lambda *parts: os.path.join(here, *parts)
torch.manual_seed(7)

config = LlamaConfig(vocab_size=61, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
                     head_dim=8, max_position_embeddings=256, rope_theta=10000.0, rms_norm_eps=1e-5, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2)
model = LlamaForCausalLM(config).float()
with torch.no_grad():  # larger than the usual start, so that attention is not uniform and every gradient is far from zero
    for p in model.parameters():
        p.copy_(1 + 0.2 * torch.randn_like(p) if p.dim() == 1 else torch.randn_like(p) * 0.3)
model.save_pretrained(at("llama"))
c = json.load(open(at("llama", "config.json")))
c["rope_theta"] = 10000.0
json.dump(c, open(at("llama", "config.json"), "w"), indent=1)
subprocess.run([sys.executable, reference, "init", "--model", at("llama"), "--adapter", at("adapter"), "--rank", "4", "--seed", "3", "--noise", "0.1"], check=True)
meta = json.load(open(at("adapter", "kv-distill.json"))); meta["eta"] = 2
json.dump(meta, open(at("adapter", "kv-distill.json"), "w"))
scorer = load_file(at("adapter", "scorer.safetensors")); scorer["fc2.weight"] = scorer["fc2.weight"] * 50; scorer["fc2.bias"] -= 2  # gates well below 1
save_file(scorer, at("adapter", "scorer.safetensors"))

random.seed(5)
ids = lambda n: [random.randrange(3, 61) for _ in range(n)]
with open(at("triples.jsonl"), "w") as f:
    for s, q, a in [(23, 5, 3), (17, 4, 1), (30, 6, 4), (9, 3, 2)]:
        f.write(json.dumps({"context_ids": ids(s), "question_ids": ids(q), "answer_ids": ids(a)}) + "\n")
out = subprocess.run([sys.executable, reference, "loss", "--model", at("llama"), "--adapter", at("adapter"), "--triples", at("triples.jsonl"),
                      "--keep", "0.4", "--grads", at("gradients.safetensors")], check=True, capture_output=True, text=True).stdout
open(at("loss.json"), "w").write(out)
print(out)
