import { asDType } from "../../tensor/tensor.ts";
import { gateValue } from "../gate.ts";
import type { LoadedAdapter } from "../loaded-adapter.ts";
import type { CompressionMethod } from "../method.ts";
import { takeShared } from "../rows.ts";
import { scorerGraph } from "../scorer-graph.ts";
import { selectKept } from "../select.ts";
import type { CompressionContext } from "../context.ts";

/**
 * KV-Distill (arXiv 2503.10337): the scorer chooses, the adapted model encodes with the kept tokens routed to the query and output
 * adapters, and the gate is folded into the kept keys (METHOD sections 1 to 3).
 */
export function kvDistill(loaded: LoadedAdapter): CompressionMethod {
  const { config } = loaded.adapter;
  return {
    name: "kv-distill",
    compress: async ({ context, count }) => {
      const { model, ids, signal } = context;
      const scores = await scoreTokens(loaded, context);
      const positions = selectKept(scores, count, config.sinks);
      const routed = new Float32Array(ids.length);
      for (const position of positions) routed[position] = 1;
      const cache = await context.newCache();
      try {
        await model.forward({
          ids,
          cache,
          adapter: { lora: loaded.lora, routed },
          ...(signal === undefined ? {} : { signal }),
        });
        const layers = takeShared(await cache.download(), model.config, positions);
        const gates = Float32Array.from(positions, (position) =>
          position < config.sinks ? 1 : gateValue(config.gate, scores[position] ?? 0),
        );
        for (const { keys } of layers) scaleRows(keys, gates, model.config.headDim);
        return { layers, positions, scores: Float32Array.from(positions, (position) => scores[position] ?? 0) };
      } finally {
        cache.release();
      }
    },
  };
}

/** Score of every token of a context, [tokens]. */
export async function scoreTokens(
  { adapter, scorer }: LoadedAdapter,
  context: CompressionContext,
): Promise<Float32Array> {
  const { model, ids, position, signal } = context;
  const hidden = await model.hiddenAfter(adapter.config.eta, ids, {
    position,
    ...(signal === undefined ? {} : { signal }),
  });
  const program = await model.compile("scorer", () => scorerGraph(model.config.hiddenSize));
  const { scores } = await program.run({ ...scorer, hidden });
  return asDType(scores ?? hidden, "float32").data;
}

/** Multiplies row `slot` of every head by its gate; keys are [heads, slots, headDim]. */
function scaleRows(keys: Float32Array, gates: Float32Array, headDim: number): void {
  for (let i = 0; i < keys.length; i++) keys[i] = (keys[i] ?? 0) * (gates[Math.floor(i / headDim) % gates.length] ?? 1);
}
