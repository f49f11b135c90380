import { KvDistillError } from "../../util/errors.ts";
import { type Bootstrap, bootstrap, type Interval } from "../metrics/bootstrap.ts";
import type { MetricName } from "../metrics/names.ts";
import type { Facts } from "../tasks/task.ts";
import { type Condition, conditionName } from "./conditions.ts";
import { conditionOf, failureOf, rowKey, type SampleRow } from "./sample-row.ts";

/** Intervals of the task's measures, in per cent, and of KL, in nats. */
export interface Intervals extends Readonly<Partial<Record<MetricName, Interval>>> {
  /** Null when no question has it in all conditions. */
  readonly forwardKl: Interval | null;
}

/** One condition less another, question by question. An interval without 0 is more than chance. */
export interface Difference extends Intervals {
  readonly to: { readonly method: string; readonly keep: number };
}

/** Means over questions: of the task's measures in per cent, failures included. */
export interface Means extends Readonly<Partial<Record<MetricName, number>>> {
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
}

export interface ConditionResult extends Means {
  readonly method: string;
  /** Fraction asked for; 1 for the full cache, what was obtained for the floor. */
  readonly keep: number;
  /** Mean over passages of rows of the cache / tokens; 0 when all failed. */
  readonly obtainedKeep: number;
  /** The method saw the question: a bound, no rival. */
  readonly questionAware?: true;
  /** Per cent of answers with nothing in them, and that reached the limit of new tokens; null when nothing is generated. */
  readonly emptyRate: number | null;
  readonly cutRate: number | null;
  readonly secondsPerQuestion: number;
  readonly intervals: Intervals;
  readonly differences: readonly Difference[];
  /** For each distinct set of facts, where questions have them. */
  readonly breakdown?: readonly (Means & { readonly facts: Facts })[];
}

