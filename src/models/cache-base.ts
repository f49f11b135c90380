import type { Resident, RowCopy, Runtime } from "../runtime/runtime.ts";
import { asDType, type Tensor, tensor } from "../tensor/tensor.ts";
import type { ModelConfig } from "./config.ts";
import { allRowCounts, type HeadRows, headsOf, type HostLayer, isRagged } from "./host-layer.ts";
import { MASKED } from "./reading-bias.ts";
import { type BaseShape, baseKeyWidth } from "./step-graph.ts";

/** Scores of one engine call with a base at most, 128 MiB. */
const MOST_SCORES = 2 ** 25;

/** Rows of one layer of all caches where the engine runs, as `BaseRows` of `nn/attention.ts` has them. */
interface BaseLayer {
  readonly keys: Resident;
  readonly values: Resident;
}

/**
 * The rows that caches began with, which never change: one or more sequences read on from each. Where heads hold different numbers of rows the
 * base is ragged, and every query head meets the rows of all kv heads. Only beside a cache that has more rows in a layer does another have padding there.
 */
export class CacheBase {
  readonly shape: BaseShape;
  /** Rows that a head of a cache holds at most. */
  readonly mostRows: number;
  /** Rows that a head of a cache holds, on average. */
  readonly heldRows: number;
  /** The same with what is padding. */
  readonly paddedRows: number;
  /** Tokens of one engine call at most, of all sequences together, padding included. */
  readonly mostTokens: number;
  private layers: readonly BaseLayer[];
  /** Rows of every cache's heads, layer · numKvHeads + head. */
  private counts: readonly (readonly number[])[];

  private readonly runtime: Runtime;

  private constructor(
    runtime: Runtime,
    { numQueryHeads, numKvHeads }: ModelConfig,
    shape: BaseShape,
    layers: readonly BaseLayer[],
    counts: readonly (readonly number[])[],
  ) {
    this.runtime = runtime;
    this.shape = shape;
    this.layers = layers;
    this.counts = counts;
    const all = counts.flat();
    this.mostRows = Math.max(...all);
    this.heldRows = mean(all);
    this.paddedRows = paddedMean(counts, numKvHeads);
    const longest = Math.max(...layers.map(({ keys }) => keys.dims[2] ?? 0));
    this.mostTokens = Math.max(1, Math.floor(MOST_SCORES / (numQueryHeads * longest)));
  }

  /** Copies rows of several caches to where the engine runs. @param shared by several sequences of each */
  static async upload(
    runtime: Runtime,
    config: ModelConfig,
    caches: readonly (readonly HostLayer[])[],
    shared: boolean,
  ): Promise<CacheBase> {
    const ragged = caches.some((layers) => isRagged(layers, config));
    const counts = caches.map((layers) => allRowCounts(layers, config));
    const layers: BaseLayer[] = [];
    // Layer by layer: no more than one is held here beside the caches' own rows.
    for (let layer = 0; layer < config.numLayers; layer++) {
      const own = countsInLayer(counts, layer, config.numKvHeads);
      const most = Math.max(...own.map((heads) => (ragged ? sum(heads) : (heads[0] ?? 0))));
      layers.push(
        await uploadLayer(
          runtime,
          config,
          { ragged, most },
          caches.map((rows) => rows[layer]),
        ),
      );
    }
    return new CacheBase(runtime, config, { ragged, shared }, layers, counts);
  }

  /** Copies of ragged bases of one cache each. @param bases undefined for a cache without rows */
  static async sideBySide(
    runtime: Runtime,
    config: ModelConfig,
    bases: readonly (CacheBase | undefined)[],
  ): Promise<CacheBase> {
    const { numLayers, numKvHeads, headDim } = config;
    const counts = bases.map((base) => base?.counts[0] ?? new Array<number>(numLayers * numKvHeads).fill(0));
    const copies: RowCopy[] = [];
    const made = async (layer: number): Promise<BaseLayer> => {
      const own = countsInLayer(counts, layer, numKvHeads);
      const dims = [bases.length, 1, 1 + Math.max(...own.map(sum))];
      const [keys, values] = await Promise.all([
        runtime.allocate("float32", [...dims, baseKeyWidth(config, true)]),
        runtime.allocate("float32", [...dims, headDim]),
      ]);
      await runtime.writeSlice(keys, 3, headDim, hiddenRows(dims, numKvHeads));
      bases.forEach((base, to) => {
        const [source, rows] = [base?.layers[layer], sum(own[to] ?? [])];
        if (source === undefined || rows === 0) return;
        const pieces = [{ from: 0, fromRow: 1, to, toRow: 1, rows }];
        copies.push({ target: keys, source: source.keys, pieces }, { target: values, source: source.values, pieces });
      });
      return { keys, values };
    };
    // Asked for at once: calls that wait for each other would hold up whoever is read beside them.
    const layers = await Promise.all(Array.from({ length: numLayers }, (_, layer) => made(layer)));
    await runtime.copyRows(copies);
    return new CacheBase(runtime, config, { ragged: true, shared: false }, layers, counts);
  }

  /** `paddedRows` of these bases, of one cache each, if they lay side by side. */
  static paddedTogether({ numKvHeads }: ModelConfig, bases: readonly (CacheBase | undefined)[]): number {
    const counts = bases.flatMap((base) => base?.counts ?? []);
    return counts.length === 0 ? 0 : paddedMean(counts, numKvHeads);
  }

  /** Caches side by side: the C of step graphs. */
  get caches(): number {
    return this.counts.length;
  }

