/**
 * Changes to the plain rotary frequencies `theta^(-2i / headDim)`.
 * `linear` divides all of them by `factor` (position interpolation). `llama3` divides the low ones, keeps the high ones
 * and blends between the two wavelengths `originalMaxPositions / lowFreqFactor` and `originalMaxPositions / highFreqFactor`.
 */
export type RopeScaling =
  | { readonly type: "linear"; readonly factor: number }
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositions: number;
    };

interface CommonConfig {
  /** `model_type` of config.json, for messages. */
  readonly modelType: string;
  readonly numLayers: number;
  readonly hiddenSize: number;
  readonly numQueryHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  readonly vocabSize: number;
  readonly normEpsilon: number;
  /** The output projection is the embedding table; there is no `lm_head.weight`. */
  readonly tieWordEmbeddings: boolean;
  readonly maxPositions: number;
  readonly bosTokenId: number | undefined;
  /** Every id that ends a generation; empty when the files name none. */
  readonly eosTokenIds: readonly number[];
}

/** Llama and its kin: RMS norm, rotary positions, gated MLP, grouped key/value heads. */
export interface LlamaConfig extends CommonConfig {
  readonly family: "llama";
  readonly positions: "rotary";
  readonly activation: "silu";
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | undefined;
  /** Biases on the query, key and value projections. */
  readonly qkvBias: boolean;
  /** A bias on the attention's output projection. */
  readonly outputBias: boolean;
  /** RMS norms over each head's queries and keys, before the rotation (Qwen3). */
  readonly qkNorm: boolean;
  /**
   * A query sees this many tokens at most, itself included. The graphs attend to everything, which is the same up to
   * this length and wrong beyond it: see `contextLimit`.
   */
  readonly slidingWindow: number | undefined;
}

/** GPT-2: layer norm with bias, learned positions, fused `c_attn`, plain MLP, biases everywhere. */
export interface Gpt2Config extends CommonConfig {
  readonly family: "gpt2";
  /** A table of `maxPositions` rows: there are no positions beyond it. Rotary ones have no end. */
  readonly positions: "learned";
  /** GELU by its tanh approximation. */
  readonly activation: "gelu-tanh";
}

/** What a model's config.json says, in one spelling. Everything that changes the mathematics is here or was refused. */
export type ModelConfig = LlamaConfig | Gpt2Config;

/** The most tokens, context and answer together, for which the graphs compute what the model was trained to. */
export function contextLimit(config: ModelConfig): number {
  const window = "slidingWindow" in config ? config.slidingWindow : undefined;
  return Math.min(config.maxPositions, window ?? Infinity);
}
