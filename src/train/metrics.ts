import { open, readFile } from "node:fs/promises";
import { z } from "zod";
import { writeFileAtomic } from "../util/atomic-file.ts";
import { diskError, systemCodeOf } from "../util/disk-error.ts";
import type { StepReport } from "./trainer.ts";

/** Name of the file in a run's folder. */
export const METRICS_FILE = "metrics.jsonl";

/** What a loss curve is drawn from. */
export type CurvePoint = Pick<StepReport, "step" | "loss" | "forwardKl" | "reverseKl">;

/** `metrics.jsonl` of a run: one step report a line, every step once. */
export interface MetricsLog {
  /** Of all steps so far, those before a resumption included, in order. */
  readonly points: readonly CurvePoint[];
  readonly append: (report: StepReport) => Promise<void>;
  /** Makes what was appended survive a power cut; to be called before a checkpoint that counts these steps as done. */
  readonly sync: () => Promise<void>;
  readonly close: () => Promise<void>;
}

const PointSchema = z.object({
  step: z.int().min(1),
  loss: z.number(),
  forwardKl: z.number(),
  reverseKl: z.number(),
});

/**
 * Opens the log of a run that stands at `step`. Lines of later steps, written after the checkpoint that the run goes on from, and a line
 * cut off by a crash are taken out, whole or not at all.
 * @throws KvDistillError `disk`
 */
export async function openMetrics(path: string, step: number, onNote: (line: string) => void): Promise<MetricsLog> {
  const before = await readText(path);
  const kept = linesUpTo(before, step);
  const text = [...kept.values()].map(({ line }) => `${line}\n`).join("");
  if (text !== before) await writeFileAtomic(path, Buffer.from(text));
  if (kept.size < step) onNote(`${path} lacks ${step - kept.size} of the ${step} steps done so far`);
  const points = [...kept.values()].map(({ point }) => point);
  const file = await open(path, "a").catch((error: unknown) => {
    throw diskError(error, path, "cannot open the metrics");
  });
  return {
    points,
    append: async (report) => {
      points.push(report);
      await attempt(path, () => file.appendFile(`${JSON.stringify(report)}\n`));
    },
    sync: () => attempt(path, () => file.sync()),
    close: () => file.close(),
  };
}

/**
 * What a run has written so far, in order; a line that is being written is left out.
 * @throws KvDistillError `disk`
 */
export async function readMetrics(path: string): Promise<readonly CurvePoint[]> {
  return [...linesUpTo(await readText(path), Infinity).values()].map(({ point }) => point);
}

async function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: unknown) => {
    if (systemCodeOf(error) === "ENOENT") return "";
    throw diskError(error, path, "cannot read the metrics");
  });
}

/** The last line of every step up to `limit`, in order. */
function linesUpTo(text: string, limit: number): Map<number, { readonly line: string; readonly point: CurvePoint }> {
  const found: { readonly line: string; readonly point: CurvePoint }[] = [];
  for (const line of text.split("\n")) {
    const point = parsePoint(line);
    if (point !== undefined && point.step <= limit) found.push({ line, point });
  }
  found.sort((a, b) => a.point.step - b.point.step);
  return new Map(found.map((entry) => [entry.point.step, entry]));
}

function parsePoint(line: string): CurvePoint | undefined {
  try {
    return PointSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

async function attempt(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw diskError(error, path, "cannot write the metrics");
  }
}
