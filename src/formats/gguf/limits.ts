export interface GgufLimits {
  /** Metadata keys. */
  readonly maxKeys: number;
  /** Tensors in one file. */
  readonly maxTensors: number;
  /** Bytes of one string. */
  readonly maxStringBytes: number;
  /** Elements of one metadata array. */
  readonly maxArrayElements: number;
  /** Bytes before the tensor data. */
  readonly maxHeaderBytes: number;
}

/** Far above any known model; a vocabulary of 262,144 tokens takes about 8 MB of header. */
export const GGUF_LIMITS: GgufLimits = {
  maxKeys: 65_536,
  maxTensors: 200_000,
  maxStringBytes: 16 << 20,
  maxArrayElements: 16 << 20,
  maxHeaderBytes: 512 << 20,
};