export interface Summary {
  /** Names of the task's measures: fields of results, intervals and rows. The first is the headline. */
  readonly metrics: readonly MetricName[];
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
export const FEWEST_PASSAGES = 10;

export interface SummaryOptions {
  readonly metrics: readonly MetricName[];
  readonly seed: number;
  /** What is to be said of a method. */
  readonly marks?: (method: string) => Pick<ConditionResult, "questionAware">;
}

/**
 * Means, intervals and differences of a complete set of rows.
 * @throws KvDistillError `bad-argument` when there are no questions or a row is missing
 */
export function summarise(
  rows: readonly SampleRow[],
  conditions: readonly Condition[],
  { metrics, seed, marks = () => ({}) }: SummaryOptions,
): Summary {
  const byKey = new Map(rows.map((row) => [rowKey(row.sample, conditionOf(row)), row]));
  const samples = [...new Set(rows.map(({ sample }) => sample))].sort((a, b) => a - b);
  if (samples.length === 0) throw new KvDistillError("bad-argument", "there is nothing to sum up");
  const table = conditions.map((condition) => samples.map((sample) => rowOf(byKey, sample, condition)));
  const passageOf = (table[0] ?? []).map(({ passage }) => passage);
  const passages = new Set(passageOf).size;
  const groups = passages < FEWEST_PASSAGES ? undefined : passageOf;
  const measures = measuresOf(table, metrics, groups, seed);
  const keptBy = table.map(obtainedKeep);
  const keepOf = (i: number): number =>
    conditions[i]?.keep ?? (conditions[i]?.method === "full" ? 1 : (keptBy[i] ?? 0));

  const results = table.map((own, i): ConditionResult => {
    const references = conditions.flatMap((other, j) => (isReference(conditions[i], other) ? [j] : []));
    const method = conditions[i]?.method ?? "";
    return {
      method,
      keep: keepOf(i),
      obtainedKeep: keptBy[i] ?? 0,
      ...marks(method),
      ...meansOf(own, metrics),
      ...generationOf(own),
      secondsPerQuestion: mean(own.map(({ seconds }) => seconds)) ?? 0,
      intervals: intervals(measures, (of) => of.meanOf(i)),
      differences: references.map((j) => ({
        to: { method: conditions[j]?.method ?? "", keep: keepOf(j) },
        ...intervals(measures, (of) => of.differenceOf(i, j)),
      })),
      ...breakdownOf(own, metrics),
    };
  });
  const unit = groups === undefined ? "question" : "passage";
  const units = groups === undefined ? samples.length : passages;
  return {
    metrics,
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

function meansOf(rows: readonly SampleRow[], metrics: readonly MetricName[]): Means {
  const compared = rows.flatMap(({ forwardKl, top1, answerNll, answerTokens }) =>
    forwardKl === null || top1 === null || answerNll === null ? [] : [{ forwardKl, top1, answerNll, answerTokens }],
  );
  const tokens = sum(compared.map(({ answerTokens }) => answerTokens));
  const ofTokens = (value: (row: (typeof compared)[number]) => number): number | null =>
    tokens === 0 ? null : sum(compared.map((row) => value(row) * row.answerTokens)) / tokens;
  const nll = ofTokens(({ answerNll }) => answerNll);
  const agreement = ofTokens(({ top1 }) => top1);
  return {
    ...named(metrics, (name) => mean(percents(rows, name)) ?? 0),
    n: rows.length,
    failures: rows.filter((row) => failureOf(row) !== undefined).length,
    forwardKl: mean(compared.map(({ forwardKl }) => forwardKl)),
    klN: compared.length,
    top1Agreement: agreement === null ? null : 100 * agreement,
    answerPerplexity: nll === null ? null : Math.exp(nll),
  };
}

function generationOf(rows: readonly SampleRow[]): Pick<ConditionResult, "emptyRate" | "cutRate"> {
  const generated = rows.filter(({ empty }) => empty !== undefined);
  const rate = (of: (row: SampleRow) => boolean): number | null =>
    generated.length === 0 ? null : (100 * generated.filter(of).length) / generated.length;
  return { emptyRate: rate(({ empty }) => empty === 1), cutRate: rate(({ finish }) => finish === "length") };
}

function breakdownOf(rows: readonly SampleRow[], metrics: readonly MetricName[]): Pick<ConditionResult, "breakdown"> {
  const cells = new Map<string, { readonly facts: Facts; readonly rows: SampleRow[] }>();
  for (const row of rows) {
    if (row.facts === undefined) continue;
    const key = JSON.stringify(row.facts);
    const cell = cells.get(key) ?? { facts: row.facts, rows: [] };
    cell.rows.push(row);
    cells.set(key, cell);
  }
  if (cells.size === 0) return {};
  return { breakdown: [...cells.values()].map(({ facts, rows: own }) => ({ facts, ...meansOf(own, metrics) })) };
}

/** @throws KvDistillError `bad-argument` for rows of another task */
function percents(rows: readonly SampleRow[], name: MetricName): number[] {
  return rows.map(({ [name]: share, sample }) => {
    if (share !== undefined) return 100 * share;
    throw new KvDistillError("bad-argument", "a row has no such measure", { where: `question ${sample}`, got: name });
  });
}

function named<T>(metrics: readonly MetricName[], value: (name: MetricName) => T): Partial<Record<MetricName, T>> {
  return Object.fromEntries(metrics.map((name) => [name, value(name)]));
}

interface Measures {
  readonly metrics: readonly (readonly [MetricName, Bootstrap])[];
  readonly forwardKl: Bootstrap | undefined;
}

/** Bootstraps with one column a condition. KL is compared on the questions that have it everywhere. */
function measuresOf(
  table: readonly (readonly SampleRow[])[],
  metrics: readonly MetricName[],
  groups: readonly number[] | undefined,
  seed: number,
): Measures {
  const options = { seed, resamples: RESAMPLES, confidence: CONFIDENCE };
  const whole = { ...options, ...(groups === undefined ? {} : { groups }) };
  const places = (table[0] ?? []).flatMap((_, i) => (table.every((rows) => rows[i]?.forwardKl !== null) ? [i] : []));
  const klGroups = groups === undefined ? {} : { groups: places.map((i) => groups[i] ?? 0) };
  return {
    metrics: metrics.map((name) => [
      name,
      bootstrap(
        table.map((rows) => percents(rows, name)),
        whole,
      ),
    ]),
    forwardKl:
      places.length === 0
        ? undefined
        : bootstrap(
            table.map((rows) => places.map((i) => rows[i]?.forwardKl ?? 0)),
            { ...options, ...klGroups },
          ),
  };
}

function intervals({ metrics, forwardKl }: Measures, pick: (of: Bootstrap) => Interval): Intervals {
  return {
    ...(Object.fromEntries(metrics.map(([name, own]) => [name, pick(own)])) as Partial<Record<MetricName, Interval>>),
    forwardKl: forwardKl === undefined ? null : pick(forwardKl),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : sum(values) / values.length;
}
