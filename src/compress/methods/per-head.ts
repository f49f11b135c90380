import { takeKept } from "../rows.ts";
import { selectKept } from "../select.ts";
import type { CompressionMethod, CompressionRequest } from "../method.ts";

/**
 * A method that scores every token for every layer and kv head and keeps the highest of each, with the sinks.
 * @param score for every layer [kvHeads, tokens]
 */
export function perHeadMethod(
  name: string,
  score: (request: CompressionRequest) => Promise<readonly Float32Array[]>,
): CompressionMethod {
  return {
    name,
    compress: async (request) => {
      const { context, count, sinks } = request;
      const tokens = context.ids.length;
      const scores = (await score(request)).flatMap((layer) =>
        Array.from({ length: layer.length / tokens }, (_, head) => layer.subarray(head * tokens, (head + 1) * tokens)),
      );
      const positions = scores.map((own) => selectKept(own, count, sinks));
      const { layers } = await context.full();
      return {
        layers: takeKept(layers, context.model.config, positions),
        positions,
        scores: positions.map((kept, i) => Float32Array.from(kept, (position) => scores[i]?.[position] ?? 0)),
      };
    },
  };
}
