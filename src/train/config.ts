import { z } from "zod";
import {
  ADAPTER_ROUTINGS,
  ADAPTER_SELECTIONS,
  FOLD_CUTS,
  MOST_REST_ROWS,
  READ_POSITIONS,
  FOLD_POSITIONS,
  SCORER_ACTIVATIONS,
  SCORER_NORMS,
  SINK_GATES,
} from "../cache/adapter.ts";
import { FOLD_TOKENS } from "../compress/fold.ts";
import { GATES } from "../compress/gate.ts";
import { TRAINING_PRECISIONS } from "../models/precision/precision.ts";
import { SCORER_PROBES } from "./step/engine.ts";
import { KvDistillError } from "../util/errors.ts";
import { isJsonObject } from "../util/strict-json.ts";

/** Element types in which a part's change of the parameters is sent. */
export const DELTA_FORMATS = ["float32", "float16", "int8"] as const;
export type DeltaFormat = (typeof DELTA_FORMATS)[number];

const fraction = z.number().gt(0).max(1);
const positive = z.number().gt(0);
const count = z.int().min(1);

/**
 * Everything that decides what a training run computes, each setting with a sentence that the command line's help shows. The defaults are
 * the recipe of the adapter that comes with the package (docs/decisions/0209). A setting that is added later needs an entry in
 * `BEFORE` when its default computes something else than before it was there.
 */
