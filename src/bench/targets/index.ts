import { answers, decode, decodeCompressed, firstToken, quantised } from "./answering.ts";
import { compress, fold, prefill } from "./reading.ts";
import type { Trial } from "../trial.ts";
import type { Target, TargetInputs } from "./target.ts";
import { memory, train } from "./train.ts";

/** Everything that can be measured, by the name that a person types. */
export const TARGETS = {
  train,
  prefill,
  compress,
  answers,
  decode,
  precision: quantised,
  "decode-compressed": decodeCompressed,
  "first-token": firstToken,
  fold,
  memory,
} as const satisfies Readonly<Record<string, Target>>;

export type TargetName = keyof typeof TARGETS;
export const TARGET_NAMES = Object.keys(TARGETS) as TargetName[];

/**
 * The trials of a target. Their names hold the precision where it is not float32, as they hold sizes: a baseline compares like with like.
 */
export function trialsOf(target: TargetName, inputs: TargetInputs): readonly Trial[] {
  const trials = TARGETS[target](inputs);
  if (inputs.precision === "fp32") return trials;
  return trials.map((trial) => ({ ...trial, name: `${trial.name}, ${inputs.precision}` }));
}
