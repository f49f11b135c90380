import { join } from "node:path";
import { adapterHash } from "../../cache/adapter-hash.ts";
import type { LoadedAdapter } from "../../compress/loaded-adapter.ts";
import { methodNamed } from "../../compress/methods/index.ts";
import type { RowFault } from "../../data/passage.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { passagePromptOf } from "../../models/load-model.ts";
import { fileDigest } from "../../models/loading/file-digest.ts";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { KvDistillError } from "../../util/errors.ts";
import { predictionsCsv, type QuestionText } from "../report/csv.ts";
import { plotsOf } from "../report/plots.ts";
import { firstQuestions, readSquad } from "../tasks/squad.ts";
import { conditionsOf } from "./conditions.ts";
import { checkEvalConfig, type EvalConfig, identityHash, type RunIdentity } from "./config.ts";
import { evaluatePassage } from "./evaluate-passage.ts";
import { type CodeVersion, type Machine, thisCode, thisMachine } from "./machine.ts";
import type { PassageTask } from "./question.ts";
import type { RowFile } from "./row-file.ts";
import { openRunFolder } from "./run-folder.ts";
import { conditionOf, rowKey, type SampleRow } from "./sample-row.ts";
import { summarise, type Summary } from "./summary.ts";

export interface SquadRunOptions {
  readonly model: LanguageModel;
  /** SQuAD v1.1 JSON or JSON Lines, plain or gzip; see `readSquad`. */
  readonly data: string;
  readonly config: EvalConfig;
  /** For kv-distill. */
  readonly adapter?: LoadedAdapter;
  /** Folder of rows and reports; without it nothing is written. */
  readonly out?: string;
  /** Go on with the run in `out`. */
  readonly resume?: boolean;
  /** What was typed, for the record. */
  readonly command?: string;
  /** Stops after the reading step in progress; what was written stays, to be resumed. */
  readonly signal?: AbortSignal;
  /** Rows that are there, of how many, and those that just came. */
  readonly onProgress?: (done: number, total: number, latest: readonly SampleRow[]) => void;
  readonly onNote?: (line: string) => void;
}

