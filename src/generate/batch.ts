import type { ModelConfig } from "../models/config.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { LayerCache } from "../models/layer-cache.ts";
import { CacheBase } from "../models/cache-base.ts";
import { runStep } from "../models/run-step.ts";
import { asDType, type Tensor, tensor } from "../tensor/tensor.ts";

/**
 * Rows of each beyond which caches are not read side by side: reading them is what a step costs then, not the weights, and whoever has fewer
 * would be multiplied as long.
 */
const MOST_ROWS = 1024;

/** Places come in steps of this many, so that the batch is not made anew for every answer that comes. */
const PLACES_STEP = 4;

/** A batch of so few rows is never too long. */
const LEAST_ROWS = 256;

/** A token to read next on a cache of one sequence. */
export interface NextToken {
  readonly id: number;
  readonly cache: LayerCache;
}

/**
 * Copies of caches side by side, from which one step for all is read. Every cache stays whole by itself: what a step computes is copied back,
 * and whoever is not in the batch, or has read on without it, is copied there. Where one cache is ragged the batch is: the others have no rows
 * in its base.
 */
export class Batch {
  private readonly model: LanguageModel;
  private readonly mostRows: number;
  private copies: LayerCache | undefined;
  /** Whose copy lies at each place; undefined where a place is free. */
  private seats: (LayerCache | undefined)[] = [];

  /** @param mostRows that each of its caches may take; a cache that has more is read by itself */
  constructor(model: LanguageModel, mostRows = MOST_ROWS) {
    this.model = model;
    this.mostRows = mostRows;
  }

  /**
   * Which of these caches are read in one step; each of the others is to be read by itself. Short ones go first, so that a long one never
   * leaves all others alone.
   */
  together(caches: readonly LayerCache[]): ReadonlySet<LayerCache> {
    // Whoever has a place and asks for nothing now lies beside the others all the same.
    const all = [...new Set([...this.present(), ...caches])].sort((a, b) => a.heldRows - b.heldRows);
    const fitting: LayerCache[] = [];
    for (const cache of all) {
      if (rowsOfEach(this.model.config, [...fitting, cache]) <= this.mostRows) fitting.push(cache);
      else this.leave(cache);
    }
    const asking = new Set(caches);
    return new Set(fitting.filter((cache) => asking.has(cache)));
  }

  /**
   * Reads one token of each; one alone is read where it lies.
   * @returns for each logits [1, vocabulary], all in one array
   * @throws KvDistillError what the engine throws; nobody has read anything then
   */
  async read(next: readonly NextToken[]): Promise<Tensor<"float32">[]> {
    const { config } = this.model;
    const [only] = next;
    const cache = next.length === 1 && only !== undefined ? only.cache : await this.seat(next.map((own) => own.cache));
    const places = next.map((own) => (cache === own.cache ? 0 : this.seats.indexOf(own.cache)));
    // What might fail for want of memory does so before anything is read.
    for (const own of next) await own.cache.reserve(own.cache.length + 1);
    // Tokens go in the order of their places.
    const asking = cache.places.flatMap((_, place) => next[places.indexOf(place)] ?? []);
    const base = cache.base === undefined ? {} : { base: cache.base.shape };
    const outputs = await runStep({
      // As each of them would be read alone.
      program: await this.model.readingProgram({ result: "logits", ...base }, 1),
      config,
      ids: asking.map(({ id }) => id),
      counts: cache.places.map((_, place) => (places.includes(place) ? 1 : 0)),
      cache,
      layers: config.numLayers,
      logitRows: next.map((own) => asking.indexOf(own)),
      extra: {},
    });
    if (cache !== only?.cache) await Promise.all(next.map((own, i) => own.cache.follow(0, cache, places[i] ?? 0)));
    const { vocabSize } = config;
    const { data } = asDType(outputs.logits ?? tensor("float32", [0], new Float32Array()), "float32");
    return next.map((_, i) => tensor("float32", [1, vocabSize], data.subarray(i * vocabSize, (i + 1) * vocabSize)));
  }

  /** Frees the place of a cache that has one. */
  leave(cache: LayerCache): void {
    const place = this.seats.indexOf(cache);
    if (place < 0) return;
    this.seats[place] = undefined;
    this.copies?.truncate(0, 0, place);
  }

  /** Frees the memory of a batch in which nobody has a place. No step may be under way. */
  dropIfEmpty(): void {
    if (this.present().length === 0) this.drop();
  }

  /** Frees the memory; the caches are as they were. */
  drop(): void {
    this.copies?.release();
    this.copies = undefined;
    this.seats = [];
  }

  private present(): LayerCache[] {
    return this.seats.filter((seat) => seat !== undefined);
  }

  /** The copies, with all of these among them. */
  private async seat(caches: readonly LayerCache[]): Promise<LayerCache> {
    const newcomers = caches.filter((cache) => !this.seats.includes(cache));
    const present = [...this.present(), ...newcomers];
    let { copies } = this;
    // The arrays of a base are as long as those who were there needed.
    const unfit = newcomers.length > 0 && [copies, ...newcomers].some((cache) => cache?.base !== undefined);
    if (copies === undefined || unfit || this.isWasteful(copies, present)) {
      this.drop();
      // Whoever asks for nothing now may leave meanwhile: it comes again when it asks.
      const places = PLACES_STEP * Math.ceil(caches.length / PLACES_STEP);
      const seats = Array.from({ length: places }, (_, place) => caches[place]);
      const rows = Math.max(...caches.map(({ length }) => length)) + 1;
      copies = await LayerCache.places(this.model.runtime, this.model.config, seats, rows);
      this.copies = copies;
      this.seats = seats;
    } else {
      for (const cache of newcomers) this.seats[this.seats.indexOf(undefined)] = cache;
    }
    const own = copies;
    await own.reserve(Math.max(...caches.map(({ length }) => length)) + 1);
    await Promise.all(caches.map((cache) => own.follow(this.seats.indexOf(cache), cache, 0)));
    return own;
  }

  /** Whether there are too few places, or so many or so long ones that making the batch anew is worth the copies. */
  private isWasteful(copies: LayerCache, present: readonly LayerCache[]): boolean {
    const { sequences, capacity, base } = copies;
    const rows = (base?.paddedRows ?? 0) + capacity;
    if (present.length > sequences) return true;
    if (sequences > PLACES_STEP && 2 * present.length <= sequences) return true;
    return rows > LEAST_ROWS && 2 * rowsOfEach(this.model.config, present) <= rows;
  }
}

/** Rows that each of these caches takes side by side with the others, one to read included: a head's number, on average. */
function rowsOfEach(config: ModelConfig, caches: readonly LayerCache[]): number {
  return (
    CacheBase.paddedTogether(
      config,
      caches.map(({ base }) => base),
    ) +
    Math.max(...caches.map(({ length }) => length)) +
    1
  );
}
