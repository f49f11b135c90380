import type { ErrorCode } from "../../src/util/errors.ts";
import { judge, type Limits, LIMITS, type Verdict } from "./judge.ts";
import { Dice } from "./make/dice.ts";
import type { Case, Opened } from "./target.ts";

/** What came of some cases. */
export interface Tally {
  cases: number;
  values: number;
  readonly refusals: Map<ErrorCode, number>;
  readonly failures: Failure[];
}

export interface Failure {
  readonly target: string;
  readonly seed: number;
  /** Number of the case; for an edge its place. */
  readonly case: number | `edge ${number}`;
  readonly why: string;
  readonly input: string;
}

export function emptyTally(): Tally {
  return { cases: 0, values: 0, refusals: new Map(), failures: [] };
}

/** A parser that is open, with the numbers that its dice depend on. */
export interface Running {
  readonly name: string;
  /** A number of its own, which stays when targets are added. */
  readonly stream: number;
  readonly opened: Opened;
}

/** Runs cases `from` to before `to`. */
export async function runCases(
  running: Running,
  seed: number,
  from: number,
  to: number,
  tally: Tally,
  limits: Limits = LIMITS,
): Promise<void> {
  for (let number = from; number < to; number++) {
    const made = running.opened.make(new Dice(seed, running.stream, number));
    await take(made, running.name, seed, number, tally, limits);
  }
}

/** Runs every damage of every small file of a target. */
export async function runEdges({ name, opened }: Running, tally: Tally, limits: Limits = LIMITS): Promise<void> {
  let place = 0;
  for (const made of opened.edges()) await take(made, name, 0, `edge ${place++}`, tally, limits);
}

async function take(
  made: Case,
  target: string,
  seed: number,
  number: Failure["case"],
  tally: Tally,
  limits: Limits,
): Promise<void> {
  const { outcome, code, why = "" } = await judgeWithStack(made, limits);
  tally.cases++;
  if (outcome === "value") tally.values++;
  else if (code !== undefined) tally.refusals.set(code, (tally.refusals.get(code) ?? 0) + 1);
  else tally.failures.push({ target, seed, case: number, why, input: made.shown() });
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
