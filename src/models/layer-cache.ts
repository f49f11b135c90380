import { residentOf } from "../runtime/feeding.ts";
import type { Program, Resident, Runtime } from "../runtime/runtime.ts";
import { ints, type Tensor, tensor } from "../tensor/tensor.ts";
import type { ModelConfig } from "./config.ts";
import { heldRows, type HeadRows, type HostLayer, isRagged, layerOf } from "./host-layer.ts";
import { RaggedBase } from "./ragged-base.ts";

/**
 * Rows are reserved in steps of this many, so that shapes repeat and the engine reuses its plans. Never far ahead: reserved rows are masked,
 * but multiplied like any others.
 */
const CAPACITY_STEP = 128;

interface LayerRows {
  readonly keys: Resident;
  readonly values: Resident;
}

/**
 * The key/value rows that a model reads from, layer by layer, held where the engine runs: of one sequence, or of several side by side that
 * have equally many. Rows beyond `length` are reserved and masked. `position` is where reading continues: after a compressed context it is
 * more than `length`.
 *
 * Rows of a ragged cache, whose heads began with different numbers, are a base that stays as it is, and behind it the rows that were read since,
 * equally many in every head: `length`, `capacity` and `layer` are of these alone.
 */
export class LayerCache {
  private layers: readonly LayerRows[] = [];
  private used = 0;
  private reserved = 0;
  private next: number;
  /** Called with the number of rows in use whenever rows were added. */
  onGrowth: ((length: number) => void) | undefined;
  /** Of a ragged cache: reading needs a step graph with `ragged`. */
  readonly base: RaggedBase | undefined;
  private readonly runtime: Runtime;
  private readonly config: ModelConfig;
  private count: number;

  private constructor(
    runtime: Runtime,
    config: ModelConfig,
    {
      position,
      base,
      sequences = 1,
    }: { readonly position: number; readonly base?: RaggedBase; readonly sequences?: number },
  ) {
    this.runtime = runtime;
    this.config = config;
    this.next = position;
    this.base = base;
    this.count = sequences;
  }

  /** An empty cache; it grows as needed. */
  static async empty(runtime: Runtime, config: ModelConfig, position = 0): Promise<LayerCache> {
    const cache = new LayerCache(runtime, config, { position });
    await cache.reserve(1);
    return cache;
  }

  /** A cache of given rows, after which reading continues at `position`. */
  static from(
    runtime: Runtime,
    config: ModelConfig,
    layers: readonly HostLayer[],
    position: number,
  ): Promise<LayerCache> {
    return LayerCache.stack(runtime, config, [layers], { position });
  }

  /**
   * Caches side by side. Sequences with fewer rows than the longest have padding behind them, which the reader has to mask.
   * @param room rows that are going to be appended: they alone are reserved, growing would copy
   */
  static async stack(
    runtime: Runtime,
    config: ModelConfig,
    sequences: readonly (readonly HostLayer[])[],
    { position = 0, room = 0 } = {},
  ): Promise<LayerCache> {
    const count = sequences.length;
    if (sequences.some((layers) => isRagged(layers, config))) {
      const base = await RaggedBase.upload(runtime, config, sequences);
      const cache = new LayerCache(runtime, config, { position, base, sequences: count });
      await cache.reserve(Math.max(1, room), room === 0 ? CAPACITY_STEP : 1);
      return cache;
    }
    const { numKvHeads, headDim } = config;
    const rows = Math.max(...sequences.map((layers) => heldRows(layers, config)));
    const cache = new LayerCache(runtime, config, { position, sequences: count });
    await cache.reserve(rows + room, room === 0 ? CAPACITY_STEP : 1);
    const dims = [count, numKvHeads, rows, headDim];
    // Layer by layer: no more than one is held here beside the sequences' own rows.
    for (const [i, { keys, values }] of cache.layers.entries()) {
      const stacked = (pick: "keys" | "values"): Tensor =>
        tensor(
          "float32",
          dims,
          stackRows(
            sequences.map((layers) => layers[i]?.[pick] ?? new Float32Array()),
            dims,
          ),
        );
      await runtime.writeSlice(keys, 2, 0, stacked("keys"));
      await runtime.writeSlice(values, 2, 0, stacked("values"));
    }
    cache.used = rows;
    return cache;
  }

  /** Sequences side by side: the B of step graphs. */
  get sequences(): number {
    return this.count;
  }

  /** Rows in use; of a ragged cache those behind its base. */
  get length(): number {
    return this.used;
  }

  /** Rows that a head holds, on average: what memory goes by. */
  get heldRows(): number {
    return (this.base?.heldRows ?? 0) + this.used;
  }

  /** The same with what is reserved. */
  get reservedRows(): number {
    return (this.base?.heldRows ?? 0) + this.reserved;
  }

  /** Rows that a new token sees in one head at most: what limits go by. */
  get mostRows(): number {
    return (this.base?.mostRows ?? 0) + this.used;
  }

