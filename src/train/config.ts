import { createHash } from "node:crypto";
import { z } from "zod";
import { ADAPTER_SELECTIONS } from "../cache/adapter.ts";
import { GATES } from "../compress/gate.ts";
import { KvDistillError } from "../util/errors.ts";

const fraction = z.number().gt(0).max(1);
const positive = z.number().gt(0);
const count = z.int().min(1);

/** Everything that decides what a training run computes. Where the paper gives a value, the comment says so. */
const TrainConfigSchema = z.strictObject({
  /** LoRA rank R. Paper: 128. */
  rank: count.default(32),
  /** rsLoRA α: the update is scaled by α/√R. */
  alpha: positive.default(16),
  /** Blocks below the scorer. Paper: 6. */
  eta: count.default(6),
  /** First tokens that are always kept. Paper: fewer than 10. */
  sinks: z.int().min(0).default(4),
  /** Paper: sigmoid. */
  gate: z.enum(GATES).default("straight-through"),
  /** Which tokens a layer and kv head keeps. Paper: shared. */
  selection: z.enum(ADAPTER_SELECTIONS).default("per-head"),
  /** Weight of the forward KL. Paper: 0.6. */
  lambda: z.number().min(0).max(1).default(0.6),
  /** Kept fraction, drawn anew for every example. Paper: 0.001 to 0.8. */
  keepLow: fraction.default(0.1),
  keepHigh: fraction.default(0.5),
  keepDraw: z.enum(["log-uniform", "uniform"]).default("log-uniform"),
  /** Peak learning rate of the adapters. Paper: 5e-5. */
  learningRate: positive.default(1e-3),
  scorerLearningRate: positive.default(2e-4),
  warmupSteps: count.default(20),
  /** Fraction of the peak learning rate at the last step. */
  learningRateFloor: z.number().min(0).max(1).default(0.05),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.98),
  epsilon: positive.default(1e-8),
  weightDecay: z.number().min(0).default(0),
  clip: positive.default(1),
  /** Optimiser steps. */
  steps: count,
  /** Passages of an optimiser step. Paper: batch 32. */
  batch: count.default(8),
  /** Passages computed at once; the gradients of a step's micro-batches add up. */
  microBatch: count.default(8),
  /** Questions read from one encoded passage. */
  questions: count.default(5),
  /** Tokens of the passage's start to be repeated as one more question; 0 for none. */
  reconstruction: z.int().min(0).default(40),
  minContext: count.default(40),
  maxContext: count.default(384),
  maxQuestion: count.default(256),
  maxAnswer: count.default(128),
  seed: z.int().min(0).default(0),
});

export type TrainConfig = z.infer<typeof TrainConfigSchema>;

/**
 * A configuration with its defaults filled in.
 * @throws KvDistillError `bad-argument`, all faults at once; a misspelt name is one.
 */
export function parseTrainConfig(json: unknown, where = "training configuration"): TrainConfig {
  const result = TrainConfigSchema.safeParse(json);
  const faults = result.success
    ? crossFaults(result.data)
    : result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  if (!result.success || faults.length > 0) {
    throw new KvDistillError("bad-argument", "the configuration is wrong", { where, faults });
  }
  return result.data;
}

function crossFaults({ keepLow, keepHigh, batch, microBatch }: TrainConfig): string[] {
  const faults: string[] = [];
  if (keepLow > keepHigh) faults.push(`keepLow: ${keepLow} is above keepHigh ${keepHigh}`);
  if (microBatch > batch) faults.push(`microBatch: ${microBatch} is above batch ${batch}`);
  return faults;
}

/** sha256 of a configuration: a checkpoint resumes only under the one that made it. */
export function configHash(config: TrainConfig): string {
  const ordered = Object.fromEntries(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash("sha256").update(JSON.stringify(ordered)).digest("hex");
}
