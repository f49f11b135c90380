"""The same tiny random models twice: as Hugging Face folders written by transformers and as GGUF files written by gguf-py.

Query and key rows are interleaved, GPT-2's matrices transposed and rotary divisors stored as llama.cpp's converter does.
Values are multiples of 1/64, exact in every element type used. Run: python test/golden/gguf-models/make.py
(needs torch, transformers, tokenizers, gguf)
"""

import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

HERE = Path(__file__).resolve().parent
transformers.logging.set_verbosity_error()

TEXT = "the cat sat on the mat and the dog sat on the log in 2019 and 2020 then they all went home again".split(" ")
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"

byte_level = lambda use_regex: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
split = lambda digits: pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(WORDS % digits), "isolated", invert=False), byte_level(False)])
PRE = {
    "gpt-2": (byte_level(True), None, False),
    "smollm": (pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level(True)]), None, False),
    "llama-bpe": (split(r"\p{N}{1,3}"), None, True),
    "qwen2": (split(r"\p{N}"), normalizers.NFC(), False),
}

small = dict(vocab_size=300, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=128, rms_norm_eps=1e-5, bos_token_id=0, eos_token_id=1)
llama3 = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192)
MODELS = {
    "llama": (LlamaConfig(**small, num_key_value_heads=2, tie_word_embeddings=True), "llama", "smollm"),
    "llama-bias": (LlamaConfig(**small, num_key_value_heads=4, attention_bias=True), "llama", "gpt-2"),
    "llama3": (LlamaConfig(**{**small, "head_dim": 16}, num_key_value_heads=2, rope_parameters=llama3), "llama", "llama-bpe"),
    "linear": (LlamaConfig(**small, num_key_value_heads=1, rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=10000.0)), "llama", "gpt-2"),
    "mistral": (MistralConfig(**small, num_key_value_heads=2, sliding_window=32), "llama", "llama-bpe"),
    "qwen2": (Qwen2Config(**small, num_key_value_heads=2, tie_word_embeddings=True), "qwen2", "qwen2"),
    "qwen3": (Qwen3Config(**{**small, "head_dim": 8}, num_key_value_heads=2), "qwen3", "qwen2"),
    "gpt2": (GPT2Config(vocab_size=300, n_embd=16, n_layer=2, n_head=4, n_positions=64, n_inner=24, bos_token_id=0, eos_token_id=1), "gpt2", "gpt-2"),
}


def tokenizer(pre):
    pre_tokenizer, normalizer, ignore_merges = PRE[pre]
    tok = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tok.pre_tokenizer, tok.decoder = pre_tokenizer, decoders.ByteLevel()
    if normalizer is not None:
        tok.normalizer = normalizer
    special = [AddedToken(t, special=True, normalized=False) for t in ("<|begin|>", "<|end|>")]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tok.train_from_iterator([" ".join(TEXT)] * 3, trainers.BpeTrainer(vocab_size=299, min_frequency=2, initial_alphabet=alphabet, special_tokens=special, show_progress=False))
    tok.add_tokens([AddedToken("<tool>", special=False, normalized=False)])
    return tok


def interleave(w, heads):
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


LLAMA_NAMES = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
GPT2_NAMES = {"ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm"}


def gguf_tensors(state, config, arch):
    for name, value in state.items():
        module, part = name.rsplit(".", 1)
        w = value.numpy()
        if module in OUTER:
            if module == "lm_head" and config.tie_word_embeddings:
                continue
            yield f"{OUTER[module]}.{part}", w
            continue
        _, _, layer, inner = module.split(".", 3)
        if arch == "gpt2":
            yield f"blk.{layer}.{GPT2_NAMES[inner]}.{part}", w.T if w.ndim == 2 else w
            continue
        if arch == "llama" and inner == "self_attn.q_proj":
            w = interleave(w, config.num_attention_heads)
        if arch == "llama" and inner == "self_attn.k_proj":
            w = interleave(w, config.num_key_value_heads)
        yield f"blk.{layer}.{LLAMA_NAMES[inner]}.{part}", w
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") == "llama3":
        dim = config.head_dim
        freqs = 1.0 / (rope["rope_theta"] ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim))
        factors = []
        for freq in freqs:
            wavelen = 2 * np.pi / freq
            if wavelen < rope["original_max_position_embeddings"] / rope["high_freq_factor"]:
                factors.append(1)
            elif wavelen > rope["original_max_position_embeddings"] / rope["low_freq_factor"]:
                factors.append(rope["factor"])
            else:
                smooth = (rope["original_max_position_embeddings"] / wavelen - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
                factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
        yield "rope_freqs.weight", np.array(factors, dtype=np.float32)


def write_gguf(path, config, arch, tok, pre, state):
    writer = gguf.GGUFWriter(path, arch)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    if arch == "gpt2":
        writer.add_feed_forward_length(config.n_inner)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        rope = config.rope_parameters
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_dimension_count(head_dim)
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
        writer.add_rope_freq_base(rope["rope_theta"])
        if rope["rope_type"] == "linear":
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(rope["factor"])
        if getattr(config, "sliding_window", None):
            writer.add_sliding_window(config.sliding_window)
    whole = json.loads(tok.to_str())
    vocab = {**whole["model"]["vocab"], **{t["content"]: t["id"] for t in whole["added_tokens"]}}
    by_id = {i: t for t, i in vocab.items()}
    kinds = {t["id"]: (gguf.TokenType.CONTROL if t["special"] else gguf.TokenType.USER_DEFINED) for t in whole["added_tokens"]}
    tokens = [by_id.get(i, f"[PAD{i}]") for i in range(config.vocab_size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(i, gguf.TokenType.NORMAL if i in by_id else gguf.TokenType.UNUSED) for i in range(config.vocab_size)])
    writer.add_token_merges([" ".join(pair) for pair in whole["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(TEMPLATE)
    for name, w in gguf_tensors(state, config, arch):
        writer.add_tensor(name, np.ascontiguousarray(w.astype(np.float16) if w.ndim == 2 else w.astype(np.float32)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    torch.manual_seed(0)
    for name, (config, arch, pre) in MODELS.items():
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randint(-64, 65, parameter.shape) / 64)
        model.to(torch.float16).save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        tok = tokenizer(pre)
        (folder / "tokenizer.json").write_text(json.dumps(json.loads(tok.to_str()), ensure_ascii=True, separators=(",", ":")))
        (folder / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<|begin|>", "eos_token": "<|end|>", "chat_template": TEMPLATE}, indent=1))
        state = {k: v.float() for k, v in model.state_dict().items()}
        write_gguf(HERE / f"{name}.gguf", config, arch, tok, pre, state)


main()
