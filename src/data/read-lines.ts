import { diskError, isSystemError } from "../util/disk-error.ts";
import { KvDistillError, messageOf } from "../util/errors.ts";
import { formatBytes } from "../util/format.ts";
import { fileBytes, packingFault } from "./read-bytes.ts";

/** A line without its ending, or what is wrong with it. Lines count from 1. */
export type Line = { readonly line: number; readonly text: string } | { readonly line: number; readonly fault: string };

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** Bytes of a line, or of any other row, that are held at once. */
export const LONGEST_ROW = 64 * 2 ** 20;

/**
 * The lines of a UTF-8 text file, plain or gzip (told by its first bytes, not its name), as `linesOf`.
 * @throws KvDistillError `not-found` or `disk` when the file cannot be read, `bad-file` naming the line where gzip
 * data is damaged or ends early.
 */
export async function* readLines(path: string, longestLine = LONGEST_ROW): AsyncGenerator<Line> {
  let line = 0;
  try {
    for await (const read of linesOf(fileBytes(path), longestLine)) {
      line = read.line;
      yield read;
    }
  } catch (error) {
    throw explain(error, path, line + 1);
  }
}

/**
 * The lines of UTF-8 text, in bounded memory. Lines end in `\n` or `\r\n` only: U+2028, legal inside JSON, ends none. A
 * byte order mark is left out. Lines that are not UTF-8 or longer than `longestLine` bytes come as faults.
 */
export async function* linesOf(chunks: AsyncIterable<Buffer>, longestLine = LONGEST_ROW): AsyncGenerator<Line> {
  let line = 0;
  let pieces: Buffer[] = [];
  let length = 0;
  const take = (piece: Buffer) => {
    length += piece.length;
    // A line over the limit is counted to its end, not kept.
    if (length <= longestLine) pieces.push(piece);
    else pieces = [];
  };
  const finish = (): Line => {
    line++;
    const finished =
      length > longestLine
        ? { line, fault: tooLong("line", length, longestLine) }
        : decode(Buffer.concat(pieces), line);
    pieces = [];
    length = 0;
    return finished;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      take(chunk.subarray(start, end));
      yield finish();
      start = end + 1;
    }
    take(chunk.subarray(start));
  }
  if (length > 0) yield finish();
}

/** The fault of a line or row that is not held. */
export function tooLong(what: "line" | "row", length: number, limit: number): string {
  return `the ${what} has ${formatBytes(length)}, over the limit of ${formatBytes(limit)}`;
}

function decode(bytes: Buffer, line: number): Line {
  const ended = bytes.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes;
  try {
    // Only the first line keeps the decoder's habit of dropping a byte order mark.
    return { line, text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: line > 1 }).decode(ended) };
  } catch {
    return { line, fault: "the line is not UTF-8" };
  }
}

function explain(error: unknown, path: string, line: number): unknown {
  if (isSystemError(error)) return diskError(error, path, "cannot read the file");
  if (packingFault(error) === undefined) return error;
  return new KvDistillError("bad-file", "the gzip data is damaged or ends early", {
    where: `${path}:${line}`,
    got: messageOf(error),
    hint: "the lines before this one were read; fetch the file again",
    cause: error,
  });
}
