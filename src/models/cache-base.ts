import type { Resident, RowCopy, Runtime } from "../runtime/runtime.ts";
import { asDType, type Tensor, tensor } from "../tensor/tensor.ts";
import type { ModelConfig } from "./config.ts";
import { allRowCounts, type HeadRows, headsOf, type HostLayer } from "./host-layer.ts";
import { MASKED } from "./reading-bias.ts";

/** Scores of one engine call with a base at most, 128 MiB: every query head meets the rows of all kv heads. */
const MOST_SCORES = 2 ** 25;

/** Rows of one layer of all sequences where the engine runs. */
interface BaseLayer {
  /** Of each sequence head 0's rows, then head 1's and so on, [sequences, 1, rows, headDim] each. */
  readonly keys: Resident;
  readonly values: Resident;
  /** Tells the heads which of these rows are theirs, [sequences, numKvHeads, 1, rows]: 0, or MASKED for others' rows and padding. */
  readonly bias: Resident;
}

/**
 * The rows that a cache began with, where its heads hold different numbers of them: those of a layer lie in one array, head by head. They never
 * change. Only side by side with a sequence that has more rows in a layer does another have padding there.
 */
export class RaggedBase {
  /** Rows that a head of a sequence holds at most. */
  readonly mostRows: number;
  /** Rows that a head of a sequence holds, on average. */
  readonly heldRows: number;
  /** The same with what is padding. */
  readonly paddedRows: number;
  /** Tokens of one engine call at most, of all sequences together. */
  readonly mostTokens: number;
  private layers: readonly BaseLayer[];
  /** Rows of every sequence's heads, layer · numKvHeads + head. */
  private counts: readonly (readonly number[])[];

  private readonly runtime: Runtime;

  private constructor(
    runtime: Runtime,
    { numQueryHeads, numKvHeads }: ModelConfig,
    layers: readonly BaseLayer[],
    counts: readonly (readonly number[])[],
  ) {
    this.runtime = runtime;
    this.layers = layers;
    this.counts = counts;
    const all = counts.flat();
    this.mostRows = Math.max(...all);
    this.heldRows = mean(all);
    this.paddedRows = paddedMean(counts, numKvHeads);
    const longest = Math.max(...layers.map(({ keys }) => keys.dims[2] ?? 0));
    this.mostTokens = Math.max(1, Math.floor(MOST_SCORES / (numQueryHeads * longest)));
  }

  /** Copies rows of several sequences to where the engine runs. */
  static async upload(
    runtime: Runtime,
    config: ModelConfig,
    sequences: readonly (readonly HostLayer[])[],
  ): Promise<RaggedBase> {
    const counts = sequences.map((layers) => allRowCounts(layers, config));
    const layers: BaseLayer[] = [];
    // Layer by layer: no more than one is held here beside the sequences' own rows.
    for (let layer = 0; layer < config.numLayers; layer++) {
      const own = sequences.map((rows) => rows[layer]);
      layers.push(await uploadLayer(runtime, config, own, countsInLayer(counts, layer, config.numKvHeads)));
    }
    return new RaggedBase(runtime, config, layers, counts);
  }

  /** Copies of bases of one sequence each. @param bases undefined for a sequence without rows */
  static async sideBySide(
    runtime: Runtime,
    config: ModelConfig,
    bases: readonly (RaggedBase | undefined)[],
  ): Promise<RaggedBase> {
    const { numLayers, numKvHeads, headDim } = config;
    const counts = bases.map((base) => base?.counts[0] ?? new Array<number>(numLayers * numKvHeads).fill(0));
    const copies: RowCopy[] = [];
    const made = async (layer: number): Promise<BaseLayer> => {
      const own = countsInLayer(counts, layer, numKvHeads);
      const dims = [bases.length, 1, mostOf(own), headDim];
      const [keys, values, bias] = await Promise.all([
        runtime.allocate("float32", dims),
        runtime.allocate("float32", dims),
        runtime.upload(ownRowsBias(own)),
      ]);
      bases.forEach((base, to) => {
        const [source, rows] = [base?.layers[layer], sum(own[to] ?? [])];
        if (source === undefined || rows === 0) return;
        const pieces = [{ from: 0, fromRow: 0, to, toRow: 0, rows }];
        copies.push({ target: keys, source: source.keys, pieces }, { target: values, source: source.values, pieces });
      });
      return { keys, values, bias };
    };
    // Asked for at once: calls that wait for each other would hold up whoever is read beside them.
    const layers = await Promise.all(Array.from({ length: numLayers }, (_, layer) => made(layer)));
    await runtime.copyRows(copies);
    return new RaggedBase(runtime, config, layers, counts);
  }

