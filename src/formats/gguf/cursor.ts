import { KvDistillError } from "../../util/errors.ts";

/** Bytes that can be read anywhere. `read` gets ranges that lie inside `size` and returns exactly `length` bytes. */
export interface ByteSource {
  readonly size: number;
  readonly read: (offset: number, length: number) => Uint8Array;
}

/** Reads little-endian fields one after another. Every read names what it reads, for the error when the file ends. */
export interface Cursor {
  /** Bytes read so far: the offset of the next field. */
  readonly position: () => number;
  /** Bytes left in the file. */
  readonly remaining: () => number;
  readonly bytes: (length: number, what: string) => Uint8Array;
  readonly view: (length: number, what: string) => DataView;
  readonly uint32: (what: string) => number;
  readonly uint64: (what: string) => bigint;
}

const WINDOW = 1 << 20;

/**
 * A cursor at the start of a source, reading it in pieces of 1 MiB.
 * @param limit bytes that may be read in all
 * Its functions throw KvDistillError `bad-file` when the file ends first, `too-large` when the limit comes first.
 */
export function createCursor(source: ByteSource, where: string, limit: number): Cursor {
  let position = 0;
  let windowStart = 0;
  let window: Uint8Array = new Uint8Array(0);

  function bytes(length: number, what: string): Uint8Array {
    const end = position + length;
    if (end > source.size) {
      throw new KvDistillError("bad-file", `the file ends inside ${what}`, {
        where,
        expected: `${length.toString()} bytes at offset ${position.toString()}`,
        got: `${(source.size - position).toString()} bytes`,
        hint: "the file is cut short: copy or download it again",
      });
    }
    if (end > limit) {
      throw new KvDistillError("too-large", `the header is over the limit inside ${what}`, {
        where,
        expected: `at most ${limit.toString()} bytes`,
      });
    }
    if (end > windowStart + window.length) {
      windowStart = position;
      window = source.read(position, Math.min(Math.max(length, WINDOW), source.size - position));
    }
    const result = window.subarray(position - windowStart, end - windowStart);
    position = end;
    return result;
  }

  function view(length: number, what: string): DataView {
    const field = bytes(length, what);
    return new DataView(field.buffer, field.byteOffset, field.byteLength);
  }

  return {
    position: () => position,
    remaining: () => source.size - position,
    bytes,
    view,
    uint32: (what) => view(4, what).getUint32(0, true),
    uint64: (what) => view(8, what).getBigUint64(0, true),
  };
}
