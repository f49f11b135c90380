import type { Resident, Runtime } from "../runtime/runtime.ts";
import { tensor } from "../tensor/tensor.ts";
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
  /** By layer and head. */
  private heads: readonly (readonly BaseHead[])[];
  /** Of the first sequence, layer · numKvHeads + head. */
  private readonly counts: readonly number[];

  private readonly runtime: Runtime;

  private constructor(
    runtime: Runtime,
    heads: readonly (readonly BaseHead[])[],
    counts: readonly (readonly number[])[],
  ) {
    this.runtime = runtime;
    this.heads = heads;
    this.counts = counts[0] ?? [];
    const all = counts.flat();
    this.mostRows = Math.max(...all);
    this.heldRows = all.reduce((sum, count) => sum + count, 0) / all.length;
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
      const inLayer: BaseHead[] = [];
      for (let head = 0; head < config.numKvHeads; head++) {
        inLayer.push(
          await uploadHead(
            runtime,
            config,
            own.map((rows) => rows[head]),
          ),
        );
      }
      heads.push(inLayer);
    }
    return new RaggedBase(
      runtime,
      heads,
      sequences.map((layers) => allRowCounts(layers, config)),
    );
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
      await this.runtime.copyRows([{ target: kept, source: rows }], pieces);
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
  }

  /** Copies of the rows of the only sequence, by layer and head. */
  download({ numKvHeads, headDim }: ModelConfig): Promise<HeadRows[][]> {
    return Promise.all(
      this.heads.map((inLayer, layer) =>
        Promise.all(
          inLayer.map(async ({ keys, values }, head) => {
            const size = (this.counts[layer * numKvHeads + head] ?? 0) * headDim;
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

/** One head of all sequences. No array is empty: a head without rows has one of padding. */
async function uploadHead(
  runtime: Runtime,
  { headDim }: ModelConfig,
  sequences: readonly (HeadRows | undefined)[],
): Promise<BaseHead> {
  const count = sequences.length;
  const counts = sequences.map((rows) => (rows?.keys.length ?? 0) / headDim);
  const most = Math.max(1, ...counts);
  const stacked = (pick: "keys" | "values"): Promise<Resident> => {
    const all = new Float32Array(count * most * headDim);
    sequences.forEach((rows, i) => {
      all.set(rows?.[pick] ?? [], i * most * headDim);
    });
    return runtime.upload(tensor("float32", [count, 1, most, headDim], all));
  };
  const bias = new Float32Array(count * most);
  counts.forEach((own, i) => bias.fill(MASKED, i * most + own, (i + 1) * most));
  return {
    keys: await stacked("keys"),
    values: await stacked("values"),
    bias: await runtime.upload(tensor("float32", [count, 1, 1, most], bias)),
  };
}
