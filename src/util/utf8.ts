import { utf8Bytes } from "./bytes.ts";
import { KvDistillError } from "./errors.ts";

/**
 * Bytes as text. A byte order mark at the start is not part of it.
 * @throws KvDistillError `bad-file` naming the offset of the first byte that is not UTF-8
 */
export function decodeUtf8(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    const offset = firstFault(bytes);
    throw new KvDistillError("bad-file", "not valid UTF-8", {
      where,
      got: `byte 0x${(bytes[offset] ?? 0).toString(16).padStart(2, "0")} at offset ${offset}`,
      hint: "convert the text to UTF-8 first",
      cause,
    });
  }
}

/** Where the first sequence of bytes that is no character begins. */
function firstFault(bytes: Uint8Array): number {
  // A prefix that ends inside a character is not at fault yet, so the shortest faulty prefix can be searched for.
  let [good, bad] = [0, bytes.length + 1];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (prefixOf(bytes, middle) === undefined) bad = middle;
    else good = middle;
  }
  return utf8Bytes(prefixOf(bytes, good) ?? "").length;
}

/** The whole characters among the first `length` bytes; undefined when there is a fault among them. */
function prefixOf(bytes: Uint8Array, length: number): string | undefined {
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return decoder.decode(bytes.subarray(0, length), { stream: true });
  } catch {
    return undefined;
  }
}
