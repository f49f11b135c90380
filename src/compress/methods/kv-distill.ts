import { asDType } from "../../tensor/tensor.ts";
import { firstGated, gateValue } from "../gate.ts";
import { strengthOf } from "../strength.ts";
import type { LoadedAdapter } from "../loaded-adapter.ts";
import type { CompressionMethod } from "../method.ts";
import { scoreColumns } from "../../cache/adapter.ts";
import { QueryCounter } from "../query-statistics.ts";
import { addRestRows } from "../rest-rows.ts";
import { headEntries } from "../rows.ts";
import { scorerShapeOf } from "../scorer.ts";
import { scorerGraph, scorerKey } from "../scorer-graph.ts";
import { selectTokens } from "../select.ts";
import type { CompressionContext } from "../context.ts";

/**
 * KV-Distill (arXiv 2503.10337): the scorer chooses, the adapted model encodes with the kept tokens routed to the query and output
 * adapters, and the gate is folded into the kept keys (METHOD sections 1 to 3).
 */
export function kvDistill(loaded: LoadedAdapter): CompressionMethod {
  const { config } = loaded.adapter;
  return {
    name: "kv-distill",
    ownReading: true,
    ...(config.selection === "across-heads" ? { ragged: true } : {}),
    readPositions: config.readPositions,
    compress: async ({ context: given, count, most, sinks }) => {
      const context = config.foldPositions === "fold" ? given.fromZero() : given;
      const { model, ids, signal } = context;
      const columns = scoreColumns(config);
      const scores = await scoreTokens(loaded, context);
      const selection = selectTokens(scores, { ...config, columns, count, most, sinks });
      const routed = new Float32Array(ids.length);
      for (const position of selection.routed) routed[position] = 1;
      const cache = await context.newCache();
      const queries = config.restRows === 0 ? undefined : new QueryCounter(model.config, sinks);
      try {
        await model.forward({
          ids,
          cache,
          ...(queries === undefined ? {} : { queries }),
          adapter: { lora: loaded.lora, routed, strength: strengthOf(config, count, ids.length) },
          ...(signal === undefined ? {} : { signal }),
        });
        const { numKvHeads, headDim } = model.config;
        const layers = await cache.downloadRows((layer) => headEntries(selection.kept, layer, numKvHeads));
        const keptScores = selection.kept.map((positions, column) =>
          Float32Array.from(positions, (position) => scores[position * columns + column] ?? 0),
        );
        const gated = firstGated(config, sinks);
        const gates = keptScores.map((own, column) =>
          own.map((score, slot) => ((selection.kept[column]?.[slot] ?? 0) < gated ? 1 : gateValue(config.gate, score))),
        );
        layers.forEach(({ keys }, layer) => {
          scaleRows(keys, headEntries(gates, layer, numKvHeads), headDim);
        });
        if (queries !== undefined) {
          await addRestRows(
            {
              cache,
              config: model.config,
              layers,
              positions: selection.kept,
              scores: keptScores,
              sinks,
              queries: queries.layers,
              end: context.position + ids.length,
            },
            config.restRows,
          );
        }
        return { layers, positions: selection.kept, scores: keptScores };
      } finally {
        cache.release();
      }
    },
  };
}

/** Scores of every token of a context, [tokens, columns]. */
export async function scoreTokens(
  { adapter, scorer }: LoadedAdapter,
  context: CompressionContext,
): Promise<Float32Array> {
  const { model } = context;
  const shape = scorerShapeOf(adapter.config);
  const hidden = await context.hiddenAfter(adapter.config.eta);
  const program = await model.compile(scorerKey(shape), () => scorerGraph(shape));
  const { scores } = await program.run({ ...scorer, hidden });
  return asDType(scores ?? hidden, "float32").data;
}

/** Multiplies every row by its gate; keys are head after head, [its rows, headDim], gates [its rows] for each. */
function scaleRows(keys: Float32Array, gates: readonly Float32Array[], headDim: number): void {
  let i = 0;
  for (const own of gates) {
    for (const gate of own) for (let d = 0; d < headDim; d++, i++) keys[i] = (keys[i] ?? 0) * gate;
  }
}
