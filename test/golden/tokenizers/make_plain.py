"""Ids of the hard texts of cases.json when special tokens written in them are letters like any others.

Writes plain.json: per kind, the index of every text whose ids differ from those with special tokens, and its ids.
Merges through a special token's letters, which these small trained tokenizers have and real ones do not, are left out.
Run after make.py: python test/golden/tokenizers/make_plain.py (needs tokenizers)
"""

import json
from pathlib import Path

from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent

golden = json.loads((HERE / "cases.json").read_text(encoding="utf-8"))
plain = {}
for kind, rows in golden["ids"].items():
    whole = json.loads((HERE / f"{kind}.json").read_text(encoding="utf-8"))
    special = {token["content"] for token in whole["added_tokens"] if token["special"]}
    merges = whole["model"]["merges"]
    whole["model"]["merges"] = [m for m in merges if not special & {m[0], m[1], "".join(m)}]
    tok = Tokenizer.from_str(json.dumps(whole))
    tok.encode_special_tokens = True
    own = [tok.encode(case, add_special_tokens=False).ids for case in golden["cases"]]
    plain[kind] = {i: ids for i, (ids, parsed) in enumerate(zip(own, rows)) if ids != parsed}
(HERE / "plain.json").write_text(json.dumps(plain, separators=(",", ":")), encoding="utf-8")
