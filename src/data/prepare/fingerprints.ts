/** 64 bits that stand for a text. Among 20 million texts two share one with a probability of 1 in 90,000. */
export interface Fingerprint {
  readonly low: number;
  readonly high: number;
}

/**
 * A number from 1 to 65,535 for every fingerprint that was put in, in 20 to 40 bytes each whatever the texts' lengths; a Map would take
 * five times that and end at 2^24 entries.
 */
export class Fingerprints {
  private keys = new Uint32Array(2 * FIRST_SLOTS);
  private values = new Uint16Array(FIRST_SLOTS);
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** 0 when it was not put in. */
  get(print: Fingerprint): number {
    return this.values[this.slotOf(print)] ?? 0;
  }

  /** Puts a fingerprint in unless it is there. Returns whether it was not. */
  add(print: Fingerprint, value = 1): boolean {
    if (this.count * 2 >= this.values.length) this.grow();
    const slot = this.slotOf(print);
    if (this.values[slot] !== 0) return false;
    this.put(slot, print, value);
    this.count++;
    return true;
  }

  private put(slot: number, { low, high }: Fingerprint, value: number): void {
    this.keys[2 * slot] = low;
    this.keys[2 * slot + 1] = high;
    this.values[slot] = value;
  }

  /** Where it is, or the free slot where it would be. Half of the slots are free, so the search ends soon. */
  private slotOf({ low, high }: Fingerprint): number {
    const mask = this.values.length - 1;
    let slot = (low ^ high) & mask;
    while (this.values[slot] !== 0 && !(this.keys[2 * slot] === low && this.keys[2 * slot + 1] === high)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  private grow(): void {
    const { keys, values } = this;
    this.keys = new Uint32Array(2 * keys.length);
    this.values = new Uint16Array(2 * values.length);
    values.forEach((value, slot) => {
      if (value === 0) return;
      const print = { low: keys[2 * slot] ?? 0, high: keys[2 * slot + 1] ?? 0 };
      this.put(this.slotOf(print), print, value);
    });
  }
}

/** A power of two. */
const FIRST_SLOTS = 1024;