/** A finished evaluation: result.json (docs/formats/evaluation.md). */
export interface SquadResult extends Summary {
  readonly format: "kv-distill evaluation";
  readonly version: 1;
  readonly command: string | null;
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

const SINKS = 4;
const PROMPT_STYLE = "short-answer";

/**
 * Runs an evaluation on questions about passages: every method at every budget answers the same questions with the same prompt, greedily,
 * and is compared with the full cache at the gold answers.
 * @throws KvDistillError `bad-argument` for the configuration, data without questions, or a folder with another run; `cancelled` (a run with
 * a folder can be resumed); `bad-file`, `disk`, and what the engine throws beyond one sample's failures
 */
export async function evaluateSquad(options: SquadRunOptions): Promise<SquadResult> {
  const { model, data, adapter, out, resume = false, signal, onProgress, onNote = () => undefined } = options;
  const begun = performance.now();
  const config = checkEvalConfig(options.config);
  const methods = new Map(config.methods.map((name) => [name, methodNamed(name, adapter)]));
  const conditions = conditionsOf(config.methods, config.keeps);
  const faults: RowFault[] = [];
  const tasks = await readTasks(data, config.limit, (fault) => faults.push(fault));
  tellData(tasks, faults, config, data, onNote);

  const sinks = methods.has("kv-distill") ? (adapter?.adapter.config.sinks ?? SINKS) : SINKS;
  const identity: RunIdentity = {
    task: "squad",
    version: 1,
    config,
    promptStyle: PROMPT_STYLE,
    sinks,
    modelHash: model.files.hash,
    tokenizerHash: model.files.tokenizerHash,
    adapterHash: adapter === undefined || !methods.has("kv-distill") ? "none" : adapterHash(adapter.adapter),
    dataSha256: await fileDigest(data),
  };
  const code = await thisCode();
  const opened = out === undefined ? undefined : await openRunFolder(out, identity, code, resume);
  try {
    tellOtherCode(opened?.code, code, onNote);
    const setup = {
      model,
      prompt: passagePromptOf(model.files, PROMPT_STYLE),
      methods,
      conditions,
      sinks,
      seed: config.seed,
      maxNewTokens: config.maxNewTokens,
      ...(opened === undefined ? {} : { kept: opened.kept }),
      ...(signal === undefined ? {} : { signal }),
    };
    const rows = await measureAll(setup, tasks, opened?.rows, onProgress);
    const summary = summarise(rows, conditions, config.seed);
    const result: SquadResult = {
      format: "kv-distill evaluation",
      version: 1,
      command: options.command ?? null,
      code,
      machine: { ...thisMachine(), device: model.runtime.device, threads: model.runtime.threads },
      identityHash: identityHash(identity),
      identity,
      model: model.files.name,
      data: { path: data, malformedRows: faults.length },
      finishedAt: new Date().toISOString(),
      seconds: {
        process: (performance.now() - begun) / 1000,
        rows: rows.reduce((sum, { seconds }) => sum + seconds, 0),
      },
      ...summary,
      failures: rows.flatMap(({ sample, id, method, keep, failure }) =>
        failure === undefined ? [] : [{ sample, id, method, keep, failure }],
      ),
    };
    if (out !== undefined) await writeReports(out, result, rows, questionTexts(tasks));
    return result;
  } finally {
    await opened?.kept.close();
    await opened?.rows.close();
  }
}

async function measureAll(
  setup: Parameters<typeof evaluatePassage>[0],
  tasks: readonly PassageTask[],
  file: RowFile | undefined,
  onProgress: SquadRunOptions["onProgress"],
): Promise<SampleRow[]> {
  const rows = [...(file?.rows ?? [])];
  const there = new Set(rows.map((row) => rowKey(row.sample, conditionOf(row))));
  const questions = tasks.reduce((sum, { passage }) => sum + passage.questions.length, 0);
  const total = questions * setup.conditions.length;
  onProgress?.(rows.length, total, []);
  for (const task of tasks) {
    const wanted: Parameters<typeof evaluatePassage>[2] = (sample, condition) => !there.has(rowKey(sample, condition));
    for await (const batch of evaluatePassage(setup, task, wanted)) {
      await file?.append(batch);
      rows.push(...batch);
      onProgress?.(rows.length, total, batch);
    }
  }
  return rows.sort((a, b) => a.sample - b.sample);
}

async function readTasks(
  path: string,
  limit: number | null,
  onFault: (fault: RowFault) => void,
): Promise<PassageTask[]> {
  const tasks: PassageTask[] = [];
  let firstSample = 0;
  for await (const passage of firstQuestions(readSquad(path, onFault), limit ?? Infinity)) {
    tasks.push({ index: tasks.length, firstSample, passage });
    firstSample += passage.questions.length;
  }
  if (firstSample > 0) return tasks;
  throw new KvDistillError("bad-argument", "there are no questions to ask", { where: path });
}

function tellData(
  tasks: readonly PassageTask[],
  faults: readonly RowFault[],
  { limit }: EvalConfig,
  data: string,
  onNote: (line: string) => void,
): void {
  const questions = tasks.reduce((sum, { passage }) => sum + passage.questions.length, 0);
  if (limit !== null && questions < limit) onNote(`${data} has ${questions} questions, fewer than ${limit}`);
  const [first] = faults;
  if (first === undefined) return;
  onNote(`malformed rows left out: ${faults.length}, the first at ${first.file}:${first.line}: ${first.fault}`);
}

function tellOtherCode(earlier: CodeVersion | undefined, now: CodeVersion, onNote: (line: string) => void): void {
  if (earlier === undefined || (earlier.commit === now.commit && earlier.version === now.version)) return;
  const name = ({ version, commit }: CodeVersion): string => `${version}, commit ${commit ?? "unknown"}`;
  onNote(`the run was begun by other code (${name(earlier)}; this is ${name(now)}): its rows may not be comparable`);
}

function questionTexts(tasks: readonly PassageTask[]): Map<number, QuestionText> {
  return new Map(
    tasks.flatMap(({ passage, firstSample }) =>
      passage.questions.map(({ question, answers }, i) => [firstSample + i, { question, golds: answers }] as const),
    ),
  );
}

/** result.json comes last: where it is, the rest is whole. */
async function writeReports(
  out: string,
  result: SquadResult,
  rows: readonly SampleRow[],
  questions: ReadonlyMap<number, QuestionText>,
): Promise<void> {
  const write = (name: string, text: string): Promise<void> => writeFileAtomic(join(out, name), Buffer.from(text));
  await write("predictions.csv", predictionsCsv(rows, questions, result.identity.config.maxNewTokens));
  for (const { file, svg } of plotsOf(result, result.model)) await write(file, svg);
  await write("result.json", `${JSON.stringify(result, null, 2)}\n`);
}
