import type { Source } from "./source.ts";
import { readRows } from "../read-rows.ts";

/** Rows of (context, question, answer) as this project writes them. */
export const triples: Source = {
  name: "triples",
  description: "JSON Lines of context, question and answer",
  split: "the fields context, question, and answer or answers",
  format: "docs/formats/training-data.md",
  licence: "not stated",
  async *read(path, { onFault }) {
    for await (const row of readRows(path, onFault)) {
      yield { ...row, licence: row.licence ?? triples.licence, place: { file: path, line: 1 } };
    }
  },
};
