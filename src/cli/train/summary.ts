import { join } from "node:path";
import type { TrainConfig } from "../../train/config.ts";
import type { CurvePoint } from "../../train/metrics.ts";
import type { TrainingRunResult } from "../../train/run.ts";
import { formatBytes, formatCount, formatDuration, formatNumber, formatRate } from "../../util/format.ts";
import { renderTable } from "../../util/table.ts";
import type { Output } from "../context.ts";
import type { SessionTotals } from "./display.ts";

/** Steps at either end that the summary averages: single steps differ too much to be compared. */
const ENDS = 20;

export interface TrainingSummary {
  readonly step: number;
  readonly steps: number;
  readonly finished: boolean;
  /** Means over the first and the last steps of the whole run. */
  readonly averaged: number;
  readonly first: Means | null;
  readonly last: Means | null;
  /** Of this start of the program alone. */
  readonly session: SessionTotals & { readonly tokensPerSecond: number | null; readonly peakResidentBytes: number };
  readonly adapter: string;
  readonly metrics: string;
  readonly lossCurve: string | null;
}

type Means = Omit<CurvePoint, "step">;

export function summarise(
  { step, finished, adapter, points }: TrainingRunResult,
  { steps }: TrainConfig,
  out: string,
  totals: SessionTotals,
): TrainingSummary {
  const averaged = Math.min(ENDS, Math.ceil(points.length / 2));
  return {
    step,
    steps,
    finished,
    averaged,
    first: means(points.slice(0, averaged)),
    last: means(points.slice(points.length - averaged)),
    session: {
      ...totals,
      tokensPerSecond: totals.seconds > 0 ? totals.tokens / totals.seconds : null,
      peakResidentBytes: process.resourceUsage().maxRSS * 1024,
    },
    adapter,
    metrics: join(out, "metrics.jsonl"),
    lossCurve: points.length > 0 ? join(out, "loss-curve.svg") : null,
  };
}

export function tellSummary(summary: TrainingSummary, out: Output): void {
  const { step, steps, averaged, first, last, session } = summary;
  const change = (key: keyof Means): string =>
    first === null || last === null ? "–" : `${formatNumber(first[key])} → ${formatNumber(last[key])}`;
  const speed = session.tokensPerSecond === null ? "–" : formatRate(session.tokensPerSecond, "tokens");
  const rows: [string, string][] = [
    ["steps", `${formatCount(step)} of ${formatCount(steps)}`],
    [`loss, mean of ${averaged} steps, first → last`, change("loss")],
    ["forward KL, nats a token", change("forwardKl")],
    ["reverse KL", change("reverseKl")],
    ["this session", `${formatCount(session.steps)} steps, ${formatDuration(session.seconds)}, ${speed}`],
    ["peak memory", formatBytes(session.peakResidentBytes)],
    ["adapter", summary.adapter],
    ["loss curve", summary.lossCurve ?? "–"],
  ];
  const columns = [{ name: "training" }, { name: "" }];
  out.line(
    renderTable({ columns, rows }, { ...(out.width === undefined ? {} : { width: out.width }), colours: out.colours }),
  );
}

function means(points: readonly CurvePoint[]): Means | null {
  if (points.length === 0) return null;
  const mean = (key: keyof Means): number => points.reduce((sum, point) => sum + point[key], 0) / points.length;
  return { loss: mean("loss"), forwardKl: mean("forwardKl"), reverseKl: mean("reverseKl") };
}
