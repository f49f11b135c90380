import type { ErrorCode } from "../../src/util/errors.ts";
import { attempt, judge, leftBehind, type Limits, LIMITS, type Verdict } from "./judge.ts";
import { Dice } from "./make/dice.ts";
import { Meter } from "./meter.ts";
import type { Case, Opened } from "./target.ts";

/** What came of some cases. */
export interface Tally {
  cases: number;
  values: number;
  readonly refusals: Map<ErrorCode, number>;
  readonly failures: Failure[];
  /** The case that took the most processor time, by itself. */
  slowest: Slowest | undefined;
  /** Bytes by which the process grew at most during a batch, and its largest size. */
  grown: number;
  peak: number;
}

export interface Slowest {
  readonly case: Failure["case"];
  readonly milliseconds: number;
}

export interface Failure {
  readonly target: string;
  readonly seed: number;
  /** Number of the case; for an edge its place. */
  readonly case: number | `edge ${number}`;
  readonly why: string;
  readonly input: string;
}

/** @param slowest of earlier cases: slower ones are looked for */
export function emptyTally(slowest?: Slowest): Tally {
  return { cases: 0, values: 0, refusals: new Map(), failures: [], slowest, grown: 0, peak: 0 };
}

/** A parser that is open, with the numbers that its dice depend on. */
export interface Running {
  readonly name: string;
  /** A number of its own, which stays when targets are added. */
  readonly stream: number;
  readonly opened: Opened;
}

/**
 * Runs cases `from` to before `to`.
 * @param reached is told the number of the last case of every batch
 */
export async function runCases(
  { name, stream, opened }: Running,
  seed: number,
  from: number,
  to: number,
  tally: Tally,
  limits: Limits = LIMITS,
  reached: (number: number) => void = () => undefined,
): Promise<void> {
  const batches = new Batches(name, seed, tally, limits);
  for (let number = from; number < to; number++) {
    await batches.run(number, opened.make(new Dice(seed, stream, number)));
    if (!batches.isDue()) continue;
    await batches.end();
    reached(number);
  }
  await batches.end();
}

/** Runs every damage of every small file of a target. */
export async function runEdges({ name, opened }: Running, tally: Tally, limits: Limits = LIMITS): Promise<void> {
  const batches = new Batches(name, 0, tally, limits);
  let place = 0;
  for (const made of opened.edges()) {
    await batches.run(`edge ${place++}`, made);
    if (batches.isDue()) await batches.end();
  }
  await batches.end();
}

/** Milliseconds after which a batch ends with its next case. */
const BATCH = 100;

interface Taken {
  readonly number: Failure["case"];
  readonly made: Case;
  readonly verdict: Verdict;
  readonly milliseconds: number;
}

/**
 * Cases one after another. Whether each gave a value or a refusal is judged at once; time, memory and what was left behind are
 * measured over the cases of a tenth of a second together, against what a single one of them may use. Where they are over it, each runs again by itself.
 */
class Batches {
  private readonly meter = new Meter();
  private batch: Taken[] = [];
  private begun = 0;
  private readonly target: string;
  private readonly seed: number;
  private readonly tally: Tally;
  private readonly limits: Limits;

  constructor(target: string, seed: number, tally: Tally, limits: Limits) {
    this.target = target;
    this.seed = seed;
    this.tally = tally;
    this.limits = limits;
    this.begin();
  }

  async run(number: Failure["case"], made: Case): Promise<void> {
    const start = performance.now();
    const verdict = await attempt(made);
    const end = performance.now();
    this.batch.push({ number, made, verdict, milliseconds: end - start });
  }

  isDue(): boolean {
    return performance.now() - this.begun >= BATCH;
  }

  async end(): Promise<void> {
    const left = await leftBehind();
    const { milliseconds, grown, peak } = this.meter.read();
    this.tally.grown = Math.max(this.tally.grown, grown);
    this.tally.peak = Math.max(this.tally.peak, peak);
    const exceeded = left !== undefined || milliseconds > this.limits.milliseconds || grown > this.limits.growth;
    const failures = this.tally.failures.length;
    for (const taken of this.batch) {
      const { made, verdict } = taken;
      const alone = exceeded || verdict.outcome === "failure" ? await judgeWithStack(made, this.limits) : verdict;
      // What failed among others and not by itself has failed.
      this.add(taken, verdict.outcome === "failure" && alone.outcome !== "failure" ? verdict : alone);
    }
    if (left !== undefined && this.tally.failures.length === failures) this.blame(left);
    await this.keepSlowest();
    this.begin();
  }

  private begin(): void {
    this.batch = [];
    this.begun = performance.now();
    this.meter.set();
  }

  private add({ number, made }: Taken, { outcome, code, why = "" }: Verdict): void {
    const { tally } = this;
    tally.cases++;
    if (outcome === "value") tally.values++;
    else if (code !== undefined) tally.refusals.set(code, (tally.refusals.get(code) ?? 0) + 1);
    else tally.failures.push({ target: this.target, seed: this.seed, case: number, why, input: made.shown() });
  }

  /** Something was left behind, and by none of the cases when it ran again. */
  private blame(left: string): void {
    const first = this.batch[0];
    const last = this.batch.at(-1);
    if (first === undefined || last === undefined) return;
    const why = `one of the cases from here to ${last.number}: ${left}`;
    this.tally.failures.push({ target: this.target, seed: this.seed, case: first.number, why, input: "" });
  }

  /** A case that took longer than any before runs again, to tell its work from waiting for a turn on a busy machine. */
  private async keepSlowest(): Promise<void> {
    for (const { number, made, milliseconds } of this.batch) {
      if (milliseconds <= (this.tally.slowest?.milliseconds ?? 0)) continue;
      this.meter.set();
      await attempt(made);
      await leftBehind();
      const own = this.meter.read().milliseconds;
      if (own > (this.tally.slowest?.milliseconds ?? 0)) this.tally.slowest = { case: number, milliseconds: own };
    }
  }
}

/** Long runs go without stacks, which are most of a refusal's cost: a failure runs again with one. */
async function judgeWithStack(made: Case, limits: Limits): Promise<Verdict> {
  const verdict = await judge(made, limits);
  if (verdict.outcome !== "failure" || Error.stackTraceLimit > 0) return verdict;
  Error.stackTraceLimit = 30;
  const again = await judge(made, limits);
  Error.stackTraceLimit = 0;
  return again.outcome === "failure" ? again : verdict;
}
