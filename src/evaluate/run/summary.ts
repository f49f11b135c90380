import { KvDistillError } from "../../util/errors.ts";
import { type Bootstrap, bootstrap, type Interval } from "../metrics/bootstrap.ts";
import { meanScores } from "../metrics/squad.ts";
import { type Condition, conditionName } from "./conditions.ts";
import { conditionOf, rowKey, type SampleRow } from "./sample-row.ts";

/** The measures that get intervals. Shares in per cent, KL in nats. */
export interface Intervals {
  readonly goldInAnswer: Interval;
  readonly f1: Interval;
  /** Null when no question has it in all conditions. */
  readonly forwardKl: Interval | null;
}

/** One condition less another, question by question. An interval without 0 is more than chance. */
export interface Difference extends Intervals {
  readonly to: { readonly method: string; readonly keep: number };
}

export interface ConditionResult {
  readonly method: string;
  /** Fraction asked for; 1 for the full cache, what was obtained for the floor. */
  readonly keep: number;
  /** Mean over passages of rows kept / tokens; 0 when all failed. */
  readonly obtainedKeep: number;
  /** Per cent, as are the next four. */
  readonly goldInAnswer: number;
  readonly em: number;
  readonly f1: number;
  readonly answerInGold: number;
  readonly emptyRate: number;
  /** Questions, failures included. */
  readonly n: number;
  readonly failures: number;
  /** KL(full ‖ this) on the gold answer's tokens in nats, mean over tokens, then over the `klN` questions that have it. */
  readonly forwardKl: number | null;
  readonly klN: number;
  /** Per cent of gold tokens where the likeliest token is that of the full cache. */
  readonly top1Agreement: number | null;
  /** Of the gold answers, all tokens alike. */
  readonly answerPerplexity: number | null;
  /** Per cent of answers that reached the limit of new tokens. */
  readonly cutRate: number;
  readonly secondsPerQuestion: number;
  readonly intervals: Intervals;
  readonly differences: readonly Difference[];
}

export interface Summary {
  readonly results: readonly ConditionResult[];
  /** How intervals were made. */
  readonly bootstrap: {
    readonly resamples: number;
    readonly confidence: number;
    readonly seed: number;
    /** What is drawn: passages with all their questions, or single questions where passages are too few. */
    readonly unit: "passage" | "question";
    readonly units: number;
  };
  readonly questions: number;
  readonly passages: number;
}

const RESAMPLES = 10_000;
const CONFIDENCE = 0.95;
/** With fewer passages their bootstrap says little; questions are drawn instead, which makes intervals too narrow. */
const FEWEST_PASSAGES = 10;

/**
 * Means, intervals and differences of a complete set of rows.
 * @throws KvDistillError `bad-argument` when there are no questions or a row is missing
 */
export function summarise(rows: readonly SampleRow[], conditions: readonly Condition[], seed: number): Summary {
  const byKey = new Map(rows.map((row) => [rowKey(row.sample, conditionOf(row)), row]));
  const samples = [...new Set(rows.map(({ sample }) => sample))].sort((a, b) => a - b);
  if (samples.length === 0) throw new KvDistillError("bad-argument", "there is nothing to sum up");
  const table = conditions.map((condition) => samples.map((sample) => rowOf(byKey, sample, condition)));
  const passageOf = (table[0] ?? []).map(({ passage }) => passage);
  const passages = new Set(passageOf).size;
  const groups = passages < FEWEST_PASSAGES ? undefined : passageOf;
  const measures = measuresOf(table, groups, seed);
  const keptBy = table.map(obtainedKeep);
  const keepOf = (i: number): number =>
    conditions[i]?.keep ?? (conditions[i]?.method === "full" ? 1 : (keptBy[i] ?? 0));

  const results = table.map((own, i) => {
    const references = conditions.flatMap((other, j) => (isReference(conditions[i], other) ? [j] : []));
    return {
      method: conditions[i]?.method ?? "",
      keep: keepOf(i),
      obtainedKeep: keptBy[i] ?? 0,
      ...meansOf(own),
      intervals: intervals(measures, (of) => of.meanOf(i)),
      differences: references.map((j) => ({
        to: { method: conditions[j]?.method ?? "", keep: keepOf(j) },
        ...intervals(measures, (of) => of.differenceOf(i, j)),
      })),
    };
  });
  const unit = groups === undefined ? "question" : "passage";
  const units = groups === undefined ? samples.length : passages;
  return {
    results,
    bootstrap: { resamples: RESAMPLES, confidence: CONFIDENCE, seed, unit, units },
    questions: samples.length,
    passages,
  };
}

