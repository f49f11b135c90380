import type { Resident, RowCopy, RowPiece, Runtime } from "../runtime/runtime.ts";
import { asDType, type Tensor, tensor } from "../tensor/tensor.ts";
import type { ModelConfig } from "./config.ts";
import { countedLayer, heldRows, type HeadRows, type HostLayer, isRagged, layerOf } from "./host-layer.ts";
import { CacheBase } from "./cache-base.ts";

/**
 * Rows are reserved in steps of this many, so that shapes repeat and the engine reuses its plans. Never far ahead: reserved rows are masked,
 * but multiplied like any others.
 */
const CAPACITY_STEP = 128;

const NO_ROWS: HostLayer = { keys: new Float32Array(), values: new Float32Array() };

interface LayerRows {
  readonly keys: Resident;
  readonly values: Resident;
}

/** How far one sequence has been read. */
export interface SequencePlace {
  /** Rows in use; those behind a base. */
  readonly length: number;
  /** Of its next token: after a compressed context more than it has rows. */
  readonly position: number;
}

/** Of a place that nobody has. */
const FREE: SequencePlace = { length: 0, position: 0 };

/**
 * The key/value rows that a model reads from, layer by layer, held where the engine runs: of one sequence, or of several side by side, each
 * with rows of its own from the first on. Rows behind them are reserved and masked.
 *
 * Rows that a ragged cache began with, whose heads have different numbers of them, or that several sequences share, are a base that stays as it is;
 * behind it are the rows that were read since, equally many in every head: `length`, `capacity` and `layer` are of these alone.
 */
export class LayerCache {
  private layers: readonly LayerRows[] = [];
  private reserved = 0;
  private at: readonly SequencePlace[];
  /** Called with the number of rows in use whenever rows were added. */
  onGrowth: ((length: number) => void) | undefined;
  /** Where there is one reading needs a step graph with a base. */
  readonly base: CacheBase | undefined;
  private readonly runtime: Runtime;
  private readonly config: ModelConfig;

  private constructor(runtime: Runtime, config: ModelConfig, at: readonly SequencePlace[], base?: CacheBase) {
    this.runtime = runtime;
    this.config = config;
    this.at = at;
    this.base = base;
  }

  /** An empty cache; it grows as needed. */
  static async empty(runtime: Runtime, config: ModelConfig, position = 0): Promise<LayerCache> {
    const cache = new LayerCache(runtime, config, [{ length: 0, position }]);
    await cache.reserve(1);
    return cache;
  }

  /**
   * Places for caches of one sequence each, whose rows are copied there by `follow`; bases of ragged ones are copied at once.
   * @param of undefined for a place that stays free
   * @param rows that each has room for, beside its base
   */
  static async places(
    runtime: Runtime,
    config: ModelConfig,
    of: readonly (LayerCache | undefined)[],
    rows: number,
  ): Promise<LayerCache> {
    const bases = of.map((own) => own?.base);
    const isRagged = bases.some((base) => base !== undefined);
    const base = isRagged ? await CacheBase.sideBySide(runtime, config, bases) : undefined;
    const at = of.map(() => ({ length: 0, position: 0 }));
    const cache = new LayerCache(runtime, config, at, base);
    await cache.reserve(rows);
    return cache;
  }

  /** A cache of given rows, after which reading continues at `position`. */
  static async from(
    runtime: Runtime,
    config: ModelConfig,
    layers: readonly HostLayer[],
    position: number,
  ): Promise<LayerCache> {
    if (isRagged(layers, config)) {
      const base = await CacheBase.upload(runtime, config, [layers], false);
      const cache = new LayerCache(runtime, config, [{ length: 0, position }], base);
      await cache.reserve(1);
      return cache;
    }
    const rows = heldRows(layers, config);
    const cache = new LayerCache(runtime, config, [{ length: 0, position }]);
    // Arrays of no rows cannot be written or fetched.
    await cache.reserve(Math.max(1, rows));
    if (rows === 0) return cache;
    cache.at = [{ length: rows, position }];
    const dims = [1, config.numKvHeads, rows, config.headDim];
    for (const [i, { keys, values }] of cache.layers.entries()) {
      const { keys: ownKeys, values: ownValues } = layers[i] ?? NO_ROWS;
      await runtime.writeSlice(keys, 2, 0, tensor("float32", dims, ownKeys));
      await runtime.writeSlice(values, 2, 0, tensor("float32", dims, ownValues));
    }
    return cache;
  }

