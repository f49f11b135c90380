import { firstGated, gateSlope, gateValue } from "../../compress/gate.ts";
import { folds } from "../../compress/fold.ts";
import { keptCount } from "../../compress/kept-count.ts";
import { headEntries } from "../../compress/rows.ts";
import { strengthOf } from "../../compress/strength.ts";
import { selectTokens, type TokenSelection } from "../../compress/select.ts";
import type { ModelConfig } from "../../models/config.ts";
import { MASKED } from "../../models/reading-bias.ts";
import { ints, type Tensor, tensor } from "../../tensor/tensor.ts";
import type { TrainingBatch } from "../batch.ts";
import type { FoldLayout } from "./fold-layout.ts";
import { isRagged, scoreColumnsOf, type StepSettings } from "./engine.ts";

/** Kept rows of one layer, as the graphs want them. */
export interface LayerSelection {
  /** K: the most rows kept of a passage by a head. */
  readonly width: number;
  /** [B, G, K] int64 rows of the layer's flattened keys; padded with the head's first row, which the reader's bias hides. */
  readonly rows: Tensor<"int64">;
  /** [B, G, K] factors on the keys. */
  readonly gate: Tensor<"float32">;
  /** [B, G, 1, K + R]: added to the reader's bias, hides the padding of heads with fewer rows than others; undefined where all keep equally many. */
  readonly padding?: Tensor<"float32">;
}

/** Kept tokens of a batch. */
export interface Selection {
  readonly passages: readonly TokenSelection[];
  /** Rows kept of every passage by a head; across heads the mean. */
  readonly counts: readonly number[];
  /** One entry for all layers of a shared selection, else one for each. */
  readonly layers: readonly LayerSelection[];
  /** [E · F, 1]: what updates of keys and values are multiplied by, and those of queries and outputs, 0 where none act. */
  readonly strength: Tensor<"float32">;
  readonly routed: Tensor<"float32">;
}

/**
 * Selects the kept tokens of every passage by score.
 * @param scores [B · S, columns]
 */
export function select(
  batch: TrainingBatch,
  config: ModelConfig,
  scores: Float32Array,
  keep: readonly number[],
  settings: StepSettings,
  layout: FoldLayout,
): Selection {
  const { contextWidth, contextLengths } = batch;
  const columns = scoreColumnsOf(settings, config);
  const counts = contextLengths.map((length, b) => keptCount(length, keep[b] ?? 1, settings.sinks));
  const { selection, routing, sinks } = settings;
  const pieces = contextLengths.map((length, b) => folds(length, counts[b] ?? 0, sinks, settings));
  const passages = pieces.map((own, b) =>
    joined(
      own.map(({ start, end, count, sinks: firsts }) => {
        const at = (position: number): number => (b * contextWidth + position) * columns;
        const own = scores.subarray(at(start), at(end));
        return moved(selectTokens(own, { selection, routing, columns, count, sinks: firsts }), start);
      }),
    ),
  );
  const routed = new Float32Array(passages.length * contextWidth);
  const strength = new Float32Array(routed.length);
  // As compressing has it, to which what stands in front of a fold is a part that is kept.
  const strengths = pieces.map((own) =>
    own.map(({ start, end, count, lead }) => strengthOf(settings, lead + count, lead + end - start)),
  );
  passages.forEach((passage, b) => {
    const first = b * contextWidth;
    pieces[b]?.forEach(({ start, end }, i) => {
      strength.fill(strengths[b]?.[i] ?? 0, first + start, first + end);
    });
    for (const position of passage.routed) routed[first + position] = strength[first + position] ?? 0;
  });
  const layers = Array.from({ length: settings.selection === "shared" ? 1 : config.numLayers }, (_, layer) =>
    layerSelection({ batch, config, scores, settings, passages, columns, layout }, layer),
  );
  return {
    passages,
    counts,
    layers,
    strength: column(layout.toFoldsWithLead(strength, strengths.flat())),
    routed: column(layout.toFoldsWithLead(routed, strengths.flat())),
  };
}

interface LayerRequest {
  readonly batch: TrainingBatch;
  readonly config: ModelConfig;
  readonly scores: Float32Array;
  readonly settings: StepSettings;
  readonly passages: readonly TokenSelection[];
  readonly columns: number;
  readonly layout: FoldLayout;
}

