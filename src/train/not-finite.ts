import { isKvDistillError, type KvDistillError, messageOf } from "../util/errors.ts";
import type { Moments } from "./adamw.ts";
import type { Accumulated, TrainingItem } from "./accumulate.ts";
import type { Parameters } from "./parameters.ts";

/** Everything known about a step whose numbers went wrong, to find out why. */
export interface NotFiniteReport {
  /** The step that failed, counted from 1; nothing of it was kept. */
  readonly step: number;
  readonly epoch: number;
  readonly error: string;
  readonly learningRate: number;
  readonly passages: readonly { readonly id: string; readonly keep: number; readonly contextTokens: number }[];
  /** Where the step got as far as its gradients. */
  readonly loss?: string;
  readonly gradients?: ArraysReport;
  readonly parameters: ArraysReport;
  readonly moments: ArraysReport;
}

export interface ArraysReport {
  /** Euclidean norm of all that is finite. */
  readonly norm: number;
  readonly largest: { readonly name: string; readonly norm: number } | undefined;
  /** Arrays that hold NaN or infinities, and how many. */
  readonly notFinite: readonly { readonly name: string; readonly count: number; readonly of: number }[];
}

export interface FailedStep {
  readonly step: number;
  readonly epoch: number;
  readonly learningRate: number;
  readonly items: readonly TrainingItem[];
  readonly result: Accumulated | undefined;
  readonly parameters: Parameters;
  readonly moments: Moments;
}

export const isNotFinite = (error: unknown): error is KvDistillError =>
  isKvDistillError(error) && error.code === "not-finite";

export function notFiniteReport(error: unknown, failed: FailedStep): NotFiniteReport {
  const { step, epoch, learningRate, items, result, parameters, moments } = failed;
  return {
    step,
    epoch,
    error: messageOf(error),
    learningRate,
    passages: items.map(({ passage, keep }) => ({ id: passage.id, keep, contextTokens: passage.contextIds.length })),
    ...(result === undefined ? {} : { loss: String(result.loss), gradients: describeArrays(result.gradients) }),
    parameters: describeArrays(parameters),
    moments: describeArrays(new Map([...prefixed("first.", moments.first), ...prefixed("second.", moments.second)])),
  };
}

function describeArrays(arrays: Parameters): ArraysReport {
  let squares = 0;
  let largest: { name: string; norm: number } | undefined;
  const notFinite: { name: string; count: number; of: number }[] = [];
  for (const [name, { data }] of arrays) {
    let own = 0;
    let count = 0;
    for (const value of data) {
      if (Number.isFinite(value)) own += value * value;
      else count++;
    }
    squares += own;
    if (count > 0) notFinite.push({ name, count, of: data.length });
    if (largest === undefined || Math.sqrt(own) > largest.norm) largest = { name, norm: Math.sqrt(own) };
  }
  return { norm: Math.sqrt(squares), largest, notFinite };
}

function prefixed(prefix: string, arrays: Parameters): Parameters {
  return new Map([...arrays].map(([name, value]) => [prefix + name, value] as const));
}
