"""Safetensors files as Python's `safetensors` writes them, beside this script. Needs torch and safetensors."""
import json, os
import torch
from safetensors.torch import save_file

OUT = os.path.dirname(os.path.abspath(__file__))
os.makedirs(f"{OUT}/sharded", exist_ok=True)
g = torch.Generator().manual_seed(0)
floats = torch.tensor([0.0, -0.0, 1.0, -2.5, 65504.0, 1e-7, 3.4e38, float("inf"), float("nan"), 1 / 3], dtype=torch.float64)

tensors = {
    "double": floats.reshape(2, 5),
    "single": floats.float().reshape(2, 5),
    "half": floats.half().reshape(5, 2),
    "brain": floats.bfloat16(),
    "long": torch.tensor([2**63 - 1, -(2**63), 0]),
    "int": torch.tensor([2**31 - 1, -(2**31)], dtype=torch.int32),
    "short": torch.tensor([[32767], [-32768]], dtype=torch.int16),
    "signed": torch.tensor([127, -128, 0], dtype=torch.int8),
    "byte": torch.tensor([255, 0, 1], dtype=torch.uint8),
    "flag": torch.tensor([True, False, True]),
    "scalar": torch.tensor(7.0),
    "empty": torch.zeros(0, 4),
    "größe/🦙": torch.randn(3, generator=g),
    "b.weight": torch.randn(2, 2, generator=g),
    "a.weight": torch.randn(2, 2, generator=g),
}
save_file(tensors, f"{OUT}/all.safetensors", {"format": "pt"})
save_file({}, f"{OUT}/none.safetensors")
with open(f"{OUT}/all.json", "w") as f:
    # float32 values of every floating-point tensor as bit patterns, whole numbers as text
    bits = lambda t: t.detach().float().contiguous().view(torch.int32).flatten().tolist()
    json.dump({k: bits(v) if v.is_floating_point() else [str(int(x)) for x in v.flatten()] for k, v in tensors.items()}, f, ensure_ascii=False, indent=1)

save_file({"x": torch.ones(2)}, f"{OUT}/sharded/model-00001-of-00002.safetensors")
save_file({"y": torch.zeros(3), "z": torch.full((1,), 2.0)}, f"{OUT}/sharded/model-00002-of-00002.safetensors")
names = {1: ["x"], 2: ["y", "z"]}
weight_map = {n: f"model-0000{i}-of-00002.safetensors" for i, ns in names.items() for n in ns}
with open(f"{OUT}/sharded/model.safetensors.index.json", "w") as f:
    json.dump({"metadata": {"total_size": 24}, "weight_map": weight_map}, f, indent=2)
