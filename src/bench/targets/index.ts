import { decode, decodeCompressed, firstToken, quantised } from "./answering.ts";
import { compress, fold, prefill } from "./reading.ts";
import type { Target } from "./target.ts";
import { memory, train } from "./train.ts";

/** Everything that can be measured, by the name that a person types. */
export const TARGETS = {
  train,
  prefill,
  compress,
  decode,
  precision: quantised,
  "decode-compressed": decodeCompressed,
  "first-token": firstToken,
  fold,
  memory,
} as const satisfies Readonly<Record<string, Target>>;

export type TargetName = keyof typeof TARGETS;
export const TARGET_NAMES = Object.keys(TARGETS) as TargetName[];
