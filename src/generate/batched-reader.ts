import { LayerCache } from "../models/layer-cache.ts";
import type { ForwardRequest, LanguageModel, Pace } from "../models/language-model.ts";
import { runStep } from "../models/run-step.ts";
import { asDType, ints, type Tensor, tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import type { Reader } from "./decode.ts";

/** Tokens that are read in turns between two steps of the answers: a few tenths of a second on two cores. */
const TOKENS_BETWEEN = 64;

/** Milliseconds that a step waits for answers that took part in the last one and have not asked for the next. */
const GRACE = 5;

/**
 * Rows beyond which a cache is read on by itself: reading them is what its step costs then, not the weights, and all beside it would be
 * multiplied as long.
 */
const MOST_ROWS = 1024;

/** Places of the batch come in steps of this many, so that it is not made anew for every answer that comes. */
const PLACES_STEP = 4;

/** A batch of so few rows is never too long. */
const LEAST_ROWS = 256;

/** An answer that wants its next token. */
interface Asked {
  readonly id: number;
  readonly cache: LayerCache;
  readonly signal: AbortSignal | undefined;
  readonly give: (logits: Tensor<"float32">) => void;
  readonly fail: (error: unknown) => void;
}

interface Turn {
  readonly tokens: number;
  take(): Promise<void>;
}

/**
 * Reads many answers on at once: the next tokens of all that ask are one step of the model, which costs little more than that of one.
 * Answers come and go between steps. Everything else, prompts, texts that are compressed, the steps of long caches and of ragged ones, is read
 * in turns between the steps, a bounded number of tokens at a time.
 *
 * Every answer keeps its own cache, which grows as if it were read alone. Beside them lie copies side by side, the batch, that steps are read
 * from: whoever is not in it is copied there, and what a step computes is copied back.
 */
export class BatchedReader implements Reader<LayerCache>, Pace {
  readonly tokens = TOKENS_BETWEEN;
  /** The model, whose calls wait for their turn here. */
  readonly model: LanguageModel;
  private batch: LayerCache | undefined;
  /** Whose copy lies at each place of the batch; undefined where a place is free. */
  private seats: (LayerCache | undefined)[] = [];
  private asked: Asked[] = [];
  private turns: Turn[] = [];
  /** Who took part in the last step. */
  private readonly expected = new Set<LayerCache>();
  private working = false;
  private onChange: (() => void) | undefined;

  constructor(model: LanguageModel, name: string) {
    this.model = model.as(name, this);
  }

  /**
   * Reads tokens on top of a cache as `LanguageModel.forward` does.
   * @throws KvDistillError as `LanguageModel.forward`
   */
  async forward(request: ForwardRequest): Promise<Tensor<"float32">> {
    const { ids, cache, logitRows = [], adapter, signal } = request;
    const [id] = ids;
    const isStep = id !== undefined && ids.length === 1 && logitRows.length === 1 && adapter === undefined;
    if (!isStep || cache.base !== undefined || cache.length >= MOST_ROWS) {
      this.leave(cache);
      return this.model.forward(request);
    }
    this.model.checkReading(ids, cache);
    return new Promise((give, fail) => {
      this.asked.push({ id, cache, signal, give, fail });
      this.wake();
    });
  }

  leave(cache: LayerCache): void {
    this.expected.delete(cache);
    const place = this.seats.indexOf(cache);
    if (place >= 0) {
      this.seats[place] = undefined;
      this.batch?.truncate(0, 0, place);
      if (!this.working) this.dropIfEmpty();
    }
    this.onChange?.();
  }

  turn<T>(tokens: number, call: () => Promise<T>): Promise<T> {
    return new Promise((give, fail) => {
      this.turns.push({ tokens, take: () => call().then(give, fail) });
      this.wake();
    });
  }

  private wake(): void {
    this.onChange?.();
    if (!this.working) void this.work();
  }

  private async work(): Promise<void> {
    this.working = true;
    while (this.asked.length > 0 || this.turns.length > 0) {
      await this.takeTurns();
      await this.everybody();
      await this.step();
    }
    this.working = false;
    this.dropIfEmpty();
  }

  private async takeTurns(): Promise<void> {
    // Not those that come meanwhile: whoever reads in turns asks again at once.
    let present = this.turns.length;
    for (let tokens = 0; present > 0 && tokens < TOKENS_BETWEEN; present--) {
      const turn = this.turns.shift();
      tokens += turn?.tokens ?? 0;
      await turn?.take();
    }
  }

  /** Waits a moment for those who were in the last step: a step without them costs as much as one with them. */
  private async everybody(): Promise<void> {
    const complete = (): boolean => {
      const ready = new Set(this.asked.map(({ cache }) => cache));
      return ready.size === 0 || [...this.expected].every((cache) => ready.has(cache));
    };
    if (complete()) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GRACE);
      this.onChange = () => {
        if (!complete()) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.onChange = undefined;
  }

  /** One token of everybody who has asked. */
  private async step(): Promise<void> {
    const asked = this.asked.splice(0).filter(({ signal, fail }) => {
      if (signal?.aborted !== true) return true;
      fail(new KvDistillError("cancelled", "reading was cancelled"));
      return false;
    });
    if (asked.length === 0) return;
    this.expected.clear();
    for (const { cache } of asked) this.expected.add(cache);
    let logits: readonly Tensor<"float32">[];
    try {
      logits = await this.read(asked);
    } catch (error) {
      // Nobody has read anything: their own caches are as they were.
      this.dropBatch();
      for (const { fail } of asked) fail(error);
      return;
    }
    for (const [i, { give, fail }] of asked.entries()) {
      const own = logits[i];
      if (own === undefined) fail(new RangeError("a step gave too few logits"));
      else give(own);
      // Choosing a token takes milliseconds: the process has others to answer.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** @returns for everybody logits [1, vocabulary] */
  private async read(asked: readonly Asked[]): Promise<Tensor<"float32">[]> {
    const { config } = this.model;
    const [only] = asked;
    // One alone is read where it lies.
    const cache = asked.length === 1 && only !== undefined ? only.cache : await this.seat(asked);
    const places = asked.map((own) => (cache === own.cache ? 0 : this.seats.indexOf(own.cache)));
    const ids = new Array<number>(cache.sequences).fill(0);
    const counts = new Array<number>(cache.sequences).fill(0);
    // What might fail for want of memory does so before anything is read.
    for (const own of asked) await own.cache.reserve(own.cache.length + 1);
    asked.forEach(({ id }, i) => {
      const place = places[i] ?? 0;
      ids[place] = id;
      counts[place] = 1;
    });
    const outputs = await runStep({
      // As each of them would be read alone.
      program: await this.model.readingProgram({ result: "logits" }, 1),
      config,
      ids,
      counts,
      cache,
      layers: config.numLayers,
      extra: { logitRows: ints([places.length], places) },
    });
    for (const [i, own] of asked.entries()) {
      if (own.cache !== cache) await own.cache.follow(0, cache, places[i] ?? 0);
    }
    const { vocabSize } = config;
    const { data } = asDType(outputs.logits ?? tensor("float32", [0], new Float32Array()), "float32");
    return asked.map((_, i) => tensor("float32", [1, vocabSize], data.slice(i * vocabSize, (i + 1) * vocabSize)));
  }

  /** The batch, with all of them in it. */
  private async seat(asked: readonly Asked[]): Promise<LayerCache> {
    const { runtime, config } = this.model;
    const newcomers = asked.map(({ cache }) => cache).filter((cache) => !this.seats.includes(cache));
    const present = [...this.seats.filter((seat) => seat !== undefined), ...newcomers];
    const rows = Math.max(...present.map(({ length }) => length)) + 1;
    let { batch } = this;
    if (batch === undefined || isWasteful(batch, present.length, rows)) {
      this.dropBatch();
      const places = PLACES_STEP * Math.ceil(present.length / PLACES_STEP);
      batch = await LayerCache.places(runtime, config, places, rows);
      this.batch = batch;
      this.seats = Array.from({ length: places }, (_, place) => present[place]);
    } else {
      for (const cache of newcomers) this.seats[this.seats.indexOf(undefined)] = cache;
    }
    for (const { cache } of asked) await batch.follow(this.seats.indexOf(cache), cache, 0);
    return batch;
  }

  private dropIfEmpty(): void {
    if (this.seats.every((seat) => seat === undefined)) this.dropBatch();
  }

  private dropBatch(): void {
    this.batch?.release();
    this.batch = undefined;
    this.seats = [];
  }
}

/** Whether a batch has too few places, or so many or so long ones that making it anew for what is needed is worth the copies. */
function isWasteful({ sequences, capacity }: LayerCache, needed: number, rows: number): boolean {
  if (needed > sequences) return true;
  return (sequences > PLACES_STEP && 2 * needed <= sequences) || (capacity > LEAST_ROWS && 2 * rows <= capacity);
}
