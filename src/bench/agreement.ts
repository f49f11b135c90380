import type { SideResult } from "./sides/protocol.ts";

/** Losses of float32 sides differ by what sums in another order differ by, and a little more after every step. */
const SAME_NUMBER = 0.01;
/** Once two likeliest tokens lie closer than rounding, greedy answers part for good. */
const SAME_TOKENS = 0.5;

/** How what came out of one side compares with what came out of another. */
export interface Agreement {
  /** `loss 0.512 / 0.512`, `32 of 32 tokens`. */
  readonly text: string;
  readonly same: boolean;
}

/** Undefined when the two have nothing in common. */
export function agreementOf(ours: SideResult["check"], theirs: SideResult["check"]): Agreement | undefined {
  const parts = Object.entries(ours).flatMap(([name, own]): Agreement[] => {
    const other = theirs[name];
    if (other === undefined) return [];
    if (typeof own === "number" && typeof other === "number") return [numbers(name, own, other)];
    if (typeof own === "number" || typeof other === "number") return [{ text: `${name} differ in kind`, same: false }];
    const equal = own.findIndex((id, i) => id !== other[i]);
    const first = equal < 0 ? own.length : equal;
    const same = own.length === other.length && first >= own.length * SAME_TOKENS;
    return [{ text: `first ${first} of ${own.length} tokens`, same }];
  });
  if (parts.length === 0) return undefined;
  return { text: parts.map(({ text }) => text).join(", "), same: parts.every(({ same }) => same) };
}

function numbers(name: string, own: number, other: number): Agreement {
  // Ids and counts are whole: they are the same or not.
  if (Number.isInteger(own) && Number.isInteger(other))
    return { text: `${name} ${own} / ${other}`, same: own === other };
  const distance = Math.abs(own - other) / Math.max(Math.abs(own), Math.abs(other));
  return { text: `${name} ${own.toPrecision(4)} / ${other.toPrecision(4)}`, same: distance <= SAME_NUMBER };
}
