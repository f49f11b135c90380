import { open } from "node:fs/promises";
import { type Readable, pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { systemCodeOf } from "../util/disk-error.ts";
import { messageOf } from "../util/errors.ts";

/** Enough bytes to tell every format that is read. */
const MAGIC_BYTES = 4;

/** The first four bytes of a file, fewer where it has fewer. */
export async function firstBytes(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAGIC_BYTES), 0, MAGIC_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

export function isGzip(magic: Uint8Array): boolean {
  return magic[0] === 0x1f && magic[1] === 0x8b;
}

/**
 * A file's bytes as a stream, gzip unpacked. It throws what Node throws.
 * @param path opened when the first bytes are asked for
 */
export async function* fileBytes(path: string): AsyncGenerator<Buffer> {
  const compressed = isGzip(await firstBytes(path));
  const bytes: Readable = (await open(path, "r")).createReadStream({ start: 0 });
  yield* compressed ? unpacked(bytes) : (bytes as AsyncIterable<Buffer>);
}

/** The content of a gzip stream of any number of members. */
export function unpacked(bytes: Readable): AsyncIterable<Buffer> {
  // The callback only keeps the pipeline from throwing: the reader of the last stream gets the same error.
  return pipeline(bytes, createGunzip(), () => undefined);
}

/** What is wrong with compressed bytes, of an error that reading them threw; undefined for other errors. */
export function packingFault(error: unknown): string | undefined {
  if (systemCodeOf(error)?.startsWith("Z_") !== true) return undefined;
  return `the compressed data is damaged or ends early (${messageOf(error)})`;
}
