import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { diskError, isSystemError } from "../../util/disk-error.ts";

/**
 * The sha256 of a file's bytes, as hex.
 * @param onBytes gets the bytes read so far
 * @throws KvDistillError `not-found`, `disk`.
 */
export async function fileDigest(path: string, onBytes?: (done: number) => void): Promise<string> {
  const hash = createHash("sha256");
  let done = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 22 }) as AsyncIterable<Buffer>) {
      hash.update(chunk);
      done += chunk.length;
      onBytes?.(done);
    }
  } catch (error) {
    throw isSystemError(error) ? diskError(error, path, "cannot read the file") : error;
  }
  return hash.digest("hex");
}
