/** How much work is measured; lengths in tokens. */
export interface Sizes {
  /** Examples of a training step. */
  readonly examples: number;
  readonly rank: number;
  readonly microBatch: number;
  readonly prefill: readonly number[];
  /** Text that is compressed to `compressKeep`. */
  readonly compress: number;
  readonly compressKeep: number;
  /** Contexts that are asked about. */
  readonly answers: readonly number[];
  /** Full cache that is decoded on. */
  readonly context: number;
  readonly steps: number;
  /** Text whose compressed and full cache are compared. */
  readonly long: number;
  readonly longKeep: number;
  readonly fold: readonly number[];
  readonly foldTokens: number;
}

/** The work that the goals are about (docs/benchmarks.md). */
export const FULL_SIZES: Sizes = {
  examples: 16,
  rank: 64,
  microBatch: 8,
  prefill: [512, 2048, 8192],
  compress: 2048,
  compressKeep: 0.25,
  answers: [512, 2048],
  context: 2048,
  steps: 32,
  long: 8192,
  longKeep: 0.05,
  fold: [1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000],
  foldTokens: 1536,
};

/** To see in a minute or two that everything runs. */
export const QUICK_SIZES: Sizes = {
  ...FULL_SIZES,
  examples: 2,
  rank: 8,
  microBatch: 2,
  prefill: [64, 256],
  compress: 256,
  answers: [512],
  context: 128,
  steps: 8,
  long: 512,
  fold: [300, 600, 1200],
  foldTokens: 256,
};