  /** `paddedRows` of these bases, of one sequence each, if they lay side by side. */
  static paddedTogether({ numKvHeads }: ModelConfig, bases: readonly (RaggedBase | undefined)[]): number {
    const counts = bases.flatMap((base) => base?.counts ?? []);
    return counts.length === 0 ? 0 : paddedMean(counts, numKvHeads);
  }

  /** What a step graph with `ragged` takes of a layer. */
  feeds(layer: number): Record<string, Resident> {
    const own = this.layers[layer];
    if (own === undefined) throw new RangeError(`the base has no layer ${layer}`);
    const prefix = `layers.${layer}.base.`;
    return { [`${prefix}keys`]: own.keys, [`${prefix}values`]: own.values, [`${prefix}bias`]: own.bias };
  }

  /** Makes the sequences at these places, in this order and as often as they are named, all that there are. */
  async keep(places: readonly number[]): Promise<void> {
    const pick = async (rows: Resident): Promise<Resident> => {
      const [, ...dims] = rows.dims;
      const kept = await this.runtime.allocate("float32", [places.length, ...dims]);
      const pieces = places.map((from, to) => ({ from, fromRow: 0, to, toRow: 0, rows: dims[1] ?? 0 }));
      await this.runtime.copyRows([{ target: kept, source: rows, pieces }]);
      rows.release();
      return kept;
    };
    const kept: BaseLayer[] = [];
    for (const { keys, values, bias } of this.layers) {
      kept.push({ keys: await pick(keys), values: await pick(values), bias: await pick(bias) });
    }
    this.layers = kept;
    this.counts = places.map((place) => this.counts[place] ?? []);
  }

  /** Copies of the rows of the only sequence, by layer and head. */
  download(config: ModelConfig): Promise<HeadRows[][]> {
    return Promise.all(
      this.layers.map(async ({ keys, values }, layer) => {
        const [rowCounts = []] = countsInLayer(this.counts, layer, config.numKvHeads);
        const all = async (rows: Resident): Promise<Float32Array<ArrayBuffer>> =>
          asDType(await this.runtime.download(rows), "float32").data;
        return headsOf({ keys: await all(keys), values: await all(values), rowCounts }, config);
      }),
    );
  }

  release(): void {
    for (const { keys, values, bias } of this.layers) {
      keys.release();
      values.release();
      bias.release();
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

/** One layer of all sequences. */
async function uploadLayer(
  runtime: Runtime,
  { headDim }: ModelConfig,
  sequences: readonly (HostLayer | undefined)[],
  counts: readonly (readonly number[])[],
): Promise<BaseLayer> {
  const most = mostOf(counts);
  const dims = [sequences.length, 1, most, headDim];
  const stacked = (pick: "keys" | "values"): Promise<Resident> => {
    const all = new Float32Array(sequences.length * most * headDim);
    sequences.forEach((rows, i) => {
      all.set(rows?.[pick] ?? [], i * most * headDim);
    });
    return runtime.upload(tensor("float32", dims, all));
  };
  const [keys, values, bias] = await Promise.all([
    stacked("keys"),
    stacked("values"),
    runtime.upload(ownRowsBias(counts)),
  ]);
  return { keys, values, bias };
}

/** Rows of a layer's arrays. No array is empty: a layer without rows has one of padding. */
function mostOf(counts: readonly (readonly number[])[]): number {
  return Math.max(1, ...counts.map(sum));
}

/** Shows to each head its own rows of a layer, [sequences, heads, 1, most rows]. @param counts of each sequence's heads */
function ownRowsBias(counts: readonly (readonly number[])[]): Tensor<"float32"> {
  const [most, heads] = [mostOf(counts), counts[0]?.length ?? 0];
  const bias = new Float32Array(counts.length * heads * most).fill(MASKED);
  counts.forEach((own, sequence) => {
    let start = 0;
    own.forEach((count, head) => {
      const row = (sequence * heads + head) * most;
      bias.fill(0, row + start, row + start + count);
      start += count;
    });
  });
  return tensor("float32", [counts.length, heads, 1, most], bias);
}
