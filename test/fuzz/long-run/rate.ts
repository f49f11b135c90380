import process from "node:process";

/** Milliseconds between two lines of progress. */
const APART = 10_000;

/** How fast a run goes, and how long it will go on. */
export class Rate {
  private readonly all: number;
  private readonly begun = performance.now();
  private done = 0;
  /** When the last line was told, and the cases until then. */
  private last = { at: performance.now(), done: 0 };

  /** @param all cases that are to be run */
  constructor(all: number) {
    this.all = all;
  }

  add(cases: number): void {
    this.done += cases;
  }

  /** Now and then a line, on a terminal in place of the one before, with the rate since then: a pause is in one line only. At the end the rate of all. */
  tell(what: string): void {
    const now = performance.now();
    const ends = this.done >= this.all;
    if (!ends && now - this.last.at < APART) return;
    const since = ends ? { at: this.begun, done: 0 } : this.last;
    const second = (this.done - since.done) / ((now - since.at) / 1000);
    this.last = { at: now, done: this.done };
    const rest = ends ? "done" : `about ${duration((this.all - this.done) / second)} left`;
    const line = `${what}; ${Math.round(second)} a second, ${rest}`;
    process.stderr.write(process.stderr.isTTY ? `\r${line}\u001b[K` : `${line}\n`);
  }
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
