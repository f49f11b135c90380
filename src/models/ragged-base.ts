import type { Resident, RowCopy, Runtime } from "../runtime/runtime.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import type { ModelConfig } from "./config.ts";
import { allRowCounts, type HeadRows, headsOf, type HostLayer } from "./host-layer.ts";
import { MASKED } from "./reading-bias.ts";

/** Rows of one head of all sequences where the engine runs. */
interface BaseHead {
  /** [sequences, 1, rows, headDim] each. */
  readonly keys: Resident;
  readonly values: Resident;
  /** Added to the scores of these rows, [sequences, 1, 1, rows]: 0, or MASKED for padding. */
  readonly bias: Resident;
}

/**
 * The rows that a cache began with, where its heads hold different numbers of them: every head has arrays of its own, as long as its rows. They
 * never change. Only side by side with a sequence that has more rows in a head does another have padding there.
 */
export class RaggedBase {
  /** Rows that a head of a sequence holds at most. */
  readonly mostRows: number;
  /** Rows that a head of a sequence holds, on average. */
  readonly heldRows: number;
  /** The same with what is padding. */
  readonly paddedRows: number;
  /** By layer and head. */
  private heads: readonly (readonly BaseHead[])[];
  /** Rows of every sequence's heads, layer · numKvHeads + head. */
  private counts: readonly (readonly number[])[];

  private readonly runtime: Runtime;

  private constructor(
    runtime: Runtime,
    heads: readonly (readonly BaseHead[])[],
    counts: readonly (readonly number[])[],
  ) {
    this.runtime = runtime;
    this.heads = heads;
    this.counts = counts;
    const all = counts.flat();
    this.mostRows = Math.max(...all);
    this.heldRows = mean(all);
    this.paddedRows = mean(mostByHead(counts));
  }

  /** Copies rows of several sequences to where the engine runs. */
  static async upload(
    runtime: Runtime,
    config: ModelConfig,
    sequences: readonly (readonly HostLayer[])[],
  ): Promise<RaggedBase> {
    const heads: BaseHead[][] = [];
    for (let layer = 0; layer < config.numLayers; layer++) {
      const own = sequences.map((layers) => layers.slice(layer, layer + 1).flatMap((rows) => headsOf(rows, config)));
      const inLayer = Array.from({ length: config.numKvHeads }, (_, head) => own.map((rows) => rows[head]));
      heads.push(await Promise.all(inLayer.map((rows) => uploadHead(runtime, config, rows))));
    }
    return new RaggedBase(
      runtime,
      heads,
      sequences.map((layers) => allRowCounts(layers, config)),
    );
  }

  /** Copies of bases of one sequence each. @param bases undefined for a sequence without rows */
  static async sideBySide(
    runtime: Runtime,
    { numLayers, numKvHeads, headDim }: ModelConfig,
    bases: readonly (RaggedBase | undefined)[],
  ): Promise<RaggedBase> {
    const counts = bases.map((base) => base?.counts[0] ?? new Array<number>(numLayers * numKvHeads).fill(0));
    const copies: RowCopy[] = [];
    const made = async (layer: number, head: number): Promise<BaseHead> => {
      const own = counts.map((all) => all[layer * numKvHeads + head] ?? 0);
      const dims = [bases.length, 1, mostOf(own), headDim];
      const [keys, values, bias] = await Promise.all([
        runtime.allocate("float32", dims),
        runtime.allocate("float32", dims),
        runtime.upload(paddingBias(own)),
      ]);
      bases.forEach((base, to) => {
        const [source, rows = 0] = [base?.heads[layer]?.[head], own[to]];
        if (source === undefined || rows === 0) return;
        const pieces = [{ from: 0, fromRow: 0, to, toRow: 0, rows }];
        copies.push({ target: keys, source: source.keys, pieces }, { target: values, source: source.values, pieces });
      });
      return { keys, values, bias };
    };
    // Asked for at once: hundreds of calls that wait for each other would hold up whoever is read beside them.
    const heads = await Promise.all(
      Array.from({ length: numLayers }, (_, layer) =>
        Promise.all(Array.from({ length: numKvHeads }, (_, head) => made(layer, head))),
      ),
    );
    await runtime.copyRows(copies);
    return new RaggedBase(runtime, heads, counts);
  }

