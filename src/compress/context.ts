import type { LanguageModel } from "../models/language-model.ts";
import type { HostLayer, LayerCache } from "../models/layer-cache.ts";

/** A context that was read in full by the frozen model, in host memory. */
export interface FullReading {
  readonly layers: readonly HostLayer[];
  /** For every layer [kvHeads, tokens]: attention that each token received, summed over queries and the heads of a group. */
  readonly attentionMass: readonly Float32Array[];
}

export interface CompressionContextOptions {
  readonly position?: number;
  readonly signal?: AbortSignal;
  /** Told how many tokens of the context have been read, as far as a reading has come yet. */
  readonly onRead?: (tokens: number) => void;
}

/** A context to compress. What several methods need of it is computed once, when first asked for. */
export class CompressionContext {
  readonly model: LanguageModel;
  readonly ids: readonly number[];
  /** Position of the first token: not 0 for a fold of a longer context. */
  readonly position: number;
  readonly signal: AbortSignal | undefined;
  private readonly onRead: ((tokens: number) => void) | undefined;
  private furthest = 0;
  private reading: Promise<FullReading> | undefined;

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

  /** An empty cache whose first row will be the context's first token. */
  async newCache(): Promise<LayerCache> {
    const cache = await this.model.newCache(this.ids.length, this.position);
    cache.onGrowth = (length) => {
      // A method may read several times, and more than the context.
      const read = Math.min(length, this.ids.length);
      if (read <= this.furthest) return;
      this.furthest = read;
      this.onRead?.(read);
    };
    return cache;
  }

  /** The full cache of the context. */
  full(): Promise<FullReading> {
    this.reading ??= this.read();
    return this.reading;
  }

  private async read(): Promise<FullReading> {
    const cache = await this.newCache();
    try {
      const attentionMass = await this.model.attentionReceived(this.ids, cache, "sum", this.signal);
      return { layers: await cache.download(), attentionMass };
    } finally {
      cache.release();
    }
  }
}
