import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ModelFiles } from "../../models/model-files.ts";
import { parseTrainConfig } from "../../train/config.ts";
import type { CurvePoint } from "../../train/metrics.ts";
import { runTraining } from "../../train/run.ts";
import { formatNumber } from "../../util/format.ts";
import type { CommandContext } from "../context.ts";
import { showTraining } from "../train/display.ts";
import { exampleFile } from "./files.ts";

/** Small steps on a few short passages, always at one budget, so that a curve is seen to fall: too little to learn from. */
const CONFIG = parseTrainConfig({
  batch: 2,
  microBatch: 2,
  warmupSteps: 3,
  keepLow: 0.1,
  keepHigh: 0.1,
  minContext: 20,
});

/** Steps that are averaged at the beginning and at the end. */
const SHOWN = 4;

/**
 * Trains a new adapter for some seconds on the example passages and tells how far the divergence fell. Nothing is kept.
 * @throws KvDistillError as `runTraining`
 */
export async function trainForAMoment(
  files: ModelFiles,
  seconds: number,
  { out, log, signal }: CommandContext,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kv-distill-demo-"));
  // The time ends it, not the steps.
  const display = showTraining(undefined, log);
  const stopping = new AbortController();
  const stop = (): void => {
    stopping.abort();
  };
  signal.addEventListener("abort", stop, { once: true });
  let timer: NodeJS.Timeout | undefined;
  try {
    const { points } = await runTraining({
      files,
      data: [exampleFile("galapagos-questions.jsonl")],
      out: join(folder, "run"),
      config: CONFIG,
      resume: false,
      checkpointEvery: CONFIG.steps,
      signal: stopping.signal,
      ...display.listeners,
      onStart: (start) => {
        display.listeners.onStart(start);
        timer = setTimeout(stop, seconds * 1000);
      },
    });
    display.stop();
    const few = Math.min(SHOWN, Math.floor(points.length / 2));
    out.line(
      few === 0
        ? `${points.length} step in ${seconds} s: too few to show anything`
        : `${points.length} steps: forward KL to the full cache from ${meanKl(points.slice(0, few))} to ${meanKl(points.slice(-few))} nats a token (mean of ${few} steps each)`,
    );
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    display.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

const meanKl = (points: readonly CurvePoint[]): string =>
  formatNumber(points.reduce((sum, { forwardKl }) => sum + forwardKl, 0) / points.length);
