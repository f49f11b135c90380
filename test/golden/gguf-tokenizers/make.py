"""Small SentencePiece BPE models as GGUF files without tensors, and what the sentencepiece package makes of hard texts.

Writes <kind>.gguf and cases.json: the texts, and per kind their ids and the decoded text. The texts are those of ../tokenizers/cases.json.
Run: python test/golden/gguf-tokenizers/make.py (needs sentencepiece, gguf)
"""

import io
import json
from pathlib import Path

import gguf
import sentencepiece as spm

HERE = Path(__file__).resolve().parent
CASES = json.loads((HERE.parent / "tokenizers" / "cases.json").read_text())["cases"]
KINDS = {"llama2": True, "no-prefix": False}


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
    if not prefix:
        writer.add_add_space_prefix(False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


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