const TrainConfigSchema = z.strictObject({
  steps: count
    .default(320)
    .describe("optimiser steps in all; learning rates fall until the last (paper: 3 days on 8 A100)"),
  batch: count.default(4).describe("passages of an optimiser step (paper: 32)"),
  microBatch: count
    .default(4)
    .describe("passages computed at once, by default no more than a step has; more take more memory and pad more"),
  precision: z
    .enum(TRAINING_PRECISIONS)
    .default("fp32")
    .describe(
      "what products with the frozen model's matrices are computed in, forward and backward; all else is float32",
    ),
  seed: z.int().min(0).default(0).describe("of the first values, the order of the data and the kept fractions"),
  rank: count.default(32).describe("LoRA rank R (paper: 128)"),
  alpha: positive.default(16).describe("LoRA α"),
  loraScale: z
    .enum(["rank-stabilised", "plain"])
    .default("rank-stabilised")
    .describe("what updates are scaled by: α/√R (rsLoRA, the paper's), or α/R"),
  routing: z
    .enum(ADAPTER_ROUTINGS)
    .default("kept")
    .describe("tokens that the adapters of queries and outputs act on (paper: kept; all is its ablation)"),
  eta: count.default(6).describe("blocks of the model below the scorer (paper: 6)"),
  scorerNorm: z
    .enum(SCORER_NORMS)
    .default("layer")
    .describe("what the scorer does first with the residual stream (paper: open)"),
  scorerActivation: z
    .enum(SCORER_ACTIVATIONS)
    .default("gelu")
    .describe("between the scorer's two linear maps (paper: open)"),
  scorerWidth: z
    .int()
    .min(0)
    .max(2 ** 16)
    .default(0)
    .describe("units between them; 0 for the model's hidden size (paper: open)"),
  scorerBias: z
    .number()
    .default(3)
    .describe("score that a new scorer gives every token, nearly; gates start at σ of it (paper: open)"),
  sinks: z.int().min(0).default(4).describe("first tokens, which are always kept (paper: fewer than 10)"),
  sinkGate: z
    .enum(SINK_GATES)
    .default("one")
    .describe("what multiplies their keys: 1, or the gate of their score (paper: open)"),
  gate: z
    .enum(GATES)
    .default("straight-through")
    .describe("how a score acts on its token's keys (paper: sigmoid); straight-through changes gradients only"),
  selection: z
    .enum(ADAPTER_SELECTIONS)
    .default("across-heads")
    .describe(
      "whether all layers and kv heads keep the same tokens (paper: shared), each as many of its own (per-head, which other programs can hold), or share one budget",
    ),
  strengthExponent: z
    .number()
    .min(0)
    .max(16)
    .default(2)
    .describe(
      "LoRA updates are multiplied by (1 - kept part) to this power: nothing is packed where nothing is dropped (paper: 0)",
    ),
  lambda: z
    .number()
    .min(0)
    .max(1)
    .default(0.6)
    .describe("weight of the forward KL, the rest is the reverse KL's (paper: 0.6)"),
  keepLow: fraction.default(0.03).describe("least kept fraction, drawn anew for every passage (paper: 0.001)"),
  keepHigh: fraction.default(0.5).describe("most (paper: 0.8)"),
  keepDraw: z.enum(["log-uniform", "uniform"]).default("log-uniform").describe("distribution of the kept fraction"),
  learningRate: positive.default(7e-4).describe("peak learning rate of the LoRA matrices (paper: 5e-5)"),
  scorerLearningRate: positive.default(4e-4).describe("peak learning rate of the scorer (paper: 5e-5)"),
  initialLora: z
    .enum(["adapter", "new"])
    .default("adapter")
    .describe("of a run that starts from an adapter: its LoRA matrices, or new ones beside its scorer"),
  scorerStart: z
    .enum(["none", "attention"])
    .default("attention")
    .describe(
      "fit the scorer to the attention of some passages' probes before the first step (paper: none, and the default of a run that starts from an adapter)",
    ),
  scorerLoss: z
    .number()
    .min(0)
    .default(0.2)
    .describe("weight of the squared distance between scores and the attention of the teacher's probes (paper: 0)"),
  scorerProbes: z
    .enum(SCORER_PROBES)
    .default("turns")
    .describe(
      "whose attention the scorer learns from: a passage's questions, or all turns, its reconstruction too (paper: nobody's)",
    ),
  scorerPassages: count.default(300).describe("passages that the scorer is fitted to"),
  scorerEpochs: count.default(8).describe("times that it sees them"),
  scorerFitLearningRate: positive.default(1e-3).describe("peak learning rate of that fit"),
  warmupSteps: count.default(10).describe("steps of linear warm-up, followed by a cosine"),
  learningRateFloor: z
    .number()
    .min(0)
    .max(1)
    .default(0.02)
    .describe("fraction of the peak learning rates that is left at the last step"),
  beta1: z.number().min(0).lt(1).default(0.9).describe("AdamW: decay of the first moment"),
  beta2: z.number().min(0).lt(1).default(0.98).describe("AdamW: decay of the second moment"),
  epsilon: positive.default(1e-8).describe("AdamW: added to the root of the second moment"),
  weightDecay: z.number().min(0).default(0).describe("AdamW: decoupled decay, times the learning rate"),
  clip: positive.default(1).describe("largest norm of a step's gradients; longer ones are scaled down"),
  questions: count.default(5).describe("most questions read from one encoded passage; more make several examples"),
  reconstruction: z
    .int()
    .min(0)
    .default(384)
    .describe(
      "tokens of the passage's start to be repeated as one more question, by default those of the longest context; 0 for none (paper: none)",
    ),
  minContext: count
    .default(40)
    .describe("least tokens of a context, template header included; shorter ones are left out"),
  maxContext: count.default(384).describe("most tokens of a context; longer ones are left out"),
  foldTokens: count
    .default(FOLD_TOKENS)
    .describe("tokens of a context that are encoded in one piece; longer ones fold by fold (paper: 1,536)"),
  foldPositions: z
    .enum(FOLD_POSITIONS)
    .default("context")
    .describe("positions of a fold's tokens: those in the whole context, or each fold's own from 0 (paper: open)"),
  foldCut: z
    .enum(FOLD_CUTS)
    .default("even")
    .describe("where folds end: all equally long, or each full and the last with what is left (paper: full)"),
  readPositions: z
    .enum(READ_POSITIONS)
    .default("context")
    .describe(
      "where reading goes on: after the context's last token, or after as many positions as are kept (paper: open)",
    ),
  restRows: z
    .int()
    .min(0)
    .max(MOST_REST_ROWS)
    .default(0)
    .describe(
      "rows of every head, of each fold, that stand for what is dropped, at most one in 32 of those kept; training does without (paper: 0)",
    ),
  maxQuestion: count.default(256).describe("most tokens of a question; longer ones are left out"),
  maxAnswer: count.default(128).describe("most tokens of an answer; longer ones are left out"),
  sync: z
    .enum(["gradients", "diloco"])
    .default("gradients")
    .describe(
      "what parts of the work share: every step's gradients, or what many steps of each came to (arXiv 2311.08105)",
    ),
  parts: count.default(4).describe("diloco: parts of the data, each trained on by itself between two rounds"),
  innerSteps: count.default(50).describe("diloco: AdamW steps of each part in a round (paper: 500)"),
  outerLearningRate: positive.default(0.7).describe("diloco: of the step that a round ends with (paper: 0.7)"),
  outerMomentum: z.number().min(0).lt(1).default(0.9).describe("diloco: Nesterov momentum of that step (paper: 0.9)"),
  deltas: z
    .enum(DELTA_FORMATS)
    .default("float32")
    .describe(
      "diloco: how a part's change is sent; what rounding loses is sent with the next round's (paper: float32)",
    ),
});

