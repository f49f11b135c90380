import { createHash } from "node:crypto";
import { METHOD_NAMES } from "../../compress/methods/index.ts";
import { KvDistillError } from "../../util/errors.ts";

/** What an evaluation on questions about passages measures. Together with model, adapter and data it decides every result. */
export interface EvalConfig {
  /** The first questions of the file; null for all. */
  readonly limit: number | null;
  readonly methods: readonly string[];
  /** Fractions kept. */
  readonly keeps: readonly number[];
  readonly seed: number;
  /** Tokens of a greedy answer at most. The paper: 128. */
  readonly maxNewTokens: number;
}

/**
 * The paper generates up to 128 tokens. Answers here are asked to be short phrases; 32 tokens hold nearly all of them, and an answer that
 * rambles on gains containment by chance.
 */
export const DEFAULT_MAX_NEW_TOKENS = 32;

/**
 * A checked configuration.
 * @throws KvDistillError `bad-argument` with all faults at once
 */
export function checkEvalConfig(config: EvalConfig): EvalConfig {
  const { limit, methods, keeps, seed, maxNewTokens } = config;
  const faults: string[] = [];
  const whole = (name: string, value: number, least: number): void => {
    if (!Number.isSafeInteger(value) || value < least) {
      faults.push(`${name}: expected a whole number from ${least}, got ${value}`);
    }
  };
  if (limit !== null) whole("limit", limit, 1);
  whole("seed", seed, 0);
  whole("maxNewTokens", maxNewTokens, 1);
  if (methods.length === 0) faults.push(`methods: expected at least one of ${METHOD_NAMES.join(", ")}`);
  for (const method of methods) {
    if (!METHOD_NAMES.includes(method)) {
      faults.push(`methods: there is no method ${JSON.stringify(method)}; there are ${METHOD_NAMES.join(", ")}`);
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
  readonly task: "squad";
  /** Of the rows' meaning; raised when the same settings would give other rows. */
  readonly version: 1;
  readonly config: EvalConfig;
  readonly promptStyle: string;
  /** Leading tokens that every method keeps. */
  readonly sinks: number;
  readonly modelHash: string;
  readonly tokenizerHash: string;
  /** "none" without an adapter. */
  readonly adapterHash: string;
  readonly dataSha256: string;
}

export function identityHash(identity: RunIdentity): string {
  return createHash("sha256")
    .update(JSON.stringify(flatten(identity)))
    .digest("hex");
}

/** What differs between two runs, one line a field. */
export function identityDifferences(found: RunIdentity, wanted: RunIdentity): string[] {
  const before = flatten(found);
  const now = flatten(wanted);
  return [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .filter((key) => before[key] !== now[key])
    .map((key) => `${key}: begun with ${before[key] ?? "nothing"}, now ${now[key] ?? "nothing"}`);
}

/** Fields and their JSON, in a fixed order. */
function flatten({ config, ...rest }: RunIdentity): Record<string, string> {
  const fields = Object.entries({ ...rest, ...config }).map(([key, value]) => [key, JSON.stringify(value)]);
  return Object.fromEntries(fields.sort(([a = ""], [b = ""]) => (a < b ? -1 : 1))) as Record<string, string>;
}
