import { basename, join } from "node:path";
import { createHash } from "node:crypto";
import { USUAL_CHOICES } from "../../cache/adapter.ts";
import type { LoadedAdapter } from "../../compress/loaded-adapter.ts";
import type { CompressionMethod } from "../../compress/method.ts";
import { methodNamed } from "../../compress/methods/index.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { fileDigest } from "../../models/loading/file-digest.ts";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { formatCount } from "../../util/format.ts";
import { predictionsCsv, type QuestionText } from "../report/csv.ts";
import { PLOT_WIDTH, plotsOf } from "../report/plots.ts";
import { readKept } from "../report/read-kept.ts";
import type { Task } from "../tasks/task.ts";
import { conditionsOf } from "./conditions.ts";
import { checkEvalConfig, DEFAULT_GOLD_TOKENS, type EvalConfig, identityHash, type RunIdentity } from "./config.ts";
import { answerLimit, evaluatePassage } from "./evaluate-passage.ts";
import type { EvaluationSetup } from "./evaluation-setup.ts";
import { KEPT_FILE } from "./kept-file.ts";
import { type CodeVersion, type Machine, thisCode, thisMachine } from "./machine.ts";
import type { PassageTask } from "./question.ts";
import { questionCount, readTasks } from "./read-tasks.ts";
import type { RowFile } from "./row-file.ts";
import { type Reused, type ReusableRows, reusableRows, reuseKept } from "./reuse.ts";
import { openRunFolder, type RunStart } from "./run-folder.ts";
import { conditionOf, failureOf, rowKey, type SampleRow } from "./sample-row.ts";
import { summarise, type Summary } from "./summary.ts";

export interface EvaluateOptions {
  readonly model: LanguageModel;
  readonly task: Task;
  readonly config: EvalConfig;
  /** For kv-distill. */
  readonly adapter?: LoadedAdapter;
  /** Folder of rows and reports; without it nothing is written. */
  readonly out?: string;
  /** Go on with the run in `out`. */
  readonly resume?: boolean;
  /** Folders of other runs of the same questions, whose rows are taken over as far as this one would make them too; the first that has a row counts. */
  readonly reuse?: readonly string[];
  /** What was typed, for the record. */
  readonly command?: string;
  /** Stops after the reading step in progress; what was written stays, to be resumed. */
  readonly signal?: AbortSignal;
  /** Rows that are there, of how many, and those that just came. */
  readonly onProgress?: (done: number, total: number, latest: readonly SampleRow[]) => void;
  readonly onNote?: (line: string) => void;
  /** Who measures passages; absent: this process, one after the other. */
  readonly measure?: MeasurePassages;
}

/** What was measured of some passages: rows, and lines of kept.jsonl. */
export interface MeasuredPassages {
  readonly rows: readonly SampleRow[];
  readonly kept: readonly string[];
}

/** Measures every condition on passages, in their order. */
export type MeasurePassages = (
  setup: EvaluationSetup,
  tasks: readonly PassageTask[],
) => AsyncIterable<MeasuredPassages>;

/** A finished evaluation: result.json (docs/formats/evaluation.md). */
export interface EvaluationResult extends Summary {
  readonly format: "kv-distill evaluation";
  readonly version: 1;
  readonly command: string | null;
  /** What other runs have measured. */
  readonly reused?: readonly Reused[];
  readonly code: CodeVersion;
  readonly machine: Machine & { readonly device: string; readonly threads: number };
  readonly identityHash: string;
  readonly identity: RunIdentity;
  readonly model: string;
  readonly data: { readonly path: string; readonly malformedRows: number };
  readonly finishedAt: string;
  readonly seconds: {
    /** Of the process that finished the run. */
    readonly process: number;
    /** Of all rows, whichever process made them. */
    readonly rows: number;
  };
  readonly failures: readonly Pick<SampleRow, "sample" | "id" | "method" | "keep" | "failure">[];
}

const WITHOUT_ADAPTER = { sinks: 4, foldCut: USUAL_CHOICES.foldCut } as const;

