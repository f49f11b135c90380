import type { Dice } from "./dice.ts";
import { BAD_UTF8, INTEGERS, TEXTS } from "./hostile.ts";

const EDGES = [0, 1, 0x20, 0x22, 0x7f, 0x80, 0xfe, 0xff];

/** Bytes with a few things wrong: what disks, transfers and attackers do to any format. */
export function mutateBytes(bytes: Uint8Array, dice: Dice): Uint8Array {
  let changed = bytes;
  for (let edits = dice.few(); edits > 0; edits--) changed = editBytes(changed, dice);
  return changed;
}

function editBytes(bytes: Uint8Array, dice: Dice): Uint8Array {
  const at = dice.below(bytes.length + 1);
  const copy = Uint8Array.from(bytes);
  const view = new DataView(copy.buffer);
  switch (dice.below(10)) {
    case 0:
    case 1:
      if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << dice.below(8));
      return copy;
    case 2:
      if (at < copy.length) copy[at] = dice.pick(EDGES);
      return copy;
    case 3:
      return copy.subarray(0, at);
    case 4:
      return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + dice.below(16)));
    case 5: // a stretch twice
      return joined(
        bytes.subarray(0, at),
        bytes.subarray(Math.max(0, at - 1 - dice.below(64)), at),
        bytes.subarray(at),
      );
    case 6:
      return joined(bytes.subarray(0, at), Uint8Array.from(dice.pick(BAD_UTF8)), bytes.subarray(at));
    case 7:
      return joined(bytes.subarray(0, at), Buffer.from(dice.pick(TEXTS)), bytes.subarray(at));
    case 8:
      if (at + 4 <= copy.length) view.setUint32(at, Number(dice.pick(INTEGERS) & 0xffff_ffffn), true);
      return copy;
    default:
      if (at + 8 <= copy.length) view.setBigUint64(at, dice.pick(INTEGERS), true);
      return copy;
  }
}

export function joined(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** A file cut off at every byte, then with every bit of a step of bits turned over. */
export function* damages(bytes: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < bytes.length; length++) yield bytes.slice(0, length);
  for (let at = 0; at < bytes.length; at++) {
    const copy = Uint8Array.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8));
    yield copy;
  }
}
