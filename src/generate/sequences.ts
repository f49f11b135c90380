import { contextLimit } from "../models/config.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { allRowCounts, type HostLayer } from "../models/host-layer.ts";
import { LayerCache } from "../models/layer-cache.ts";
import { MASKED } from "../models/reading-bias.ts";
import { runStep } from "../models/run-step.ts";
import { sequencesGraph } from "../models/sequences-graph.ts";
import { asDType, ints, type Tensor, tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";

/** What a sequence begins with. */
export interface SequenceStart {
  readonly layers: readonly HostLayer[];
  /** Of the first token that is read: after a compressed context more than it has rows. */
  readonly position: number;
}

/** Tokens to read next in one sequence. */
export interface SequenceText {
  /** Place of the sequence's start among those given. */
  readonly sequence: number;
  readonly ids: readonly number[];
  /** Logits are wanted of this token of `ids` and of those after it. */
  readonly logitsFrom: number;
}

/** Tokens of one engine call, as far as there are fewer sequences: more gain nothing, and their scores take memory. */
const TOKENS_TOGETHER = 1024;

interface Sequence {
  readonly start: SequenceStart;
  /** Rows of the cache that it sees, beside those of a ragged cache's base. */
  readonly rows: number[];
  /** Rows of that base that a head holds at most. */
  readonly baseRows: number;
  /** Tokens read and not forgotten. */
  tokens: number;
}

/**
 * Several caches that are read on side by side, each as if it were the only one. One engine call takes a step in all of them and costs
 * little more than in one: weights are the price of a short step.
 */
export class Sequences {
  private readonly model: LanguageModel;
  private readonly cache: LayerCache;
  /** In the order in which they lie in the cache. */
  private places: readonly number[];
  private readonly sequences: readonly Sequence[];

  private constructor(model: LanguageModel, cache: LayerCache, starts: readonly SequenceStart[]) {
    this.model = model;
    this.cache = cache;
    this.places = [...starts.keys()];
    this.sequences = starts.map((start) => {
      const counts = allRowCounts(start.layers, model.config);
      const [baseRows, own] = cache.base === undefined ? [0, Math.max(...counts)] : [Math.max(...counts), 0];
      return { start, rows: Array.from({ length: own }, (_, row) => row), baseRows, tokens: 0 };
    });
  }

  /**
   * Copies the starts to where the model runs; `release` frees them there.
   * @param room tokens that the longest is going to read: memory is reserved for them at once
   * @throws KvDistillError `out-of-memory`
   */
  static async open(model: LanguageModel, starts: readonly SequenceStart[], room: number): Promise<Sequences> {
    // Starts that share their rows are copied there once, and multiplied there.
    const distinct = [...new Set(starts.map(({ layers }) => layers))];
    const cache = await LayerCache.stack(model.runtime, model.config, distinct, { room });
    if (distinct.length < starts.length) {
      const program = await model.compile("sequences", sequencesGraph);
      await cache.keepSequences(
        program,
        starts.map(({ layers }) => distinct.indexOf(layers)),
      );
    }
    return new Sequences(model, cache, starts);
  }

  /** Sequences that are still held. */
  get count(): number {
    return this.places.length;
  }

  /**
   * Reads on in some of the sequences.
   * @returns for each text the logits that it asked for, [vocabulary] each
   * @throws KvDistillError `context-too-long` when a sequence would see more rows than the model reads, or have no position left;
   * `bad-argument` for a sequence that is no longer held or named twice; `cancelled`, and what the engine throws
   */
  async read(texts: readonly SequenceText[], signal?: AbortSignal): Promise<Float32Array[][]> {
    const textAt = this.textsByPlace(texts);
    for (const text of texts) this.checkRoom(text);
    const longest = Math.max(...texts.map(({ ids }) => ids.length));
    const width = Math.max(1, Math.floor(TOKENS_TOGETHER / this.places.length));
    const logits: Float32Array[][] = texts.map(() => []);
    for (let start = 0; start < longest; start += width) {
      if (signal?.aborted === true) throw new KvDistillError("cancelled", "reading was cancelled");
      await this.step(texts, textAt, { start, end: Math.min(start + width, longest) }, logits);
    }
    return logits;
  }

  /** Takes the newest `count` tokens of a sequence back. Their rows stay reserved, unseen. */
  forget(sequence: number, count: number): void {
    const own = this.sequence(sequence);
    own.rows.length -= count;
    own.tokens -= count;
  }

  /** Frees all sequences but these. */
  async keep(sequences: readonly number[]): Promise<void> {
    const kept = this.places.flatMap((sequence, place) => (sequences.includes(sequence) ? [place] : []));
    const program = await this.model.compile("sequences", sequencesGraph);
    await this.cache.keepSequences(program, kept);
    this.places = kept.map((place) => this.places[place] ?? 0);
  }

  release(): void {
    this.cache.release();
    this.places = [];
  }

  private sequence(index: number): Sequence {
    const own = this.sequences[index];
    if (own === undefined) throw new RangeError(`there is no sequence ${index}`);
    return own;
  }

  /** For every sequence that is held which text it reads; undefined for one that waits. */
  private textsByPlace(texts: readonly SequenceText[]): (number | undefined)[] {
    const byPlace = new Map<number, number>();
    texts.forEach(({ sequence }, text) => {
      const place = this.places.indexOf(sequence);
      if (place >= 0 && !byPlace.has(place)) byPlace.set(place, text);
      else throw new KvDistillError("bad-argument", "a sequence is not held, or read twice", { got: String(sequence) });
    });
    return this.places.map((_, place) => byPlace.get(place));
  }

  private checkRoom({ sequence, ids }: SequenceText): void {
    const { config, files } = this.model;
    const { rows, baseRows, start, tokens } = this.sequence(sequence);
    // Rotary positions have no end: what counts is how many rows are seen.
    const used = config.family === "gpt2" ? start.position + tokens : baseRows + rows.length;
    const limit = contextLimit(config);
    if (used + ids.length <= limit) return;
    throw new KvDistillError("context-too-long", "more tokens than the model reads", {
      where: files.name,
      expected: `at most ${limit} tokens`,
      got: String(used + ids.length),
    });
  }

  /** Reads the tokens from `start` to `end` of every text that has them; shorter ones are padded, and nothing sees the padding. */
  private async step(
    texts: readonly SequenceText[],
    textAt: readonly (number | undefined)[],
    { start, end }: { readonly start: number; readonly end: number },
    logits: readonly Float32Array[][],
  ): Promise<void> {
    const width = end - start;
    const used = this.cache.length;
    await this.cache.reserve(used + width);
    const ids: number[] = [];
    const positions: number[] = [];
    const wanted: { readonly row: number; readonly text: number }[] = [];
    const bias = new Float32Array(this.places.length * width * (this.cache.capacity + width)).fill(MASKED);
    this.places.forEach((index, place) => {
      const own = this.sequence(index);
      const text = textAt[place];
      const { ids: all = [], logitsFrom = 0 } = text === undefined ? {} : (texts[text] ?? {});
      for (let i = 0; i < width; i++) {
        const id = all[start + i];
        const row = place * width + i;
        ids.push(id ?? 0);
        positions.push(id === undefined ? 0 : own.start.position + own.tokens + i);
        if (id === undefined) continue;
        if (text !== undefined && start + i >= logitsFrom) wanted.push({ row, text });
        const columns = bias.subarray(row * (this.cache.capacity + width));
        for (const seen of own.rows) columns[seen] = 0;
        columns.fill(0, this.cache.capacity, this.cache.capacity + i + 1);
      }
      const read = Math.min(width, Math.max(0, all.length - start));
      for (let i = 0; i < read; i++) own.rows.push(used + i);
      own.tokens += read;
    });
    const rows = await this.logitsOf(
      ids,
      { positions, bias, width },
      wanted.map(({ row }) => row),
    );
    wanted.forEach(({ text }, i) => logits[text]?.push(rows[i] ?? new Float32Array()));
  }

  private async logitsOf(
    ids: readonly number[],
    { positions, bias, width }: { positions: readonly number[]; bias: Float32Array<ArrayBuffer>; width: number },
    wanted: readonly number[],
  ): Promise<Float32Array[]> {
    const { config } = this.model;
    const dims = [this.places.length, 1, width, this.cache.capacity + width];
    const outputs: Readonly<Record<string, Tensor>> = await runStep({
      program: await this.model.readingProgram(
        { result: wanted.length > 0 ? "logits" : "none", ...(this.cache.base === undefined ? {} : { ragged: true }) },
        ids.length,
      ),
      config,
      ids,
      cache: this.cache,
      layers: config.numLayers,
      places: { positions, bias: tensor("float32", dims, bias) },
      extra: { logitRows: ints([wanted.length], wanted) },
    });
    if (outputs.logits === undefined) return [];
    const { data } = asDType(outputs.logits, "float32");
    return wanted.map((_, i) => data.slice(i * config.vocabSize, (i + 1) * config.vocabSize));
  }
}
