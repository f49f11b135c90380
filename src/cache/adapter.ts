/** A linear map that LoRA acts on. */
export interface AdaptedModule {
  /** Path below the layer: "self_attn.q_proj". */
  readonly path: string;
  readonly inputs: number;
  readonly outputs: number;
}

/** What an adapter fits: the sizes and names of a model. */
export interface AdapterTargets {
  /** Path of the list of layers in the Hugging Face model: "model.layers" or "transformer.h". */
  readonly layersPath: string;
  readonly numLayers: number;
  readonly hiddenSize: number;
  readonly numKvHeads: number;
  /** The same in every layer. */
  readonly modules: readonly AdaptedModule[];
}

/** How a score acts on the keys of a kept token: multiplied by σ(score), or not at all (straight-through training). */
export type AdapterGate = "sigmoid" | "straight-through";

/**
 * Which tokens a layer and kv head keeps.
 * - "shared": one score a token, the same tokens in every layer and head; the paper's.
 * - "per-head": one score for every layer and kv head, each keeps its own highest; equally many rows.
 * - "across-heads": the same scores, but all layers and heads share one budget: each keeps as many rows as it needs (the budget of KVzip,
 *   arXiv 2505.23416).
 */
export type AdapterSelection = "shared" | "per-head" | "across-heads";
export const ADAPTER_SELECTIONS: readonly AdapterSelection[] = ["shared", "per-head", "across-heads"];

/**
 * Tokens that the query and output adapters act on (METHOD section 2); those of keys and values act on all.
 * - "kept": those that are kept; the paper's.
 * - "all": every token; the paper's ablation.
 */
export type AdapterRouting = "kept" | "all";
export const ADAPTER_ROUTINGS: readonly AdapterRouting[] = ["kept", "all"];

/** What the keys of the leading tokens that are always kept are multiplied by: 1, or the gate of their score as those of all others. */
export type SinkGate = "one" | "score";
export const SINK_GATES: readonly SinkGate[] = ["one", "score"];

/**
 * Positions of the tokens of a fold while it is encoded (METHOD section 6).
 * - "context": those in the whole context, at which the rows are read afterwards.
 * - "fold": each fold's own, from 0.
 */
export type FoldPositions = "context" | "fold";
export const FOLD_POSITIONS: readonly FoldPositions[] = ["context", "fold"];

/**
 * Where a context is cut into folds.
 * - "even": into as few as can be, all equally long.
 * - "full": each as long as may be, the last with what is left; the paper's, which pads it.
 */
export type FoldCut = "even" | "full";
export const FOLD_CUTS: readonly FoldCut[] = ["even", "full"];

/**
 * Position at which question and answer go on after a compressed context (METHOD section 4).
 * - "context": after its last token.
 * - "kept": after as many positions as rows are kept. The rows stay at the positions of their tokens.
 */
export type ReadPositions = "context" | "kept";
export const READ_POSITIONS: readonly ReadPositions[] = ["context", "kept"];

/** Of `AdapterConfig.restRows`. */
export const MOST_REST_ROWS = 64;

export const SCORER_NORMS = ["layer", "none"] as const;
export const SCORER_ACTIVATIONS = ["gelu", "gelu-tanh", "silu"] as const;

/** The scorer's form, which the paper leaves open: norm, linear, activation, linear (METHOD section 1). */
export interface ScorerForm {
  /** In front of it, without parameters. */
  readonly scorerNorm: (typeof SCORER_NORMS)[number];
  readonly scorerActivation: (typeof SCORER_ACTIVATIONS)[number];
  /** Units between the two linear maps. */
  readonly scorerWidth: number;
}

export interface AdapterConfig extends ScorerForm {
  readonly rank: number;
  readonly alpha: number;
  /** Rank-stabilised LoRA: scale α / √rank instead of α / rank. */
  readonly useRslora: boolean;
  /** The base model stores its matrices [in, out], as GPT-2 does. It does not change A and B. */
  readonly fanInFanOut: boolean;
  /** The scorer reads the residual stream after this many blocks. */
  readonly eta: number;
  /** Leading tokens that are always kept. */
  readonly sinks: number;
  readonly gate: AdapterGate;
  readonly sinkGate: SinkGate;
  readonly selection: AdapterSelection;
  readonly routing: AdapterRouting;
  readonly foldPositions: FoldPositions;
  readonly foldCut: FoldCut;
  readonly readPositions: ReadPositions;
  /** What updates are multiplied by: (1 − kept part) to this power; 0, the paper's, for 1 whatever is kept. */
  readonly strengthExponent: number;
  /** Rows of every head, of each fold, that stand for what is dropped, at most (`compress/rest-rows.ts`); 0 for none, the paper's. */
  readonly restRows: number;
  /** The hash is that of the model's configuration and weights, sha256 in lower-case hex. */
  readonly baseModel: { readonly name: string; readonly hash: string };
  readonly targets: AdapterTargets;
  /** Program and version, such as "kv-distill 0.1.0". */
  readonly createdBy: string;
}

/** What an adapter chooses where its file says nothing; its scorer is then as wide as the model. */
export const USUAL_CHOICES = {
  strengthExponent: 0,
  sinkGate: "one",
  routing: "kept",
  foldPositions: "context",
  foldCut: "even",
  readPositions: "context",
  restRows: 0,
  scorerNorm: "layer",
  scorerActivation: "gelu",
} as const satisfies Partial<AdapterConfig>;

/** One low-rank update: A [rank, inputs] and B [outputs, rank], row-major. */
export interface LoraMatrices {
  readonly a: Float32Array<ArrayBuffer>;
  readonly b: Float32Array<ArrayBuffer>;
}

/** The scorer's parameters (METHOD section 1), E = hidden size, W = `scorerWidth`, C = scores of a token (see `scoreColumns`). */
export interface Scorer {
  /** [W, E] */
  readonly "fc1.weight": Float32Array<ArrayBuffer>;
  /** [W] */
  readonly "fc1.bias": Float32Array<ArrayBuffer>;
  /** [C, W] */
  readonly "fc2.weight": Float32Array<ArrayBuffer>;
  /** [C] */
  readonly "fc2.bias": Float32Array<ArrayBuffer>;
}

/** Everything that training learns. */
export interface Adapter {
  readonly config: AdapterConfig;
  /** By "layers.{i}.{module path}". */
  readonly lora: ReadonlyMap<string, LoraMatrices>;
  readonly scorer: Scorer;
}

/** Scores of a token: one, or one for every layer and kv head in the order layer · numKvHeads + head. */
export function scoreColumns({ selection, targets }: Pick<AdapterConfig, "selection" | "targets">): number {
  return selection === "shared" ? 1 : targets.numLayers * targets.numKvHeads;
}

/** Factor on B·A·x. */
export function loraScale({ rank, alpha, useRslora }: Pick<AdapterConfig, "rank" | "alpha" | "useRslora">): number {
  return alpha / (useRslora ? Math.sqrt(rank) : rank);
}
