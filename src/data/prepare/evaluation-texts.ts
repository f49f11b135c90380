import { readLines } from "../read-lines.ts";
import type { RowFault } from "../passage.ts";

/**
 * Every text of an evaluation file, whatever its fields are called: the strings of JSON Lines or of a JSON file on one line, at any
 * depth; a line that is no JSON is a text itself. Lines that cannot be read go to `onFault`.
 * @throws KvDistillError as `readLines`
 */
export async function* evaluationTexts(path: string, onFault: (fault: RowFault) => void): AsyncGenerator<string> {
  for await (const read of readLines(path, LONGEST_LINE)) {
    if ("fault" in read) onFault({ file: path, line: read.line, fault: read.fault });
    else yield* textsOf(read.text);
  }
}

/** Evaluation sets are often one line of JSON. */
const LONGEST_LINE = 256 * 2 ** 20;

function* textsOf(line: string): Generator<string> {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    yield line;
    return;
  }
  // Without recursion: a hostile file may be nested deeply.
  const waiting = [json];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value === "string") yield value;
    else if (typeof value === "object" && value !== null) for (const inner of Object.values(value)) waiting.push(inner);
  }
}
