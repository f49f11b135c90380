"""Parquet files as Arrow writes them, for the readers of data sources. Needs pyarrow."""

import json
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))

TEXT = (
    "The lighthouse at the end of the pier was built in 1871 by the fishermen of the village. It burned whale oil "
    "until 1902, when a lamp of paraffin took its place, and é, 雪 and 🐟 stand in its log."
)
P3 = [
    {
        "inputs": [1, 2, 3],
        "inputs_pretokenized": f"Read the text and answer.\n\n{TEXT}\n\nQuestion {row}: when was it built?",
        "targets": [4, 1],
        "targets_pretokenized": "\n1871\n",
    }
    for row in range(5)
]
# Two row groups, so that the second begins inside the table.
for codec in ("none", "snappy", "gzip", "zstd", "brotli", "lz4"):
    pq.write_table(pa.Table.from_pylist(P3), os.path.join(HERE, f"p3-{codec}.parquet"), compression=codec, row_group_size=3)

SQUAD = [
    {
        "id": "5733be284776f41900661182",
        "title": "Pier",
        "context": TEXT,
        "question": "What burned until 1902?",
        "answers": {"text": ["whale oil", "oil"], "answer_start": [110, 116]},
    },
    {"id": "unanswerable", "title": "Pier", "context": TEXT, "question": "Who?", "answers": {"text": [], "answer_start": []}},
]
pq.write_table(pa.Table.from_pylist(SQUAD), os.path.join(HERE, "squad.parquet"))

with open(os.path.join(HERE, "rows.json"), "w", encoding="utf-8") as file:
    json.dump({"p3": P3, "squad": SQUAD}, file, ensure_ascii=False, indent=1)
    file.write("\n")
print(pa.__version__, file=sys.stderr)