  /** What a step graph with a base takes of a layer. */
  feeds(layer: number): Record<string, Resident> {
    const own = this.layers[layer];
    if (own === undefined) throw new RangeError(`the base has no layer ${layer}`);
    const prefix = `layers.${layer}.base.`;
    return { [`${prefix}keys`]: own.keys, [`${prefix}values`]: own.values };
  }

  /** Makes the caches at these places, in this order, all that there are. */
  async keep(places: readonly number[]): Promise<void> {
    if (places.length === this.caches && places.every((place, i) => place === i)) return;
    const pick = async (rows: Resident): Promise<Resident> => {
      const [, ...dims] = rows.dims;
      const kept = await this.runtime.allocate("float32", [places.length, ...dims]);
      const pieces = places.map((from, to) => ({ from, fromRow: 0, to, toRow: 0, rows: dims[1] ?? 0 }));
      await this.runtime.copyRows([{ target: kept, source: rows, pieces }]);
      rows.release();
      return kept;
    };
    const kept: BaseLayer[] = [];
    for (const { keys, values } of this.layers) kept.push({ keys: await pick(keys), values: await pick(values) });
    this.layers = kept;
    this.counts = places.map((place) => this.counts[place] ?? []);
  }

  /** Copies of the rows of the only cache of a ragged base, by layer and head. */
  download(config: ModelConfig): Promise<HeadRows[][]> {
    return Promise.all(
      this.layers.map(async ({ keys, values }, layer) => {
        const [rowCounts = []] = countsInLayer(this.counts, layer, config.numKvHeads);
        const all = async (rows: Resident): Promise<Float32Array<ArrayBuffer>> =>
          columnsOf(asDType(await this.runtime.download(rows), "float32"), config.headDim);
        return headsOf({ keys: await all(keys), values: await all(values), rowCounts }, config);
      }),
    );
  }

  release(): void {
    for (const { keys, values } of this.layers) {
      keys.release();
      values.release();
    }
    this.layers = [];
  }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function mean(counts: readonly number[]): number {
  return sum(counts) / counts.length;
}

/** Rows of the heads of one layer, sequence by sequence. */
function countsInLayer(counts: readonly (readonly number[])[], layer: number, numKvHeads: number): number[][] {
  return counts.map((all) => all.slice(layer * numKvHeads, (layer + 1) * numKvHeads));
}

/** Rows that a head takes, on average, where every layer is as long as that of the sequence that has most there. */
function paddedMean(counts: readonly (readonly number[])[], numKvHeads: number): number {
  const numLayers = (counts[0]?.length ?? 0) / numKvHeads;
  const most = Array.from({ length: numLayers }, (_, layer) =>
    Math.max(...countsInLayer(counts, layer, numKvHeads).map(sum)),
  );
  return mean(most) / numKvHeads;
}

/**
 * One layer of all caches, in the form that `nn/attention.ts` wants.
 * @param most rows of the longest stretch
 */
async function uploadLayer(
  runtime: Runtime,
  shape: ModelConfig,
  { ragged, most }: { readonly ragged: boolean; readonly most: number },
  caches: readonly (HostLayer | undefined)[],
): Promise<BaseLayer> {
  const { numKvHeads, headDim } = shape;
  const stretches = ragged ? 1 : numKvHeads;
  const width = baseKeyWidth(shape, ragged);
  const dims = [caches.length, stretches, 1 + most];
  const keys = new Float32Array(caches.length * stretches * (1 + most) * width);
  const values = new Float32Array(caches.length * stretches * (1 + most) * headDim);
  caches.forEach((layer, cache) => {
    const heads = layer === undefined ? [] : headsOf(layer, shape);
    for (let stretch = 0; stretch < stretches; stretch++) {
      let row = (cache * stretches + stretch) * (1 + most);
      const end = row + 1 + most;
      // The first row stands for the other keys.
      keys[row * width + width - 1] = 1;
      row++;
      for (const [head, own] of heads.entries()) {
        if (!ragged && head !== stretch) continue;
        values.set(own.values, row * headDim);
        for (let from = 0; from < own.keys.length; from += headDim, row++) {
          keys.set(own.keys.subarray(from, from + headDim), row * width);
          if (ragged) hide(keys, row * width + headDim, numKvHeads, head);
        }
      }
      for (; row < end; row++) hide(keys, row * width + headDim, width - headDim - 1);
    }
  });
  const [heldKeys, heldValues] = await Promise.all([
    runtime.upload(tensor("float32", [...dims, width], keys)),
    runtime.upload(tensor("float32", [...dims, headDim], values)),
  ]);
  return { keys: heldKeys, values: heldValues };
}

/** What stands behind keys of which all are hidden, but for the first, which stands for the other keys. */
function hiddenRows(dims: readonly number[], masks: number): Tensor<"float32"> {
  const [caches = 0, , rows = 0] = dims;
  const width = masks + 1;
  const behind = new Float32Array(caches * rows * width);
  for (let row = 0; row < caches * rows; row++) {
    if (row % rows === 0) behind[row * width + masks] = 1;
    else hide(behind, row * width, masks);
  }
  return tensor("float32", [...dims, width], behind);
}

/** Hides a row by all of its masks but one. */
function hide(keys: Float32Array, start: number, masks: number, shown?: number): void {
  keys.fill(MASKED, start, start + masks);
  if (shown !== undefined) keys[start + shown] = 0;
}

/** The first columns of all rows but the first of the only stretch. */
function columnsOf({ dims, data }: Tensor<"float32">, count: number): Float32Array<ArrayBuffer> {
  const [, , rows = 0, width = 0] = dims;
  const taken = new Float32Array((rows - 1) * count);
  for (let row = 1; row < rows; row++) taken.set(data.subarray(row * width, row * width + count), (row - 1) * count);
  return taken;
}
