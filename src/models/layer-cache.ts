import type { Resident, Runtime } from "../runtime/runtime.ts";
import { tensor } from "../tensor/tensor.ts";
import type { ModelConfig } from "./config.ts";

/** Keys and values of one layer in host memory, [kvHeads, rows, headDim] each. */
export interface HostLayer {
  readonly keys: Float32Array<ArrayBuffer>;
  readonly values: Float32Array<ArrayBuffer>;
}

/** Rows are reserved in steps of this many, so that shapes repeat and the engine reuses its plans. */
const CAPACITY_STEP = 128;

interface LayerRows {
  readonly keys: Resident;
  readonly values: Resident;
}

/**
 * The key/value rows that a model reads from, layer by layer, held where the engine runs. Rows beyond `length` are reserved and masked.
 * `position` is where reading continues: after a compressed context it is more than `length`.
 */
export class LayerCache {
  private layers: readonly LayerRows[] = [];
  private used = 0;
  private reserved = 0;
  private next: number;
  /** Called with the number of rows in use whenever rows were added. */
  onGrowth: ((length: number) => void) | undefined;
  private readonly runtime: Runtime;
  private readonly config: ModelConfig;

  private constructor(runtime: Runtime, config: ModelConfig, position: number) {
    this.runtime = runtime;
    this.config = config;
    this.next = position;
  }

  /** An empty cache with room for `rows` rows; it grows as needed. */
  static async empty(runtime: Runtime, config: ModelConfig, rows = 0, position = 0): Promise<LayerCache> {
    const cache = new LayerCache(runtime, config, position);
    await cache.reserve(Math.max(1, rows));
    return cache;
  }

  /** A cache of given rows, after which reading continues at `position`. */
  static async from(
    runtime: Runtime,
    config: ModelConfig,
    layers: readonly HostLayer[],
    position: number,
  ): Promise<LayerCache> {
    const rows = (layers[0]?.keys.length ?? 0) / (config.numKvHeads * config.headDim);
    const cache = new LayerCache(runtime, config, position);
    await cache.reserve(rows);
    const dims = [1, config.numKvHeads, rows, config.headDim];
    const writes = layers.flatMap(({ keys, values }, i) => [
      runtime.writeSlice(cache.layer(i).keys, 2, 0, tensor("float32", dims, keys)),
      runtime.writeSlice(cache.layer(i).values, 2, 0, tensor("float32", dims, values)),
    ]);
    await Promise.all(writes);
    cache.used = rows;
    return cache;
  }

  /** Rows in use. */
  get length(): number {
    return this.used;
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

  /** Makes room for `rows` rows in all. */
  async reserve(rows: number): Promise<void> {
    if (rows <= this.reserved) return;
    const capacity = Math.ceil(rows / CAPACITY_STEP) * CAPACITY_STEP;
    const dims = [1, this.config.numKvHeads, capacity, this.config.headDim];
    const grow = async (old: Resident | undefined): Promise<Resident> => {
      const larger = await this.runtime.allocate("float32", dims);
      if (old !== undefined) {
        await this.runtime.writeSlice(larger, 2, 0, old);
        old.release();
      }
      return larger;
    };
    const count = this.config.numLayers;
    this.layers = await Promise.all(
      Array.from({ length: count }, async (_, i) => ({
        keys: await grow(this.layers[i]?.keys),
        values: await grow(this.layers[i]?.values),
      })),
    );
    this.reserved = capacity;
  }

  /** Appends the rows that a step computed for `tokens` new tokens, and releases them. */
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

  /** Copies of the rows in use, in host memory. */
  async download(): Promise<HostLayer[]> {
    const { numKvHeads, headDim } = this.config;
    const cut = async (resident: Resident): Promise<Float32Array<ArrayBuffer>> => {
      const { data } = await this.runtime.download(resident);
      const rows = new Float32Array(numKvHeads * this.used * headDim);
      for (let head = 0; head < numKvHeads; head++) {
        const start = head * this.reserved * headDim;
        rows.set((data as Float32Array).subarray(start, start + this.used * headDim), head * this.used * headDim);
      }
      return rows;
    };
    return Promise.all(
      this.layers.map(async ({ keys, values }) => ({ keys: await cut(keys), values: await cut(values) })),
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
