import type { CompressionMethod } from "../method.ts";
import { reconstructionScores, type ReconstructionOptions } from "../reconstruction.ts";
import { perHeadMethod } from "./per-head.ts";

/** KVzip (arXiv 2505.23416) with as many rows in every layer and head: a dense cache, the memory that was asked for. */
export function kvzipUniform(options?: ReconstructionOptions): CompressionMethod {
  return perHeadMethod("kvzip-uniform", ({ context, sinks }) => reconstructionScores(context, sinks, options));
}
