import { contextLimit } from "../models/config.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { allRowCounts, type HostLayer } from "../models/host-layer.ts";
import { LayerCache, type SequencePlace } from "../models/layer-cache.ts";
import { runStep } from "../models/run-step.ts";
import { asDType, ints, type Tensor, tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import { checkLogit } from "./sample.ts";

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

/** The newest token of a sequence, which is not read yet. */
export interface NewestToken {
  readonly sequence: number;
  readonly id: number;
}

/** What one engine call gave of the rows that were asked for. */
interface StepResult {
  /** Whose each row is, as a place among the texts. */
  readonly texts: readonly number[];
  readonly outputs: Readonly<Record<string, Tensor>>;
}

/** Tokens of one engine call, as far as there are fewer sequences: more gain nothing, and their scores take memory. */
const TOKENS_TOGETHER = 1024;

/** Which sequences have which places beside each other. */
interface Seating {
  /** The starts that they read on from, as places among those that were given; the same one stands there once. */
  readonly starts: readonly number[];
  /** Of every start equally many places, in the order of `starts`; undefined for one that is free. */
  readonly places: readonly (number | undefined)[];
}

/**
 * Several caches that are read on side by side, each as if it were the only one. One engine call takes a step in all of them and costs
 * little more than in one: weights are the price of a short step. Sequences with the same start share its rows.
 */
export class Sequences {
  private readonly model: LanguageModel;
  private readonly cache: LayerCache;
  private readonly starts: readonly SequenceStart[];
  private seating: Seating;

  private constructor(model: LanguageModel, cache: LayerCache, starts: readonly SequenceStart[], seating: Seating) {
    this.model = model;
    this.cache = cache;
    this.starts = starts;
    this.seating = seating;
  }

  /**
   * Copies the starts to where the model runs; `release` frees them there.
   * @param room tokens that the longest is going to read: memory is reserved for them at once
   * @throws KvDistillError `out-of-memory`
   */
  static async open(model: LanguageModel, starts: readonly SequenceStart[], room: number): Promise<Sequences> {
    const seating = seat(starts, [...starts.keys()]);
    const cache = await LayerCache.shared(
      model.runtime,
      model.config,
      seating.starts.flatMap((at) => starts[at] ?? []),
      { seats: seating.places.length / seating.starts.length, room },
    );
    return new Sequences(model, cache, starts, seating);
  }

  /** Sequences that are still held. */
  get count(): number {
    return this.seating.places.filter((sequence) => sequence !== undefined).length;
  }

  /**
   * Reads on in some of the sequences.
   * @returns for each text the logits that it asked for, [vocabulary] each, views of all that one engine call gave
   * @throws KvDistillError `context-too-long` when a sequence would see more rows than the model reads, or have no position left;
   * `bad-argument` for a sequence that is no longer held or named twice; `cancelled`, and what the engine throws
   */
  async read(texts: readonly SequenceText[], signal?: AbortSignal): Promise<Float32Array[][]> {
    const { vocabSize } = this.model.config;
    const logits: Float32Array[][] = texts.map(() => []);
    for await (const { texts: asking, outputs } of this.steps(texts, "logits", signal)) {
      const { data } = floats(outputs, "logits");
      asking.forEach((text, i) => logits[text]?.push(data.subarray(i * vocabSize, (i + 1) * vocabSize)));
    }
    return logits;
  }

  /**
   * Reads one token in some of the sequences. Nothing but the answer leaves the engine, where logits would be most of what is copied.
   * @returns the likeliest token after each; of equal ones the lowest
   * @throws KvDistillError `not-finite` when logits are not numbers, and what `read` throws
   */
  async choose(newest: readonly NewestToken[], signal?: AbortSignal): Promise<number[]> {
    const texts = newest.map(({ sequence, id }) => ({ sequence, ids: [id], logitsFrom: 0 }));
    const chosen = newest.map(() => 0);
    for await (const { texts: asking, outputs } of this.steps(texts, "choices", signal)) {
      floats(outputs, "tops").data.forEach(checkLogit);
      const { data } = asDType(outputs.choices ?? ints([0], []), "int64");
      asking.forEach((text, i) => (chosen[text] = Number(data[i])));
    }
    return chosen;
  }

  /** Reads the texts in engine calls of a bounded size; those come in which somebody asked for a row. */
  private async *steps(
    texts: readonly SequenceText[],
    result: "logits" | "choices",
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StepResult, void, undefined> {
    const textAt = this.textsByPlace(texts);
    for (const text of texts) this.checkRoom(text);
    const longest = Math.max(...texts.map(({ ids }) => ids.length));
    // The rows of a start meet padding too.
    const padded = (this.cache.base?.mostTokens ?? TOKENS_TOGETHER) / this.seating.places.length;
    const width = Math.max(1, Math.floor(Math.min(TOKENS_TOGETHER / texts.length, padded)));
    for (let start = 0; start < longest; start += width) {
      if (signal?.aborted === true) throw new KvDistillError("cancelled", "reading was cancelled");
      const made = await this.step(texts, textAt, { start, end: Math.min(start + width, longest) }, result);
      if (made.texts.length > 0) yield made;
    }
  }

  /** Takes the newest `count` tokens of a sequence back. Their rows stay reserved, unseen. */
  forget(sequence: number, count: number): void {
    const place = this.placeOf(sequence);
    const { length, position } = this.at(place);
    this.cache.truncate(length - count, position - count, place);
  }

  /** Frees all sequences but these. */
  async keep(sequences: readonly number[]): Promise<void> {
    const { starts, places } = this.seating;
    const kept = seat(
      this.starts,
      places.flatMap((sequence) => (sequence !== undefined && sequences.includes(sequence) ? [sequence] : [])),
    );
    await this.cache.keepSequences(
      kept.places.map((sequence) => (sequence === undefined ? undefined : places.indexOf(sequence))),
      kept.starts.map((start) => starts.indexOf(start)),
    );
    this.seating = kept;
  }

  release(): void {
    this.cache.release();
    this.seating = { starts: [], places: [] };
  }

  private at(place: number): SequencePlace {
    const own = this.cache.places[place];
    if (own === undefined) throw new RangeError(`there is no place ${place}`);
    return own;
  }

  /** @throws KvDistillError `bad-argument` */
  private placeOf(sequence: number): number {
    const place = this.seating.places.indexOf(sequence);
    if (place >= 0) return place;
    throw new KvDistillError("bad-argument", "the sequence is not held", { got: String(sequence) });
  }

  /** For every sequence that is held which text it reads; undefined for one that waits. */
  private textsByPlace(texts: readonly SequenceText[]): (number | undefined)[] {
    const byPlace = new Map<number, number>();
    texts.forEach(({ sequence }, text) => {
      const place = this.placeOf(sequence);
      if (!byPlace.has(place)) byPlace.set(place, text);
      else throw new KvDistillError("bad-argument", "a sequence is read twice", { got: String(sequence) });
    });
    return this.seating.places.map((_, place) => byPlace.get(place));
  }

  private checkRoom({ sequence, ids }: SequenceText): void {
    const { config, files } = this.model;
    const { length, position } = this.at(this.placeOf(sequence));
    // Rotary positions have no end: what counts is how many rows are seen, in the head that has most.
    const rows = Math.max(...allRowCounts(this.starts[sequence]?.layers ?? [], config));
    const used = config.positions === "learned" ? position : rows + length;
    const limit = contextLimit(config);
    if (used + ids.length <= limit) return;
    throw new KvDistillError("context-too-long", "more tokens than the model reads", {
      where: files.name,
      expected: `at most ${limit} tokens`,
      got: String(used + ids.length),
    });
  }

  /** Reads the tokens from `start` to `end` of every text that has them. */
  private async step(
    texts: readonly SequenceText[],
    textAt: readonly (number | undefined)[],
    { start, end }: { readonly start: number; readonly end: number },
    result: "logits" | "choices",
  ): Promise<StepResult> {
    const read = textAt.map((text) => (text === undefined ? [] : (texts[text]?.ids.slice(start, end) ?? [])));
    const tokens = read.flatMap((ids, place) => ids.map((id, i) => ({ id, text: textAt[place] ?? 0, at: start + i })));
    const wanted = tokens.flatMap(({ text, at }, row) => (at < (texts[text]?.logitsFrom ?? 0) ? [] : [{ row, text }]));
    const { config } = this.model;
    const { base } = this.cache;
    const outputs = await runStep({
      program: await this.model.readingProgram(
        { result: wanted.length > 0 ? result : "none", ...(base === undefined ? {} : { base: base.shape }) },
        tokens.length,
      ),
      config,
      ids: tokens.map(({ id }) => id),
      cache: this.cache,
      counts: read.map(({ length }) => length),
      layers: config.numLayers,
      logitRows: wanted.map(({ row }) => row),
      extra: {},
    });
    return { texts: wanted.map(({ text }) => text), outputs };
  }
}

/** Places for these sequences: those that read on from the same rows lie side by side, as many for each start as the one with most needs. */
function seat(starts: readonly SequenceStart[], sequences: readonly number[]): Seating {
  const groups = new Map<number, number[]>();
  for (const sequence of sequences) {
    const own = starts[sequence];
    const first = starts.findIndex((other) => own !== undefined && isSame(own, other));
    groups.set(first, [...(groups.get(first) ?? []), sequence]);
  }
  const seats = Math.max(0, ...[...groups.values()].map(({ length }) => length));
  return {
    starts: [...groups.keys()],
    places: [...groups.values()].flatMap((own) => Array.from({ length: seats }, (_, i) => own[i])),
  };
}

function floats(outputs: StepResult["outputs"], name: string): Tensor<"float32"> {
  return asDType(outputs[name] ?? tensor("float32", [0], new Float32Array()), "float32");
}

/** Whether two sequences begin with the same rows, at the same place. */
function isSame(a: SequenceStart, b: SequenceStart): boolean {
  return a.layers === b.layers && a.position === b.position;
}
