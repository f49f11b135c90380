import { addAbortSignal } from "node:stream";
import { KvDistillError } from "../util/errors.ts";
import { formatBytes } from "../util/format.ts";
import { readTextFile } from "../util/read-text.ts";
import { decodeUtf8 } from "../util/utf8.ts";

/** Longest text read from a file or stdin: far beyond what any model reads. */
const MAX_BYTES = 256 * 2 ** 20;

/**
 * The text of a file, or of stdin for `-`; valid UTF-8, without a byte order mark at the start.
 * @param signal ends the wait for stdin
 * @throws KvDistillError `not-found`, `disk`, `too-large`, `bad-file`, `cancelled`
 */
export function readInput(path: string, signal?: AbortSignal): Promise<string> {
  return path === "-" ? readStdin(signal) : readTextFile(path, MAX_BYTES);
}

/** All of stdin. */
async function readStdin(signal: AbortSignal | undefined): Promise<string> {
  const where = "stdin";
  if (process.stdin.isTTY) process.stderr.write("reading from the terminal; end with Ctrl-D\n");
  if (signal !== undefined) addAbortSignal(signal, process.stdin);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_BYTES) {
        throw new KvDistillError("too-large", "too much text", {
          where,
          expected: `at most ${formatBytes(MAX_BYTES)}`,
        });
      }
      chunks.push(chunk);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
  return decodeUtf8(Buffer.concat(chunks), where);
}
