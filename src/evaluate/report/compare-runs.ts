import { KvDistillError } from "../../util/errors.ts";
import { type Bootstrap, bootstrap, type Interval } from "../metrics/bootstrap.ts";
import type { MetricName } from "../metrics/names.ts";
import { type Condition, conditionMeasured, conditionName } from "../run/conditions.ts";
import { conditionOf, failureOf, type SampleRow } from "../run/sample-row.ts";
import { FEWEST_PASSAGES } from "../run/summary.ts";
import type { StoredRun } from "./read-run.ts";
import { plainSetting, settingsOf } from "./settings.ts";

/** Both runs and their paired difference, B less A. */
export interface PairedMeasure {
  readonly a: Interval;
  readonly b: Interval;
  readonly difference: Interval;
  /** Questions that have it in both runs. */
  readonly n: number;
}

/** One condition that both runs have. */
export interface ComparedCondition {
  readonly condition: Condition;
  /** The task's measures in per cent, `forwardKl` in nats; null when no question has it in both. */
  readonly measures: Readonly<Partial<Record<MetricName, PairedMeasure>>> & {
    readonly forwardKl: PairedMeasure | null;
  };
  readonly failures: { readonly a: number; readonly b: number };
}

/** What a run is. */
export interface ComparedRun {
  readonly folder: string;
  readonly model: string;
  readonly code: string;
  readonly finishedAt: string;
  readonly questions: number;
}

export interface Comparison {
  readonly a: ComparedRun;
  readonly b: ComparedRun;
  readonly task: string;
  readonly metrics: readonly MetricName[];
  /** Questions that both runs have, matched by id. */
  readonly questions: number;
  readonly conditions: readonly ComparedCondition[];
  /** What only one of them has. */
  readonly unmatched: {
    readonly questions: { readonly a: number; readonly b: number };
    readonly conditions: { readonly a: readonly string[]; readonly b: readonly string[] };
  };
  /** Settings that differ, which is what is compared, as they are told. */
  readonly differs: readonly { readonly field: string; readonly a: string; readonly b: string }[];
  readonly bootstrap: {
    readonly resamples: number;
    readonly confidence: number;
    readonly seed: number;
    readonly unit: "passage" | "question";
    readonly units: number;
  };
}

/**
 * Settings that may differ between runs that are compared: what is measured, and how much of it. All others decide what is asked, and of
 * what text; a setting that is not known here is one of them.
 */
const MAY_DIFFER = ["modelHash", "tokenizerHash", "adapterHash", "sinks", "limit", "methods", "keeps", "seed", "fold"];
const RESAMPLES = 10_000;
const CONFIDENCE = 0.95;
const SEED = 0;

/**
 * Compares two runs question by question, B less A.
 * @throws KvDistillError `bad-argument` when they asked different things, naming each setting that differs, or have nothing in common
 */
export function compareRuns(a: StoredRun, b: StoredRun): Comparison {
  const differs = settingDifferences(a, b);
  const forbidden = differs.filter(({ field }) => !MAY_DIFFER.includes(field));
  const where = `${a.folder} and ${b.folder}`;
  if (forbidden.length > 0) {
    throw new KvDistillError("bad-argument", "the runs did not ask the same, so they cannot be compared", {
      where,
      faults: forbidden.map((one) => `${one.field}: ${one.a} and ${one.b}`),
    });
  }
  const rowsA = rowsByKey(a.rows);
  const rowsB = rowsByKey(b.rows);
  const [ofA, ofB] = [keysOf(rowsA), keysOf(rowsB)];
  const questions = [...ofA.questions].filter((id) => ofB.questions.has(id));
  // In the order of the first run's results: rows come as passages were read.
  const conditions = a.result.results
    .map(conditionMeasured)
    .filter((condition) => [ofA, ofB].every((own) => own.conditions.has(conditionName(condition))));
  if (questions.length === 0 || conditions.length === 0) {
    throw new KvDistillError("bad-argument", "the runs have nothing in common", {
      where,
      faults: [
        `questions in both: ${questions.length}`,
        `conditions of the first: ${[...ofA.conditions.keys()].join(", ")}`,
        `conditions of the second: ${[...ofB.conditions.keys()].join(", ")}`,
      ],
    });
  }
  const metrics = a.result.metrics.filter((name) => b.result.metrics.includes(name));
  const pairsOf = (condition: Condition): [SampleRow, SampleRow][] =>
    questions.flatMap((question) => {
      const key = `${question} ${conditionName(condition)}`;
      const [first, second] = [rowsA.get(key), rowsB.get(key)];
      return first === undefined || second === undefined ? [] : [[first, second]];
    });
  const passages = new Set(pairsOf(conditions[0] ?? { method: "", keep: undefined }).map(([row]) => row.passage)).size;
  const byPassage = passages >= FEWEST_PASSAGES;
  const lacking = (own: ReadonlySet<string>, other: ReadonlySet<string>): string[] =>
    [...own].filter((one) => !other.has(one));
  const [namesA, namesB] = [new Set(ofA.conditions.keys()), new Set(ofB.conditions.keys())];
  return {
    a: describe(a),
    b: describe(b),
    task: a.result.identity.task,
    metrics,
    questions: questions.length,
    conditions: conditions.map((condition) => compareCondition(condition, pairsOf(condition), metrics, byPassage)),
    unmatched: {
      questions: {
        a: lacking(ofA.questions, ofB.questions).length,
        b: lacking(ofB.questions, ofA.questions).length,
      },
      conditions: { a: lacking(namesA, namesB), b: lacking(namesB, namesA) },
    },
    differs,
    bootstrap: {
      resamples: RESAMPLES,
      confidence: CONFIDENCE,
      seed: SEED,
      unit: byPassage ? "passage" : "question",
      units: byPassage ? passages : questions.length,
    },
  };
}

