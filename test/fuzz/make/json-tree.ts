import type { Dice } from "./dice.ts";
import { hostileJson, hostileText, NUMBERS } from "./hostile.ts";

/** JSON as it is written: keys in order, twice where they are there twice; leaves as text, valid or not. */
export type Tree =
  | { readonly kind: "object"; readonly entries: readonly (readonly [key: string, value: Tree])[] }
  | { readonly kind: "array"; readonly items: readonly Tree[] }
  | { readonly kind: "leaf"; readonly text: string };

/** A value as a tree. Keys are kept with their quotes. */
export function treeOf(value: unknown): Tree {
  const tree = madeOf(value);
  WRITTEN.set(tree, written(tree));
  return tree;
}

/** How the parts of samples are written, which most of a mutated tree still is. */
const WRITTEN = new WeakMap<Tree, string>();

function madeOf(value: unknown): Tree {
  if (Array.isArray(value)) return { kind: "array", items: value.map(treeOf) };
  if (typeof value !== "object" || value === null) return leaf(JSON.stringify(value));
  return { kind: "object", entries: Object.entries(value).map(([key, own]) => [JSON.stringify(key), treeOf(own)]) };
}

export function printTree(tree: Tree): string {
  return tree.kind === "leaf" ? tree.text : (WRITTEN.get(tree) ?? written(tree));
}

function written(tree: Tree): string {
  switch (tree.kind) {
    case "leaf":
      return tree.text;
    case "array":
      return `[${tree.items.map(printTree).join(",")}]`;
    case "object":
      return `{${tree.entries.map(([key, value]) => `${key}:${printTree(value)}`).join(",")}}`;
  }
}

const leaf = (text: string): Tree => ({ kind: "leaf", text });

/** A tree with a few things wrong somewhere in it. */
export function mutateTree(tree: Tree, dice: Dice): Tree {
  let changed = tree;
  for (let edits = dice.few(); edits > 0; edits--) changed = editSomewhere(changed, dice);
  return changed;
}

/** One edit at a place that is found by going down at random: places near the root are hit more often than one of a thousand equals. */
function editSomewhere(tree: Tree, dice: Dice): Tree {
  if (tree.kind === "object" && tree.entries.length > 0 && !dice.chance(0.2)) {
    const at = dice.below(tree.entries.length);
    return {
      kind: "object",
      entries: tree.entries.map(([key, value], i) => [key, i === at ? editSomewhere(value, dice) : value]),
    };
  }
  if (tree.kind === "array" && tree.items.length > 0 && !dice.chance(0.2)) {
    const at = dice.below(tree.items.length);
    return { kind: "array", items: tree.items.map((item, i) => (i === at ? editSomewhere(item, dice) : item)) };
  }
  if (dice.chance(0.3)) return leaf(hostileJson(dice));
  switch (tree.kind) {
    case "object":
      return { kind: "object", entries: editEntries(tree.entries, dice) };
    case "array":
      return { kind: "array", items: editItems(tree.items, dice) };
    case "leaf":
      return leaf(editLeaf(tree.text, dice));
  }
}

type Entries = readonly (readonly [string, Tree])[];

function editEntries(entries: Entries, dice: Dice): Entries {
  const at = dice.below(entries.length + 1);
  const own = entries[at] ?? entries[0];
  const front = entries.slice(0, at);
  const rest = entries.slice(at);
  switch (dice.below(6)) {
    case 0:
      return [...front, ...rest.slice(1)];
    case 1:
      return [...front, [JSON.stringify(hostileText(dice)), leaf(hostileJson(dice))], ...rest];
    case 2: // the same key again, spelt alike or not
      return own === undefined
        ? entries
        : [...entries, [dice.chance(0.5) ? own[0] : escaped(own[0]), leaf(hostileJson(dice))]];
    case 3:
      return own === undefined ? entries : [...front, [JSON.stringify(hostileText(dice)), own[1]], ...rest.slice(1)];
    case 4: {
      // two values change places
      const other = entries[dice.below(Math.max(1, entries.length))];
      if (own === undefined || other === undefined) return entries;
      return entries.map(([key, value]) => [key, key === own[0] ? other[1] : key === other[0] ? own[1] : value]);
    }
    default:
      return own === undefined
        ? entries
        : [...front, [dice.pick(['"\\u12"', "a", '"', "0", '"\\ud800"']), own[1]], ...rest];
  }
}

function escaped(key: string): string {
  return key.replace(/^"(.)/, (_, first: string) => `"\\u${first.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function editItems(items: readonly Tree[], dice: Dice): readonly Tree[] {
  const at = dice.below(items.length + 1);
  const own = items[at] ?? items[0];
  switch (dice.below(6)) {
    case 0:
      return [...items.slice(0, at), ...items.slice(at + 1)];
    case 1:
      return [...items.slice(0, at), leaf(hostileJson(dice)), ...items.slice(at)];
    case 2:
      return own === undefined ? items : [...items, ...Array.from({ length: dice.few() * dice.few() }, () => own)];
    case 3:
      return items.toReversed();
    case 4:
      return [];
    default:
      return own === undefined
        ? items
        : [...items.slice(0, at), { kind: "array", items: [own] }, ...items.slice(at + 1)];
  }
}

function editLeaf(text: string, dice: Dice): string {
  if (/^-?\d/.test(text)) {
    if (dice.chance(0.5)) return dice.pick(NUMBERS);
    return dice.pick([
      `${Number(text) + 1}`,
      `${Number(text) - 1}`,
      `-${text}`,
      `${text}.5`,
      `${Number(text) * 2}`,
      `${text}0`,
      `"${text}"`,
    ]);
  }
  if (!text.startsWith('"')) return hostileJson(dice);
  const inner = text.slice(1, -1);
  const at = dice.below(inner.length + 1);
  const piece = JSON.stringify(hostileText(dice)).slice(1, -1);
  return dice.pick([
    `"${inner.slice(0, at)}"`,
    `"${inner.slice(0, at)}${piece}${inner.slice(at)}"`,
    `"${inner}${inner}"`,
    `"${piece}"`,
    `"${inner.slice(0, at)}\\${inner.slice(at)}"`,
    `"${inner.slice(0, at)}\u0001${inner.slice(at)}"`,
    text.slice(0, -1),
  ]);
}
