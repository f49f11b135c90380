import { createHash } from "node:crypto";
import { METHOD_NAMES, QUESTION_AWARE_METHOD_NAMES } from "../../compress/methods/index.ts";
import type { RoundedPrecision } from "../../models/precision/precision.ts";
import { changedSettings } from "../../util/changed-settings.ts";
import { KvDistillError } from "../../util/errors.ts";

/** What an evaluation measures, whatever the task. Together with task, model, adapter and data it decides every result. */
export interface EvalConfig {
  /** The first questions of the task; null for all. */
  readonly limit: number | null;
  readonly methods: readonly string[];
  /** Fractions kept. */
  readonly keeps: readonly number[];
  readonly seed: number;
  /** Tokens of a greedy answer at most; null: as the task says. */
  readonly maxNewTokens: number | null;
  /** Methods compress fold by fold, in folds of this many tokens; absent: in one piece. The full cache is never folded. */
  readonly fold?: number;
  /** Tokens of a gold answer at which predictions are compared, from its first; absent: `DEFAULT_GOLD_TOKENS`. */
  readonly goldTokens?: number;
}

/** The full cache's predictions at gold answers are held in memory: 0.4 MB a token with 49,152 words. */
export const DEFAULT_GOLD_TOKENS = 128;

/** Every method that a run can measure. */
export const MEASURED_METHOD_NAMES: readonly string[] = [...METHOD_NAMES, ...QUESTION_AWARE_METHOD_NAMES];

/**
 * A checked configuration.
 * @throws KvDistillError `bad-argument` with all faults at once
 */
export function checkEvalConfig(config: EvalConfig): EvalConfig {
  const { limit, methods, keeps, seed, maxNewTokens, fold, goldTokens } = config;
  const faults: string[] = [];
  const whole = (name: string, value: number, least: number): void => {
    if (!Number.isSafeInteger(value) || value < least) {
      faults.push(`${name}: expected a whole number from ${least}, got ${value}`);
    }
  };
  if (limit !== null) whole("limit", limit, 1);
  whole("seed", seed, 0);
  if (maxNewTokens !== null) whole("maxNewTokens", maxNewTokens, 1);
  if (fold !== undefined) whole("fold", fold, 1);
  if (goldTokens !== undefined) whole("goldTokens", goldTokens, 1);
  if (methods.length === 0) faults.push(`methods: expected at least one of ${MEASURED_METHOD_NAMES.join(", ")}`);
  for (const method of methods) {
    if (!MEASURED_METHOD_NAMES.includes(method)) {
      faults.push(
        `methods: there is no method ${JSON.stringify(method)}; there are ${MEASURED_METHOD_NAMES.join(", ")}`,
      );
    }
  }
  if (keeps.length === 0) faults.push("keeps: expected at least one");
  for (const keep of keeps) {
    if (!(keep > 0 && keep <= 1)) faults.push(`keeps: expected more than 0, at most 1 (or 100%), got ${keep}`);
  }
  faults.push(...repeated("methods", methods), ...repeated("keeps", keeps));
  if (faults.length > 0) throw new KvDistillError("bad-argument", "the evaluation's options are wrong", { faults });
  return config;
}

function repeated(name: string, values: readonly (string | number)[]): string[] {
  return [...new Set(values.filter((value, i) => values.indexOf(value) !== i))].map(
    (value) => `${name}: ${value} twice`,
  );
}

/** All that decides the results, as it is written beside them; a run resumes only under the same. */
export interface RunIdentity {
  readonly task: string;
  /** What the task was told beside its files; absent when nothing. */
  readonly taskSettings?: Readonly<Record<string, unknown>>;
  /** Of the rows' meaning; raised when the same settings would give other rows. */
  readonly version: 1 | 2;
  readonly config: EvalConfig;
  readonly promptStyle: string;
  /** Leading tokens that every method keeps. */
  readonly sinks: number;
  readonly modelHash: string;
  readonly tokenizerHash: string;
  /** What the model computes in; absent: float32. */
  readonly precision?: RoundedPrecision;
  /** "none" without an adapter. */
  readonly adapterHash: string;
  /** Of the task's file; of several files, of their names and hashes. */
  readonly dataSha256: string;
}

export function identityHash(identity: RunIdentity): string {
  const texts = Object.entries(fields(identity)).map(([key, value]) => [key, JSON.stringify(value)]);
  return createHash("sha256")
    .update(JSON.stringify(Object.fromEntries(texts)))
    .digest("hex");
}

/** What differs between two runs, one line a field. */
export function identityDifferences(found: RunIdentity, wanted: RunIdentity): readonly string[] {
  return changedSettings(fields(found), fields(wanted));
}

/** Fields in a fixed order. */
function fields({ config, taskSettings, ...rest }: RunIdentity): Record<string, unknown> {
  const found: [string, unknown][] = Object.entries({ ...taskSettings, ...rest, ...config });
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}
