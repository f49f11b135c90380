import { readSync } from "node:fs";
import { diskError } from "../../util/disk-error.ts";
import { KvDistillError } from "../../util/errors.ts";
import { withFile } from "../../util/with-file.ts";
import type { ByteSource } from "./cursor.ts";
import { parseGgufHeader, type GgufFile } from "./header.ts";
import { GGUF_LIMITS, type GgufLimits } from "./limits.ts";

/**
 * Reads and checks the header of a GGUF file; no tensor data is read.
 * @throws KvDistillError `not-found`, `disk`, `bad-file`, `too-large`, `unsupported`.
 */
export async function openGguf(path: string, limits: Partial<GgufLimits> = {}): Promise<GgufFile> {
  return withFile(path, (file, size) => {
    const source: ByteSource = { size, read: (offset, length) => readNow(file.fd, offset, length, path) };
    return Promise.resolve(parseGgufHeader(source, path, { ...GGUF_LIMITS, ...limits }));
  });
}

/** Reads in place: a header holds hundreds of thousands of fields, too many to wait for one by one. */
function readNow(fd: number, offset: number, length: number, path: string): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const read = readSome(fd, bytes, done, offset + done, path);
    if (read === 0) throw new KvDistillError("bad-file", "the file has become shorter", { where: path });
    done += read;
  }
  return bytes;
}

function readSome(fd: number, bytes: Uint8Array, at: number, position: number, path: string): number {
  try {
    return readSync(fd, bytes, at, bytes.length - at, position);
  } catch (error) {
    throw diskError(error, path, "cannot read the file");
  }
}
