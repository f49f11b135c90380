import { KvDistillError } from "../../util/errors.ts";

/**
 * The records of a CSV text (RFC 4180) that comes in pieces.
 * @throws KvDistillError `bad-file` for a quote that is not closed
 */
export async function* csvRecords(pieces: AsyncIterable<string>, where: string): AsyncGenerator<string[]> {
  let record: string[] = [];
  let cell = "";
  let quoted = false;
  // A quote inside a quoted cell: its end, or the first half of a doubled one.
  let pending = false;
  let begun = false;
  for await (const piece of pieces) {
    for (const character of piece) {
      if (pending) {
        pending = false;
        if (character === '"') {
          cell += '"';
          continue;
        }
        quoted = false;
      }
      if (quoted) {
        if (character === '"') pending = true;
        else cell += character;
      } else if (character === '"' && cell === "") {
        quoted = true;
        begun = true;
      } else if (character === ",") {
        record.push(cell);
        cell = "";
        begun = true;
      } else if (character === "\n") {
        record.push(cell.replace(/\r$/, ""));
        yield record;
        record = [];
        cell = "";
        begun = false;
      } else {
        cell += character;
        begun = true;
      }
    }
  }
  if (quoted && !pending) throw new KvDistillError("bad-file", "a quote is not closed", { where });
  if (begun) yield [...record, cell.replace(/\r$/, "")];
}
