"""Golden GGUF data from gguf-py, beside this script. Needs gguf, numpy and safetensors.

blocks.safetensors: for each type, random blocks (TYPE.bytes) and what gguf-py decodes them to (TYPE.values)
small.gguf:         every metadata type, and one tensor of each type over the same blocks
small.json:         its metadata and tensor shapes as gguf-py reads them
"""
import json, os
import numpy as np
from gguf import GGMLQuantizationType as T, GGUFReader, GGUFWriter, GGUFValueType as V
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize
from safetensors.numpy import save_file

OUT = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(0)
BLOCKS = 8
# byte offsets of half-precision fields in a block, kept finite in all blocks but the last two
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}

golden, quantised = {}, {}
for name in ["F32", "F16", "BF16", *HALVES]:
    elements, size = GGML_QUANT_SIZES[T[name]]
    count = BLOCKS if elements > 1 else 64
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for row, special in enumerate([None] * (count - 2) + [np.float16("inf"), np.float16("nan")]):
        for at in HALVES.get(name, []):
            half = special if special is not None else np.float16(rng.normal() * 10.0 ** rng.integers(-6, 3))
            data[row, at:at + 2] = np.frombuffer(half.tobytes(), np.uint8)
    with np.errstate(all="ignore"):
        values = dequantize(data.reshape(2, -1) if name != "F32" else data.reshape(-1), T[name])
    golden[f"{name}.bytes"] = data.reshape(-1)
    golden[f"{name}.values"] = np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
    quantised[name] = data
save_file(golden, f"{OUT}/blocks.safetensors")

w = GGUFWriter(f"{OUT}/small.gguf", "llama")
w.add_uint8("t.uint8", 255); w.add_int8("t.int8", -128)
w.add_uint16("t.uint16", 65535); w.add_int16("t.int16", -32768)
w.add_uint32("t.uint32", 2**32 - 1); w.add_int32("t.int32", -(2**31))
w.add_uint64("t.uint64", 2**64 - 1); w.add_int64("t.int64", -(2**63))
w.add_float32("t.float32", 1e-5); w.add_float64("t.float64", 1 / 3)
w.add_bool("t.bool", True); w.add_string("t.string", "größe 🦙\n")
w.add_string("t.empty", "")
w.add_array("tokenizer.ggml.tokens", ["<s>", "Ġthe", "", "日本"])
w.add_array("tokenizer.ggml.token_type", [3, 1, 1, 1])
w.add_array("t.scores", [0.5, -1.0])
w.add_array("t.bools", [True, False])
w.add_key_value("t.uint64s", [2**40, 7], V.ARRAY, sub_type=V.UINT64)
for name, data in quantised.items():
    kind = T[name]
    if name in ("F32", "F16"):
        w.add_tensor(f"{name}.weight", data.reshape(-1).view(np.float32 if name == "F32" else np.float16).reshape(4, 16))
    else:
        w.add_tensor(f"{name}.weight", data.reshape(2, -1), raw_dtype=kind)
w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()

r = GGUFReader(f"{OUT}/small.gguf")
plain = lambda x: str(x) if isinstance(x, int) and not isinstance(x, bool) else [plain(y) for y in x] if isinstance(x, list) else x
json.dump({
    "metadata": {k: plain(f.contents()) for k, f in r.fields.items() if not k.startswith("GGUF.")},
    "tensors": {t.name: [t.tensor_type.name, [int(x) for x in reversed(t.shape)], int(t.data_offset), int(t.n_bytes)] for t in r.tensors},
}, open(f"{OUT}/small.json", "w"), ensure_ascii=False, indent=1)