export type TrainConfig = z.infer<typeof TrainConfigSchema>;

/**
 * A configuration with its defaults filled in.
 * @throws KvDistillError `bad-argument`, all faults at once; a misspelt name is one.
 */
export function parseTrainConfig(json: unknown, where = "training configuration"): TrainConfig {
  const faults = trainConfigFaults(json);
  if (faults.length > 0) throw new KvDistillError("bad-argument", "the configuration is wrong", { where, faults });
  return TrainConfigSchema.parse(withMicroBatch(json));
}

/** A default may not be what is wrong: where none is said, a micro-batch is no larger than the batch. */
function withMicroBatch(json: unknown): unknown {
  if (!isJsonObject(json) || json.microBatch !== undefined) return json;
  const { data: batch } = count.safeParse(json.batch);
  return batch === undefined ? json : { ...json, microBatch: Math.min(batch, Number(DEFAULTS.microBatch)) };
}

/**
 * The configuration that a run recorded. What an older version had no setting for is what it computed then, not today's default.
 * @throws KvDistillError as `parseTrainConfig`
 */
export function parseRecordedConfig(json: unknown, where: string): TrainConfig {
  return parseTrainConfig(isJsonObject(json) ? { ...BEFORE, ...json } : json, where);
}

/** What runs did before they had a setting, where its default is something else. */
const BEFORE = {
  strengthExponent: 0,
  scorerProbes: "questions",
  foldTokens: 2 ** 31,
} as const satisfies Partial<TrainConfig>;

/** Everything that is wrong with a configuration. */
export function trainConfigFaults(json: unknown): string[] {
  const given = withMicroBatch(json);
  const { error } = TrainConfigSchema.safeParse(given);
  const faults = error?.issues.map(({ path, message }) => [...path, message].join(": ")) ?? [];
  const settings = { ...DEFAULTS, ...(typeof given === "object" ? given : {}) } as Partial<Record<string, unknown>>;
  for (const [low, high] of ORDERED) {
    const [least, most] = [settings[low], settings[high]];
    if (isNumber(least) && isNumber(most) && least > most) faults.push(`${low}: ${least} is above ${high} ${most}`);
  }
  // As `folds` wants it.
  const { foldTokens, sinks } = settings;
  if (isNumber(foldTokens) && isNumber(sinks) && foldTokens <= 3 * sinks) {
    faults.push(`foldTokens: ${foldTokens} is not more than three times the sinks, ${sinks}`);
  }
  return faults;
}

/** What is none has a fault of its own. */
function isNumber(value: unknown): value is number {
  return typeof value === "number";
}

/** Settings that may not be above others. */
const ORDERED = [
  ["keepLow", "keepHigh"],
  ["microBatch", "batch"],
  ["minContext", "maxContext"],
] as const satisfies readonly (readonly [keyof TrainConfig, keyof TrainConfig])[];

/** What a person may set, and how. */
export interface ConfigField {
  readonly name: keyof TrainConfig;
  readonly description: string;
  readonly kind: "whole number" | "decimal" | "word";
  /** The words of a word. */
  readonly words: readonly string[];
  readonly fallback: string | number;
}

/** Every setting, in order. */
export const TRAIN_CONFIG_FIELDS: readonly ConfigField[] = describeFields();

const DEFAULTS: Readonly<Record<string, unknown>> = Object.fromEntries(
  TRAIN_CONFIG_FIELDS.map(({ name, fallback }) => [name, fallback]),
);

function describeFields(): ConfigField[] {
  const { properties = {} } = z.toJSONSchema(TrainConfigSchema, { io: "input" });
  return Object.entries(properties).map(([name, property]) => {
    const {
      type,
      description = "",
      enum: words = [],
      default: fallback,
    } = property as {
      readonly type?: string;
      readonly description?: string;
      readonly enum?: readonly string[];
      readonly default: string | number;
    };
    const kind = type === "integer" ? "whole number" : type === "number" ? "decimal" : "word";
    return { name: name as keyof TrainConfig, description, kind, words, fallback };
  });
}
