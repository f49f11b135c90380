/** Numbers of 0 … 2^32 − 1 that come one by one, four bytes each. */
export class GrowingColumn {
  private values = new Uint32Array(1024);
  private count = 0;

  get length(): number {
    return this.count;
  }

  push(value: number): void {
    if (this.count === this.values.length) {
      const longer = new Uint32Array(2 * this.count);
      longer.set(this.values);
      this.values = longer;
    }
    this.values[this.count++] = value;
  }

  toArray(): Uint32Array {
    return this.values.slice(0, this.count);
  }
}
