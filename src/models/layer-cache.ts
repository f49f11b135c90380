import { residentOf } from "../runtime/feeding.ts";
import type { Program, Resident, Runtime } from "../runtime/runtime.ts";
import { ints, type Tensor, tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import type { ModelConfig } from "./config.ts";
import { MASKED } from "./reading-bias.ts";

/** Keys and values of one layer of one sequence in host memory, [kvHeads, rows, headDim] each. */
export interface HostLayer {
  readonly keys: Float32Array<ArrayBuffer>;
  readonly values: Float32Array<ArrayBuffer>;
  /** Rows of each kv head, the first of it; what follows is padding that nothing may attend to. Left out: all are rows. */
  readonly rowCounts?: readonly number[];
}

/** Rows that every head of every layer holds, padding included. */
export function heldRows(
  [layer]: readonly HostLayer[],
  { numKvHeads, headDim }: Pick<ModelConfig, "numKvHeads" | "headDim">,
): number {
  return (layer?.keys.length ?? 0) / (numKvHeads * headDim);
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
  /** Of a masked cache: added to the scores of its rows, [sequences, kvHeads, 1, capacity]. */
  readonly bias: Resident | undefined;
}

/**
 * The key/value rows that a model reads from, layer by layer, held where the engine runs: of one sequence, or of several side by side that
 * have equally many. Rows beyond `length` are reserved and masked. `position` is where reading continues: after a compressed context it is
 * more than `length`.
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
  private count: number;

  private constructor(runtime: Runtime, config: ModelConfig, { position = 0, masked = false, sequences = 1 }) {
    this.runtime = runtime;
    this.config = config;
    this.next = position;
    this.masked = masked;
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
    const { numKvHeads, headDim } = config;
    const rows = Math.max(...sequences.map((layers) => heldRows(layers, config)));
    const masked = sequences.flat().some(({ rowCounts }) => rowCounts !== undefined);
    const cache = new LayerCache(runtime, config, { position, masked, sequences: sequences.length });
    await cache.reserve(rows + room, room === 0 ? CAPACITY_STEP : 1);
    const dims = [sequences.length, numKvHeads, rows, headDim];
    // Layer by layer: no more than one is held here beside the sequences' own rows.
    for (const [i, { keys, values, bias }] of cache.layers.entries()) {
      const own = sequences.map((layers) => layers[i]);
      const stacked = (pick: "keys" | "values"): Tensor =>
        tensor(
          "float32",
          dims,
          stackRows(
            own.map((layer) => layer?.[pick] ?? new Float32Array()),
            dims,
          ),
        );
      await runtime.writeSlice(keys, 2, 0, stacked("keys"));
      await runtime.writeSlice(values, 2, 0, stacked("values"));
      if (bias === undefined) continue;
      const counts = own.map((layer) => layer?.rowCounts);
      await runtime.writeSlice(bias, 3, 0, paddingBias(counts, numKvHeads, rows));
    }
    cache.used = rows;
    return cache;
  }

  /** Sequences side by side: the B of step graphs. */
  get sequences(): number {
    return this.count;
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

  /** Makes room for `rows` rows in all, or the next multiple of `step`. */
  async reserve(rows: number, step = CAPACITY_STEP): Promise<void> {
    if (rows <= this.reserved) return;
    const capacity = Math.ceil(rows / step) * step;
    const { numLayers, numKvHeads, headDim } = this.config;
    const grow = async (old: Resident | undefined, dims: readonly number[], axis: number): Promise<Resident> => {
      const larger = await this.runtime.allocate("float32", dims);
      if (old !== undefined) {
        await this.runtime.writeSlice(larger, axis, 0, old);
        old.release();
      }
      return larger;
    };
    const dims = [this.count, numKvHeads, capacity, headDim];
    this.layers = await Promise.all(
      Array.from({ length: numLayers }, async (_, i) => ({
        keys: await grow(this.layers[i]?.keys, dims, 2),
        values: await grow(this.layers[i]?.values, dims, 2),
        bias: this.masked ? await grow(this.layers[i]?.bias, [this.count, numKvHeads, 1, capacity], 3) : undefined,
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
    const kept: CachedLayer[] = [];
    for (const { keys, values, bias } of this.layers) {
      kept.push({ keys: await pick(keys), values: await pick(values), bias: bias && (await pick(bias)) });
    }
    this.layers = kept;
    this.count = places.length;
  }

  /**
   * Copies of the rows in use of the only sequence, in host memory.
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

/**
 * 0 for the first rows of each head, as many as it has, and MASKED for the padding after them: [sequences, kvHeads, 1, rows].
 * @param rowCounts of each sequence; undefined where no head has padding of its own
 */
function paddingBias(
  rowCounts: readonly (readonly number[] | undefined)[],
  numKvHeads: number,
  rows: number,
): Tensor<"float32"> {
  const bias = new Float32Array(rowCounts.length * numKvHeads * rows);
  rowCounts.forEach((own, sequence) => {
    own?.forEach((count, head) => {
      const start = (sequence * numKvHeads + head) * rows;
      bias.fill(MASKED, start + count, start + rows);
    });
  });
  return tensor("float32", [rowCounts.length, numKvHeads, 1, rows], bias);
}
