import { basename } from "node:path";
import { rowFields, rowSchema } from "../read-rows.ts";
import { checked, recordSource } from "./record-source.ts";

/** Rows of (context, question, answer) as this project writes them. */
export const triples = recordSource(
  {
    name: "triples",
    description: "JSON Lines of context, question and answer",
    split: "the fields context, question, and answer or answers",
    format: "docs/formats/training-data.md",
    licence: "not stated",
  },
  function* (value, { file }) {
    const row = checked(rowSchema, value);
    yield "fault" in row ? row : { source: basename(file), ...rowFields(row.value) };
  },
);
