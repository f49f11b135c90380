import { KvDistillError } from "../../util/errors.ts";

/** Bytes that an id takes: 2 where every id of the tokenizer fits, otherwise 4. */
export function idBytesFor(idLimit: number): 2 | 4 {
  return idLimit <= 2 ** 16 ? 2 : 4;
}

/** Ids as unsigned little-endian numbers. */
export function encodeIds(ids: readonly number[], idBytes: 2 | 4): Buffer {
  const bytes = Buffer.alloc(ids.length * idBytes);
  ids.forEach((id, i) => (idBytes === 2 ? bytes.writeUInt16LE(id, 2 * i) : bytes.writeUInt32LE(id, 4 * i)));
  return bytes;
}

/** @throws KvDistillError `bad-file` for an id that the tokenizer does not have. */
export function decodeIds(bytes: Uint8Array, idBytes: 2 | 4, idLimit: number, where: string): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ids = Array.from({ length: bytes.length / idBytes }, (_, i) =>
    idBytes === 2 ? view.getUint16(2 * i, true) : view.getUint32(4 * i, true),
  );
  const wrong = ids.find((id) => id >= idLimit);
  if (wrong === undefined) return ids;
  throw new KvDistillError("bad-file", "an id that the tokenizer does not have", {
    where,
    expected: `ids below ${idLimit}`,
    got: String(wrong),
  });
}
