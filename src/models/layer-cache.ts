import type { Resident, Runtime } from "../runtime/runtime.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import type { ModelConfig } from "./config.ts";
import { MASKED } from "./reading-bias.ts";

/** Keys and values of one layer in host memory, [kvHeads, rows, headDim] each. */
export interface HostLayer {
  readonly keys: Float32Array<ArrayBuffer>;
  readonly values: Float32Array<ArrayBuffer>;
  /** Rows of each kv head, the first of it; what follows is padding that nothing may attend to. Left out: all are rows. */
  readonly rowCounts?: readonly number[];
}

/**
 * Rows are reserved in steps of this many, so that shapes repeat and the engine reuses its plans. Never far ahead: reserved rows are masked,
 * but multiplied like any others.
 */
const CAPACITY_STEP = 128;

interface LayerRows {
  readonly keys: Resident;
  readonly values: Resident;
}

interface CachedLayer extends LayerRows {
  /** Of a masked cache: added to the scores of its rows, [1, kvHeads, 1, capacity]. */
  readonly bias: Resident | undefined;
}

/**
 * The key/value rows that a model reads from, layer by layer, held where the engine runs. Rows beyond `length` are reserved and masked.
 * `position` is where reading continues: after a compressed context it is more than `length`.
 */
export class LayerCache {
  private layers: readonly CachedLayer[] = [];
  private used = 0;
  private reserved = 0;
  private next: number;
  /** Called with the number of rows in use whenever rows were added. */
  onGrowth: ((length: number) => void) | undefined;
  /** Some rows are padding: reading needs a step graph with `masked`. */
  readonly masked: boolean;
  private readonly runtime: Runtime;
  private readonly config: ModelConfig;

  private constructor(runtime: Runtime, config: ModelConfig, position: number, masked: boolean) {
    this.runtime = runtime;
    this.config = config;
    this.next = position;
    this.masked = masked;
  }

  /** An empty cache; it grows as needed. */
  static async empty(runtime: Runtime, config: ModelConfig, position = 0): Promise<LayerCache> {
    const cache = new LayerCache(runtime, config, position, false);
    await cache.reserve(1);
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
    const masked = layers.some(({ rowCounts }) => rowCounts !== undefined);
    const cache = new LayerCache(runtime, config, position, masked);
    await cache.reserve(rows);
    const dims = [1, config.numKvHeads, rows, config.headDim];
    const writes = layers.flatMap(({ keys, values, rowCounts = [] }, i) => {
      const { bias, ...own } = cache.layer(i);
      return [
        runtime.writeSlice(own.keys, 2, 0, tensor("float32", dims, keys)),
        runtime.writeSlice(own.values, 2, 0, tensor("float32", dims, values)),
        ...(bias === undefined
          ? []
          : [runtime.writeSlice(bias, 3, 0, paddingBias(rowCounts, config.numKvHeads, rows))]),
      ];
    });
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

  layer(i: number): CachedLayer {
    const layer = this.layers[i];
    if (layer === undefined) throw new RangeError(`the cache has no layer ${i}`);
    return layer;
  }

  /** Makes room for `rows` rows in all. */
  async reserve(rows: number): Promise<void> {
    if (rows <= this.reserved) return;
    const capacity = Math.ceil(rows / CAPACITY_STEP) * CAPACITY_STEP;
    const { numLayers, numKvHeads, headDim } = this.config;
    const grow = async (old: Resident | undefined, dims: readonly number[], axis: number): Promise<Resident> => {
      const larger = await this.runtime.allocate("float32", dims);
      if (old !== undefined) {
        await this.runtime.writeSlice(larger, axis, 0, old);
        old.release();
      }
      return larger;
    };
    const dims = [1, numKvHeads, capacity, headDim];
    this.layers = await Promise.all(
      Array.from({ length: numLayers }, async (_, i) => ({
        keys: await grow(this.layers[i]?.keys, dims, 2),
        values: await grow(this.layers[i]?.values, dims, 2),
        bias: this.masked ? await grow(this.layers[i]?.bias, [1, numKvHeads, 1, capacity], 3) : undefined,
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

  /**
   * Copies of the rows in use, in host memory.
   * @throws KvDistillError `unsupported` for a masked cache
   */
  async download(): Promise<HostLayer[]> {
    if (this.masked) throw new KvDistillError("unsupported", "rows of a masked cache cannot be told from its padding");
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
    for (const { keys, values, bias } of this.layers) {
      keys.release();
      values.release();
      bias?.release();
    }
    this.layers = [];
  }
}

/** 0 for the first rows of each head, as many as it has, and MASKED for the padding after them: [1, kvHeads, 1, rows]. */
function paddingBias(rowCounts: readonly number[], numKvHeads: number, rows: number): Tensor<"float32"> {
  const bias = new Float32Array(numKvHeads * rows);
  rowCounts.forEach((count, head) => bias.fill(MASKED, head * rows + count, (head + 1) * rows));
  return tensor("float32", [1, numKvHeads, 1, rows], bias);
}
