import { type Random, randomFromSeed } from "../../../src/util/random.ts";

/** Everything that a case draws; the same seed, target and case draw the same. */
export class Dice {
  private readonly random: Random;

  constructor(seed: number, target: number, number: number) {
    this.random = randomFromSeed(seed, target, number);
  }

  /** A whole number in [0, bound). */
  below(bound: number): number {
    return this.random.integer(bound);
  }

  /** True in `part` of all throws. */
  chance(part: number): boolean {
    return this.random.uint32() < part * 2 ** 32;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined && items.length === 0) throw new RangeError("nothing to pick from");
    return item as T;
  }

  /** 1, 2, 3 …, each half as often as the one before. */
  few(): number {
    let count = 1;
    while (count < 8 && this.chance(0.5)) count++;
    return count;
  }

  uint32(): number {
    return this.random.uint32();
  }
}
