"""SmolLM2-135M-Instruct as a Hugging Face folder, float32, out of the GGUF file that `pull` brings.

  python convert.py GGUF_FILE REFERENCE_FOLDER OUT_FOLDER        (pip install torch transformers accelerate gguf safetensors tokenizers numpy)

The conversion itself is transformers' own (kv_distill_torch.py gguf). It loses that digits stand alone, which is put back here.
"""
import json, subprocess, sys
from pathlib import Path

gguf, reference, out = map(Path, sys.argv[1:4])
subprocess.run([sys.executable, reference / "kv_distill_torch.py", "gguf", "--gguf", gguf, "--model", out], check=True)
path = out / "tokenizer.json"
tokenizer = json.loads(path.read_text(encoding="utf-8"))
byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]}
path.write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
