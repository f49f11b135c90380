import { byteCount, tensorOverBytes } from "../tensor/bytes.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import { readRange } from "../util/read-range.ts";
import { withFile } from "../util/with-file.ts";
import { checkDims } from "./dims.ts";
import type { TensorType } from "./messages.ts";

/** Where a tensor's little-endian bytes lie in a file; the offset need not be aligned. */
export interface FileSource extends TensorType {
  readonly path: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
}

/**
 * Reads a tensor from a file.
 * @throws KvDistillError `bad-argument`, `not-found`, `disk`, `bad-file` (too short, not a file), `out-of-memory`
 */
export async function readTensor({ path, offset, dtype, dims }: FileSource): Promise<Tensor> {
  checkDims(path, dims);
  const length = byteCount(dtype, dims);
  if (!Number.isSafeInteger(offset) || offset < 0) {
    throw new KvDistillError("bad-argument", "not an offset in a file", { where: path, got: String(offset) });
  }
  return withFile(path, async (file, size) => {
    if (offset + length > size) {
      throw new KvDistillError("bad-file", "the tensor lies beyond the end of the file", {
        where: path,
        expected: `${length} bytes at offset ${offset}`,
        got: `a file of ${size} bytes`,
      });
    }
    const bytes = await readRange(file, offset, length, path);
    return tensorOverBytes(dtype, dims, bytes.buffer);
  });
}
