import { KvDistillError } from "../../util/errors.ts";
import { placeText, type RowFault } from "../passage.ts";
import { readRecords } from "../sources/read/read-records.ts";

/** Evaluation sets are often one line of JSON. */
const LONGEST_LINE = 256 * 2 ** 20;

/**
 * Every text of evaluation files, whatever its fields are called: the strings at any depth of what sources read, and the lines of plain
 * text. Rows that cannot be read go to `onFault`.
 * @param path a file, or a folder of data files
 * @throws KvDistillError `bad-file` when a file is damaged or empty: what it holds would be trained on; and as `readRecords`
 */
export async function* evaluationTexts(path: string, onFault: (fault: RowFault) => void): AsyncGenerator<string> {
  const notes = { onFault, onUnused: () => undefined, onDamaged };
  for await (const { value } of readRecords(path, notes, { plainText: true, longestLine: LONGEST_LINE })) {
    yield* textsOf(value);
  }
}

function onDamaged({ fault, ...place }: RowFault): never {
  throw new KvDistillError("bad-file", "the evaluation file cannot be read whole", {
    where: placeText(place),
    got: fault,
    hint: "fetch the file again, or leave it out of the comparison",
  });
}

function* textsOf(json: unknown): Generator<string> {
  // Without recursion: a hostile file may be nested deeply.
  const waiting = [json];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value === "string") yield value;
    else if (typeof value === "object" && value !== null) for (const inner of Object.values(value)) waiting.push(inner);
  }
}
