import { diskError, isSystemError } from "./disk-error.ts";
import { KvDistillError } from "./errors.ts";

/** An open file, as far as reading goes: Node's `FileHandle` is one, bytes that lie elsewhere may be another. */
export interface ReadableFile {
  /** Reads up to `length` bytes at `position` of the file into `target`, from `at` on; `bytesRead` is 0 at the end of the file. */
  read(target: Uint8Array, at: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
}

/** Node reads at most 2 GiB in one call. */
const AT_ONCE = 1 << 30;

/**
 * Reads exactly `length` bytes at `offset`. The caller has checked both against the file's size.
 * The result owns its buffer and starts at byte 0 of it, so typed arrays of any element size can view it.
 * @throws KvDistillError `bad-file` when the file has become shorter, `out-of-memory`, `disk`.
 */
export async function readRange(
  file: ReadableFile,
  offset: number,
  length: number,
  where: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = allocate(length, where);
  let done = 0;
  while (done < length) {
    const bytesRead = await readSome(file, bytes, done, offset + done, where);
    if (bytesRead === 0) {
      throw new KvDistillError("bad-file", "the file ends early", {
        where,
        expected: `${length.toString()} bytes at offset ${offset.toString()}`,
        got: `${done.toString()} bytes`,
      });
    }
    done += bytesRead;
  }
  return bytes;
}

async function readSome(
  file: ReadableFile,
  bytes: Uint8Array,
  at: number,
  position: number,
  where: string,
): Promise<number> {
  try {
    const { bytesRead } = await file.read(bytes, at, Math.min(AT_ONCE, bytes.length - at), position);
    return bytesRead;
  } catch (error) {
    throw isSystemError(error) ? diskError(error, where, "cannot read the file") : error;
  }
}

function allocate(length: number, where: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new KvDistillError("out-of-memory", "no memory to read into", {
      where,
      got: `${length.toString()} bytes`,
      cause,
    });
  }
}
