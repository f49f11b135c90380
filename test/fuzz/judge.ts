import { type ErrorCode, isKvDistillError, messageOf } from "../../src/util/errors.ts";
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

/** Runs a case and holds it to the promise: a value or a refusal of this package, within bounded memory and time, and nothing else changed. */
export async function judge(given: Case, limits: Limits = LIMITS): Promise<Verdict> {
  const peak = peakBytes();
  const begun = busyMilliseconds();
  const verdict = await outcomeOf(given);
  const took = busyMilliseconds() - begun;
  const grown = peakBytes() - peak;
  if (verdict.outcome === "failure") return verdict;
  if (grown > limits.growth + 64 * given.bytes)
    return failure(`the process grew by ${Math.round(grown / MEBI)} MiB at an input of ${given.bytes} bytes`);
  const polluted = pollution();
  if (polluted !== undefined) return failure(`${polluted} was changed`);
  if (took > limits.milliseconds) {
    const again = busyMilliseconds();
    await outcomeOf(given);
    // Garbage of many cases before may have been swept in this one.
    if (busyMilliseconds() - again > limits.milliseconds) return failure(`it took ${Math.round(took)} ms`);
  }
  return verdict;
}

async function outcomeOf(given: Case): Promise<Verdict> {
  const verdict = await attempt(given);
  // Node tells of them when everything that waits has run.
  if (verdict.outcome === "refused") await new Promise(setImmediate);
  const first = forgotten.splice(0)[0];
  return first === undefined ? verdict : failure(`a promise was rejected and nobody looked: ${messageOf(first)}`);
}

/** Rejections that would have ended the process. */
const forgotten: unknown[] = [];
process.on("unhandledRejection", (reason) => forgotten.push(reason));

async function attempt(given: Case): Promise<Verdict> {
  try {
    await given.run();
    return { outcome: "value" };
  } catch (error) {
    if (!isKvDistillError(error))
      return failure(error instanceof Error ? (error.stack ?? error.message) : messageOf(error));
    if (NOT_REFUSALS.includes(error.code)) return failure(`refused as ${error.code}: ${error.message}`);
    if (error.message.length > LONGEST_MESSAGE)
      return failure(`a message of ${error.message.length} characters: ${error.message.slice(0, 300)}…`);
    return { outcome: "refused", code: error.code };
  }
}

function failure(why: string): Verdict {
  return { outcome: "failure", why };
}

/** Of all threads of the process, so that a busy machine makes no case slow. */
function busyMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

const PROTOTYPES: Readonly<Record<string, object>> = {
  Object: Object.prototype,
  Array: Array.prototype,
  Function: Function.prototype,
  String: String.prototype,
};
const BEFORE = new Map(
  Object.entries(PROTOTYPES).map(([name, prototype]) => [name, Reflect.ownKeys(prototype).length]),
);

/** The name of a prototype that has other members than before. */
function pollution(): string | undefined {
  for (const [name, prototype] of Object.entries(PROTOTYPES)) {
    if (Reflect.ownKeys(prototype).length !== BEFORE.get(name)) return `${name}.prototype`;
  }
  return undefined;
}