  /**
   * Caches side by side, from each of which equally many sequences read on: those of the first cache, then those of the second and so on. Their rows
   * are a base, held once for all sequences of a cache.
   * @param seats sequences of each cache
   * @param room rows that are going to be read: they alone are reserved, growing would copy
   */
  static async shared(
    runtime: Runtime,
    config: ModelConfig,
    starts: readonly { readonly layers: readonly HostLayer[]; readonly position: number }[],
    { seats, room }: { readonly seats: number; readonly room: number },
  ): Promise<LayerCache> {
    const base = await CacheBase.upload(
      runtime,
      config,
      starts.map(({ layers }) => layers),
      true,
    );
    const at = starts.flatMap(({ position }) => Array.from({ length: seats }, () => ({ length: 0, position })));
    const cache = new LayerCache(runtime, config, at, base);
    await cache.reserve(Math.max(1, room), 1);
    return cache;
  }

  /** Sequences side by side: the B of step graphs. */
  get sequences(): number {
    return this.at.length;
  }

  /** How far each of them has been read. */
  get places(): readonly SequencePlace[] {
    return this.at;
  }

  /** Rows in use, of the longest sequence; those behind a base. */
  get length(): number {
    return Math.max(...this.at.map(({ length }) => length));
  }

  /** Rows that a head holds, on average: what memory goes by. */
  get heldRows(): number {
    return (this.base?.heldRows ?? 0) + this.length;
  }

  /** The same with what is reserved. */
  get reservedRows(): number {
    return (this.base?.heldRows ?? 0) + this.reserved;
  }

  /** Rows that a new token sees in one head at most: what limits go by. */
  get mostRows(): number {
    return (this.base?.mostRows ?? 0) + this.length;
  }

  /** Rows reserved: the P of step graphs. */
  get capacity(): number {
    return this.reserved;
  }

  /** Position of the first sequence's next token. */
  get position(): number {
    return this.at[0]?.position ?? 0;
  }

  layer(i: number): LayerRows {
    const layer = this.layers[i];
    if (layer === undefined) throw new RangeError(`the cache has no layer ${i}`);
    return layer;
  }

  /** Makes room for `rows` rows in all, or the next multiple of `step`. */
  async reserve(rows: number, step = CAPACITY_STEP): Promise<void> {
    if (rows <= this.reserved) return;
    await this.remake(
      this.at.map((_, place) => place),
      Math.ceil(rows / step) * step,
    );
  }

  /** Appends the rows that a step computed for every sequence, and releases them. @param counts how many of them each has */
  async append(own: readonly LayerRows[], counts: readonly number[]): Promise<void> {
    const pieces = this.at.flatMap(({ length }, place) => {
      const rows = counts[place] ?? 0;
      return rows === 0 ? [] : [{ from: place, fromRow: 0, to: place, toRow: length, rows }];
    });
    await this.runtime.copyRows(copiesOf(this.layers, own, pieces));
    for (const { keys, values } of own) {
      keys.release();
      values.release();
    }
    this.at = this.at.map(({ length, position }, place) => {
      const rows = counts[place] ?? 0;
      return { length: length + rows, position: position + rows };
    });
    this.onGrowth?.(this.length);
  }

  /** Copies the rows that sequence `from` of another cache has behind as many as sequence `to` has here; not those of a base. */
  async follow(to: number, other: LayerCache, from: number): Promise<void> {
    const [here, there] = [this.at[to], other.at[from]];
    if (here === undefined || there === undefined) throw new RangeError(`there is no sequence ${to} or ${from}`);
    const rows = there.length - here.length;
    if (rows > 0) {
      await this.reserve(there.length);
      const piece = { from, fromRow: here.length, to, toRow: here.length, rows };
      await this.runtime.copyRows(copiesOf(this.layers, other.layers, [piece]));
    }
    this.at = this.at.map((own, place) => (place === to ? there : own));
  }

  /** Forgets the newest rows of a sequence: back to `length` rows and `position`. */
  truncate(length: number, position: number, sequence = 0): void {
    this.at = this.at.map((own, place) => (place === sequence ? { length, position } : own));
  }

  /**
   * Makes the sequences at these places, in this order, all that there are, and these caches of the base.
   * @param places undefined for a place that stays free; equally many for every cache
   */
  async keepSequences(places: readonly (number | undefined)[], caches: readonly number[]): Promise<void> {
    await this.remake(places, this.reserved);
    await this.base?.keep(caches);
  }

