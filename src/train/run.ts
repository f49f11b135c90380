import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Adapter, AdapterConfig, AdapterTargets } from "../cache/adapter.ts";
import { saveAdapter } from "../cache/save-adapter.ts";
import type { PassageExample } from "../data/examples.ts";
import { familyOf } from "../models/families/index.ts";
import type { ModelFiles } from "../models/model-files.ts";
import { createRuntime } from "../runtime/runtime.ts";
import { writeFileAtomic } from "../util/atomic-file.ts";
import { diskError, isSystemError } from "../util/disk-error.ts";
import { KvDistillError } from "../util/errors.ts";
import { PACKAGE_NAME_AND_VERSION } from "../util/version.ts";
import { zeroMoments } from "./adamw.ts";
import { checkRun } from "./check-run.ts";
import {
  checkpointSteps,
  loadCheckpoint,
  removeStaleCheckpoints,
  type RunIdentity,
  saveCheckpoint,
  type TrainingState,
} from "./checkpoint.ts";
import type { TrainConfig } from "./config.ts";
import { lossCurve } from "./loss-curve.ts";
import { type CurvePoint, openMetrics } from "./metrics.ts";
import { adapterOf, newParameters, parametersOf } from "./new-parameters.ts";
import type { NotFiniteReport } from "./not-finite.ts";
import { readTrainingData } from "./run-data.ts";
import { nextRunRecord, writeRunFiles } from "./run-files.ts";
import { startScorer } from "./scorer-start/start.ts";
import { scoreColumnsOf } from "./step/engine.ts";
import { loadTrainingPrograms } from "./step/programs.ts";
import { loadTrainingWeights } from "./step/weights.ts";
import { type StepReport, train } from "./trainer.ts";

export interface TrainingRunOptions {
  readonly files: ModelFiles;
  /** JSON Lines of questions with contexts, plain or gzip. */
  readonly data: readonly string[];
  /** Folder of checkpoints, metrics, configuration and the adapter. */
  readonly out: string;
  readonly config: TrainConfig;
  /** Continue from the newest complete checkpoint in `out`; begin where there is none. */
  readonly resume: boolean;
  /** Values to start from instead of new ones. */
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
  const { files, out, config, resume, checkpointEvery, signal, onStep, onNote = () => undefined } = options;
  const checkpoints = join(out, "checkpoints");
  if (!resume && (await checkpointSteps(checkpoints)).length > 0) {
    throw new KvDistillError("bad-argument", "the folder holds a training run", {
      where: out,
      hint: "continue it with --resume, or choose another folder",
    });
  }
  const data = await readTrainingData(options.data, files, config, onNote);
  checkRun({ config, files, examples: data.examples, start: options.start });
  const identity: RunIdentity = { config, modelHash: files.hash, dataHash: data.hash };
  const loaded = await loadCheckpoint(checkpoints, identity, (error) => {
    onNote(error.message);
  });
  const settings = adapterConfig(files, config);
  const state = loaded ?? (await firstState(options, settings, data.examples));
  const runtime = await createRuntime(options.threads === undefined ? {} : { threads: options.threads });
  try {
    await makeFolder(checkpoints);
    await removeStaleCheckpoints(checkpoints);
    await writeRunFiles(
      out,
      config,
      await nextRunRecord(out, {
        model: { name: files.name, hash: files.hash },
        data: { files: options.data.map((path) => resolve(path)), examples: data.examples.length, hash: data.hash },
        ...(options.init === undefined ? {} : { init: resolve(options.init) }),
        session: { fromStep: state.step, threads: runtime.threads, command: [...(options.command ?? [])] },
        resumed: loaded !== undefined,
      }),
    );
    const metrics = await openMetrics(join(out, "metrics.jsonl"), state.step, onNote);
    try {
      // Values to start from are part of the run: with step 0 saved, nothing but the folder is needed to go on.
      let saved = loaded?.step;
      const adapter = join(out, "adapter");
      const save = async (now: TrainingState): Promise<void> => {
        if (saved === now.step) return;
        await metrics.sync();
        await saveCheckpoint(checkpoints, now, identity);
        saved = now.step;
        await saveAdapter(adapter, adapterOf(now.parameters, settings), { dtype: "F16", replace: true });
        if (metrics.points.length > 0) {
          await writeFileAtomic(
            join(out, "loss-curve.svg"),
            Buffer.from(lossCurve(metrics.points, `Training ${files.name}: ${now.step} of ${config.steps} steps`)),
          );
        }
      };
      await save(state);
      const shape = { rank: config.rank, scale: config.alpha / Math.sqrt(config.rank) };
      const columns = scoreColumnsOf(config, files.config);
      const engine = {
        runtime,
        config: files.config,
        programs: await loadTrainingPrograms(runtime, files.config, shape, config.lambda, columns),
        weights: await loadTrainingWeights(runtime, files),
        settings: config,
      };
      options.onStart?.({ step: state.step, examples: data.examples.length });
      const last = await train({
        engine,
        examples: data.examples,
        config,
        state,
        ...(signal === undefined ? {} : { signal }),
        onStep: async (report, now) => {
          await metrics.append(report);
          onStep?.(report);
          if (report.step % checkpointEvery === 0) await save(now);
        },
        onNotFinite: (report) => writeReport(out, report, onNote),
      });
      await save(last);
      return { step: last.step, finished: last.step >= config.steps, adapter, points: metrics.points };
    } finally {
      await metrics.close();
    }
  } finally {
    await runtime.close();
  }
}

async function firstState(
  { start, config, files, threads, signal, onScorerPassage, onNote }: TrainingRunOptions,
  settings: AdapterConfig,
  examples: readonly PassageExample[],
): Promise<TrainingState> {
  const parameters = start === undefined ? newParameters(settings, config.seed) : parametersOf(start);
  if (start === undefined && config.scorerStart === "attention") {
    await startScorer(parameters, {
      files,
      examples,
      config,
      ...(threads === undefined ? {} : { threads }),
      ...(signal === undefined ? {} : { signal }),
      ...(onScorerPassage === undefined ? {} : { onPassage: onScorerPassage }),
      ...(onNote === undefined ? {} : { onNote }),
    });
  }
  return { step: 0, parameters, moments: zeroMoments(parameters) };
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw isSystemError(error) ? diskError(error, path, "cannot make the folder of the run") : error;
  }
}

async function writeReport(out: string, report: NotFiniteReport, onNote: (line: string) => void): Promise<void> {
  const path = join(out, "not-finite-report.json");
  await writeFileAtomic(path, Buffer.from(`${JSON.stringify(report, null, 2)}\n`));
  onNote(`step ${report.step} is described in ${path}; the last checkpoint stays as it is`);
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
    useRslora: true,
    fanInFanOut: model.family === "gpt2",
    eta: config.eta,
    sinks: config.sinks,
    gate: config.gate,
    selection: config.selection,
    baseModel: { name, hash },
    targets,
    createdBy: PACKAGE_NAME_AND_VERSION,
  };
}
