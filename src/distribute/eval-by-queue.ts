import type { EvaluationSetup } from "../evaluate/run/evaluation-setup.ts";
import type { MeasuredPassages, MeasurePassages } from "../evaluate/run/evaluate.ts";
import { portablePassage, scoredRow, type UnscoredRow } from "../evaluate/run/portable-passage.ts";
import type { PassageTask } from "../evaluate/run/question.ts";
import type { SampleRow } from "../evaluate/run/sample-row.ts";
import type { LoadedAdapter } from "../compress/loaded-adapter.ts";
import { KvDistillError } from "../util/errors.ts";
import { faultList } from "../util/fault-list.ts";
import { identityOf } from "./identity.ts";
import { EVAL_JOB, evalMeasuredSchema, type EvalWork } from "./jobs/eval.ts";
import { checked } from "./jobs/payload.ts";
import type { Link } from "./link.ts";
import { distribute, type FollowOptions, forgetFiles, type Shard } from "./run/distribute.ts";
import type { RememberedRun, RunMemory } from "./run/memory.ts";
import { newRunName, runFolder } from "./run/run-name.ts";
import { cutBySize, SHARD_SIZE } from "./shards.ts";
import { getJson, putJson } from "./store/checked-file.ts";
import { putAdapter, type StoredAdapter } from "./store/adapter.ts";

export interface EvalByQueueOptions extends FollowOptions {
  readonly link: Link;
  readonly adapter?: LoadedAdapter;
  /** For people. */
  readonly title: string;
  /** Of a shard, in characters of passages. It decides who does what, not what comes out. */
  readonly shardSize?: number;
  /** Without it a run that is stopped is given up. */
  readonly memory?: RunMemory;
}

/**
 * Measures passages on the machines of a queue; rows are scored here. What comes out is what one machine gives, but for times.
 * @throws KvDistillError as `distribute`, and with the code of the first failure when a shard failed for good; the others' rows came before
 */
export function evalByQueue(options: EvalByQueueOptions): MeasurePassages {
  return (setup, tasks) => measure(options, setup, tasks);
}

async function* measure(
  options: EvalByQueueOptions,
  setup: EvaluationSetup,
  tasks: readonly PassageTask[],
): AsyncGenerator<MeasuredPassages, void, undefined> {
  const { link, adapter, title, shardSize = SHARD_SIZE, memory, ...follow } = options;
  const { run, shards } = (await memory?.recall()) ?? newRun(tasks, shardSize);
  await memory?.remember({ run, shards });
  const folder = runFolder(run);
  const byIndex = new Map(tasks.map((task) => [String(task.index), task]));
  // A remembered run may have passages whose rows are all there by now.
  const passages = shards.map((names) => names.flatMap((name) => byIndex.get(name) ?? []));
  const stored = await storedAdapter(link, folder, setup, adapter);
  const work: Shard<EvalWork>[] = [];
  for (const own of passages) {
    const file = await putJson(
      link.store,
      `${folder}/work`,
      own.map((task) => portablePassage(task, setup.task.style)),
    );
    const names = own.map(({ index }) => String(index));
    work.push({ units: own.length, names, work: { settings: settingsOf(setup), adapter: stored, passages: file } });
  }
  const identity = await identityOf(setup.model);
  const distribution = { kind: EVAL_JOB, run, identity, title, unit: "passages", shards: work };
  const outcomes = await distribute(link, distribution, {
    ...(setup.signal === undefined ? {} : { signal: setup.signal }),
    giveUp: memory === undefined,
    ...follow,
  });
  const failures: string[] = [];
  for (const [i, outcome] of outcomes.entries()) {
    const own = passages[i] ?? [];
    if ("failure" in outcome) {
      failures.push(`passages ${own.map(({ index }) => index).join(", ")}: ${outcome.failure.message}`);
      continue;
    }
    const { measured } = outcome.result;
    const { rows, kept } = checked(evalMeasuredSchema, await getJson(link.store, measured), measured.key);
    yield { rows: rows.flatMap((row) => scored(row, byIndex)), kept };
  }
  // What was handed over is written.
  await memory?.forget();
  await forgetFiles(link, run);
  if (failures.length > 0) {
    throw new KvDistillError("engine", "some passages could not be measured", {
      where: run,
      faults: faultList(failures),
      hint: "with --out, --resume tries them again",
    });
  }
}

function newRun(tasks: readonly PassageTask[], shardSize: number): RememberedRun {
  const shards = cutBySize(tasks, sizeOf, shardSize);
  return { run: newRunName(EVAL_JOB.name), shards: shards.map((own) => own.map(({ index }) => String(index))) };
}

function sizeOf({ passage: { context, questions } }: PassageTask): number {
  return questions.reduce((sum, { question }) => sum + question.length, context.length);
}

async function storedAdapter(
  { store, scratch }: Link,
  folder: string,
  { methods }: EvaluationSetup,
  adapter: LoadedAdapter | undefined,
): Promise<StoredAdapter | null> {
  if (adapter === undefined || !methods.has("kv-distill")) return null;
  return putAdapter(store, `${folder}/adapter`, adapter.adapter, scratch);
}

function settingsOf(setup: EvaluationSetup): EvalWork["settings"] {
  const { methods, conditions, task, sinks, seed, maxNewTokens, goldTokens, fold = null, foldCut } = setup;
  const keeps = [...new Set(conditions.flatMap(({ keep }) => keep ?? []))];
  return {
    methods: [...methods.keys()],
    // A list without budgets says the same with any: none of its methods looks at it.
    keeps: keeps.length === 0 ? [1] : keeps,
    metrics: [...task.metrics],
    sinks,
    seed,
    taskMaxNewTokens: task.maxNewTokens,
    maxNewTokens,
    goldTokens,
    fold,
    foldCut,
  };
}

/** A row whose passage is no longer asked for has been written before. */
function scored(row: UnscoredRow, byIndex: ReadonlyMap<string, PassageTask>): SampleRow[] {
  const task = byIndex.get(String(row.row.passage));
  return task === undefined ? [] : [scoredRow(row, task)];
}
