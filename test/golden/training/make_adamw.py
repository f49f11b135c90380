"""Golden steps of PyTorch's AdamW with clipping.

  python make_adamw.py        (pip install torch)

Writes adamw.json beside this file: settings, the values to start from, and for every step its gradients, their norm before clipping and
the values after it, all in float64 arithmetic on float32 inputs.
"""
import json, os
import torch

torch.manual_seed(2)
here = os.path.dirname(os.path.abspath(__file__))
settings = {"beta1": 0.9, "beta2": 0.98, "epsilon": 1e-8, "weightDecay": 0.03, "clip": 1.0}
rates = {"a": 1e-2, "b": 3e-3}
start = {"a": torch.randn(2, 3), "b": torch.randn(4)}
params = {n: torch.nn.Parameter(v.double()) for n, v in start.items()}
optimiser = torch.optim.AdamW([{"params": [params[n]], "lr": rates[n]} for n in params], betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"], weight_decay=settings["weightDecay"])
steps = []
for i in range(6):
    size = 10.0 ** (i - 3)  # from far below the clipping limit to far above
    gradients = {n: torch.randn_like(v) * size for n, v in start.items()}
    for n, p in params.items():
        p.grad = gradients[n].double()
    norm = torch.nn.utils.clip_grad_norm_(list(params.values()), settings["clip"])
    optimiser.step()
    steps.append({"gradients": {n: g.flatten().tolist() for n, g in gradients.items()}, "norm": float(norm), "values": {n: p.detach().flatten().tolist() for n, p in params.items()}})
out = {"settings": settings, "rates": rates, "shapes": {n: list(v.shape) for n, v in start.items()}, "start": {n: v.flatten().tolist() for n, v in start.items()}, "steps": steps}
json.dump(out, open(os.path.join(here, "adamw.json"), "w"), indent=1)