  /** `paddedRows` of these bases, of one sequence each, if they lay side by side. */
  static paddedTogether(bases: readonly (RaggedBase | undefined)[]): number {
    const counts = bases.flatMap((base) => base?.counts ?? []);
    return counts.length === 0 ? 0 : mean(mostByHead(counts));
  }

  /** What a step graph with `ragged` takes of a layer. */
  feeds(layer: number): Record<string, Resident> {
    const feeds: Record<string, Resident> = {};
    this.heads[layer]?.forEach(({ keys, values, bias }, head) => {
      const prefix = `layers.${layer}.base.${head}.`;
      feeds[`${prefix}keys`] = keys;
      feeds[`${prefix}values`] = values;
      feeds[`${prefix}bias`] = bias;
    });
    return feeds;
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
    const kept: BaseHead[][] = [];
    for (const inLayer of this.heads) {
      const picked: BaseHead[] = [];
      for (const { keys, values, bias } of inLayer) {
        picked.push({ keys: await pick(keys), values: await pick(values), bias: await pick(bias) });
      }
      kept.push(picked);
    }
    this.heads = kept;
    this.counts = places.map((place) => this.counts[place] ?? []);
  }

  /** Copies of the rows of the only sequence, by layer and head. */
  download({ numKvHeads, headDim }: ModelConfig): Promise<HeadRows[][]> {
    return Promise.all(
      this.heads.map((inLayer, layer) =>
        Promise.all(
          inLayer.map(async ({ keys, values }, head) => {
            const size = (this.counts[0]?.[layer * numKvHeads + head] ?? 0) * headDim;
            const cut = async (rows: Resident): Promise<Float32Array> => {
              const { data } = await this.runtime.download(rows);
              return (data as Float32Array).subarray(0, size);
            };
            return { keys: await cut(keys), values: await cut(values) };
          }),
        ),
      ),
    );
  }

  release(): void {
    for (const { keys, values, bias } of this.heads.flat()) {
      keys.release();
      values.release();
      bias.release();
    }
    this.heads = [];
  }
}

function mean(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0) / counts.length;
}

/** For every head the rows of the sequence that has most. */
function mostByHead([first = [], ...others]: readonly (readonly number[])[]): number[] {
  return first.map((count, head) => others.reduce((most, own) => Math.max(most, own[head] ?? 0), count));
}

/** One head of all sequences. */
async function uploadHead(
  runtime: Runtime,
  { headDim }: ModelConfig,
  sequences: readonly (HeadRows | undefined)[],
): Promise<BaseHead> {
  const count = sequences.length;
  const counts = sequences.map((rows) => (rows?.keys.length ?? 0) / headDim);
  const most = mostOf(counts);
  const stacked = (pick: "keys" | "values"): Promise<Resident> => {
    const all = new Float32Array(count * most * headDim);
    sequences.forEach((rows, i) => {
      all.set(rows?.[pick] ?? [], i * most * headDim);
    });
    return runtime.upload(tensor("float32", [count, 1, most, headDim], all));
  };
  const [keys, values, bias] = await Promise.all([
    stacked("keys"),
    stacked("values"),
    runtime.upload(paddingBias(counts)),
  ]);
  return { keys, values, bias };
}

/** Rows of a head's arrays. No array is empty: a head without rows has one of padding. */
function mostOf(counts: readonly number[]): number {
  return Math.max(1, ...counts);
}

/** Hides what stands behind each sequence's rows of a head, [sequences, 1, 1, most rows]. */
function paddingBias(counts: readonly number[]): Tensor<"float32"> {
  const most = mostOf(counts);
  const bias = new Float32Array(counts.length * most);
  counts.forEach((own, i) => bias.fill(MASKED, i * most + own, (i + 1) * most));
  return tensor("float32", [counts.length, 1, 1, most], bias);
}
