import type { Random } from "../../../util/random.ts";

/** What a generator makes: a text, and what is asked of it. */
export interface RulerSample {
  /** The instruction in front of the haystack, and the haystack. */
  readonly context: string;
  readonly question: string;
  readonly answerPrefix: string;
  /** What an answer must contain. */
  readonly references: readonly string[];
  /** An answer as a good model would write it. */
  readonly answer: string;
}

/** Makes samples of one task; of the same draws and size the same one. */
export interface RulerGenerator {
  /** The smallest size that makes sense. */
  readonly least: number;
  /** No larger size makes a longer text. */
  readonly most?: number;
  /**
   * @param size of the haystack, in the generator's own unit
   * @param length tokens that the sample is for
   * @param index which sample, from 0
   */
  readonly make: (random: Random, size: number, length: number, index: number) => RulerSample;
}

/** Different places below `bound`, drawn by lot. */
export function drawPlaces(random: Random, bound: number, count: number): number[] {
  const taken = new Set<number>();
  while (taken.size < Math.min(count, bound)) taken.add(random.integer(bound));
  return [...taken];
}

/** One of the things. */
export function drawOne<T>(random: Random, things: readonly T[]): T {
  return things[random.integer(things.length)] as T;
}

/** `["a", "b", "c"]` as `a, b, and c`. */
export function listed(parts: readonly string[]): string {
  return parts.length > 1 ? `${parts.slice(0, -1).join(", ")}, and ${parts.at(-1) ?? ""}` : (parts[0] ?? "");
}
