import type { HostLayer } from "../models/host-layer.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { LayerCache } from "../models/layer-cache.ts";
import type { AttentionReduction } from "../models/step-graph.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A context that was read in full by the frozen model, in host memory. */
export interface FullReading {
  readonly layers: readonly HostLayer[];
}

export interface CompressionContextOptions {
  readonly position?: number;
  readonly signal?: AbortSignal;
  /** Told how many tokens of the context have been read, as far as a reading has come yet. */
  readonly onRead?: (tokens: number) => void;
}

/** A text that is read after the context to see where it looks. */
export interface Probe {
  readonly ids: readonly number[];
  /** Over the probe's tokens and the query heads of a group. */
  readonly reduction: AttentionReduction;
  /** 1 for the context's tokens that the attention is shared among, 0 for the others (`LanguageModel.attentionReceived`). */
  readonly among?: Float32Array;
}

/**
 * A context to compress. Readings are made once, when first asked for; attention is computed only for methods that ask.
 * Attention is given for every layer as [kvHeads, tokens]: what each token of the context receives.
 */
export class CompressionContext {
  readonly model: LanguageModel;
  readonly ids: readonly number[];
  /** Position of the first token: not 0 for a fold of a longer context. */
  readonly position: number;
  readonly signal: AbortSignal | undefined;
  private readonly onRead: ((tokens: number) => void) | undefined;
  private furthest = 0;
  private readonly made = new Map<string, Promise<unknown>>();

  constructor(
    model: LanguageModel,
    ids: readonly number[],
    { position = 0, signal, onRead }: CompressionContextOptions = {},
  ) {
    this.model = model;
    this.ids = ids;
    this.position = position;
    this.signal = signal;
    this.onRead = onRead;
  }

  /** The same tokens at positions from 0. */
  fromZero(): CompressionContext {
    if (this.position === 0) return this;
    const { model, ids, signal, onRead } = this;
    return new CompressionContext(model, ids, {
      ...(signal === undefined ? {} : { signal }),
      ...(onRead === undefined ? {} : { onRead }),
    });
  }

  /** An empty cache whose first row will be the context's first token. */
  async newCache(): Promise<LayerCache> {
    const cache = await this.model.newCache(this.position);
    cache.onGrowth = (length) => {
      // A method may read several times, and more than the context.
      const read = Math.min(length, this.ids.length);
      if (read <= this.furthest) return;
      this.furthest = read;
      this.onRead?.(read);
    };
    return cache;
  }

  /**
   * What is known of the context, made when it is first asked for and shared from then on among methods and budgets: not to be written to.
   * @param name of all that it depends on besides the context
   */
  once<T>(name: string, make: () => Promise<T>): Promise<T> {
    const known = this.made.get(name) as Promise<T> | undefined;
    const own = known ?? make();
    this.made.set(name, own);
    return own;
  }

  /** The full cache of the context. */
  full(): Promise<FullReading> {
    return this.once("full", () => this.read());
  }

  /** Residual stream after the first `layers` blocks of the frozen model, [tokens, hidden]. */
  hiddenAfter(layers: number): Promise<Tensor<"float32">> {
    const { model, ids, position, signal } = this;
    return this.once(`hidden after ${layers}`, () =>
      model.hiddenAfter(layers, ids, { position, ...(signal === undefined ? {} : { signal }) }),
    );
  }

  /** Attention from the context's last `queries` tokens, summed over them and the query heads of a group. */
  attentionFromLast(queries: number): Promise<Float32Array[]> {
    const start = this.ids.length - queries;
    return this.once(`attention from the last ${queries}`, () =>
      this.onFull(async (cache) => {
        cache.truncate(start, this.position + start);
        return this.model.attentionReceived(this.ids.slice(start), cache, "sum", this.signal);
      }),
    );
  }

  /** Attention from texts that are read after the context, each on its own: one result for each. */
  attentionFromProbes(probes: readonly Probe[]): Promise<Float32Array[][]> {
    const tokens = this.ids.length;
    return this.onFull(async (cache) => {
      const { length, position } = cache;
      const all: Float32Array[][] = [];
      for (const { ids, reduction, among } of probes) {
        const columns = among && Float32Array.from({ length: tokens + ids.length }, (_, i) => among[i] ?? 1);
        const received = await this.model.attentionReceived(ids, cache, reduction, this.signal, columns);
        cache.truncate(length, position);
        all.push(received.map((own) => firstOfEach(own, tokens, tokens + ids.length)));
      }
      return all;
    });
  }

  /** Works on the full cache where the model runs. */
  private async onFull<T>(work: (cache: LayerCache) => Promise<T>): Promise<T> {
    const { runtime, config } = this.model;
    const { layers } = await this.full();
    const cache = await LayerCache.from(runtime, config, layers, this.position + this.ids.length);
    try {
      return await work(cache);
    } finally {
      cache.release();
    }
  }

  private async read(): Promise<FullReading> {
    const cache = await this.newCache();
    try {
      await this.model.forward({ ids: this.ids, cache, ...(this.signal === undefined ? {} : { signal: this.signal }) });
      return { layers: await cache.download() };
    } finally {
      cache.release();
    }
  }
}

/** Of every row of [rows, width] the first `count` numbers. */
function firstOfEach(all: Float32Array, count: number, width: number): Float32Array {
  const rows = all.length / width;
  const first = new Float32Array(rows * count);
  for (let row = 0; row < rows; row++) first.set(all.subarray(row * width, row * width + count), row * count);
  return first;
}
