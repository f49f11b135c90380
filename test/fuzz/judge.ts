import { type ErrorCode, isKvDistillError, messageOf } from "../../src/util/errors.ts";
import { Meter } from "./meter.ts";
import type { Case } from "./target.ts";

/** Codes that say something else than "this input is refused": the parser went on too long before it noticed. */
const NOT_REFUSALS: readonly ErrorCode[] = ["out-of-memory", "engine", "invalid-graph", "peer", "network", "cancelled"];
/** Characters of a message, which ends on a terminal or in a log. */
const LONGEST_MESSAGE = 40_000;
const MEBI = 2 ** 20;

export interface Limits {
  /** Milliseconds of processor time that a case may take, twice in a row. */
  readonly milliseconds: number;
  /** Bytes by which the process may grow during one case, beside 64 times its input. */
  readonly growth: number;
}

export const LIMITS: Limits = { milliseconds: 2000, growth: 192 * MEBI };

export interface Verdict {
  readonly outcome: "value" | "refused" | "failure";
  /** Of a refusal. */
  readonly code?: ErrorCode;
  /** Of a failure. */
  readonly why?: string;
}

/** Runs a case by itself and holds it to the promise: a value or a refusal of this package, within bounded memory and time, and nothing else changed. */
export async function judge(given: Case, limits: Limits = LIMITS): Promise<Verdict> {
  const meter = new Meter();
  // What earlier cases have left is not this one's.
  globalThis.gc?.();
  meter.set();
  const verdict = await attempt(given);
  const left = await leftBehind();
  const { milliseconds, grown } = meter.read();
  if (left !== undefined) return failure(left);
  if (verdict.outcome === "failure") return verdict;
  if (grown > limits.growth + (given.thread?.growth ?? 0) + 64 * given.bytes)
    return failure(`the process grew by ${Math.round(grown / MEBI)} MiB at an input of ${given.bytes} bytes`);
  const allowed = limits.milliseconds + (given.thread?.milliseconds ?? 0);
  if (milliseconds > allowed) {
    meter.set();
    await attempt(given);
    await leftBehind();
    // Garbage of many cases before may have been swept in this one.
    if (meter.read().milliseconds > allowed) return failure(`it took ${Math.round(milliseconds)} ms`);
  }
  return verdict;
}

/** What some cases have left behind them, and takes it away: a rejection that would have ended the process, a changed prototype. */
export async function leftBehind(): Promise<string | undefined> {
  // Node tells of rejections when everything that waits has run.
  await new Promise(setImmediate);
  const first = forgotten.splice(0)[0];
  if (first !== undefined) return `a promise was rejected and nobody looked: ${messageOf(first)}`;
  const polluted = pollution();
  return polluted === undefined ? undefined : `${polluted} was changed`;
}

const forgotten: unknown[] = [];
process.on("unhandledRejection", (reason) => forgotten.push(reason));

/** Runs a case; what it took and left behind is measured around it. */
export async function attempt(given: Case): Promise<Verdict> {
  try {
    await given.run();
    return VALUE;
  } catch (error) {
    if (!isKvDistillError(error))
      return failure(error instanceof Error ? (error.stack ?? error.message) : messageOf(error));
    if (NOT_REFUSALS.includes(error.code)) return failure(`refused as ${error.code}: ${error.message}`);
    if (error.message.length > LONGEST_MESSAGE)
      return failure(`a message of ${error.message.length} characters: ${error.message.slice(0, 300)}…`);
    return { outcome: "refused", code: error.code };
  }
}

const VALUE: Verdict = { outcome: "value" };

function failure(why: string): Verdict {
  return { outcome: "failure", why };
}

const PROTOTYPES: Readonly<Record<string, object>> = {
  Object: Object.prototype,
  Array: Array.prototype,
  Function: Function.prototype,
  String: String.prototype,
};
const BEFORE = new Map(Object.values(PROTOTYPES).map((prototype) => [prototype, new Set(Reflect.ownKeys(prototype))]));

/** The name of a prototype that has other members than before; it loses the new ones, so that the next case is judged by itself. */
function pollution(): string | undefined {
  for (const [name, prototype] of Object.entries(PROTOTYPES)) {
    const before = BEFORE.get(prototype);
    const keys = Reflect.ownKeys(prototype);
    const added = keys.filter((key) => before?.has(key) !== true);
    for (const key of added) Reflect.deleteProperty(prototype, key);
    if (added.length > 0 || keys.length !== before?.size) return `${name}.prototype`;
  }
  return undefined;
}