  /** Puts arrays of these sequences and so many rows in the place of those that there are. */
  private async remake(places: readonly (number | undefined)[], capacity: number): Promise<void> {
    const { numLayers, numKvHeads, headDim } = this.config;
    const pieces = places.flatMap((from, to) => {
      const rows = from === undefined ? 0 : (this.at[from]?.length ?? 0);
      return from === undefined || rows === 0 ? [] : [{ from, fromRow: 0, to, toRow: 0, rows }];
    });
    const made = async (old: Resident | undefined): Promise<Resident> => {
      const larger = await this.runtime.allocate("float32", [places.length, numKvHeads, capacity, headDim]);
      if (old !== undefined) {
        await this.runtime.copyRows([{ target: larger, source: old, pieces }]);
        old.release();
      }
      return larger;
    };
    const remade = async (old: LayerRows | undefined): Promise<LayerRows> => {
      const [keys, values] = await Promise.all([made(old?.keys), made(old?.values)]);
      return { keys, values };
    };
    const layers: LayerRows[] = [];
    if (this.layers.length === 0) {
      // Asked for at once: the engine is done with all when others' calls would stand between one and the next.
      layers.push(...(await Promise.all(Array.from({ length: numLayers }, () => remade(undefined)))));
    } else {
      // Layer by layer: no more than one is held twice.
      for (const old of this.layers) layers.push(await remade(old));
    }
    this.layers = layers;
    this.reserved = capacity;
    this.at = places.map((place) => (place === undefined ? FREE : (this.at[place] ?? FREE)));
  }

  /** Copies of all rows in use of the only sequence, in host memory. */
  async download(): Promise<HostLayer[]> {
    const before = await this.base?.download(this.config);
    return this.newestLayers(this.length, before);
  }

  /**
   * Copies of some rows of the only sequence of a cache without a base: nothing else leaves the engine.
   * @param rowsOf a layer's heads, sorted
   */
  downloadRows(rowsOf: (layer: number) => readonly Int32Array[]): Promise<HostLayer[]> {
    return Promise.all(this.layers.map((_, layer) => this.downloadLayer(layer, rowsOf(layer))));
  }

  /** The same of one layer. @param heads rows of each, sorted */
  async downloadLayer(layer: number, heads: readonly Int32Array[]): Promise<HostLayer> {
    const own = this.layer(layer);
    const take = async (from: Resident): Promise<Float32Array<ArrayBuffer>> =>
      asDType(await this.runtime.download(from, rowsThrough(heads, this.reserved)), "float32").data;
    const [keys, values] = await Promise.all([take(own.keys), take(own.values)]);
    return countedLayer(
      keys,
      values,
      heads.map(({ length }) => length),
    );
  }

  /** Copies of the newest `count` rows of the only sequence: rows that were read, not of a ragged cache's base. */
  async downloadNewest(count: number): Promise<HostLayer[]> {
    return this.newestLayers(count);
  }

  /** The newest rows of every layer, as they come. @param before rows in front of them, by layer and head */
  private newestLayers(count: number, before?: readonly (readonly HeadRows[])[]): Promise<HostLayer[]> {
    const { numKvHeads, headDim } = this.config;
    return Promise.all(
      this.layers.map(async (own, layer) => {
        const [keys, values] = [await this.runtime.download(own.keys), await this.runtime.download(own.values)];
        const heads = Array.from({ length: numKvHeads }, (_, head) => {
          const end = (head * this.reserved + this.length) * headDim;
          const cut = ({ data }: Tensor): Float32Array => (data as Float32Array).subarray(end - count * headDim, end);
          return [...(before?.[layer]?.slice(head, head + 1) ?? []), { keys: cut(keys), values: cut(values) }];
        });
        return layerOf(heads, headDim);
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

/** Rows of every head of an array [kvHeads, reserved, headDim], numbered through all of it. */
function rowsThrough(heads: readonly Int32Array[], reserved: number): Int32Array<ArrayBuffer> {
  const all = new Int32Array(heads.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  heads.forEach((rows, head) => {
    for (const row of rows) all[at++] = head * reserved + row;
  });
  return all;
}

function copiesOf(target: readonly LayerRows[], source: readonly LayerRows[], pieces: readonly RowPiece[]): RowCopy[] {
  return source.flatMap((from, i) => {
    const into = target[i];
    if (into === undefined) throw new RangeError(`the cache has no layer ${i}`);
    return [
      { target: into.keys, source: from.keys, pieces },
      { target: into.values, source: from.values, pieces },
    ];
  });
}