  /** Rows reserved: the P of step graphs. */
  get capacity(): number {
    return this.reserved;
  }

  /** Position of the next token. */
  get position(): number {
    return this.next;
  }

  layer(i: number): LayerRows {
    const layer = this.layers[i];
    if (layer === undefined) throw new RangeError(`the cache has no layer ${i}`);
    return layer;
  }

  /** Makes room for `rows` rows in all, or the next multiple of `step`. */
  async reserve(rows: number, step = CAPACITY_STEP): Promise<void> {
    if (rows <= this.reserved) return;
    const capacity = Math.ceil(rows / step) * step;
    const { numLayers, numKvHeads, headDim } = this.config;
    const grow = async (old: Resident | undefined): Promise<Resident> => {
      const larger = await this.runtime.allocate("float32", [this.count, numKvHeads, capacity, headDim]);
      if (old !== undefined) {
        await this.runtime.writeSlice(larger, 2, 0, old);
        old.release();
      }
      return larger;
    };
    this.layers = await Promise.all(
      Array.from({ length: numLayers }, async (_, i) => ({
        keys: await grow(this.layers[i]?.keys),
        values: await grow(this.layers[i]?.values),
      })),
    );
    this.reserved = capacity;
  }

  /** Appends the rows that a step computed for `tokens` new tokens of every sequence, and releases them. */
  async append(own: readonly LayerRows[], tokens: number): Promise<void> {
    await Promise.all(
      own.flatMap(({ keys, values }, i) => [
        this.runtime.writeSlice(this.layer(i).keys, 2, this.used, keys),
        this.runtime.writeSlice(this.layer(i).values, 2, this.used, values),
      ]),
    );
    for (const { keys, values } of own) {
      keys.release();
      values.release();
    }
    this.used += tokens;
    this.next += tokens;
    this.onGrowth?.(this.used);
  }

  /** Forgets the newest rows: back to `length` rows and `position`. */
  truncate(length: number, position: number): void {
    this.used = length;
    this.next = position;
  }

  /**
   * Makes the sequences at these places, in this order and as often as they are named, all that there are.
   * @param program of `sequencesGraph`
   */
  async keepSequences(program: Program, places: readonly number[]): Promise<void> {
    const chosen = ints([places.length], places);
    const pick = async (rows: Resident): Promise<Resident> => {
      const { residents } = await program.runKeeping({ rows, chosen }, ["kept"]);
      rows.release();
      return residentOf(residents, "kept");
    };
    const kept: LayerRows[] = [];
    for (const { keys, values } of this.layers) kept.push({ keys: await pick(keys), values: await pick(values) });
    this.layers = kept;
    await this.base?.keep(pick);
    this.count = places.length;
  }

  /** Copies of all rows in use of the only sequence, in host memory. */
  async download(): Promise<HostLayer[]> {
    const newest = await this.newestRows(this.used);
    const before = await this.base?.download(this.runtime, this.config);
    return newest.map((heads, layer) =>
      layerOf(
        heads.map((rows, head) => [...(before?.[layer]?.slice(head, head + 1) ?? []), rows]),
        this.config.headDim,
      ),
    );
  }

  /** Copies of the newest `count` rows of the only sequence: rows that were read, not of a ragged cache's base. */
  async downloadNewest(count: number): Promise<HostLayer[]> {
    const newest = await this.newestRows(count);
    return newest.map((heads) =>
      layerOf(
        heads.map((rows) => [rows]),
        this.config.headDim,
      ),
    );
  }

  /** The newest rows by layer and head. */
  private newestRows(count: number): Promise<HeadRows[][]> {
    const { numKvHeads, headDim } = this.config;
    return Promise.all(
      this.layers.map(async (layer) => {
        const [keys, values] = [await this.runtime.download(layer.keys), await this.runtime.download(layer.values)];
        return Array.from({ length: numKvHeads }, (_, head) => {
          const end = (head * this.reserved + this.used) * headDim;
          const cut = ({ data }: Tensor): Float32Array => (data as Float32Array).subarray(end - count * headDim, end);
          return { keys: cut(keys), values: cut(values) };
        });
      }),
    );
  }

  release(): void {
    for (const { keys, values } of this.layers) {
      keys.release();
      values.release();
    }
    this.layers = [];
    this.base?.release();
  }
}

/** Rows of every sequence, [kvHeads, its rows, headDim] each, as [sequences, kvHeads, most rows, headDim]; zeros behind the shorter ones. */
function stackRows(
  sequences: readonly Float32Array[],
  [, heads = 1, rows = 0, headDim = 1]: readonly number[],
): Float32Array<ArrayBuffer> {
  const all = new Float32Array(sequences.length * heads * rows * headDim);
  sequences.forEach((own, sequence) => {
    const width = own.length / heads;
    for (let head = 0; head < heads; head++) {
      all.set(own.subarray(head * width, (head + 1) * width), (sequence * heads + head) * rows * headDim);
    }
  });
  return all;
}
