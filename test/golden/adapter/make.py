"""Loads the adapters that make.ts wrote with PEFT, checks every number and the scale, and saves them again with PEFT.

Needs torch, transformers, peft and safetensors. Writes FAMILY-peft/ beside FAMILY/, and bare/: an adapter without
adapter_config.json and hashes.
"""
import json, math, os, shutil
import torch
from peft import PeftModel
from peft.utils import load_peft_weights
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

OUT = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(0)
bases = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1)),
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=16, n_positions=16, n_embd=8, n_layer=2, n_head=2)),
}
for family, make in bases.items():
    folder = f"{OUT}/{family}"
    base = make()
    before = {n: m.weight.detach().clone() for n, m in base.named_modules() if hasattr(m, "weight")}
    model = PeftModel.from_pretrained(base, folder)
    stored = load_file(f"{folder}/adapter_model.safetensors")
    state = {n.replace(".default", ""): p for n, p in model.named_parameters() if "lora_" in n}
    assert set(state) == set(stored), (set(state) ^ set(stored))
    assert all(torch.equal(state[n].float(), stored[n].float()) for n in stored)
    merged = model.merge_and_unload()
    scale = 16 / math.sqrt(3)
    for name, module in merged.named_modules():
        a = stored.get(f"base_model.model.{name}.lora_A.weight")
        if a is None: continue
        b = stored[f"base_model.model.{name}.lora_B.weight"]
        update = scale * (b.float() @ a.float())
        if family == "gpt2": update = update.T
        assert torch.allclose(module.weight - before[name], update, atol=1e-5), name
    again = PeftModel.from_pretrained(make(), folder)
    target = f"{OUT}/{family}-peft"
    shutil.rmtree(target, ignore_errors=True)
    again.save_pretrained(target)
    if os.path.exists(f"{target}/README.md"): os.remove(f"{target}/README.md")
    assert set(load_peft_weights(target, device="cpu")) == set(stored)
    print(family, len(stored), "tensors equal, merged as expected; PEFT wrote", sorted(os.listdir(target)))

os.makedirs(f"{OUT}/bare", exist_ok=True)
for file in ("adapter_model", "scorer"):
    save_file(load_file(f"{OUT}/llama/{file}.safetensors"), f"{OUT}/bare/{file}.safetensors")
json.dump({"eta": 1, "sink": 4, "alpha": 16}, open(f"{OUT}/bare/kv-distill.json", "w"))
