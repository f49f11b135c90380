import type { CompressionMethod } from "../method.ts";
import { takeRows } from "../rows.ts";
import { selectKept } from "../select.ts";

/**
 * Heavy hitters (H2O, arXiv 2306.14048), without the question: in every layer and kv head the tokens that received most attention while
 * the context was read. The whole budget goes to heavy hitters: on short contexts this is stronger than giving half of it to recent tokens.
 */
export const h2o: CompressionMethod = {
  name: "h2o",
  compress: async ({ context, count, sinks }) => {
    const { layers, attentionMass } = await context.full();
    const { config } = context.model;
    const tokens = context.ids.length;
    const kept = layers.map((layer, i) => {
      const mass = attentionMass[i] ?? new Float32Array();
      const positions = Array.from({ length: config.numKvHeads }, (_, head) =>
        selectKept(mass.subarray(head * tokens, (head + 1) * tokens), count, sinks),
      );
      return takeRows(layer, config, positions);
    });
    return { layers: kept, positions: undefined, scores: undefined };
  },
};
