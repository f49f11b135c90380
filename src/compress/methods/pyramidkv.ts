import type { CompressionMethod } from "../method.ts";
import { selectKept } from "../select.ts";
import { keepRows, splitHeads } from "./per-head.ts";
import { WINDOW, windowFor, windowScores } from "./snapkv.ts";

/** How steep the pyramid is: the last layer's budget is the mean divided by this, where nothing else limits it. The authors' default. */
const BETA = 20;

/**
 * PyramidKV (arXiv 2406.02069): SnapKV's scores, with more rows in the first layers and fewer in the last. Budgets follow kvpress, which always
 * obeys the ratio; where they would leave a layer less than the window, all layers keep equally many and the result is SnapKV's.
 */
export function pyramidkv(window = WINDOW): CompressionMethod {
  return {
    name: "pyramidkv",
    ragged: true,
    compress: async (request) => {
      const { context, count, sinks } = request;
      const { numLayers, numKvHeads } = context.model.config;
      const tokens = context.ids.length;
      const observed = windowFor(request, window);
      const scores = splitHeads(await windowScores(request, observed), tokens);
      const counts = layerCounts({ numLayers, tokens, count, least: Math.max(observed, sinks + 1) });
      const positions = scores.map((own, i) => selectKept(own, counts[Math.floor(i / numKvHeads)] ?? count, sinks));
      return keepRows(request, positions, scores);
    },
  };
}

export interface PyramidRequest {
  readonly numLayers: number;
  readonly tokens: number;
  /** Mean over the layers. */
  readonly count: number;
  /** No layer keeps fewer. */
  readonly least: number;
}

/** Rows of every layer: a straight line from the first to the last, `count` on average, exactly. */
export function layerCounts({ numLayers, tokens, count, least }: PyramidRequest): number[] {
  const steepest = count / BETA;
  const most = Math.min(2 * count - steepest, tokens - least);
  const fewest = 2 * count - most;
  if (!(most >= fewest && fewest >= least) || numLayers < 2) return new Array<number>(numLayers).fill(count);
  const step = (most - fewest) / (numLayers - 1);
  // A layer and its mirror image share 2 · count rows: rounded once, they still do.
  return Array.from({ length: numLayers }, (_, layer) => {
    const mirror = numLayers - 1 - layer;
    if (layer === mirror) return count;
    return layer < mirror ? roundHalfEven(most - layer * step) : 2 * count - roundHalfEven(most - mirror * step);
  });
}

/** As Python rounds. */
function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}