const column = (values: Float32Array<ArrayBuffer>): Tensor<"float32"> => tensor("float32", [values.length, 1], values);

/** A fold's selection at the positions of the whole context. */
function moved({ kept, routed }: TokenSelection, by: number): TokenSelection {
  const shift = (positions: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => positions.map((own) => own + by);
  return { kept: kept.map(shift), routed: shift(routed) };
}

function joined(parts: readonly TokenSelection[]): TokenSelection {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const join = (all: readonly Int32Array[]): Int32Array<ArrayBuffer> => Int32Array.from(all.flatMap((own) => [...own]));
  return {
    kept: (first?.kept ?? []).map((_, i) => join(parts.map(({ kept }) => kept[i] ?? new Int32Array()))),
    routed: join(parts.map(({ routed }) => routed)),
  };
}

function layerSelection(request: LayerRequest, layer: number): LayerSelection {
  const { batch, config, scores, settings, passages, columns, layout } = request;
  const { numKvHeads } = config;
  const gated = firstGated(settings, settings.sinks);
  const width = Math.max(
    ...passages.flatMap(({ kept }) => headEntries(kept, layer, numKvHeads).map(({ length }) => length)),
  );
  const dims = [passages.length, numKvHeads, width];
  const rows: number[] = [];
  const gates = new Float32Array(passages.length * numKvHeads * width).fill(1);
  const keys = width + batch.readerWidth;
  const padding = new Float32Array(passages.length * numKvHeads * keys);
  passages.forEach(({ kept }, b) => {
    headEntries(kept, layer, numKvHeads).forEach((positions, head) => {
      const slots = (b * numKvHeads + head) * width;
      for (let slot = 0; slot < width; slot++)
        rows.push(layout.keyRow(b * batch.contextWidth + (positions[slot] ?? 0), head, numKvHeads));
      const start = (b * numKvHeads + head) * keys;
      padding.fill(MASKED, start + positions.length, start + width);
      positions.forEach((position, slot) => {
        if (position < gated) return;
        const score = scores[scoreIndex(batch, columns, b, position, layer * numKvHeads + head)] ?? 0;
        gates[slots + slot] = gateValue(settings.gate, score);
      });
    });
  });
  return {
    width,
    rows: ints(dims, rows),
    gate: tensor("float32", dims, gates),
    ...(isRagged(settings) ? { padding: tensor("float32", [passages.length, numKvHeads, 1, keys], padding) } : {}),
  };
}

/** Where the score of a token for a head lies in [B · S, columns]. */
function scoreIndex(
  { contextWidth }: TrainingBatch,
  columns: number,
  b: number,
  position: number,
  head: number,
): number {
  return (b * contextWidth + position) * columns + (columns === 1 ? 0 : head);
}

/**
 * Gradient of the scores [B · S, columns] from those of the gates, [B, G, K] for every layer: the scorer's only path (METHOD section 3).
 */
export function scoreGradient(
  batch: TrainingBatch,
  config: ModelConfig,
  { passages, layers }: Selection,
  scores: Float32Array,
  gateGradients: readonly Float32Array[],
  settings: StepSettings,
): Tensor<"float32"> {
  const { numKvHeads } = config;
  const columns = scoreColumnsOf(settings, config);
  const gated = firstGated(settings, settings.sinks);
  const gradient = new Float32Array(scores.length);
  gateGradients.forEach((dGate, layer) => {
    const { width = 0 } = layers[layer] ?? layers[0] ?? {};
    passages.forEach(({ kept }, b) => {
      headEntries(kept, layer, numKvHeads).forEach((positions, head) => {
        positions.forEach((position, slot) => {
          if (position < gated) return;
          const at = scoreIndex(batch, columns, b, position, layer * numKvHeads + head);
          const d = dGate[(b * numKvHeads + head) * width + slot] ?? 0;
          gradient[at] = (gradient[at] ?? 0) + d * gateSlope(scores[at] ?? 0);
        });
      });
    });
  });
  return tensor("float32", [gradient.length / columns, columns], gradient);
}
