"""`.kvd` files of both versions made from docs/formats/kvd.md with Python's safetensors alone, beside this script. Needs numpy and safetensors."""
import hashlib, os
import numpy as np
from safetensors.numpy import save

OUT = os.path.dirname(os.path.abspath(__file__))
L, G, N, D, S = 2, 2, 3, 2, 12
quarters = lambda first: (first + np.arange(G * N * D) / 4).reshape(G, N, D).astype(np.float16)
tensors = {
    "layers.0.k": quarters(1), "layers.0.v": quarters(-20),
    "layers.1.k": quarters(30), "layers.1.v": quarters(0.5),
    "positions": np.array([0, 2, 9], np.int32),
    "scores": np.array([3, -1.5, 0.1], np.float32),
    "token_ids": np.arange(S, dtype=np.int32) * 100,
}
metadata = {
    "format": "kv-distill-cache", "format_version": "1",
    "model_name": "tiny-llama", "model_hash": "1" * 64, "tokenizer_hash": "2" * 64, "adapter_hash": "none",
    "method": "streaming", "span": "2:10", "context_length": str(S),
    "keep_asked": "fraction:0.25", "keep_obtained": "0.25", "created_by": "kv-distill test",
    "sha256": "0" * 64,
}


def write(name, tensors, metadata):
    data = save(tensors, metadata)
    with open(f"{OUT}/{name}", "wb") as f:
        f.write(data.replace(b"0" * 64, hashlib.sha256(data).hexdigest().encode()))


write("tiny.kvd", tensors, metadata)

# Heads with 3, 1, 2 and 2 rows.
rows = lambda first, count: (first + np.arange(count * D) / 4).reshape(count, D).astype(np.float16)
ragged = {
    "layers.0.k": rows(1, 4), "layers.0.v": rows(-20, 4),
    "layers.1.k": rows(30, 4), "layers.1.v": rows(0.5, 4),
    "row_counts": np.array([[3, 1], [2, 2]], np.int32),
    "positions": np.array([0, 2, 9, 4, 0, 11, 2, 9], np.int32),
    "scores": np.array([3, -1.5, 0.1, 2, 1, 0.25, -7, 8], np.float32),
    "token_ids": np.arange(S, dtype=np.int32) * 100,
}
write("tiny-ragged.kvd", ragged, {**metadata, "format_version": "2", "keep_obtained": str(5 / (L * G) / 8)})
