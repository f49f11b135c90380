import process from "node:process";

/** Milliseconds between two lines of progress in a log. */
const APART = 10_000;

/** How fast a run goes, and how long it will go on. */
export class Rate {
  private readonly all: number;
  private readonly begun = performance.now();
  private told = performance.now();
  private done = 0;

  /** @param all cases that are to be run */
  constructor(all: number) {
    this.all = all;
  }

  add(cases: number): void {
    this.done += cases;
  }

  /** One line on a terminal that changes; in a log a line now and then, and the last one. */
  tell(what: string): void {
    const last = this.done >= this.all;
    const now = performance.now();
    if (!process.stderr.isTTY && !last && now - this.told < APART) return;
    this.told = now;
    const second = this.done / ((now - this.begun) / 1000);
    const left = (this.all - this.done) / second;
    const line = `${what}; ${Math.round(second)} a second, ${last ? "done" : `about ${duration(left)} left`}`;
    process.stderr.write(process.stderr.isTTY ? `\r${line}\u001b[K` : `${line}\n`);
  }
}

function duration(seconds: number): string {
  return seconds < 90
    ? `${Math.ceil(seconds)} s`
    : seconds < 5400
      ? `${Math.ceil(seconds / 60)} min`
      : `${(seconds / 3600).toFixed(1)} h`;
}
