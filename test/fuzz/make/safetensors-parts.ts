import { joined } from "./bytes.ts";
import type { Dice } from "./dice.ts";
import { INTEGERS } from "./hostile.ts";
import { mutateTree, printTree, type Tree, treeOf } from "./json-tree.ts";
import { littleEndian } from "./parts.ts";

/** A safetensors file taken apart (format: huggingface/safetensors README). */
export interface SafetensorsParts {
  readonly header: Tree;
  readonly data: Uint8Array;
}

export function safetensorsParts(file: Uint8Array): SafetensorsParts {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(Buffer.from(file.subarray(8, 8 + length)).toString("utf8")) as unknown;
  return { header: treeOf(header), data: file.slice(8 + length) };
}

/** @param length what the file says of its header; the truth when absent */
export function safetensorsBytes(header: string, data: Uint8Array, length?: bigint): Uint8Array<ArrayBuffer> {
  const json = Buffer.from(header);
  return joined(littleEndian(length ?? BigInt(json.length), 8), json, data);
}

/** A file with something wrong in its header, its header's length or its data. */
export function mutateSafetensors({ header, data }: SafetensorsParts, dice: Dice): Uint8Array<ArrayBuffer> {
  const tree = dice.chance(0.85) ? mutateTree(header, dice) : header;
  return safetensorsBytes(printTree(tree), mutateData(data, dice), dice.chance(0.05) ? dice.pick(INTEGERS) : undefined);
}

/** Tensor data that is cut, longer, or holds numbers that are none. */
export function mutateData(data: Uint8Array, dice: Dice): Uint8Array {
  if (dice.chance(0.6)) return data;
  const at = dice.below(data.length + 1);
  if (dice.chance(0.2)) return data.slice(0, at);
  if (dice.chance(0.2)) return joined(data, new Uint8Array(1 + dice.below(64)));
  const copy = Uint8Array.from(data);
  for (let i = at - (at % 4); i < Math.min(copy.length, at + 4 * dice.few()); i++)
    copy[i] = dice.pick([0, 0x7f, 0x80, 0xc0, 0xff]);
  return copy;
}
