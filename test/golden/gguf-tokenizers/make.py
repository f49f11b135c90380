"""Small SentencePiece BPE models in GGUF files, and what the sentencepiece package makes of hard texts.

Writes <kind>.gguf and cases.json: the texts, and per kind their ids and the decoded text. The texts are those of ../tokenizers/cases.json.
llama2.gguf is a whole model of one layer with random weights, the other has no tensors.
Run: python test/golden/gguf-tokenizers/make.py (needs sentencepiece, gguf, numpy)
"""

import io
import json
from pathlib import Path

import gguf
import numpy as np
import sentencepiece as spm

HERE = Path(__file__).resolve().parent
CASES = json.loads((HERE.parent / "tokenizers" / "cases.json").read_text())["cases"]
KINDS = {"llama2": True, "no-prefix": False}
TEMPLATE = "{% for m in messages %}{{ bos_token }}[INST] {{ m.content }} [/INST]{% endfor %}"


def train(prefix):
    out = io.BytesIO()
    # A NUL ends a line for the trainer.
    lines = [line for case in CASES for line in case.replace("\0", "").split("\n") if line] * 4
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=out, model_type="bpe", vocab_size=900, byte_fallback=True, character_coverage=0.98,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=prefix, split_digits=True,
        allow_whitespace_only_pieces=True, minloglevel=2,
    )
    return spm.SentencePieceProcessor(model_proto=out.getvalue())


def kind_of(sp, i):
    kinds = [(sp.is_unknown, gguf.TokenType.UNKNOWN), (sp.is_control, gguf.TokenType.CONTROL), (sp.is_unused, gguf.TokenType.UNUSED), (sp.is_byte, gguf.TokenType.BYTE)]
    return next((kind for test, kind in kinds if test(i)), gguf.TokenType.NORMAL)


def write(path, sp, prefix):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([sp.id_to_piece(i) for i in range(sp.vocab_size())])
    writer.add_token_scores([sp.get_score(i) for i in range(sp.vocab_size())])
    writer.add_token_types([kind_of(sp, i) for i in range(sp.vocab_size())])
    writer.add_bos_token_id(sp.bos_id())
    writer.add_eos_token_id(sp.eos_id())
    writer.add_unk_token_id(sp.unk_id())
    # True is what is meant when the file does not say.
    if prefix:
        add_model(writer, sp.vocab_size())
    else:
        writer.add_add_space_prefix(False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_model(writer, vocab, hidden=16, inner=24, heads=2):
    writer.add_chat_template(TEMPLATE)
    writer.add_context_length(128)
    writer.add_embedding_length(hidden)
    writer.add_block_count(1)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_feed_forward_length(inner)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(hidden // heads)
    random = np.random.default_rng(0)
    shapes = {"token_embd": (vocab, hidden), "output_norm": (hidden,), "blk.0.attn_norm": (hidden,), "blk.0.ffn_norm": (hidden,)}
    shapes |= {f"blk.0.attn_{name}": (hidden, hidden) for name in ("q", "k", "v", "output")}
    shapes |= {"blk.0.ffn_gate": (inner, hidden), "blk.0.ffn_up": (inner, hidden), "blk.0.ffn_down": (hidden, inner)}
    for name, shape in shapes.items():
        values = random.integers(-64, 65, shape) / 64
        writer.add_tensor(f"{name}.weight", values.astype(np.float16 if len(shape) == 2 else np.float32))


def main():
    # Control tokens are no text for sentencepiece, and some of the cases are meant to hold them.
    cases = [case for case in CASES if not any(token in case for token in ("<s>", "</s>", "<unk>"))]
    out = {"cases": cases, "ids": {}, "decoded": {}}
    for name, prefix in KINDS.items():
        sp = train(prefix)
        write(HERE / f"{name}.gguf", sp, prefix)
        out["ids"][name] = [sp.encode(case) for case in cases]
        out["decoded"][name] = [sp.decode(ids) for ids in out["ids"][name]]
    (HERE / "cases.json").write_text(json.dumps(out, ensure_ascii=True, separators=(",", ":")))


main()
