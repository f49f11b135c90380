import type { CompressionMethod } from "../method.ts";
import { reconstructionScores, type ReconstructionOptions } from "../reconstruction.ts";
import { selectAcross } from "../select.ts";
import { keepRows, splitHeads } from "./per-head.ts";

/**
 * KVzip (arXiv 2505.23416): the rows that the model looks at most, at any one moment, while it repeats the context. All layers and heads share one
 * budget, so that each keeps as many as it needs: the authors' default, and the method at its best.
 */
export function kvzip(options?: ReconstructionOptions): CompressionMethod {
  return {
    name: "kvzip",
    ragged: true,
    compress: async (request) => {
      const { context, count, most, sinks } = request;
      const layers = await reconstructionScores(context, sinks, options);
      const scores = splitHeads(layers, context.ids.length);
      return keepRows(request, selectAcross(scores, count * scores.length, sinks, most), scores);
    },
  };
}