function rowOf(byKey: ReadonlyMap<string, SampleRow>, sample: number, condition: Condition): SampleRow {
  const row = byKey.get(rowKey(sample, condition));
  if (row !== undefined) return row;
  throw new KvDistillError("bad-argument", "a row is missing", {
    where: `question ${sample}, ${conditionName(condition)}`,
  });
}

/** Every condition is compared with the full cache, and with kv-distill at its own budget, or at all when it has none. */
function isReference(own: Condition | undefined, other: Condition): boolean {
  if (own === undefined || own === other) return false;
  if (other.method === "full") return true;
  return other.method === "kv-distill" && own.method !== "full" && (own.keep === undefined || own.keep === other.keep);
}

function obtainedKeep(rows: readonly SampleRow[]): number {
  const shares = new Map(
    rows.flatMap((row) => (row.rows === null ? [] : [[row.passage, row.rows / row.contextTokens]])),
  );
  return mean([...shares.values()]) ?? 0;
}

function meansOf(
  rows: readonly SampleRow[],
): Omit<ConditionResult, "method" | "keep" | "obtainedKeep" | "intervals" | "differences"> {
  const { em, f1, goldInAnswer, answerInGold, emptyRate, n } = meanScores(rows);
  const compared = rows.flatMap(({ forwardKl, top1, answerNll, answerTokens }) =>
    forwardKl === null || top1 === null || answerNll === null ? [] : [{ forwardKl, top1, answerNll, answerTokens }],
  );
  const tokens = sum(compared.map(({ answerTokens }) => answerTokens));
  const ofTokens = (value: (row: (typeof compared)[number]) => number): number | null =>
    tokens === 0 ? null : sum(compared.map((row) => value(row) * row.answerTokens)) / tokens;
  const nll = ofTokens(({ answerNll }) => answerNll);
  const agreement = ofTokens(({ top1 }) => top1);
  return {
    goldInAnswer: 100 * goldInAnswer,
    em: 100 * em,
    f1: 100 * f1,
    answerInGold: 100 * answerInGold,
    emptyRate: 100 * emptyRate,
    n,
    failures: rows.filter(({ failure }) => failure !== undefined).length,
    forwardKl: mean(compared.map(({ forwardKl }) => forwardKl)),
    klN: compared.length,
    top1Agreement: agreement === null ? null : 100 * agreement,
    answerPerplexity: nll === null ? null : Math.exp(nll),
    cutRate: (100 * rows.filter(({ finish }) => finish === "length").length) / rows.length,
    secondsPerQuestion: mean(rows.map(({ seconds }) => seconds)) ?? 0,
  };
}

interface Measures {
  readonly goldInAnswer: Bootstrap;
  readonly f1: Bootstrap;
  readonly forwardKl: Bootstrap | undefined;
}

/** Bootstraps with one column a condition. KL is compared on the questions that have it everywhere. */
function measuresOf(
  table: readonly (readonly SampleRow[])[],
  groups: readonly number[] | undefined,
  seed: number,
): Measures {
  const options = { seed, resamples: RESAMPLES, confidence: CONFIDENCE };
  const whole = { ...options, ...(groups === undefined ? {} : { groups }) };
  const places = (table[0] ?? []).flatMap((_, i) => (table.every((rows) => rows[i]?.forwardKl !== null) ? [i] : []));
  const klGroups = groups === undefined ? {} : { groups: places.map((i) => groups[i] ?? 0) };
  return {
    goldInAnswer: bootstrap(
      table.map((rows) => rows.map((row) => 100 * row.goldInAnswer)),
      whole,
    ),
    f1: bootstrap(
      table.map((rows) => rows.map((row) => 100 * row.f1)),
      whole,
    ),
    forwardKl:
      places.length === 0
        ? undefined
        : bootstrap(
            table.map((rows) => places.map((i) => rows[i]?.forwardKl ?? 0)),
            { ...options, ...klGroups },
          ),
  };
}

function intervals({ goldInAnswer, f1, forwardKl }: Measures, pick: (of: Bootstrap) => Interval): Intervals {
  return {
    goldInAnswer: pick(goldInAnswer),
    f1: pick(f1),
    forwardKl: forwardKl === undefined ? null : pick(forwardKl),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : sum(values) / values.length;
}
