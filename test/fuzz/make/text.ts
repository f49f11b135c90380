import { mutateBytes } from "./bytes.ts";
import type { Dice } from "./dice.ts";
import { mutateTree, printTree, type Tree } from "./json-tree.ts";

/** A JSON file with something wrong in it, now and then in its bytes too. */
export function mutateJson(tree: Tree, dice: Dice): Uint8Array {
  const bytes = Buffer.from(printTree(mutateTree(tree, dice)));
  return dice.chance(0.1) ? mutateBytes(bytes, dice) : bytes;
}
