import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { KvDistillError } from "../../util/errors.ts";
import { readRange } from "../../util/read-range.ts";

/** The ids' file is summed in blocks of this many bytes, so that an example is checked without reading the rest. */
export const BLOCK_BYTES = 2 ** 18;
/** First bytes of a block's sha256. */
export const BLOCK_SUM_BYTES = 16;

/** How many blocks a file of `bytes` has; the last may be shorter. */
export function blockCount(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES);
}

export function blockSum(block: Uint8Array): Buffer {
  return createHash("sha256").update(block).digest().subarray(0, BLOCK_SUM_BYTES);
}

/** Reads parts of a file of summed blocks. */
export interface BlockReader {
  /**
   * `length` bytes from `offset`, which lie inside the file.
   * @throws KvDistillError `checksum-mismatch` when a block that holds some of them was changed, `bad-file` when the file has
   * become shorter, `disk`
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Blocks that are kept after they were checked: neighbours are often asked for next. */
const KEPT_BLOCKS = 16;

/** @param sums of all blocks, one after another */
export function blockReader(file: FileHandle, size: number, sums: Uint8Array, where: string): BlockReader {
  // A Map keeps the order in which its keys came: the first is the one that was not used for the longest time.
  const kept = new Map<number, Uint8Array>();

  async function block(number: number): Promise<Uint8Array> {
    const known = kept.get(number);
    kept.delete(number);
    const bytes = known ?? (await checkedBlock(number));
    kept.set(number, bytes);
    if (kept.size > KEPT_BLOCKS) kept.delete(kept.keys().next().value ?? number);
    return bytes;
  }

  async function checkedBlock(number: number): Promise<Uint8Array> {
    const start = number * BLOCK_BYTES;
    const bytes = await readRange(file, start, Math.min(BLOCK_BYTES, size - start), where);
    const sum = sums.subarray(number * BLOCK_SUM_BYTES, (number + 1) * BLOCK_SUM_BYTES);
    if (blockSum(bytes).equals(sum)) return bytes;
    throw new KvDistillError("checksum-mismatch", "the ids of the token store were changed", {
      where,
      got: `block ${number}, bytes ${start} to ${start + bytes.length}`,
      hint: "prepare the store again",
    });
  }

  return {
    read: async (offset, length) => {
      const wanted = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const at = offset + done;
        const inside = at % BLOCK_BYTES;
        const part = (await block(Math.floor(at / BLOCK_BYTES))).subarray(inside, inside + length - done);
        wanted.set(part, done);
        done += part.length;
      }
      return wanted;
    },
  };
}
