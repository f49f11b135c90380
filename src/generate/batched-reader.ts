import type { LayerCache } from "../models/layer-cache.ts";
import type { ForwardRequest, LanguageModel, Pace } from "../models/language-model.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import { Batch } from "./batch.ts";
import type { Reader } from "./decode.ts";

/** Tokens that are read in turns between two steps of the answers: a few tenths of a second on two cores. */
const TOKENS_BETWEEN = 64;

/** Milliseconds that a step waits for answers that took part in the last one and have not asked for the next. */
const GRACE = 5;

/** An answer that wants its next token. */
interface Asked {
  readonly id: number;
  readonly cache: LayerCache;
  readonly signal: AbortSignal | undefined;
  /** @param logits [1, vocabulary] */
  readonly give: (logits: Tensor<"float32">) => void;
  readonly fail: (error: unknown) => void;
}

interface Turn {
  readonly tokens: number;
  take(): Promise<void>;
}

/**
 * Reads many answers on at once: the next tokens of all that ask are one step of the model, which costs little more than that of one.
 * Answers come and go between steps. Everything else, prompts and texts that are compressed, is read in turns between the steps, a bounded number
 * of tokens at a time.
 */
export class BatchedReader implements Reader<LayerCache>, Pace {
  readonly tokens = TOKENS_BETWEEN;
  /** The model, whose calls wait for their turn here. */
  readonly model: LanguageModel;
  private readonly batch: Batch;
  private asked: Asked[] = [];
  private turns: Turn[] = [];
  /** Who took part in the last step. */
  private readonly expected = new Set<LayerCache>();
  private working = false;
  private onChange: (() => void) | undefined;

  /** @param mostRows as `Batch` */
  constructor(model: LanguageModel, name: string, mostRows?: number) {
    this.model = model.as(name, this);
    this.batch = new Batch(this.model, mostRows);
  }

  /**
   * Reads tokens on top of a cache as `LanguageModel.forward` does.
   * @throws KvDistillError as `LanguageModel.forward`
   */
  async forward(request: ForwardRequest): Promise<Tensor<"float32">> {
    const { ids, cache, logitRows = [], adapter, signal } = request;
    const [id] = ids;
    const isStep = id !== undefined && ids.length === 1 && logitRows.length === 1 && adapter === undefined;
    if (!isStep) {
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
    this.batch.leave(cache);
    if (!this.working) this.batch.dropIfEmpty();
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
    this.batch.dropIfEmpty();
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

  /** One token of everybody who has asked: together, and of those whose caches are too long for that one by one. */
  private async step(): Promise<void> {
    const asked = this.asked.splice(0).filter(({ signal, fail }) => {
      if (signal?.aborted !== true) return true;
      fail(new KvDistillError("cancelled", "reading was cancelled"));
      return false;
    });
    if (asked.length === 0) return;
    this.expected.clear();
    for (const { cache } of asked) this.expected.add(cache);
    const together = this.batch.together(asked.map(({ cache }) => cache));
    await this.read(asked.filter(({ cache }) => together.has(cache)));
    for (const own of asked) if (!together.has(own.cache)) await this.read([own]);
  }

  private async read(asked: readonly Asked[]): Promise<void> {
    if (asked.length === 0) return;
    let logits: readonly Tensor<"float32">[];
    try {
      logits = await this.batch.read(asked);
    } catch (error) {
      // Nobody has read anything: their own caches are as they were.
      this.batch.drop();
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
}
