import { headsOf, layerOf } from "../models/host-layer.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { CompressionContext, type CompressionContextOptions } from "./context.ts";
import { type PlacedRows, placeRows } from "./join-rows.ts";
import type { CompressedRows, CompressionMethod, CompressionRequest } from "./method.ts";
import type { Piece } from "./plan.ts";

/** A piece as a context to compress: its tokens, and the context's sinks right in front of them. */
export function pieceContext(
  model: LanguageModel,
  ids: readonly number[],
  { start, end, lead }: Pick<Piece, "start" | "end" | "lead">,
  options: Omit<CompressionContextOptions, "position"> = {},
): CompressionContext {
  return new CompressionContext(model, [...ids.slice(0, lead), ...ids.slice(start, end)], {
    ...options,
    position: start - lead,
  });
}

/**
 * What a method keeps of a piece, at its place in the whole context; what was read in front of the piece is left out.
 * @param context of `pieceContext`
 */
export async function compressPiece(
  method: CompressionMethod,
  context: CompressionContext,
  { start, count, most, sinks, lead }: Piece,
  request: Pick<CompressionRequest, "seed" | "questionIds">,
): Promise<PlacedRows> {
  const rows = await method.compress({
    ...request,
    context,
    count: lead + count,
    most: lead + most,
    sinks: lead + sinks,
  });
  return placeRows(withoutFirst(rows, lead, context), start);
}

/** Without the first rows of every head, the first tokens'; positions are counted from the token after them. */
function withoutFirst(rows: CompressedRows, count: number, { model: { config } }: CompressionContext): CompressedRows {
  if (count === 0) return rows;
  const { headDim } = config;
  const rest = (all: Float32Array): Float32Array => all.subarray(count * headDim);
  return {
    layers: rows.layers.map((layer) =>
      layerOf(
        headsOf(layer, config).map(({ keys, values }) => [{ keys: rest(keys), values: rest(values) }]),
        headDim,
      ),
    ),
    positions: rows.positions.map((own) => own.slice(count).map((at) => at - count)),
    ...(rows.scores === undefined ? {} : { scores: rows.scores.map((own) => own.slice(count)) }),
  };
}
