import { utf8Bytes } from "../util/bytes.ts";
import { KvDistillError } from "../util/errors.ts";

/** Stands where the checksum will be written, and where it is when the file is summed. */
export const EMPTY_CHECKSUM = "0".repeat(64);

/**
 * A copy of a file's header in which a checksum, at its last occurrence, is replaced by another of the same length.
 * @throws KvDistillError `bad-file` when it does not occur as plain text.
 */
export function replaceChecksum(header: Uint8Array, from: string, to: string, where: string): Uint8Array {
  const copy = new Uint8Array(header);
  const at = lastIndexOf(copy, utf8Bytes(from));
  if (at < 0) throw new KvDistillError("bad-file", "the checksum is not written out in the header", { where });
  copy.set(utf8Bytes(to), at);
  return copy;
}

function lastIndexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  const found = (at: number): boolean => wanted.every((byte, i) => bytes[at + i] === byte);
  let at = bytes.length - wanted.length;
  while (at >= 0 && !found(at)) at--;
  return at;
}
