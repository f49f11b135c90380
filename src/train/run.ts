import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import type { Adapter, AdapterConfig, AdapterTargets } from "../cache/adapter.ts";
import type { ExampleSet } from "../data/example-set.ts";
import { familyOf } from "../models/families/index.ts";
import type { ModelFiles } from "../models/model-files.ts";
import { checkOptions, type RuntimeOptions } from "../runtime/options.ts";
import { createRuntime } from "../runtime/runtime.ts";
import { KvDistillError } from "../util/errors.ts";
import { PACKAGE_NAME_AND_VERSION } from "../util/version.ts";
import { gradientsOn } from "./accumulate.ts";
import { zeroMoments } from "./adamw.ts";
import { checkRun } from "./check-run.ts";
import type { TrainingState } from "./checkpoint.ts";
import type { TrainConfig } from "./config.ts";
import type { CurvePoint } from "./metrics.ts";
import { newParameters, parametersOf } from "./new-parameters.ts";
import { type Parameters, SCORER_PREFIX } from "./parameters.ts";
import { readTrainingData } from "./run-data.ts";
import { openRunFolder, refuseOldRun } from "./run-folder.ts";
import { startScorer } from "./scorer-start/start.ts";
import { scorerWidthOf } from "./step/engine.ts";
import { openStepEngine } from "./step/open-engine.ts";
import type { TrainingLoop } from "./training-loop.ts";
import { type StepReport, train } from "./trainer.ts";

export interface TrainingRunOptions {
  readonly files: ModelFiles;
  /** JSON Lines of questions with contexts, plain or gzip; or one token store. */
  readonly data: readonly string[];
  /** Folder of checkpoints, metrics, configuration and the adapter. */
  readonly out: string;
  readonly config: TrainConfig;
  /** Continue from the newest complete checkpoint in `out`; begin where there is none. */
  readonly resume: boolean;
  /** Values to start from instead of new ones; `settingsFrom` has the settings that go with them. */
  readonly start?: Adapter;
  /** Folder that `start` came from, for the run's record. */
  readonly init?: string;
  /** Steps between checkpoints. */
  readonly checkpointEvery: number;
  readonly threads?: number;
  /** As typed, for the run's record. */
  readonly command?: readonly string[];
  /** Finishes the step in progress, saves and returns. */
  readonly signal?: AbortSignal;
  /** Before the first step: where the run stands. */
  readonly onStart?: (start: { readonly step: number; readonly examples: number }) => void;
  readonly onStep?: (report: StepReport) => void;
  /** After each passage that is read to fit a new scorer (`scorerStart`). */
  readonly onScorerPassage?: (done: number, total: number) => void;
  readonly onNote?: (line: string) => void;
  /** Who computes the steps; absent: this process, one after the other. */
  readonly loop?: TrainingLoop;
}

export interface TrainingRunResult {
  readonly step: number;
  /** False when the signal ended the run before its last step. */
  readonly finished: boolean;
  /** Folder of the adapter as it stands. */
  readonly adapter: string;
  /** Loss and divergences of every step so far. */
  readonly points: readonly CurvePoint[];
}

/**
 * A training run from data files to an adapter folder, with checkpoints (METHOD section 6; docs/formats/checkpoint.md says what lies in
 * the folder). Killed at any moment it resumes from the last complete checkpoint, bit for bit as if it had never stopped.
 * @throws KvDistillError `bad-argument` when the folder holds a run and `resume` is not set, there is nothing to train on, or the parts
 * do not fit,
 * `model-mismatch` when the run in the folder is another, `not-finite` after a report was written and nothing else, `disk`
 */
export async function runTraining(options: TrainingRunOptions): Promise<TrainingRunResult> {
  const { files, out, config, resume, onNote = () => undefined } = options;
  if (!resume) await refuseOldRun(out);
  const examples = await readTrainingData(options.data, files, config, onNote);
  try {
    checkRun({ config, files, examples, start: options.start });
    return await runOn(examples, options);
  } finally {
    await examples.close();
  }
}

