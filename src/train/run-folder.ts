import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { AdapterConfig } from "../cache/adapter.ts";
import { saveAdapter } from "../cache/save-adapter.ts";
import { writeFileAtomic } from "../util/atomic-file.ts";
import { diskError, isSystemError } from "../util/disk-error.ts";
import { KvDistillError } from "../util/errors.ts";
import {
  checkpointSteps,
  loadCheckpoint,
  type RunIdentity,
  saveCheckpoint,
  tidyCheckpoints,
  type TrainingState,
} from "./checkpoint.ts";
import { lossCurve } from "./loss-curve.ts";
import { type CurvePoint, METRICS_FILE, openMetrics } from "./metrics.ts";
import { adapterOf } from "./new-parameters.ts";
import type { NotFiniteReport } from "./not-finite.ts";
import { nextRunRecord, type RunFacts, writeRunFiles } from "./run-files.ts";
import type { StepReport } from "./trainer.ts";

/** The folder of a run, opened to go on with it (docs/formats/checkpoint.md). */
export interface RunFolder {
  /** Where the run stands. */
  readonly state: TrainingState;
  /** Of all steps so far, those of earlier starts included. */
  readonly points: readonly CurvePoint[];
  /** Folder of the adapter as of the last checkpoint. */
  readonly adapter: string;
  readonly append: (report: StepReport) => Promise<void>;
  /** Writes a checkpoint unless that step has one, the adapter and the loss curve. */
  readonly save: (state: TrainingState) => Promise<void>;
  readonly writeReport: (report: NotFiniteReport) => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface RunFolderOptions {
  readonly out: string;
  readonly identity: RunIdentity;
  /** What the adapter says of itself. */
  readonly adapter: AdapterConfig;
  /** What the run's record says of this start. */
  readonly facts: Omit<RunFacts, "resumed" | "session"> & { readonly session: Omit<RunFacts["session"], "fromStep"> };
  /** Makes the state of a run that has no checkpoint yet. */
  readonly firstState: () => Promise<TrainingState>;
  readonly onNote: (line: string) => void;
}

/** @throws KvDistillError `bad-argument` when a run with a checkpoint lies there, `disk` */
export async function refuseOldRun(out: string): Promise<void> {
  if ((await checkpointSteps(checkpointsOf(out))).length === 0) return;
  throw new KvDistillError("bad-argument", "the folder holds a training run", {
    where: out,
    hint: "continue it with --resume, or choose another folder",
  });
}

/**
 * Opens a run where its newest complete checkpoint left it, or begins one. Whatever a killed process left beyond that checkpoint is
 * taken out or written again, so that the folder is as if the process had ended there.
 * @throws KvDistillError as `loadCheckpoint` does, `disk`
 */
export async function openRunFolder(options: RunFolderOptions): Promise<RunFolder> {
  const { out, identity, facts, onNote } = options;
  const checkpoints = checkpointsOf(out);
  const loaded = await loadCheckpoint(checkpoints, identity, ({ message }) => {
    onNote(message);
  });
  const state = loaded ?? (await options.firstState());
  await makeFolder(checkpoints);
  await tidyCheckpoints(checkpoints, state.step);
  const session = { ...facts.session, fromStep: state.step };
  const record = await nextRunRecord(out, { ...facts, session, resumed: loaded !== undefined });
  await writeRunFiles(out, identity.config, record);
  const metrics = await openMetrics(join(out, METRICS_FILE), state.step, onNote);
  const adapter = join(out, "adapter");

  /** What follows from a checkpoint; behind it after a crash. */
  const exportState = async ({ step, parameters }: TrainingState): Promise<void> => {
    await saveAdapter(adapter, adapterOf(parameters, options.adapter), { dtype: "F16", replace: true });
    if (metrics.points.length === 0) return;
    const title = `Training ${facts.model.name}: ${step} of ${identity.config.steps} steps`;
    await writeFileAtomic(join(out, "loss-curve.svg"), Buffer.from(lossCurve(metrics.points, title)));
  };
  let saved = loaded?.step;
  const save = async (now: TrainingState): Promise<void> => {
    if (saved === now.step) return;
    await metrics.sync();
    await saveCheckpoint(checkpoints, now, identity);
    saved = now.step;
    await exportState(now);
  };
  try {
    // Values to start from are part of the run: with step 0 saved, nothing but the folder is needed to go on.
    if (loaded === undefined) await save(state);
    else await exportState(loaded);
  } catch (error) {
    await metrics.close();
    throw error;
  }
  return {
    state,
    points: metrics.points,
    adapter,
    append: metrics.append,
    save,
    writeReport: async (report) => {
      const path = join(out, "not-finite-report.json");
      await writeFileAtomic(path, Buffer.from(`${JSON.stringify(report, null, 2)}\n`));
      onNote(`step ${report.step} is described in ${path}; the last checkpoint stays as it is`);
    },
    close: metrics.close,
  };
}

const checkpointsOf = (out: string): string => join(out, "checkpoints");

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw isSystemError(error) ? diskError(error, path, "cannot make the folder of the run") : error;
  }
}
