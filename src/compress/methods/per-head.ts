import type { CompressedRows, CompressionMethod, CompressionRequest } from "../method.ts";
import { takeKept } from "../rows.ts";
import { selectKept } from "../select.ts";

/** Scores for every layer and kv head, layer · numKvHeads + head: one for each token. */
export type HeadScores = readonly Float32Array[];

/** What the methods below have in common. */
export type MethodTraits = Pick<CompressionMethod, "questionAware" | "ragged">;

/**
 * A method that scores every token for every layer and kv head and keeps the highest of each, with the sinks.
 * @param score for every layer [kvHeads, tokens]
 */
export function perHeadMethod(
  name: string,
  score: (request: CompressionRequest) => Promise<readonly Float32Array[]>,
  traits: MethodTraits = {},
): CompressionMethod {
  return {
    name,
    ...traits,
    compress: async (request) => {
      const { context, count, sinks } = request;
      const scores = splitHeads(await score(request), context.ids.length);
      return keepRows(
        request,
        scores.map((own) => selectKept(own, count, sinks)),
        scores,
      );
    },
  };
}

/** Scores of every layer, [kvHeads, tokens], head by head. */
export function splitHeads(layers: readonly Float32Array[], tokens: number): HeadScores {
  return layers.flatMap((layer) =>
    Array.from({ length: layer.length / tokens }, (_, head) => layer.subarray(head * tokens, (head + 1) * tokens)),
  );
}

/** The full cache's rows at chosen positions, entry by entry as `scores`. */
export async function keepRows(
  { context }: CompressionRequest,
  positions: readonly Int32Array<ArrayBuffer>[],
  scores: HeadScores,
): Promise<CompressedRows> {
  const { layers } = await context.full();
  return {
    layers: takeKept(layers, context.model.config, positions),
    positions,
    scores: positions.map((kept, i) => Float32Array.from(kept, (position) => scores[i]?.[position] ?? 0)),
  };
}