async function runOn(examples: ExampleSet, options: TrainingRunOptions): Promise<TrainingRunResult> {
  const { files, out, config, checkpointEvery, signal, onStep, onNote = () => undefined } = options;
  const settings = adapterConfig(files, config);
  const { threads } = checkOptions(threadsOf(options), availableParallelism());
  const folder = await openRunFolder({
    out,
    identity: { config, modelHash: files.hash, dataHash: examples.hash },
    adapter: settings,
    facts: {
      model: { name: files.name, hash: files.hash },
      data: { files: options.data.map((path) => resolve(path)), examples: examples.count, hash: examples.hash },
      ...(options.init === undefined ? {} : { init: resolve(options.init) }),
      session: { threads, command: [...(options.command ?? [])] },
    },
    firstState: () => firstState(options, settings, examples),
    onNote,
  });
  try {
    let passed = folder.state.step;
    let { step: last } = folder.state;
    await (options.loop ?? trainHere(options))({
      examples,
      config,
      state: folder.state,
      ...(signal === undefined ? {} : { signal }),
      onStart: () => options.onStart?.({ step: folder.state.step, examples: examples.count }),
      onStep: async (report) => {
        await folder.append(report);
        onStep?.(report);
      },
      onState: async (step, state) => {
        const due = Math.floor(step / checkpointEvery) > Math.floor(passed / checkpointEvery);
        passed = step;
        if (due) await folder.save(await state());
      },
      onEnd: async (state) => {
        last = state.step;
        await folder.save(state);
      },
      onNotFinite: folder.writeReport,
      onNote,
    });
    const { adapter, points } = folder;
    return { step: last, finished: last >= config.steps, adapter, points };
  } finally {
    await folder.close();
  }
}

const threadsOf = ({ threads }: Pick<TrainingRunOptions, "threads">): RuntimeOptions =>
  threads === undefined ? {} : { threads };

/** Steps that this process computes. */
function trainHere(options: TrainingRunOptions): TrainingLoop {
  return async ({ onStart, onStep, onState, onEnd, onNote: _, ...task }) => {
    if (task.config.sync !== "gradients") {
      throw new KvDistillError("bad-argument", "a run in parts needs its own loop", {
        got: `sync: ${task.config.sync}`,
      });
    }
    const runtime = await createRuntime(threadsOf(options));
    try {
      const engine = await openStepEngine(runtime, options.files, task.config);
      onStart();
      const last = await train({
        ...task,
        gradients: gradientsOn(engine),
        onStep: async (report, state) => {
          await onStep(report);
          await onState(report.step, () => Promise.resolve(state));
        },
      });
      await onEnd(last);
    } finally {
      await runtime.close();
    }
  };
}

async function firstState(
  { start, config, files, threads, signal, onScorerPassage, onNote }: TrainingRunOptions,
  settings: AdapterConfig,
  examples: ExampleSet,
): Promise<TrainingState> {
  const fresh = newParameters(settings, config.seed, config.scorerBias);
  const given = start === undefined ? [] : [...parametersOf(start)];
  const taken = given.filter(([name]) => config.initialLora === "adapter" || name.startsWith(SCORER_PREFIX));
  const parameters: Parameters = new Map([...fresh, ...taken]);
  if (config.scorerStart === "attention") {
    await startScorer(parameters, {
      files,
      examples,
      config,
      learnt: start !== undefined,
      ...(threads === undefined ? {} : { threads }),
      ...(signal === undefined ? {} : { signal }),
      ...(onScorerPassage === undefined ? {} : { onPassage: onScorerPassage }),
      ...(onNote === undefined ? {} : { onNote }),
    });
  }
  return { step: 0, parameters, moments: zeroMoments(parameters) };
}

/** What an adapter for this model and configuration says of itself. */
function adapterConfig({ name, hash, config: model }: ModelFiles, config: TrainConfig): AdapterConfig {
  const family = familyOf(model);
  const targets: AdapterTargets = {
    layersPath: family.layerPath(0).replace(/\.0$/, ""),
    numLayers: model.numLayers,
    hiddenSize: model.hiddenSize,
    numKvHeads: model.numKvHeads,
    modules: family.adaptedModules,
  };
  return {
    rank: config.rank,
    alpha: config.alpha,
    useRslora: config.loraScale === "rank-stabilised",
    fanInFanOut: family.fanInFanOut,
    eta: config.eta,
    sinks: config.sinks,
    gate: config.gate,
    sinkGate: config.sinkGate,
    selection: config.selection,
    routing: config.routing,
    foldPositions: config.foldPositions,
    foldCut: config.foldCut,
    readPositions: config.readPositions,
    restRows: config.restRows,
    strengthExponent: config.strengthExponent,
    scorerNorm: config.scorerNorm,
    scorerActivation: config.scorerActivation,
    scorerWidth: scorerWidthOf(config, model),
    baseModel: { name, hash },
    targets,
    createdBy: PACKAGE_NAME_AND_VERSION,
  };
}
