import { LONGEST_ROW, tooLong } from "../../read-lines.ts";

/** The text of an array's element, or what is wrong with it. Rows count from 1. */
export type Element =
  { readonly row: number; readonly bytes: Buffer } | { readonly row: number; readonly fault: string };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const SPACE = 0x20;
const BRACE_END = 0x7d;
const OPEN = new Set([0x5b, 0x7b]);
const CLOSE = new Set([0x5d, BRACE_END]);

/**
 * The elements of one JSON array, however long the array is: the bytes between its outermost commas, not yet parsed. Only
 * strings and brackets are followed, so an element that is malformed inside spoils itself alone as long as these are whole
 * (docs/decisions/0100-json-arrays-are-split.md). Elements over `longest` bytes are skipped to their end and told as faults.
 * @param chunks begins with `[`, white space and a byte order mark before it allowed
 * @throws ArrayFault when the array does not end, or something follows it.
 */
export async function* jsonElements(chunks: AsyncIterable<Buffer>, longest = LONGEST_ROW): AsyncGenerator<Element> {
  let depth = 0;
  let inString = false;
  let escaped = false;
  let row = 1;
  let pieces: Buffer[] = [];
  let length = 0;
  let ended = false;
  const take = (piece: Buffer) => {
    length += piece.length;
    if (length <= longest) pieces.push(piece);
    else pieces = [];
  };
  const finish = (): Element => {
    const element =
      length > longest ? { row, fault: tooLong("row", length, longest) } : { row, bytes: Buffer.concat(pieces) };
    row++;
    pieces = [];
    length = 0;
    return element;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (ended) {
        if (byte > SPACE) throw new ArrayFault(row, "something follows the end of the JSON array");
      } else if (escaped) {
        escaped = false;
      } else if (inString) {
        if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inString = false;
      } else if (byte === QUOTE) {
        inString = true;
      } else if (OPEN.has(byte)) {
        if (depth === 0) start = at + 1;
        depth++;
      } else if (CLOSE.has(byte)) {
        depth--;
        if (depth === 0) {
          if (byte === BRACE_END) throw new ArrayFault(row, "the JSON array ends with a brace");
          take(chunk.subarray(start, at));
          const last = finish();
          // An array without elements has nothing but white space inside.
          if (last.row > 1 || "fault" in last || last.bytes.toString("latin1").trim() !== "") yield last;
          ended = true;
        }
      } else if (byte === COMMA && depth === 1) {
        take(chunk.subarray(start, at));
        yield finish();
        start = at + 1;
      }
    }
    if (depth > 0) take(chunk.subarray(start));
  }
  if (!ended) throw new ArrayFault(row, "the JSON array ends early");
}

/** What is wrong with the array as a whole. */
export class ArrayFault extends Error {
  readonly row: number;

  constructor(row: number, message: string) {
    super(message);
    this.row = row;
  }
}
