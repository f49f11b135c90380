import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { diskError, isSystemError } from "../util/disk-error.ts";
import { KvDistillError, messageOf } from "../util/errors.ts";
import { formatBytes } from "../util/format.ts";

/** A line without its ending, or what is wrong with it. Lines count from 1. */
export type Line = { readonly line: number; readonly text: string } | { readonly line: number; readonly fault: string };

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const LONGEST_LINE = 64 * 2 ** 20;

/**
 * The lines of a UTF-8 text file, plain or gzip (told by its first bytes, not its name), in bounded memory. Lines end
 * in `\n` or `\r\n` only: U+2028, legal inside JSON, ends none. A byte order mark is left out. Lines that are not
 * UTF-8 or longer than `longestLine` bytes come as faults.
 * @throws KvDistillError `not-found` or `disk` when the file cannot be read, `bad-file` naming the line where gzip
 * data is damaged or ends early.
 */
export async function* readLines(path: string, longestLine = LONGEST_LINE): AsyncGenerator<Line> {
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
    const tooLong = length > longestLine;
    const finished = tooLong
      ? { line, fault: `the line has ${formatBytes(length)}, over the limit of ${formatBytes(longestLine)}` }
      : decode(Buffer.concat(pieces), line);
    pieces = [];
    length = 0;
    return finished;
  };
  try {
    for await (const chunk of await byteStream(path)) {
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
        take(chunk.subarray(start, end));
        yield finish();
        start = end + 1;
      }
      take(chunk.subarray(start));
    }
  } catch (error) {
    throw explain(error, path, line + 1);
  }
  if (length > 0) yield finish();
}

async function byteStream(path: string): Promise<AsyncIterable<Buffer>> {
  const file = await open(path, "r");
  const compressed = await isGzip(file);
  const bytes: Readable = file.createReadStream({ start: 0 });
  // The callback only keeps the pipeline from throwing: the reader of the last stream gets the same error.
  return compressed ? pipeline(bytes, createGunzip(), () => undefined) : bytes;
}

async function isGzip(file: FileHandle): Promise<boolean> {
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } catch (error) {
    await file.close();
    throw error;
  }
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
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (!code.startsWith("Z_")) return error;
  return new KvDistillError("bad-file", "the gzip data is damaged or ends early", {
    where: `${path}:${line}`,
    got: messageOf(error),
    hint: "the lines before this one were read; fetch the file again",
    cause: error,
  });
}
