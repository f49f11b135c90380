import type { Part } from "./parts.ts";

const WIDTHS: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
const STRING = 8;
const ARRAY = 9;

/** The fields of a valid GGUF file (format: GGUF specification, little-endian). A long list of numbers is one field. */
export function ggufParts(file: Uint8Array): Part[] {
  const parts: Part[] = [];
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let at = 0;
  const take = (kind: Part["kind"], width: number): number => {
    parts.push({ kind, bytes: file.slice(at, at + width) });
    at += width;
    return at - width;
  };
  const uint32 = (): number => view.getUint32(take("number", 4), true);
  const uint64 = (kind: Part["kind"] = "number"): number => Number(view.getBigUint64(take(kind, 8), true));
  const text = (): void => {
    const length = uint64("length8");
    take("text", length);
  };
  const value = (type: number): void => {
    if (type === STRING) text();
    else if (type === ARRAY) {
      const of = uint32();
      const count = uint64();
      if (of === STRING) for (let i = 0; i < count; i++) text();
      else take("bytes", count * (WIDTHS[of] ?? 0));
    } else take(type === 6 || type === 12 ? "float" : "number", WIDTHS[type] ?? 0);
  };
  take("number", 4);
  uint32();
  const tensors = uint64();
  const keys = uint64();
  for (let i = 0; i < keys; i++) {
    text();
    value(uint32());
  }
  for (let i = 0; i < tensors; i++) {
    text();
    const rank = uint32();
    for (let axis = 0; axis < rank; axis++) uint64();
    uint32();
    uint64();
  }
  take("bytes", Math.ceil(at / 32) * 32 - at);
  take("bytes", file.length - at);
  return parts;
}
