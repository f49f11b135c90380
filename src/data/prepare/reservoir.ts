import { KvDistillError } from "../../util/errors.ts";
import type { Random } from "../../util/random.ts";

/**
 * A uniform sample of a stream whose length nobody knows: every set of `capacity` items is as likely as any other, and no more than
 * these are ever held (Vitter 1985, algorithm R).
 */
export class Reservoir<T> {
  private readonly capacity: number;
  private readonly random: Random;
  private readonly held: { readonly item: T; readonly at: number }[] = [];
  private seen = 0;

  /** @throws KvDistillError `bad-argument` for a capacity below 1 */
  constructor(capacity: number, random: Random) {
    if (!Number.isSafeInteger(capacity) || capacity < 1) {
      throw new KvDistillError("bad-argument", "reservoir", {
        expected: "a capacity from 1",
        got: String(capacity),
      });
    }
    this.capacity = capacity;
    this.random = random;
  }

  /** Items offered so far. */
  get offered(): number {
    return this.seen;
  }

  /** Items held now, at most the capacity. */
  get size(): number {
    return this.held.length;
  }

  offer(item: T): void {
    const at = this.seen++;
    if (at < this.capacity) {
      this.held.push({ item, at });
      return;
    }
    const slot = this.random.integer(at + 1);
    if (slot < this.capacity) this.held[slot] = { item, at };
  }

  /** `count` of the items held, drawn evenly (all by default), in the order in which they were offered. */
  sample(count = this.held.length): T[] {
    return this.random
      .shuffle([...this.held])
      .slice(0, count)
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
  }
}
