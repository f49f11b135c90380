import { joined } from "./bytes.ts";
import type { Dice } from "./dice.ts";
import { BAD_UTF8, hostileText, INTEGERS } from "./hostile.ts";

/**
 * One field of a binary format. A text's length is a field of its own in front of it, so that one can be wrong while the other is not.
 * `length8` counts the bytes of the next field.
 */
export interface Part {
  readonly kind: "number" | "length8" | "text" | "float" | "bytes";
  readonly bytes: Uint8Array;
}

export function partsBytes(parts: readonly Part[]): Uint8Array<ArrayBuffer> {
  return joined(...parts.map(({ bytes }) => bytes));
}

/** A whole number as little-endian bytes, cut to the width. */
export function littleEndian(value: bigint, width: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
  return bytes.subarray(0, width);
}

/** Fields with a few of them wrong, missing, doubled or exchanged. */
export function mutateParts(parts: readonly Part[], dice: Dice): Part[] {
  let changed = [...parts];
  for (let edits = dice.few(); edits > 0; edits--) changed = editParts(changed, dice);
  return changed;
}

function editParts(parts: Part[], dice: Dice): Part[] {
  const at = dice.below(parts.length);
  const part = parts[at];
  if (part === undefined) return parts;
  const front = parts.slice(0, at);
  const rest = parts.slice(at + 1);
  switch (dice.below(8)) {
    case 0:
      return [...front, ...rest];
    case 1: {
      const stretch = parts.slice(at, at + 1 + dice.below(6));
      return [...front, ...stretch, ...stretch, ...parts.slice(at + stretch.length)];
    }
    case 2: {
      const other = dice.below(parts.length);
      return parts.map((own, i) => (i === at ? (parts[other] ?? own) : i === other ? part : own));
    }
    default:
      return editPart(part, parts[at - 1], front, rest, dice);
  }
}

function editPart(part: Part, before: Part | undefined, front: Part[], rest: Part[], dice: Dice): Part[] {
  const width = part.bytes.length;
  switch (part.kind) {
    case "number":
    case "length8": {
      const own = width === 0 ? 0n : BigInt(`0x${Buffer.from(part.bytes).reverse().toString("hex")}`);
      const value = dice.chance(0.3) ? own + BigInt(dice.below(5) - 2) : dice.pick(INTEGERS);
      return [...front, { ...part, bytes: littleEndian(value, width) }, ...rest];
    }
    case "float": {
      const bytes = new Uint8Array(width);
      const value = dice.pick([NaN, Infinity, -Infinity, -0, 0, -1, 1e-45, 3e38, 0.5, 2 ** 31]);
      if (width === 4) new DataView(bytes.buffer).setFloat32(0, value, true);
      else if (width === 8) new DataView(bytes.buffer).setFloat64(0, value, true);
      return [...front, { ...part, bytes }, ...rest];
    }
    case "text": {
      const text = dice.chance(0.1) ? Uint8Array.from(dice.pick(BAD_UTF8)) : Buffer.from(hostileText(dice));
      const told = before?.kind === "length8" && dice.chance(0.9);
      const length = told ? [{ ...before, bytes: littleEndian(BigInt(text.length), before.bytes.length) }] : [];
      return [...(told ? front.slice(0, -1) : front), ...length, { ...part, bytes: text }, ...rest];
    }
    case "bytes": {
      if (width === 0) return [...front, { ...part, bytes: Uint8Array.of(dice.below(256)) }, ...rest];
      const copy = Uint8Array.from(part.bytes);
      const place = dice.below(width);
      if (dice.chance(0.3)) return [...front, { ...part, bytes: copy.subarray(0, place) }, ...rest];
      for (let i = place; i < Math.min(width, place + 1 + dice.below(8)); i++)
        copy[i] = dice.pick([0, 0xff, 0x7c, 0x7f, 0x80, dice.below(256)]);
      return [...front, { ...part, bytes: copy }, ...rest];
    }
  }
}