function describe({ folder, result }: StoredRun): ComparedRun {
  const { model, code, finishedAt, questions } = result;
  const commit =
    code.commit === null ? "" : `, commit ${code.commit.slice(0, 12)}${code.modified ? " with changes" : ""}`;
  return { folder, model, code: `${code.version}${commit}`, finishedAt, questions };
}

/** A question by its id, and by how often that id came before, with its condition. */
function rowsByKey(rows: readonly SampleRow[]): Map<string, SampleRow> {
  const places = new Map<number, string>();
  const seen = new Map<string, number>();
  for (const { sample, id } of rows) {
    if (places.has(sample)) continue;
    const before = seen.get(id) ?? 0;
    seen.set(id, before + 1);
    places.set(sample, JSON.stringify([id, before]));
  }
  return new Map(rows.map((row) => [`${places.get(row.sample)} ${conditionName(conditionOf(row))}`, row]));
}

function keysOf(rows: ReadonlyMap<string, SampleRow>): {
  readonly questions: ReadonlySet<string>;
  readonly conditions: ReadonlyMap<string, Condition>;
} {
  const questions = new Set<string>();
  const conditions = new Map<string, Condition>();
  for (const [key, row] of rows) {
    const condition = conditionOf(row);
    const name = conditionName(condition);
    conditions.set(name, condition);
    questions.add(key.slice(0, -name.length - 1));
  }
  return { questions, conditions };
}

function compareCondition(
  condition: Condition,
  pairs: readonly (readonly [SampleRow, SampleRow])[],
  metrics: readonly MetricName[],
  byPassage: boolean,
): ComparedCondition {
  const failed = (side: 0 | 1): number => pairs.filter((pair) => failureOf(pair[side]) !== undefined).length;
  const paired = (value: (row: SampleRow) => number | null | undefined): PairedMeasure | null => {
    const both = pairs.flatMap(([a, b]) => {
      const [first, second] = [value(a), value(b)];
      return typeof first === "number" && typeof second === "number" ? [{ first, second, passage: a.passage }] : [];
    });
    if (both.length === 0) return null;
    const drawn: Bootstrap = bootstrap([both.map(({ first }) => first), both.map(({ second }) => second)], {
      seed: SEED,
      resamples: RESAMPLES,
      confidence: CONFIDENCE,
      ...(byPassage ? { groups: both.map(({ passage }) => passage) } : {}),
    });
    return { a: drawn.meanOf(0), b: drawn.meanOf(1), difference: drawn.differenceOf(1, 0), n: both.length };
  };
  const measures = metrics.flatMap((name) => {
    const measure = paired((row) => (row[name] === undefined ? undefined : 100 * row[name]));
    return measure === null ? [] : [[name, measure] as const];
  });
  return {
    condition,
    measures: { ...Object.fromEntries(measures), forwardKl: paired(({ forwardKl }) => forwardKl) },
    failures: { a: failed(0), b: failed(1) },
  };
}

/** Fields of both identities that are not equal. */
function settingDifferences(a: StoredRun, b: StoredRun): Comparison["differs"] {
  const [before, now] = [settingsOf(a), settingsOf(b)];
  return [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .filter((field) => before[field] !== now[field])
    .sort()
    .map((field) => ({ field, a: told(before[field]), b: told(now[field]) }));
}

function told(setting: string | undefined): string {
  return setting === undefined ? "nothing" : plainSetting(setting);
}