/**
 * Runs an evaluation: every method at every budget answers the same questions with the same prompt, greedily, and is compared with the full
 * cache at the gold answers.
 * @throws KvDistillError `bad-argument` for the configuration, data without questions, or a folder with another run; `cancelled` (a run with
 * a folder can be resumed); `bad-file`, `disk`, and what the engine throws beyond one sample's failures
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationResult> {
  const { model, task, adapter, out, resume = false, signal, onProgress, onNote = () => undefined } = options;
  const begun = performance.now();
  const given = checkEvalConfig(options.config);
  const config = { ...given, maxNewTokens: given.maxNewTokens ?? task.maxNewTokens };
  const { goldTokens = DEFAULT_GOLD_TOKENS } = config;
  const methods = new Map(config.methods.map((name) => [name, methodNamed(name, adapter)]));
  const conditions = conditionsOf(config.methods, config.keeps);
  const { limit, seed } = config;
  const { tasks, malformedRows } = await readTasks(task, model, { limit, seed, goldTokens, onNote });

  const { sinks, foldCut } = (methods.has("kv-distill") ? adapter?.adapter.config : undefined) ?? WITHOUT_ADAPTER;
  const identity: RunIdentity = {
    task: task.name,
    // Folds were read by themselves once (docs/decisions/0248).
    version: config.fold === undefined ? 1 : 2,
    ...(Object.keys(task.settings).length === 0 ? {} : { taskSettings: task.settings }),
    config,
    promptStyle: task.style.name,
    sinks,
    modelHash: model.files.hash,
    tokenizerHash: model.files.tokenizerHash,
    ...(model.precision === "fp32" ? {} : { precision: model.precision }),
    adapterHash: adapter === undefined || !methods.has("kv-distill") ? "none" : adapter.hash,
    dataSha256: await filesDigest(task.files),
  };
  const code = await thisCode();
  const opened = out === undefined ? undefined : await openRunFolder(out, identity, code, resume);
  try {
    tellOtherCode(opened?.code, code, onNote);
    const setup: EvaluationSetup = {
      model,
      task,
      methods,
      conditions,
      sinks,
      foldCut,
      seed: config.seed,
      maxNewTokens: config.maxNewTokens,
      goldTokens,
      ...(config.fold === undefined ? {} : { fold: config.fold }),
      ...(opened === undefined ? {} : { kept: opened.kept }),
      ...(signal === undefined ? {} : { signal }),
    };
    const questions = questionCount(tasks);
    const others = await reusableRows({ folders: options.reuse ?? [], identity, conditions, questions });
    for (const { reused } of others) {
      onNote(`${formatCount(reused.rows)} rows taken over from ${reused.folder}`);
      tellOtherCode(reused.code, code, onNote);
    }
    const there = await takeOver(opened, others);
    const rows = await measureAll(setup, tasks, { file: opened?.rows, there }, options.measure, onProgress);
    const summary = summarise(rows, conditions, {
      metrics: task.metrics,
      seed: config.seed,
      marks: (method) => marksOf(methods.get(method)),
    });
    const result: EvaluationResult = {
      format: "kv-distill evaluation",
      version: 1,
      command: options.command ?? null,
      ...(others.length === 0 ? {} : { reused: others.map(({ reused }) => reused) }),
      code,
      machine: { ...thisMachine(), device: model.runtime.device, threads: model.runtime.threads },
      identityHash: identityHash(identity),
      identity,
      model: model.files.name,
      data: { path: task.files.join(", "), malformedRows },
      finishedAt: new Date().toISOString(),
      seconds: {
        process: (performance.now() - begun) / 1000,
        rows: rows.reduce((sum, { seconds }) => sum + seconds, 0),
      },
      ...summary,
      failures: rows.flatMap((row) => {
        const { sample, id, method, keep } = row;
        const failure = failureOf(row);
        return failure === undefined ? [] : [{ sample, id, method, keep, failure }];
      }),
    };
    if (out !== undefined) await writeReports(out, result, rows, questionTexts(tasks, task, config));
    return result;
  } finally {
    await opened?.kept.close();
    await opened?.rows.close();
  }
}

function marksOf(method: CompressionMethod | undefined): Pick<CompressionMethod, "questionAware"> {
  return method?.questionAware === undefined ? {} : { questionAware: method.questionAware };
}

/** Rows that need not be measured: those of the folder, and those of other runs, which are written there too. */
async function takeOver(opened: RunStart | undefined, others: readonly ReusableRows[]): Promise<SampleRow[]> {
  const all = [...(opened?.rows.rows ?? [])];
  const there = new Set(all.map((row) => rowKey(row.sample, conditionOf(row))));
  for (const { rows, reused } of others) {
    const missing = rows.filter((row) => !there.has(rowKey(row.sample, conditionOf(row))));
    if (opened !== undefined) {
      await reuseKept(opened.kept, reused.folder, missing);
      await opened.rows.append(missing);
    }
    all.push(...missing);
  }
  return all;
}

