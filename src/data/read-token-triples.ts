import { basename } from "node:path";
import { z } from "zod";
import { boundedList } from "../util/bounded-list.ts";
import type { PassageExample } from "./examples.ts";
import type { RowFault } from "./passage.ts";
import { readJsonLines } from "./read-rows.ts";

const ids = boundedList(z.int().nonnegative(), { least: 1 });
const tripleSchema = z.object({ context_ids: ids, question_ids: ids, answer_ids: ids });

/**
 * Examples that are token ids already, `{"context_ids", "question_ids", "answer_ids"}` a line: one turn for each, no
 * tokenizer in between. Malformed rows go to `onFault`.
 * @throws KvDistillError as `readLines`.
 */
export async function* readTokenTriples(
  path: string,
  onFault: (fault: RowFault) => void,
): AsyncGenerator<PassageExample> {
  for await (const { line, value } of readJsonLines(path, tripleSchema, onFault)) {
    yield {
      id: `${basename(path)}:${line}`,
      source: basename(path),
      contextIds: value.context_ids,
      turns: [{ kind: "question", questionIds: value.question_ids, answerIds: value.answer_ids }],
    };
  }
}
