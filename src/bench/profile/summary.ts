import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { readTextFile } from "../../util/read-text.ts";
import { classOf, type OperatorClass } from "./classes.ts";
import { type OperatorTime, readTrace } from "./trace.ts";

/** Time of one stage (a graph) or one class of operators. */
export interface TimeRow {
  readonly name: string;
  readonly seconds: number;
  /** Of the time in operators. */
  readonly share: number;
  readonly calls: number;
  /** Floating point operations a second of its matrix products, by the time of those alone; null without any. */
  readonly productRate: number | null;
}

export interface ProfileSummary {
  /** Wall time of the work, tracing included. */
  readonly seconds: number;
  /** In operators; the rest is feeding, copying out and JavaScript. */
  readonly operatorSeconds: number;
  readonly stages: readonly TimeRow[];
  readonly classes: readonly TimeRow[];
  readonly operators: readonly TimeRow[];
  /** Floating point operations a second: of the machine's own matrix product, or of a traced operator that was faster. */
  readonly peak: number;
  /** Floating point operations of all matrix products by the time in operators, as a share of the peak. */
  readonly shareOfPeak: number;
}

const MAX_TRACE_BYTES = 1 << 30;

/** Operator times of every graph that left a trace in a folder, by the graph's name. */
export async function readTraces(folder: string): Promise<Map<string, OperatorTime[]>> {
  const found = new Map<string, OperatorTime[]>();
  for (const file of (await readdir(folder)).sort()) {
    if (!file.endsWith(".json")) continue;
    const stage = basename(file).replace(/@.*$/, "");
    const times = readTrace(await readTextFile(join(folder, file), MAX_TRACE_BYTES));
    found.set(stage, [...(found.get(stage) ?? []), ...times]);
  }
  return found;
}

/** @param product flops per second of the machine's own matrix product */
export function summarise(
  stages: ReadonlyMap<string, readonly OperatorTime[]>,
  seconds: number,
  product: number,
): ProfileSummary {
  const all = [...stages.values()].flat();
  const total = microsecondsOf(all);
  const row = (name: string, times: readonly OperatorTime[]): TimeRow => {
    const products = times.filter(({ flops }) => flops > 0);
    const micro = microsecondsOf(times);
    return {
      name,
      seconds: micro / 1e6,
      share: total === 0 ? 0 : micro / total,
      calls: times.reduce((sum, { calls }) => sum + calls, 0),
      productRate: products.length === 0 ? null : flopsOf(products) / (microsecondsOf(products) / 1e6),
    };
  };
  const grouped = (key: (time: OperatorTime) => string): TimeRow[] =>
    [...new Set(all.map(key))]
      .map((name) =>
        row(
          name,
          all.filter((time) => key(time) === name),
        ),
      )
      .sort(bySeconds);
  const operators = grouped(({ operator }) => operator);
  const peak = Math.max(product, ...operators.map(({ productRate }) => productRate ?? 0));
  return {
    seconds,
    operatorSeconds: total / 1e6,
    stages: [...stages].map(([name, times]) => row(name, times)).sort(bySeconds),
    classes: grouped(({ operator }): OperatorClass => classOf(operator)),
    operators,
    peak,
    shareOfPeak: total === 0 ? 0 : flopsOf(all) / (total / 1e6) / peak,
  };
}

const bySeconds = (a: TimeRow, b: TimeRow): number => b.seconds - a.seconds;
const microsecondsOf = (times: readonly OperatorTime[]): number =>
  times.reduce((sum, { microseconds }) => sum + microseconds, 0);
const flopsOf = (times: readonly OperatorTime[]): number => times.reduce((sum, { flops }) => sum + flops, 0);