/** One file's own hash; of several files a hash over names and hashes. */
async function filesDigest(paths: readonly string[]): Promise<string> {
  const digests = await Promise.all(paths.map(async (path) => [basename(path), await fileDigest(path)] as const));
  const [only, ...others] = digests;
  if (only !== undefined && others.length === 0) return only[1];
  return createHash("sha256").update(JSON.stringify(digests)).digest("hex");
}

async function measureAll(
  setup: EvaluationSetup,
  tasks: readonly PassageTask[],
  { file, there }: { readonly file: RowFile | undefined; readonly there: readonly SampleRow[] },
  measure: MeasurePassages | undefined,
  onProgress: EvaluateOptions["onProgress"],
): Promise<SampleRow[]> {
  const rows = [...there];
  const keys = new Set(rows.map((row) => rowKey(row.sample, conditionOf(row))));
  const wanted: Parameters<typeof evaluatePassage>[2] = (sample, condition) => !keys.has(rowKey(sample, condition));
  const total = questionCount(tasks) * setup.conditions.length;
  onProgress?.(rows.length, total, []);
  const add = async (batch: readonly SampleRow[]): Promise<void> => {
    await file?.append(batch);
    rows.push(...batch);
    onProgress?.(rows.length, total, batch);
  };
  if (measure === undefined) {
    for (const task of tasks) for await (const batch of evaluatePassage(setup, task, wanted)) await add(batch);
  } else {
    const open = tasks.filter(({ firstSample, passage: { questions } }) =>
      questions.some((_, i) => setup.conditions.some((condition) => wanted(firstSample + i, condition))),
    );
    for await (const { rows: made, kept } of open.length === 0 ? [] : measure(setup, open)) {
      await setup.kept?.appendLines(kept);
      await add(made.filter((row) => wanted(row.sample, conditionOf(row))));
    }
  }
  return rows.sort((a, b) => a.sample - b.sample);
}

function tellOtherCode(earlier: CodeVersion | undefined, now: CodeVersion, onNote: (line: string) => void): void {
  if (earlier === undefined || (earlier.commit === now.commit && earlier.version === now.version)) return;
  const name = ({ version, commit }: CodeVersion): string => `${version}, commit ${commit ?? "unknown"}`;
  onNote(`rows were made by other code (${name(earlier)}; this is ${name(now)}): they may not be comparable`);
}

function questionTexts(tasks: readonly PassageTask[], task: Task, config: EvalConfig): Map<number, QuestionText> {
  return new Map(
    tasks.flatMap(({ passage, firstSample }) => {
      const maxNewTokens = answerLimit(task, passage.maxNewTokens, config.maxNewTokens);
      return passage.questions.map(
        ({ question, answers, answerPrefix = "" }, i) =>
          [firstSample + i, { question, golds: answers, answerPrefix, maxNewTokens }] as const,
      );
    }),
  );
}

/** result.json comes last: where it is, the rest is whole. */
async function writeReports(
  out: string,
  result: EvaluationResult,
  rows: readonly SampleRow[],
  questions: ReadonlyMap<number, QuestionText>,
): Promise<void> {
  const write = (name: string, text: string): Promise<void> => writeFileAtomic(join(out, name), Buffer.from(text));
  await write("predictions.csv", predictionsCsv(rows, questions, result.identity.task, result.metrics));
  const { bytes } = await readKept(join(out, KEPT_FILE), new Set());
  for (const { file, draw } of plotsOf(result, { model: result.model, bytes })) await write(file, draw(PLOT_WIDTH));
  await write("result.json", `${JSON.stringify(result, null, 2)}\n`);
}
