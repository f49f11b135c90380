export interface SafetensorsLimits {
  /** Bytes of the JSON header. */
  readonly maxHeaderBytes: number;
  /** Tensors in one file. */
  readonly maxTensors: number;
  /** Dimensions of one tensor. */
  readonly maxRank: number;
}

/** The header cap is the format's own; the others are far above any known checkpoint. */
export const SAFETENSORS_LIMITS: SafetensorsLimits = { maxHeaderBytes: 100_000_000, maxTensors: 200_000, maxRank: 16 };
