import type { CompressionMethod, CompressionRequest } from "../method.ts";
import { takeKept } from "../rows.ts";
import { selectKept } from "../select.ts";

/** A method that gives every token one score and keeps the highest, with the sinks, in every layer and head alike. */
export function sharedMethod(
  name: string,
  score: (request: CompressionRequest) => Promise<Float32Array> | Float32Array,
): CompressionMethod {
  return {
    name,
    compress: async (request) => {
      const { context, count, sinks } = request;
      const scores = await score(request);
      const positions = selectKept(scores, count, sinks);
      const { layers } = await context.full();
      return {
        layers: takeKept(layers, context.model.config, [positions]),
        positions: [positions],
        scores: [Float32Array.from(positions, (position) => scores[position] ?? 0)],
      };
    },
  };
}
